"""GB 11643: numbers published as examples, the check by hand, and the rate on random digits.

The two examples are the standard's own (GB 11643-1999): a person of Chaoyang in Beijing, born on
31 December 1949, and one of Chaoyang in Guangdong, born on 1 January 1880. The latter is too old
for our bound of years, so only its check character is compared.
"""

import random

from tunesmith.privacy.identity import check_character, is_identity


def test_the_standards_own_examples_have_the_right_check_character() -> None:
    assert check_character("11010519491231002") == "X"
    assert check_character("44052418800101001") == "4"
    assert is_identity("11010519491231002X")
    assert is_identity("11010519491231002x")


def test_the_check_by_hand() -> None:
    # 1*7 + 1*9 + 0*10 + 1*5 + 0*8 + 1*4 + 1*2 + 9*1 + 9*6 + 0*3 + 0*7 + 1*9 + 0*10 + 1*5 + 0*8
    # + 0*4 + 1*2 = 106, and 106 mod 11 = 7, which stands for "5".
    assert check_character("11010119900101001") == "5"


def test_fewer_than_one_random_number_in_five_thousand_is_taken_for_an_identity() -> None:
    # Check alone accepts 9.1 %; with date and region: 36 of 90 regions x 210 of 10,000 years x
    # 365 of 10,000 days and months x 1 of 11, about .0028 %.
    draw = random.Random(0)
    numbers = (f"{draw.randrange(10**17, 10**18)}" for _ in range(200_000))
    assert sum(map(is_identity, numbers)) <= 20


def test_region_and_date_must_exist() -> None:
    for digits in ("99010119900101001", "11010119900230001", "11010118800101001"):
        assert not is_identity(digits + check_character(digits))
