"""A request routed anew: because it changed, because a person says so, because that is taken back."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg import Connection
from sqlalchemy.orm import Session

from db import db
from geo.point import Point
from open311.actors import operator
from open311.cases.assignment import NothingChanges, RequestClosed, reassign
from open311.cases.phases import ReasonMissing
from open311.cases.rerouting import (
    Changes,
    NotOverridden,
    Rerouted,
    change,
    open_ids,
    release,
    reroute,
    unplaced,
)
from open311.cases.search import UnknownRequest
from open311.departments import UnknownDepartment
from open311.services import UnknownService
from schemas.problems import Problems
from tests.cases.conftest import waiting_for_a_lock
from tests.cases.smallville import IN_EAST, IN_WEST, SWAPPED, Smallville
from tests.small_city import EAST, WEST, SmallCity

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
LOADED = datetime.now(UTC).replace(microsecond=0) - DAY
REPORTED, NOW = LOADED + HOUR, LOADED + 2 * HOUR
ANN = operator("Ann")
OUTSIDE = Point(long=-70.5, lat=42.35)

RULES = """\
code,service_code,group,layer,boundary,attribute,value,department,priority,note
pothole,pothole,,,,,,WORKS,100,
pothole.east,pothole,,ward,E,,,works-east,100,
pothole.deep,pothole,,,,DEPTH,deep,PARKS,50,
tree,,Parks,,,,,PARKS,,
"""


@pytest.fixture
def town(app: Flask, folder: SmallCity) -> Smallville:
    """Smallville in the test's transaction, where deep potholes go to the Parks."""
    folder.write("rules.csv", RULES)
    return Smallville(db.session(), folder, now=LOADED)


def changed(town: Smallville, number: str, *, now: datetime = NOW, **changes: Any) -> Rerouted:
    """What became of a request that Ann changed."""
    return change(town.connection, town.city, number, Changes(**changes), by=ANN, reason="she was there", now=now)


def close(town: Smallville, number: str) -> None:
    """A request closed as it came in."""
    town.connection.execute(
        "update service_request set status = 'closed', case_status = 'closed', closed_at = updated_at where number = %s",
        [number],
    )


# What a change does


@pytest.mark.parametrize(
    ("changes", "department", "cause"),
    [
        pytest.param({"service_code": "tree"}, "PARKS", "its service changed", id="service"),
        pytest.param({"point": IN_EAST}, "works-east", "its location changed", id="location"),
        pytest.param(
            {"point": Point(long=IN_WEST.long, lat=42.36)}, "WORKS", "its location changed", id="location-to-the-north"
        ),
        pytest.param({"answers": {"DEPTH": ["deep"]}}, "PARKS", "its answers changed", id="answer"),
        pytest.param({"address": "1 Main St"}, "WORKS", "its address changed", id="address"),
        pytest.param(
            {"service_code": "tree", "point": IN_EAST, "answers": {"DEPTH": ["x"]}},
            "PARKS",
            "its service, its location, its answers changed",
            id="several-at-once",
        ),
    ],
)
def test_a_change_is_one_decision_with_its_reason(town: Smallville, changes: dict[str, Any], department: str, cause: str):
    number = town.report(IN_WEST, at=REPORTED)

    done = changed(town, number, **changes)

    routed = town.events(number, "routed")
    assert town.request(number).answers_for == department
    assert done.decision is not None
    assert [(row.at, row.facts.get("cause")) for row in routed] == [(REPORTED, None), (NOW, cause)]
    assert routed[1].facts["reason"] == done.decision.reason


def test_a_change_stands_in_the_history_with_before_and_after_and_who(town: Smallville):
    number = town.report(IN_WEST, at=REPORTED)

    changed(town, number, service_code="tree", address="1 Main St")

    (row,) = town.events(number, "changed")
    assert row.facts == {
        "by": "Ann",
        "reason": "she was there",
        "before": {"service_code": "pothole", "address": None},
        "after": {"service_code": "tree", "address": "1 Main St"},
    }


