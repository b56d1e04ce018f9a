"""What the public pages have in common: the city, the language, the headers, and what is said when something is wrong."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

import structlog
from flask import Blueprint, Flask, Response, render_template
from flask import request as asked
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from db.driver import driver
from geo.listing import UnknownDistrict, UnknownLayer
from open311.api.access import asked_city, is_city_named, public, public_url
from open311.api.errors import AWAY, answer_http, is_api, is_away, log_unforeseen, path_to_log
from open311.api.form import BadForm
from open311.cases.search import UnknownRequest
from open311.jurisdictions import City, JurisdictionMissing, JurisdictionsDiffer, UnknownJurisdiction, cities, crest_of
from open311.media_store import StoreAway
from open311.services import ServiceMissing, UnknownService
from open311.web import files, forms, language
from open311.web.access import NoSecretKey, guarded
from open311.web.basemap import basemap
from open311.web.language import gettext as _
from open311.web.language import marked

log = structlog.get_logger()

# What went wrong: status, headline, and what to do about it.
STATUS: dict[type[Exception], tuple[int, str, str]] = {
    UnknownRequest: (
        404,
        marked("We do not find this number"),
        marked("Please compare it with the one you were given. It looks like K7M-4XQ-92R."),
    ),
    UnknownService: (404, marked("We do not find this service"), marked("It may have another name now. Please search for it.")),
    UnknownDistrict: (404, marked("We do not find this district"), marked("Please choose one from the list.")),
    UnknownLayer: (404, marked("We do not find this district"), marked("Please choose one from the list.")),
    UnknownJurisdiction: (404, marked("This city is not served here"), marked("Please choose one of those that are.")),
    JurisdictionsDiffer: (400, marked("Which city do you mean?"), marked("The address of this page names two.")),
    BadForm: (
        400,
        marked("We could not read what you sent"),
        marked("Nothing was sent on. It may have been too large: please go back and send fewer or smaller photos."),
    ),
    NoSecretKey: (503, marked("This cannot be done here just now"), marked("Please call the city instead.")),
    StoreAway: (503, marked("Photos cannot be kept just now"), marked("Please try again in a moment, or go on without.")),
    ServiceMissing: (400, marked("What do you want to report?"), marked("Please go back and choose a service.")),
    MethodNotAllowed: (405, marked("Nothing can be sent to this page"), marked("Please go back and try again.")),
    NotFound: (404, marked("We do not find this page"), marked("Its address may have been mistyped, or the page has gone.")),
}
_NO_DATABASE = (
    503,
    marked("The service cannot be reached just now"),
    marked("Please go back and try again in a moment: what you typed is still there. In a hurry, please call the city."),
)
# The city that a page is of whose address names none.
_SHOWN = "open311.shown_city"
# A city's colour is that of links and charts, and of what bears white letters by day and black ones by night.
_COLORS = "--main:{0};--link:{0};--accent:{0}"
_OUR_NIGHT = "#9cccf5"


def register(app: Flask, add_routes: list[Callable[[Blueprint], None]]) -> None:
    """Put the public pages, which these functions add, at the root."""
    language.prepare(app.jinja_env)
    files.register(app)
    pages = Blueprint("public", __name__)
    pages.get("/colors.css")(show_colors)
    pages.get("/crest")(show_crest)
    for add in add_routes:
        add(pages)
    answer_errors(pages)
    pages.register_error_handler(JurisdictionMissing, _choose_city)
    pages.after_request(finished)
    app.register_blueprint(pages)
    app.register_error_handler(404, _nowhere)
    app.register_error_handler(405, _nowhere)


def answer_errors(pages: Blueprint) -> None:
    """Answer what goes wrong in these pages as a page."""
    for kind in STATUS:
        pages.register_error_handler(kind, show_error)
    for kind in AWAY:
        pages.register_error_handler(kind, _away)
    pages.register_error_handler(Exception, show_fault)


@public
def show_colors() -> Response:
    """GET /colors.css: the city's own colours, by day and by night; ?v as for the crest.  200; 404 jurisdiction unknown."""
    city = asked_city()
    colors = city.colors
    rules = []
    if "light" in colors:
        rules.append(f":root{{{_COLORS.format(colors['light'])}}}")
    if colors:
        night = _COLORS.format(colors.get("dark", _OUR_NIGHT))
        rules.append(f"@media (prefers-color-scheme:dark){{:root{{{night}}}}}")
    response = Response("\n".join(rules), content_type=files.KINDS[".css"])
    response.headers["Cache-Control"] = files.caching(asked.args.get("v") == _version_of_colors(city))
    return response


