"""Errors that cross processes, and their four lines."""

from __future__ import annotations

import json
import pickle

import pytest

from tunesmith.core import errors

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_survives_pickle_and_json(kind: type[errors.TunesmithError]) -> None:
    error = kind("row 3 is empty", why="it has no words", fix="remove it", code="row-empty")
    pickled = pickle.loads(pickle.dumps(error))  # noqa: S301
    for back in (pickled, errors.from_dict(json.loads(json.dumps(error.as_dict())))):
        assert type(back) is kind
        assert (back.as_dict(), str(back)) == (error.as_dict(), str(error))
        assert (back.args, back.exit_code) == (error.args, error.exit_code)


def test_an_exit_code_of_its_own_survives_pickle() -> None:
    crash = errors.RunError("a", why="b", fix="c", code="internal-error")
    crash.exit_code = errors.EXIT_OUR_FAULT
    assert pickle.loads(pickle.dumps(crash)).exit_code == 1  # noqa: S301


def test_an_error_of_an_unknown_type_comes_back_as_a_run_error() -> None:
    body = {"type": "FromTheFuture", "what": "a", "why": "b", "fix": "c", "code": "d"}
    assert type(errors.from_dict(body)) is errors.RunError


def test_an_error_prints_what_why_fix_and_where_to_read_on() -> None:
    error = errors.DataError("row 3 is empty", why="no words", fix="remove it", code="row-empty")
    assert str(error).splitlines() == [
        "row 3 is empty", "  why: no words", "  fix: remove it", "  see: tunesmith explain row-empty",
    ]  # fmt: skip


def test_exit_codes_tell_user_errors_gates_and_stops_apart() -> None:
    codes = {kind.__name__: kind.exit_code for kind in KINDS}
    assert codes.pop("GateFailed") == 3
    assert codes.pop("Stopped") == 143
    assert set(codes.values()) == {2}


def test_every_error_type_can_be_sent_home() -> None:
    assert set(KINDS) == set(errors._TYPES.values())