def test_the_stamps_follow_the_location_in_every_layer(town: Smallville):
    number = town.report(IN_WEST, at=REPORTED)

    changed(town, number, point=IN_EAST)

    assert (town.stamps(number), town.stamps(number, "city")) == ([("E", None)], [("S", None)])


def test_the_stamps_at_the_new_place_are_those_of_every_map_since_it_came_in(town: Smallville):
    town.publish({"W": WEST}, valid_from=REPORTED - 2 * SECOND)
    town.publish({"W": WEST, "E": EAST}, valid_from=REPORTED - SECOND)
    number = town.report(IN_WEST, at=REPORTED)
    town.publish(SWAPPED, valid_from=NOW - 2 * SECOND)
    town.publish({"X": WEST, "E": EAST}, valid_from=NOW - SECOND)
    town.take_back(now=NOW - SECOND)

    changed(town, number, point=IN_EAST)

    assert town.stamps(number) == [("E", REPORTED - SECOND), ("W", NOW - 2 * SECOND)]


def test_stamps_stay_when_the_location_does(town: Smallville):
    number = town.report(IN_WEST, at=REPORTED)
    town.stamp(town.publish(SWAPPED, valid_from=NOW), now=NOW)
    before = town.stamps(number)

    changed(town, number, service_code="tree")

    assert town.stamps(number) == before != [("W", None)]


def test_the_rules_and_maps_of_today_decide(town: Smallville):
    number = town.report(IN_WEST, at=REPORTED)
    town.publish(SWAPPED, valid_from=NOW)

    changed(town, number, address="1 Main St")

    assert town.request(number).answers_for == "works-east"


def test_an_answer_is_changed_beside_the_others_and_can_be_taken_away(town: Smallville):
    number = town.report(IN_WEST, at=REPORTED)
    changed(town, number, answers={"DEPTH": ["deep"], "COLOUR": ["grey"]})

    changed(town, number, answers={"DEPTH": []}, now=NOW + SECOND)

    assert town.request(number).attributes == {"COLOUR": "grey"}
    assert town.request(number).answers_for == "WORKS"


def test_a_public_list_shows_the_new_department_at_its_new_time(town: Smallville, client: FlaskClient):
    number = town.report(IN_WEST, at=REPORTED)
    path = f"/open311/v2/requests.json?jurisdiction_id=small.gov&service_request_id={number}"
    (before,) = client.get(path).json

    changed(town, number, service_code="tree")

    (after,) = client.get(path).json
    assert (before["agency_responsible"], after["agency_responsible"]) == ("Public Works", "Parks")
    assert (before["updated_datetime"], after["updated_datetime"]) == (f"{REPORTED:%FT%TZ}", f"{NOW:%FT%TZ}")
    assert after["requested_datetime"] == before["requested_datetime"]


def test_a_request_that_becomes_one_of_a_private_service_is_shown_no_more(town: Smallville, client: FlaskClient):
    number = town.report(IN_WEST, at=REPORTED)

    changed(town, number, service_code="secret")

    assert client.get(f"/open311/v2/requests/{number}.json?jurisdiction_id=small.gov").status_code == 404


def test_placing_an_unplaced_request_routes_it_and_takes_it_from_the_list(town: Smallville):
    number = town.report(None, at=REPORTED)
    town.connection.execute("update service_request set unplaced_because = 'No such street' where number = %s", [number])
    assert [row.number for row in unplaced(town.connection, jurisdiction_id=town.city.id)] == [number]

    changed(town, number, point=IN_EAST)

    assert unplaced(town.connection, jurisdiction_id=town.city.id) == []
    assert (town.request(number).answers_for, town.stamps(number)) == ("works-east", [("E", None)])


def test_an_unplaced_request_stays_with_the_default_department_whatever_else_changes(town: Smallville):
    number = town.report(None, at=REPORTED)
    town.connection.execute("update service_request set unplaced_because = 'No such street' where number = %s", [number])

    done = changed(town, number, service_code="tree")

    assert done.decision is not None
    assert done.decision.reason == "No such street, so it goes to Town Hall until somebody finds the place."
    assert town.request(number).answers_for == "HALL"


