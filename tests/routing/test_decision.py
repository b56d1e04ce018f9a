"""Who answers for a request at a place: each criterion in its turn, and what is said of it."""

import json
from datetime import timedelta

import pytest
from shapely import MultiPolygon, Polygon, box

from geo.models import Layer
from geo.point import Point
from routing.decision import Decision
from routing.models import Department
from tests.town import MIDNIGHT, Town, square

DAY = timedelta(days=1)
# West and east of longitude 1: the two squares share that edge.
WEST, EAST = square(0, 0), square(1, 0)


def rules(decision: Decision) -> list[str | None]:
    """The rules of the candidates, in rank order; the default is None."""
    return [each.rule for each in decision.candidates]


def test_a_request_goes_to_the_department_of_the_boundary_it_lies_in(town: Town):
    town.boundary("W", WEST)
    town.boundary("E", EAST)
    town.rule("west", "West Yard", boundary="W")
    town.rule("east", "East Yard", boundary="E")

    decisions = town.decide(long=0.5, lat=0.5), town.decide(long=1.5, lat=0.5)

    assert [each.chosen.department for each in decisions] == ["West Yard", "East Yard"]
    assert [rules(each) for each in decisions] == [["west", None], ["east", None]]


def test_a_rule_of_a_unit_gives_the_unit_and_its_department(town: Town):
    unit = town.department("East Yard", of="Public Works")
    town.rule("any", "East Yard")

    chosen = town.decide().chosen

    assert (chosen.department, chosen.unit) == ("Public Works", "East Yard")
    assert (chosen.department_id, chosen.unit_id) == (unit.parent_id, unit.id)


def test_a_rule_of_a_department_gives_no_unit(town: Town):
    town.rule("any", "Public Works")

    chosen = town.decide().chosen

    assert (chosen.department, chosen.unit, chosen.unit_id) == ("Public Works", None, None)


# Each criterion, against all that come after it: the winner loses in everything that ranks lower.
def test_priority_comes_first_and_the_lower_number_wins(town: Town):
    town.boundary("W", WEST)
    town.rule("z-any", "Winner", priority=99)
    town.rule("a-service", "Loser", service="pothole", boundary="W", priority=100)

    decision = town.decide(long=0.5, lat=0.5)

    assert rules(decision) == ["z-any", "a-service", None]


def test_a_rule_of_the_service_comes_before_one_of_its_group_and_that_before_one_of_any(town: Town):
    town.boundary("W", WEST)
    town.rule("z-service", "Winner", service="pothole")
    town.rule("m-group", "Second", group="Streets")
    town.rule("a-any", "Third", boundary="W")

    decision = town.decide(long=0.5, lat=0.5)

    assert rules(decision) == ["z-service", "m-group", "a-any", None]
    assert [each.matched for each in decision.candidates] == ["service", "group", "any", "any"]


def test_a_rule_with_a_boundary_comes_before_one_without(town: Town):
    town.boundary("W", WEST)
    town.rule("z-here", "Winner", service="pothole", boundary="W")
    town.rule("a-everywhere", "Loser", service="pothole")

    decision = town.decide(long=0.5, lat=0.5)

    assert rules(decision) == ["z-here", "a-everywhere", None]


def test_the_smaller_boundary_comes_first(town: Town):
    town.boundary("CITY", square(0, 0, 10))
    town.boundary("BLOCK", square(0, 0, 1), layer="block")
    town.rule("z-block", "Winner", boundary="BLOCK", layer="block")
    town.rule("a-city", "Loser", boundary="CITY")

    decision = town.decide(long=0.5, lat=0.5)

    assert rules(decision) == ["z-block", "a-city", None]


def test_boundaries_of_one_size_are_taken_in_the_order_of_the_rules_codes(town: Town):
    town.boundary("W", WEST)
    town.boundary("SAME", WEST, layer="beat")
    town.rule("b", "Loser", boundary="W")
    town.rule("a", "Winner", boundary="SAME", layer="beat")

    decision = town.decide(long=0.5, lat=0.5)

    assert rules(decision) == ["a", "b", None]


def test_codes_are_compared_by_their_characters_and_not_by_a_language(town: Town):
    for code in ("b", "B", "a-1", "a.1", "A"):
        town.rule(code, "Works")

    decision = town.decide()

    assert rules(decision) == ["A", "B", "a-1", "a.1", "b", None]


@pytest.mark.parametrize(
    ("west_code", "east_code", "department"),
    [pytest.param("a", "b", "West Yard", id="west-first"), pytest.param("b", "a", "East Yard", id="east-first")],
)
def test_a_request_on_a_shared_edge_goes_to_the_first_of_both_sides(
    town: Town, west_code: str, east_code: str, department: str
):
    west, east = town.boundary("W", WEST), town.boundary("E", EAST)
    town.rule(west_code, "West Yard", boundary="W")
    town.rule(east_code, "East Yard", boundary="E")

    decision = town.decide(long=1, lat=0.25)

    assert rules(decision) == ["a", "b", None]
    assert decision.chosen.department == department
    assert set(decision.boundary_ids) == {west.id, east.id}


