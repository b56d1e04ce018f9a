"""Arguments of GET requests, checked once.  Source: GeoReport v2, GET Service Requests; extensions: spec sections 5.1 and 8."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from geo.point import Box, NotAPlace, Point, read_box
from schemas import moment
from schemas.district_names import read_district_names
from schemas.moment import DAY
from schemas.problems import Problems, flatten
from schemas.submission import find_point
from schemas.text import clean

STATUSES = ("open", "closed")
DEFAULT_SPAN_DAYS = 90
MAX_SOUGHT_CHARACTERS = 500
MAX_RADIUS_METRES = 100_000
NEWEST_FIRST = "-requested_datetime"
ORDERS = (NEWEST_FIRST, "requested_datetime", "-updated_datetime", "updated_datetime")
FROM_THE_START = "*"

_CURSOR = re.compile(r"(?P<order>[0-9])\.(?P<at>-?[0-9]{1,12})\.(?P<id>[0-9]{1,18})", re.ASCII)


class Words(fields.Field[list[str]]):
    """One or several words: comma delimited, or the argument repeated."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str]:
        words = [clean(word) for text in value for word in text.split(",")]
        return list(dict.fromkeys(word for word in words if word))


class Word(fields.Field[str]):
    """One word, as it was sent."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return str(value[-1].strip())


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


class Districts(fields.Field[Mapping[str, Sequence[str]]]):
    """LAYER:CODE, several comma delimited or repeated: layer to codes."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Mapping[str, Sequence[str]]:
        problems: list[str] = []
        found: dict[str, list[str]] = {}
        for layer, code in read_district_names(value, problems, name=attr or "district"):
            found.setdefault(layer, []).append(code)
        if problems:
            raise ValidationError(problems)
        return found


class Agencies(fields.Field[list[str]]):
    """Names or codes of departments, in any case; several by "|" or repeated, because names have commas."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str]:
        words = [clean(word).lower() for text in value for word in text.split("|")]
        return list(dict.fromkeys(word for word in words if word))


class Line(fields.Field[str]):
    """Words to be found."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = clean(value[-1])
        if len(text) > MAX_SOUGHT_CHARACTERS:
            raise ValidationError(f"{attr} must be at most {MAX_SOUGHT_CHARACTERS} characters, got {len(text)}")
        return text


class BoxField(fields.Field[Box]):
    """A box, west,south,east,north."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Box:
        try:
            return read_box(value[-1])
        except NotAPlace as error:
            raise ValidationError(f"{attr} {error}") from error


class Metres(fields.Field[float]):
    """A distance in metres, above 0."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        text = value[-1].strip()
        try:
            metres = float(text) if text.isascii() and "_" not in text else 0.0
        except ValueError:
            metres = 0.0
        if not 0 < metres <= MAX_RADIUS_METRES:
            raise ValidationError(
                f"{attr} must be a number of metres above 0 and at most {MAX_RADIUS_METRES}, got {text[:50]!r}"
            )
        return metres


class Order(fields.Field[str]):
    """The name of a time, with "-" before it for the newest first."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = value[-1].strip()
        if text not in ORDERS:
            raise ValidationError(f"{attr} must be one of {', '.join(ORDERS)}, got {text[:100]!r}")
        return str(text)


class Truth(fields.Field[bool]):
    """true or false, 1 or 0."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        text = value[-1].strip().lower()
        if text not in ("true", "false", "1", "0"):
            raise ValidationError(f"{attr} must be true or false, got {text[:50]!r}")
        return text in ("true", "1")


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """Where a list goes on: behind the request with this id and time, in this order."""

    order: str
    at: datetime
    id: int

    def __str__(self) -> str:
        text = f"{ORDERS.index(self.order)}.{int(self.at.timestamp())}.{self.id}"
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")


