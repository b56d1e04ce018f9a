"""The figures of every group in a period, as they were counted last, for everybody."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from statistics import median
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Date, Text, and_, bindparam, cast, func, literal_column, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP, aggregate_order_by
from sqlalchemy.orm import aliased

from db.driver import Statement
from db.periods import in_force
from geo.listing import UnknownDistrict, find_layer
from geo.models import Boundary
from geo.queries import box_meets, meets
from open311.departments import UnknownDepartment
from open311.jurisdictions import City
from open311.models import Jurisdiction, ScorecardCell, ScorecardRun, Service
from open311.reports import cells
from open311.services import UnknownService
from routing.models import Department
from schemas.scorecard import CHANNEL, CITY, DEPARTMENT, DISTRICT, FIGURES, SERVICE, Period, ScorecardQuery

_HOUR_SECONDS = 3600


class NotCountedYet(LookupError):
    """The figures of the city were never counted."""


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """A group in a period.  figures: by name, those of schemas.scorecard.FIGURES; None is what is not known or not told.

    hours and weekdays: how many came in; empty where they are not counted.  layer_median, neighbours: (code, name, figures).
    """

    by: str
    id: int
    layer: str | None
    code: str | None
    name: str
    service_code: str | None
    period: Period
    as_of: datetime
    population: int | None
    figures: Mapping[str, Any]
    hours: Sequence[int | None]
    weekdays: Sequence[int | None]
    layer_median: Mapping[str, Any] | None = None
    neighbours: Sequence[tuple[str, str, Mapping[str, Any]]] = ()


def scorecards(connection: "Connection[Any]", city: City, asked: ScorecardQuery, *, now: datetime) -> list[Scorecard]:
    """The scorecards asked for, by period and then as the groups are called; a district of each period is as it was drawn then.

    Raises NotCountedYet, UnknownLayer, UnknownDistrict, UnknownDepartment, UnknownService.
    """
    run = _RUN.run(connection, jurisdiction_id=city.id).fetchone()
    if run is None:
        raise NotCountedYet(city.jurisdiction_id)
    key = _ids(connection, city, asked)
    rows = _read(asked.by, asked.service_code is not None, bool(asked.districts), bool(asked.departments)).run(
        connection,
        jurisdiction_id=city.id,
        **key,
        span=asked.periods[0].span,
        periods=[each.name for each in asked.periods],
        first_months=[each.first_month for each in asked.periods],
        last_months=[each.last_month for each in asked.periods],
        ends=[each.ends for each in asked.periods],
        at=[min(each.ends - timedelta(seconds=1), max(run.as_of, now)) for each in asked.periods],
    )
    periods = {each.name: each for each in asked.periods}
    layer = asked.layer if asked.by == DISTRICT else None
    found: dict[str, list[_Counted]] = {name: [] for name in periods}
    for row in rows:
        if row.is_shown or row.received or row.closed or row.open:
            found[row.period].append(_Counted.of(row))
    made = []
    for name, counted in found.items():
        told = _told(counted, run.least_count)
        made += [
            Scorecard(
                by=asked.by,
                id=each.id,
                layer=layer,
                code=each.code,
                name=city.name if asked.by == CITY else each.name,
                service_code=asked.service_code if asked.by in (DISTRICT, DEPARTMENT) else None,
                period=periods[name],
                as_of=run.as_of,
                population=each.population,
                figures=each.figures(hidden),
                hours=each.by_clock(each.hours, run.least_count),
                weekdays=each.by_clock(each.weekdays, run.least_count),
            )
            for each, hidden in zip(counted, told, strict=True)
        ]
    return _named(connection, city, asked, made, layer_id=key["layer_id"], now=now)


def compared(one: Scorecard, other: Scorecard) -> list[tuple[str, Any, Any, Any]]:
    """(figure, that of one, that of the other, by how much the other is more) of each figure that is a number."""
    found = []
    for name in FIGURES:
        a, b = one.figures[name], other.figures[name]
        if name != "oldest_open_datetime":
            found.append((name, a, b, None if a is None or b is None else round(b - a, 4)))
    return found


def _named(
    connection: "Connection[Any]",
    city: City,
    asked: ScorecardQuery,
    made: Sequence[Scorecard],
    *,
    layer_id: int | None,
    now: datetime,
) -> list[Scorecard]:
    """Those that were asked for by name; of a district, with those around it."""
    if asked.by == DEPARTMENT and asked.departments:
        return [each for code in asked.departments for each in made if each.code == code]
    if asked.by == SERVICE and asked.service_code is not None:
        return [each for each in made if each.code == asked.service_code]
    if asked.by != DISTRICT or not asked.districts:
        return list(made)
    chosen = [each for _, code in asked.districts for each in made if each.code == code]
    for each_layer, code in asked.districts:
        if not any(each.code == code for each in chosen):
            raise UnknownDistrict(f"{each_layer}:{code}")
    if len(asked.periods) > 1:
        return chosen
    around = {name: _median([each.figures[name] for each in made]) for name in FIGURES}
    by_id = {each.id: each for each in made}
    at = min(asked.periods[0].ends - timedelta(seconds=1), now)
    touching: dict[int, list[Scorecard]] = {}
    ids = [each.id for each in chosen]
    for row in _NEIGHBOURS.run(connection, jurisdiction_id=city.id, layer_id=layer_id, ids=ids, now=at):
        if row.other_id in by_id:
            touching.setdefault(row.id, []).append(by_id[row.other_id])
    return [
        replace(
            each,
            layer_median=around,
            neighbours=[(other.code or "", other.name, other.figures) for other in touching.get(each.id, ())],
        )
        for each in chosen
    ]


def _ids(connection: "Connection[Any]", city: City, asked: ScorecardQuery) -> dict[str, Any]:
    """The ids of what the query names; raises what is not there."""
    found: dict[str, Any] = {"layer_id": None, "boundary_code": None, "department_id": None, "service_id": None}
    if asked.layer is not None:
        found["layer_id"] = find_layer(connection, asked.layer, jurisdiction_id=city.id)
    if asked.by == SERVICE and asked.districts:
        found["boundary_code"] = asked.districts[0][1]
        if (
            _HAS_DISTRICT.run(connection, jurisdiction_id=city.id, **_only(found, "layer_id", "boundary_code")).fetchone()
            is None
        ):
            raise UnknownDistrict(":".join(asked.districts[0]))
    for code in asked.departments:
        row = _DEPARTMENT.run(connection, jurisdiction_id=city.id, code=code).fetchone()
        if row is None:
            raise UnknownDepartment(code)
        found["department_id"] = row.id
    if asked.service_code is not None:
        row = _SERVICE.run(connection, jurisdiction_id=city.id, code=asked.service_code).fetchone()
        if row is None:
            raise UnknownService(asked.service_code)
        found["service_id"] = row.id
    return found


def _only(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names}


# What is counted, and which figures it must be enough for: those that say how many, and those that are told of so many.
_COUNTS = (
    "received", "closed", "open", "open_overdue", "promised", "reopened", "duplicates", "answered_at_first_contact", "verdicts",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """A group in a period as it is counted."""

    id: int
    code: str | None
    name: str
    population: int | None
    row: Any
    hours: Sequence[int]
    weekdays: Sequence[int]

    @classmethod
    def of(cls, row: Any) -> "_Counted":
        return cls(
            id=row.id,
            code=row.code,
            name=row.name,
            population=row.population,
            row=row,
            hours=row.hours or (),
            weekdays=row.weekdays or (),
        )

    def count(self, name: str) -> int:
        """One of _COUNTS."""
        return int(getattr(self.row, "answered" if name == "answered_at_first_contact" else name) or 0)

    def figures(self, hidden: "_Hidden") -> dict[str, Any]:
        """By name of FIGURES; None where it is not known, or would tell too little."""
        row = self.row
        counts = {name: None if name in hidden.counts else self.count(name) for name in _COUNTS}
        is_shown = hidden.is_enough
        values: dict[str, Any] = {
            **counts,
            "oldest_open_datetime": row.oldest_open if counts["open"] else None,
            "first_response_median_hours": _hours(row.response_median) if is_shown(row.responded) else None,
            "first_response_p90_hours": _hours(row.response_p90) if is_shown(row.responded) else None,
            "closing_median_hours": _hours(row.closing_median) if counts["closed"] else None,
            "closing_p90_hours": _hours(row.closing_p90) if counts["closed"] else None,
            "on_time_share": _share(row.kept, row.promised, hidden) if counts["promised"] else None,
            "fixed_share": _share(row.fixed, row.verdicts, hidden) if counts["verdicts"] else None,
            "mean_score": round(row.scores / row.scored, 2) if row.scored and is_shown(row.scored) else None,
            "per_1000_residents": round(counts["received"] / self.population * 1000, 2)
            if self.population and counts["received"] is not None
            else None,
        }
        return {name: values[name] for name in FIGURES}

    def by_clock(self, numbers: Sequence[int], least: int) -> list[int | None]:
        """The numbers, without those that count too few, or would tell another that does."""
        if self.count("received") < least:
            return [None] * len(numbers)
        few = _few(numbers, least)
        return [None if position in few else number for position, number in enumerate(numbers)]


@dataclass(frozen=True, kw_only=True)
class _Hidden:
    """Which counts of a group are not told, because they are fewer than `least` or would tell another that is."""

    counts: frozenset[str]
    least: int

    def is_enough(self, number: int | None) -> bool:
        """Whether so many may be told of."""
        return (number or 0) >= self.least


def _told(counted: Sequence[_Counted], least: int) -> list[_Hidden]:
    """For each of the groups of a period what is hidden of it.

    Where one alone is hidden the least of the others is hidden too: else it were the city's figure less theirs.
    """
    hidden: list[set[str]] = [set() for _ in counted]
    for name in _COUNTS if least else ():
        for position in _few([each.count(name) for each in counted], least):
            hidden[position].add(name)
    return [_Hidden(counts=frozenset(each), least=least) for each in hidden]


def _few(numbers: Sequence[int], least: int) -> set[int]:
    """The positions of what is fewer than `least`; and, where that is one alone, of the least of the others."""
    few = {position for position, number in enumerate(numbers) if number < least}
    if len(few) == 1 and len(numbers) > 1:
        few.add(min((number, position) for position, number in enumerate(numbers) if position not in few)[1])
    return few


def _share(part: int, whole: int, hidden: _Hidden) -> float | None:
    """The share, unless it tells of a few: they are part and whole together, or the rest."""
    few = [number for number in (part, whole - part) if 0 < number < hidden.least]
    return None if few else round(part / whole, 4)


def _hours(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / _HOUR_SECONDS, 2)


def _median(values: Sequence[Any]) -> Any:
    known = sorted(each for each in values if each is not None)
    if not known:
        return None
    if isinstance(known[0], datetime):
        return known[(len(known) - 1) // 2]
    return median(known)


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_MOMENT = TIMESTAMP(timezone=True)
_SERVICE_ID: Any = bindparam("service_id", type_=BigInteger)
_LAYER_ID: Any = bindparam("layer_id", type_=BigInteger)
_CODE: Any = bindparam("code", type_=Text)
_NO_ID: Any = literal_column("0::bigint", BigInteger)
_NO_TEXT: Any = literal_column("null::text", Text)
_YES: Any = literal_column("true")

_RUN = Statement(
    select(ScorecardRun.as_of, Jurisdiction.least_count)
    .join(Jurisdiction, Jurisdiction.id == ScorecardRun.jurisdiction_id)
    .where(ScorecardRun.jurisdiction_id == _CITY)
)
_HAS_DISTRICT = Statement(
    select(Boundary.id)
    .where(
        Boundary.jurisdiction_id == _CITY,
        Boundary.layer_id == _LAYER_ID,
        Boundary.code == bindparam("boundary_code", type_=Text),
    )
    .limit(literal_column("1"))
)
_DEPARTMENT = Statement(
    select(Department.id).where(Department.jurisdiction_id == _CITY, Department.code == _CODE, Department.parent_id.is_(None))
)
_SERVICE = Statement(select(Service.id).where(Service.jurisdiction_id == _CITY, Service.code == _CODE, ~Service.is_private))

_ONE, _OTHER = aliased(Boundary, name="one"), aliased(Boundary, name="other")
_NEIGHBOURS = Statement(
    select(_ONE.id, _OTHER.id.label("other_id"))
    .join(
        _OTHER,
        and_(
            _OTHER.jurisdiction_id == _CITY,
            _OTHER.layer_id == _LAYER_ID,
            _OTHER.id != _ONE.id,
            in_force(_OTHER.valid_from, _OTHER.valid_to, bindparam("now", type_=_MOMENT)),
            box_meets(_ONE.area, _OTHER.area),
            meets(_ONE.area, _OTHER.area),
        ),
    )
    .where(_ONE.jurisdiction_id == _CITY, _ONE.id == func.any(bindparam("ids", type_=ARRAY(BigInteger))))
    .order_by(_ONE.id, _OTHER.code.collate("C"))
)


@lru_cache
def _read(by: str, is_of_service: bool, is_in_district: bool, is_of_department: bool) -> Statement:
    """Every group of the kind in every period, by period and name, with its cell and what adds up to the period's end."""
    period = (
        func.unnest(
            bindparam("periods", type_=ARRAY(Text)),
            bindparam("first_months", type_=ARRAY(Date)),
            bindparam("last_months", type_=ARRAY(Date)),
            bindparam("ends", type_=ARRAY(_MOMENT)),
            bindparam("at", type_=ARRAY(_MOMENT)),
        )
        .table_valued("name", "first_month", "last_month", "ends", "at")
        .render_derived(name="period")
    )
    groups, key = _GROUPS[by](period, is_of_service, is_in_district, is_of_department)
    group = groups.subquery("grp")

    def is_its(cell: Any) -> Any:
        return and_(cell.jurisdiction_id == _CITY, *(getattr(cell, name) == value for name, value in key(group).items()))

    cell, earlier, old, clocked = (aliased(ScorecardCell, name=name) for name in ("cell", "earlier", "old", "clocked"))
    year = cast(func.date_trunc(literal_column("'year'"), group.c.last_month), Date)
    so_far = (
        select(
            func.sum(earlier.received - earlier.closed).label("open"),
            func.sum(earlier.lapsed - earlier.promised + earlier.kept).label("open_overdue"),
        )
        .where(
            is_its(earlier),
            or_(
                and_(earlier.span == literal_column("'year'"), earlier.starts < year),
                and_(earlier.span == literal_column("'month'"), earlier.starts.between(year, group.c.last_month)),
            ),
        )
        .lateral("so_far")
    )
    lasting = (
        func.unnest(old.oldest_requested_at, old.oldest_closed_at)
        .table_valued("requested_at", "closed_at")
        .render_derived(name="lasting")
    )
    oldest = (
        select(func.min(lasting.c.requested_at).label("oldest_open"))
        .select_from(old)
        .join(lasting, true())
        .where(
            is_its(old),
            old.span == literal_column("'month'"),
            old.starts <= group.c.last_month,
            or_(lasting.c.closed_at.is_(None), lasting.c.closed_at >= group.c.ends),
        )
        .lateral("oldest")
    )

    def clock(name: str) -> Any:
        each = func.unnest(getattr(clocked, name)).table_valued("times", with_ordinality="number").render_derived(name="each")
        summed = (
            select(each.c.number, func.sum(each.c.times).label("times"))
            .select_from(clocked)
            .join(each, true())
            .where(
                is_its(clocked),
                clocked.span == literal_column("'month'"),
                clocked.starts.between(group.c.first_month, group.c.last_month),
            )
            .group_by(each.c.number)
            .correlate(group)
            .subquery("summed")
        )
        return select(func.array_agg(aggregate_order_by(summed.c.times, summed.c.number)).label(name)).lateral(f"by_{name}")

    hours, weekdays = clock("hours"), clock("weekdays")
    figures = [getattr(cell, name) for name in _CELL_FIGURES]
    return Statement(
        select(
            *(group.c[name] for name in ("period", "id", "code", "name", "population", "is_shown")),
            *figures,
            so_far.c.open,
            so_far.c.open_overdue,
            oldest.c.oldest_open,
            hours.c.hours,
            weekdays.c.weekdays,
        )
        .select_from(group)
        .outerjoin(
            cell,
            and_(is_its(cell), cell.span == bindparam("span", type_=Text), cell.starts == group.c.first_month),
        )
        .join(so_far, true())
        .join(oldest, true())
        .join(hours, true())
        .join(weekdays, true())
        .order_by(group.c.first_month, group.c.name.collate("C"), group.c.code.collate("C"))
    )


