"""Where a report stands, as its page tells it."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from lxml import etree
from psycopg import Connection

from open311.cases.numbers import new_number
from tests.factories import DAY, HOUR, NOW, Factory
from tests.web.desk import Browser, parsed, text

pytestmark = pytest.mark.usefixtures("in_boston")

SCRIPT = "<script>alert(1)</script>"


def letters(connection: "Connection[Any]") -> list[str]:
    """Addresses that letters wait for."""
    rows = connection.execute(
        "select email from message join follower on follower.jurisdiction_id = message.jurisdiction_id "
        "and follower.id = message.follower_id where event = 'asked'"
    )
    return [row[0] for row in rows.fetchall()]


def test_a_number_is_found_as_a_person_writes_it(client: FlaskClient, make: Factory):
    number = new_number()
    make.request(number)

    answer = client.get("/track", query_string={"number": number.lower().replace("-", " ")})

    assert answer.status_code == 303
    assert number in text(client.get(answer.headers["Location"]))


def test_the_page_says_where_it_stands(client: FlaskClient, make: Factory):
    make.request("A-1", description="Lamp is out", address="4 Jersey St", expected_at=NOW + 3 * DAY)

    answer = client.get("/track/A-1")

    assert answer.status_code == 200
    said = text(answer)
    assert parsed(answer).findtext(".//h1") == "Street Light Outages"
    for each in ("A-1", "4 Jersey St", "Open", "Lamp is out", "1 person", "Mayor's 24 Hour Hotline", "Expected to be done by"):
        assert each in said
    assert "later than promised" not in said


def test_a_promise_that_was_not_kept_is_said(client: FlaskClient, make: Factory):
    make.request("A-1", age=9 * DAY, expected_at=NOW - DAY)

    assert "later than promised" in text(client.get("/track/A-1"))


def test_a_closed_one_says_so_and_promises_nothing(client: FlaskClient, make: Factory):
    make.request("A-1", age=2 * DAY, closed_after=HOUR, case_status="closed", status_notes="The lamp shines.")

    said = text(client.get("/track/A-1"))

    assert "The work on this report is over: Closed." in said
    assert "The lamp shines." in said
    assert "Expected to be done by" not in said


def test_others_who_reported_it_count(client: FlaskClient, make: Factory):
    first = make.request("A-1")
    make.request("A-2", parent_id=first.id)

    assert "2 people" in text(client.get("/track/A-1"))
    assert parsed(client.get("/track/A-2")).xpath("//main//a[@href='/track/A-1']")


def test_dates_are_local(client: FlaskClient, make: Factory):
    make.request("A-1", age=timedelta(hours=1))
    requested = (NOW - HOUR).astimezone(ZoneInfo("America/New_York"))

    spanish, chinese = (text(client.get(f"/track/A-1?lang={code}")) for code in ("es", "zh"))

    assert f"{requested.day} de " in spanish
    assert f"{requested.year}年{requested.month}月{requested.day}日" in chinese


@pytest.mark.parametrize(
    "changes",
    [pytest.param({"description": SCRIPT}, id="description"), pytest.param({"address": SCRIPT}, id="address"),
     pytest.param({"status_notes": SCRIPT}, id="notes"), pytest.param({"media_url": SCRIPT}, id="photo")],
)  # fmt: skip
def test_a_stored_script_is_text(client: FlaskClient, make: Factory, changes: dict[str, str]):
    make.request("A-1", **changes)

    assert parsed(client.get("/track/A-1")).xpath("//script[not(@src)]") == []


@pytest.mark.parametrize("number", ["NO-SUCH", "-", "a b", "%00", "<script>"])
def test_an_unknown_number_is_a_page_with_a_search(client: FlaskClient, number: str):
    answer = client.get(f"/track/{number}")

    assert answer.status_code == 404
    assert parsed(answer).xpath("//form[@action='/track']//input[@name='number']")
    assert parsed(answer).xpath("//script[not(@src)]") == []


def test_what_is_not_public_is_not_found(client: FlaskClient, make: Factory):
    make.request("A-1", is_public=False)

    assert client.get("/track/A-1").status_code == 404


def test_a_number_of_another_city_is_not_found(client: FlaskClient, make: Factory):
    make.request("A-1")

    assert client.get("/track/A-1?jurisdiction_id=seattle.gov").status_code == 404


def test_following_sends_a_letter(client: FlaskClient, make: Factory, connection: "Connection[Any]"):
    make.request("A-1")
    browser = Browser(client)
    page = browser.get("/track/A-1")

    answer = browser.submit(page, email="ann@example.org")

    assert answer.status_code == 303
    assert "open the message" in text(browser.get(answer.headers["Location"].split("#")[0]))
    assert letters(connection) == ["ann@example.org"]


@pytest.mark.parametrize("email", ["", "ann", "ann@example.org, bob@example.org", SCRIPT])
def test_a_bad_address_is_told_and_kept(client: FlaskClient, make: Factory, connection: "Connection[Any]", email: str):
    make.request("A-1")
    browser = Browser(client)

    answer = browser.submit(browser.get("/track/A-1"), email=email)

    page = parsed(answer)
    assert answer.status_code == 400
    assert page.xpath("//*[@role='alert']//a/@href") == ["#email"]
    assert page.xpath("//input[@id='email']/@value") == [email]
    assert page.xpath("//input[@id='email']/@aria-invalid") == ["true"]
    assert letters(connection) == []


def test_a_form_of_another_page_is_refused(client: FlaskClient, make: Factory, connection: "Connection[Any]"):
    make.request("A-1")
    client.get("/track/A-1")

    forged: list[dict[str, str]] = [{}, {"csrf": "0" * 64}, {"csrf": ""}]
    answers = [client.post("/track/A-1", data={"email": "ann@example.org", **each}) for each in forged]

    assert [each.status_code for each in answers] == [400, 400, 400]
    assert letters(connection) == []


def test_a_form_without_its_cookie_is_refused(client: FlaskClient, make: Factory):
    make.request("A-1")
    browser = Browser(client)
    page = browser.get("/track/A-1")
    client.delete_cookie("open311_form")

    assert browser.submit(page, email="ann@example.org").status_code == 400


def test_without_a_secret_key_nothing_can_be_followed_and_all_can_be_read(client: FlaskClient, make: Factory, settings: Any):
    make.request("A-1")
    settings(secret_key="")

    assert parsed(client.get("/track/A-1")).xpath("//input[@name='email']") == []
    assert client.post("/track/A-1", data={"email": "ann@example.org"}).status_code == 503


def test_pages_load_nothing_of_others_and_are_framed_by_nobody(client: FlaskClient):
    headers = client.get("/track").headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_style_sheet_is_served_for_good(client: FlaskClient):
    (address,) = parsed(client.get("/track")).xpath("//link[@rel='stylesheet']/@href")

    answer = client.get(address)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("name", ["no.css", "..%2Flanguage.py", "language.py"])
def test_no_other_file_is_served(client: FlaskClient, name: str):
    assert client.get(f"/static/{name}").status_code == 404


def test_an_item_of_a_feed_leads_to_its_page(client: FlaskClient, make: Factory):
    make.request("A-1")
    feed = etree.fromstring(client.get("/open311/v2/requests.rss?jurisdiction_id=boston.gov").data)

    link = feed.findtext("channel/item/link") or ""

    assert "A-1" in text(client.get(link.removeprefix("http://localhost")))
