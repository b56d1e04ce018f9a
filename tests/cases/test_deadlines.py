"""By when a request is to be done: at intake and after each change that moves it, by values made by hand."""

from datetime import UTC, datetime, timedelta

import pytest
import yaml

from open311.actors import operator
from open311.cases import phasing, statuses
from open311.cases.rerouting import Changes, change
from open311.cases.settling import settle_batch
from schemas.working import STANDARD_STATUSES
from tests.cases.conftest import LOADED
from tests.cases.working import Working

ANN = operator("Ann")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of March 2026 by the clocks of Smallville before they change; the 2nd is a Monday."""
    return datetime(2026, 3, day, hour + 5, minute, tzinfo=UTC)


def become(trees: Working, number: str, code: str, now: datetime) -> None:
    """The request with another status."""
    statuses.set_status(trees.connection, trees.city, number, code, by=ANN, now=now)


def test_before_the_office_opens_three_working_days_count_from_its_opening(trees: Working):
    assert at(2, 7) == LOADED
    assert trees.request(trees.take("pothole", at=at(2, 7))).expected_at == at(5, 8)


def test_a_service_has_its_own_target_before_its_groups_and_some_have_none(trees: Working):
    tree, secret = trees.take("tree", at=at(2, 10)), trees.take("secret", at=at(2, 10))

    assert trees.request(tree).expected_at == at(4, 10)
    assert (trees.request(secret).expected_at, trees.clocks(secret)) == (None, {})


def test_over_the_weekend_on_which_the_clocks_change_it_is_the_same_time_on_the_wall(trees: Working):
    number = trees.take("pothole", at=at(6, 10))

    # Wednesday at ten, an hour earlier by UTC.
    assert trees.request(number).expected_at == datetime(2026, 3, 11, 14, tzinfo=UTC)


def test_waiting_for_the_citizen_pushes_it_by_the_working_time_that_it_took(trees: Working):
    number = trees.take("pothole", at=at(2, 10))
    become(trees, number, "waiting", at(3, 10))
    assert trees.request(number).expected_at == at(5, 10)

    # Four hours of Tuesday after ten are six until the office closes; of the night nothing counts; two of Wednesday.
    become(trees, number, "in_progress", at(4, 10))

    assert trees.request(number).expected_at == at(6, 10)
    assert [row.facts["stands"] for row in trees.events(number, "clock")] == [True, False]


def test_two_pauses_push_it_twice(trees: Working):
    number = trees.take("pothole", at=at(2, 10))
    for day in (3, 4):
        become(trees, number, "waiting", at(day, 11))
        become(trees, number, "open", at(day, 12))

    assert trees.request(number).expected_at == at(5, 12)


def test_a_pause_that_begins_after_the_deadline_does_not_help(trees: Working):
    number = trees.take("pothole", at=at(2, 10))

    become(trees, number, "waiting", at(5, 11))
    become(trees, number, "open", at(6, 11))

    assert trees.request(number).expected_at == at(5, 10)


def test_another_service_has_its_own_target_from_when_the_request_came_in(trees: Working):
    number = trees.take("pothole", at=at(2, 10))

    change(trees.connection, trees.city, number, Changes(service_code="tree"), by=ANN, now=at(3, 10))

    assert trees.request(number).expected_at == at(4, 10)
    assert trees.clocks(number)["traffic"].due_at == at(3, 12)


def test_a_service_without_a_target_promises_nothing(trees: Working):
    number = trees.take("pothole", at=at(2, 10))

    change(trees.connection, trees.city, number, Changes(service_code="secret"), by=ANN, now=at(3, 10))

    assert (trees.request(number).expected_at, trees.clocks(number)) == (None, {})


def test_another_service_while_it_waits_keeps_the_pause(trees: Working):
    number = trees.take("pothole", at=at(2, 10))
    become(trees, number, "waiting", at(2, 12))
    change(trees.connection, trees.city, number, Changes(service_code="tree"), by=ANN, now=at(2, 13))

    become(trees, number, "open", at(2, 15))

    assert trees.request(number).expected_at == at(4, 13)


@pytest.mark.parametrize("status", ["closed", "waiting"])
def test_reopening_begins_the_target_anew(trees: Working, status: str):
    number = trees.take("pothole", at=at(2, 10))
    if status == "waiting":
        become(trees, number, "waiting", at(2, 11))
    become(trees, number, "closed", at(3, 10))
    assert trees.clocks(number)[None].stopped_at == at(3, 10)

    statuses.reopen(trees.connection, trees.city, number, by=ANN, reason="still there", now=at(4, 9))

    assert (trees.request(number).expected_at, trees.clocks(number)[None].stopped_at) == (
        at(4, 9) + timedelta(days=5, hours=-1),
        None,
    )


def test_a_phase_has_its_own_target_from_when_it_begins(trees: Working):
    number = trees.take("tree", at=at(2, 10))
    assert trees.clocks(number)["traffic"].due_at == at(2, 12)

    phasing.finish(trees.connection, trees.city, number, "traffic", by=ANN, now=at(2, 11))

    clocks = trees.clocks(number)
    assert (clocks["traffic"].stopped_at, clocks["haul"].due_at) == (at(2, 11), at(3, 3))


def test_a_status_that_stops_the_clock_no_more_leaves_nothing_standing(trees: Working):
    number = trees.take("pothole", at=at(2, 10))
    become(trees, number, "waiting", at(2, 11))
    listed = [{**each, "stops_clock": False} for each in STANDARD_STATUSES]
    trees.folder.write("statuses.yml", yaml.safe_dump(listed))
    trees.load(now=LOADED)

    become(trees, number, "open", at(2, 12))

    assert trees.rows("select 1 from request_pause where until is null") == []
    assert trees.request(number).expected_at == at(5, 11)


def test_other_hours_change_what_is_due_by_them(trees: Working):
    number, by_the_clock = trees.take("pothole", at=at(2, 10)), trees.take("tree", at=at(2, 10))
    was = trees.request(by_the_clock).expected_at
    trees.folder.change("calendars.yml", "mon-fri: ['08:00-16:00']", "tue: ['09:00-12:00']")
    trees.load(now=LOADED)

    assert settle_batch(trees.connection, jurisdiction_id=trees.city.id, after_id=0) is not None
    assert settle_batch(trees.connection, jurisdiction_id=trees.city.id, after_id=trees.request(by_the_clock).id) is None

    # Monday the 2nd at ten counts from the next opening, Tuesday at nine: three Tuesdays later, at noon at the latest.
    assert trees.request(number).expected_at.astimezone(trees.city.zone).isoformat() == "2026-03-24T09:00:00-04:00"
    assert trees.request(by_the_clock).expected_at == was
    assert trees.rows("select 1 from procrastinate_jobs where task_name = 'settle_city'")
