"""What tests of the wire share: both formats read strictly, answers with their errors, forms as clients send them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from lxml import etree
from PIL import Image
from sqlalchemy import update
from werkzeug.test import TestResponse

from db import db
from open311.models import Service
from schemas.scorecard import FIGURES
from tests.factories import Factory

BASE = "/open311/v2"
BOSTON, SEATTLE = "boston.gov", "seattle.gov"

CONTENT_TYPES = {"json": "application/json; charset=utf-8", "xml": "text/xml; charset=utf-8"}
DECLARATION = b'<?xml version="1.0" encoding="utf-8"?>'

in_both_formats = pytest.mark.parametrize("format", ["json", "xml"])

Field = str | Sequence[str] | tuple[BytesIO, str]

# Elements that hold repeated children: arrays in JSON, as Spark has it.
_LISTS = {
    *("services", "service_requests", "service_request_updates", "errors", "attributes", "values", "endpoints", "formats"),
    *("changes", "districts", "duplicates", "followers", "notes", "phases", "media_urls", "files", "similar_requests"),
    *("queries", "layers", "versions", "scorecards", "by_hour", "by_weekday", "neighbours", "figures"),
}
_FLAGS = {"metadata", "variable", "required", "is_outline", "is_in_force"}
_NUMBERS = {
    *("lat", "long", "distance_metres", "reported_by", "area_square_metres", "west", "south", "east", "north"),
    *("hour", "weekday", "a", "b", "difference", "population"),
    *(name for name in FIGURES if not name.endswith("_datetime")),
}
_WHOLE = {"order", "times_reopened", "district_count", "open", "received_last_30_days"}

IN_WEST_SEATTLE = {"lat": "47.5613", "long": "-122.3868"}
OUTSIDE_SEATTLE = {"lat": "47.6101", "long": "-122.2015"}
STREET = {"service_code": "street-maintenance", "lat": "47.6400", "long": "-122.4000"}
NOISE = {"service_code": "noise", "lat": "47.6190", "long": "-122.3205", "attribute[NOISE_TYPE]": "music"}
TIP = {"service_code": "parking-patrol-tip", **IN_WEST_SEATTLE}
GRAFFITI = {"service_code": "graffiti", **IN_WEST_SEATTLE}
GARBAGE = {
    "service_code": "missed-garbage",
    **IN_WEST_SEATTLE,
    "attribute[CONTAINER_TYPE]": "garbage",
    "attribute[CONTAINER_COUNT]": "2",
    "attribute[COLLECTION_DAY]": "2026-03-02T07:00:00-08:00",
}


def without(fields: Mapping[str, str], *names: str) -> dict[str, str]:
    """The form less some of its fields."""
    return {name: value for name, value in fields.items() if name not in names}


def read_json(body: bytes) -> Any:
    """JSON by the letter: UTF-8 without a mark, no NaN, no name twice in an object."""

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs), f"a name stands twice in {pairs}"
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    assert not body.startswith(b"\xef\xbb\xbf")
    return json.loads(body.decode("utf-8"), object_pairs_hook=object_of, parse_constant=refuse)


def xml_root(body: bytes) -> etree._Element:
    """The root of an XML document: with the declaration of the spec, no namespace, no attribute, no mixed content."""
    assert body.startswith(DECLARATION)
    root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    for element in root.iter():
        assert isinstance(element.tag, str), "comments and instructions do not belong here"
        assert not element.tag.startswith("{")
        assert not element.nsmap
        assert not element.attrib
        if len(element):
            around = [element.text, *[child.tail for child in element]]
            assert not any(text and text.strip() for text in around), f"text between the children of {element.tag}"
    return root


def read_xml(body: bytes) -> Any:
    """XML as the JSON it stands for: root dropped, containers as arrays, empty elements as None.  Source: Spark."""
    return _spark(xml_root(body))


def _spark(element: etree._Element) -> Any:
    parent = element.getparent()
    # Of a request which they are, of a scorecard how many.
    is_figure = element.tag == "duplicates" and parent is not None and parent.tag not in ("request", "extended_attributes")
    if element.tag in _LISTS and not is_figure:
        return [_spark(child) for child in element]
    if element.tag == "media_url" and len(element):
        # Spec 5.4: of several files a list by the same name.
        assert {child.tag for child in element} == {"media_url"}
        return [_spark(child) for child in element]
    if len(element):
        assert len({child.tag for child in element}) == len(element), f"an element stands twice in {element.tag}"
        return {child.tag: _spark(child) for child in element}
    text = element.text
    if text is None:
        return None
    if element.tag in _FLAGS:
        return {"true": True, "false": False}[text]
    if element.tag in _NUMBERS:
        return float(text)
    if element.tag in _WHOLE or (element.tag == "code" and parent is not None and parent.tag == "error"):
        return int(text)
    return text


READERS = {"json": read_json, "xml": read_xml}


@dataclass(frozen=True)
class Answer:
    """An answer and what it says."""

    response: TestResponse
    format: str

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.response.status_code

    @property
    def body(self) -> bytes:
        """The bytes."""
        return self.response.get_data()

    @property
    def text(self) -> str:
        """The characters."""
        return self.body.decode("utf-8")

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""
        return self.response.headers

    @cached_property
    def content(self) -> Any:
        """The document, the same for both formats."""
        assert self.headers["Content-Type"] == CONTENT_TYPES[self.format]
        return READERS[self.format](self.body)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of a list that succeeded."""
        assert self.status == 200, self.text
        assert isinstance(self.content, list)
        return self.content

    @property
    def row(self) -> dict[str, Any]:
        """The only row of a list that succeeded."""
        (row,) = self.rows
        return row

    @property
    def ids(self) -> list[str]:
        """The numbers of the requests listed."""
        return [row["service_request_id"] for row in self.rows]

    @property
    def problems(self) -> list[str]:
        """The descriptions of an answer in the shape of an error."""
        assert self.status in (400, 403, 404, 429) or self.status >= 500, self.text
        assert isinstance(self.content, list)
        assert self.content
        if self.format == "xml":
            assert xml_root(self.body).tag == "errors"
            assert {child.tag for child in xml_root(self.body)} == {"error"}
        for error in self.content:
            assert set(error) == {"code", "description"}
            assert error["code"] == self.status
            assert isinstance(error["description"], str)
            assert error["description"].strip()
            assert "Traceback" not in error["description"]
            assert "<html" not in error["description"].lower()
        return [error["description"] for error in self.content]

    @property
    def problem(self) -> str:
        """The only description of an error."""
        (problem,) = self.problems
        return problem


