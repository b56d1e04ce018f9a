"""For how long personal data is kept: a job of every day takes away what is past, as each service has it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Boolean, and_, bindparam, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from db.driver import Statement, driver
from open311.actors import SYSTEM
from open311.cases import history
from open311.cases.holding import lock
from open311.cases.jobs import PATIENTLY, queue
from open311.models import (
    Follower,
    Jurisdiction,
    Media,
    Reporter,
    RequestUpdate,
    Service,
    ServiceAttribute,
    ServiceRequest,
    UpdateReporter,
)
from open311.people import record
from open311.people.erasing import Erased, forget_files, forget_followers, forget_people, forget_words
from open311.people.identity import people_of
from open311.people.traces import REMOVED
from schemas.city import KEEP, RETENTIONS
from schemas.moment import whole_second

BATCH_REQUESTS = 200
UNCONFIRMED_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a batch took away, and the last request that it looked at; last_id None: there are no more."""

    last_id: int | None
    requests: int
    erased: Erased


@queue.periodic(cron="17 3 * * *")
@queue.task(name="expire", retry=PATIENTLY)
def expire(timestamp: int) -> None:
    """Job of every day: take away what is past, in every city, a batch in a transaction.  Twice is as once."""
    with driver.connection() as connection:
        cities = [row.id for row in _CITIES.run(connection)]
    for jurisdiction_id in cities:
        with driver.transaction() as connection:
            forget_unconfirmed(connection, jurisdiction_id=jurisdiction_id, now=whole_second(datetime.now(UTC)))
        last_id: int | None = 0
        while last_id is not None:
            with driver.transaction() as connection:
                now = whole_second(datetime.now(UTC))
                last_id = expire_batch(connection, jurisdiction_id=jurisdiction_id, after_id=last_id, now=now).last_id


def expire_batch(connection: "Connection[Any]", *, jurisdiction_id: int, after_id: int = 0, now: datetime) -> Batch:
    """Take away what is past of the next BATCH_REQUESTS closed requests behind an id that have anything of it.

    Requests that somebody holds are left for the next day.
    """
    periods = _periods(connection, jurisdiction_id, now=now)
    asked = {"jurisdiction_id": jurisdiction_id, "after_id": after_id, **periods}
    ids = [row.id for row in _DUE.run(connection, **asked)]
    gone, requests = Erased(), 0
    # Held before they are read: one that was opened again in between is not past.
    free = set(lock(connection, ids, jurisdiction_id=jurisdiction_id, skip_locked=True))
    for row in _DUE.run(connection, **asked).fetchall() if free else []:
        if row.id in free:
            _expire(connection, gone, row, jurisdiction_id=jurisdiction_id, now=now)
            requests += 1
    if not gone.is_nothing:
        facts = {"requests": requests, **gone.counts}
        record.keep(connection, "expired", facts, jurisdiction_id=jurisdiction_id, by=SYSTEM, now=now)
    return Batch(last_id=max(ids, default=None), requests=requests, erased=gone)


def forget_unconfirmed(connection: "Connection[Any]", *, jurisdiction_id: int, now: datetime) -> Erased:
    """Take away the addresses of UNCONFIRMED_DAYS ago whose owners never said that they want news."""
    gone = Erased()
    since = now - timedelta(days=UNCONFIRMED_DAYS)
    ids = [row.id for row in _UNCONFIRMED.run(connection, jurisdiction_id=jurisdiction_id, since=since)]
    forget_followers(connection, gone, ids, jurisdiction_id=jurisdiction_id)
    if not gone.is_nothing:
        record.keep(connection, "expired", gone.counts, jurisdiction_id=jurisdiction_id, by=SYSTEM, now=now)
    return gone


def _expire(connection: "Connection[Any]", gone: Erased, row: Any, *, jurisdiction_id: int, now: datetime) -> None:
    key = {"jurisdiction_id": jurisdiction_id, "request_id": row.id}
    if row.words_past:
        forget_words(connection, gone, **key, is_reporter=True, update_ids=[], now=now)
    if row.files_past:
        forget_files(connection, gone, **key, is_reporter=True, update_ids=None, now=now)
    if row.person_past:
        forget_people(connection, gone, people_of(connection, **key), **key, now=now)
    history.append(connection, **key, kind="erased", facts={"why": "it is kept no longer", **SYSTEM.as_facts}, at=now)


