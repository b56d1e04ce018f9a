"""The same thing, reported by many: found, linked, worked as one, taken apart again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from geo.point import Point
from open311.actors import Actor, NotAllowed, operator
from open311.cases import assignment, duplicates, phasing, statuses
from open311.cases.assignment import NothingChanges
from open311.cases.casework import casework
from open311.cases.duplicates import NotLinked
from open311.cases.holding import FollowsAnother, look_at
from open311.cases.phases import ReasonMissing
from open311.cases.similar import UnknownPair, likeness_of, score, similar
from open311.cases.worklist import worklist
from tests.cases.conftest import LOADED
from tests.cases.smallville import IN_WEST
from tests.cases.working import Working

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = LOADED + HOUR
ANN = operator("Ann")
People = dict[str, Actor]
# Degrees north that are some metres.
METRE = 1 / 111_050


def beside(metres: float) -> Point:
    """A point so far north of where the others lie."""
    return Point(long=IN_WEST.long, lat=IN_WEST.lat + metres * METRE)


def found(trees: Working, number: str) -> list[str]:
    """The numbers that are suggested for a request, as when it came in."""
    held = look_at(trees.connection, trees.city, number, ANN)
    return [each.number for each in similar(trees.connection, trees.city, likeness_of(held))]


def link(trees: Working, number: str, parent: str) -> None:
    """One request follows the other."""
    duplicates.link(trees.connection, trees.city, number, parent, by=ANN, now=NOW)


def parent_of(trees: Working, number: str) -> str | None:
    """The number of the request that it follows."""
    return look_at(trees.connection, trees.city, number, ANN).parent_number


# Found


def test_the_nearest_open_one_within_the_radius_comes_first(trees: Working):
    far, near = trees.take("pothole", at=LOADED, point=beside(50)), trees.take("pothole", at=LOADED, point=beside(10))
    trees.take("pothole", at=LOADED, point=beside(70))

    assert found(trees, trees.take("pothole", at=NOW)) == [near, far]


def test_what_has_no_place_is_found_by_its_address(trees: Working):
    first, other = (trees.take("pothole", at=LOADED, point=None) for _ in range(2))
    trees.connection.execute("update service_request set address = '10 Elm St' where number = %s", [first])
    trees.connection.execute("update service_request set address = '12 Elm St' where number = %s", [other])
    held = look_at(trees.connection, trees.city, trees.take("pothole", at=NOW, point=None), ANN)

    suggested = similar(trees.connection, trees.city, replace(likeness_of(held), address="10  ELM st"))

    assert [(each.number, each.distance_metres) for each in suggested] == [(first, None)]


def test_another_group_is_of_another_thing(trees: Working):
    trees.take("tree", at=LOADED)

    assert found(trees, trees.take("pothole", at=NOW)) == []


def test_what_was_closed_counts_for_three_days(trees: Working):
    number = trees.take("pothole", at=LOADED)
    statuses.set_status(trees.connection, trees.city, number, "fixed", by=ANN, now=NOW)

    within, after = (trees.take("pothole", at=NOW + 3 * DAY + each) for each in (timedelta(0), HOUR))

    assert number in found(trees, within)
    assert number not in found(trees, after)


def test_what_comes_later_is_no_earlier_report(trees: Working):
    first, second = trees.take("pothole", at=LOADED), trees.take("pothole", at=LOADED)

    assert (found(trees, first), found(trees, second)) == ([], [first])


def test_similar_words_decide_between_what_lies_at_the_same_place(trees: Working):
    hole, lamp = (
        trees.take("pothole", at=LOADED, words="a deep hole before the bakery"),
        trees.take("pothole", at=LOADED, words="the kerb is broken"),
    )

    assert found(trees, trees.take("pothole", at=NOW, words="Deep hole at the bakery"))[:2] == [hole, lamp]


def test_a_service_has_a_radius_a_window_and_services_of_its_own(trees: Working):
    trees.folder.change("services.yml", "- service_code: pothole\n", "- service_code: pothole\n" + OWN_RULE)
    trees.load(now=LOADED)
    tree = trees.take("tree", at=LOADED, point=beside(90))
    old = trees.take("pothole", at=LOADED - 3 * DAY)

    suggested = found(trees, trees.take("pothole", at=NOW))

    assert tree in suggested
    assert old not in suggested


OWN_RULE = "  similar: {radius_metres: 100, window_days: 2, services: [tree]}\n"


def test_what_follows_another_is_found_as_that_one_and_once(trees: Working):
    parent, child = trees.take("pothole", at=LOADED, point=beside(55)), trees.take("pothole", at=LOADED)
    link(trees, child, parent)
    held = look_at(trees.connection, trees.city, trees.take("pothole", at=NOW), ANN)

    (only,) = similar(trees.connection, trees.city, likeness_of(held))

    assert (only.number, only.reported_by) == (parent, 2)


# Linked


def test_what_follows_has_the_status_the_promise_and_no_work_of_its_own(trees: Working):
    parent, child = trees.take("pothole", at=LOADED), trees.take("pothole", at=NOW)
    statuses.set_status(trees.connection, trees.city, parent, "in_progress", by=ANN, now=NOW)

    link(trees, child, parent)

    row, leads = trees.request(child), trees.request(parent)
    assert (row.case_status, row.expected_at) == ("in_progress", leads.expected_at)
    assert trees.clocks(child) == {}
    desk = casework(trees.connection, trees.city.id).desk("WORKS")
    assert [each.number for each in worklist(trees.connection, desk, jurisdiction_id=trees.city.id)] == [parent]


def test_all_who_reported_are_told_what_becomes_of_the_one_that_is_worked(trees: Working):
    parent, children = trees.take("pothole", at=LOADED), [trees.take("pothole", at=NOW) for _ in range(3)]
    for each in children:
        link(trees, each, parent)

    statuses.note(trees.connection, trees.city, parent, "A crew comes.", by=ANN, is_public=True, now=NOW)
    statuses.set_status(trees.connection, trees.city, parent, "fixed", by=ANN, now=NOW + HOUR)

    for each in children:
        assert trees.told(each)[-2:] == [("open", "A crew comes."), ("fixed", "The hole is filled.")]
        assert trees.request(each).closed_at == NOW + HOUR

    statuses.reopen(trees.connection, trees.city, parent, by=ANN, reason="again", now=NOW + DAY)
    assert [trees.request(each).status for each in children] == ["open"] * 3
    assert [trees.clocks(each) for each in children] == [{}] * 3


def test_words_of_danger_in_a_second_report_raise_the_one_that_is_worked(trees: Working):
    parent = trees.take("tree", at=LOADED, words="a tree")
    child = trees.take("tree", at=NOW, words="it lies on a power line")

    link(trees, child, parent)

    assert trees.request(parent).priority == 2
    assert f"of {child}, which reports the same" in trees.events(parent, "flagged")[-1].facts["why"]
    assert trees.request(child).description == "it lies on a power line"


def test_the_phases_of_what_follows_are_left_out(trees: Working):
    parent, child = trees.take("tree", at=LOADED), trees.take("tree", at=NOW)

    link(trees, child, parent)

    assert {state for state, _ in trees.phases(child).values()} == {"skipped"}


def test_what_followed_follows_the_new_parent(trees: Working):
    first, second, third = (trees.take("pothole", at=LOADED) for _ in range(3))
    link(trees, third, second)

    link(trees, second, first)

    assert (parent_of(trees, third), parent_of(trees, second)) == (first, first)


def test_a_parent_that_follows_another_stands_for_that_one(trees: Working):
    first, second, third = (trees.take("pothole", at=LOADED) for _ in range(3))
    link(trees, second, first)

    link(trees, third, second)

    assert parent_of(trees, third) == first


def test_what_follows_is_not_worked_by_itself(trees: Working, people: People):
    parent, child = trees.take("pothole", at=LOADED), trees.take("pothole", at=NOW)
    link(trees, child, parent)

    with pytest.raises(FollowsAnother, match=f"{child} follows {parent}"):
        assignment.accept(trees.connection, trees.city, child, by=people["Wim"], now=NOW)
    with pytest.raises(FollowsAnother):
        statuses.set_status(trees.connection, trees.city, child, "closed", by=ANN, now=NOW)
    with pytest.raises(FollowsAnother):
        phasing.finish(trees.connection, trees.city, child, None, by=ANN, now=NOW)


def test_what_cannot_be_linked_is_refused(trees: Working, people: People):
    parent, child = trees.take("pothole", at=LOADED), trees.take("pothole", at=NOW)

    with pytest.raises(NotLinked, match="are one already"):
        link(trees, parent, parent)
    with pytest.raises(NotAllowed):
        duplicates.link(trees.connection, trees.city, child, parent, by=people["Olga"], now=NOW)
    link(trees, child, parent)
    with pytest.raises(NothingChanges):
        link(trees, child, parent)
    with pytest.raises(NotLinked, match="are one already"):
        link(trees, parent, child)
    statuses.set_status(trees.connection, trees.city, parent, "fixed", by=ANN, now=NOW)
    with pytest.raises(NotLinked, match="is closed: reopen it first"):
        link(trees, trees.take("pothole", at=NOW), parent)


def test_what_is_unlinked_is_promised_and_planned_as_when_it_came_in(trees: Working):
    parent, child = trees.take("tree", at=LOADED), trees.take("tree", at=LOADED)
    before = trees.request(child).expected_at
    link(trees, child, parent)

    with pytest.raises(ReasonMissing):
        duplicates.unlink(trees.connection, trees.city, child, by=ANN, reason=" ", now=NOW)
    duplicates.unlink(trees.connection, trees.city, child, by=ANN, reason="another tree", now=NOW)

    assert parent_of(trees, child) is None
    assert trees.request(child).expected_at == before
    assert [state for state, _ in trees.phases(child).values()] == ["skipped", "skipped", "open", "waiting"]
    with pytest.raises(NotLinked):
        duplicates.unlink(trees.connection, trees.city, child, by=ANN, reason="again", now=NOW)


def test_another_one_is_chosen_to_be_worked(trees: Working):
    first, second, third = (trees.take("pothole", at=LOADED) for _ in range(3))
    link(trees, second, first)
    link(trees, third, first)

    duplicates.lead(trees.connection, trees.city, second, by=ANN, reason="it has the photo", now=NOW)

    assert [parent_of(trees, each) for each in (first, second, third)] == [second, None, second]
    assert trees.clocks(second)[None].due_at == trees.request(first).expected_at


# Scored


def test_pairs_are_scored_by_what_is_suggested_for_the_later_one(trees: Working):
    first, second = trees.take("pothole", at=LOADED), trees.take("pothole", at=NOW)
    alone = trees.take("tree", at=NOW)

    scored = score(trees.connection, trees.city, [(second, first), (alone, first)])

    assert scored.as_figures() == {"pairs": 2, "recall_at_5": 0.5, "suggestions_per_request": 0.3333}


def test_a_pair_of_what_is_not_there_is_told(trees: Working):
    with pytest.raises(UnknownPair, match="A-1"):
        score(trees.connection, trees.city, [("A-1", trees.take(at=LOADED))])