_CELL_FIGURES = [
    *("received", "duplicates", "answered", "reopened", "responded", "response_median", "response_p90", "closed"),
    *("closing_median", "closing_p90", "promised", "kept", "verdicts", "fixed", "scored", "scores"),
]


def _columns(period: Any, **columns: Any) -> list[Any]:
    given = {"id": _NO_ID, "code": _NO_TEXT, "name": literal_column("''::text", Text), "is_shown": _YES, **columns}
    given.setdefault("population", literal_column("null::bigint", BigInteger))
    of_period = [period.c.name.label("period"), *(period.c[name] for name in ("first_month", "last_month", "ends"))]
    return [*of_period, *(value.label(name) for name, value in given.items())]


def _key(grouping: int, **ids: Any) -> dict[str, Any]:
    values = {"group_id": _NO_ID, "service_id": _NO_ID, "channel": literal_column("''", Text), **ids}
    return {"grouping": literal_column(str(grouping)), **values}


def _city(period: Any, *_: bool) -> tuple[Any, Any]:
    return select(*_columns(period)), lambda group: _key(cells.ALL)


def _district(period: Any, is_of_service: bool, *_: bool) -> tuple[Any, Any]:
    groups = (
        select(*_columns(period, id=Boundary.id, code=Boundary.code, name=Boundary.name, population=Boundary.population))
        .select_from(Boundary)
        .join(period, in_force(Boundary.valid_from, Boundary.valid_to, period.c.at))
        .where(Boundary.jurisdiction_id == _CITY, Boundary.layer_id == _LAYER_ID)
    )
    if is_of_service:
        return groups, lambda group: _key(cells.DISTRICT_SERVICE, group_id=group.c.id, service_id=_SERVICE_ID)
    return groups, lambda group: _key(cells.DISTRICT, group_id=group.c.id)


