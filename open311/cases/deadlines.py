"""By when a request, and each of its phases, is to be done; and when the next step of its ladder is taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb
from sqlalchemy import BigInteger, and_, bindparam, delete, func, insert, literal_column, null, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as upsert

from db.driver import Statement
from open311.cases.casework import Casework, LadderOf
from open311.cases.clock import Pause, due, moment_of
from open311.models import RequestClock, RequestPause, RequestPhase, ServiceRequest


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """When a target is used up, and when the next step of the ladder is taken: None when there is none left."""

    due_at: datetime
    next_step_at: datetime | None


def deadline(
    work: Casework,
    target: Mapping[str, Any],
    started_at: datetime,
    *,
    ladder: LadderOf | None,
    climbed_to: float = 0,
    pauses: Sequence[Pause] = (),
) -> Deadline:
    """The deadline of a target that began at a moment; while a pause lasts no step is taken.

    climbed_to: the share of the target whose steps of the ladder were taken last.
    """
    timed = work.timed(target)
    is_paused = any(ended is None for _, ended in pauses)
    share = ladder.share_after(climbed_to) if ladder is not None and not is_paused else None
    return Deadline(
        due_at=due(timed, started_at, pauses),
        next_step_at=None if share is None else moment_of(timed, started_at, share, pauses),
    )


def begin(
    connection: "Connection[Any]",
    found: Deadline,
    target: Mapping[str, Any],
    *,
    jurisdiction_id: int,
    request_id: int,
    phase_id: int | None,
    at: datetime,
) -> None:
    """Let a clock run from a moment: the first time, or anew."""
    _BEGIN.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        request_id=request_id,
        phase_id=phase_id,
        started_at=at,
        target=Jsonb(target),
        due_at=found.due_at,
        next_step_at=found.next_step_at,
    )


def end(connection: "Connection[Any]", *, jurisdiction_id: int, request_id: int, phase_id: int | None, now: datetime) -> None:
    """Stop the clock of a phase, or (None) of the request; one that is stopped stays so."""
    _END.run(connection, jurisdiction_id=jurisdiction_id, request_id=request_id, phase_id=phase_id, now=now)


def pause(connection: "Connection[Any]", *, jurisdiction_id: int, request_id: int, now: datetime) -> bool:
    """Let every clock of the request stand from now on; whether they ran.  `settle` tells what that changes."""
    return _PAUSE.run(connection, jurisdiction_id=jurisdiction_id, request_id=request_id, now=now).rowcount > 0


def resume(connection: "Connection[Any]", *, jurisdiction_id: int, request_id: int, now: datetime) -> bool:
    """Let them run again; whether they stood.  `settle` tells what that changes."""
    return _RESUME.run(connection, jurisdiction_id=jurisdiction_id, request_id=request_id, now=now).rowcount > 0


def settle(connection: "Connection[Any]", work: Casework, *, jurisdiction_id: int, request_id: int) -> datetime | None:
    """Compute every running deadline of a request anew; the request's, which is its expected_datetime, None without one."""
    key = {"jurisdiction_id": jurisdiction_id, "request_id": request_id}
    pauses = pauses_of(connection, **key)
    expected_at = None
    for row in _RUNNING.run(connection, **key).fetchall():
        found = deadline(
            work,
            row.target,
            row.started_at,
            ladder=work.ladder_of(row.service_id, row.department_id),
            climbed_to=row.climbed_to,
            pauses=pauses,
        )
        _SET.run(connection, **key, clock_id=row.id, due_at=found.due_at, next_step_at=found.next_step_at)
        if row.phase_id is None:
            expected_at = found.due_at
    if expected_at is not None:
        _EXPECT.run(connection, **key, expected_at=expected_at)
    return expected_at


def retarget(
    connection: "Connection[Any]",
    work: Casework,
    *,
    jurisdiction_id: int,
    request_id: int,
    target: Mapping[str, Any] | None,
    started_at: datetime,
) -> datetime | None:
    """Give the request another target, counted from when it came in, or none; its expected_datetime."""
    key = {"jurisdiction_id": jurisdiction_id, "request_id": request_id}
    if target is None:
        _FORGET.run(connection, **key)
        _EXPECT.run(connection, **key, expected_at=None)
        return None
    begin(connection, deadline(work, target, started_at, ladder=None), target, **key, phase_id=None, at=started_at)
    return settle(connection, work, **key)


