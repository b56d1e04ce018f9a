"""What a check of rules finds, and what it does not mistake for a finding."""

from datetime import date, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import box
from shapely.geometry import Point as Dot
from sqlalchemy import select

from db import db
from db.driver import driver
from geo.point import Point
from open311.models import Jurisdiction, Service
from routing.check import DeadRule, Findings, Tie, check_rules
from routing.decision import Candidate, Decision
from routing.ruleset import ServiceFacts
from tests.town import MIDNIGHT, Town, square

DAY = timedelta(days=1)
OUTLINE = square(0, 0, 4)


@pytest.fixture
def town(app: Flask) -> Town:
    """A town whose outline is a square of four degrees."""
    town = Town()
    town.boundary("S", OUTLINE, layer="city")
    return town


def check(
    town: Town,
    *,
    at: datetime = MIDNIGHT,
    inactive: frozenset[str] = frozenset(),
    questions: dict[str, dict[str, bool]] | None = None,
) -> Findings:
    """What is found in the town; questions: of a service, and whether they take several answers."""
    services = [
        ServiceFacts(
            id=service.id,
            code=code,
            group=service.service_group,
            is_active=code not in inactive,
            questions=(questions or {}).get(code, {}),
        )
        for code, service in town.services.items()
    ]
    with driver.connection() as connection:
        return check_rules(
            connection, jurisdiction_id=town.id, outline_layer_id=town.layer("city").id, at=at, services=services
        )


def dead(findings: Findings) -> dict[str, tuple[str, str | None]]:
    """Each rule that can never win: why, and by which."""
    return {each.rule: (each.why, each.by) for each in findings.dead_rules}


def tied(findings: Findings) -> list[tuple[str, str]]:
    """The rules of each tie."""
    return [each.rules for each in findings.ties]


# Rules that can never win.


def test_a_rule_for_everything_leaves_nothing_to_find(town: Town):
    town.rule("all", "Works")

    assert not check(town)


def test_a_rule_whose_last_day_is_over_is_dead(town: Town):
    town.rule("all", "Works")
    town.rule("over", "Parks", service="tree", valid_to=MIDNIGHT)
    town.rule("ends", "Parks", service="tree", priority=50, valid_to=MIDNIGHT + DAY)

    found = check(town)

    assert found.dead_rules == [DeadRule(rule="over", why="expired", because="it was in force until 2026-01-01 00:00")]
    assert found.messages == ["Rule over can never win: it was in force until 2026-01-01 00:00."]


def test_a_rule_that_begins_later_is_not_dead(town: Town):
    town.rule("all", "Works")
    town.rule("later", "Parks", service="tree", valid_from=MIDNIGHT + DAY)

    assert not check(town)


@pytest.mark.parametrize(
    ("drawn", "rule", "is_dead"),
    [
        pytest.param({"valid_to": MIDNIGHT}, {}, True, id="ended"),
        pytest.param({"valid_to": MIDNIGHT + DAY}, {}, False, id="ends-later"),
        pytest.param({"valid_from": MIDNIGHT + DAY}, {}, False, id="begins-later"),
        pytest.param({"valid_from": MIDNIGHT + DAY}, {"valid_to": MIDNIGHT + DAY}, True, id="begins-when-the-rule-ends"),
        pytest.param({"valid_from": MIDNIGHT + DAY}, {"valid_to": MIDNIGHT + 2 * DAY}, False, id="begins-before-it-ends"),
    ],
)
def test_a_rule_is_dead_when_its_boundary_is_in_force_neither_now_nor_later(
    town: Town, drawn: dict[str, Any], rule: dict[str, Any], is_dead: bool
):
    town.boundary("W", square(1, 1), **drawn)
    town.rule("all", "Works")
    town.rule("ward", "Parks", service="tree", boundary="W", **rule)

    assert dead(check(town)) == ({"ward": ("not_in_force", None)} if is_dead else {})


def test_a_rule_of_a_boundary_that_was_never_drawn_is_dead(town: Town):
    town.rule("all", "Works")
    town.rule("ward", "Parks", boundary="W")

    assert check(town).messages == ["Rule ward can never win: its boundary ward W is not in force now, nor will be later."]


