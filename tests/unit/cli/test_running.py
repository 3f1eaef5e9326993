from __future__ import annotations

import pytest

from tunesmith.cli.running import acceptances
from tunesmith.core.errors import ConfigError


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
