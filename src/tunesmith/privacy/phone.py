"""Telephone numbers of North America, of China, and of other countries where text says so.

A bare run of digits is a number of many things. It counts as a telephone number when its own
plan says so (a Chinese mobile, a North American number with separators, a leading ``+``), or when
a word such as "phone" or "电话" stands shortly before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

# Not inside a word or a longer number, nor a negative number: "= -16666579378" is a result.
_ALONE: Final = r"(?<![A-Za-z0-9_+])(?<!\d[./-])(?<![=\s]-)"
_END: Final = r"(?![A-Za-z0-9_]|[./-]\d)"
_SEPARATOR: Final = r"[ .-]"
_EXTENSION: Final = r"(?:[ ,;]{0,2}(?:x|ext\.?|extension|转|轉|分机|分機)[ .:]?\d{1,6})?"

# North American plan: area [2-9][0-8]x, exchange [2-9]xx and not N11. Source: NANPA, "About the
# North American Numbering Plan"; 555-01xx is fictional and still looks like a number to a reader.
_AREA: Final = r"[2-9][0-8]\d"
_EXCHANGE: Final = r"(?!\d11)[2-9]\d\d"
# One sort of separator throughout, for "252.227-7013" is a paragraph of a regulation.
_AMERICA: Final = re.compile(
    rf"{_ALONE}(?:\+?1{_SEPARATOR}?)?"
    rf"(?:\({_AREA}\){_SEPARATOR}?{_EXCHANGE}{_SEPARATOR}?|{_AREA}({_SEPARATOR}){_EXCHANGE}\1)"
    rf"\d{{4}}{_EXTENSION}{_END}",
    re.ASCII,
)

# Chinese mobiles begin with 13 to 19 and have 11 digits; fixed lines are an area code of 3 or 4
# digits that begins with 0 and a number of 7 or 8; 400 and 800 are service numbers of 10 digits.
# Source: the numbering plan of China (YD/T, as published by its ministry).
_CHINA: Final = re.compile(
    rf"{_ALONE}(?:(?:\+|00)?86{_SEPARATOR}?)?"
    rf"(?:1[3-9]\d(?:{_SEPARATOR}?\d{{4}}){{2}}"
    rf"|\(?0(?:10|2\d|[3-9]\d\d)(?:\){_SEPARATOR}?|-)[2-9]\d{{2,3}}{_SEPARATOR}?\d{{4}}{_EXTENSION}"
    rf"|[48]00-\d{{3,4}}-?\d{{3,4}}){_END}",
    re.ASCII,
)

# E.164: a plus sign, a country code that does not begin with 0, at most 15 digits in all.
_ABROAD: Final = re.compile(
    rf"(?<![A-Za-z0-9_+])\+[1-9]\d{{0,2}}(?:{_SEPARATOR}?\(?\d{{1,5}}\)?){{2,6}}{_EXTENSION}{_END}",
    re.ASCII,
)
# A national number: the trunk prefix 0, then groups with one sort of separator, 9 to 11 digits.
# Fewer digits would be dates ("01-02-2003"), and no separator would be an account or an item.
_NATIONAL: Final = re.compile(
    rf"{_ALONE}\(?0[1-9]\d{{0,3}}\)?({_SEPARATOR})\d{{2,4}}(?:\1\d{{2,4}}){{1,4}}{_END}",
    re.ASCII,
)

# Not after a bracket: the constant [PHONE] is no word that announces a number.
_WORD: Final = re.compile(
    r"(?i)(?<!\[)\b(?:phone|telephone|tel|mobile|cell(?:phone)?|call|fax|text|sms|whatsapp|pager"
    r"|dial|reach|messag(?:es?|ing)|answering|contact)\b|☎|📞|电话|電話|手机|手機|座机|座機"
    r"|致电|致電|拨打|撥打|传真|傳真|联系方式|聯繫方式|热线|熱線",
    re.ASCII,
)
_AFTER_WORD: Final = re.compile(
    rf"{_ALONE}\(?\d(?:{_SEPARATOR}?[()]?{_SEPARATOR}?\d){{6,14}}{_EXTENSION}{_END}",
    re.ASCII,
)
_DIGIT: Final = re.compile(r"[0-9]")
_FEWEST: Final = 7
"""Digits of the shortest number that is looked for."""
_REACH: Final = 24
"""Characters between the word and the number: "call me tomorrow at 555-0123" has 12."""
_DATE: Final = re.compile(
    r"(?:19|20)\d\d[ .-]\d{1,2}[ .-]\d{1,2}|\d{1,2}[ .-]\d{1,2}[ .-](?:19|20)?\d\d",
    re.ASCII,
)


def numbers(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each telephone number in plain ``text``; they may overlap."""
    if _digits(text) < _FEWEST:
        return
    for pattern in (_AMERICA, _CHINA):
        for found in pattern.finditer(text):
            yield found.span()
    for pattern, fewest, most in ((_ABROAD, _FEWEST, 15), (_NATIONAL, 9, 11)):
        for found in pattern.finditer(text):
            if fewest <= _digits(found[0]) <= most:
                yield found.span()
    for word in _WORD.finditer(text):
        found_or_none = _AFTER_WORD.search(text, word.end(), word.end() + _REACH + 40)
        if found_or_none is None or found_or_none.start() > word.end() + _REACH:
            continue
        if not _DATE.fullmatch(found_or_none[0]):
            yield found_or_none.span()


def _digits(text: str) -> int:
    return len(_DIGIT.findall(text))
