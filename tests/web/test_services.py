"""The directory of services, as people search it."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from psycopg import Connection

from tests.web.desk import parsed, text

pytestmark = pytest.mark.usefixtures("in_boston")


def names(client: FlaskClient, words: str) -> list[str]:
    """The services found, in order."""
    page = parsed(client.get("/services", query_string={"q": words}))
    return [each.text_content() for each in page.xpath("//ul[@class='choices']/li/p[@class='name']")]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        pytest.param("street light outages", "Street Light Outages", id="its name"),
        pytest.param("STREET light", "Street Light Outages", id="the beginning of its name"),
        pytest.param("bicycles", "Abandoned Bicycle", id="another number"),
        pytest.param("bike rack", "Abandoned Bicycle", id="keywords"),
        pytest.param("sparks", "Downed Wire", id="its description"),
    ],
)
def test_a_service_is_found_by_its_words(client: FlaskClient, words: str, name: str):
    assert name in names(client, words)


def test_what_has_the_word_in_its_name_comes_first(client: FlaskClient):
    assert "Graffiti" in names(client, "graffiti")[0]


@pytest.mark.parametrize("words", ["xyzzy", "pothole xyzzy", "<script>alert(1)</script>"])
def test_words_that_fit_nothing_say_what_to_do(client: FlaskClient, words: str):
    answer = client.get("/services", query_string={"q": words})

    assert answer.status_code == 200
    assert names(client, words) == []
    assert "0 services fit" in text(answer)
    assert "Or ask the city: 311" in text(answer)
    assert parsed(answer).xpath("//script[not(@src)]") == []


def test_without_words_every_active_service_is_there(client: FlaskClient, connection: "Connection[Any]"):
    row = connection.execute(
        "select count(*) from service s join jurisdiction j on j.id = s.jurisdiction_id where slug = 'boston.gov' and is_active"
    ).fetchone()

    assert row is not None
    assert len(names(client, "")) == row[0]


def test_who_answers_is_told_with_telephone_and_hours(client: FlaskClient, connection: "Connection[Any]"):
    connection.execute("update department set phone = '617-555-0100', hours = 'Monday to Friday, 8 to 4' where code = 'PWDx'")

    said = text(client.get("/services?q=street light outages"))

    assert "Public Works Department, 617-555-0100, Monday to Friday, 8 to 4" in said


def test_what_is_an_emergency_says_so_and_gives_the_number(client: FlaskClient):
    answer = client.get("/services?q=downed wire")

    assert "An emergency: A wire that sparks" in text(answer)
    assert parsed(answer).xpath("//li//a[@href='tel:911']")


def test_a_service_leads_to_its_report(client: FlaskClient):
    page = parsed(client.get("/services?q=abandoned bicycle"))

    assert page.xpath("//p[@class='name']/a/@href") == ["/?service=abandoned-bicycle"]


def test_names_are_text(client: FlaskClient, connection: "Connection[Any]"):
    connection.execute("update service set description = '<script>alert(1)</script>' where code = 'abandoned-bicycle'")

    assert parsed(client.get("/services")).xpath("//script[not(@src)]") == []


def test_a_city_that_is_named_is_kept_in_links(client: FlaskClient):
    page = parsed(client.get("/services?jurisdiction_id=seattle.gov"))

    assert all(
        "jurisdiction_id=seattle.gov" in link for link in page.xpath("//main//li//a[not(starts-with(@href, 'tel:'))]/@href")
    )
    assert page.xpath("//form//input[@name='jurisdiction_id']/@value") == ["seattle.gov"]


def test_an_unknown_city_is_a_404_page(client: FlaskClient):
    assert client.get("/services?jurisdiction_id=nowhere.gov").status_code == 404


def test_several_cities_are_chosen_from(client: FlaskClient, settings: Any):
    settings(default_jurisdiction="")

    answer = client.get("/services")

    assert answer.status_code == 400
    assert "/services?jurisdiction_id=seattle.gov" in parsed(answer).xpath("//main//a/@href")


def test_a_city_shows_its_colours(client: FlaskClient, connection: "Connection[Any]"):
    connection.execute("""update jurisdiction set colors = '{"light": "#7a1f1f"}' where slug = 'boston.gov'""")

    (ours, theirs) = parsed(client.get("/services")).xpath("//link[@rel='stylesheet']/@href")

    assert "page.css" in ours
    assert "#7a1f1f" in client.get(theirs).text