def _version_of_colors(city: City) -> str:
    return sha256(repr(sorted(city.colors.items())).encode()).hexdigest()[:12]


@public
def show_crest() -> Response:
    """GET /crest: the city's crest; ?v, its digest, lets it be kept for good.  200; 304; 404 it has none."""
    city = asked_city()
    with driver.connection() as connection:
        crest = crest_of(connection, jurisdiction_id=city.id)
    if crest is None:
        raise NotFound
    response = Response(crest.content, content_type=crest.content_type)
    response.headers["Cache-Control"] = files.caching(asked.args.get("v") == crest.digest)
    # Whoever opens the picture by itself sees it and nothing else, whatever was drawn into it.
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    # Weak: packed or not, it is the same picture.
    response.set_etag(crest.digest, weak=True)
    response.make_conditional(asked)
    return response


def page(template: str, *, city: City | None, **facts: Any) -> str:
    """A page of the public."""
    return render_template(
        f"public/{template}.html",
        city=city,
        language=language.language(),
        languages=language.LANGUAGES,
        direction=language.direction(),
        in_language=_in_language,
        url=url,
        static=files.static_url,
        has_file=files.has_file,
        form_token=forms.form_token,
        base=f"{public_url()}/open311/v2",
        version_of_colors=_version_of_colors,
        basemap=basemap(),
        **facts,
    )


def show_city(city: City | None) -> None:
    """Let the paths of this call's page lead to a city that its address does not name."""
    if city is not None:
        asked.environ[_SHOWN] = city.jurisdiction_id


def url(path: str, **query: str | None) -> str:
    """A path of ours, of the same city where the call names one."""
    said = {name: value for name, value in query.items() if value}
    shown = asked.environ.get(_SHOWN)
    if shown is not None:
        said["jurisdiction_id"] = shown
    elif is_city_named():
        said["jurisdiction_id"] = next(text.strip() for text in asked.args.getlist("jurisdiction_id") if text.strip())
    return f"{path}?{urlencode(said)}" if said else path


def finished(response: Response) -> Response:
    """A page with its headers and cookies: it loads what is ours and nothing else."""
    images = " ".join(["'self'", *basemap().sources])
    guarded(response, loads=f"style-src 'self'; img-src {images}; script-src 'self'; connect-src 'self'")
    if response.mimetype == "text/html":
        response = language.remember(forms.keep_cookie(response))
    return files.packed(response)


def show_error(error: Exception) -> tuple[str, int]:
    """The page that says what is wrong."""
    status, headline, advice = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if status >= 500:
        log.error("a page cannot be served", path=path_to_log(), kind=type(error).__name__, error=str(error))
    return page("error", city=city_or_none(), headline=_(headline), advice=_(advice), status=status), status


def show_fault(error: Exception) -> Any:
    """A fault that nobody foresaw, as a page that says by what it is found in the log."""
    if isinstance(error, HTTPException):
        return answer_http(error)
    known_as = log_unforeseen(error)
    advice = _(
        "Please go back and try again: what you typed is still there. If it happens again, please tell the city: %(known_as)s.",
        known_as=known_as,
    )
    return page("error", city=city_or_none(), headline=_("Something went wrong on our side"), advice=advice, status=500), 500


def _choose_city(error: Exception) -> tuple[str, int]:
    return page("cities", city=None, cities=cities().all()), 200 if asked.path == "/" else 400


def _nowhere(error: HTTPException) -> Any:
    """A path that nothing is under, or that takes nothing, as a page unless a program asked."""
    if is_api():
        return answer_http(error)
    response = finished(Response(*show_error(error), content_type="text/html; charset=utf-8"))
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response


def _away(error: Exception) -> Any:
    """The database cannot be reached; what it says itself is another fault."""
    if not is_away(error):
        return show_fault(error)
    status, headline, advice = _NO_DATABASE
    log.error("the database does not answer", method=asked.method, path=path_to_log(), error=str(error))
    return page("error", city=None, headline=_(headline), advice=_(advice), status=status), status


def city_or_none() -> City | None:
    """The city that the call means; None when that cannot be told."""
    try:
        return asked_city()
    except (UnknownJurisdiction, JurisdictionMissing, JurisdictionsDiffer, *AWAY):
        return None


def _in_language(code: str) -> str:
    """This page in another language."""
    query = [(name, value) for name, value in asked.args.items(multi=True) if name != language.ARGUMENT]
    return f"{quote(asked.path)}?{urlencode([*query, (language.ARGUMENT, code)])}"
