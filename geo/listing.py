"""Which layers a city has, and how their districts are drawn at a moment."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row
from sqlalchemy import BigInteger, Double, Text, and_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from db.driver import Statement
from geo.districts import covering
from geo.models import Boundary, Layer
from geo.point import Point
from geo.queries import as_geojson, east_of, make_point, north_of, simplified, south_of, west_of

Row = tuple[Any, ...]


class UnknownLayer(LookupError):
    """The city has no layer of this code."""


class UnknownDistrict(LookupError):
    """There is no such district, LAYER:CODE, at the moment that is meant."""


def layers_of(connection: "Connection[Any]", *, jurisdiction_id: int, at: datetime) -> list[Any]:
    """The layers of a city by code: rows id, code, name, districts (how many are in force at the moment)."""
    return _LAYERS.run(connection, jurisdiction_id=jurisdiction_id, at=at).fetchall()


def find_layer(connection: "Connection[Any]", code: str, *, jurisdiction_id: int) -> int:
    """The id of the city's layer of this code.  Raises UnknownLayer."""
    row = _LAYER.run(connection, jurisdiction_id=jurisdiction_id, layer=code).fetchone()
    if row is None:
        raise UnknownLayer(code)
    return int(row.id)


def boundaries_of(
    connection: "Connection[Any]", districts: Sequence[tuple[str, str]], *, jurisdiction_id: int, now: datetime
) -> dict[str, list[int]]:
    """The boundaries in force of districts by (layer, code): the ids of each layer.  Raises UnknownLayer, UnknownDistrict."""
    rows = _BOUNDARIES.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        layers=[layer for layer, _ in districts],
        codes=[code for _, code in districts],
        at=now,
    )
    ids = {(row.layer, row.code): row.id for row in rows}
    found: dict[str, list[int]] = {}
    for layer, code in districts:
        if (layer, code) not in ids:
            raise UnknownLayer(layer)
        if ids[layer, code] is None:
            raise UnknownDistrict(f"{layer}:{code}")
        found.setdefault(layer, []).append(ids[layer, code])
    return found


def drawn_districts(
    connection: "Connection[Any]",
    *,
    jurisdiction_id: int,
    at: datetime,
    layers: Sequence[str] | None = None,
    point: Point | None = None,
    has_boundary: bool = False,
    tolerance_metres: float = 0.0,
) -> list[Row]:
    """The districts in force at a moment, by layer and code: of these layers, those that cover the point.

    Each (layer, code, name, area_square_metres, valid_from, valid_to, box), with has_boundary also the text of its GeoJSON,
    whose lines may lie tolerance_metres away from the true ones.  Raises UnknownLayer.
    """
    values: dict[str, Any] = {"jurisdiction_id": jurisdiction_id, "at": at}
    if layers is not None:
        there = {row.code for row in layers_of(connection, jurisdiction_id=jurisdiction_id, at=at)}
        for code in layers:
            if code not in there:
                raise UnknownLayer(code)
        values["layers"] = list(layers)
    if point is not None:
        values |= {"long": point.long, "lat": point.lat, "jurisdiction_ids": [jurisdiction_id]}
    if tolerance_metres:
        values["tolerance_metres"] = tolerance_metres
    statement = _drawn(
        has_layers=layers is not None, has_point=point is not None, has_boundary=has_boundary, is_simple=bool(tolerance_metres)
    )
    return [_with_box(row) for row in statement.run(connection, **values)]


def versions_of(
    connection: "Connection[Any]",
    *,
    jurisdiction_id: int,
    layer: str,
    code: str,
    tolerance_metres: float = 0.0,
) -> list[tuple[int, Row]]:
    """Every version of a district, past and to come, the oldest first: its boundary's id, and a row with its GeoJSON as
    `drawn_districts` has it.  None for a district that never was.  Raises UnknownLayer.
    """
    values: dict[str, Any] = {"jurisdiction_id": jurisdiction_id, "layer": layer, "code": code}
    if tolerance_metres:
        values["tolerance_metres"] = tolerance_metres
    rows = _versions(is_simple=bool(tolerance_metres)).run(connection, **values).fetchall()
    if not rows:
        find_layer(connection, layer, jurisdiction_id=jurisdiction_id)
    return [(row[0], _with_box(row[1:])) for row in rows]


