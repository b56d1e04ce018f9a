"""When is a desk open?  Calendars of opening hours and of days that differ, as the city keeps them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from psycopg import Connection
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column
from sqlalchemy.sql import ColumnElement

from db import Base, CityRow, city_key
from db.driver import Statement

MINUTES_A_DAY = 24 * 60

CalendarId = ColumnElement[int] | InstrumentedAttribute[int | None]


class Calendar(CityRow, Base):
    """Opening hours in the local time of `timezone`: by weekday, but for the days that differ.

    source: the item of calendars.yml as it was written.  department_id: whose it is; null: the whole city's.
    """

    __tablename__ = "calendar"
    __table_args__ = (city_key("department_id", "department"), UniqueConstraint("jurisdiction_id", "code"))

    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    timezone: Mapped[str] = mapped_column(Text)
    source: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    department_id: Mapped[int | None]


class CalendarHours(CityRow, Base):
    """A stretch of a weekday (1 is Monday, 7 Sunday) in minutes after midnight; it closes before closes_minute."""

    __tablename__ = "calendar_hours"
    __table_args__ = (
        city_key("calendar_id", "calendar"),
        CheckConstraint("weekday between 1 and 7", name="weekday"),
        CheckConstraint(
            f"0 <= opens_minute and opens_minute < closes_minute and closes_minute <= {MINUTES_A_DAY}", name="minutes"
        ),
        Index(None, "jurisdiction_id", "calendar_id", "weekday"),
    )

    calendar_id: Mapped[int]
    weekday: Mapped[int] = mapped_column(SmallInteger)
    opens_minute: Mapped[int] = mapped_column(SmallInteger)
    closes_minute: Mapped[int] = mapped_column(SmallInteger)


class CalendarDay(CityRow, Base):
    """A day that differs from its weekday: closed (minutes null), or open for this stretch; `name` says why."""

    __tablename__ = "calendar_day"
    __table_args__ = (
        city_key("calendar_id", "calendar"),
        UniqueConstraint("jurisdiction_id", "calendar_id", "day", "opens_minute"),
        CheckConstraint("(opens_minute is null) = (closes_minute is null)", name="both_minutes"),
        CheckConstraint(
            f"0 <= opens_minute and opens_minute < closes_minute and closes_minute <= {MINUTES_A_DAY}", name="minutes"
        ),
    )

    calendar_id: Mapped[int]
    day: Mapped[date]
    opens_minute: Mapped[int | None] = mapped_column(SmallInteger)
    closes_minute: Mapped[int | None] = mapped_column(SmallInteger)
    name: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True, kw_only=True)
class Hours:
    """The hours of a calendar as stretches of minutes: of each weekday (1 is Monday), and of the days that differ."""

    timezone: str
    weekly: Mapping[int, Sequence[tuple[int, int]]]
    days: Mapping[date, Sequence[tuple[int, int]]]

    def on(self, day: date) -> Sequence[tuple[int, int]]:
        """The stretches of this day, (opens, closes) in minutes after midnight."""
        return self.days.get(day, self.weekly.get(day.isoweekday(), ()))

    def is_open(self, day: date, minute: int) -> bool:
        """Whether it is open in this minute of its local time, as the function `is_open` has it in the database."""
        return any(opens <= minute < closes for opens, closes in self.on(day))


def read_hours(connection: "Connection[Any]", *, jurisdiction_id: int) -> dict[int, Hours]:
    """Each calendar of the city by its id."""
    weekly: dict[int, dict[int, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for row in _HOURS.run(connection, jurisdiction_id=jurisdiction_id):
        weekly[row.calendar_id][row.weekday].append((row.opens_minute, row.closes_minute))
    days: dict[int, dict[date, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for row in _DAYS.run(connection, jurisdiction_id=jurisdiction_id):
        # A day that is closed is there without a stretch.
        stretches = days[row.calendar_id][row.day]
        if row.opens_minute is not None:
            stretches.append((row.opens_minute, row.closes_minute))
    return {
        row.id: Hours(timezone=row.timezone, weekly=weekly[row.id], days=days[row.id])
        for row in _CALENDARS.run(connection, jurisdiction_id=jurisdiction_id)
    }


def share_a_moment(one: tuple[Hours, str], other: tuple[Hours, str], *, since: date) -> bool:
    """Whether there is a moment from `since` on when both are as is asked of them, each "open" or "closed".

    Calendars of two timezones are taken to share one.
    """
    calendars = (one[0], other[0])
    if one[0].timezone != other[0].timezone:
        return True
    differing = {day for hours in calendars for day in hours.days if day >= since}
    # After the last day that differs every week is as the next.
    ordinary = max(differing, default=since)
    for day in [*sorted(differing), *(ordinary + timedelta(days=ahead) for ahead in range(1, 8))]:
        changes = {0, *(minute for hours in calendars for stretch in hours.on(day) for minute in stretch)} - {MINUTES_A_DAY}
        if any(all(hours.is_open(day, minute) == (during == "open") for hours, during in (one, other)) for minute in changes):
            return True
    return False


def is_open(jurisdiction_id: ColumnElement[int], calendar_id: CalendarId, at: ColumnElement[datetime]) -> ColumnElement[bool]:
    """Whether the calendar of this id is open at a moment; null when there is no such calendar."""
    local = func.timezone(Calendar.timezone, at)
    minute = func.extract("hour", local) * 60 + func.extract("minute", local)

    def there_is(table: type[CalendarHours] | type[CalendarDay], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        found = select(table.id).where(table.jurisdiction_id == jurisdiction_id, table.calendar_id == Calendar.id, *conditions)
        return found.correlate_except(table).exists()

    def now_open(table: type[CalendarHours] | type[CalendarDay]) -> ColumnElement[bool]:
        return and_(table.opens_minute <= minute, table.closes_minute > minute)

    is_its_day = CalendarDay.day == func.date(local)
    answer = or_(
        there_is(CalendarDay, is_its_day, now_open(CalendarDay)),
        and_(
            there_is(CalendarHours, CalendarHours.weekday == func.extract("isodow", local), now_open(CalendarHours)),
            ~there_is(CalendarDay, is_its_day),
        ),
    )
    return (
        select(answer)
        .where(Calendar.jurisdiction_id == jurisdiction_id, Calendar.id == calendar_id)
        .correlate_except(Calendar)
        .scalar_subquery()
    )


_CITY = bindparam("jurisdiction_id", type_=BigInteger)

_CALENDARS = Statement(select(Calendar.id, Calendar.timezone).where(Calendar.jurisdiction_id == _CITY))
_HOURS = Statement(
    select(CalendarHours.calendar_id, CalendarHours.weekday, CalendarHours.opens_minute, CalendarHours.closes_minute).where(
        CalendarHours.jurisdiction_id == _CITY
    )
)
_DAYS = Statement(
    select(CalendarDay.calendar_id, CalendarDay.day, CalendarDay.opens_minute, CalendarDay.closes_minute).where(
        CalendarDay.jurisdiction_id == _CITY
    )
)
