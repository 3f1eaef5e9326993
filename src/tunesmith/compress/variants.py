"""Writing each form of a model, and loading it again as an engine."""

from __future__ import annotations

from pathlib import Path

import torch

from tunesmith.compress.config import Variant
from tunesmith.core.config import Resources
from tunesmith.integrations.gguf import write_gguf
from tunesmith.integrations.llama_cpp import LlamaCppEngine
from tunesmith.integrations.transformers import load_tokenizer, load_tuned, save_model
from tunesmith.integrations.transformers_engine import TransformersEngine, choose_dtype
from tunesmith.integrations.transformers_int8 import load_int8, write_int8
from tunesmith.ports import Engine

CONTROL: Variant = "bf16"
"""The variant that the others are made from and measured against."""


def write_merged(model: Path, tuned: Path | None, out: Path) -> None:
    """The base model with its adapter merged in, in bfloat16, as plain Transformers reads it."""
    out.mkdir(parents=True)
    save_model(load_tuned(model, tuned, dtype=torch.bfloat16), load_tokenizer(model), out)


def write_variant(variant: Variant, merged: Path, out: Path) -> None:
    """Make ``variant`` from the merged model's folder; ``out`` becomes a folder."""
    out.mkdir(parents=True)
    if variant == "q8_0":
        write_gguf(merged, out / "model.gguf", form="q8_0")
    else:
        assert variant == "int8", f"{variant} has no writer"
        write_int8(merged, out)


def open_variant(variant: Variant, folder: Path, *, resources: Resources, context: int) -> Engine:
    """The engine that runs a variant from its folder; ``context`` is the longest row's tokens."""
    if variant == "q8_0":
        return LlamaCppEngine(
            folder / "model.gguf", resources=resources, context=context, reuse=False
        )
    if variant == "int8":
        dtype = choose_dtype("cpu")
        return TransformersEngine.of(
            load_int8(folder, dtype=dtype),
            load_tokenizer(folder),
            generate_batch=resources.generate_batch,
        )
    return TransformersEngine(folder, resources=resources)


def open_attached(model: Path, tuned: Path, *, resources: Resources) -> Engine:
    """The base model with its adapter beside it, as it was trained."""
    loaded = load_tuned(model, tuned, dtype=choose_dtype("cpu"), merge=False)
    return TransformersEngine.of(
        loaded, load_tokenizer(model), generate_batch=resources.generate_batch
    )


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
