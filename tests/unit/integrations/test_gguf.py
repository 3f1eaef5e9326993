"""GGUF files: what is in them, that they repeat, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tunesmith.core.errors import ModelError
from tunesmith.integrations.gguf import write_gguf
from tunesmith.integrations.gguf_tokenizer import read_vocabulary


@pytest.fixture
def copied(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def _change(path: Path, **changes: Any) -> None:
    body = json.loads(path.read_text())
    path.write_text(json.dumps({**body, **changes}))


def _read(path: Path) -> Any:
    from gguf import GGUFReader

    return GGUFReader(path)


def test_equal_folders_give_equal_bytes(tiny_folder: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a.gguf", tmp_path / "b.gguf"
    write_gguf(tiny_folder, first, form="q8_0")
    write_gguf(tiny_folder, second, form="q8_0")
    assert first.read_bytes() == second.read_bytes()


def test_every_weight_is_written_once_and_close_to_the_original(
    tiny_folder: Path, tmp_path: Path
) -> None:
    from gguf.quants import dequantize

    write_gguf(tiny_folder, tmp_path / "m.gguf", form="q8_0")
    found = {one.name: one for one in _read(tmp_path / "m.gguf").tensors}
    weights = load_file(tiny_folder / "model.safetensors")
    assert len(found) == len(weights)
    down = weights["model.layers.1.mlp.down_proj.weight"].float().numpy()
    written = found["blk.1.ffn_down.weight"]
    back = dequantize(written.data, written.tensor_type)
    # half a step of 1/127 of the largest of each 32 values, and float16 rounding of the scale
    assert np.abs(back - down).max() <= np.abs(down).max() * (0.5 / 127 + 1e-3)


def test_rows_of_query_and_key_are_paired_as_llama_cpp_turns_them(
    tiny_folder: Path, tmp_path: Path
) -> None:
    write_gguf(tiny_folder, tmp_path / "m.gguf", form="f16")
    found = {one.name: one.data for one in _read(tmp_path / "m.gguf").tensors}
    weights = load_file(tiny_folder / "model.safetensors")
    key = weights["model.layers.0.self_attn.k_proj.weight"].to(torch.float16).numpy()
    written = found["blk.0.attn_k.weight"]
    # two heads of 16: row 2 i is the first half's row i, row 2 i + 1 the second half's
    for head in range(2):
        for i in range(8):
            assert (written[head * 16 + 2 * i] == key[head * 16 + i]).all()
            assert (written[head * 16 + 2 * i + 1] == key[head * 16 + 8 + i]).all()
    value = weights["model.layers.0.self_attn.v_proj.weight"].to(torch.float16).numpy()
    assert (found["blk.0.attn_v.weight"] == value).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architectures": ["GemmaForCausalLM"]}, "the architecture GemmaForCausalLM"),
        ({"rope_parameters": {"rope_type": "llama3", "factor": 8.0}}, "of the kind llama3"),
        ({"hidden_act": "gelu"}, "the activation gelu"),
        ({"mlp_bias": True}, "a bias in the feed-forward layers"),
    ],
)
def test_what_is_not_known_to_be_right_is_refused(
    copied: Path, changes: dict[str, Any], words: str
) -> None:
    _change(copied / "config.json", **changes)
    with pytest.raises(ModelError, match=words):
        write_gguf(copied, copied / "m.gguf", form="q8_0")


def test_a_diverged_model_is_refused(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    weights["model.layers.0.mlp.up_proj.weight"][3, 3] = float("nan")
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"up_proj\.weight .* cannot hold"):
        write_gguf(copied, copied / "m.gguf", form="f16")


def test_an_unknown_weight_is_refused(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    weights["model.layers.0.self_attn.gate.weight"] = torch.zeros(2, 2)
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="has no place in a GGUF file"):
        write_gguf(copied, copied / "m.gguf", form="f16")


@pytest.mark.parametrize(
    ("pre_tokenizer", "name"),
    [
        ({"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}, "gpt-2"),
        (
            {
                "type": "Sequence",
                "pretokenizers": [
                    {"type": "Digits", "individual_digits": True},
                    {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
                ],
            },
            "smollm",
        ),
    ],
)
def test_the_way_of_cutting_texts_is_named(
    copied: Path, pre_tokenizer: dict[str, Any], name: str
) -> None:
    _change(copied / "tokenizer.json", pre_tokenizer=pre_tokenizer)
    assert read_vocabulary(copied, 400).split == name


def test_a_tokenizer_that_cuts_in_an_unknown_way_is_refused(copied: Path) -> None:
    _change(copied / "tokenizer.json", pre_tokenizer={"type": "Whitespace"})
    with pytest.raises(ModelError, match="has no name in GGUF"):
        read_vocabulary(copied, 400)


def test_ids_without_a_token_are_filled(tiny_folder: Path) -> None:
    vocabulary = read_vocabulary(tiny_folder, 1000)
    assert len(vocabulary.tokens) == len(vocabulary.types) == 1000
    assert vocabulary.tokens[-1] == "[PAD999]"
    assert vocabulary.tokens[vocabulary.special["eos"]] == "<|im_end|>"
    assert vocabulary.adds_bos is False
