"""Departments work a request: accepted, handed back, given on, noted, closed, reopened, in phases, against a clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from db import db
from open311.accounts import AskedRole, account, actor_of, create_account, grant
from open311.actors import Actor, NotAllowed, operator
from open311.cases import assignment, escalation, phases, statuses
from open311.cases.assignment import NothingChanges, RequestClosed, UnknownPerson
from open311.cases.casework import UnknownReason, UnknownStatus, casework
from open311.cases.clock import due
from open311.cases.holding import FormIsStale
from open311.cases.phases import PhaseNotAllowed, ReasonMissing
from open311.cases.rerouting import Changes, change
from open311.cases.statuses import NothingSaid, StatusNotAllowed, TooLateToReopen
from open311.departments import UnknownDepartment
from schemas.working import STANDARD_STATUSES
from tests.cases.smallville import IN_EAST, IN_WEST, Smallville
from tests.cases.treeville import treeville

# A Monday, 10:00 in Smallville: the office is open from 8 to 16.
LOADED = datetime(2026, 6, 1, 13, tzinfo=UTC)
REPORTED = LOADED + timedelta(hours=1)
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
BOSS = operator("Ada")


@pytest.fixture
def town(app: Flask, tmp_path: Any) -> Smallville:
    """Treeville in the test's transaction."""
    return Smallville(db.session(), treeville(tmp_path / "tree"), now=LOADED)


def someone(town: Smallville, role: str, *, department: str | None = None, district: str | None = None) -> Actor:
    """A member of staff with a role in the city."""
    email = f"{role}-{department or district or 'all'}@small.gov".lower().replace(":", "-")
    create_account(town.connection, email, role.title(), password=None, now=LOADED)
    layer, _, code = (district or "").partition(":")
    asked = AskedRole(role=role, department_code=department, district=(layer, code) if district else None)
    grant(town.connection, email, asked, town.city, now=LOADED)
    return actor_of(account(town.connection, _id(town, email)), town.city)


def _id(town: Smallville, email: str) -> int:
    (row,) = town.rows("select id from account where email = %s", email)
    return int(row.id)


def hole(town: Smallville, *, at: datetime = REPORTED) -> str:
    """A pothole in the west: Public Works has it, for three working days."""
    return town.report(IN_WEST, at=at)


def tree(town: Smallville, *, at: datetime = REPORTED) -> str:
    """A fallen tree: first the traffic by Public Works, then the wood by Parks."""
    return town.report(IN_WEST, at=at, service="tree")


def phases_of(town: Smallville, number: str) -> dict[str, tuple[str, str]]:
    """Code of each phase: how it stands, and whose it is."""
    found = town.rows(
        "select p.code, p.state, d.code as desk from request_phase p join service_request r on r.id = p.request_id"
        " join department d on d.id = coalesce(p.unit_id, p.department_id) where r.number = %s order by p.position",
        number,
    )
    return {row.code: (row.state, row.desk) for row in found}


def alerts_of(town: Smallville, number: str) -> list[tuple[str, str, str]]:
    """(kind, department, role) of each alert about a request."""
    found = town.rows(
        "select a.kind, d.code, a.role from alert a join department d on d.id = a.department_id"
        " join service_request r on r.id = a.request_id where r.number = %s order by a.id",
        number,
    )
    return [(row.kind, row.code, row.role) for row in found]


def updates_of(town: Smallville, number: str) -> list[tuple[str, str | None]]:
    """(status, words) of what the public was told."""
    found = town.rows(
        "select u.case_status, u.description from request_update u join service_request r on r.id = u.request_id"
        " where r.number = %s order by u.id",
        number,
    )
    return [(row.case_status, row.description) for row in found]


def at(moment: str) -> datetime:
    """A moment of June 2026 by the clocks of Smallville, such as "04 12:00"."""
    return datetime.fromisoformat(f"2026-06-{moment.replace(' ', 'T')}:00-04:00").astimezone(UTC)


# Who has it