@pytest.mark.parametrize(
    ("west", "is_dead"),
    [
        pytest.param(4.001, True, id="outside"),
        pytest.param(4, False, id="touches-the-outline"),
        pytest.param(3.5, False, id="leans-out"),
    ],
)
def test_a_rule_is_dead_when_its_boundary_lies_wholly_outside_the_outline(town: Town, west: float, is_dead: bool):
    town.boundary("W", square(west, 1))
    town.rule("all", "Works")
    town.rule("ward", "Parks", boundary="W")

    assert dead(check(town)) == ({"ward": ("outside", None)} if is_dead else {})


def test_a_boundary_that_the_outline_will_take_in_later_is_not_outside(town: Town):
    town.boundary("N", square(6, 0), layer="city", valid_from=MIDNIGHT + DAY)
    town.boundary("W", square(6, 0))
    town.rule("all", "Works")
    town.rule("ward", "Parks", boundary="W")

    assert dead(check(town)) == {}


def test_a_boundary_across_the_antimeridian_from_the_outline_is_not_outside(town: Town):
    town.boundary("E", square(179, 0), layer="city")
    town.boundary("W", square(-180, 0))
    town.rule("ward", "Parks", boundary="W")

    assert town.decide(long=180.0, lat=0.5).chosen.rule == "ward"
    assert dead(check(town)) == {}


@pytest.mark.parametrize(
    ("inactive", "found"),
    [
        pytest.param({"tree"}, {"tree", "parks"}, id="the-only-service-of-its-group"),
        pytest.param({"lamp"}, {"lamp"}, id="one-of-its-group"),
        pytest.param({"lamp", "tree", "pothole"}, {"lamp", "tree", "parks", "streets", "all"}, id="every-service"),
    ],
)
def test_a_rule_of_which_no_service_is_active_is_dead(town: Town, inactive: set[str], found: set[str]):
    town.rule("lamp", "Lamp Crew", service="lamp")
    town.rule("tree", "Parks", service="tree", attribute_code="SIZE", attribute_value="big")
    town.rule("parks", "Parks", group="Parks")
    town.rule("streets", "Works", group="Streets")
    town.rule("all", "Town Hall")

    findings = check(town, inactive=frozenset(inactive))

    assert {each.rule for each in findings.dead_rules if each.why == "no_service"} == found


def test_what_is_dead_for_want_of_a_service_says_which(town: Town):
    town.rule("all", "Works")
    town.rule("tree", "Parks", service="tree")
    town.rule("parks", "Parks", group="Parks")

    assert check(town, inactive=frozenset({"tree"})).messages == [
        "Rule parks can never win: no service of its group Parks is active.",
        "Rule tree can never win: its service tree is not active.",
    ]


# Shadowed by another.

BIG = {"attribute_code": "SIZE", "attribute_value": "big"}


