"""The change feed: what of the open requests is another than before, in the order of transactions, without a hole.

Each row knows the transaction that wrote it last.  Numbers of transactions are given when they begin to write, and they may
commit in another order: the feed therefore ends before the oldest one that still goes on, so that nothing comes up behind
a cursor that somebody has already.  A request that changed several times since then is told of once, as it is now.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic, sleep
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row
from sqlalchemy import BigInteger, Boolean, Text, bindparam, cast, func, literal_column, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY

from db.driver import Statement
from open311.jurisdictions import read_cities
from open311.models import Jurisdiction, ServiceRequest
from open311.models.request import THIS_TRANSACTION
from open311.reports.open_rows import open_columns, open_rows
from schemas.problems import Problems
from schemas.query import FROM_THE_START

KEPT, REMOVED = "kept", "removed"
_PATIENCE_SECONDS = 0.02


class StillWriting(RuntimeError):
    """A transaction has been writing for so many seconds, and what must wait for its end has not been done."""


class FeedBeganAnew(LookupError):
    """The cursor is of the database before it was restored: whoever has it must read everything again."""


@dataclass(frozen=True, kw_only=True)
class FeedCursor:
    """Behind which change somebody is: epoch of the database, number of the transaction, id of the request."""

    epoch: str
    transaction: int
    id: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.transaction}-{self.id}"


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Rows of schemas.open_data.ChangeSchema; has_more: there are others behind the last one's cursor.

    oldest: the number of the oldest transaction that is not told of, since it goes on or has not begun.
    """

    rows: Sequence[tuple[Any, ...]]
    has_more: bool
    oldest: int


def read_cursor(text: str) -> FeedCursor | None:
    """The cursor that a text says, None for * (from the start).  Raises Problems."""
    if text == FROM_THE_START:
        return None
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise Problems([f"cursor must be {FROM_THE_START} or the cursor of a change, got {text[:100]!r}"])
    return FeedCursor(epoch=found["epoch"], transaction=int(found["transaction"]), id=int(found["id"]))


def cursor_now(connection: "Connection[Any]", jurisdiction_id: int) -> str:
    """The cursor of whoever has everything that this statement's snapshot sees, and perhaps something of it twice."""
    row = _NOW.run(connection, jurisdiction_id=jurisdiction_id).fetchone()
    assert row is not None
    return str(FeedCursor(epoch=row.epoch, transaction=row.oldest, id=0))


def find_changes(
    connection: "Connection[Any]",
    cursor: FeedCursor | None,
    *,
    jurisdiction_id: int,
    take: int,
    public_url: str,
    now: datetime,
) -> Changes:
    """What changed behind a cursor (None: since ever), at most so many.  Raises FeedBeganAnew."""
    row = _NOW.run(connection, jurisdiction_id=jurisdiction_id).fetchone()
    assert row is not None
    # One ahead of every transaction is of a database that went on without this one.
    if cursor is not None and (cursor.epoch != row.epoch or cursor.transaction > row.next):
        raise FeedBeganAnew(str(cursor))
    begin = cursor or FeedCursor(epoch=row.epoch, transaction=0, id=0)
    # What is older than that one has ended for every later snapshot, too: nothing of it can be missed.
    after = {"transaction": begin.transaction, "id": begin.id, "oldest": row.oldest}
    found = _CHANGED.run(connection, jurisdiction_id=jurisdiction_id, take=take + 1, **after).fetchall()
    shown, has_more = found[:take], len(found) > take
    ids = [each.id for each in shown if each.is_public]
    requests = {row[0]: row[1:] for row in _ROWS.run(connection, **_of(jurisdiction_id, ids, public_url, now))} if ids else {}
    return Changes(
        rows=[
            (
                str(replace(begin, transaction=each.changed_in, id=each.id)),
                # One that was hidden since it was found is not there any more.
                KEPT if each.id in requests else REMOVED,
                each.number,
                requests.get(each.id),
            )
            for each in shown
        ],
        has_more=has_more,
        oldest=row.oldest,
    )


def touch(connection: "Connection[Any]", ids: Sequence[int], *, jurisdiction_id: int) -> None:
    """Tell the feed of these requests: something that is not in their rows changed what is shown of them."""
    _TOUCH.run(connection, jurisdiction_id=jurisdiction_id, ids=list(ids))


def touch_children(connection: "Connection[Any]", request_id: int, *, jurisdiction_id: int) -> None:
    """Tell the feed of those that follow this one, which is shown or hidden now."""
    _TOUCH_CHILDREN.run(connection, jurisdiction_id=jurisdiction_id, request_id=request_id)


