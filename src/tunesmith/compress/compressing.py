"""The work of the stage ``compress``: write every variant, load each again, measure, judge."""

from __future__ import annotations

import heapq
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tunesmith.compress.config import CompressConfig, Variant
from tunesmith.compress.measure import (
    Quality,
    Speed,
    quality,
    same_tokens,
    shared_beginning,
    speeds,
)
from tunesmith.compress.variants import (
    CONTROL,
    folder_bytes,
    open_attached,
    open_variant,
    write_merged,
    write_variant,
)
from tunesmith.core.errors import DataError
from tunesmith.core.stage import Context, GateResult
from tunesmith.metrics.estimate import Estimate
from tunesmith.metrics.perplexity import perplexity
from tunesmith.metrics.rouge import rouge, signature
from tunesmith.metrics.row_scores import means
from tunesmith.ports import Engine
from tunesmith.records.conversation import Conversation

_FORMAT = 1


def compress(
    config: CompressConfig,
    *,
    model: Path,
    tuned: Path | None,
    rows: Iterable[Conversation],
    folder: Path,
    ctx: Context,
) -> list[dict[str, Any]]:
    """Fill ``folder`` with the variants and ``table.json``; the lines of the table."""
    chosen = heapq.nsmallest(config.max_rows, rows, key=lambda row: row.id)
    if not chosen:
        raise _no_rows()
    variants = (CONTROL, *(one for one in config.variants if one != CONTROL))
    for done, variant in enumerate(variants):
        ctx.progress(done, len(variants), "variants", f"writing {variant}")
        if variant == CONTROL:
            write_merged(model, tuned, folder / CONTROL)
        else:
            write_variant(variant, folder / CONTROL, folder / variant)
    attached = _attached(model, tuned, chosen, ctx)
    kept, speed = _measured(config, variants, chosen, folder, ctx)
    table = []
    for one in variants:
        scores = _scores(config, kept[one], chosen, ctx)
        for name, estimate in scores.items():
            ctx.metric(one, name, estimate)
        table.append(_line(one, kept, speed[one], scores, folder))
    control = table[0]["perplexity"]
    for line in table:
        reference = attached if line["variant"] == CONTROL and attached else control
        _judge(config, line, reference, len(chosen), ctx)
    body = {"format": _FORMAT, "control": CONTROL, "rows": len(chosen), "variants": table}
    (folder / "table.json").write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    ctx.fact("compression", table)
    _note_speed(table, ctx)
    return table