def _periods(connection: "Connection[Any]", jurisdiction_id: int, *, now: datetime) -> dict[str, list[Any]]:
    """By service, before when a request must have been closed for each part of it to be past; None: it is kept."""

    def before(days: Any) -> datetime | None:
        return None if days in (None, KEEP) else now - timedelta(days=days)

    found: dict[str, list[Any]] = {name: [] for name in ("service_ids", *RETENTIONS)}
    for row in _SERVICES.run(connection, jurisdiction_id=jurisdiction_id):
        kept = {**row.of_city, **(row.retention or {})}
        found["service_ids"].append(row.id)
        for name in RETENTIONS:
            found[name].append(before(kept.get(name)))
    return found


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_CITIES = Statement(select(Jurisdiction.id).order_by(Jurisdiction.id))
_SERVICES = Statement(
    select(Service.id, Service.retention, Jurisdiction.retention.label("of_city"))
    .join(Jurisdiction, Jurisdiction.id == _CITY)
    .where(Service.jurisdiction_id == _CITY)
)
_UNCONFIRMED = Statement(
    select(Follower.id).where(
        Follower.jurisdiction_id == _CITY,
        Follower.confirmed_at.is_(None),
        Follower.created_at < bindparam("since", type_=TIMESTAMP(timezone=True)),
    )
)
_MOMENTS = ARRAY(TIMESTAMP(timezone=True))
_PERIOD = (
    func.unnest(bindparam("service_ids", type_=ARRAY(BigInteger)), *(bindparam(name, type_=_MOMENTS) for name in RETENTIONS))
    .table_valued("service_id", *RETENTIONS, name="period")
    .render_derived()
)
_OF_REQUEST = (RequestUpdate.jurisdiction_id == _CITY, RequestUpdate.request_id == ServiceRequest.id)
_HAS_PERSON = or_(
    select(Reporter.request_id).where(Reporter.jurisdiction_id == _CITY, Reporter.request_id == ServiceRequest.id).exists(),
    select(UpdateReporter.update_id)
    .join(RequestUpdate, and_(*_OF_REQUEST, RequestUpdate.id == UpdateReporter.update_id))
    .where(UpdateReporter.jurisdiction_id == _CITY)
    .exists(),
    select(Follower.id).where(Follower.jurisdiction_id == _CITY, Follower.request_id == ServiceRequest.id).exists(),
)
_ANSWER = ServiceRequest.attributes[ServiceAttribute.code].astext
_HAS_WORDS = or_(
    ServiceRequest.description != REMOVED,
    select(ServiceAttribute.id)
    .where(
        ServiceAttribute.jurisdiction_id == _CITY,
        ServiceAttribute.service_id == ServiceRequest.service_id,
        or_(ServiceAttribute.datatype == "string", ServiceAttribute.datatype == "text"),
        _ANSWER != REMOVED,
        _ANSWER != "",
    )
    .exists(),
)
_HAS_FILES = or_(
    select(Media.id).where(Media.jurisdiction_id == _CITY, Media.request_id == ServiceRequest.id).exists(),
    select(RequestUpdate.id).where(*_OF_REQUEST, func.cardinality(RequestUpdate.media_urls) > 0).exists(),
)


def _past(name: str, has: Any) -> Any:
    return func.coalesce(and_(ServiceRequest.closed_at <= _PERIOD.c[name], has), literal_column("false"), type_=Boolean)


_PARTS = {
    "person_past": _past("personal_days", _HAS_PERSON),
    "words_past": _past("description_days", _HAS_WORDS),
    "files_past": _past("files_days", _HAS_FILES),
}
_DUE = Statement(
    select(ServiceRequest.id, *(part.label(name) for name, part in _PARTS.items()))
    .join(_PERIOD, _PERIOD.c.service_id == ServiceRequest.service_id)
    .where(
        ServiceRequest.jurisdiction_id == _CITY,
        ServiceRequest.status == "closed",
        ServiceRequest.id > bindparam("after_id", type_=BigInteger),
        or_(*_PARTS.values()),
    )
    .order_by(ServiceRequest.id)
    .limit(literal_column(str(BATCH_REQUESTS)))
)
