import json
import shutil
from pathlib import Path

import pytest
import torch

from tunesmith.core.errors import ModelError
from tunesmith.integrations import transformers
from tunesmith.integrations.transformers import check_safe, convert_gguf, load_model, load_tokenizer


@pytest.fixture
def model(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def _code(folder: Path) -> str:
    with pytest.raises(ModelError) as raised:
        check_safe(folder)
    return raised.value.code


def test_a_folder_of_safetensors_and_json_is_safe(model: Path) -> None:
    check_safe(model)


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "training_args.bin",
        "optimizer.pt",
        "rng_state.pth",
        "x.pkl",
        "deep/W.CKPT",
    ],
)
def test_a_pickle_anywhere_in_the_folder_is_refused(model: Path, name: str) -> None:
    path = model / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\x80\x04.")
    assert _code(model) == "model-pickle"


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "processor_config.json"])
def test_auto_map_in_any_json_is_refused_at_any_depth(model: Path, name: str) -> None:
    path = model / name
    body = json.loads(path.read_text()) if path.exists() else {}
    body["deep"] = [{"auto_map": {"AutoModelForCausalLM": "own.Own"}}]
    path.write_text(json.dumps(body))
    assert _code(model) == "model-remote-code"
    with pytest.raises(ModelError):
        load_model(model)
    with pytest.raises(ModelError):
        load_tokenizer(model)


def test_python_code_beside_the_weights_is_refused(model: Path) -> None:
    (model / "modeling_own.py").write_text("print('hello')")
    assert _code(model) == "model-remote-code"


def test_a_folder_that_is_not_there_or_has_no_weights_is_told(model: Path) -> None:
    assert _code(model / "nowhere") == "model-missing"
    (model / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"no \.safetensors file"):
        load_model(model)


def test_an_adapter_given_as_a_model_is_refused(model: Path) -> None:
    (model / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError) as raised:
        load_model(model)
    assert raised.value.code == "model-is-adapter"


@pytest.mark.parametrize(
    "key", ["_attn_implementation", "attn_implementation", "_experts_implementation"]
)
def test_kernel_code_that_the_config_names_is_refused_and_a_plain_name_is_not(
    model: Path, key: str
) -> None:
    body = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**body, key: {"text": "someone/kernels"}}))
    assert _code(model) == "model-remote-code"
    (model / "config.json").write_text(json.dumps({**body, key: "eager"}))
    check_safe(model)


def test_weights_are_loaded_in_the_width_that_was_asked_for(model: Path) -> None:
    assert load_model(model, dtype=torch.bfloat16).dtype == torch.bfloat16
    assert load_model(model).dtype == torch.float32


def test_a_damaged_gguf_is_told_and_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF\x03\x00\x00\x00 and no more")
    with pytest.raises(ModelError) as raised:
        convert_gguf(tmp_path / "model.gguf", tmp_path / "out", cache=tmp_path / "cache")
    assert raised.value.code == "gguf-unreadable"
    assert list((tmp_path / "cache" / "gguf").iterdir()) == []


def test_a_file_is_converted_once_and_then_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted = []

    def convert(file: Path, out: Path) -> None:
        converted.append(file)
        (out / "config.json").write_text("{}")

    monkeypatch.setattr(transformers, "_convert", convert)
    (tmp_path / "model.gguf").write_bytes(b"weights")
    for name in ("a", "b"):
        convert_gguf(tmp_path / "model.gguf", tmp_path / name, cache=tmp_path / "cache")
        assert (tmp_path / name / "config.json").read_text() == "{}"
    assert len(converted) == 1


def _weights(model: Path, change: dict[str, torch.Tensor | None]) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(model / "model.safetensors")
    for name, tensor in change.items():
        weights.pop(name)
        if tensor is not None:
            weights[name] = tensor
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("tensor", [None, torch.zeros(3, 5)])
def test_a_weight_that_is_absent_or_of_another_shape_is_not_drawn_at_random(
    model: Path, tensor: torch.Tensor | None
) -> None:
    name = "model.layers.1.self_attn.q_proj.weight"
    _weights(model, {name: tensor})
    with pytest.raises(ModelError) as caught:
        load_model(model)
    assert caught.value.code == "model-unreadable"
    assert name in caught.value.what


@pytest.mark.parametrize(
    ("name", "size"), [("model.safetensors", 50_000), ("model.safetensors", 3), ("config.json", 20)]
)
def test_a_damaged_model_is_told_with_its_folder(model: Path, name: str, size: int) -> None:
    (model / name).write_bytes((model / name).read_bytes()[:size])
    with pytest.raises(ModelError) as caught:
        load_model(model)
    assert caught.value.code == "model-unreadable"
    assert str(model) in caught.value.what


@pytest.mark.parametrize("text", ["{", "{}", "[]", None])
def test_a_damaged_tokenizer_is_told_with_its_folder(model: Path, text: str | None) -> None:
    (model / "tokenizer.json").unlink()
    if text is not None:
        (model / "tokenizer.json").write_text(text)
    with pytest.raises(ModelError) as caught:
        load_tokenizer(model)
    assert caught.value.code == "model-unreadable"
    assert str(model) in caught.value.what
