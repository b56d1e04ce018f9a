"""The outbox: what followers of a request, and webhooks, are to be told, kept in the transaction of what happened."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb
from sqlalchemy import (
    BigInteger,
    Boolean,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    insert,
    literal,
    literal_column,
    null,
    or_,
    select,
    table,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as upsert

from db.driver import Statement
from open311.cases.jobs import MESSAGES, deferring
from open311.models import CaseStatus, Follower, Jurisdiction, Message, Service, ServiceRequest, Webhook
from open311.notify import webhooks
from open311.notify.texts import FOLLOWER, REPORTER, tells

# One address that a header can carry as it is; anything else that came in a form is kept with the person, and not written to.
_ADDRESS = re.compile(r"(?!.*=\?)[^\s@,;:<>()\[\]\"\\\x00-\x1f\x7f]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")


def is_address(email: str) -> bool:
    """Whether it is one address that can be written to."""
    return bool(_ADDRESS.fullmatch(email))


def follow(
    connection: "Connection[Any]", *, jurisdiction_id: int, request_id: int, email: str, now: datetime, language: str = "en"
) -> bool:
    """Let who reported a request be told what becomes of it; False for what is no address, and for one that follows it."""
    if not is_address(email):
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
    """Let whoever follows a request, as texts.yml says whom, and webhooks be told of an event of it, after this transaction.

    facts: words, what the public was told; parent, the number of the request that it follows from now on.
    """
    rows = _POST.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        request_id=request_id,
        event=event,
        to_reporters=tells(event, REPORTER),
        to_others=tells(event, FOLLOWER),
        said=Jsonb(facts),
        now=now,
    ).fetchall()
    send_later(connection, [row.id for row in rows], jurisdiction_id=jurisdiction_id)
    if event in webhooks.EVENTS:
        webhooks.post(
            connection,
            jurisdiction_id=jurisdiction_id,
            request_id=request_id,
            event=event,
            parent=facts.get("parent"),
            now=now,
        )


def post_to(
    connection: "Connection[Any]",
    *,
    jurisdiction_id: int,
    follower_id: int,
    event: str,
    facts: Mapping[str, Any],
    now: datetime,
    is_to_go: bool = True,
) -> None:
    """Let one follower be told of what is about no request, with all the facts of its text, once this transaction is committed.

    is_to_go: else it is kept as dropped, and counts.
    """
    row = _POST_TO.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        follower_id=follower_id,
        event=event,
        facts=Jsonb(facts),
        state="waiting" if is_to_go else "dropped",
        now=now,
    ).fetchone()
    assert row is not None
    if is_to_go:
        send_later(connection, [row.id], jurisdiction_id=jurisdiction_id)


def send_later(connection: "Connection[Any]", ids: Sequence[int], *, jurisdiction_id: int) -> None:
    """Let jobs send these messages to their followers, once this transaction is committed."""
    jobs: list[dict[str, Any]] = [{"jurisdiction_id": jurisdiction_id, "message_id": each} for each in ids]
    if jobs:
        deferring.configure_task("send_message", queue=MESSAGES, connection=connection).batch_defer(*jobs)


def find_messages(connection: "Connection[Any]", *, jurisdiction_id: int, states: Sequence[str], most: int) -> Sequence[Any]:
    """The newest messages in these states: rows as `message list` prints."""
    return _FIND.run(connection, jurisdiction_id=jurisdiction_id, states=list(states), most=most).fetchall()


def replay(connection: "Connection[Any]", *, jurisdiction_id: int, ids: Sequence[int] | None = None) -> int:
    """Let what is dead, or waits without a job, be tried again from the beginning: these messages, or (None) all; how many."""
    rows = _REPLAY.run(connection, jurisdiction_id=jurisdiction_id, ids=None if ids is None else list(ids)).fetchall()
    for later, is_webhook in ((send_later, False), (webhooks.send_later, True)):
        theirs = [row.id for row in rows if (row.webhook_id is not None) == is_webhook]
        later(connection, theirs, jurisdiction_id=jurisdiction_id)
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
        is_reporter=true(),
        created_at=_NOW,
        confirmed_at=_NOW,
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
                case((or_(Follower.is_reporter, ServiceRequest.coarse_metres.is_(None)), ServiceRequest.address)),
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
            Follower.confirmed_at.is_not(None),
            Follower.stopped_at.is_(None),
            or_(
                and_(Follower.is_reporter, bindparam("to_reporters", type_=Boolean)),
                # What the public does not see any more is told to who reported it alone.
                and_(~Follower.is_reporter, ServiceRequest.is_public, bindparam("to_others", type_=Boolean)),
            ),
            # One of a batch service without its number is told when it has one.
            ServiceRequest.number.is_not(None),
        ),
    )
    .returning(Message.id)
)
_POST_TO = Statement(
    insert(Message)
    .values(
        jurisdiction_id=_CITY,
        follower_id=bindparam("follower_id", type_=BigInteger),
        event=bindparam("event", type_=Text),
        facts=bindparam("facts", type_=JSONB),
        state=bindparam("state", type_=Text),
        at=_NOW,
    )
    .returning(Message.id)
)
_FIND = Statement(
    select(
        Message.id,
        Message.at,
        ServiceRequest.number,
        Message.event,
        func.coalesce(Follower.email, Webhook.code).label("recipient"),
        Message.state,
        Message.sent_by,
        Message.attempts,
        Message.subject,
        Message.body,
        Message.error,
    )
    .outerjoin(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == Message.request_id))
    .outerjoin(Follower, and_(Follower.jurisdiction_id == _CITY, Follower.id == Message.follower_id))
    .outerjoin(Webhook, and_(Webhook.jurisdiction_id == _CITY, Webhook.id == Message.webhook_id))
    .where(Message.jurisdiction_id == _CITY, Message.state == func.any(bindparam("states", type_=ARRAY(Text))))
    .order_by(Message.id.desc())
    .limit(bindparam("most", type_=BigInteger))
)
_JOB = table("procrastinate_jobs", column("task_name"), column("status", Text), column("args", JSONB))
_HAS_JOB = (
    select(literal(1, BigInteger))
    .select_from(_JOB)
    .where(
        _JOB.c.task_name == func.any(literal_column("array['send_message', 'send_webhook']")),
        cast(_JOB.c.status, Text) == func.any(literal_column("array['todo', 'doing']")),
        _JOB.c.args["message_id"].astext == cast(Message.id, Text),
        _JOB.c.args["jurisdiction_id"].astext == cast(Message.jurisdiction_id, Text),
    )
    .correlate(Message)
    .exists()
)
_IDS: Any = bindparam("ids", type_=ARRAY(BigInteger))
_REPLAY = Statement(
    update(Message)
    .where(
        Message.jurisdiction_id == _CITY,
        or_(Message.state == literal("dead", Text), and_(Message.state == literal("waiting", Text), ~_HAS_JOB)),
        or_(_IDS.is_(null()), Message.id == func.any(_IDS)),
    )
    .values(state=literal("waiting", Text), attempts=literal(0, BigInteger))
    .returning(Message.id, Message.webhook_id)
)