class CursorField(fields.Field[Cursor | None]):
    """A cursor as a Link had it, or * for the beginning (None)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Cursor | None:
        text = value[-1].strip()
        if text == FROM_THE_START:
            return None
        try:
            found = _CURSOR.fullmatch(urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)).decode())
            if found is None:
                raise ValueError(text)
            order, at = ORDERS[int(found["order"])], datetime.fromtimestamp(int(found["at"]), UTC)
        except (ValueError, NotBase64, IndexError, OverflowError, OSError) as error:
            message = f"{attr} must be {FROM_THE_START} or what a Link header named, got {text[:100]!r}"
            raise ValidationError(message) from error
        return Cursor(order=order, at=at, id=int(found["id"]))


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
    agency_responsible = Agencies()
    district = Districts()
    bbox = BoxField()
    radius = Metres()
    q = Line()
    sort = Order()
    order_by = Order()
    count = Truth()
    cursor = CursorField()
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


class FeedQuerySchema(Schema):
    """Arguments of GET changes."""

    class Meta:
        unknown = EXCLUDE

    cursor = Word()
    page_size = Count()


_FEED = FeedQuerySchema()
# Every argument of GET requests but which city, and JSONP's.
REQUEST_ARGUMENTS = frozenset([*RequestsQuerySchema._declared_fields, "lat", "long", "extensions"])
_BESIDE_IDS = ("service_request_id", "page", "page_size", "extensions", "count")
_SCHEMA, _UPDATES = RequestsQuerySchema(), UpdatesQuerySchema()


@dataclass(frozen=True, kw_only=True)
class RequestsQuery:
    """What GET requests asks for.  Moments are in UTC and inclusive; None means no limit; page counts from 1.

    districts: layer to codes, of each layer one of them.  near: a point, and how many metres from it.  is_walked: from
    cursor to cursor instead of by page; cursor: where that goes on, None at the beginning.
    """

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
    agencies: Sequence[str] | None = None
    districts: Mapping[str, Sequence[str]] | None = None
    box: Box | None = None
    near: tuple[Point, float] | None = None
    words: str | None = None
    order: str = NEWEST_FIRST
    is_walked: bool = False
    cursor: Cursor | None = None
    is_counted: bool = False


@dataclass(frozen=True, kw_only=True)
class UpdatesQuery:
    """What GET servicerequestupdates asks for: changes from and to, inclusive; None means no limit."""

    numbers: Sequence[str] | None
    updated_from: datetime | None
    updated_to: datetime | None
    page: int
    page_rows: int


@dataclass(frozen=True, kw_only=True)
class FeedQuery:
    """What GET changes asks for: behind which cursor (* for all), and how many at most."""

    cursor: str
    page_rows: int


def read_feed(arguments: Mapping[str, Sequence[str]], *, max_page_rows: int) -> FeedQuery:
    """The query of GET arguments (name: values as sent).  Raises Problems."""
    given = {name: [text for text in texts if text.strip()] for name, texts in arguments.items()}
    try:
        found = _FEED.load({name: texts for name, texts in given.items() if texts})
    except ValidationError as error:
        raise Problems(flatten(error.messages)) from error
    return FeedQuery(
        cursor=found.get("cursor", FROM_THE_START), page_rows=min(found.get("page_size", max_page_rows), max_page_rows)
    )


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
    begins or ends; a change date alone lifts that, and so does a cursor (or * for the first one), which walks all there is.
    max_span_days 0: spans as long as you like.  Raises Problems.
    """
    given = {name: [text for text in texts if text.strip(" ,")] for name, texts in arguments.items()}
    if given.get("service_request_id"):
        given = {name: given[name] for name in _BESIDE_IDS if name in given}
    problems: list[str] = []
    found: Mapping[str, Any] = {}
    try:
        found = _SCHEMA.load({name: texts for name, texts in given.items() if texts})
    except ValidationError as error:
        problems += flatten(error.messages)
    near = _near(given, found.get("radius"), problems)
    is_walked, cursor = "cursor" in found, found.get("cursor")
    order = found.get("sort") or found.get("order_by") or (cursor.order if cursor else NEWEST_FIRST)
    if cursor is not None and order != cursor.order:
        problems.append(f"sort must be {cursor.order} as in the cursor, got {order}")
    if problems:
        raise Problems(problems)

    def when(name: str, *, end: bool) -> datetime | None:
        return _when(found, name, zone, end=end)

    numbers = found.get("service_request_id")
    updated_from, updated_to = when("updated_after", end=False), when("updated_before", end=True)
    start, end = when("start_date", end=False), when("end_date", end=True)
    lifted = numbers is not None or (start is None and end is None and (updated_from or updated_to) is not None)
    # Who walks a list from end to end means all of it.
    if not (lifted or is_walked):
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
        agencies=found.get("agency_responsible"),
        districts=found.get("district"),
        box=found.get("bbox"),
        near=near,
        words=found.get("q"),
        order=order,
        is_walked=is_walked,
        cursor=cursor,
        is_counted=found.get("count", False),
    )


def _near(given: Mapping[str, Sequence[str]], radius: float | None, problems: list[str]) -> tuple[Point, float] | None:
    """The circle of lat, long and radius, which only mean something together."""
    names = ("lat", "long", "radius")
    missing = [name for name in names if not given.get(name)]
    if len(missing) == 3:
        return None
    if missing:
        problems.append(f"lat, long and radius must be sent together, {' and '.join(missing)} missing")
        return None
    point = find_point(given, problems)
    return None if point is None or radius is None else (point, radius)


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
