"""Words and files taken out of a request by staff, out of every copy that we have of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Text, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from db.driver import Statement
from open311.actors import REDACT, Actor
from open311.cases.holding import Held, hold, lock
from open311.cases.phases import ReasonMissing
from open311.jurisdictions import City
from open311.models import Media, RequestEvent, RequestUpdate, ServiceRequest
from open311.people.files import remove_later
from open311.people.traces import REMOVED, Say, rewrite, without
from schemas.submission import MAX_DESCRIPTION_CHARACTERS


class NothingToRedact(ValueError):
    """A redaction that names nothing, or what the request does not have; the message says which."""


@dataclass(frozen=True, kw_only=True)
class Redaction:
    """What is to go.  description: what stands in its place; updates: the same, by their ids; words: [removed] stands there.

    media: positions of files of the request, from 1; update_media: ids of updates all of whose files go.
    """

    description: str | None = None
    updates: Mapping[int, str] = field(default_factory=dict)
    media: Sequence[int] = ()
    update_media: Sequence[int] = ()
    words: Sequence[str] = ()

    @property
    def parts(self) -> list[str]:
        """What of the request it is about, never what stood there."""
        return [
            *(["description"] if self.description is not None else []),
            *(f"update {each}" for each in self.updates),
            *(f"file {each}" for each in self.media),
            *(f"files of update {each}" for each in self.update_media),
            *(["words"] if self.words else []),
        ]


@dataclass(frozen=True, kw_only=True)
class Redacted:
    """A request that was redacted; files: so many are taken out of the store by a job."""

    number: str
    parts: Sequence[str]
    files: int


def redact(
    connection: "Connection[Any]", city: City, number: str, asked: Redaction, *, by: Actor, reason: str, now: datetime
) -> Redacted:
    """Put other words in place of what a request says, and remove files of it: in the request, its history, its updates, its
    alerts and messages, and in the requests that were ever linked with it, which were told the same.

    Its history says that it was redacted, by whom and why, and never what.
    Raises NothingToRedact, ReasonMissing, UnknownRequest, NotAllowed.
    """
    held = hold(connection, city, number, by, REDACT)
    if not asked.parts:
        raise NothingToRedact("say what is to be redacted")
    if not reason.strip():
        raise ReasonMissing("redacting needs a reason")
    swaps = _swaps(connection, held, asked)
    gone = [
        *remove_media(connection, **held.key, positions=_positions(connection, held, asked)),
        *remove_update_media(connection, **held.key, ids=_updates(connection, held, asked.update_media)),
    ]
    say = without([*swaps, *((path, REMOVED) for path in gone)])
    replace(connection, held, asked)
    respell(connection, family(connection, **held.key), say, jurisdiction_id=city.id, now=now)
    touch(connection, [held.id], jurisdiction_id=city.id, now=now)
    held.append(connection, "redacted", {"what": asked.parts, "reason": say(reason), **by.as_facts}, at=now)
    return Redacted(number=held.number, parts=asked.parts, files=remove_later(connection, gone))


def respell(
    connection: "Connection[Any]", ids: Sequence[int], say: Say, *, jurisdiction_id: int, now: datetime
) -> dict[str, set[int]]:
    """As `rewrite`; requests whose public words are others now are touched."""
    changed = rewrite(connection, ids, say, jurisdiction_id=jurisdiction_id)
    shown = changed.get("service_request", set()) | changed.get("request_update", set())
    touch(connection, sorted(shown), jurisdiction_id=jurisdiction_id, now=now)
    return changed


def touch(connection: "Connection[Any]", ids: Sequence[int], *, jurisdiction_id: int, now: datetime) -> None:
    """Let requests count as changed, closed ones too: who keeps a copy of what is public asks for what changed."""
    _TOUCH.run(connection, jurisdiction_id=jurisdiction_id, ids=list(ids), now=now)


def family(connection: "Connection[Any]", *, jurisdiction_id: int, request_id: int) -> list[int]:
    """The request and all that were ever linked with it, held: what one of them was told, the others were told too."""
    known, found = set[int](), {request_id}
    while found > known:
        known = found
        rows = _LINKED.run(connection, jurisdiction_id=jurisdiction_id, ids=sorted(known))
        found = known | {row.id for row in rows}
    return lock(connection, sorted(found), jurisdiction_id=jurisdiction_id)


def remove_media(
    connection: "Connection[Any]", *, jurisdiction_id: int, request_id: int, positions: Sequence[int] | None
) -> list[str]:
    """The paths of the files at these positions (None: all), which the request has no more; the first left is shown."""
    key = {"jurisdiction_id": jurisdiction_id, "request_id": request_id}
    rows = _DROP_MEDIA.run(connection, **key, positions=positions).fetchall()
    if rows:
        _SHOW_FIRST.run(connection, **key)
    return [path for row in rows for path in dict.fromkeys((row.path, row.thumbnail_path)) if path]


def remove_update_media(
    connection: "Connection[Any]", *, jurisdiction_id: int, request_id: int, ids: Sequence[int] | None
) -> list[str]:
    """The paths of the files of these updates of a request (None: of all), which have none any more."""
    key = {"jurisdiction_id": jurisdiction_id, "request_id": request_id, "ids": ids}
    urls = [url for row in _UPDATE_MEDIA.run(connection, **key).fetchall() for url in row.media_urls]
    _DROP_UPDATE_MEDIA.run(connection, **key)
    return urls


def replace(connection: "Connection[Any]", held: Held, asked: Redaction) -> None:
    """Put the new words of a redaction where the public reads them."""
    if asked.description is not None:
        _DESCRIBE.run(connection, **held.key, words=asked.description or None)
    for update_id, words in asked.updates.items():
        _RETELL.run(connection, **held.key, update_id=update_id, words=words or None)


def _swaps(connection: "Connection[Any]", held: Held, asked: Redaction) -> list[tuple[str, str]]:
    """What is sought, and what stands in its place."""
    swaps: list[tuple[str, str]] = []
    for words in (asked.description, *asked.updates.values()):
        if words is not None and len(words) > MAX_DESCRIPTION_CHARACTERS:
            raise NothingToRedact(f"the new words must be at most {MAX_DESCRIPTION_CHARACTERS} characters, got {len(words)}")
    if asked.description is not None:
        if not held.description:
            raise NothingToRedact(f"{held.number} has no description")
        swaps.append((held.description, asked.description or REMOVED))
    told = {row.id: row.description for row in _TOLD.run(connection, **held.key)}
    for update_id in _updates(connection, held, asked.updates):
        swaps.append((told[update_id] or "", asked.updates[update_id] or REMOVED))
    return [*swaps, *((words, REMOVED) for words in asked.words)]


def _updates(connection: "Connection[Any]", held: Held, ids: Iterable[int]) -> list[int]:
    """These ids of updates; raises NothingToRedact for one that is none of the request's."""
    own = {row.id for row in _TOLD.run(connection, **held.key)}
    for update_id in ids:
        if update_id not in own:
            raise NothingToRedact(f"{held.number} has no update {update_id}")
    return list(ids)