def test_a_department_accepts_what_is_its_once(town: Smallville):
    number, wim = hole(town), someone(town, "department", department="WORKS")

    assignment.accept(town.connection, town.city, number, by=wim, now=REPORTED + HOUR)

    assert town.request(number).accepted_at == REPORTED + HOUR
    (event,) = town.events(number, "accepted")
    assert (event.facts["by"], event.facts["account_id"]) == ("Department", wim.account_id)
    with pytest.raises(NothingChanges):
        assignment.accept(town.connection, town.city, number, by=wim, now=REPORTED + 2 * HOUR)


def test_what_is_handed_back_goes_to_the_front_desk_with_its_reason_and_must_be_accepted_anew(town: Smallville):
    number = hole(town)
    assignment.accept(town.connection, town.city, number, by=BOSS, now=REPORTED)

    assignment.hand_back(town.connection, town.city, number, by=BOSS, reason="a state road", now=REPORTED + HOUR)

    row = town.request(number)
    assert (row.answers_for, row.is_overridden, row.accepted_at) == ("HALL", True, None)
    assert town.events(number, "handed_back")[0].facts["reason"] == "a state road"
    assert alerts_of(town, number) == [("handed_back", "HALL", "department")]
    with pytest.raises(NothingChanges):
        assignment.hand_back(town.connection, town.city, number, by=BOSS, reason="again", now=REPORTED + HOUR)


def test_a_request_is_given_to_a_person_of_its_department_who_is_told(town: Smallville):
    number, wim = hole(town), someone(town, "department", department="WORKS")
    someone(town, "department", department="PARKS")

    assignment.assign_person(town.connection, town.city, number, "Department-WORKS@small.gov", by=BOSS, now=REPORTED)

    assert town.request(number).assignee_id == wim.account_id
    (told,) = town.rows("select account_id, kind from alert")
    assert (told.account_id, told.kind) == (wim.account_id, "assigned")
    with pytest.raises(UnknownPerson, match=r"nobody with the address department-parks@small\.gov works for Public Works"):
        assignment.assign_person(town.connection, town.city, number, "department-parks@small.gov", by=BOSS, now=REPORTED)


def _give(town: Smallville, number: str, department: str, reason: str) -> None:
    assignment.reassign(town.connection, town.city, number, department, by=BOSS, reason=reason, now=REPORTED)


