"""A request in phases: side by side and one after another, skipped, added, sent back, closed and reopened."""

from datetime import timedelta

import pytest

from open311.actors import Actor, NotAllowed, operator
from open311.cases import assignment, phasing, statuses
from open311.cases.casework import casework
from open311.cases.phases import PhaseNotAllowed, ReasonMissing
from open311.cases.rerouting import Changes, NotOverridden, change, release
from open311.cases.statuses import StatusNotAllowed
from open311.cases.worklist import worklist
from tests.cases.conftest import LOADED
from tests.cases.smallville import IN_EAST
from tests.cases.treeville import PLANS
from tests.cases.working import Working

HOUR = timedelta(hours=1)
NOW = LOADED + HOUR
ANN = operator("Ann")
People = dict[str, Actor]

# After the traffic two phases side by side, and one that waits for both.
SIDE_BY_SIDE = """\
- service_code: tree
  phases:
    - {code: traffic, name: Redirect the traffic, department: WORKS}
    - {code: saw, name: Saw it up, department: PARKS, after: [traffic]}
    - {code: wires, name: Look at the wires, department: HALL, after: [traffic]}
    - {code: haul, name: Haul the wood, department: PARKS, after: [saw, wires]}
"""
ROUTED = """\
- service_code: tree
  phases:
    - {code: road, name: Mend the road, service_code: pothole}
    - {code: haul, name: Haul the wood, department: PARKS, after: [road]}
"""


def planned(trees: Working, plans: str) -> Working:
    """The city with other plans."""
    trees.folder.write("plans.yml", plans)
    trees.load(now=LOADED)
    trees.session.flush()
    return trees


def finish(trees: Working, number: str, *codes: str) -> None:
    """These phases ended as done, one after another."""
    for code in codes:
        phasing.finish(trees.connection, trees.city, number, code, by=ANN, now=NOW)


def states(trees: Working, number: str) -> dict[str, str]:
    """By code of a phase: how it stands."""
    return {code: state for code, (state, _) in trees.phases(number).items()}


def test_a_phase_begins_when_all_are_over_that_it_comes_after_and_its_department_is_alerted(trees: Working):
    number = planned(trees, SIDE_BY_SIDE).take(at=LOADED)
    assert states(trees, number) == {"traffic": "open", "saw": "waiting", "wires": "waiting", "haul": "waiting"}

    finish(trees, number, "traffic")
    assert states(trees, number) == {"traffic": "done", "saw": "open", "wires": "open", "haul": "waiting"}
    finish(trees, number, "wires")
    assert states(trees, number) == {"traffic": "done", "saw": "open", "wires": "done", "haul": "waiting"}
    finish(trees, number, "saw")
    assert states(trees, number) == {"traffic": "done", "saw": "done", "wires": "done", "haul": "open"}

    assert [department for _, department, _ in trees.alerts(number)] == ["WORKS", "PARKS", "HALL", "PARKS"]
    assert trees.request(number).status == "open"
    finish(trees, number, "haul")
    assert (trees.request(number).status, trees.request(number).case_status) == ("closed", "fixed")


def test_the_department_by_the_rules_answers_for_the_request_whoever_works_a_phase(trees: Working):
    number = trees.take(at=LOADED)
    assert trees.phases(number)["traffic"] == ("open", "WORKS")
    assert trees.request(number).answers_for == "PARKS"

    assignment.hand_back(trees.connection, trees.city, number, by=ANN, reason="not ours", now=NOW)

    assert trees.phases(number) == {"traffic": ("open", "HALL"), "haul": ("waiting", "PARKS")}
    assert trees.request(number).answers_for == "PARKS"


def test_who_gets_the_last_phase_of_the_department_that_answers_answers_for_the_request(trees: Working):
    number = trees.take(at=LOADED)

    finish(trees, number, "traffic")
    assignment.reassign(trees.connection, trees.city, number, "works-east", phase="haul", by=ANN, reason="x", now=NOW)

    assert trees.request(number).answers_for == "works-east"


