"""What is appended is never changed: history, and who changed the city's files, accounts and keys."""

import re

import pytest

from open311.config import CHECKOUT
from tests.architecture.source import modules

APPENDED = ("RequestEvent", "CaseworkChange", "StaffChange")


@pytest.mark.parametrize("table", APPENDED)
def test_nothing_changes_or_takes_away_what_was_appended(table: str):
    changing = re.compile(rf"\b(?:update|delete|upsert)\({table}\b")

    found = [str(path) for path, _ in modules() if changing.search((CHECKOUT / path).read_text(encoding="utf-8"))]

    assert found == []
