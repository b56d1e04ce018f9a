"""Digests: what was reported and closed in a place or a district, by the day or the week, for who follows it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Date, Double, Text, and_, bindparam, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import TIMESTAMP

from db.driver import Statement, driver
from geo.models import Boundary, Layer
from geo.queries import latitude, longitude, make_point, within_metres
from open311.cases.jobs import PATIENTLY, queue
from open311.jurisdictions import City, read_cities
from open311.models import CaseStatus, Follower, RequestDistrict, Service, ServiceRequest
from open311.notify import outbox
from open311.notify.following import DAY, NEWEST_NAME, area_name, first_day
from open311.reports.open_rows import open_columns
from schemas.moment import whole_second

MOST_LISTED = 20
BATCH_FOLLOWERS = 50


@queue.periodic(cron="7 * * * *")
@queue.task(name="write_digests", retry=PATIENTLY)
def write_digests(timestamp: int) -> None:
    """Job of every hour: write the digests of whole days and weeks that are over, in every city.  Twice writes each once."""
    with driver.connection() as connection:
        cities = read_cities(connection)
    for city in cities:
        has_more = True
        while has_more:
            with driver.transaction() as connection:
                has_more = digest_due(connection, city, now=whole_second(datetime.now(UTC))) == BATCH_FOLLOWERS


def digest_due(connection: "Connection[Any]", city: City, *, now: datetime) -> int:
    """Write up to BATCH_FOLLOWERS digests whose days are over by the city's clock; how many followers were looked at.

    After days without a worker one digest has them all.  Of days on which nothing happened none is written.
    """
    today = now.astimezone(city.zone).date()
    due = _DUE.run(
        connection,
        jurisdiction_id=city.id,
        day_before=today,
        week_before=first_day("week", today) - timedelta(days=6),
        most=BATCH_FOLLOWERS,
    ).fetchall()
    for follower in due:
        until = first_day(follower.rhythm, today)
        facts = _facts(connection, city, follower, until=until)
        if facts["received"] or facts["closed"]:
            outbox.post_to(connection, jurisdiction_id=city.id, follower_id=follower.id, event="digest", facts=facts, now=now)
        _TOLD.run(connection, jurisdiction_id=city.id, follower_id=follower.id, until=until)
    return len(due)


def _facts(connection: "Connection[Any]", city: City, follower: Any, *, until: date) -> dict[str, Any]:
    """The facts of a digest of the days from told_until to before `until`."""
    area: dict[str, Any] = {"jurisdiction_id": city.id}
    if follower.boundary_code is not None:
        read_all, counted = _IN_DISTRICT, _OPEN_IN_DISTRICT
        area |= {"layer_id": follower.layer_id, "boundary_code": follower.boundary_code}
    else:
        read_all, counted = _AROUND, _OPEN_AROUND
        area |= {"long": follower.long, "lat": follower.lat, "metres": follower.radius_metres}
    days = {"since": _start(follower.told_until, city), "until": _start(until, city)}
    rows = read_all.run(connection, **area, **days).fetchall()
    (still_open,) = counted.run(connection, **area).fetchall()
    received = [row for row in rows if days["since"] <= row.requested_at < days["until"]]
    closed = [row for row in rows if row.closed_at is not None and days["since"] <= row.closed_at < days["until"]]
    return {
        "area": area_name(follower, follower.language),
        "city": city.name,
        "first": follower.told_until.isoformat(),
        "last": (until - timedelta(days=1)).isoformat(),
        "received": len(received),
        "closed": len(closed),
        "open": still_open.requests,
        "reported_requests": _listed(received),
        "closed_requests": _listed(closed),
    }


def _listed(rows: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {"number": row.number, "service": row.service, "address": row.address, "status": row.status}
        for row in rows[:MOST_LISTED]
    ]


def _start(day: date, city: City) -> datetime:
    return datetime.combine(day, time(), tzinfo=city.zone)


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_SINCE: Any = bindparam("since", type_=TIMESTAMP(timezone=True))
_UNTIL: Any = bindparam("until", type_=TIMESTAMP(timezone=True))
_DUE = Statement(
    select(
        Follower.id,
        Follower.language,
        Follower.rhythm,
        Follower.told_until,
        Follower.layer_id,
        Follower.boundary_code,
        Follower.radius_metres,
        longitude(Follower.location).label("long"),
        latitude(Follower.location).label("lat"),
        Layer.name.label("layer_name"),
        NEWEST_NAME.label("boundary_name"),
    )
    .outerjoin(Layer, and_(Layer.jurisdiction_id == _CITY, Layer.id == Follower.layer_id))
    .where(
        Follower.jurisdiction_id == _CITY,
        Follower.request_id.is_(None),
        Follower.confirmed_at.is_not(None),
        Follower.stopped_at.is_(None),
        Follower.told_until < bindparam("day_before", type_=Date),
        or_(Follower.rhythm == literal(DAY, Text), Follower.told_until < bindparam("week_before", type_=Date)),
    )
    .order_by(Follower.told_until, Follower.id)
    .limit(bindparam("most", type_=BigInteger))
    .with_for_update(of=Follower, skip_locked=True)
)
_TOLD = Statement(
    update(Follower)
    .where(Follower.jurisdiction_id == _CITY, Follower.id == bindparam("follower_id", type_=BigInteger))
    .values(told_until=bindparam("until", type_=Date))
)
_PUBLIC = (ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.is_public, ServiceRequest.number.is_not(None))
# A district is the same through all the versions of its drawing.
_OF_DISTRICT = ServiceRequest.id.in_(
    select(RequestDistrict.request_id)
    .join(Boundary, and_(Boundary.jurisdiction_id == _CITY, Boundary.id == RequestDistrict.boundary_id))
    .where(
        RequestDistrict.jurisdiction_id == _CITY,
        Boundary.layer_id == bindparam("layer_id", type_=BigInteger),
        Boundary.code == bindparam("boundary_code", type_=Text),
    )
)
_NEAR = and_(
    within_metres(
        ServiceRequest.location,
        make_point(long=bindparam("long"), lat=bindparam("lat")),
        bindparam("metres", type_=Double),
    ),
    # That one lies within so many metres would tell where it lies.
    ServiceRequest.coarse_metres.is_(None),
)


def _happened(where: Any) -> Statement:
    """What came in or was closed in a time, the newest first."""
    asked = (
        select(
            ServiceRequest.number,
            Service.name.label("service"),
            open_columns()["address"].label("address"),
            CaseStatus.name.label("status"),
            ServiceRequest.requested_at,
            ServiceRequest.closed_at,
        )
        .select_from(ServiceRequest)
        .join(Service, and_(Service.jurisdiction_id == _CITY, Service.id == ServiceRequest.service_id))
        .join(CaseStatus, and_(CaseStatus.jurisdiction_id == _CITY, CaseStatus.code == ServiceRequest.case_status))
    )
    in_time = or_(
        and_(ServiceRequest.requested_at >= _SINCE, ServiceRequest.requested_at < _UNTIL),
        and_(ServiceRequest.closed_at >= _SINCE, ServiceRequest.closed_at < _UNTIL),
    )
    # What changed last before the time was neither received nor closed in it.
    changed = ServiceRequest.updated_at >= _SINCE
    return Statement(
        asked.where(*_PUBLIC, changed, in_time, where).order_by(ServiceRequest.requested_at.desc(), ServiceRequest.id.desc())
    )


def _still_open(where: Any) -> Statement:
    counted = select(func.count().label("requests")).select_from(ServiceRequest)
    return Statement(counted.where(*_PUBLIC, ServiceRequest.status == literal("open", Text), where))


_IN_DISTRICT = _happened(_OF_DISTRICT)
_AROUND = _happened(_NEAR)
_OPEN_IN_DISTRICT = _still_open(_OF_DISTRICT)
_OPEN_AROUND = _still_open(_NEAR)