@pytest.mark.parametrize(
    ("rule", "by", "is_shadowed"),
    [
        pytest.param({}, {"priority": 50}, True, id="by-priority"),
        pytest.param({}, {"priority": 150}, False, id="by-one-of-later-priority"),
        pytest.param({"service": "lamp"}, {"group": "Streets", "priority": 50}, True, id="by-its-group"),
        pytest.param({"service": "tree"}, {"group": "Streets", "priority": 50}, False, id="by-another-group"),
        pytest.param({"group": "Streets"}, {"service": "lamp", "priority": 50}, False, id="by-one-service-of-several"),
        pytest.param({"group": "Parks"}, {"service": "tree"}, True, id="by-the-only-service-of-the-group"),
        pytest.param({"boundary": "W"}, {"priority": 50}, True, id="a-ward-by-everywhere"),
        pytest.param({"boundary": "W"}, {}, False, id="a-ward-by-everywhere-of-the-same-priority"),
        pytest.param({}, {"boundary": "ALL", "priority": 50}, False, id="everywhere-by-a-map-of-all-the-city"),
        pytest.param({"boundary": "W"}, {"boundary": "ALL", "priority": 50}, True, id="a-ward-by-one-around-it"),
        pytest.param({"boundary": "W"}, {"boundary": "HALF", "priority": 50}, False, id="a-ward-by-one-over-half-of-it"),
        pytest.param({"boundary": "ALL"}, {"boundary": "W", "priority": 50}, False, id="a-ward-by-one-within-it"),
        pytest.param({"boundary": "W"}, {"boundary": "ALL"}, False, id="a-ward-by-a-larger-one-of-the-same-priority"),
        pytest.param({"boundary": "W"}, {"boundary": "W"}, True, id="a-ward-by-the-code-of-the-other"),
        pytest.param(BIG, {"priority": 50}, True, id="a-condition-by-none"),
        pytest.param(BIG, {}, False, id="a-condition-by-none-of-the-same-priority"),
        pytest.param({}, {"priority": 50, **BIG}, False, id="none-by-a-condition"),
        pytest.param(BIG, {"priority": 50, **BIG}, True, id="a-condition-by-the-same"),
        pytest.param(BIG, {"priority": 50, **BIG, "attribute_value": "small"}, False, id="a-condition-by-another-answer"),
        pytest.param({}, {"priority": 50, "valid_from": MIDNIGHT - DAY}, True, id="by-one-that-began-before"),
        pytest.param({}, {"priority": 50, "valid_from": MIDNIGHT + DAY}, False, id="by-one-that-begins-later"),
        pytest.param({}, {"priority": 50, "valid_to": MIDNIGHT + DAY}, False, id="by-one-that-ends"),
        pytest.param(
            {"valid_to": MIDNIGHT + DAY}, {"priority": 50, "valid_to": MIDNIGHT + DAY}, True, id="by-one-that-ends-with-it"
        ),
        pytest.param(
            {"boundary": "ENDS"}, {"priority": 50, "valid_to": MIDNIGHT + DAY}, True, id="by-one-that-ends-with-its-ward"
        ),
    ],
)
def test_a_rule_is_dead_when_another_always_comes_before_it(
    town: Town, rule: dict[str, Any], by: dict[str, Any], is_shadowed: bool
):
    town.boundary("W", square(1, 1))
    town.boundary("HALF", box(0, 0, 1.5, 4))
    town.boundary("ALL", OUTLINE)
    town.boundary("ENDS", square(1, 1), valid_to=MIDNIGHT + DAY)
    town.rule("r2", "Parks", **rule)
    town.rule("r1", "Works", **by)

    assert dead(check(town)).get("r2") == (("shadowed", "r1") if is_shadowed else None)


@pytest.mark.parametrize(
    ("rule", "by", "because"),
    [
        pytest.param({}, {"priority": 50}, "priority 50 before 100", id="priority"),
        pytest.param(
            {"group": "Parks"}, {"service": "tree"}, "a rule of a service before one of a group before one of any", id="b"
        ),
        pytest.param({}, {}, "by its code", id="code"),
    ],
)
def test_a_shadowed_rule_says_by_what(town: Town, rule: dict[str, Any], by: dict[str, Any], because: str):
    town.rule("r2", "Works", **rule)
    town.rule("r1", "Works", **by)

    assert check(town).dead_rules[0].message == (
        f"Rule r2 can never win: rule r1 answers whenever it would, and always comes first ({because})."
    )


def test_an_hour_is_shadowed_by_the_same_hour_alone(town: Town):
    office = town.calendar("Office", (4, 9, 17))
    town.rule("r0", "Works", calendar_id=office.id, during="open", priority=50)
    town.rule("open", "Parks", calendar_id=office.id, during="open")
    town.rule("closed", "Parks", calendar_id=office.id, during="closed")

    assert dead(check(town)) == {"open": ("shadowed", "r0")}


def test_a_ward_that_is_drawn_anew_is_shadowed_only_where_each_of_its_versions_is(town: Town):
    for code, later in (("A", square(1, 1, 2)), ("B", square(2.5, 2.5))):
        town.boundary(code, square(1, 1), valid_to=MIDNIGHT + DAY)
        town.boundary(code, later, valid_from=MIDNIGHT + DAY)
    town.boundary("AROUND", square(1, 1, 2), layer="precinct")
    town.rule("around", "Works", boundary="AROUND", layer="precinct", priority=50)
    town.rule("a", "Parks", boundary="A")
    town.rule("b", "Parks", boundary="B")

    assert dead(check(town)) == {"a": ("shadowed", "around")}


