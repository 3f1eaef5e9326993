"""Private data is found in every disguise, nothing else is, and masking keeps the rest."""

import datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tunesmith.privacy.find import CONSTANTS, find, mask, masked
from tunesmith.privacy.identity import check_character, is_identity

FULL_WIDTH = {ord("0") + i: chr(0xFF10 + i) for i in range(10)}
DISGUISES = {
    "plain": lambda t: t,
    "full width": lambda t: t.translate(FULL_WIDTH),
    "zero width": lambda t: "\u200b".join(t),
    "spaces": lambda t: " ".join((t[:6], t[6:10], t[10:14], t[14:])),
    "dashes": lambda t: "-".join((t[:6], t[6:14], t[14:])),
    "en dashes": lambda t: "\u2013".join((t[:6], t[6:14], t[14:])),
    "ideographic spaces": lambda t: "\u3000".join((t[:6], t[6:14], t[14:])),
}


@st.composite
def identity_numbers(draw: st.DrawFn) -> str:
    region = draw(st.sampled_from(["110101", "440305", "650102", "820000", "310115"]))
    born = draw(st.dates(datetime.date(1900, 1, 1), datetime.date(2030, 12, 31)))
    digits = f"{region}{born:%Y%m%d}{draw(st.integers(0, 999)):03d}"
    return digits + check_character(digits)


@pytest.mark.parametrize("disguise", DISGUISES)
@given(
    number=identity_numbers(),
    before=st.sampled_from(["身份证", "ID: ", "", "号码12 ", "房号1234 "]),
)
def test_an_identity_number_is_found_in_every_disguise_at_its_own_offsets(
    disguise: str, number: str, before: str
) -> None:
    written = DISGUISES[disguise](number)
    text = f"{before}{written}。谢谢"
    (span,) = find(text)
    assert (span.kind, text[span.start : span.end]) == ("ID", written)
    assert mask(text) == f"{before}[ID]。谢谢"


@given(number=identity_numbers(), place=st.integers(0, 17), step=st.integers(1, 9))
def test_one_wrong_digit_breaks_an_identity_number(number: str, place: int, step: int) -> None:
    assume(number[place].isdigit())
    wrong = number[:place] + str((int(number[place]) + step) % 10) + number[place + 1 :]
    assert is_identity(number)
    assert not is_identity(wrong)


@given(st.integers(10**17, 10**18 - 1))
def test_an_identity_number_inside_a_longer_number_is_none(number: int) -> None:
    assert all(span.kind != "ID" for span in find(f"{number}7"))


@pytest.mark.parametrize(
    "text",
    [
        "212-555-0143", "(212) 555-0143", "+1 212 555 0143", "1-800-778-7879", "212.555.0143 x12",
        "13800138000", "138-0013-8000", "138 0013 8000", "+86 13800138000", "0086-138-0013-8000",
        "１３８００１３８０００", "138\u20130013\u20138000", "010-65529988", "(0755) 2655 1234", "400-820-8820",
        "+44 20 7946 0958", "+49 (30) 901820", "+33 1 42 68 53 00", "0845 070 0707", "02.64.62.52.37",
    ],
)  # fmt: skip
def test_a_telephone_number_is_found_without_a_word_before_it(text: str) -> None:
    (span,) = find(f"见 {text}，谢谢")
    assert (span.kind, span.end - span.start) == ("PHONE", len(text))


@pytest.mark.parametrize(
    "text", ["Call me at 2125550143.", "phone: 555-0143", "电话是718-0167", "联系方式：65529988"]
)
def test_a_bare_number_is_a_telephone_number_after_a_word_that_says_so(text: str) -> None:
    assert [span.kind for span in find(text)] == ["PHONE"]


@pytest.mark.parametrize("between", [",", "，", "、", " ", "/ ", "\n", "; "])
def test_every_number_of_a_list_is_found(between: str) -> None:
    assert mask(between.join(["13800138000", "212-555-0143", "010-65529988"])) == between.join(
        ["[PHONE]"] * 3
    )


@pytest.mark.parametrize(
    "text",
    [
        "seen on 01/10/09 and 2009-02-10", "in 2008 and 1999", "BP 120/80, pulse 72, 98.6 F", "pi is 3.14159265358979",
        "order 2125550143 shipped", "a = -16666579378", "1700000000000", "192.168.100.12", "ISBN 978-3-16-148410-0", "version 2.13.0.20261113",
        "$1,234,567.89", "DFARS 252.227-7013", "1 2 3 4 5 6 7 8 9 10 11 12", "ICD-10 code E11.9, NPI 1234567893",
        "call him on 2008-10-12", "@home", "a@b", "x = y@z", "twitter: @someone", "0.123456789", "6222021234567890123",
        "the patient is 26 years old, weighs 70 kg, and has 12 children",
    ],
)  # fmt: skip
def test_other_numbers_are_left_alone(text: str) -> None:
    assert find(text) == []
    assert mask(text) == text


@pytest.mark.parametrize(
    "address",
    ["ann@example.com", "a.b-c_d+tag@sub.example.co.uk", "o'neil@example.org", "ann＠example．com"],
)
def test_an_address_is_found_without_its_surroundings(address: str) -> None:
    for text in (f"写信到{address}。", f"<{address}>", f"mailto:{address},", f"({address})"):
        (span,) = find(text)
        assert (span.kind, text[span.start : span.end]) == ("EMAIL", address)


@given(st.text(max_size=80))
def test_spans_are_sorted_apart_and_inside_the_text(text: str) -> None:
    position = 0
    for span in find(text):
        assert position <= span.start < span.end <= len(text)
        position = span.end


LINES = st.lists(
    st.sampled_from(
        ["ann@example.com", "13800138000", "212-555-0143", "11010519491231002X", "hello", "，", " ", "12", "\u200b"]
    ),
    max_size=8,
).map("".join)  # fmt: skip


@given(LINES)
def test_masking_twice_is_masking_once_and_keeps_what_is_between(text: str) -> None:
    once, counts = masked(text)
    assert mask(once) == once
    assert sum(counts.values()) == sum(once.count(constant) for constant in CONSTANTS.values())
    parts = []
    position = 0
    for span in find(text):
        parts += [text[position : span.start], CONSTANTS[span.kind]]
        position = span.end
    assert once == "".join([*parts, text[position:]])


@given(st.from_regex(r"[a-z ]{0,60}", fullmatch=True))
def test_words_without_digits_or_at_signs_are_never_private(text: str) -> None:
    assert find(text) == []


def test_a_constant_announces_no_number() -> None:
    assert mask("[PHONE] 1380013800012") == "[PHONE] 1380013800012"


def test_no_text_makes_the_search_slow() -> None:
    import time

    start = time.process_time()
    for text in (
        "1" * 50_000,
        "1 " * 25_000,
        "a." * 25_000 + "@",
        "phone " * 8_000,
        "+1" * 20_000,
        "a@" * 20_000,
    ):
        find(text)  # fmt: skip
    assert time.process_time() - start < 5
