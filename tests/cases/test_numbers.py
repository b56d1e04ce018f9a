"""Tracking numbers survive a telephone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open311.cases.numbers import ALPHABET, as_written, new_number, new_token

# The numbers are random by nature; hypothesis draws the places and signs of the slips.
numbers = st.builds(new_number)
SIGNS = [position for position, sign in enumerate("K7M-4XQ-92R") if sign != "-"]


def test_numbers_are_three_groups_of_three_signs_and_begin_with_a_letter():
    drawn = [new_number() for _ in range(500)]

    assert all(re.fullmatch(rf"[B-Z][{ALPHABET}]{{2}}-[{ALPHABET}]{{3}}-[{ALPHABET}]{{3}}", each) for each in drawn)


def test_no_number_can_be_read_as_a_number():
    drawn = [new_number() for _ in range(500)]

    for each in drawn:
        with pytest.raises(ValueError):
            float(each.replace("-", ""))


def test_numbers_hold_no_vowels_and_no_signs_that_look_alike():
    assert set(ALPHABET).isdisjoint("AEIOU1L")


def test_numbers_are_not_drawn_twice():
    assert len({new_number() for _ in range(2000)}) == 2000


@given(number=numbers)
def test_a_number_is_read_as_it_was_written(number: str):
    assert as_written(number) == number


@given(number=numbers)
def test_case_and_spaces_and_dashes_and_dots_do_not_matter(number: str):
    bare = number.replace("-", "")

    for text in (
        bare,
        bare.lower(),
        " ".join(bare),
        f"  {number} ",
        number.replace("-", "."),
        number.replace("-", " "),
    ):
        assert as_written(text) == number


@given(number=numbers, position=st.sampled_from(SIGNS[1:]))
def test_an_o_is_heard_as_a_zero(number: str, position: int):
    rest = [sign for at, sign in enumerate(number) if at != position]
    rest.insert(position, "0")
    with_zero = as_written("".join(rest))

    with_letters = as_written("".join(rest).replace("0", "o"))

    assert with_letters == with_zero


def test_a_number_that_holds_a_zero_is_read_from_an_o():
    number = next(each for each in iter(new_number, "") if "0" in each)

    assert as_written(number.replace("0", "O")) == number


@given(number=numbers, position=st.sampled_from(SIGNS), sign=st.sampled_from(ALPHABET))
def test_every_slip_of_one_sign_is_caught(number: str, position: int, sign: str):
    slipped = number[:position] + sign + number[position + 1 :]

    assert as_written(slipped) == (number if slipped == number else None)


@given(number=numbers, positions=st.lists(st.sampled_from(SIGNS), min_size=2, max_size=2, unique=True))
def test_every_exchange_of_two_signs_is_caught(number: str, positions: list[int]):
    one, other = positions
    signs = list(number)
    signs[one], signs[other] = signs[other], signs[one]
    exchanged = "".join(signs)

    assert as_written(exchanged) == (number if exchanged == number else None)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("K7M", id="too-short"),
        pytest.param("K7M-4XQ-92R-5", id="too-long"),
        pytest.param("K7M-4XQ-92A", id="a-sign-that-is-none-of-ours"),
        pytest.param("101001240734", id="a-number-of-another-system"),
        pytest.param("Ⓚ7M-4XQ-92R", id="a-sign-outside-ascii"),
    ],
)
def test_what_is_no_tracking_number_is_not_read(text: str):
    assert as_written(text) is None


def test_tokens_are_long_and_not_drawn_twice():
    drawn = {new_token() for _ in range(1000)}

    assert len(drawn) == 1000
    assert all(re.fullmatch(rf"T-[{ALPHABET}]{{24}}", each) for each in drawn)
