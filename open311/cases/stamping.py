"""Requests stamped with the districts of a map that was published or taken back: in the background, batch by batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from time import monotonic, sleep
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Boolean, Date, and_, bindparam, cast, delete, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as upsert

from db.driver import Statement, driver, planned_for_many
from db.periods import goes_on, has_begun
from geo.districts import boxes, covering
from geo.models import Boundary, Layer, LayerVersion
from open311.cases.jobs import PATIENTLY, queue
from open311.cases.rerouting import reroute
from open311.models import Jurisdiction, RequestDistrict, ServiceRequest
from open311.reports.changes import touch
from schemas.moment import whole_second

BATCH_REQUESTS = 5000
# A request takes milliseconds to come in; a transaction older than this is no request of ours.
_PATIENCE_SECONDS = 60
_LATECOMERS = timedelta(minutes=10)


class StillComingIn(RuntimeError):
    """A transaction that may have been routing since before the map was published goes on: the job is tried again later."""


@dataclass(frozen=True, kw_only=True)
class _Version:
    """A version of a layer, as stamping needs it; begins_on is the day of the city on which it begins."""

    id: int
    layer_id: int
    layer: str
    valid_from: datetime | None
    begins_on: date
    published_at: datetime
    withdrawn_at: datetime | None
    reroutes: bool
    stamping: str
    stamped_through_id: int

    @property
    def cause(self) -> str:
        """Why a request is routed anew because of this map."""
        if self.withdrawn_at is not None:
            return f"the map of {self.layer} from {self.begins_on} was taken back"
        return f"the map of {self.layer} changed on {self.begins_on}"

    @property
    def holds_since(self) -> datetime:
        """When requests began to be routed by what is there now: the map, or that before it when it was taken back."""
        if self.withdrawn_at is not None:
            return self.withdrawn_at
        return self.published_at if self.valid_from is None else max(self.published_at, self.valid_from)

    @property
    def stamps_since(self) -> datetime:
        """Which maps requests are stamped with: those in force between this and stamps_until.

        A map alone, as it was when it began: by the time of a late job the next one may be in force.  When it was taken
        back, whatever holds in its place, for what came in meanwhile.
        """
        begins = self.valid_from or self.published_at
        return begins if self.withdrawn_at is None else min(begins, self.withdrawn_at)

    @property
    def stamps_until(self) -> datetime:
        """The last moment of that, which counts."""
        return self.withdrawn_at or self.stamps_since


def stamp_later(connection: "Connection[Any]", version: LayerVersion) -> None:
    """Let a worker stamp the requests when the version takes effect; part of the connection's transaction."""
    when = {} if version.valid_from is None or version.withdrawn_at else {"schedule_at": version.valid_from}
    # Without a lock of the queue's: a job that waits for its day would hold up every later one of its layer.
    queue.configure_task("stamp_districts", connection=connection, **when).defer(  # type: ignore[arg-type]
        jurisdiction_id=version.jurisdiction_id,
        layer_version_id=version.id,
        is_withdrawal=version.withdrawn_at is not None,
    )


@queue.task(name="stamp_districts", retry=PATIENTLY)
def stamp_districts(jurisdiction_id: int, layer_version_id: int, is_withdrawal: bool = False) -> None:
    """Job: stamp every request with a map that took effect or was taken back.  Running it twice changes nothing.

    When a map is taken back, the job that it was published with ends, and leaves the rest to that of the withdrawal.
    """
    key: dict[str, Any] = {
        "jurisdiction_id": jurisdiction_id,
        "layer_version_id": layer_version_id,
        "is_withdrawal": is_withdrawal,
    }
    has_more = True
    while has_more:
        with driver.transaction() as connection:
            has_more = stamp_batch(connection, **key, now=whole_second(datetime.now(UTC)))
    with driver.connection() as connection:
        wait_for_older(connection)
    with driver.transaction() as connection:
        settle(connection, **key, now=whole_second(datetime.now(UTC)))


def stamp_batch(
    connection: "Connection[Any]", *, jurisdiction_id: int, layer_version_id: int, is_withdrawal: bool = False, now: datetime
) -> bool:
    """Stamp the next requests by id, and route the open ones anew where that was asked; whether there may be more."""
    version = _version(connection, jurisdiction_id, layer_version_id, is_withdrawal)
    if version is None or version.stamping == "done":
        return False
    rows = _NEXT.run(
        connection, jurisdiction_id=jurisdiction_id, after_id=version.stamped_through_id, batch=BATCH_REQUESTS
    ).fetchall()
    ids = [row.id for row in rows]
    moved = 0
    if ids:
        _stamp(connection, version, ids, jurisdiction_id=jurisdiction_id)
        if version.reroutes:
            moved = reroute(connection, ids, jurisdiction_id=jurisdiction_id, cause=version.cause, now=now)
    _PROGRESS.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        layer_version_id=layer_version_id,
        through_id=ids[-1] if ids else version.stamped_through_id,
        stamped=len(ids),
        moved=moved,
    )
    return len(ids) == BATCH_REQUESTS


