"""When is a desk open?  Calendars of opening hours and of days that differ, as the city keeps them."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, SmallInteger, Text, UniqueConstraint, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column
from sqlalchemy.sql import ColumnElement

from db import Base, CityRow, city_key

MINUTES_A_DAY = 24 * 60

CalendarId = ColumnElement[int] | InstrumentedAttribute[int | None]


class Calendar(CityRow, Base):
    """Opening hours in the local time of `timezone`: by weekday, but for the days that differ."""

    __tablename__ = "calendar"
    __table_args__ = (UniqueConstraint("jurisdiction_id", "code"),)

    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    timezone: Mapped[str] = mapped_column(Text)


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
