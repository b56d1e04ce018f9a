"""How a message of the outbox goes out: a job a message, tried again with growing pauses, dead after the last."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Text, and_, bindparam, func, literal, select, update
from sqlalchemy.dialects.postgresql import TIMESTAMP

from db.driver import Statement, driver
from open311.cases.jobs import PATIENTLY, queue
from open311.config import settings
from open311.models import Follower, Jurisdiction, Message, ServiceRequest
from open311.notify.channels import Channel, Delayed, Mail, NotTaken, channel
from open311.notify.links import CONFIRM, MINE_LASTS, STOP, VERDICT, Link, Links
from open311.notify.texts import write
from schemas.moment import whole_second

# The events of messages that somebody asked for by an address: whether who has it wants news, and a link to what they
# reported.  Without their link they say nothing, and who wants no more news is sent them all the same.
ASKED, OWN = "asked", "own"
LETTERS = (ASKED, OWN)


@queue.task(name="send_message", retry=PATIENTLY)
def send_message(jurisdiction_id: int, message_id: int) -> None:
    """Job: send a message that waits.  Sent is sent: running it again sends nothing."""
    with driver.transaction() as connection:
        delayed = deliver(
            connection,
            channel(settings()),
            Links(settings()),
            jurisdiction_id=jurisdiction_id,
            message_id=message_id,
            now=whole_second(datetime.now(UTC)),
        )
    if delayed is not None:
        # The attempt is on record; the queue tries again.
        raise delayed


def deliver(
    connection: "Connection[Any]", way: Channel, links: Links, *, jurisdiction_id: int, message_id: int, now: datetime
) -> Delayed | None:
    """Send a message that waits and that nobody else is sending; what to wait for, None when there is nothing more to do.

    Its row is held meanwhile: who dies in between leaves it waiting, with the same Message-ID.
    """
    row = _CLAIM.run(connection, jurisdiction_id=jurisdiction_id, message_id=message_id).fetchone()
    if row is None:
        return held_elsewhere(connection, jurisdiction_id=jurisdiction_id, message_id=message_id)
    is_letter = row.event in LETTERS
    if (row.stopped_at is not None and not is_letter) or (row.event == OWN and row.at + MINE_LASTS <= now):
        DROP.run(connection, jurisdiction_id=jurisdiction_id, message_id=message_id)
        return None
    written = _links(links, row, jurisdiction_id) if links.are_possible else {}
    language = row.facts.get("language") or row.language
    subject, body = (row.subject, row.body) if row.body is not None else write(row.event, language, row.facts, written)
    mail = Mail(
        key=f"{row.slug}.{message_id}.{int(row.at.timestamp())}",
        thread=f"{row.slug}.{row.facts.get('number') or row.follower_id}",
        to=row.email,
        city=row.facts["city"],
        language=language,
        subject=subject,
        body=body,
        at=row.at,
        stop_url=written.get("stop"),
    )
    if is_letter and "asked" not in written:
        # Who asked could not say by it that it was they.
        state: str
        error: NotTaken | Delayed | None
        state, error = "dead", NotTaken("SECRET_KEY and OPEN311_PUBLIC_URL must be set for a message with a link")
    else:
        state, error = _attempt(way, mail, is_last=row.attempts + 1 >= (PATIENTLY.max_attempts or 1))
    is_sent = state == "sent"
    END.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        message_id=message_id,
        # One that had to go without links is written anew when they can be had.
        subject=subject if is_sent or links.are_possible else None,
        body=body if is_sent or links.are_possible else None,
        state=state,
        sent_at=now if is_sent else None,
        sent_by=way.name if is_sent else None,
        error=error and str(error),
    )
    return error if isinstance(error, Delayed) and state == "waiting" else None


def held_elsewhere(connection: "Connection[Any]", *, jurisdiction_id: int, message_id: int) -> Delayed | None:
    """What to wait for when a message that waits is held by another attempt, or an erasure; None when it is done."""
    row = _STATE.run(connection, jurisdiction_id=jurisdiction_id, message_id=message_id).fetchone()
    return Delayed("the message is held by another transaction") if row is not None and row.state == "waiting" else None


def _links(links: Links, row: Any, jurisdiction_id: int) -> dict[str, str]:
    """By name of the phrase before it: the addresses that this message holds."""
    link = Link(jurisdiction_id=jurisdiction_id, follower_id=row.follower_id)
    if row.event == ASKED:
        return {"asked": links.url(CONFIRM, link)}
    if row.event == OWN:
        return {"asked": links.own_reports(replace(link, expires_at=row.at + MINE_LASTS), row.slug)}
    found = {"stop": links.url(STOP, link)}
    if row.public_number is not None:
        found["track"] = links.page(row.public_number, row.slug)
    if row.event == "closed" and row.is_reporter:
        found["fixed"] = links.url(VERDICT, replace(link, closed_at=row.at))
    return found


def _attempt(way: Channel, mail: Mail, *, is_last: bool) -> tuple[str, NotTaken | Delayed | None]:
    """The state of a message after an attempt at it, and what was in the way."""
    try:
        way.send(mail)
    except NotTaken as error:
        return "dead", error
    except Delayed as error:
        return "dead" if is_last else "waiting", error
    return "sent", None


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_MESSAGE = (Message.jurisdiction_id == _CITY, Message.id == bindparam("message_id", type_=BigInteger))
_CLAIM = Statement(
    select(
        Message.at,
        Message.event,
        Message.facts,
        Message.subject,
        Message.body,
        Message.attempts,
        Message.follower_id,
        Follower.email,
        Follower.is_reporter,
        Follower.language,
        Follower.stopped_at,
        Jurisdiction.slug,
        ServiceRequest.number.label("public_number"),
    )
    .join(Follower, and_(Follower.jurisdiction_id == _CITY, Follower.id == Message.follower_id))
    .join(Jurisdiction, Jurisdiction.id == _CITY)
    .outerjoin(
        ServiceRequest,
        and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == Message.request_id, ServiceRequest.is_public),
    )
    .where(*_MESSAGE, Message.state == literal("waiting", Text))
    .with_for_update(of=Message, skip_locked=True)
)
_STATE = Statement(select(Message.state).where(*_MESSAGE))
END = Statement(
    update(Message)
    .where(*_MESSAGE)
    .values(
        attempts=Message.attempts + 1,
        state=bindparam("state", type_=Text),
        sent_at=bindparam("sent_at", type_=TIMESTAMP(timezone=True)),
        sent_by=bindparam("sent_by", type_=Text),
        error=bindparam("error", type_=Text),
        subject=func.coalesce(Message.subject, bindparam("subject", type_=Text)),
        body=func.coalesce(Message.body, bindparam("body", type_=Text)),
    )
)
DROP = Statement(update(Message).where(*_MESSAGE).values(state=literal("dropped", Text)))