def wait_for_older(connection: "Connection[Any]") -> None:
    """Return when every transaction of ours that is older than this call has ended.  Raises StillComingIn.

    Also those that have written nothing yet: a request is routed first, and its photos put away, before it is written.
    """
    older, deadline = _transactions(connection), monotonic() + _PATIENCE_SECONDS
    while older:
        if monotonic() > deadline:
            raise StillComingIn
        sleep(0.05)
        older &= _transactions(connection)


def _transactions(connection: "Connection[Any]") -> set[str]:
    """The transactions of this database's user that go on, this connection's own left out."""
    rows = connection.execute(
        "select virtualxid from pg_locks join pg_stat_activity using (pid) where locktype = 'virtualxid' and granted"
        " and datname = current_database() and usename = current_user and pid <> pg_backend_pid()"
    )
    return {row[0] for row in rows}


def settle(
    connection: "Connection[Any]", *, jurisdiction_id: int, layer_version_id: int, is_withdrawal: bool = False, now: datetime
) -> None:
    """Stamp the requests that were just coming in while the map was published, and route them by it; then it is done.

    They were routed by the map before, because no other could be seen; those that came in under the new one's time are
    routed again, whether or not that was asked for the others.
    """
    version = _version(connection, jurisdiction_id, layer_version_id, is_withdrawal)
    if version is None or version.stamping == "done":
        return
    since = version.holds_since
    late = _LATE.run(connection, jurisdiction_id=jurisdiction_id, since=since - _LATECOMERS).fetchall()
    _stamp(connection, version, [row.id for row in late], jurisdiction_id=jurisdiction_id)
    under_it = [row.id for row in late if row.requested_at >= since]
    _UNSTAMP_ENDED.run(connection, jurisdiction_id=jurisdiction_id, layer_id=version.layer_id, ids=under_it)
    cause = f"{version.cause} as it came in"
    moved = reroute(connection, under_it, jurisdiction_id=jurisdiction_id, cause=cause, now=now)
    if version.reroutes:
        before_it = [row.id for row in late if row.requested_at < since]
        moved += reroute(connection, before_it, jurisdiction_id=jurisdiction_id, cause=version.cause, now=now)
    _DONE.run(connection, jurisdiction_id=jurisdiction_id, layer_version_id=layer_version_id, moved=moved)
    if is_withdrawal:
        _DROP_WITHDRAWN.run(
            connection, jurisdiction_id=jurisdiction_id, layer_id=version.layer_id, valid_from=version.valid_from
        )


def _version(
    connection: "Connection[Any]", jurisdiction_id: int, layer_version_id: int, is_withdrawal: bool
) -> _Version | None:
    """The version, its layer held until the transaction ends; None when it is gone, or was taken back meanwhile."""
    key = {"jurisdiction_id": jurisdiction_id, "layer_version_id": layer_version_id}
    _HOLD.run(connection, **key)
    row = _VERSION.run(connection, **key, is_withdrawal=is_withdrawal).fetchone()
    return None if row is None else _Version(**row._asdict())


def _stamp(connection: "Connection[Any]", version: _Version, ids: Sequence[int], *, jurisdiction_id: int) -> None:
    key: dict[str, Any] = {"jurisdiction_id": jurisdiction_id, "layer_id": version.layer_id, "ids": list(ids)}
    _UNSTAMP.run(connection, **key)
    with planned_for_many(connection):
        _STAMP.run(connection, **key, since=version.stamps_since, at=version.stamps_until)
    touch(connection, ids, jurisdiction_id=jurisdiction_id)


_JURISDICTION: Any = bindparam("jurisdiction_id", type_=BigInteger)
_LAYER: Any = bindparam("layer_id", type_=BigInteger)
_IDS: Any = bindparam("ids", type_=ARRAY(BigInteger))
_MOMENT = TIMESTAMP(timezone=True)
_THIS_VERSION = (
    LayerVersion.jurisdiction_id == _JURISDICTION,
    LayerVersion.id == bindparam("layer_version_id", type_=BigInteger),
)

_VERSION = Statement(
    select(
        LayerVersion.id,
        LayerVersion.layer_id,
        Layer.code.label("layer"),
        LayerVersion.valid_from,
        cast(
            func.timezone(Jurisdiction.timezone, func.coalesce(LayerVersion.valid_from, LayerVersion.published_at)), Date
        ).label("begins_on"),
        LayerVersion.published_at,
        LayerVersion.withdrawn_at,
        LayerVersion.reroutes,
        LayerVersion.stamping,
        LayerVersion.stamped_through_id,
    )
    .join(Layer, and_(Layer.jurisdiction_id == _JURISDICTION, Layer.id == LayerVersion.layer_id))
    .join(Jurisdiction, Jurisdiction.id == _JURISDICTION)
    .where(*_THIS_VERSION, LayerVersion.withdrawn_at.is_not(None) == bindparam("is_withdrawal", type_=Boolean))
)
# Whoever stamps, publishes or takes back holds the layer, so its versions are stamped one after the other.
_HOLD = Statement(
    select(Layer.id)
    .join(LayerVersion, and_(LayerVersion.jurisdiction_id == _JURISDICTION, LayerVersion.layer_id == Layer.id))
    .where(Layer.jurisdiction_id == _JURISDICTION, *_THIS_VERSION)
    .with_for_update(of=Layer, key_share=True)
)

