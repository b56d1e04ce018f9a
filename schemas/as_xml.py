"""A representation as XML: no namespace, no attributes, an empty element for null."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from marshmallow import Schema

from schemas import moment
from schemas.representation import Flag, Items, Moment, Number, Order, Part, Representation, Several, fields_of
from schemas.text import NOT_PRINTABLE

CONTENT_TYPE = "text/xml; charset=utf-8"
DECLARATION = b'<?xml version="1.0" encoding="utf-8"?>\n'

_SPECIAL = re.compile(f"[&<>]|{NOT_PRINTABLE.pattern}")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def fragments(representation: Representation, rows: Sequence[Sequence[Any]]) -> list[bytes]:
    """XML text in UTF-8 of each row by itself, whose values are in the order of the schema's fields."""
    write = _writer(representation.schema, representation.singular)
    return [write(row).encode() for row in rows]


def wrap(representation: Representation, fragments: Sequence[bytes]) -> bytes:
    """The document of such texts."""
    body, plural = b"".join(fragments), representation.plural
    if plural is None:
        return DECLARATION + body
    return DECLARATION + (f"<{plural}>".encode() + body + f"</{plural}>".encode() if body else f"<{plural}/>".encode())


def escape(text: str) -> str:
    """Text as it may stand in an element; what XML cannot carry is left out."""
    return text if _is_plain(text) else _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], ""), text)


def _is_plain(text: str) -> bool:
    # Nearly every text is; these five looks cost a tenth of the expression's.
    return text.isascii() and text.isprintable() and "&" not in text and "<" not in text and ">" not in text


def _element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>" if content else f"<{name}/>"


@cache
def _writer(schema: type[Schema], name: str) -> Callable[[Sequence[Any]], str]:
    """What writes one row.  It runs a thousand times a page: rows with the same nulls share one template."""
    declared = fields_of(schema)
    texts = [_text_of(each, field) for each, field in declared.items()]
    free = [position for position, text in enumerate(texts) if text is None]
    templates: dict[tuple[bool, ...], str] = {}

    def write(row: Sequence[Any]) -> str:
        shown = [value if value is None or text is None else text(value) for text, value in zip(texts, row, strict=True)]
        if not _is_plain("".join([shown[position] or "" for position in free])):
            for position in free:
                shown[position] = shown[position] and escape(shown[position])
        filled = tuple([bool(each) for each in shown])
        template = templates.get(filled)
        if template is None:
            template = templates[filled] = _template(name, declared, filled)
        return template % tuple(filter(None, shown))

    return write


def _template(name: str, declared: Mapping[str, Any], filled: Sequence[bool]) -> str:
    """The row with %s where a value will stand, and an empty element where none will."""
    inner = []
    for (each, field), has_value in zip(declared.items(), filled, strict=True):
        wrapped = "%s" if isinstance(field, Items | Part) else f"<{each}>%s</{each}>"
        inner.append(wrapped if has_value else f"<{each}/>")
    return f"<{name}>{''.join(inner)}</{name}>"


def _text_of(name: str, field: Any) -> Callable[[Any], str] | None:
    """What makes a value of the field the text that stands in XML; None: it is text, and may need escaping."""
    if isinstance(field, Part):
        return _writer(field.schema, name)
    if isinstance(field, Several):
        return lambda texts: "".join([_element(name, escape(text)) for text in texts] if len(texts) > 1 else map(escape, texts))
    if isinstance(field, Items):
        item = field.item
        write = _writer(field.schema, item) if field.schema else lambda text: _element(item, escape(text))
        return lambda rows: _element(name, "".join([write(row) for row in rows]))
    return next((text for kind, text in _TEXTS.items() if isinstance(field, kind)), None)


_TEXTS: dict[type, Callable[[Any], str]] = {
    Moment: moment.write,
    Flag: lambda value: "true" if value else "false",
    Number: repr,
    Order: str,
}
