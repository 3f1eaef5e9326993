"""The work of stage ``align``: prefer the chosen answers, held to where the model started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tunesmith.align.config import AlignConfig
from tunesmith.align.pairs import (
    Pair,
    PairBatch,
    all_logps,
    batches,
    encode_pairs,
    is_held_out,
    pair_logps,
    reference,
)  # fmt: skip
from tunesmith.align.stage import Align, AlignInputs
from tunesmith.core import seeds
from tunesmith.core.digest import of_value
from tunesmith.core.errors import DataError
from tunesmith.core.stage import Context
from tunesmith.integrations.transformers import load_tokenizer
from tunesmith.loop.fit import FitSettings, Job, Progress, fit
from tunesmith.loop.memory import PeakMemory
from tunesmith.loop.optimizer import AdamSettings, Optimizer
from tunesmith.loop.sampler import Sampler
from tunesmith.loop.schedule import Schedule, steps_of
from tunesmith.loop.trainable import Opening, Trainable, open_trainable, write_tuned
from tunesmith.losses.dpo import dpo
from tunesmith.metrics.estimate import bootstrap_mean, proportion
from tunesmith.models.spec import read_context

_WORST_LOSS = 10.0
"""Nats a pair: fifteen times the loss of a policy that is its reference; nothing recovers from it."""


def align(config: AlignConfig, inputs: AlignInputs, out: Path, ctx: Context) -> None:
    """Align a model on pairs and write the adapter to ``out``."""
    with PeakMemory() as memory:
        context, tokenizer = read_context(inputs.model.path), load_tokenizer(inputs.model.path)
        pairs = encode_pairs(inputs.pairs.path, tokenizer, config, context=context, ctx=ctx)
        valid = [pair for pair in pairs if is_held_out(pair, config.valid_share)]
        train = [pair for pair in pairs if not is_held_out(pair, config.valid_share)]
        _refuse_empty(train, config)
        start = inputs.tuned.path if inputs.tuned else None
        opening = Opening("lora", config.lora, config.precision, ctx.stream("lora"))
        opened = open_trainable(inputs.model.path, start, opening, resources=ctx.resources)
        identity = _identity(config, inputs, ctx)
        start_logps = reference(opened, [*train, *valid], identity, ctx).to(opened.device)
        of_train, of_valid = start_logps[: len(train)], start_logps[len(train) :]
        optimizer = Optimizer(opened.weights, _adam(config))
        job = _job(config, train, of_train, opened, ctx)
        settings = _settings(config, len(train), identity)
        done = fit(job, settings, optimizer, ctx=ctx, memory=memory)
        _measure(config, opened, valid, of_valid, ctx)
    facts = {
        "parent": inputs.tuned.digest if inputs.tuned else None,
        "objective": config.method,
        "beta": config.beta,
        "seed": ctx.seed,
        "steps": done.step,
        "precision": str(opened.dtype).removeprefix("torch."),
    }
    write_tuned(opened, inputs.model.path, out, base=inputs.model.digest, facts=facts)
    ctx.fact("alignment", _facts(config, train, valid, opened, done, memory))


def _job(
    config: AlignConfig, pairs: Sequence[Pair], start_logps: Tensor, opened: Trainable, ctx: Context
) -> Job[PairBatch]:
    most = 1 if opened.has_dropout else ctx.resources.micro_batch

    def parts(step: int, numbers: Sequence[int]) -> Iterator[PairBatch]:
        for batch in batches(pairs, numbers, device=opened.device, max_pairs=most):
            torch.manual_seed(seeds.derive(ctx.seed, f"dropout {step} {batch.numbers[0]}"))
            yield batch

    def objective(batch: PairBatch) -> tuple[Tensor, int]:
        chosen_B, rejected_B = pair_logps(opened, batch)
        of_start = start_logps[list(batch.numbers)]
        losses_B = dpo(chosen_B, rejected_B, of_start[:, 0], of_start[:, 1], beta=config.beta)
        return losses_B.sum(), len(losses_B)

    return Job(
        sampler=Sampler(
            len(pairs), batch=config.train_batch_size, seed=ctx.stream("order of pairs")
        ),
        parts=parts,
        objective=objective,
        row_name=lambda number: pairs[number].chosen.name,
    )


def _settings(config: AlignConfig, pairs: int, identity: str) -> FitSettings:
    steps = steps_of(
        pairs, batch=config.train_batch_size, epochs=config.num_train_epochs,
        max_steps=config.max_steps,
    )  # fmt: skip
    schedule = Schedule(
        peak=config.learning_rate,
        steps=steps,
        shape=config.lr_scheduler_type,
        start=config.warmup_start_lr,
        warmup_steps=round(config.warmup_ratio * steps),
    )
    return FitSettings(
        schedule=schedule,
        identity=identity,
        worst_loss=_WORST_LOSS,
        save_every=config.save_steps,
        keep_best=False,
        unit="nats a pair",
        label="align",
    )


def _adam(config: AlignConfig) -> AdamSettings:
    return AdamSettings(weight_decay=config.weight_decay, max_grad_norm=config.max_grad_norm)


def _identity(config: AlignConfig, inputs: AlignInputs, ctx: Context) -> str:
    artefacts = (inputs.model, inputs.pairs, inputs.tuned)
    return of_value(
        {
            "config": config.as_dict(),
            "inputs": [each.digest if each else None for each in artefacts],
            "seed": ctx.seed,
            "version": Align.version,
        }
    )


def _measure(
    config: AlignConfig, opened: Trainable, pairs: Sequence[Pair], start_logps: Tensor, ctx: Context
) -> None:
    """Reward accuracy and margin on pairs that were not trained on.

    The reward is beta x (log p - log p at the start): Rafailov et al. 2023, section 4.
    """
    if not pairs:
        ctx.note("No pair was held out, so reward accuracy is not measured.")
        return
    rewards = config.beta * (all_logps(opened, pairs, ctx, "held-out pairs") - start_logps.cpu())
    margins = (rewards[:, 0] - rewards[:, 1]).tolist()
    scorer = f"dpo reward, beta {config.beta:g}"
    right = sum(margin > 0 for margin in margins)
    ctx.metric("aligned", "reward accuracy", proportion(right, len(margins), scorer=scorer))
    ctx.metric(
        "aligned",
        "reward margin",
        bootstrap_mean(margins, seed=ctx.stream("reward margin"), unit="nats", scorer=scorer),
    )


def _facts(
    config: AlignConfig,
    train: Sequence[Pair],
    valid: Sequence[Pair],
    opened: Trainable,
    done: Progress,
    memory: PeakMemory,
) -> dict[str, Any]:
    return {
        "method": config.method,
        "beta": config.beta,
        "pairs": len(train),
        "held_out_pairs": len(valid),
        "steps": done.step,
        "tokens": done.tokens,
        "seconds": round(done.seconds, 3),
        "tokens_per_second": round(done.tokens / done.seconds, 1) if done.seconds else None,
        "first_loss": done.first_loss,
        "last_loss": done.last_loss,
        "peak_bytes": memory.peak_on(opened.device),
        "trainable_parameters": opened.trainable_parameters,
    }


def _refuse_empty(pairs: Sequence[Pair], config: AlignConfig) -> None:
    if not pairs:
        raise DataError(
            "no pair of answers can be aligned on",
            why=f"there is none, all are longer than {config.max_length} tokens, "
            "or all are held out",
            fix="look at the accounting of this step, or raise align.max_length",
            code="no-rows-left",
        )
