import json
import shutil
import struct
from pathlib import Path

import pytest

from tunesmith.core.errors import ModelError
from tunesmith.core.events import read
from tunesmith.core.stage import Context
from tunesmith.select.config import FetchConfig
from tunesmith.select.fetch_model import licence, weight_types
from tunesmith.select.stage import Fetch, FetchInputs


@pytest.fixture
def model(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def fetched(model: str, ctx: Context) -> Path:
    return Fetch().run(FetchConfig(model=model), FetchInputs(), ctx).model.path


def test_a_bf16_folder_is_copied_byte_for_byte(model: Path, context: Context) -> None:
    out = fetched("model", context)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        assert (out / name).read_bytes() == (model / name).read_bytes()


def test_files_that_are_no_part_of_a_model_stay_behind(model: Path, context: Context) -> None:
    (model / "training.log").write_text("loss 3.2")
    assert not (fetched("model", context) / "training.log").exists()


def test_float32_weights_become_bf16(model: Path, context: Context) -> None:
    import torch
    from transformers import LlamaForCausalLM

    LlamaForCausalLM.from_pretrained(model, dtype=torch.float32).save_pretrained(model)
    assert weight_types(model) == {"F32"}
    assert weight_types(fetched("model", context)) == {"BF16"}


def test_a_pickle_is_refused_by_name(model: Path, context: Context) -> None:
    (model / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin"):
        fetched("model", context)


def test_code_that_comes_with_a_model_is_refused(model: Path, context: Context) -> None:
    body = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**body, "auto_map": {"AutoModel": "x.Y"}}))
    with pytest.raises(ModelError, match="auto_map"):
        fetched("model", context)


def test_a_torn_weight_file_is_refused(model: Path, context: Context) -> None:
    whole = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(whole[:6])
    with pytest.raises(ModelError, match=r"model\.safetensors is not whole"):
        fetched("model", context)


@pytest.mark.parametrize("left", [0, 4, 8, 100, -1])
def test_a_weight_file_cut_anywhere_is_refused_by_name(
    model: Path, context: Context, left: int
) -> None:
    whole = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(whole[:left])
    with pytest.raises(ModelError, match=r"model/model\.safetensors is not whole"):
        fetched("model", context)


@pytest.mark.parametrize(
    "head", [b"[]", b"{}x", b'{"a": 1}', b'{"a": {"dtype": "BF16"}}', b"[" * 5000]
)
def test_a_weight_file_with_a_false_head_is_refused(
    model: Path, context: Context, head: bytes
) -> None:
    (model / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + b"\0" * 64)
    with pytest.raises(ModelError) as caught:
        fetched("model", context)
    assert caught.value.code == "model-unreadable"


@pytest.mark.parametrize("text", [None, "{", "[" * 5000, "\x00"])
@pytest.mark.parametrize("name", ["tokenizer.json", "config.json"])
def test_a_folder_with_a_damaged_file_is_refused_by_the_users_own_path(
    model: Path, context: Context, name: str, text: str | None
) -> None:
    (model / name).unlink()
    if text is not None:
        (model / name).write_text(text)
    with pytest.raises(ModelError) as caught:
        fetched("model", context)
    assert f"{model / name} cannot be read" in caught.value.what


def test_a_shard_that_the_index_names_and_the_folder_lacks_is_named(
    model: Path, context: Context
) -> None:
    index = model / "model.safetensors.index.json"
    index.write_text(
        json.dumps({"weight_map": {"a": "model.safetensors", "b": "part-2.safetensors"}})
    )
    with pytest.raises(ModelError, match=r"lacks part-2\.safetensors"):
        fetched("model", context)
    index.write_text("[]")
    with pytest.raises(ModelError, match=r"index\.json is not whole"):
        fetched("model", context)


def test_a_file_that_is_no_model_is_refused(model: Path, context: Context) -> None:
    (model.parent / "model.zip").write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"model\.zip is not a model"):
        fetched("model.zip", context)


def test_parameters_and_licence_are_told(model: Path, context: Context) -> None:
    (model / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n# A model\n")
    fetched("model", context)
    notes = [e["text"] for e in read(context.project / "events.jsonl") if e["kind"] == "note"]
    assert notes == ["llama model with 0.1 million parameters, licence apache-2.0"]


def test_a_word_license_below_the_front_matter_is_no_licence(model: Path) -> None:
    (model / "README.md").write_text("---\nlanguage: en\n---\nlicense: mit\n")
    assert licence(model) == ""


def test_a_gguf_file_states_its_licence_in_its_head(tmp_path: Path) -> None:
    def text(value: bytes) -> bytes:
        return struct.pack("<Q", len(value)) + value

    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
    entry = text(b"general.license") + struct.pack("<I", 8) + text(b"mit")
    (tmp_path / "a.gguf").write_bytes(head + entry + b"\0" * 100)
    assert licence(tmp_path / "a.gguf") == "mit"
    (tmp_path / "b.gguf").write_bytes(head)
    assert licence(tmp_path / "b.gguf") == ""