def _measured(
    config: CompressConfig, variants: Sequence[Variant], rows: Sequence[Conversation],
    folder: Path, ctx: Context,
) -> tuple[dict[str, Quality], dict[str, Speed]]:  # fmt: skip
    """Quality of each variant, then speed of all in turn; every engine is loaded once."""
    with ExitStack() as stack:
        engines: dict[str, Engine] = {}
        kept: dict[str, Quality] = {}
        context = 0
        for done, variant in enumerate(variants):
            ctx.progress(done, len(variants), "variants", f"measuring {variant}")
            engine = open_variant(
                variant, folder / variant, resources=ctx.resources, context=context
            )
            stack.callback(engine.close)
            engines[variant] = engine
            context = context or _longest(engine, rows) + config.max_new_tokens
            kept[variant] = quality(engine, rows, config.max_new_tokens)
        ctx.progress(len(variants), len(variants), "variants", "measuring speed")
        middle = sorted(rows, key=lambda row: sum(len(m.content) for m in row.prompt))
        speed = speeds(
            engines, middle[len(rows) // 2].prompt,
            rounds=config.speed_rounds, new_tokens=config.speed_tokens,
        )  # fmt: skip
        return kept, speed


def _longest(control: Any, rows: Sequence[Conversation]) -> int:
    """Tokens of the longest row, prompt and answer, by the control's tokenizer."""
    return max(len(control.answer_span(row.messages)[0]) for row in rows)


def _attached(
    model: Path, tuned: Path | None, rows: Sequence[Conversation], ctx: Context
) -> float | None:
    """Perplexity of the rows' answers with the adapter attached; None where there is no adapter."""
    if tuned is None or not (tuned / "adapter_config.json").exists():
        return None
    engine = open_attached(model, tuned, resources=ctx.resources)
    try:
        scored = list(engine.score([row.messages for row in rows]))
    finally:
        engine.close()
    return math.exp(-sum(one.logprob for one in scored) / sum(one.tokens for one in scored))


def _scores(
    config: CompressConfig, kept: Quality, rows: Sequence[Conversation], ctx: Context
) -> dict[str, Estimate]:
    values = rouge(kept.answers, [row.answer for row in rows], language=config.language)["rouge1"]
    scored = {
        "rouge1": means(values, unit="F1", scorer=signature(config.language)),
        "perplexity": perplexity(kept.nats, kept.tokens),
    }
    seed = ctx.stream("bootstrap")
    return {name: one.estimate(seed=seed) for name, one in scored.items()}


def _line(
    variant: Variant, kept: Mapping[str, Quality], speed: Speed, scores: Mapping[str, Estimate],
    folder: Path,
) -> dict[str, Any]:  # fmt: skip
    mine, control = kept[variant], kept[CONTROL]
    size, whole = folder_bytes(folder / variant), folder_bytes(folder / CONTROL)
    same = [one == other for one, other in zip(mine.answers, control.answers, strict=True)]
    rouge1 = scores["rouge1"]
    equal, places = same_tokens(mine, control)
    return {
        "variant": variant,
        "bytes": size,
        "ratio": size / whole,
        "prompt_tokens_per_second": speed.prompt_tokens_per_second,
        "tokens_per_second": speed.tokens_per_second,
        "perplexity": scores["perplexity"].value,
        "rouge1": rouge1.value,
        "rouge1_low": rouge1.low,
        "rouge1_high": rouge1.high,
        "agreement": equal / places,
        "compared_tokens": places,
        "shared_beginning": shared_beginning(mine.answers, control.answers),
        "identical_answers": sum(same) / len(same),
    }


def _judge(
    config: CompressConfig, line: dict[str, Any], reference: float, rows: int, ctx: Context
) -> None:
    """Write the line's parity into it, and the verdict as a gate. ``reference`` is a perplexity."""
    variant = line["variant"]
    against = "the adapter beside the base model" if variant == CONTROL else CONTROL
    change = line["perplexity"] / reference - 1
    near = abs(change) <= config.perplexity_tolerance
    alike = line["agreement"] >= config.agreement_at_least
    passed = near and alike
    line["parity"] = "reference" if variant == CONTROL and passed else _word(passed)
    reason = (
        f"perplexity {change:+.2%} against {against}, {config.perplexity_tolerance:.0%} allowed"
    )
    if variant != CONTROL:
        reason += (
            f"; the same next token at {line['agreement']:.1%} of {line['compared_tokens']} places, "
            f"{config.agreement_at_least:.0%} needed"
        )
    ctx.gate(
        GateResult(
            name=f"parity {variant}",
            passed=passed,
            reason=reason,
            compared=f"{variant} with {against}",
            value=abs(change),
            threshold=config.perplexity_tolerance,
            n=rows,
            unit="relative perplexity",
            blocking=variant in config.required,
        )
    )


def _word(passed: bool) -> str:
    return "passed" if passed else "failed"


def _note_speed(table: Sequence[Mapping[str, Any]], ctx: Context) -> None:
    """Say plainly where a smaller form is slower."""
    control = table[0]
    for line in table[1:]:
        share = line["tokens_per_second"] / control["tokens_per_second"]
        if share < 1:
            ctx.note(
                f"{line['variant']} writes {1 - share:.0%} slower than {CONTROL}: its gain here is "
                f"size ({line['ratio']:.0%} of the bytes), not speed"
            )


def _no_rows() -> DataError:
    return DataError(
        "there are no rows to measure the variants on",
        why="parity is a comparison of answers to the same rows",
        fix="give the split more test rows (prepare.split), or check what dropped them: tunesmith report",
        code="no-rows",
    )
