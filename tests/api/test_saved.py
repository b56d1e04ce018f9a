"""Saved queries: kept by a command, read as lists and feeds."""

from typing import Any

import pytest
from lxml import etree
from psycopg import Connection

from open311.cases import saved
from open311.jurisdictions import City, read_cities
from schemas.problems import Problems
from tests.api.wire import SEATTLE, Api, in_both_formats
from tests.factories import NOW, Factory


@pytest.fixture
def seattle(connection: "Connection[Any]") -> City:
    """The city."""
    return next(city for city in read_cities(connection) if city.jurisdiction_id == SEATTLE)


@pytest.fixture
def swings(connection: "Connection[Any]", seattle: City, make: Factory) -> None:
    """Three requests, and a query that finds two of them."""
    for number, words in (("ONE", "a swing"), ("TWO", "two swings"), ("THREE", "a slide")):
        make.request(number, jurisdiction_id=SEATTLE, service_code="graffiti", description=words, lat=47.64, long=-122.4)
    saved.save(connection, seattle, "swings", "q=swing&status=open", title="Swings & more", now=NOW)


@in_both_formats
def test_a_saved_query_is_a_list(api: Api, swings: None, format: str) -> None:
    assert sorted(api.get("queries/swings", format).ids) == ["ONE", "TWO"]
    assert len(api.get("queries/swings", format, page_size="1").ids) == 1
    assert "extended_attributes" in api.get("queries/swings", format, page_size="1", extensions="true").row
    # What it asks for is its own.
    assert sorted(api.get("queries/swings", format, q="slide", status="closed").ids) == ["ONE", "TWO"]
    assert (api.get("queries/slides", format).status, api.get("queries/slides", format).problem) == (
        404,
        "query slides was not found",
    )


@in_both_formats
def test_saved_queries_are_listed(api: Api, swings: None, format: str) -> None:
    assert api.get("queries", format).row == {
        "code": "swings",
        "title": "Swings & more",
        "arguments": "q=swing&status=open",
        "feed_url": "http://localhost/open311/v2/queries/swings.rss?jurisdiction_id=seattle.gov",
    }
    assert api.get("queries", format, city="boston.gov").rows == []


def test_a_saved_query_is_a_feed(api: Api, swings: None) -> None:
    body = api.client.get(api.get("queries").row["feed_url"]).get_data()

    channel = etree.fromstring(body)[0]
    assert channel.findtext("title") == "City of Seattle: Swings & more"
    assert len(channel.findall("item")) == 2


def test_the_next_page_of_a_saved_query_is_its_own(api: Api, swings: None) -> None:
    link = api.get("queries/swings", page_size="1").headers["Link"]

    assert "/open311/v2/queries/swings.json?" in link
    assert "q=" not in link


@pytest.mark.parametrize(
    ("code", "text", "problem"),
    [
        ("a b", "q=x", "code must be"),
        ("a", "", "a query like"),
        ("a", "colour=red", "colour is no argument of GET requests"),
        ("a", "page=2", "page is said by who reads the list"),
        ("a", "bbox=1", "bbox must be"),
        ("a", "district=x:y", "district x:y was not found"),
        ("a", "status=lost", "status must be open or closed"),
    ],
)
def test_what_nobody_could_read_is_not_saved(
    connection: "Connection[Any]", seattle: City, code: str, text: str, problem: str
) -> None:
    with pytest.raises(Problems) as refused:
        saved.save(connection, seattle, code, text, title="T", now=NOW)

    assert any(each.startswith(problem) for each in refused.value.messages)
    assert saved.saved(connection, jurisdiction_id=seattle.id) == []
