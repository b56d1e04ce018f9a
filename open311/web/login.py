"""Signing in with a password, and out."""

import re
from datetime import UTC, datetime

import structlog
from flask import Blueprint, Response, render_template
from flask import request as asked

from db.driver import driver
from open311.accounts import Staff
from open311.api.access import public
from open311.config import settings
from open311.passwords import matches
from open311.sign_in import count_attempt
from open311.web.access import DESK, see_other, sign_in, sign_out, signed_in, staff, with_form
from schemas.moment import whole_second
from schemas.text import one_line

log = structlog.get_logger()

# The same whatever is wrong: who asks is not told which addresses have an account.
WRONG = (
    "E-mail address or password is wrong, or there were too many attempts. After ten that failed an account is closed "
    "for 15 minutes."
)
# A page of the desk, and nothing that a browser would read as another place.
_OUR_PAGE = re.compile(rf"{DESK}(?:[/?][\w./?=&%:~+-]*)?")


def add_routes(desk: Blueprint) -> None:
    """The routes of this file."""
    desk.get("/login")(show_login)
    desk.post("/login")(log_in)
    desk.post("/logout")(log_out)


@public
def show_login() -> Response | str:
    """GET /desk/login: the form.  200; 303 to the desk when somebody is signed in; 503 without SECRET_KEY."""
    if signed_in() is not None:
        return to_page(asked.args.get("next", ""))
    return _form(next_page=asked.args.get("next", ""))


@with_form
def log_in() -> Response | tuple[str, int]:
    """POST /desk/login: email, password, next.  303 to the page that was asked for; 400 stale form; 403 wrong."""
    email, next_page = one_line(asked.form.get("email", "")), asked.form.get("next", "")
    with driver.transaction() as connection:
        attempt = count_attempt(connection, email, now=whole_second(datetime.now(UTC)))
    # Not inside the transaction: it takes its time, and others need the connection.
    is_right = matches(attempt.password_hash, asked.form.get("password", ""))
    if not is_right or attempt.account_id is None:
        log.warning("sign-in failed", account_id=attempt.account_id, address=asked.remote_addr)
        return _form(next_page=next_page, email=email[:254], problem=WRONG), 403
    sign_in(attempt.account_id)
    log.info("signed in", account_id=attempt.account_id, by="password")
    return to_page(next_page)


@staff
def log_out(staff: Staff) -> Response:
    """POST /desk/logout.  303 to the login."""
    sign_out()
    log.info("signed out", account_id=staff.id)
    return see_other(f"{DESK}/login")


def to_page(wanted: str) -> Response:
    """303 to a page of the desk; to its first one when the wanted one is none of them."""
    return see_other(wanted if _OUR_PAGE.fullmatch(wanted) else DESK)


def _form(*, next_page: str, email: str = "", problem: str = "") -> str:
    return render_template(
        "desk/login.html", next_page=next_page, email=email, problem=problem, has_provider=bool(settings().oidc_issuer)
    )
