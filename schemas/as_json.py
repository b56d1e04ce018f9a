"""A representation as JSON."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec
from marshmallow import Schema

from schemas.representation import Items, Part, Representation, Several, Shape, fields_of
from schemas.text import NOT_PRINTABLE

CONTENT_TYPE = "application/json; charset=utf-8"


def fragments(representation: Representation, rows: Sequence[Sequence[Any]]) -> list[bytes]:
    """JSON text in UTF-8 of each row by itself, whose values are in the order of the schema's fields."""
    make = _maker(representation.schema)
    try:
        return [msgspec.json.encode(make(row)) for row in rows]
    except UnicodeEncodeError:  # half of a surrogate pair, which UTF-8 cannot carry
        return [msgspec.json.encode(make(_printable(row))) for row in rows]


def wrap(representation: Representation, fragments: Sequence[bytes]) -> bytes:
    """The document of such texts."""
    if representation.is_list:
        return b"[" + b",".join(fragments) + b"]"
    (fragment,) = fragments
    return fragment


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return NOT_PRINTABLE.sub("", value)
    if isinstance(value, list | tuple):
        return [_printable(each) for each in value]
    return value


@cache
def _maker(schema: type[Schema]) -> Callable[[Sequence[Any]], Any]:
    declared = fields_of(schema)
    struct = msgspec.defstruct(schema.__name__, [(name, Any, msgspec.UNSET) for name in declared])
    changes = [change for change in map(_change, range(len(declared)), declared.values()) if change is not None]
    if not changes:
        return lambda row: struct(*row)

    def make(row: Sequence[Any]) -> Any:
        values = list(row)
        for position, change in changes:
            values[position] = change(values[position])
        return struct(*values)

    return make


def _change(position: int, field: Any) -> tuple[int, Callable[[Any], Any]] | None:
    if isinstance(field, Items) and field.schema is not None:
        make = _maker(field.schema)
        return position, lambda rows: [make(row) for row in rows]
    if isinstance(field, Shape):
        return position, lambda text: None if text is None else msgspec.Raw(text.encode())
    if isinstance(field, Several):
        return position, lambda texts: texts if len(texts) > 1 else next(iter(texts), None)
    if isinstance(field, Part):
        make = _maker(field.schema)
        return position, lambda row: None if row is None else make(row)
    if field.metadata.get("omit_null"):
        return position, lambda value: msgspec.UNSET if value is None else value
    return None
