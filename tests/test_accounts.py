"""What an account may do in a city, as its roles there say."""

from typing import Any

import pytest
from flask import Flask
from psycopg import Connection
from psycopg.errors import CheckViolation

from open311 import accounts
from open311.accounts import AskedRole
from open311.actors import ACCEPT, CONFIGURE, READ, RECEIVE, Actor, allows
from open311.jurisdictions import cities
from tests.factories import NOW


@pytest.fixture
def ann(connection: "Connection[Any]") -> int:
    """An account without a role."""
    return accounts.create_account(connection, "ann@city.gov", "Ann Lee", password=None, now=NOW)


@pytest.fixture
def kin(connection: "Connection[Any]") -> Any:
    """A unit of Boston, its department, and a department beside it: (unit id, code), (id, code), (id, code)."""
    rows = connection.execute("""
        select u.id, u.code, p.id, p.code, o.id, o.code from department u
        join department p on p.jurisdiction_id = u.jurisdiction_id and p.id = u.parent_id
        join department o on o.jurisdiction_id = u.jurisdiction_id and o.parent_id is null and o.id <> p.id
        join jurisdiction j on j.id = u.jurisdiction_id where slug = 'boston.gov' order by u.id, o.id limit 1
    """).fetchone()
    assert rows is not None
    return rows[0:2], rows[2:4], rows[4:6]


def actor(connection: "Connection[Any]", account_id: int, jurisdiction_id: str = "boston.gov") -> Actor:
    """The account in a city."""
    return accounts.actor_of(accounts.account(connection, account_id), cities().named(jurisdiction_id))


@pytest.mark.parametrize("granted", [0, 1], ids=["of-a-unit", "of-its-department"])
def test_a_unit_counts_as_its_department(connection: "Connection[Any]", ann: int, kin: Any, granted: int):
    unit, head, other = kin
    asked = AskedRole(role="department", department_code=kin[granted][1])

    accounts.grant(connection, "ann@city.gov", asked, cities().named("boston.gov"), now=NOW)

    of_boston = actor(connection, ann)
    assert allows(of_boston, ACCEPT, department_ids=[unit[0]]) and allows(of_boston, ACCEPT, department_ids=[head[0]])
    assert not allows(of_boston, ACCEPT, department_ids=[other[0]])


def test_a_role_is_of_no_other_city(connection: "Connection[Any]", ann: int):
    accounts.grant(connection, "ann@city.gov", AskedRole(role="administrator"), cities().named("boston.gov"), now=NOW)

    assert allows(actor(connection, ann), CONFIGURE)
    assert not allows(actor(connection, ann, "seattle.gov"), READ)


def test_a_council_office_reads_its_district(connection: "Connection[Any]", ann: int):
    asked = AskedRole(role="council_office", district=("council", "4"))
    accounts.grant(connection, "ann@city.gov", asked, cities().named("boston.gov"), now=NOW)
    row = connection.execute(
        "select l.id from layer l join jurisdiction j on j.id = jurisdiction_id where slug = 'boston.gov' and code = 'council'"
    ).fetchone()
    assert row is not None

    office = actor(connection, ann)

    assert allows(office, READ, districts=[(row[0], "4")])
    assert not allows(office, READ, districts=[(row[0], "5")])
    assert not allows(office, RECEIVE, districts=[(row[0], "4")])


def test_an_actor_is_named_as_history_shows_it(connection: "Connection[Any]", ann: int):
    assert actor(connection, ann).as_facts == {"by": "Ann Lee", "account_id": ann}


def test_an_account_that_is_not_there_is_told(connection: "Connection[Any]"):
    with pytest.raises(accounts.UnknownAccount):
        accounts.account(connection, 0)


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(("king", None, None, None), id="role"),
        pytest.param(("department", None, None, None), id="no-department"),
        pytest.param(("council_office", None, None, None), id="no-district"),
    ],
)
def test_the_database_keeps_no_role_that_cannot_be(connection: "Connection[Any]", app: Flask, ann: int, asked: Any):
    with pytest.raises(CheckViolation), connection.transaction():
        connection.execute(
            "insert into account_grant (account_id, jurisdiction_id, role, department_id, layer_id, boundary_code)"
            " values (%s, %s, %s, %s, %s, %s)",
            (ann, cities().named("boston.gov").id, *asked),
        )
