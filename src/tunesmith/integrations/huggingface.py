"""The Hugging Face hub, through its own library and cache; works offline with what is cached."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Final

from tunesmith.core.errors import DataError, ModelError
from tunesmith.core.extras import require
from tunesmith.sources.uri import HubFile

_NEVER: Final = (
    "*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt", "*.h5", "*.msgpack", "*.onnx", "*.py",
)  # fmt: skip
"""Pickles and programs are never fetched; the other names are the same weights again."""


def download(wanted: HubFile) -> Path:
    """The file or folder in the hub's cache; asked from the hub unless it is offline.

    Raises:
        ModelError, DataError: when it is neither cached nor to be had, naming what is missing.

    """
    hub = require("huggingface_hub", extra="hub", needed_for=f"reading {_shown(wanted)}")
    revision = wanted.revision or None
    is_file = bool(PurePosixPath(wanted.path).suffix)
    try:
        if is_file:
            return Path(
                hub.hf_hub_download(
                    wanted.repository, wanted.path, repo_type=wanted.kind, revision=revision
                )
            )
        only = [f"{wanted.path}/*"] if wanted.path else None
        folder = Path(
            hub.snapshot_download(
                wanted.repository, repo_type=wanted.kind, revision=revision,
                allow_patterns=only, ignore_patterns=list(_NEVER),
            )
        )  # fmt: skip
    except (hub.errors.EntryNotFoundError, hub.errors.HfHubHTTPError, OSError) as error:
        raise _missing(wanted, wanted.path or "every file", str(error)) from error
    place = folder / wanted.path
    for name in _needed(wanted, place):
        raise _missing(wanted, name, f"its folder in the cache, {place}, does not hold it")
    return place


def _needed(wanted: HubFile, place: Path) -> list[str]:
    """Names that a usable folder has and this one lacks; a cut-off download leaves such gaps."""
    if wanted.kind == "dataset":
        return [] if place.is_dir() and any(place.iterdir()) else [wanted.path or "every file"]
    if any(place.glob("*.gguf")):
        return []
    absent = [] if (place / "config.json").is_file() else ["config.json"]
    return absent if any(place.glob("*.safetensors")) else [*absent, "model.safetensors"]


def _missing(wanted: HubFile, name: str, why: str) -> ModelError | DataError:
    kind = ModelError if wanted.kind == "model" else DataError
    return kind(
        f"{_shown(wanted)}: {name} is missing",
        why=why.strip().splitlines()[0] if why.strip() else "the hub did not say why",
        fix=(
            "unset HF_HUB_OFFLINE and check the network and `hf auth login`, or copy the files here "
            "and give their folder instead"
        ),
        code="hub-file-missing",
    )


def _shown(wanted: HubFile) -> str:
    prefix = "datasets/" if wanted.kind == "dataset" else ""
    revision = f"@{wanted.revision}" if wanted.revision else ""
    return f"hf://{prefix}{wanted.repository}{revision}"
