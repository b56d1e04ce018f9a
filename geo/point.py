"""A place on the earth as a pair of WGS84 degrees."""

from dataclasses import dataclass
from math import isfinite


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
