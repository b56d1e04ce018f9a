"""Requests stamped with the districts of a map that was published or taken back: in the background, batch by batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, and_, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as upsert

from db.driver import Statement, driver
from geo.districts import covering
from geo.models import Boundary, Layer, LayerVersion
from open311.cases.jobs import PATIENTLY, queue
from open311.cases.rerouting import reroute
from open311.models import RequestDistrict, ServiceRequest
from schemas.moment import whole_second

BATCH_REQUESTS = 5000
# A request takes milliseconds to come in; a transaction older than this is no request of ours.
_PATIENCE_SECONDS = 60
_LATECOMERS = timedelta(minutes=10)


class StillComingIn(RuntimeError):
    """A transaction that began before the map was published has not ended: the job is tried again later."""


@dataclass(frozen=True, kw_only=True)
class _Version:
    """A version of a layer, as stamping needs it."""

    id: int
    layer_id: int
    layer: str
    valid_from: datetime | None
    published_at: datetime
    withdrawn_at: datetime | None
    reroutes: bool
    stamping: str
    stamped_through_id: int

    @property
    def cause(self) -> str:
        """Why a request is routed anew because of this map."""
        if self.withdrawn_at is not None:
            return f"the map of {self.layer} from {self.valid_from:%Y-%m-%d} was taken back"
        return f"the map of {self.layer} changed on {self.valid_from or self.published_at:%Y-%m-%d}"


def stamp_later(connection: "Connection[Any]", version: LayerVersion) -> None:
    """Let a worker stamp the requests when the version takes effect; part of the connection's transaction."""
    when = {} if version.valid_from is None or version.withdrawn_at else {"schedule_at": version.valid_from}
    queue.configure_task(
        "stamp_districts",
        connection=connection,
        lock=f"stamp {version.jurisdiction_id} {version.layer_id}",
        **when,  # type: ignore[arg-type]
    ).defer(jurisdiction_id=version.jurisdiction_id, layer_version_id=version.id)


@queue.task(name="stamp_districts", retry=PATIENTLY)
def stamp_districts(jurisdiction_id: int, layer_version_id: int) -> None:
    """Job: stamp every request with a map that took effect or was taken back.  Running it twice changes nothing."""
    key = {"jurisdiction_id": jurisdiction_id, "layer_version_id": layer_version_id}
    has_more = True
    while has_more:
        with driver.transaction() as connection:
            has_more = stamp_batch(connection, **key, now=whole_second(datetime.now(UTC)))
    with driver.connection() as connection:
        wait_for_older(connection)
    with driver.transaction() as connection:
        settle(connection, **key, now=whole_second(datetime.now(UTC)))


