"""How a city's calendars get into the database, and out of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from db import driver_connection
from open311.cases.settling import settle_later
from open311.city.lines import BadFile
from open311.models import Jurisdiction, RequestClock, RequestPhase, ServiceRequest
from routing.calendars import Calendar, CalendarDay, CalendarHours, Hours
from schemas.calendar import WEEKDAYS, days_that_differ


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
    """Put these calendars in place; one that is gone stays until nothing needs it (drop_calendars).  Adds and flushes.

    What goes by one that changes is due at another time: a job computes it anew.
    """
    has_changed = False
    found = {row.code: row for row in session.scalars(select(Calendar).where(Calendar.jurisdiction_id == city_id))}
    for about in given:
        row = found.get(about["code"])
        if row is None:
            row = found[about["code"]] = Calendar(jurisdiction_id=city_id, code=about["code"])
            session.add(row)
        else:
            has_changed |= (row.timezone, row.source) != (timezone, about["source"])
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
    if has_changed:
        settle_later(driver_connection(session), jurisdiction_id=city_id)


def drop_calendars(session: Session, city_id: int, *, but: Sequence[str], file: Path, now: datetime) -> None:
    """Drop the city's calendars whose codes are not among these.

    Raises BadFile, whose message names the file, when the clocks of requests go by one.
    """
    rows = session.execute(
        select(Calendar.id, Calendar.code)
        .where(Calendar.jurisdiction_id == city_id, Calendar.code.not_in(but))
        .order_by(Calendar.code)
    ).all()
    problems = [
        f"{file}:1: the calendar {row.code!r} is gone, and {used} request{'s go' if used > 1 else ' goes'} by it "
        "that are open or can be reopened"
        for row in rows
        if (used := _requests_by(session, city_id, row.code, now=now))
    ]
    if problems:
        raise BadFile(problems)
    gone = [row.id for row in rows]
    _forget_hours(session, city_id, gone)
    session.execute(delete(Calendar).where(Calendar.jurisdiction_id == city_id, Calendar.id.in_(gone)))


def calendars_of(session: Session, city_id: int) -> list[dict[str, Any]]:
    """The items of calendars.yml that are in place, as they were written, in the order in which they came."""
    rows = session.scalars(select(Calendar).where(Calendar.jurisdiction_id == city_id).order_by(Calendar.id))
    return [dict(row.source) or _item(session, row) for row in rows]


def _item(session: Session, row: Calendar) -> dict[str, Any]:
    """A calendar that was put there before its item was kept, by its hours."""

    def of(table: Any, *order: Any) -> Sequence[Any]:
        mine = (table.jurisdiction_id == row.jurisdiction_id, table.calendar_id == row.id)
        return session.scalars(select(table).where(*mine).order_by(*order, table.opens_minute)).all()

    item: dict[str, Any] = {"code": row.code, "name": row.name, "hours": {}, "closed": {}, "special": {}}
    for each in of(CalendarHours, CalendarHours.weekday):
        item["hours"].setdefault(WEEKDAYS[each.weekday - 1], []).append(_span(each))
    for each in of(CalendarDay, CalendarDay.day):
        day = each.day.isoformat()
        if each.opens_minute is None:
            item["closed"][day] = each.name
        else:
            item["special"].setdefault(day, []).append(_span(each))
    return item


def _span(row: Any) -> str:
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (row.opens_minute, row.closes_minute))


def _requests_by(session: Session, city_id: int, code: str, *, now: datetime) -> int:
    """How many requests that are open, or can be opened again, have a clock or a phase that goes by a calendar."""
    reopen_days = session.scalars(select(Jurisdiction.reopen_days).where(Jurisdiction.id == city_id)).one()

    def goes_by(table: Any) -> ColumnElement[bool]:
        of_request = (table.jurisdiction_id == city_id, table.request_id == ServiceRequest.id)
        return select(table.id).where(*of_request, table.target["calendar"].astext == code).exists()

    return session.scalars(
        select(func.count())
        .select_from(ServiceRequest)
        .where(
            ServiceRequest.jurisdiction_id == city_id,
            ServiceRequest.closed_at.is_(None) | (ServiceRequest.closed_at >= now - timedelta(days=reopen_days)),
            goes_by(RequestClock) | goes_by(RequestPhase),
        )
    ).one()


def _forget_hours(session: Session, city_id: int, calendar_ids: Sequence[int]) -> None:
    for table in (CalendarHours, CalendarDay):
        session.execute(delete(table).where(table.jurisdiction_id == city_id, table.calendar_id.in_(calendar_ids)))
