"""What is kept of a person, taken away for good: from the tables of persons, and from all that was written of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb
from sqlalchemy import BigInteger, Text, bindparam, delete, func, null, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from db.driver import Statement
from open311.actors import PERSONAL_DATA, Actor, may
from open311.cases import history
from open311.cases.holding import lock
from open311.cases.phases import ReasonMissing
from open311.jurisdictions import City
from open311.models import (
    Follower,
    Media,
    Message,
    Reporter,
    RequestUpdate,
    ServiceAttribute,
    ServiceRequest,
    UpdateReporter,
    Verdict,
)
from open311.people import record
from open311.people.files import remove_later
from open311.people.identity import Asked, Found, find, nameless
from open311.people.redacting import family, remove_media, remove_update_media, respell, touch
from open311.people.traces import REMOVED, is_telling, without


@dataclass(kw_only=True)
class Erased:
    """How much went: rows of who reported, who posted updates and who follows, messages to them, texts that named them, words
    of their own, files.
    """

    reporters: int = 0
    update_reporters: int = 0
    followers: int = 0
    messages: int = 0
    texts: int = 0
    words: int = 0
    files: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """By what it is."""
        return asdict(self)

    @property
    def is_nothing(self) -> bool:
        """Whether nothing was there."""
        return not any(self.counts.values())


def erase(
    connection: "Connection[Any]",
    city: City,
    asked: Asked,
    *,
    by: Actor,
    reason: str,
    descriptions: bool = False,
    files: bool = False,
    now: datetime,
) -> Erased:
    """Take away what is kept of a person; the requests themselves stay, and those that are open are worked on.

    descriptions: what they wrote goes as well, from public reads too; files: what they sent.  That something was erased is
    kept, with why and how much, and not of whom.  A second time nothing is found.
    Raises ReasonMissing, NotAllowed, SeveralPeople.
    """
    may(by, PERSONAL_DATA)
    if not reason.strip():
        raise ReasonMissing("erasing needs a reason")
    ids = find(connection, asked, jurisdiction_id=city.id).touched_ids
    # Held before they are read: what came in meanwhile is there then.
    lock(connection, ids, jurisdiction_id=city.id)
    found, gone = find(connection, asked, jurisdiction_id=city.id), Erased()
    for request_id in found.touched_ids:
        own = found.of(request_id)
        part: dict[str, Any] = {"jurisdiction_id": city.id, "request_id": request_id, "now": now}
        whose: dict[str, Any] = {"is_reporter": bool(own.reporters), "update_ids": [row.update_id for row in own.updates]}
        if descriptions:
            forget_words(connection, gone, **part, **whose)
        if files:
            forget_files(connection, gone, **part, **whose)
        forget_people(connection, gone, own, **part)
        facts = {"why": "a person asked for it", **by.as_facts}
        history.append(connection, jurisdiction_id=city.id, request_id=request_id, kind="erased", facts=facts, at=now)
    of_places = [row.follower_id for row in found.of(None).followers]
    forget_followers(connection, gone, of_places, jurisdiction_id=city.id)
    if not gone.is_nothing:
        say = nameless(found.rows)
        record.keep(connection, "erased", {"reason": say(reason), **gone.counts}, jurisdiction_id=city.id, by=by, now=now)
    return gone


def forget_people(
    connection: "Connection[Any]", gone: Erased, found: Found, *, jurisdiction_id: int, request_id: int, now: datetime
) -> None:
    """Take away these rows of persons of a request, and what they say of them from all that was written of it."""
    key = {"jurisdiction_id": jurisdiction_id, "request_id": request_id}
    if found.reporters:
        gone.reporters += _DROP_REPORTER.run(connection, **key).rowcount
        # The one is made from the message that they sent, the other by the camera that they hold.
        _UNLINK_CLIENT.run(connection, **key)
        _UNPLACE_MEDIA.run(connection, **key)
    update_ids = [row.update_id for row in found.updates]
    gone.update_reporters += _DROP_UPDATE_REPORTERS.run(connection, jurisdiction_id=jurisdiction_id, ids=update_ids).rowcount
    follower_ids = [row.follower_id for row in found.followers]
    forget_followers(connection, gone, follower_ids, jurisdiction_id=jurisdiction_id)
    say = nameless(found.rows)
    changed = respell(connection, family(connection, **key), say, jurisdiction_id=jurisdiction_id, now=now)
    gone.texts += sum(map(len, changed.values()))


def forget_followers(connection: "Connection[Any]", gone: Erased, ids: Sequence[int], *, jurisdiction_id: int) -> None:
    """Take away who follows, and what they were told; whether it was fixed stays for the figures, without who said so."""
    key: dict[str, Any] = {"jurisdiction_id": jurisdiction_id, "ids": list(ids)}
    # Held first: a message that is being written to one of them is there then.
    _HOLD_FOLLOWERS.run(connection, **key)
    gone.messages += _DROP_MESSAGES.run(connection, **key).rowcount
    _UNSIGN_VERDICTS.run(connection, **key)
    gone.followers += _DROP_FOLLOWERS.run(connection, **key).rowcount


def forget_words(
    connection: "Connection[Any]",
    gone: Erased,
    *,
    jurisdiction_id: int,
    request_id: int,
    is_reporter: bool,
    update_ids: Sequence[int],
    now: datetime,
) -> None:
    """Take away what was written: description and free answers of who reported it, and these updates; and every copy."""
    key = {"jurisdiction_id": jurisdiction_id, "request_id": request_id}
    sought: list[str] = []
    if is_reporter:
        row = _WRITTEN.run(connection, **key).fetchone()
        assert row is not None
        free = {code: row.attributes[code] for code in row.codes or () if row.attributes.get(code)}
        sought += [text for text in (row.description, *map(str, free.values())) if text and text != REMOVED]
        if sought:
            answers = {**row.attributes, **dict.fromkeys(free, REMOVED)}
            _UNWRITE.run(connection, **key, attributes=Jsonb(answers), description=row.description and REMOVED)
    for told in _TOLD.run(connection, **key, ids=update_ids).fetchall():
        sought.append(told.description)
        _UNTELL.run(connection, jurisdiction_id=jurisdiction_id, update_id=told.id, description=REMOVED)
    if sought:
        say = without((text, REMOVED) for text in sought if is_telling(text))
        respell(connection, family(connection, **key), say, jurisdiction_id=jurisdiction_id, now=now)
        touch(connection, [request_id], jurisdiction_id=jurisdiction_id, now=now)
    gone.words += len(sought)


def forget_files(
    connection: "Connection[Any]",
    gone: Erased,
    *,
    jurisdiction_id: int,
    request_id: int,
    is_reporter: bool,
    update_ids: Sequence[int] | None,
    now: datetime,
) -> None:
    """Take away the files that came with it, and those of these updates (None: of all)."""
    key = {"jurisdiction_id": jurisdiction_id, "request_id": request_id}
    paths = remove_media(connection, **key, positions=None) if is_reporter else []
    paths += remove_update_media(connection, **key, ids=update_ids)
    gone.files += len(paths)
    if paths:
        remove_later(connection, paths)
        # What was written of a file names it.
        say = without((path, REMOVED) for path in paths)
        respell(connection, family(connection, **key), say, jurisdiction_id=jurisdiction_id, now=now)
        touch(connection, [request_id], jurisdiction_id=jurisdiction_id, now=now)


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_REQUEST_ID: Any = bindparam("request_id", type_=BigInteger)
_IDS: Any = bindparam("ids", type_=ARRAY(BigInteger))
_REQUEST = (ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == _REQUEST_ID)
_DESCRIPTION: Any = bindparam("description", type_=Text)

_DROP_REPORTER = Statement(delete(Reporter).where(Reporter.jurisdiction_id == _CITY, Reporter.request_id == _REQUEST_ID))
_DROP_UPDATE_REPORTERS = Statement(
    delete(UpdateReporter).where(UpdateReporter.jurisdiction_id == _CITY, UpdateReporter.update_id == func.any(_IDS))
)
_DROP_MESSAGES = Statement(delete(Message).where(Message.jurisdiction_id == _CITY, Message.follower_id == func.any(_IDS)))
_UNSIGN_VERDICTS = Statement(
    update(Verdict)
    .where(Verdict.jurisdiction_id == _CITY, Verdict.follower_id == func.any(_IDS))
    .values(follower_id=null(), comment=null())
)
_HOLD_FOLLOWERS = Statement(
    select(Follower.id)
    .where(Follower.jurisdiction_id == _CITY, Follower.id == func.any(_IDS))
    .order_by(Follower.id)
    .with_for_update()
)
_DROP_FOLLOWERS = Statement(delete(Follower).where(Follower.jurisdiction_id == _CITY, Follower.id == func.any(_IDS)))
_UNLINK_CLIENT = Statement(
    update(ServiceRequest).where(*_REQUEST, ServiceRequest.client_reference.is_not(None)).values(client_reference=null())
)
_UNPLACE_MEDIA = Statement(
    update(Media).where(Media.jurisdiction_id == _CITY, Media.request_id == _REQUEST_ID).values(suggested_location=null())
)
_FREE_CODES = (
    select(func.array_agg(ServiceAttribute.code))
    .where(
        ServiceAttribute.jurisdiction_id == _CITY,
        ServiceAttribute.service_id == ServiceRequest.service_id,
        or_(ServiceAttribute.datatype == "string", ServiceAttribute.datatype == "text"),
    )
    .scalar_subquery()
)
_WRITTEN = Statement(select(ServiceRequest.description, ServiceRequest.attributes, _FREE_CODES.label("codes")).where(*_REQUEST))
_UNWRITE = Statement(
    update(ServiceRequest).where(*_REQUEST).values(description=_DESCRIPTION, attributes=bindparam("attributes", type_=JSONB))
)
_TOLD = Statement(
    select(RequestUpdate.id, RequestUpdate.description).where(
        RequestUpdate.jurisdiction_id == _CITY,
        RequestUpdate.request_id == _REQUEST_ID,
        RequestUpdate.description.is_not(None),
        RequestUpdate.description != REMOVED,
        RequestUpdate.id == func.any(_IDS),
    )
)
_UNTELL = Statement(
    update(RequestUpdate)
    .where(RequestUpdate.jurisdiction_id == _CITY, RequestUpdate.id == bindparam("update_id", type_=BigInteger))
    .values(description=_DESCRIPTION)
)
