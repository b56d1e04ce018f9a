"""A resource on the wire, declared once: its fields in the spec's order, and the names around them."""

from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, fields


class Text(fields.String):
    """A string; text in XML."""


class Number(fields.Float):
    """A finite number; a JSON number."""


class Flag(fields.Boolean):
    """true or false in both formats."""


class Order(fields.Integer):
    """A whole number."""


class Moment(fields.AwareDateTime):
    """A W3C date-time in UTC, to the second."""


class Items(fields.Field[Any]):
    """Repeated things inside a container: rows of a schema, or (schema None) plain texts.  `item` is the XML name of one."""

    def __init__(self, item: str, schema: type[Schema] | None = None) -> None:
        super().__init__()
        self.item = item
        self.schema = schema


class Several(fields.Field[Any]):
    """Plain texts: null for none, the text for one, for more an array, and in XML elements of the same name inside.

    Source: spec 5.4, media_url.
    """

    def __init__(self) -> None:
        super().__init__(allow_none=True)


class Part(fields.Field[Any]):
    """One thing inside another: a row of a schema, or null."""

    def __init__(self, schema: type[Schema]) -> None:
        super().__init__(allow_none=True)
        self.schema = schema


class Shape(fields.Field[Any]):
    """A geometry, given as the text of its GeoJSON; in XML that text."""

    def __init__(self) -> None:
        super().__init__(allow_none=True)


class BoxSchema(Schema):
    """The edges of a box, in degrees."""

    west = Number(required=True)
    south = Number(required=True)
    east = Number(required=True)
    north = Number(required=True)


class Box(Part):
    """A box in degrees, or null; in GeoJSON the bbox of its feature."""

    def __init__(self) -> None:
        super().__init__(BoxSchema)


@dataclass(frozen=True, kw_only=True)
class Representation:
    """How rows of a schema look: JSON is an array of objects (or, not is_list, one object), XML a root with children.

    A row is a sequence of values in the order of the schema's fields; the value of an Items field is a list of rows, that
    of a Several a list of texts, that of a Part a row or None.
    A field declared with metadata omit_null=True has no key in JSON when it is null; in XML it is an empty element.
    """

    schema: type[Schema]
    singular: str
    plural: str | None = None

    @property
    def is_list(self) -> bool:
        """Whether there may be several."""
        return self.plural is not None


def fields_of(schema: type[Schema]) -> dict[str, fields.Field[Any]]:
    """Name and field, in the declared order."""
    return dict(schema._declared_fields)
