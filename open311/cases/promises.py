"""How far the city's targets are those that it recorded, and how far a plain number of days is."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
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
from open311.cases.targets import Promise, Promises, timed
from open311.city.lines import BadFile
from open311.jurisdictions import City
from routing.calendars import Hours

TOLERANCE = timedelta(hours=1)


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
    hours: Mapping[str, Hours],
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
    found = [_compare(services[name], each, promises, hours, city.zone) for name, each in recorded.items()]
    return sorted(found, key=lambda compared: (-compared.cases, compared.service_code))


def _compare(
    service: Any,
    recorded: Sequence[tuple[datetime, datetime]],
    promises: Promises,
    hours: Mapping[str, Hours],
    zone: ZoneInfo,
) -> Compared:
    counted = Counter(_days_between(began, ended, zone) for began, ended in recorded)
    days = min(counted, key=lambda days: (-counted[days], days))
    plain = Target(amount=days, unit="calendar_days", timezone=zone.key) if days > 0 else None
    kept: list[Promise] = []
    equal = days_equal = 0
    for requested_at, expected_at in recorded:
        promise = promises.made_to(service.code, service.service_group, requested_at)
        target = timed(promise.details, hours, zone) if promise else None
        open_hours = target.hours if target else None
        if promise is not None and target is not None:
            if promise not in kept:
                kept.append(promise)
            equal += _is_equal(due(target, requested_at), expected_at, open_hours)
        days_equal += _is_equal(due(plain, requested_at) if plain else requested_at, expected_at, open_hours)
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
