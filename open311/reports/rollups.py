"""Keep the figures of scorecards current, city by city, and prove that they are what the rows say."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    MetaData,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    union,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP, aggregate_order_by
from sqlalchemy.dialects.postgresql import insert as upsert

from db.driver import Statement, driver, planned_for_many
from geo.models import LayerVersion
from open311.cases.jobs import PATIENTLY, queue
from open311.models import Jurisdiction, RequestEvent, ScorecardCell, ScorecardFact, ScorecardRun, ServiceRequest
from open311.reports import cells, facts
from open311.reports.facts import AS_OF, CITY
from schemas.moment import whole_second

# Ids of history are drawn before a transaction has a number of its own: so many may be drawn by those that are about to.
_EVENTS_DRAWN = 1000
# And so many by those that were about to end while everything was counted.
_EVENTS_BEFORE = 20_000
MOST_DIFFERENCES = 1000


@dataclass(frozen=True, kw_only=True)
class Refreshed:
    """What a refresh did: how many requests were counted anew, and how many cells were made."""

    requests: int
    cells: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A cell that is not what the rows say: its key, and by name of each figure what is kept and what is so.

    A cell that is missing keeps nothing; of one that should not be there nothing is so.
    """

    key: tuple[Any, ...]
    figures: dict[str, tuple[Any, Any]]


@queue.periodic(cron="*/5 * * * *")
@queue.task(name="refresh_scorecards", retry=PATIENTLY)
def refresh_scorecards(timestamp: int) -> None:
    """Job of every five minutes: bring the figures of every city up to date.  Twice, or two at once, change nothing.

    A city that somebody is counting is left to them: the others do not wait for it.
    """
    with driver.connection() as connection:
        cities = [row.id for row in _CITIES.run(connection)]
    for jurisdiction_id in cities:
        with driver.transaction() as connection:
            if not _TRY_TO_HOLD.run(connection, jurisdiction_id=jurisdiction_id).fetchall()[0].is_held:
                continue
            refresh(connection, jurisdiction_id=jurisdiction_id, now=whole_second(datetime.now(UTC)))


def refresh(connection: "Connection[Any]", *, jurisdiction_id: int, now: datetime, is_whole: bool = False) -> Refreshed:
    """Count anew what changed since the last time, or (is_whole, or the first time) everything."""
    # Held before anything is looked at, so that who waited for another refresh of the city sees what that one did.
    _HOLD.run(connection, jurisdiction_id=jurisdiction_id)
    city = _CITY.run(connection, jurisdiction_id=jurisdiction_id).fetchone()
    assert city is not None
    last = _LAST.run(connection, jurisdiction_id=jurisdiction_id).fetchone()
    seen = _SEEN.run(connection, jurisdiction_id=jurisdiction_id).fetchone()
    assert seen is not None
    key = {"jurisdiction_id": jurisdiction_id, "zone": city.timezone, "as_of": now}
    if is_whole or last is None or not _goes_on(last, city, seen):
        done = _make_all(connection, **key)
        event_from = max(0, seen.newest_event - _EVENTS_BEFORE)
        event_next, event_next_in = seen.newest_event, seen.next_transaction
    else:
        done = _catch_up(connection, last, has_new_maps=last.maps != seen.maps, **key)
        event_from, event_next, event_next_in = last.event_from, last.event_next, last.event_next_in
        if seen.oldest_transaction > event_next_in:
            # Whoever could still have shown an earlier fact has ended.
            event_from, event_next, event_next_in = event_next, seen.newest_event, seen.next_transaction
    _KEEP.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        as_of=now,
        changed_from=seen.oldest_transaction,
        event_from=event_from,
        event_next=event_next,
        event_next_in=event_next_in,
        maps=seen.maps,
        timezone=city.timezone,
        changes_epoch=city.changes_epoch,
    )
    return done


def differences(connection: "Connection[Any]", *, jurisdiction_id: int) -> list[Difference]:
    """The cells, at most MOST_DIFFERENCES, that are not what the rows say as of the last refresh; none when all are."""
    last = _LAST.run(connection, jurisdiction_id=jurisdiction_id).fetchone()
    if last is None:
        return []
    with _planned(connection):
        rows = _DIFFERING.run(
            connection, jurisdiction_id=jurisdiction_id, zone=last.timezone, as_of=last.as_of, most=MOST_DIFFERENCES
        ).fetchall()
    found = []
    keys, figures = len(cells.KEYS), len(_FIGURES)
    for row in rows:
        kept, so = row[keys : keys + figures], row[keys + figures :]
        pairs = zip(_FIGURES, kept, so, strict=True)
        found.append(Difference(key=tuple(row[:keys]), figures={name: (one, two) for name, one, two in pairs if one != two}))
    return found


def _goes_on(last: Any, city: Any, seen: Any) -> bool:
    """Whether the run can begin where the last one ended."""
    return bool(
        last.timezone == city.timezone
        and last.changes_epoch == city.changes_epoch
        and last.changed_from <= seen.oldest_transaction
    )


