"""``tunesmith serve``: a finished run's model over HTTP."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli import options


@click.command(
    "serve",
    epilog=options.examples(
        "tunesmith serve",
        "TUNESMITH_API_KEY=secret tunesmith serve --host 0.0.0.0 --port 8080",
        "tunesmith serve 20270401-1200 --engine transformers",
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
    help="Key that clients must send; also read from TUNESMITH_API_KEY.",
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "transformers", "llama.cpp"]),
    default="auto",
    show_default=True,
    help="auto takes llama.cpp when the run has a GGUF of this model.",
)
@options.project
def command(
    run: str | None, host: str, port: int, api_key: str | None, engine: str, project: Path
) -> None:
    """Serve the model of RUN with an OpenAI-compatible API; the newest run when it is not named.

    Answers /v1/chat/completions (streaming or not), /v1/models, /health and /metrics. Ctrl-C or
    SIGTERM lets running answers end, then stops. A key is required beyond 127.0.0.1.
    """
    from tunesmith import api

    server = api.start_server(project, run, host=host, port=port, api_key=api_key, engine=engine)
    click.echo(f"Serving {server.name} with {server.engine} at {server.url}; Ctrl-C stops it.")
    server.wait()
