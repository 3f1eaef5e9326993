"""Settings: closed, frozen, and errors that name the nearest right key."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Le
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError, model_validator

from tunesmith.core.config import Config, Resources, fields, parse
from tunesmith.core.errors import ConfigError


class Lora(Config):
    """Settings of an adapter."""

    rank: Annotated[int, Ge(1)] = 8
    dropout: Annotated[float, Ge(0.0), Le(1.0)] = 0.0


class Source(Config):
    """One file."""

    uri: str
    limit: int = 0


class Tune(Config):
    """Settings of a training."""

    method: Literal["full", "lora"] = "lora"
    rate: float = 1e-4
    lora: Lora = Lora()
    other: Lora | None = None
    sources: tuple[Source, ...] = ()
    named: dict[str, Source] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Tune:
        if self.method == "full" and self.other is not None:
            raise ValueError("Full tuning takes no `other` adapter")
        return self


def refused(values: dict[str, object], origin: dict[str, str] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(Tune, values, source="tunesmith.yaml: train", origin=origin)
    assert caught.value.code == "config-invalid"
    return caught.value


def test_a_misspelt_key_is_refused_with_the_nearest_one() -> None:
    error = refused({"methd": "full"})
    assert error.what == "tunesmith.yaml: train: 1 setting(s) cannot be used"
    assert error.why == "`methd` is not a setting; did you mean `method`?"
    assert "tunesmith show Tune" in error.fix


@pytest.mark.parametrize(
    ("values", "key", "near"),
    [
        ({"lora": {"rnak": 4}}, "lora.rnak", "rank"),
        ({"other": {"rnak": 4}}, "other.rnak", "rank"),
        ({"sources": [{"uri": "a"}, {"uri": "b", "limt": 3}]}, "sources.1.limt", "limit"),
        ({"named": {"a": {"uri": "b", "limt": 3}}}, "named.a.limt", "limit"),
    ],
)
def test_a_misspelt_key_inside_a_section_names_its_whole_path(
    values: dict[str, object], key: str, near: str
) -> None:
    assert refused(values).why == f"`{key}` is not a setting; did you mean `{near}`?"


def test_a_key_like_no_other_is_refused_without_a_guess() -> None:
    assert refused({"zzzzzz": 1}).why == "`zzzzzz` is not a setting"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rate": "quick"}, "`rate` = 'quick': input should be a valid number"),
        ({"method": "magic"}, "`method` = 'magic': input should be 'full' or 'lora'"),
        ({"lora": {"rank": 0}}, "`lora.rank` = 0: input should be greater than or equal to 1"),
        (
            {"lora": {"dropout": 1.5}},
            "`lora.dropout` = 1.5: input should be less than or equal to 1",
        ),
        ({"lora": {"rank": 2.5}}, "`lora.rank` = 2.5"),
        ({"lora": {"rank": None}}, "`lora.rank` = None"),
        ({"lora": "big"}, "`lora` = 'big'"),
        ({"rate": float("nan")}, "`rate` = nan: input should be a finite number"),
        ({"rate": float("inf")}, "`rate` = inf: input should be a finite number"),
        ({"sources": [{}]}, "`sources.0.uri` is required"),
    ],
)
def test_a_wrong_value_is_told_with_its_key_and_what_is_wanted(
    values: dict[str, object], words: str
) -> None:
    assert words in refused(values).why


def test_every_fault_is_told_at_once() -> None:
    error = refused({"methd": "full", "rate": "quick", "lora": {"rank": 0}})
    assert "3 setting(s)" in error.what
    assert error.why.count(";") == 3, "three sentences, one with a suggestion"


def test_settings_that_do_not_go_together_are_told_without_printing_them_all() -> None:
    error = refused({"method": "full", "other": {"rank": 2}})
    assert error.why == "full tuning takes no `other` adapter"


def test_a_very_long_value_is_cut_in_the_error() -> None:
    assert len(refused({"rate": "x" * 10_000}).why) < 200


def test_the_place_of_a_bad_value_is_named() -> None:
    error = refused({"lora": {"rank": 0}}, origin={"lora.rank": "tunesmith.yaml:12"})
    assert error.why.endswith("(tunesmith.yaml:12)")


def test_a_wrong_default_is_refused_too() -> None:
    class Wrong(Config):
        size: Annotated[int, Ge(1)] = 0

    with pytest.raises(ConfigError, match="size"):
        parse(Wrong, {}, source="x")


def test_settings_are_never_edited() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Tune().rate = 1.0  # type: ignore[misc]


def test_fields_opens_sections_and_says_type_and_default() -> None:
    found = {key: (kind, default) for key, kind, default in fields(Tune)}
    assert found["lora.rank"] == ("int", 8)
    assert found["rate"] == ("float", 1e-4)
    assert ("uri", "str", "required") in list(fields(Source))


@given(st.floats(0, 1), st.integers(1, 1000), st.sampled_from(["full", "lora"]))
def test_settings_come_back_from_their_plain_values_with_one_digest(
    rate: float, rank: int, method: str
) -> None:
    tune = parse(Tune, {"rate": rate, "lora": {"rank": rank}, "method": method}, source="x")
    again = parse(Tune, tune.as_dict(), source="x")
    assert (again, again.digest) == (tune, tune.digest)


def test_a_default_written_out_has_the_digest_of_the_default() -> None:
    assert parse(Tune, {"lora": {"rank": 8}, "rate": "1e-4"}, source="x").digest == Tune().digest


def test_resources_refuse_what_they_do_not_know() -> None:
    with pytest.raises(ConfigError, match="config-invalid"):
        parse(Resources, {"gpu": 1}, source="resources")
