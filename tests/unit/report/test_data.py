from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.artifact import Draft
from tunesmith.core.ledger import Ledger, Record
from tunesmith.core.store import Store
from tunesmith.kinds import Conversations, Scores, Tuned
from tunesmith.report.data import add, collect, empty
from tunesmith.report.diff import artifacts, compare
from tunesmith.report.html import render
from tunesmith.report.write import write

RUN = "20270401-120000-4f1c"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[tuple[Ledger, Store]]:
    """Two steps that stand in the ledger, one that failed and one that never came."""
    store = Store(tmp_path / "store")
    rows, tuned, scores = (
        publish(store, tmp_path, name, kind)
        for name, kind in (("rows", Conversations), ("tuned", Tuned), ("scores", Scores))
    )
    with Ledger(tmp_path / ".tunesmith" / "ledger.sqlite") as ledger:
        ledger.start_run(RUN, recipe="sft", seed=7, settings={"name": "notes", "train": {"lr": 1e-4}},
                         provenance={}, machine={"cores": 2}, versions={"tunesmith": "0.1.0"})  # fmt: skip
        ledger.add_events(
            "k1", [event("accounting", step="read", rows_in=5, rows_out=4, dropped={"empty": 1})]
        )
        acknowledge(
            ledger,
            "k1",
            "collect",
            {"rows": "data.jsonl", "fingerprint": "ab"},
            {},
            {"rows": ("conversations", rows)},
        )
        ledger.add_events("k2", [
            event("point", series="train loss", x=1, y=3.0), event("point", series="train loss", x=2, y=2.0),
            event("point", series="train loss", x=2, y=2.5), event("fact", name="training", body={"method": "lora", "steps": 2}),
        ])  # fmt: skip
        acknowledge(ledger, "k2", "train", {}, {"train": rows}, {"tuned": ("tuned", tuned)})
        ledger.add_events("k3", [
            event("metric", subject="tuned", name="rouge1", value=0.2, low=0.1, high=0.3, n=5, unit="F1", scorer="s"),
            event("gate", name="improvement", decision="failed", reason="too small", blocking=True, value=0.01),
        ])  # fmt: skip
        acknowledge(
            ledger,
            "k3",
            "evaluate",
            {},
            {"tuned": tuned, "rows": rows},
            {"scores": ("scores", scores)},
        )
        ledger.accept(RUN, "k3", "improvement", "a trial")
        steps = [
            ("collect", "k1", "reused"),
            ("train", "k2", "done"),
            ("evaluate", "k3", "done"),
            ("compress", None, "waiting"),
        ]
        for i, (name, key, status) in enumerate(steps):
            ledger.set_step(
                RUN, i, name, stage=name, verb=name, key=key, status=status, seconds=1.5
            )
        ledger.finish_run(RUN, "done")
        yield ledger, store


def publish(store: Store, folder: Path, name: str, kind: Any) -> str:
    draft = folder / name
    draft.mkdir()
    (draft / "file.json").write_text(json.dumps(name))
    return store.publish(Draft(draft), kind).digest


def event(kind: str, **body: object) -> dict[str, object]:
    return {"at": 1.0, "kind": kind, **body}


def acknowledge(
    ledger: Ledger,
    key: str,
    stage: str,
    config: dict[str, Any],
    inputs: dict[str, str],
    outputs: dict[str, tuple[str, str]],
) -> None:
    ledger.acknowledge(Record(key, stage, 1, config, 7, 1.5, 1000, inputs, outputs))


def test_a_report_holds_what_the_ledger_holds(project: tuple[Ledger, Store]) -> None:
    report = collect(*project, RUN)
    assert report["run"]["id"] == RUN
    assert report["run"]["project"] == "notes"
    assert [(s["name"], s["status"], s["reused"]) for s in report["stages"]] == [
        ("collect", "done", True), ("train", "done", False), ("evaluate", "done", False), ("compress", "waiting", False),
    ]  # fmt: skip
    assert report["metrics"] == [{"stage": "evaluate", "subject": "tuned", "name": "rouge1", "value": 0.2, "low": 0.1,
                                  "high": 0.3, "n": 5, "unit": "F1", "scorer": "s"}]  # fmt: skip
    [gate] = report["gates"]
    assert (gate["decision"], gate["accepted"], gate["value"]) == ("failed", "a trial", 0.01)
    assert report["training"] == [{"stage": "train", "method": "lora", "steps": 2}]


