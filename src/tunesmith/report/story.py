"""The run in sentences: the headline, what each phase found, and what each step gave.

The terminal and the report both tell this story, from the dictionary of report.json.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.report import figures
from tunesmith.report.figures import number

Report = Mapping[str, Any]
_PREFERRED = ("rouge1", "rougeL", "accuracy", "exact_match", "f1", "bleu")


def headline(report: Report) -> str:
    """One sentence that says what came out; the first thing a reader sees."""
    parts = [part for part in (_end(report), _gain(report), _gates(report)) if part]
    if not parts:
        parts = [_plainly(report)]
    return figures.sentence("; ".join(parts))


def sentences(report: Report) -> list[str]:
    """What each phase found, a sentence each, in the order of the life of a model."""
    told = [
        _gain_in_full(report), _verdict(report), _data(report), _method(report), _training(report),
        _compression(report), _health(report), _renewal(report),
    ]  # fmt: skip
    return [figures.sentence(text) for text in told if text]


def primary(report: Report) -> Mapping[str, Any] | None:
    """The paired comparison that the headline tells: ROUGE-1 when there is one."""
    pairs: Sequence[Mapping[str, Any]] = report.get("paired") or []
    for name in _PREFERRED:
        found = next((p for p in pairs if p["name"].lower() == name.lower()), None)
        if found:
            return found
    return pairs[0] if pairs else None


def tally(report: Report) -> tuple[int, int]:
    """(gates passed, gates that gave a decision); an undecided gate counts in neither."""
    decided = [g for g in report.get("gates") or [] if g["decision"] in {"passed", "failed"}]
    return sum(g["decision"] == "passed" for g in decided), len(decided)


def step_words(report: Report, step: str) -> str:
    """The key numbers of one step, in a few words; empty when it gave none."""
    verdicts = _of(report, "gates", step)
    failed = [gate for gate in verdicts if gate["decision"] == "failed"]
    if failed:
        return figures.sentence(failed[0]["reason"])
    for name, words in (("training", _training_words), ("compression", _variant_words)):
        found = _of(report, name, step)
        if found:
            return words(found)
    if verdicts:
        return _verdict_words(verdicts)
    metrics = _of(report, "metrics", step)
    if metrics:
        return ", ".join(f"{figures.title(m['name'])} {number(m['value'])}" for m in metrics[:3])
    steps = _of(report, "accounting", step)
    if steps:
        rows_in, rows_out = _through(steps)
        return f"{figures.count(rows_in)} rows in, {figures.count(rows_out)} out"
    plan = report.get("plan") or {}
    if plan.get("stage") == step:
        return f"{figures.title(plan.get('chosen', ''))}: {plan.get('reason', '')}"
    model = report.get("model") or {}
    if model.get("stage") == step and isinstance(model.get("parameters"), int):
        return f"{model.get('family', 'model')}, {figures.count(model['parameters'])} parameters"
    serving = report.get("serving") or {}
    if serving.get("stage") == step:
        return _serving_words(serving)
    return ""


def _verdict_words(verdicts: Sequence[Mapping[str, Any]]) -> str:
    if len(verdicts) == 1:
        return figures.sentence(verdicts[0]["reason"])
    decisions = Counter(gate["decision"] for gate in verdicts)
    return "gates: " + ", ".join(f"{n} {decision}" for decision, n in decisions.items())


def _of(report: Report, name: str, step: str) -> list[Mapping[str, Any]]:
    return [entry for entry in report.get(name) or [] if entry.get("stage") == step]


def _end(report: Report) -> str:
    """How the run ended when it did not reach its end; a failed gate is told with the gates."""
    run = report["run"]
    status, error = run.get("status"), run.get("error") or {}
    open_steps = [
        s["name"] for s in report.get("stages") or [] if s["status"] in {"failed", "killed"}
    ]
    where = f" at {open_steps[0]}" if open_steps else ""
    if status in {"stopped", "killed"}:
        return f"the run was {status}{where} and can go on from there"
    return f"the run failed{where}: {error['what']}" if error and status != "gate failed" else ""


def _gain(report: Report) -> str:
    pair = primary(report)
    if pair is None:
        return ""
    verb = {1: "lifted", -1: "lowered", 0: "did not clearly move"}[direction(pair)]
    return (
        f"tuning {verb} {figures.title(pair['name'])} from {number(pair['before'])} "
        f"to {number(pair['after'])} on {figures.count(pair['n'])} held-out rows"
    )


def direction(pair: Mapping[str, Any]) -> int:
    """1 when the whole interval of the difference is above zero, -1 when below, else 0."""
    return 1 if pair["low"] > 0 else -1 if pair["high"] < 0 else 0


def _gain_in_full(report: Report) -> str:
    pair = primary(report)
    if pair is None:
        return ""
    better = -1 if pair.get("better") == "lower" else 1
    words = {
        1: "so the gain is not chance",
        -1: "so the loss is not chance",
        0: "which includes zero: more rows are needed to tell",
    }[direction(pair) * better]
    return (
        f"on the same {figures.count(pair['n'])} rows {figures.title(pair['name'])} changed by "
        f"{figures.signed(pair['difference'])} (95{figures.THIN}% interval "
        f"{figures.interval(pair['low'], pair['high'])}), {words}"
    )


def _verdict(report: Report) -> str:
    verdict = report.get("verdict") or {}
    if not verdict.get("verdict"):
        return ""
    return f"the verdict on the base model was \u201c{verdict['verdict']}\u201d: {verdict.get('reason', '')}"


def _gates(report: Report) -> str:
    passed, decided = tally(report)
    if not decided:
        return ""
    failed = [f"\u201c{g['name']}\u201d" for g in report["gates"] if g["decision"] == "failed"]
    text = f"{passed} of {decided} gates passed" if passed < decided else _all_passed(decided)
    return text + (f", {_and(failed)} did not" if failed else "")


def _all_passed(decided: int) -> str:
    return "the one gate passed" if decided == 1 else f"all {decided} gates passed"


def _plainly(report: Report) -> str:
    metrics = report.get("metrics") or []
    if metrics:
        first = next((m for n in _PREFERRED for m in metrics if m["name"] == n), metrics[0])
        rows = f" on {figures.count(first['n'])} rows" if first.get("n") else ""
        return f"{first['subject']} model: {figures.title(first['name'])} {number(first['value'])}{rows}"
    stages = report.get("stages") or []
    done = sum(stage["status"] in {"done", "reused"} for stage in stages)
    left_out = sum(stage["status"] == "not asked for" for stage in stages)
    return f"{done} of {len(stages) - left_out} steps are done"


def _data(report: Report) -> str:
    """Rows read at the beginning of the first data phase, against those at its end."""
    steps = report.get("accounting") or []
    if not steps:
        return ""
    # Reading and cleaning are steps of one verb: a row that could not be read is lost as well. The
    # first verb is the one that made the training rows: a second round mixes old rows in again.
    verbs = {stage["name"]: stage.get("verb") for stage in report.get("stages") or []}
    phases: dict[object, list[Mapping[str, Any]]] = {}
    for step in steps:
        phases.setdefault(verbs.get(step["stage"]) or step["stage"], []).append(step)
    rows_in, rows_out = _through(next(iter(phases.values())))
    lost = rows_in - rows_out
    if not lost:
        return f"all {figures.count(rows_in)} rows were kept by every data step"
    return (
        f"{figures.count(rows_out)} of {figures.count(rows_in)} rows were fit to use; "
        "the reason for each one that was dropped is in the ledger"
    )


def _through(steps: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Rows into a stage and out of it. Its steps may branch (a check for each split), so what comes
    out is what went in less everything that was dropped.
    """  # noqa: D205
    rows_in: int = steps[0]["rows_in"]
    return rows_in, rows_in - sum(sum(step["dropped"].values()) for step in steps)


