"""Signing in by OpenID Connect, against a provider that signs with a real key."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient
from joserfc.jwk import RSAKey
from psycopg import Connection
from werkzeug.test import TestResponse

from open311 import accounts
from tests.factories import NOW
from tests.web.desk import Browser, parsed, text
from tests.web.provider import CLIENT_ID, CLIENT_SECRET, CODE, Provider, provider


@pytest.fixture
def there(settings: Any) -> Iterator[Provider]:
    """The provider that is set."""
    with provider() as made:
        settings(oidc_issuer=made.url, oidc_client_id=CLIENT_ID, oidc_client_secret=CLIENT_SECRET)
        yield made


@pytest.fixture
def ann(connection: "Connection[Any]") -> int:
    """An account without a password."""
    return accounts.create_account(connection, "ann@city.gov", "Ann Lee", password=None, now=NOW)


@pytest.fixture
def browser(client: FlaskClient) -> Browser:
    """A browser that was never here."""
    return Browser(client)


def sign_in(browser: Browser, there: Provider, **changes: str) -> TestResponse:
    """What the callback answers when the person agreed at the provider."""
    asked = there.asked(browser.get("/desk/login/oidc?next=/desk/queue").headers["Location"])
    query = {"code": CODE, "state": asked["state"], **changes}
    return browser.get(f"/desk/login/oidc/callback?{urlencode(query)}")


def bound(connection: "Connection[Any]") -> Any:
    """What the one account is bound to."""
    return connection.execute("select oidc_issuer, oidc_subject from account").fetchone()


def test_the_login_offers_the_provider(browser: Browser, there: Provider) -> None:
    (link,) = parsed(browser.get("/desk/login?next=/desk/queue")).xpath("//a/@href")

    assert link == "/desk/login/oidc?next=/desk/queue"


def test_a_browser_is_sent_to_the_provider_with_all_that_guards_the_way(browser: Browser, there: Provider) -> None:
    sent = browser.get("/desk/login/oidc")

    asked = there.asked(sent.headers["Location"])
    assert sent.status_code == 302
    assert asked["redirect_uri"] == "http://localhost/desk/login/oidc/callback"
    assert (asked["client_id"], asked["response_type"], asked["code_challenge_method"]) == (CLIENT_ID, "code", "S256")
    assert "openid" in asked["scope"] and asked["state"] and asked["nonce"]


def test_the_first_time_an_account_is_found_by_its_verified_address_and_bound(
    browser: Browser, there: Provider, ann: int, connection: "Connection[Any]"
) -> None:
    done = sign_in(browser, there)

    assert (done.status_code, done.headers["Location"]) == (303, "/desk/queue")
    assert "Ann Lee" in text(browser.get("/desk"))
    assert bound(connection) == (there.url, "s-1")


def test_then_it_is_known_by_its_subject_whatever_its_address(browser: Browser, there: Provider, ann: int) -> None:
    sign_in(browser, there)
    there.claims = {"sub": "s-1", "email": "married@city.gov", "email_verified": False}

    assert sign_in(browser, there).status_code == 303


def test_an_address_may_come_by_userinfo(browser: Browser, there: Provider, ann: int) -> None:
    there.claims, there.userinfo = {"sub": "s-1"}, {"sub": "s-1", "email": "ann@city.gov", "email_verified": True}

    assert sign_in(browser, there).status_code == 303


def test_an_account_of_another_provider_is_bound_anew(
    browser: Browser, there: Provider, ann: int, connection: "Connection[Any]"
) -> None:
    connection.execute("update account set oidc_issuer = 'https://old.example', oidc_subject = 's-9'")

    assert sign_in(browser, there).status_code == 303
    assert bound(connection) == (there.url, "s-1")


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        pytest.param({"email": "bob@city.gov"}, "no account here is open to bob@city.gov", id="unknown"),
        pytest.param({"email_verified": False}, "does not vouch for the e-mail address ann@city.gov", id="not-verified"),
        pytest.param({"email_verified": "true"}, "does not vouch for the e-mail address ann@city.gov", id="verified-in-words"),
        pytest.param({"email_verified": None}, "does not vouch for", id="nothing-said"),
        pytest.param({"email": ""}, "does not vouch for", id="no-address"),
    ],
)
def test_who_has_no_account_is_told(
    browser: Browser, there: Provider, ann: int, connection: "Connection[Any]", claims: dict[str, Any], message: str
) -> None:
    there.claims |= claims

    answer = sign_in(browser, there)

    assert answer.status_code == 403
    assert message in text(answer)
    assert browser.get("/desk").status_code == 303
    assert bound(connection) == (None, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param("is_active = false", "no account here is open to ann@city.gov", id="disabled"),
        pytest.param("oidc_subject = 's-2'", "no account here is open to ann@city.gov", id="bound-to-another"),
        pytest.param("oidc_subject = 's-1', is_active = false", "account of ann@city.gov is disabled", id="bound-and-disabled"),
    ],
)
def test_an_account_that_is_not_open_is_not_entered(
    browser: Browser, there: Provider, ann: int, connection: "Connection[Any]", change: str, message: str
) -> None:
    issuer = f"oidc_issuer = '{there.url}', " if "subject" in change else ""
    connection.execute(f"update account set {issuer}{change}")  # type: ignore[arg-type]

    answer = sign_in(browser, there)

    assert (answer.status_code, message in text(answer)) == (403, True)


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param({"claims": {"nonce": "another"}}, id="nonce"),
        pytest.param({"claims": {"aud": "another"}}, id="audience"),
        pytest.param({"claims": {"iss": "https://another.example"}}, id="issuer"),
        pytest.param({"claims": {"exp": int(time.time()) - 3600}}, id="expired"),
        pytest.param({"userinfo": {"sub": "s-2", "email": "ann@city.gov", "email_verified": True}}, id="no"),
        pytest.param({"token": {"id_token": "nonsense"}}, id="no-jwt"),
        pytest.param({"token": {"id_token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzLTEifQ."}}, id="unsigned"),
        pytest.param({"token": {"id_token": None}}, id="no-id-token"),
        pytest.param({"metadata": {"issuer": "https://another.example"}}, id="another-provider"),
        pytest.param({"signs_with": RSAKey.generate_key(2048, {"kid": "first"})}, id="another-key"),
        pytest.param({"signs_with": RSAKey.generate_key(2048, {"kid": "unknown"})}, id="unknown-key"),
    ],
)
def test_a_provider_that_does_not_prove_what_it_says_lets_nobody_in(
    browser: Browser, there: Provider, ann: int, connection: "Connection[Any]", lie: dict[str, Any]
) -> None:
    query = there.asked(browser.get("/desk/login/oidc").headers["Location"])
    if "userinfo" in lie:
        there.claims = {"sub": "s-1"}
        there.userinfo = lie["userinfo"]
    elif "metadata" in lie:
        there.metadata = lie["metadata"]
        browser.client.application.extensions["open311.oidc"].clear()
    else:
        there.claims |= lie.get("claims", {})
        there.token, there.signs_with = lie.get("token", {}), lie.get("signs_with", there.key)

    answer = browser.get(f"/desk/login/oidc/callback?{urlencode({'code': CODE, 'state': query['state']})}")

    assert answer.status_code == 502
    assert browser.get("/desk").status_code == 303
    assert bound(connection) == (None, None)


def test_a_key_that_was_changed_is_asked_for(browser: Browser, there: Provider, ann: int) -> None:
    assert sign_in(browser, there).status_code == 303
    there.key = there.signs_with = RSAKey.generate_key(2048, {"kid": "second"})

    assert sign_in(browser, there).status_code == 303


def test_a_wrong_code_lets_nobody_in(browser: Browser, there: Provider, ann: int) -> None:
    assert sign_in(browser, there, code="another").status_code == 502


@pytest.mark.parametrize("state", ["another", ""])
def test_an_answer_that_nobody_asked_for_is_refused(browser: Browser, there: Provider, ann: int, state: str) -> None:
    answer = sign_in(browser, there, state=state)

    assert (answer.status_code, "please begin again" in text(answer)) == (403, True)


def test_an_answer_is_good_once(browser: Browser, there: Provider, ann: int) -> None:
    asked = there.asked(browser.get("/desk/login/oidc").headers["Location"])
    callback = f"/desk/login/oidc/callback?{urlencode({'code': CODE, 'state': asked['state']})}"
    assert browser.get(callback).status_code == 303

    assert browser.get(callback).status_code == 403


def test_a_person_who_does_not_agree_is_told(browser: Browser, there: Provider, ann: int) -> None:
    browser.get("/desk/login/oidc")

    answer = browser.get("/desk/login/oidc/callback?error=access_denied&error_description=<b>No</b>")

    assert answer.status_code == 403
    assert "the identity provider said '<b>No</b>'" in text(answer)


def test_a_provider_that_is_down_is_told(browser: Browser, there: Provider, ann: int) -> None:
    there.is_broken = True

    answer = browser.get("/desk/login/oidc")

    assert answer.status_code == 502
    assert "The identity provider did not do its part" in text(answer)
    there.is_broken = False
    assert sign_in(browser, there).status_code == 303


def test_nobody_is_sent_elsewhere_by_way_of_the_provider(browser: Browser, there: Provider, ann: int) -> None:
    asked = there.asked(browser.get("/desk/login/oidc?next=https://evil.example").headers["Location"])

    done = browser.get(f"/desk/login/oidc/callback?{urlencode({'code': CODE, 'state': asked['state']})}")

    assert done.headers["Location"] == "/desk"