class Api:
    """Calls GeoReport v2 as a client does: in Seattle and with a good key, unless told otherwise."""

    def __init__(self, client: FlaskClient, api_key: str) -> None:
        self.client = client
        self.api_key = api_key

    def get(
        self,
        resource: str,
        format: str = "json",
        *,
        city: str | None = SEATTLE,
        headers: Mapping[str, str] | None = None,
        **arguments: str | Sequence[str],
    ) -> Answer:
        """GET resource.format; a city of None sends no jurisdiction_id."""
        query: dict[str, Any] = dict(arguments)
        if city is not None:
            query["jurisdiction_id"] = city
        return Answer(self.client.get(f"{BASE}/{resource}.{format}", query_string=query, headers=headers), format)

    def ask(self, path_and_query: str, format: str = "json", method: str = "GET", **options: Any) -> Answer:
        """Any call, written out below the base."""
        return Answer(self.client.open(f"{BASE}/{path_and_query}", method=method, **options), format)

    def post(
        self,
        fields: Mapping[str, Field | list[tuple[BytesIO, str]]],
        format: str = "json",
        *,
        city: str | None = SEATTLE,
        key: str | None = "",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST requests.format; a key of None sends none.  A field with a file makes the form multipart."""
        form: dict[str, Any] = dict(fields)
        if key is not None:
            form["api_key"] = key or self.api_key
        if city is not None:
            form["jurisdiction_id"] = city
        response = self.client.post(f"{BASE}/requests.{format}", data=form, headers=headers, query_string=query)
        return Answer(response, format)

    def post_body(self, body: bytes, content_type: str, format: str = "json", *, query: str = "") -> Answer:
        """POST requests.format with these very bytes; key and city stand in the query."""
        query = query or f"api_key={self.api_key}&jurisdiction_id={SEATTLE}"
        response = self.client.post(f"{BASE}/requests.{format}", data=body, content_type=content_type, query_string=query)
        return Answer(response, format)

    def posted(self, fields: Mapping[str, Field], **options: Any) -> str:
        """The number of a request that was posted."""
        number = self.post(fields, **options).row["service_request_id"]
        assert isinstance(number, str)
        return number


def take_away_services(make: Factory, jurisdiction_id: str = SEATTLE) -> None:
    """Make every service of a city inactive."""
    city = make.city(jurisdiction_id)
    db.session.execute(update(Service).where(Service.jurisdiction_id == city.id).values(is_active=False))


def multipart(
    boundary: str, texts: Mapping[str, str], files: Iterable[tuple[str, str, bytes]] = (), *, end: bool = True
) -> bytes:
    """A multipart body by hand; files are (field, file name, content)."""
    lines = b""
    for name, text in texts.items():
        lines += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
    for name, file_name, content in files:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
        lines += head.encode() + b"Content-Type: image/png\r\n\r\n" + content + b"\r\n"
    return lines + (f"--{boundary}--\r\n".encode() if end else b"")


def picture(kind: str = "PNG", size: tuple[int, int] = (4, 3), color: str = "red", **options: Any) -> bytes:
    """A small picture as a file's bytes."""
    out = BytesIO()
    Image.new("RGB", size, color).save(out, kind, **options)
    return out.getvalue()


def upload(content: bytes, name: str = "photo.png") -> tuple[BytesIO, str]:
    """A file part of a form."""
    return BytesIO(content), name


def document(renderer: Any, representation: Any, rows: Any) -> bytes:
    """The whole document of rows, as schemas.as_json or schemas.as_xml writes it."""
    return bytes(renderer.wrap(representation, renderer.fragments(representation, rows)))
