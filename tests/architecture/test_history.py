"""What is appended is never changed: history, and who changed the city's files, accounts and keys."""

import ast
import re

import pytest

from open311.config import CHECKOUT
from tests.architecture.source import modules

APPENDED = ("RequestEvent", "CaseworkChange", "StaffChange", "PersonUse")
# Personal data goes from history as well: here alone, whatever table it stands in.
REWRITES = "open311/people/traces.py"
# They put the files of a city's folder in place of what was there, a table a file.
PUT_IN_PLACE = ["open311/city/calendars.py", "open311/city/working.py"]


@pytest.mark.parametrize("table", APPENDED)
def test_nothing_changes_or_takes_away_what_was_appended(table: str):
    changing = re.compile(rf"\b(?:update|delete|upsert)\({table}\b")

    found = [str(path) for path, _ in modules() if changing.search((CHECKOUT / path).read_text(encoding="utf-8"))]

    assert found == []


def test_only_one_module_changes_tables_that_it_does_not_name():
    unnamed = [
        str(path)
        for path, tree in modules("open311")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("update", "delete")
        and isinstance(node.args[0], ast.Name)
        and node.args[0].id.islower()
    ]

    assert unnamed == [*PUT_IN_PLACE, REWRITES]


def test_who_somebody_is_is_read_where_it_is_recorded_and_nowhere_else():
    readers = {
        str(path)
        for path, _ in modules("open311")
        if re.search(r"\b(?:UpdateReporter|Reporter|Follower)\b", (CHECKOUT / path).read_text(encoding="utf-8"))
        and not str(path).startswith(("open311/people/", "open311/models/"))
    }

    # Two write what a client posts, one asks who reported, four write to who follows.
    assert readers == {
        "open311/cases/intake.py",
        "open311/cases/updates.py",
        "open311/cases/verdicts.py",
        "open311/notify/delivery.py",
        "open311/notify/digests.py",
        "open311/notify/following.py",
        "open311/notify/outbox.py",
    }