def let_earlier_writers_end(connection: "Connection[Any]", *, most_seconds: float = 60) -> None:
    """Wait for the transactions that began to write before this one; for who will tell the feed of many requests at once.

    One that brings a request meanwhile is not seen by this one, and would be told of before it ends: by names that it
    changes.  Before this one writes anything, so that none of them waits for it: one that has begun to write goes on.
    Raises StillWriting.
    """
    if _BEGIN_TO_WRITE.run(connection).fetchall()[0].had_begun:
        return
    until = monotonic() + most_seconds
    while (row := _EARLIER.run(connection).fetchone()) is not None and row.is_writing:
        if monotonic() > until:
            raise StillWriting(f"{most_seconds:g}")
        sleep(_PATIENCE_SECONDS)


def begin_anew_if_restored(connection: "Connection[Any]") -> bool:
    """Begin the feed of every city anew where rows are of transactions that have not been; whether that was so.

    A database that was dumped and restored elsewhere counts transactions from another number: its rows would come up too
    late, or never.  For a transaction of its own, before the service starts.
    """
    ahead = [
        city.id for city in read_cities(connection) if _IS_AHEAD.run(connection, jurisdiction_id=city.id).fetchone() is not None
    ]
    for city_id in ahead:
        _ANEW.run(connection, jurisdiction_id=city_id)
        _EPOCH.run(connection, jurisdiction_id=city_id)
    return bool(ahead)


def _of(jurisdiction_id: int, ids: Sequence[int], public_url: str, now: datetime) -> dict[str, Any]:
    return {"jurisdiction_id": jurisdiction_id, "ids": ids, "public_url": public_url, "now": now}


_CURSOR = re.compile(
    r"(?P<epoch>[0-9a-f]{1,8}(?:-[0-9a-f]{1,12}){0,4})-(?P<transaction>[0-9]{1,18})-(?P<id>[0-9]{1,18})", re.ASCII
)
_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_IDS: Any = bindparam("ids", type_=ARRAY(BigInteger))
# The oldest transaction that goes on by this statement's snapshot, or the next one; those that are known to write in another
# database of the server left out.  One that has ended since is waited for until the next call.  A snapshot does not name the
# transaction that takes it, which goes on as well.
_OLDEST: Any = literal_column(
    """(select least(coalesce(min(x.number::text::bigint), pg_snapshot_xmax(pg_current_snapshot())::text::bigint),
      pg_current_xact_id_if_assigned()::text::bigint)
    from pg_snapshot_xip(pg_current_snapshot()) x (number)
    where not exists (
      select from pg_locks l join pg_stat_activity a on a.pid = l.pid join pg_database d on d.oid = a.datid
      where l.locktype = 'transactionid' and l.granted and l.transactionid = x.number::xid
      and d.datname <> current_database()))""",
    BigInteger,
)
_NEXT: Any = literal_column("pg_snapshot_xmax(pg_current_snapshot())::text::bigint", BigInteger)
_NOW = Statement(
    select(Jurisdiction.changes_epoch.label("epoch"), _OLDEST.label("oldest"), _NEXT.label("next")).where(
        Jurisdiction.id == _CITY
    )
)
_BEGIN_TO_WRITE = Statement(
    text("select pg_current_xact_id_if_assigned() is not null as had_begun, pg_current_xact_id() as number").columns(
        had_begun=Boolean, number=Text
    )
)
_EARLIER = Statement(select((literal_column("pg_current_xact_id()::text::bigint", BigInteger) > _OLDEST).label("is_writing")))
_CHANGED = Statement(
    select(ServiceRequest.id, ServiceRequest.number, ServiceRequest.changed_in, ServiceRequest.is_public)
    .where(
        ServiceRequest.jurisdiction_id == _CITY,
        or_(ServiceRequest.is_public, ServiceRequest.was_public),
        tuple_(ServiceRequest.changed_in, ServiceRequest.id)
        > tuple_(bindparam("transaction", type_=BigInteger), bindparam("id", type_=BigInteger)),
        ServiceRequest.changed_in < bindparam("oldest", type_=BigInteger),
    )
    .order_by(ServiceRequest.changed_in, ServiceRequest.id)
    .limit(bindparam("take", type_=BigInteger))
)
_ROWS = Statement(
    open_rows(ServiceRequest.id, *open_columns().values()).where(ServiceRequest.id == func.any(_IDS)), row_factory=tuple_row
)
_TOUCH = Statement(
    update(ServiceRequest)
    .where(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == func.any(_IDS))
    .values(changed_in=THIS_TRANSACTION)
)
_TOUCH_CHILDREN = Statement(
    update(ServiceRequest)
    .where(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.parent_id == bindparam("request_id", type_=BigInteger))
    .values(changed_in=THIS_TRANSACTION)
)
_IS_AHEAD = Statement(
    select(ServiceRequest.id)
    .where(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.changed_in > THIS_TRANSACTION)
    .limit(literal_column("1"))
)
_ANEW = Statement(update(ServiceRequest).where(ServiceRequest.jurisdiction_id == _CITY).values(changed_in=THIS_TRANSACTION))
_EPOCH = Statement(
    update(Jurisdiction).where(Jurisdiction.id == _CITY).values(changes_epoch=cast(func.gen_random_uuid(), Text))
)
