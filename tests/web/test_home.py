"""The page at the root."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from lxml import etree, html
from psycopg import Connection, OperationalError

from open311.jurisdictions import Cities

# What makes a browser fetch something; a link that a person follows does not.
LOADING = (
    "//*[@src and not(starts-with(@src, '/static/'))] | //*[@srcset or @data or @poster or @background] "
    "| //link[not(starts-with(@href, '/static/'))] "
    "| //iframe | //object | //embed"
)
VOID = {"meta", "link", "br", "hr", "img", "input", "source", "wbr", "area", "base", "col", "embed", "track"}


@pytest.fixture
def page(client: FlaskClient) -> Any:
    """The page, parsed."""
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return html.document_fromstring(answer.data, parser=html.HTMLParser(encoding="utf-8"))


def test_several_cities_are_chosen_from(page: Any) -> None:
    links = page.xpath("//main//ul[@class='choices']//a")

    assert [(link.text_content(), link.get("href")) for link in links] == [
        ("City of Boston", "/?jurisdiction_id=boston.gov"),
        ("City of Seattle", "/?jurisdiction_id=seattle.gov"),
    ]


def test_the_report_page_leads_to_what_is_there(client: FlaskClient) -> None:
    page = html.document_fromstring(client.get("/?jurisdiction_id=boston.gov").data)
    own = {link.removeprefix("http://localhost") for link in page.xpath("//footer//a/@href | //nav//a/@href")}
    own = {link for link in own if link.startswith("/") and not link.startswith("/districts")}

    assert len(own) >= 6
    for link in own:
        assert client.get(link).status_code == 200, link


def test_pages_say_that_dates_were_moved(client: FlaskClient, connection: "Connection[Any]") -> None:
    connection.execute("update jurisdiction set dates_moved_weeks = 581 where slug = 'boston.gov'")

    boston, seattle = (client.get(f"/?jurisdiction_id={city}.gov").text for city in ("boston", "seattle"))

    assert "moved forward by 581 weeks" in boston
    assert "moved forward" not in seattle


def test_the_home_page_without_cities_says_how_to_load_one(client: FlaskClient, connection: "Connection[Any]") -> None:
    connection.execute("update jurisdiction set outline_layer_id = null")

    answer = client.get("/")

    assert answer.status_code == 200
    assert "open311 city load" in answer.text


def test_the_home_page_escapes_names(client: FlaskClient, connection: "Connection[Any]") -> None:
    connection.execute("update jurisdiction set name = '<script>alert(1)</script>' where slug = 'boston.gov'")

    for path in ("/", "/?jurisdiction_id=boston.gov"):
        assert html.document_fromstring(client.get(path).data).xpath("//script[not(@src)]") == []


def test_the_home_page_is_well_formed(client: FlaskClient, page: Any) -> None:
    text = client.get("/").text
    assert text.startswith("<!doctype html>")
    # XML's parser forgives nothing: every element must be closed, every attribute quoted, every & escaped.
    body = re.sub(rf"<({'|'.join(VOID)})\b([^>]*?)/?>", r"<\1\2/>", text.split("\n", 1)[1])
    document = etree.fromstring(body.replace("&nbsp;", "\u00a0"))

    assert document.get("lang") == "en"
    assert document.findtext("head/title")
    assert page.xpath("//meta[@charset='utf-8'] and //meta[@name='viewport']")
    identities = page.xpath("//@id")
    assert len(set(identities)) == len(identities)
    assert set(page.xpath("//@aria-labelledby")) <= set(identities)
    assert len(page.xpath("//h1")) == len(page.xpath("//main")) == 1


def test_the_home_page_loads_nothing_from_elsewhere(client: FlaskClient, page: Any) -> None:
    text = client.get("/").text

    assert page.xpath(LOADING) == []
    assert page.xpath("//script[not(@src)]") == []
    assert not re.search(r"@import|url\s*\(", text)


def test_another_path_is_a_404_that_says_so(client: FlaskClient) -> None:
    answer = client.get("/no/such/page")

    assert answer.status_code == 404
    assert "We do not find this page" in answer.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/services"])
def test_pages_are_not_posted_to(client: FlaskClient, path: str) -> None:
    assert client.post(path).status_code == 405


@pytest.mark.parametrize("path", ["/map", "/services", "/static/page.css", "/track"])
def test_what_takes_nothing_says_so_on_a_page_that_is_guarded(client: FlaskClient, path: str):
    answer = client.put(f"{path}?jurisdiction_id=boston.gov")

    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "Nothing can be sent to this page" in answer.text


def test_links_of_a_page_that_is_not_there_stay_here(client: FlaskClient):
    for path in ("/%5Cevil.example/", "/%09/evil.example/"):
        for link in html.document_fromstring(client.get(path).data).xpath("//a/@href"):
            assert not re.match(r"[/\\\s]{2,}", link)


@pytest.mark.parametrize("path", ["/", "/map", "/no/such/page", "/track/A-1", "/mine"])
def test_a_database_that_is_away_is_told_on_a_page(client: FlaskClient, monkeypatch: pytest.MonkeyPatch, path: str):
    def away(*_arguments: Any, **_names: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(Cities, "meant", away)

    answer = client.get(path)

    assert answer.status_code == (404 if "such" in path else 503)
    assert "text/html" in answer.headers["Content-Type"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "connection refused" not in answer.text
