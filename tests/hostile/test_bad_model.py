"""Model folders that cannot be trusted or read, and packages that are not there."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.ledger import Ledger


@pytest.fixture
def project(make_project: Callable[..., Path], tiny_folder: Path, tmp_path: Path) -> Path:
    """A project with a model folder of its own, whose first step is to fetch it."""
    folder = make_project(
        recipe="dpo", preferences={"rows": "pairs.jsonl"}, model={"model": "model"}
    )
    pairs = [{"prompt": f"question {i}", "chosen": "yes", "rejected": "no"} for i in range(12)]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    shutil.copytree(tiny_folder, folder / "model")
    return folder


@pytest.fixture
def refused(tunesmith_command: Callable[..., Any], project: Path) -> Callable[..., str]:
    def run(code: str, *arguments: str, **more: str) -> str:
        ended = tunesmith_command("run", "-C", project, "--until", "fetch", *arguments, **more)
        with Ledger(project / ".tunesmith" / "ledger.sqlite", readonly=True) as ledger:
            assert [
                s["step"] for s in ledger.steps(ledger.runs()[0]["id"]) if s["status"] == "done"
            ] == []
        return str(ended.refusal(code))

    return run


def set_key(path: Path, key: str, value: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "more/rng_state.pth"])
def test_a_folder_with_a_pickle_is_refused_by_the_files_name(
    project: Path, refused: Callable[..., str], name: str
) -> None:
    (project / "model" / name).parent.mkdir(exist_ok=True)
    (project / "model" / name).write_bytes(b"\x80\x04cos\nsystem\n.")
    assert str(project / "model" / name) in refused("model-pickle")


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_folder_that_names_code_to_import_is_refused(
    project: Path, refused: Callable[..., str], name: str
) -> None:
    set_key(project / "model" / name, "auto_map", {"AutoModelForCausalLM": "evil.Evil"})
    told = refused("model-remote-code")
    assert f"{project / 'model' / name} has `auto_map`" in told


def test_a_folder_with_code_is_refused(project: Path, refused: Callable[..., str]) -> None:
    (project / "model" / "modeling_evil.py").write_text("raise SystemExit('it ran')")
    told = refused("model-remote-code")
    assert "modeling_evil.py" in told
    assert "it ran" not in told


def test_weights_cut_short_are_refused_by_name(project: Path, refused: Callable[..., str]) -> None:
    path = project / "model" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    told = refused("model-unreadable")
    assert f"{path} is not whole" in told
    assert "fetch the model again" in told


def test_a_head_longer_than_its_file_is_refused(project: Path, refused: Callable[..., str]) -> None:
    path = project / "model" / "model.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 62) + b"{}")
    assert f"{path} is not whole" in refused("model-unreadable")


@pytest.mark.parametrize(
    ("name", "code"),
    [("config.json", "model-config"), ("tokenizer.json", "model-unreadable"), ("model.safetensors", "model-missing")],
)  # fmt: skip
def test_a_folder_that_lacks_a_file_is_told_what_it_lacks(
    project: Path, refused: Callable[..., str], name: str, code: str
) -> None:
    (project / "model" / name).unlink()
    told = refused(code)
    assert str(project / "model") in told
    assert ".tunesmith" not in told, "the user's own path is named, not that of a copy"


def test_an_architecture_that_is_not_known_is_told_with_those_that_are(
    project: Path, refused: Callable[..., str]
) -> None:
    set_key(project / "model" / "config.json", "model_type", "evil")
    told = refused("model-family")
    assert "'evil'" in told
    assert "llama" in told


def test_a_model_that_is_not_cached_is_told_when_the_hub_is_offline(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    told = refused("hub-file-missing", "--set", "model.model=hf://acme/absent", HF_HUB_OFFLINE="1",
                   HF_HOME=str(tmp_path / "hub"))  # fmt: skip
    assert "hf://acme/absent: every file is missing" in told
    assert "HF_HUB_OFFLINE" in told


def test_a_cached_model_that_lacks_a_file_is_told_which(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    commit = "a" * 40
    home = tmp_path / "hub" / "hub" / "models--acme--half"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(commit)
    (home / "snapshots" / commit).mkdir(parents=True)
    (home / "snapshots" / commit / "config.json").write_text("{}")
    told = refused("hub-file-missing", "--set", "model.model=hf://acme/half", HF_HUB_OFFLINE="1",
                   HF_HOME=str(tmp_path / "hub"))  # fmt: skip
    assert "hf://acme/half: model.safetensors is missing" in told


def test_links_in_a_model_folder_lead_nowhere(
    project: Path, tunesmith_command: Callable[..., Any]
) -> None:
    secret = project / "secret.txt"
    secret.write_text("do not copy")
    (project / "model" / "notes.txt").symlink_to(secret)
    (project / "model" / "etc").symlink_to(project)
    assert tunesmith_command("run", "-C", project, "--until", "fetch").code == 0
    kept = [path.name for path in (project / ".tunesmith" / "store").rglob("*")]
    assert "model.safetensors" in kept
    assert not {"notes.txt", "etc", "secret.txt"} & set(kept)


# what shows only when the model is used


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (None, "the tokenizer has no chat template"),
        ("{{ ''.__class__.__mro__ }}", "access to attribute '__class__'"),
    ],
)
@pytest.mark.real
def test_a_chat_template_that_cannot_be_used_is_told(
    project: Path, tunesmith_command: Callable[..., Any], template: str | None, words: str
) -> None:
    path = project / "model" / "chat_template.jinja"
    path.unlink()
    if template is not None:
        path.write_text(template)
    assert words in tunesmith_command("run", "-C", project).refusal("chat-template")


@pytest.mark.real
def test_a_weight_that_is_absent_is_not_drawn_at_random(
    project: Path, tunesmith_command: Callable[..., Any]
) -> None:
    from safetensors.torch import load_file, save_file

    path = project / "model" / "model.safetensors"
    weights = load_file(path)
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    told = tunesmith_command("run", "-C", project).refusal("model-unreadable")
    assert "model.layers.1.mlp.up_proj.weight" in told


# packages that are not installed


def test_a_package_that_fetching_needs_is_told_with_the_pip_command(
    refused: Callable[..., str],
) -> None:
    told = refused("missing-package", hides="torch")
    assert "torch is not installed" in told
    assert "pip install 'tunesmith[train]'" in told


def test_a_package_that_reading_rows_needs_is_told(
    make_project: Callable[..., Path], tunesmith_command: Callable[..., Any]
) -> None:
    ended = tunesmith_command("prepare", "-C", make_project("rows", recipe="sft"), hides="pyarrow")
    assert "pip install 'tunesmith[data]'" in ended.refusal("missing-package")


@pytest.mark.real
def test_a_package_that_scoring_needs_is_told_after_what_was_done_is_kept(
    make_project: Callable[..., Path], tunesmith_command: Callable[..., Any]
) -> None:
    project = make_project("scores", recipe="sft")
    ended = tunesmith_command("run", "-C", project, "--until", "baseline", hides="rouge_score")
    assert "rouge_score is not installed" in ended.refusal("missing-package")
    assert "pip install 'tunesmith[evaluate]'" in ended.err
    assert "3 steps ran" in ended.out


def test_looking_at_rows_without_their_package_is_told(
    finished_project: Path, tunesmith_command: Callable[..., Any]
) -> None:
    ended = tunesmith_command("show", "collect.rows", "-C", finished_project, hides="pyarrow")
    assert "pip install 'tunesmith[data]'" in ended.refusal("missing-package")
