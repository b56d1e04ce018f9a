"""Who is at the desk: the session cookie, the token of each form, and who may call a page."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from hmac import compare_digest
from typing import TypeVar

from flask import Flask, Request, Response, session
from flask import request as asked
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from db.driver import driver
from open311.accounts import Staff
from open311.config import settings
from open311.notify.links import read_link
from open311.sign_in import begin_session, end_session, session_staff
from schemas.moment import whole_second

R = TypeVar("R")

DESK = "/desk"
STAFF, WITH_FORM, WITH_LINK = "staff", "form", "link"

_TOKEN, _CSRF = "token", "csrf"


class NotSignedIn(PermissionError):
    """This page is for staff, and nobody is signed in."""


class StaleForm(ValueError):
    """A form that this browser was not given, or that it was given in a session that is over."""


class NoSecretKey(RuntimeError):
    """SECRET_KEY is not set, and without it nobody can be signed in."""


class DeskSessions(SecureCookieSessionInterface):
    """Flask's signed cookie for the desk, and none elsewhere; only over TLS where the service is reached by it."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of a call to the desk; one that cannot be written for every other."""
        if not f"{request.path}/".startswith(f"{DESK}/"):
            return self.make_null_session(app)
        return super().open_session(app, request)

    def get_cookie_secure(self, app: Flask) -> bool:
        """Whether a browser must keep the cookie to TLS."""
        return is_kept_to_tls()


def staff(view: Callable[..., R]) -> Callable[..., R]:
    """Staff may call this page, and what it changes takes a form of ours: the view is called with who it is, as `staff`.

    Raises NoSecretKey, NotSignedIn, StaleForm.
    """

    @wraps(view)
    def checked(**arguments: object) -> R:
        who = signed_in()
        if who is None:
            raise NotSignedIn
        if asked.method != "GET":
            _require_our_form()
        return view(staff=who, **arguments)

    checked.access = STAFF  # type: ignore[attr-defined]
    return checked


def with_form(view: Callable[..., R]) -> Callable[..., R]:
    """Anyone may call this who was given a form of ours.  Raises NoSecretKey, StaleForm."""

    @wraps(view)
    def checked(**arguments: object) -> R:
        require_secret_key()
        _require_our_form()
        return view(**arguments)

    checked.access = WITH_FORM  # type: ignore[attr-defined]
    return checked


def with_link(purpose: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Who has a link of ours for this purpose (open311.notify.links) may call this: the view is called with it, as `link`.

    Raises NoSecretKey, ForgedLink, ExpiredLink.
    """

    def declare(view: Callable[..., R]) -> Callable[..., R]:
        @wraps(view)
        def checked(token: str) -> R:
            require_secret_key()
            return view(link=read_link(settings().secret_key, purpose, token, now=datetime.now(UTC)))

        checked.access = WITH_LINK  # type: ignore[attr-defined]
        return checked

    return declare


def require_secret_key() -> None:
    """Raises NoSecretKey."""
    if not settings().secret_key:
        raise NoSecretKey


def signed_in() -> Staff | None:
    """Who is signed in, when their session and their account still go on.  Raises NoSecretKey."""
    require_secret_key()
    token = session.get(_TOKEN)
    if token is None:
        return None
    with driver.connection() as connection:
        return session_staff(connection, token, now=datetime.now(UTC))


def sign_in(account_id: int) -> None:
    """Sign somebody in, in a session that has nothing of the one before.  For edges only: it commits."""
    before = session.get(_TOKEN)
    with driver.transaction() as connection:
        if before is not None:
            end_session(connection, before)
        token = begin_session(connection, account_id, now=whole_second(datetime.now(UTC)))
    session.clear()
    session.permanent = True
    session[_TOKEN] = token


def sign_out() -> None:
    """End the session, in this browser and in the database.  For edges only: it commits."""
    with driver.transaction() as connection:
        end_session(connection, session[_TOKEN])
    session.clear()


def csrf_token() -> str:
    """What a form of ours carries, so that no other page can send one in this browser's name."""
    if _CSRF not in session:
        session[_CSRF] = secrets.token_urlsafe(32)
    return str(session[_CSRF])


def is_kept_to_tls() -> bool:
    """Whether a browser must keep our cookies to TLS: where the service is reached by it."""
    return asked.is_secure or settings().public_url.startswith("https://")


def see_other(path: str) -> Response:
    """303: go on with a GET there."""
    return Response(status=303, headers={"Location": path})


def guarded(response: Response, *, loads: str = "style-src 'unsafe-inline'") -> Response:
    """No copy stays behind, no page of others frames it, nothing is fetched from elsewhere; unless its view said otherwise.

    loads: what the page may load, in the words of a content security policy.
    """
    policy = f"default-src 'none'; {loads}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response


def _require_our_form() -> None:
    given, ours = asked.form.get(_CSRF, ""), session.get(_CSRF, "")
    if not ours or not compare_digest(given.encode("utf-8", "surrogatepass"), ours.encode()):
        raise StaleForm