def _method(report: Report) -> str:
    plan = report.get("plan") or {}
    if not plan.get("chosen"):
        return ""
    return f"{figures.title(plan['chosen'])} was chosen: {plan.get('reason', '')}"


def _training(report: Report) -> str:
    found = report.get("training") or []
    if not found:
        return ""
    took = figures.duration(found[0].get("seconds"))
    return f"training took {took}: {_training_words(found[:1])}"


def _training_words(found: Sequence[Mapping[str, Any]]) -> str:
    run = found[0]
    parts = [f"{figures.count(run['steps'])} steps" if run.get("steps") else ""]
    if run.get("tokens"):
        parts.append(f"{figures.count(run['tokens'])} tokens")
    if run.get("tokens_per_second"):
        parts.append(f"{number(run['tokens_per_second'])} tokens/s")
    if run.get("peak_bytes"):
        parts.append(f"peak {figures.size(run['peak_bytes'])}")
    return ", ".join(part for part in parts if part)


def _compression(report: Report) -> str:
    variants = report.get("compression") or []
    return f"compressed to {_variant(_best(variants), variants[0])}" if len(variants) > 1 else ""


def _variant_words(found: Sequence[Mapping[str, Any]]) -> str:
    best = _best(found) if len(found) > 1 else found[0]
    return (
        f"{best['variant']}: {figures.size(best['bytes'])}, was {figures.size(found[0]['bytes'])}"
    )


def _best(variants: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The compressed variant that decodes fastest, of those that answer as the model does if any."""
    alike = [one for one in variants[1:] if one.get("parity") == "passed"] or variants[1:]
    return max(alike, key=lambda one: (one.get("tokens_per_second") or 0, -one["bytes"]))


def _variant(best: Mapping[str, Any], dense: Mapping[str, Any]) -> str:
    text = f"{best['variant']} the model takes {figures.size(best['bytes'])} instead of {figures.size(dense['bytes'])}"
    speed, was = best.get("tokens_per_second"), dense.get("tokens_per_second")
    if speed and was:
        text += f" and decodes {number(speed)} tokens/s instead of {number(was)}"
    return text


def _health(report: Report) -> str:
    health = report.get("health") or {}
    ttft = (health.get("latency") or {}).get("ttft") or {}
    if "p99" not in ttft:
        return ""
    requests = (report.get("serving") or {}).get("requests")
    under = f"over {figures.count(requests)} requests " if requests else ""
    return f"{under}the first token came within {figures.duration(ttft['p99'])} (P99)"


def _serving_words(serving: Mapping[str, Any]) -> str:
    parts = [f"{figures.count(serving['requests'])} requests" if serving.get("requests") else ""]
    if serving.get("tokens_per_second"):
        parts.append(f"{number(serving['tokens_per_second'])} tokens/s")
    if serving.get("engine"):
        parts.append(str(serving["engine"]))
    return ", ".join(part for part in parts if part)


def _renewal(report: Report) -> str:
    rounds = report.get("renewal") or []
    return str(rounds[-1].get("reason") or "") if rounds else ""


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
