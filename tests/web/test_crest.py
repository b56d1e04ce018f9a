"""A city's crest beside its name."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from psycopg import Connection

from open311.config import CHECKOUT
from tests.web.desk import parsed

pytestmark = pytest.mark.usefixtures("in_boston")

DRAWN = (CHECKOUT / "fixtures/boston/crest.svg").read_bytes()


def address(client: FlaskClient, path: str = "/track") -> str:
    """Where the header of a page takes the crest from."""
    (found,) = parsed(client.get(path)).xpath("//header//a[@class='brand']/img/@src")
    return str(found)


def test_the_crest_stands_beside_the_citys_name_and_says_nothing(client: FlaskClient):
    (image,) = parsed(client.get("/track")).xpath("//header//img")

    assert image.get("alt") == ""
    assert "City of Boston" in image.getparent().text_content()


def test_a_page_of_another_city_has_that_ones_crest(client: FlaskClient):
    seattle = client.get(address(client, "/track?jurisdiction_id=seattle.gov"))

    assert seattle.data == (CHECKOUT / "fixtures/seattle/crest.svg").read_bytes()
    assert client.get(address(client)).data == DRAWN


def test_the_crest_is_kept_for_good_under_the_address_that_pages_have(client: FlaskClient):
    named, unnamed, earlier = (client.get(path) for path in (address(client), "/crest", "/crest?v=0"))

    assert "immutable" in named.headers["Cache-Control"]
    assert unnamed.headers["Cache-Control"] == earlier.headers["Cache-Control"] == "no-cache"
    assert "Set-Cookie" not in named.headers


def test_a_crest_that_is_known_is_not_sent_again(client: FlaskClient):
    known = client.get("/crest").headers["ETag"]

    again = client.get("/crest", headers={"If-None-Match": known})

    assert (again.status_code, again.data) == (304, b"")
    assert client.get("/crest", headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_crest_that_is_opened_by_itself_can_do_nothing(client: FlaskClient):
    headers = client.get("/crest").headers

    assert headers["Content-Type"] == "image/svg+xml"
    assert headers["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_another_crest_has_another_address(client: FlaskClient, connection: "Connection[Any]"):
    before = address(client)
    connection.execute("update crest set content = 'other', digest = 'other'")

    assert address(client) != before


def test_a_city_without_a_crest_shows_its_name_alone(client: FlaskClient, connection: "Connection[Any]"):
    connection.execute("delete from crest")

    assert parsed(client.get("/track")).xpath("//header//img") == []
    assert client.get("/crest").status_code == 404


def test_where_several_cities_could_be_meant_there_is_no_crest(client: FlaskClient, settings: Any):
    settings(default_jurisdiction="")

    assert client.get("/crest").status_code == 400
    assert parsed(client.get("/")).xpath("//header//img") == []
