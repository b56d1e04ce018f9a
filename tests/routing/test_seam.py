"""Places that are hard to write down: the meridian of 180 degrees, and the poles."""

from dataclasses import replace
from typing import Any

import pytest
from psycopg import Connection
from shapely import MultiPolygon, box

from geo.point import Point
from routing.decision import Decision
from routing.explain import explain
from tests.town import Town


def codes(decision: Decision) -> list[str | None]:
    """Which boundaries the candidates name."""
    return [each.boundary_code for each in decision.candidates]


@pytest.fixture
def islands(town: Town) -> Town:
    """Two districts that meet on the meridian of 180 degrees, and one that lies across it in two parts."""
    town.boundary("WEST", box(170, -20, 180, -10))
    town.boundary("EAST", box(-180, -20, -170, -10))
    town.boundary("ACROSS", MultiPolygon([box(175, 0, 180, 10), box(-180, 0, -175, 10)]))
    for code in ("WEST", "EAST", "ACROSS"):
        town.rule(code.lower(), code.title(), boundary=code)
    return town


@pytest.mark.parametrize("long", [180.0, -180.0])
def test_a_place_on_the_meridian_belongs_to_both_sides_however_it_is_written(islands: Town, long: float):
    decision = islands.decide(long=long, lat=-15)

    assert codes(decision) == ["EAST", "WEST", None]
    assert len(decision.boundary_ids) == len(set(decision.boundary_ids)) == 2


@pytest.mark.parametrize("long", [180.0, -180.0, 179.5, -179.5])
def test_a_district_cut_at_the_meridian_is_one_place(islands: Town, long: float):
    assert codes(islands.decide(long=long, lat=5)) == ["ACROSS", None]


@pytest.mark.parametrize("long", [180.0, -180.0])
def test_a_place_on_the_meridian_lies_on_the_edge_of_both_sides_however_it_is_written(
    islands: Town, connection: "Connection[Any]", long: float
):
    decision = islands.decide(long=long, lat=-15)

    distances = [
        explain(
            connection,
            replace(decision, candidates=[candidate]),
            jurisdiction_id=islands.id,
            point=Point(long=long, lat=-15),
        ).distance_metres
        for candidate in decision.candidates[:2]
    ]

    assert distances == [0.0, 0.0]


@pytest.mark.parametrize("long", [180.0, -180.0])
def test_where_a_district_is_cut_at_the_meridian_is_an_edge(islands: Town, connection: "Connection[Any]", long: float):
    decision = islands.decide(long=long, lat=5)

    found = explain(connection, decision, jurisdiction_id=islands.id, point=Point(long=long, lat=5))

    assert found.distance_metres == 0.0


def test_a_place_beside_the_meridian_belongs_to_its_own_side(islands: Town):
    decisions = islands.decide(long=179.999, lat=-15), islands.decide(long=-179.999, lat=-15)

    assert [codes(each) for each in decisions] == [["WEST", None], ["EAST", None]]


@pytest.mark.parametrize("lat", [90.0, -90.0])
@pytest.mark.parametrize("long", [-180.0, -90.0, 0.0, 12.5, 180.0])
def test_a_pole_has_every_longitude(town: Town, long: float, lat: float):
    town.boundary("SLICE", box(10, min(lat, lat * 0.9), 20, max(lat, lat * 0.9)))
    town.boundary("FAR", box(30, -10, 40, 10))
    town.rule("slice", "Slice", boundary="SLICE")
    town.rule("far", "Far", boundary="FAR")

    assert codes(town.decide(long=long, lat=lat)) == ["SLICE", None]


def test_the_same_corner_always_goes_to_the_same_of_four(town: Town):
    for position, (west, south) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        town.boundary(f"Q{position}", box(west, south, west + 1, south + 1))
        town.rule(f"q{position}", f"Yard {position}", boundary=f"Q{position}")

    assert codes(town.decide(long=1, lat=1)) == ["Q0", "Q1", "Q2", "Q3", None]


def test_a_place_in_a_sliver_between_two_districts_goes_on_to_the_next_rule(town: Town):
    town.boundary("W", box(0, 0, 0.9999999, 1))
    town.boundary("E", box(1, 0, 2, 1))
    town.rule("west", "West Yard", boundary="W")
    town.rule("east", "East Yard", boundary="E")
    town.rule("anywhere", "Works", priority=200)

    decision = town.decide(long=0.99999995, lat=0.5)

    assert codes(decision) == [None, None]
    assert decision.chosen.department == "Works"