def test_a_department_ends_its_own_phase_alone(trees: Working, people: People):
    number = planned(trees, SIDE_BY_SIDE).take(at=LOADED)
    finish(trees, number, "traffic")

    with pytest.raises(NotAllowed, match="Pat"):
        phasing.finish(trees.connection, trees.city, number, "wires", by=people["Pat"], now=NOW)
    with pytest.raises(PhaseNotAllowed, match=r"say which phase \(saw, wires\)"):
        phasing.finish(trees.connection, trees.city, number, None, by=people["Pat"], now=NOW)
    phasing.finish(trees.connection, trees.city, number, "saw", by=people["Pat"], now=NOW)

    assert states(trees, number)["wires"] == "open"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        pytest.param("haul", "phase haul of .* is waiting, not open", id="waiting"),
        pytest.param("paint", r"has no phase 'paint' \(traffic, haul\)", id="unknown"),
    ],
)
def test_a_phase_that_is_not_open_cannot_be_ended(trees: Working, code: str, message: str):
    number = trees.take(at=LOADED)

    with pytest.raises(PhaseNotAllowed, match=message):
        finish(trees, number, code)

    assert states(trees, number) == {"traffic": "open", "haul": "waiting"}


def test_a_phase_is_skipped_with_a_reason_and_the_next_begins(trees: Working, people: People):
    number = trees.take(at=LOADED)
    with pytest.raises(ReasonMissing):
        phasing.skip(trees.connection, trees.city, number, "traffic", by=people["Wim"], reason=" ", now=NOW)

    phasing.skip(trees.connection, trees.city, number, "traffic", by=people["Wim"], reason="no traffic", now=NOW)

    assert states(trees, number) == {"traffic": "skipped", "haul": "open"}
    assert trees.events(number, "phase_skipped")[0].facts["reason"] == "no traffic"
    assert trees.clocks(number)["traffic"].stopped_at == NOW
    with pytest.raises(PhaseNotAllowed, match="is skipped already"):
        phasing.skip(trees.connection, trees.city, number, "traffic", by=ANN, reason="again", now=NOW)


def test_a_request_whose_every_phase_was_skipped_is_closed_and_not_fixed(trees: Working):
    number = trees.take(at=LOADED)

    for code in ("haul", "traffic"):
        phasing.skip(trees.connection, trees.city, number, code, by=ANN, reason="it was gone", now=NOW)

    assert trees.request(number).case_status == "closed"


def test_a_phase_that_is_added_begins_at_once_or_after_those_it_names(trees: Working):
    number = trees.take(at=LOADED)
    how = {"by": ANN, "reason": "wires are down", "now": NOW}

    phasing.add(trees.connection, trees.city, number, code="wires", name="Wires", department="HALL", **how)  # type: ignore[arg-type]
    phasing.add(
        trees.connection,
        trees.city,
        number,
        code="sweep",
        name="Sweep",
        department="works-east",
        after=["haul"],
        **how,  # type: ignore[arg-type]
    )

    assert trees.phases(number) == {
        "traffic": ("open", "WORKS"),
        "haul": ("waiting", "PARKS"),
        "wires": ("open", "HALL"),
        "sweep": ("waiting", "works-east"),
    }
    assert trees.alerts(number)[-1] == ("phase_opened", "HALL", "department")


@pytest.mark.parametrize(
    ("about", "message"),
    [
        pytest.param({"code": "haul"}, "haul must stand once", id="twice"),
        pytest.param({"after": ["paint"]}, "is after paint, which is no phase", id="after-nothing"),
        pytest.param({"after": ["new"]}, "wait for one another", id="after-itself"),
        pytest.param({"target": {"working_hours": 2, "calendar": "moon"}}, "no calendar 'moon': office, always", id="calendar"),
    ],
)
def test_a_phase_that_cannot_be_is_not_added(trees: Working, about: dict[str, object], message: str):
    number = trees.take(at=LOADED)
    given = {"code": "new", "name": "New", "department": "HALL", "by": ANN, "reason": "why", "now": NOW, **about}

    with pytest.raises(PhaseNotAllowed, match=message):
        phasing.add(trees.connection, trees.city, number, **given)  # type: ignore[arg-type]

    assert list(trees.phases(number)) == ["traffic", "haul"]


