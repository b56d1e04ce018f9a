"""The map and the list of what was reported."""

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from psycopg import Connection

from open311.web.map import PAGE_ROWS
from tests.factories import DAY, NOW, Factory
from tests.web.desk import parsed, text

pytestmark = pytest.mark.usefixtures("in_boston")


def listed(client: FlaskClient, **query: str) -> list[str]:
    """The numbers of the list."""
    return [str(each) for each in parsed(client.get("/map", query_string=query)).xpath("//tbody/tr/@data-number")]


def test_the_list_has_what_was_reported_of_late_the_newest_first(client: FlaskClient, make: Factory):
    for number, days in (("OLD", 100), ("A", 3), ("B", 1)):
        make.request(number, age=days * DAY)

    assert listed(client) == ["B", "A"]
    assert "2 reports of the last 90 days" in text(client.get("/map"))


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"status": "closed"}, ["CLOSED"]),
        ({"status": "open"}, ["TREE", "LAMP"]),
        ({"service_code": "street-light-outages"}, ["LAMP"]),
        ({"q": "lamp"}, ["LAMP"]),
        ({"start_date": f"{NOW - 2 * DAY:%Y-%m-%d}"}, ["TREE", "LAMP"]),
        ({"end_date": f"{NOW - 4 * DAY:%Y-%m-%d}"}, ["CLOSED"]),
        ({"bbox": "-71.0945,42.3473,-71.0943,42.3475"}, ["LAMP"]),
        ({"lat": "42.3474", "long": "-71.0944", "radius": "50"}, ["LAMP"]),
        ({"service_request_id": "TREE"}, ["TREE"]),
        ({"status": "", "q": ""}, ["TREE", "LAMP", "CLOSED"]),
    ],
)
def test_filters_of_the_api_count_here(client: FlaskClient, make: Factory, query: dict[str, str], numbers: list[str]):
    make.request("CLOSED", service_code="abandoned-bicycle", age=5 * DAY, closed_after=DAY, lat=42.30, description="Bike")
    make.request("LAMP", age=1.5 * DAY)
    make.request("TREE", service_code="abandoned-bicycle", age=DAY, lat=42.31, description="Tree")

    assert listed(client, **query) == numbers


def test_a_filter_stays_in_its_field_and_goes_with_every_link(client: FlaskClient, make: Factory):
    for _ in range(PAGE_ROWS + 1):
        make.request()

    page = parsed(client.get("/map?status=open&q=lamp&bbox=-72,42,-70,43"))

    assert page.xpath("//input[@name='q']/@value") == ["lamp"]
    assert page.xpath("//select[@name='status']/option[@selected]/@value") == ["open"]
    assert page.xpath("//input[@name='bbox']/@value") == ["-72,42,-70,43"]
    for link in page.xpath("//a[@rel='next']/@href | //main//a[contains(@href, '.csv')]/@href"):
        assert "status=open" in link
        assert "q=lamp" in link
        assert "bbox=-72" in link


def test_the_pages_of_the_list_are_all_of_it(client: FlaskClient, make: Factory):
    for at in range(PAGE_ROWS + 3):
        make.request(f"R-{at}", age=timedelta(minutes=at))
    first = parsed(client.get("/map"))

    second = listed(client, page="2")

    assert len(first.xpath("//tbody/tr")) == PAGE_ROWS
    assert first.xpath("//a[@rel='next']/@href") == ["/map?page=2"]
    assert second == ["R-50", "R-51", "R-52"]
    assert parsed(client.get("/map?page=2")).xpath("//a[@rel='prev']")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "half"}, "#status"),
        ({"start_date": "yesterday"}, "#start_date"),
        ({"district": "nowhere"}, "#district"),
        ({"district": "council:99"}, "#district"),
        ({"bbox": "1,2,3"}, "#filters"),
        ({"page": "two"}, "#filters"),
    ],
)
def test_a_filter_that_cannot_be_read_is_told_at_its_field(client: FlaskClient, query: dict[str, str], field: str):
    answer = client.get("/map", query_string={"q": "lamp", **query})
    page = parsed(answer)

    assert answer.status_code == 400
    assert page.xpath("//*[@role='alert']//a/@href") == [field]
    assert page.xpath(f"//*[@id='{field[1:]}']")
    assert page.xpath("//input[@name='q']/@value") == ["lamp"]


