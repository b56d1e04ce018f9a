"""Past cases of a city: routed by our rules, and kept with their own numbers."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from psycopg import Connection, Cursor
from psycopg.types.json import Jsonb
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    MetaData,
    SmallInteger,
    Table,
    Text,
    bindparam,
    cast,
    false,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.types import TypeEngine

from db.driver import Statement, planned_for_many
from geo.placing import Placed, place_all
from geo.queries import make_point
from open311.cases import deadlines
from open311.cases.casework import casework
from open311.cases.clock import used
from open311.cases.recorded import BadRow, ExportMapping, RecordedCase, rows_of
from open311.jurisdictions import City
from open311.models import Service, ServiceRequest
from routing.decision import Decision, candidates, decide, winners

BATCH_ROWS = 5000
WEEK = timedelta(weeks=1)


@dataclass
class Imported:
    """What an import did, counted in cases; problems are `file:line: what`, of batches that were not kept."""

    kept: int = 0
    already_there: int = 0
    placed_by_address: int = 0
    without_place: int = 0
    skipped_without_place: int = 0
    closed_before_opened: int = 0
    problems: list[str] = field(default_factory=list)


def weeks_to_now(path: Path, mapping: ExportMapping, *, now: datetime) -> int:
    """By how many whole weeks the dates can move so that the newest opening does not lie after now."""
    newest = max(filter(None, (mapping.opened_at(row) for _, row in rows_of(path, mapping))), default=now)
    about = (now - newest) // WEEK
    # Weeks of the city's clock: with summer time between they are an hour longer or shorter.
    fitting = [weeks for weeks in (about - 1, about, about + 1) if mapping.moved(newest, weeks * WEEK) <= now]
    return max([0, *fitting])


class Importer:
    """Imports an export's cases for one city, a batch at a time; a batch is kept whole or not at all.

    A case whose number is there already is left as it is, so that an import that was cut off is simply run again.
    """

    def __init__(self, connection: "Connection[Any]", city: City, path: Path, mapping: ExportMapping) -> None:
        self._connection, self._city, self._path, self._mapping = connection, city, path, mapping
        self._services = services_named(connection, city, mapping)
        self._batch = Batch(connection, city)
        self.result = Imported()

    def batches(self, *, weeks: int, now: datetime) -> Iterator[Callable[[], int]]:
        """One call a batch: it keeps the batch on the connection's transaction and gives the rows it read."""
        moved = weeks * WEEK
        rows = rows_of(self._path, self._mapping)
        while chunk := list(islice(rows, BATCH_ROWS)):
            yield lambda chunk=chunk: self._import(chunk, moved=moved, now=now)  # type: ignore[misc]

    def finish(self) -> Imported:
        """What was done; lists are planned by the statistics that this gathers."""
        self._connection.execute("analyze service_request, request_event, request_district, request_clock")
        return self.result

    def _import(self, rows: Sequence[tuple[int, dict[str, str | None]]], *, moved: timedelta, now: datetime) -> int:
        cases, problems = read_cases(rows, self._path, self._mapping, moved=moved, now=now)
        problems += [
            f"{self._path}:{each.line}: {self._mapping.columns['service']} {each.service!r} is no service of {self._city.name}"
            for each in cases
            if each.service not in self._services
        ]
        self.result.problems += problems
        if not problems:
            self._keep(cases)
        return len(rows)

    def _keep(self, cases: Sequence[RecordedCase]) -> None:
        cases = placed_by_address(self._connection, self._city, cases)
        placed = [each for each in cases if each.point is not None or self._mapping.keeps_unlocated]
        # Of a number that stands twice the first case counts, in one batch as in two.
        new = list({each.number: each for each in reversed(placed)}.values())[::-1]
        decisions = self._batch.decide(
            (each, self._services[each.service].id, self._services[each.service].service_group) for each in new
        )
        kept = self._batch.keep(new, decisions, self._services)
        result = self.result
        result.kept += len(kept)
        result.already_there += len(placed) - len(kept)
        result.skipped_without_place += len(cases) - len(placed)
        result.placed_by_address += sum(1 for each in kept if each.placed is not None)
        result.without_place += sum(1 for each in kept if each.point is None)
        result.closed_before_opened += sum(1 for each in kept if each.was_closed_early)


def read_cases(
    rows: Sequence[tuple[int, dict[str, str | None]]],
    path: Path,
    mapping: ExportMapping,
    *,
    moved: timedelta,
    now: datetime,
) -> tuple[list[RecordedCase], list[str]]:
    """The cases of the rows, and what is wrong with those that have none."""
    cases: list[RecordedCase] = []
    problems: list[str] = []
    for line, row in rows:
        try:
            cases.append(mapping.case(row, line, moved=moved, now=now))
        except BadRow as error:
            problems.append(f"{path}:{line}: {error}")
    return cases, problems


