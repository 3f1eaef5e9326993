from __future__ import annotations

import pytest

from tunesmith.cli.console import console
from tunesmith.cli.running import _story, acceptances, unknown_gates
from tunesmith.core.errors import ConfigError
from tunesmith.report.data import empty


def test_one_reason_serves_every_accepted_gate() -> None:
    assert acceptances(["a", "b"], ["known"]) == {"a": "known", "b": "known"}


def test_each_gate_may_have_its_own_reason() -> None:
    assert acceptances(["a", "b"], ["one", "two"]) == {"a": "one", "b": "two"}


def test_nothing_accepted_needs_no_reason() -> None:
    assert acceptances([], []) == {}


@pytest.mark.parametrize(
    ("gates", "reasons"),
    [(["a"], []), (["a"], ["  "]), ([], ["why"]), (["a", "b", "c"], ["x", "y"])],
)
def test_a_gate_without_a_reason_is_refused(gates: list[str], reasons: list[str]) -> None:
    if not gates:
        assert acceptances(gates, reasons) == {}
        return
    with pytest.raises(ConfigError, match="--because"):
        acceptances(gates, reasons)


GATES = [{"name": "retention", "stage": "gate"}, {"name": "parity", "stage": "compress"}]


@pytest.mark.parametrize("name", ["retention", "parity", "gate", "compress"])
def test_a_gate_is_accepted_by_its_name_or_its_step(name: str) -> None:
    assert unknown_gates(GATES, [name]) == []


def test_a_name_that_no_gate_has_is_told_with_the_nearest() -> None:
    [sentence] = unknown_gates(GATES, ["retension"])
    assert "did you mean 'retention'?" in sentence
    assert "'retension'" in sentence
    [sentence] = unknown_gates(GATES, ["zzz"])
    assert "compress" in sentence


def test_at_the_end_gates_that_passed_are_named_and_the_others_say_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gates = [
        {"name": name, "stage": "gate", "decision": decision, "reason": f"{name} by so much"}
        for name, decision in (("gain", "passed"), ("parity", "passed"), ("speed", "failed"))
    ]
    _story(console(), {**empty(), "run": {"id": "1", "status": "done"}, "gates": gates})
    said = capsys.readouterr().out
    assert "✓ gain, parity" in said
    assert "gain by so much" not in said.lower()
    assert "Speed by so much" in said
