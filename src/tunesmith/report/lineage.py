"""From raw rows to every artefact: which step made it, and what that step read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tunesmith.core.ledger import Ledger
from tunesmith.core.store import Store

_SOURCES = ("rows", "model")
"""Settings of a step without inputs that name where its bytes come from."""


def lineage(ledger: Ledger, store: Store, steps: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """``nodes``, ``edges``, and for each step the names of the steps whose outputs it read."""
    nodes: dict[str, dict[str, Any]] = {}
    edges: list[dict[str, str]] = []
    maker: dict[str, str] = {}
    needs: dict[str, list[str]] = {}
    for step in steps:
        result = ledger.result(step["key"]) if step["key"] else None
        if result is None:
            continue
        name, address = step["step"], f"step:{step['step']}"
        nodes[address] = {"id": address, "type": "step", "name": name, "key": step["key"]}
        inputs = ledger.input_digests(step["key"])
        edges += [{"from": row["digest"], "to": address, "as": row["name"]} for row in inputs]
        needs[name] = list(
            dict.fromkeys(maker[r["digest"]] for r in inputs if r["digest"] in maker)
        )
        if not inputs:
            _add_sources(nodes, edges, address, _config(ledger, result.outputs))
        for output, (kind, digest) in result.outputs.items():
            edges.append({"from": address, "to": digest, "as": output})
            maker.setdefault(digest, name)
            nodes.setdefault(digest, _artifact(store, output, kind, digest))
    return {"nodes": list(nodes.values()), "edges": edges, "needs": needs}


def _config(ledger: Ledger, outputs: Mapping[str, tuple[str, str]]) -> Mapping[str, Any]:
    """Settings of the step that first gave one of these outputs."""
    for _, digest in outputs.values():
        made = ledger.maker(digest)
        if made:
            config: Mapping[str, Any] = json.loads(made["config"])
            return config
    return {}


def _add_sources(
    nodes: dict[str, dict[str, Any]],
    edges: list[dict[str, str]],
    step: str,
    config: Mapping[str, Any],
) -> None:
    for name in _SOURCES:
        uri = config.get(name)
        if isinstance(uri, str):
            nodes.setdefault(f"source:{uri}", {
                "id": f"source:{uri}", "type": "source", "name": uri,
                "fingerprint": config.get("fingerprint", ""),
            })  # fmt: skip
            edges.append({"from": f"source:{uri}", "to": step, "as": name})


def _artifact(store: Store, output: str, kind: str, digest: str) -> dict[str, Any]:
    node = {"id": digest, "type": "artifact", "name": output, "kind": kind, "digest": digest}
    try:
        files = store.manifest(digest)["files"]
    except (OSError, ValueError):
        return {**node, "bytes": None}
    return {**node, "bytes": sum(file["bytes"] for file in files)}
