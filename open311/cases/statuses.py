"""How a request stands: from one status to another as the city's table allows, closed with a reason, reopened in time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Boolean, Integer, Text, bindparam, cast, func, insert, update
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from db.driver import Statement
from open311.actors import NOTE, REOPEN, SET_STATUS, Actor, allows, may
from open311.cases import deadlines, phases
from open311.cases.casework import OPEN, Casework, ClosingReason, Status, casework
from open311.cases.holding import FollowsAnother, Held, children_of, hold, hold_new, permit
from open311.cases.phases import ReasonMissing
from open311.jurisdictions import City
from open311.models import RequestUpdate, ServiceRequest
from open311.notify import outbox


@dataclass(frozen=True, kw_only=True)
class Source:
    """What an update brings besides its words: pictures, and the key and id by which its client knows it."""

    media_urls: Sequence[str] = ()
    api_key_id: int | None = None
    client_update_id: str | None = None


_OURS = Source()


class StatusNotAllowed(ValueError):
    """A request cannot go from one status to another; the message names both and what may follow."""


class TooLateToReopen(ValueError):
    """A request is closed for longer than the city reopens; the message names the days."""


class NothingSaid(ValueError):
    """A note without words."""


def set_status(
    connection: "Connection[Any]",
    city: City,
    number: str,
    code: str | None,
    *,
    by: Actor,
    reason: str | None = None,
    words: str | None = None,
    language: str = "en",
    now: datetime,
) -> Held:
    """The request with another status, and the public told: in these words, or the city's text for it.

    reason: the code of a closing reason of the department, which says the status unless `code` does; needed to close where
    the department has a list.  Closing ends every phase and clock; what is closed is opened again as `reopen` has it.
    Raises UnknownStatus, UnknownReason, ReasonMissing, StatusNotAllowed, TooLateToReopen, and as `hold`.
    """
    held = hold(connection, city, number, by, SET_STATUS)
    work = casework(connection, city.id)
    if reason is not None:
        chosen = work.reason(reason, department_id=_closes_for(held, by))
        code = code or chosen.status
        if code != chosen.status:
            raise StatusNotAllowed(f"closing reason {reason} goes with {chosen.status}, not with {code}")
    if code is None:
        raise ReasonMissing("say the status or the closing reason")
    status = work.status(code)
    if status.is_closed:
        require_whole(held, by)
        closing_reason(work, number, _closes_for(held, by), reason, by=by)
    elif held.is_closed:
        permit(connection, held, by, REOPEN)
        if not (words or "").strip():
            raise ReasonMissing(f"opening {number} again needs words that say why")
    return enter(connection, work, held, status, by=by, reason=reason, words=words, language=language, now=now)


def closing_reason(work: Casework, number: str, department_id: int, code: str | None, *, by: Actor) -> ClosingReason | None:
    """The closing reason of this code in the department's list; None for none.

    Raises UnknownReason, and ReasonMissing when staff give none where the department has a list.
    """
    if code is not None:
        return work.reason(code, department_id=department_id)
    listed = work.reasons_of(department_id)
    if listed and by.kind == "staff":
        known = ", ".join(each.code for each in listed)
        raise ReasonMissing(f"closing {number} needs one of the department's closing reasons: {known}")
    return None


def require_whole(held: Held, by: Actor) -> None:
    """Nothing, when the actor may close what is left of the request: its own department's phases, or as who answers for all.

    Raises NotAllowed.
    """
    left = {phase.department_id for phase in held.phases if not phase.is_over}
    for department_id in left:
        if not allows(by, SET_STATUS, department_ids={department_id}):
            may(by, SET_STATUS, department_ids={held.department_id})


def _closes_for(held: Held, by: Actor) -> int:
    """Whose closing reasons count: those of the department that answers, or of the one whose open phase the actor works."""
    involved = [held.department_id, *(phase.department_id for phase in held.open_phases)]
    return next((each for each in involved if any(each in grant.department_ids for grant in by.grants)), involved[0])


def reopen(
    connection: "Connection[Any]",
    city: City,
    number: str,
    *,
    by: Actor,
    reason: str,
    words: str | None = None,
    now: datetime,
) -> Held:
    """A closed request opened again, counted; its last phase is worked again, and its target begins anew.

    reason: for the city's own people.  words: for everybody, instead of the city's text.

    Raises StatusNotAllowed when it is open, TooLateToReopen, ReasonMissing, and as `hold`.
    """
    held = hold(connection, city, number, by, REOPEN)
    if not reason.strip():
        raise ReasonMissing("reopening needs a reason")
    work = casework(connection, city.id)
    if not held.is_closed:
        raise StatusNotAllowed(f"{number} is not closed, but {work.status(held.case_status).name}")
    return enter(connection, work, held, work.status(OPEN), by=by, reason=None, words=words, language="en", why=reason, now=now)


def note(
    connection: "Connection[Any]", city: City, number: str, words: str, *, by: Actor, is_public: bool = False, now: datetime
) -> Held:
    """The request with a note: for those who work it, or (is_public) for everybody.  Raises NothingSaid, and as `hold`."""
    held = hold(connection, city, number, by, NOTE)
    if not words.strip():
        raise NothingSaid("a note must say something")
    held.append(connection, "noted", {"words": words, "public": is_public, **by.as_facts}, at=now)
    if is_public:
        followers = [
            hold_new(connection, jurisdiction_id=held.jurisdiction_id, request_id=each)
            for each in children_of(connection, held)
        ]
        for each in (held, *followers):
            tell(connection, each, each.case_status, words, event="noted", now=now)
            touch(connection, each, now=now)
    return held


def touch(connection: "Connection[Any]", held: Held, *, now: datetime) -> None:
    """Let a request that is open count as changed; a closed one keeps the time of its closing."""
    if not held.is_closed:
        _TOUCH.run(connection, **held.key, now=now)


def enter(
    connection: "Connection[Any]",
    work: Casework,
    held: Held,
    status: Status,
    *,
    by: Actor,
    reason: str | None,
    words: str | None,
    language: str,
    now: datetime,
    why: str | None = None,
    is_planned: bool = False,
    is_following: bool = False,
    source: Source = _OURS,
) -> Held:
    """The held request in this status, with all that goes with it; those that follow it go along.

    why: for the city's own people, beside what everybody is told.  is_planned: its plan is done.  is_following: the one
    that it follows has the status now.

    Raises StatusNotAllowed, TooLateToReopen.
    """
    before = work.status(held.case_status)
    if held.parent_id is not None and not is_following:
        raise FollowsAnother(f"{held.number} follows {held.parent_number}: change that one, or unlink it")
    if status.code == before.code or (status.code not in before.next and not (is_planned or is_following)):
        allowed = ", ".join(before.next) or "none"
        raise StatusNotAllowed(f"{held.number} is {before.code}: it may become {allowed}, not {status.code}")
    is_reopened = before.is_closed and not status.is_closed
    if (
        is_reopened
        and not is_following
        and held.closed_at is not None
        and now - held.closed_at > timedelta(days=work.reopen_days)
    ):
        raise TooLateToReopen(
            f"{held.number} was closed more than {work.reopen_days} days ago: report it again as a new request"
        )
    told = words or work.words(status.code, service_id=held.service_id, reason=reason, language=language)
    if told is None and reason is not None:
        told = work.reason_name(reason)
    # Another closed status is a correction: it was closed when it was.
    ended_at = (held.closed_at if before.is_closed else now) if status.is_closed else None
    _ENTER.run(
        connection,
        **held.key,
        case_status=status.code,
        status=status.status,
        closed_at=ended_at,
        status_notes=told,
        is_reopened=is_reopened,
        now=now,
    )
    kind = "reopened" if is_reopened else "closed" if status.is_closed and not before.is_closed else "status"
    facts: dict[str, Any] = {"before": before.code, "status": status.code, "reason": reason, "why": why, "words": told}
    held.append(
        connection, kind, {**{name: value for name, value in facts.items() if value is not None}, **by.as_facts}, at=now
    )
    closed_at = held.closed_at
    held = replace(held, status=status.status, case_status=status.code, closed_at=ended_at)
    held = replace(held, update_id=tell(connection, held, status.code, told, event=kind, now=now, source=source))
    if is_following:
        return held
    _lead(connection, work, held, status, by=by, words=told, closed_at=closed_at, language=language, now=now)
    _move_clocks(connection, work, held, before, status, now=now)
    if kind == "closed":
        held = phases.end_all(connection, held, by=by, reason=told or reason or status.name, now=now)
    elif is_reopened:
        said = why or words or "it was reopened"
        held = phases.reopen_last(connection, work, held, closed_at=closed_at, now=now, why=said)
        held.alert(connection, "reopened", said, at=now)
    return held


def _lead(
    connection: "Connection[Any]",
    work: Casework,
    held: Held,
    status: Status,
    *,
    by: Actor,
    words: str | None,
    closed_at: datetime | None,
    language: str,
    now: datetime,
) -> None:
    """Let what follows the request have its status: all that is open, and of what is closed what was closed with it."""
    for request_id in children_of(connection, held):
        child = hold_new(connection, jurisdiction_id=held.jurisdiction_id, request_id=request_id)
        if child.case_status != status.code and (not child.is_closed or child.closed_at == closed_at):
            enter(
                connection,
                work,
                child,
                status,
                by=by,
                reason=None,
                words=words,
                language=language,
                now=now,
                is_following=True,
            )


def tell(
    connection: "Connection[Any]",
    held: Held,
    case_status: str,
    words: str | None,
    *,
    event: str,
    now: datetime,
    source: Source = _OURS,
) -> int:
    """Tell the public of the request, an update as servicerequestupdates shows it, and those who follow it; its id.

    event: "status", "closed", "reopened" or "noted", as open311/notify/texts.yml has it.
    """
    row = _TELL.run(
        connection,
        **held.key,
        now=now,
        case_status=case_status,
        description=words,
        media_urls=list(source.media_urls),
        api_key_id=source.api_key_id,
        client_update_id=source.client_update_id,
    ).fetchone()
    assert row is not None
    outbox.post(connection, **held.key, event=event, facts={"words": words}, now=now)
    return int(row.id)


def _move_clocks(
    connection: "Connection[Any]", work: Casework, held: Held, before: Status, status: Status, *, now: datetime
) -> None:
    # By whether they stand, not by the status before: the city may have changed since what that one does.
    move = deadlines.pause if status.stops_clock else deadlines.resume
    has_moved = move(connection, **held.key, now=now)
    if status.is_closed:
        deadlines.end(connection, **held.key, phase_id=None, now=now)
    elif before.is_closed:
        target = work.target_of(held.service_id, held.service_group, at=now)
        deadlines.retarget(connection, work, **held.key, target=target, started_at=now)
    elif has_moved:
        expected_at = deadlines.settle(connection, work, **held.key)
        facts = {"stands": status.stops_clock, "expected": expected_at and expected_at.isoformat()}
        held.append(connection, "clock", facts, at=now)


_NOW: Any = bindparam("now", type_=TIMESTAMP(timezone=True))
_REQUEST = (
    ServiceRequest.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger),
    ServiceRequest.id == bindparam("request_id", type_=BigInteger),
)
_ENTER = Statement(
    update(ServiceRequest)
    .where(*_REQUEST)
    .values(
        case_status=bindparam("case_status", type_=Text),
        status=bindparam("status", type_=Text),
        closed_at=bindparam("closed_at", type_=TIMESTAMP(timezone=True)),
        # What was said of the status before is not true of this one.
        status_notes=bindparam("status_notes", type_=Text),
        times_reopened=ServiceRequest.times_reopened + cast(bindparam("is_reopened", type_=Boolean), Integer),
        updated_at=func.greatest(ServiceRequest.updated_at, _NOW),
    )
)
_TOUCH = Statement(update(ServiceRequest).where(*_REQUEST).values(updated_at=func.greatest(ServiceRequest.updated_at, _NOW)))
_TELL = Statement(
    insert(RequestUpdate)
    .values(
        jurisdiction_id=bindparam("jurisdiction_id", type_=BigInteger),
        request_id=bindparam("request_id", type_=BigInteger),
        updated_at=_NOW,
        case_status=bindparam("case_status", type_=Text),
        description=bindparam("description", type_=Text),
        media_urls=bindparam("media_urls", type_=ARRAY(Text)),
        api_key_id=bindparam("api_key_id", type_=BigInteger),
        client_update_id=bindparam("client_update_id", type_=Text),
    )
    .returning(RequestUpdate.id)
)
