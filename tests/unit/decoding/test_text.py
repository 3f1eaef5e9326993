"""Laws of text that grows token by token."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from tunesmith.decoding.text import GrowingText

SAMPLES = st.text(st.sampled_from("ab \n中文é😀|<."), max_size=30)


def _pieces(tokenizer: Any, text: str, stop: tuple[str, ...]) -> tuple[list[str], bool]:
    growing = GrowingText(tokenizer, stop)
    pieces = [growing.push(i) for i in tokenizer.encode(text, add_special_tokens=False)]
    pieces.append(growing.finish())
    return pieces, growing.stopped


@given(text=SAMPLES)
def test_pieces_join_to_the_decoded_text(
    tiny_tokenizer: PreTrainedTokenizerFast, text: str
) -> None:
    pieces, stopped = _pieces(tiny_tokenizer, text, ())
    assert ("".join(pieces), stopped) == (text, False)
    assert not any("�" in piece for piece in pieces)


@given(text=SAMPLES, stop=st.lists(st.text("ab \n", min_size=1, max_size=4), max_size=3))
def test_text_ends_before_the_first_stop_text(
    tiny_tokenizer: PreTrainedTokenizerFast, text: str, stop: list[str]
) -> None:
    pieces, stopped = _pieces(tiny_tokenizer, text, tuple(stop))
    found = [text.find(one) for one in stop if one in text]
    assert stopped == bool(found)
    joined = "".join(pieces)
    # bytes arrive one by one, so the stop text that ends first wins, not the one that begins first
    assert text.startswith(joined)
    assert not any(one in joined for one in stop)
    if not found:
        assert joined == text


def test_a_torn_character_at_the_end_is_shown_as_decoding_shows_it(
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> None:
    ids = tiny_tokenizer.encode("a中", add_special_tokens=False)[:-1]
    growing = GrowingText(tiny_tokenizer)
    pieces = [growing.push(i) for i in ids] + [growing.finish()]
    assert "".join(pieces) == tiny_tokenizer.decode(ids)