def pauses_of(connection: "Connection[Any]", *, jurisdiction_id: int, request_id: int) -> list[Pause]:
    """(since, until) of each time in which the request's clocks stood; until None: they stand."""
    rows = _PAUSES.run(connection, jurisdiction_id=jurisdiction_id, request_id=request_id)
    return [(row.since, row.until) for row in rows]


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_REQUEST: Any = bindparam("request_id", type_=BigInteger)
_PHASE: Any = bindparam("phase_id", type_=BigInteger)
_MOMENT = TIMESTAMP(timezone=True)
_NOW: Any = bindparam("now", type_=_MOMENT)
_OF_REQUEST = (RequestClock.jurisdiction_id == _CITY, RequestClock.request_id == _REQUEST)

# A promise that nobody makes any more is neither kept nor missed.
_FORGET = Statement(
    delete(RequestClock).where(*_OF_REQUEST, RequestClock.phase_id.is_(None), RequestClock.stopped_at.is_(None))
)


_VALUES: dict[str, Any] = {
    "started_at": bindparam("started_at", type_=_MOMENT),
    "target": bindparam("target", type_=JSONB),
    "due_at": bindparam("due_at", type_=_MOMENT),
    "next_step_at": bindparam("next_step_at", type_=_MOMENT),
}
_BEGIN = Statement(
    upsert(RequestClock)
    .values(jurisdiction_id=_CITY, request_id=_REQUEST, phase_id=_PHASE, **_VALUES)
    .on_conflict_do_update(
        index_elements=[
            RequestClock.jurisdiction_id,
            RequestClock.request_id,
            func.coalesce(RequestClock.phase_id, literal_column("0")),
        ],
        set_={**_VALUES, "climbed_to": literal_column("0"), "stopped_at": null()},
    )
)
_END = Statement(
    update(RequestClock)
    .where(*_OF_REQUEST, RequestClock.phase_id.is_not_distinct_from(_PHASE), RequestClock.stopped_at.is_(None))
    .values(stopped_at=_NOW, next_step_at=null())
)
_STANDS = (RequestPause.jurisdiction_id == _CITY, RequestPause.request_id == _REQUEST, RequestPause.until.is_(None))
_PAUSE = Statement(
    insert(RequestPause).from_select(
        ["jurisdiction_id", "request_id", "since"],
        select(_CITY, _REQUEST, _NOW).where(~select(RequestPause.id).where(*_STANDS).exists()),
    )
)
_RESUME = Statement(update(RequestPause).where(*_STANDS).values(until=func.greatest(RequestPause.since, _NOW)))
_PAUSES = Statement(
    select(RequestPause.since, RequestPause.until)
    .where(RequestPause.jurisdiction_id == _CITY, RequestPause.request_id == _REQUEST)
    .order_by(RequestPause.since, RequestPause.id)
)
_RUNNING = Statement(
    select(
        RequestClock.id,
        RequestClock.phase_id,
        RequestClock.started_at,
        RequestClock.target,
        RequestClock.climbed_to,
        ServiceRequest.service_id,
        func.coalesce(RequestPhase.department_id, ServiceRequest.department_id).label("department_id"),
    )
    .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == RequestClock.request_id))
    .outerjoin(RequestPhase, and_(RequestPhase.jurisdiction_id == _CITY, RequestPhase.id == RequestClock.phase_id))
    .where(*_OF_REQUEST, RequestClock.stopped_at.is_(None))
    .order_by(RequestClock.id)
)
_SET = Statement(
    update(RequestClock)
    .where(*_OF_REQUEST, RequestClock.id == bindparam("clock_id", type_=BigInteger))
    .values(
        due_at=bindparam("due_at", type_=_MOMENT),
        next_step_at=bindparam("next_step_at", type_=_MOMENT),
    )
)
_EXPECT = Statement(
    update(ServiceRequest)
    # What follows it is promised what it is.
    .where(ServiceRequest.jurisdiction_id == _CITY, or_(ServiceRequest.id == _REQUEST, ServiceRequest.parent_id == _REQUEST))
    .values(expected_at=bindparam("expected_at", type_=_MOMENT))
)
