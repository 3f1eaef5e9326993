"""Bring the base model: a folder or a GGUF file from anywhere becomes one safe bf16 folder."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Final

from tunesmith.core.errors import ModelError
from tunesmith.core.stage import Context

_KEPT: Final = frozenset(
    ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
     "tokenizer.model", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
     "chat_template.jinja", "model.safetensors.index.json", "LICENSE", "README.md")
)  # fmt: skip
"""Files of a model folder that are taken along, beside its safetensors; nothing else is needed."""
_GGUF_HEAD_BYTES: Final = 1 << 16


def bring(uri: str, out: Path, ctx: Context) -> None:
    """Write the model that ``uri`` names into the empty folder ``out``; tell its size and licence.

    Raises:
        ModelError: when it is neither a Transformers folder nor a GGUF file, or could run code.

    """
    from tunesmith.models.spec import read_spec
    from tunesmith.sources.fetch import fetch

    ctx.progress(0, 2, "steps", "fetch the model")
    found = fetch(uri, cache=ctx.cache, project=ctx.project)
    ctx.progress(1, 2, "steps", "fetch the model")
    if found.is_file():
        _from_file(found, out, ctx)
    else:
        _from_folder(found, out)
    spec = read_spec(out)
    ctx.progress(2, 2, "steps", "fetch the model")
    terms = licence(found)
    ctx.fact(
        "model",
        {
            "source": uri, "family": spec.family, "parameters": spec.parameters, "layers": spec.layers,
            "width": spec.width, "vocabulary": spec.vocabulary, "licence": terms or "not stated",
        },
    )  # fmt: skip
    ctx.note(
        f"{spec.family} model with {spec.parameters / 1e6:.1f} million parameters, "
        f"licence {terms or 'not stated: look at its publisher'}"
    )


def licence(source: Path) -> str:
    """The licence that a model folder's README.md or a GGUF file states; empty when it states none."""
    if source.is_file():
        return _gguf_licence(source)
    readme = source / "README.md"
    if not readme.is_file():
        return ""
    lines = readme.read_text(encoding="utf-8", errors="replace").splitlines()
    # the card's front matter: YAML between two lines of three dashes at the head of the file
    if not lines or lines[0].strip() != "---":
        return ""
    for line in lines[1:]:
        key, _, value = line.partition(":")
        if line.strip() == "---":
            return ""
        if key == "license":
            return value.strip().strip("\"'")
    return ""


def _gguf_licence(file: Path) -> str:
    """The text behind the key ``general.license``, which stands in the first entries of a GGUF file.

    Keys and texts are preceded by their length (eight bytes, little-endian), and a text by its type, 8.
    Found so, instead of with a GGUF reader, because a reader first takes in every token of the vocabulary.
    """
    with file.open("rb") as opened:
        head = opened.read(_GGUF_HEAD_BYTES)
    key = b"general.license"
    mark = struct.pack("<Q", len(key)) + key + struct.pack("<I", 8)
    start = head.find(mark)
    if start < 0:
        return ""
    start += len(mark)
    length = int.from_bytes(head[start : start + 8], "little")
    return head[start + 8 : start + 8 + min(length, 100)].decode("utf-8", errors="replace")


def _from_file(file: Path, out: Path, ctx: Context) -> None:
    if file.suffix.lower() != ".gguf":
        raise ModelError(
            f"{file.name} is not a model that can be read",
            why="a base model is a Transformers folder with safetensors, or a .gguf file",
            fix="give the folder that holds config.json, or a .gguf file, as `model.model`",
            code="model-unreadable",
        )
    from tunesmith.integrations.transformers import convert_gguf

    convert_gguf(file, out, cache=ctx.cache)


def _from_folder(folder: Path, out: Path) -> None:
    """Copy the files that a model consists of; weights of another type become bf16.

    What can be seen in the files' heads is checked here, where the user's own folder can be named.
    """
    from tunesmith.integrations.transformers import (
        check_safe,
        load_model,
        load_tokenizer,
        save_model,
    )
    from tunesmith.models.spec import read_spec

    check_safe(folder)
    read_spec(folder)
    _check_tokenizer(folder)
    _check_shards(folder)
    if weight_types(folder) <= {"BF16"}:
        for path in sorted(folder.iterdir()):
            if path.name in _KEPT or path.suffix == ".safetensors":
                shutil.copy2(path, out / path.name)
        return
    import torch

    save_model(load_model(folder, dtype=torch.bfloat16), load_tokenizer(folder), out)


def weight_types(folder: Path) -> set[str]:
    """Number types of all tensors, such as {"BF16"}, from the heads of the safetensors files.

    A head is JSON behind its own length in eight little-endian bytes; no weight is read.
    """
    types: set[str] = set()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                raise _torn(path)
            try:
                head = json.loads(file.read(length))
                entries = [entry for name, entry in head.items() if name != "__metadata__"]
                end = 8 + length + max((entry["data_offsets"][1] for entry in entries), default=0)
                types |= {entry["dtype"] for entry in entries}
            except (ValueError, AttributeError, LookupError, TypeError, RecursionError) as error:
                raise _torn(path) from error
        if path.stat().st_size < end:
            raise _torn(path, f"it has {path.stat().st_size:,} bytes of {end:,}")
    if not types:
        raise ModelError(
            f"{folder} has no weights in safetensors",
            why="weights are read from safetensors only: every other form can run code",
            fix="convert the weights to safetensors where you trust them, and give that folder",
            code="model-missing",
        )
    return types


def _check_tokenizer(folder: Path) -> None:
    """Refuse a folder whose tokenizer.json is missing or no JSON."""
    path = folder / "tokenizer.json"
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path} cannot be read: {error}",
            why="rows are cut into tokens by the model's own fast tokenizer, which is that file",
            fix="fetch the model again, or save its tokenizer in the fast form there",
            code="model-unreadable",
        ) from error


def _check_shards(folder: Path) -> None:
    """Refuse a folder that lacks one of the files its index names."""
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return
    try:
        named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _torn(index, "it does not say which weights stand in which file") from error
    for name in sorted(map(str, named)):
        if not (folder / Path(name).name).is_file():
            raise ModelError(
                f"{folder} lacks {name}",
                why=f"{index.name} says that weights of the model stand there",
                fix="fetch the model again",
                code="model-missing",
            )


def _torn(path: Path, why: str = "its head does not say what is in it") -> ModelError:
    return ModelError(
        f"{path} is not whole",
        why=f"{why}, as after a broken download",
        fix="fetch the model again",
        code="model-unreadable",
    )
