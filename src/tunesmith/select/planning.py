"""Plan every method for these rows on this machine, choose one, and write both down.

``choice.json`` holds what follows from model, rows and settings alone, so equal inputs give equal
bytes; seconds and money follow from a measurement and go to the fact ``plan``.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from tunesmith.budget.compute import (
    MATMUL_SHARE,
    Work,
    training_flops,
    training_seconds,
    work_of,
)
from tunesmith.budget.machine import Machine, matmul_rate, this_machine
from tunesmith.budget.memory import Precision
from tunesmith.budget.method import MethodName, trainable_parameters
from tunesmith.budget.plan import Candidate
from tunesmith.budget.price import PRICES, Price, cost, in_currency
from tunesmith.core.errors import ConfigError
from tunesmith.core.stage import Context
from tunesmith.core.table import nearest
from tunesmith.models.spec import ModelSpec, read_spec
from tunesmith.records.rows import count_rows, read_conversations
from tunesmith.select.choice import Counts, Fitted, choose, fit, gigabytes, reason
from tunesmith.select.config import PriceConfig, SelectConfig

FILE_NAME = "choice.json"


def decide(config: SelectConfig, model: Path, rows: Path, out: Path, ctx: Context) -> None:
    """Write ``choice.json`` into ``out`` and tell the plan."""
    price = price_of(config.price)
    spec = read_spec(model)
    counts = count_tokens(model, rows, max_length=config.max_length, ctx=ctx)
    machine, precision = _measured(spec, config, ctx)
    limit = config.memory_bytes or int(machine.memory_bytes * config.memory_share)
    fitted = fit(
        spec, config, counts, limit_bytes=limit, precision=precision,
        micro_batch=ctx.resources.micro_batch,
    )  # fmt: skip
    chosen = choose(config, counts.rows, fitted)
    work = work_of(counts.lengths, counts.labels, epochs=config.num_train_epochs)
    candidates = [
        _candidate(
            spec, each, config, work, chosen=chosen, rows=counts.rows, machine=machine, price=price
        )
        for each in fitted.values()
    ]
    (out / FILE_NAME).write_text(
        json.dumps(_choice(config, counts, candidates, chosen), indent=2) + "\n", encoding="utf-8"
    )
    ctx.fact("plan", _plan(candidates, chosen, machine, limit, price))
    _tell(candidates, chosen, ctx)


def count_tokens(model: Path, rows: Path, *, max_length: int, ctx: Context) -> Counts:
    """Tokens and labels of each row in the model's own chat template; rows over ``max_length`` left out."""
    from tunesmith.integrations.transformers import load_tokenizer
    from tunesmith.tokens.chat import encode

    tokenizer = load_tokenizer(model)
    total = count_rows(rows)
    lengths: list[int] = []
    labels: list[int] = []
    for done, row in enumerate(read_conversations(rows), start=1):
        encoded = encode(row.messages, tokenizer, name=f"{row.source}, row {row.row}")
        if len(encoded.ids) <= max_length:
            lengths.append(len(encoded.ids))
            labels.append(encoded.labels)
        ctx.progress(done, total, "rows", "count tokens")
    return Counts(lengths, labels)


def price_of(config: PriceConfig) -> Price:
    """The user's own price, or the table's, in the currency to show.

    Raises:
        ConfigError: when the table has no such machine.

    """
    if config.price_per_hour is not None:
        return Price(config.price_per_hour, config.currency, "", "select.price.price_per_hour")
    found = PRICES.get(config.machine)
    if found is None:
        near = nearest(config.machine, PRICES)
        raise ConfigError(
            f"there is no price for the machine {config.machine!r}",
            why=f"the table has {', '.join(PRICES)}",
            fix=f"use `{near}`" if near else "set select.price.price_per_hour to what you pay",
            code="price-unknown",
        )
    return in_currency(found, config.currency)


def _measured(spec: ModelSpec, config: SelectConfig, ctx: Context) -> tuple[Machine, Precision]:
    """Where training would run, with its speed, and the widths of the numbers it would use there."""
    from tunesmith.loop.trainable import device_of, dtype_of

    device = device_of(ctx.resources)
    dtype = dtype_of(config.precision, device)
    rate = config.price.matmul_rate
    if not rate:
        ctx.progress(0, 1, "second", "measure this machine's speed")
        rate = matmul_rate(spec, device=device, dtype=dtype, threads=ctx.resources.threads)
    machine = dataclasses.replace(this_machine(device), matmul_rate=rate)
    return machine, Precision(forward=dtype.itemsize)


def _candidate(
    spec: ModelSpec, fitted: Fitted, config: SelectConfig, work: Work, *, chosen: MethodName,
    rows: int, machine: Machine, price: Price,
) -> Candidate:  # fmt: skip
    method = fitted.method
    flops = training_flops(spec, method, work)
    seconds = training_seconds(flops, matmul_rate=machine.matmul_rate)
    return Candidate(
        method=method.name,
        parameters=spec.parameters,
        trainable_parameters=trainable_parameters(spec, method),
        memory_bytes=fitted.memory.bytes,
        memory_lines=tuple((line.name, line.bytes, line.formula) for line in fitted.memory.lines),
        flops=flops,
        seconds=seconds,
        tokens=work.tokens,
        cost=cost(seconds, price, currency=price.currency),
        currency=price.currency,
        fits=fitted.fits,
        reason=reason(method.name, chosen, config, rows, fitted.fits),
    )


def _choice(
    config: SelectConfig, counts: Counts, candidates: list[Candidate], chosen: MethodName
) -> dict[str, Any]:
    """What train reads. Machine, seconds and money are left out: they are measured, not derived."""
    return {
        "version": 1,
        "method": chosen,
        "r": config.lora.r if chosen == "lora" else None,
        "reason": _of(candidates, chosen).reason,
        "rows": counts.rows,
        "tokens": sum(counts.lengths),
        "labels": sum(counts.labels),
        "longest_row": max(counts.lengths, default=0),
        "candidates": [
            {
                "method": each.method,
                "parameters": each.parameters,
                "trainable_parameters": each.trainable_parameters,
                "flops": round(each.flops),
                "fits": each.fits,
                "reason": each.reason,
            }
            for each in candidates
        ],
    }


def _plan(
    candidates: list[Candidate], chosen: MethodName, machine: Machine, limit: int, price: Price
) -> dict[str, Any]:
    dated = f", read on {price.read_on}" if price.read_on else ""
    return {
        "candidates": [each.as_dict() for each in candidates],
        "chosen": chosen,
        "reason": _of(candidates, chosen).reason,
        "assumptions": [
            f"memory that training may use: {gigabytes(limit)} of {gigabytes(machine.memory_bytes)}",
            f"matrix products: {machine.matmul_rate / 1e9:.0f} GFLOP/s on this model's shapes",
            f"a training step reaches {MATMUL_SHARE:.0%} of that; evaluation while training is not counted",
            f"an hour costs {price.per_hour:.2f} {price.currency} ({price.source}{dated})",
        ],
        "machine": dataclasses.asdict(machine),
    }


def _of(candidates: list[Candidate], name: MethodName) -> Candidate:
    return next(each for each in candidates if each.method == name)


def _tell(candidates: list[Candidate], chosen: MethodName, ctx: Context) -> None:
    best = _of(candidates, chosen)
    ctx.note(
        f"{chosen}: {best.reason}; {best.trainable_parameters:,} of {best.parameters:,} weights, about "
        f"{gigabytes(best.memory_bytes)} and {best.seconds / 60:.1f} minutes"
    )
