"""The work of the stage ``serve``: the real server in its own process, real prompts, an open loop."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from random import Random
from typing import Any

from tunesmith.core.errors import DataError
from tunesmith.core.stage import Context, GateResult
from tunesmith.ports import Sampling
from tunesmith.records.conversation import Conversation
from tunesmith.serve.client import Seen, Target, ask
from tunesmith.serve.config import ServeConfig
from tunesmith.serve.record import write_traces
from tunesmith.serve.served import Served, open_engine
from tunesmith.serve.started import started
from tunesmith.serve.use import Use, Watch

_MOST_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of the load: which row, when it was due, what came back."""

    row: Conversation
    due_seconds: float
    seen: Seen


def rehearse(
    config: ServeConfig,
    served: Served,
    rows: Iterable[Conversation],
    *,
    folder: Path,
    ctx: Context,
) -> None:
    """Load the server, write ``traces.parquet`` and ``server.json``, compare its answers."""
    known = sorted(rows, key=lambda row: row.id)
    if not known:
        raise _no_rows()
    plan = _plan(config, known, ctx.stream("arrivals"))
    with started(served, config.server, ctx) as server:
        target = Target(
            server.url, server.key, server.model, config.max_new_tokens, config.timeout_seconds
        )
        _warm(target, known[0])
        with Watch(server.pid) as watch:
            began = time.perf_counter()
            asked = _load(target, plan, ctx)
            seconds = time.perf_counter() - began
        use = watch.use()
    write_traces(folder, asked, server.traces)
    parity = _parity(config, served, asked, ctx)
    fact = _fact(config, served, asked, seconds=seconds, use=use)
    body = {"format": 1, "server": config.server.as_dict(), "use": use.as_dict(), **fact, **parity}
    (folder / "server.json").write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    ctx.fact("serving", {**fact, **parity})


def _plan(
    config: ServeConfig, rows: Sequence[Conversation], seed: int
) -> list[tuple[float, Conversation]]:
    """(seconds after the start, row) of each request: a Poisson process over the rows in turn."""
    random = Random(seed)
    due, plan = 0.0, []
    for number in range(config.requests):
        plan.append((due, rows[number % len(rows)]))
        due += random.expovariate(config.rate)
    return plan


def _warm(target: Target, row: Conversation) -> None:
    """One request that is not counted: the first one also pays for memory and caches."""
    ask(target, row.prompt, due=time.perf_counter())


def _load(target: Target, plan: Sequence[tuple[float, Conversation]], ctx: Context) -> list[Asked]:
    """Send every request at its time, whatever has become of the earlier ones."""
    began = time.perf_counter()
    stop = threading.Event()

    def send(due: float, row: Conversation) -> Asked:
        return Asked(row, due, ask(target, row.prompt, due=began + due))

    def dispatch(pool: ThreadPoolExecutor, futures: list[Future[Asked]]) -> None:
        for due, row in plan:
            if stop.wait(max(0.0, began + due - time.perf_counter())):
                return
            futures.append(pool.submit(send, due, row))

    futures: list[Future[Asked]] = []
    with ThreadPoolExecutor(min(len(plan), _MOST_AT_ONCE)) as pool:
        sender = threading.Thread(target=dispatch, args=(pool, futures))
        sender.start()
        try:
            while sender.is_alive():
                sender.join(0.1)
                ctx.progress(_done(futures), len(plan), "requests", "load")
            for _ in as_completed(futures):
                ctx.progress(_done(futures), len(plan), "requests", "load")
        finally:
            stop.set()
            sender.join()
    return [future.result() for future in futures]


def _done(futures: Sequence[Future[Asked]]) -> int:
    return sum(future.done() for future in list(futures))


def _parity(
    config: ServeConfig, served: Served, asked: Sequence[Asked], ctx: Context
) -> dict[str, Any]:
    """Compare served answers with the engine's own, without a server, on the same prompts."""
    by_row = {one.row.id: one for one in reversed(asked) if not one.seen.fault}
    chosen = list(by_row.values())[: config.parity_rows]
    if not chosen:
        return {}
    engine = open_engine(served, config.server, ctx.resources)
    try:
        sampling = Sampling(max_new_tokens=config.max_new_tokens)
        own = list(engine.generate([one.row.prompt for one in chosen], sampling))
    finally:
        engine.close()
    shares = [_shared(one.seen.text, other.text) for one, other in zip(chosen, own, strict=True)]
    agreement = sum(shares) / len(shares)
    passed = agreement >= config.parity_at_least
    ctx.gate(
        GateResult(
            name="parity served",
            passed=passed,
            reason=(
                f"served answers equal the engine's own for {agreement:.0%} of their length on "
                f"{len(chosen)} prompts, {config.parity_at_least:.0%} needed"
            ),
            compared=f"{served.engine} behind HTTP with {served.engine} alone",
            value=agreement,
            threshold=config.parity_at_least,
            n=len(chosen),
            unit="share",
        )
    )
    return {"parity_agreement": agreement, "parity_rows": len(chosen)}


def _fact(
    config: ServeConfig, served: Served, asked: Sequence[Asked], *, seconds: float, use: Use
) -> dict[str, Any]:
    new_tokens = sum(one.seen.completion_tokens for one in asked)
    return {
        "engine": served.engine,
        "requests": len(asked),
        "rate": config.rate,
        "clients": _most_at_once(asked),
        "abnormal": sum(bool(one.seen.fault) for one in asked),
        "new_tokens": new_tokens,
        "seconds": seconds,
        "tokens_per_second": new_tokens / seconds,
        "peak_memory_bytes": use.peak_memory_bytes,
    }


def _most_at_once(asked: Sequence[Asked]) -> int:
    """The largest number of requests that were open at the same time."""
    changes = sorted(
        [(one.due_seconds, 1) for one in asked]
        + [(one.due_seconds + one.seen.total_seconds, -1) for one in asked]
    )
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def _shared(one: str, other: str) -> float:
    longer = max(len(one), len(other))
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in pairs) / longer if longer else 1.0


def _no_rows() -> DataError:
    return DataError(
        "there are no rows to ask the server about",
        why="the load is made of held-out prompts",
        fix="give the split more test rows (prepare.split), or check what dropped them: tunesmith report",
        code="no-rows",
    )
