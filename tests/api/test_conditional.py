"""ETags: who has the answer already is told so."""

import pytest

from tests.api.wire import STREET, Api, in_both_formats
from tests.factories import Factory

of_every_resource = pytest.mark.parametrize(
    "resource", ["services", "services/noise", "requests", "requests/A-1", "tokens/T-1", "discovery"]
)


@pytest.fixture
def api_with_a_request(api: Api, make: Factory) -> Api:
    """The API with request A-1, which has token T-1."""
    make.request("A-1", jurisdiction_id="seattle.gov", service_code="noise", token="T-1")
    return api


@pytest.mark.statement(73)
@in_both_formats
@of_every_resource
def test_who_has_the_answer_already_is_told_304(api_with_a_request: Api, resource: str, format: str) -> None:
    first = api_with_a_request.get(resource, format)
    etag = first.headers["ETag"]

    again = api_with_a_request.get(resource, format, headers={"If-None-Match": etag})

    assert etag.startswith('"')
    assert again.status == 304
    assert again.body == b""
    assert again.headers["ETag"] == etag
    assert again.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.statement(73)
@in_both_formats
@pytest.mark.parametrize("sent", ['"x", {etag}', "W/{etag}", "*"])
def test_an_etag_may_come_in_company_or_weak(api_with_a_request: Api, sent: str, format: str) -> None:
    etag = api_with_a_request.get("services", format).headers["ETag"]

    again = api_with_a_request.get("services", format, headers={"If-None-Match": sent.format(etag=etag)})

    assert again.status == 304


@pytest.mark.statement(73)
@in_both_formats
def test_who_has_another_answer_gets_this_one(api_with_a_request: Api, format: str) -> None:
    first = api_with_a_request.get("requests", format)
    api_with_a_request.posted(STREET)

    again = api_with_a_request.get("requests", format, headers={"If-None-Match": first.headers["ETag"]})

    assert again.status == 200
    assert len(again.rows) == 2
    assert again.headers["ETag"] != first.headers["ETag"]


@pytest.mark.statement(73)
def test_formats_callbacks_and_cities_have_etags_of_their_own(api_with_a_request: Api) -> None:
    answers = [
        api_with_a_request.get("services", "json"),
        api_with_a_request.get("services", "xml"),
        api_with_a_request.get("services", "json", callback="f"),
        api_with_a_request.get("services", "json", city="boston.gov"),
    ]

    assert len({answer.headers["ETag"] for answer in answers}) == 4


@pytest.mark.statement(73)
@in_both_formats
def test_receipts_and_errors_have_none(api: Api, format: str) -> None:
    for answer in (api.post(STREET, format), api.get("requests/X", format, headers={"If-None-Match": "*"})):
        assert answer.status in (200, 404)
        assert "ETag" not in answer.headers


@pytest.mark.statement(73)
def test_the_same_answer_has_the_same_etag(api_with_a_request: Api) -> None:
    assert len({api_with_a_request.get("requests").headers["ETag"] for _ in range(3)}) == 1
