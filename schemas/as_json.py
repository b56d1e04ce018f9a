"""A representation as JSON."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec
from marshmallow import Schema

from schemas.representation import Items, Representation, fields_of

CONTENT_TYPE = "application/json; charset=utf-8"


def render(representation: Representation, rows: Sequence[Sequence[Any]]) -> bytes:
    """JSON text in UTF-8 of rows whose values are in the order of the schema's fields."""
    make = _maker(representation.schema)
    if representation.is_list:
        return msgspec.json.encode([make(row) for row in rows])
    (row,) = rows
    return msgspec.json.encode(make(row))


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
    if field.metadata.get("omit_null"):
        return position, lambda value: msgspec.UNSET if value is None else value
    return None
