"""A database of the first version, with a city in it, taken to the newest one and back."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.script import Script, ScriptDirectory
from psycopg.rows import namedtuple_row

from db.cluster import Cluster
from db.migrations import configuration, upgrade

CITY = """
insert into jurisdiction (slug, name, timezone, contact, key_service, changed_at)
    values ('old.gov', 'Oldtown', 'America/New_York', 'Call', 'Ask', now());
insert into layer (jurisdiction_id, code, name) select id, 'ward', 'Wards' from jurisdiction;
insert into department (jurisdiction_id, code, name) select id, 'HALL', 'Town Hall' from jurisdiction;
insert into service (jurisdiction_id, code, name, description, service_group, keywords, type)
    select id, 'pothole', 'Pothole', 'A hole', 'Streets', '{}', 'realtime' from jurisdiction;
insert into routing_rule (jurisdiction_id, code, service_id, layer_id, boundary_code, department_id, priority)
    select j.id, 'holes', s.id, l.id, 'W', d.id, 50 from jurisdiction j, service s, layer l, department d;
insert into service_request (jurisdiction_id, number, service_id, status, department_id, requested_at, updated_at, channel,
        is_public)
    select j.id, 'A-1', s.id, 'open', d.id, now(), now(), 'app', true from jurisdiction j, service s, department d;
"""

# A layer that a folder brought and one that was imported, each with its map.
PUBLISHED = """
insert into layer (jurisdiction_id, code, name) select id, code, code from jurisdiction, (values ('beat'), ('zone')) v (code);
insert into layer_version (jurisdiction_id, layer_id, published_at, source, boundaries)
    select jurisdiction_id, id, now(), case code when 'beat' then 'old/boundaries/beat.geojson' else 'zone.geojson' end, 1
    from layer where code in ('beat', 'zone');
"""


@pytest.fixture
def first(cluster: Cluster, worker_id: str) -> Iterator[str]:
    """The URL of a database at version 0001 that holds a city."""
    name = f"first_{worker_id}"
    cluster.create_database(name)
    url = cluster.url(name)
    command.upgrade(configuration(url), "0001")
    with psycopg.connect(url) as connection:
        connection.execute(CITY)
    yield url
    cluster.drop_database(name)


def rows(url: str, query: str) -> list[Any]:
    """The rows of a query."""
    with psycopg.connect(url, row_factory=namedtuple_row) as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def test_what_the_first_version_held_is_kept_and_has_the_new_columns(first: str):
    upgrade(first)

    (rule,) = rows(first, "select * from routing_rule")
    assert (rule.code, rule.boundary_code, rule.priority) == ("holes", "W", 50)
    assert (rule.attribute_code, rule.calendar_id, rule.during, rule.valid_from, rule.valid_to) == (None,) * 5
    (layer,) = rows(first, "select * from layer")
    assert (layer.code, layer.code_property, layer.name_property) == ("ward", "code", "name")
    # A folder brought it; which map that held, nobody wrote down.
    assert (layer.folder_drawing, layer.folder_names) == ("", "")
    (request,) = rows(first, "select * from service_request")
    assert (request.number, request.is_overridden, request.unplaced_because) == ("A-1", False, None)
    (service,) = rows(first, "select * from service")
    assert (service.code, service.offered_layer_id, service.offered_boundary_codes) == ("pothole", None, None)


def test_what_the_new_version_forbids_is_refused(first: str):
    upgrade(first)

    with pytest.raises(psycopg.errors.CheckViolation), psycopg.connect(first) as connection:
        connection.execute("update routing_rule set attribute_code = 'DEPTH'")


def test_it_can_be_taken_back_with_all_that_the_first_version_held(first: str):
    before = {name: rows(first, f"select * from {name}") for name in ("routing_rule", "layer", "service", "service_request")}
    upgrade(first)
    with psycopg.connect(first) as connection:
        connection.execute(
            "insert into calendar (jurisdiction_id, code, name, timezone) select id, 'c', 'C', 'UTC' from jurisdiction"
        )
        connection.execute("update routing_rule set calendar_id = (select id from calendar), during = 'open'")

    command.downgrade(configuration(first), "0001")

    assert {name: rows(first, f"select * from {name}") for name in before} == before
    assert rows(first, "select 1 from pg_tables where tablename in ('calendar', 'calendar_day', 'layer_version')") == []


def test_a_layer_that_boundary_import_made_is_none_of_a_folders(first: str):
    command.upgrade(configuration(first), "0003")
    with psycopg.connect(first) as connection:
        connection.execute(PUBLISHED)

    upgrade(first)

    assert rows(first, "select code, folder_drawing from layer order by code") == [("beat", ""), ("ward", ""), ("zone", None)]


def test_it_can_be_taken_again_after_it_was_taken_back(first: str):
    upgrade(first)
    command.downgrade(configuration(first), "0001")

    upgrade(first)

    assert len(rows(first, "select calendar_id from routing_rule")) == 1


def test_a_key_of_before_reports_and_no_more(first: str):
    with psycopg.connect(first) as connection:
        connection.execute("insert into api_key (name, prefix, digest, created_at) values ('old', 'd311-0', '\\x00', now())")

    upgrade(first)

    assert [row.scopes for row in rows(first, "select scopes from api_key")] == [["report"]]


def test_a_key_that_would_be_good_for_more_is_revoked_when_its_scopes_are_taken_back(first: str):
    upgrade(first)
    with psycopg.connect(first) as connection:
        connection.execute("""
            insert into api_key (name, prefix, digest, created_at, scopes) values
                ('report', 'd311-1', '\\x01', now(), '{report}'), ('updates', 'd311-2', '\\x02', now(), '{updates}'),
                ('both', 'd311-3', '\\x03', now(), '{report,updates}'), ('hall', 'd311-4', '\\x04', now(), '{report,updates}')
        """)
        connection.execute("""
            insert into api_key_grant (api_key_id, jurisdiction_id, department_id)
                select k.id, d.jurisdiction_id, d.id from api_key k, department d where k.name = 'hall'
        """)

    command.downgrade(configuration(first), "0003")

    good = rows(first, "select name from api_key where revoked_at is null order by name")
    assert [row.name for row in good] == ["both", "report"]


VERSIONS = list(ScriptDirectory.from_config(configuration("")).walk_revisions())


@pytest.mark.parametrize("each", VERSIONS, ids=lambda each: each.revision)
def test_a_version_says_which_one_it_is_behind(each: Script):
    behind = f"after {each.down_revision}" if each.down_revision else "the first"

    assert f"\nRevision {each.revision}, {behind}.\n" in each.module.__doc__
