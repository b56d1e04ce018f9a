"""Whatever is sent: a clear error in the caller's format, every problem at once, and nothing kept by halves."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg import Connection

from tests.api.wire import (
    BASE,
    BOSTON,
    GARBAGE,
    GRAFFITI,
    NOISE,
    OUTSIDE_SEATTLE,
    SEATTLE,
    STREET,
    TIP,
    Answer,
    Api,
    in_both_formats,
    multipart,
    picture,
    upload,
    without,
)

Change = Callable[..., Any]

FORM = "application/x-www-form-urlencoded"
PLACE = b"service_code=street-maintenance&lat=47.64&long=-122.4"


@pytest.fixture(autouse=True)
def _nothing_is_kept(kept: Callable[[], Any]) -> Iterator[None]:
    """No row and no photo is there afterwards that was not there before."""
    before = kept()
    yield
    assert kept() == before


def _refused(answer: Answer, status: int, *named: str) -> None:
    """A refusal in the one shape, with a problem for each of the names and no other."""
    assert answer.status == status, answer.text
    assert len(answer.problems) == len(named), answer.problems
    for name, problem in zip(named, answer.problems, strict=True):
        assert name in problem, answer.problems


_STREET_CODE = {"service_code": "street-maintenance"}

# What is sent, the status, and what each problem names.
_FIELDS = [
    pytest.param({**STREET, "service_code": ""}, 400, ["service_code"], id="no service"),
    pytest.param({**STREET, "service_code": "nothing"}, 404, ["service_code nothing"], id="unknown service"),
    pytest.param({**STREET, "service_code": "a\x00b"}, 404, ["service_code"], id="NUL in the service"),
    pytest.param({**STREET, "service_code": "street-light-outages"}, 404, ["service_code"], id="another city's service"),
    pytest.param(_STREET_CODE, 400, ["location"], id="no location"),
    pytest.param({**_STREET_CODE, "lat": "47.64"}, 400, ["long is missing"], id="half a coordinate"),
    pytest.param({**_STREET_CODE, "long": "-122.4"}, 400, ["lat is missing"], id="the other half"),
    pytest.param({**STREET, "lat": "north"}, 400, ["lat must be a number from -90 to 90"], id="text"),
    pytest.param({**STREET, "lat": "NaN"}, 400, ["lat"], id="NaN"),
    pytest.param({**STREET, "long": "Infinity"}, 400, ["long"], id="infinity"),
    pytest.param({**STREET, "lat": "-inf", "long": "1e999"}, 400, ["lat", "long"], id="infinities"),
    pytest.param({**STREET, "lat": "91"}, 400, ["lat must be a number from -90 to 90"], id="lat out of range"),
    pytest.param({**STREET, "long": "180.1"}, 400, ["long must be a number from -180 to 180"], id="long out of range"),
    pytest.param({**STREET, "lat": "9" * 5000}, 400, ["lat"], id="a very long number"),
    pytest.param({**STREET, **OUTSIDE_SEATTLE}, 400, ["outside the area served, City of Seattle"], id="outside the city"),
    pytest.param({**STREET, "lat": "-122.4", "long": "47.64"}, 400, ["lat"], id="lat and long exchanged"),
    pytest.param({**STREET, "lat": "90", "long": "180"}, 400, ["outside"], id="the corner of the earth"),
    pytest.param({**STREET, "description": "x" * 4001}, 400, ["description"], id="4,001 characters"),
    pytest.param({**STREET, "address_string": "x" * 1001}, 400, ["address_string"], id="a long address"),
    pytest.param({**STREET, "address_id": "x" * 1001}, 400, ["address_id"], id="a long address_id"),
    pytest.param({**STREET, "email": "x" * 1001, "phone": "1" * 1001}, 400, ["email", "phone"], id="long persons"),
    pytest.param({**STREET, "media_url": "javascript:alert(1)"}, 400, ["media_url"], id="a script for a photo"),
    pytest.param({**GRAFFITI, "attribute[SURFACE]": "roof"}, 400, ["SURFACE must be one of"], id="unknown list key"),
    pytest.param(without(GARBAGE, "attribute[CONTAINER_TYPE]"), 400, ["CONTAINER_TYPE required"], id="missing attribute"),
    pytest.param(without(NOISE, "attribute[NOISE_TYPE]"), 400, ["NOISE_TYPE required"], id="missing in a batch service"),
    pytest.param({**TIP, "lat": "x"}, 400, ["lat"], id="wrong in a blackbox service"),
    pytest.param({**GARBAGE, "attribute[CONTAINER_COUNT]": "two"}, 400, ["CONTAINER_COUNT"], id="no number"),
    pytest.param({**GARBAGE, "attribute[COLLECTION_DAY]": "soon"}, 400, ["COLLECTION_DAY"], id="no date"),
    pytest.param(
        {
            "service_code": "missed-garbage",
            **OUTSIDE_SEATTLE,
            "description": "x" * 4001,
            "media_url": "x",
            "attribute[CONTAINER_COUNT]": "two",
            "attribute[COLLECTION_DAY]": "soon",
        },
        400,
        ["description", "media_url", "CONTAINER_TYPE required", "CONTAINER_COUNT", "COLLECTION_DAY", "outside"],
        id="everything at once",
    ),
]


@in_both_formats
@pytest.mark.parametrize(("fields", "status", "named"), _FIELDS)
def test_a_wrong_field_is_refused_and_named(
    api: Api, fields: dict[str, str], status: int, named: list[str], format: str
) -> None:
    _refused(api.post(fields, format), status, *named)


@in_both_formats
@pytest.mark.parametrize(("fields", "status", "named"), _FIELDS)
def test_a_wrong_field_of_a_multipart_form_is_refused_and_its_photo_is_not_kept(
    api: Api, fields: dict[str, str], status: int, named: list[str], format: str
) -> None:
    _refused(api.post({**fields, "media": upload(picture())}, format), status, *named)


@in_both_formats
@pytest.mark.parametrize(
    ("city", "status"), [(None, 400), ("", 400), ("nowhere", 404), ("a\x00b", 404), ("SEATTLE.GOV", 404), ("x" * 5000, 404)]
)
def test_a_city_that_is_missing_or_unknown_is_refused_in_every_call(
    api: Api, city: str | None, status: int, format: str
) -> None:
    _refused(api.post(STREET, format, city=city), status, "jurisdiction_id")
    for resource in ("services", "services/noise", "requests", "requests/X-1", "tokens/X-1"):
        _refused(api.get(resource, format, city=city), status, "jurisdiction_id")


@in_both_formats
def test_two_cities_in_one_call_are_refused(api: Api, format: str) -> None:
    _refused(api.post(STREET, format, city=SEATTLE, query={"jurisdiction_id": BOSTON}), 400, "jurisdiction_id")
    _refused(
        api.ask(f"services.{format}?jurisdiction_id=boston.gov&jurisdiction_id=seattle.gov", format), 400, "must be the same"
    )


@in_both_formats
@pytest.mark.parametrize("key", [None, "", "wrong", "a\x00b"])
def test_a_key_that_is_missing_or_unknown_is_refused(api: Api, key: str | None, format: str) -> None:
    _refused(api.post({**STREET, "api_key": key or ""}, format, key=None), 403, "api_key")


# Texts that cannot be kept


@in_both_formats
@pytest.mark.parametrize(
    ("body", "named"),
    [
        pytest.param(PLACE + b"&description=%ff%fe", "UTF-8", id="broken UTF-8, encoded"),
        pytest.param(PLACE + b"&description=\xff\xfe", "UTF-8", id="broken UTF-8, raw"),
        pytest.param(PLACE + b"&description=%ED%A0%80", "UTF-8", id="half of a surrogate pair"),
        pytest.param(PLACE + b"&description=%C0%80", "UTF-8", id="overlong NUL"),
        pytest.param(PLACE + b"&%ff=1", "UTF-8", id="broken name of a field"),
        pytest.param(PLACE + b"&description=caf%E9", "UTF-8", id="Latin-1"),
        pytest.param("description=é".encode("utf-16"), "UTF-8", id="UTF-16"),
        pytest.param(PLACE + b"&x=1" * 10_000, "1000 fields", id="10,000 fields"),
        pytest.param(PLACE + b"&" + b"x" * 20_000_000, "16777216 bytes", id="20 MB"),
    ],
)
def test_a_body_that_is_no_good_form_is_refused(api: Api, body: bytes, named: str, format: str) -> None:
    _refused(api.post_body(body, FORM, format), 400, named)


@in_both_formats
@pytest.mark.parametrize(
    ("body", "content_type", "named"),
    [
        pytest.param(multipart("a", STREET), "multipart/form-data", "boundary", id="no boundary"),
        pytest.param(multipart("a", STREET), "multipart/form-data; boundary=", "boundary", id="an empty boundary"),
        pytest.param(multipart("a", STREET), "multipart/form-data; boundary=b", "multipart", id="another boundary"),
        pytest.param(multipart("a", STREET, end=False), "multipart/form-data; boundary=a", "multipart", id="no end"),
        pytest.param(
            multipart("a", STREET, [("media", "a.png", picture())])[:-30],
            "multipart/form-data; boundary=a",
            "multipart",
            id="cut off within a photo",
        ),
        pytest.param(b"lat=47.64", "multipart/form-data; boundary=a", "multipart", id="no multipart at all"),
        pytest.param(
            multipart("a", STREET).replace(b'name="lat"', b"name=lat; lat").replace(b"47.6400", b"\xff\xfe"),
            "multipart/form-data; boundary=a",
            "UTF-8",
            id="broken UTF-8",
        ),
        pytest.param(
            multipart("a", {f"x{number}": "1" for number in range(10_000)}),
            "multipart/form-data; boundary=a",
            "1000 fields",
            id="10,000 fields",
        ),
        pytest.param(
            multipart("a", STREET, [("media", "a.png", b"x" * 20_000_000)]),
            "multipart/form-data; boundary=a",
            "16777216 bytes",
            id="20 MB",
        ),
        pytest.param(
            multipart("a", {**STREET, "media": "x" * 20_000_000}),
            "multipart/form-data; boundary=a",
            "16777216 bytes",
            id="20 MB of text",
        ),
        pytest.param(
            b"--a\r\n" + b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n1\r\n--a--\r\n",
            "multipart/form-data; boundary=a",
            "",
            id="a long head",
        ),
    ],
)
def test_a_multipart_body_that_cannot_be_read_is_refused(
    api: Api, body: bytes, content_type: str, named: str, format: str
) -> None:
    _refused(api.post_body(body, content_type, format), 400, named)


@in_both_formats
@pytest.mark.parametrize(
    "content_type", ["application/json", "text/xml", "text/plain", "image/png", "multipart/mixed; boundary=a"]
)
def test_a_body_of_another_kind_is_refused(api: Api, content_type: str, format: str) -> None:
    _refused(api.post_body(json.dumps(STREET).encode(), content_type, format), 400, "Content-Type must be")


@in_both_formats
@pytest.mark.parametrize("content_type", ["", ";;;", "/", "multipart", "\x7f"])
def test_a_content_type_that_is_none_is_no_accident(api: Api, content_type: str, format: str) -> None:
    answer = api.post_body(b"lat=1", content_type, format)

    assert answer.status == 400
    assert answer.problems


@in_both_formats
@pytest.mark.parametrize("name", ["lat", "service_code", "attribute[A]", "media_url", "email"])
def test_broken_utf_8_in_the_query_of_a_post_is_refused(api: Api, name: str, format: str) -> None:
    query = f"api_key={api.api_key}&jurisdiction_id=seattle.gov&{name}=%ff"

    _refused(api.post_body(PLACE, FORM, format, query=query), 400, "UTF-8")


# Arguments of reads


@in_both_formats
@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("start_date=garbage", ["start_date must be a date and time like"]),
        ("end_date=2026-99-99", ["end_date"]),
        ("start_date=2026-01-01&end_date=2026-06-01", ["at most 90 days, got 151"]),
        ("start_date=2026-06-01&end_date=2026-01-01", ["must not be after"]),
        ("updated_after=%00", ["updated_after"]),
        ("page=abc", ["page must be a whole number"]),
        ("page_size=-x", ["page_size"]),
        ("page=1%00", ["page"]),
        ("status=foo", ["status"]),
        ("status=%ff", ["status"]),
        ("status=foo&page=abc&start_date=x", ["status", "start_date", "page"]),
    ],
)
def test_a_wrong_argument_is_refused_and_named(api: Api, query: str, named: list[str], format: str) -> None:
    _refused(api.ask(f"requests.{format}?jurisdiction_id=seattle.gov&{query}", format), 400, *named)


@in_both_formats
@pytest.mark.parametrize("text", ["%00", "A%00B", "%ff", "%ED%A0%80", "%F0%9F%95%B3", "%0B", "'--", "%25", "{}", "%2C"])
def test_odd_text_in_an_argument_finds_nothing(api: Api, text: str, format: str) -> None:
    for argument in ("service_request_id", "service_code", "unknown", "api_key", "%00"):
        answer = api.ask(f"requests.{format}?jurisdiction_id=seattle.gov&{argument}={text}", format)
        assert answer.rows == []


@in_both_formats
@pytest.mark.parametrize("text", ["%00", "A%00B", "%ff", "%ED%A0%80", "%F0%9F%95%B3", "%0B", "'--", "%25", "%20", "x" * 5000])
@pytest.mark.parametrize("resource", ["services", "requests", "request", "tokens", "queries"])
def test_odd_text_in_a_path_is_not_found(api: Api, resource: str, text: str, format: str) -> None:
    answer = api.ask(f"{resource}/{text}.{format}?jurisdiction_id=seattle.gov", format)

    _refused(answer, 404, "")


@pytest.mark.parametrize("path", ["/open311/v2/%00", "/open311/v2/%ff.xml", "/open311/%00/services.xml"])
def test_odd_text_where_there_is_no_resource_is_not_found(client: FlaskClient, path: str) -> None:
    _refused(Answer(client.get(path), "xml"), 404, "was not found")


@pytest.mark.parametrize("callback", ["alert(1)", "a.", "a..b", "a.1", ".a", "a" * 65, "%00", "%ff", "a%0Ab", "f%E2%80%A8"])
def test_a_callback_that_is_no_name_is_refused(api: Api, callback: str) -> None:
    _refused(api.ask(f"services.json?jurisdiction_id=seattle.gov&callback={callback}", "json"), 400, "callback")


@in_both_formats
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_wrong_method_is_refused(api: Api, method: str, format: str) -> None:
    for resource in ("services", "requests", "requests/X-1", "tokens/X-1", "discovery"):
        _refused(api.ask(f"{resource}.{format}", format, method, data=STREET), 400, f"{method} is not possible")


@in_both_formats
def test_a_post_with_nothing_in_it_is_refused(api: Api, format: str) -> None:
    _refused(api.ask(f"requests.{format}", format, "POST"), 400, "jurisdiction_id is required")
    _refused(api.post_body(b"", FORM, format), 400, "service_code is required")
    _refused(api.post_body(b"&&&===&", FORM, format), 400, "service_code is required")
    _refused(api.post_body(b"", "multipart/form-data; boundary=a", format), 400, "service_code is required")


@in_both_formats
def test_a_failure_in_the_middle_leaves_nothing(
    api: Api, connection: "Connection[Any]", monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        assert connection.execute("select count(*) from service_request").fetchone() == (1,)
        raise RuntimeError("the line went dead")

    monkeypatch.setattr("open311.cases.intake._keep_around", fail)

    answer = api.post({**STREET, "media": upload(picture())}, format)

    assert answer.status == 500
    assert answer.problem.startswith("something went wrong on our side")


@in_both_formats
@pytest.mark.parametrize("fields", [STREET, NOISE, TIP], ids=["realtime", "batch", "blackbox"])
def test_a_body_over_a_limit_that_is_set_is_refused(api: Api, settings: Change, fields: dict[str, str], format: str) -> None:
    settings(max_body_bytes=1000)

    _refused(api.post({**fields, "description": "x" * 2000}, format), 400, "at most 1000 bytes")


def test_a_media_folder_is_not_made_for_a_refusal(app: Flask, api: Api, settings: Change, tmp_path: Path) -> None:
    settings(media_dir=str(tmp_path / "media"))

    assert api.post({**STREET, "lat": "x", "media": upload(picture())}).status == 400
    assert not (tmp_path / "media").exists()
    assert app.config["OPEN311"].media_folder == tmp_path / "media"


@in_both_formats
def test_a_refusal_never_is_a_page(api: Api, format: str) -> None:
    script = "<script>alert(1)</script>"

    for answer in (
        api.post({**STREET, "service_code": script}, format),
        api.get("requests", format, status=script),
        api.ask(f"{script}.{format}", format),
        api.get("services", format, city=script),
        api.post({**STREET, "lat": script}, format),
    ):
        assert "html" not in answer.headers["Content-Type"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.problem
        assert BASE not in answer.headers.get("Location", "")
