"""Which model is served and by which engine, and the backend that runs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tunesmith.core.config import Resources
from tunesmith.core.errors import ConfigError
from tunesmith.ports import Engine
from tunesmith.serve.config import ServerConfig
from tunesmith.serve.job import Backend

if TYPE_CHECKING:
    from tunesmith.integrations.llama_cpp import LlamaCppEngine


@dataclass(frozen=True, slots=True)
class Served:
    """A model's folders and file, and the engine that was chosen for it."""

    model: Path
    tuned: Path | None
    gguf: Path | None
    engine: Literal["transformers", "llama.cpp"]


def served_model(
    model: Path,
    tuned: Path | None,
    *,
    gguf: Path | None,
    engine: Literal["auto", "transformers", "llama.cpp"],
) -> Served:
    """The engine for this machine; see `ServerConfig.engine` for what ``auto`` takes, and why.

    Raises:
        ConfigError: when llama.cpp is asked for and there is no GGUF.

    """
    if engine == "auto":
        engine = "llama.cpp" if gguf is not None and _prefers_llama_cpp() else "transformers"
    if engine == "llama.cpp" and gguf is None:
        raise ConfigError(
            "llama.cpp is asked for and there is no GGUF file of this model",
            why="llama.cpp reads GGUF only",
            fix="keep q8_0 in compress.variants and run `tunesmith run --until compress`, or choose transformers",
            code="run-without-gguf",
        )
    return Served(model, tuned, gguf, engine)


def _prefers_llama_cpp() -> bool:
    """No GPU, no bfloat16 in hardware, and the package is there."""
    from importlib.util import find_spec

    import torch

    from tunesmith.integrations.transformers_engine import choose_device, choose_dtype

    is_slow = choose_dtype(choose_device("auto")) is torch.float32
    return is_slow and find_spec("xllamacpp") is not None


def open_backend(served: Served, config: ServerConfig, resources: Resources) -> Backend:
    """The engine with its slots and queue, ready to take jobs."""
    if served.engine == "llama.cpp":
        from tunesmith.serve.gguf_backend import LlamaCppBackend

        return LlamaCppBackend(_llama_cpp(served, config, resources), queue=config.queue)
    from tunesmith.integrations.transformers_engine import TransformersEngine
    from tunesmith.serve.batching import TransformersBackend

    return TransformersBackend(
        TransformersEngine(served.model, served.tuned, resources=resources),
        slots=config.slots, queue=config.queue,
    )  # fmt: skip


def open_engine(served: Served, config: ServerConfig, resources: Resources) -> Engine:
    """The same engine without a server around it, to compare answers with."""
    if served.engine == "llama.cpp":
        return _llama_cpp(served, config, resources)
    from tunesmith.integrations.transformers_engine import TransformersEngine

    return TransformersEngine(served.model, served.tuned, resources=resources)


def _llama_cpp(served: Served, config: ServerConfig, resources: Resources) -> LlamaCppEngine:
    from tunesmith.integrations.llama_cpp import LlamaCppEngine

    assert served.gguf is not None, "the choice of llama.cpp needs a GGUF"
    slots = resources.model_copy(update={"generate_batch": config.slots})
    return LlamaCppEngine(served.gguf, resources=slots, context=config.context)
