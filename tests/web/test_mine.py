"""What somebody reported, listed for them behind a link that is mailed to their address."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from psycopg import Connection
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from open311.actors import operator
from open311.config import Settings
from open311.jurisdictions import read_cities
from open311.models import ServiceRequest
from open311.notify.channels import Mail
from open311.notify.delivery import deliver
from open311.notify.links import Link, Links
from open311.people.erasing import erase
from open311.people.identity import Asked
from open311.people.own import PAGE_ROWS, write, write_to_reporter
from tests.factories import DAY, HOUR, NOW, Factory
from tests.web.desk import Browser, parsed, text

pytestmark = pytest.mark.usefixtures("in_boston")

ANN, BOB = "ann@example.org", "bob@example.org"
SITE = "https://311.example.org"
SCRIPT = "<script>alert(1)</script>"

Reported = Callable[..., ServiceRequest]


@pytest.fixture
def links(settings: Any) -> Links:
    """Links as the worker writes them."""
    return Links(settings(public_url=SITE))


@pytest.fixture
def reported(make: Factory, connection: "Connection[Any]") -> Reported:
    """Makes a request that somebody reported with an e-mail address."""

    def report(number: str | None = None, email: str = ANN, **changes: Any) -> ServiceRequest:
        row = make.request(number, **changes)
        key = [row.jurisdiction_id, row.id, email]
        connection.execute("insert into reporter (jurisdiction_id, request_id, email) values (%s, %s, %s)", key)
        connection.execute(
            "insert into follower (jurisdiction_id, request_id, email, is_reporter, created_at, confirmed_at)"
            " values (%s, %s, %s, true, now(), now())",
            key,
        )
        return row

    return report


class Postman:
    """Does the work that is done after the answer, and keeps the letters that go out."""

    name = "kept"

    def __init__(self, connection: "Connection[Any]", links: Links) -> None:
        self.connection, self.links = connection, links
        self.letters: list[Mail] = []

    def send(self, mail: Mail) -> None:
        """Keep it."""
        self.letters.append(mail)

    def goes(self, now: datetime = NOW) -> list[Mail]:
        """The letters of this round."""
        self.letters = []
        jobs = "delete from procrastinate_jobs where task_name = 'write_to_reporter' returning args"
        for (arguments,) in self.connection.execute(jobs).fetchall():
            write_to_reporter(**arguments)
        for city, message in self.connection.execute(
            "select jurisdiction_id, id from message where state = 'waiting'"
        ).fetchall():
            deliver(self.connection, self, self.links, jurisdiction_id=city, message_id=message, now=now)
        return self.letters


@pytest.fixture
def postman(connection: "Connection[Any]", links: Links) -> Postman:
    """Who brings letters."""
    return Postman(connection, links)


def asked(client: FlaskClient, email: str, *, query: str = "") -> TestResponse:
    """What is answered to an address."""
    browser = Browser(client)
    answer = browser.submit(browser.get(f"/mine{query}"), email=email)
    assert answer.status_code == 303
    return browser.get(answer.headers["Location"])


def link_in(letter: Mail) -> str:
    """The path of a letter's link."""
    (line,) = [line for line in letter.body.splitlines() if line.startswith(SITE)]
    return line.removeprefix(SITE)


def link_of(row: ServiceRequest, connection: "Connection[Any]", links: Links, *, expires_at: datetime = NOW + DAY) -> str:
    """The path of a link for who reported a request."""
    found = connection.execute("select id from follower where request_id = %s and is_reporter", [row.id]).fetchone()
    assert found is not None
    link = Link(jurisdiction_id=row.jurisdiction_id, follower_id=found[0], expires_at=expires_at)
    return links.own_reports(link, "boston.gov").removeprefix(SITE)


def count(connection: "Connection[Any]", table: str) -> int:
    """How many rows a table has."""
    row = connection.execute(f"select count(*) from {table}").fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])


def test_an_address_gets_a_letter_whose_link_lists_what_it_reported(client: FlaskClient, reported: Reported, postman: Postman):
    reported("A-1")
    asked(client, ANN)

    (letter,) = postman.goes()

    assert letter.to == ANN
    assert letter.stop_url is None
    assert "City of Boston" in letter.subject
    answer = client.get(link_in(letter))
    assert answer.status_code == 200
    assert "1 report was made" in text(answer)
    assert "A-1" in text(answer)


