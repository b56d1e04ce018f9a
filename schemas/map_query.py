"""Arguments of districts, tiles and clusters, checked once.  Our extensions; docs/districts.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from zoneinfo import ZoneInfo

from geo.point import NotAPlace, Point, degrees
from geo.tile import MOST_ZOOM, Box, Grid, Tile, cells_within
from schemas import moment, query
from schemas.district_names import read_districts_among
from schemas.problems import Problems
from schemas.submission import find_point
from schemas.text import one_line

MOST_TOLERANCE_METRES = 10_000
# A screen of 7,680 by 4,320 at a cell each 32 pixels has half as many.
MOST_CELLS = 65_536
# The arguments that maps have from GET requests.
_SHARED = ("service_code", "status", "start_date", "end_date")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}

Arguments = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class DistrictsQuery:
    """What GET districts asks for: of these layers (None: all), in force at a moment, covering the point.

    tolerance_metres: so far the lines of a boundary may lie from the true ones; 0: not at all.
    """

    layers: Sequence[str] | None
    at: datetime
    point: Point | None
    has_boundary: bool
    tolerance_metres: float


def read_districts(arguments: Arguments, *, zone: ZoneInfo, now: datetime) -> DistrictsQuery:
    """The query of GET arguments (name: values as sent).  A date alone is its first second there.  Raises Problems."""
    problems: list[str] = []
    asked = DistrictsQuery(
        layers=_words(arguments, "layer") or None,
        at=_moment(arguments, "at", zone, problems) or now,
        point=find_point(arguments, problems),
        has_boundary=_flag(arguments, "boundary", problems),
        tolerance_metres=_number(arguments, "tolerance", problems, most=MOST_TOLERANCE_METRES),
    )
    if problems:
        raise Problems(problems)
    return asked


def _words(arguments: Arguments, name: str) -> list[str]:
    """Comma separated, or the argument repeated."""
    words = [one_line(word) for text in arguments.get(name, ()) for word in text.split(",")]
    return list(dict.fromkeys(word for word in words if word))


def _last(arguments: Arguments, name: str) -> str:
    return next((text for text in map(one_line, reversed(arguments.get(name, ()))) if text), "")


def _moment(arguments: Arguments, name: str, zone: ZoneInfo, problems: list[str]) -> datetime | None:
    text = _last(arguments, name)
    try:
        return moment.read(text, zone) if text else None
    except moment.NotAMoment as error:
        problems.append(f"{name} {error}")
        return None


def _flag(arguments: Arguments, name: str, problems: list[str]) -> bool:
    text = _last(arguments, name)
    if text and text.lower() not in _FLAGS:
        problems.append(f"{name} must be true or false, got {text[:100]!r}")
    return _FLAGS.get(text.lower(), False)


def _number(arguments: Arguments, name: str, problems: list[str], *, most: float) -> float:
    text = _last(arguments, name)
    try:
        value = float(text or 0) if text.isascii() and "_" not in text else -1.0
    except ValueError:
        value = -1.0
    if not (isfinite(value) and 0 <= value <= most):
        problems.append(f"{name} must be a number from 0 to {most:g}, got {text[:100]!r}")
        return 0.0
    return value


@dataclass(frozen=True, kw_only=True)
class MapFilters:
    """Which public requests a map shows, as GET requests has it; None means no limit.

    districts: (layer, code) of those that they lie in, as these are drawn now: of one layer in any, of several in one of each.
    """

    service_codes: Sequence[str] | None
    status: str | None
    requested_from: datetime | None
    requested_to: datetime | None
    districts: Sequence[tuple[str, str]] | None
    now: datetime


@dataclass(frozen=True, kw_only=True)
class ClustersQuery:
    """What GET clusters asks for: the cells to count by, and which requests."""

    grid: Grid
    filters: MapFilters


def read_filters(arguments: Arguments, *, zone: ZoneInfo, now: datetime, max_span_days: int) -> MapFilters:
    """The filters among GET arguments, with the 90 days of GET requests.  Raises Problems."""
    problems: list[str] = []
    districts = read_districts_among(arguments, problems)
    asked = None
    try:
        asked = query.read(
            {name: texts for name, texts in arguments.items() if name in _SHARED},
            zone=zone,
            now=now,
            max_span_days=max_span_days,
            max_page_rows=1,
        )
    except Problems as error:
        problems += error.messages
    if problems or asked is None:
        raise Problems(problems)
    return MapFilters(
        service_codes=asked.service_codes,
        status=asked.status,
        requested_from=asked.requested_from,
        requested_to=asked.requested_to,
        districts=districts or None,
        now=now,
    )


def read_tile(*, z: str, x: str, y: str) -> Tile:
    """The tile of a path.  Raises Problems."""
    numbers = {}
    for name, text in (("z", z), ("x", x), ("y", y)):
        if not (text.isascii() and text.isdecimal() and len(text) <= 9):
            raise Problems([f"{name} must be a whole number from 0 on, got {text[:100]!r}"])
        numbers[name] = int(text)
    try:
        return Tile(**numbers)
    except ValueError as error:
        raise Problems([str(error)]) from error


def read_clusters(arguments: Arguments, *, zone: ZoneInfo, now: datetime, max_span_days: int) -> ClustersQuery:
    """The query of GET arguments.  Raises Problems."""
    problems: list[str] = []
    box = _box(arguments, problems)
    zoom = _last(arguments, "zoom")
    if not (zoom.isascii() and zoom.isdecimal() and len(zoom) <= 2 and int(zoom) <= MOST_ZOOM):
        problems.append(f"zoom must be a whole number from 0 to {MOST_ZOOM}, got {zoom[:100]!r}")
    filters = None
    try:
        filters = read_filters(arguments, zone=zone, now=now, max_span_days=max_span_days)
    except Problems as error:
        problems += error.messages
    if problems or box is None or filters is None:
        raise Problems(problems)
    closest = next(each for each in range(MOST_ZOOM, -1, -1) if cells_within(box, zoom=each) <= MOST_CELLS)
    if int(zoom) > closest:
        raise Problems([f"zoom must be at most {closest} for a bbox of this size, got {zoom}"])
    return ClustersQuery(grid=Grid.within(box, zoom=int(zoom)), filters=filters)


def _box(arguments: Arguments, problems: list[str]) -> Box | None:
    text = _last(arguments, "bbox")
    parts = text.split(",")
    if len(parts) != 4:
        problems.append(f"bbox must be west,south,east,north in degrees, got {text[:100]!r}")
        return None
    try:
        west, south, east, north = (
            degrees(name, part.strip()) for name, part in zip(("long", "lat", "long", "lat"), parts, strict=True)
        )
    except NotAPlace as error:
        problems.append(f"bbox must be west,south,east,north in degrees: {error}")
        return None
    if south > north:
        problems.append(f"bbox must have its south before its north, got {text[:100]!r}")
        return None
    return west, south, east, north
