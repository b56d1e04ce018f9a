"""Bodies that are not what their head says: nothing of them is kept."""

from io import BytesIO
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from open311.cases.numbers import new_number
from tests.factories import Factory

POSTS = "/open311/v2/requests.json"
FORM = {
    "jurisdiction_id": "seattle.gov",
    "service_code": "street-maintenance",
    "lat": "47.6400",
    "long": "-122.4000",
    "description": "Please call the ambulance for the man who fell into it",
}


def test_a_body_that_ends_before_its_length_is_refused(client: FlaskClient, api_key: str) -> None:
    body = urlencode({**FORM, "api_key": api_key}).encode()

    answer = client.post(
        POSTS,
        input_stream=BytesIO(body),
        environ_overrides={"CONTENT_LENGTH": str(len(body) + 500)},
        content_type="application/x-www-form-urlencoded",
    )

    assert (answer.status_code, answer.json) == (
        400,
        [{"code": 400, "description": f"the body ended after {len(body)} of {len(body) + 500} bytes"}],
    )


def test_a_body_without_a_length_may_not_be_longer_than_others(client: FlaskClient, api_key: str, settings) -> None:
    settings(max_body_bytes=2000)
    body = urlencode({"padding": "x" * 3000, **FORM, "api_key": api_key}).encode()

    answer = client.post(
        POSTS,
        input_stream=BytesIO(body),
        content_type="application/x-www-form-urlencoded",
        environ_overrides={"HTTP_TRANSFER_ENCODING": "chunked"},
    )

    assert (answer.status_code, answer.json[0]["description"]) == (400, "the body must be at most 2000 bytes")


def test_a_part_without_a_name_is_ignored(client: FlaskClient, api_key: str) -> None:
    parts = [*{**FORM, "api_key": api_key}.items()]
    body = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), text.encode())
        for name, text in parts
    )
    body += b"--b\r\nContent-Disposition: form-data\r\n\r\nnobody\r\n--b--\r\n"

    answer = client.post(POSTS, data=body, content_type="multipart/form-data; boundary=b")

    assert answer.status_code == 200


def test_idempotency_keys_are_told_apart_to_their_last_character(client: FlaskClient, api_key: str) -> None:
    form = {**FORM, "api_key": api_key}

    first, second = (
        client.post(POSTS, data=form, headers={"Idempotency-Key": "k" * 250 + end}).json[0]["service_request_id"]
        for end in "ab"
    )

    assert first != second


@pytest.mark.statement(48)
def test_numbers_override_even_what_is_malformed(client: FlaskClient, make: Factory) -> None:
    make.request("A-1", jurisdiction_id="seattle.gov", service_code="dead-animal")

    listed = client.get(
        "/open311/v2/requests.json?jurisdiction_id=seattle.gov&service_request_id=A-1&start_date=garbage&status=foo"
    )

    assert [row["service_request_id"] for row in listed.json] == ["A-1"]


def test_a_list_reads_numbers_as_people_write_them(client: FlaskClient, make: Factory) -> None:
    number = new_number()
    make.request(number, jurisdiction_id="seattle.gov", service_code="dead-animal")
    written = number.lower().replace("-", " ")

    listed = client.get(
        "/open311/v2/requests.json", query_string={"jurisdiction_id": "seattle.gov", "service_request_id": written}
    )

    assert [row["service_request_id"] for row in listed.json] == [number]


def test_a_link_too_long_to_be_read_is_not_sent(client: FlaskClient, make: Factory) -> None:
    for number in ("A-1", "A-2"):
        make.request(number, jurisdiction_id="seattle.gov", service_code="dead-animal")
    numbers = ",".join(["A-1", "A-2", *(f"NONE-{each:06}" for each in range(1000))])
    asked = {"jurisdiction_id": "seattle.gov", "service_request_id": numbers, "page_size": "1"}

    listed = client.get("/open311/v2/requests.json", query_string=asked)

    assert (listed.status_code, len(listed.json)) == (200, 1)
    assert "Link" not in listed.headers