def test_a_metric_stands_once_though_event_and_table_hold_it(project: tuple[Ledger, Store]) -> None:
    report = collect(*project, RUN)
    assert len(report["metrics"]) == len(report["gates"]) == 1


def test_a_point_that_a_resume_repeats_replaces_the_first(project: tuple[Ledger, Store]) -> None:
    [curve] = collect(*project, RUN)["curves"]
    assert curve["points"] == [[1, 3.0], [2, 2.5]]


def test_lineage_leads_from_the_source_to_every_artefact(project: tuple[Ledger, Store]) -> None:
    report = collect(*project, RUN)
    after: dict[str, set[str]] = {}
    for edge in report["lineage"]["edges"]:
        after.setdefault(edge["from"], set()).add(edge["to"])
    reached, waiting = set(), {"source:data.jsonl"}
    while waiting:
        node = waiting.pop()
        reached.add(node)
        waiting |= after.get(node, set()) - reached
    assert reached == {node["id"] for node in report["lineage"]["nodes"]}
    assert {s["name"]: s["needs"] for s in report["stages"]} == {
        "collect": [], "train": ["collect"], "evaluate": ["collect", "train"], "compress": [],
    }  # fmt: skip


def test_a_report_is_written_as_json_page_and_card(
    project: tuple[Ledger, Store], tmp_path: Path
) -> None:
    report = collect(*project, RUN)
    page = write(report, tmp_path / "out")
    assert json.loads(page.with_suffix(".json").read_text()) == report
    assert page.read_text() == render(report)
    assert "ROUGE-1" in page.with_name("model-card.md").read_text()


def test_a_number_that_json_lacks_becomes_null(
    project: tuple[Ledger, Store], tmp_path: Path
) -> None:
    report = collect(*project, RUN)
    report["curves"][0]["points"][0][1] = float("nan")
    page = write(report, tmp_path / "out")
    assert json.loads(page.with_suffix(".json").read_text())["curves"][0]["points"][0] == [1, None]
    assert "nan" not in page.read_text().lower().replace("finance", "")


def test_the_difference_of_a_run_with_itself_is_empty(project: tuple[Ledger, Store]) -> None:
    report = collect(*project, RUN)
    found = compare(report, report)
    assert [found[name] for name in ("settings", "metrics", "gates", "artifacts")] == [
        [],
        [],
        [],
        [],
    ]


def test_a_difference_names_settings_numbers_gates_and_artefacts(
    project: tuple[Ledger, Store],
) -> None:
    before = collect(*project, RUN)
    after = json.loads(json.dumps(before))
    after["run"]["settings"]["train"]["lr"] = 2e-4
    after["metrics"][0]["value"] = 0.25
    after["gates"][0]["decision"] = "passed"
    after["lineage"]["edges"][-1]["to"] = "f" * 64
    found = compare(before, after)
    assert found["settings"] == [{"key": "train.lr", "before": 1e-4, "after": 2e-4}]
    assert found["metrics"][0]["difference"] == pytest.approx(0.05)
    assert (found["gates"][0]["before"], found["gates"][0]["after"]) == ("failed", "passed")
    assert [a["output"] for a in found["artifacts"]] == ["evaluate.scores"]
    assert set(artifacts(before)) == {"collect.rows", "train.tuned", "evaluate.scores"}


def test_facts_of_unknown_names_are_left_out() -> None:
    report = empty()
    add(report, "x", {"kind": "fact", "name": "novelty", "body": {"a": 1}})
    assert report == empty()
