"""A city's past cases, as rules are learnt from them: by code, each with the districts that cover its place."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Column, Double, MetaData, Table, bindparam, func, select
from sqlalchemy.orm import aliased

from db.driver import Statement
from db.periods import goes_on
from geo.districts import boxes, covering
from geo.models import Boundary, Layer
from geo.point import Point
from geo.queries import make_point
from open311.cases.importing import BATCH_ROWS, placed_by_address, read_cases
from open311.cases.recorded import ExportMapping, RecordedCase, rows_of
from open311.city.lines import BadFile
from open311.jurisdictions import City
from open311.models import Service
from routing.learn import District, PastCase
from routing.models import Department

# A point at which so many different addresses are recorded, and this share of all, is a place-holder and no place.
_PLACEHOLDER_ADDRESSES = 50
_PLACEHOLDER_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class History:
    """The cases of a file, and what is needed to judge rules by them.

    department_of: the department of every department and unit, by code.  retired: how many cases of services that are
    offered no longer were left out.  unknown_answers: the cases whose department or unit the city does not have;
    placeholders: those whose point stands for places that are not known.
    """

    cases: Sequence[PastCase]
    department_of: Mapping[str, str]
    default_department: str
    retired: int
    placeholders: int
    unknown_answers: int


def read_history(
    connection: "Connection[Any]",
    city: City,
    path: Path,
    mapping: ExportMapping,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    now: datetime,
    advance: Callable[[int], object] = lambda rows: None,
) -> History:
    """The cases opened from `since` and before `until`; nothing is kept.  advance is told of the rows read.

    Raises BadFile: rows that cannot be read, services that the city does not have, no case in the period, or a mapping
    that names neither department nor unit.
    """
    if not {"department", "unit"} & set(mapping.columns):
        raise BadFile([f"{mapping.path}:1: columns: must name the column of department or of unit, to learn from it"])
    services = _services(connection, city, mapping.match["service"])
    departments = _Departments(connection, city, mapping)
    recorded: list[RecordedCase] = []
    retired = 0
    rows = rows_of(path, mapping)
    while chunk := list(islice(rows, BATCH_ROWS)):
        cases, problems = read_cases(chunk, path, mapping, moved=timedelta(), now=now)
        problems += [
            f"{path}:{each.line}: {mapping.columns['service']} {each.service!r} is no service of {city.name}"
            for each in cases
            if each.service not in services
        ]
        if problems:
            raise BadFile(problems)
        asked_for = [each for each in cases if (not since or each.requested_at >= since)]
        asked_for = [each for each in asked_for if not until or each.requested_at < until]
        offered = [each for each in asked_for if services[each.service].is_active]
        retired += len(asked_for) - len(offered)
        recorded += placed_by_address(connection, city, offered)
        advance(len(chunk))
    if not recorded:
        raise BadFile([f"{path}:1: has no case of a service on offer that was opened in the period"])
    districts = _districts(connection, city, {each.point for each in recorded if each.point is not None})
    placeholders = _placeholders(recorded)
    past = [
        PastCase(
            service=services[each.service].code,
            group=services[each.service].service_group,
            at=each.requested_at.astimezone(city.zone),
            districts=tuple(
                sorted(drawn.district for drawn in districts.get(each.point, ()) if drawn.is_in_force(each.requested_at))
            ),
            department=departments.named("department", each.department),
            unit=departments.named("unit", each.unit),
            is_placeholder=each.point in placeholders,
        )
        for each in recorded
    ]
    return History(
        cases=past,
        department_of=departments.department_of,
        default_department=departments.default,
        retired=retired,
        placeholders=sum(each.is_placeholder for each in past),
        unknown_answers=sum(
            (each.department is not None and case.department is None) or (each.unit is not None and case.unit is None)
            for each, case in zip(recorded, past, strict=True)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A version of a district."""

    district: District
    valid_from: datetime | None
    valid_to: datetime | None

    def is_in_force(self, at: datetime) -> bool:
        return (self.valid_from is None or self.valid_from <= at) and (self.valid_to is None or self.valid_to > at)


