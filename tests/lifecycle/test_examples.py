"""Each example runs to its end on the real model with a few of its own rows."""

import shutil
from pathlib import Path

import pytest

import tunesmith
from tunesmith.recipes.settings import load

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
TEMPLATE_OF = {
    "medicine": "clinical-notes", "law": "contracts", "finance": "finance-qa", "code": "code",
}  # fmt: skip
FEW = (
    "train.max_steps=2", "train.train_batch_size=2", "train.max_length=512", "evaluate.max_rows=2",
    "evaluate.max_new_tokens=4", "evaluate.resamples=100", "plan.shots=[0]", "resources.threads=1",
    "gates.criteria=[]", "select.price.matmul_rate=100000000000",
)  # fmt: skip
# Of each file a slice that leaves rows to train, validate and test on
SLICES = {
    "medicine": ("data.slice=0:16", "general=null", "renew.rows=null"),
    "law": ("data.slice=5440:5470",),
    "finance": ("data.slice=0:24",),
    "code": ("data.slice=0:24",),
    "preferences": (
        "preferences.slice=0:12",
        "align.max_steps=2",
        "align.train_batch_size=2",
        "align.valid_share=0.5",
    ),
}
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/tunesmith.yaml"))


def test_every_example_has_a_slice_for_this_test() -> None:
    assert sorted(SLICES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_example_holds_known_settings_only(name: str) -> None:
    assert load(EXAMPLES / name).notes == ()


@pytest.mark.parametrize("name", sorted(TEMPLATE_OF))
def test_an_example_is_what_init_writes(name: str) -> None:
    template = ROOT / "src" / "tunesmith" / "templates" / TEMPLATE_OF[name] / "tunesmith.yaml"
    assert (EXAMPLES / name / "tunesmith.yaml").read_bytes() == template.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_every_source_of_an_example_is_pinned_by_its_bytes(name: str) -> None:
    text = (EXAMPLES / name / "tunesmith.yaml").read_text(encoding="utf-8")
    sources = [line.split("pypi://")[1] for line in text.splitlines() if "pypi://" in line]
    assert sources
    assert all("==" in source and "?sha256=" in source for source in sources)


@pytest.mark.real
@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs_to_its_end_with_few_rows(name: str, tmp_path: Path) -> None:
    project = Path(shutil.copytree(EXAMPLES / name, tmp_path / name))
    few = () if name == "preferences" else FEW
    until = "evaluate" if name == "medicine" else None  # the demo runs the rest
    result = tunesmith.run(project, until=until, settings=(*few, *SLICES[name]))
    assert result.error is None
    assert result.status == "done"
    report = tunesmith.open_run(project)
    measured = {metric["subject"] for metric in report["metrics"]}
    assert measured >= ({"aligned"} if name == "preferences" else {"base", "tuned"})
