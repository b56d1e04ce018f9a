"""Escalation: each step once, whoever runs it and however often; by time, by words, by answers, by a person."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from open311.actors import Actor, NotAllowed, operator
from open311.cases import escalation, statuses
from open311.cases.assignment import RequestClosed, reassign
from open311.cases.escalation import escalate_due
from open311.cases.phases import ReasonMissing
from tests.cases.conftest import LOADED
from tests.cases.working import Working

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NOON = LOADED + 3 * HOUR  # ten in Smallville
ANN = operator("Ann")
People = dict[str, Actor]


def run(trees: Working, *, now: datetime) -> int:
    """How many requests the job looks at."""
    return escalate_due(trees.connection, jurisdiction_id=trees.city.id, now=now)


def steps(trees: Working, number: str) -> list[tuple[str | None, str | None, str]]:
    """(phase, priority, alerted) of each step that was taken."""
    return [
        (row.facts.get("phase"), row.facts.get("priority"), row.facts["alerted"])
        for row in trees.events(number, "escalated", "flagged")
    ]


def test_each_step_is_taken_once_when_its_share_of_the_target_is_used(trees: Working):
    number = trees.take(at=LOADED)
    assert run(trees, now=LOADED + 59 * MINUTE) == 0

    assert [run(trees, now=LOADED + HOUR) for _ in range(2)] == [1, 0]
    assert steps(trees, number) == [("traffic", "high", "supervisor")]
    assert [run(trees, now=LOADED + 2 * HOUR) for _ in range(2)] == [1, 0]

    assert steps(trees, number)[1:] == [("traffic", "urgent", "administrator")]
    assert trees.request(number).priority == 2
    assert trees.alerts(number)[1:] == [("escalated", "WORKS", "supervisor"), ("escalated", "WORKS", "administrator")]
    assert trees.events(number, "escalated")[0].facts["why"] == (
        "50% of the target of Redirect the traffic is used; it is due 2026-03-02 09:00"
    )


def test_a_job_that_comes_late_takes_every_step_that_is_due(trees: Working):
    number = trees.take(at=LOADED)

    assert [run(trees, now=LOADED + 25 * HOUR) for _ in range(2)] == [1, 0]

    assert sorted(steps(trees, number), key=str) == [
        ("traffic", "high", "supervisor"),
        ("traffic", "urgent", "administrator"),
        (None, "high", "supervisor"),
    ]


def test_nothing_climbs_while_its_clock_stands_nor_when_it_is_closed(trees: Working):
    waiting, closed = trees.take(at=LOADED), trees.take(at=LOADED)
    statuses.set_status(trees.connection, trees.city, waiting, "waiting", by=ANN, now=LOADED + 30 * MINUTE)
    statuses.set_status(trees.connection, trees.city, closed, "closed", by=ANN, now=LOADED + 30 * MINUTE)

    assert run(trees, now=LOADED + 100 * HOUR) == 0

    statuses.set_status(trees.connection, trees.city, waiting, "open", by=ANN, now=LOADED + 10 * HOUR)
    assert run(trees, now=LOADED + 10 * HOUR + 29 * MINUTE) == 0
    assert run(trees, now=LOADED + 10 * HOUR + 30 * MINUTE) == 1
    assert (steps(trees, waiting), steps(trees, closed)) == ([("traffic", "high", "supervisor")], [])


def test_a_ladder_of_a_department_counts_its_working_time(trees: Working):
    number = trees.take("pothole", at=NOON)
    # 0.8 of 24 working hours are 19 hours and 12 minutes: Wednesday, 13:12.
    due = NOON + timedelta(days=2, hours=3, minutes=12)

    assert (run(trees, now=due - timedelta(seconds=1)), run(trees, now=due)) == (0, 1)

    assert steps(trees, number) == [(None, None, "supervisor")]
    assert trees.request(number).priority == 0


def test_another_department_has_another_ladder(trees: Working):
    to_parks, to_works = trees.take("pothole", at=NOON), trees.take("pothole", at=NOON)
    reassign(trees.connection, trees.city, to_parks, "PARKS", by=ANN, reason="roots", now=NOON)

    assert run(trees, now=NOON + timedelta(days=3)) == 1

    assert (len(steps(trees, to_parks)), len(steps(trees, to_works))) == (0, 1)


def test_what_comes_to_another_ladder_goes_on_at_the_share_that_it_was_at(trees: Working):
    trees.folder.write(
        "ladders.yml",
        "- {code: works, for_department: WORKS, steps: [{used: 0.5, priority: high, alert: supervisor}]}\n"
        "- {code: parks, for_department: PARKS, steps: [{used: 0.4, alert: supervisor}, {used: 0.8, priority: urgent}]}\n",
    )
    trees.load(now=LOADED)
    number = trees.take("pothole", at=NOON)
    run(trees, now=NOON + timedelta(days=2))
    assert trees.request(number).priority == 1

    reassign(trees.connection, trees.city, number, "PARKS", by=ANN, reason="roots", now=NOON + timedelta(days=2))
    run(trees, now=NOON + timedelta(days=3))

    assert [priority for _, priority, _ in steps(trees, number)] == ["high", "urgent"]


def test_each_clock_climbs_the_ladder_of_who_it_is_of(trees: Working):
    trees.folder.write("ladders.yml", "- {code: works, for_department: WORKS, steps: [{used: 0.5, priority: high}]}\n")
    trees.load(now=LOADED)
    number = trees.take(at=LOADED)

    run(trees, now=LOADED + 24 * HOUR)

    # The first phase is that of Public Works; the request is that of Parks, which has no ladder.
    assert steps(trees, number) == [("traffic", "high", "supervisor")]


@pytest.mark.parametrize(
    ("words", "priority"),
    [
        pytest.param("It fell on a Power Line.", 2, id="words"),
        pytest.param("WIRES everywhere", 2, id="in-capitals"),
        pytest.param("wireless poles stand", 0, id="part-of-a-word"),
        pytest.param(None, 0, id="nothing-said"),
    ],
)
def test_words_of_danger_are_heeded_at_intake(trees: Working, words: str | None, priority: int):
    number = trees.take(at=LOADED, words=words)

    assert trees.request(number).priority == priority
    assert steps(trees, number) == ([(None, "urgent", "supervisor")] if priority else [])


@pytest.mark.parametrize(("depth", "priority"), [("deep", 1), ("shallow", 0)])
def test_an_answer_is_heeded_at_intake(trees: Working, depth: str, priority: int):
    number = trees.take("pothole", at=LOADED, answers={"DEPTH": depth})

    assert trees.request(number).priority == priority
    assert len(trees.alerts(number)) == priority


def test_a_person_flags_with_a_reason(trees: Working, people: People):
    number = trees.take("pothole", at=LOADED)
    with pytest.raises(ReasonMissing):
        escalation.flag(trees.connection, trees.city, number, by=people["Carla"], reason=" ", now=NOON)
    with pytest.raises(NotAllowed):
        escalation.flag(trees.connection, trees.city, number, by=people["Pat"], reason="a child", now=NOON)

    escalation.flag(trees.connection, trees.city, number, by=people["Carla"], reason="a child fell in", now=NOON)

    assert (trees.request(number).priority, trees.alerts(number)) == (2, [("flagged", "WORKS", "supervisor")])
    assert trees.events(number, "flagged")[0].facts["why"] == "a child fell in"
    statuses.set_status(trees.connection, trees.city, number, "closed", by=ANN, now=NOON)
    with pytest.raises(RequestClosed):
        escalation.flag(trees.connection, trees.city, number, by=people["Carla"], reason="again", now=NOON)


def test_two_workers_at_once_take_each_step_once(own_trees: Working):
    numbers = [own_trees.take(at=LOADED) for _ in range(40)]
    own_trees.session.commit()
    both = threading.Barrier(2)
    looked_at: list[int] = []

    def work() -> None:
        with Session(own_trees.session.get_bind()) as session, session.begin():
            trees: Any = own_trees.through(session)
            both.wait()
            looked_at.append(run(trees, now=LOADED + HOUR))

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    run(own_trees, now=LOADED + HOUR)

    assert len(looked_at) == 2
    assert [steps(own_trees, number) for number in numbers] == [[("traffic", "high", "supervisor")]] * 40
