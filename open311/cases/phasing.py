"""What people do with the phases of a request: finish, skip, add, send back; the last one that ends closes it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

from open311.actors import PHASES, Actor, may
from open311.cases import phases
from open311.cases.casework import CLOSED, Casework, Status, casework
from open311.cases.holding import Held, Phase, hold
from open311.cases.phases import PhaseNotAllowed, ReasonMissing
from open311.cases.statuses import StatusNotAllowed, closing_reason, enter
from open311.jurisdictions import City
from schemas.working import order_problem

# The status of a request whose plan is done, unless its last phase ends with a closing reason.
_DONE = ("fixed", CLOSED)


def finish(
    connection: "Connection[Any]",
    city: City,
    number: str,
    code: str | None,
    *,
    by: Actor,
    note: str = "",
    reason: str | None = None,
    now: datetime,
) -> Held:
    """End an open phase (None: the only one) as done; those that waited for it begin, and their departments are alerted.

    The last one closes the request: as done, or with a closing reason of the phase's department, which staff need where
    that has a list.  Raises PhaseNotAllowed, UnknownReason, ReasonMissing, StatusNotAllowed for a closing reason before
    the last phase, and as `hold`.
    """
    held = hold(connection, city, number, by, PHASES)
    phase = phases.open_phase(held, code, by, PHASES)
    work = casework(connection, city.id)
    left = [each.code for each in held.phases if each.id != phase.id and not each.is_over]
    status = _first_of(work, _DONE)
    if left and reason is not None:
        raise StatusNotAllowed(
            f"phase {phase.code} does not close {number}, so it takes no closing reason: {', '.join(left)} come after it"
        )
    if not left:
        chosen = closing_reason(work, number, phase.department_id, reason, by=by)
        status = work.status(chosen.status) if chosen is not None else status
    held = phases.end(connection, held, phase, "done", {"note": note or None, **by.as_facts}, reason=None, now=now)
    held = phases.proceed(connection, work, held, now=now)
    return _close_when_done(connection, work, held, status, by=by, reason=reason, words=note or None, now=now)


def skip(connection: "Connection[Any]", city: City, number: str, code: str, *, by: Actor, reason: str, now: datetime) -> Held:
    """Leave a phase of one's department out, open or waiting, with a reason; the last one closes the request.

    Raises PhaseNotAllowed, ReasonMissing, and as `hold`.
    """
    held = hold(connection, city, number, by, PHASES)
    _need(reason, "skipping a phase")
    phase = phases.phase_of(held, code)
    if phase.is_over:
        raise PhaseNotAllowed(f"phase {code} of {number} is {phase.state} already")
    may(by, PHASES, department_ids={phase.department_id})
    work = casework(connection, city.id)
    held = phases.end(connection, held, phase, "skipped", {"reason": reason, **by.as_facts}, reason=reason, now=now)
    held = phases.proceed(connection, work, held, now=now)
    was_worked = any(each.state == "done" for each in held.phases)
    status = _first_of(work, _DONE if was_worked else (CLOSED,))
    return _close_when_done(connection, work, held, status, by=by, reason=None, words=None, now=now)


def add(
    connection: "Connection[Any]",
    city: City,
    number: str,
    *,
    code: str,
    name: str,
    department: str,
    after: Sequence[str] = (),
    target: Mapping[str, Any] | None = None,
    by: Actor,
    reason: str,
    now: datetime,
) -> Held:
    """Add a phase for a department; with nothing to come after that is not over, it begins at once.

    A request without a plan gets its work so far as a phase of its own, so that what it was is not lost.
    Raises PhaseNotAllowed, ReasonMissing, UnknownDepartment, and as `hold`.
    """
    held = hold(connection, city, number, by, PHASES)
    _need(reason, "adding a phase")
    if not name:
        raise PhaseNotAllowed("a phase needs a name: what is to be done")
    if held.is_closed:
        raise PhaseNotAllowed(f"{number} is closed: reopen it first")
    work = casework(connection, city.id)
    desk = work.desk(department)
    if target is not None and target.get("calendar") not in (None, *work.hours):
        known = ", ".join(work.hours) or "the city has none"
        raise PhaseNotAllowed(f"there is no calendar {target['calendar']!r}: {known}")
    if not held.is_phased:
        held = _as_first_phase(connection, work, held, now=now)
    drawn = [{"code": phase.code, "after": list(phase.after)} for phase in held.phases]
    problem = order_problem([*drawn, {"code": code, "after": list(after)}])
    if problem is not None:
        raise PhaseNotAllowed(f"phase {code} cannot be added to {number}: {problem}")
    held, new = phases.insert_phase(
        connection, held, code=code, name=name, after=after, desk=desk, target=target, reason=reason
    )
    facts = {"phase": code, "name": name, "department": desk.name, "after": list(new.after), "reason": reason}
    held.append(connection, "phase_added", {**facts, **by.as_facts}, at=now)
    return phases.proceed(connection, work, held, now=now)


def send_back(
    connection: "Connection[Any]",
    city: City,
    number: str,
    code: str | None,
    *,
    to: str | None = None,
    by: Actor,
    reason: str,
    now: datetime,
) -> Held:
    """Send an open phase's work back to one that came before it (None: the last that it comes after), with a reason.

    That one is worked again, and this one waits for it.  Raises PhaseNotAllowed, ReasonMissing, and as `hold`.
    """
    held = hold(connection, city, number, by, PHASES)
    _need(reason, "sending a phase back")
    phase = phases.open_phase(held, code, by, PHASES)
    again = _before(held, phase, to)
    facts = {"phase": phase.code, "to": again.code, "reason": reason, **by.as_facts}
    held.append(connection, "phase_sent_back", facts, at=now)
    # Whatever comes after the one that is worked again waits for it once more.
    for each in held.phases:
        if each.id == again.id or (again.code in _all_before(held, each) and each.state in ("open", "done")):
            held = phases.wait_again(connection, held, each, reason=reason, now=now)
    return phases.proceed(connection, casework(connection, city.id), held, now=now, why=reason)


def _before(held: Held, phase: Phase, to: str | None) -> Phase:
    """The phase done before this one that its work goes back to; raises PhaseNotAllowed."""
    if to is None:
        before = [each for each in held.phases if each.code in phase.after and each.state == "done"]
        if not before:
            raise PhaseNotAllowed(f"phase {phase.code} of {held.number} comes after none that was done")
        return before[-1]
    found = phases.phase_of(held, to)
    if found.state != "done" or found.code not in _all_before(held, phase):
        raise PhaseNotAllowed(f"phase {phase.code} of {held.number} cannot go back to {to}: that is no phase done before it")
    return found


def _as_first_phase(connection: "Connection[Any]", work: Casework, held: Held, *, now: datetime) -> Held:
    """The work of a request that is not worked in phases, as one of them, open since it came in."""
    desk = work.desks[held.unit_id or held.department_id]
    held, first = phases.insert_phase(
        connection,
        held,
        code=phases.free_code("work", {phase.code for phase in held.phases}),
        name="The work itself",
        after=(),
        desk=desk,
        # Whom a person gave it to keeps it.
        is_fixed=held.is_overridden,
    )
    facts = {"phase": first.code, "name": first.name, "department": desk.name}
    held.append(connection, "phase_opened", facts, at=now)
    return phases.open_as_it_was(connection, held, first)


def _close_when_done(
    connection: "Connection[Any]",
    work: Casework,
    held: Held,
    status: Status,
    *,
    by: Actor,
    reason: str | None,
    words: str | None,
    now: datetime,
) -> Held:
    """The request closed, when all of its phases are over."""
    if held.is_closed or held.is_phased:
        return held
    return enter(connection, work, held, status, by=by, reason=reason, words=words, language="en", now=now, is_planned=True)


def _first_of(work: Casework, codes: Sequence[str]) -> Status:
    return next(work.statuses[code] for code in codes if code in work.statuses)


def _need(reason: str, what: str) -> None:
    if not reason.strip():
        raise ReasonMissing(f"{what} needs a reason")


def _all_before(held: Held, phase: Phase) -> set[str]:
    """The codes of all phases that this one comes after, the nearest and those before them."""
    by_code = {each.code: each for each in held.phases}
    found: set[str] = set()
    ahead = list(phase.after)
    while ahead:
        code = ahead.pop()
        if code not in found:
            found.add(code)
            ahead += by_code[code].after
    return found
