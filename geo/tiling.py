"""The districts of a layer as a vector tile."""

from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row
from sqlalchemy import BigInteger, Double, Integer, Text, and_, bindparam, select
from sqlalchemy.dialects.postgresql import TIMESTAMP

from db.driver import Statement
from geo.districts import materialized
from geo.listing import find_layer
from geo.models import Boundary, Layer
from geo.queries import TILE_UNITS, as_tile, clipped, near_box, on_tile, thinned
from geo.tile import MARGIN, Tile


def districts_tile(connection: "Connection[Any]", tile: Tile, *, jurisdiction_id: int, layer: str, at: datetime) -> bytes:
    """The districts in force at a moment as the layer `districts` of a vector tile, with code and name; empty where none is.

    Raises UnknownLayer.
    """
    west, south, east, north = tile.drawn_box
    row = _TILE.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        layer=layer,
        at=at,
        west=west,
        south=south,
        east=east,
        north=north,
        least_degrees=tile.least_degrees,
        z=tile.z,
        x=tile.x,
        y=tile.y,
    ).fetchone()
    drawn = bytes(row[0]) if row is not None else b""
    if not drawn:
        find_layer(connection, layer, jurisdiction_id=jurisdiction_id)
    return drawn


_JURISDICTION: Any = bindparam("jurisdiction_id", type_=BigInteger)
_BOX: dict[str, Any] = {name: bindparam(name, type_=Double) for name in ("west", "south", "east", "north")}
_PLACE: dict[str, Any] = {name: bindparam(name, type_=Integer) for name in ("z", "x", "y")}
_PLACED = (
    select(
        Boundary.code,
        Boundary.name,
        on_tile(
            thinned(clipped(Boundary.area, **_BOX), bindparam("least_degrees", type_=Double)),
            **_PLACE,
            margin=round(MARGIN * TILE_UNITS),
        ).label("geom"),
    )
    .join(Layer, and_(Layer.jurisdiction_id == _JURISDICTION, Layer.id == Boundary.layer_id))
    .where(
        Boundary.jurisdiction_id == _JURISDICTION,
        Layer.code == bindparam("layer", type_=Text),
        Boundary.in_force(bindparam("at", type_=TIMESTAMP(timezone=True))),
        near_box(Boundary.area, **_BOX),
    )
    .order_by(Boundary.id)
)
# As a part of its own: else each would be drawn twice, to see whether it is there.
_SEEN = materialized(_PLACED, "seen")
_DRAWN = select(_SEEN).where(_SEEN.c.geom.is_not(None)).subquery("drawn")
_TILE = Statement(select(as_tile(_DRAWN, "districts")), row_factory=tuple_row)
