"""Arguments of GET requests, checked once.  Source: GeoReport v2, GET Service Requests; extensions: spec sections 5.1 and 8."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from geo.point import Point
from schemas import moment
from schemas.moment import DAY
from schemas.problems import Problems, flatten
from schemas.submission import find_point
from schemas.text import clean

STATUSES = ("open", "closed")
DEFAULT_SPAN_DAYS = 90


class Words(fields.Field[list[str]]):
    """One or several words: comma delimited, or the argument repeated."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str]:
        words = [clean(word) for text in value for word in text.split(",")]
        return list(dict.fromkeys(word for word in words if word))


class Statuses(Words):
    """open, closed, or both; upper case does as well."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str]:
        words = [word.lower() for word in super()._deserialize(value, attr, data, **kwargs)]
        for word in words:
            if word not in STATUSES:
                raise ValidationError(f"status must be open or closed, got {word!r}")
        return words


class Date(fields.Field[str]):
    """The text of a date and time; read when the city's zone is known."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        try:
            moment.read(value[-1], ZoneInfo("UTC"))
        except moment.NotAMoment as error:
            raise ValidationError(f"{attr} {error}") from error
        return str(value[-1])


class Count(fields.Field[int]):
    """A whole number; one below the least reads as the least."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        text = value[-1].strip()
        if not (text.isascii() and text.removeprefix("-").isdecimal() and len(text) <= 9):
            raise ValidationError(f"{attr} must be a whole number of at most nine digits, got {value[-1]!r}")
        return max(1, int(text))


class RequestsQuerySchema(Schema):
    """Arguments of GET requests; unknown ones are ignored, empty ones are as if absent."""

    class Meta:
        unknown = EXCLUDE

    service_request_id = Words()
    service_code = Words()
    status = Statuses()
    start_date = Date()
    end_date = Date()
    updated_after = Date()
    updated_before = Date()
    page = Count()
    page_size = Count()


class UpdatesQuerySchema(Schema):
    """Arguments of GET servicerequestupdates."""

    class Meta:
        unknown = EXCLUDE

    service_request_id = Words()
    start_date = Date()
    end_date = Date()
    page = Count()
    page_size = Count()


_SCHEMA, _UPDATES = RequestsQuerySchema(), UpdatesQuerySchema()


@dataclass(frozen=True, kw_only=True)
class RequestsQuery:
    """What GET requests asks for.  Moments are in UTC and inclusive; None means no limit; page counts from 1."""

    numbers: Sequence[str] | None
    service_codes: Sequence[str] | None
    status: str | None
    requested_from: datetime | None
    requested_to: datetime | None
    updated_from: datetime | None
    updated_to: datetime | None
    page: int
    page_rows: int
    is_extended: bool = False


@dataclass(frozen=True, kw_only=True)
class UpdatesQuery:
    """What GET servicerequestupdates asks for: changes from and to, inclusive; None means no limit."""

    numbers: Sequence[str] | None
    updated_from: datetime | None
    updated_to: datetime | None
    page: int
    page_rows: int


def read_point(arguments: Mapping[str, Sequence[str]], *, required: bool = False) -> Point | None:
    """The point that lat and long say, None when neither is given.  Raises Problems."""
    problems: list[str] = []
    point = find_point(arguments, problems)
    if required and point is None and not problems:
        problems.append("lat and long are required")
    if problems:
        raise Problems(problems)
    return point


def read(
    arguments: Mapping[str, Sequence[str]], *, zone: ZoneInfo, now: datetime, max_span_days: int, max_page_rows: int
) -> RequestsQuery:
    """The query of GET arguments (name: values as sent).

    Ids override every other filter.  Without dates the newest 90 days are meant, with one date the 90 days that it
    begins or ends; a change date alone lifts that.  max_span_days 0: spans as long as you like.  Raises Problems.
    """
    given = {name: [text for text in texts if text.strip(" ,")] for name, texts in arguments.items()}
    if given.get("service_request_id"):
        given = {name: given[name] for name in ("service_request_id", "page", "page_size", "extensions") if name in given}
    try:
        found = _SCHEMA.load({name: texts for name, texts in given.items() if texts})
    except ValidationError as error:
        raise Problems(flatten(error.messages)) from error

    def when(name: str, *, end: bool) -> datetime | None:
        return _when(found, name, zone, end=end)

    numbers = found.get("service_request_id")
    updated_from, updated_to = when("updated_after", end=False), when("updated_before", end=True)
    start, end = when("start_date", end=False), when("end_date", end=True)
    lifted = numbers is not None or (start is None and end is None and (updated_from or updated_to) is not None)
    if not lifted:
        start, end = _span(start, end, now=now, max_span_days=max_span_days)
    statuses = found.get("status", [])
    return RequestsQuery(
        numbers=numbers,
        service_codes=found.get("service_code"),
        status=statuses[0] if len(set(statuses)) == 1 else None,
        requested_from=start,
        requested_to=end,
        updated_from=updated_from,
        updated_to=updated_to,
        page=found.get("page", 1),
        page_rows=min(found.get("page_size", max_page_rows), max_page_rows),
        is_extended=wants_extensions(given),
    )


def wants_extensions(arguments: Mapping[str, Sequence[str]]) -> bool:
    """Whether the argument extensions asks for ours: true, 1, or a list of names, of which each means all."""
    words = [word.strip().lower() for text in arguments.get("extensions", ()) for word in text.split(",")]
    return any(word not in ("", "false", "0") for word in words)


def read_updates(
    arguments: Mapping[str, Sequence[str]], *, zone: ZoneInfo, now: datetime, max_span_days: int, max_page_rows: int
) -> UpdatesQuery:
    """The query of GET arguments (name: values as sent); dates as in `read`; ids lift the 90 days.  Raises Problems."""
    given = {name: [text for text in texts if text.strip(" ,")] for name, texts in arguments.items()}
    try:
        found = _UPDATES.load({name: texts for name, texts in given.items() if texts})
    except ValidationError as error:
        raise Problems(flatten(error.messages)) from error
    numbers = found.get("service_request_id")
    start, end = _when(found, "start_date", zone, end=False), _when(found, "end_date", zone, end=True)
    if numbers is None:
        start, end = _span(start, end, now=now, max_span_days=max_span_days)
    return UpdatesQuery(
        numbers=numbers,
        updated_from=start,
        updated_to=end,
        page=found.get("page", 1),
        page_rows=min(found.get("page_size", max_page_rows), max_page_rows),
    )


def _when(found: Mapping[str, Any], name: str, zone: ZoneInfo, *, end: bool) -> datetime | None:
    try:
        return moment.read(found[name], zone, end_of_day=end) if name in found else None
    except moment.NotAMoment as error:  # beyond the year 9999, or before the year 1, in this zone
        raise Problems([f"{name} {error}"]) from error


def _span(
    start: datetime | None, end: datetime | None, *, now: datetime, max_span_days: int
) -> tuple[datetime, datetime | None]:
    try:
        if start is None:
            if end is None:
                return now.astimezone(UTC) - DEFAULT_SPAN_DAYS * DAY, None
            return end - DEFAULT_SPAN_DAYS * DAY, end
        if end is None:
            return start, start + DEFAULT_SPAN_DAYS * DAY
    except OverflowError as error:
        raise Problems(["start_date and end_date must lie between the years 1 and 9999 with 90 days to spare"]) from error
    if start > end:
        raise Problems([f"start_date {moment.write(start)} must not be after end_date {moment.write(end)}"])
    # A day of slack: clients write whole days as 00:00:00 to 23:59:59.
    if max_span_days and end - start > (max_span_days + 1) * DAY:
        raise Problems([f"start_date to end_date must be at most {max_span_days} days, got {(end - start).days}"])
    return start, end
