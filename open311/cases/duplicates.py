"""The same thing, reported by many: requests linked to the one that is worked, taken off it, another one chosen."""

from datetime import datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, bindparam, select, update

from db.driver import Statement
from open311.actors import LINK, SYSTEM, Actor
from open311.cases import deadlines, escalation, phases, statuses
from open311.cases.assignment import NothingChanges
from open311.cases.casework import casework
from open311.cases.holding import Held, children_of, hold, hold_new, lock, look_at
from open311.cases.phases import ReasonMissing
from open311.cases.rerouting import work_anew
from open311.jurisdictions import City
from open311.models import ServiceRequest
from open311.notify import outbox


class NotLinked(ValueError):
    """Requests that cannot be linked so; the message says why."""


def link(
    connection: "Connection[Any]", city: City, number: str, parent: str, *, by: Actor, reason: str = "", now: datetime
) -> Held:
    """Let a request follow another of the same thing, the one that is worked; the parent, held.

    Both are kept.  What follows has the parent's status, promise and news from now on and no work of its own; what
    followed it follows the parent too.  Words of danger in it raise the parent.
    Raises NotLinked for a parent that is closed while the request is open, NothingChanges, and as `hold`.
    """
    # In the order of their numbers, so that two who link the same two do not wait for one another.
    for each in sorted({number, parent}):
        hold(connection, city, each, by, LINK)
    held, leads = hold(connection, city, number, by, LINK), hold(connection, city, parent, by, LINK)
    if leads.parent_id is not None:
        leads = _of(connection, held, leads.parent_id)
    if held.id == leads.id:
        raise NotLinked(f"{number} and {parent} are one already")
    if held.parent_id == leads.id:
        raise NothingChanges(number)
    if leads.is_closed and not held.is_closed:
        raise NotLinked(f"{leads.number} is closed: reopen it first, or work {held.number} by itself")
    return _follow(connection, held, leads, by=by, reason=reason, now=now)


def unlink(connection: "Connection[Any]", city: City, number: str, *, by: Actor, reason: str, now: datetime) -> Held:
    """Let a request stand by itself again: routed, promised and planned as when it came in.

    Raises NotLinked when it follows none, ReasonMissing, and as `hold`.
    """
    held = _hold_with_parent(connection, city, number, by=by)
    if held.parent_id is None:
        raise NotLinked(f"{number} follows no other request")
    if not reason.strip():
        raise ReasonMissing("unlinking needs a reason")
    _PARENT.run(connection, **held.key, parent_id=None)
    facts = {"parent": held.parent_number, "reason": reason, **by.as_facts}
    held.append(connection, "unlinked", facts, at=now)
    _of(connection, held, held.parent_id).append(connection, "unlinked", {"child": held.number, **facts}, at=now)
    alone = _of(connection, held, held.id)
    return alone if alone.is_closed else work_anew(connection, alone, cause="it stands by itself again", now=now)


def lead(connection: "Connection[Any]", city: City, number: str, *, by: Actor, reason: str, now: datetime) -> Held:
    """Choose a request that follows another to be the one that is worked; the other and all that follow it follow this one.

    Raises NotLinked, ReasonMissing, and as `hold`.
    """
    held = _hold_with_parent(connection, city, number, by=by)
    if held.parent_id is None:
        raise NotLinked(f"{number} follows no other request: it is worked already")
    others = [each for each in children_of(connection, _of(connection, held, held.parent_id)) if each != held.id]
    chosen = unlink(connection, city, number, by=by, reason=reason, now=now)
    if chosen.is_closed:
        raise NotLinked(f"{number} is closed: reopen it first")
    for request_id in (*others, held.parent_id):
        chosen = _follow(connection, _of(connection, held, request_id), chosen, by=by, reason=reason, now=now)
    return chosen


def _hold_with_parent(connection: "Connection[Any]", city: City, number: str, *, by: Actor) -> Held:
    """The request, held behind the one that it follows, as whoever changes that one holds them."""
    parent_id = look_at(connection, city, number, SYSTEM).parent_id
    if parent_id is not None:
        lock(connection, [parent_id], jurisdiction_id=city.id)
    return hold(connection, city, number, by, LINK)


def _of(connection: "Connection[Any]", held: Held, request_id: int) -> Held:
    return hold_new(connection, jurisdiction_id=held.jurisdiction_id, request_id=request_id)


def _follow(connection: "Connection[Any]", held: Held, leads: Held, *, by: Actor, reason: str, now: datetime) -> Held:
    work = casework(connection, held.jurisdiction_id)
    along = [held, *(_of(connection, held, each) for each in children_of(connection, held))]
    for each in along:
        _PARENT.run(connection, **each.key, parent_id=leads.id)
        facts = {"parent": leads.number, "reason": reason or None, **by.as_facts}
        each.append(connection, "linked", {name: value for name, value in facts.items() if value is not None}, at=now)
        leads.append(connection, "also_reported", {"child": each.number, **by.as_facts}, at=now)
        if each.is_closed:
            continue
        outbox.post(connection, **each.key, event="linked", facts={"parent": leads.number}, now=now)
        phases.end_all(connection, each, by=SYSTEM, reason=f"it is the same as {leads.number}", now=now)
        deadlines.retarget(connection, work, **each.key, target=None, started_at=each.requested_at)
        _PROMISE.run(connection, **each.key, parent_id=leads.id)
        following = _of(connection, each, each.id)
        if following.case_status != leads.case_status:
            statuses.enter(
                connection,
                work,
                following,
                work.status(leads.case_status),
                by=by,
                reason=None,
                words=None,
                language="en",
                now=now,
                is_following=True,
            )
        escalation.heed_report(connection, work, leads, each, now=now)
    return _of(connection, leads, leads.id)


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_REQUEST = (ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == bindparam("request_id", type_=BigInteger))
_PARENT_ID: Any = bindparam("parent_id", type_=BigInteger)
_PARENT = Statement(update(ServiceRequest).where(*_REQUEST).values(parent_id=_PARENT_ID))
_EXPECTED = ServiceRequest.__table__.alias("parent")
_PROMISE = Statement(
    update(ServiceRequest)
    .where(*_REQUEST)
    .values(
        expected_at=select(_EXPECTED.c.expected_at)
        .where(_EXPECTED.c.jurisdiction_id == _CITY, _EXPECTED.c.id == _PARENT_ID)
        .scalar_subquery()
    )
)
