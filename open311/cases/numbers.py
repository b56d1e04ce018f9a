"""Tracking numbers that survive a telephone, and tokens."""

import re
import secrets

# 29 signs: no vowels (no words), no I, L, O, U, 1; a prime, so that the check below catches every single slip and
# every exchange of two signs.
ALPHABET = "023456789BCDFGHJKMNPQRSTVWXYZ"
# What numbers and tokens are made of, those of imported requests too.
SIGNS = re.compile(r"[A-Za-z0-9._-]+")
_LETTERS = ALPHABET[9:]
_HEARD_AS = str.maketrans({"O": "0", "-": "", " ": "", ".": ""})
_SIGNS = 9
_GROUP = 3


def new_number() -> str:
    """A random tracking number such as `K7M-4XQ-92R`: 20 × 29⁷ (345 thousand million) of them, the ninth sign checks the rest.

    The first sign is a letter, so that no client reads it as a number.
    """
    body = secrets.choice(_LETTERS) + "".join(secrets.choice(ALPHABET) for _ in range(_SIGNS - 2))
    signs = body + _check_sign(body)
    return "-".join(signs[start : start + _GROUP] for start in range(0, _SIGNS, _GROUP))


def new_token() -> str:
    """A random token of 24 signs (116 bits)."""
    return "T-" + "".join(secrets.choice(ALPHABET) for _ in range(24))


def as_written(text: str) -> str | None:
    """The tracking number that a person wrote or heard (case, spaces, dashes, O for 0), or None when it has a slip."""
    signs = text.upper().translate(_HEARD_AS)
    if len(signs) != _SIGNS or not set(signs) <= set(ALPHABET) or _check_sign(signs[:-1]) != signs[-1]:
        return None
    return "-".join(signs[start : start + _GROUP] for start in range(0, _SIGNS, _GROUP))


def spellings(text: str) -> list[str]:
    """What a text may mean as a number: itself, when it can be one at all, and the tracking number as a person wrote it."""
    return [each for each in (text, as_written(text)) if each and SIGNS.fullmatch(each)]


def _check_sign(body: str) -> str:
    total = sum(weight * ALPHABET.index(sign) for weight, sign in enumerate(body, start=2))
    return ALPHABET[-total % len(ALPHABET)]
