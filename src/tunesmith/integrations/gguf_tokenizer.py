"""The tokenizer of a Transformers folder in the terms of GGUF: tokens, types, merges, special ids."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tunesmith.core.errors import ModelError

_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5

_WORDS: Final = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST: Final = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

_SPLITS: Final = {
    ("bytelevel",): "gpt-2",
    ("digits", "bytelevel"): "smollm",
    (_WORDS + r"\p{N}{1,3}" + _REST,): "llama-bpe",
    (_WORDS + r"\p{N}" + _REST,): "qwen2",
}
"""How tokenizer.json cuts a text before byte pairs are merged -> llama.cpp's name for it. Source:
the published tokenizers of GPT-2, SmolLM, Llama 3 and Qwen2, and llama.cpp's pre-tokenizers."""

_SPECIAL: Final = {"bos": "bos_token", "eos": "eos_token", "unk": "unk_token", "pad": "pad_token"}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens by id with their GGUF types, merges in order, and the ids with a role."""

    tokens: list[str]
    types: list[int]
    merges: list[str]
    split: str
    special: dict[str, int]
    adds_bos: bool


def read_vocabulary(model: Path, size: int) -> Vocabulary:
    """The vocabulary of a model folder, filled up to ``size`` with unused tokens.

    Raises:
        ModelError: when the tokenizer is no byte-level BPE that llama.cpp cuts the same way.

    """
    body = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    config = json.loads((model / "tokenizer_config.json").read_text(encoding="utf-8"))
    inner = body["model"]
    cuts = tuple(_cuts(body.get("pre_tokenizer") or {}))
    if inner.get("type") != "BPE" or inner.get("byte_fallback") or body.get("normalizer"):
        raise _refused(f"{model} has no plain byte-level BPE tokenizer")
    if cuts not in _SPLITS:
        raise _refused(f"the tokenizer of {model} cuts texts in a way that has no name in GGUF")
    tokens = [f"[PAD{i}]" for i in range(size)]
    types = [_UNUSED] * size
    for token, i in inner["vocab"].items():
        tokens[i], types[i] = token, _NORMAL
    for added in body.get("added_tokens", ()):
        tokens[added["id"]] = added["content"]
        types[added["id"]] = _CONTROL if added["special"] else _USER_DEFINED
    return Vocabulary(
        tokens=tokens,
        types=types,
        merges=[pair if isinstance(pair, str) else " ".join(pair) for pair in inner["merges"]],
        split=_SPLITS[cuts],
        special=_special(config, tokens),
        adds_bos=_adds_bos(body.get("post_processor") or {}),
    )


def _cuts(part: Mapping[str, Any]) -> Iterator[str]:
    """What a pre-tokenizer does, outermost first: ``digits``, ``bytelevel`` or an expression."""
    kind = part.get("type")
    if kind == "Sequence":
        for inner in part["pretokenizers"]:
            yield from _cuts(inner)
    elif kind == "Split":
        yield str(part["pattern"].get("Regex"))
    elif kind == "ByteLevel" and not part.get("add_prefix_space"):
        if part.get("use_regex", True):
            yield "bytelevel"
    elif kind == "Digits" and part.get("individual_digits"):
        yield "digits"
    else:
        yield f"unknown {kind}"


def _special(config: Mapping[str, Any], tokens: list[str]) -> dict[str, int]:
    found = {}
    for name, key in _SPECIAL.items():
        value = config.get(key)
        text = value.get("content") if isinstance(value, dict) else value
        if text in tokens:
            found[name] = tokens.index(text)
    return found


def _adds_bos(processor: Mapping[str, Any]) -> bool:
    """Whether encoding puts the beginning-of-text token before a text by itself."""
    parts = [processor, *processor.get("processors", ())]
    singles = [part.get("single") for part in parts if part.get("type") == "TemplateProcessing"]
    return any(single and "SpecialToken" in single[0] for single in singles)


def _refused(what: str) -> ModelError:
    return ModelError(
        what,
        why="llama.cpp would read other tokens than the model was trained on",
        fix="leave `q8_0` out of compress.variants, or convert the bf16 folder with llama.cpp",
        code="gguf-tokenizer",
    )