def _make_all(connection: "Connection[Any]", **key: Any) -> Refreshed:
    for statement in _DROP_ALL:
        statement.run(connection, **key)
    with _planned(connection):
        requests = _COUNT_ALL.run(connection, **key).rowcount
        # Who counts another city analyzes too, and holds that until the end; nobody waits for it.
        connection.execute("analyze (skip_locked) scorecard_fact")
        made = _FILL_ALL.run(connection, **key).rowcount
    connection.execute("analyze (skip_locked) scorecard_cell")
    return Refreshed(requests=requests, cells=made)


def _catch_up(connection: "Connection[Any]", last: Any, *, has_new_maps: bool, **key: Any) -> Refreshed:
    _make_tables(connection)
    changed = _ALL_CHANGED if has_new_maps else _CHANGED
    changed.run(connection, **key, changed_from=last.changed_from, event_from=last.event_from - _EVENTS_DRAWN)
    connection.execute("analyze scorecard_changed")
    if has_new_maps:
        with _planned(connection):
            _COUNT_ALL_ANEW.run(connection, **key)
    else:
        _COUNT_CHANGED.run(connection, **key)
    connection.execute("analyze scorecard_counted")
    _FORGET_THE_SAME.run(connection, **key)
    requests = _COUNTED_NOW.run(connection, **key).fetchall()[0].times
    if not requests:
        return Refreshed(requests=0, cells=0)
    _TOUCH.run(connection, **key)
    _UNCOUNT.run(connection, **key)
    _TAKE_OVER.run(connection, **key)
    connection.execute("analyze scorecard_touched")
    _EMPTY.run(connection, **key)
    with _planned(connection):
        made = _FILL_TOUCHED.run(connection, **key).rowcount
    return Refreshed(requests=requests, cells=made)


@contextmanager
def _planned(connection: "Connection[Any]") -> Iterator[None]:
    """Statements inside are planned for many rows, whose number nothing tells, and hashed rather than sorted."""
    with planned_for_many(connection):
        connection.execute("set local enable_mergejoin = off")
        yield
        connection.execute("set local enable_mergejoin = default")


def _make_tables(connection: "Connection[Any]") -> None:
    declared = {
        "scorecard_changed": "request_id bigint",
        "scorecard_counted": "like scorecard_fact",
        "scorecard_touched": "grouping bigint, group_id bigint, service_id bigint, channel text, span text, starts date",
    }
    for name, columns in declared.items():
        connection.execute(f"create temp table if not exists {name} ({columns}) on commit delete rows")
        connection.execute(f"truncate {name}")


_TEMPORARY = MetaData()
_CHANGED_TABLE = Table("scorecard_changed", _TEMPORARY, Column("request_id", BigInteger))
_COUNTED = Table("scorecard_counted", _TEMPORARY, *(Column(each.name, each.type) for each in ScorecardFact.__table__.columns))
_TOUCHED = Table(
    "scorecard_touched",
    _TEMPORARY,
    *(Column(name, BigInteger) for name in cells.KEYS[:3]),
    *(Column(name, Text) for name in cells.KEYS[3:5]),
    Column(cells.KEYS[5], Date),
)
_FACT, _CELL = ScorecardFact.__table__, ScorecardCell.__table__
_FIGURES = [name for name in cells.COLUMNS if name not in ("jurisdiction_id", *cells.KEYS)]
_MOMENT = TIMESTAMP(timezone=True)

_CITIES = Statement(select(Jurisdiction.id).order_by(Jurisdiction.id))
_CITY = Statement(select(Jurisdiction.timezone, Jurisdiction.changes_epoch).where(Jurisdiction.id == CITY))
# One refresh of a city at a time; as long as the transaction goes on.
_KEY_OF_CITY = func.hashtextextended("open311 scorecards", CITY)
_HOLD = Statement(select(func.pg_advisory_xact_lock(_KEY_OF_CITY)))
_TRY_TO_HOLD = Statement(select(func.pg_try_advisory_xact_lock(_KEY_OF_CITY).label("is_held")))
_LAST = Statement(select(*ScorecardRun.__table__.columns).where(ScorecardRun.jurisdiction_id == CITY))
_NUMBER_OF = "cast(cast({} as text) as bigint)"
_SEEN = Statement(
    select(
        literal_column(_NUMBER_OF.format("pg_snapshot_xmin(pg_current_snapshot())"), BigInteger).label("oldest_transaction"),
        literal_column(_NUMBER_OF.format("pg_snapshot_xmax(pg_current_snapshot())"), BigInteger).label("next_transaction"),
        select(func.coalesce(func.max(RequestEvent.id), literal_column("0")))
        .where(RequestEvent.jurisdiction_id == CITY)
        .scalar_subquery()
        .label("newest_event"),
        select(
            func.coalesce(
                func.string_agg(
                    func.concat_ws(
                        literal_column("'/'"),
                        LayerVersion.id,
                        LayerVersion.stamping,
                        LayerVersion.stamped_through_id,
                        LayerVersion.withdrawn_at,
                    ),
                    aggregate_order_by(literal_column("' '"), LayerVersion.id),
                ),
                literal_column("''"),
            )
        )
        .where(LayerVersion.jurisdiction_id == CITY)
        .scalar_subquery()
        .label("maps"),
    )
)
_KEEP_VALUES = {name: bindparam(name, type_=column.type) for name, column in ScorecardRun.__table__.columns.items()}
_KEEP = Statement(
    upsert(ScorecardRun).values(**_KEEP_VALUES).on_conflict_do_update(index_elements=["jurisdiction_id"], set_=_KEEP_VALUES)
)