@pytest.mark.parametrize(
    ("do", "refusal"),
    [
        pytest.param(lambda town, number: _give(town, number, "NOBODY", "x"), UnknownDepartment, id="unknown-department"),
        pytest.param(lambda town, number: _give(town, number, "PARKS", " "), ReasonMissing, id="no-reason"),
        pytest.param(
            lambda town, number: assignment.hand_back(town.connection, town.city, number, by=BOSS, reason="", now=REPORTED),
            ReasonMissing,
            id="handed-back-without-a-reason",
        ),
        pytest.param(
            lambda town, number: assignment.accept(town.connection, town.city, number, phase="haul", by=BOSS, now=REPORTED),
            PhaseNotAllowed,
            id="a-phase-that-it-has-not",
        ),
        pytest.param(
            lambda town, number: statuses.note(town.connection, town.city, number, " ", by=BOSS, now=REPORTED),
            NothingSaid,
            id="a-note-without-words",
        ),
        pytest.param(
            lambda town, number: statuses.set_status(town.connection, town.city, number, "lost", by=BOSS, now=REPORTED),
            UnknownStatus,
            id="unknown-status",
        ),
        pytest.param(
            lambda town, number: statuses.set_status(
                town.connection, town.city, number, None, by=BOSS, reason="eaten", now=REPORTED
            ),
            UnknownReason,
            id="unknown-closing-reason",
        ),
        pytest.param(
            lambda town, number: statuses.reopen(town.connection, town.city, number, by=BOSS, reason="x", now=REPORTED),
            StatusNotAllowed,
            id="reopened-while-open",
        ),
        pytest.param(
            lambda town, number: escalation.flag(town.connection, town.city, number, by=BOSS, reason="", now=REPORTED),
            ReasonMissing,
            id="flagged-without-a-reason",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(town: Smallville, do: Any, refusal: type[Exception]):
    number = hole(town)
    before = town.request(number), town.events(number), alerts_of(town, number)

    with pytest.raises(refusal):
        do(town, number)

    assert (town.request(number), town.events(number), alerts_of(town, number)) == before


@pytest.mark.parametrize(
    "do",
    [
        pytest.param(lambda town, number: _give(town, number, "PARKS", "x"), id="reassign"),
        pytest.param(
            lambda town, number: assignment.accept(town.connection, town.city, number, by=BOSS, now=REPORTED), id="accept"
        ),
        pytest.param(
            lambda town, number: assignment.hand_back(town.connection, town.city, number, by=BOSS, reason="x", now=REPORTED),
            id="hand-back",
        ),
        pytest.param(
            lambda town, number: escalation.flag(town.connection, town.city, number, by=BOSS, reason="x", now=REPORTED),
            id="flag",
        ),
    ],
)
def test_a_closed_request_is_nobodys_to_work(town: Smallville, do: Any):
    number = hole(town)
    statuses.set_status(town.connection, town.city, number, "closed", by=BOSS, now=REPORTED)

    with pytest.raises(RequestClosed):
        do(town, number)


# Who may


@pytest.mark.parametrize(
    ("role", "department", "may"),
    [
        pytest.param("department", "WORKS", True, id="its-department"),
        pytest.param("supervisor", "WORKS", True, id="its-supervisor"),
        pytest.param("department", "PARKS", False, id="another-department"),
        pytest.param("call_taker", None, False, id="call-taker"),
        pytest.param("administrator", None, True, id="administrator"),
    ],
)
def test_only_those_who_answer_for_it_accept_it(town: Smallville, role: str, department: str | None, may: bool):
    number, actor = hole(town), someone(town, role, department=department)

    if may:
        assignment.accept(town.connection, town.city, number, by=actor, now=REPORTED)
        assert town.request(number).accepted_at == REPORTED
    else:
        with pytest.raises(NotAllowed, match="may not accept this request"):
            assignment.accept(town.connection, town.city, number, by=actor, now=REPORTED)
        assert town.request(number).accepted_at is None


def test_a_department_ends_its_own_phase_and_not_anothers(town: Smallville):
    number, pat = tree(town), someone(town, "department", department="PARKS")
    wim = someone(town, "department", department="WORKS")

    with pytest.raises(NotAllowed):
        statuses.finish_phase(town.connection, town.city, number, "traffic", by=pat, now=REPORTED)
    statuses.finish_phase(town.connection, town.city, number, "traffic", by=wim, now=REPORTED)
    with pytest.raises(NotAllowed):
        statuses.finish_phase(town.connection, town.city, number, "haul", by=wim, now=REPORTED)
    statuses.finish_phase(town.connection, town.city, number, "haul", by=pat, now=REPORTED)

    assert town.request(number).status == "closed"


# Statuses


@pytest.mark.parametrize("before", [each["code"] for each in STANDARD_STATUSES])
def test_a_status_follows_another_as_the_table_says(town: Smallville, before: str):
    following = next(each["next"] for each in STANDARD_STATUSES if each["code"] == before)
    for other in STANDARD_STATUSES:
        number, after = hole(town), other["code"]
        if before != "open":
            statuses.set_status(town.connection, town.city, number, before, by=BOSS, now=REPORTED)
        if after in following:
            statuses.set_status(town.connection, town.city, number, after, by=BOSS, now=REPORTED + HOUR)
            row = town.request(number)
            is_closed = other["status"] == "closed"
            assert (row.case_status, row.status, row.closed_at is not None) == (after, other["status"], is_closed)
        else:
            with pytest.raises(StatusNotAllowed, match=f"{number} is {before}: it may become .*, not {after}"):
                statuses.set_status(town.connection, town.city, number, after, by=BOSS, now=REPORTED + HOUR)
            assert town.request(number).case_status == before


def test_a_department_with_closing_reasons_closes_with_one_of_them(town: Smallville):
    number, wim = hole(town), someone(town, "department", department="WORKS")

    with pytest.raises(ReasonMissing, match="needs one of the department's closing reasons: filled, not-there"):
        statuses.set_status(town.connection, town.city, number, "fixed", by=wim, now=REPORTED)
    with pytest.raises(StatusNotAllowed, match="closing reason not-there goes with no_further_action, not with fixed"):
        statuses.set_status(town.connection, town.city, number, "fixed", by=wim, reason="not-there", now=REPORTED)
    statuses.set_status(town.connection, town.city, number, None, by=wim, reason="not-there", now=REPORTED)

    row = town.request(number)
    assert (row.case_status, row.status_notes) == ("no_further_action", "We found no hole there.")
    assert town.events(number, "closed")[0].facts["reason"] == "not-there"


@pytest.mark.parametrize(
    ("service", "language", "words"),
    [
        pytest.param("pothole", "en", "The hole is filled.", id="of-the-service"),
        pytest.param("pothole", "es", "El bache está reparado.", id="in-another-language"),
        pytest.param("pothole", "zh", "The hole is filled.", id="in-a-language-without-a-text"),
        pytest.param("tree", "en", "The work is done.", id="of-every-service"),
    ],
)
def test_the_public_is_told_the_text_that_fits_best(town: Smallville, service: str, language: str, words: str):
    number = town.report(IN_WEST, at=REPORTED, service=service)

    statuses.set_status(town.connection, town.city, number, "fixed", by=BOSS, language=language, now=REPORTED + HOUR)

    assert updates_of(town, number)[-1] == ("fixed", words)
    assert town.request(number).status_notes == words


def test_a_note_is_for_the_citys_people_unless_it_is_public(town: Smallville):
    number = hole(town)

    statuses.note(town.connection, town.city, number, "bring cones", by=BOSS, now=REPORTED)
    statuses.note(town.connection, town.city, number, "A crew comes.", by=BOSS, is_public=True, now=REPORTED + HOUR)

    assert updates_of(town, number) == [("open", "A crew comes.")]
    assert [event.facts["public"] for event in town.events(number, "noted")] == [False, True]
    assert town.request(number).updated_at == REPORTED + HOUR


def test_what_is_reopened_in_time_is_counted_and_has_its_target_anew(town: Smallville):
    number = hole(town)
    statuses.set_status(town.connection, town.city, number, "fixed", by=BOSS, now=REPORTED + HOUR)

    statuses.reopen(town.connection, town.city, number, by=BOSS, reason="it is there again", now=at("08 10:00"))

    row = town.request(number)
    assert (row.status, row.case_status, row.closed_at, row.times_reopened) == ("open", "open", None, 1)
    assert row.expected_at == at("11 10:00")
    assert alerts_of(town, number) == [("reopened", "WORKS", "department")]


def test_what_was_closed_too_long_ago_is_not_reopened(town: Smallville):
    number = hole(town)
    statuses.set_status(town.connection, town.city, number, "fixed", by=BOSS, now=REPORTED)

    with pytest.raises(TooLateToReopen, match="closed more than 30 days ago: report it again"):
        statuses.reopen(town.connection, town.city, number, by=BOSS, reason="x", now=REPORTED + 31 * DAY)
    statuses.reopen(town.connection, town.city, number, by=BOSS, reason="x", now=REPORTED + 30 * DAY)


def test_a_form_that_is_older_than_the_request_is_refused(town: Smallville):
    number = hole(town)
    seen = town.rows("select max(id) as id from request_event e where e.request_id = %s", town.request(number).id)[0].id
    assignment.accept(town.connection, town.city, number, by=BOSS, now=REPORTED, seen=seen)

    with pytest.raises(FormIsStale):
        statuses.set_status(town.connection, town.city, number, "fixed", by=BOSS, now=REPORTED, seen=seen)


# Phases


def test_a_plan_begins_with_what_waits_for_nothing(town: Smallville):
    number = tree(town)

    assert phases_of(town, number) == {"traffic": ("open", "WORKS"), "haul": ("waiting", "PARKS")}
    # The rules name the Parks, who answer for the whole.
    assert town.request(number).answers_for == "PARKS"
    assert alerts_of(town, number) == [("phase_opened", "WORKS", "department")]


def add(town: Smallville, number: str, code: str, *after: str, department: str = "HALL", now: datetime = REPORTED) -> None:
    """A phase that somebody adds."""
    phases.add(
        town.connection,
        town.city,
        number,
        code=code,
        name=code.title(),
        department=department,
        after=after,
        by=BOSS,
        reason="it turned out",
        now=now,
    )


def finish(town: Smallville, number: str, code: str | None = None, *, now: datetime = REPORTED) -> None:
    """A phase that ends."""
    statuses.finish_phase(town.connection, town.city, number, code, by=BOSS, now=now)


def test_phases_run_side_by_side_and_the_request_is_closed_by_the_last(town: Smallville):
    number = tree(town)
    add(town, number, "survey", "traffic")
    add(town, number, "clean", "haul", "survey")

    finish(town, number, "traffic")
    assert phases_of(town, number) == {
        "traffic": ("done", "WORKS"),
        "haul": ("open", "PARKS"),
        "survey": ("open", "HALL"),
        "clean": ("waiting", "HALL"),
    }
    with pytest.raises(PhaseNotAllowed, match=r"say which phase \(haul, survey\)"):
        finish(town, number)
    finish(town, number, "haul")
    assert phases_of(town, number)["clean"] == ("waiting", "HALL")
    finish(town, number, "survey")
    finish(town, number, "clean")

    assert (town.request(number).case_status, updates_of(town, number)[-1]) == ("fixed", ("fixed", "The work is done."))


@pytest.mark.parametrize(
    ("code", "after", "problem"),
    [
        pytest.param("haul", (), "haul must stand once", id="twice"),
        pytest.param("clean", ("sweep",), "clean is after sweep, which is no phase of the plan", id="after-nothing"),
        pytest.param("clean", ("clean",), "clean, clean: these wait for one another", id="after-itself"),
    ],
)
def test_a_phase_that_fits_nowhere_is_refused(town: Smallville, code: str, after: tuple[str, ...], problem: str):
    number = tree(town)

    with pytest.raises(PhaseNotAllowed) as refusal:
        add(town, number, code, *after)

    assert problem in str(refusal.value)
    assert list(phases_of(town, number)) == ["traffic", "haul"]


def test_a_request_without_a_plan_gets_one_with_its_first_added_phase(town: Smallville):
    number = hole(town)

    add(town, number, "paint", "work", department="PARKS")

    assert phases_of(town, number) == {"work": ("open", "WORKS"), "paint": ("waiting", "PARKS")}
    finish(town, number, "work")
    assert phases_of(town, number) == {"work": ("done", "WORKS"), "paint": ("open", "PARKS")}


def test_a_phase_is_skipped_with_its_reason(town: Smallville):
    number = tree(town)

    statuses.skip_phase(town.connection, town.city, number, "traffic", by=BOSS, reason="a dead end", now=REPORTED)
    with pytest.raises(PhaseNotAllowed, match="is skipped already"):
        statuses.skip_phase(town.connection, town.city, number, "traffic", by=BOSS, reason="again", now=REPORTED)

    assert phases_of(town, number) == {"traffic": ("skipped", "WORKS"), "haul": ("open", "PARKS")}
    assert town.events(number, "phase_skipped")[0].facts["reason"] == "a dead end"


def test_work_sent_back_is_done_again_and_what_comes_after_waits(town: Smallville):
    number = tree(town)
    add(town, number, "check", "haul")
    finish(town, number, "traffic")
    finish(town, number, "haul")

    phases.send_back(
        town.connection, town.city, number, None, to="traffic", by=BOSS, reason="a second tree", now=REPORTED + HOUR
    )

    assert phases_of(town, number) == {"traffic": ("open", "WORKS"), "haul": ("waiting", "PARKS"), "check": ("waiting", "HALL")}
    assert alerts_of(town, number)[-1] == ("phase_opened", "WORKS", "department")
    finish(town, number, "traffic")
    assert phases_of(town, number)["haul"] == ("open", "PARKS")


def test_work_is_sent_back_to_nothing_but_a_phase_done_before(town: Smallville):
    number = tree(town)

    with pytest.raises(PhaseNotAllowed, match="comes after none that was done"):
        phases.send_back(town.connection, town.city, number, None, by=BOSS, reason="x", now=REPORTED)
    with pytest.raises(PhaseNotAllowed, match="cannot go back to haul"):
        phases.send_back(town.connection, town.city, number, None, to="haul", by=BOSS, reason="x", now=REPORTED)


def test_closing_skips_what_is_not_over_and_reopening_opens_the_last_that_was_worked(town: Smallville):
    number = tree(town)
    finish(town, number, "traffic")

    statuses.set_status(town.connection, town.city, number, "fixed", by=BOSS, words="all gone", now=REPORTED + HOUR)
    assert phases_of(town, number) == {"traffic": ("done", "WORKS"), "haul": ("skipped", "PARKS")}
    assert town.events(number, "phase_skipped")[0].facts["reason"] == "all gone"

    statuses.reopen(town.connection, town.city, number, by=BOSS, reason="not all", now=REPORTED + DAY)
    assert phases_of(town, number) == {"traffic": ("done", "WORKS"), "haul": ("open", "PARKS")}


def test_a_phase_handed_back_leaves_the_others_alone(town: Smallville):
    number = tree(town)

    assignment.hand_back(town.connection, town.city, number, by=BOSS, reason="not ours", now=REPORTED)

    assert phases_of(town, number) == {"traffic": ("open", "HALL"), "haul": ("waiting", "PARKS")}
    assert town.request(number).answers_for == "PARKS"


def test_who_gets_the_last_phase_of_the_department_that_answers_answers_for_the_request(town: Smallville):
    number = tree(town)

    assignment.reassign(town.connection, town.city, number, "HALL", phase="traffic", by=BOSS, reason="x", now=REPORTED)
    assert town.request(number).answers_for == "PARKS"
    finish(town, number, "traffic")
    assignment.reassign(town.connection, town.city, number, "works-east", phase="haul", by=BOSS, reason="x", now=REPORTED)

    assert town.request(number).answers_for == "works-east"


def test_another_service_brings_its_own_plan_and_target(town: Smallville):
    number = hole(town)

    change(town.connection, town.city, number, Changes(service_code="tree"), by=BOSS, now=REPORTED + HOUR)
    assert phases_of(town, number) == {"traffic": ("open", "WORKS"), "haul": ("waiting", "PARKS")}
    assert town.request(number).expected_at == REPORTED + 48 * HOUR

    change(town.connection, town.city, number, Changes(service_code="pothole"), by=BOSS, now=REPORTED + 2 * HOUR)
    assert {state for state, _ in phases_of(town, number).values()} == {"skipped"}
    row = town.request(number)
    assert (row.expected_at, row.answers_for, row.status) == (at("04 10:00"), "WORKS", "open")


def test_a_phase_by_the_rules_follows_the_place(app: Flask, tmp_path: Any):
    folder = treeville(tmp_path / "tree")
    folder.change(
        "plans.yml",
        "{code: haul, name: Haul the wood, after: [traffic]",
        "{code: haul, name: Haul, service_code: pothole, after: [traffic]",
    )
    town = Smallville(db.session(), folder, now=LOADED)
    number = tree(town)
    assert phases_of(town, number)["haul"] == ("waiting", "WORKS")

    change(town.connection, town.city, number, Changes(point=IN_EAST), by=BOSS, now=REPORTED + HOUR)

    assert phases_of(town, number) == {"traffic": ("open", "WORKS"), "haul": ("waiting", "works-east")}


# The clock


def test_a_request_is_promised_by_working_days_of_its_calendar(town: Smallville):
    friday_evening = at("05 18:30")

    assert town.request(hole(town)).expected_at == at("04 10:00")
    # Counted from Monday at eight.
    assert town.request(hole(town, at=friday_evening)).expected_at == at("11 08:00")


def test_the_clock_stands_while_the_city_waits_for_the_citizen(town: Smallville):
    number = hole(town)

    statuses.set_status(town.connection, town.city, number, "waiting", by=BOSS, now=at("01 12:00"))
    statuses.set_status(town.connection, town.city, number, "in_progress", by=BOSS, now=at("02 12:00"))

    # Eight hours of the office's time passed.
    assert town.request(number).expected_at == at("05 10:00")
    assert [event.facts["stands"] for event in town.events(number, "clock")] == [True, False]


def test_a_pause_after_the_deadline_makes_nobody_punctual(town: Smallville):
    number = hole(town)
    statuses.set_status(town.connection, town.city, number, "waiting", by=BOSS, now=at("08 09:00"))
    statuses.set_status(town.connection, town.city, number, "open", by=BOSS, now=at("09 09:00"))

    assert town.request(number).expected_at == at("04 10:00")


def test_the_promise_is_what_the_clock_says(town: Smallville):
    number = hole(town)
    work = casework(town.connection, town.city.id)
    target = work.target_of(town.request(number).service_id, "Streets", at=REPORTED)

    assert target is not None
    assert town.request(number).expected_at == due(work.timed(target), REPORTED)


# Escalation


def climb(town: Smallville, now: datetime) -> int:
    """The job of escalation, at a moment."""
    return escalation.escalate_due(town.connection, jurisdiction_id=town.city.id, now=now)


def test_each_step_of_a_ladder_is_taken_once(town: Smallville):
    number = tree(town)
    finish(town, number, "traffic", now=REPORTED)  # so that the request's own clock and that of the wood run

    assert climb(town, REPORTED + 7 * HOUR) == 0
    assert climb(town, REPORTED + 8 * HOUR) == 1  # half of the sixteen hours for the wood
    assert climb(town, REPORTED + 8 * HOUR) == 0
    assert climb(town, REPORTED + 48 * HOUR) == 1  # the second step of the wood, both of the request

    taken = [(event.facts["why"].split(" is ")[0], event.facts["alerted"]) for event in town.events(number, "escalated")]
    assert taken == [
        ("50% of the target of Haul the wood", "supervisor"),
        ("50% of its target", "supervisor"),
        ("100% of its target", "administrator"),
        ("100% of the target of Haul the wood", "administrator"),
    ]
    assert town.request(number).priority == 2


def test_no_step_is_taken_while_the_clock_stands_nor_after_closing(town: Smallville):
    paused, closed = hole(town), hole(town)
    statuses.set_status(town.connection, town.city, paused, "waiting", by=BOSS, now=REPORTED + HOUR)
    statuses.set_status(town.connection, town.city, closed, "fixed", by=BOSS, now=REPORTED + HOUR)

    assert climb(town, REPORTED + 30 * DAY) == 0

    statuses.set_status(town.connection, town.city, paused, "open", by=BOSS, now=REPORTED + 30 * DAY)
    assert climb(town, REPORTED + 60 * DAY) == 1


@pytest.mark.parametrize(
    ("description", "is_flagged"),
    [
        pytest.param("A power line is down", True, id="said"),
        pytest.param("WIRES everywhere!", True, id="in-capitals"),
        pytest.param("the wireless hotspot", False, id="part-of-a-word"),
        pytest.param(None, False, id="nothing-said"),
    ],
)
def test_words_of_danger_make_a_request_urgent_as_it_comes_in(town: Smallville, description: str | None, is_flagged: bool):
    number = town.report(IN_WEST, at=REPORTED, service="tree", description=description)

    assert town.request(number).priority == (2 if is_flagged else 0)
    assert [event.facts["why"] for event in town.events(number, "flagged")] == (
        [f"the description says {'power line' if description and 'power' in description else 'wires'!r}"] if is_flagged else []
    )


def test_an_answer_makes_a_request_more_pressing(town: Smallville):
    number = town.report(IN_WEST, at=REPORTED, answers={"DEPTH": "deep"})

    assert town.request(number).priority == 1
    assert town.events(number, "flagged")[0].facts["why"] == "DEPTH is deep"


def test_a_person_flags_a_request_for_immediate_attention(town: Smallville):
    number = hole(town)

    escalation.flag(town.connection, town.city, number, by=BOSS, reason="a school is near", now=REPORTED)

    assert town.request(number).priority == 2
    assert alerts_of(town, number) == [("flagged", "WORKS", "supervisor")]
