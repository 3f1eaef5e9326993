"""``python -m tunesmith.serve.process JOB.json``: a server as a process of its own, for the stage.

The job says what to serve; the key comes in the environment, where a process list does not show it.
Once the server answers, its address is written beside the job as ``ready.json``.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from tunesmith.core.config import Resources
from tunesmith.serve.config import ServerConfig
from tunesmith.serve.served import Served

KEY_VARIABLE: Final = "TUNESMITH_API_KEY"


def job_of(
    served: Served, config: ServerConfig, resources: Resources, traces: Path
) -> dict[str, Any]:
    """What the process needs to know, as JSON values."""
    return {
        "served": {name: str(value) if value else None for name, value in asdict(served).items()},
        "config": config.as_dict(),
        "resources": resources.model_dump(mode="json"),
        "traces": str(traces),
    }


def main(job: Path) -> None:
    """Serve until SIGTERM."""
    from tunesmith.serve.server import Setup, serve

    body = json.loads(job.read_text(encoding="utf-8"))
    places = {name: Path(body["served"][name]) if body["served"][name] else None
              for name in ("tuned", "gguf")}  # fmt: skip
    server = serve(
        Path(body["served"]["model"]),
        places["tuned"],
        places["gguf"],
        port=0,
        api_key=os.environ[KEY_VARIABLE],
        engine=body["served"]["engine"],
        setup=Setup(
            config=ServerConfig.model_validate(body["config"]),
            resources=Resources.model_validate(body["resources"]),
            traces=Path(body["traces"]),
        ),
    )
    fresh = job.with_name("ready.tmp")
    fresh.write_text(json.dumps({"url": server.url, "model": server.name}), encoding="utf-8")
    fresh.rename(job.with_name("ready.json"))
    server.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
