# make demo, make test, make check, make bench: each does its own set-up in .venv.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

export HF_HUB_OFFLINE = 1
export TOKENIZERS_PARALLELISM = false

.PHONY: demo test check bench setup clean

setup: $(READY)

# torch comes first and pinned: left to itself, pip may take a build with gigabytes of CUDA.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tunesmith needs Python 3.11 to 3.13; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@echo "Setting up $(VENV) (once, a few minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install "$$(grep -m1 '^torch==' requirements.txt)" 2> >(grep -v '^WARNING' >&2)
	@$(PIP) install -r requirements.txt 2> >(grep -v '^WARNING' >&2)
	@$(PIP) install --no-deps --no-build-isolation --editable . 2> >(grep -v '^WARNING' >&2)
	@touch $(READY)

# The main job on real input: 100 doctor-patient dialogues and SmolLM2-135M through every phase.
demo: $(READY)
	@test -f demo/tunesmith.yaml || $(BIN)/tunesmith init demo --template clinical-notes
	@$(BIN)/tunesmith run --project demo

test: $(READY)
	@$(BIN)/python -m pytest tests

check: $(READY)
	@$(BIN)/ruff format --check src tests benchmarks docs
	@$(BIN)/ruff check src tests benchmarks docs
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -m "not real" tests/architecture tests/unit tests/golden tests/invariance tests/docs

bench: $(READY)
	@$(BIN)/python benchmarks/sft_vs_trl.py

clean:
	rm -rf $(VENV) build dist
