"""The story counts the rows of the first data phase, whatever later rounds mix in."""

from __future__ import annotations

from tunesmith.report.story import sentences


def test_a_second_round_with_replay_does_not_change_the_count_of_the_first() -> None:
    def step(stage: str, rows_in: int, rows_out: int) -> dict[str, object]:
        return {
            "stage": stage,
            "step": stage,
            "rows_in": rows_in,
            "rows_out": rows_out,
            "dropped": {"other": rows_in - rows_out},
        }

    names = ("collect", "prepare", "later", "prepare-later", "replay", "train-again")
    report = {
        "run": {"status": "done"}, "metrics": [], "gates": [],
        "stages": [
            {"name": name, "status": "done", "verb": "prepare" if i < 2 else "renew"}
            for i, name in enumerate(names)
        ],
        "accounting": [
            step("collect", 84, 84), step("prepare", 84, 83), step("later", 16, 16),
            step("prepare-later", 16, 16), step("replay", 70, 23), step("train-again", 23, 23),
        ],
    }  # fmt: skip
    told = " ".join(sentences(report))
    assert "83 of 84 rows were fit to use" in told
