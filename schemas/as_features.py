"""A representation as GeoJSON: each row a feature.  Source: RFC 7946."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from marshmallow import Schema

from schemas import as_json
from schemas.representation import Box, Representation, Shape, fields_of

CONTENT_TYPE = "application/geo+json; charset=utf-8"

_NULL = b"null"


def fragments(representation: Representation, rows: Sequence[Sequence[Any]]) -> list[bytes]:
    """A feature of each row: its geometry is the schema's Shape, else its lat and long; its bbox the schema's Box.

    Everything else is a property; the number of a request is the feature's id, too.
    """
    names = list(fields_of(representation.schema))
    has_number = names[0] == "service_request_id"
    rest, positions = _properties(representation.schema)
    inner = as_json.fragments(rest, [[row[position] for position in positions] for row in rows])
    shape, box = (_position_of(representation.schema, kind) for kind in (Shape, Box))
    place = None if shape is not None else (names.index("long"), names.index("lat"))
    written = []
    for row, properties in zip(rows, inner, strict=True):
        if shape is not None:
            geometry = row[shape].encode() if row[shape] is not None else _NULL
        else:
            geometry = _point(*(row[position] for position in place or ()))
        extent = b"" if box is None or row[box] is None else b'"bbox":' + msgspec.json.encode(list(row[box])) + b","
        id_ = b'"id":' + msgspec.json.encode(row[0]) + b"," if has_number else b""
        written.append(b'{"type":"Feature",' + id_ + extent + b'"geometry":' + geometry + b',"properties":' + properties + b"}")
    return written


def wrap(representation: Representation, fragments: Sequence[bytes]) -> bytes:
    """The document of such texts: a feature collection, or the one feature."""
    if representation.is_list:
        return b'{"type":"FeatureCollection","features":[' + b",".join(fragments) + b"]}"
    (fragment,) = fragments
    return fragment


def _point(long: float | None, lat: float | None) -> bytes:
    return _NULL if long is None or lat is None else msgspec.json.encode({"type": "Point", "coordinates": [long, lat]})


@cache
def _properties(schema: type[Schema]) -> tuple[Representation, list[int]]:
    """What is left of a schema without its place, and where those fields stand."""
    declared = fields_of(schema)
    has_shape = _position_of(schema, Shape) is not None
    kept = {
        name: (position, field)
        for position, (name, field) in enumerate(declared.items())
        if not isinstance(field, Shape | Box) and (has_shape or name not in ("lat", "long"))
    }
    rest = Schema.from_dict({name: field for name, (_, field) in kept.items()}, name=f"{schema.__name__}Properties")
    return Representation(schema=rest, singular="properties", plural="properties"), [position for position, _ in kept.values()]


@cache
def _position_of(schema: type[Schema], kind: type) -> int | None:
    return next((position for position, field in enumerate(fields_of(schema).values()) if isinstance(field, kind)), None)