def post(client: FlaskClient, api_key: str) -> None:
    """Report something by the API, with an e-mail address."""
    form = {
        "jurisdiction_id": "boston.gov", "api_key": api_key, "service_code": "street-light-outages", "email": ANN,
        "lat": "42.3474", "long": "-71.0944", "description": "Lamp is out",
    }  # fmt: skip
    assert client.post("/open311/v2/requests.json", data=form).status_code in (200, 201)


def test_what_came_in_by_the_api_is_listed(client: FlaskClient, api_key: str, postman: Postman):
    post(client, api_key)
    postman.goes()
    asked(client, ANN.upper())

    (letter,) = postman.goes()

    assert letter.to == ANN
    assert "Street Light Outages" in text(client.get(link_in(letter)))


def test_who_reported_to_a_blackbox_service_is_told_nothing(
    client: FlaskClient, api_key: str, connection: "Connection[Any]", postman: Postman
):
    connection.execute("update service set type = 'blackbox' where code = 'street-light-outages'")
    post(client, api_key)
    asked(client, ANN)

    assert postman.goes() == []


def test_the_answer_is_the_same_for_every_address(client: FlaskClient, reported: Reported, connection: "Connection[Any]"):
    reported("A-1")

    known, unknown = asked(client, ANN), asked(client, BOB)

    assert known.status_code == unknown.status_code == 200
    assert text(known) == text(unknown)
    assert sorted(name for name, _ in known.headers) == sorted(name for name, _ in unknown.headers)
    assert "If there are reports with this address" in text(known)
    assert ANN not in known.text
    # All that was done before the answer.
    assert count(connection, "procrastinate_jobs") == 2
    assert count(connection, "message") == 0


@pytest.mark.parametrize("email", [BOB, "follower@example.org"])
def test_an_address_that_reported_nothing_gets_no_letter(
    client: FlaskClient, reported: Reported, connection: "Connection[Any]", postman: Postman, email: str
):
    row = reported("A-1")
    connection.execute(
        "insert into follower (jurisdiction_id, request_id, email, created_at, confirmed_at)"
        " values (%s, %s, 'follower@example.org', now(), now())",
        [row.jurisdiction_id, row.id],
    )

    asked(client, email)

    assert postman.goes() == []


def test_a_report_to_another_city_is_not_this_ones(client: FlaskClient, reported: Reported, postman: Postman):
    reported("A-1")

    asked(client, ANN, query="?jurisdiction_id=seattle.gov")

    assert postman.goes() == []


def test_the_letter_is_in_the_language_of_the_page(client: FlaskClient, reported: Reported, postman: Postman):
    reported("A-1")
    asked(client, ANN, query="?lang=es")

    (letter,) = postman.goes()

    assert (letter.language, letter.subject) == ("es", "Sus reportes, City of Boston")
    assert "Aquí está la lista" in letter.body


def test_who_wants_no_news_gets_the_letter_they_asked_for(
    client: FlaskClient, reported: Reported, connection: "Connection[Any]", postman: Postman
):
    reported("A-1")
    connection.execute("update follower set stopped_at = now()")
    asked(client, ANN)

    assert [letter.to for letter in postman.goes()] == [ANN]


def test_five_letters_go_to_an_address_in_a_day_and_the_answer_stays_the_same(
    client: FlaskClient, reported: Reported, connection: "Connection[Any]", postman: Postman
):
    reported("A-1")
    answers = [text(asked(client, ANN if at % 2 else ANN.upper())) for at in range(7)]

    assert len(postman.goes()) == 5
    assert len(set(answers)) == 1
    connection.execute("update message set at = at - interval '25 hours'")
    asked(client, ANN)
    assert len(postman.goes()) == 1


def test_a_letter_that_comes_too_late_for_its_link_is_not_sent(
    client: FlaskClient, reported: Reported, connection: "Connection[Any]", postman: Postman
):
    reported("A-1")
    asked(client, ANN)

    assert postman.goes(now=NOW + DAY + HOUR) == []
    assert connection.execute("select state from message").fetchone() == ("dropped",)


def test_without_the_address_of_the_service_the_letter_is_dead_and_says_why(
    reported: Reported, connection: "Connection[Any]", settings: Any
):
    row = reported("A-1")
    write(connection, ANN, jurisdiction_id=row.jurisdiction_id, language="en", now=NOW)

    assert Postman(connection, Links(Settings())).goes() == []

    (state, error) = connection.execute("select state, error from message").fetchone()  # type: ignore[misc]
    assert state == "dead"
    assert "OPEN311_PUBLIC_URL" in error


