"""Which target a request has: that of its service before its group's before every service's."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from open311.cases.clock import Target
from routing.calendars import Hours
from schemas.casework import UNITS


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What is promised on the days from valid_from until before valid_to: details as an item of targets.yml has them."""

    details: Mapping[str, Any]
    valid_from: date | None
    valid_to: date | None

    def holds_on(self, day: date) -> bool:
        """Whether a request that comes in on this day has it."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day < self.valid_to)

    def __str__(self) -> str:
        unit = unit_of(self.details)
        said = unit.replace("_", " ")
        said = f"{self.details[unit]:g} {said.removesuffix('s') if self.details[unit] == 1 else said}"
        for word, day in (("from", self.valid_from), ("before", self.valid_to)):
            if day is not None:
                said += f" {word} {day}"
        return said


class Promises:
    """The targets of a city: (service or None, group or None, details), in the order of its file."""

    def __init__(self, targets: Iterable[tuple[Hashable, str | None, Mapping[str, Any]]], zone: ZoneInfo) -> None:
        self._zone = zone
        self._promises: dict[tuple[Hashable, str | None], list[Promise]] = defaultdict(list)
        for service, group, details in targets:
            promise = Promise(
                details=details, valid_from=_day(details.get("valid_from")), valid_to=_day(details.get("valid_to"))
            )
            self._promises[service, group].append(promise)

    def made_to(self, service: Hashable, group: str, requested_at: datetime) -> Promise | None:
        """The promise for a request that comes in at a moment, None where there is none."""
        day = requested_at.astimezone(self._zone).date()
        for key in ((service, None), (None, group), (None, None)):
            for promise in self._promises.get(key, ()):
                if promise.holds_on(day):
                    return promise
        return None


def unit_of(details: Mapping[str, Any]) -> str:
    """Which of UNITS a target's details give."""
    return next(unit for unit in UNITS if details.get(unit) is not None)


def amount_of(details: Mapping[str, Any]) -> dict[str, Any]:
    """Of a target's details what a clock keeps: the amount, its unit, the calendar."""
    return {name: details[name] for name in (*UNITS, "calendar") if details.get(name) is not None}


def timed(details: Mapping[str, Any], hours: Mapping[str, Hours], zone: ZoneInfo) -> Target:
    """A target's details with the hours of its calendar, by whose clocks it goes."""
    unit, code = unit_of(details), details.get("calendar")
    if code is not None:
        return Target(amount=details[unit], unit=unit, hours=hours[code])
    return Target(amount=details[unit], unit=unit, timezone=zone.key)


def _day(value: date | str | None) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else value
