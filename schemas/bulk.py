"""Bulk files: what may be asked for, and their columns as data packages describe them.  Source: spec 5.6, GeoReport bulk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from schemas.district_names import read_districts_among
from schemas.problems import Problems
from schemas.query import STATUSES
from schemas.text import clean

_FIRST_YEAR, _LAST_YEAR = 1900, 9998


@dataclass(frozen=True, kw_only=True)
class BulkQuery:
    """Which requests a bulk file has: all public ones of the city, unless it is narrowed.

    year: by when they were made, in the city's zone.  districts: pairs of layer and code; of one
    layer any of them will do, of several layers one of each.
    statuses: open, closed or both.  after: the service_request_id behind which an earlier answer goes on.
    """

    year: int | None = None
    districts: Sequence[tuple[str, str]] = ()
    service_codes: Sequence[str] = ()
    statuses: Sequence[str] = ()
    after: str | None = None

    @property
    def name(self) -> str:
        """A file name that says what is asked for, without an ending."""
        return "-".join(["requests", *([str(self.year)] if self.year else []), *(["after"] if self.after else [])])


def read(arguments: Mapping[str, Sequence[str]]) -> BulkQuery:
    """The query of GET arguments (name: values as sent).  Raises Problems."""
    problems: list[str] = []
    query = BulkQuery(
        year=_year(_words(arguments, "year"), problems),
        districts=read_districts_among(arguments, problems),
        service_codes=_words(arguments, "service_code"),
        statuses=_statuses(_words(arguments, "status"), problems),
        after=_after([*_words(arguments, "after"), *_words(arguments, "cursor")], problems),
    )
    if problems:
        raise Problems(problems)
    return query


def span(year: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The first moment of a year in a zone, and the first that is not part of it, in UTC."""
    start, end = (datetime(each, 1, 1, tzinfo=zone).astimezone(UTC) for each in (year, year + 1))
    return start, end


def _words(arguments: Mapping[str, Sequence[str]], name: str) -> list[str]:
    words = [clean(word) for text in arguments.get(name, ()) for word in text.split(",")]
    return list(dict.fromkeys(word for word in words if word))


def _year(words: Sequence[str], problems: list[str]) -> int | None:
    if not words:
        return None
    text = words[0]
    is_year = len(words) == 1 and text.isascii() and text.isdecimal() and len(text) == 4
    if not is_year or not _FIRST_YEAR <= int(text) <= _LAST_YEAR:
        problems.append(f"year must be one year like 2015, got {','.join(words)[:100]!r}")
        return None
    return int(text)


def _statuses(words: Sequence[str], problems: list[str]) -> Sequence[str]:
    if not set(words) <= set(STATUSES):
        problems.append(f"status must be open or closed, got {','.join(words)[:100]!r}")
    return words


def _after(words: Sequence[str], problems: list[str]) -> str | None:
    if len(set(words)) > 1:
        problems.append(f"after must be one service_request_id, the last that was received, got {','.join(words)[:100]!r}")
    return words[0] if words else None
