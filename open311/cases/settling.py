"""The deadlines of what is being worked, computed anew when the hours that they go by are others."""

from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, bindparam, select

from db.driver import Statement, driver
from open311.cases import deadlines
from open311.cases.casework import casework
from open311.cases.holding import lock
from open311.cases.jobs import PATIENTLY, queue
from open311.models import RequestClock

BATCH_REQUESTS = 200


def settle_later(connection: "Connection[Any]", *, jurisdiction_id: int) -> None:
    """Let a job settle every running deadline of a city, once this transaction is committed."""
    queue.configure_task("settle_city", connection=connection).defer(jurisdiction_id=jurisdiction_id)


@queue.task(name="settle_city", retry=PATIENTLY)
def settle_city(jurisdiction_id: int) -> None:
    """Job: settle every running deadline that goes by a calendar, a batch in a transaction.  Twice is as once."""
    last_id: int | None = 0
    while last_id is not None:
        with driver.transaction() as connection:
            last_id = settle_batch(connection, jurisdiction_id=jurisdiction_id, after_id=last_id)


def settle_batch(connection: "Connection[Any]", *, jurisdiction_id: int, after_id: int) -> int | None:
    """Settle the next BATCH_REQUESTS requests behind an id; the last one's id, None when there are no more."""
    found = _RUNNING.run(connection, jurisdiction_id=jurisdiction_id, after_id=after_id).fetchall()
    if not found:
        return None
    work = casework(connection, jurisdiction_id)
    ids: list[int] = [row.request_id for row in found]
    for request_id in lock(connection, ids, jurisdiction_id=jurisdiction_id):
        deadlines.settle(connection, work, jurisdiction_id=jurisdiction_id, request_id=request_id)
    return max(ids)


_RUNNING = Statement(
    select(RequestClock.request_id)
    .where(
        RequestClock.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger),
        RequestClock.request_id > bindparam("after_id", type_=BigInteger),
        RequestClock.stopped_at.is_(None),
        RequestClock.target["calendar"].astext.is_not(None),
    )
    .distinct()
    .order_by(RequestClock.request_id)
    .limit(BATCH_REQUESTS)
)
