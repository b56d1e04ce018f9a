"""Both formats: by the path alone, in UTF-8, escaped, to the grammar, with times to the second."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from flask.testing import FlaskClient
from lxml import etree

from tests.api.wire import (
    BASE,
    CONTENT_TYPES,
    DECLARATION,
    NOISE,
    STREET,
    TIP,
    Answer,
    Api,
    in_both_formats,
    take_away_services,
    xml_root,
)
from tests.factories import DAY, HOUR, Factory

_HERE = Path(__file__).parent
_GRAMMAR = etree.RelaxNG(etree.parse(_HERE / "georeport.rng"))
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
_FAITHFUL = "Straße « naïve » 深い穴 🕳 – “ü”"
_SPECIAL = """<b onclick="x('y')">A & B</b> &amp; ]]> <![CDATA["""

# What can be asked, with the JSON Schema that the answer fits.
_SETUP: dict[str, tuple[str, Callable[[Api, Factory, str], Answer]]] = {
    "services": ("services", lambda api, make, format: api.get("services", format)),
    "no services": ("services", lambda api, make, format: _without_services(api, make, format)),
    "definition": ("definition", lambda api, make, format: api.get("services/noise", format)),
    "definition with a multivaluelist": ("definition", lambda api, make, format: api.get("services/graffiti", format)),
    "definition without attributes": ("definition", lambda api, make, format: api.get("services/dead-animal", format)),
    "requests": ("requests", lambda api, make, format: _requests(api, make, format)),
    "no requests": ("requests", lambda api, make, format: api.get("requests", format)),
    "a request": ("requests", lambda api, make, format: api.get(f"requests/{api.posted(STREET)}", format)),
    "realtime receipt": ("realtime_receipt", lambda api, make, format: api.post(STREET, format)),
    "batch receipt": ("batch_receipt", lambda api, make, format: api.post(NOISE, format)),
    "blackbox receipt": ("blackbox_receipt", lambda api, make, format: api.post(TIP, format)),
    "pending token": ("tokens", lambda api, make, format: _pending(api, format)),
    "resolved token": ("tokens", lambda api, make, format: _resolved(api, make, format)),
    "discovery": ("discovery", lambda api, make, format: api.get("discovery", format)),
    "not found": ("errors", lambda api, make, format: api.get("services/nothing", format)),
    "no key": ("errors", lambda api, make, format: api.post(STREET, format, key=None)),
    "several problems": ("errors", lambda api, make, format: api.post({**STREET, "lat": "x", "long": "y"}, format)),
    "wrong method": ("errors", lambda api, make, format: api.ask(f"services.{format}", format, "DELETE")),
}


def _without_services(api: Api, make: Factory, format: str) -> Answer:
    take_away_services(make)
    return api.get("services", format)


def _requests(api: Api, make: Factory, format: str) -> Answer:
    make.request("MADE-OPEN", jurisdiction_id="seattle.gov", service_code="graffiti", description=_SPECIAL)
    make.request(
        "MADE-CLOSED",
        jurisdiction_id="seattle.gov",
        service_code="graffiti",
        closed_after=HOUR,
        age=DAY,
        description=None,
        lat=None,
        long=None,
        zipcode="02134",
        address="1 Main St",
        address_id="007",
        media_url="https://example.org/a.png?b=1&c=2",
        status_notes="Painted over",
    )
    api.post({**STREET, "media_url": "https://example.org/hole.jpg"})
    return api.get("requests", format)


def _pending(api: Api, format: str) -> Answer:
    token = api.post(NOISE).row["token"]
    return api.get(f"tokens/{token}", format)


def _resolved(api: Api, make: Factory, format: str) -> Answer:
    make.request("B-1", jurisdiction_id="seattle.gov", service_code="noise", token="T-1")
    return api.get("tokens/T-1", format)


every_answer = pytest.mark.parametrize("what", _SETUP)


@pytest.mark.statement(1)
@in_both_formats
@pytest.mark.parametrize(
    "resource", ["services", "services/{service}", "requests", "requests/{request}", "tokens/{token}", "discovery"]
)
def test_every_resource_is_served(api: Api, make: Factory, resource: str, format: str) -> None:
    make.request("B-1", jurisdiction_id="seattle.gov", service_code="noise", token="T-1")

    answer = api.get(resource.format(service="noise", request="B-1", token="T-1"), format)

    assert answer.status == 200
    assert answer.content


@pytest.mark.statement(1)
@in_both_formats
def test_discovery_names_both_formats(api: Api, format: str) -> None:
    discovery = api.get("discovery", format).content

    assert [endpoint["formats"] for endpoint in discovery["endpoints"]] == [["text/xml", "application/json"]]


@pytest.mark.statement(2)
@in_both_formats
@every_answer
def test_every_answer_has_the_content_type_of_its_format(api: Api, make: Factory, what: str, format: str) -> None:
    _, call = _SETUP[what]

    assert call(api, make, format).headers["Content-Type"] == CONTENT_TYPES[format]


@pytest.mark.statement(3)
@every_answer
def test_xml_begins_with_a_declaration_naming_utf_8(api: Api, make: Factory, what: str) -> None:
    _, call = _SETUP[what]

    answer = call(api, make, "xml")

    assert answer.body.startswith(DECLARATION + b"\n")
    assert answer.body.decode("utf-8")


@pytest.mark.statement(3)
@in_both_formats
@pytest.mark.parametrize("text", [_FAITHFUL, "two\nlines", "\N{RIGHT-TO-LEFT OVERRIDE}abc", "a\u2028b", "é"])
def test_text_beyond_ascii_comes_back_as_it_was_posted(api: Api, text: str, format: str) -> None:
    number = api.posted({**STREET, "description": text})

    answer = api.get(f"requests/{number}", format)

    assert answer.row["description"] == text


@pytest.mark.statement(3)
def test_json_writes_characters_beyond_ascii_as_they_are(api: Api) -> None:
    number = api.posted({**STREET, "description": _FAITHFUL})

    assert _FAITHFUL.encode() in api.get(f"requests/{number}").body


@pytest.mark.statement(4)
@in_both_formats
@pytest.mark.parametrize("accept", ["text/xml", "application/json", "application/pdf", "*/*", "", "nonsense;;;"])
def test_accept_is_never_looked_at(api: Api, accept: str, format: str) -> None:
    answer = api.get("services", format, headers={"Accept": accept})

    assert answer.status == 200
    assert answer.headers["Content-Type"] == CONTENT_TYPES[format]


@pytest.mark.statement(5)
@pytest.mark.parametrize(
    "path",
    [
        "services",
        "services.html",
        "services.yaml",
        "services.XML",
        "services/noise",
        "requests.txt",
        "requests/ABC",
        "requests/ABC.pdf",
        "nothing.xml",
        "tokens.xml",
        "requests/A/B.xml",
        "",
    ],
)
def test_an_unknown_extension_or_resource_is_404_in_xml(api: Api, path: str) -> None:
    answer = api.ask(path, "xml")

    assert answer.status == 404
    assert answer.problem


@pytest.mark.statement(5)
def test_an_unknown_resource_that_ends_in_json_is_404_in_json(api: Api) -> None:
    answer = api.ask("nothing.json", "json")

    assert answer.status == 404
    assert "nothing.json" in answer.problem


@pytest.mark.statement(5)
def test_a_number_may_hold_dots_the_last_of_which_begins_the_format(api: Api, make: Factory) -> None:
    make.request("A.B.json", jurisdiction_id="seattle.gov", service_code="graffiti")

    assert api.get("requests/A.B.json", "xml").ids == ["A.B.json"]


@pytest.mark.statement(6)
@in_both_formats
def test_special_characters_come_back_as_they_were_posted(api: Api, format: str) -> None:
    number = api.posted({**STREET, "description": _SPECIAL, "address_string": "1 \"A\" & 'B' <St>"})

    row = api.get(f"requests/{number}", format).row

    assert row["description"] == _SPECIAL
    assert row["address"] == "1 \"A\" & 'B' <St>"


@pytest.mark.statement(6)
def test_xml_holds_no_markup_that_a_client_sent(api: Api) -> None:
    number = api.posted({**STREET, "description": _SPECIAL})

    body = api.get(f"requests/{number}", "xml").body

    assert b"<b" not in body
    assert b"<![CDATA[" not in body
    assert b"&lt;b onclick" in body


@pytest.mark.statement(6)
@in_both_formats
def test_control_characters_that_are_posted_are_dropped(api: Api, format: str) -> None:
    number = api.posted({**STREET, "description": "a\x00b\x0bc\x1bd\x7fe\ufffef", "address_string": "1\x07 St"})

    row = api.get(f"requests/{number}", format).row

    assert (row["description"], row["address"]) == ("abcdef", "1 St")


@pytest.mark.statement(6)
def test_control_characters_that_were_kept_are_never_emitted_in_xml(api: Api, make: Factory) -> None:
    make.request("A-1", jurisdiction_id="seattle.gov", service_code="graffiti", description="a\x0bb\x01c\x80d\ufffee")

    assert api.get("requests/A-1", "xml").row["description"] == "abcde"


@pytest.mark.statement(6)
@in_both_formats
def test_an_error_that_quotes_what_was_sent_is_escaped_too(api: Api, format: str) -> None:
    answer = api.post({**STREET, "service_code": "<x&\x0by>"}, format)

    assert answer.problem == "service_code <x&y> was not found"


@pytest.mark.statement(7)
@every_answer
def test_xml_validates_against_the_grammar(api: Api, make: Factory, what: str) -> None:
    _, call = _SETUP[what]

    _GRAMMAR.assertValid(etree.ElementTree(xml_root(call(api, make, "xml").body)))


@pytest.mark.statement(7)
@every_answer
def test_json_validates_against_its_schema(api: Api, make: Factory, what: str) -> None:
    name, call = _SETUP[what]

    validate_json(call(api, make, "json").content, name)


def validate_json(content: object, name: str) -> None:
    """Check a document against the JSON Schema of this name."""
    schema: dict[str, Any] = json.loads((_HERE / "schemas" / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema, format_checker=_FORMAT_CHECKER).validate(content)


_FORMAT_CHECKER = jsonschema.FormatChecker(formats=())


@_FORMAT_CHECKER.checks("uri")
def _is_address(value: object) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"https?://[^\s<>\"]+", value) is not None


@pytest.mark.statement(7)
@pytest.mark.parametrize(
    "wrong",
    [
        "<services><service/></services>",
        "<services><service><service_code>a</service_code></service></services>",
        "<errors/>",
        "<errors><error><code>403</code><description/></error></errors>",
        "<service_requests><request><service_request_id/></request></service_requests>",
        "<service_requests><request><token>T-1</token></request></service_requests>",
        "<service_requests><request lang='en'><token>T-1</token><service_request_id/></request></service_requests>",
        "<html/>",
    ],
)
def test_the_grammar_refuses_what_is_wrong(wrong: str) -> None:
    assert not _GRAMMAR.validate(etree.fromstring(wrong))


@pytest.mark.statement(8)
@in_both_formats
@every_answer
def test_nothing_stands_in_an_answer_that_the_spec_does_not_name(api: Api, make: Factory, what: str, format: str) -> None:
    name, call = _SETUP[what]

    answer = call(api, make, format)  # reading it refuses namespaces and attributes

    allowed = _FIELDS[name]
    rows = answer.content if isinstance(answer.content, list) else [answer.content]
    assert {field for row in rows for field in row} <= allowed


_REQUEST = (
    "service_request_id status status_notes service_name service_code description agency_responsible service_notice "
    "requested_datetime updated_datetime expected_datetime address address_id zipcode lat long media_url"
)
_FIELDS = {
    "services": {"service_code", "service_name", "description", "metadata", "type", "keywords", "group"},
    "definition": {"service_code", "attributes"},
    "requests": set(_REQUEST.split()),
    "realtime_receipt": {"service_request_id", "service_notice", "account_id"},
    "batch_receipt": {"token", "service_notice", "account_id"},
    "blackbox_receipt": {"service_notice", "account_id"},
    "tokens": {"service_request_id", "token"},
    "discovery": {"changeset", "contact", "key_service", "endpoints"},
    "errors": {"code", "description"},
}


@pytest.mark.statement(9)
@in_both_formats
@every_answer
def test_every_time_is_whole_seconds_with_a_zone(api: Api, make: Factory, what: str, format: str) -> None:
    _, call = _SETUP[what]

    found = list(_times(call(api, make, format).content))

    assert all(_MOMENT.fullmatch(text) for text in found), found
    if what in ("requests", "a request", "discovery"):
        assert found


def _times(content: object) -> list[str]:
    if isinstance(content, list):
        return [text for each in content for text in _times(each)]
    if isinstance(content, dict):
        own = [
            value
            for name, value in content.items()
            if isinstance(value, str) and (name.endswith("_datetime") or name == "changeset")
        ]
        return own + [text for value in content.values() for text in _times(value)]
    return []


@pytest.mark.statement(1)
@in_both_formats
def test_one_client_asks_for_a_request_in_the_singular(api: Api, format: str) -> None:
    number = api.posted(STREET)

    assert api.get(f"request/{number}", format).content == api.get(f"requests/{number}", format).content


@in_both_formats
def test_head_answers_as_get_without_the_body(client: FlaskClient, format: str) -> None:
    path = f"{BASE}/services.{format}?jurisdiction_id=seattle.gov"

    head, get = client.head(path), client.get(path)

    assert head.status_code == 200
    assert head.get_data() == b""
    for name in ("Content-Type", "Content-Length", "ETag"):
        assert head.headers[name] == get.headers[name]


def test_json_and_xml_say_the_same_of_requests(api: Api, make: Factory) -> None:
    _requests(api, make, "json")

    assert api.get("requests", "json").content == api.get("requests", "xml").content
