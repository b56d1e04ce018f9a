"""Files that go for good: named in the transaction that lets go of them, taken from the store once it is committed."""

from collections.abc import Iterable
from typing import Any

from procrastinate import RetryStrategy
from procrastinate.types import JSONValue
from psycopg import Connection
from sqlalchemy import BigInteger, Text, and_, bindparam, select

from db.driver import Statement, driver
from open311.cases.jobs import deferring, queue
from open311.cases.photos import MEDIA_PREFIX
from open311.config import settings
from open311.media_store import media_store
from open311.models import Media, ServiceRequest

# Kept for a request that somebody is still writing.
UNUSED_HOURS = 26
# A client_reference of a page's is twice as many hexadecimal digits: of the draft, and of what was sent of it.
FAMILY_SIGNS = 32
# A minute longer each time, and never given up: a store that is away for a week loses no order to remove.
_UNTIL_DONE = RetryStrategy(linear_wait=60)


def remove_later(connection: "Connection[Any]", paths: Iterable[str | None]) -> int:
    """Let a job remove these files, once this transaction is committed; how many.

    paths: as they are kept; addresses of others, of which we have no file, are passed over.
    """
    ours = {path for path in paths if path and path.startswith(f"{MEDIA_PREFIX}/")}
    names: list[JSONValue] = [path.removeprefix(f"{MEDIA_PREFIX}/") for path in sorted(ours)]
    if names:
        deferring.configure_task("remove_files", connection=connection).defer(names=names)
    return len(names)


def remove_unless_used(
    connection: "Connection[Any]", paths: Iterable[str | None], *, jurisdiction_id: int, family: str
) -> None:
    """Let a job remove these files a day later, unless a request whose client_reference begins so has them by then."""
    names: list[JSONValue] = [path.removeprefix(f"{MEDIA_PREFIX}/") for path in sorted({path for path in paths if path})]
    deferring.configure_task("remove_unused_files", connection=connection, schedule_in={"hours": UNUSED_HOURS}).defer(
        names=names, jurisdiction_id=jurisdiction_id, family=family
    )


@queue.task(name="remove_unused_files", retry=_UNTIL_DONE)
def remove_unused_files(names: list[str], jurisdiction_id: int, family: str) -> None:
    """Job: take out of the store what was kept for a request and did not come with it.  Twice is as once."""
    first, last = (family + sign * FAMILY_SIGNS for sign in "0f")
    with driver.connection() as connection:
        rows = _USED.run(connection, jurisdiction_id=jurisdiction_id, first=first, last=last).fetchall()
    used = {path for row in rows for path in (row.path, row.thumbnail_path)}
    remove_files([name for name in names if f"{MEDIA_PREFIX}/{name}" not in used])


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_USED = Statement(
    select(Media.path, Media.thumbnail_path)
    .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == Media.request_id))
    .where(
        Media.jurisdiction_id == _CITY,
        ServiceRequest.client_reference.between(bindparam("first", type_=Text), bindparam("last", type_=Text)),
    )
)


@queue.task(name="remove_files", retry=_UNTIL_DONE)
def remove_files(names: list[str]) -> None:
    """Job: take files out of the store.  Twice is as once."""
    store = media_store(settings())
    for name in names:
        store.delete(name)