def test_a_request_without_a_plan_keeps_what_it_was_as_its_first_phase(trees: Working, people: People):
    number = trees.take("pothole", at=LOADED)
    assignment.reassign(trees.connection, trees.city, number, "HALL", by=ANN, reason="ask them", now=NOW)
    assignment.accept(trees.connection, trees.city, number, by=people["Hal"], now=NOW)
    assignment.assign_person(trees.connection, trees.city, number, "hal@small.gov", by=ANN, now=NOW)

    phasing.add(
        trees.connection, trees.city, number, code="tree", name="Roots", department="PARKS", by=ANN, reason="roots", now=NOW
    )
    change(trees.connection, trees.city, number, Changes(point=IN_EAST), by=ANN, now=NOW)

    (work,) = trees.rows("select * from request_phase where code = 'work'")
    assert trees.phases(number) == {"work": ("open", "HALL"), "tree": ("open", "PARKS")}
    assert (work.accepted_at, work.assignee_id) == (NOW, people["Hal"].account_id)
    finish(trees, number, "tree")
    assert trees.request(number).status == "open"


def test_sending_back_opens_the_phase_before_and_what_comes_after_it_waits_again(trees: Working, people: People):
    number = planned(trees, SIDE_BY_SIDE).take(at=LOADED)
    finish(trees, number, "traffic", "saw")

    phasing.send_back(trees.connection, trees.city, number, "wires", by=people["Hal"], reason="cars again", now=NOW)

    assert states(trees, number) == {"traffic": "open", "saw": "waiting", "wires": "waiting", "haul": "waiting"}
    assert trees.alerts(number)[-1] == ("phase_opened", "WORKS", "department")
    assert trees.events(number, "phase_sent_back")[0].facts["reason"] == "cars again"
    finish(trees, number, "traffic", "saw", "wires", "haul")
    assert trees.request(number).status == "closed"


def test_a_phase_goes_back_to_any_that_was_done_before_it_and_to_no_other(trees: Working):
    number = planned(trees, SIDE_BY_SIDE).take(at=LOADED)
    with pytest.raises(PhaseNotAllowed, match="comes after none that was done"):
        phasing.send_back(trees.connection, trees.city, number, "traffic", by=ANN, reason="no", now=NOW)
    finish(trees, number, "traffic", "saw", "wires")

    with pytest.raises(PhaseNotAllowed, match="cannot go back to haul"):
        phasing.send_back(trees.connection, trees.city, number, "haul", to="haul", by=ANN, reason="no", now=NOW)
    with pytest.raises(ReasonMissing):
        phasing.send_back(trees.connection, trees.city, number, "haul", to="saw", by=ANN, reason="", now=NOW)
    phasing.send_back(trees.connection, trees.city, number, "haul", to="saw", by=ANN, reason="too long", now=NOW)

    assert states(trees, number) == {"traffic": "done", "saw": "open", "wires": "done", "haul": "waiting"}


def test_closing_skips_what_is_open_with_that_reason_and_reopening_opens_the_last(trees: Working, people: People):
    number = trees.take(at=LOADED)
    finish(trees, number, "traffic")

    statuses.set_status(trees.connection, trees.city, number, "cancelled", by=ANN, words="It was a branch.", now=NOW + HOUR)

    assert states(trees, number) == {"traffic": "done", "haul": "skipped"}
    assert trees.events(number, "phase_skipped")[0].facts["reason"] == "It was a branch."
    assert {clock.stopped_at for clock in trees.clocks(number).values()} == {NOW, NOW + HOUR}
    statuses.reopen(trees.connection, trees.city, number, by=people["Carla"], reason="it lies there", now=NOW + 2 * HOUR)
    assert states(trees, number) == {"traffic": "done", "haul": "open"}
    assert trees.clocks(number)["haul"].due_at == NOW + 18 * HOUR
    finish(trees, number, "haul")
    assert trees.request(number).case_status == "fixed"


