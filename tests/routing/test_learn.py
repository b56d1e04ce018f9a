"""What is learnt from small drawn histories, and that rules are judged as the database would apply them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.point import Point
from routing.learn import District, Method, PastCase, Rule, Rulebook, commonest, learn, measure
from tests.routing.test_properties import SERVICES, Drawing, Zone, covered, decisions, drawings, drawn
from tests.town import MIDNIGHT

START = datetime(2026, 1, 1, 9)
WEST, EAST, NORTH, SOUTH = (
    District(1e6, "ward", "W"), District(1e6, "ward", "E"), District(4e6, "side", "N"), District(4e6, "side", "S"),
)  # fmt: skip
DEPARTMENTS = {"HALL": "HALL", "WORKS": "WORKS", "west": "WORKS", "east": "WORKS", "PARKS": "PARKS", "trees": "PARKS"}


def case(unit: str | None, *districts: District, day: float = 0, **changes: Any) -> PastCase:
    """A lamp that this unit got."""
    given: dict[str, Any] = {
        "service": "lamp",
        "group": "Streets",
        "at": START + timedelta(days=day),
        "districts": tuple(sorted(districts)),
        "department": DEPARTMENTS.get(unit or ""),
        "unit": unit,
    }
    return PastCase(**given | changes)


def said(rules: Iterable[Rule]) -> dict[str, str]:
    """The department or unit of each rule, by code."""
    return {rule.code: rule.department for rule in rules}


def test_a_service_goes_to_its_commonest_unit():
    cases = [case("west")] * 7 + [case("east")] * 5

    assert said(learn(cases)) == {"lamp.everywhere": "west"}


def test_a_boundary_whose_cases_go_elsewhere_gets_a_rule():
    cases = [case("west", WEST)] * 9 + [case("east", EAST)] * 8

    assert said(learn(cases)) == {"lamp.everywhere": "west", "lamp.ward-e": "east"}


def test_a_unit_that_belongs_to_one_district_does_not_answer_for_the_whole_city():
    wards = {code: District(1e6, "ward", code) for code in ("1", "2", "3")}
    cases = [each for code, ward in wards.items() for each in [case(f"crew-{code}", ward, department="WORKS")] * 8]

    assert said(learn([*cases, case("crew-1", department="WORKS")])) == {
        "lamp.everywhere": "WORKS",
        "lamp.ward-1": "crew-1",
        "lamp.ward-2": "crew-2",
        "lamp.ward-3": "crew-3",
    }


def test_the_layer_that_explains_a_service_best_is_used_and_no_other():
    cases = [
        each
        for unit, ward in (("west", WEST), ("east", EAST))
        for side in (NORTH, SOUTH)
        for each in [case(unit, ward, side)] * 10
    ]
    cases += [case("east", WEST, SOUTH)] * 6

    assert {rule.layer for rule in learn(cases)} == {None, "ward"}


@pytest.mark.parametrize("count", [0, 1, 4])
def test_nothing_is_learnt_from_a_handful(count: int):
    cases = [case("west")] * count

    assert learn(cases) == []


def test_no_boundary_gets_a_rule_from_a_handful():
    cases = [case("west", WEST)] * 20 + [case("east", EAST)] * 4

    assert said(learn(cases)) == {"lamp.everywhere": "west"}


def test_what_was_decided_lately_counts_for_more():
    cases = [case("west", day=day) for day in range(20)] + [case("east", day=day) for day in range(200, 215)]

    assert said(learn(cases)) == {"lamp.everywhere": "east"}


def test_a_unit_that_took_a_boundary_over_has_it_although_the_other_had_more_cases():
    before = [case("west", WEST, day=day) for day in range(60)] + [case("west", EAST, day=day / 2) for day in range(120)]
    after = [case("east", EAST, day=61 + day / 4) for day in range(16)]

    (rule,) = [rule for rule in learn(before + after) if rule.boundary == "E"]

    assert rule.department == "east"
    assert rule.note == "16 of 16 cases (100 %) there; since 2026-03-03 in place of west"


def test_a_unit_that_took_a_whole_service_over_has_it():
    cases = [case("west", day=day / 4) for day in range(400)] + [case("east", day=100 + day / 4) for day in range(16)]

    assert said(learn(cases)) == {"lamp.everywhere": "east"}


def test_a_batch_of_one_day_is_no_takeover():
    cases = [case("west", EAST, day=day) for day in range(60)] + [case("east", EAST, day=61)] * 16

    assert said(learn(cases)) == {"lamp.everywhere": "west"}


def test_nothing_is_learnt_from_where_a_placeholder_lies():
    cases = [case("west", WEST)] * 9 + [case("east", EAST, is_placeholder=True)] * 8

    assert {rule.boundary for rule in learn(cases)} == {None, "W"}


def test_a_case_whose_answer_is_not_known_teaches_nothing():
    cases = [case(None, WEST)] * 9 + [case("east", EAST)] * 8

    assert said(learn(cases)) == {"lamp.everywhere": "east"}


def test_where_a_city_records_departments_alone_rules_name_departments():
    cases = [case(None, department="PARKS")] * 6

    assert said(learn(cases)) == {"lamp.everywhere": "PARKS"}


def test_a_service_that_goes_to_many_units_goes_to_their_department():
    cases = [each for number in range(10) for each in [case(f"unit-{number}", department="WORKS")] * 6]

    (rule,) = learn(cases)

    assert rule.department == "WORKS"
    assert rule.note == "60 of 60 cases (100 %) to the department; no one of 10 units has enough of the rest"


def test_a_group_has_a_rule_where_most_of_its_services_go_one_way():
    cases = [case(unit, service=service) for service, unit in (("a", "west"), ("b", "west"), ("c", "east"))] * 6

    rules = learn(cases)

    assert said(rules)["group-streets.everywhere"] == "west"
    assert Rulebook(rules).winner("new", "Streets", ()) == rules[-1]
    assert rules[-1].note == "the commonest of 2 of 3 services of the group; for those with no rule of their own"


def test_a_group_of_many_units_goes_to_their_department():
    cases = [case(unit, service=service) for service, unit in (("a", "west"), ("b", "east"))] * 6

    assert said(learn(cases))["group-streets.everywhere"] == "WORKS"


def test_a_note_says_how_many_cases_support_the_rule_and_how_many_lately():
    cases = [case("west", day=day) for day in range(8)] + [case("west", day=200), case("west", day=201), case("east", day=202)]

    (rule,) = learn(cases)

    assert rule.note == "10 of 11 cases (91 %); 2 of 3 in the last 90 days"


def test_boundaries_that_are_written_alike_have_rules_of_different_codes():
    cases = [case("west")] * 20
    cases += [case("east", District(1e6, "ward", code)) for code in ("1A", "1a")] * 9

    assert sorted(said(learn(cases))) == ["lamp.everywhere", "lamp.ward-1a", "lamp.ward-1a.2"]


# What holds for every history

districts = st.sampled_from([(), (WEST,), (EAST,), (WEST, NORTH), (EAST, NORTH), (EAST, SOUTH)])
one_case = st.builds(
    lambda unit, here, day, service: case(unit, *here, day=day, service=service),
    st.sampled_from(["west", "west", "east", "trees", None]),
    districts,
    st.integers(0, 40),
    st.sampled_from(["lamp", "lamp", "road", "tree"]),
)
# Each drawn case several times, so that there is something to learn.
histories = st.lists(st.tuples(one_case, st.integers(1, 12)), max_size=25).map(
    lambda drawing: [each for each, times in drawing for _ in range(times)]
)
many = settings(max_examples=60, deadline=None, derandomize=True)


@many
@given(cases=histories, data=st.data())
def test_the_order_of_the_cases_changes_nothing(cases: list[PastCase], data: st.DataObject):
    shuffled = data.draw(st.permutations(cases))

    assert learn(shuffled) == learn(cases)


@many
@given(cases=histories)
def test_no_rule_of_a_service_has_less_than_the_least_support(cases: list[PastCase]):
    for rule in learn(cases):
        if rule.service is not None:
            assert len(list(supporting(rule, cases))) >= Method().min_support, rule


@many
@given(cases=histories)
def test_what_is_learnt_sends_no_fewer_cases_right_than_the_commonest_unit_but_for_a_handful_each_service(
    cases: list[PastCase],
):
    # Of one day, so that all weigh the same and nothing has been taken over.
    cases = [case(each.unit, *each.districts, service=each.service) for each in cases if each.unit]

    learnt, least = (
        measure(rules, cases, department_of=DEPARTMENTS, default_department="HALL")
        for rules in (learn(cases, Method(min_share_of_a_unit=0)), commonest(cases))
    )

    assert learnt.unit > least.unit - Method().min_support * max(1, len({each.service for each in cases}))


def supporting(rule: Rule, cases: Sequence[PastCase]) -> Iterable[PastCase]:
    """The cases that went where the rule sends them, and lie where it applies."""
    for each in cases:
        here = rule.layer is None or (rule.layer, rule.boundary) in {(one.layer, one.code) for one in each.districts}
        if each.service == rule.service and here and rule.department in (each.unit, each.department):
            yield each


# Judging


def test_cases_are_counted_right_by_department_and_by_unit():
    cases = [case("west"), case("east"), case("trees"), case(None)]

    found = measure(
        [Rule(code="lamp", service="lamp", department="west")], cases, department_of=DEPARTMENTS, default_department="HALL"
    )

    assert (found.cases, found.department, found.unit) == (4, 2, 1)


def test_what_no_rule_speaks_of_is_judged_as_the_default_departments():
    found = measure([], [case("HALL"), case("west")], department_of=DEPARTMENTS, default_department="HALL")

    assert (found.cases, found.department, found.unit) == (2, 1, 1)


@drawn
@given(drawing=drawings())
def test_rules_are_judged_as_the_database_applies_them(app: Flask, drawing: Drawing):
    plain = without_conditions(drawing)
    book = Rulebook(
        Rule(
            code=each.code,
            service=each.service,
            group=each.group,
            layer=each.zone.layer if each.zone else None,
            boundary=each.zone.code if each.zone else None,
            department=each.code.upper(),
            priority=each.priority,
        )
        for each in plain.says
    )

    for (service, place), (candidates, _, _) in decisions(plain).items():
        winner = book.winner(service, SERVICES[service], here(plain.zones, place))
        assert (winner.code if winner else None) == candidates[0], (service, place)


def without_conditions(drawing: Drawing) -> Drawing:
    """The drawing as rules are learnt: they hold at any time, whatever the answers, on one map."""
    zones = {zone: replace(zone, valid=(None, None)) for zone in drawing.zones}
    says = [
        replace(each, zone=zones[each.zone] if each.zone else None, answer=None, during=None, valid=(None, None))
        for each in drawing.says
    ]
    return replace(drawing, zones=list(zones.values()), says=says)


def here(some: Sequence[Zone], place: Point | None) -> list[District]:
    """The districts that a case at this place lies in."""
    return [District(zone.area.area, zone.layer, zone.code) for zone in some if covered(zone, place, MIDNIGHT)]
