"""``tunesmith chat``: talk to a finished run's model."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli import options


@click.command(
    "chat",
    epilog=options.examples(
        "tunesmith chat",
        "tunesmith chat --once 'Write the ALLERGY section for: no known allergies.'",
        "tunesmith chat 20270401-1200 --engine transformers --temperature 0.7",
    ),
)
@click.argument("run", required=False)
@click.option("--once", metavar="TEXT", help="Answer this one message and end.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "transformers", "llama.cpp"]),
    default="auto",
    show_default=True,
    help="auto takes llama.cpp when the run has a GGUF of this model.",
)
@click.option("--system", metavar="TEXT", help="A system message to begin with.")
@click.option(
    "--temperature",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="0 always takes the likeliest token.",
)
@click.option(
    "--max-new-tokens",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    help="Longest answer, in tokens.",
)
@options.project
def command(
    run: str | None, once: str | None, engine: str, system: str | None, temperature: float,
    max_new_tokens: int, project: Path,
) -> None:  # fmt: skip
    """Talk to the model of RUN, which is the newest run when it is not named.

    The whole talk is sent each time, through the model's own chat template. An empty line or
    Ctrl-D ends it.
    """
    from tunesmith import api
    from tunesmith.cli.terminal import harmless
    from tunesmith.ports import Sampling
    from tunesmith.records.conversation import Message

    talker = api.open_engine(project, run, engine=engine)
    sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature)
    turns = [Message("system", system)] if system else []
    click.echo(click.style(f"{talker.name}; an empty line ends the talk", dim=True), err=True)
    try:
        while text := once or _ask():
            turns.append(Message("user", text))
            [answer] = talker.generate([turns], sampling)
            click.echo(harmless(answer.text))
            if answer.finish_reason == "length":
                click.echo(click.style(f"(cut at {max_new_tokens} tokens)", dim=True), err=True)
            turns.append(Message("assistant", answer.text))
            if once:
                return
    finally:
        talker.close()


def _ask() -> str:
    try:
        return input(click.style("> ", fg="cyan")).strip()
    except EOFError:
        return ""
