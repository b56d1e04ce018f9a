"""Who may post: keys missing, wrong, revoked, of another city, of another page."""

from collections.abc import Callable
from typing import Any

import pytest
from psycopg import Connection

from open311.keys import create_key, revoke_key
from tests.api.wire import BASE, BOSTON, NOISE, SEATTLE, STREET, TIP, Answer, Api, in_both_formats
from tests.factories import NOW, Factory

Kept = Callable[[], Any]

of_every_type = pytest.mark.parametrize("fields", [STREET, NOISE, TIP], ids=["realtime", "batch", "blackbox"])


@pytest.mark.statement(24)
@in_both_formats
@of_every_type
def test_a_post_without_a_key_is_403(api: Api, kept: Kept, fields: dict[str, str], format: str) -> None:
    before = kept()

    answer = api.post(fields, format, key=None)

    assert answer.status == 403
    assert answer.problem == "api_key is missing"
    assert kept() == before


@pytest.mark.statement(24)
@in_both_formats
@pytest.mark.parametrize("key", [" ", "wrong", "d311-" + "0" * 64, "né\u00e9", "a\x00b", "%00", "' or 1=1 --", "x" * 5000])
def test_a_wrong_key_is_403(api: Api, kept: Kept, key: str, format: str) -> None:
    before = kept()

    answer = api.post(STREET, format, key=key)

    assert answer.status == 403
    assert answer.problem in ("api_key is missing", "api_key is not known")
    assert kept() == before


@pytest.mark.statement(24)
@in_both_formats
def test_a_key_in_the_form_is_taken(api: Api, format: str) -> None:
    assert api.post({**STREET, "api_key": api.api_key}, format, key=None).status == 200


@pytest.mark.statement(24)
@in_both_formats
def test_a_key_in_the_query_is_taken(api: Api, format: str) -> None:
    assert api.post(STREET, format, key=None, query={"api_key": api.api_key}).status == 200


@pytest.mark.statement(24)
@in_both_formats
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_key_in_the_authorization_header_is_taken(api: Api, scheme: str, format: str) -> None:
    good = {"Authorization": f"{scheme} {api.api_key}"}

    assert api.post(STREET, format, key=None, headers=good).status == 200


@pytest.mark.statement(24)
@in_both_formats
@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer", "Bearer ", "Basic YTpi", "nonsense", "Digest a=b"])
def test_a_wrong_authorization_header_is_403(api: Api, header: str, format: str) -> None:
    answer = api.post(STREET, format, key=None, headers={"Authorization": header})

    assert answer.status == 403
    assert answer.problem.startswith("api_key is ")


@pytest.mark.statement(24)
def test_a_key_in_the_form_wins_over_the_header(api: Api) -> None:
    wrong = {"Authorization": "Bearer wrong"}

    assert api.post(STREET, headers=wrong).status == 200


@pytest.mark.statement(24)
@in_both_formats
def test_a_revoked_key_is_403(api: Api, connection: "Connection[Any]", kept: Kept, format: str) -> None:
    assert api.post(STREET, format).status == 200
    before = kept()

    revoke_key(connection, api.api_key, now=NOW)

    assert api.post(STREET, format).status == 403
    assert kept() == before


@pytest.mark.statement(24)
@in_both_formats
def test_a_key_of_one_city_is_403_in_another(
    api: Api, connection: "Connection[Any]", make: Factory, kept: Kept, format: str
) -> None:
    key = create_key(connection, "boston only", jurisdiction_ids=[make.city(BOSTON).id], now=NOW)
    in_boston = {"service_code": "street-light-outages", "lat": "42.3474", "long": "-71.0944"}
    before = kept()

    refused = api.post(STREET, format, city=SEATTLE, key=key)

    assert refused.status == 403
    assert refused.problem == "api_key is not good for this jurisdiction"
    assert kept() == before
    assert api.post(in_boston, format, city=BOSTON, key=key).status == 200


@in_both_formats
def test_a_key_for_updates_alone_is_403_for_a_report(api: Api, connection: "Connection[Any]", kept: Kept, format: str) -> None:
    key = create_key(connection, "crews", scopes=["updates"], now=NOW)
    before = kept()

    refused = api.post(STREET, format, key=key)

    assert refused.status == 403
    assert refused.problem == "api_key is not good for report, only for updates"
    assert kept() == before


@pytest.mark.statement(24)
@in_both_formats
def test_a_key_of_one_page_is_403_on_another(api: Api, connection: "Connection[Any]", kept: Kept, format: str) -> None:
    key = create_key(connection, "page", origins=["https://311.example.org"], now=NOW)
    before = kept()

    refused = api.post(STREET, format, key=key, headers={"Origin": "https://evil.example"})

    assert refused.status == 403
    assert "https://evil.example" in refused.problem
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert kept() == before
    assert api.post(STREET, format, key=key, headers={"Origin": "https://311.example.org"}).status == 200


@pytest.mark.statement(24)
def test_a_key_of_a_page_serves_callers_that_are_no_page(api: Api, connection: "Connection[Any]") -> None:
    key = create_key(connection, "page", origins=["https://311.example.org"], now=NOW)

    assert api.post(STREET, key=key).status == 200


@pytest.mark.statement(24)
def test_a_key_without_pages_serves_every_page(api: Api) -> None:
    assert api.post(STREET, headers={"Origin": "https://anywhere.example"}).status == 200


@pytest.mark.statement(24)
@in_both_formats
def test_the_key_is_looked_at_before_the_service(api: Api, format: str) -> None:
    assert api.post({"service_code": "nothing"}, format, key=None).status == 403
    assert api.post({"service_code": "nothing"}, format, key=None, city="atlantis.gov").status == 404


@in_both_formats
@pytest.mark.parametrize("resource", ["services", "services/noise", "requests", "discovery"])
@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_public_read_does_not_look_at_keys(api: Api, resource: str, key: str, format: str) -> None:
    assert api.get(resource, format, api_key=key).body == api.get(resource, format).body


def test_a_key_is_never_told_back(api: Api) -> None:
    response = api.client.post(f"{BASE}/requests.json", data={**STREET, "api_key": "secret-key", "jurisdiction_id": SEATTLE})

    assert "secret-key" not in Answer(response, "json").text
