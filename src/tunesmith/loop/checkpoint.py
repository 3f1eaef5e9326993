"""Checkpoints that survive a kill at any moment: safetensors and JSON, whole or not there.

A checkpoint is a folder ``checkpoint-STEP`` with ``weights``, ``optimizer`` and (when there is one)
``best`` as safetensors, ``state.json``, and ``manifest.json`` with the SHA-256 of each. It is
written under another name, flushed to the disk and renamed, so a torn one never has the right name;
should a disk lie about that, the digests tell, and the older one is used.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from safetensors.torch import load_file, save_file
from torch import Tensor

from tunesmith.core.digest import of_file

_log = logging.getLogger(__name__)

FORMAT: Final = 1
_KEPT: Final = 2
"""Checkpoints that stay: the newest, and one before it."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that decides the next step; the sampler and all random streams follow from it."""

    step: int
    """Updates done."""
    identity: str
    """Digest of what the training is: settings, inputs, seed. Another one's is never resumed."""
    weights: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    best: Mapping[str, Tensor]
    """Weights of the lowest validation loss; empty when nothing was measured yet."""
    state: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON values of the loop: best loss, patience, tokens seen."""


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write ``folder/checkpoint-STEP`` durably, then remove all but the newest two."""
    target = folder / f"checkpoint-{checkpoint.step:08d}"
    scratch = folder / f".{target.name}.{os.getpid()}"
    for left in folder.glob(".checkpoint-*"):  # of a process that was killed while it wrote
        shutil.rmtree(left, ignore_errors=True)
    scratch.mkdir(parents=True)
    for name in ("weights", "optimizer", "best"):
        tensors = {key: value.contiguous() for key, value in getattr(checkpoint, name).items()}
        if tensors:
            save_file(tensors, scratch / f"{name}.safetensors")
    _write_json(
        scratch / "state.json",
        {
            "format": FORMAT,
            "step": checkpoint.step,
            "identity": checkpoint.identity,
            "state": dict(checkpoint.state),
        },
    )
    files = {path.name: of_file(path) for path in sorted(scratch.iterdir())}
    _write_json(scratch / "manifest.json", {"files": files})
    for path in scratch.iterdir():
        _sync(path)
    _sync(scratch)
    if target.exists():
        shutil.rmtree(target)
    os.rename(scratch, target)
    _sync(folder)
    for old in _named(folder)[_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def newest(folder: Path, identity: str) -> Checkpoint | None:
    """The newest whole checkpoint of this training, or None; damaged ones are passed over."""
    for path in _named(folder):
        try:
            found = _load(path)
        except (OSError, ValueError, KeyError) as error:
            _log.info("%s cannot be used, an older one is tried: %s", path, error)
            continue
        if found.identity == identity:
            return found
    return None


def _load(path: Path) -> Checkpoint:
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    for name, digest in manifest["files"].items():
        if of_file(path / name) != digest:
            raise ValueError(f"{name} is not what was written")
    body = json.loads((path / "state.json").read_text(encoding="utf-8"))
    if body["format"] != FORMAT:
        raise ValueError(f"format {body['format']} is not known")

    def tensors(name: str) -> dict[str, Tensor]:
        file = path / f"{name}.safetensors"
        return load_file(file) if file.name in manifest["files"] else {}

    return Checkpoint(
        step=int(body["step"]),
        identity=str(body["identity"]),
        weights=tensors("weights"),
        optimizer=tensors("optimizer"),
        best=tensors("best"),
        state=body["state"],
    )


def _named(folder: Path) -> list[Path]:
    """Checkpoints by name, newest first."""
    return sorted(folder.glob("checkpoint-*"), reverse=True) if folder.exists() else []


def _write_json(path: Path, body: object) -> None:
    path.write_text(json.dumps(body, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