def placed_by_address(connection: "Connection[Any]", city: City, cases: Sequence[RecordedCase]) -> list[RecordedCase]:
    """The cases, those without a point at the place of their address, where the city's table of addresses knows it."""
    texts = {
        each.line: (_with_zipcode(each.address, each.zipcode), each.address_id)
        for each in cases
        if each.point is None and (each.address or each.address_id)
    }
    if not texts:
        return list(cases)
    found = place_all(connection, texts, jurisdiction_id=city.id, city_name=city.name)
    return [
        replace(each, point=placed.point, placed=placed) if isinstance(placed := found.get(each.line), Placed) else each
        for each in cases
    ]


def _with_zipcode(address: str | None, zipcode: str | None) -> str | None:
    return f"{address}, {zipcode}" if address and zipcode and zipcode not in address else address


def services_named(connection: "Connection[Any]", city: City, mapping: ExportMapping) -> dict[str, Any]:
    """Recorded name to the service's id, code, name, service_group, type, is_private and coarse_metres."""
    column = Service.code if mapping.match["service"] == "service_code" else Service.name
    composed = select(
        column.label("named"),
        Service.id,
        Service.code,
        Service.name,
        Service.service_group,
        Service.type,
        Service.is_private,
        Service.coarse_metres,
    ).where(Service.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger))
    return {row.named: row for row in Statement(composed).run(connection, jurisdiction_id=city.id)}