def test_what_is_not_public_is_not_there(client: FlaskClient, make: Factory):
    make.request("HIDDEN", is_public=False)
    make.request("SEEN")

    assert listed(client) == ["SEEN"]


def test_nothing_found_says_what_to_do(client: FlaskClient):
    assert "Nothing was reported that fits" in text(client.get("/map?q=xyzzy"))


def test_texts_of_reports_are_text(client: FlaskClient, make: Factory, connection: "Connection[Any]"):
    make.request("A-1", address="<script>alert(1)</script>")
    connection.execute("update service set name = '<img src=x onerror=alert(1)>' where code = 'street-light-outages'")

    page = parsed(client.get("/map"))

    assert page.xpath("//script[not(@src)] | //*[@onerror]") == []


@pytest.mark.parametrize(("query", "clustered"), [("", "yes"), ("?status=open&bbox=-72,42,-70,43", "yes"), ("?q=lamp", "no")])
def test_the_map_is_of_clusters_where_these_can_be_filtered_alike(client: FlaskClient, query: str, clustered: str):
    assert parsed(client.get(f"/map{query}")).xpath("//*[@id='map']/@data-clustered") == [clustered]


def test_what_is_wrong_is_said_in_the_language_of_the_page(client: FlaskClient):
    said = text(client.get("/map?start_date=soon&status=half&radius=x&lat=1&long=2&lang=es"))

    for advice in ("Escriba un día", "Elija un estado", "Un filtro en la dirección de esta página no se puede leer: radius."):
        assert advice in said
    assert "must be" not in said


@pytest.mark.parametrize(
    "query",
    ["service_code=street-light-outages,abandoned-bicycle", "service_code=street-light-outages&service_code=abandoned-bicycle"],
)
def test_what_a_field_has_no_choice_for_is_one_of_its_own(client: FlaskClient, query: str):
    page = parsed(client.get(f"/map?{query}&start_date=2026-01-01T00:00:00Z&end_date=2026-01-31&bbox=-72,42,-70,43"))

    (chosen,) = page.xpath("//select[@id='service_code']/option[@selected]")
    assert chosen.get("value") == "street-light-outages,abandoned-bicycle"
    assert chosen.text == "Street Light Outages, Abandoned Bicycle"
    # What is chosen instead is then all that is sent.
    assert page.xpath("//form[@id='filters']//input[@type='hidden']/@name") == ["bbox"]
    assert page.xpath("//input[@id='start_date']/@type") == ["text"]
    assert page.xpath("//input[@id='start_date']/@value") == ["2026-01-01T00:00:00Z"]
    assert page.xpath("//input[@id='end_date']/@type") == ["date"]


def test_a_part_of_the_map_is_said_to_be_one(client: FlaskClient, make: Factory):
    make.request("IN", lat=42.35, long=-71.06)
    make.request("OUT", lat=42.30, long=-71.10)

    page = client.get("/map?bbox=-71.07,42.34,-71.05,42.36&status=open")
    assert "Only what lies in a part of the map is listed." in text(page)
    assert "OUT" not in text(page)
    (whole,) = [each.get("href") for each in parsed(page).xpath("//main//a") if each.text == "List the whole city"]

    assert "OUT" in text(client.get(whole))
    assert "status=open" in whole


def test_a_page_behind_the_last_one_is_the_last_one(client: FlaskClient, make: Factory):
    for _each in range(51):
        make.request()

    page = client.get("/map?page=700")

    assert len(parsed(page).xpath("//table[@class='list']/tbody/tr")) == 1
    assert "51 reports" in text(page)


def test_in_another_order_nothing_is_called_newer(client: FlaskClient, make: Factory):
    for _each in range(51):
        make.request()

    page = parsed(client.get("/map?sort=requested_datetime&page=2"))

    assert page.xpath("//a[@rel='prev']/text()") == ["Previous page"]
    assert page.xpath("//table[@class='list']/caption/text()") == ["Reports"]


@pytest.mark.parametrize(("query", "is_said"), [("", True), ("q=lamp", True), ("start_date=2026-01-01", False)])
def test_that_only_the_last_days_are_meant_is_said_unless_days_were_given(client: FlaskClient, query: str, is_said: bool):
    assert ("of the last 90 days" in text(client.get(f"/map?{query}"))) is is_said