def test_a_request_of_a_service_that_is_offered_no_more_can_be_moved(town: Smallville):
    number = town.report(IN_WEST, at=REPORTED)
    services = (town.folder.path / "services.yml").read_text()
    town.folder.write("services.yml", services[services.index("- service_code: tree") :])
    town.folder.write("rules.csv", "code,group,layer,boundary,department\neast,,ward,E,works-east\n")
    town.load(now=NOW)

    changed(town, number, point=IN_EAST)

    assert (town.request(number).answers_for, town.stamps(number)) == ("works-east", [("E", None)])


# What a change is refused for


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        pytest.param({}, NothingChanges, id="nothing-at-all"),
        pytest.param({"service_code": "pothole", "point": IN_WEST, "answers": {"DEPTH": []}}, NothingChanges, id="as-it-is"),
        pytest.param({"service_code": "dragon"}, UnknownService, id="unknown-service"),
        pytest.param({"point": OUTSIDE}, Problems, id="outside-the-city"),
        pytest.param({"answers": {"DEPTH": ["bottomless"]}}, Problems, id="no-choice-of-its-question"),
        pytest.param({"service_code": "tree", "point": OUTSIDE}, Problems, id="one-good-and-one-bad"),
    ],
)
def test_what_cannot_be_changed_is_refused_and_leaves_everything_as_it_was(
    town: Smallville, changes: dict[str, Any], refusal: type[Exception]
):
    number = town.report(IN_WEST, at=REPORTED)
    before = town.request(number), town.events(number), town.stamps(number)

    with pytest.raises(refusal):
        changed(town, number, **changes)

    assert (town.request(number), town.events(number), town.stamps(number)) == before


@pytest.mark.parametrize("number", ["K7M-4XQ-92R", "", "no number", "A'; --"])
def test_an_unknown_number_is_told(town: Smallville, number: str):
    with pytest.raises(UnknownRequest):
        changed(town, number, service_code="tree")


def test_a_request_of_another_city_is_unknown_here(town: Smallville):
    number = town.report(IN_WEST, at=REPORTED)
    elsewhere = type("Elsewhere", (), {"id": town.city.id + 1})()

    with pytest.raises(UnknownRequest):
        change(town.connection, elsewhere, number, Changes(service_code="tree"), by=ANN, now=NOW)


def test_a_number_may_be_spelled_as_a_person_does(town: Smallville):
    number = town.report(IN_WEST, at=REPORTED)

    done = changed(town, number.lower().replace("-", ""), service_code="tree")

    assert done.number == number


# A person's choice


def test_a_person_may_give_a_request_to_any_department_with_a_reason(town: Smallville):
    number = town.report(IN_WEST, at=REPORTED)

    done = reassign(town.connection, town.city, number, "works-east", by=ANN, reason=" it leans over ", now=NOW)

    assert done.answers_for == "East Yard"
    row = town.request(number)
    assert (row.answers_for, row.is_overridden, row.updated_at) == ("works-east", True, NOW)
    (event,) = town.events(number, "overridden")
    assert event.facts == {
        "department": "Public Works",
        "unit": "East Yard",
        "before": "Public Works",
        "by": "Ann",
        "reason": "it leans over",
    }


def given_to_parks(town: Smallville, point: Point = IN_WEST) -> str:
    """A request that Ann gave to the Parks."""
    number = town.report(point, at=REPORTED)
    reassign(town.connection, town.city, number, "PARKS", by=ANN, reason="roots", now=NOW)
    return number


