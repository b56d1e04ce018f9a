"""Error to status and text: the only place that knows, one shape for all.  Source: GeoReport v2, Possible Errors; spec 1.7."""

import secrets

import structlog
from flask import Flask, Response, request
from psycopg import OperationalError
from psycopg_pool import PoolTimeout
from werkzeug.exceptions import HTTPException

from geo.listing import UnknownDistrict, UnknownLayer
from open311.actors import NotAllowed
from open311.api.bulk import TooManyAtOnce
from open311.api.cors import allow_every_origin
from open311.api.form import BadForm
from open311.api.respond import respond
from open311.api.scorecards import NothingToCompare
from open311.cases.saved import UnknownQuery
from open311.cases.search import UnknownRequest, UnknownToken
from open311.cases.statuses import StatusNotAllowed, TooLateToReopen
from open311.cases.updates import UnknownWord
from open311.departments import UnknownDepartment
from open311.jurisdictions import JurisdictionMissing, JurisdictionsDiffer, UnknownJurisdiction
from open311.keys import KeyRefused
from open311.media_store import StoreAway
from open311.notify.following import TooManyLetters
from open311.reports.changes import FeedBeganAnew
from open311.reports.geoparquet import NotInstalled
from open311.services import ServiceMissing, UnknownService
from schemas.error import ERRORS
from schemas.problems import Problems
from schemas.text import NOT_PRINTABLE

log = structlog.get_logger()

API_PREFIX = "/open311/"

# What went wrong: status, and the text with the fact in it.
STATUS: dict[type[Exception], tuple[int, str]] = {
    UnknownJurisdiction: (404, "jurisdiction_id {} was not found"),
    JurisdictionMissing: (400, "jurisdiction_id is required: several cities are served here"),
    JurisdictionsDiffer: (400, "jurisdiction_id must be the same wherever it is given, got {}"),
    KeyRefused: (403, "{}"),
    NotAllowed: (403, "{}"),
    ServiceMissing: (400, "service_code is required"),
    UnknownService: (404, "service_code {} was not found"),
    UnknownRequest: (404, "service_request_id {} was not found"),
    UnknownQuery: (404, "query {} was not found"),
    UnknownToken: (404, "token {} was not found"),
    BadForm: (400, "{}"),
    UnknownDistrict: (404, "district {} was not found"),
    UnknownDepartment: (404, "department {} was not found"),
    UnknownLayer: (404, "layer {} was not found"),
    NothingToCompare: (404, "{}"),
    TooManyLetters: (429, "{}"),
    FeedBeganAnew: (410, "cursor {} is of an earlier database: read everything again, from cursor=*"),
    UnknownWord: (400, "{}"),
    StatusNotAllowed: (400, "{}"),
    TooLateToReopen: (400, "{}"),
    NotInstalled: (501, "{}"),
    TooManyAtOnce: (503, "many bulk files are being read just now; please try again in a moment, or take a snapshot"),
}
AWAY = (OperationalError, PoolTimeout)
_AWAY_SECONDS = 10
# What is no XML is asked for by programs that read JSON.
_ANSWERED_IN_JSON = (".json", ".geojson", ".ndjson", ".csv", ".parquet", ".mvt")
# Of what a client sent, or of a message that names all that would do.
_SHOWN_CHARACTERS = 200
_SAID_CHARACTERS = 1000
# No state: no connection.  Else: shutting down or starting up, too many connections.
_AWAY_STATES = (None, "57P01", "57P02", "57P03", "53300")


def register(app: Flask) -> None:
    """Answer every error under /open311 in the shape of the spec and the format asked for."""
    for kind in STATUS:
        app.register_error_handler(kind, _known)
    app.register_error_handler(Problems, _problems)
    app.register_error_handler(HTTPException, answer_http)
    for kind in AWAY:
        app.register_error_handler(kind, _away)
    app.register_error_handler(StoreAway, _store_away)
    app.register_error_handler(Exception, _unforeseen)


def _known(error: Exception) -> Response:
    status, text = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    response = _answer(status, [text.format(_shown(error, _SAID_CHARACTERS if text == "{}" else _SHOWN_CHARACTERS))])
    if status == 503:
        response.headers["Retry-After"] = str(_AWAY_SECONDS)
    return response


def _problems(error: Problems) -> Response:
    return _answer(400, error.messages)


def answer_http(error: HTTPException) -> Response | HTTPException:
    """What Flask and Werkzeug refuse: in the shape of the API there, elsewhere as it is."""
    if not is_api():
        return error
    # Statuses the spec does not name become those it does: 400 what was asked wrongly, 404 what is not there.
    code = error.code or 500
    if code == 404:
        return _answer(404, [f"{request.path} was not found; resources end in .xml or .json"])
    if code == 405:
        return _answer(400, [f"{request.method} is not possible on {request.path}"], allow=error)
    if code >= 500 or code == 429:
        return _answer(code, [error.description or error.name])
    return _answer(400, [error.description or error.name])


def is_away(error: Exception) -> bool:
    """Whether an error of AWAY is that the database cannot be reached: else it is there, and said what is wrong."""
    return getattr(error, "sqlstate", None) in _AWAY_STATES


def _away(error: Exception) -> Response:
    if not is_away(error):
        return _unforeseen(error)
    log.error("the database does not answer", method=request.method, path=path_to_log(), error=str(error))
    return _later("the service cannot reach its database; please try again in a moment")


def _store_away(error: StoreAway) -> Response:
    log.error("the store of files does not answer", method=request.method, path=path_to_log(), error=str(error))
    return _later("the service cannot reach the store of its photos; please try again in a moment")


def _later(text: str) -> Response:
    response = _ours(503, text)
    response.headers["Retry-After"] = str(_AWAY_SECONDS)
    return response


def _unforeseen(error: Exception) -> Response:
    return _ours(500, f"something went wrong on our side; it is logged as {log_unforeseen(error)}")


def log_unforeseen(error: Exception) -> str:
    """Log a fault that nobody foresaw; by what it is found in the log."""
    error_id = secrets.token_hex(6)
    log.error("unforeseen", error_id=error_id, method=request.method, path=path_to_log(), exc_info=error)
    return error_id


def _ours(status: int, text: str) -> Response:
    """A fault of ours, in the shape of the API or, elsewhere, as plain text."""
    if is_api():
        return _answer(status, [text])
    return Response(text + "\n", status=status, content_type="text/plain; charset=utf-8")


def _answer(status: int, texts: list[str], *, allow: HTTPException | None = None) -> Response:
    format = "json" if request.path.rstrip("/").endswith(_ANSWERED_IN_JSON) else "xml"
    response = respond(ERRORS, [(status, NOT_PRINTABLE.sub("", text)) for text in texts], format, status=status)
    valid_methods = getattr(allow, "valid_methods", None)
    if valid_methods:
        response.headers["Allow"] = ", ".join(sorted(valid_methods))
    return allow_every_origin(response)


def path_to_log() -> str:
    """The path of the call; of one that ends with a token, which is a secret of who has it, the route alone."""
    return str(request.url_rule) if "token" in (request.view_args or {}) else request.path


def is_api() -> bool:
    """Whether the call is one to the API."""
    return f"{request.path}/".startswith(API_PREFIX)


def _shown(error: Exception, most_characters: int) -> str:
    return str(error.args[0])[:most_characters] if error.args else ""
