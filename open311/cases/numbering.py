"""How a batch request gets its number: by a job, after the answer."""

from datetime import UTC, datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, and_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import TIMESTAMP

from db.driver import Statement, driver
from open311.cases.history import append
from open311.cases.jobs import PATIENTLY, queue
from open311.cases.numbers import new_number
from open311.models import Service, ServiceRequest
from open311.notify import outbox
from schemas.moment import whole_second


@queue.task(name="number_request", retry=PATIENTLY)
def number_request(jurisdiction_id: int, request_id: int) -> None:
    """Job: give a batch request its number.  Running it twice changes nothing."""
    with driver.transaction() as connection:
        give_number(connection, jurisdiction_id=jurisdiction_id, request_id=request_id, now=datetime.now(UTC))


def give_number(connection: "Connection[Any]", *, jurisdiction_id: int, request_id: int, now: datetime) -> str | None:
    """Number a request that has none, and let it be seen unless its service is private; None when it had one already."""
    key = {"jurisdiction_id": jurisdiction_id, "request_id": request_id}
    number, now = new_number(), whole_second(now)
    if _NUMBER.run(connection, **key, number=number, now=now).fetchone() is None:
        return None
    append(connection, **key, kind="numbered", facts={"number": number}, at=now)
    outbox.post(connection, **key, event="received", facts={}, now=now)
    return number


_KEY = (
    ServiceRequest.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger),
    ServiceRequest.id == bindparam("request_id", type_=BigInteger),
)

_NUMBER = Statement(
    update(ServiceRequest)
    .where(*_KEY, ServiceRequest.number.is_(None))
    .values(
        number=bindparam("number"),
        # Now it can be seen: whoever asks for what changed since they last asked must be told of it.
        updated_at=func.greatest(ServiceRequest.updated_at, bindparam("now", type_=TIMESTAMP(timezone=True))),
        is_public=select(~Service.is_private)
        .where(and_(Service.jurisdiction_id == bindparam("jurisdiction_id"), Service.id == ServiceRequest.service_id))
        .scalar_subquery(),
    )
    .returning(ServiceRequest.id)
)