def _positions(connection: "Connection[Any]", held: Held, asked: Redaction) -> list[int]:
    own = [row.position for row in _POSITIONS.run(connection, **held.key)]
    for position in asked.media:
        if position not in own:
            has = f"the files {', '.join(map(str, own))}" if own else "no files"
            raise NothingToRedact(f"{held.number} has {has}, got {position}")
    return list(asked.media)


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_REQUEST_ID: Any = bindparam("request_id", type_=BigInteger)
_IDS: Any = bindparam("ids", type_=ARRAY(BigInteger))
_WORDS: Any = bindparam("words", type_=Text)
_REQUEST = (ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == _REQUEST_ID)
_OF_MEDIA = (Media.jurisdiction_id == _CITY, Media.request_id == _REQUEST_ID)
_UPDATE = (RequestUpdate.jurisdiction_id == _CITY, RequestUpdate.request_id == _REQUEST_ID)
_POSITION_LIST: Any = bindparam("positions", type_=ARRAY(BigInteger))

_TOUCH = Statement(
    update(ServiceRequest)
    .where(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == func.any(_IDS))
    .values(updated_at=func.greatest(ServiceRequest.updated_at, bindparam("now", type_=TIMESTAMP(timezone=True))))
)
_LINKED = Statement(
    select(ServiceRequest.id)
    .join(
        RequestEvent,
        and_(
            RequestEvent.jurisdiction_id == _CITY,
            or_(
                ServiceRequest.number == RequestEvent.facts["parent"].astext,
                ServiceRequest.number == RequestEvent.facts["child"].astext,
            ),
        ),
    )
    .where(
        ServiceRequest.jurisdiction_id == _CITY,
        RequestEvent.request_id == func.any(_IDS),
        or_(RequestEvent.kind == "linked", RequestEvent.kind == "unlinked", RequestEvent.kind == "also_reported"),
    )
    .distinct()
)
_POSITIONS = Statement(select(Media.position).where(*_OF_MEDIA).order_by(Media.position))
_DROP_MEDIA = Statement(
    delete(Media)
    .where(*_OF_MEDIA, or_(_POSITION_LIST.is_(None), Media.position == func.any(_POSITION_LIST)))
    .returning(Media.path, Media.thumbnail_path)
)
_SHOW_FIRST = Statement(
    update(ServiceRequest)
    .where(*_REQUEST)
    .values(media_url=select(Media.path).where(*_OF_MEDIA).order_by(Media.position).limit(1).scalar_subquery())
)
_SOME_UPDATES = (*_UPDATE, or_(_IDS.is_(None), RequestUpdate.id == func.any(_IDS)))
_UPDATE_MEDIA = Statement(select(RequestUpdate.media_urls).where(*_SOME_UPDATES))
_DROP_UPDATE_MEDIA = Statement(
    update(RequestUpdate).where(*_SOME_UPDATES, func.cardinality(RequestUpdate.media_urls) > 0).values(media_urls=[])
)
_TOLD = Statement(select(RequestUpdate.id, RequestUpdate.description).where(*_UPDATE).order_by(RequestUpdate.id))
_DESCRIBE = Statement(update(ServiceRequest).where(*_REQUEST).values(description=_WORDS))
_RETELL = Statement(
    update(RequestUpdate)
    .where(*_UPDATE, RequestUpdate.id == bindparam("update_id", type_=BigInteger))
    .values(description=_WORDS)
)