def test_a_request_in_a_hole_does_not_lie_in_the_ring_around_it(town: Town):
    town.boundary("RING", Polygon(box(0, 0, 3, 3).exterior, [box(1, 1, 2, 2).exterior]))
    town.rule("ring", "Ring Yard", boundary="RING")

    inside, around = town.decide(long=1.5, lat=1.5), town.decide(long=0.5, lat=0.5)

    assert (inside.chosen.department, list(inside.boundary_ids)) == ("Town Hall", [])
    assert around.chosen.department == "Ring Yard"


def test_a_request_where_boundaries_overlap_has_both_as_candidates(town: Town):
    town.boundary("LARGE", box(0, 0, 3, 1))
    town.boundary("SMALL", box(2, 0, 4, 1))
    town.rule("large", "Large Yard", boundary="LARGE")
    town.rule("small", "Small Yard", boundary="SMALL")

    decision = town.decide(long=2.5, lat=0.5)

    assert rules(decision) == ["small", "large", None]


def test_a_boundary_of_several_parts_is_one_place(town: Town):
    town.boundary("ISLES", MultiPolygon([square(0, 0), square(5, 5)]))
    town.rule("isles", "Harbor Master", boundary="ISLES")

    decisions = [town.decide(long=long, lat=lat) for long, lat in ((0.5, 0.5), (5.5, 5.5), (3, 3))]

    assert [each.chosen.department for each in decisions] == ["Harbor Master", "Harbor Master", "Town Hall"]


def test_boundaries_that_no_rule_speaks_of_are_part_of_the_decision_for_the_stamp(town: Town):
    ward = town.boundary("W", WEST)
    precinct = town.boundary("P", square(0, 0, 5), layer="precinct")

    decision = town.decide(long=0.5, lat=0.5)

    assert dict(zip(decision.boundary_ids, decision.layer_ids, strict=True)) == {
        ward.id: ward.layer_id,
        precinct.id: precinct.layer_id,
    }


def test_rules_of_other_services_and_groups_are_no_candidates(town: Town):
    town.rule("lamp", "Lamp Crew", service="lamp")
    town.rule("parks", "Parks", group="Parks")

    decision = town.decide("pothole")

    assert rules(decision) == [None]


def test_a_rule_of_a_layer_does_not_speak_of_the_same_code_in_another(town: Town):
    town.boundary("1", WEST, layer="ward")
    town.boundary("1", EAST, layer="precinct")
    town.rule("precinct", "Police", boundary="1", layer="precinct")

    decision = town.decide(long=0.5, lat=0.5)

    assert rules(decision) == [None]


def test_without_a_place_only_rules_without_a_boundary_are_candidates(town: Town):
    town.boundary("W", WEST)
    town.rule("here", "West Yard", service="pothole", boundary="W")
    town.rule("everywhere", "Works", service="pothole")

    decision = town.decide()

    assert rules(decision) == ["everywhere", None]
    assert list(decision.boundary_ids) == []


def test_what_no_rule_names_goes_to_the_default_department_and_says_so(town: Town):
    town.boundary("W", WEST)
    town.rule("west", "West Yard", boundary="W")

    decision = town.decide(long=5, lat=5)

    assert decision.chosen.rule is None
    assert decision.reason == "No rule names a department for this service at this place, so it goes to Town Hall."


def test_the_default_department_may_be_a_unit(town: Town):
    town.city.default_department_id = town.department("Front Desk", of="Town Hall").id

    chosen = town.decide().chosen

    assert (chosen.department, chosen.unit) == ("Town Hall", "Front Desk")


@pytest.mark.parametrize(
    ("days", "department"),
    [
        pytest.param(-1, "Old Yard", id="before-the-day"),
        pytest.param(0, "New Yard", id="at-its-first-moment"),
        pytest.param(1, "New Yard", id="after-the-day"),
    ],
)
def test_a_request_is_decided_by_the_map_of_its_day(town: Town, days: int, department: str):
    town.boundary("W", WEST, valid_to=MIDNIGHT)
    town.boundary("W", EAST, valid_from=MIDNIGHT)
    town.boundary("E", EAST, valid_to=MIDNIGHT)
    town.boundary("E", WEST, valid_from=MIDNIGHT)
    town.rule("w", "Old Yard", boundary="W")
    town.rule("e", "New Yard", boundary="E")

    decision = town.decide(long=0.5, lat=0.5, at=MIDNIGHT + days * DAY)

    assert decision.chosen.department == department
    assert len(decision.boundary_ids) == 1


