"""The worked examples of docs/explanation/memory-plan.md are what the function gives."""

import re
from pathlib import Path

from tunesmith.budget.memory import MemoryPlan, Part, predict
from tunesmith.budget.method import Method
from tunesmith.models.spec import from_config

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "memory-plan.md"
LLAMA_7B = {
    "model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096, "intermediate_size": 11008,
    "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32000,
    "tie_word_embeddings": False,
}  # fmt: skip
WORKED = re.compile(
    r"<!-- plan: llama-7b (?P<method>lora 16|full), (?P<tokens>\d+) tokens, rows of (?P<length>\d+), "
    r"(?P<labels>\d+) labels -->\n(?P<table>(?:\|.*\n)+)"
)


def plan(method: str, part: Part) -> MemoryPlan:
    chosen = Method("full") if method == "full" else Method("lora", r=16)
    return predict(from_config(LLAMA_7B), chosen, part=part)


def table(found: MemoryPlan) -> str:
    """The table as the page must hold it, in thousand million bytes."""
    lines = [f"| {line.name} | {line.formula} | {line.bytes / 1e9:.2f} |\n" for line in found.lines]
    return "".join(
        ["| line | product | GB |\n", "|---|---|---|\n", *lines, f"| **sum** | | **{found.bytes / 1e9:.2f}** |\n"]
    )  # fmt: skip


def test_the_worked_tables_are_the_function_s() -> None:
    worked = list(WORKED.finditer(PAGE.read_text(encoding="utf-8")))
    assert len(worked) == 2
    for each in worked:
        part = Part(int(each["tokens"]), int(each["length"]), int(each["labels"]))
        assert each["table"] == table(plan(each["method"], part))


def test_7b_with_lora_fits_24_gb_and_full_tuning_does_not() -> None:
    part = Part(512, 512, 150)
    assert plan("lora", part).bytes < 24e9 < plan("full", part).bytes
