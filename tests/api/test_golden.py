"""Whole documents as they are in tests/golden: those that the specification prints, and what we answer.

`pytest tests/api/test_golden.py --golden` writes them anew.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from db import db
from open311.models import Service
from schemas import as_json, as_xml
from schemas.discovery import DISCOVERY
from schemas.error import ERRORS
from schemas.representation import Representation
from schemas.request import BATCH_RECEIPT, REALTIME_RECEIPT, REQUESTS, TOKENS
from tests.api.wire import NOISE, SEATTLE, STREET, TIP, Answer, Api, document, in_both_formats, read_json
from tests.factories import Factory

GOLDEN = Path(__file__).parent.parent / "golden"
_RENDERERS = {"json": as_json, "xml": as_xml}
_REQUESTED, _UPDATED = datetime(2026, 11, 20, 9, 30, tzinfo=UTC), datetime(2026, 11, 20, 10, tzinfo=UTC)
_CHANGED = datetime(2026, 1, 1, tzinfo=UTC)

Compare = Callable[[str, bytes, str], None]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Compare:
    """golden(name, body, format): the body is, but for white space between elements, the golden file."""

    def compare(name: str, body: bytes, format: str) -> None:
        path = GOLDEN / f"{name}.{format}"
        readable = _READABLE[format](body)
        if request.config.getoption("--golden"):
            path.write_text(readable)
        assert readable == _READABLE[format](path.read_bytes())

    return compare


def _readable_json(body: bytes) -> str:
    return json.dumps(read_json(body), ensure_ascii=False, indent=2) + "\n"


def _readable_xml(body: bytes) -> str:
    root = etree.fromstring(body, etree.XMLParser(remove_blank_text=True))
    text = etree.tostring(root, pretty_print=True, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}'


_READABLE: dict[str, Callable[[bytes], str]] = {"json": _readable_json, "xml": _readable_xml}

_REQUEST = (
    *("SR-1042", "open", None, "Pothole", "pothole", "Deep hole", None, None, _REQUESTED, _UPDATED, None, "1 Main St", None),
    *("02134", 37.762221, -122.465114, None),
)
_ENDPOINT = (
    *("http://wiki.open311.org/GeoReport_v2", "https://host/open311/v2", _CHANGED, "production"),
    ["text/xml", "application/json"],
)

# Documents of the specification, sections 1.8 and 4, with the rows that they say.
_SPEC: dict[str, tuple[Representation, list[tuple[Any, ...]]]] = {
    "spec_requests": (REQUESTS, [_REQUEST]),
    "spec_realtime_receipt": (REALTIME_RECEIPT, [("SR-1042", None, None)]),
    "spec_batch_receipt": (BATCH_RECEIPT, [("T-77", None, None)]),
    "spec_token_pending": (TOKENS, [(None, "T-77")]),
    "spec_token_resolved": (TOKENS, [("SR-1042", "T-77")]),
    "spec_errors": (ERRORS, [(400, "depth required"), (400, "lat and long must be sent together")]),
    "spec_discovery": (DISCOVERY, [(_CHANGED, "free text", "free text on how to get a key", [_ENDPOINT])]),
}


@in_both_formats
@pytest.mark.parametrize("name", _SPEC)
def test_a_document_of_the_specification_is_written_as_it_stands_there(golden: Compare, name: str, format: str) -> None:
    representation, rows = _SPEC[name]

    golden(name, document(_RENDERERS[format], representation, rows), format)


@pytest.fixture
def numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is posted becomes SR-1042, or T-77."""
    monkeypatch.setattr("open311.cases.intake.new_number", lambda: "SR-1042")
    monkeypatch.setattr("open311.cases.intake.new_token", lambda: "T-77")


def _pothole(make: Factory) -> None:
    service = make.service("street-maintenance", SEATTLE)
    values = {"name": "Pothole", "description": "-", "service_group": "-", "keywords": [], "type": "realtime"}
    db.session.add(Service(jurisdiction_id=service.jurisdiction_id, code="pothole", **values))
    db.session.flush()
    about = {"jurisdiction_id": SEATTLE, "service_code": "pothole", "requested_at": _REQUESTED}
    make.request(
        "SR-1042",
        **about,
        description="Deep hole",
        updated_at=_UPDATED,
        address="1 Main St",
        zipcode="02134",
        lat=37.762221,
        long=-122.465114,
    )
    make.request(
        "SR-1043",
        **about,
        description="Straße <b>&\ntwo lines",
        status="closed",
        updated_at=_UPDATED,
        closed_at=_UPDATED,
        status_notes="Filled",
        lat=None,
        long=None,
        media_url="/media/seattle.gov/0123.jpg",
    )


# What is asked, and answered.
_ANSWERS: dict[str, Callable[[Api, str], Answer]] = {
    "realtime_receipt": lambda api, format: api.post({**STREET, "account_id": "A-7"}, format),
    "batch_receipt": lambda api, format: api.post(NOISE, format),
    "blackbox_receipt": lambda api, format: api.post(TIP, format),
    "missing_key": lambda api, format: api.post(STREET, format, key=None),
    "several_problems": lambda api, format: api.post({"service_code": "missed-garbage"}, format),
    "unknown_request": lambda api, format: api.get("requests/SR-1", format),
    "definition": lambda api, format: api.get("services/graffiti", format),
    "definition_without_attributes": lambda api, format: api.get("services/dead-animal", format),
    "requests": lambda api, format: api.get("requests", format, service_request_id="SR-1042,SR-1043"),
    "request": lambda api, format: api.get("requests/SR-1042", format),
    "no_requests": lambda api, format: api.get("requests", format, service_request_id="SR-1"),
    "token_pending": lambda api, format: [api.post(NOISE), api.get("tokens/T-77", format)][1],
}


@pytest.mark.usefixtures("numbered")
@in_both_formats
@pytest.mark.parametrize("name", _ANSWERS)
def test_an_answer_is_the_whole_document_that_it_was(api: Api, make: Factory, golden: Compare, name: str, format: str) -> None:
    if name in ("requests", "request"):
        _pothole(make)

    golden(name, _ANSWERS[name](api, format).body, format)


def test_every_golden_file_is_looked_at() -> None:
    names = {f"{name}.{format}" for name in (*_SPEC, *_ANSWERS) for format in _RENDERERS}

    assert {path.name for path in GOLDEN.iterdir()} == names
