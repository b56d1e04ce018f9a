"""Each filter of GET requests, and the feed of changes, is answered by an index that was made for it."""

from datetime import timedelta
from typing import Any

import pytest
from psycopg import Connection, RawCursor
from psycopg.rows import tuple_row

from db.driver import Statement
from open311.cases import search
from open311.reports import changes
from schemas.query import NEWEST_FIRST
from tests.factories import NOW, Factory

SEATTLE = "seattle.gov"
BOX = {"west": -122.301, "south": 47.601, "east": -122.300, "north": 47.602}
# What is asked: the conditions with their values, and the index that finds the rows.
ASKED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "ix_service_request_newest"),
    "numbers": ({"numbers": ["B-7"]}, "uq_service_request_jurisdiction_id_number"),
    "status": ({"status": "open"}, "ix_service_request_newest"),
    "dates": ({"requested_from": NOW - timedelta(hours=5), "requested_to": NOW}, "ix_service_request_newest"),
    "changed": ({"updated_from": NOW - timedelta(minutes=30)}, "ix_service_request_changed"),
    "service": ({"service_id": 0}, "ix_service_request_service_newest"),
    "services": ({"service_ids": [0, 1]}, "ix_service_request_service_newest"),
    "department": ({"department_id": 0}, "ix_service_request_department_newest"),
    "departments": ({"department_ids": [0, 1]}, "ix_service_request_department_newest"),
    "district": ({"boundary_id": 0}, "ix_request_district_newest"),
    "districts": ({"boundary_ids": [0, 1]}, "ix_request_district_newest"),
    "box": ({f"box0_{side}": degrees for side, degrees in BOX.items()}, "ix_service_request_public_place"),
    "circle": (
        {
            "near_long": -122.3005,
            "near_lat": 47.6015,
            "near_metres": 30.0,
            **{f"around0_{side}": degrees for side, degrees in BOX.items()},
        },
        "ix_service_request_public_place",
    ),
    "words": ({"words": "rare7"}, "ix_service_request_search_words"),
    "walk": ({"cursor_at": NOW - timedelta(days=20), "cursor_id": 5}, "ix_service_request_newest"),
}
# Values that make one condition together.
_CONDITION = {"box0_west": "box1", "near_long": "near", "around0_west": "around1", "cursor_at": "cursor"}
_PARTS = ("box0_", "near_", "around0_", "cursor_")


@pytest.fixture
def many(make: Factory, connection: "Connection[Any]") -> int:
    """Seattle with 20,000 requests; its id."""
    city = make.city(SEATTLE)
    connection.execute(
        """
        insert into service_request (jurisdiction_id, number, service_id, status, case_status, department_id, requested_at,
          updated_at, location, channel, is_public, description)
        select s.jurisdiction_id, 'B-' || n, s.id, 'open', 'open', d.id, %(now)s - n * interval '3 minutes',
          %(now)s - n * interval '3 minutes',
          st_setsrid(st_makepoint(-122.4 + (n %% 200) * 0.001, 47.5 + (n / 200) * 0.002), 4326),
          'app', true, 'a swing rare' || n
        from generate_series(1, 20000) n
        join (select *, row_number() over (order by id) - 1 as place, count(*) over () as all_of_them from service
          where jurisdiction_id = %(city)s) s on s.place = n %% s.all_of_them
        join (select *, row_number() over (order by id) - 1 as place, count(*) over () as all_of_them from department
          where jurisdiction_id = %(city)s) d on d.place = n %% d.all_of_them
        """,
        {"now": NOW, "city": city.id},
    )
    connection.execute(
        """
        insert into request_district (jurisdiction_id, request_id, boundary_id, requested_at)
        select r.jurisdiction_id, r.id, b.id, r.requested_at from service_request r
        join (select *, row_number() over (order by id) - 1 as place, count(*) over () as all_of_them from boundary
          where jurisdiction_id = %(city)s) b on b.place = r.id %% b.all_of_them
        where r.jurisdiction_id = %(city)s
        """,
        {"city": city.id},
    )
    connection.execute("analyze service_request")
    connection.execute("analyze request_district")
    return city.id


def _plan(connection: "Connection[Any]", statement: Statement, values: dict[str, Any]) -> str:
    parameters = [values[name] if name in values else statement.constants[name] for name in statement.names]
    rows = RawCursor(connection, row_factory=tuple_row).execute(f"explain {statement.text}".encode(), parameters)
    return "\n".join(row[0] for row in rows)


def test_an_index_finds_the_rows_of_each_filter(connection: "Connection[Any]", many: int) -> None:
    ids = {
        name: [row[0] for row in connection.execute(query, [many])]
        for name, query in {
            "service": "select id from service where jurisdiction_id = %s order by id limit 2",
            "department": "select id from department where jurisdiction_id = %s order by id limit 2",
            "boundary": "select id from boundary where jurisdiction_id = %s order by id limit 2",
        }.items()
    }
    missed: dict[str, str] = {}
    for name, (asked, index) in ASKED.items():
        values: dict[str, Any] = {"jurisdiction_id": many, **asked}
        for kind, found in ids.items():
            values.update({f"{kind}_id": found[0]} if f"{kind}_id" in asked else {})
            values.update({f"{kind}_ids": found} if f"{kind}_ids" in asked else {})
        used = tuple(_CONDITION.get(each, each) for each in asked if each in _CONDITION or not each.startswith(_PARTS))
        plan = _plan(connection, search._list(used, NEWEST_FIRST, take=51, skips=False), values)
        if index not in plan or "Seq Scan on service_request" in plan:
            missed[name] = plan

    assert missed == {}


def test_common_words_are_sought_among_the_newest_first(connection: "Connection[Any]", many: int) -> None:
    values = {"jurisdiction_id": many, "words": "swing", "requested_from": NOW - timedelta(days=30)}
    plan = _plan(connection, search._glance(("words", "requested_from"), NEWEST_FIRST, take=51), values)

    assert "ix_service_request_newest" in plan
    assert "Sort" not in plan


@pytest.mark.parametrize("order", ["updated_datetime", "-updated_datetime"])
def test_what_changed_is_sorted_from_where_the_answer_can_begin(connection: "Connection[Any]", many: int, order: str) -> None:
    values = {"jurisdiction_id": many, "requested_from": NOW - timedelta(days=5)}
    plan = _plan(connection, search._list(("requested_from",), order, take=51, skips=False), values)

    assert "ix_service_request_changed" in plan
    assert "updated_at >=" in plan.rsplit("Index Cond", 1)[1].split("Filter")[0]


def test_service_and_district_are_both_looked_up_by_the_time(connection: "Connection[Any]", many: int) -> None:
    """A stamp has the time of its request, so PostgreSQL may begin with either."""
    statement = search._list(("requested_from", "service_id", "boundary_id"), NEWEST_FIRST, take=51, skips=False)

    assert "service_request.requested_at >=" in statement.text
    assert "request_district.requested_at >=" in statement.text


def test_an_index_finds_what_changed(connection: "Connection[Any]", many: int) -> None:
    values = {"jurisdiction_id": many, "transaction": 2**50, "id": 0, "oldest": 2**51, "take": 100}
    plan = _plan(connection, changes._CHANGED, values)

    assert "ix_service_request_changes" in plan