def _with_box(row: Row) -> Row:
    """The four edges as one value."""
    return (*row[:6], row[6:10], *row[10:])


_JURISDICTION: Any = bindparam("jurisdiction_id", type_=BigInteger)
_AT: Any = bindparam("at", type_=TIMESTAMP(timezone=True))
_METRES: Any = bindparam("tolerance_metres", type_=Double)
_DRAWN = (
    Layer.code.label("layer"),
    Boundary.code.label("code"),
    Boundary.name,
    Boundary.area_square_metres,
    Boundary.valid_from,
    Boundary.valid_to,
    west_of(Boundary.area),
    south_of(Boundary.area),
    east_of(Boundary.area),
    north_of(Boundary.area),
)
_OF_LAYER = and_(Layer.jurisdiction_id == _JURISDICTION, Layer.id == Boundary.layer_id)

_LAYERS = Statement(
    select(Layer.id, Layer.code, Layer.name, func.count(Boundary.id).label("districts"))
    .outerjoin(
        Boundary,
        and_(Boundary.jurisdiction_id == _JURISDICTION, Boundary.layer_id == Layer.id, Boundary.in_force(_AT)),
    )
    .where(Layer.jurisdiction_id == _JURISDICTION)
    .group_by(Layer.id, Layer.code, Layer.name)
    .order_by(Layer.code.collate("C"))
)
_LAYER = Statement(select(Layer.id).where(Layer.jurisdiction_id == _JURISDICTION, Layer.code == bindparam("layer", type_=Text)))


_ASKED = (
    func.unnest(bindparam("layers", type_=ARRAY(Text)), bindparam("codes", type_=ARRAY(Text)))
    .table_valued("layer", "code", name="asked")
    .render_derived()
)
# A row of each whose layer there is, without an id where it has no such district.
_BOUNDARIES = Statement(
    select(_ASKED.c.layer, _ASKED.c.code, Boundary.id)
    .select_from(_ASKED)
    .join(Layer, and_(Layer.jurisdiction_id == _JURISDICTION, Layer.code == _ASKED.c.layer))
    .outerjoin(
        Boundary,
        and_(
            Boundary.jurisdiction_id == _JURISDICTION,
            Boundary.layer_id == Layer.id,
            Boundary.code == _ASKED.c.code,
            Boundary.in_force(_AT),
        ),
    )
)


def _boundary(*, is_simple: bool) -> Any:
    return as_geojson(simplified(Boundary.area, _METRES) if is_simple else Boundary.area)


@lru_cache(maxsize=16)
def _drawn(*, has_layers: bool, has_point: bool, has_boundary: bool, is_simple: bool) -> Statement:
    columns = [*_DRAWN, _boundary(is_simple=is_simple)] if has_boundary else [*_DRAWN]
    composed = (
        select(*columns)
        .select_from(Boundary)
        .join(Layer, _OF_LAYER)
        .where(Boundary.jurisdiction_id == _JURISDICTION, Boundary.in_force(_AT))
        .order_by(Layer.code.collate("C"), Boundary.code.collate("C"), Boundary.id)
    )
    if has_layers:
        composed = composed.where(Layer.code == func.any(bindparam("layers", type_=ARRAY(Text))))
    if has_point:
        place = select(make_point(long=bindparam("long"), lat=bindparam("lat")).label("location")).subquery("place")
        found = covering(place, Boundary.jurisdiction_id == _JURISDICTION, Boundary.in_force(_AT))
        composed = composed.where(Boundary.id.in_(select(found.c.boundary_id)))
    return Statement(composed, row_factory=tuple_row)


@lru_cache(maxsize=2)
def _versions(*, is_simple: bool) -> Statement:
    return Statement(
        select(Boundary.id, *_DRAWN, _boundary(is_simple=is_simple))
        .select_from(Boundary)
        .join(Layer, _OF_LAYER)
        .where(
            Boundary.jurisdiction_id == _JURISDICTION,
            Layer.code == bindparam("layer", type_=Text),
            Boundary.code == bindparam("code", type_=Text),
            # One that was taken back before it began was never in force.
            or_(Boundary.valid_from.is_(None), Boundary.valid_to.is_(None), Boundary.valid_from < Boundary.valid_to),
        )
        .order_by(Boundary.valid_from.nulls_first(), Boundary.id),
        row_factory=tuple_row,
    )