def test_a_boundary_that_has_ended_covers_nothing(town: Town):
    town.boundary("W", WEST, valid_from=MIDNIGHT - DAY, valid_to=MIDNIGHT)

    before, during, after = (town.decide(long=0.5, lat=0.5, at=MIDNIGHT + days * DAY) for days in (-2, -0.5, 0))

    assert [len(each.boundary_ids) for each in (before, during, after)] == [0, 1, 0]


def test_two_cities_on_one_map_never_mix(town: Town):
    neighbour = Town("neighbour.gov")
    for each in (town, neighbour):
        each.boundary("W", WEST)
        each.rule("west", f"Yard of {each.city.slug}", boundary="W")
        each.rule("any", f"Works of {each.city.slug}")

    decision = town.decide(long=0.5, lat=0.5)

    assert [each.department for each in decision.candidates] == [
        "Yard of town.gov",
        "Works of town.gov",
        "Town Hall",
    ]
    assert len(decision.boundary_ids) == 1


def test_two_cities_whose_rows_have_the_same_ids_never_mix(town: Town):
    town.boundary("W", WEST)
    town.rule("west", "West Yard", boundary="W")
    neighbour = Town("neighbour.gov")
    neighbour.layers["ward"] = neighbour.keep(
        Layer(jurisdiction_id=neighbour.id, id=town.layer("ward").id, code="ward", name="Ward")
    )
    neighbour.departments["West Yard"] = neighbour.keep(
        Department(jurisdiction_id=neighbour.id, id=town.department("West Yard").id, code="west-yard", name="Foreign Yard")
    )
    neighbour.boundary("W", square(0, 0, 0.9))
    neighbour.rule("west", "West Yard", boundary="W", priority=1)

    decision = town.decide(long=0.5, lat=0.5)

    assert [each.department for each in decision.candidates] == ["West Yard", "Town Hall"]
    assert len(decision.boundary_ids) == 1


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        pytest.param(
            {"service": "pothole", "boundary": "W"},
            "East Yard answers for requests of this service in Ward W (rule r).",
            id="service-in-a-boundary",
        ),
        pytest.param(
            {"group": "Streets"},
            "East Yard answers for requests of this group of services in the whole city (rule r).",
            id="group-everywhere",
        ),
        pytest.param({}, "East Yard answers for all requests in the whole city (rule r).", id="any-everywhere"),
    ],
)
def test_the_reason_names_who_for_what_and_where(town: Town, rule: dict[str, str], reason: str):
    town.boundary("W", WEST)
    town.department("East Yard", of="Public Works")
    town.rule("r", "East Yard", **rule)

    decision = town.decide(long=0.5, lat=0.5)

    assert decision.reason == reason


def test_the_reason_names_the_department_when_there_is_no_unit(town: Town):
    town.rule("r", "Public Works", service="pothole")

    decision = town.decide()

    assert decision.reason == "Public Works answers for requests of this service in the whole city (rule r)."


def test_the_record_of_a_decision_is_plain_json_with_the_choice_and_every_candidate(town: Town):
    ward = town.boundary("W", WEST)
    town.department("West Yard", of="Public Works")
    town.rule("west", "West Yard", service="pothole", boundary="W")

    record = town.decide(long=0.5, lat=0.5).as_record()

    assert json.loads(json.dumps(record)) == {
        "rule": "west",
        "department": "Public Works",
        "unit": "West Yard",
        "boundary_id": ward.id,
        "reason": "West Yard answers for requests of this service in Ward W (rule west).",
        "candidates": [
            {
                "rule": "west",
                "priority": 100,
                "matched": "service",
                "department": "Public Works",
                "unit": "West Yard",
                "layer": "ward",
                "boundary": "W",
                "boundary_id": ward.id,
                "boundary_name": "Ward W",
                "area_square_metres": 1e6,
            },
            {
                "rule": None,
                "matched": "any",
                "department": "Town Hall",
                "unit": None,
                "layer": None,
                "boundary": None,
            },
        ],
    }


def test_many_cases_are_decided_by_one_query_each_for_itself(town: Town):
    town.boundary("W", WEST)
    town.rule("west", "West Yard", service="pothole", boundary="W")
    town.rule("lamp", "Lamp Crew", service="lamp")

    found = town.decide_all(
        {
            7: ("pothole", Point(long=0.5, lat=0.5)),
            3: ("pothole", None),
            5: ("lamp", Point(long=0.5, lat=0.5)),
        }
    )

    assert {key: each.chosen.rule for key, each in found.items()} == {7: "west", 3: None, 5: "lamp"}
    assert {key: len(each.boundary_ids) for key, each in found.items()} == {7: 1, 3: 0, 5: 1}
