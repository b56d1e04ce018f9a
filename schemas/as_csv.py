"""A representation as CSV: a line of names, a line a row, empty for null.  Source: RFC 4180."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from marshmallow import Schema

from schemas import moment
from schemas.representation import Flag, Items, Moment, Part, Representation, Several, fields_of
from schemas.text import NOT_PRINTABLE

CONTENT_TYPE = "text/csv; charset=utf-8; header=present"
# A table calculator takes a text that begins so for a formula, and what residents write is opened in one.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def fragments(representation: Representation, rows: Sequence[Sequence[Any]]) -> list[bytes]:
    """A line in UTF-8 of each row, whose values are in the order of the schema's fields."""
    changes = _changes(representation.schema)
    return [_line([change(value) for change, value in zip(changes, row, strict=True)]) for row in rows]


def wrap(representation: Representation, fragments: Sequence[bytes]) -> bytes:
    """The document of such lines."""
    return _line(list(fields_of(representation.schema))) + b"".join(fragments)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """The document of rows that no schema has; dates and times as everywhere."""
    return b"".join(_line([_plain(each) for each in row]) for row in (header, *rows))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return moment.write(value)
    return plain(value) if isinstance(value, str) else value


def plain(text: str) -> str:
    """A text that no table calculator runs: with an apostrophe before it where it looks like a formula."""
    text = NOT_PRINTABLE.sub("", text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(values: Sequence[Any]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written).writerow(values)
    return written.getvalue().encode()


@cache
def _changes(schema: type[Schema]) -> list[Callable[[Any], Any]]:
    return [_change(field) for field in fields_of(schema).values()]


def _change(field: Any) -> Callable[[Any], Any]:
    if isinstance(field, Moment):
        return lambda value: None if value is None else moment.write(value)
    if isinstance(field, Flag):
        return lambda value: None if value is None else str(value).lower()
    if isinstance(field, Part) or (isinstance(field, Items) and field.schema is not None):
        raise TypeError("a table has no place for things inside things")
    if isinstance(field, Items | Several):
        return lambda value: plain(" ".join(value or ()))
    return _plain
