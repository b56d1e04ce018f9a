"""Passwords: kept as argon2, checked against nothing as slowly as against something."""

import pytest
from argon2 import PasswordHasher, extract_parameters

from open311 import passwords
from open311.passwords import BadPassword, hashed, matches

PASSWORD = "correct horse battery"


@pytest.mark.parametrize(
    "password", [PASSWORD, "密码密码密码密码密码密码", "x" * 1000, "\ud800" * 12], ids=["ascii", "han", "long", "broken"]
)
def test_a_password_matches_itself_and_no_other(password: str):
    kept = hashed(password)

    assert matches(kept, password)
    assert not matches(kept, password[:-1]) and not matches(kept, password + "x") and not matches(kept, "")


def test_two_hashes_of_a_password_differ():
    assert hashed(PASSWORD) != hashed(PASSWORD)


def test_nothing_matches_where_there_is_no_password():
    assert not matches(None, PASSWORD) and not matches(None, "")


def test_what_is_kept_for_nobody_takes_as_long_as_a_password():
    assert extract_parameters(passwords._NOBODYS) == extract_parameters(PasswordHasher().hash(PASSWORD))


@pytest.mark.parametrize("characters", [0, 11, 1001])
def test_a_password_of_another_length_is_not_taken(characters: int):
    with pytest.raises(BadPassword, match=f"must have 12 to 1000 characters, got {characters}"):
        hashed("x" * characters)
