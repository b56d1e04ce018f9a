"""A city's addresses: read from addresses.csv, and kept taken apart, so that a request without a point can be placed."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import Connection
from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    MetaData,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    exists,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.types import TypeEngine

from db.driver import Statement
from geo.address import NoAddress, take_apart
from geo.address_table import standardized
from geo.models import Address, Street
from geo.point import NotAPlace, Point, degrees
from geo.queries import latitude, longitude, make_point
from open311.city.lines import BEYOND, BadFile, csv_rows
from schemas.text import NOT_PRINTABLE, clean

ADDRESSES = ("addresses.csv.gz", "addresses.csv")

_REQUIRED = ("address", "zip", "lat", "lon")
_ZIPCODE = re.compile(r"(\d{5})(?:-\d{4})?")


@dataclass(frozen=True, kw_only=True)
class NewAddress:
    """An address as a file gives it, taken apart; the fields are those of geo.models.Address."""

    code: str | None
    line: str
    number_from: int
    number_to: int
    number_suffix: str
    street: str
    place: str | None
    zipcode: str | None
    point: Point | None


def read_addresses(path: Path, *, is_placeholder: Callable[[Point], bool]) -> list[NewAddress]:
    """The addresses of a CSV file, gzipped or not, each as its spelling has it; raises BadFile with every problem.

    Blank coordinates, and those of a place-holder, are an address whose place is not known.
    """
    if not path.is_file():  # a pipe would be waited for, a device read for ever
        raise BadFile([f"{path}:1: must be a regular file"])
    found: list[NewAddress] = []
    problems: list[str] = []
    codes: set[str] = set()
    for line, row in csv_rows(path, _header_problem):
        try:
            each = _address(row, is_placeholder)
            if each.code is not None and each.code in codes:
                raise ValueError(f"address_id: {each.code!r} stands twice")
            codes.add(each.code or "")
            found.append(each)
        except ValueError as error:
            problems.append(f"{path}:{line}: {error}")
    if problems:
        raise BadFile(problems)
    return found


def put_addresses(connection: "Connection[Any]", addresses: Sequence[NewAddress], *, jurisdiction_id: int) -> None:
    """The addresses put in place of those that the city had; what is as it was keeps its row."""
    # Most cities keep none; what follows looks at the addresses of all cities.
    (has_addresses,) = _HAS_ADDRESSES.run(connection, jurisdiction_id=jurisdiction_id).fetchone() or (False,)
    if not (addresses or has_addresses):
        return
    declared = ", ".join(f"{name} {kind}" for name, kind in _NEW_COLUMNS.items())
    connection.execute(f"create temp table if not exists new_address ({declared}) on commit delete rows")
    connection.execute("truncate new_address")
    with connection.cursor().copy(f"copy new_address ({', '.join(_NEW_COLUMNS)}) from stdin") as copy:
        for each in addresses:
            copy.write_row(tuple(_values(each)))
    connection.execute("analyze new_address")
    for statement in (_NO_STREETS, _STREETS, _STANDARDS):
        statement.run(connection, jurisdiction_id=jurisdiction_id)
    connection.execute("analyze street")
    for statement in (_GONE, _NEW):
        statement.run(connection, jurisdiction_id=jurisdiction_id)
    connection.execute("analyze address")


def _header_problem(header: Sequence[str]) -> str | None:
    missing = [column for column in _REQUIRED if column not in header]
    unknown = [column for column in header if column not in (*_REQUIRED, "address_id")]
    if missing:
        return f"must have the columns {', '.join(missing)}"
    return f"has a column that no address has: {', '.join(unknown)}" if unknown else None


def _address(row: Mapping[str, str | None], is_placeholder: Callable[[Point], bool]) -> NewAddress:
    if BEYOND in row:
        raise ValueError("has more fields than the header (quote what holds a comma)")
    for column, text in row.items():
        bad = NOT_PRINTABLE.search(text or "")
        if bad:
            raise ValueError(f"{column} must not hold the character U+{ord(bad[0]):04X}, which cannot be printed")
    text, code, zipcode = (clean(row.get(column) or "") for column in ("address", "address_id", "zip"))
    try:
        parts = take_apart(text)
    except NoAddress as error:
        raise ValueError(f"address must name a street, got {text[:100]!r}") from error
    if parts.cross_street:
        raise ValueError(f"address must be one street's (where two meet is found by their houses), got {text[:100]!r}")
    found = _ZIPCODE.fullmatch(zipcode)
    if zipcode and not found:
        raise ValueError(f"zip must be five digits, got {zipcode[:20]!r}")
    *street, place = parts.segments if len(parts.segments) > 1 else (*parts.segments, "")
    return NewAddress(
        code=code or None,
        line=_line(text),
        number_from=parts.number_from or 0,
        number_to=parts.number_to or 0,
        number_suffix=parts.number_suffix,
        street=" ".join(street),
        place=place or None,
        zipcode=found[1] if found else parts.zipcode,
        point=_point(row, is_placeholder),
    )


def _point(row: Mapping[str, str | None], is_placeholder: Callable[[Point], bool]) -> Point | None:
    lat, long = ((row.get(column) or "").strip() for column in ("lat", "lon"))
    if not (lat or long):
        return None
    try:
        point = Point(lat=degrees("lat", lat), long=degrees("long", long))
    except NotAPlace as error:
        raise ValueError(f"lat, lon: {error}") from error
    return None if is_placeholder(point) else point


def _line(text: str) -> str:
    """The address on one line, with commas where wide gaps part it: "33 Beacon St, Boston, MA 02108"."""
    return re.sub(r", (\d{5}(?:-\d{4})?)$", r" \1", re.sub(r"\s*\n\s*|\s{2,}", ", ", text))


def _values(each: NewAddress) -> Iterator[Any]:
    point = each.point
    for name in _NEW_COLUMNS:
        if name in ("long", "lat"):
            yield None if point is None else getattr(point, name)
        else:
            yield getattr(each, "street" if name == "spelling" else name, None)


# spelling is the street as the file writes it, street what the standardizer makes of it.
_NEW_COLUMNS = {
    "code": "text",
    "line": "text",
    "number_from": "bigint",
    "number_to": "bigint",
    "number_suffix": "text",
    "spelling": "text",
    "place": "text",
    "zipcode": "text",
    "long": "double precision",
    "lat": "double precision",
}
_TYPES: Mapping[str, TypeEngine[Any]] = {"text": Text(), "bigint": BigInteger(), "double precision": Double()}
_NEW_ADDRESS = Table("new_address", MetaData(), *[Column(name, _TYPES[kind]) for name, kind in _NEW_COLUMNS.items()])
_GIVEN = _NEW_ADDRESS.c
_JURISDICTION = bindparam("jurisdiction_id", type_=BigInteger)

_HAS_ADDRESSES = Statement(select(exists().where(Address.jurisdiction_id == _JURISDICTION)))
# Streets are made anew: what the standardizer makes of them may differ with its version.
_NO_STREETS = Statement(delete(Street).where(Street.jurisdiction_id == _JURISDICTION))
_SPELLINGS = select(_GIVEN.spelling).distinct().subquery("spellings")
_PARTS, _READ = standardized(_SPELLINGS.c.spelling)
_STREETS = Statement(
    insert(Street).from_select(
        ["jurisdiction_id", "spelling", "standard", "name", "kind", "direction"],
        select(_JURISDICTION, _SPELLINGS.c.spelling, *_PARTS).select_from(_SPELLINGS).join(_READ, literal(True)),
    )
)
# Written out in full, a street is spelt as well.
_STANDARDS = Statement(
    upsert(Street)
    .from_select(
        ["jurisdiction_id", "spelling", "standard", "name", "kind", "direction"],
        select(_JURISDICTION, Street.standard, Street.standard, Street.name, Street.kind, Street.direction)
        .where(Street.jurisdiction_id == _JURISDICTION)
        .ext(distinct_on(Street.standard))
        .order_by(Street.standard, Street.spelling),
    )
    .on_conflict_do_nothing(index_elements=["jurisdiction_id", "spelling"])
)

_LONG, _LAT = longitude(Address.location), latitude(Address.location)
_IS_SAME = and_(
    Address.jurisdiction_id == _JURISDICTION,
    Address.line == _GIVEN.line,
    Address.number_from == _GIVEN.number_from,
    Address.number_to == _GIVEN.number_to,
    Address.number_suffix == _GIVEN.number_suffix,
    Address.street == Street.standard,
    *[
        mine.is_not_distinct_from(given)
        for mine, given in (
            (Address.code, _GIVEN.code),
            (Address.place, _GIVEN.place),
            (Address.zipcode, _GIVEN.zipcode),
            (_LONG, _GIVEN.long),
            (_LAT, _GIVEN.lat),
        )
    ],
)
_IS_ITS_STREET = and_(Street.jurisdiction_id == _JURISDICTION, Street.spelling == _GIVEN.spelling)
_GONE = Statement(
    delete(Address).where(
        Address.jurisdiction_id == _JURISDICTION, ~exists().where(_IS_ITS_STREET, _IS_SAME).correlate(Address.__table__)
    )
)
_PLAIN = ("code", "line", "number_from", "number_to", "number_suffix", "place", "zipcode")
_NEW = Statement(
    insert(Address).from_select(
        ["jurisdiction_id", "street", "location", *_PLAIN],
        select(_JURISDICTION, Street.standard, make_point(long=_GIVEN.long, lat=_GIVEN.lat), *[_GIVEN[name] for name in _PLAIN])
        .select_from(_NEW_ADDRESS)
        .join(Street, _IS_ITS_STREET)
        .where(~exists().where(_IS_SAME).correlate(_NEW_ADDRESS, Street.__table__)),
    )
)