def test_a_phase_with_rules_of_its_own_follows_the_location(trees: Working):
    number = planned(trees, ROUTED).take(at=LOADED)
    assert trees.phases(number)["road"] == ("open", "WORKS")

    change(trees.connection, trees.city, number, Changes(point=IN_EAST), by=ANN, now=NOW)

    assert trees.phases(number) == {"road": ("open", "works-east"), "haul": ("waiting", "PARKS")}


def test_a_phase_that_a_person_gave_to_somebody_does_not(trees: Working):
    number = planned(trees, ROUTED).take(at=LOADED)
    assignment.reassign(trees.connection, trees.city, number, "HALL", by=ANN, reason="ask them", now=NOW)

    change(trees.connection, trees.city, number, Changes(point=IN_EAST), by=ANN, now=NOW)

    assert trees.phases(number)["road"] == ("open", "HALL")


def test_another_service_brings_its_own_plan(trees: Working):
    number = planned(trees, PLANS + ROUTED.replace("tree", "pothole").replace("code: pothole}", "code: tree}")).take(at=LOADED)

    change(trees.connection, trees.city, number, Changes(service_code="pothole"), by=ANN, now=NOW)

    assert trees.phases(number) == {
        "traffic": ("skipped", "WORKS"),
        "haul": ("skipped", "PARKS"),
        "road": ("open", "PARKS"),
        "haul-2": ("waiting", "PARKS"),
    }


def test_a_request_that_becomes_one_of_a_service_without_a_plan_is_worked_as_a_whole(trees: Working, people: People):
    number = trees.take(at=LOADED)
    change(trees.connection, trees.city, number, Changes(service_code="pothole"), by=ANN, now=NOW)

    assignment.accept(trees.connection, trees.city, number, by=people["Wim"], now=NOW)
    change(trees.connection, trees.city, number, Changes(point=IN_EAST), by=ANN, now=NOW)
    assert trees.request(number).answers_for == "works-east"
    statuses.set_status(trees.connection, trees.city, number, "closed", by=ANN, now=NOW + HOUR)
    statuses.reopen(trees.connection, trees.city, number, by=ANN, reason="still there", now=NOW + 2 * HOUR)

    assert states(trees, number) == {"traffic": "skipped", "haul": "skipped"}


def test_the_last_phase_closes_with_a_closing_reason_of_its_department(trees: Working, people: People):
    number = planned(trees, "- {service_code: tree, phases: [{code: road, name: Mend it, department: WORKS}]}").take(at=LOADED)

    with pytest.raises(ReasonMissing, match="one of the department's closing reasons: filled, not-there"):
        phasing.finish(trees.connection, trees.city, number, "road", by=people["Wim"], now=NOW)
    assert states(trees, number) == {"road": "open"}
    phasing.finish(trees.connection, trees.city, number, "road", by=people["Wim"], reason="not-there", now=NOW)

    assert trees.request(number).case_status == "no_further_action"
    assert trees.told(number)[-1] == ("no_further_action", "We found no hole there.")


def test_a_phase_that_is_not_the_last_takes_no_closing_reason(trees: Working):
    number = trees.take(at=LOADED)

    with pytest.raises(StatusNotAllowed, match=r"phase traffic does not close .*: haul come after it"):
        phasing.finish(trees.connection, trees.city, number, "traffic", by=ANN, reason="filled", now=NOW)

    assert states(trees, number)["traffic"] == "open"


