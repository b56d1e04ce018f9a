"""Rules with conditions: by an answer of the form, by the hours of a calendar, by their days of validity."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from routing.decision import Decision
from tests.town import MIDNIGHT, Town, square

NEW_YORK = ZoneInfo("America/New_York")
SECOND = timedelta(seconds=1)


def rules(decision: Decision) -> list[str | None]:
    """The rules of the candidates, in rank order; the default is None."""
    return [each.rule for each in decision.candidates]


def local(text: str) -> datetime:
    """A moment by the town's clock."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


@pytest.mark.parametrize(
    ("answers", "department"),
    [
        pytest.param({"OWNER": "state"}, "State Roads", id="the-value"),
        pytest.param({"OWNER": "city"}, "Lamp Crew", id="another-value"),
        pytest.param({"OWNER": "State"}, "Lamp Crew", id="another-case"),
        pytest.param({"OWNER": ["city", "state"]}, "State Roads", id="one-of-several-values"),
        pytest.param({"OWNER": ["city"]}, "Lamp Crew", id="several-values-without-it"),
        pytest.param({"COLOUR": "state"}, "Lamp Crew", id="another-question"),
        pytest.param({}, "Lamp Crew", id="no-answer"),
    ],
)
def test_a_rule_may_ask_for_an_answer(town: Town, answers: dict[str, object], department: str):
    town.rule("lamp", "Lamp Crew", service="lamp")
    town.rule("state", "State Roads", service="lamp", attribute_code="OWNER", attribute_value="state")

    assert town.decide("lamp", answers=answers).chosen.department == department


def test_a_condition_comes_before_a_boundary_and_after_the_service(town: Town):
    town.boundary("W", square(0, 0))
    town.rule("a-here", "Ward Crew", service="lamp", boundary="W")
    town.rule("b-state", "State Roads", service="lamp", attribute_code="OWNER", attribute_value="state")
    town.rule("c-any-state", "Anyone", attribute_code="OWNER", attribute_value="state")

    decision = town.decide("lamp", long=0.5, lat=0.5, answers={"OWNER": "state"})

    assert rules(decision) == ["b-state", "a-here", "c-any-state", None]


def test_two_conditions_come_before_one(town: Town):
    calendar = town.calendar("Office", (4, 9, 17))
    state = {"attribute_code": "OWNER", "attribute_value": "state"}
    town.rule("a-state", "State Roads", service="lamp", **state)
    town.rule("b-state-at-night", "Night Desk", service="lamp", calendar_id=calendar.id, during="closed", **state)

    decision = town.decide("lamp", answers={"OWNER": "state"}, reported_at=local("2026-01-01T23:00"))

    assert rules(decision) == ["b-state-at-night", "a-state", None]


# 1 January 2026 is a Thursday.
@pytest.mark.parametrize(
    ("when", "department"),
    [
        pytest.param("2026-01-01T08:59:59", "Night Desk", id="a-second-before-opening"),
        pytest.param("2026-01-01T09:00:00", "Works", id="at-opening"),
        pytest.param("2026-01-01T16:59:59", "Works", id="a-second-before-closing"),
        pytest.param("2026-01-01T17:00:00", "Night Desk", id="at-closing"),
        pytest.param("2026-01-02T12:00:00", "Night Desk", id="a-weekday-without-hours"),
        pytest.param("2026-07-02T12:00:00", "Works", id="a-thursday-of-summer-time"),
        pytest.param("2026-01-08T12:00:00", "Night Desk", id="a-holiday"),
        pytest.param("2026-01-15T12:30:00", "Night Desk", id="a-day-that-closes-early"),
        pytest.param("2026-01-15T11:30:00", "Works", id="a-day-that-closes-early-while-it-is-open"),
    ],
)
def test_after_hours_requests_go_to_another_desk(town: Town, when: str, department: str):
    office = town.calendar("Office", (4, 9, 17), days=[(date(2026, 1, 8), None, None), (date(2026, 1, 15), 9, 12)])
    town.rule("day", "Works", service="pothole")
    town.rule("night", "Night Desk", service="pothole", calendar_id=office.id, during="closed")

    assert town.decide(reported_at=local(when)).chosen.department == department


