"""How far the city's targets are those that it recorded, and how far a plain number of days is."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection

from open311.cases.clock import Target, due, open_seconds
from open311.cases.importing import BATCH_ROWS, read_cases, services_named
from open311.cases.recorded import ExportMapping, rows_of
from open311.city.lines import BadFile
from open311.jurisdictions import City
from routing.calendars import Hours
from schemas.casework import UNITS, WORKING_UNITS

TOLERANCE = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A target and the days on which a request must come in to have it; valid_to is the first on which it no longer does."""

    target: Target
    valid_from: date | None
    valid_to: date | None

    def holds_on(self, day: date) -> bool:
        """Whether a request that comes in on this day has it."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day < self.valid_to)

    def __str__(self) -> str:
        unit = self.target.unit.replace("_", " ")
        said = f"{self.target.amount:g} {unit.removesuffix('s') if self.target.amount == 1 else unit}"
        for word, day in (("from", self.valid_from), ("before", self.valid_to)):
            if day is not None:
                said += f" {word} {day}"
        return said


class Promises:
    """The targets of a city, each as TargetSchema loads it: that of a service before its group's before every service's."""

    def __init__(self, targets: Iterable[Mapping[str, Any]], hours: Mapping[str, Hours], zone: ZoneInfo) -> None:
        self._zone = zone
        self._promises: dict[tuple[str | None, str | None], list[Promise]] = defaultdict(list)
        for about in targets:
            unit = next(unit for unit in UNITS if about[unit] is not None)
            target = Target(
                amount=about[unit],
                unit=unit,
                hours=hours[about["calendar"]] if unit in WORKING_UNITS else None,
                timezone=None if unit in WORKING_UNITS else zone.key,
            )
            promise = Promise(target=target, valid_from=about["valid_from"], valid_to=about["valid_to"])
            self._promises[about["service_code"], about["group"]].append(promise)

    def made_to(self, service_code: str, group: str, requested_at: datetime) -> Promise | None:
        """The promise for a request that comes in at a moment, None where there is none."""
        day = requested_at.astimezone(self._zone).date()
        for key in ((service_code, None), (None, group), (None, None)):
            for promise in self._promises.get(key, ()):
                if promise.holds_on(day):
                    return promise
        return None


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The recorded deadlines of a service beside ours and beside its commonest number of calendar days.

    equal, days_equal: how many of the cases lie within TOLERANCE, in the time that counts for the target.
    """

    service_code: str
    service_name: str
    promises: Sequence[Promise]
    cases: int
    equal: int
    days: int
    days_equal: int

    def as_shares(self) -> dict[str, Any]:
        """What is printed as JSON."""
        return {
            "service_code": self.service_code,
            "service_name": self.service_name,
            "targets": [str(promise) for promise in self.promises],
            "cases": self.cases,
            "equal": share(self.equal, self.cases),
            "calendar_days": self.days,
            "calendar_days_equal": share(self.days_equal, self.cases),
        }


def share(count: int, of: int) -> float:
    """A share to four decimals, 0 of nothing."""
    return round(count / of, 4) if of else 0.0


def compare(
    connection: "Connection[Any]",
    city: City,
    path: Path,
    mapping: ExportMapping,
    promises: Promises,
    *,
    now: datetime,
    advance: Callable[[int], object] = lambda rows: None,
) -> list[Compared]:
    """Each service of which a file records a deadline, those of most cases first.  advance is told of the rows read.

    Raises BadFile: rows that cannot be read, services that the city does not have, no deadline at all.
    """
    if "expected_datetime" not in mapping.columns:
        raise BadFile([f"{mapping.path}:1: columns: must name that of expected_datetime, to compare with it"])
    services = services_named(connection, city, mapping)
    recorded: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
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
        for each in cases:
            if each.expected_at is not None:
                recorded[each.service].append((each.requested_at, each.expected_at))
        advance(len(chunk))
    if not recorded:
        raise BadFile([f"{path}:1: has no case with {mapping.columns['expected_datetime']}"])
    found = [_compare(services[name], each, promises, city.zone) for name, each in recorded.items()]
    return sorted(found, key=lambda compared: (-compared.cases, compared.service_code))


def _compare(service: Any, recorded: Sequence[tuple[datetime, datetime]], promises: Promises, zone: ZoneInfo) -> Compared:
    counted = Counter(_days_between(began, ended, zone) for began, ended in recorded)
    days = min(counted, key=lambda days: (-counted[days], days))
    plain = Target(amount=days, unit="calendar_days", timezone=zone.key) if days > 0 else None
    kept: list[Promise] = []
    equal = days_equal = 0
    for requested_at, expected_at in recorded:
        promise = promises.made_to(service.code, service.service_group, requested_at)
        hours = promise.target.hours if promise else None
        if promise is not None:
            if promise not in kept:
                kept.append(promise)
            equal += _is_equal(due(promise.target, requested_at), expected_at, hours)
        days_equal += _is_equal(due(plain, requested_at) if plain else requested_at, expected_at, hours)
    return Compared(
        service_code=service.code,
        service_name=service.name,
        promises=sorted(kept, key=lambda promise: promise.valid_from or date.min),
        cases=len(recorded),
        equal=equal,
        days=days,
        days_equal=days_equal,
    )


def _days_between(one: datetime, other: datetime, zone: ZoneInfo) -> int:
    return (other.astimezone(zone).date() - one.astimezone(zone).date()).days


def _is_equal(one: datetime, other: datetime, hours: Hours | None) -> bool:
    """Whether two moments lie within TOLERANCE, by these hours or by the clock."""
    first, last = sorted((one, other))
    passed = last - first if hours is None else timedelta(seconds=open_seconds(hours, first, last))
    return passed <= TOLERANCE