def test_a_ward_is_shadowed_by_one_that_is_drawn_anew_around_it(town: Town):
    town.boundary("AROUND", square(1, 1, 2), valid_to=MIDNIGHT + DAY)
    town.boundary("AROUND", square(0.5, 0.5, 3), valid_from=MIDNIGHT + DAY)
    town.boundary("W", square(1, 1))
    town.rule("around", "Works", boundary="AROUND", priority=50)
    town.rule("ward", "Parks", boundary="W")

    assert dead(check(town)) == {"ward": ("shadowed", "around")}


# Services and places without a rule.


def test_a_service_that_no_rule_speaks_of_is_told(town: Town):
    town.rule("streets", "Works", group="Streets")

    found = check(town)

    assert [each.service for each in found.unanswered] == ["tree"]
    assert found.messages == ["No rule answers for tree: all its requests go to the default department."]


def test_an_inactive_service_needs_no_rule(town: Town):
    town.rule("streets", "Works", group="Streets")

    assert not check(town, inactive=frozenset({"tree"}))


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({"valid_from": MIDNIGHT + DAY}, id="not-yet"),
        pytest.param({"valid_to": MIDNIGHT}, id="no-more"),
        pytest.param({"boundary": "OUT"}, id="outside"),
        pytest.param({"boundary": "LATER"}, id="a-boundary-of-later"),
    ],
)
def test_a_rule_that_does_not_answer_now_answers_for_no_service(town: Town, rule: dict[str, Any]):
    town.boundary("OUT", square(7, 7))
    town.boundary("LATER", square(1, 1), valid_from=MIDNIGHT + DAY)
    town.rule("streets", "Works", group="Streets")
    town.rule("tree", "Parks", service="tree", **rule)

    found = check(town)

    assert [each.service for each in found.unanswered] == ["tree"]
    assert found.gaps == []


def test_the_part_of_the_city_that_no_ward_of_a_service_covers_is_a_gap(town: Town):
    town.boundary("W", box(0, 0, 1, 4))
    town.boundary("E", box(1, 0, 3, 4))
    for ward in ("W", "E"):
        town.rule(f"lamp.{ward}", "Lamp Crew", service="lamp", boundary=ward)
    town.rule("pothole", "Works", service="pothole")
    town.rule("tree", "Parks", group="Parks")

    (gap,) = check(town).gaps

    assert (gap.services, gap.conditional) == (["lamp"], ())
    assert (gap.square_metres, gap.share) == (pytest.approx(49_198_620_000, rel=1e-6), pytest.approx(0.25, abs=1e-3))
    assert box(3, 0, 4, 4).contains(Dot(gap.point.long, gap.point.lat))
    assert gap.message == (
        "Requests for lamp fall through to the default department in 24.99% of the city (49,198.62 km²), "
        "for example at lat 2.000000, long 3.500000."
    )


def test_rules_of_the_group_and_of_any_fill_a_gap_too(town: Town):
    town.boundary("W", box(0, 0, 1, 4))
    town.boundary("E", box(1, 0, 3, 4))
    town.boundary("REST", box(2, 0, 5, 4))
    town.rule("lamp", "Lamp Crew", service="lamp", boundary="W")
    town.rule("streets", "Works", group="Streets", boundary="E")
    town.rule("all", "Town Hall", boundary="REST")
    town.rule("pothole", "Works", service="pothole")
    town.rule("tree", "Parks", service="tree")

    assert not check(town)


def test_services_with_the_same_gap_are_one_finding(town: Town):
    town.boundary("W", box(0, 0, 1, 4))
    town.boundary("OUT", square(7, 7))
    town.rule("streets", "Works", group="Streets", boundary="W")
    town.rule("tree", "Parks", service="tree", boundary="W")
    town.rule("tree.out", "Parks", service="tree", boundary="OUT")

    assert [gap.services for gap in check(town).gaps] == [["lamp", "pothole", "tree"]]


def test_gaps_of_two_shapes_are_two_findings_the_larger_first(town: Town):
    town.boundary("W", box(0, 0, 1, 4))
    town.boundary("E", box(1, 0, 4, 4))
    town.rule("streets", "Works", group="Streets", boundary="E")
    town.rule("tree", "Parks", service="tree", boundary="W")

    assert [gap.services for gap in check(town).gaps] == [["tree"], ["lamp", "pothole"]]


