"""Laws of canonical digests."""

from __future__ import annotations

import hashlib
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core import digest

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def typed(value: Any) -> Any:
    """The value with the type of each scalar, so that 1, 1.0 and True are told apart."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [typed(item) for item in value]
    return type(value).__name__, value


def shuffled(value: Any, order: random.Random) -> Any:
    """The same value with the keys of every mapping in another order, and tuples for lists."""
    if isinstance(value, dict):
        items = [(key, shuffled(item, order)) for key, item in value.items()]
        order.shuffle(items)
        return dict(items)
    return tuple(shuffled(item, order) for item in value) if isinstance(value, list) else value


@given(values, st.randoms(use_true_random=False))
def test_the_order_of_keys_and_the_kind_of_sequence_do_not_matter(
    value: Any, order: random.Random
) -> None:
    assert digest.of_value(shuffled(value, order)) == digest.of_value(value)


@given(values, values)
def test_two_values_have_one_digest_exactly_when_they_are_equal(one: Any, other: Any) -> None:
    assert (digest.of_value(one) == digest.of_value(other)) == (typed(one) == typed(other))


@given(values)
def test_the_canonical_form_is_json_that_says_the_value(value: Any) -> None:
    assert typed(json.loads(digest.canonical(value))) == typed(value)


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (1, True), (0, False), ("1", 1), (None, "null")]
)
def test_values_of_different_types_have_different_digests(one: object, other: object) -> None:
    assert digest.of_value(one) != digest.of_value(other)


def test_the_two_zeros_are_equal_and_have_one_digest() -> None:
    assert digest.of_value({"bias": -0.0}) == digest.of_value({"bias": 0.0})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, {1: "a"}, {"a": {2: 3}}])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(AssertionError):
        digest.of_value(value)


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", Path("a"), object()])
def test_a_type_outside_json_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match=type(value).__name__):
        digest.of_value({"setting": value})


def test_digests_stay_what_they_were_in_the_first_version() -> None:
    # Every result ever acknowledged is found through these bytes: they never change.
    value = {"b": [1, 1.0, True, None], "a": {"ü": "好"}, "rate": 1e-05}
    assert digest.canonical(value) == (
        '{"a":{"ü":"好"},"b":[1,1.0,true,null],"rate":1e-05}'.encode()
    )
    assert digest.of_value(value) == hashlib.sha256(digest.canonical(value)).hexdigest()


@given(st.binary(max_size=3000))
def test_a_file_and_its_bytes_have_one_digest(data: bytes) -> None:
    assert digest.of_bytes(data) == hashlib.sha256(data).hexdigest()


def test_a_file_larger_than_one_piece_is_read_whole(tmp_path: Path) -> None:
    data = random.Random(5).randbytes((1 << 20) + 17)
    (tmp_path / "large").write_bytes(data)
    assert digest.of_file(tmp_path / "large") == hashlib.sha256(data).hexdigest()
