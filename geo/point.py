"""A place on the earth as a pair of WGS84 degrees, and boxes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import asin, cos, isfinite, radians, sin, sqrt


class NotAPlace(ValueError):
    """A latitude or longitude that is not a number of degrees in range."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A point in WGS84 degrees.  Named arguments only: the order of the two has misled too many."""

    long: float
    lat: float

    def __post_init__(self) -> None:
        _in_range("lat", self.lat, 90)
        _in_range("long", self.long, 180)


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """What lies between two meridians and two parallels, edges included.  west > east: across the meridian of 180 degrees."""

    west: float
    south: float
    east: float
    north: float

    @property
    def parts(self) -> "Sequence[Box]":
        """The same without crossing that meridian: one box or two."""
        if self.west <= self.east:
            return [self]
        return [
            Box(west=self.west, south=self.south, east=180.0, north=self.north),
            Box(west=-180.0, south=self.south, east=self.east, north=self.north),
        ]


def read_box(text: str) -> Box:
    """The box that "west,south,east,north" names, as GeoJSON orders it; raises NotAPlace with what would do."""
    parts = [part.strip() for part in text.replace(";", ",").split(",")]
    if len(parts) != 4:
        raise NotAPlace(f"must be west,south,east,north in degrees, got {text[:100]!r}")
    names = ("long", "lat", "long", "lat")
    west, south, east, north = (degrees(name, part[:50]) for name, part in zip(names, parts, strict=True))
    if south > north:
        raise NotAPlace(f"must be west,south,east,north with south not above north, got {text[:100]!r}")
    return Box(west=west, south=south, east=east, north=north)


def box_around(point: Point, metres: float) -> Box:
    """A box that holds everything within so many metres of a point."""
    # A degree of latitude has at least 110,574 metres, one of longitude at the equator 111,320; a little more for safety.
    high = metres / 110_500
    south, north = max(point.lat - high, -90.0), min(point.lat + high, 90.0)
    widest = max(abs(south), abs(north))
    wide = 360.0 if widest >= 89.9 else metres / (110_500 * cos(radians(widest)))
    if wide >= 180:
        return Box(west=-180.0, south=south, east=180.0, north=north)
    west, east = point.long - wide, point.long + wide
    return Box(west=west + 360 if west < -180 else west, south=south, east=east - 360 if east > 180 else east, north=north)


def degrees(name: str, text: str) -> float:
    """A latitude (name "lat") or longitude ("long") read from text; raises NotAPlace with what would do."""
    limit = {"lat": 90, "long": 180}[name]
    try:
        value = float(text) if text.isascii() and "_" not in text else float("nan")
    except ValueError:
        value = float("nan")
    _in_range(name, value, limit, text)
    return value


def _in_range(name: str, value: float, limit: int, text: str | None = None) -> None:
    if not isfinite(value) or abs(value) > limit:
        raise NotAPlace(f"{name} must be a number from -{limit} to {limit}, got {text if text is not None else value!r}")


_EARTH_RADIUS_METRES = 6_371_009


def metres_between(one: Point, other: Point) -> float:
    """Metres along the sphere, within 0.6 % of the spheroid's; for columns there is geo.queries."""
    half = (radians(other.lat - one.lat) / 2, radians(other.long - one.long) / 2)
    chord = sin(half[0]) ** 2 + cos(radians(one.lat)) * cos(radians(other.lat)) * sin(half[1]) ** 2
    return 2 * _EARTH_RADIUS_METRES * asin(min(1, sqrt(chord)))