def test_a_calendar_goes_by_the_local_clock_on_both_sides_of_summer_time(town: Town):
    office = town.calendar("Office", *[(weekday, 9, 17) for weekday in range(1, 8)])
    town.rule("day", "Works", calendar_id=office.id, during="open")

    # 8 March and 1 November 2026: the clocks change at night, nine o'clock stays nine o'clock.
    opened = [
        town.decide(reported_at=local(f"{day}T09:00:00")).chosen.department
        for day in ("2026-03-07", "2026-03-08", "2026-10-31", "2026-11-01")
    ]
    before = [
        town.decide(reported_at=local(f"{day}T09:00:00") - SECOND).chosen.department
        for day in ("2026-03-07", "2026-03-08", "2026-10-31", "2026-11-01")
    ]

    assert (opened, before) == (["Works"] * 4, ["Town Hall"] * 4)


def test_hours_may_last_until_midnight(town: Town):
    office = town.calendar("Office", (4, 20, 24))
    town.rule("evening", "Works", calendar_id=office.id, during="open")

    moments = (local("2026-01-01T23:59:59"), local("2026-01-02T00:00:00"))

    assert [town.decide(reported_at=when).chosen.department for when in moments] == ["Works", "Town Hall"]


@pytest.mark.parametrize(
    ("at", "department"),
    [
        pytest.param(MIDNIGHT - SECOND, "Town Hall", id="a-second-before"),
        pytest.param(MIDNIGHT, "Works", id="from-its-first-second"),
        pytest.param(MIDNIGHT + timedelta(days=1) - SECOND, "Works", id="to-its-last"),
        pytest.param(MIDNIGHT + timedelta(days=1), "Town Hall", id="and-no-longer"),
    ],
)
def test_a_rule_counts_while_it_is_in_force(town: Town, at: datetime, department: str):
    town.rule("short", "Works", valid_from=MIDNIGHT, valid_to=MIDNIGHT + timedelta(days=1))

    assert town.decide(at=at).chosen.department == department


def test_an_address_that_could_not_be_placed_goes_to_the_default_department(town: Town):
    town.rule("any", "Works", service="pothole")

    decision = town.decide(is_unplaced=True)

    assert rules(decision) == [None]
    assert decision.chosen.department == "Town Hall"


def test_the_reason_names_the_conditions(town: Town):
    office = town.calendar("the road office", (4, 9, 17))
    town.boundary("W", square(0, 0))
    town.rule(
        "night",
        "Night Desk",
        service="lamp",
        boundary="W",
        attribute_code="OWNER",
        attribute_value="state",
        calendar_id=office.id,
        during="closed",
    )

    decision = town.decide("lamp", long=0.5, lat=0.5, answers={"OWNER": "state"}, reported_at=local("2026-01-01T03:00"))

    assert decision.reason == (
        "Night Desk answers for requests of this service whose OWNER is state in Ward W "
        "outside the hours of the road office (rule night)."
    )


def test_a_record_gives_the_decision_back_as_far_as_it_names_things(town: Town):
    office = town.calendar("Office", (4, 9, 17))
    town.boundary("W", square(0, 0), valid_from=datetime(2020, 1, 1, tzinfo=UTC))
    town.rule("night", "Night Desk", service="lamp", boundary="W", calendar_id=office.id, during="closed")

    decision = town.decide("lamp", long=0.5, lat=0.5, reported_at=local("2026-01-01T03:00"))
    again = Decision.from_record(decision.as_record())

    assert again.as_record() == decision.as_record()
    assert again.chosen.valid_from == datetime(2020, 1, 1, tzinfo=UTC)
