"""The phases of a request as the work goes on: begun by a plan, ended, opened when their turn comes, given to others."""

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
from open311.actors import Actor, may
from open311.cases import deadlines
from open311.cases.casework import Casework, Desk, casework
from open311.cases.holding import Held, Phase, give
from open311.cases.targets import amount_of
from open311.models import RequestPhase


class PhaseNotAllowed(ValueError):
    """A phase cannot be moved so; the message names it, how it stands, and what would do."""


class ReasonMissing(ValueError):
    """A person says why."""


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
    codes = {phase["code"]: free_code(phase["code"], taken) for phase, _, _ in plan}
    planned = []
    for phase, desk, routed_service_id in plan:
        held, new = insert_phase(
            connection,
            held,
            code=codes[phase["code"]],
            name=phase["name"],
            after=[codes[code] for code in phase["after"]],
            desk=desk,
            target=amount_of(phase["target"]) if phase["target"] is not None else None,
            is_fixed=phase["department"] is not None,
            routed_service_id=routed_service_id,
        )
        planned.append({"phase": new.code, "name": new.name, "department": desk.name, "after": list(new.after)})
    held.append(connection, "phases_planned", {"phases": planned}, at=now)
    return proceed(connection, work, held, now=now)


def insert_phase(
    connection: "Connection[Any]",
    held: Held,
    *,
    code: str,
    name: str,
    after: Sequence[str],
    desk: Desk,
    target: Mapping[str, Any] | None = None,
    is_fixed: bool = True,
    routed_service_id: int | None = None,
    reason: str | None = None,
) -> tuple[Held, Phase]:
    """The request with one phase more, the last, which waits; `proceed` opens it when its turn has come."""
    new = Phase(
        id=0,
        position=max((phase.position for phase in held.phases), default=0) + 1,
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
        is_fixed=is_fixed,
        routed_service_id=routed_service_id,
    )
    row = _INSERT.run(
        connection,
        **held.key,
        position=new.position,
        code=new.code,
        name=new.name,
        after=list(new.after),
        department_id=new.department_id,
        unit_id=new.unit_id,
        target=None if target is None else Jsonb(target),
        is_fixed=new.is_fixed,
        routed_service_id=new.routed_service_id,
        reason=new.reason,
    ).fetchone()
    assert row is not None
    new = replace(new, id=row.id)
    return held.with_phase(new), new


def open_as_it_was(connection: "Connection[Any]", held: Held, phase: Phase) -> Held:
    """A phase that is the work of the whole request until now: open since it came in, accepted and given as that was."""
    _OPEN.run(connection, **held.key, phase_id=phase.id, now=held.requested_at, reason=None)
    _KEEP.run(connection, **held.key, phase_id=phase.id, accepted_at=held.accepted_at, assignee_id=held.assignee_id)
    return held.with_phase(
        replace(
            phase,
            state="open",
            opened_at=held.requested_at,
            times_opened=1,
            accepted_at=held.accepted_at,
            assignee_id=held.assignee_id,
        )
    )


def end(
    connection: "Connection[Any]",
    held: Held,
    phase: Phase,
    state: str,
    facts: Mapping[str, Any],
    *,
    reason: str | None,
    now: datetime,
) -> Held:
    """The request with a phase that is over; state: done or skipped.  `proceed` begins what waited for it."""
    _STATE.run(connection, **held.key, phase_id=phase.id, state=state, ended_at=now, reason=reason)
    deadlines.end(connection, **held.key, phase_id=phase.id, now=now)
    held.append(
        connection,
        f"phase_{state}",
        {"phase": phase.code, "name": phase.name, "department": phase.answers_for, **facts},
        at=now,
    )
    return held.with_phase(replace(phase, state=state, ended_at=now, reason=reason))


def end_all(connection: "Connection[Any]", held: Held, *, by: Actor, reason: str, now: datetime) -> Held:
    """Skip every phase that is not over, because the request is closed."""
    for phase in held.phases:
        if not phase.is_over:
            held = end(connection, held, phase, "skipped", {"reason": reason, **by.as_facts}, reason=reason, now=now)
    return held


def wait_again(connection: "Connection[Any]", held: Held, phase: Phase, *, reason: str, now: datetime) -> Held:
    """The request with a phase that waits as if it had not begun; its clock stands until it does."""
    deadlines.end(connection, **held.key, phase_id=phase.id, now=now)
    _STATE.run(connection, **held.key, phase_id=phase.id, state="waiting", ended_at=None, reason=reason)
    return held.with_phase(replace(phase, state="waiting", ended_at=None, reason=reason))


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
    held = _follow(connection, held.with_phase(moved), phase, now=now)
    deadlines.settle(connection, work, **held.key)
    return held


def reopen_last(
    connection: "Connection[Any]", work: Casework, held: Held, *, closed_at: datetime | None, now: datetime, why: str
) -> Held:
    """Open the phase again that was worked last when the request was closed; what had not begun by then waits again.

    Nothing for a request that was not worked in phases then.
    """
    ended = [phase for phase in held.phases if phase.ended_at is not None and phase.ended_at == closed_at]
    if not ended:
        return held
    last = max(ended, key=lambda phase: (phase.times_opened > 0, phase.position))
    for phase in ended:
        if phase.times_opened == 0 and phase.id != last.id:
            held = wait_again(connection, held, phase, reason=why, now=now)
    # Whatever comes before it is over, or was left out.
    held = held.with_phase(replace(last, state="waiting", ended_at=None, after=(), reason=why))
    return proceed(connection, work, held, now=now, why=why)


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
        phase = phase_of(held, code)
    if phase.state != "open":
        raise PhaseNotAllowed(f"phase {code} of {held.number} is {phase.state}, not open")
    may(by, action, department_ids={phase.department_id})
    return phase


def phase_of(held: Held, code: str) -> Phase:
    """The phase of this code; raises PhaseNotAllowed."""
    found = next((phase for phase in held.phases if phase.code == code), None)
    if found is None:
        names = ", ".join(phase.code for phase in held.phases) or "it has none"
        raise PhaseNotAllowed(f"{held.number} has no phase {code!r} ({names})")
    return found


def free_code(code: str, taken: Collection[str]) -> str:
    """This code, or with a number after it when it is taken."""
    return next(each for each in chain([code], (f"{code}-{number}" for number in count(2))) if each not in taken)


def proceed(connection: "Connection[Any]", work: Casework, held: Held, *, now: datetime, why: str | None = None) -> Held:
    """Open every waiting phase whose turn it is, and alert its department."""
    over = {phase.code for phase in held.phases if phase.is_over}
    for phase in held.phases:
        if phase.state != "waiting" or not over.issuperset(phase.after):
            continue
        opened = replace(
            phase, state="open", opened_at=now, ended_at=None, accepted_at=None, times_opened=phase.times_opened + 1
        )
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
        held = held.with_phase(opened)
    return held


def _follow(connection: "Connection[Any]", held: Held, moved: Phase, *, now: datetime) -> Held:
    """Let whoever got a phase answer for the request, when the department that answers has no other phase left.

    A request's department is the one that the rules or a person named, whoever else works a phase of it.
    """
    new = next(phase for phase in held.phases if phase.id == moved.id)
    left = [phase for phase in held.phases if not phase.is_over and phase.department_id == held.department_id]
    if moved.department_id != held.department_id or left:
        return held
    return give(
        connection,
        held,
        department_id=new.department_id,
        unit_id=new.unit_id,
        answers_for=new.answers_for,
        is_overridden=held.is_overridden,
        now=now,
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
