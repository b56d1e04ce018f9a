"""Signing in with a password: who is let in, what the cookie is like, and what is told to whoever is not."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg import Connection
from werkzeug.test import TestResponse

from open311 import accounts
from open311.accounts import AskedRole
from open311.jurisdictions import cities
from open311.passwords import _HASHER
from open311.web import login
from open311.web.login import WRONG
from tests.factories import NOW
from tests.web.desk import Browser, parsed, text

ANN, PASSWORD = "ann@city.gov", "correct horse battery"
WRONG_PASSWORD = "wrong horse battery"


@pytest.fixture
def ann(connection: "Connection[Any]") -> int:
    """An account with a password."""
    return accounts.create_account(connection, ANN, "Ann Lee", password=PASSWORD, now=NOW)


@pytest.fixture
def browser(client: FlaskClient) -> Browser:
    """A browser that was never here."""
    return Browser(client)


def cookie_of(answer: TestResponse) -> str:
    """The one Set-Cookie of an answer."""
    (line,) = answer.headers.getlist("Set-Cookie")
    return line


def kept(connection: "Connection[Any]", column: str) -> Any:
    """A column of the one account."""
    row = connection.execute(f"select {column} from account").fetchone()  # type: ignore[arg-type]
    assert row is not None
    return row[0]


def test_who_is_not_signed_in_is_sent_to_the_login_and_back(browser: Browser, ann: int) -> None:
    sent = browser.get("/desk?a=b")
    assert (sent.status_code, sent.headers["Location"]) == (303, "/desk/login?next=%2Fdesk%3Fa%3Db")

    done = browser.sign_in(ANN, PASSWORD, sent.headers["Location"])

    assert (done.status_code, done.headers["Location"]) == (303, "/desk?a=b")
    assert browser.get("/desk").status_code == 200


def test_the_desk_says_who_you_are_and_your_roles(browser: Browser, ann: int, connection: "Connection[Any]") -> None:
    now = datetime.now(UTC)
    district = AskedRole(role="council_office", district=("council", "4"))
    accounts.grant(connection, ANN, district, cities().named("boston.gov"), now=now)
    accounts.grant(connection, ANN, AskedRole(role="call_taker"), cities().named("seattle.gov"), now=now)

    browser.sign_in(ANN, PASSWORD)

    words = text(browser.get("/desk"))
    assert "Ann Lee Signed in as ann@city.gov." in words
    assert "City of Boston: council office of council:4 City of Seattle: call taker" in words


def test_the_desk_tells_who_has_no_role_what_to_do(browser: Browser, ann: int) -> None:
    browser.sign_in(ANN, PASSWORD)

    assert "You have no role in any city yet." in text(browser.get("/desk"))


@pytest.mark.parametrize("email", [ANN, "  Ann@City.GOV "], ids=["as-kept", "as-typed"])
def test_an_address_may_be_typed_as_people_do(browser: Browser, ann: int, email: str) -> None:
    assert browser.sign_in(email, PASSWORD).status_code == 303


@pytest.mark.parametrize(
    ("email", "password"),
    [
        pytest.param(ANN, WRONG_PASSWORD, id="wrong-password"),
        pytest.param(ANN, "", id="no-password"),
        pytest.param(ANN, PASSWORD[:-1], id="shorter"),
        pytest.param(ANN, PASSWORD + "\x00", id="nul"),
        pytest.param(ANN, "x" * 100_000, id="very-long"),
        pytest.param("bob@city.gov", PASSWORD, id="unknown"),
        pytest.param("", "", id="nothing"),
        pytest.param("' or 1=1 --", PASSWORD, id="sql"),
        pytest.param("a\x00b@city.gov", PASSWORD, id="nul-address"),
    ],
)
def test_whatever_is_wrong_gets_the_same_answer(browser: Browser, ann: int, email: str, password: str) -> None:
    answer = browser.sign_in(email, password)

    assert answer.status_code == 403
    assert parsed(answer).get_element_by_id("problem").text_content() == WRONG
    assert browser.get("/desk").status_code == 303


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("is_active = false", id="disabled"),
        pytest.param("password_hash = null", id="no-password"),
        pytest.param("locked_until = now() + interval '1 minute'", id="locked"),
    ],
)
def test_an_account_that_is_closed_gets_the_same_answer_to_the_right_password(
    browser: Browser, ann: int, connection: "Connection[Any]", change: str
) -> None:
    connection.execute(f"update account set {change}")  # type: ignore[arg-type]

    answer = browser.sign_in(ANN, PASSWORD)

    assert answer.status_code == 403
    assert parsed(answer).get_element_by_id("problem").text_content() == WRONG


@pytest.mark.parametrize(
    ("email", "change"),
    [
        pytest.param(ANN, "name = name", id="wrong-password"),
        pytest.param("bob@city.gov", "name = name", id="unknown"),
        pytest.param(ANN, "is_active = false", id="disabled"),
        pytest.param(ANN, "locked_until = now() + interval '1 minute'", id="locked"),
    ],
)
def test_every_attempt_costs_one_comparison(
    browser: Browser, ann: int, connection: "Connection[Any]", monkeypatch: pytest.MonkeyPatch, email: str, change: str
) -> None:
    # What an answer takes is what argon2 takes: a clock would measure the machine.
    verify, parameters = type(_HASHER).verify, []

    def counted(self: Any, kept_hash: str, password: bytes) -> bool:
        parameters.append(kept_hash.split("$")[3])
        return verify(self, kept_hash, password)

    monkeypatch.setattr(type(_HASHER), "verify", counted)
    connection.execute(f"update account set {change}")  # type: ignore[arg-type]

    browser.sign_in(email, WRONG_PASSWORD)

    assert parameters == ["m=65536,t=3,p=4"]


def test_the_form_keeps_the_address_and_never_the_password(browser: Browser, ann: int) -> None:
    answer = browser.sign_in("<b>ann</b>@city.gov", WRONG_PASSWORD)

    assert parsed(answer).get_element_by_id("email").value == "<b>ann</b>@city.gov"
    assert WRONG_PASSWORD not in answer.get_data(as_text=True)


def test_after_ten_failures_an_account_is_closed_for_a_quarter_of_an_hour(
    browser: Browser, ann: int, connection: "Connection[Any]"
) -> None:
    for _ in range(9):
        browser.sign_in(ANN, WRONG_PASSWORD)
    assert kept(connection, "locked_until") is None
    browser.sign_in(ANN, WRONG_PASSWORD)

    until = kept(connection, "locked_until")
    assert timedelta(minutes=14) < until - datetime.now(UTC) <= timedelta(minutes=15)
    assert browser.sign_in(ANN, PASSWORD).status_code == 403
    # Asking on does not make it longer.
    assert kept(connection, "locked_until") == until

    connection.execute("update account set locked_until = now() - interval '1 second'")
    assert browser.sign_in(ANN, PASSWORD).status_code == 303
    assert (kept(connection, "failed_logins"), kept(connection, "locked_until")) == (0, None)


def test_after_a_lock_out_the_count_begins_anew(browser: Browser, ann: int, connection: "Connection[Any]") -> None:
    connection.execute("update account set failed_logins = 10, locked_until = now() - interval '1 second'")

    browser.sign_in(ANN, WRONG_PASSWORD)

    assert (kept(connection, "failed_logins"), kept(connection, "locked_until")) == (1, None)


def test_nine_failures_and_the_right_password_begin_anew(browser: Browser, ann: int, connection: "Connection[Any]") -> None:
    connection.execute("update account set failed_logins = 9")

    assert browser.sign_in(ANN, PASSWORD).status_code == 303

    assert (kept(connection, "failed_logins"), kept(connection, "locked_until")) == (0, None)


def test_the_cookie_is_the_desks_alone(browser: Browser, ann: int) -> None:
    cookie = cookie_of(browser.sign_in(ANN, PASSWORD))

    assert all(part in cookie for part in ("HttpOnly", "SameSite=Lax", "Path=/desk"))
    assert "Secure" not in cookie
    ends_at = parsedate_to_datetime(re.findall(r"Expires=([^;]+)", cookie)[0])
    assert timedelta(hours=11, minutes=59) < ends_at - datetime.now(UTC) <= timedelta(hours=12)


def test_the_cookie_keeps_to_tls_where_that_is(client: FlaskClient, ann: int) -> None:
    cookie = cookie_of(Browser(client, "https://localhost").sign_in(ANN, PASSWORD))

    assert "; Secure;" in cookie


def test_the_cookie_keeps_to_tls_behind_a_proxy_that_speaks_it(browser: Browser, ann: int, settings: Any) -> None:
    settings(public_url="https://311.city.gov")

    assert "; Secure;" in cookie_of(browser.get("/desk/login"))


def test_no_other_page_gets_a_cookie(client: FlaskClient, ann: int) -> None:
    for path in ("/", "/healthz", "/open311/v2/services.json?jurisdiction_id=boston.gov", "/desks"):
        answer = client.get(path)

        assert answer.headers.getlist("Set-Cookie") == []
        assert "Cookie" not in answer.headers.get("Vary", "")


def test_signing_in_changes_the_session_and_ends_the_one_before(
    browser: Browser, ann: int, connection: "Connection[Any]", app: Flask
) -> None:
    form = browser.get("/desk/login")
    before = browser.cookie
    browser.submit(form, email=ANN, password=PASSWORD)
    first = browser.cookie
    assert first != before

    # The form of before is good for nothing now.
    assert browser.submit(form, email=ANN, password=PASSWORD).status_code == 400

    stolen = app.test_client()
    stolen.set_cookie("open311_desk", first or "", path="/desk")
    assert stolen.get("/desk").status_code == 200
    browser.submit(browser.get("/desk"))
    assert stolen.get("/desk").status_code == 303


def test_signing_out_ends_the_session_for_every_copy_of_the_cookie(
    browser: Browser, ann: int, connection: "Connection[Any]", app: Flask
) -> None:
    browser.sign_in(ANN, PASSWORD)
    copy = app.test_client()
    copy.set_cookie("open311_desk", browser.cookie or "", path="/desk")

    out = browser.submit(browser.get("/desk"))

    assert (out.status_code, out.headers["Location"]) == (303, "/desk/login")
    assert browser.get("/desk").status_code == 303
    assert copy.get("/desk").status_code == 303
    assert connection.execute("select 1 from account_session").fetchall() == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("update account_session set ends_at = now() - interval '1 second'", id="over"),
        pytest.param("update account set is_active = false", id="disabled"),
        pytest.param("delete from account_session", id="ended-elsewhere"),
    ],
)
def test_a_session_that_is_over_is_over(browser: Browser, ann: int, connection: "Connection[Any]", change: str) -> None:
    browser.sign_in(ANN, PASSWORD)
    assert browser.get("/desk").status_code == 200

    connection.execute(change)  # type: ignore[arg-type]

    assert browser.get("/desk").status_code == 303


def test_a_session_lasts_twelve_hours_and_is_kept_as_a_hash(browser: Browser, ann: int, connection: "Connection[Any]") -> None:
    browser.sign_in(ANN, PASSWORD)

    row = connection.execute("select digest, began_at, ends_at from account_session").fetchone()
    assert row is not None
    assert row[2] - row[1] == timedelta(hours=12)
    assert len(row[0]) == 32


def test_sessions_that_are_over_are_swept_away(browser: Browser, ann: int, connection: "Connection[Any]") -> None:
    browser.sign_in(ANN, PASSWORD)
    connection.execute("update account_session set ends_at = now() - interval '1 second'")

    browser.sign_in(ANN, PASSWORD)

    assert len(connection.execute("select 1 from account_session").fetchall()) == 1


@pytest.mark.parametrize("token", [None, "", "wrong", "é", "\x00"], ids=["none", "empty", "wrong", "not-ascii", "nul"])
def test_a_form_that_is_not_ours_is_refused(browser: Browser, ann: int, token: str | None) -> None:
    browser.get("/desk/login")
    fields = {"email": ANN, "password": PASSWORD, **({} if token is None else {"csrf": token})}

    answer = browser.post("/desk/login", **fields)

    assert answer.status_code == 400
    assert "reload and try again" in text(answer)
    assert browser.get("/desk").status_code == 303


def test_a_form_from_a_browser_without_cookies_is_refused(browser: Browser, ann: int, app: Flask) -> None:
    form = browser.get("/desk/login")

    answer = Browser(app.test_client()).submit(form, email=ANN, password=PASSWORD)

    assert answer.status_code == 400


def test_nobody_is_signed_out_by_another_page(browser: Browser, ann: int) -> None:
    browser.sign_in(ANN, PASSWORD)

    assert browser.post("/desk/logout").status_code == 400

    assert browser.get("/desk").status_code == 200


def test_who_is_not_signed_in_cannot_sign_out(browser: Browser, ann: int) -> None:
    answer = browser.post("/desk/logout")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/desk/login")


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/desk",
        "//evil.example/desk",
        "/\\evil.example",
        "/desk\\..\\evil",
        "/desk@evil.example",
        "/deskevil",
        "/desk\r\nSet-Cookie: a=b",
        "javascript:alert(1)",
        "",
    ],
)
def test_nobody_is_sent_elsewhere(browser: Browser, ann: int, elsewhere: str) -> None:
    done = browser.submit(browser.get("/desk/login"), email=ANN, password=PASSWORD, next=elsewhere)

    assert (done.status_code, done.headers["Location"]) == (303, "/desk")


def test_who_is_signed_in_needs_no_login(browser: Browser, ann: int) -> None:
    browser.sign_in(ANN, PASSWORD)

    answer = browser.get("/desk/login?next=/desk/queue")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/desk/queue")


def test_a_cookie_that_was_changed_is_none(browser: Browser, ann: int) -> None:
    browser.sign_in(ANN, PASSWORD)
    browser.client.set_cookie("open311_desk", (browser.cookie or "")[:-2] + "xx", path="/desk")

    assert browser.get("/desk").status_code == 303


@pytest.mark.parametrize(
    "call", ["GET /desk", "GET /desk/login", "POST /desk/login", "POST /desk/logout", "GET /desk/login/oidc"]
)
def test_without_a_secret_key_nobody_signs_in_and_a_page_says_why(browser: Browser, settings: Any, call: str) -> None:
    settings(secret_key="")
    method, path = call.split()

    answer = browser.get(path) if method == "GET" else browser.post(path)

    assert answer.status_code == 503
    assert "until the operator sets SECRET_KEY" in text(answer)


@pytest.mark.parametrize("path", ["/desk/login", "/desk"])
def test_a_page_of_the_desk_is_kept_by_nobody_and_framed_by_nobody(browser: Browser, ann: int, path: str) -> None:
    browser.sign_in(ANN, PASSWORD)

    headers = browser.get(path).headers

    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_pages_fit_a_small_screen_and_name_their_fields(browser: Browser, ann: int) -> None:
    login_page = browser.get("/desk/login")
    browser.submit(login_page, email=ANN, password=PASSWORD)
    for page in (parsed(login_page), parsed(browser.get("/desk"))):
        assert page.xpath("//meta[@name='viewport']/@content") == ["width=device-width, initial-scale=1"]
        assert page.xpath("//script | //@onclick | //link | //img | //iframe") == []
        assert page.get("lang") == "en" and len(page.xpath("//h1")) == 1
        labels = set(page.xpath("//label/@for"))
        assert set(page.xpath("//input[not(@type='hidden')]/@id")) == labels


def test_the_login_offers_no_provider_where_none_is_set(browser: Browser) -> None:
    assert parsed(browser.get("/desk/login")).xpath("//a") == []
    assert browser.get("/desk/login/oidc").status_code == 404
    assert browser.get("/desk/login/oidc/callback?code=a&state=b").status_code == 404


def test_a_post_that_is_too_large_is_refused(browser: Browser, settings: Any) -> None:
    settings(max_body_bytes=10_000)

    assert browser.post("/desk/login", email="x" * 20_000).status_code == 413


def test_a_failure_is_logged_without_the_password(browser: Browser, ann: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(login.log, "warning", lambda event, **values: lines.append(f"{event} {values}"))

    browser.sign_in(ANN, WRONG_PASSWORD)

    assert lines == [f"sign-in failed {{'account_id': {ann}, 'address': '127.0.0.1'}}"]