@pytest.mark.parametrize(
    ("width", "is_told"),
    [
        # By 300 metres; a degree is 111 km at the equator.
        pytest.param(0.000004, True, id="of-133-square-metres"),
        pytest.param(0.000002, False, id="of-66-square-metres"),
    ],
)
def test_a_sliver_is_no_gap(town: Town, width: float, is_told: bool):
    town.boundary("W", box(0, 0, 2, 4))
    town.boundary("E", box(2 + width, 0, 4, 4))
    town.boundary("REST", box(1, 0.0027, 3, 4))
    for ward in ("W", "E", "REST"):
        town.rule(ward, "Works", boundary=ward)

    assert bool(check(town).gaps) is is_told


def test_a_rule_with_a_condition_does_not_fill_a_gap_but_is_named(town: Town):
    town.boundary("W", box(0, 0, 1, 4))
    town.boundary("E", box(1, 0, 4, 4))
    town.rule("all", "Works", boundary="W")
    town.rule("big", "Parks", boundary="E", **BIG)
    town.rule("big-here", "Parks", boundary="W", **BIG)

    (gap,) = check(town).gaps

    assert gap.share == pytest.approx(0.75, abs=1e-3)
    assert gap.conditional == ("big",)
    assert gap.message.endswith("; only big, on conditions, would answer there.")


def test_a_service_of_conditions_alone_has_a_gap_as_large_as_the_city(town: Town):
    town.rule("big", "Parks", **BIG)

    (gap,) = check(town).gaps

    assert (gap.services, gap.share, gap.conditional) == (["lamp", "pothole", "tree"], 1, ("big",))


# Ties.


@pytest.mark.parametrize(
    ("first", "second", "is_tie"),
    [
        pytest.param({}, {}, True, id="everywhere"),
        pytest.param({}, {"priority": 101}, False, id="another-priority"),
        pytest.param({"service": "lamp"}, {"service": "lamp"}, True, id="a-service"),
        pytest.param({"service": "lamp"}, {"service": "tree"}, False, id="two-services"),
        pytest.param({"service": "lamp"}, {"group": "Streets"}, False, id="a-service-and-its-group"),
        pytest.param({"group": "Streets"}, {"group": "Streets"}, True, id="a-group"),
        pytest.param({"boundary": "W"}, {"boundary": "W"}, True, id="a-ward"),
        pytest.param({"boundary": "W"}, {}, False, id="a-ward-and-everywhere"),
        pytest.param({"boundary": "W"}, {"boundary": "OVER"}, True, id="two-wards-of-one-size-that-overlap"),
        pytest.param({"boundary": "W"}, {"boundary": "BESIDE"}, True, id="two-wards-of-one-size-that-share-an-edge"),
        pytest.param({"boundary": "W"}, {"boundary": "AWAY"}, False, id="two-wards-of-one-size-apart"),
        pytest.param({"boundary": "W"}, {"boundary": "LARGE"}, False, id="a-ward-and-a-larger-one"),
        pytest.param({"boundary": "W"}, {"boundary": "LATER"}, True, id="a-ward-and-one-that-is-drawn-later"),
        pytest.param({"boundary": "W", "valid_to": MIDNIGHT + DAY}, {"boundary": "LATER"}, False, id="drawn-too-late"),
        pytest.param({"valid_to": MIDNIGHT + DAY}, {"valid_from": MIDNIGHT + DAY}, False, id="one-after-the-other"),
        pytest.param(BIG, BIG, True, id="a-condition"),
        pytest.param(BIG, {}, False, id="a-condition-and-none"),
        pytest.param(BIG, {**BIG, "attribute_value": "small"}, False, id="two-answers-of-one-question"),
        pytest.param(BIG, {"attribute_code": "KIND", "attribute_value": "oak"}, True, id="two-questions"),
        pytest.param(BIG, {"attribute_code": "COLOUR", "attribute_value": "red"}, False, id="questions-of-two-services"),
        pytest.param(
            {"attribute_code": "KIND", "attribute_value": "oak"},
            {"attribute_code": "KIND", "attribute_value": "elm"},
            True,
            id="two-answers-of-a-question-that-takes-several",
        ),
    ],
)
def test_two_rules_tie_when_only_their_codes_decide(town: Town, first: dict[str, Any], second: dict[str, Any], is_tie: bool):
    town.boundary("W", square(1, 1))
    town.boundary("OVER", square(1.5, 1))
    town.boundary("BESIDE", square(2, 1))
    town.boundary("AWAY", square(3, 3))
    town.boundary("LARGE", square(1, 1, 2))
    town.boundary("LATER", square(1, 1), valid_from=MIDNIGHT + DAY)
    town.rule("a", "Works", **first)
    town.rule("b", "Parks", **second)

    found = check(town, questions={"tree": {"SIZE": False, "KIND": True}, "lamp": {"COLOUR": False}})

    assert tied(found) == ([("a", "b")] if is_tie else [])