class _Departments:
    """The city's departments and units, found by the names that its export uses."""

    def __init__(self, connection: "Connection[Any]", city: City, mapping: ExportMapping) -> None:
        rows = _DEPARTMENTS.run(connection, jurisdiction_id=city.id).fetchall()
        self.department_of = {row.code: row.parent or row.code for row in rows}
        self.default = next(row.code for row in rows if row.id == city.default_department_id)
        self._codes = {
            kind: {row.code if mapping.match[kind] == "code" else row.name: row.code for row in rows}
            for kind in ("department", "unit")
        }

    def named(self, kind: str, name: str | None) -> str | None:
        """The code of a recorded department or unit; None when the city does not have it."""
        return self._codes[kind].get(name or "")


def _services(connection: "Connection[Any]", city: City, match: str) -> dict[str, Any]:
    """Recorded name to the service's code, service_group and is_active."""
    rows = _SERVICES.run(connection, jurisdiction_id=city.id)
    return {row.code if match == "service_code" else row.name: row for row in rows}


def _districts(connection: "Connection[Any]", city: City, points: set[Point]) -> dict[Point | None, list[_Drawn]]:
    """The districts that have covered each point, but for the city's outline and those that rules can no longer name."""
    connection.execute("create temp table if not exists past_place (key bigint, long float8, lat float8) on commit delete rows")
    connection.execute("truncate past_place")
    keyed = sorted(points, key=lambda point: (point.long, point.lat))
    with connection.cursor().copy("copy past_place (key, long, lat) from stdin") as copy:
        for key, point in enumerate(keyed):
            copy.write_row((key, point.long, point.lat))
    connection.execute("analyze past_place")
    found: dict[Point | None, list[_Drawn]] = defaultdict(list)
    areas: dict[int, _Drawn] = {}
    for row in _HERE.run(connection, jurisdiction_id=city.id, outline_layer_id=city.outline_layer_id):
        drawn = areas.get(row.boundary_id)
        if drawn is None:
            district = District(row.area_square_metres, row.layer, row.code)
            drawn = areas[row.boundary_id] = _Drawn(district, row.valid_from, row.valid_to)
        found[keyed[row.key]].append(drawn)
    return found


def _placeholders(cases: Sequence[RecordedCase]) -> set[Point | None]:
    """The points that stand for places not known, though the mapping does not say so.

    Far more different addresses lie there than at any real place.
    """
    addresses: dict[Point | None, set[str]] = defaultdict(set)
    for each in cases:
        if each.point is not None and each.placed is None and each.address:
            addresses[each.point].add(each.address)
    everywhere = sum(map(len, addresses.values()))
    return {
        point for point, here in addresses.items() if len(here) > max(_PLACEHOLDER_ADDRESSES, _PLACEHOLDER_SHARE * everywhere)
    }


_CITY = bindparam("jurisdiction_id", type_=BigInteger)
_SERVICES = Statement(
    select(Service.code, Service.name, Service.service_group, Service.is_active).where(Service.jurisdiction_id == _CITY)
)
_PARENT = aliased(Department)
_DEPARTMENTS = Statement(
    select(Department.id, Department.code, Department.name, _PARENT.code.label("parent"))
    .outerjoin(_PARENT, (_PARENT.jurisdiction_id == _CITY) & (_PARENT.id == Department.parent_id))
    .where(Department.jurisdiction_id == _CITY)
)
_PAST = Table("past_place", MetaData(), Column("key", BigInteger), Column("long", Double), Column("lat", Double))
_PLACES = select(_PAST.c.key, make_point(long=_PAST.c.long, lat=_PAST.c.lat).label("location")).subquery("place")
_CURRENT = aliased(Boundary)
_COVERING = covering(
    _PLACES,
    boundaries=boxes(
        Boundary.jurisdiction_id == _CITY,
        Boundary.layer_id != bindparam("outline_layer_id", type_=BigInteger),
        select(_CURRENT.id)
        .where(
            _CURRENT.jurisdiction_id == _CITY,
            _CURRENT.layer_id == Boundary.layer_id,
            _CURRENT.code == Boundary.code,
            goes_on(_CURRENT.valid_to, func.now()),
        )
        .exists(),
    ),
)
_HERE = Statement(
    select(
        _PLACES.c.key,
        _COVERING.c.boundary_id,
        Layer.code.label("layer"),
        _COVERING.c.code,
        _COVERING.c.area_square_metres,
        _COVERING.c.valid_from,
        _COVERING.c.valid_to,
    )
    .select_from(_PLACES)
    .join(_COVERING, _COVERING.c.location == _PLACES.c.location)
    .join(Layer, (Layer.jurisdiction_id == _CITY) & (Layer.id == _COVERING.c.layer_id))
)