_DROP_ALL = [
    Statement(delete(ScorecardFact).where(ScorecardFact.jurisdiction_id == CITY)),
    Statement(delete(ScorecardCell).where(ScorecardCell.jurisdiction_id == CITY)),
]
_COUNT_ALL = Statement(insert(ScorecardFact).from_select(facts.COLUMNS, facts.raw_facts()))
_FILL_ALL = Statement(insert(ScorecardCell).from_select(cells.COLUMNS, cells.cells(_FACT)))

_MINE = ServiceRequest.jurisdiction_id == CITY
_IS_NEWER = ServiceRequest.changed_in >= bindparam("changed_from", type_=BigInteger)
_IS_SEEN = or_(ServiceRequest.is_public, ServiceRequest.was_public)
_CHANGED = Statement(
    insert(_CHANGED_TABLE).from_select(
        ["request_id"],
        union(
            select(ServiceRequest.id).where(_MINE, _IS_NEWER, _IS_SEEN),
            select(ServiceRequest.id).where(_MINE, _IS_NEWER, ~_IS_SEEN),
            select(RequestEvent.request_id).where(
                RequestEvent.jurisdiction_id == CITY, RequestEvent.id > bindparam("event_from", type_=BigInteger)
            ),
            # What is overdue since, though nobody did anything.
            select(ScorecardFact.request_id).where(
                ScorecardFact.jurisdiction_id == CITY,
                ScorecardFact.closed_at.is_(None),
                ScorecardFact.lapsed_month.is_(None),
                ScorecardFact.expected_at <= AS_OF,
            ),
        ),
    )
)
_ALL_CHANGED = Statement(insert(_CHANGED_TABLE).from_select(["request_id"], select(ServiceRequest.id).where(_MINE)))
_COUNT_CHANGED = Statement(insert(_COUNTED).from_select(facts.COLUMNS, facts.raw_facts(_CHANGED_TABLE)))
_COUNT_ALL_ANEW = Statement(insert(_COUNTED).from_select(facts.COLUMNS, facts.raw_facts()))
_SAME_REQUEST = and_(_FACT.c.jurisdiction_id == CITY, _FACT.c.request_id == _COUNTED.c.request_id)
_FORGET_THE_SAME = Statement(
    delete(_COUNTED).where(
        _SAME_REQUEST,
        *(_FACT.c[name].is_not_distinct_from(_COUNTED.c[name]) for name in facts.COLUMNS),
    )
)
_COUNTED_NOW = Statement(select(func.count().label("times")).select_from(_COUNTED))
_BEFORE = select(_FACT).where(_FACT.c.jurisdiction_id == CITY, _FACT.c.request_id.in_(select(_COUNTED.c.request_id)))
_TOUCH = Statement(
    insert(_TOUCHED).from_select(
        list(cells.KEYS),
        union(cells.touched_by(_BEFORE.cte("before")), cells.touched_by(_COUNTED)),
    )
)
_UNCOUNT = Statement(delete(ScorecardFact).where(_SAME_REQUEST))
_TAKE_OVER = Statement(insert(ScorecardFact).from_select(facts.COLUMNS, select(_COUNTED)))
_EMPTY = Statement(
    delete(ScorecardCell).where(
        ScorecardCell.jurisdiction_id == CITY, *(_CELL.c[name] == _TOUCHED.c[name] for name in cells.KEYS)
    )
)
_FILL_TOUCHED = Statement(insert(ScorecardCell).from_select(cells.COLUMNS, cells.cells(_FACT, _TOUCHED)))


def _differing() -> Statement:
    kept = select(_CELL).where(_CELL.c.jurisdiction_id == CITY).subquery("kept")
    so = cells.cells(facts.raw_facts().cte("fact").prefix_with("materialized", dialect="postgresql")).subquery("so")
    keys = [func.coalesce(kept.c[name], so.c[name]).label(name) for name in cells.KEYS]
    # Percentiles are computed alike, and compared to the last digit.
    differs = or_(
        kept.c.grouping.is_(None),
        so.c.grouping.is_(None),
        *(kept.c[name].is_distinct_from(so.c[name]) for name in _FIGURES),
    )
    return Statement(
        select(*keys, *(kept.c[name].label(f"kept_{name}") for name in _FIGURES), *(so.c[name] for name in _FIGURES))
        .select_from(kept)
        .join(so, and_(*(kept.c[name] == so.c[name] for name in cells.KEYS)), full=True)
        .where(differs)
        .order_by(*keys)
        .limit(bindparam("most", type_=BigInteger))
    )


_DIFFERING = _differing()
