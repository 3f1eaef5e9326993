"""No field of `Resources` changes a result: rows, choice, trained weights, answers and scores stay.

The recipe sft runs in this process, step by step as a worker runs it, once for each value. Matrix
products are float32 here: in bfloat16 another order of additions may turn a near tie of two tokens.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from tunesmith import worker
from tunesmith.backends.schedule import input_digests
from tunesmith.core import events
from tunesmith.core.config import Resources
from tunesmith.core.graph import build
from tunesmith.core.ledger import Result
from tunesmith.core.store import Store
from tunesmith.integrations import transformers_engine
from tunesmith.recipes.lifecycle import sft
from tunesmith.recipes.settings import load
from tunesmith.stages import table

BASE = Resources(device="cpu", threads=1, micro_batch=0, generate_batch=8, workers=1, gpus=0)
OTHERS: dict[str, tuple[Any, ...]] = {
    "device": ("auto",),
    "threads": (0, 2),
    "micro_batch": (1, 3),
    "generate_batch": (1, 3),
    "workers": (0, 2),
    "gpus": (1,),
}
"""For each field of Resources, values that must give what `BASE` gives on a machine without a GPU."""
EXACT = ("collect", "prepare", "fetch", "select", "general")
"""Steps that compute no float in an order of their own: their bytes are equal."""

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available(), reason="`auto` and `gpus` would take the GPU"
)


@dataclass(frozen=True)
class Outcome:
    """What a run of all steps gave."""

    digests: dict[str, str]
    adapter: dict[str, torch.Tensor]
    answers: list[dict[str, str]]
    metrics: dict[str, float]


@pytest.fixture(scope="module")
def home(
    write_project: Callable[..., Path], tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project whose model babbles: the tiny one repeats a single token, and would hide a fault."""
    folder = tmp_path_factory.mktemp("resources")
    model = Path(shutil.copytree(tiny_folder, folder / "model"))
    config = LlamaConfig.from_pretrained(
        tiny_folder, tie_word_embeddings=False, initializer_range=0.3
    )
    torch.manual_seed(1)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(model)
    return write_project(folder / "project", recipe="sft", model={"model": str(model)})


@pytest.fixture(scope="module", autouse=True)
def single_precision() -> Iterator[None]:
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformers_engine, "choose_dtype", lambda device: torch.float32)
        yield
    torch.set_num_threads(threads)


def outcome(home: Path, name: str, resources: Resources) -> Outcome:
    """Run every step of the recipe sft as a worker does."""
    settings = load(home, ["train.precision=fp32", "select.price.matmul_rate=100000000000"])
    pipeline = build(sft(settings.config, home), table(), seed=settings.config.seed)
    store = Store(home / name / "store")
    done: dict[str, Result] = {}
    told: list[dict[str, Any]] = []
    for step in pipeline.steps:
        folder = home / name / step.name
        folder.mkdir(parents=True)
        inputs = input_digests(step, done)
        (folder / "job.json").write_text(json.dumps({
            "step": step.name, "stage": step.stage, "config": step.config.model_dump(mode="json"),
            "inputs": inputs, "seed": pipeline.seed, "resources": resources.model_dump(),
            "store": str(store.root), "cache": str(home / "cache"), "project": str(home),
        }))  # fmt: skip
        body = worker.run_job(folder)
        assert "outputs" in body, body
        outputs = {port: (kind, digest) for port, (kind, digest) in body["outputs"].items()}
        done[step.name] = Result(step.name, step.stage, 0.0, 0, outputs)
        told += ({**event, "step": step.name} for event in events.read(folder / "events.jsonl"))
    return Outcome(
        {f"{step}.{port}": digest for step, result in done.items() for port, (_, digest) in result.outputs.items()},
        load_file(store.path(done["train"].outputs["tuned"][1]) / "adapter_model.safetensors"),
        [answer for event in told if event["kind"] == "fact" and event["name"] == "answers" for answer in event["body"]],
        {f"{e['step']} {e['subject']} {e['name']}": e["value"] for e in told if e["kind"] == "metric"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def expected(home: Path) -> Outcome:
    found = outcome(home, "base", BASE)
    assert len(found.answers) == 12, "six answers of each model"
    assert len({answer["answer"] for answer in found.answers}) >= 6, (
        "rows have answers of their own"
    )
    assert found.adapter
    return found


def test_every_field_of_resources_has_values_to_try_here() -> None:
    assert set(OTHERS) == set(Resources.model_fields), "a new field needs a row in OTHERS"
    for field, values in OTHERS.items():
        assert values, field
        assert getattr(BASE, field) not in values, field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        # several threads crawl when other tests use the cores
        pytest.param(field, value, marks=[pytest.mark.real] if field == "threads" else [])
        for field, values in OTHERS.items()
        for value in values
    ],
)
def test_a_resource_changes_no_result(
    home: Path, expected: Outcome, field: str, value: Any
) -> None:
    found = outcome(home, f"{field}-{value}", Resources(**{**BASE.model_dump(), field: value}))
    for name, digest in expected.digests.items():
        if name.partition(".")[0] in EXACT:
            assert found.digests[name] == digest, name
    assert found.adapter.keys() == expected.adapter.keys()
    for name, tensor in expected.adapter.items():
        # the order of additions moves the last digits of a float32
        torch.testing.assert_close(
            found.adapter[name], tensor, rtol=2e-4, atol=2e-6, msg=lambda m, n=name: f"{n}: {m}"
        )
    assert found.answers == expected.answers
    assert found.metrics == pytest.approx(expected.metrics, rel=1e-4, abs=1e-6)
