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


# A city of 5,000 requests, of which every hundredth is open; which index is quickest in an empty table is a matter of chance.
MANY = """
    insert into service_request (jurisdiction_id, number, service_id, status, case_status, department_id, requested_at,
      updated_at, closed_at, channel, is_public, description)
    select s.jurisdiction_id, 'B-' || n, s.id, case when n %% 100 = 0 then 'open' else 'closed' end,
      case when n %% 100 = 0 then 'open' else 'closed' end, d.id, %(now)s - n * interval '3 minutes',
      %(now)s - n * interval '3 minutes', case when n %% 100 = 0 then null else %(now)s end, 'app', true, 'a hole'
    from generate_series(1, 5000) n, service s, department d
    where s.jurisdiction_id = %(city)s and s.code = 'pothole' and d.jurisdiction_id = %(city)s and d.code = 'WORKS'
"""


@pytest.mark.parametrize("name", ASKED)
def test_an_index_finds_the_rows(own_trees: Working, name: str):
    statement, arguments, index = ASKED[name]
    connection = own_trees.connection
    connection.execute(MANY, {"now": LOADED, "city": own_trees.city.id})
    connection.execute("analyze service_request")
    # In a table of a few rows, as most of them are here, reading all of it is cheapest.
    connection.execute("set local enable_seqscan = off")

    given = {"jurisdiction_id": own_trees.city.id, **arguments}
    parameters = [given[name] if name in given else statement.constants[name] for name in statement.names]
    rows = RawCursor(connection, row_factory=tuple_row).execute(f"explain {statement.text}".encode(), parameters)

    assert index in "\n".join(row[0] for row in rows)
