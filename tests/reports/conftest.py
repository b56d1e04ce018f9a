"""Smallville in a database of its own, as casework's tests have it."""

from tests.cases.conftest import folder, own, own_town, own_url

__all__ = ["folder", "own", "own_town", "own_url"]
