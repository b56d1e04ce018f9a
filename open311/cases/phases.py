"""The phases of a request: begun by a plan, ended one after another or side by side, skipped, added, sent back."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain, count
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb
from sqlalchemy import BigInteger, SmallInteger, Text, bindparam, insert, null, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from db.driver import Statement
from open311.actors import PHASES, Actor, may
from open311.cases import deadlines
from open311.cases.casework import Casework, Desk, amount_of, casework
from open311.cases.holding import Held, Phase, hold
from open311.jurisdictions import City
from open311.models import RequestPhase, ServiceRequest
from schemas.working import order_problem


class PhaseNotAllowed(ValueError):
    """A phase cannot be moved so; the message names it, how it stands, and what would do."""


class ReasonMissing(ValueError):
    """A person says why."""


def finish(
    connection: "Connection[Any]",
    city: City,
    number: str,
    code: str | None,
    *,
    by: Actor,
    note: str = "",
    now: datetime,
    seen: int | None = None,
) -> Held:
    """End an open phase (None: the only one) as done; those that waited for it begin, and their departments are alerted.

    The last one closes the request: see open311.cases.statuses.  Raises PhaseNotAllowed.
    """
    held = hold(connection, city, number, by, PHASES, seen=seen)
    phase = open_phase(held, code, by, PHASES)
    return _over(connection, held, phase, "done", {"note": note or None, **by.as_facts}, reason=None, now=now)


def skip(connection: "Connection[Any]", city: City, number: str, code: str, *, by: Actor, reason: str, now: datetime) -> Held:
    """Leave a phase out, open or waiting, with a reason.  Raises PhaseNotAllowed, ReasonMissing."""
    held = hold(connection, city, number, by, PHASES)
    _need(reason, "skipping a phase")
    phase = _phase(held, code)
    if phase.is_over:
        raise PhaseNotAllowed(f"phase {code} of {number} is {phase.state} already")
    if phase.state == "open":
        may(by, PHASES, department_ids={phase.department_id})
    return _over(connection, held, phase, "skipped", {"reason": reason, **by.as_facts}, reason=reason, now=now)


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
    Raises PhaseNotAllowed, ReasonMissing, UnknownDepartment.
    """
    held = hold(connection, city, number, by, PHASES)
    _need(reason, "adding a phase")
    if held.is_closed:
        raise PhaseNotAllowed(f"{number} is closed: reopen it first")
    work = casework(connection, city.id)
    desk = work.desk(department)
    if target is not None and target.get("calendar") not in (None, *work.hours):
        raise PhaseNotAllowed(f"there is no calendar {target['calendar']!r}: {', '.join(work.hours) or 'the city has none'}")
    if not held.is_phased:
        held = _make_first(connection, held, now=now)
    drawn = [{"code": phase.code, "after": list(phase.after)} for phase in held.phases]
    problem = order_problem([*drawn, {"code": code, "after": list(after)}])
    if problem is not None:
        raise PhaseNotAllowed(f"phase {code} cannot be added to {number}: {problem}")
    position = max(phase.position for phase in held.phases) + 1
    phase_id = _insert(
        connection,
        held.key,
        position=position,
        code=code,
        name=name,
        after=after,
        desk=desk,
        target=target,
        is_fixed=True,
        routed_service_id=None,
        reason=reason,
    )
    held.append(
        connection,
        "phase_added",
        {"phase": code, "name": name, "department": desk.name, "after": list(after), "reason": reason, **by.as_facts},
        at=now,
    )
    held = _with(held, _new_phase(phase_id, position, code, name, after, desk, target, reason))
    return _proceed(connection, work, held, now=now)


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

    That one is worked again, and this one waits for it.  Raises PhaseNotAllowed, ReasonMissing.
    """
    held = hold(connection, city, number, by, PHASES)
    _need(reason, "sending a phase back")
    phase = open_phase(held, code, by, PHASES)
    if to is None:
        before = [each for each in held.phases if each.code in phase.after and each.state == "done"]
        if not before:
            raise PhaseNotAllowed(f"phase {phase.code} of {number} comes after none that was done")
        target = before[-1]
    else:
        target = _phase(held, to)
        if target.state != "done" or target.code not in _all_before(held, phase):
            raise PhaseNotAllowed(f"phase {phase.code} of {number} cannot go back to {to}: that is no phase done before it")
    work = casework(connection, held.jurisdiction_id)
    facts = {"phase": phase.code, "to": target.code, "reason": reason, **by.as_facts}
    held.append(connection, "phase_sent_back", facts, at=now)
    # Whatever comes after the one that is worked again waits for it once more.
    for each in held.phases:
        if target.code in _all_before(held, each) and each.state in ("open", "done"):
            deadlines.end(connection, **held.key, phase_id=each.id, now=now)
            _set(connection, held, each, state="waiting", reason=reason)
            held = _with(held, replace(each, state="waiting", ended_at=None, reason=reason))
    held = _with(held, replace(target, state="waiting", ended_at=None, reason=reason))
    return _proceed(connection, work, held, now=now, why=reason)


def move(
    connection: "Connection[Any]",
    held: Held,
    phase: Phase,
    desk: Desk,
    *,
    by: Actor,
    reason: str,
    kind: str,
    now: datetime,
    is_fixed: bool = True,
) -> Held:
    """Give a phase that is not over to a department, which is alerted when it is open; kind: of the alert.

    is_fixed: no rule moves it from there.
    """
    moved = replace(
        phase,
        department_id=desk.department_id,
        unit_id=desk.unit_id,
        answers_for=desk.name,
        is_fixed=is_fixed,
        accepted_at=None,
        assignee_id=None,
        reason=reason,
    )
    _MOVE.run(
        connection,
        **held.key,
        phase_id=phase.id,
        department_id=desk.department_id,
        unit_id=desk.unit_id,
        is_fixed=is_fixed,
        reason=reason,
    )
    facts = {"phase": phase.code, "before": phase.answers_for, "department": desk.name, "reason": reason, **by.as_facts}
    held.append(connection, "phase_moved", facts, at=now)
    if phase.state == "open":
        words = f"{phase.name} was given to {desk.name} by {by.name}: {reason}"
        held.alert(connection, kind, words, department_id=desk.department_id, phase=phase.code, at=now)
    work = casework(connection, held.jurisdiction_id)
    held = follow(connection, _with(held, moved), phase, now=now)
    deadlines.settle(connection, work, **held.key)
    return held


def begin_plan(
    connection: "Connection[Any]",
    work: Casework,
    held: Held,
    plan: Sequence[tuple[Mapping[str, Any], Desk, int | None]],
    *,
    now: datetime,
) -> Held:
    """Begin a plan: (phase of the plan, whose it is, the service it was routed by).

    A phase whose code the request has already, from a plan before, gets another.
    """
    taken = {phase.code for phase in held.phases}
    codes = {phase["code"]: _free(phase["code"], taken) for phase, _, _ in plan}
    first = max((phase.position for phase in held.phases), default=0) + 1
    planned = []
    for position, (phase, desk, routed_service_id) in enumerate(plan, start=first):
        after = [codes[code] for code in phase["after"]]
        target = amount_of(phase["target"]) if phase["target"] is not None else None
        is_fixed = phase["department"] is not None
        phase_id = _insert(
            connection,
            held.key,
            position=position,
            code=codes[phase["code"]],
            name=phase["name"],
            after=after,
            desk=desk,
            target=target,
            is_fixed=is_fixed,
            routed_service_id=routed_service_id,
            reason=None,
        )
        new = _new_phase(phase_id, position, codes[phase["code"]], phase["name"], after, desk, target, None)
        held = _with(held, replace(new, is_fixed=is_fixed, routed_service_id=routed_service_id))
        planned.append({"phase": new.code, "name": new.name, "department": desk.name, "after": after})
    held.append(connection, "phases_planned", {"phases": planned}, at=now)
    return _proceed(connection, work, held, now=now)


def _free(code: str, taken: Collection[str]) -> str:
    return next(each for each in chain([code], (f"{code}-{number}" for number in count(2))) if each not in taken)


def end_all(connection: "Connection[Any]", held: Held, *, by: Actor, reason: str, now: datetime) -> Held:
    """Skip every phase that is not over, because the request is closed."""
    for phase in held.phases:
        if not phase.is_over:
            _set(connection, held, phase, state="skipped", ended_at=now, reason=reason)
            deadlines.end(connection, **held.key, phase_id=phase.id, now=now)
            facts = {"phase": phase.code, "name": phase.name, "department": phase.answers_for, "reason": reason, **by.as_facts}
            held.append(connection, "phase_skipped", facts, at=now)
            held = _with(held, replace(phase, state="skipped", ended_at=now, reason=reason))
    return held


def reopen_last(
    connection: "Connection[Any]", work: Casework, held: Held, *, closed_at: datetime | None, now: datetime, why: str
) -> Held:
    """Open the phase again that was worked last when the request was closed; none when it was not worked in phases then."""
    over = [phase for phase in held.phases if phase.ended_at is not None and phase.ended_at == closed_at]
    if not over:
        return held
    last = max(over, key=lambda phase: (phase.times_opened > 0, phase.position))
    held = _with(held, replace(last, state="waiting", ended_at=None, after=(), reason=why))
    return _proceed(connection, work, held, now=now, why=why)


def follow(connection: "Connection[Any]", held: Held, moved: Phase, *, now: datetime) -> Held:
    """Let whoever got a phase answer for the request, when the department that answers has no other phase left.

    A request's department is the one that the rules or a person named, whoever else works a phase of it.
    """
    new = next(phase for phase in held.phases if phase.id == moved.id)
    left = [phase for phase in held.phases if not phase.is_over and phase.department_id == held.department_id]
    if moved.department_id != held.department_id or left:
        return held
    _FOLLOW.run(connection, **held.key, department_id=new.department_id, unit_id=new.unit_id, now=now)
    return replace(held, department_id=new.department_id, unit_id=new.unit_id, answers_for=new.answers_for)


def open_phase(held: Held, code: str | None, by: Actor, action: str) -> Phase:
    """The open phase of this code, or (None) the only open one, for somebody of its department.

    Raises PhaseNotAllowed, NotAllowed.
    """
    if code is None:
        if len(held.open_phases) != 1:
            names = ", ".join(phase.code for phase in held.open_phases) or "none is open"
            raise PhaseNotAllowed(f"{held.number}: say which phase ({names})")
        phase = held.open_phases[0]
    else:
        phase = _phase(held, code)
    if phase.state != "open":
        raise PhaseNotAllowed(f"phase {code} of {held.number} is {phase.state}, not open")
    may(by, action, department_ids={phase.department_id})
    return phase


def _phase(held: Held, code: str) -> Phase:
    found = next((phase for phase in held.phases if phase.code == code), None)
    if found is None:
        names = ", ".join(phase.code for phase in held.phases) or "it has none"
        raise PhaseNotAllowed(f"{held.number} has no phase {code!r} ({names})")
    return found


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


def _with(held: Held, changed: Phase) -> Held:
    others = [phase for phase in held.phases if phase.code != changed.code]
    return replace(held, phases=sorted([*others, changed], key=lambda phase: (phase.position, phase.id)))


def _over(
    connection: "Connection[Any]",
    held: Held,
    phase: Phase,
    state: str,
    facts: Mapping[str, Any],
    *,
    reason: str | None,
    now: datetime,
) -> Held:
    _set(connection, held, phase, state=state, ended_at=now, reason=reason)
    deadlines.end(connection, **held.key, phase_id=phase.id, now=now)
    held.append(
        connection,
        f"phase_{state}",
        {"phase": phase.code, "name": phase.name, "department": phase.answers_for, **facts},
        at=now,
    )
    held = _with(held, replace(phase, state=state, ended_at=now, reason=reason))
    return _proceed(connection, casework(connection, held.jurisdiction_id), held, now=now)


def _proceed(connection: "Connection[Any]", work: Casework, held: Held, *, now: datetime, why: str | None = None) -> Held:
    """Open every waiting phase whose turn it is, and alert its department."""
    over = {phase.code for phase in held.phases if phase.is_over}
    for phase in held.phases:
        if phase.state != "waiting" or not over.issuperset(phase.after):
            continue
        opened = replace(phase, state="open", opened_at=now, ended_at=None, times_opened=phase.times_opened + 1)
        _OPEN.run(connection, **held.key, phase_id=phase.id, now=now, reason=why or phase.reason)
        facts: dict[str, Any] = {"phase": phase.code, "name": phase.name, "department": phase.answers_for}
        if phase.target is not None:
            pauses = deadlines.pauses_of(connection, **held.key)
            ladder = work.ladder_of(held.service_id, phase.department_id)
            found = deadlines.deadline(work, phase.target, now, ladder=ladder, pauses=pauses)
            deadlines.begin(connection, found, phase.target, **held.key, phase_id=phase.id, at=now)
            facts["due"] = found.due_at.isoformat()
        held.append(connection, "phase_opened", facts | ({"reason": why} if why else {}), at=now)
        words = f"{phase.name} is yours now" + (f": {why}" if why else "")
        held.alert(connection, "phase_opened", words, department_id=phase.department_id, phase=phase.code, at=now)
        held = _with(held, opened)
    return held


def _make_first(connection: "Connection[Any]", held: Held, *, now: datetime) -> Held:
    """The work of a request that is not worked in phases, as one of them, open since it came in."""
    desk = Desk(
        id=held.unit_id or held.department_id,
        code="",
        name=held.answers_for,
        department_id=held.department_id,
        department=held.answers_for,
    )
    code = _free("work", {phase.code for phase in held.phases})
    position = max((phase.position for phase in held.phases), default=0) + 1
    phase_id = _insert(
        connection,
        held.key,
        position=position,
        code=code,
        name="The work itself",
        after=(),
        desk=desk,
        target=None,
        # Whom a person gave it to keeps it.
        is_fixed=held.is_overridden,
        routed_service_id=None,
        reason=None,
    )
    _OPEN.run(connection, **held.key, phase_id=phase_id, now=held.requested_at, reason=None)
    _KEEP.run(connection, **held.key, phase_id=phase_id, accepted_at=held.accepted_at, assignee_id=held.assignee_id)
    first = _new_phase(phase_id, position, code, "The work itself", (), desk, None, None)
    held.append(connection, "phase_opened", {"phase": code, "name": first.name, "department": desk.name}, at=now)
    opened = replace(first, state="open", opened_at=held.requested_at, times_opened=1, is_fixed=held.is_overridden)
    return _with(held, replace(opened, accepted_at=held.accepted_at, assignee_id=held.assignee_id))


def _new_phase(
    phase_id: int,
    position: int,
    code: str,
    name: str,
    after: Sequence[str],
    desk: Desk,
    target: Mapping[str, Any] | None,
    reason: str | None,
) -> Phase:
    return Phase(
        id=phase_id,
        position=position,
        code=code,
        name=name,
        state="waiting",
        after=tuple(after),
        department_id=desk.department_id,
        unit_id=desk.unit_id,
        answers_for=desk.name,
        target=target,
        assignee_id=None,
        accepted_at=None,
        opened_at=None,
        ended_at=None,
        reason=reason,
        times_opened=0,
        is_fixed=True,
        routed_service_id=None,
    )


def _insert(
    connection: "Connection[Any]",
    key: Mapping[str, int],
    *,
    position: int,
    code: str,
    name: str,
    after: Sequence[str],
    desk: Desk,
    target: Mapping[str, Any] | None,
    is_fixed: bool,
    routed_service_id: int | None,
    reason: str | None,
) -> int:
    row = _INSERT.run(
        connection,
        **key,
        position=position,
        code=code,
        name=name,
        after=list(after),
        department_id=desk.department_id,
        unit_id=desk.unit_id,
        target=None if target is None else Jsonb(target),
        is_fixed=is_fixed,
        routed_service_id=routed_service_id,
        reason=reason,
    ).fetchone()
    assert row is not None
    return int(row.id)


def _set(
    connection: "Connection[Any]",
    held: Held,
    phase: Phase,
    *,
    state: str,
    reason: str | None,
    ended_at: datetime | None = None,
) -> None:
    _STATE.run(
        connection,
        **held.key,
        phase_id=phase.id,
        state=state,
        ended_at=ended_at,
        reason=reason,
    )


_MOMENT = TIMESTAMP(timezone=True)
_NOW: Any = bindparam("now", type_=_MOMENT)
_REASON: Any = bindparam("reason", type_=Text)
_THIS = (
    RequestPhase.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger),
    RequestPhase.request_id == bindparam("request_id", type_=BigInteger),
    RequestPhase.id == bindparam("phase_id", type_=BigInteger),
)
_INSERT = Statement(
    insert(RequestPhase)
    .values(
        jurisdiction_id=bindparam("jurisdiction_id", type_=BigInteger),
        request_id=bindparam("request_id", type_=BigInteger),
        position=bindparam("position", type_=SmallInteger),
        code=bindparam("code", type_=Text),
        name=bindparam("name", type_=Text),
        state="waiting",
        after=bindparam("after", type_=ARRAY(Text)),
        department_id=bindparam("department_id", type_=BigInteger),
        unit_id=bindparam("unit_id", type_=BigInteger),
        target=bindparam("target", type_=JSONB),
        is_fixed=bindparam("is_fixed"),
        routed_service_id=bindparam("routed_service_id", type_=BigInteger),
        reason=_REASON,
    )
    .returning(RequestPhase.id)
)
_STATE = Statement(
    update(RequestPhase)
    .where(*_THIS)
    .values(
        state=bindparam("state", type_=Text),
        ended_at=bindparam("ended_at", type_=_MOMENT),
        reason=_REASON,
    )
)
_OPEN = Statement(
    update(RequestPhase)
    .where(*_THIS)
    .values(
        state="open",
        opened_at=_NOW,
        ended_at=null(),
        accepted_at=null(),
        reason=_REASON,
        times_opened=RequestPhase.times_opened + 1,
    )
)
_KEEP = Statement(
    update(RequestPhase)
    .where(*_THIS)
    .values(
        accepted_at=bindparam("accepted_at", type_=_MOMENT),
        assignee_id=bindparam("assignee_id", type_=BigInteger),
    )
)
_MOVE = Statement(
    update(RequestPhase)
    .where(*_THIS)
    .values(
        department_id=bindparam("department_id", type_=BigInteger),
        unit_id=bindparam("unit_id", type_=BigInteger),
        is_fixed=bindparam("is_fixed"),
        accepted_at=null(),
        assignee_id=null(),
        reason=_REASON,
    )
)
_FOLLOW = Statement(
    update(ServiceRequest)
    .where(
        ServiceRequest.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger),
        ServiceRequest.id == bindparam("request_id", type_=BigInteger),
    )
    .values(
        department_id=bindparam("department_id", type_=BigInteger),
        unit_id=bindparam("unit_id", type_=BigInteger),
        updated_at=_NOW,
    )
)
