"""History routed again, set-wise in PostGIS, by what is in force and by what is proposed; and what differs.

A proposal is put into the tables, looked at, and rolled back: nobody else sees it.  Requests come in meanwhile; who would
publish a map of the layer, put rules in place or analyze these tables waits until it ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any

from psycopg import Connection
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    MetaData,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import aliased

from db.driver import Statement, planned_for_many
from geo.columns import ShapelyGeometry
from geo.models import Boundary, Layer
from geo.queries import latitude, longitude
from open311.cases.stored import JURISDICTION, stored_cases
from open311.models import RequestDistrict, Service, ServiceRequest
from routing.decision import winners
from routing.models import Department

BEFORE, AFTER = "before", "after"


@dataclass(frozen=True, kw_only=True)
class Count:
    """Requests of a service or a district (named as people name it), and how many of them would go elsewhere."""

    name: str
    requests: int
    moved: int


@dataclass(frozen=True, kw_only=True)
class DepartmentCount:
    """How many requests a department or unit answers for, before and after."""

    name: str
    before: int
    after: int


@dataclass(frozen=True, kw_only=True)
class Move:
    """So many requests of a service that would go from one department or unit to another."""

    service: str
    before: str
    after: str
    requests: int


@dataclass(frozen=True, kw_only=True)
class MovedRequest:
    """A request that would go elsewhere, with its place; status: of today."""

    number: str
    service: str
    status: str
    before: str
    after: str
    long: float | None
    lat: float | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What a proposal would change of the requests that were replayed; lists have the largest first.

    departments: only those whose count is another.  decisions_per_second: of the slower of the two runs.
    """

    requests: int
    moved: int
    decisions_per_second: int
    services: Sequence[Count]
    departments: Sequence[DepartmentCount]
    districts: Sequence[Count]
    moves: Sequence[Move]


class Replay:
    """Past requests of a city, taken once and routed as often as you like, inside the connection's transaction.

    at: by the rules and maps in force then.
    """

    def __init__(self, connection: "Connection[Any]", *, jurisdiction_id: int) -> None:
        self._connection, self._jurisdiction_id = connection, jurisdiction_id
        self.requests = 0
        self._seconds: dict[str, float] = {}
        connection.execute(
            "create temp table past_case (key bigint, service_id bigint, service_group text, attributes jsonb,"
            " location geometry(Point, 4326), reported_at timestamptz, default_department_id bigint, is_unplaced boolean)"
            " on commit drop"
        )
        connection.execute(
            "create temp table routed (run text, key bigint, rule text, boundary_id bigint, department_id bigint,"
            " unit_id bigint) on commit drop"
        )

    def take(
        self, *, since: datetime | None = None, until: datetime | None = None, last: int | None = None, open_only: bool = False
    ) -> int:
        """Take the requests that came in between (`until` is not part of it), or the last so many of them; their count."""
        found = _TAKE.run(
            self._connection,
            jurisdiction_id=self._jurisdiction_id,
            since=since,
            until=until,
            last=last,
            open_only=open_only,
        )
        self.requests = found.rowcount
        self._connection.execute("analyze past_case")
        return self.requests

    def route(self, run: str, *, at: datetime) -> None:
        """Decide every case by the rules and maps in force at a moment, as the run `before` or `after`."""
        began = perf_counter()
        with planned_for_many(self._connection):
            _ROUTE.run(self._connection, jurisdiction_id=self._jurisdiction_id, run=run, at=at)
        self._seconds[run] = perf_counter() - began
        self._connection.execute("analyze routed")

    def recorded(self) -> None:
        """Take for the run `before` who answers for each request today."""
        _RECORDED.run(self._connection, jurisdiction_id=self._jurisdiction_id, run=BEFORE)
        self._connection.execute("analyze routed")

    def difference(self) -> Difference:
        """What differs between the two runs."""
        key = {"jurisdiction_id": self._jurisdiction_id}
        slowest = max(self._seconds.values(), default=0.0)
        with planned_for_many(self._connection):
            services = [Count(**row._asdict()) for row in _BY_SERVICE.run(self._connection, **key)]
            return Difference(
                requests=self.requests,
                moved=sum(each.moved for each in services),
                decisions_per_second=round(self.requests / slowest) if slowest else 0,
                services=[each for each in services if each.moved],
                departments=[DepartmentCount(**row._asdict()) for row in _BY_DEPARTMENT.run(self._connection, **key)],
                districts=[Count(**row._asdict()) for row in _BY_DISTRICT.run(self._connection, **key)],
                moves=[Move(**row._asdict()) for row in _MOVES.run(self._connection, **key)],
            )

    def moved_requests(self) -> list[MovedRequest]:
        """Every request that would go elsewhere, newest first."""
        rows = _MOVED.run(self._connection, jurisdiction_id=self._jurisdiction_id)
        return [MovedRequest(**row._asdict()) for row in rows]


