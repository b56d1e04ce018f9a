"""The resolved requests most like one that is open, or like a draft: of its type first, by words, place and answers."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg import RawCursor
from psycopg.rows import tuple_row

from geo.point import Point
from open311.actors import Actor, NotAllowed, operator
from open311.cases import knowledge, statuses
from open311.cases.knowledge import Asked, Resolved, like_draft, like_request
from open311.cases.phasing import finish
from open311.services import find_service
from tests.cases.conftest import LOADED
from tests.cases.smallville import IN_EAST, IN_WEST
from tests.cases.working import Working

OPERATOR = operator("test")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATER = LOADED + 10 * DAY


def resolved(
    trees: Working,
    words: str | None = None,
    *,
    service: str = "pothole",
    reason: str | None = "filled",
    at: datetime = LOADED + HOUR,
    took: timedelta = DAY,
    said: str | None = None,
    **more: Any,
) -> str:
    """The number of a request that came in at a moment and was closed."""
    number = trees.take(service, at=at, words=words, **more)
    code = None if reason else "fixed"
    statuses.set_status(trees.connection, trees.city, number, code, by=OPERATOR, reason=reason, words=said, now=at + took)
    return number


def asked(trees: Working, service: str = "pothole", **more: Any) -> Asked:
    """A draft."""
    found = find_service(trees.connection, service, jurisdiction_id=trees.city.id).new
    return Asked(service_id=found.id, service_group=found.group, **more)


def like(trees: Working, draft: Asked, by: Actor = OPERATOR) -> list[Resolved]:
    """What was resolved like the draft."""
    return list(like_draft(trees.connection, trees.city, draft, by=by, now=LATER).shown)


def numbers(found: Any) -> list[str]:
    """Their numbers, in order."""
    return [each.number for each in found]


def test_each_says_how_it_was_resolved_and_how_long_it_took(trees: Working):
    number = resolved(trees, "A deep hole", reason="not-there", took=2 * DAY + HOUR)

    (found,) = like(trees, asked(trees, words="a hole"))

    assert (found.number, found.case_status, found.resolution) == (number, "no_further_action", "There is no hole")
    assert found.words == "We found no hole there."
    assert found.took == 2 * DAY + HOUR


def test_the_words_of_its_stem_are_found_and_those_without_a_word_are_not(trees: Working):
    holes = resolved(trees, "Potholes along Elm St")
    resolved(trees, "Cracked asphalt")

    assert numbers(like(trees, asked(trees, words="one pothole"))) == [holes]


def test_what_the_public_was_told_is_found_as_well(trees: Working):
    number = resolved(trees, "Please come", said="The gully was rinsed")

    assert numbers(like(trees, asked(trees, words="gully"))) == [number]


def test_those_that_say_nearly_the_same_come_first(trees: Working):
    less = resolved(trees, "There is some water in a ditch and a hole in the hedge", at=LOADED + 3 * HOUR)
    more = resolved(trees, "Hole in the road at Elm St", at=LOADED + HOUR)

    assert numbers(like(trees, asked(trees, words="hole in the road, Elm St"))) == [more, less]


def test_the_nearer_comes_first_where_nothing_else_differs(trees: Working):
    far = resolved(trees, "A hole", at=LOADED + 3 * HOUR, point=IN_EAST)
    near = resolved(trees, "A hole", at=LOADED + HOUR, point=IN_WEST)

    found = like(trees, asked(trees, words="A hole", point=Point(long=-71.1501, lat=42.35)))

    assert numbers(found) == [near, far]
    assert found[0].metres == pytest.approx(8.2, abs=0.1)


def test_the_same_answers_come_first_where_nothing_else_differs(trees: Working):
    deep = resolved(trees, "A hole", answers={"DEPTH": "deep"})
    shallow = resolved(trees, "A hole", at=LOADED + 3 * HOUR, answers={"DEPTH": "shallow"})

    assert numbers(like(trees, asked(trees, words="A hole", answers={"DEPTH": "deep"}))) == [deep, shallow]


def test_the_newest_come_when_neither_words_nor_a_place_are_known(trees: Working):
    made = [resolved(trees, at=LOADED + hours * HOUR) for hours in range(1, 13)]

    assert numbers(like(trees, asked(trees))) == made[:1:-1]


def test_another_service_of_the_group_comes_after_the_service_itself(trees: Working):
    tree = resolved(trees, "A tree fell", service="tree", reason=None, at=LOADED + HOUR)
    secret = resolved(trees, "A tree fell in secret", service="secret", reason=None, at=LOADED + 3 * HOUR)
    resolved(trees, "A tree fell into a hole")

    assert numbers(like(trees, asked(trees, "tree", words="A tree fell"))) == [tree, secret]


def test_neither_what_is_open_nor_what_was_resolved_years_ago_is_shown(trees: Working):
    trees.take("pothole", at=LOADED + HOUR, words="A hole")
    resolved(trees, "A hole", at=LOADED - 4 * 365 * DAY)

    assert like(trees, asked(trees, words="A hole")) == []


def test_what_was_closed_after_the_moment_that_is_asked_about_is_not_shown(trees: Working):
    resolved(trees, "A hole", at=LATER, took=HOUR)

    assert like(trees, asked(trees, words="A hole")) == []


def test_a_request_is_compared_by_what_it_says_and_is_not_its_own_example(trees: Working):
    other = resolved(trees, "A hole in the road")
    number = resolved(trees, "A hole in the road")

    of, found = like_request(trees.connection, trees.city, number, by=OPERATOR, now=LATER)

    assert numbers(found.shown) == [other]
    assert of.words == "A hole in the road"


def test_the_phases_that_were_done_are_named(trees: Working):
    number = trees.take(at=LOADED + HOUR, words="A tree lies there")
    for _ in range(2):
        finish(trees.connection, trees.city, number, None, by=OPERATOR, now=LOADED + 2 * HOUR)

    (found,) = like(trees, asked(trees, "tree", words="tree"))

    assert found.phases == ["Redirect the traffic", "Haul the wood"]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("the and of", id="nothing-but-stop-words"),
        pytest.param("it's & | ! ( ' \\ :* <-> foo-bar/baz.html?a=1", id="signs-of-queries"),
        pytest.param("hole " * 800, id="as-long-as-may-be"),
        pytest.param("яма дыра 坑洞", id="other-scripts"),
    ],
)
def test_whatever_is_said_is_an_answer(trees: Working, words: str):
    resolved(trees, "hole")

    assert len(like(trees, asked(trees, words=words, point=IN_WEST))) == 1


def test_the_summary_has_the_commonest_resolution_and_the_median_time(trees: Working):
    for took, reason in ((1, "filled"), (2, "not-there"), (9, "filled")):
        resolved(trees, "A hole", took=took * DAY, reason=reason)

    summary = like_draft(trees.connection, trees.city, asked(trees, words="hole"), by=OPERATOR, now=LATER).summary

    assert summary is not None
    assert (summary.resolution, summary.times, summary.compared, summary.took) == ("The hole is filled", 2, 3, 2 * DAY)


def test_nothing_has_no_summary(trees: Working):
    assert like_draft(trees.connection, trees.city, asked(trees), by=OPERATOR, now=LATER).summary is None


def test_each_way_of_resolving_comes_once_before_the_others_the_best_supported_first(trees: Working):
    gone = resolved(trees, "A deep hole in Elm St", reason="not-there")
    like_it, less, least = (resolved(trees, words) for words in ("A deep hole in Elm", "A deep hole", "A hole far from there"))

    found = like(trees, asked(trees, words="A deep hole in Elm St"))

    assert [(each.number, each.times) for each in found] == [(like_it, 3), (gone, 1), (less, 3), (least, 3)]


def test_what_was_closed_of_late_supports_its_way_more(trees: Working):
    old = resolved(trees, "A hole", at=LOADED - 900 * DAY)
    new = resolved(trees, "A hole", at=LOADED, reason="not-there")

    assert numbers(like(trees, asked(trees, words="A hole"))) == [new, old]


def test_words_that_differ_in_dates_and_names_alone_are_one_way(trees: Working):
    for said in ("Filled by D. WEBB 9/3", "filled by J.Smith, May 12.", "Not filled"):
        resolved(trees, "A hole", reason=None, said=said)

    assert sorted(each.times for each in like(trees, asked(trees, words="A hole"))) == [1, 2, 2]


@pytest.mark.parametrize(
    ("name", "sees"),
    [
        pytest.param("Carla", True, id="call-taker"),
        pytest.param("Hal", True, id="its-department"),
        pytest.param("Pat", False, id="another-department"),
    ],
)
def test_what_is_not_public_is_shown_to_those_who_read_it(trees: Working, people: dict[str, Actor], name: str, sees: bool):
    resolved(trees, "A secret", service="secret", reason=None)
    trees.rows("update service_request set department_id = (select id from department where code = 'HALL') returning id")

    found = like(trees, asked(trees, "secret", words="secret"), by=people[name])

    assert len(found) == sees


def test_who_does_not_take_requests_in_may_not_ask_for_a_draft(trees: Working, people: dict[str, Actor]):
    with pytest.raises(NotAllowed):
        like(trees, asked(trees), by=people["Olga"])


@pytest.mark.parametrize("is_group", [pytest.param(False, id="service"), pytest.param(True, id="group")])
@pytest.mark.parametrize(
    ("by_words", "by_place", "indexes"),
    [
        pytest.param(True, False, ["ix_service_request_resolved"], id="words"),
        pytest.param(False, True, ["ix_service_request_resolved_place"], id="place"),
        pytest.param(True, True, ["ix_service_request_resolved", "ix_service_request_resolved_place"], id="both"),
        pytest.param(False, False, ["ix_service_request_resolved"], id="neither"),
    ],
)
def test_an_index_finds_those_that_are_ranked(
    own_trees: Working, is_group: bool, by_words: bool, by_place: bool, indexes: list[str]
):
    # A plan hangs on what tests before wrote: neither a table's size nor its count is rolled back.
    statement = knowledge._like(by_words=by_words, by_place=by_place, is_group=is_group)

    plan = explained(own_trees, statement)

    assert [index for index in indexes if f"{index} " not in plan.replace("_words", "")] == []
    assert "Seq Scan on service_request" not in plan


@pytest.mark.parametrize(
    ("word", "index"),
    [
        pytest.param("hole", "ix_service_request_resolved ", id="common-word-among-the-newest"),
        pytest.param("gully", "ix_service_request_resolved_words ", id="rare-word-among-the-words"),
    ],
)
def test_a_word_is_looked_up_where_that_is_quickest(trees: Working, word: str, index: str):
    number = resolved(trees, "A hole", at=LOADED)
    trees.connection.execute(
        "insert into service_request (jurisdiction_id, number, service_id, status, case_status, description, department_id,"
        " requested_at, updated_at, closed_at, attributes, channel, is_public)"
        " select jurisdiction_id, number || n, service_id, status, case_status,"
        " case when n %% 1000 = 7 then 'a gully' else 'a hole' end, department_id, requested_at, updated_at,"
        " closed_at + n * interval '1 second', attributes, channel, is_public"
        " from service_request, generate_series(1, 5000) n where number = %s",
        [number],
    )
    trees.connection.execute("analyze service_request")

    plan = explained(trees, knowledge._like(by_words=True, by_place=False, is_group=False), query=f"'{word}'", reads_all=True)

    assert index in plan


def explained(trees: Working, statement: Any, *, query: str = "'hole'", reads_all: bool = False) -> str:
    """How PostgreSQL goes about a statement; reads_all: it may."""
    # In a table of a few rows reading all of it is cheapest.
    trees.connection.execute(f"set local enable_seqscan = {'on' if reads_all else 'off'}")
    service = asked(trees)
    given = {
        "jurisdiction_id": trees.city.id,
        "service_id": service.service_id,
        "service_group": service.service_group,
        "request_id": 0,
        "since": LOADED,
        "now": LATER,
        "sees_all": False,
        "department_ids": [],
        "attributes": knowledge.Jsonb({}),
        "answers": 1.0,
        "query": query,
        "compared": "hole",
        "long": IN_WEST.long,
        "lat": IN_WEST.lat,
    }
    parameters = [given[name] if name in given else statement.constants[name] for name in statement.names]
    rows = RawCursor(trees.connection, row_factory=tuple_row).execute(f"explain {statement.text}".encode(), parameters)
    return "\n".join(row[0] for row in rows)
