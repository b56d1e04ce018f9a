"""The links of our messages, as people and their mail programs use them."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from lxml import html
from structlog.testing import capture_logs

from open311.config import Settings
from open311.notify.channels import Mail
from open311.notify.delivery import deliver
from open311.notify.links import CONFIRM, PURPOSES, STOP, VERDICT, Link, Links
from open311.web import linked
from tests.cases.test_verdicts import CLOSED, close, follower_of, reopening, reported
from tests.cases.working import Working

SECRET_KEY = "a key for the tests alone, and long enough"


@pytest.fixture(autouse=True)
def _key(app: Flask) -> Any:
    """The app can sign."""
    before = app.config["OPEN311"]
    app.config["OPEN311"] = replace(before, secret_key=SECRET_KEY)
    yield
    app.config["OPEN311"] = before


def path(purpose: str, trees: Working, number: str, closed_at: datetime | None = None, key: str = SECRET_KEY) -> str:
    """The path of a link for who reported a request."""
    links = Links(Settings(secret_key=key, public_url="https://311.example.org"))
    link = Link(jurisdiction_id=trees.city.id, follower_id=follower_of(trees, number), closed_at=closed_at)
    return links.url(purpose, link).removeprefix("https://311.example.org")


class Kept:
    """A way out that keeps the last message."""

    name = "kept"

    def __init__(self) -> None:
        self.mail: Any = None

    def send(self, mail: Mail) -> None:
        """Keep it."""
        self.mail = mail


@pytest.fixture
def closed(trees: Working) -> tuple[str, str]:
    """A closed request, and the path of the question put to who reported it."""
    number = reported(trees)
    close(trees, number)
    return number, path(VERDICT, trees, number, CLOSED)


def test_the_question_is_answered_once(client: FlaskClient, trees: Working, closed: tuple[str, str]):
    number, link = closed
    page = client.get(link)
    assert page.status_code == 200
    assert number in page.text

    answered = client.post(link, data={"fixed": "no", "score": "2", "comment": "A stump\r\nis left"})
    again = client.post(link, data={"fixed": "yes"})

    assert answered.status_code == 303
    assert "was not fixed" in client.get(answered.headers["Location"]).text
    assert again.status_code == 409
    (kept,) = trees.rows("select is_fixed, score, comment from verdict")
    assert kept == (False, 2, "A stump\nis left")


def test_not_fixed_says_that_it_is_worked_again(client: FlaskClient, trees: Working, closed: tuple[str, str]):
    reopening(trees)
    # Closed this hour, as the page goes by the clock of today.
    now = datetime.now(UTC).replace(microsecond=0)
    trees.connection.execute("update service_request set closed_at = %s where number = %s", [now, closed[0]])

    link = path(VERDICT, trees, closed[0], now)
    client.post(link, data={"fixed": "no"})

    assert "being worked again" in client.get(link).text
    (row,) = trees.rows("select status from service_request where number = %s", closed[0])
    assert row.status == "open"


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({}, "fixed-yes"),
        ({"fixed": "perhaps"}, "fixed-yes"),
        ({"fixed": "yes", "score": "6"}, "score"),
        ({"fixed": "yes", "score": "five"}, "score"),
        ({"fixed": "yes", "comment": "x" * 4001}, "comment"),
    ],
)
def test_a_form_that_cannot_be_kept_is_shown_again_with_what_was_typed(
    client: FlaskClient, trees: Working, closed: tuple[str, str], form: dict[str, str], field: str
):
    typed = {"comment": "A <b>stump</b> is left", **form}
    answer = client.post(closed[1], data=typed)
    page = html.document_fromstring(answer.text)

    assert answer.status_code == 400
    assert page.xpath(f"//*[@role='alert']//a[@href='#{field}']")
    assert page.xpath(f"//*[@id='{field}']")
    assert page.xpath("//textarea")[0].text == typed["comment"]
    assert trees.rows("select 1 from verdict") == []


def test_a_button_stops_and_opening_the_link_does_not(client: FlaskClient, trees: Working):
    number = reported(trees)
    link = path(STOP, trees, number)
    client.get(link)
    client.head(link)
    assert trees.rows("select stopped_at from follower")[0].stopped_at is None

    # As a mail program posts it: RFC 8058.
    answer = client.post(link, data={"List-Unsubscribe": "One-Click"})

    assert answer.status_code == 303
    stopped = trees.rows("select stopped_at from follower")[0].stopped_at
    assert stopped is not None
    assert "no more news of" in client.get(link).text
    close(trees, number)
    assert trees.rows("select 1 from message") == []
    client.post(link)
    assert trees.rows("select stopped_at from follower")[0].stopped_at == stopped


def test_who_stopped_may_follow_again_by_the_other_link(client: FlaskClient, trees: Working):
    number = reported(trees)
    client.post(path(STOP, trees, number))

    client.post(path(CONFIRM, trees, number))

    assert trees.rows("select stopped_at from follower")[0].stopped_at is None


@pytest.mark.parametrize(("is_public", "ways"), [(True, 1), (False, 0)])
def test_every_page_leads_to_a_request_that_is_shown_in_public(client: FlaskClient, trees: Working, is_public: bool, ways: int):
    number = reported(trees)
    close(trees, number)
    trees.connection.execute("update service_request set is_public = %s", [is_public])

    for purpose in PURPOSES:
        page = html.document_fromstring(client.get(path(purpose, trees, number, CLOSED)).text)
        assert len(page.xpath(f"//main//a[@href='/track/{number}?jurisdiction_id=small.gov']")) == ways, purpose


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("method", ["get", "post"])
def test_what_is_no_link_of_ours_does_nothing(client: FlaskClient, trees: Working, purpose: str, method: str):
    number = reported(trees)
    close(trees, number)
    good = path(purpose, trees, number, CLOSED)
    other = "stop" if purpose != "stop" else "follow"
    forged = [
        path(purpose, trees, number, CLOSED, key="another key, of the same length as ours!"),
        path(other, trees, number, CLOSED).replace(f"/{other}/", f"/{purpose}/"),
        good[:-1],
        f"{good[:-20]}{'A' if good[-20] != 'A' else 'B'}{good[-19:]}",
        f"/{purpose}/WzEsMV0.x",
        f"/{purpose}/x",
        f"/{purpose}/%00",
    ]
    for each in forged:
        answer = getattr(client, method)(each, **({"data": {"fixed": "no"}} if method == "post" else {}))
        assert answer.status_code == 404, each
        assert "does not work" in answer.text
    assert trees.rows("select 1 from verdict") == []
    assert trees.rows("select stopped_at from follower")[0].stopped_at is None


def test_a_link_of_somebody_who_is_gone_says_so(client: FlaskClient, trees: Working):
    number = reported(trees)
    links = [path(STOP, trees, number), path(CONFIRM, trees, number), path(VERDICT, trees, number, CLOSED)]
    trees.connection.execute("delete from follower")

    assert [client.get(each).status_code for each in links] == [404] * 3
    assert [client.post(each, data={"fixed": "no"}).status_code for each in links] == [404] * 3


def test_without_a_key_no_link_can_be_read(client: FlaskClient, app: Flask, trees: Working):
    number = reported(trees)
    link = path(STOP, trees, number)
    app.config["OPEN311"] = replace(app.config["OPEN311"], secret_key="")

    assert client.get(link).status_code == 503


@pytest.mark.parametrize(("language", "words"), [("es", "¿Se resolvió?"), ("zh", "问题解决了吗？"), ("xx", "Was it fixed?")])
def test_the_page_speaks_the_language_of_the_follower(
    client: FlaskClient, trees: Working, closed: tuple[str, str], language: str, words: str
):
    trees.connection.execute("update follower set language = %s", [language])

    page = html.document_fromstring(client.get(closed[1]).text)

    assert page.findtext(".//h1") == words
    assert page.get("lang") == (language if language != "xx" else "en")


def test_the_pages_load_nothing_and_are_framed_by_nobody(client: FlaskClient, closed: tuple[str, str]):
    answer = client.get(closed[1])

    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    page = html.document_fromstring(answer.text)
    assert [
        each for each in page.xpath("//@src | //link/@href") if not each.startswith(("/static/", "/colors.css", "/crest"))
    ] == []
    assert not re.search(r"@import|url\s*\(", answer.text)


def test_words_of_a_request_are_text_on_the_page(client: FlaskClient, trees: Working, closed: tuple[str, str]):
    trees.connection.execute("update service_request set address = '<script>alert(1)</script>'")

    assert html.document_fromstring(client.get(closed[1]).text).xpath("//script[not(@src)]") == []


def test_the_log_of_a_failure_has_no_token(client: FlaskClient, trees: Working, monkeypatch: pytest.MonkeyPatch):
    link = path(STOP, trees, reported(trees))
    monkeypatch.setattr(linked, "find_followed", lambda *_, **__: 1 / 0)

    with capture_logs() as logged:
        assert client.get(link).status_code == 500

    assert [each["path"] for each in logged] == ["/stop/<token>"]


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_fault_is_told_in_the_look_and_language_of_the_pages(
    client: FlaskClient, trees: Working, monkeypatch: pytest.MonkeyPatch, purpose: str
):
    link = path(purpose, trees, reported(trees), CLOSED)
    for name in ("find_followed", "find_question"):
        monkeypatch.setattr(linked, name, lambda *_, **__: 1 / 0)

    with capture_logs() as logged:
        answer = client.get(f"{link}?lang=es")

    assert answer.status_code == 500
    page = html.document_fromstring(answer.text)
    assert page.findtext(".//h1") == "Algo falló de nuestro lado"
    assert logged[0]["error_id"] in page.text_content()
    assert "division" not in answer.text


def test_a_comment_that_is_far_too_large_is_told_on_a_page(client: FlaskClient, closed: tuple[str, str]):
    body = b'--x\r\nContent-Disposition: form-data; name="comment"\r\n\r\n' + b"x" * 20_000_000 + b"\r\n--x--\r\n"

    answer = client.post(closed[1], data=body, content_type="multipart/form-data; boundary=x")

    assert answer.status_code == 400
    assert html.document_fromstring(answer.text).findtext(".//h1") == "We could not read what you sent"


def test_a_comment_that_is_too_long_is_shown_again(client: FlaskClient, closed: tuple[str, str]):
    part = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    body = part % (b"fixed", b"no") + part % (b"comment", b"x" * 600_000) + b"--x--\r\n"

    answer = client.post(closed[1], data=body, content_type="multipart/form-data; boundary=x")

    assert answer.status_code == 400
    assert html.document_fromstring(answer.text).xpath("//*[@role='alert']//a[@href='#comment']")


def test_the_language_of_the_question_can_be_changed_and_nothing_is_lost(
    client: FlaskClient, trees: Working, closed: tuple[str, str]
):
    answer = client.post(closed[1], data={"fixed": "no", "score": "4", "comment": "A stump is left", "lang": "es"})
    page = html.document_fromstring(answer.text)

    assert answer.status_code == 200
    assert page.findtext(".//h1") == "¿Se resolvió?"
    assert page.xpath("//textarea")[0].text == "A stump is left"
    assert page.xpath("//input[@name='fixed' and @checked]/@value") == ["no"]
    assert page.xpath("//option[@selected]/@value") == ["4"]
    assert trees.rows("select 1 from verdict") == []


def test_an_answer_is_kept_whatever_language_the_address_names(client: FlaskClient, trees: Working, closed: tuple[str, str]):
    answer = client.post(f"{closed[1]}?lang=es", data={"fixed": "yes"})

    assert answer.status_code == 303
    assert trees.rows("select is_fixed from verdict")[0].is_fixed is True


def test_the_language_that_was_chosen_stays_after_the_button(client: FlaskClient, trees: Working):
    link = path(STOP, trees, reported(trees))

    answer = client.post(f"{link}?lang=es")

    assert "Ya no recibirá noticias" in client.get(answer.headers["Location"]).text


def test_a_message_of_a_request_that_is_not_public_leads_to_no_page_of_it(trees: Working):
    number = reported(trees)
    trees.connection.execute("update service_request set is_public = false where number = %s", [number])
    close(trees, number)
    (row,) = trees.rows("select id from message")
    way = Kept()
    links = Links(Settings(secret_key=SECRET_KEY, public_url="https://311.example.org/"))

    deliver(trees.connection, way, links, jurisdiction_id=trees.city.id, message_id=row.id, now=CLOSED)

    assert "/track/" not in way.mail.body


def test_a_message_holds_the_links_that_these_pages_read(client: FlaskClient, trees: Working):
    number = reported(trees)
    close(trees, number)
    (row,) = trees.rows("select id from message")
    way = Kept()
    links = Links(Settings(secret_key=SECRET_KEY, public_url="https://311.example.org/"))
    deliver(trees.connection, way, links, jurisdiction_id=trees.city.id, message_id=row.id, now=CLOSED)

    track, question, stop = re.findall(r"https://311\.example\.org(/\S+)", way.mail.body)
    assert number in client.get(track).text
    assert client.get(question).status_code == 200
    assert number in client.get(question).text
    assert way.mail.stop_url == f"https://311.example.org{stop}"
    assert client.post(stop).status_code == 303
    assert "rita" not in way.mail.body
