"""What a city's table of addresses knows: streets by spelling or likeness, addresses by street and number."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, ColumnElement, Text, and_, any_, bindparam, exists, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import FromClause

from db.driver import Statement
from geo.models import Address, Boundary, Street
from geo.point import Point
from geo.queries import covers, latitude, longitude

# As many streets of a similar name are looked at.
MAX_SIMILAR = 30


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the table."""

    id: int
    code: str | None
    line: str
    number_from: int
    number_to: int
    number_suffix: str
    street: str
    place: str | None
    zipcode: str | None
    point: Point | None


@dataclass(frozen=True, kw_only=True)
class Spelt:
    """A street's name and its parts; similarity is 1 where the name is the one that was asked for.

    is_whole: the standardizer took every word for the street's.
    """

    standard: str
    name: str
    kind: str
    direction: str
    similarity: float = 1.0
    is_whole: bool = True


# A street's standard name, and the lowest and highest house number asked for.
Window = tuple[str, int, int]


class AddressTable:
    """One city's table, asked for many addresses at once."""

    def __init__(self, connection: "Connection[Any]", jurisdiction_id: int) -> None:
        self._connection, self._city = connection, {"jurisdiction_id": jurisdiction_id}

    def is_empty(self) -> bool:
        """Whether no address is loaded."""
        return _ANY.run(self._connection, **self._city).fetchone() is None

    def with_codes(self, codes: Collection[str]) -> dict[str, Row]:
        """Code to address, of those that the table has."""
        if not codes:
            return {}
        rows = _BY_CODE.run(self._connection, **self._city, codes=list(codes))
        return {row.code: _row(row) for row in rows}

    def spelt(self, phrases: Collection[str]) -> dict[str, Spelt]:
        """Spelling to street, of those that the table has."""
        if not phrases:
            return {}
        rows = _SPELT.run(self._connection, **self._city, phrases=list(phrases))
        return {row.spelling: _spelt(row) for row in rows}

    def standardized(self, phrases: Collection[str]) -> dict[str, Spelt]:
        """Phrase to the street's name as PostGIS's standardizer reads it, whether the table has it or not."""
        if not phrases:
            return {}
        rows = _STANDARDIZED.run(self._connection, phrases=list(phrases))
        return {row.phrase: replace(_spelt(row), is_whole=row.is_whole) for row in rows}

    def similar(self, names: Collection[tuple[str, str | None]]) -> dict[tuple[str, str | None], list[Spelt]]:
        """(name, zip code) to the streets of similar names that have addresses of that zip code (None: any), likest first."""
        found: dict[tuple[str, str | None], list[Spelt]] = defaultdict(list)
        if names:
            given = list(names)
            values = {"names": [name for name, _ in given], "zipcodes": [zipcode for _, zipcode in given]}
            for row in _SIMILAR.run(self._connection, **self._city, **values):
                found[row.asked_name, row.asked_zipcode].append(_spelt(row, row.similarity))
        return found

    def addresses(self, windows: Collection[Window]) -> dict[Window, list[Row]]:
        """Window to its addresses, by number."""
        found: dict[Window, list[Row]] = defaultdict(list)
        if windows:
            columns = zip(*windows, strict=True)
            values = dict(zip(("streets", "lows", "highs"), map(list, columns), strict=True))
            for row in _ADDRESSES.run(self._connection, **self._city, **values):
                found[row.asked_street, row.low, row.high].append(_row(row))
        return found

    def in_districts(self, names: Collection[str], ids: Iterable[int]) -> Mapping[str, set[int]]:
        """Name of a district of any layer, in upper case, to those of the addresses that it covers as it is drawn today."""
        found: dict[str, set[int]] = defaultdict(set)
        wanted = list(ids)
        if names and wanted:
            for row in _IN_DISTRICTS.run(self._connection, **self._city, names=list(names), ids=wanted):
                found[row.asked_name].add(row.id)
        return found


def standardized(phrase: ColumnElement[str]) -> tuple[list[ColumnElement[str]], FromClause]:
    """standard, name, kind and direction of a street's name by PostGIS's standardizer, and what they are selected from.

    The standardizer wants a house number; the real one is kept from it, as a range or a letter would lead it astray.  What it
    takes for something else than the street stays in the name, so that no two names become one; what it cannot read stays
    as it is.
    """
    parts = func.standardize_address("us_lex", "us_gaz", "us_rules", literal("1 ", Text).concat(phrase), "").table_valued(
        *("building", "house_num", "predir", "qual", "pretype", "name", "suftype", "sufdir", "extra", "unit"), name="parts"
    )
    found = parts.c
    before = (func.nullif(found.house_num, "1"), found.building)
    after = (found.extra, found.unit)
    named = (*before, found.qual, found.name, *after)
    whole = (*before, found.predir, found.qual, found.pretype, found.name, found.suftype, found.sufdir, *after)
    return [
        func.coalesce(func.nullif(func.concat_ws(" ", *whole), ""), phrase).label("standard"),
        func.coalesce(func.nullif(func.concat_ws(" ", *named), ""), phrase).label("name"),
        func.concat_ws(" ", found.pretype, found.suftype).label("kind"),
        func.concat_ws(" ", found.predir, found.sufdir).label("direction"),
    ], parts.lateral()


