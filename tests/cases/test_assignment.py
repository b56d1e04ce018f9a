"""Who works a request: accepted, handed back, given to another department or to a person."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from psycopg import Connection
from sqlalchemy.orm import Session

from open311.actors import ACCEPT, Actor, Grant, NotAllowed, operator
from open311.cases import assignment, phasing, statuses
from open311.cases.assignment import NothingChanges, RequestClosed, UnknownPerson
from open311.cases.holding import FormIsStale, hold, require_unchanged
from open311.cases.life import life_of
from open311.cases.phases import ReasonMissing
from open311.cases.rerouting import Changes, change, release
from open311.departments import UnknownDepartment
from tests.cases.conftest import LOADED, waiting_for_a_lock
from tests.cases.smallville import IN_EAST
from tests.cases.working import Working

HOUR = timedelta(hours=1)
NOW = LOADED + HOUR
ANN = operator("Ann")
People = dict[str, Actor]


def last(trees: Working, number: str) -> Any:
    """The last fact of a request."""
    return trees.events(number)[-1]


def test_a_department_accepts_once(trees: Working, people: People):
    number = trees.take("pothole", at=LOADED)

    assignment.accept(trees.connection, trees.city, number, by=people["Wim"], now=NOW)

    assert trees.request(number).accepted_at == NOW
    assert (last(trees, number).kind, last(trees, number).facts["by"]) == ("accepted", "Wim")
    with pytest.raises(NothingChanges):
        assignment.accept(trees.connection, trees.city, number, by=people["Wim"], now=NOW)


def test_what_is_handed_back_is_the_front_desks_to_accept(trees: Working, people: People):
    number = trees.take("pothole", at=LOADED)
    assignment.accept(trees.connection, trees.city, number, by=people["Wim"], now=NOW)

    assignment.hand_back(trees.connection, trees.city, number, by=people["Wim"], reason="a state road", now=NOW)

    assert (trees.request(number).answers_for, trees.request(number).accepted_at) == ("HALL", None)
    assert trees.alerts(number) == [("handed_back", "HALL", "department")]
    assert trees.events(number, "handed_back")[0].facts["reason"] == "a state road"
    assignment.accept(trees.connection, trees.city, number, by=people["Hal"], now=NOW)
    with pytest.raises(NothingChanges):
        assignment.hand_back(trees.connection, trees.city, number, by=people["Hal"], reason="not ours", now=NOW)


def test_the_department_that_gets_it_is_alerted_and_has_it_to_accept(trees: Working, people: People):
    number = trees.take("pothole", at=LOADED)
    assignment.accept(trees.connection, trees.city, number, by=people["Wim"], now=NOW)
    assignment.assign_person(trees.connection, trees.city, number, "wim@small.gov", by=people["Wanda"], now=NOW)

    assignment.reassign(trees.connection, trees.city, number, "PARKS", by=people["Wim"], reason="roots", now=NOW)

    row = trees.request(number)
    assert (row.answers_for, row.accepted_at, row.assignee_id) == ("PARKS", None, None)
    assert trees.alerts(number)[-1] == ("reassigned", "PARKS", "department")
    with pytest.raises(NotAllowed):
        assignment.accept(trees.connection, trees.city, number, by=people["Wim"], now=NOW)
    assignment.accept(trees.connection, trees.city, number, by=people["Pat"], now=NOW)


@pytest.mark.parametrize("how", ["changed", "released"])
def test_what_one_department_accepted_another_has_to_accept_when_the_rules_move_it(trees: Working, people: People, how: str):
    number = trees.take("pothole", at=LOADED)
    if how == "released":
        assignment.reassign(trees.connection, trees.city, number, "PARKS", by=ANN, reason="roots", now=NOW)
    name = "Pat" if how == "released" else "Wim"
    assignment.accept(trees.connection, trees.city, number, by=people[name], now=NOW)
    assignment.assign_person(trees.connection, trees.city, number, f"{name}@small.gov", by=ANN, now=NOW)

    if how == "released":
        release(trees.connection, trees.city, number, by=ANN, now=NOW)
    else:
        change(trees.connection, trees.city, number, Changes(service_code="secret"), by=ANN, now=NOW)

    row = trees.request(number)
    assert (row.answers_for, row.accepted_at, row.assignee_id) == ("WORKS" if how == "released" else "PARKS", None, None)


def test_what_stays_within_a_department_stays_accepted(trees: Working, people: People):
    number = trees.take("pothole", at=LOADED)
    assignment.accept(trees.connection, trees.city, number, by=people["Wim"], now=NOW)

    change(trees.connection, trees.city, number, Changes(point=IN_EAST), by=ANN, now=NOW)

    assert (trees.request(number).answers_for, trees.request(number).accepted_at) == ("works-east", NOW)


@pytest.mark.parametrize("name", ["Wim", "Eve", "Ada"])
def test_a_person_of_the_department_or_of_its_units_gets_it_and_is_told(trees: Working, people: People, name: str):
    number = trees.take("pothole", at=LOADED)

    assignment.assign_person(trees.connection, trees.city, number, f" {name}@small.gov", by=people["Wanda"], now=NOW)

    (alert,) = trees.rows("select account_id, kind from alert where jurisdiction_id = %s", trees.city.id)
    assert trees.request(number).assignee_id == people[name].account_id
    assert (alert.kind, alert.account_id) == ("assigned", people[name].account_id)


@pytest.mark.parametrize("email", ["pat@small.gov", "olga@small.gov", "nobody@small.gov"])
def test_nobody_else_gets_it(trees: Working, people: People, email: str):
    number = trees.take("pothole", at=LOADED)

    with pytest.raises(UnknownPerson, match=f"nobody with the address {email} works for Public Works"):
        assignment.assign_person(trees.connection, trees.city, number, email, by=people["Wanda"], now=NOW)

    assert trees.request(number).assignee_id is None


VERBS: dict[str, Any] = {
    "accept": lambda *request, **how: assignment.accept(*request, **how),
    "hand-back": lambda *request, **how: assignment.hand_back(*request, reason="not ours", **how),
    "reassign": lambda *request, **how: assignment.reassign(*request, "PARKS", reason="roots", **how),
    "assign": lambda *request, **how: assignment.assign_person(*request, "wim@small.gov", **how),
    "status": lambda *request, **how: statuses.set_status(*request, "in_progress", **how),
    "note": lambda *request, **how: statuses.note(*request, "looked at", **how),
    "read": lambda *request, by, now: life_of(*request, by=by),
}


@pytest.mark.parametrize("verb", ["accept", "hand-back", "reassign", "assign"])
def test_a_closed_request_is_nobodys_to_work(trees: Working, people: People, verb: str):
    number = trees.take("pothole", at=LOADED)
    statuses.set_status(trees.connection, trees.city, number, "closed", by=ANN, now=NOW)
    before = trees.kinds(number)

    with pytest.raises(RequestClosed):
        VERBS[verb](trees.connection, trees.city, number, by=people["Wim"], now=NOW)

    assert trees.kinds(number) == before


@pytest.mark.parametrize("reason", ["", "  "])
def test_handing_back_and_giving_away_need_a_reason(trees: Working, people: People, reason: str):
    number = trees.take("pothole", at=LOADED)

    with pytest.raises(ReasonMissing):
        assignment.hand_back(trees.connection, trees.city, number, by=people["Wim"], reason=reason, now=NOW)
    with pytest.raises(ReasonMissing):
        assignment.reassign(trees.connection, trees.city, number, "PARKS", by=people["Wim"], reason=reason, now=NOW)

    assert trees.request(number).answers_for == "WORKS"


@pytest.mark.parametrize("code", ["NOBODY", "BTDT"])
def test_a_department_that_the_city_has_not_gets_nothing(trees: Working, people: People, code: str):
    number = trees.take("pothole", at=LOADED)

    with pytest.raises(UnknownDepartment, match=code):
        assignment.reassign(trees.connection, trees.city, number, code, by=people["Wim"], reason="roots", now=NOW)


WORKERS = {"Wim", "Eve", "Wanda", "Ada"}
MAY = {
    "accept": WORKERS,
    "hand-back": WORKERS,
    "assign": WORKERS,
    "status": WORKERS | {"key of WORKS"},
    "reassign": WORKERS | {"Carla"},
    "note": WORKERS | {"Carla", "key of WORKS"},
    "read": WORKERS | {"Carla", "Olga"},
}


@pytest.mark.parametrize("verb", MAY)
def test_who_may_do_what_with_a_request_of_public_works_in_the_west(trees: Working, people: People, verb: str):
    ids = {row.code: row.id for row in trees.rows("select code, id from department where jurisdiction_id = %s", trees.city.id)}
    for code in ("WORKS", "PARKS"):
        grant = Grant(role="department_key", department_ids=frozenset([ids[code]]), where=code)
        people[f"key of {code}"] = Actor(kind="key", name=f"key of {code}", grants=(grant,))
    may = set()

    for name, actor in people.items():
        number = trees.take("pothole", at=LOADED)
        try:
            VERBS[verb](trees.connection, trees.city, number, by=actor, now=NOW)
        except NotAllowed:
            assert trees.kinds(number) == ["received", "routed"]
        else:
            may.add(name)

    assert may == MAY[verb]


def test_a_form_that_was_filled_in_before_somebody_else_acted_is_refused(trees: Working, people: People):
    number = trees.take("pothole", at=LOADED)
    version = life_of(trees.connection, trees.city, number, by=people["Wim"]).version
    require_unchanged(trees.connection, trees.city, number, by=people["Wim"], version=version)
    assignment.accept(trees.connection, trees.city, number, by=people["Wim"], now=NOW)

    with pytest.raises(FormIsStale):
        require_unchanged(trees.connection, trees.city, number, by=people["Wim"], version=version)


def test_what_was_given_away_meanwhile_is_found_with_whose_it_is_now(own_trees: Working, own: "Connection[Any]"):
    people = own_trees.staff(now=LOADED)
    number = own_trees.take("pothole", at=LOADED)
    own_trees.session.commit()
    assignment.reassign(own_trees.connection, own_trees.city, number, "PARKS", by=ANN, reason="roots", now=NOW)
    phasing.add(
        own_trees.connection, own_trees.city, number, code="saw", name="Saw", department="HALL", by=ANN, reason="x", now=NOW
    )
    told: list[Any] = []

    def second() -> None:
        with Session(own_trees.session.get_bind()) as session:
            try:
                hold(own_trees.through(session).connection, own_trees.city, number, people["Pat"], ACCEPT)
            except Exception as error:
                told.append(error)
                raise
            told.append(hold(own_trees.through(session).connection, own_trees.city, number, ANN, ACCEPT))

    other = threading.Thread(target=second)
    other.start()
    waiting_for_a_lock(own)
    own_trees.session.commit()
    other.join()

    (held,) = told
    assert (held.answers_for, [phase.code for phase in held.phases]) == ("Parks", ["work", "saw"])


def test_of_two_who_accept_at_once_one_does(own_trees: Working, own: "Connection[Any]"):
    people = own_trees.staff(now=LOADED)
    number = own_trees.take("pothole", at=LOADED)
    own_trees.session.commit()
    assignment.accept(own_trees.connection, own_trees.city, number, by=people["Wim"], now=NOW)
    refusals: list[Exception] = []

    def second() -> None:
        with Session(own_trees.session.get_bind()) as session:
            try:
                assignment.accept(own_trees.through(session).connection, own_trees.city, number, by=people["Eve"], now=NOW)
            except NothingChanges as error:
                refusals.append(error)

    other = threading.Thread(target=second)
    other.start()
    waiting_for_a_lock(own)
    own_trees.session.commit()
    other.join()

    assert len(refusals) == 1
    assert [row.facts["by"] for row in own_trees.events(number, "accepted")] == ["Wim"]