def test_nothing_moves_a_request_that_a_person_routed(town: Smallville):
    number = given_to_parks(town)

    done = changed(town, number, point=IN_EAST, now=NOW + SECOND)
    moved = reroute(
        town.connection, [town.request(number).id], jurisdiction_id=town.city.id, cause="the rules changed", now=NOW + SECOND
    )

    assert (done.decision, done.after, moved) == (None, "Parks", 0)
    assert (town.request(number).answers_for, town.causes(number)) == ("PARKS", [None])
    # What was changed is changed all the same.
    assert town.stamps(number) == [("E", None)]
    assert town.request(number).is_overridden
    assert open_ids(town.connection, jurisdiction_id=town.city.id) == []


def test_until_it_is_returned_to_the_rules_which_decide_at_once(town: Smallville):
    number = given_to_parks(town, IN_EAST)

    done = release(town.connection, town.city, number, by=operator("Bob"), now=NOW + SECOND)

    assert (done.before, done.after) == ("Parks", "East Yard")
    row = town.request(number)
    assert (row.answers_for, row.is_overridden, row.updated_at) == ("works-east", False, NOW + SECOND)
    assert [event.kind for event in town.events(number)][2:] == ["overridden", "released", "routed"]
    assert town.causes(number) == [None, "it was returned to the rules"]
    assert town.events(number, "released")[0].facts == {"by": "Bob"}


