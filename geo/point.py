"""A place on the earth as a pair of WGS84 degrees."""

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
