"""What somebody reported, for themselves: by a letter to the address that they left, and the link in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from psycopg import Connection
from sqlalchemy import BigInteger, Text, and_, bindparam, func, select

from db.driver import Statement, driver
from geo.queries import latitude, longitude
from open311.cases.jobs import queue
from open311.models import CaseStatus, Follower, Jurisdiction, Service, ServiceRequest
from open311.notify import outbox
from open311.notify.delivery import OWN
from open311.notify.following import MOST_LETTERS_A_DAY, NotAnAddress, hold_address, letters_of_a_day
from open311.notify.links import MINE_LASTS_HOURS
from schemas.moment import whole_second

log = structlog.get_logger()

PAGE_ROWS = 20


class NobodyThere(LookupError):
    """Nothing is kept any more that says who reported."""


@dataclass(frozen=True, kw_only=True)
class OwnRequests:
    """A page of what somebody reported, the newest first: rows number, service, address, lat, long, is_public, status,
    case_status, status_name, requested_at, expected_at, closed_at.

    page: from 1.  total: how many there are on all pages.
    """

    rows: Sequence[Any]
    page: int
    pages: int
    total: int


def ask_later(connection: "Connection[Any]", email: str, *, jurisdiction_id: int, language: str) -> None:
    """Let a job see whether an address reported something, and write to it.  Raises NotAnAddress.

    That is all that is done for every address: neither what is answered nor how long that takes tells which one is known.
    """
    if not outbox.is_address(email):
        raise NotAnAddress(email)
    queue.configure_task("write_to_reporter", connection=connection).defer(
        jurisdiction_id=jurisdiction_id, email=email, language=language
    )


@queue.task(name="write_to_reporter")
def write_to_reporter(jurisdiction_id: int, email: str, language: str) -> None:
    """Job: send the link to what they reported.  Twice is a second letter, with the same news.

    It is tried once and is then done with: a job that fails stays in the queue and in its log, and with it the address of
    somebody who may have reported nothing.  Who gets no letter asks again.
    """
    try:
        with driver.transaction() as connection:
            write(connection, email, jurisdiction_id=jurisdiction_id, language=language, now=whole_second(datetime.now(UTC)))
    except Exception as error:
        log.error("a link to one's own reports could not be written", kind=type(error).__name__)


def write(connection: "Connection[Any]", email: str, *, jurisdiction_id: int, language: str, now: datetime) -> bool:
    """Write a letter with the link to an address by which something was reported; whether there is one to go.

    There is none for others, and none when MOST_LETTERS_A_DAY went there.  Raises NotAnAddress.
    """
    key: dict[str, Any] = {"jurisdiction_id": jurisdiction_id, "email": email}
    hold_address(connection, email)
    reporter = _NEWEST.run(connection, **key).fetchone()
    if reporter is None or letters_of_a_day(connection, **key, event=OWN, now=now) >= MOST_LETTERS_A_DAY:
        return False
    facts = {"city": reporter.city, "hours": MINE_LASTS_HOURS, "language": language}
    outbox.post_to(
        connection, jurisdiction_id=jurisdiction_id, follower_id=reporter.follower_id, event=OWN, facts=facts, now=now
    )
    return True


def own_requests(connection: "Connection[Any]", *, jurisdiction_id: int, follower_id: int, page: int = 1) -> OwnRequests:
    """What was reported with the address of a reporter, in any case of letters; of a page that is too far, the last one.

    What is of a blackbox service is not among it: who reports there is told nothing.  That it was read is not kept as a use
    of personal data, for nobody but the person does; the letter is.  Raises NobodyThere.
    """
    key = {"jurisdiction_id": jurisdiction_id, "follower_id": follower_id}
    counted = _COUNT.run(connection, **key).fetchone()
    assert counted is not None
    if not counted.requests:
        raise NobodyThere
    pages = -(-counted.requests // PAGE_ROWS)
    page = min(max(page, 1), pages)
    rows = _OWN.run(connection, **key, take=PAGE_ROWS, skip=(page - 1) * PAGE_ROWS).fetchall()
    return OwnRequests(rows=rows, page=page, pages=pages, total=counted.requests)


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_REPORTERS = (Follower.jurisdiction_id == _CITY, Follower.is_reporter)
_NEWEST = Statement(
    select(Follower.id.label("follower_id"), Jurisdiction.name.label("city"))
    .join(Jurisdiction, Jurisdiction.id == _CITY)
    .where(*_REPORTERS, func.lower(Follower.email) == func.lower(bindparam("email", type_=Text)))
    .order_by(Follower.id.desc())
    .limit(1)
)
_ADDRESS = (
    select(func.lower(Follower.email))
    .where(*_REPORTERS, Follower.id == bindparam("follower_id", type_=BigInteger))
    .scalar_subquery()
)
# By who follows as a reporter, not by who reported: that has an index by address, and no blackbox service.
_THEIRS = (*_REPORTERS, func.lower(Follower.email) == _ADDRESS)
_COUNT = Statement(select(func.count().label("requests")).select_from(Follower).where(*_THEIRS))
_OWN = Statement(
    select(
        ServiceRequest.number,
        Service.name.label("service"),
        ServiceRequest.address,
        latitude(ServiceRequest.location).label("lat"),
        longitude(ServiceRequest.location).label("long"),
        ServiceRequest.is_public,
        ServiceRequest.status,
        ServiceRequest.case_status,
        CaseStatus.name.label("status_name"),
        ServiceRequest.requested_at,
        ServiceRequest.expected_at,
        ServiceRequest.closed_at,
    )
    .select_from(Follower)
    .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == Follower.request_id))
    .join(Service, and_(Service.jurisdiction_id == _CITY, Service.id == ServiceRequest.service_id))
    .join(CaseStatus, and_(CaseStatus.jurisdiction_id == _CITY, CaseStatus.code == ServiceRequest.case_status))
    .where(*_THEIRS)
    .order_by(ServiceRequest.requested_at.desc(), ServiceRequest.id.desc())
    .limit(bindparam("take", type_=BigInteger))
    .offset(bindparam("skip", type_=BigInteger))
)
