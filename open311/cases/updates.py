"""Updates, both ways: what other systems say of a request, and what is said to them.  Source: spec 5.4."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row
from sqlalchemy import BigInteger, Text, and_, bindparam, func, insert, select
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from db.driver import Statement
from open311 import actors
from open311.actors import NOTE, SET_STATUS, SYSTEM, Actor, allows
from open311.cases import phases, statuses
from open311.cases.casework import OPEN, Casework, Status, casework
from open311.cases.holding import Held, hold, permit
from open311.cases.numbers import spellings
from open311.cases.statuses import Source
from open311.jurisdictions import City
from open311.models import CaseStatus, RequestUpdate, ServiceRequest, UpdateReporter
from schemas.query import UpdatesQuery
from schemas.update import PERSON_FIELDS, REOPEN, UNCHANGED, PostedUpdate
from schemas.working import STANDARD_STATUSES


class UnknownWord(ValueError):
    """A status that is none of the words of spec 5.4 nor of the city's; the message names those."""


@dataclass(frozen=True, kw_only=True)
class Updates:
    """A page of updates in the order of schemas.update.UpdateSchema, oldest first; has_more: there is a next page."""

    rows: Sequence[tuple[Any, ...]]
    has_more: bool


@dataclass(frozen=True, kw_only=True)
class UpdateReceipt:
    """What a client is told of its update.  is_new: not a repeated POST."""

    update_id: str
    is_new: bool = True


def find_updates(connection: "Connection[Any]", query: UpdatesQuery, *, jurisdiction_id: int, public_url: str) -> Updates:
    """The updates of public requests that a query asks for; public_url stands before the paths of our own files."""
    filters = {
        "numbers": query.numbers and [each for number in query.numbers for each in spellings(number)],
        "updated_from": query.updated_from,
        "updated_to": query.updated_to,
    }
    used = {name: value for name, value in filters.items() if value is not None}
    rows = (
        _find(tuple(used))
        .run(
            connection,
            jurisdiction_id=jurisdiction_id,
            take=query.page_rows + 1,
            skip=(query.page - 1) * query.page_rows,
            **used,
        )
        .fetchall()
    )
    shown = [
        (*row, [public_url + url if url.startswith("/") else url for url in urls]) for *row, urls in rows[: query.page_rows]
    ]
    return Updates(rows=shown, has_more=len(rows) > query.page_rows)


# The words of spec 5.4: what each is to GeoReport.
_OPEN_OR_CLOSED = {each["wire"]: each["status"] for each in STANDARD_STATUSES}


def post_update(
    connection: "Connection[Any]", city: City, posted: PostedUpdate, media_urls: Sequence[str], *, by: Actor, now: datetime
) -> UpdateReceipt:
    """The receipt of the update that a client posted: kept, and the request has the status that it names.

    The same key's update_id of the same request is the same update: nothing is done a second time.  A word that says
    only "open" or "closed" changes nothing of a request that is so already.  Closing ends every phase; of a department that
    works a part of it alone, its own open phases.  "reopen", or what is open said of a closed request, opens it again.
    Raises UnknownRequest, NotAllowed, UnknownWord, StatusNotAllowed, TooLateToReopen.
    """
    # Whoever may not write now may have been allowed to when it came first.
    held = hold(connection, city, posted.number, SYSTEM, NOTE)
    source = Source(media_urls=media_urls, api_key_id=by.api_key_id, client_update_id=posted.update_id)
    earlier = _EARLIER.run(
        connection, **held.key, api_key_id=source.api_key_id, client_update_id=source.client_update_id
    ).fetchone()
    if earlier is not None:
        return UpdateReceipt(update_id=str(earlier.id), is_new=False)
    permit(connection, held, by, NOTE)
    work = casework(connection, city.id)
    status = _status(work, held, posted.status)
    said = {
        "words": posted.description,
        "update_id": posted.update_id,
        "their_time": posted.updated_at.isoformat(),
        **by.as_facts,
    }
    held.append(connection, "updated", {name: value for name, value in said.items() if value is not None}, at=now)
    if status is None:
        update_id: int | None = statuses.tell(
            connection, held, held.case_status, posted.description, event="noted", now=now, source=source
        )
        statuses.touch(connection, held, now=now)
    elif status.is_closed and _is_a_part_only(held, by):
        held = _end_own_phases(connection, work, held, by=by, note=posted.description, now=now)
        update_id = statuses.tell(connection, held, held.case_status, posted.description, event="noted", now=now, source=source)
        statuses.touch(connection, held, now=now)
    else:
        permit(connection, held, by, actors.REOPEN if held.is_closed and not status.is_closed else SET_STATUS)
        update_id = statuses.enter(
            connection,
            work,
            held,
            status,
            by=by,
            reason=None,
            words=posted.description,
            language="en",
            now=now,
            source=source,
        ).update_id
    if posted.person:
        personal = {name: posted.person.get(name) for name in PERSON_FIELDS}
        _REPORTER.run(connection, jurisdiction_id=city.id, update_id=update_id, **personal)
    return UpdateReceipt(update_id=str(update_id))


