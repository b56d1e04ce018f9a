"""The desk: pages for staff."""

from urllib.parse import urlencode

import structlog
from flask import Blueprint, Flask, Response, render_template
from flask import request as asked

from open311.accounts import Staff
from open311.actors import NotAllowed
from open311.config import Settings
from open311.jurisdictions import cities
from open311.sign_in import SESSION_LENGTH, NobodyHere
from open311.web import login, oidc
from open311.web.access import DESK, DeskSessions, NoSecretKey, NotSignedIn, StaleForm, csrf_token, guarded, see_other, staff
from open311.web.oidc import ProviderFault, SignInRefused

log = structlog.get_logger()

# What went wrong: status, and the text with the fact in it.
STATUS: dict[type[Exception], tuple[int, str]] = {
    StaleForm: (400, "The page was open for too long, or this browser keeps no cookies. Please go back, reload and try again."),
    NotAllowed: (403, "{}."),
    NobodyHere: (403, "You cannot sign in: {}."),
    SignInRefused: (403, "You were not signed in: {}."),
    ProviderFault: (502, "The identity provider did not do its part, so that you were not signed in; it is logged."),
    NoSecretKey: (503, "Nobody can sign in here until the operator sets SECRET_KEY."),
}


def register(app: Flask, limits: Settings) -> None:
    """Put the desk under /desk."""
    app.config.update(
        SECRET_KEY=limits.secret_key or None,
        SESSION_COOKIE_NAME="open311_desk",
        SESSION_COOKIE_PATH=DESK,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=SESSION_LENGTH,
    )
    app.session_interface = DeskSessions()
    desk = Blueprint("desk", __name__)
    desk.get("")(show_desk)
    login.add_routes(desk)
    oidc.add_routes(desk)
    desk.register_error_handler(NotSignedIn, _to_login)
    for kind in STATUS:
        desk.register_error_handler(kind, _refused)
    desk.after_request(guarded)
    desk.context_processor(lambda: {"csrf_token": csrf_token})
    app.register_blueprint(desk, url_prefix=DESK)


@staff
def show_desk(staff: Staff) -> str:
    """GET /desk: who you are, and what you may do where.  200; 303 to the login."""
    names = {city.jurisdiction_id: city.name for city in cities().all()}
    grants = [(names.get(jurisdiction_id, jurisdiction_id), str(grant)) for jurisdiction_id, grant in staff.grants]
    return render_template("desk/home.html", staff=staff, grants=grants)


def _to_login(error: Exception) -> Response:
    query = urlencode({"next": asked.full_path.rstrip("?")}) if asked.method == "GET" else ""
    return see_other(f"{DESK}/login?{query}".rstrip("?"))


def _refused(error: Exception) -> tuple[str, int]:
    status, text = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if status >= 500:
        # Without the traceback: what it shows of each call holds secrets.
        log.error("nobody can sign in", path=asked.path, kind=type(error).__name__, error=str(error))
    return render_template("desk/refused.html", text=text.format(error)), status
