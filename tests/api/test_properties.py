"""For every representation: what is read back is what was written, in both formats, whatever the text."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import as_json, as_xml, discovery, district, error, follower, request, scorecard, service, update
from schemas.discovery import DISCOVERY
from schemas.district import BOUNDED_DISTRICTS, DISTRICT, DISTRICTS, LAYERS
from schemas.error import ERRORS
from schemas.follower import FOLLOWERS
from schemas.representation import Flag, Items, Moment, Number, Order, Part, Representation, Several, Shape, fields_of
from schemas.request import (
    BATCH_RECEIPT,
    BLACKBOX_RECEIPT,
    EXTENDED_REQUESTS,
    REALTIME_RECEIPT,
    REQUESTS,
    SIMILAR,
    SUGGESTING_RECEIPT,
    TOKENS,
)
from schemas.scorecard import COMPARISON, SCORECARDS
from schemas.service import DEFINITION, EXTENDED_SERVICES, SERVICES
from schemas.text import NOT_PRINTABLE, clean
from schemas.update import RECEIPT, UPDATES
from tests.api.wire import document, read_json, read_xml

_REPRESENTATIONS = {
    "services": SERVICES,
    "extended services": EXTENDED_SERVICES,
    "definition": DEFINITION,
    "requests": REQUESTS,
    "extended requests": EXTENDED_REQUESTS,
    "realtime receipt": REALTIME_RECEIPT,
    "batch receipt": BATCH_RECEIPT,
    "blackbox receipt": BLACKBOX_RECEIPT,
    "similar requests": SIMILAR,
    "receipt with similar requests": SUGGESTING_RECEIPT,
    "tokens": TOKENS,
    "followers": FOLLOWERS,
    "scorecards": SCORECARDS,
    "comparison": COMPARISON,
    "updates": UPDATES,
    "update receipt": RECEIPT,
    "layers": LAYERS,
    "districts": DISTRICTS,
    "districts with boundaries": BOUNDED_DISTRICTS,
    "district": DISTRICT,
    "discovery": DISCOVERY,
    "errors": ERRORS,
}

# Every code point there is: halves of surrogate pairs, control characters and non-characters too.
_ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(
    ["", " ", "\n", "\r\n", "null", "<a>&amp;</a>", "]]>", "\x00", "\x0b", "\x85", "\ud83d", "\ufffe", "\u2028", "0012"]
)
_SURROGATE = re.compile(r"\\ud[89a-f]")  # as repr shows one
_MOMENTS = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)
_VALUES: dict[type, st.SearchStrategy[Any]] = {
    Number: st.floats(allow_nan=False, allow_infinity=False),
    Flag: st.booleans(),
    Order: st.integers(min_value=-(10**9), max_value=10**9),
    Moment: _MOMENTS,
    Shape: st.sampled_from(['{"type":"Point","coordinates":[-71.5,42.25]}', None]),
}


def _value(field: Any) -> st.SearchStrategy[Any]:
    if isinstance(field, Items):
        return st.lists(_row(field.schema) if field.schema else _ANY_TEXT, max_size=3)
    if isinstance(field, Several):
        return st.lists(_ANY_TEXT, max_size=3)
    if isinstance(field, Part):
        return _row(field.schema) | st.none()
    drawn = next((values for kind, values in _VALUES.items() if isinstance(field, kind)), _ANY_TEXT)
    return drawn | st.none() if field.allow_none or field.metadata.get("omit_null") else drawn


def _row(schema: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(*[_value(field) for field in fields_of(schema).values()])


def _as_read(representation: Representation, rows: list[tuple[Any, ...]], text: Callable[[str], Any], **how: Any) -> Any:
    documents = [_object(representation.schema, row, text, **how) for row in rows]
    return documents if representation.is_list else documents[0]


def _object(
    schema: Any, row: tuple[Any, ...], text: Callable[[str], Any], *, omit_null: bool, shape: Callable[[str], Any]
) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for (name, field), value in zip(fields_of(schema).items(), row, strict=True):
        if value is None and omit_null and field.metadata.get("omit_null"):
            continue
        if isinstance(field, Items):
            read[name] = [
                _object(field.schema, each, text, omit_null=omit_null, shape=shape) if field.schema else text(each)
                for each in value
            ]
        elif isinstance(field, Several):
            read[name] = [text(each) for each in value] if len(value) > 1 else next(map(text, value), None)
        elif isinstance(field, Part) and value is not None:
            read[name] = _object(field.schema, value, text, omit_null=omit_null, shape=shape)
        elif isinstance(field, Shape) and value is not None:
            read[name] = shape(value)
        elif isinstance(value, str):
            read[name] = text(value)
        elif isinstance(value, datetime):
            read[name] = value.isoformat().removesuffix("+00:00") + "Z"
        else:
            read[name] = value
    return read


def _whole(text: str) -> str:
    return text


def _printable(text: str) -> str:
    return NOT_PRINTABLE.sub("", text)


def _printable_or_none(text: str) -> str | None:
    """In XML the empty text is an empty element, as null is."""
    return _printable(text) or None


@pytest.mark.parametrize("name", _REPRESENTATIONS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_read_is_what_was_written(name: str, data: st.DataObject) -> None:
    representation = _REPRESENTATIONS[name]
    most = 4 if representation.is_list else 1
    rows = data.draw(st.lists(_row(representation.schema), min_size=0 if representation.is_list else 1, max_size=most))

    as_text, xml = document(as_json, representation, rows), document(as_xml, representation, rows)

    # JSON carries every text but half of a surrogate pair, for which the whole is written without what XML cannot carry.
    json_text = _printable if _SURROGATE.search(repr(rows)) else _whole
    assert read_json(as_text) == _as_read(representation, rows, json_text, omit_null=True, shape=json.loads)
    assert read_xml(xml) == _as_read(representation, rows, _printable_or_none, omit_null=False, shape=str)


@settings(max_examples=200, deadline=None)
@given(text=_ANY_TEXT)
def test_text_as_it_is_kept_is_the_same_in_both_formats(text: str) -> None:
    rows = [(400, clean(text))]

    ((_, in_json),) = [each.values() for each in read_json(document(as_json, ERRORS, rows))]
    ((_, in_xml),) = [each.values() for each in read_xml(document(as_xml, ERRORS, rows))]

    assert in_json == (in_xml or "") == clean(text)


def test_every_representation_there_is_is_tried() -> None:
    declared = {
        id(each)
        for module in (discovery, district, error, follower, request, scorecard, service, update)
        for each in vars(module).values()
        if isinstance(each, Representation)
    }

    assert declared == {id(each) for each in _REPRESENTATIONS.values()}
