"""What every test may use: a tiny model in a folder, and a whole small project that runs on it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A law that is true is also true on a busy machine: the time of one example is no part of it.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
COMPLAINTS = ("cough", "fever", "knee pain", "headache", "rash", "dizziness", "back pain", "nausea")
WHEN = ("for two days", "since Monday", "after lunch", "every night", "for a month", "on waking")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer Llama of width 64 in bf16 with a byte-level tokenizer, as a Transformers folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    symbols = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    # llama.cpp refuses a vocabulary without merges; this one merge meets no text of the tests
    inner.train_from_iterator(
        ["qz qz qz"],
        trainers.BpeTrainer(
            vocab_size=len(symbols) + 257, special_tokens=symbols, show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )  # fmt: skip
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<|im_start|>", eos_token="<|im_end|>",
        pad_token="<|im_end|>", unk_token="<|endoftext|>",
    )  # fmt: skip
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=inner.get_vocab_size(), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, max_position_embeddings=1024,
        bos_token_id=1, eos_token_id=2, pad_token_id=2, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def invented_rows(number: int, seed: int = 1) -> list[dict[str, str]]:
    """Visits and notes that nobody wrote: distinct, short, learnable."""
    draw = random.Random(seed)
    rows = []
    for i in range(number):
        what, when = draw.choice(COMPLAINTS), draw.choice(WHEN)
        age = 20 + (i * 7 + seed) % 60
        rows.append({
            "visit": f"Doctor: What brings you in, visitor {seed}-{i}? Patient: I am {age} and I have had "
                     f"{what} {when}. Doctor: I see, thank you.",
            "note": f"Patient {seed}-{i}, aged {age}, reports {what} {when}.",
        })  # fmt: skip
    return rows


def write_jsonl(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def write_project(tiny_folder: Path) -> Callable[..., Path]:
    """Writes a project of invented rows on the tiny model into a new folder; ``sections`` are laid
    over its settings.
    """

    def write(folder: Path, **sections: Any) -> Path:
        return _write_project(folder, tiny_folder, sections)

    return write


@pytest.fixture
def make_project(write_project: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Writes such a project into the test's own folder."""

    def make(name: str = "project", **sections: Any) -> Path:
        return write_project(tmp_path / name, **sections)

    return make


@pytest.fixture(scope="session")
def finished_project(
    write_project: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A small project whose recipe sft ran to its end; copy it before changing anything in it."""
    import tunesmith

    folder = write_project(tmp_path_factory.mktemp("finished") / "project", recipe="sft")
    result = tunesmith.run(folder)
    assert result.status == "done", result.error
    return folder


def _write_project(folder: Path, model: Path, sections: dict[str, Any]) -> Path:
    folder.mkdir()
    write_jsonl(folder / "visits.jsonl", invented_rows(48))
    write_jsonl(folder / "later.jsonl", invented_rows(12, seed=2))
    write_jsonl(folder / "general.jsonl", [
        {"prompt": f"Is {n} an even number? Answer yes or no.", "completion": "yes" if n % 2 == 0 else "no"}
        for n in range(3, 19)
    ])  # fmt: skip
    settings = _small_settings(model)
    for key, value in sections.items():
        if isinstance(value, dict) and isinstance(settings.get(key), dict):
            settings[key] = {**settings[key], **value}
        elif value is None:
            settings.pop(key, None)
        else:
            settings[key] = value
    (folder / "tunesmith.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    return folder


def _small_settings(model: Path) -> dict[str, Any]:
    columns = {"prompt": "Write the note of this visit.\n{visit}", "completion": "{note}"}
    return {
        "name": "small", "language": "en", "seed": 11,
        "model": {"model": str(model)},
        "data": {"rows": "visits.jsonl", "columns": columns},
        "general": {"rows": "general.jsonl"},
        "plan": {"shots": [0, 1]},
        "train": {"method": "lora", "num_train_epochs": 1, "train_batch_size": 8, "save_steps": 1,
                  "lora": {"r": 4}},
        "evaluate": {"max_new_tokens": 8, "resamples": 100, "max_rows": 6},
        "probe": {"general_rows": 6, "asked_rows": 2, "extraction_rows": 2, "max_new_tokens": 8,
                  "verbatim_words": 2, "resamples": 100},
        "gates": {"criteria": [{"metric": "rouge1", "at_most_loss": 1.0}], "probe_criteria": [],
                  "comparison": {"at_least_rows": 3}},
        "compress": {"max_rows": 2, "max_new_tokens": 8},
        "serve": {"requests": 6, "rate": 20, "max_new_tokens": 8, "parity_rows": 2},
        "renew": {"rows": {"rows": "later.jsonl", "columns": columns}},
        "resources": {"threads": 1},
    }  # fmt: skip


SPY = """
import atexit, json, os, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in os.environ["SPY_HIDES"].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

def tell():
    path = os.path.join(os.environ["SPY_TELLS"], str(os.getpid()))
    with open(path, "w") as file:
        json.dump(sorted(sys.modules), file)

sys.meta_path.insert(0, Hidden())
atexit.register(tell)
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended, what it printed, and what its processes had imported by then."""

    code: int
    out: str
    err: str
    seconds: float
    launcher: frozenset[str]
    workers: tuple[frozenset[str], ...]

    def refusal(self, code: str) -> str:
        """What, why and fix of the one error that was told; checks that it was told as one."""
        shown = self.out + self.err
        assert self.code == 2, shown
        assert "Traceback" not in shown
        lines = self.err.strip().splitlines()
        heads = [line.split(":")[0].strip() for line in lines if line.startswith(("error: ", "  "))]
        assert heads[0] == "error", shown
        assert [head for head in heads if head in {"why", "fix", "see"}] == ["why", "fix", "see"]
        assert lines[-1] == f"  see: tunesmith explain {code}"
        return self.err


@pytest.fixture
def tunesmith_command(tmp_path: Path) -> Callable[..., Ended]:
    """Runs ``python -m tunesmith ARGUMENTS`` in a process of its own, with ``hides`` not installed."""
    spy = tmp_path / "spy"
    spy.mkdir()
    (spy / "sitecustomize.py").write_text(SPY)

    def run(*arguments: str | Path, hides: str = "", **environment: str) -> Ended:
        tells = spy / str(time.monotonic_ns())
        tells.mkdir()
        paths = [str(spy), os.environ.get("PYTHONPATH", "")]
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "tunesmith", *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "COLUMNS": "500",
                 "SPY_TELLS": str(tells), "SPY_HIDES": hides, **environment},
        )  # fmt: skip
        out, err = process.communicate(timeout=300)
        seconds = time.monotonic() - started
        told = {path.name: frozenset(json.loads(path.read_text())) for path in tells.iterdir()}
        launcher = told.pop(str(process.pid))
        assert "tunesmith.cli.main" in launcher, "what was imported is really seen"
        return Ended(process.returncode, out, err, seconds, launcher, tuple(told.values()))

    return run
