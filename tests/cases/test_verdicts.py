"""The citizen's last word: asked once after a closing, and what "not fixed" does."""

from datetime import timedelta
from typing import Any

import pytest

from open311.actors import operator
from open311.cases import duplicates, statuses, verdicts
from open311.cases.verdicts import AlreadyAnswered, NotAsked
from open311.notify import outbox
from tests.cases.conftest import LOADED
from tests.cases.working import Working

CLOSED = LOADED + timedelta(hours=5)
LATER = CLOSED + timedelta(days=1)
ANN = operator("Ann")


def reported(trees: Working, email: str = "rita@example.org") -> str:
    """A request whose reporter has an address."""
    number = trees.take(at=LOADED)
    (row,) = trees.rows("select id from service_request where number = %s", number)
    assert outbox.follow(trees.connection, jurisdiction_id=trees.city.id, request_id=row.id, email=email, now=LOADED)
    return number


def close(trees: Working, number: str) -> None:
    """Closed."""
    statuses.set_status(trees.connection, trees.city, number, "closed", by=ANN, words="We cut it.", now=CLOSED)


def follower_of(trees: Working, number: str) -> int:
    """The id of who reported it."""
    (row,) = trees.rows("select f.id from follower f join service_request r on r.id = f.request_id where r.number = %s", number)
    return int(row.id)


def say(trees: Working, number: str, **said: Any) -> Any:
    """An answer after the closing; the request that is worked."""
    about: dict[str, Any] = {"follower_id": follower_of(trees, number), "closed_at": CLOSED, "now": LATER, **said}
    return verdicts.answer(trees.connection, jurisdiction_id=trees.city.id, **about)


def status_of(trees: Working, number: str) -> str:
    """How it stands."""
    (row,) = trees.rows("select status from service_request where number = %s", number)
    return str(row.status)


def doubts(trees: Working, number: str) -> int:
    """How often its department was told that it was not fixed."""
    return [kind for kind, _, _ in trees.alerts(number)].count("not_fixed")


def reopening(trees: Working) -> None:
    """The city lets its reporters reopen."""
    trees.connection.execute("update jurisdiction set reopens_when_not_fixed = true, casework_version = 'another'")


def test_fixed_is_kept_for_the_figures_and_changes_nothing(trees: Working):
    number = reported(trees)
    close(trees, number)

    held = say(trees, number, is_fixed=True, score=4, comment="Thank you, all of you")

    assert held.is_closed
    (kept,) = trees.rows("select * from verdict")
    assert (kept.is_fixed, kept.score, kept.comment, kept.closed_at, kept.at) == (
        True,
        4,
        "Thank you, all of you",
        CLOSED,
        LATER,
    )
    assert trees.events(number)[-1].kind == "verdict"
    assert "Thank you" not in str(trees.events(number)[-1].facts)
    assert doubts(trees, number) == 0


def test_not_fixed_asks_the_department_to_reopen(trees: Working):
    number = reported(trees)
    close(trees, number)

    say(trees, number, is_fixed=False, comment="The stump is still there")

    assert status_of(trees, number) == "closed"
    assert doubts(trees, number) == 1


def test_not_fixed_reopens_at_once_where_the_city_has_it_so(trees: Working):
    reopening(trees)
    number = reported(trees)
    close(trees, number)

    held = say(trees, number, is_fixed=False)

    assert not held.is_closed
    assert status_of(trees, number) == "open"
    assert "reopened" in trees.kinds(number)
    (row,) = trees.rows("select times_reopened from service_request where number = %s", number)
    assert row.times_reopened == 1
    assert [row.event for row in trees.rows("select event from message order by id")] == ["closed", "reopened"]


def test_too_late_to_reopen_still_asks(trees: Working):
    reopening(trees)
    number = reported(trees)
    close(trees, number)

    say(trees, number, is_fixed=False, now=CLOSED + timedelta(days=31))

    assert status_of(trees, number) == "closed"
    assert doubts(trees, number) == 1


def test_said_of_one_that_follows_it_is_about_the_one_that_is_worked(trees: Working):
    reopening(trees)
    parent, child = reported(trees, "one@example.org"), reported(trees, "two@example.org")
    duplicates.link(trees.connection, trees.city, child, parent, by=ANN, now=LOADED)
    close(trees, parent)

    held = say(trees, child, is_fixed=False)

    assert held.number == parent
    assert (status_of(trees, parent), status_of(trees, child)) == ("open", "open")
    (row,) = trees.rows("select count(*) from verdict")
    assert row.count == 1
    assert {"child": child}.items() <= next(each.facts for each in trees.events(parent) if each.kind == "verdict").items()


def test_who_has_answered_is_not_heard_a_second_time(trees: Working):
    number = reported(trees)
    close(trees, number)
    say(trees, number, is_fixed=True)

    with pytest.raises(AlreadyAnswered):
        say(trees, number, is_fixed=False)

    assert [row.is_fixed for row in trees.rows("select is_fixed from verdict")] == [True]
    assert doubts(trees, number) == 0


def test_after_another_closing_it_is_asked_again(trees: Working):
    number = reported(trees)
    close(trees, number)
    say(trees, number, is_fixed=False)
    statuses.reopen(trees.connection, trees.city, number, by=ANN, reason="the stump", now=LATER)
    again = LATER + timedelta(hours=1)
    statuses.set_status(trees.connection, trees.city, number, "closed", by=ANN, words="And the stump.", now=again)

    say(trees, number, is_fixed=True, closed_at=again, now=again)

    assert [row.is_fixed for row in trees.rows("select is_fixed from verdict order by id")] == [False, True]


def test_what_is_worked_again_by_then_is_not_reopened_twice(trees: Working):
    reopening(trees)
    number = reported(trees)
    close(trees, number)
    statuses.reopen(trees.connection, trees.city, number, by=ANN, reason="the stump", now=LATER)

    say(trees, number, is_fixed=False)

    assert trees.kinds(number).count("reopened") == 1
    assert len(trees.rows("select 1 from verdict")) == 1


def test_only_who_reported_it_is_asked(trees: Working):
    number = reported(trees)
    close(trees, number)
    trees.connection.execute("update follower set is_reporter = false")

    with pytest.raises(NotAsked):
        say(trees, number, is_fixed=True)


def test_said_of_an_earlier_closing_it_reopens_no_later_one(trees: Working):
    reopening(trees)
    number = reported(trees)
    close(trees, number)
    statuses.reopen(trees.connection, trees.city, number, by=ANN, reason="the stump", now=LATER)
    statuses.set_status(trees.connection, trees.city, number, "closed", by=ANN, words="And the stump.", now=LATER)

    say(trees, number, is_fixed=False)

    assert status_of(trees, number) == "closed"
    assert doubts(trees, number) == 0
    assert [row.is_fixed for row in trees.rows("select is_fixed from verdict")] == [False]


def test_said_of_its_own_earlier_closing_it_asks_about_the_one_that_is_worked(trees: Working):
    reopening(trees)
    mine, other = reported(trees, "one@example.org"), reported(trees, "two@example.org")
    close(trees, mine)
    duplicates.link(trees.connection, trees.city, mine, other, by=ANN, now=LATER)
    statuses.set_status(trees.connection, trees.city, other, "closed", by=ANN, words="Done.", now=LATER)

    say(trees, mine, is_fixed=False)

    assert status_of(trees, other) == "closed"
    assert doubts(trees, other) == 1
