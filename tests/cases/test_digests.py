"""Digests: whole days by the city's clock, of a district or a circle, each written once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from geo.point import Point
from open311.actors import operator
from open311.cases import statuses
from open311.notify import following
from open311.notify.digests import MOST_LISTED, digest_due
from open311.notify.following import Wish
from open311.notify.texts import write
from tests.cases.conftest import LOADED
from tests.cases.smallville import IN_EAST, IN_WEST
from tests.cases.working import Working

ANN = operator("Ann")
MONDAY = datetime(2026, 3, 9, 5, 30, tzinfo=UTC)  # half an hour after midnight in Smallville (EDT begins on the 8th: 1:30)
WEST = ("ward", "W")


def follow(trees: Working, now: datetime = LOADED, **wish: Any) -> int:
    """A follower who is told."""
    follower_id = following.enter(trees.connection, trees.city, Wish(email="clerk@small.gov", **wish), now=now)
    assert follower_id is not None
    return follower_id


def digests(trees: Working, now: datetime) -> list[dict[str, Any]]:
    """Facts of all digests there are, after those due were written."""
    digest_due(trees.connection, trees.city, now=now)
    return [row.facts for row in trees.rows("select facts from message where event = 'digest' order by id")]


def test_a_week_of_a_district_is_one_message_on_monday(trees: Working):
    follow(trees, district=WEST)
    first = trees.take(at=LOADED + timedelta(hours=1), point=IN_WEST)
    trees.take(at=LOADED + timedelta(hours=1), point=IN_EAST)
    trees.take(at=LOADED + timedelta(days=6), point=IN_WEST)
    statuses.set_status(trees.connection, trees.city, first, "closed", by=ANN, words="Cut.", now=LOADED + timedelta(days=3))

    assert digests(trees, LOADED + timedelta(days=6)) == []
    (facts,) = digests(trees, MONDAY)

    assert (facts["received"], facts["closed"], facts["open"]) == (2, 1, 1)
    assert (facts["first"], facts["last"]) == ("2026-03-02", "2026-03-08")
    assert [each["number"] for each in facts["closed_requests"]] == [first]
    assert len(digests(trees, MONDAY + timedelta(hours=1))) == 1


def test_days_are_the_citys(trees: Working):
    follow(trees, district=WEST, rhythm="day")
    # Five minutes before and after midnight in Smallville (UTC-5).
    late, early = datetime(2026, 3, 3, 4, 55, tzinfo=UTC), datetime(2026, 3, 3, 5, 5, tzinfo=UTC)
    before, after = trees.take(at=late), trees.take(at=early)

    assert digests(trees, late) == []
    (monday,) = digests(trees, early)
    tuesday = digests(trees, early + timedelta(days=1))[-1]

    assert [each["number"] for each in monday["reported_requests"]] == [before]
    assert [each["number"] for each in tuesday["reported_requests"]] == [after]


def test_days_without_a_worker_are_in_one_digest(trees: Working):
    follow(trees, district=WEST, rhythm="day")
    for day in range(4):
        trees.take(at=LOADED + timedelta(days=day))

    (facts,) = digests(trees, LOADED + timedelta(days=5))

    assert (facts["received"], facts["first"], facts["last"]) == (4, "2026-03-02", "2026-03-06")


def test_of_days_on_which_nothing_happened_nothing_is_written(trees: Working):
    follow(trees, district=WEST, rhythm="day")

    assert digests(trees, LOADED + timedelta(days=3)) == []
    trees.take(at=LOADED + timedelta(days=3))
    (facts,) = digests(trees, LOADED + timedelta(days=4))
    assert facts["first"] == "2026-03-05"


def test_a_circle_has_what_lies_within_it(trees: Working):
    near = trees.take(at=LOADED, point=IN_WEST)
    trees.take(at=LOADED, point=IN_EAST)
    follow(trees, point=Point(long=IN_WEST.long + 0.001, lat=IN_WEST.lat), radius_metres=100, rhythm="day")

    (facts,) = digests(trees, LOADED + timedelta(days=1))

    assert [each["number"] for each in facts["reported_requests"]] == [near]
    assert facts["area"].startswith("the area within 100 m of")


def test_what_the_public_does_not_see_is_in_no_digest(trees: Working):
    follow(trees, district=WEST, rhythm="day")
    trees.connection.execute("update service_request set is_public = false where number = %s", [trees.take(at=LOADED)])

    assert digests(trees, LOADED + timedelta(days=1)) == []


def test_who_stopped_or_never_said_yes_has_no_digest(trees: Working):
    stopped = follow(trees, district=WEST, rhythm="day")
    following.stop(trees.connection, jurisdiction_id=trees.city.id, follower_id=stopped, now=LOADED)
    wish = Wish(email="other@small.gov", district=WEST, rhythm="day")
    following.ask(trees.connection, trees.city, wish, now=LOADED)
    trees.take(at=LOADED)

    assert digests(trees, LOADED + timedelta(days=2)) == []


@pytest.mark.parametrize("language", ["en", "es", "zh"])
def test_a_long_list_says_how_many_more_there_are(trees: Working, language: str):
    follow(trees, district=WEST, rhythm="day", language=language)
    numbers = [trees.take(at=LOADED) for _ in range(MOST_LISTED + 3)]

    (facts,) = digests(trees, LOADED + timedelta(days=1))
    subject, body = write("digest", language, facts)

    assert "23" in subject
    assert sum(number in body for number in numbers) == MOST_LISTED
    assert any(line.startswith("…") and "3" in line for line in body.splitlines())


def test_who_says_yes_later_has_no_digest_of_the_days_before(trees: Working):
    wish = Wish(email="other@small.gov", district=WEST, rhythm="day")
    following.ask(trees.connection, trees.city, wish, now=LOADED)
    (row,) = trees.rows("select id from follower")
    trees.take(at=LOADED)
    key = {"jurisdiction_id": trees.city.id, "follower_id": row.id}
    following.confirm(trees.connection, **key, now=LOADED + timedelta(days=2))
    later = trees.take(at=LOADED + timedelta(days=2))

    (facts,) = digests(trees, LOADED + timedelta(days=3))

    assert [each["number"] for each in facts["reported_requests"]] == [later]


def test_the_same_place_is_followed_once(trees: Working):
    wish = Wish(email="clerk@small.gov", point=IN_WEST, radius_metres=100)
    first = following.enter(trees.connection, trees.city, wish, now=LOADED)
    again = following.enter(trees.connection, trees.city, wish, now=LOADED)
    wider = Wish(email="clerk@small.gov", point=IN_WEST, radius_metres=200)

    assert (first is None, again) == (False, None)
    assert following.enter(trees.connection, trees.city, wider, now=LOADED) is not None


def test_a_district_that_is_drawn_anew_counts_a_request_once(trees: Working):
    follow(trees, district=WEST, rhythm="day")
    number = trees.take(at=LOADED, point=IN_WEST)
    trees.connection.execute(
        "with old as (update boundary b set valid_to = %(at)s from layer l where l.id = b.layer_id and l.code = 'ward'"
        " and b.code = 'W' returning b.*) insert into boundary (jurisdiction_id, layer_id, code, name, area,"
        " area_square_metres, valid_from) select jurisdiction_id, layer_id, code, name, area, area_square_metres, %(at)s"
        " from old",
        {"at": LOADED + timedelta(hours=1)},
    )
    trees.connection.execute(
        "insert into request_district (jurisdiction_id, request_id, boundary_id, requested_at)"
        " select r.jurisdiction_id, r.id, b.id, r.requested_at from service_request r, boundary b"
        " where r.number = %s and b.valid_from = %s",
        [number, LOADED + timedelta(hours=1)],
    )

    (facts,) = digests(trees, LOADED + timedelta(days=1))

    assert (facts["received"], facts["open"], len(facts["reported_requests"])) == (1, 1, 1)
