"""The outbox: what followers of a request are to be told, kept in the transaction of what happened."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb
from sqlalchemy import BigInteger, Text, and_, bindparam, func, insert, literal, null, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as upsert

from db.driver import Statement
from open311.cases.jobs import MESSAGES, queue
from open311.models import CaseStatus, Follower, Jurisdiction, Message, Service, ServiceRequest

# One address that a header can carry as it is; anything else that came in a form is kept with the person, and not written to.
_ADDRESS = re.compile(r"[^\s@,;:<>()\[\]\"\\\x00-\x1f\x7f]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")


def follow(
    connection: "Connection[Any]", *, jurisdiction_id: int, request_id: int, email: str, now: datetime, language: str = "en"
) -> bool:
    """Let an address be told what becomes of a request; False for what is no address, and for one that follows already."""
    if not _ADDRESS.fullmatch(email):
        return False
    row = _FOLLOW.run(
        connection, jurisdiction_id=jurisdiction_id, request_id=request_id, email=email, language=language, now=now
    ).fetchone()
    return row is not None


def post(
    connection: "Connection[Any]",
    *,
    jurisdiction_id: int,
    request_id: int,
    event: str,
    facts: Mapping[str, Any],
    now: datetime,
) -> None:
    """Let whoever follows a request be told of an event of it, once this transaction is committed.

    facts: words, what the public was told; parent, the number of the request that it follows from now on.
    """
    rows = _POST.run(
        connection, jurisdiction_id=jurisdiction_id, request_id=request_id, event=event, said=Jsonb(facts), now=now
    ).fetchall()
    send_later(connection, [row.id for row in rows], jurisdiction_id=jurisdiction_id)


def send_later(connection: "Connection[Any]", ids: Sequence[int], *, jurisdiction_id: int) -> None:
    """Let jobs send these messages, once this transaction is committed."""
    jobs: list[dict[str, Any]] = [{"jurisdiction_id": jurisdiction_id, "message_id": each} for each in ids]
    if jobs:
        queue.configure_task("send_message", queue=MESSAGES, connection=connection).batch_defer(*jobs)


def find_messages(connection: "Connection[Any]", *, jurisdiction_id: int, states: Sequence[str], most: int) -> Sequence[Any]:
    """The newest messages in these states: rows as `message list` prints."""
    return _FIND.run(connection, jurisdiction_id=jurisdiction_id, states=list(states), most=most).fetchall()


def replay(connection: "Connection[Any]", *, jurisdiction_id: int, ids: Sequence[int] | None = None) -> int:
    """Let what is dead be tried again from the beginning: these messages, or (None) all; how many are."""
    rows = _REPLAY.run(connection, jurisdiction_id=jurisdiction_id, ids=None if ids is None else list(ids)).fetchall()
    send_later(connection, [row.id for row in rows], jurisdiction_id=jurisdiction_id)
    return len(rows)


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_REQUEST_ID: Any = bindparam("request_id", type_=BigInteger)
_NOW: Any = bindparam("now", type_=TIMESTAMP(timezone=True))
_FOLLOW = Statement(
    upsert(Follower)
    .values(
        jurisdiction_id=_CITY,
        request_id=_REQUEST_ID,
        email=bindparam("email", type_=Text),
        language=bindparam("language", type_=Text),
        created_at=_NOW,
    )
    .on_conflict_do_nothing()
    .returning(Follower.id)
)
_POST = Statement(
    insert(Message)
    .from_select(
        ["jurisdiction_id", "request_id", "follower_id", "at", "event", "facts"],
        select(
            _CITY,
            _REQUEST_ID,
            Follower.id,
            _NOW,
            bindparam("event", type_=Text),
            func.jsonb_build_object(
                literal("number", Text),
                ServiceRequest.number,
                literal("service", Text),
                Service.name,
                literal("address", Text),
                ServiceRequest.address,
                literal("status", Text),
                CaseStatus.name,
                literal("city", Text),
                Jurisdiction.name,
            ).op("||")(bindparam("said", type_=JSONB)),
        )
        .select_from(Follower)
        .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == Follower.request_id))
        .join(Service, and_(Service.jurisdiction_id == _CITY, Service.id == ServiceRequest.service_id))
        .join(CaseStatus, and_(CaseStatus.jurisdiction_id == _CITY, CaseStatus.code == ServiceRequest.case_status))
        .join(Jurisdiction, Jurisdiction.id == _CITY)
        .where(
            Follower.jurisdiction_id == _CITY,
            Follower.request_id == _REQUEST_ID,
            Follower.stopped_at.is_(None),
            # One of a batch service without its number is told when it has one.
            ServiceRequest.number.is_not(None),
        ),
    )
    .returning(Message.id)
)
_FIND = Statement(
    select(
        Message.id,
        Message.at,
        ServiceRequest.number,
        Message.event,
        Follower.email,
        Message.state,
        Message.sent_by,
        Message.attempts,
        Message.subject,
        Message.body,
        Message.error,
    )
    .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == Message.request_id))
    .join(Follower, and_(Follower.jurisdiction_id == _CITY, Follower.id == Message.follower_id))
    .where(Message.jurisdiction_id == _CITY, Message.state == func.any(bindparam("states", type_=ARRAY(Text))))
    .order_by(Message.id.desc())
    .limit(bindparam("most", type_=BigInteger))
)
_IDS: Any = bindparam("ids", type_=ARRAY(BigInteger))
_REPLAY = Statement(
    update(Message)
    .where(
        Message.jurisdiction_id == _CITY,
        Message.state == literal("dead", Text),
        or_(_IDS.is_(null()), Message.id == func.any(_IDS)),
    )
    .values(state=literal("waiting", Text), attempts=literal(0, BigInteger))
    .returning(Message.id)
)
