"""The work of stage ``train``: open the model, fit it to the rows, write what changed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from tunesmith.budget.compute import training_flops, work_of
from tunesmith.budget.machine import matmul_rate
from tunesmith.budget.method import Method
from tunesmith.core import seeds
from tunesmith.core.digest import of_value
from tunesmith.core.errors import ConfigError, ModelError
from tunesmith.core.stage import Context
from tunesmith.integrations.transformers import load_tokenizer
from tunesmith.loop.fit import FitSettings, Job, Progress, fit
from tunesmith.loop.memory import PeakMemory
from tunesmith.loop.optimizer import AdamSettings, Optimizer
from tunesmith.loop.sampler import Sampler
from tunesmith.loop.schedule import Schedule, steps_of
from tunesmith.loop.trainable import (
    MethodName,
    Opening,
    Trainable,
    open_trainable,
    start_method,
    write_tuned,
)  # fmt: skip
from tunesmith.losses.cross_entropy import cross_entropy
from tunesmith.models.spec import read_context, read_spec
from tunesmith.tokens.batch import Batch, collate, cut
from tunesmith.tokens.chat import Encoded
from tunesmith.train.config import TrainConfig
from tunesmith.train.rows import encode_rows, refuse_empty
from tunesmith.train.stage import Train, TrainInputs

PART_TOKENS: Final = 1024
"""Tokens of one forward pass: more is no faster on two cores, and needs more memory."""

_RATES: Final[dict[MethodName, float]] = {"lora": 5e-4, "full": 5e-5}


@dataclass(frozen=True, slots=True)
class Rows:
    """What is learnt and what is held out, as tokens."""

    train: list[Encoded]
    valid: list[Encoded]


def train(config: TrainConfig, inputs: TrainInputs, out: Path, ctx: Context) -> None:
    """Tune a model on conversations and write the result to ``out``."""
    with PeakMemory() as memory:
        rows = _rows(config, inputs, ctx)
        method = _method(config, inputs)
        start = inputs.start.path if inputs.start else None
        opening = Opening(method, config.lora, config.precision, ctx.stream("lora"))
        opened = open_trainable(inputs.model.path, start, opening, resources=ctx.resources)
        optimizer = Optimizer(opened.weights, _adam(config))
        settings = _settings(config, inputs, rows, opened, ctx)
        job = _job(config, rows, opened, ctx)
        done = fit(job, settings, optimizer, ctx=ctx, memory=memory)
    facts = {
        "parent": inputs.start.digest if inputs.start else None,
        "seed": ctx.seed,
        "steps": done.step,
        "best_step": done.best_step if done.best else done.step,
        "precision": str(opened.dtype).removeprefix("torch."),
    }
    write_tuned(opened, inputs.model.path, out, base=inputs.model.digest, facts=facts)
    _tell(config, inputs, rows, opened, done, memory, ctx)


def _rows(config: TrainConfig, inputs: TrainInputs, ctx: Context) -> Rows:
    tokenizer = load_tokenizer(inputs.model.path)
    longest = min(config.max_length, read_context(inputs.model.path))
    found = [
        encode_rows(
            folder, tokenizer, max_length=longest, too_long=config.too_long,
            learn=config.learn, step=f"train: {name} rows that fit", ctx=ctx,
        )
        for name, folder in (("training", inputs.train.path), ("validation", inputs.valid.path))
    ]  # fmt: skip
    refuse_empty(found[0], inputs.train.path, longest)
    return Rows(*found)


def _method(config: TrainConfig, inputs: TrainInputs) -> MethodName:
    if config.method != "auto":
        return config.method
    if inputs.start is not None:
        return start_method(inputs.start.path)
    if inputs.choice is None:
        return "lora"
    body = json.loads((inputs.choice.path / "choice.json").read_text(encoding="utf-8"))
    chosen = body.get("method")
    if chosen not in ("lora", "full"):
        raise ConfigError(
            f"the chosen method is {chosen!r}, which train does not know",
            why="train tunes with LoRA or all weights",
            fix="set select.method or train.method to 'lora' or 'full'",
            code="train-method",
        )
    return "lora" if chosen == "lora" else "full"


def _adam(config: TrainConfig) -> AdamSettings:
    return AdamSettings(
        beta1=config.adam_beta1,
        beta2=config.adam_beta2,
        epsilon=config.adam_epsilon,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
    )


def _settings(
    config: TrainConfig, inputs: TrainInputs, rows: Rows, opened: Trainable, ctx: Context
) -> FitSettings:
    steps = steps_of(
        len(rows.train), batch=config.train_batch_size, epochs=config.num_train_epochs,
        max_steps=config.max_steps,
    )  # fmt: skip
    rate = config.learning_rate
    schedule = Schedule(
        peak=_RATES[opened.method] if rate == "auto" else rate,
        steps=steps,
        shape=config.lr_scheduler_type,
        start=config.warmup_start_lr,
        warmup_steps=config.warmup_steps or round(config.warmup_ratio * steps),
    )
    per_epoch = -(-len(rows.train) // config.train_batch_size)
    every = {"no": 0, "steps": config.eval_steps, "epoch": per_epoch}[config.eval_strategy]
    return FitSettings(
        schedule=schedule,
        identity=_identity(config, inputs, ctx),
        worst_loss=math.log(opened.vocabulary),
        eval_every=every,
        save_every=config.save_steps,
        patience=config.early_stopping_patience,
        keep_best=config.load_best_model_at_end,
    )


def _identity(config: TrainConfig, inputs: TrainInputs, ctx: Context) -> str:
    artefacts = (inputs.model, inputs.train, inputs.valid, inputs.choice, inputs.start)
    return of_value(
        {
            "config": config.as_dict(),
            "inputs": [each.digest if each else None for each in artefacts],
            "seed": ctx.seed,
            "version": Train.version,
        }
    )


def _job(config: TrainConfig, rows: Rows, opened: Trainable, ctx: Context) -> Job[Batch]:
    one_by_one = opened.has_dropout

    def parts(step: int, numbers: Sequence[int]) -> Iterator[Batch]:
        lengths = [len(rows.train[number].ids) for number in numbers]
        most = 1 if one_by_one else ctx.resources.micro_batch
        budget = PART_TOKENS if not ctx.resources.micro_batch else sum(lengths)
        for group in cut(lengths, max_tokens=budget, max_rows=most):
            chosen = [numbers[i] for i in group]
            # dropout depends on the run's seed, the update and the row alone: a resumed training
            # draws the same, and so does one that is cut into other parts
            torch.manual_seed(seeds.derive(ctx.seed, f"dropout {step} {chosen[0]}"))
            yield collate([rows.train[number] for number in chosen], chosen, opened.device)

    def objective(batch: Batch) -> tuple[Tensor, int]:
        return cross_entropy(opened.logits(batch), batch.targets_N)

    return Job(
        sampler=Sampler(
            len(rows.train), batch=config.train_batch_size, seed=ctx.stream("order of rows")
        ),
        parts=parts,
        objective=objective,
        row_name=lambda number: rows.train[number].name,
        validate=(lambda: validation_loss(opened, rows.valid, ctx)) if rows.valid else None,
    )


def validation_loss(opened: Trainable, rows: Sequence[Encoded], ctx: Context) -> float:
    """Nats a label over all rows, without dropout."""
    total, labels = 0.0, 0
    opened.model.eval()
    with torch.no_grad():
        lengths = [len(row.ids) for row in rows]
        for group in cut(lengths, max_tokens=PART_TOKENS):
            ctx.check_stop()
            batch = collate([rows[i] for i in group], group, opened.device)
            loss, n = cross_entropy(opened.logits(batch), batch.targets_N)
            total, labels = total + loss.item(), labels + n
    opened.model.train()
    return total / labels


def _tell(
    config: TrainConfig,
    inputs: TrainInputs,
    rows: Rows,
    opened: Trainable,
    done: Progress,
    memory: PeakMemory,
    ctx: Context,
) -> None:
    if done.first_valid is not None and done.best_step == 0:
        ctx.note("The validation loss never fell below that of the model training started from.")
    ctx.fact(
        "training",
        {
            "method": opened.method,
            "steps": done.step,
            "tokens": done.tokens,
            "loss_tokens": done.loss_tokens,
            "seconds": round(done.seconds, 3),
            "tokens_per_second": round(done.tokens / done.seconds, 1) if done.seconds else None,
            "peak_bytes": memory.peak_on(opened.device),
            "peak_bytes_above_start": memory.peak - memory.before,
            "best_step": done.best_step,
            "first_loss": done.first_loss,
            "last_loss": done.last_loss,
            "first_validation_loss": done.first_valid,
            "best_validation_loss": done.best_valid,
            "parameters": opened.parameters,
            "trainable_parameters": opened.trainable_parameters,
            "precision": str(opened.dtype).removeprefix("torch."),
            **_share(config, inputs, rows, opened, done, ctx),
        },
    )


def _share(
    config: TrainConfig,
    inputs: TrainInputs,
    rows: Rows,
    opened: Trainable,
    done: Progress,
    ctx: Context,
) -> dict[str, Any]:
    """Share of the machine's bare bf16 matrix rate that the updates reached; {} when not known."""
    if opened.dtype != torch.bfloat16 or not done.seconds:
        return {}
    try:
        spec = read_spec(inputs.model.path)
    except ModelError:  # a family whose shapes are not written down yet: no arithmetic, no share
        return {}
    lora = config.lora
    method = Method(opened.method, r=lora.r, target_modules=lora.target_modules)
    sizes = [len(row.ids) for row in rows.train], [row.labels for row in rows.train]
    epochs = done.tokens / sum(sizes[0])
    flops = training_flops(spec, method, work_of(*sizes, epochs=epochs))
    rate = matmul_rate(spec, device=opened.device, seconds=0.5, threads=ctx.resources.threads)
    return {"matmul_share": round(flops / done.seconds / rate, 3), "matmul_rate": round(rate)}
