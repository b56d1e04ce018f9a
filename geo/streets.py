"""Streets as a map shows them, drawn through the addresses of a city: of a city's streets we know no other drawing."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Double, bindparam, select

from db.driver import Statement
from geo.models import Address
from geo.point import Point, metres_between
from geo.queries import in_box, latitude, longitude
from geo.tile import Tile

# Houses of one street whose numbers follow each other lie at most so far apart; beyond that the street is elsewhere.
MOST_APART_METRES = 150
# A street lies between the houses of its two sides: in the middle of so many that follow each other.
_HOUSES = 5
LEAST_METRES = 40
_DIGITS = 5
_NUMBER = re.compile(r"^\s*[0-9][0-9A-Z/-]*\s+(?:1/2\s+)?", re.IGNORECASE)
_REST = re.compile(r"\s{2,}|,")

Line = Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Street:
    """A street, or a part of it: its name as the city writes it, and lines of (longitude, latitude)."""

    name: str
    lines: Sequence[Line]


def streets_of(connection: "Connection[Any]", tile: Tile, *, jurisdiction_id: int) -> list[Street]:
    """The streets on a tile by name, with a little of what lies beyond its edges."""
    west, south, east, north = tile.drawn_box
    rows = _houses().run(connection, jurisdiction_id=jurisdiction_id, west=west, south=south, east=east, north=north)
    found = []
    for _street, houses in groupby(rows, key=lambda row: (row.street, row.place)):
        placed = [(row.line, Point(long=row.long, lat=row.lat)) for row in houses]
        lines = list(_lines([point for _line, point in placed]))
        if lines:
            found.append(Street(name=street_name(placed[0][0]), lines=lines))
    return found


def street_name(line: str) -> str:
    """The street of an address as the city prints it, without number and what stands behind: 4 Jersey St, Boston."""
    return _REST.split(_NUMBER.sub("", line), maxsplit=1)[0].strip()


def _lines(houses: Iterable[Point]) -> Iterable[Line]:
    """Houses in the order of their numbers as lines, each at least LEAST_METRES long."""
    part: list[Point] = []
    for house in houses:
        if part and metres_between(part[-1], house) > MOST_APART_METRES:
            yield from _line(part)
            part = []
        part.append(house)
    yield from _line(part)


def _line(houses: Sequence[Point]) -> Iterable[Line]:
    before = _HOUSES // 2
    windows = [houses[max(0, at - before) : at + before + 1] for at in range(len(houses))]
    middles = [
        (
            round(sum(each.long for each in window) / len(window), _DIGITS),
            round(sum(each.lat for each in window) / len(window), _DIGITS),
        )
        for window in windows
    ]
    corners = [middle for at, middle in enumerate(middles) if at == 0 or middle != middles[at - 1]]
    if len(corners) > 1 and metres_between(_point(corners[0]), _point(corners[-1])) >= LEAST_METRES:
        yield corners


def _point(corner: tuple[float, float]) -> Point:
    return Point(long=corner[0], lat=corner[1])


@lru_cache(maxsize=1)
def _houses() -> Statement:
    sides = [bindparam(name, type_=Double) for name in ("west", "south", "east", "north")]
    return Statement(
        select(
            Address.street,
            Address.place,
            Address.line,
            longitude(Address.location).label("long"),
            latitude(Address.location).label("lat"),
        )
        .where(
            Address.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger),
            Address.number_from > 0,
            in_box(Address.location, *sides),
        )
        .order_by(Address.street, Address.place, Address.number_from, Address.id)
    )
