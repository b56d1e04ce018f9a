"""A city of a million requests, made of Boston's 93,963: the same again and again, each time further back.

The real cases span 39 weeks.  Each copy lies as many weeks earlier, some metres away, under a number of its own, with words
around what it says, of which one in a thousand is rare; districts, and when it was received and closed, are those of the
original.  A million requests are then eight years of a city, as they would be.
"""

import sys
from typing import Any

import psycopg

from bench.rig import BenchFailed

WEEKS = 39
_ORIGINAL = "number !~ '-x[0-9]+$'"

_COPY = f"""
insert into service_request (jurisdiction_id, number, service_id, status, case_status, status_notes, description, department_id,
  unit_id, requested_at, updated_at, expected_at, closed_at, address, zipcode, location, attributes, channel, is_public)
select jurisdiction_id, number || '-x' || %(n)s, service_id, status, case_status, status_notes,
  coalesce(description, '') || ' at the corner of ' || coalesce(address, 'the street')
    || ' near number ' || (id * 7 + %(n)s) %% 997,
  department_id, unit_id, requested_at - %(back)s::interval, updated_at - %(back)s::interval,
  expected_at - %(back)s::interval, closed_at - %(back)s::interval, address, zipcode,
  st_translate(location, (%(n)s %% 7) * 0.0003, (%(n)s %% 5) * 0.0003), attributes, channel, is_public
from service_request
where jurisdiction_id = %(city)s and {_ORIGINAL}
order by requested_at desc
limit %(most)s
"""
_STAMPS = """
insert into request_district (jurisdiction_id, request_id, boundary_id, requested_at)
select c.jurisdiction_id, c.id, d.boundary_id, c.requested_at
from service_request c
join service_request r on r.jurisdiction_id = c.jurisdiction_id and r.number = regexp_replace(c.number, '-x[0-9]+$', '')
join request_district d on d.jurisdiction_id = r.jurisdiction_id and d.request_id = r.id
where c.jurisdiction_id = %(city)s and c.number ~ '-x[0-9]+$'
on conflict do nothing
"""
_EVENTS = """
insert into request_event (jurisdiction_id, request_id, at, kind, facts)
select c.jurisdiction_id, c.id, e.at, e.kind, e.facts
from service_request c
cross join lateral (
  values (c.requested_at, 'received', jsonb_build_object('channel', c.channel, 'imported', true)),
    (c.closed_at, 'closed', '{"closed_before_opened": false}'::jsonb)
) e (at, kind, facts)
where c.jurisdiction_id = %(city)s and c.number ~ '-x[0-9]+$' and e.at is not null
"""


def fill(connection: "psycopg.Connection[Any]", city_id: int, *, rows: int) -> None:
    """Copies of the city's requests until it has so many, with their districts and what happened to them; in autocommit."""
    there, originals = _counted(connection, city_id)
    if there >= rows:
        return
    if there != originals:
        raise BenchFailed(f"the city has {there - originals} copies already, and not {rows} requests")
    print(f"filling up from {there} to {rows} requests", file=sys.stderr, flush=True)
    connection.execute("set synchronous_commit = off")
    n = 0
    while there < rows:
        n += 1
        given = {"n": n, "back": f"{n * WEEKS} weeks", "city": city_id, "most": rows - there}
        there += connection.execute(_COPY, given).rowcount
    for statement in (_STAMPS, _EVENTS):
        connection.execute(statement, {"city": city_id})
    connection.execute("vacuum (analyze)")


def keep_newest(connection: "psycopg.Connection[Any]", city_id: int, *, rows: int) -> None:
    """Only so many of the city's requests, the newest; in autocommit."""
    tables = [
        row[0]
        for row in connection.execute(
            "select table_name from information_schema.columns where table_schema = 'public' and column_name = 'request_id'"
        )
    ]
    connection.execute("set session_replication_role = replica")
    connection.execute(
        "create temporary table kept as select id from service_request where jurisdiction_id = %s"
        " order by requested_at desc, id desc limit %s",
        [city_id, rows],
    )
    for table in tables:
        connection.execute(f"delete from {table} where request_id not in (select id from kept)")  # type: ignore[arg-type]
    connection.execute("delete from service_request where id not in (select id from kept)")
    connection.execute("reset session_replication_role")
    connection.execute("vacuum (full, analyze)")


def _counted(connection: "psycopg.Connection[Any]", city_id: int) -> tuple[int, int]:
    row = connection.execute(
        f"select count(*), count(*) filter (where {_ORIGINAL}) from service_request where jurisdiction_id = %s",  # type: ignore[arg-type]
        [city_id],
    ).fetchone()
    assert row is not None
    return row[0], row[1]
