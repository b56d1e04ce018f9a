"""Queries kept under a name: saved once, read by everybody as a list or a feed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from psycopg import Connection
from sqlalchemy import BigInteger, Text, bindparam, delete, select
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as upsert

from db.driver import Statement
from open311.cases.search import find_requests
from open311.jurisdictions import City
from open311.models import SavedQuery
from schemas import query
from schemas.problems import Problems
from schemas.query import REQUEST_ARGUMENTS
from schemas.text import one_line

# Where in a list one is, and how it looks, says who reads it.
READERS_OWN = frozenset(["page", "page_size", "cursor", "count", "extensions"])
_CODE = re.compile(r"[A-Za-z0-9_-]{1,60}", re.ASCII)


class UnknownQuery(LookupError):
    """No query is saved under this name."""


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A saved query; arguments: as in GET requests, name to values."""

    code: str
    title: str
    arguments: Mapping[str, Sequence[str]]
    text: str


def save(connection: "Connection[Any]", city: City, code: str, text: str, *, title: str, now: datetime) -> None:
    """Keep the query string `text` under a name, in place of what was kept there.

    Raises Problems when it would not find anything that can be asked for, says what who reads it says, or asks for nothing.
    """
    problems = []
    if not _CODE.fullmatch(code):
        problems.append(f"code must be 1 to 60 letters, digits, - and _, got {code[:100]!r}")
    title = one_line(title)
    if not title:
        problems.append("title must not be empty")
    arguments = parse_qs(text.removeprefix("?"), keep_blank_values=False)
    unknown = sorted(set(arguments) - REQUEST_ARGUMENTS)
    problems += [f"{name} is no argument of GET requests" for name in unknown]
    problems += [f"{name} is said by who reads the list" for name in sorted(READERS_OWN & set(arguments))]
    if not arguments:
        problems.append("a query like district=council:4&status=open is required")
    if problems:
        raise Problems(problems)
    asked = query.read(arguments, zone=city.zone, now=now, max_span_days=0, max_page_rows=1)
    find_requests(connection, asked, jurisdiction_id=city.id, now=now)
    _SAVE.run(connection, jurisdiction_id=city.id, code=code, title=title, arguments=text.removeprefix("?"), now=now)


def drop(connection: "Connection[Any]", code: str, *, jurisdiction_id: int) -> None:
    """Keep it no more.  Raises UnknownQuery."""
    if not _DROP.run(connection, jurisdiction_id=jurisdiction_id, code=code).rowcount:
        raise UnknownQuery(code)


def saved(connection: "Connection[Any]", *, jurisdiction_id: int) -> list[Saved]:
    """All of a city, by name."""
    return [_of(row) for row in _ALL.run(connection, jurisdiction_id=jurisdiction_id)]


def find_saved(connection: "Connection[Any]", code: str, *, jurisdiction_id: int) -> Saved:
    """The one under this name.  Raises UnknownQuery, for what can be no name (a NUL, which no statement takes) too."""
    if not _CODE.fullmatch(code):
        raise UnknownQuery(code)
    row = _ONE.run(connection, jurisdiction_id=jurisdiction_id, code=code).fetchone()
    if row is None:
        raise UnknownQuery(code)
    return _of(row)


def _of(row: Any) -> Saved:
    return Saved(code=row.code, title=row.title, arguments=parse_qs(row.arguments), text=row.arguments)


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_CODE_GIVEN: Any = bindparam("code", type_=Text)
_VALUES = {
    "title": bindparam("title", type_=Text),
    "arguments": bindparam("arguments", type_=Text),
    "saved_at": bindparam("now", type_=TIMESTAMP(timezone=True)),
}
_SAVE = Statement(
    upsert(SavedQuery)
    .values(jurisdiction_id=_CITY, code=_CODE_GIVEN, **_VALUES)
    .on_conflict_do_update(index_elements=["jurisdiction_id", "code"], set_=_VALUES)
)
_DROP = Statement(delete(SavedQuery).where(SavedQuery.jurisdiction_id == _CITY, SavedQuery.code == _CODE_GIVEN))
_READ = select(SavedQuery.code, SavedQuery.title, SavedQuery.arguments).where(SavedQuery.jurisdiction_id == _CITY)
_ALL = Statement(_READ.order_by(SavedQuery.code))
_ONE = Statement(_READ.where(SavedQuery.code == _CODE_GIVEN))