def test_a_tie_says_whom_the_codes_decide_for(town: Town):
    town.rule("b", "Parks")
    town.rule("a", "Works")

    (tie,) = check(town).ties

    assert tie == Tie(rules=("a", "b"), departments=("Works", "Parks"))
    assert tie.message == (
        "Rules a and b answer for the same requests, and nothing but their codes decides for Works and against Parks."
    )


def test_rules_of_one_department_do_not_tie(town: Town):
    town.rule("a", "Works")
    town.rule("b", "Works")

    assert tied(check(town)) == []


def test_rules_of_two_units_of_a_department_tie(town: Town):
    town.department("East Yard", of="Works")
    town.department("West Yard", of="Works")
    town.rule("a", "East Yard")
    town.rule("b", "West Yard")

    assert tied(check(town)) == [("a", "b")]


def test_a_rule_that_a_third_shadows_ties_with_none(town: Town):
    town.rule("a", "Works")
    town.rule("b", "Parks")
    town.rule("first", "Town Hall", priority=1)

    assert tied(check(town)) == []


@pytest.mark.parametrize(
    ("during", "other", "other_during", "is_tie"),
    [
        pytest.param("open", "day", "open", True, id="the-same-hours"),
        pytest.param("open", "day", "closed", False, id="open-and-closed"),
        pytest.param("open", "night", "open", False, id="hours-that-only-touch"),
        pytest.param("open", "night", "closed", True, id="open-and-the-other-closed"),
        pytest.param("closed", "night", "closed", True, id="both-closed"),
        pytest.param("open", "feast", "open", True, id="hours-of-a-day-that-differs"),
        pytest.param("open", "past feast", "open", False, id="hours-of-a-day-that-is-over"),
    ],
)
def test_rules_with_hours_tie_when_both_hours_can_be(town: Town, during: str, other: str, other_during: str, is_tie: bool):
    calendars = {
        "day": town.calendar("day", (4, 9, 17)),
        "night": town.calendar("night", (4, 17, 24), (5, 0, 9)),
        "feast": town.calendar("feast", days=[(date(2026, 1, 8), 10, 12)]),
        "past feast": town.calendar("past feast", days=[(date(2025, 12, 25), 10, 12)]),
    }
    town.rule("a", "Works", calendar_id=calendars["day"].id, during=during)
    town.rule("b", "Parks", calendar_id=calendars[other].id, during=other_during)

    assert tied(check(town)) == ([("a", "b")] if is_tie else [])


# The cities of the demo.


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    ("slug", "unanswered"),
    [
        pytest.param("boston.gov", [], id="boston"),
        pytest.param("seattle.gov", ["information"], id="seattle"),
    ],
)
def test_the_rules_of_the_demo_cities_are_sound(slug: str, unanswered: list[str]):
    city = db.session.scalars(select(Jurisdiction).where(Jurisdiction.slug == slug)).one()
    assert city.outline_layer_id is not None
    services = [
        ServiceFacts(id=each.id, code=each.code, group=each.service_group, is_active=each.is_active)
        for each in db.session.scalars(select(Service).where(Service.jurisdiction_id == city.id))
    ]

    with driver.connection() as connection:
        found = check_rules(
            connection,
            jurisdiction_id=city.id,
            outline_layer_id=city.outline_layer_id,
            at=MIDNIGHT,
            services=services,
        )

    assert [each.service for each in found.unanswered] == unanswered
    assert (found.dead_rules, found.gaps, found.ties) == ([], [], [])


# For every map and every set of rules.

# The app fixture is one transaction; each example takes back what it did, so sharing it is sound.
drawn = settings(max_examples=24, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)

