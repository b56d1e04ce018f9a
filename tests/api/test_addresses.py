"""Requests that give an address and no point: placed by the city's own table, routed there, or left for a person."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.api.wire import BOSTON, SEATTLE, in_both_formats, read_json, xml_root

DEFAULT = "Mayor's 24 Hour Hotline (Boston 311)"
GRAFFITI = {"jurisdiction_id": BOSTON, "service_code": "graffiti-removal"}


@pytest.fixture
def post(client: FlaskClient, api_key: str) -> Any:
    """post(**fields): the request as it is shown afterwards."""

    def post(**fields: str) -> dict[str, Any]:
        answer = client.post("/open311/v2/requests.json", data={"api_key": api_key, **GRAFFITI, **fields})
        assert answer.status_code == 200, answer.data
        number = read_json(answer.data)[0]["service_request_id"]
        shown = client.get(f"/open311/v2/requests/{number}.json?jurisdiction_id={fields.get('jurisdiction_id', BOSTON)}")
        found: dict[str, Any] = read_json(shown.data)[0]
        return found

    return post


@pytest.fixture
def route(client: FlaskClient) -> Any:
    """route(**arguments): the explanation."""

    def route(**arguments: str) -> Any:
        return read_json(client.get("/open311/v2/route.json", query_string={**GRAFFITI, **arguments}).data)

    return route


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("33 Beacon St, Boston, MA 02108", id="as-printed"),
        pytest.param("33 beacon street 02108", id="by-hand"),
        pytest.param("33 Beecon Street, Boston MA", id="with-a-slip"),
    ],
)
def test_an_address_is_placed_and_the_words_of_the_client_are_kept(post: Any, text: str):
    shown = post(address_string=text)

    assert (shown["lat"], shown["long"]) == (pytest.approx(42.3574, abs=0.001), pytest.approx(-71.0648, abs=0.001))
    assert shown["address"] == text


def test_an_address_is_routed_as_its_point_is(post: Any, route: Any):
    shown = post(address_string="1001 Adams St, Dorchester, MA 02124")

    there = route(lat=str(shown["lat"]), long=str(shown["long"]))

    assert shown["agency_responsible"] == there["department"]
    assert route(address_string="1001 Adams St, Dorchester, MA 02124") == there


def test_the_history_says_how_the_place_was_found(post: Any, connection: Any):
    number = post(address_string="33 beacon street 02108")["service_request_id"]

    (facts,) = connection.execute(
        "select facts from request_event join service_request on service_request.id = request_id"
        " where number = %s and kind = 'received'",
        [number],
    ).fetchone()

    assert facts["placed"]["how"] == "exact"
    assert facts["placed"]["address"].startswith("33 Beacon St")


@pytest.mark.parametrize(
    ("text", "because"),
    [
        pytest.param("12 Nonesuch Parade", "12 Nonesuch Parade", id="unknown"),
        pytest.param("100 Washington St", "could be", id="one-of-several"),
        pytest.param("behind the big tree", "behind the big tree", id="no-address"),
    ],
)
def test_what_cannot_be_placed_goes_to_the_default_department_with_that_reason(
    post: Any, route: Any, connection: Any, text: str, because: str
):
    shown = post(address_string=text)

    assert shown["agency_responsible"] == DEFAULT
    assert (shown["lat"], shown["long"], shown["address"]) == (None, None, text)
    explained = route(address_string=text)
    assert explained["department"] == DEFAULT
    assert [each["rule"] for each in explained["candidates"]] == [None]
    assert because in explained["reason"]
    assert explained["reason"].endswith(f", so it goes to {DEFAULT} until somebody finds the place.")
    (kept,) = connection.execute(
        "select unplaced_because from service_request where number = %s", [shown["service_request_id"]]
    ).fetchone()
    assert kept in explained["reason"]


def test_an_address_id_alone_that_nobody_knows_goes_to_the_default_department(post: Any):
    assert post(address_id="no-such-id")["agency_responsible"] == DEFAULT


def test_a_point_goes_before_an_address(post: Any):
    shown = post(address_string="33 Beacon St", lat="42.3474", long="-71.0944")

    assert (shown["lat"], shown["long"]) == (42.3474, -71.0944)


def test_a_city_without_addresses_has_them_placed_by_a_person(post: Any):
    shown = post(jurisdiction_id=SEATTLE, service_code="graffiti", address_string="700 5th Ave, Seattle")

    assert shown["agency_responsible"] == "Customer Service Bureau"


@in_both_formats
def test_a_place_that_was_meant_to_be_a_point_is_not_guessed_from_the_address(client: FlaskClient, api_key: str, format: str):
    form = {"api_key": api_key, **GRAFFITI, "address_string": "33 Beacon St", "lat": "north", "long": "-71"}

    answer = client.post(f"/open311/v2/requests.{format}", data=form)

    assert answer.status_code == 400
    said = read_json(answer.data)[0]["description"] if format == "json" else xml_root(answer.data).findtext("error/description")
    assert "lat must be a number" in said
