"""Forms of the public pages: taken only from who was given one, and read as strictly as those of apps."""

import hmac
import secrets
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import TypeVar

from flask import Response
from flask import request as asked

from open311.api.form import Form, read_form
from open311.config import settings
from open311.web.access import WITH_FORM, is_kept_to_tls, require_secret_key

R = TypeVar("R")

COOKIE, FIELD = "open311_form", "csrf"
# The cookie that goes with the forms of this call's page.
_GIVEN = "open311.form_cookie"


def with_page_form_or(stale: Callable[..., R]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Anyone may call this who was given a form by a public page; the view is called with it, as `form`.

    To a form that this browser was not given answers `stale`, called alike, so that what was typed is not lost.

    Raises NoSecretKey, BadForm.
    """
    return lambda view: _checked(view, stale)


def _checked(view: Callable[..., R], stale: Callable[..., R]) -> Callable[..., R]:
    @wraps(view)
    def checked(**arguments: object) -> R:
        require_secret_key()
        form = read_form(asked, settings())
        return view(form=form, **arguments) if _is_ours(form) else stale(form, **arguments)

    checked.access = WITH_FORM  # type: ignore[attr-defined]
    return checked


def form_token() -> str:
    """What a form of ours carries: proof that it was given to the browser that has the cookie.  Raises NoSecretKey.

    It is another each time: pages are packed, and how well they pack would tell, letter by letter, what stays the same.
    """
    require_secret_key()
    cookie = asked.environ.get(_GIVEN) or asked.cookies.get(COOKIE) or secrets.token_urlsafe(32)
    asked.environ[_GIVEN] = cookie
    salt = secrets.token_urlsafe(8)
    return f"{salt}.{_proof(cookie, salt)}"


def keep_cookie(response: Response) -> Response:
    """The response with the cookie of the form that it shows, if it shows one."""
    if _GIVEN in asked.environ:
        response.set_cookie(COOKIE, asked.environ[_GIVEN], httponly=True, samesite="Lax", secure=is_kept_to_tls())
    return response


def _is_ours(form: Form) -> bool:
    cookie = asked.cookies.get(COOKIE, "")
    salt, _dot, proof = form.first(FIELD).partition(".")
    return bool(cookie) and hmac.compare_digest(proof.encode("utf-8", "surrogatepass"), _proof(cookie, salt).encode())


def _proof(cookie: str, salt: str) -> str:
    key, said = f"open311 page form {settings().secret_key}", f"{salt}.{cookie}".encode("utf-8", "surrogatepass")
    return hmac.new(key.encode(), said, sha256).hexdigest()