# Within, along edges and in corners.
PLACES = [Point(long=x / 2, lat=y / 2) for x, y in product((0, 1, 2, 3, 5), (1, 2, 5))]
ALWAYS = (None, None)
PERIODS = st.sampled_from([ALWAYS, ALWAYS, ALWAYS, (None, MIDNIGHT), (None, MIDNIGHT + DAY), (MIDNIGHT + DAY, None)])
BOUNDARIES = st.lists(
    st.tuples(
        st.sampled_from(["ward", "precinct"]),
        st.integers(-1, 3),
        st.integers(-1, 2),
        st.sampled_from([1, 2, 2, 3, 6]),
        PERIODS,
    ),
    min_size=3,
    max_size=6,
)
RULES = st.lists(
    st.tuples(
        st.sampled_from([("pothole", None), ("lamp", None), (None, "Streets"), (None, "Streets"), (None, None), (None, None)]),
        st.integers(-1, 3),
        st.sampled_from([50, 100, 100]),
        st.sampled_from([{}, {}, {}, BIG, BIG, {"attribute_code": "SIZE", "attribute_value": "small"}]),
        PERIODS,
        st.sampled_from(["Works", "Parks"]),
    ),
    min_size=8,
    max_size=12,
)


@drawn
@given(boundaries=BOUNDARIES, rules=RULES, inactive=st.sampled_from(["", "lamp", "tree"]), days=st.integers(0, 2))
def test_a_check_says_of_any_rules_what_the_decisions_show(
    app: Flask, boundaries: list[Any], rules: list[Any], inactive: str, days: int
):
    savepoint = db.session.begin_nested()
    try:
        town = Town()
        town.boundary("S", OUTLINE, layer="city")
        draw(town, boundaries, rules)

        found = check(town, inactive=frozenset({inactive}), questions={code: {"SIZE": False} for code in town.services})

        tells_the_truth(town, found, [code for code in town.services if code != inactive], later=MIDNIGHT + days * DAY)
    finally:
        savepoint.rollback()


def draw(town: Town, boundaries: list[Any], rules: list[Any]) -> None:
    """Boundaries and rules as they were generated; a rule's boundary is a position among them, or -1."""
    for position, (layer, west, south, size, (valid_from, valid_to)) in enumerate(boundaries):
        town.boundary(f"Z{position}", square(west, south, size), layer=layer, valid_from=valid_from, valid_to=valid_to)
    for position, ((service, group), zone, priority, conditions, (valid_from, valid_to), department) in enumerate(rules):
        town.rule(
            f"r{position}",
            department,
            service=service,
            group=group,
            boundary=None if zone < 0 else f"Z{zone % len(boundaries)}",
            layer=boundaries[zone % len(boundaries)][0],
            priority=priority,
            valid_from=valid_from,
            valid_to=valid_to,
            **conditions,
        )


def tells_the_truth(town: Town, found: Findings, active: list[str], *, later: datetime) -> None:
    """Assert that no decision is won by a dead rule or by an untold tie, and that gaps are told where they are."""
    unanswered = {each.service for each in found.unanswered}
    in_gaps = [(service, gap.point) for gap in found.gaps for service in gap.services]
    cases = dict(enumerate([(service, place) for service in active for place in [*PLACES, None]] + in_gaps))
    now = town.decide_all(cases)
    for decision in [*now.values(), *town.decide_all(cases, at=later, answers={"SIZE": "big"}).values()]:
        assert decision.chosen.rule not in dead(found)
        assert is_told(decision, found)
    for key, (service, place) in cases.items():
        falls_through = now[key].chosen.rule is None
        if service in unanswered or (service, place) in in_gaps:
            assert falls_through
        elif falls_through and place is not None:
            assert service in dict(in_gaps)


def is_told(decision: Decision, found: Findings) -> bool:
    """Whether the decision was made by more than a code, or by one of the ties."""

    def rank(candidate: Candidate) -> Any:
        return candidate.priority, candidate.matched, candidate.conditions, candidate.area_square_metres

    winner, second = [*decision.candidates, decision.chosen][:2]
    by_code = second.rule is not None and rank(second) == rank(winner) and second.department != winner.department
    return not by_code or (winner.rule, second.rule) in tied(found)
