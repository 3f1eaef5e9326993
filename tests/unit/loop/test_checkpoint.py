from pathlib import Path

import pytest
import torch

from tunesmith.loop.checkpoint import Checkpoint, newest, save


def _checkpoint(step: int, identity: str = "a") -> Checkpoint:
    weights = {"w": torch.full((3,), float(step))}
    return Checkpoint(
        step, identity, weights, {"w/step": torch.tensor(float(step))}, {}, {"step": step}
    )


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    save(tmp_path, _checkpoint(5))
    found = newest(tmp_path, "a")
    assert found is not None
    assert (found.step, found.state, found.best) == (5, {"step": 5}, {})
    assert torch.equal(found.weights["w"], torch.full((3,), 5.0))
    assert found.optimizer["w/step"].shape == ()


def test_the_newest_two_stay(tmp_path: Path) -> None:
    for step in (1, 2, 30):
        save(tmp_path, _checkpoint(step))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "checkpoint-00000002",
        "checkpoint-00000030",
    ]


@pytest.mark.parametrize(
    "file", ["weights.safetensors", "optimizer.safetensors", "state.json", "manifest.json"]
)
@pytest.mark.parametrize("harm", ["cut", "gone", "changed"])
def test_a_damaged_newest_checkpoint_gives_way_to_the_older_one(
    tmp_path: Path, file: str, harm: str
) -> None:
    save(tmp_path, _checkpoint(1))
    path = save(tmp_path, _checkpoint(2)) / file
    if harm == "gone":
        path.unlink()
    else:
        whole = path.read_bytes()
        path.write_bytes(whole[:-7] if harm == "cut" else whole[:-1] + bytes([whole[-1] ^ 1]))
    found = newest(tmp_path, "a")
    assert found is not None
    assert found.step == 1


def test_another_trainings_checkpoint_is_not_resumed(tmp_path: Path) -> None:
    save(tmp_path, _checkpoint(1, identity="b"))
    assert newest(tmp_path, "a") is None


def test_a_checkpoint_that_was_never_renamed_is_not_seen_and_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".checkpoint-00000009.1").mkdir()
    assert newest(tmp_path, "a") is None
    save(tmp_path, _checkpoint(1))
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint-00000001"]


def test_no_file_of_a_checkpoint_is_a_pickle(tmp_path: Path) -> None:
    names = {path.suffix for path in save(tmp_path, _checkpoint(1)).iterdir()}
    assert names == {".safetensors", ".json"}
