"""Passwords: hashed with argon2, checked in the same time whether there is one or not."""

from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_CHARACTERS = 12
# More would only keep the hashing busy.
MAX_CHARACTERS = 1000

_HASHER = PasswordHasher()
# Each takes 64 MiB while it runs: a crowd that signs in waits in line and does not fill the memory.
_IN_TURN = BoundedSemaphore(2)
# What is checked where there is no password to check; nobody knows what it was made of.
_NOBODYS = "$argon2id$v=19$m=65536,t=3,p=4$Zm9yIG5vYm9keSBhdCBhbA$5a1bQyqDZUNIJYMZaGQIDLmZvBTeS9eFX0GqcYVlWbM"


class BadPassword(ValueError):
    """A password that is not taken; the message says what would be."""


def hashed(password: str) -> str:
    """The hash of a new password, with its salt and parameters.  Raises BadPassword."""
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise BadPassword(f"the password must have {MIN_CHARACTERS} to {MAX_CHARACTERS} characters, got {len(password)}")
    with _IN_TURN:
        return _HASHER.hash(password.encode("utf-8", "surrogatepass"))


def matches(password_hash: str | None, password: str) -> bool:
    """Whether the password is the one that was hashed.  None never is, which takes as long to find out."""
    given = password[: MAX_CHARACTERS + 1].encode("utf-8", "surrogatepass")
    with _IN_TURN:
        try:
            _HASHER.verify(password_hash or _NOBODYS, given)
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None