@pytest.mark.parametrize(
    ("plans", "code", "whose"),
    [
        pytest.param(PLANS, "traffic", "WORKS", id="of-the-plan"),
        pytest.param(ROUTED, "road", "works-east", id="by-the-rules"),
    ],
)
def test_a_phase_that_is_returned_is_whose_its_plan_says(trees: Working, plans: str, code: str, whose: str):
    number = planned(trees, plans).take(at=LOADED, point=IN_EAST)
    with pytest.raises(NotOverridden):
        release(trees.connection, trees.city, number, phase=code, by=ANN, now=NOW)
    assignment.reassign(trees.connection, trees.city, number, "HALL", phase=code, by=ANN, reason="ask them", now=NOW)

    done = release(trees.connection, trees.city, number, phase=code, by=ANN, now=NOW)

    assert trees.phases(number)[code] == ("open", whose)
    assert done.before == "Town Hall"
    assert trees.alerts(number)[-1] == ("reassigned", "WORKS", "department")


def test_a_phase_of_no_plan_is_returned_to_nobody(trees: Working):
    number = trees.take(at=LOADED)
    phasing.add(
        trees.connection, trees.city, number, code="wires", name="Wires", department="HALL", by=ANN, reason="x", now=NOW
    )

    with pytest.raises(PhaseNotAllowed, match=r"wires of .* is in no plan"):
        release(trees.connection, trees.city, number, phase="wires", by=ANN, now=NOW)


def test_what_left_its_plan_is_in_the_queue_as_a_whole(trees: Working):
    number = trees.take(at=LOADED)
    change(trees.connection, trees.city, number, Changes(service_code="pothole"), by=ANN, now=NOW)
    desk = casework(trees.connection, trees.city.id).desk("WORKS")

    queued = worklist(trees.connection, desk, jurisdiction_id=trees.city.id)

    assert [(each.number, each.phase) for each in queued] == [(number, None)]


def test_what_had_not_begun_when_it_was_closed_early_waits_again_when_it_is_reopened(trees: Working):
    number = planned(trees, SIDE_BY_SIDE).take(at=LOADED)
    statuses.set_status(trees.connection, trees.city, number, "closed", by=ANN, now=NOW)
    assert set(states(trees, number).values()) == {"skipped"}

    statuses.reopen(trees.connection, trees.city, number, by=ANN, reason="it lies there", now=NOW + HOUR)

    assert states(trees, number) == {"traffic": "open", "saw": "waiting", "wires": "waiting", "haul": "waiting"}
    finish(trees, number, "traffic")
    assert trees.request(number).status == "open"


def test_a_department_skips_no_phase_of_another_that_waits(trees: Working, people: People):
    number = trees.take(at=LOADED)

    with pytest.raises(NotAllowed):
        phasing.skip(trees.connection, trees.city, number, "haul", by=people["Wim"], reason="no time", now=NOW)

    assert states(trees, number) == {"traffic": "open", "haul": "waiting"}


def test_who_works_one_phase_does_not_close_what_others_have_left(trees: Working, people: People):
    number = planned(trees, SIDE_BY_SIDE).take(at=LOADED)

    with pytest.raises(NotAllowed):
        statuses.set_status(trees.connection, trees.city, number, None, by=people["Wim"], reason="filled", now=NOW)
    assert trees.request(number).status == "open"
    statuses.set_status(trees.connection, trees.city, number, "closed", by=people["Pat"], now=NOW)

    assert trees.request(number).status == "closed"


def test_why_it_was_reopened_is_told_to_those_who_work_it(trees: Working):
    number = trees.take(at=LOADED)
    statuses.set_status(trees.connection, trees.city, number, "fixed", by=ANN, now=NOW)

    statuses.reopen(trees.connection, trees.city, number, by=ANN, reason="the neighbour is angry", now=NOW + HOUR)

    assert trees.told(number)[-1] == ("open", None)
    assert trees.request(number).status_notes is None
    assert trees.events(number, "reopened")[0].facts["why"] == "the neighbour is angry"