_MOMENT = TIMESTAMP(timezone=True)
_PAST = Table(
    "past_case",
    MetaData(),
    Column("key", BigInteger),
    Column("service_id", BigInteger),
    Column("service_group", Text),
    Column("attributes", JSONB),
    Column("location", ShapelyGeometry("POINT")),
    Column("reported_at", _MOMENT),
    Column("default_department_id", BigInteger),
    Column("is_unplaced", Boolean),
)
_ROUTED = Table(
    "routed",
    MetaData(),
    Column("run", Text),
    Column("key", BigInteger),
    Column("rule", Text),
    Column("boundary_id", BigInteger),
    Column("department_id", BigInteger),
    Column("unit_id", BigInteger),
)


def _unless_null(name: str, type_: Any, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return or_(cast(bindparam(name, type_=type_), type_).is_(None), condition)


_SINCE, _UNTIL = bindparam("since", type_=_MOMENT), bindparam("until", type_=_MOMENT)
_TAKEN = (
    stored_cases(
        _unless_null("since", _MOMENT, ServiceRequest.requested_at >= _SINCE),
        _unless_null("until", _MOMENT, ServiceRequest.requested_at < _UNTIL),
        or_(~bindparam("open_only", type_=Boolean), ServiceRequest.status == "open"),
        at=cast(ServiceRequest.requested_at, _MOMENT),
    )
    .order_by(ServiceRequest.requested_at.desc(), ServiceRequest.id.desc())
    .limit(bindparam("last", type_=BigInteger))
    .subquery("taken")
)
_TAKE = Statement(
    insert(_PAST).from_select([each.name for each in _PAST.c], select(*[_TAKEN.c[each.name] for each in _PAST.c]))
)

_RUN = bindparam("run", type_=Text)
_CASES = select(*_PAST.c, bindparam("at", type_=_MOMENT).label("at")).subquery("case")
_WINNERS = winners(_CASES, JURISDICTION).subquery("winner")
_ROUTE = Statement(
    insert(_ROUTED).from_select(
        ["run", "key", "rule", "boundary_id", "department_id", "unit_id"],
        select(
            _RUN,
            _WINNERS.c.key,
            _WINNERS.c.rule,
            _WINNERS.c.boundary_id,
            _WINNERS.c.department_id,
            _WINNERS.c.unit_id,
        ),
    )
)
_RECORDED = Statement(
    insert(_ROUTED).from_select(
        ["run", "key", "department_id", "unit_id"],
        select(_RUN, ServiceRequest.id, ServiceRequest.department_id, ServiceRequest.unit_id)
        .join(_PAST, _PAST.c.key == ServiceRequest.id)
        .where(ServiceRequest.jurisdiction_id == JURISDICTION),
    )
)

_BEFORE, _AFTER = _ROUTED.alias("routed_before"), _ROUTED.alias("routed_after")
# A unit moves within its department too: that is another desk.
_ANSWERED_BEFORE = func.coalesce(_BEFORE.c.unit_id, _BEFORE.c.department_id)
_ANSWERED_AFTER = func.coalesce(_AFTER.c.unit_id, _AFTER.c.department_id)
_IS_MOVED = _ANSWERED_BEFORE != _ANSWERED_AFTER
_BOTH = _PAST.join(_BEFORE, and_(_BEFORE.c.key == _PAST.c.key, _BEFORE.c.run == BEFORE)).join(
    _AFTER, and_(_AFTER.c.key == _PAST.c.key, _AFTER.c.run == AFTER)
)
_REQUESTS = func.count().label("requests")
_MOVED_COUNT = func.count().filter(_IS_MOVED).label("moved")
_OF_SERVICE = and_(Service.jurisdiction_id == JURISDICTION, Service.id == _PAST.c.service_id)
_DESK_BEFORE, _DESK_AFTER = aliased(Department, name="desk_before"), aliased(Department, name="desk_after")


def _desk(desk: Any, desk_id: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(desk.jurisdiction_id == JURISDICTION, desk.id == desk_id)


_BY_SERVICE = Statement(
    select(Service.code.label("name"), _REQUESTS, _MOVED_COUNT)
    .select_from(_BOTH)
    .join(Service, _OF_SERVICE)
    .group_by(Service.code)
    .order_by(_MOVED_COUNT.desc(), _REQUESTS.desc(), Service.code.collate("C"))
)
_BY_DISTRICT = Statement(
    # A request may be stamped with two versions of a district, and is one request all the same.
    select(
        (Layer.code + ":" + Boundary.code).label("name"),
        func.count(_PAST.c.key.distinct()).label("requests"),
        func.count(_PAST.c.key.distinct()).filter(_IS_MOVED).label("moved"),
    )
    .select_from(_BOTH)
    .join(
        RequestDistrict,
        and_(RequestDistrict.jurisdiction_id == JURISDICTION, RequestDistrict.request_id == _PAST.c.key),
    )
    .join(Boundary, and_(Boundary.jurisdiction_id == JURISDICTION, Boundary.id == RequestDistrict.boundary_id))
    .join(Layer, and_(Layer.jurisdiction_id == JURISDICTION, Layer.id == Boundary.layer_id))
    .group_by(Layer.code, Boundary.code)
    .having(func.count().filter(_IS_MOVED) > 0)
    .order_by(func.count(_PAST.c.key.distinct()).filter(_IS_MOVED).desc(), Layer.code.collate("C"), Boundary.code.collate("C"))
)


def _per_desk(run: str) -> Any:
    desk_id = func.coalesce(_ROUTED.c.unit_id, _ROUTED.c.department_id).label("desk_id")
    return select(desk_id, _REQUESTS).where(_ROUTED.c.run == run).group_by(desk_id).subquery(f"per_desk_{run}")


_PER_BEFORE, _PER_AFTER = _per_desk(BEFORE), _per_desk(AFTER)
_COUNT_BEFORE, _COUNT_AFTER = func.coalesce(_PER_BEFORE.c.requests, 0), func.coalesce(_PER_AFTER.c.requests, 0)
_BY_DEPARTMENT = Statement(
    select(Department.name, _COUNT_BEFORE.label("before"), _COUNT_AFTER.label("after"))
    .outerjoin(_PER_BEFORE, _PER_BEFORE.c.desk_id == Department.id)
    .outerjoin(_PER_AFTER, _PER_AFTER.c.desk_id == Department.id)
    .where(Department.jurisdiction_id == JURISDICTION, _COUNT_BEFORE != _COUNT_AFTER)
    .order_by(func.abs(_COUNT_AFTER - _COUNT_BEFORE).desc(), Department.code.collate("C"))
)
_MOVES = Statement(
    select(Service.code.label("service"), _DESK_BEFORE.name.label("before"), _DESK_AFTER.name.label("after"), _REQUESTS)
    .select_from(_BOTH)
    .join(Service, _OF_SERVICE)
    .join(_DESK_BEFORE, _desk(_DESK_BEFORE, _ANSWERED_BEFORE))
    .join(_DESK_AFTER, _desk(_DESK_AFTER, _ANSWERED_AFTER))
    .where(_IS_MOVED)
    .group_by(Service.code, _DESK_BEFORE.name, _DESK_AFTER.name)
    .order_by(_REQUESTS.desc(), Service.code.collate("C"), _DESK_BEFORE.name, _DESK_AFTER.name)
)
_MOVED = Statement(
    select(
        func.coalesce(ServiceRequest.number, "").label("number"),
        Service.code.label("service"),
        ServiceRequest.status,
        _DESK_BEFORE.name.label("before"),
        _DESK_AFTER.name.label("after"),
        longitude(ServiceRequest.location).label("long"),
        latitude(ServiceRequest.location).label("lat"),
    )
    .select_from(_BOTH)
    .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == JURISDICTION, ServiceRequest.id == _PAST.c.key))
    .join(Service, _OF_SERVICE)
    .join(_DESK_BEFORE, _desk(_DESK_BEFORE, _ANSWERED_BEFORE))
    .join(_DESK_AFTER, _desk(_DESK_AFTER, _ANSWERED_AFTER))
    .where(_IS_MOVED)
    .order_by(ServiceRequest.requested_at.desc(), ServiceRequest.id.desc())
)
