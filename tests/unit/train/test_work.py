import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tunesmith.core.config import Resources
from tunesmith.core.errors import DataError, ModelError
from tunesmith.integrations.transformers import load_model, load_tuned, read_tuned

Run = Callable[..., Any]


def test_an_adapter_is_written_and_the_loss_falls(run_train: Run) -> None:
    done = run_train(num_train_epochs=4, learning_rate=5e-3)
    assert sorted(p.name for p in done.path.iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors", "tuned.json",
    ]  # fmt: skip
    losses = done.points("train loss")
    assert len(losses) == 16
    assert losses[-1] < losses[0]
    fact = done.fact("training")
    assert (fact["method"], fact["steps"]) == ("lora", 16)
    assert fact["loss_tokens"] < fact["tokens"]
    assert fact["peak_bytes"] > 0


def test_equal_runs_give_equal_bytes(run_train: Run) -> None:
    first, second = (run_train(num_train_epochs=1) for _ in range(2))
    for path in first.path.iterdir():
        assert path.read_bytes() == (second.path / path.name).read_bytes(), path.name


def test_nothing_in_the_result_names_this_machine(run_train: Run, tiny_folder: Path) -> None:
    done = run_train(max_steps=1)
    config = json.loads((done.path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "sha256:" + "b" * 64
    for name in ("adapter_config.json", "tuned.json"):
        assert str(tiny_folder) not in (done.path / name).read_text()


def test_tuned_json_says_what_was_tuned_and_with_which_template(run_train: Run) -> None:
    body = read_tuned(run_train(max_steps=1).path)
    assert (body["format"], body["method"], body["base"]) == (1, "lora", "b" * 64)
    assert len(body["template"]) == 64


def test_full_tuning_writes_a_model_that_plain_transformers_loads(run_train: Run) -> None:
    done = run_train(method="full", max_steps=2, precision="bf16")
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(done.path)
    assert model.dtype == torch.bfloat16
    assert read_tuned(done.path)["method"] == "full"


def test_the_best_weights_are_kept_not_the_last(run_train: Run) -> None:
    # a rate this high makes the validation loss rise after its lowest point
    done = run_train(
        num_train_epochs=6, learning_rate=0.1, lr_scheduler_type="constant",
        eval_strategy="steps", eval_steps=1,
    )  # fmt: skip
    losses = done.points("validation loss")
    fact = done.fact("training")
    assert fact["best_validation_loss"] == min(losses) < losses[-1]
    assert read_tuned(done.path)["best_step"] == fact["best_step"] < fact["steps"]


def test_training_stops_early_when_nothing_gets_better(run_train: Run) -> None:
    done = run_train(
        num_train_epochs=50, learning_rate=0.05, early_stopping_patience=2, eval_strategy="steps",
        eval_steps=2,
    )  # fmt: skip
    assert done.fact("training")["steps"] < 200


def test_no_validation_rows_means_no_validation(run_train: Run) -> None:
    done = run_train(max_steps=2, valid="none")
    assert done.points("validation loss") == []
    assert done.fact("training")["best_validation_loss"] is None


def test_rows_that_are_too_long_are_counted_or_refused(run_train: Run) -> None:
    done = run_train(max_length=80, max_steps=1)
    [told] = [e for e in done.events if e["kind"] == "accounting" and "training" in e["step"]]
    assert told["rows_in"] == 20
    assert told["dropped"] == {"length>80": 20 - told["rows_out"]}
    assert 0 < told["rows_out"] < 20
    with pytest.raises(DataError, match=r"invented\.jsonl row \d+ has \d+ tokens"):
        run_train(max_length=80, too_long="error", max_steps=1)
    with pytest.raises(DataError, match="no row of"):
        run_train(max_length=8, max_steps=1)


def test_a_second_round_goes_on_from_the_first_adapter(run_train: Run, tiny_folder: Path) -> None:
    first = run_train(num_train_epochs=2, learning_rate=5e-3)
    again = run_train(num_train_epochs=1, learning_rate=5e-3, start=first.path)
    assert again.points("validation loss")[0] == pytest.approx(min(first.points("validation loss")))
    assert read_tuned(again.path)["parent"] == "s" * 64
    with pytest.raises(ModelError, match="cannot go on as full"):
        run_train(method="full", start=first.path)


def test_the_merged_model_is_the_unmerged_one(run_train: Run, tiny_folder: Path) -> None:
    done = run_train(num_train_epochs=2, learning_rate=5e-3)
    ids = torch.arange(3, 60)[None]
    with torch.no_grad():
        merged = load_tuned(tiny_folder, done.path, dtype=torch.float64)(ids).logits
        apart = load_tuned(tiny_folder, done.path, dtype=torch.float64, merge=False).double()
        base = load_model(tiny_folder, dtype=torch.float64)(ids).logits
        # rotations stay float32 in Transformers whatever the weights are
        torch.testing.assert_close(merged, apart(ids).logits, rtol=0, atol=1e-6)
    assert (merged - base).abs().max() > 1e-3


def test_the_adapter_of_a_model_with_another_template_is_refused(
    run_train: Run, tiny_folder: Path, tmp_path: Path
) -> None:
    import shutil

    other = tmp_path / "other"
    shutil.copytree(tiny_folder, other)
    (other / "chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(ModelError, match="chat template") as raised:
        load_tuned(other, run_train(max_steps=1).path)
    assert raised.value.code == "template-mismatch"


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("micro_batch", [1, 2, 5])
def test_micro_batches_do_not_change_what_is_learnt(
    run_train: Run, micro_batch: int, dropout: float
) -> None:
    lora = {"r": 4, "lora_dropout": dropout}
    whole = run_train(max_steps=4, learning_rate=5e-3, lora=lora)
    cut = run_train(
        max_steps=4, learning_rate=5e-3, lora=lora,
        resources=Resources(threads=1, device="cpu", micro_batch=micro_batch),
    )  # fmt: skip
    name = "adapter_model.safetensors"
    ours, theirs = load_file(cut.path / name), load_file(whole.path / name)
    for key in theirs:  # AdamW's first steps divide by gradients near 0, which rounding can turn
        torch.testing.assert_close(ours[key], theirs[key], rtol=1e-3, atol=2e-4)