def test_the_list_says_where_each_stands_the_newest_first(
    client: FlaskClient, reported: Reported, connection: "Connection[Any]", links: Links
):
    reported("OLD-1", age=9 * DAY, closed_after=DAY, address="4 Jersey St")
    reported("LATE-1", age=5 * DAY, expected_at=NOW - DAY, address=None)
    row = reported("NEW-1", age=HOUR, expected_at=NOW + DAY, lat=None, long=None)

    page = parsed(client.get(link_of(row, connection, links)))

    new, late, old = (" ".join(each.text_content().split()) for each in page.xpath("//main/ol/li"))
    for each in ("NEW-1", "Street Light Outages", "No place was given", "Open", "Expected to be done by"):
        assert each in new
    assert "later than promised" not in new
    for each in ("LATE-1", "42.34740, -71.09440", "later than promised"):
        assert each in late
    for each in ("OLD-1", "4 Jersey St", "Closed on"):
        assert each in old
    assert page.xpath("//main/ol/li//a/@href") == [
        f"/track/{number}?jurisdiction_id=boston.gov" for number in ("NEW-1", "LATE-1", "OLD-1")
    ]


def test_what_is_not_public_is_listed_and_leads_nowhere(
    client: FlaskClient, reported: Reported, connection: "Connection[Any]", links: Links
):
    row = reported("PRIVATE-1", is_public=False)
    connection.execute(
        "update service_request set number = null, token = 'waits' where id = %s", [reported(is_public=False).id]
    )

    page = parsed(client.get(link_of(row, connection, links)))

    said = " ".join(page.text_content().split())
    assert "PRIVATE-1" in said
    assert "It has none yet" in said
    assert said.count("Not shown in public") == 2
    assert page.xpath("//main/ol//a") == []


def test_a_place_that_the_public_sees_coarsely_is_shown_to_who_reported_it(
    client: FlaskClient, reported: Reported, connection: "Connection[Any]", links: Links
):
    row = reported("A-1", address="4 Jersey St", coarse_metres=1000)

    assert "4 Jersey St" in text(client.get(link_of(row, connection, links)))


def test_nobody_elses_reports_are_listed(client: FlaskClient, reported: Reported, connection: "Connection[Any]", links: Links):
    row = reported("MINE-1")
    reported("MINE-2", email="Ann@Example.ORG")
    reported("BOBS-1", email=BOB)
    reported("THERE-1", jurisdiction_id="seattle.gov", service_code="graffiti", lat=47.64, long=-122.4)

    said = text(client.get(link_of(row, connection, links)))

    assert "2 reports were made" in said
    for number, is_shown in (("MINE-1", True), ("MINE-2", True), ("BOBS-1", False), ("THERE-1", False)):
        assert (number in said) is is_shown, number


def test_many_are_shown_a_page_at_a_time(client: FlaskClient, reported: Reported, connection: "Connection[Any]", links: Links):
    rows = [reported(f"A-{at}", age=at * HOUR) for at in range(1, PAGE_ROWS + 3)]
    link = link_of(rows[0], connection, links)

    first = parsed(client.get(link))
    (older,) = first.xpath("//a[@rel='next']/@href")
    second = parsed(client.get(older))

    seen = [page.xpath("//main/ol//span[@class='number']/text()") for page in (first, second)]
    assert [len(each) for each in seen] == [PAGE_ROWS, 2]
    assert [*seen[0], *seen[1]] == [row.number for row in rows]
    (newer,) = second.xpath("//a[@rel='prev']/@href")
    assert client.get(newer).text.count("A-1<") == 1
    for page in ("3", "99999", "0", "-1", "x", "²", "9" * 40):
        assert client.get(f"{link}&page={page}").status_code == 200, page


def test_what_somebody_wrote_is_text(client: FlaskClient, reported: Reported, connection: "Connection[Any]", links: Links):
    row = reported("A-1", address=SCRIPT)

    assert parsed(client.get(link_of(row, connection, links))).xpath("//script[not(@src)]") == []


def test_opening_the_link_changes_nothing_and_may_be_done_often(
    client: FlaskClient, reported: Reported, connection: "Connection[Any]", links: Links
):
    link = link_of(reported("A-1"), connection, links)
    tables = ("message", "procrastinate_jobs", "person_use", "request_event", "follower")
    before = [count(connection, each) for each in tables]

    assert [client.get(link).status_code for _ in range(3)] == [200] * 3

    assert [count(connection, each) for each in tables] == before
    assert client.post(link).status_code == 405


