"""Public requests on a map: how many lie in each cell of a grid, and where each one lies.

What is not public is never counted, and what is shown coarsely is counted where it is shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from db.driver import Statement
from geo.districts import materialized
from geo.listing import boundaries_of
from geo.queries import as_tile, bucket, latitude, longitude, make_point, near_box, on_tile
from geo.tile import EDGE_LATITUDE, Grid, Tile
from open311.models import RequestDistrict, Service, ServiceRequest
from open311.reports.open_rows import CITY, as_text, lies_in
from schemas.map_query import MapFilters

Row = tuple[Any, ...]

# From here on each request stands for itself on a tile: it is half a kilometre wide, and no picture is too full.
LONE_ZOOM = 16


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Requests in one cell: their middle, how many, how many of them open, the box around them, the number of a lone one."""

    lat: float
    long: float
    count: int
    open: int
    box: tuple[float, float, float, float]
    number: str | None


def find_clusters(connection: "Connection[Any]", grid: Grid, filters: MapFilters, *, jurisdiction_id: int) -> list[Cluster]:
    """The clusters of the public requests in the cells of a grid, from south-west to north-east.

    Raises UnknownLayer, UnknownDistrict.
    """
    values = _values(connection, grid, filters, jurisdiction_id=jurisdiction_id)
    return [
        Cluster(lat=lat, long=long, count=count, open=is_open, box=(west, south, east, north), number=number)
        for lat, long, count, is_open, west, south, east, north, number in _clusters(_used(values)).run(connection, **values)
    ]


def requests_tile(connection: "Connection[Any]", tile: Tile, filters: MapFilters, *, jurisdiction_id: int) -> bytes:
    """A vector tile of public requests: each lone one in the layer `requests`, several in one cell in `clusters`.

    From LONE_ZOOM on each is a lone one.  Empty where there is none.  Raises UnknownLayer, UnknownDistrict.
    """
    make = _lone_tile if tile.z >= LONE_ZOOM else _tile
    values = _values(connection, tile.grid, filters, jurisdiction_id=jurisdiction_id)
    row = make(_used(values)).run(connection, **values, z=tile.z, x=tile.x, y=tile.y).fetchone()
    return b"".join(bytes(part) for part in row or () if part)


