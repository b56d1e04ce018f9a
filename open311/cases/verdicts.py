"""The citizen's last word: whether it was fixed, asked once of each reporter after each closing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Boolean, SmallInteger, Text, and_, bindparam, select
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as upsert

from db.driver import Statement
from open311.actors import SYSTEM
from open311.cases import statuses
from open311.cases.casework import OPEN, Casework, casework
from open311.cases.holding import Held, hold_new, lock
from open311.models import Follower, Service, ServiceRequest, Verdict
from schemas.text import clean

SCORES = range(1, 6)
MAX_COMMENT_CHARACTERS = 4000


class NotAsked(LookupError):
    """This reporter was not asked, or is not known any more."""


class AlreadyAnswered(ValueError):
    """This reporter has answered for this closing."""


class CommentTooLong(ValueError):
    """A comment of more than MAX_COMMENT_CHARACTERS."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a reporter is asked.  is_fixed: their answer, None before it; is_open: it is worked again by now.

    is_public: everybody may see the request.
    """

    number: str
    service_name: str
    address: str | None
    language: str
    is_open: bool
    is_public: bool
    is_fixed: bool | None


def find_question(connection: "Connection[Any]", *, jurisdiction_id: int, follower_id: int, closed_at: datetime) -> Question:
    """The question put to a reporter after the closing of this moment.  Raises NotAsked."""
    row = _QUESTION.run(connection, jurisdiction_id=jurisdiction_id, follower_id=follower_id, closed_at=closed_at).fetchone()
    if row is None:
        raise NotAsked
    return Question(
        number=row.number,
        service_name=row.service_name,
        address=row.address,
        language=row.language,
        is_open=row.status == "open",
        is_public=row.is_public,
        is_fixed=row.is_fixed,
    )


def answer(
    connection: "Connection[Any]",
    *,
    jurisdiction_id: int,
    follower_id: int,
    closed_at: datetime,
    is_fixed: bool,
    score: int | None = None,
    comment: str | None = None,
    now: datetime,
) -> Held:
    """Keep a reporter's answer; the request that is worked, as it then stands.

    "Not fixed" opens it again where the city has it so and the time for it has not passed; else whoever answers for it is
    alerted.  Said of what follows another request it is about that one.  score: of SCORES.
    Raises NotAsked, AlreadyAnswered.
    """
    row = _QUESTION.run(connection, jurisdiction_id=jurisdiction_id, follower_id=follower_id, closed_at=closed_at).fetchone()
    if row is None:
        raise NotAsked
    held = _held(connection, row, jurisdiction_id=jurisdiction_id)
    # Who was asked may have been erased until the request was free.
    find_question(connection, jurisdiction_id=jurisdiction_id, follower_id=follower_id, closed_at=closed_at)
    is_new = _KEEP.run(
        connection,
        **held.key,
        follower_id=follower_id,
        closed_at=closed_at,
        is_fixed=is_fixed,
        score=score,
        comment=comment,
        now=now,
    ).fetchone()
    if is_new is None:
        raise AlreadyAnswered
    facts = {"is_fixed": is_fixed, **({} if score is None else {"score": score})}
    held.append(connection, "verdict", facts, at=now)
    worked = held
    if held.parent_id is not None:
        worked = hold_new(connection, jurisdiction_id=jurisdiction_id, request_id=held.parent_id)
        worked.append(connection, "verdict", {**facts, "child": held.number}, at=now)
    # Of an earlier closing it is kept for the figures: what was done since is another piece of work.
    if not is_fixed and worked.is_closed and held.closed_at == closed_at:
        return _doubt(connection, worked, comment=comment, is_of_its_closing=worked.closed_at == closed_at, now=now)
    return worked


def _held(connection: "Connection[Any]", row: Any, *, jurisdiction_id: int) -> Held:
    """The request of a question, held with the one that it follows; that one first, as whoever changes it holds it."""
    for each in (row.parent_id, row.request_id):
        if each is not None:
            lock(connection, [each], jurisdiction_id=jurisdiction_id)
    held = hold_new(connection, jurisdiction_id=jurisdiction_id, request_id=row.request_id)
    if held.parent_id is not None and held.parent_id != row.parent_id:
        # It was linked in between.
        lock(connection, [held.parent_id], jurisdiction_id=jurisdiction_id)
    return held


def _doubt(connection: "Connection[Any]", worked: Held, *, comment: str | None, is_of_its_closing: bool, now: datetime) -> Held:
    work = casework(connection, worked.jurisdiction_id)
    why = "who reported it says that it was not fixed"
    if is_of_its_closing and work.reopens_when_not_fixed and _is_in_time(work, worked, now):
        return statuses.enter(
            connection, work, worked, work.status(OPEN), by=SYSTEM, reason=None, words=None, language="en", why=why, now=now
        )
    # Not their words, which are personal: `request person` shows them.
    said = f"{why}, and says why (request person {worked.number})" if comment else why
    worked.alert(connection, "not_fixed", said, at=now)
    return worked


def _is_in_time(work: Casework, worked: Held, now: datetime) -> bool:
    if OPEN not in work.status(worked.case_status).next:
        return False
    return worked.closed_at is not None and now - worked.closed_at <= timedelta(days=work.reopen_days)


def read_comment(text: str) -> str | None:
    """The comment of a form, None when it says nothing.  Raises CommentTooLong."""
    said = clean(text)
    if len(said) > MAX_COMMENT_CHARACTERS:
        raise CommentTooLong(f"{len(said)} > {MAX_COMMENT_CHARACTERS}")
    return said or None


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_FOLLOWER_ID: Any = bindparam("follower_id", type_=BigInteger)
_CLOSED_AT: Any = bindparam("closed_at", type_=TIMESTAMP(timezone=True))
_QUESTION = Statement(
    select(
        ServiceRequest.id.label("request_id"),
        ServiceRequest.parent_id,
        ServiceRequest.number,
        ServiceRequest.status,
        ServiceRequest.is_public,
        ServiceRequest.address,
        Service.name.label("service_name"),
        Follower.language,
        Verdict.is_fixed,
    )
    .select_from(Follower)
    .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == Follower.request_id))
    .join(Service, and_(Service.jurisdiction_id == _CITY, Service.id == ServiceRequest.service_id))
    .outerjoin(
        Verdict,
        and_(
            Verdict.jurisdiction_id == _CITY,
            Verdict.request_id == ServiceRequest.id,
            Verdict.follower_id == Follower.id,
            Verdict.closed_at == _CLOSED_AT,
        ),
    )
    .where(Follower.jurisdiction_id == _CITY, Follower.id == _FOLLOWER_ID, Follower.is_reporter)
)
_KEEP = Statement(
    upsert(Verdict)
    .values(
        jurisdiction_id=_CITY,
        request_id=bindparam("request_id", type_=BigInteger),
        follower_id=_FOLLOWER_ID,
        closed_at=_CLOSED_AT,
        at=bindparam("now", type_=TIMESTAMP(timezone=True)),
        is_fixed=bindparam("is_fixed", type_=Boolean),
        score=bindparam("score", type_=SmallInteger),
        comment=bindparam("comment", type_=Text),
    )
    .on_conflict_do_nothing()
    .returning(Verdict.id)
)
