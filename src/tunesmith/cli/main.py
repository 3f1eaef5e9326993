"""``tunesmith``: a table of commands; a command's module is imported only when it runs.

Exit codes: 0 done, 1 our fault, 2 a user error, 3 a gate failed, 143 stopped.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import click

from tunesmith.core.errors import (
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_OUR_FAULT,
    EXIT_USER_ERROR,
    TunesmithError,
)
from tunesmith.core.table import nearest, resolve

_START = "Start"
_PHASES = "The life of a model (each runs the pipeline as far as its phase)"
_LOOK = "Look"

COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "init": (_START, "init:command", "Make a project folder from a template."),
    "doctor": (_START, "doctor:command", "Check this machine and say how to mend what is wrong."),
    "run": (_START, "run:command", "Run the whole pipeline, reusing every result that stands."),
    "prepare": (_PHASES, "verbs:prepare", "Collect the rows, clean and split them."),
    "plan": (_PHASES, "verbs:plan", "Measure the base model and say whether tuning is needed."),
    "select": (_PHASES, "verbs:select", "Choose the method by memory, time and cost."),
    "train": (_PHASES, "verbs:train", "Tune the model."),
    "evaluate": (_PHASES, "verbs:evaluate", "Compare base and tuned model, and judge by gates."),
    "align": (_PHASES, "verbs:align", "Align the tuned model with preference pairs."),
    "compress": (_PHASES, "verbs:compress", "Make smaller forms and measure what they lose."),
    "monitor": (_PHASES, "verbs:monitor", "Load the server and hold it against its objectives."),
    "renew": (_PHASES, "verbs:renew", "Learn from later rows, and promote or refuse the result."),
    "serve": (_LOOK, "serve:command", "Serve a finished run's model over HTTP."),
    "chat": (_LOOK, "chat:command", "Talk to a finished run's model."),
    "report": (_LOOK, "report:command", "Write a run's report again and say where it is."),
    "show": (_LOOK, "show:command", "Show a run, an artefact, its rows, settings or a label mask."),
    "diff": (_LOOK, "diff:command", "Compare two runs: settings, numbers, gates, artefacts."),
    "explain": (_LOOK, "explain:command", "Explain an error code."),
}
"""Name -> (heading, "module:command" below `tunesmith.cli`, one line of help)."""

EXAMPLES: Final = """\b
Examples:
  tunesmith init notes --template clinical-notes
  tunesmith run --project notes
  tunesmith report --project notes --open"""


class Lazy(click.Group):
    """A group that knows names and one line of help, and imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every name, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return None
        command = resolve(f"tunesmith.cli.{COMMANDS[cmd_name][1]}")
        assert isinstance(command, click.Command), f"{cmd_name} is a click command"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest name for one that is not there."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = nearest(args[0], COMMANDS)
            hint = f"did you mean `tunesmith {near}`?" if near else "`tunesmith --help` lists them."
            raise click.UsageError(f"there is no command {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table by heading, without importing anything."""
        for heading in dict.fromkeys(entry[0] for entry in COMMANDS.values()):
            with formatter.section(heading):
                formatter.write_dl(
                    [(name, entry[2]) for name, entry in COMMANDS.items() if entry[0] == heading]
                )


@click.group(
    cls=Lazy,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="tunesmith", message="tunesmith %(version)s")
def cli() -> None:
    """Take a language model and raw rows, and give back a tuned model that can be trusted.

    A project is a folder with a tunesmith.yaml. One ledger joins every number to the rows it came
    from; nothing that stands in it is computed twice.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script."""
    sys.exit(status(arguments))


def status(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    try:
        code = cli.main(args=arguments, prog_name="tunesmith", standalone_mode=False)
    except TunesmithError as error:
        tell(error)
        return error.exit_code
    except click.ClickException as error:
        from tunesmith.cli.terminal import harmless

        told = io.StringIO()
        error.show(file=told)
        click.echo(harmless(told.getvalue()), err=True, nl=False)
        return EXIT_USER_ERROR
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone; Python would complain once more while closing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except Exception as error:
        return _fault(error)
    return code if isinstance(code, int) else EXIT_DONE


def tell(error: TunesmithError) -> None:
    """Print an error's what, why and fix to standard error."""
    from tunesmith.cli.terminal import harmless

    what, why, fix = map(harmless, (error.what, error.why, error.fix))
    click.echo(click.style("error: ", fg="red", bold=True) + click.style(what, bold=True), err=True)
    click.echo(f"  why: {why}\n  fix: {fix}", err=True)
    click.echo(click.style(f"  see: tunesmith explain {error.code}", dim=True), err=True)


def _fault(error: Exception) -> int:
    """Name the package that is missing; otherwise write the traceback to a file and say so."""
    from tunesmith.core.extras import missing

    package = missing(error) if isinstance(error, ModuleNotFoundError) else None
    if package is not None:
        tell(package)
        return package.exit_code
    log = Path(tempfile.gettempdir()) / time.strftime("tunesmith-%Y%m%d-%H%M%S.log")
    trace = traceback.format_exc()
    try:
        log.write_text(trace, encoding="utf-8")
        where = f"the traceback is in {log}"
    except OSError:
        where = trace
    click.echo(f"tunesmith has a fault, sorry: {trace.splitlines()[-1]}; {where}", err=True)
    return EXIT_OUR_FAULT
