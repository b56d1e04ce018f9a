"""Spatial SQL: the only file that says ST_.  Takes columns and expressions, knows no table."""

from typing import Any

from geoalchemy2 import Geography, Geometry
from sqlalchemy import (
    ColumnElement,
    Double,
    Function,
    Subquery,
    and_,
    case,
    cast,
    false,
    func,
    literal_column,
    or_,
    true,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute

from geo.columns import WGS84

# What ST_CollectionExtract calls polygons.
_POLYGONS = 3
_WEB_MERCATOR = 3857
# How wide a vector tile is in its own units.
TILE_UNITS = 4096

# The longest that a degree is, of latitude or longitude, but for a third of a percent.
METRES_A_DEGREE = literal_column("111320.0", Double)

# A geometry column, or what makes a geometry.
Spatial = ColumnElement[Any] | InstrumentedAttribute[Any]


def covers(area: Spatial, location: Spatial) -> ColumnElement[bool]:
    """Whether the area covers the location; a point on the edge belongs to both sides.  Uses the GiST index of area."""
    return func.ST_Covers(area, location)


def box(area: Spatial) -> ColumnElement[Any]:
    """The smallest box, along the meridians, that holds an area."""
    return type_coerce(func.ST_Envelope(area), Geometry())


def west_of(area: Spatial) -> ColumnElement[float]:
    """The western edge of an area's box in degrees; of one that is cut at 180 degrees, where its eastern part begins."""
    return _across(area, func.ST_XMin(area), func.ST_XMin(func.ST_ShiftLongitude(area)))


def east_of(area: Spatial) -> ColumnElement[float]:
    """The eastern edge, likewise: less than the western one where the box lies across 180 degrees (RFC 7946, 5.2)."""
    return _across(area, func.ST_XMax(area), func.ST_XMax(func.ST_ShiftLongitude(area)) - 360)


def south_of(area: Spatial) -> ColumnElement[float]:
    """The southern edge of an area's box in degrees."""
    return func.ST_YMin(area)


def north_of(area: Spatial) -> ColumnElement[float]:
    """The northern edge of an area's box in degrees."""
    return func.ST_YMax(area)


def _across(area: Spatial, else_: ColumnElement[float], then: ColumnElement[float]) -> ColumnElement[float]:
    # One that reaches longitude 0 as well goes around the earth, and shifting its corners would turn it inside out.
    middle = func.ST_SetSRID(func.ST_MakeLine(func.ST_MakePoint(0.0, -90.0), func.ST_MakePoint(0.0, 90.0)), WGS84)
    is_cut = and_(func.ST_XMin(area) <= -180, func.ST_XMax(area) >= 180, ~meets(area, middle))
    return case((is_cut, then), else_=else_)


def simplified(area: Spatial, metres: ColumnElement[Any]) -> ColumnElement[Any]:
    """The area with fewer corners, its lines moved by no more than so many metres; each polygon stays one.

    Each area by itself: two that touch may come apart by as much.
    """
    return type_coerce(
        func.ST_Multi(func.ST_SimplifyPreserveTopology(area, cast(metres, Double) / METRES_A_DEGREE)), Geometry()
    )


def as_geojson(geometry: Spatial) -> ColumnElement[str]:
    """The text of a GeoJSON geometry, to seven decimals: a centimetre."""
    return func.ST_AsGeoJSON(geometry, literal_column("7"), literal_column("0"))


def box_meets(area: Spatial, other: Spatial) -> ColumnElement[bool]:
    """Whether the bounding boxes of the two share a point.  Uses the GiST index of area."""
    return area.op("&&", is_comparison=True)(other)


def in_box(location: Spatial, west: Any, south: Any, east: Any, north: Any) -> ColumnElement[bool]:
    """Whether a point lies between these meridians and parallels, or on them.  Uses the GiST index of location."""
    found = near_box(location, west=west, south=south, east=east, north=north)
    is_within = and_(longitude(location).between(west, east), latitude(location).between(south, north))
    # As a case, of which PostgreSQL takes half to hold: of four comparisons it would expect next to none, and read all of a
    # large box for a page.
    return and_(found, case((is_within, true()), else_=false()))


def meets(area: Spatial, other: Spatial) -> ColumnElement[bool]:
    """Whether the two share a point."""
    return func.ST_Intersects(area, other)


def lies_on_seam(location: Spatial) -> ColumnElement[bool]:
    """Whether a point can be written with more than one longitude: 180 degrees are -180, and a pole has every one."""
    return or_(func.abs(func.ST_X(location)) == 180, func.abs(func.ST_Y(location)) == 90)


def reaches_seam(area: Spatial) -> ColumnElement[bool]:
    """Whether an area reaches 180 degrees, -180 or a pole, where a point has more than one longitude."""
    return or_(func.ST_XMin(area) <= -180, func.ST_XMax(area) >= 180, func.ST_YMin(area) <= -90, func.ST_YMax(area) >= 90)


def on_every_longitude(location: Spatial) -> ColumnElement[Any]:
    """A point that lies on the seam, by every way of writing it."""
    y = func.ST_Y(location)
    west, east = (func.ST_SetSRID(func.ST_MakePoint(edge, y), WGS84) for edge in (-180.0, 180.0))
    # Along a pole's parallel every point is the pole.
    return type_coerce(case((func.abs(y) == 90, func.ST_MakeLine(west, east)), else_=func.ST_Collect(west, east)), Geometry())


def point_within(area: Spatial) -> ColumnElement[Any]:
    """A point inside the area, the same for the same area."""
    return type_coerce(func.ST_PointOnSurface(area), Geometry())


def make_point(*, long: ColumnElement[Any], lat: ColumnElement[Any]) -> ColumnElement[Any]:
    """A WGS84 point of two numbers in degrees; null when one of them is null."""
    return type_coerce(func.ST_SetSRID(func.ST_MakePoint(cast(long, Double), cast(lat, Double)), WGS84), Geometry())


def on_grid(location: Spatial, metres: ColumnElement[Any]) -> ColumnElement[Any]:
    """The crossing nearest to a point of a grid so many metres wide; the point itself where metres is null, null for none."""
    step = cast(metres, Double) / METRES_A_DEGREE
    y = _at_most(90, func.round(func.ST_Y(location) / step, type_=Double) * step)
    # A degree of longitude is shorter the nearer the pole.
    wide = step / func.greatest(func.cos(func.radians(y)), literal_column("0.01"), type_=Double)
    x = _at_most(180, func.round(func.ST_X(location) / wide, type_=Double) * wide)
    is_as_it_is = or_(metres.is_(None), location.is_(None))
    return type_coerce(case((is_as_it_is, location), else_=func.ST_SetSRID(func.ST_MakePoint(x, y), WGS84)), Geometry())


def _at_most(degrees: int, value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.greatest(func.least(value, literal_column(f"{degrees}.0")), literal_column(f"-{degrees}.0"), type_=Double)


def longitude(location: Spatial) -> ColumnElement[Any]:
    """Degrees east of a point."""
    return func.ST_X(location)


def latitude(location: Spatial) -> ColumnElement[Any]:
    """Degrees north of a point."""
    return func.ST_Y(location)


def shared(one: Spatial, other: Spatial) -> ColumnElement[Any]:
    """The polygons that two areas share; the edges and corners at which they touch are left out."""
    return func.ST_CollectionExtract(func.ST_Intersection(one, other), _POLYGONS)


def without(area: Spatial, other: ColumnElement[Any]) -> ColumnElement[Any]:
    """The area but for the other; all of it where the other is null."""
    return func.coalesce(func.ST_Difference(area, other, type_=Geometry()), area, type_=Geometry())


def united(areas: Spatial) -> ColumnElement[Any]:
    """Aggregate: all areas as one."""
    return type_coerce(func.ST_Union(areas), Geometry())


def each_part(area: ColumnElement[Any]) -> ColumnElement[Any]:
    """Set-returning: the polygons of an area, one a row."""
    return func.ST_Dump(area).geom  # type: ignore[no-any-return]


def filled(polygon: Spatial) -> ColumnElement[Any]:
    """A polygon without its holes."""
    return func.ST_MakePolygon(func.ST_ExteriorRing(polygon))


def read_wkb(wkb: ColumnElement[Any]) -> ColumnElement[Any]:
    """A geometry of its well-known binary; the coordinate system, which that does not say, is left open."""
    return func.ST_GeomFromWKB(wkb)


def read_wgs84(wkb: ColumnElement[Any]) -> ColumnElement[Any]:
    """A geometry in longitude and latitude of its well-known binary."""
    return func.ST_GeomFromWKB(wkb, WGS84)


def as_wkb(geometry: Spatial) -> Function[bytes]:
    """The well-known binary of a geometry, without its coordinate system."""
    return func.ST_AsBinary(geometry)


def to_wgs84(geometry: Spatial, crs: ColumnElement[str]) -> ColumnElement[Any]:
    """A geometry drawn in a coordinate system (EPSG:NNNN, WKT or PROJ text) in longitude and latitude."""
    return func.ST_Transform(geometry, crs, WGS84)


def square_metres(area: ColumnElement[Any]) -> Function[float]:
    """The area in square metres on the WGS84 spheroid."""
    return func.ST_Area(_geography(area))


def degrees_apart(location: Spatial, other: Spatial) -> ColumnElement[float]:
    """How far two points lie from one another on a plane of degrees; ordered by it, the nearest come by the GiST index."""
    return location.op("<->", return_type=Double())(other)


def metres_apart(location: Spatial, other: Spatial) -> ColumnElement[float]:
    """How far two points lie from one another, in metres on the spheroid."""
    return func.ST_Distance(_geography(type_coerce(location, Geometry())), _geography(type_coerce(other, Geometry())))


def metres_to_edge(area: Spatial, location: Spatial) -> ColumnElement[float]:
    """How far the location lies from the nearest edge of the area, holes included, in metres on the spheroid.

    A point on the meridian of 180 degrees is measured by both of its longitudes; where an area is cut there is an edge.
    """
    other_side = make_point(long=-func.ST_X(location), lat=func.ST_Y(location))
    return case(
        (
            func.abs(func.ST_X(location)) == 180,
            func.least(_metres_to_edge(area, location), _metres_to_edge(area, other_side)),
        ),
        else_=_metres_to_edge(area, location),
    )


def _metres_to_edge(area: Spatial, location: Spatial) -> ColumnElement[float]:
    # The nearest point is found on a plane on which a degree of longitude is as short as it is there, its distance
    # measured on the spheroid: within a city the same to a decimetre, and sixteen times as fast as measuring to each edge.
    shrink = func.greatest(func.cos(func.radians(func.ST_Y(location))), 1e-6)
    nearest = func.ST_ClosestPoint(func.ST_Scale(func.ST_Boundary(area), shrink, 1.0), func.ST_Scale(location, shrink, 1.0))
    return func.ST_Distance(
        _geography(type_coerce(func.ST_Scale(nearest, 1.0 / shrink, 1.0), Geometry())),
        _geography(type_coerce(location, Geometry())),
    )


def within_metres(location: Spatial, other: Spatial, metres: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether two points lie within so many metres on the spheroid.  Uses a GiST index of (location::geography)."""
    return func.ST_DWithin(_geography(location), _geography(other), metres)


def metres_between(location: Spatial, other: Spatial) -> ColumnElement[float]:
    """How far two points lie apart, in metres on the spheroid."""
    return func.ST_Distance(_geography(location), _geography(other))


def _geography(column: Spatial) -> ColumnElement[Any]:
    # Rendered as bare `geography`: with a type and srid the cast would miss an index on (location::geography).
    return cast(column, Geography(geometry_type=None, srid=-1))


def near_box(location: Spatial, *, west: Spatial, south: Spatial, east: Spatial, north: Spatial) -> ColumnElement[bool]:
    """Whether a point lies in a box of degrees or on an edge of it, and of some less than a metre away, because the index
    keeps boxes in single precision.  Uses a GiST index of location."""
    return box_meets(location, func.ST_MakeEnvelope(west, south, east, north, WGS84))


def thinned(area: Spatial, degrees: Spatial) -> ColumnElement[Any]:
    """The area with fewer corners, its lines moved by no more than so many degrees, for drawing: parts may cross."""
    return type_coerce(func.ST_Simplify(area, degrees, literal_column("true")), Geometry())


def clipped(area: Spatial, *, west: Spatial, south: Spatial, east: Spatial, north: Spatial) -> ColumnElement[Any]:
    """What of an area lies in a box of degrees; it may have edges along those of the box."""
    return type_coerce(func.ST_ClipByBox2D(area, func.ST_MakeEnvelope(west, south, east, north, WGS84)), Geometry())


def on_tile(geometry: Spatial, *, z: Spatial, x: Spatial, y: Spatial, margin: int) -> ColumnElement[Any]:
    """A geometry on the 4096 units of a tile of Web Mercator, and so many units around it; null where nothing of it is seen.

    It lies between the parallels at which the square world ends (geo.tile.EDGE_LATITUDE).
    """
    placed = func.ST_Transform(geometry, literal_column(str(_WEB_MERCATOR)))
    return type_coerce(
        func.ST_AsMVTGeom(
            placed,
            func.ST_TileEnvelope(z, x, y),
            literal_column(str(TILE_UNITS)),
            literal_column(str(margin)),
            literal_column("true"),
        ),
        Geometry(),
    )


def as_tile(rows: Subquery, layer: str) -> ColumnElement[bytes]:
    """Aggregate: the layer of a Mapbox vector tile of all rows; empty for none.

    Each row has its geometry (`on_tile`) as the column `geom`; every other column is a property.
    """
    return func.ST_AsMVT(
        rows.table_valued(), literal_column(f"'{layer}'"), literal_column(str(TILE_UNITS)), literal_column("'geom'")
    )


def bucket(value: Spatial, edges: ColumnElement[Any]) -> ColumnElement[int]:
    """Between which of the ascending edges a number lies, from 1; on an edge: after it."""
    return func.width_bucket(value, edges)
