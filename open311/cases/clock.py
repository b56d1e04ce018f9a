"""When has a target run out?  Working time and calendar time, with pauses, as they pass on the clocks of a place.

Moments come in and go out as aware datetimes; inside they are whole seconds since 1970, in UTC or on the wall.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from routing.calendars import Hours
from schemas.casework import UNITS, WHOLE_UNITS, WORKING_UNITS

# (began, ended); one that lasts has no end.
Pause = tuple[datetime, datetime | None]
# (begin, end) in seconds since 1970; the end is not part of it.
_Stretch = tuple[int, int]

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_DAYS_TO_1970 = date(1970, 1, 1).toordinal()
_TWO_YEARS = 2 * 366 * _DAY


class NeverOpen(ValueError):
    """The calendar has no opening within two years."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """How long a request or a phase may take: an amount of one of the UNITS.

    The working units go by `hours`; calendar_days by the clocks of `timezone`, or of `hours` when that is not given.
    """

    amount: float
    unit: str
    hours: Hours | None = None
    timezone: str | None = None

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"unit must be one of {', '.join(UNITS)}, got {self.unit!r}")
        if not (self.amount > 0 and math.isfinite(self.amount)):
            raise ValueError(f"amount must be more than 0, got {self.amount}")
        if self.unit in WHOLE_UNITS and self.amount != int(self.amount):
            raise ValueError(f"amount must be a whole number of {self.unit}, got {self.amount}")
        if self.unit in WORKING_UNITS and self.hours is None:
            raise ValueError(f"hours must be given for {self.unit}")
        if self.unit == "calendar_days" and self.hours is None and self.timezone is None:
            raise ValueError("timezone must be given for calendar_days")


def due(target: Target, start: datetime, pauses: Sequence[Pause] = ()) -> datetime:
    """The moment when the target is used up.

    working_days: the same time on the wall that many open days later, but not after that day's last closing; a start out
    of hours counts from the next opening.  working_hours: so much open time later.  calendar_days: the same time on the
    wall that many days later.  hours: so much later.
    A pause that began before the deadline pushes it by the working time, or the time, that it took; one that lasts has
    taken none yet.
    Raises NeverOpen.
    """
    began = _seconds(start)
    return _moment(_pushed(target, _due(target, began), _merged(pauses, began)))


def used(target: Target, start: datetime, now: datetime, pauses: Sequence[Pause] = ()) -> float:
    """The share of the target that is used by now: 1 when it is due, more when it is over; a pause that lasts stands still."""
    began, until = _seconds(start), _seconds(now)
    if until <= began:
        return 0.0
    passed = _passed(target, began, until)
    for pause_began, pause_ended in _merged(pauses, began, lasting_until=until):
        passed -= _passed(target, min(pause_began, until), min(pause_ended, until))
    return passed / _passed(target, began, _due(target, began))


def moment_of(target: Target, start: datetime, share: float, pauses: Sequence[Pause] = ()) -> datetime:
    """The first moment when this share of the target is used, `due` for 1; pauses as there.  Raises NeverOpen."""
    if not (share >= 0 and math.isfinite(share)):
        raise ValueError(f"share must be 0 or more, got {share}")
    began = _seconds(start)
    end = _due(target, began)
    if share != 1:
        seconds = math.ceil(round(share * _passed(target, began, end), 3))
        end = _later(target, began, seconds)
    return _moment(_pushed(target, end, _merged(pauses, began)))


def open_seconds(hours: Hours, start: datetime, end: datetime) -> int:
    """The seconds between two moments in which it is open; 0 when the end is not after the start."""
    return _open_seconds(hours, _seconds(start), _seconds(end))


def after_open_seconds(hours: Hours, start: datetime, seconds: int) -> datetime:
    """The first moment by which it was open for so many seconds since start.  Raises NeverOpen."""
    return _moment(_after_open_seconds(hours, _seconds(start), seconds))


def _seconds(moment: datetime) -> int:
    return math.floor(moment.timestamp())


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _due(target: Target, start: int) -> int:
    """When the target is used up without a pause."""
    if target.unit == "hours":
        return start + math.ceil(target.amount * _HOUR)
    if target.unit == "calendar_days":
        zone = target.timezone or _hours_of(target).timezone
        return _first_at(zone, _wall(zone, start) + int(target.amount) * _DAY)
    if target.unit == "working_hours":
        return _after_open_seconds(_hours_of(target), start, math.ceil(target.amount * _HOUR))
    return _working_days_later(_hours_of(target), start, int(target.amount))


def _working_days_later(hours: Hours, start: int, days: int) -> int:
    opened, _ = next(_openings(hours, start))
    day, second = divmod(_wall(hours.timezone, opened), _DAY)
    last_open = day
    while days:
        day += 1
        spans = hours.on(date.fromordinal(day + _DAYS_TO_1970))
        if spans:
            days -= 1
            last_open = day
        elif (day - last_open) * _DAY >= _TWO_YEARS:
            raise NeverOpen
    closes = max(until for _, until in spans) * _MINUTE
    return _first_at(hours.timezone, day * _DAY + min(second, closes))


def _hours_of(target: Target) -> Hours:
    assert target.hours is not None
    return target.hours


def _passed(target: Target, start: int, end: int) -> int:
    """The seconds between two moments that count for the target."""
    return _open_seconds(_hours_of(target), start, end) if target.unit in WORKING_UNITS else end - start


def _later(target: Target, start: int, seconds: int) -> int:
    """The first moment by which so many seconds that count for the target have passed."""
    return _after_open_seconds(_hours_of(target), start, seconds) if target.unit in WORKING_UNITS else start + seconds


def _pushed(target: Target, deadline: int, pauses: Sequence[_Stretch]) -> int:
    """The deadline later by what the pauses took that began before it."""
    for began, ended in pauses:
        if began >= deadline:
            break
        deadline = _later(target, deadline, _passed(target, began, ended))
    return deadline


def _merged(pauses: Sequence[Pause], start: int, *, lasting_until: int | None = None) -> list[_Stretch]:
    """The pauses in order, what two of them share once; of one that lasts nothing, or what there is until a moment."""
    merged: list[_Stretch] = []
    ends = ((began, lasting_until if ended is None else _seconds(ended)) for began, ended in pauses)
    for begin, end in sorted((max(_seconds(began), start), end) for began, end in ends if end is not None):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        elif begin < end:
            merged.append((begin, end))
    return merged


def _open_seconds(hours: Hours, start: int, end: int) -> int:
    total = 0
    for opens, closes in _openings(hours, start, end):
        total += closes - opens
    return total


def _after_open_seconds(hours: Hours, start: int, seconds: int) -> int:
    if seconds <= 0:
        return start
    for opens, closes in _openings(hours, start):
        if closes - opens >= seconds:
            return opens + seconds
        seconds -= closes - opens
    raise AssertionError("unreachable: the openings never end")


def _openings(hours: Hours, start: int, end: int | None = None) -> Iterator[_Stretch]:
    """The stretches in which it is open, in order, from a moment until another, or for ever.

    Raises NeverOpen where there is none for two years and no end is given.
    """
    given_up = start + _TWO_YEARS
    for begin, until, offset in _offsets_since(hours.timezone, start):
        # In here the wall is as far from UTC throughout, so that no time on it is left out or comes twice.
        begin, until = max(begin, start), until if end is None else min(until, end)
        for day in range((begin + offset) // _DAY, -(-(until + offset) // _DAY)):
            midnight = day * _DAY - offset
            for opens_minute, closes_minute in sorted(hours.on(date.fromordinal(day + _DAYS_TO_1970))):
                opens = max(midnight + opens_minute * _MINUTE, begin)
                closes = min(midnight + closes_minute * _MINUTE, until)
                if opens < closes:
                    if end is None and opens > given_up:
                        raise NeverOpen
                    given_up = closes + _TWO_YEARS
                    yield opens, closes
        if end is None and until > given_up:
            raise NeverOpen
        if until == end:
            return


def _wall(zone: str, at: int) -> int:
    """What the clocks of a zone show at a moment."""
    _, _, offset = next(_offsets_since(zone, at))
    return at + offset


def _first_at(zone: str, wall: int) -> int:
    """The first moment at which the clocks of a zone show this; where they leave it out, that at which they do."""
    # No clock is a day or more from UTC.
    for begin, end, offset in _offsets_since(zone, wall - _DAY):
        if wall - offset < end:
            return max(wall - offset, begin)
    raise AssertionError("unreachable: the offsets never end")


def _offsets_since(zone: str, at: int) -> Iterator[tuple[int, int, int]]:
    """(begin, end, seconds east of UTC) of a zone, in order, from those in which a moment lies."""
    year = datetime.fromtimestamp(at, UTC).year
    while True:
        for each in _offsets(zone, year):
            if at < each[1]:
                yield each
        year += 1


@lru_cache(maxsize=512)
def _offsets(zone: str, year: int) -> Sequence[tuple[int, int, int]]:
    """The parts of a year of UTC in each of which the clocks of a zone are as far from it throughout."""
    of_zone = ZoneInfo(zone)

    def offset(at: int) -> int:
        found = datetime.fromtimestamp(at, of_zone).utcoffset()
        assert found is not None
        return int(found.total_seconds())

    begin, end = (_seconds(datetime(each, 1, 1, tzinfo=UTC)) for each in (year, year + 1))
    parts: list[tuple[int, int, int]] = []
    for midnight in range(begin + _DAY, end + _DAY, _DAY):
        before, after = midnight - _DAY, min(midnight, end - 1)
        if offset(before) != offset(after):
            while after - before > 1:
                middle = (before + after) // 2
                before, after = (middle, after) if offset(middle) == offset(before) else (before, middle)
            parts.append((begin, after, offset(before)))
            begin = after
    parts.append((begin, end, offset(end - 1)))
    return parts