def _is_a_part_only(held: Held, by: Actor) -> bool:
    """Whether phases of others are left, and who it is does not answer for the whole request."""
    left = {phase.department_id for phase in held.phases if not phase.is_over}
    others = [each for each in left if not allows(by, SET_STATUS, department_ids={each})]
    return bool(others) and not allows(by, SET_STATUS, department_ids={held.department_id})


def _end_own_phases(
    connection: "Connection[Any]", work: Casework, held: Held, *, by: Actor, note: str | None, now: datetime
) -> Held:
    """The open phases of the actor's department ended as done, and what waited for them begun."""
    for phase in held.open_phases:
        if allows(by, SET_STATUS, department_ids={phase.department_id}):
            held = phases.end(connection, held, phase, "done", {"note": note, **by.as_facts}, reason=None, now=now)
    return phases.proceed(connection, work, held, now=now)


def _status(work: Casework, held: Held, word: str) -> Status | None:
    """The status that a word names for this request; None: it stays as it is."""
    present = work.status(held.case_status)
    if word == UNCHANGED or word in (present.code, present.wire, present.status):
        return None
    if word == REOPEN:
        return work.status(OPEN) if present.is_closed else None
    found = work.statuses.get(word) or next((each for each in work.statuses.values() if each.wire == word), None)
    if found is None and word in _OPEN_OR_CLOSED:
        # A city with a table of its own knows at least what is open and what is closed.
        if _OPEN_OR_CLOSED[word] == present.status:
            return None
        found = work.status(_OPEN_OR_CLOSED[word])
    if found is None:
        wires = [*(each.wire for each in work.statuses.values()), *_OPEN_OR_CLOSED, REOPEN, UNCHANGED]
        raise UnknownWord(f"status must be one of {', '.join(dict.fromkeys(wires))}, got {word[:50]!r}")
    if present.is_closed and not found.is_closed:
        # Whatever it is to become, it is opened first.
        return work.status(OPEN)
    return found


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_MOMENT = TIMESTAMP(timezone=True)
# name of a filter: its condition.  A list is one statement a combination of filters, compiled when first asked for.
_CONDITIONS: dict[str, Any] = {
    "numbers": ServiceRequest.number == func.any(bindparam("numbers", type_=ARRAY(Text))),
    "updated_from": RequestUpdate.updated_at >= bindparam("updated_from", type_=_MOMENT),
    "updated_to": RequestUpdate.updated_at <= bindparam("updated_to", type_=_MOMENT),
}


@cache
def _find(used: tuple[str, ...]) -> Statement:
    return Statement(
        select(
            func.concat(RequestUpdate.id),
            ServiceRequest.number,
            CaseStatus.wire,
            RequestUpdate.updated_at,
            RequestUpdate.description,
            RequestUpdate.media_urls,
        )
        .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == RequestUpdate.request_id))
        .join(CaseStatus, and_(CaseStatus.jurisdiction_id == _CITY, CaseStatus.code == RequestUpdate.case_status))
        .where(RequestUpdate.jurisdiction_id == _CITY, ServiceRequest.is_public, *[_CONDITIONS[name] for name in used])
        .order_by(RequestUpdate.updated_at, RequestUpdate.id)
        .limit(bindparam("take", type_=BigInteger))
        .offset(bindparam("skip", type_=BigInteger)),
        row_factory=tuple_row,
    )


_EARLIER = Statement(
    select(RequestUpdate.id).where(
        RequestUpdate.jurisdiction_id == _CITY,
        RequestUpdate.request_id == bindparam("request_id", type_=BigInteger),
        RequestUpdate.api_key_id == bindparam("api_key_id", type_=BigInteger),
        RequestUpdate.client_update_id == bindparam("client_update_id", type_=Text),
    )
)
_REPORTER = Statement(
    insert(UpdateReporter).values({name: bindparam(name) for name in ("jurisdiction_id", "update_id", *PERSON_FIELDS)})
)
