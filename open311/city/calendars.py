"""How a city's calendars get into the database, and out of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from routing.calendars import Calendar, CalendarDay, CalendarHours, Hours
from schemas.calendar import days_that_differ


def as_hours(about: Mapping[str, Any], *, timezone: str) -> Hours:
    """The hours of a calendar as CalendarSchema loads it."""
    weekly: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for weekdays, spans in about["hours"].items():
        for weekday in weekdays:
            weekly[weekday] += spans
    days: dict[date, list[tuple[int, int]]] = defaultdict(list)
    for day, opens, closes, _ in days_that_differ(about):
        # A day that is closed is there without a stretch.
        stretches = days[day]
        if opens is not None and closes is not None:
            stretches.append((opens, closes))
    return Hours(timezone=timezone, weekly=dict(weekly), days=dict(days))


def put_calendars(
    session: Session,
    city_id: int,
    given: Iterable[Mapping[str, Any]],
    *,
    timezone: str,
    departments: Mapping[str, int],
) -> None:
    """Put these calendars in place; one that is gone stays until nothing needs it (drop_calendars).  Adds and flushes."""
    found = {row.code: row for row in session.scalars(select(Calendar).where(Calendar.jurisdiction_id == city_id))}
    for about in given:
        row = found.get(about["code"])
        if row is None:
            row = found[about["code"]] = Calendar(jurisdiction_id=city_id, code=about["code"])
            session.add(row)
        row.name, row.timezone, row.source = about["name"], timezone, dict(about["source"])
        row.department_id = departments[about["department"]] if about["department"] else None
        session.flush()
        _forget_hours(session, city_id, [row.id])
        session.add_all(
            CalendarHours(
                jurisdiction_id=city_id, calendar_id=row.id, weekday=weekday, opens_minute=opens, closes_minute=closes
            )
            for weekdays, spans in about["hours"].items()
            for weekday in weekdays
            for opens, closes in spans
        )
        session.add_all(
            CalendarDay(
                jurisdiction_id=city_id, calendar_id=row.id, day=day, opens_minute=opens, closes_minute=closes, name=name
            )
            for day, opens, closes, name in days_that_differ(about)
        )
    session.flush()


def drop_calendars(session: Session, city_id: int, *, but: Sequence[str]) -> None:
    """Drop the city's calendars whose codes are not among these."""
    gone = session.scalars(select(Calendar.id).where(Calendar.jurisdiction_id == city_id, Calendar.code.not_in(but))).all()
    _forget_hours(session, city_id, gone)
    session.execute(delete(Calendar).where(Calendar.jurisdiction_id == city_id, Calendar.id.in_(gone)))


def _forget_hours(session: Session, city_id: int, calendar_ids: Sequence[int]) -> None:
    for table in (CalendarHours, CalendarDay):
        session.execute(delete(table).where(table.jurisdiction_id == city_id, table.calendar_id.in_(calendar_ids)))
