"""Errors that say what happened, why it matters, and how to fix it.

Every error that a user can cause carries a stable ``code``; ``tunesmith explain CODE`` and
``docs/errors/CODE.md`` describe it. A plain exception that reaches the user means that
tunesmith itself is wrong (exit code 1).
"""

from __future__ import annotations

EXIT_DONE = 0
EXIT_OUR_FAULT = 1
EXIT_USER_ERROR = 2
EXIT_GATE_FAILED = 3
EXIT_INTERRUPTED = 143


class TunesmithError(Exception):
    """Something the user can mend: ``what`` happened, ``why`` it matters, how to ``fix`` it.

    Survives pickling and `as_dict` / `from_dict`, because workers send errors home as JSON.
    """

    exit_code = EXIT_USER_ERROR

    def __init__(self, what: str, *, why: str, fix: str, code: str) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix
        self.code = code

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the four sentences; Exception's own way would lose the keyword arguments."""
        words = (type(self).__name__, self.what, self.why, self.fix, self.code)
        return _rebuild, words, self.__dict__

    def __str__(self) -> str:
        """Four lines, as the command line prints them."""
        return (
            f"{self.what}\n  why: {self.why}\n  fix: {self.fix}\n"
            f"  see: tunesmith explain {self.code}"
        )

    def as_dict(self) -> dict[str, str]:
        """The error as plain JSON values."""
        return {
            "type": type(self).__name__,
            "what": self.what,
            "why": self.why,
            "fix": self.fix,
            "code": self.code,
        }


class ConfigError(TunesmithError):
    """A setting, a file name or a command line that cannot be used."""


class DataError(TunesmithError):
    """A row, a file or a column that cannot be used."""


class ModelError(TunesmithError):
    """A model folder, tokenizer or adapter that cannot be used."""


class StoreError(TunesmithError):
    """The project folder, its store or its ledger cannot be read or written."""


class MissingPackage(TunesmithError):
    """An optional package that a chosen feature needs."""


class RunError(TunesmithError):
    """A stage or a process of a run failed."""


class Stopped(TunesmithError):
    """The run was asked to stop (Ctrl-C or SIGTERM); what was acknowledged is kept."""

    exit_code = EXIT_INTERRUPTED


class GateFailed(TunesmithError):
    """A gate compared a report with its criteria and said no."""

    exit_code = EXIT_GATE_FAILED


_TYPES: dict[str, type[TunesmithError]] = {
    kind.__name__: kind
    for kind in (
        TunesmithError, ConfigError, DataError, ModelError, StoreError,
        MissingPackage, RunError, Stopped, GateFailed,
    )
}  # fmt: skip


def stopped() -> Stopped:
    """The error of a run that was asked to stop; raised by the stage or, failing that, its launcher."""
    return Stopped(
        "the run was stopped",
        why="Ctrl-C or SIGTERM was received",
        fix="give the same command again: it goes on where it stopped",
        code="stopped",
    )


def _rebuild(name: str, what: str, why: str, fix: str, code: str) -> TunesmithError:
    return _TYPES[name](what, why=why, fix=fix, code=code)


def from_dict(body: dict[str, str]) -> TunesmithError:
    """The error that `TunesmithError.as_dict` described; an unknown type becomes RunError."""
    kind = _TYPES.get(body.get("type", ""), RunError)
    return kind(body["what"], why=body["why"], fix=body["fix"], code=body["code"])
