"""Why a request goes where it goes: what each loser lost by, and how far the edge of the boundary is."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from psycopg import Connection
from shapely import MultiPolygon, Polygon, box
from sqlalchemy import delete

from db import db
from geo.models import Boundary
from geo.point import Point
from routing.decision import Decision
from routing.explain import explain, why_lost
from tests.town import Town, square

# About 111 km, on the meridian of the middle latitudes; a degree of longitude is as short as its parallel.
METRES_A_DEGREE_NORTH = 111_070
HERE = {"long": 0.5, "lat": 0.5}
BY_STATE = {"attribute_code": "OWNER", "attribute_value": "state"}


def lost(town: Town, connection: "Connection[Any]", *, service: str = "pothole", **case: Any) -> list[tuple[str | None, str]]:
    """(rule, why it lost) of the candidates after the first, for a request in the middle of the first ward."""
    decision = town.decide(service, **HERE, **case)
    found = explain(connection, decision, jurisdiction_id=town.id, point=Point(**HERE))
    return [(candidate.rule, why) for candidate, why in found.losers]


DEFAULT = (None, "it is the city's default, and answers only where no rule does")


@pytest.mark.parametrize(
    ("winner", "loser", "why"),
    [
        pytest.param({"priority": 10}, {"priority": 20, "service": "pothole"}, "its priority 20 comes after 10", id="priority"),
        pytest.param(
            {"service": "pothole"}, {"group": "Streets"}, "it speaks of its whole group, and win of this service", id="group"
        ),
        pytest.param(
            {"service": "pothole"}, {"boundary": "W"}, "it speaks of every service, and win of this service", id="any-service"
        ),
        pytest.param({"group": "Streets"}, {}, "it speaks of every service, and win of its whole group", id="any-after-group"),
        pytest.param(
            BY_STATE,
            {"boundary": "W"},
            "it asks for less: win has 1 of answer and hours to meet, it has 0",
            id="conditions",
        ),
        pytest.param({"boundary": "W"}, {}, "it speaks of the whole city, and win of Ward W", id="everywhere"),
        pytest.param(
            {"boundary": "W"},
            {"boundary": "LARGE"},
            "its boundary is the larger one: Ward LARGE 4 km² and Ward W 1 km²",
            id="a-larger-boundary",
        ),
        pytest.param({}, {}, "it is alike in all that counts, and its code comes after a", id="code"),
        pytest.param(
            {"boundary": "W"},
            {"boundary": "TWIN"},
            "it is alike in all that counts, and its code comes after a",
            id="code-of-two-boundaries-of-one-size",
        ),
    ],
)
def test_a_loser_is_told_the_first_thing_that_ranks_it_lower(
    town: Town, connection: "Connection[Any]", winner: dict[str, Any], loser: dict[str, Any], why: str
):
    town.boundary("W", square(0, 0))
    town.boundary("TWIN", square(0, 0))
    town.boundary("LARGE", square(0, 0, 2))
    by_code = "code comes after a" in why
    town.rule("a" if by_code else "win", "Winner", **winner)
    town.rule("b" if by_code else "lose", "Loser", **loser)

    found = lost(town, connection, answers={"OWNER": "state"})

    assert found == [("b" if by_code else "lose", why), DEFAULT]


def test_two_conditions_are_more_than_one(town: Town, connection: "Connection[Any]"):
    office = town.calendar("Office", days=[(date(2026, 1, 1), None, None)])
    town.rule("win", "Winner", calendar_id=office.id, during="closed", **BY_STATE)
    town.rule("lose", "Loser", **BY_STATE)

    found = lost(town, connection, answers={"OWNER": "state"})

    assert found[0] == ("lose", "it asks for less: win has 2 of answer and hours to meet, it has 1")


def test_the_default_alone_has_no_losers(town: Town, connection: "Connection[Any]"):
    assert lost(town, connection) == []


# How far the edge is


@pytest.mark.parametrize(
    ("lat", "metres"),
    [
        pytest.param(42.301, 111.07, id="a-thousandth-of-a-degree-to-the-north"),
        pytest.param(42.31, 1110.7, id="a-hundredth"),
        pytest.param(42.3, 0.0, id="on-the-edge"),
    ],
)
def test_the_distance_is_in_metres_to_the_south_edge(town: Town, connection: "Connection[Any]", lat: float, metres: float):
    found = distance(town, connection, box(-71.2, 42.3, -71.0, 42.4), long=-71.1, lat=lat)

    assert found == pytest.approx(metres, rel=0.001, abs=0.05)


def test_a_degree_of_longitude_is_as_short_as_its_parallel(town: Town, connection: "Connection[Any]"):
    # 0.001 degrees at 42.35 north: 111.3 m times the cosine.
    found = distance(town, connection, box(-71.2, 42.3, -71.0, 42.4), long=-71.199, lat=42.35)

    assert found == pytest.approx(82.4, abs=0.2)


def test_the_nearest_edge_is_the_nearest_on_the_ground_and_not_in_degrees(town: Town, connection: "Connection[Any]"):
    # 0.0012 degrees to the west are 99 m, 0.001 to the south 111 m.
    found = distance(town, connection, box(-71.2, 42.3, -71.0, 42.4), long=-71.1988, lat=42.301)

    assert found == pytest.approx(98.9, abs=0.3)


def test_the_edge_of_a_hole_is_an_edge(town: Town, connection: "Connection[Any]"):
    ring = Polygon(box(-71.2, 42.3, -71.0, 42.4).exterior, [box(-71.11, 42.34, -71.09, 42.35).exterior])

    found = distance(town, connection, ring, long=-71.1, lat=42.352)

    assert found == pytest.approx(0.002 * METRES_A_DEGREE_NORTH, abs=0.5)


def test_of_several_parts_the_nearest_edge_counts(town: Town, connection: "Connection[Any]"):
    isles = MultiPolygon([box(-71.2, 42.3, -71.1, 42.4), box(-71.09, 42.3, -71.0, 42.4)])

    found = distance(town, connection, isles, long=-71.089, lat=42.35)

    assert found == pytest.approx(82.4, abs=0.2)


def distance(town: Town, connection: "Connection[Any]", area: Any, *, long: float, lat: float) -> float | None:
    """How far the edge of an area is from a place in it."""
    town.boundary("W", area)
    town.rule("here", "Yard", boundary="W")
    decision = town.decide(long=long, lat=lat)
    assert decision.chosen.rule == "here"
    return explain(connection, decision, jurisdiction_id=town.id, point=Point(long=long, lat=lat)).distance_metres


@pytest.mark.parametrize("rule", [pytest.param({}, id="a-rule-without-a-boundary"), pytest.param(None, id="no-rule")])
def test_without_a_boundary_there_is_no_distance(town: Town, connection: "Connection[Any]", rule: dict[str, Any] | None):
    town.boundary("W", square(0, 0))
    if rule is not None:
        town.rule("all", "Works", **rule)

    found = explain(connection, town.decide(**HERE), jurisdiction_id=town.id, point=Point(**HERE))

    assert found.distance_metres is None


def test_without_a_place_there_is_no_distance(town: Town, connection: "Connection[Any]"):
    town.boundary("W", square(0, 0))
    town.rule("here", "Yard", boundary="W")

    found = explain(connection, town.decide(**HERE), jurisdiction_id=town.id, point=None)

    assert found.distance_metres is None


def test_when_the_boundary_is_gone_there_is_no_distance_and_all_else_is_as_recorded(town: Town, connection: "Connection[Any]"):
    ward = town.boundary("W", square(0, 0))
    town.rule("here", "Yard", boundary="W")
    past = Decision.from_record(town.decide(**HERE).as_record())
    db.session.execute(delete(Boundary).where(Boundary.jurisdiction_id == town.id, Boundary.id == ward.id))

    found = explain(connection, past, jurisdiction_id=town.id, point=Point(**HERE))

    assert (found.distance_metres, found.decision.chosen.boundary) == (None, "Ward W")


# Older records

OLD = {
    "rule": "here",
    "department": "Works",
    "unit": "Yard",
    "reason": "…",
    "candidates": [
        {"rule": "here", "matched": "any", "department": "Works", "unit": "Yard", "layer": "ward", "boundary": "W"},
        {"rule": "hole", "matched": "service", "department": "Roads", "unit": None, "layer": None, "boundary": None},
        {"rule": None, "matched": "any", "department": "Town Hall", "unit": None, "layer": None, "boundary": None},
    ],
}


def test_an_older_record_that_knows_no_priority_gives_no_reason_that_may_be_wrong(town: Town, connection: "Connection[Any]"):
    past = Decision.from_record({**OLD, "boundary_id": None})

    found = explain(connection, past, jurisdiction_id=town.id, point=Point(**HERE))

    assert found.decision.reason == "Yard answers for all requests in W (rule here)."
    assert [(each.rule, why) for each, why in found.losers] == [("hole", "the record of that time does not say"), DEFAULT]
    assert found.distance_metres is None


def test_an_older_record_that_names_the_boundary_of_its_choice_has_a_distance(town: Town, connection: "Connection[Any]"):
    ward = town.boundary("W", square(0, 0), valid_from=datetime(2020, 1, 1, tzinfo=UTC))
    past = Decision.from_record({**OLD, "boundary_id": ward.id})

    found = explain(connection, past, jurisdiction_id=town.id, point=Point(long=0.5, lat=0.01))

    assert found.distance_metres == pytest.approx(0.01 * 110_574, rel=0.001)


def test_a_record_of_today_explains_as_the_decision_itself(town: Town, connection: "Connection[Any]"):
    town.boundary("W", square(0, 0))
    town.rule("here", "Yard", boundary="W")
    town.rule("all", "Works")
    decision = town.decide(**HERE)

    past = Decision.from_record(decision.as_record())

    chosen, loser = decision.candidates[:2]
    assert why_lost(past.chosen, past.candidates[1]) == why_lost(chosen, loser)
    assert past.reason == decision.reason