@pytest.mark.parametrize(
    ("department", "reason", "refusal"),
    [
        pytest.param("DRAGONS", "they fly", UnknownDepartment, id="unknown-department"),
        pytest.param("Parks", "by its name", UnknownDepartment, id="a-name-for-a-code"),
        pytest.param("PARKS", "  ", ReasonMissing, id="no-reason"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_and_nothing_changes(
    town: Smallville, department: str, reason: str, refusal: type[Exception]
):
    number = town.report(IN_WEST, at=REPORTED)
    before = town.request(number), town.events(number)

    with pytest.raises(refusal):
        reassign(town.connection, town.city, number, department, by=ANN, reason=reason, now=NOW)

    assert (town.request(number), town.events(number)) == before


def test_what_nobody_chose_cannot_be_returned(town: Smallville):
    number = town.report(IN_WEST, at=REPORTED)

    with pytest.raises(NotOverridden):
        release(town.connection, town.city, number, by=ANN, now=NOW)


# Closed requests


def test_a_closed_request_may_be_corrected_and_keeps_its_department_and_its_time(town: Smallville):
    number = town.report(IN_WEST, at=REPORTED)
    close(town, number)

    done = changed(town, number, service_code="tree", point=IN_EAST)

    row = town.request(number)
    assert (done.decision, row.answers_for, row.updated_at) == (None, "WORKS", REPORTED)
    assert town.stamps(number) == [("E", None)]
    assert len(town.events(number, "changed")) == 1


def test_a_closed_request_is_given_to_nobody_and_returned_to_nobody(town: Smallville):
    never, once = town.report(IN_WEST, at=REPORTED), given_to_parks(town)
    for number in (never, once):
        close(town, number)

    with pytest.raises(RequestClosed):
        reassign(town.connection, town.city, never, "PARKS", by=ANN, reason="roots", now=NOW)
    with pytest.raises(RequestClosed):
        release(town.connection, town.city, once, by=ANN, now=NOW)


# Many at once


def test_only_those_that_go_elsewhere_get_a_decision_and_a_new_time(town: Smallville):
    numbers = [town.report(point, at=REPORTED) for point in (IN_WEST, IN_EAST, None)]
    town.publish({"W": SWAPPED["W"], "E": SWAPPED["W"].buffer(0.0001)}, valid_from=NOW)
    town.publish(SWAPPED, valid_from=NOW + SECOND)
    ids = open_ids(town.connection, jurisdiction_id=town.city.id)

    moved = reroute(town.connection, ids, jurisdiction_id=town.city.id, cause="the wards changed", now=NOW + SECOND)

    assert (len(ids), moved) == (3, 2)
    assert [town.causes(number)[1:] for number in numbers] == [["the wards changed"], ["the wards changed"], []]
    assert [town.request(number).updated_at for number in numbers] == [NOW + SECOND, NOW + SECOND, REPORTED]


def test_no_requests_are_no_work(town: Smallville):
    assert reroute(town.connection, [], jurisdiction_id=town.city.id, cause="", now=NOW) == 0


# Two at once


def in_the_background(verb: Any) -> threading.Thread:
    """The verb, begun in a thread of its own."""
    thread = threading.Thread(target=verb)
    thread.start()
    return thread


def test_two_people_change_a_request_one_after_the_other_and_neither_change_is_lost(
    own_town: Smallville, own: "Connection[Any]"
):
    number = own_town.report(IN_WEST, at=REPORTED)
    own_town.session.commit()
    changed(own_town, number, point=IN_EAST)

    def second() -> None:
        with Session(own_town.session.get_bind()) as session, session.begin():
            changed(own_town.through(session), number, answers={"DEPTH": ["deep"]}, now=NOW + SECOND)

    other = in_the_background(second)
    waiting_for_a_lock(own)
    own_town.session.commit()
    other.join()

    row = own_town.request(number)
    assert (row.attributes, own_town.stamps(number), row.answers_for) == ({"DEPTH": "deep"}, [("E", None)], "works-east")
    assert own_town.causes(number) == [None, "its location changed", "its answers changed"]


def test_a_choice_made_while_all_are_routed_anew_is_not_undone(own_town: Smallville, own: "Connection[Any]"):
    number = own_town.report(IN_WEST, at=REPORTED)
    ids = [own_town.request(number).id]
    own_town.publish(SWAPPED, valid_from=NOW)
    own_town.session.commit()
    reassign(own_town.connection, own_town.city, number, "PARKS", by=ANN, reason="roots", now=NOW)
    moved: list[int] = []

    def everything() -> None:
        with Session(own_town.session.get_bind()) as session, session.begin():
            town = own_town.through(session)
            moved.append(reroute(town.connection, ids, jurisdiction_id=town.city.id, cause="the wards changed", now=NOW))

    other = in_the_background(everything)
    waiting_for_a_lock(own)
    own_town.session.commit()
    other.join()

    row = own_town.request(number)
    assert (moved, row.answers_for, row.is_overridden) == ([0], "PARKS", True)
    assert own_town.causes(number) == [None]


def test_what_is_changed_while_all_are_routed_anew_is_decided_as_changed(own_town: Smallville, own: "Connection[Any]"):
    number = own_town.report(IN_WEST, at=REPORTED)
    ids = [own_town.request(number).id]
    own_town.publish(SWAPPED, valid_from=NOW)
    own_town.session.commit()
    changed(own_town, number, service_code="tree")

    def everything() -> None:
        with Session(own_town.session.get_bind()) as session, session.begin():
            town = own_town.through(session)
            reroute(town.connection, ids, jurisdiction_id=town.city.id, cause="the wards changed", now=NOW)

    other = in_the_background(everything)
    waiting_for_a_lock(own)
    own_town.session.commit()
    other.join()

    assert own_town.request(number).answers_for == "PARKS"


# The list of those that nobody could place


def test_the_unplaced_are_listed_oldest_first_and_only_open_ones(town: Smallville):
    numbers = [town.report(None, at=REPORTED - age * HOUR) for age in range(3)]
    placed, closed = town.report(IN_WEST, at=REPORTED), town.report(None, at=REPORTED)
    for number in (*numbers, closed):
        town.connection.execute(
            "update service_request set unplaced_because = 'No such street', address = '1 Nowhere' where number = %s", [number]
        )
    close(town, closed)

    found = unplaced(town.connection, jurisdiction_id=town.city.id)

    assert [row.number for row in found] == numbers[::-1]
    assert placed not in {row.number for row in found}
    assert (found[0].address, found[0].because) == ("1 Nowhere", "No such street")


# Another address

ADDRESSES = """\
address,zip,lat,lon
10 Elm St,02108,42.35,-71.15
10 Oak St,02108,42.35,-71.05
20 Oak St,02108,42.3505,-71.05
"""


@pytest.fixture
def placed(town: Smallville, client: FlaskClient, api_key: str) -> Any:
    """placed(**fields): the number of a pothole that is reported over HTTP in Smallville, which has a table of addresses."""
    town.folder.write("addresses.csv", ADDRESSES)
    town.load(now=NOW)
    town.session.flush()

    def placed(**fields: str) -> str:
        form = {"api_key": api_key, "jurisdiction_id": "small.gov", "service_code": "pothole", "attribute[DEPTH]": "shallow"}
        answer = client.post("/open311/v2/requests.json", data={**form, **fields})
        assert answer.status_code == 200, answer.data
        number: str = answer.get_json()[0]["service_request_id"]
        return number

    return placed


def of_address(town: Smallville, number: str, address: str) -> Rerouted:
    """What became of a request whose address was changed just now."""
    return changed(town, number, address=address, now=datetime.now(UTC).replace(microsecond=0))


def lies_at(town: Smallville, number: str) -> tuple[float, float] | None:
    """(long, lat) of a request."""
    (row,) = town.rows("select st_x(location) x, st_y(location) y from service_request where number = %s", number)
    return None if row.x is None else (row.x, row.y)


def test_another_address_moves_a_request_that_lay_at_its_address(town: Smallville, placed: Any):
    number = placed(address_string="10 Elm St")

    done = of_address(town, number, "10 Oak St")

    assert lies_at(town, number) == (-71.05, 42.35)
    assert (town.request(number).answers_for, town.stamps(number)) == ("works-east", [("E", None)])
    assert done.decision is not None
    (row,) = town.events(number, "changed")
    assert row.facts["placed"] == {"how": "exact", "address": "10 Oak St", "address_id": None}
    assert row.facts["after"] == {"long": -71.05, "address": "10 Oak St"}


def test_and_again_for_the_address_after_that(town: Smallville, placed: Any):
    number = placed(address_string="10 Elm St")
    of_address(town, number, "10 Oak St")

    of_address(town, number, "10 Elm St")

    assert (lies_at(town, number), town.request(number).answers_for) == ((-71.15, 42.35), "WORKS")


def test_another_address_that_nobody_can_place_makes_it_an_unplaced_request(town: Smallville, placed: Any):
    number = placed(address_string="10 Oak St")

    of_address(town, number, "1 Nowhere Lane")

    assert lies_at(town, number) is None
    assert (town.request(number).answers_for, town.stamps(number), town.stamps(number, "city")) == ("HALL", [], [])
    assert [row.number for row in unplaced(town.connection, jurisdiction_id=town.city.id)] == [number]
    of_address(town, number, "10 Oak St")
    assert (lies_at(town, number), town.request(number).answers_for) == ((-71.05, 42.35), "works-east")
    assert unplaced(town.connection, jurisdiction_id=town.city.id) == []


@pytest.mark.parametrize(
    ("sent", "since"),
    [
        pytest.param({"lat": "42.35", "long": "-71.15"}, None, id="with-the-request"),
        pytest.param({"address_string": "10 Oak St"}, IN_WEST, id="since"),
        pytest.param({"address_string": "10 Elm St"}, IN_WEST, id="since-and-where-it-lay"),
    ],
)
def test_a_point_that_was_sent_stays_whatever_its_address_is(
    town: Smallville, placed: Any, sent: dict[str, str], since: Point | None
):
    number = placed(**sent)
    if since is not None:
        changed(town, number, point=since, answers={"DEPTH": ["deep"]}, now=datetime.now(UTC).replace(microsecond=0))

    of_address(town, number, "20 Oak St")

    assert lies_at(town, number) == (IN_WEST.long, IN_WEST.lat)


def test_the_id_of_the_address_before_goes_with_it(town: Smallville, placed: Any):
    number = placed(address_string="10 Elm St", address_id="no-such-id")

    of_address(town, number, "10 Oak St")

    assert town.request(number).address_id is None