_NEXT = Statement(
    select(ServiceRequest.id)
    .where(ServiceRequest.jurisdiction_id == _JURISDICTION, ServiceRequest.id > bindparam("after_id", type_=BigInteger))
    .order_by(ServiceRequest.id)
    .limit(bindparam("batch", type_=BigInteger))
    # Held, so that none moves elsewhere between looking up its place and stamping it.
    .with_for_update(key_share=True)
)

_LATE = Statement(
    select(ServiceRequest.id, ServiceRequest.requested_at)
    .where(ServiceRequest.jurisdiction_id == _JURISDICTION, ServiceRequest.requested_at >= bindparam("since", type_=_MOMENT))
    .order_by(ServiceRequest.id)
    .with_for_update(key_share=True)
)

# A version that was taken back is never in force: it ends when it begins.
_WITHDRAWN = (
    Boundary.jurisdiction_id == _JURISDICTION,
    Boundary.layer_id == _LAYER,
    Boundary.valid_from == Boundary.valid_to,
)

_PLACES = (
    select(ServiceRequest.location)
    .where(
        ServiceRequest.jurisdiction_id == _JURISDICTION,
        ServiceRequest.id == func.any(_IDS),
        ServiceRequest.location.is_not(None),
    )
    .distinct()
    .subquery("place")
)
_COVERING = covering(
    _PLACES,
    boundaries=boxes(
        Boundary.jurisdiction_id == _JURISDICTION,
        Boundary.layer_id == _LAYER,
        has_begun(Boundary.valid_from, bindparam("at", type_=_MOMENT)),
        goes_on(Boundary.valid_to, bindparam("since", type_=_MOMENT)),
        and_(Boundary.valid_from == Boundary.valid_to).is_not(True),
    ),
)
_STAMP = Statement(
    upsert(RequestDistrict)
    .from_select(
        ["jurisdiction_id", "request_id", "boundary_id", "requested_at"],
        select(ServiceRequest.jurisdiction_id, ServiceRequest.id, _COVERING.c.boundary_id, ServiceRequest.requested_at)
        .join(
            _COVERING,
            and_(
                _COVERING.c.location == ServiceRequest.location,
                # Not with a map that was over when the request came in.
                goes_on(_COVERING.c.valid_to, cast(ServiceRequest.requested_at, _MOMENT)),
            ),
        )
        .where(ServiceRequest.jurisdiction_id == _JURISDICTION, ServiceRequest.id == func.any(_IDS)),
    )
    .on_conflict_do_nothing()
)

_UNSTAMP = Statement(
    delete(RequestDistrict).where(
        RequestDistrict.jurisdiction_id == _JURISDICTION,
        RequestDistrict.request_id == func.any(_IDS),
        RequestDistrict.boundary_id.in_(select(Boundary.id).where(*_WITHDRAWN)),
    )
)
# Within the second in which a map is published some come in by the one before, which was over by then.
_UNSTAMP_ENDED = Statement(
    delete(RequestDistrict).where(
        RequestDistrict.jurisdiction_id == _JURISDICTION,
        RequestDistrict.request_id == func.any(_IDS),
        RequestDistrict.boundary_id == Boundary.id,
        Boundary.jurisdiction_id == _JURISDICTION,
        Boundary.layer_id == _LAYER,
        Boundary.valid_to <= RequestDistrict.requested_at,
    )
)
_DROP_WITHDRAWN = Statement(
    delete(Boundary).where(
        *_WITHDRAWN,
        Boundary.valid_from == bindparam("valid_from", type_=_MOMENT),
        # Another one that was to begin then may still have requests that are coming in with its districts.
        ~select(LayerVersion.id)
        .where(
            LayerVersion.jurisdiction_id == _JURISDICTION,
            LayerVersion.layer_id == _LAYER,
            LayerVersion.valid_from == Boundary.valid_from,
            LayerVersion.stamping != "done",
        )
        .exists(),
        ~select(RequestDistrict.request_id)
        .where(RequestDistrict.jurisdiction_id == _JURISDICTION, RequestDistrict.boundary_id == Boundary.id)
        .exists(),
    )
)

_PROGRESS = Statement(
    update(LayerVersion)
    .where(*_THIS_VERSION)
    .values(
        stamping="running",
        stamped_through_id=bindparam("through_id", type_=BigInteger),
        stamped_requests=LayerVersion.stamped_requests + bindparam("stamped", type_=BigInteger),
        rerouted_requests=LayerVersion.rerouted_requests + bindparam("moved", type_=BigInteger),
    )
)
_DONE = Statement(
    update(LayerVersion)
    .where(*_THIS_VERSION)
    .values(stamping="done", rerouted_requests=LayerVersion.rerouted_requests + bindparam("moved", type_=BigInteger))
)