def _department(period: Any, is_of_service: bool, *_: bool) -> tuple[Any, Any]:
    groups = (
        select(*_columns(period, id=Department.id, code=Department.code, name=Department.name))
        .select_from(Department)
        .join(period, true())
        .where(Department.jurisdiction_id == _CITY, Department.parent_id.is_(None))
    )
    if is_of_service:
        return groups, lambda group: _key(cells.DEPARTMENT_SERVICE, group_id=group.c.id, service_id=_SERVICE_ID)
    return groups, lambda group: _key(cells.DEPARTMENT, group_id=group.c.id)


def _service(period: Any, is_of_service: bool, is_in_district: bool, is_of_department: bool) -> tuple[Any, Any]:
    within = Boundary.id.label("within") if is_in_district else _NO_ID.label("within")
    groups = (
        select(*_columns(period, id=Service.id, code=Service.code, name=Service.name, is_shown=Service.is_active), within)
        .select_from(Service)
        .join(period, true())
        .where(Service.jurisdiction_id == _CITY, ~Service.is_private)
    )
    if is_in_district:
        groups = groups.join(
            Boundary,
            and_(
                Boundary.jurisdiction_id == _CITY,
                Boundary.layer_id == _LAYER_ID,
                Boundary.code == bindparam("boundary_code", type_=Text),
                in_force(Boundary.valid_from, Boundary.valid_to, period.c.at),
            ),
        )
        return groups, lambda group: _key(cells.DISTRICT_SERVICE, group_id=group.c.within, service_id=group.c.id)
    if is_of_department:
        department_id: Any = bindparam("department_id", type_=BigInteger)
        return groups, lambda group: _key(cells.DEPARTMENT_SERVICE, group_id=department_id, service_id=group.c.id)
    return groups, lambda group: _key(cells.SERVICE, group_id=group.c.id)


def _channel(period: Any, *_: bool) -> tuple[Any, Any]:
    known = (
        select(ScorecardCell.channel)
        .where(
            ScorecardCell.jurisdiction_id == _CITY,
            ScorecardCell.grouping == literal_column(str(cells.CHANNEL)),
            ScorecardCell.span == literal_column("'year'"),
        )
        .distinct()
        .subquery("known")
    )
    groups = select(*_columns(period, code=known.c.channel, name=known.c.channel)).select_from(known).join(period, true())
    return groups, lambda group: _key(cells.CHANNEL, channel=group.c.code)


_GROUPS: Mapping[str, Callable[..., tuple[Any, Any]]] = {
    CITY: _city,
    DISTRICT: _district,
    DEPARTMENT: _department,
    SERVICE: _service,
    CHANNEL: _channel,
}
