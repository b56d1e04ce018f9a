"""Spatial SQL: the only file that says ST_.  Takes columns and expressions, knows no table."""

from typing import Any

from geoalchemy2 import Geography, Geometry
from sqlalchemy import ColumnElement, Double, Function, and_, case, cast, func, or_, type_coerce
from sqlalchemy.orm import InstrumentedAttribute

from geo.columns import WGS84

# A geometry column, or what makes a geometry.
Spatial = ColumnElement[Any] | InstrumentedAttribute[Any]


def covers(area: Spatial, location: Spatial) -> ColumnElement[bool]:
    """Whether the area covers the location; a point on the edge belongs to both sides.  Uses the GiST index of area."""
    return func.ST_Covers(area, location)


def covers_across_seam(area: Spatial, location: Spatial) -> ColumnElement[bool]:
    """Whether the area covers the location's other longitude, and not the one it is given by.

    180 and -180 degrees are one meridian, and a pole has every longitude: a map cut there belongs to the place by either
    way of writing it.  False, for the price of a glance, for every other location.
    """
    x, y = func.ST_X(location), func.ST_Y(location)
    west, east = (func.ST_SetSRID(func.ST_MakePoint(edge, y), WGS84) for edge in (-180.0, 180.0))
    # Along a pole's parallel every point is the pole.
    same_place = case((func.abs(y) == 90, func.ST_MakeLine(west, east)), else_=func.ST_Collect(west, east))
    return and_(
        or_(func.abs(x) == 180, func.abs(y) == 90),
        func.ST_Intersects(area, same_place),
        ~func.ST_Covers(area, location),
    )


def make_point(*, long: ColumnElement[Any], lat: ColumnElement[Any]) -> ColumnElement[Any]:
    """A WGS84 point of two numbers in degrees; null when one of them is null."""
    return type_coerce(func.ST_SetSRID(func.ST_MakePoint(cast(long, Double), cast(lat, Double)), WGS84), Geometry())


def longitude(location: Spatial) -> ColumnElement[Any]:
    """Degrees east of a point."""
    return func.ST_X(location)


def latitude(location: Spatial) -> ColumnElement[Any]:
    """Degrees north of a point."""
    return func.ST_Y(location)


def square_metres(area: ColumnElement[Any]) -> Function[float]:
    """The area in square metres on the WGS84 spheroid."""
    return func.ST_Area(_geography(area))


def _geography(column: ColumnElement[Any]) -> ColumnElement[Any]:
    # Rendered as bare `geography`: with a type and srid the cast would miss an index on (location::geography).
    return cast(column, Geography(geometry_type=None, srid=-1))
