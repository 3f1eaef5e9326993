"""``tunesmith serve``: a finished run's model over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tunesmith.cli import options


@click.command(
    "serve",
    epilog=options.examples(
        "tunesmith serve",
        "TUNESMITH_API_KEY=secret tunesmith serve --host 0.0.0.0 --port 8080",
        "tunesmith serve 20270401-1200 --engine transformers --traces traces.jsonl",
    ),
)
@click.argument("run", required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--api-key",
    envvar="TUNESMITH_API_KEY",
    metavar="KEY",
    help="Key that clients must send. Better set TUNESMITH_API_KEY: a process list shows options.",
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "transformers", "llama.cpp"]),
    help="Instead of serve.server.engine; auto takes what is quicker on this machine.",
)
@click.option(
    "--traces",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Append a line for each request to this file, private data masked.",
)
@options.project
def command(run: str | None, project: Path, **given: Any) -> None:
    """Serve the model of RUN with an OpenAI-compatible API; the newest run when it is not named.

    Answers /v1/chat/completions (streaming or not), /v1/models, /health and /metrics. Ctrl-C or
    SIGTERM lets running answers end, then stops. A key is required beyond 127.0.0.1.
    """
    from tunesmith import api

    told = {name: value for name, value in given.items() if value is not None}
    server = api.start_server(project, run, **told)
    click.echo(f"Serving {server.name} with {server.engine} at {server.url}/v1; Ctrl-C stops it.")
    server.wait()
