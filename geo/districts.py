"""Which districts places lie in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, ColumnElement, FromClause, Select, and_, bindparam, case, func, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from db.driver import Statement
from geo.models import Boundary, Layer
from geo.point import Point
from geo.queries import box, box_meets, covers, lies_on_seam, make_point, meets, on_every_longitude


@dataclass(frozen=True, kw_only=True)
class District:
    """A boundary that covers a point, with its layer and city."""

    jurisdiction_id: int
    layer_id: int
    layer: str
    code: str
    name: str


def districts_at(
    connection: "Connection[Any]", point: Point, *, jurisdiction_ids: Sequence[int], at: datetime
) -> list[District]:
    """The districts of these cities that cover the point at a moment, by layer, smaller first.

    A point on a shared edge belongs to both sides.
    """
    rows = _AT.run(connection, long=point.long, lat=point.lat, jurisdiction_ids=list(jurisdiction_ids), at=at).fetchall()
    return [District(**row._asdict()) for row in rows]


def covering(places: FromClause, *conditions: ColumnElement[bool], boundaries: Any = Boundary.__table__) -> Any:
    """Every boundary that meets the conditions and covers a place: columns location, boundary_id and those of Boundary.

    `places` has the column location, each place once; the conditions may speak of `boundaries` and of places, and name
    the city.  A place that can be written with more than one longitude lies in what covers it by any of them.

    boundaries: the table, whose index finds the boxes of a few places; or `boxes`, for a hundred thousand.
    Boundaries are found by their boxes first, then looked at one after another, because PostGIS is ten times as fast
    with a polygon that it has just tested.
    """

    def near(*meeting: ColumnElement[bool]) -> Select[Any]:
        return (
            select(
                places.c.location,
                boundaries.c.jurisdiction_id,
                boundaries.c.id.label("boundary_id"),
                boundaries.c.layer_id,
                boundaries.c.code,
                boundaries.c.name,
                boundaries.c.area_square_metres,
                boundaries.c.valid_from,
                boundaries.c.valid_to,
            )
            .select_from(places)
            .join(boundaries, and_(*conditions, *meeting))
        )

    location, on_seam = places.c.location, lies_on_seam(places.c.location)
    found = union_all(
        near(~on_seam, box_meets(boundaries.c.area, location)),
        near(on_seam, box_meets(boundaries.c.area, on_every_longitude(location))),
    ).subquery("found")
    near_by = materialized(select(found).order_by(found.c.boundary_id), "near_by")
    lies_within = select(
        case(
            (lies_on_seam(near_by.c.location), meets(Boundary.area, on_every_longitude(near_by.c.location))),
            else_=covers(Boundary.area, near_by.c.location),
        )
    ).where(Boundary.jurisdiction_id == near_by.c.jurisdiction_id, Boundary.id == near_by.c.boundary_id)
    return materialized(select(near_by).where(lies_within.correlate(near_by).scalar_subquery()), "covering")


def boxes(*conditions: ColumnElement[bool]) -> Any:
    """The boundaries that meet the conditions, each with its box for its area: what `covering` asks for many places.

    An outline of a thousand corners is stored out of line, and comparing its box with each of forty thousand places
    fetched it from there each time: half of the whole statement.
    """
    columns = Boundary.__table__.c
    kept = [each for each in columns if each.name != "area"]
    return materialized(select(*kept, box(columns.area).label("area")).where(*conditions), "box")


def materialized(query: Select[Any], name: str) -> Any:
    """The query as a part of its own, run once however often it is read."""
    return query.cte(name).prefix_with("materialized", dialect="postgresql")


_COVERING = covering(
    select(make_point(long=bindparam("long"), lat=bindparam("lat")).label("location")).subquery("place"),
    Boundary.jurisdiction_id == func.any(bindparam("jurisdiction_ids", type_=ARRAY(BigInteger))),
    Boundary.in_force(bindparam("at", type_=TIMESTAMP(timezone=True))),
)
_AT = Statement(
    select(
        _COVERING.c.jurisdiction_id,
        _COVERING.c.layer_id,
        Layer.code.label("layer"),
        _COVERING.c.code,
        _COVERING.c.name,
    )
    .select_from(_COVERING)
    .join(Layer, and_(Layer.jurisdiction_id == _COVERING.c.jurisdiction_id, Layer.id == _COVERING.c.layer_id))
    .order_by(
        _COVERING.c.jurisdiction_id,
        Layer.code,
        _COVERING.c.area_square_metres,
        _COVERING.c.code.collate("C"),
        _COVERING.c.boundary_id,
    )
)
