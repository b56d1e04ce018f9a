"""When a request needs more attention: its target runs out, its words tell of danger, or a person says so."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Float, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import TIMESTAMP

from db.driver import Statement, driver
from open311.actors import FLAG, SYSTEM, Actor
from open311.cases import deadlines
from open311.cases.assignment import RequestClosed
from open311.cases.casework import Casework, LadderOf, casework
from open311.cases.holding import Held, hold, hold_new, lock
from open311.cases.jobs import PATIENTLY, queue
from open311.cases.phases import ReasonMissing
from open311.jurisdictions import City
from open311.models import Jurisdiction, RequestClock, ServiceRequest
from schemas.moment import whole_second
from schemas.working import PRIORITIES

BATCH_REQUESTS = 200


@queue.periodic(cron="* * * * *")
@queue.task(name="escalate", retry=PATIENTLY)
def escalate(timestamp: int) -> None:
    """Job of every minute: take the steps that are due, in every city.  Twice, or two at once, take each step once."""
    with driver.connection() as connection:
        cities = [row.id for row in _CITIES.run(connection)]
    for jurisdiction_id in cities:
        has_more = True
        while has_more:
            with driver.transaction() as connection:
                taken = escalate_due(connection, jurisdiction_id=jurisdiction_id, now=whole_second(datetime.now(UTC)))
            has_more = taken == BATCH_REQUESTS


def escalate_due(connection: "Connection[Any]", *, jurisdiction_id: int, now: datetime) -> int:
    """Take the next step of up to BATCH_REQUESTS requests whose ladders have one due; how many requests were looked at.

    Requests that somebody holds are left for the next time.
    """
    ids = [row.request_id for row in _DUE.run(connection, jurisdiction_id=jurisdiction_id, now=now)]
    if not ids:
        return 0
    work = casework(connection, jurisdiction_id)
    free = lock(connection, ids, jurisdiction_id=jurisdiction_id, skip_locked=True)
    for request_id in free:
        held = hold_new(connection, jurisdiction_id=jurisdiction_id, request_id=request_id)
        _climb(connection, work, held, now=now)
    return len(free)


def flag(connection: "Connection[Any]", city: City, number: str, *, by: Actor, reason: str, now: datetime) -> Held:
    """Mark a request for immediate attention: it is urgent now, and its department's supervisor is alerted.

    Raises RequestClosed, ReasonMissing, and as `hold`.
    """
    held = hold(connection, city, number, by, FLAG)
    if held.is_closed:
        raise RequestClosed(number)
    if not reason.strip():
        raise ReasonMissing("flagging needs a reason")
    step = {"priority": "urgent", "alert": "supervisor"}
    _take(connection, held, step, kind="flagged", why=reason, by=by, phase=None, now=now)
    return held


def steps_for_words(
    ladder: LadderOf | None, description: str | None, answers: Mapping[str, Any]
) -> list[tuple[Mapping[str, Any], str]]:
    """The steps of a ladder that what a request says calls for, each with why."""
    found: list[tuple[Mapping[str, Any], str]] = []
    for step in ladder.by_words if ladder is not None else ():
        if step["words"] is not None:
            said = _said(step["words"], description or "")
            if said is not None:
                found.append((step, f"the description says {said!r}"))
        elif step["value"] in _values(answers.get(step["attribute"])):
            found.append((step, f"{step['attribute']} is {step['value']}"))
    return found


def heed_words(connection: "Connection[Any]", work: Casework, held: Held, *, now: datetime) -> None:
    """Take the steps that what a request says calls for, as it comes in."""
    ladder = work.ladder_of(held.service_id, held.department_id)
    for step, why in steps_for_words(ladder, held.description, held.attributes):
        _take(connection, held, step, kind="flagged", why=why, by=SYSTEM, phase=None, now=now)


def heed_report(connection: "Connection[Any]", work: Casework, held: Held, report: Held, *, now: datetime) -> None:
    """Take the steps that a second report of the same thing calls for, on the request that is worked."""
    ladder = work.ladder_of(held.service_id, held.department_id)
    for step, why in steps_for_words(ladder, report.description, report.attributes):
        why = f"of {report.number}, which reports the same: {why}"
        _take(connection, held, step, kind="flagged", why=why, by=SYSTEM, phase=None, now=now)


def _climb(connection: "Connection[Any]", work: Casework, held: Held, *, now: datetime) -> None:
    """Take every step that is due of every clock of the request."""
    for clock in _CLOCKS.run(connection, **held.key, now=now).fetchall():
        phase = next((each for each in held.phases if each.id == clock.phase_id), None)
        department_id = phase.department_id if phase else held.department_id
        ladder = work.ladder_of(held.service_id, department_id)
        climbed_to, at = clock.climbed_to, clock.next_step_at
        while at is not None and at <= now:
            share = ladder.share_after(climbed_to) if ladder is not None else None
            if ladder is None or share is None:
                at = None
                break
            climbed_to = share
            whose = f"the target of {phase.name}" if phase else "its target"
            why = f"{share:.0%} of {whose} is used; it is due {_local(clock.due_at, work)}"
            for step in ladder.at(share):
                _take(
                    connection, held, step, kind="escalated", why=why, by=SYSTEM, phase=phase.code if phase else None, now=now
                )
            pauses = deadlines.pauses_of(connection, **held.key)
            found = deadlines.deadline(
                work, clock.target, clock.started_at, ladder=ladder, climbed_to=climbed_to, pauses=pauses
            )
            at = found.next_step_at
        _ADVANCE.run(connection, **held.key, clock_id=clock.id, climbed_to=climbed_to, next_step_at=at)


def _take(
    connection: "Connection[Any]",
    held: Held,
    step: Mapping[str, Any],
    *,
    kind: str,
    why: str,
    by: Actor,
    phase: str | None,
    now: datetime,
) -> None:
    priority = PRIORITIES.index(step["priority"]) if step["priority"] else 0
    _RAISE.run(connection, **held.key, priority=priority, now=now)
    facts = {"why": why, "priority": step["priority"], "alerted": step["alert"], "phase": phase, **by.as_facts}
    held.append(connection, kind, {name: value for name, value in facts.items() if value is not None}, at=now)
    department_id = next((each.department_id for each in held.phases if each.code == phase), held.department_id)
    held.alert(connection, kind, why, department_id=department_id, role=step["alert"], phase=phase, at=now)


def _local(moment: datetime, work: Casework) -> str:
    return moment.astimezone(work.zone).strftime("%Y-%m-%d %H:%M")


def _said(words: Sequence[str], text: str) -> str | None:
    """The first of the words that a text holds as words of its own, whatever their case."""
    return next((each for each in words if re.search(rf"(?<!\w){re.escape(each)}(?!\w)", text, re.IGNORECASE)), None)


def _values(answer: Any) -> Sequence[str]:
    return [str(each) for each in answer] if isinstance(answer, list) else [str(answer)]


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_REQUEST: Any = bindparam("request_id", type_=BigInteger)
_NOW: Any = bindparam("now", type_=TIMESTAMP(timezone=True))
_IS_DUE = (RequestClock.jurisdiction_id == _CITY, RequestClock.next_step_at <= _NOW)

_CITIES = Statement(select(Jurisdiction.id).order_by(Jurisdiction.id))
_DUE = Statement(
    select(RequestClock.request_id)
    .where(*_IS_DUE)
    .group_by(RequestClock.request_id)
    .order_by(func.min(RequestClock.next_step_at), RequestClock.request_id)
    .limit(BATCH_REQUESTS)
)
# Read after the request is held: what another worker did is there.
_CLOCKS = Statement(
    select(
        RequestClock.id,
        RequestClock.phase_id,
        RequestClock.target,
        RequestClock.started_at,
        RequestClock.due_at,
        RequestClock.climbed_to,
        RequestClock.next_step_at,
    )
    .where(*_IS_DUE, RequestClock.request_id == _REQUEST)
    .order_by(RequestClock.id)
)
_ADVANCE = Statement(
    update(RequestClock)
    .where(
        RequestClock.jurisdiction_id == _CITY,
        RequestClock.request_id == _REQUEST,
        RequestClock.id == bindparam("clock_id", type_=BigInteger),
    )
    .values(
        climbed_to=bindparam("climbed_to", type_=Float), next_step_at=bindparam("next_step_at", type_=TIMESTAMP(timezone=True))
    )
)
_RAISE = Statement(
    update(ServiceRequest)
    .where(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == _REQUEST)
    .values(
        priority=func.greatest(ServiceRequest.priority, bindparam("priority", type_=BigInteger)),
        updated_at=func.greatest(ServiceRequest.updated_at, _NOW),
    )
)