def test_the_list_leaves_no_copy_no_cookie_and_tells_no_page_its_address(
    client: FlaskClient, reported: Reported, connection: "Connection[Any]", links: Links
):
    good = link_of(reported("A-1"), connection, links)

    for link in (good, "/mine/forged"):
        headers = client.get(link).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Set-Cookie" not in client.get(good).headers


def test_a_link_is_good_for_a_day(client: FlaskClient, reported: Reported, connection: "Connection[Any]", links: Links):
    row = reported("A-1")
    over = link_of(row, connection, links, expires_at=NOW - timedelta(seconds=1))

    answer = client.get(over)

    assert answer.status_code == 410
    assert "This link is too old" in text(answer)
    assert "A-1" not in answer.text


def test_what_is_no_link_of_ours_offers_a_new_one(
    client: FlaskClient, reported: Reported, connection: "Connection[Any]", links: Links, postman: Postman
):
    row = reported("A-1")
    good, query = link_of(row, connection, links).split("?")
    follow = links.url("follow", Link(jurisdiction_id=row.jurisdiction_id, follower_id=1)).rpartition("/")[2]
    other_key = Links(Settings(secret_key="another key, of the same length as ours!", public_url=SITE))
    forged = [good[:-1], "/mine/x", "/mine/%00", f"/mine/{follow}", link_of(row, connection, other_key).split("?")[0]]

    for path in forged:
        answer = client.get(f"{path}?{query}")
        assert answer.status_code == 404, path
        assert "This link does not work" in text(answer)
    browser = Browser(client)
    assert browser.submit(browser.get("/mine/x"), email=ANN).status_code == 303
    assert len(postman.goes()) == 1


def test_a_link_leads_nowhere_in_another_city(
    client: FlaskClient, reported: Reported, connection: "Connection[Any]", links: Links
):
    good, _ = link_of(reported("A-1"), connection, links).split("?")

    assert client.get(f"{good}?jurisdiction_id=seattle.gov").status_code == 404


def test_where_no_city_is_meant_a_forged_link_is_a_page_all_the_same(client: FlaskClient, settings: Any):
    settings(default_jurisdiction="")

    answer = client.get("/mine/x")

    assert answer.status_code == 404
    assert parsed(answer).xpath("//input[@name='email']") == []


def test_what_was_erased_is_listed_no_more(
    client: FlaskClient, reported: Reported, connection: "Connection[Any]", links: Links
):
    row = reported("A-1")
    link = link_of(row, connection, links)
    city = next(city for city in read_cities(connection) if city.id == row.jurisdiction_id)

    erase(connection, city, Asked(email=ANN), by=operator("Ada"), reason="asked for it", now=NOW)

    answer = client.get(link)
    assert answer.status_code == 404
    assert "A-1" not in answer.text
    assert write(connection, ANN, jurisdiction_id=city.id, language="en", now=NOW) is False


@pytest.mark.parametrize("email", ["", "ann", f"{ANN}, {BOB}", SCRIPT])
def test_a_bad_address_is_told_and_kept(client: FlaskClient, connection: "Connection[Any]", email: str):
    browser = Browser(client)

    answer = browser.submit(browser.get("/mine"), email=email)

    page = parsed(answer)
    assert answer.status_code == 400
    assert page.xpath("//*[@role='alert']//a/@href") == ["#email"]
    assert page.xpath("//input[@id='email']/@value") == [email]
    assert count(connection, "procrastinate_jobs") == 0


def test_a_form_of_another_page_is_refused(client: FlaskClient, connection: "Connection[Any]"):
    client.get("/mine")

    forged: list[dict[str, str]] = [{}, {"csrf": "0" * 64}]
    answers = [client.post("/mine", data={"email": ANN, **each}) for each in forged]

    assert [each.status_code for each in answers] == [400, 400]
    assert count(connection, "procrastinate_jobs") == 0


def test_without_a_secret_key_nothing_is_asked_for_and_no_token_is_logged(
    client: FlaskClient, reported: Reported, connection: "Connection[Any]", links: Links, settings: Any
):
    link = link_of(reported("A-1"), connection, links)
    settings(secret_key="")

    with capture_logs() as logged:
        assert client.get(link).status_code == 503
    assert client.post("/mine", data={"email": ANN}).status_code == 503

    assert parsed(client.get("/mine")).xpath("//input[@name='email']") == []
    assert [each["path"] for each in logged] == ["/mine/<token>"]
    assert link.split("/")[2].split("?")[0] not in str(logged)


def test_every_page_leads_to_ones_own_reports(client: FlaskClient):
    assert parsed(client.get("/services")).xpath("//nav[@aria-label='Main']//a[@href='/mine']/text()") == ["My reports"]
