"""What departments ask every day is answered by an index, however many requests a city has."""

from typing import Any

import pytest
from psycopg import RawCursor
from psycopg.rows import tuple_row

from open311.cases import alerts, updates, worklist
from tests.cases.conftest import LOADED
from tests.cases.working import Working

# Statement: its arguments beside the city, and the index that finds its rows.
ASKED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "queue of whole requests": (
        worklist._WORK,
        {"department_id": 1, "unit_id": None, "unaccepted": False, "limit": 200},
        "ix_service_request_open",
    ),
    "queue of phases": (
        worklist._WORK,
        {"department_id": 1, "unit_id": None, "unaccepted": False, "limit": 200},
        "ix_request_phase_open",
    ),
    "alerts": (
        alerts._UNSEEN,
        {"department_id": 1, "is_over_all": True, "account_id": None, "roles": []},
        "ix_alert_unseen",
    ),
    "updates": (
        updates._find(("updated_from",)),
        {"updated_from": LOADED, "public_url": "", "take": 50, "skip": 0},
        "ix_request_update_changed",
    ),
}


@pytest.mark.parametrize("name", ASKED)
def test_an_index_finds_the_rows(trees: Working, name: str):
    statement, arguments, index = ASKED[name]
    # In a table of a few rows reading all of it is cheapest.
    trees.connection.execute("set local enable_seqscan = off")

    given = {"jurisdiction_id": trees.city.id, **arguments}
    parameters = [given[name] if name in given else statement.constants[name] for name in statement.names]
    rows = RawCursor(trees.connection, row_factory=tuple_row).execute(f"explain {statement.text}".encode(), parameters)

    assert index in "\n".join(row[0] for row in rows)