class Batch:
    """Many cases at once: one candidate query over all of them, and rows by COPY."""

    def __init__(self, connection: "Connection[Any]", city: City, *, at: datetime | None = None) -> None:
        """at: decide every case by the rules and maps in force then; None: by those of the moment when it was opened."""
        self._connection, self._city, self._at = connection, city, at
        for table, columns in (("recorded_case", _COLUMNS), ("recorded_request", _REQUEST_COLUMNS)):
            declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
            connection.execute(f"create temp table if not exists {table} ({declared}) on commit delete rows")

    def decide(self, cases: Iterator[tuple[RecordedCase, int, str]]) -> dict[int, Decision]:
        """Line of each case (case, service id, service group): its decision, by the rules and maps in force."""
        rows = self._run(_ROUTE, cases)
        return {key: decide(list(group)) for key, group in groupby(rows, key=lambda row: row.key)}

    def answering(self, cases: Iterator[tuple[RecordedCase, int, str]]) -> dict[int, tuple[int, int | None]]:
        """Line of each case: the ids of the department and the unit that answer, without the reasons."""
        return {row.key: (row.department_id, row.unit_id) for row in self._run(_WINNERS, cases)}

    def _run(self, statement: Statement, cases: Iterator[tuple[RecordedCase, int, str]]) -> "Cursor[Any]":
        self._connection.execute("truncate recorded_case")
        with self._connection.cursor().copy(f"copy recorded_case ({', '.join(_COLUMNS)}) from stdin") as copy:
            for each, service_id, group in cases:
                point = each.point
                place = (point and point.long, point and point.lat)
                copy.write_row((each.line, service_id, group, *place, self._at or each.requested_at, each.requested_at))
        self._connection.execute("analyze recorded_case")
        with planned_for_many(self._connection):
            return statement.run(
                self._connection,
                jurisdiction_id=self._city.id,
                default_department_id=self._city.default_department_id,
            )

    def keep(
        self, cases: Sequence[RecordedCase], decisions: Mapping[int, Decision], services: Mapping[str, Any]
    ) -> list[RecordedCase]:
        """The cases that were not there already, kept with history and stamps."""
        self._connection.execute("truncate recorded_request")
        self._copy(
            "recorded_request",
            tuple(_REQUEST_COLUMNS),
            (self._request(each, services[each.service], decisions[each.line]) for each in cases),
        )
        ids = {row.number: row.id for row in _INSERT.run(self._connection, jurisdiction_id=self._city.id)}
        kept = [each for each in cases if each.number in ids]
        self._copy(
            "request_event",
            ("jurisdiction_id", "request_id", "at", "kind", "facts"),
            (row for each in kept for row in self._events(each, ids[each.number], decisions[each.line])),
        )
        self._copy(
            "request_district",
            ("jurisdiction_id", "request_id", "boundary_id", "requested_at"),
            (
                (self._city.id, ids[each.number], boundary_id, each.requested_at)
                for each in kept
                for boundary_id in decisions[each.line].boundary_ids
            ),
        )
        self._begin_clocks((each, ids[each.number], services[each.service], decisions[each.line]) for each in kept)
        return kept

    def _begin_clocks(self, kept: Iterable[tuple[RecordedCase, int, Any, Decision]]) -> None:
        """Let the targets of what is open run from when it came in; steps of ladders that are past are not taken any more."""
        work, now = casework(self._connection, self._city.id), datetime.now(UTC)
        rows = []
        for each, request_id, service, decision in kept:
            target = work.target_of(service.id, service.service_group, at=each.requested_at)
            if each.closed_at is not None or target is None:
                continue
            climbed_to = used(work.timed(target), each.requested_at, now)
            ladder = work.ladder_of(service.id, decision.chosen.department_id)
            found = deadlines.deadline(work, target, each.requested_at, ladder=ladder, climbed_to=climbed_to)
            times = (each.requested_at, found.due_at, found.next_step_at)
            rows.append((self._city.id, request_id, Jsonb(target), climbed_to, *times))
        columns = ("jurisdiction_id", "request_id", "target", "climbed_to", "started_at", "due_at", "next_step_at")
        self._copy("request_clock", columns, iter(rows))

    def _request(self, each: RecordedCase, service: Any, decision: Decision) -> tuple[Any, ...]:
        point, chosen = each.point, decision.chosen
        return (
            each.number,
            service.id,
            each.status,
            each.status,
            each.status_notes,
            each.description,
            chosen.department_id,
            chosen.unit_id,
            each.requested_at,
            each.updated_at,
            each.expected_at,
            each.closed_at,
            each.address,
            each.address_id,
            each.zipcode,
            point and point.long,
            point and point.lat,
            each.channel,
            not service.is_private and service.type != "blackbox",
            service.coarse_metres,
        )

    def _events(self, each: RecordedCase, request_id: int, decision: Decision) -> Iterator[tuple[Any, ...]]:
        key = (self._city.id, request_id)
        received: dict[str, Any] = {"channel": each.channel, "imported": True}
        if each.placed is not None:
            received["placed"] = {"how": each.placed.how, "address": each.placed.line}
        yield (*key, each.requested_at, "received", Jsonb(received))
        yield (*key, each.requested_at, "recorded", Jsonb({"department": each.department, "unit": each.unit}))
        yield (*key, each.requested_at, "routed", Jsonb(decision.as_record(each.point)))
        if each.closed_at is not None:
            yield (*key, each.closed_at, "closed", Jsonb({"closed_before_opened": each.was_closed_early}))

    def _copy(self, table: str, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
        with self._connection.cursor().copy(f"copy {table} ({', '.join(columns)}) from stdin") as copy:
            for row in rows:
                copy.write_row(row)


_TIME, _LONG = "timestamptz", "double precision"
_COLUMNS = {
    "key": "bigint",
    "service_id": "bigint",
    "service_group": "text",
    "long": _LONG,
    "lat": _LONG,
    "at": _TIME,
    "reported_at": _TIME,
}
_REQUEST_COLUMNS = {
    "number": "text",
    "service_id": "bigint",
    "status": "text",
    "case_status": "text",
    "status_notes": "text",
    "description": "text",
    "department_id": "bigint",
    "unit_id": "bigint",
    "requested_at": _TIME,
    "updated_at": _TIME,
    "expected_at": _TIME,
    "closed_at": _TIME,
    "address": "text",
    "address_id": "text",
    "zipcode": "text",
    "long": _LONG,
    "lat": _LONG,
    "channel": "text",
    "is_public": "boolean",
    "coarse_metres": "smallint",
}
_TYPES: Mapping[str, TypeEngine[Any]] = {
    "bigint": BigInteger(),
    "smallint": SmallInteger(),
    "text": Text(),
    _LONG: Double(),
    _TIME: TIMESTAMP(timezone=True),
    "boolean": Boolean(),
}


def _table(name: str, columns: Mapping[str, str]) -> Table:
    return Table(name, MetaData(), *[Column(column, _TYPES[kind]) for column, kind in columns.items()])


_RECORDED = _table("recorded_case", _COLUMNS)
_CASES = select(
    _RECORDED.c.key,
    _RECORDED.c.service_id,
    _RECORDED.c.service_group,
    make_point(long=_RECORDED.c.long, lat=_RECORDED.c.lat).label("location"),
    _RECORDED.c.at,
    _RECORDED.c.reported_at,
    cast(text("'{}'"), JSONB).label("attributes"),
    bindparam("default_department_id", type_=BigInteger).label("default_department_id"),
    false().label("is_unplaced"),
).subquery("case")
_ROUTE = Statement(candidates(_CASES, bindparam("jurisdiction_id", type_=BigInteger)))
_WINNERS = Statement(winners(_CASES, bindparam("jurisdiction_id", type_=BigInteger)))

_REQUESTS = _table("recorded_request", _REQUEST_COLUMNS)
_PLAIN = [name for name in _REQUEST_COLUMNS if name not in ("long", "lat")]
_INSERT = Statement(
    upsert(ServiceRequest)
    .from_select(
        ["jurisdiction_id", "location", *_PLAIN],
        select(
            bindparam("jurisdiction_id", type_=BigInteger),
            make_point(long=_REQUESTS.c.long, lat=_REQUESTS.c.lat),
            *[_REQUESTS.c[name] for name in _PLAIN],
        ),
    )
    .on_conflict_do_nothing(index_elements=["jurisdiction_id", "number"])
    .returning(ServiceRequest.id, ServiceRequest.number)
)