def _spelt(row: Any, similarity: float = 1.0) -> Spelt:
    return Spelt(standard=row.standard, name=row.name, kind=row.kind, direction=row.direction, similarity=similarity)


def _row(row: Any) -> Row:
    return Row(
        id=row.id,
        code=row.code,
        line=row.line,
        number_from=row.number_from,
        number_to=row.number_to,
        number_suffix=row.number_suffix,
        street=row.street,
        place=row.place,
        zipcode=row.zipcode,
        point=None if row.long is None else Point(long=row.long, lat=row.lat),
    )


_JURISDICTION: ColumnElement[int] = bindparam("jurisdiction_id", type_=BigInteger)


def _each(name: str, type_: type[Text] | type[BigInteger] = Text) -> ColumnElement[Any]:
    return bindparam(name, type_=ARRAY(type_))


_COLUMNS = (
    Address.id,
    Address.code,
    Address.line,
    Address.number_from,
    Address.number_to,
    Address.number_suffix,
    Address.street,
    Address.place,
    Address.zipcode,
    longitude(Address.location).label("long"),
    latitude(Address.location).label("lat"),
)

_ANY = Statement(select(Address.id).where(Address.jurisdiction_id == _JURISDICTION).limit(1))

_BY_CODE = Statement(select(*_COLUMNS).where(Address.jurisdiction_id == _JURISDICTION, Address.code == any_(_each("codes"))))

_SPELT = Statement(
    select(Street.spelling, Street.standard, Street.name, Street.kind, Street.direction).where(
        Street.jurisdiction_id == _JURISDICTION, Street.spelling == any_(_each("phrases"))
    )
)

_PHRASES = func.unnest(_each("phrases")).table_valued("phrase").render_derived(name="given")
_PARTS, _READ = standardized(_PHRASES.c.phrase)
_IS_WHOLE = and_(_READ.c.house_num == "1", _READ.c.name.is_not(None), _READ.c.extra.is_(None), _READ.c.unit.is_(None))
_STANDARDIZED = Statement(
    select(_PHRASES.c.phrase, *_PARTS, _IS_WHOLE.label("is_whole")).select_from(_PHRASES).join(_READ, literal(True))
)

_NAMES = func.unnest(_each("names"), _each("zipcodes")).table_valued("name", "zipcode").render_derived(name="given")
_LIKENESS = func.similarity(Street.name, _NAMES.c.name).label("similarity")
# Filtered by the trigram index (the operator %) before anything is ranked.
_ALIKE = (
    select(Street.standard, Street.name, Street.kind, Street.direction, _LIKENESS)
    .where(
        Street.jurisdiction_id == _JURISDICTION,
        Street.name.bool_op("%")(_NAMES.c.name),
        Street.spelling == Street.standard,
        or_(
            _NAMES.c.zipcode.is_(None),
            exists()
            .where(
                Address.jurisdiction_id == _JURISDICTION,
                Address.street == Street.standard,
                Address.zipcode == _NAMES.c.zipcode,
            )
            .correlate(_NAMES, Street.__table__),
        ),
    )
    .order_by(_LIKENESS.desc(), Street.standard)
    .limit(MAX_SIMILAR)
    .lateral("alike")
)
_SIMILAR = Statement(
    select(_NAMES.c.name.label("asked_name"), _NAMES.c.zipcode.label("asked_zipcode"), _ALIKE)
    .select_from(_NAMES)
    .join(_ALIKE, literal(True))
    .order_by(_NAMES.c.name, _NAMES.c.zipcode, _ALIKE.c.similarity.desc(), _ALIKE.c.standard)
)

_WINDOWS = (
    func.unnest(_each("streets"), _each("lows", BigInteger), _each("highs", BigInteger))
    .table_valued("street", "low", "high", name="given")
    .render_derived(name="given")
)
_ADDRESSES = Statement(
    select(_WINDOWS.c.street.label("asked_street"), _WINDOWS.c.low, _WINDOWS.c.high, *_COLUMNS)
    .select_from(_WINDOWS)
    .join(
        Address,
        and_(
            Address.jurisdiction_id == _JURISDICTION,
            Address.street == _WINDOWS.c.street,
            Address.number_from <= _WINDOWS.c.high,
            Address.number_to >= _WINDOWS.c.low,
        ),
    )
    .order_by(Address.number_from, Address.number_to, Address.line, Address.id)
)

_DISTRICTS = func.unnest(_each("names")).table_valued("name").render_derived(name="given")
_IN_DISTRICTS = Statement(
    select(_DISTRICTS.c.name.label("asked_name"), Address.id)
    .select_from(_DISTRICTS)
    .join(
        Boundary,
        and_(
            Boundary.jurisdiction_id == _JURISDICTION,
            func.upper(Boundary.name) == _DISTRICTS.c.name,
            Boundary.in_force(func.now()),
        ),
    )
    .join(
        Address,
        and_(
            Address.jurisdiction_id == _JURISDICTION,
            Address.id == any_(_each("ids", BigInteger)),
            covers(Boundary.area, Address.location),
        ),
    )
)
