"""A city's export of past cases, read row by row through its mapping."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import ValidationError

from geo.placing import Placed
from geo.point import NotAPlace, Point, degrees
from open311.cases.numbers import SIGNS
from open311.city.lines import BEYOND, BadFile, Lines, csv_rows
from schemas import moment
from schemas.city import MappingSchema
from schemas.query import STATUSES
from schemas.text import clean, one_line

CHANNELS = (
    "app", "portal", "phone", "email", "mail", "fax", "in_person", "council_office", "crew", "system", "other",
)  # fmt: skip


_MAX_NUMBER_SIGNS = 64


class BadRow(ValueError):
    """A row that cannot be used; the message names the column."""


@dataclass(frozen=True, kw_only=True)
class RecordedCase:
    """A case as a city recorded it; names of service, department and unit as they stand in the file, or mapped by it.

    Times are in UTC.  point is None when the row has no place; placed tells how its address gave it one.
    was_closed_early: it was closed before it was opened, and counts as closed at its opening.
    """

    line: int
    number: str
    service: str
    status: str
    status_notes: str | None
    description: str | None
    requested_at: datetime
    updated_at: datetime
    expected_at: datetime | None
    closed_at: datetime | None
    address: str | None
    address_id: str | None
    zipcode: str | None
    point: Point | None
    channel: str
    department: str | None
    unit: str | None
    was_closed_early: bool
    placed: Placed | None = None


class ExportMapping:
    """How to read one city's export: mapping.yml, checked."""

    def __init__(self, path: Path) -> None:
        lines = Lines(path)
        try:
            data = MappingSchema().load(lines.data if isinstance(lines.data, dict) else {})
        except ValidationError as error:
            raise BadFile(lines.problems(error.messages)) from error
        for name, words in (("status", STATUSES), ("channel", CHANNELS)):
            wrong = [
                lines.at(("values", name, recorded), f"values.{name}: must be one of {', '.join(words)}, got {ours!r}")
                for recorded, ours in data["values"].get(name, {}).items()
                if ours not in words
            ]
            if wrong:
                raise BadFile(wrong)
        self.path = path
        self.zone = ZoneInfo(data["timezone"])
        self.columns: Mapping[str, str] = data["columns"]
        self.match: Mapping[str, str] = data["match"]
        self.values: Mapping[str, Mapping[str, str]] = data["values"]
        self.located: Mapping[str, Any] | None = data.get("located")
        self.keeps_unlocated: bool = data["unlocated"] == "keep"
        self.placeholders = frozenset(_rounded(Point(**each)) for each in data["placeholders"])

    def missing_columns(self, header: Sequence[str]) -> list[str]:
        """The columns that a file of this header lacks."""
        wanted = [*self.columns.values(), *([self.located["column"]] if self.located else [])]
        return [column for column in wanted if column not in header]

    def case(self, row: Mapping[str, str | None], line: int, *, moved: timedelta, now: datetime) -> RecordedCase:
        """The case of a row, its dates moved; what would lie after `now` has not happened.  Raises BadRow."""
        if BEYOND in row:
            raise BadRow("has more fields than the header (quote what holds a comma)")
        number = self._text(row, "service_request_id")
        if SIGNS.fullmatch(number) is None or len(number) > _MAX_NUMBER_SIGNS:
            column, most = self.columns["service_request_id"], _MAX_NUMBER_SIGNS
            raise BadRow(f"{column} must be letters, digits, dots, - and _, at most {most}, got {number[:100]!r}")
        service = self._mapped(row, "service")
        if not service:
            raise BadRow(f"{self.columns['service']} must name a service")
        requested_at = self._moment(row, "requested_datetime", moved)
        if requested_at is None:
            raise BadRow(f"{self.columns['requested_datetime']} must be a date and time")
        if requested_at > now:
            raise BadRow(f"{self.columns['requested_datetime']} must not lie after now, got {moment.write(requested_at)}")
        closed_at = self._moment(row, "closed_datetime", moved)
        updated_at = self._moment(row, "updated_datetime", moved)
        status = (self._mapped(row, "status") or ("closed" if closed_at else "open")).lower()
        if status not in STATUSES:
            raise BadRow(f"{self.columns['status']} must be mapped to open or closed, got {status!r}")
        if status == "open" or (closed_at is not None and closed_at > now):
            status, closed_at = "open", None
        elif closed_at is None:
            closed_at = updated_at or requested_at
        was_closed_early = closed_at is not None and closed_at < requested_at
        if was_closed_early:
            closed_at = requested_at
        channel = (self._mapped(row, "channel") or "other").lower()
        if channel not in CHANNELS:
            raise BadRow(f"{self.columns['channel']} must be mapped to one of {', '.join(CHANNELS)}, got {channel!r}")
        return RecordedCase(
            line=line,
            number=number,
            service=service,
            status=status,
            status_notes=clean(self._text(row, "status_notes"))[:4000] or None,
            description=clean(self._text(row, "description"))[:4000] or None,
            requested_at=requested_at,
            updated_at=closed_at or min(max(updated_at or requested_at, requested_at), now),
            expected_at=self._moment(row, "expected_datetime", moved),
            closed_at=closed_at,
            address=one_line(self._text(row, "address")) or None,
            address_id=one_line(self._text(row, "address_id")) or None,
            zipcode=one_line(self._text(row, "zipcode")) or None,
            point=self._point(row),
            channel=channel,
            department=self._mapped(row, "department") or None,
            unit=self._mapped(row, "unit") or None,
            was_closed_early=was_closed_early,
        )

    def moved(self, when: datetime, by: timedelta) -> datetime:
        """The moment moved on the city's clock: half past eight stays half past eight, summer time or not."""
        local = when.astimezone(self.zone).replace(tzinfo=None) + by
        return local.replace(tzinfo=self.zone).astimezone(UTC)

    def is_placeholder(self, point: Point) -> bool:
        """Whether the point stands for "unknown" (to four decimals)."""
        return _rounded(point) in self.placeholders

    def opened_at(self, row: Mapping[str, str | None]) -> datetime | None:
        """When the row's case was opened, or None when that cannot be read."""
        try:
            return self._moment(row, "requested_datetime", timedelta())
        except BadRow:
            return None

    def _text(self, row: Mapping[str, str | None], name: str) -> str:
        column = self.columns.get(name)
        return (row.get(column) or "").strip() if column else ""

    def _mapped(self, row: Mapping[str, str | None], name: str) -> str:
        text = self._text(row, name)
        return clean(self.values.get(name, {}).get(text, text))

    def _moment(self, row: Mapping[str, str | None], name: str, moved: timedelta) -> datetime | None:
        text = self._text(row, name)
        if not text:
            return None
        try:
            found = moment.read(text, self.zone)
        except moment.NotAMoment as error:
            raise BadRow(f"{self.columns[name]} {error}") from error
        return self.moved(found, moved) if moved else found

    def _point(self, row: Mapping[str, str | None]) -> Point | None:
        if self.located is not None and (row.get(self.located["column"]) or "").strip() not in self.located["values"]:
            return None
        lat, long = self._text(row, "lat"), self._text(row, "long")
        if not (lat and long):
            return None
        try:
            point = Point(lat=degrees("lat", lat), long=degrees("long", long))
        except NotAPlace as error:
            raise BadRow(f"{self.columns['lat']}, {self.columns['long']}: {error}") from error
        return None if self.is_placeholder(point) else point


def _rounded(point: Point) -> tuple[float, float]:
    return round(point.lat, 4), round(point.long, 4)


def rows_of(path: Path, mapping: ExportMapping) -> Iterator[tuple[int, dict[str, str | None]]]:
    """(line, row) of a CSV file, gzipped or not, in UTF-8; raises BadFile."""

    def problem(header: Sequence[str]) -> str | None:
        missing = mapping.missing_columns(header)
        return f"has no column {', '.join(missing)}, which {mapping.path} names" if missing else None

    return csv_rows(path, problem)
