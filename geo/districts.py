"""Which districts a point lies in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, and_, bindparam, func, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from db.driver import Statement
from geo.models import Boundary, Layer
from geo.point import Point
from geo.queries import box_meets, covers, lies_on_seam, make_point, meets, on_every_longitude


@dataclass(frozen=True, kw_only=True)
class District:
    """A boundary that covers a point, with its layer and city."""

    jurisdiction_id: int
    layer_id: int
    layer: str
    layer_name: str
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


def _here() -> Any:
    place = select(make_point(long=bindparam("long"), lat=bindparam("lat")).label("location")).subquery("place")
    location, on_seam = place.c.location, lies_on_seam(place.c.location)
    everywhere = on_every_longitude(location)

    def near(*conditions: Any) -> Any:
        return select(Boundary.jurisdiction_id, Boundary.id).select_from(place).join(Boundary, and_(*conditions))

    return union_all(
        near(~on_seam, box_meets(Boundary.area, location), covers(Boundary.area, location)),
        near(on_seam, box_meets(Boundary.area, everywhere), meets(Boundary.area, everywhere)),
    ).subquery("here")


_HERE = _here()
_AT = Statement(
    select(
        Boundary.jurisdiction_id,
        Boundary.layer_id,
        Layer.code.label("layer"),
        Layer.name.label("layer_name"),
        Boundary.code,
        Boundary.name,
    )
    .select_from(_HERE)
    .join(Boundary, and_(Boundary.jurisdiction_id == _HERE.c.jurisdiction_id, Boundary.id == _HERE.c.id))
    .join(Layer, and_(Layer.jurisdiction_id == Boundary.jurisdiction_id, Layer.id == Boundary.layer_id))
    .where(
        Boundary.jurisdiction_id == func.any(bindparam("jurisdiction_ids", type_=ARRAY(BigInteger))),
        Boundary.in_force(bindparam("at", type_=TIMESTAMP(timezone=True))),
    )
    .order_by(Boundary.jurisdiction_id, Layer.code, Boundary.area_square_metres, Boundary.code, Boundary.id)
)
