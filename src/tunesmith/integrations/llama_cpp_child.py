"""The process that runs llama.cpp: its server, with a word at the start and none afterwards.

llama.cpp sets signal handlers of its own, ends its process when an assertion fails, and waits for
ever when it is freed before its loop has begun (seen with xllamacpp 2026.10: `terminate` is lost
when it comes before `start_loop`). None of that may happen to a worker, so it happens here.

Standard input brings one line of JSON, `tunesmith.integrations.llama_cpp_process.Settings` as a
dict, and its end ends this process. Standard output gives one line: {"address": ...} or {"error": ...}.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

import xllamacpp

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _params(wanted: Mapping[str, Any]) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = wanted["gguf"]
    params.n_parallel = wanted["slots"]
    params.n_ctx = wanted["context"] * wanted["slots"]
    # a client that leaves while its prompt is read frees the slot after so many tokens
    params.n_batch = wanted["piece"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = wanted["threads"]
    params.n_gpu_layers = params.n_gpu_layers if wanted["gpu"] else 0
    # on this machine only, with a key that only the parent knows, and a port that the system chooses
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.api_keys = [wanted["key"]]
    params.ui = params.endpoint_slots = params.endpoint_props = False
    params.warmup = False
    params.verbosity = 0
    params.cache_ram_mib = 0
    return params


def main() -> None:
    """Serve until standard input ends."""
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what llama.cpp prints is not mistaken for our word
    wanted = json.loads(sys.stdin.readline())
    try:
        server = xllamacpp.Server(_params(wanted))
    except Exception as error:  # the binding passes whatever C++ threw
        print(json.dumps({"error": str(error)}), file=said, flush=True)
        return
    for number in _STOP_SIGNALS:
        # Ctrl-C reaches everything at the terminal; the parent lets its requests end first
        signal.signal(number, signal.SIG_IGN)
    print(json.dumps({"address": server.listening_address}), file=said, flush=True)
    sys.stdin.read()
    os._exit(0)  # freeing the server may wait for ever; the system takes the memory back


if __name__ == "__main__":
    main()