def stamp_batch(connection: "Connection[Any]", *, jurisdiction_id: int, layer_version_id: int, now: datetime) -> bool:
    """Stamp the next requests by id, and route the open ones anew where that was asked; whether there may be more."""
    version = _version(connection, jurisdiction_id, layer_version_id)
    if version is None or version.stamping == "done":
        return False
    rows = _NEXT.run(
        connection, jurisdiction_id=jurisdiction_id, after_id=version.stamped_through_id, batch=BATCH_REQUESTS
    ).fetchall()
    ids = [row.id for row in rows]
    moved = 0
    if ids:
        _stamp(connection, version, ids, jurisdiction_id=jurisdiction_id, now=now)
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
    """Return when every transaction that writes and is older than this call has ended.  Raises StillComingIn."""
    row = connection.execute("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
    assert row is not None
    newest, deadline = row[0], monotonic() + _PATIENCE_SECONDS
    while True:
        row = connection.execute("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint").fetchone()
        assert row is not None
        if row[0] >= newest:
            return
        if monotonic() > deadline:
            raise StillComingIn
        sleep(0.05)


def settle(connection: "Connection[Any]", *, jurisdiction_id: int, layer_version_id: int, now: datetime) -> None:
    """Stamp the requests that were just coming in while the map was published, and route them by it; then it is done.

    They were routed by the map before, because no other could be seen; those that came in under the new one's time are
    routed again, whether or not that was asked for the others.
    """
    version = _version(connection, jurisdiction_id, layer_version_id)
    if version is None or version.stamping == "done":
        return
    since = version.withdrawn_at or version.published_at
    late = _LATE.run(connection, jurisdiction_id=jurisdiction_id, since=since - _LATECOMERS).fetchall()
    ids = [row.id for row in late]
    _stamp(connection, version, ids, jurisdiction_id=jurisdiction_id, now=now)
    begins = max(since, version.valid_from or since) if version.withdrawn_at is None else since
    reroute(
        connection,
        [row.id for row in late if row.requested_at >= begins],
        jurisdiction_id=jurisdiction_id,
        cause=f"{version.cause} as it came in",
        now=now,
    )
    _DONE.run(connection, jurisdiction_id=jurisdiction_id, layer_version_id=layer_version_id)
    _DROP_WITHDRAWN.run(connection, jurisdiction_id=jurisdiction_id, layer_id=version.layer_id)


def _version(connection: "Connection[Any]", jurisdiction_id: int, layer_version_id: int) -> _Version | None:
    row = _VERSION.run(connection, jurisdiction_id=jurisdiction_id, layer_version_id=layer_version_id).fetchone()
    return None if row is None else _Version(**row._asdict())


def _stamp(
    connection: "Connection[Any]", version: _Version, ids: Sequence[int], *, jurisdiction_id: int, now: datetime
) -> None:
    key: dict[str, Any] = {"jurisdiction_id": jurisdiction_id, "layer_id": version.layer_id, "ids": list(ids)}
    _UNSTAMP.run(connection, **key)
    _STAMP.run(connection, **key, now=now)


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
        LayerVersion.published_at,
        LayerVersion.withdrawn_at,
        LayerVersion.reroutes,
        LayerVersion.stamping,
        LayerVersion.stamped_through_id,
    )
    .join(Layer, and_(Layer.jurisdiction_id == _JURISDICTION, Layer.id == LayerVersion.layer_id))
    .where(*_THIS_VERSION)
    .with_for_update(of=LayerVersion)
)

_NEXT = Statement(
    select(ServiceRequest.id)
    .where(ServiceRequest.jurisdiction_id == _JURISDICTION, ServiceRequest.id > bindparam("after_id", type_=BigInteger))
    .order_by(ServiceRequest.id)
    .limit(bindparam("batch", type_=BigInteger))
)

_LATE = Statement(
    select(ServiceRequest.id, ServiceRequest.requested_at)
    .where(ServiceRequest.jurisdiction_id == _JURISDICTION, ServiceRequest.requested_at >= bindparam("since", type_=_MOMENT))
    .order_by(ServiceRequest.id)
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
    Boundary.jurisdiction_id == _JURISDICTION,
    Boundary.layer_id == _LAYER,
    Boundary.in_force(bindparam("now", type_=_MOMENT)),
)
_STAMP = Statement(
    upsert(RequestDistrict)
    .from_select(
        ["jurisdiction_id", "request_id", "boundary_id", "requested_at"],
        select(ServiceRequest.jurisdiction_id, ServiceRequest.id, _COVERING.c.boundary_id, ServiceRequest.requested_at)
        .join(_COVERING, _COVERING.c.location == ServiceRequest.location)
        .where(ServiceRequest.jurisdiction_id == _JURISDICTION, ServiceRequest.id == func.any(_IDS)),
    )
    .on_conflict_do_nothing()
)

# A version that was taken back is never in force: it ends when it begins.
_WITHDRAWN = (
    Boundary.jurisdiction_id == _JURISDICTION,
    Boundary.layer_id == _LAYER,
    Boundary.valid_from == Boundary.valid_to,
)
_UNSTAMP = Statement(
    delete(RequestDistrict).where(
        RequestDistrict.jurisdiction_id == _JURISDICTION,
        RequestDistrict.request_id == func.any(_IDS),
        RequestDistrict.boundary_id.in_(select(Boundary.id).where(*_WITHDRAWN)),
    )
)
_DROP_WITHDRAWN = Statement(
    delete(Boundary).where(
        *_WITHDRAWN,
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
_DONE = Statement(update(LayerVersion).where(*_THIS_VERSION).values(stamping="done"))