def _used(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Which parts the statement has."""
    return tuple(name for name in values if _is_part(name))


def _values(connection: "Connection[Any]", grid: Grid, filters: MapFilters, *, jurisdiction_id: int) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "service_codes": filters.service_codes,
        "status": filters.status,
        "requested_from": filters.requested_from,
        "requested_to": filters.requested_to,
    }
    if filters.districts:
        districts = boundaries_of(connection, filters.districts, jurisdiction_id=jurisdiction_id, now=filters.now)
        asked |= {f"boundary_ids_{number}": ids for number, ids in enumerate(districts.values())}
    boxes = {
        f"{edge}_{number}": degrees for number, box in enumerate(grid.boxes) for edge, degrees in zip(_EDGES, box, strict=True)
    }
    return {
        "jurisdiction_id": jurisdiction_id,
        **{name: value for name, value in asked.items() if value is not None},
        **boxes,
        "meridians": list(grid.meridians),
        "parallels": list(grid.parallels),
        "columns": list(grid.columns),
        "rows": len(grid.parallels) - 1,
    }


_MOMENT = TIMESTAMP(timezone=True)
_EDGES = ("west", "south", "east", "north")
_SERVICES = func.array(
    select(Service.id)
    .where(Service.jurisdiction_id == CITY, Service.code == func.any(bindparam("service_codes", type_=ARRAY(Text))))
    .scalar_subquery()
)
_FROM, _TO = bindparam("requested_from", type_=_MOMENT), bindparam("requested_to", type_=_MOMENT)
# The parameter of a filter, by which it is told to be used: its condition.
_CONDITIONS: dict[str, Any] = {
    "service_codes": ServiceRequest.service_id == func.any(_SERVICES),
    "status": ServiceRequest.status == bindparam("status", type_=Text),
    "requested_from": ServiceRequest.requested_at >= _FROM,
    "requested_to": ServiceRequest.requested_at <= _TO,
}


def _is_part(name: str) -> bool:
    """Whether a value brings a condition, or a second box, with it."""
    return name in _CONDITIONS or name == "west_1" or name.startswith("boundary_ids")


def _is_in_district(name: str, used: tuple[str, ...]) -> Any:
    """Whether a request lies in one of these districts, by stamps of the time that is asked for."""
    times = {"requested_from": RequestDistrict.requested_at >= _FROM, "requested_to": RequestDistrict.requested_at <= _TO}
    return lies_in(bindparam(name, type_=ARRAY(BigInteger)), *[time for each, time in times.items() if each in used])


def _placed(used: tuple[str, ...]) -> Select[Any]:
    """The public requests asked for, with the column and row of their cells; some of them lie in none."""
    place = ServiceRequest.public_location
    boxes = [
        near_box(place, **{edge: bindparam(f"{edge}_{number}", type_=Double) for edge in _EDGES})
        for number in range(2 if "west_1" in used else 1)
    ]
    found = (
        select(
            ServiceRequest.id,
            ServiceRequest.status,
            longitude(place).label("long"),
            latitude(place).label("lat"),
        )
        .where(
            ServiceRequest.jurisdiction_id == CITY,
            ServiceRequest.is_public,
            or_(*boxes),
            *[condition for name, condition in _CONDITIONS.items() if name in used],
            *[_is_in_district(name, used) for name in used if name.startswith("boundary_ids")],
        )
        # Skipping none keeps this a part of its own, so that each point is taken apart once and not for every figure.
        .offset(literal_column("0"))
        .subquery("found")
    )
    return select(
        found,
        bucket(found.c.long, bindparam("meridians", type_=ARRAY(Double))).label("column"),
        bucket(found.c.lat, bindparam("parallels", type_=ARRAY(Double))).label("row"),
    )


def _is_in_grid(placed: Any) -> ColumnElement[bool]:
    """Whether a cell is one of the grid's; what has none lies before the first edge, behind the last, or between two boxes."""
    return and_(
        placed.c.column == func.any(bindparam("columns", type_=ARRAY(Integer))),
        placed.c.row.between(literal_column("1"), bindparam("rows", type_=Integer)),
    )


def _cells(used: tuple[str, ...]) -> Any:
    placed = _placed(used).subquery("placed")
    # Cells are left out afterwards: PostgreSQL takes a condition on such numbers to hold for next to no row, and sorts a
    # million of them where it should have counted.
    return materialized(
        select(
            # What avg() would give, at a third of its time.
            (func.sum(placed.c.lat) / func.count()).label("lat"),
            (func.sum(placed.c.long) / func.count()).label("long"),
            func.count().label("count"),
            func.count().filter(placed.c.status == literal_column("'open'")).label("open"),
            func.min(placed.c.long).label("west"),
            func.min(placed.c.lat).label("south"),
            func.max(placed.c.long).label("east"),
            func.max(placed.c.lat).label("north"),
            func.min(placed.c.id).label("id"),
            placed.c.row,
            placed.c.column,
        ).group_by(placed.c.row, placed.c.column),
        "cell",
    )


@lru_cache(maxsize=100)
def _clusters(used: tuple[str, ...]) -> Statement:
    cell = _cells(used)
    number = (
        select(ServiceRequest.number)
        .where(ServiceRequest.jurisdiction_id == CITY, ServiceRequest.id == cell.c.id)
        .correlate(cell)
        .scalar_subquery()
    )
    composed = (
        select(
            cell.c.lat,
            cell.c.long,
            cell.c.count,
            cell.c.open,
            cell.c.west,
            cell.c.south,
            cell.c.east,
            cell.c.north,
            case((cell.c.count == literal_column("1"), number)),
        )
        .where(_is_in_grid(cell))
        .order_by(cell.c.row, cell.c.column)
    )
    # The best way depends on how large the box is and how long the time.
    return Statement(composed, row_factory=tuple_row, is_planned_anew=True)


_PLACE: dict[str, Any] = {name: bindparam(name, type_=Integer) for name in ("z", "x", "y")}


def _point(long: Any, lat: Any) -> Any:
    drawn = func.greatest(func.least(lat, literal_column(repr(EDGE_LATITUDE))), literal_column(repr(-EDGE_LATITUDE)))
    # Without a margin: each lies on one tile only, and circles that reach beyond it are the map's affair.
    return on_tile(make_point(long=long, lat=drawn), **_PLACE, margin=0)


def _lone(chosen: Any) -> Any:
    """The requests of these ids and degrees as features."""
    return (
        select(
            ServiceRequest.number.label("service_request_id"),
            Service.code.label("service_code"),
            ServiceRequest.status,
            as_text(ServiceRequest.requested_at).label("requested_datetime"),
            _point(chosen.c.long, chosen.c.lat).label("geom"),
        )
        .select_from(chosen)
        .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == CITY, ServiceRequest.id == chosen.c.id))
        .join(Service, and_(Service.jurisdiction_id == CITY, Service.id == ServiceRequest.service_id))
        .order_by(ServiceRequest.id)
        .subquery("lone")
    )


@lru_cache(maxsize=100)
def _lone_tile(used: tuple[str, ...]) -> Statement:
    placed = materialized(_placed(used), "placed")
    lone = _lone(select(placed).where(_is_in_grid(placed)).subquery("alone"))
    return Statement(select(as_tile(lone, "requests")), row_factory=tuple_row, is_planned_anew=True)


@lru_cache(maxsize=100)
def _tile(used: tuple[str, ...]) -> Statement:
    cell = _cells(used)
    lone = _lone(select(cell).where(_is_in_grid(cell), cell.c.count == literal_column("1")).subquery("alone"))
    several = (
        select(cell.c.count, cell.c.open, _point(cell.c.long, cell.c.lat).label("geom"))
        .where(_is_in_grid(cell), cell.c.count > literal_column("1"))
        .order_by(cell.c.row, cell.c.column)
        .subquery("several")
    )
    composed = select(
        select(as_tile(lone, "requests")).scalar_subquery(), select(as_tile(several, "clusters")).scalar_subquery()
    )
    return Statement(composed, row_factory=tuple_row, is_planned_anew=True)
