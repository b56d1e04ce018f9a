"""Where a report stands: found by its number, told in plain words, followed by e-mail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response
from flask import request as asked

from db.driver import driver
from open311.api.access import asked_city, public
from open311.api.form import Form
from open311.cases.extending import extended
from open311.cases.numbers import as_written
from open311.cases.photos import MEDIA_PREFIX
from open311.cases.search import UnknownRequest, find_request
from open311.config import settings
from open311.notify import following
from open311.notify.following import Wish
from open311.web import letters
from open311.web.access import see_other
from open311.web.forms import with_page_form_or
from open311.web.language import gettext as _
from open311.web.language import language, marked
from open311.web.pages import page, url
from schemas.moment import whole_second
from schemas.representation import fields_of
from schemas.request import ExtendedSchema, FileSchema, NoteSchema, PhaseSchema, RequestSchema
from schemas.text import one_line

PATH = "/track"


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """A request as its page shows it: name of a field of the API to its value, the parts of it likewise."""

    request: dict[str, Any]
    about: dict[str, Any]
    phases: Sequence[dict[str, Any]]
    files: Sequence[dict[str, Any]]
    notes: Sequence[dict[str, Any]]

    @property
    def is_open(self) -> bool:
        """Whether it is still to be done."""
        return bool(self.request["status"] == "open")


def add_routes(pages: Blueprint) -> None:
    """The routes of this file."""
    pages.get(PATH)(show_search)
    pages.get(f"{PATH}/<number>")(show_tracked)
    pages.post(f"{PATH}/<number>")(follow_report)


@public
def show_search() -> Response | str:
    """GET /track: a search by number.  200; 303 to its page, with ?number."""
    number = one_line(asked.args.get("number", ""))[:100]
    if not number:
        return page("track_search", city=asked_city(), here=PATH)
    return see_other(url(f"{PATH}/{as_written(number) or _in_a_path(number)}"))


@public
def show_tracked(number: str) -> str:
    """GET /track/{number}: where it stands.  200; 404 unknown, not public, or no number yet."""
    return _tracked(number)


def show_again(form: Form, number: str) -> Response | tuple[str, int]:
    """The same with the address that was typed."""
    return _tracked(number, email=letters.typed(form), problems=letters.stale()), 400


@with_page_form_or(show_again)
def follow_report(form: Form, number: str) -> Response | tuple[str, int]:
    """POST /track/{number}: email.  303 a letter goes out; 400, also after too many letters; 404; 503 nothing can be signed."""
    city, email = asked_city(), letters.typed(form)
    wish = Wish(email=email, language=language(), number=number)

    def write() -> None:
        with driver.transaction() as connection:
            following.ask(connection, city, wish, now=_now())

    problems = letters.problems_of(email, write)
    if problems:
        return _tracked(number, email=email, problems=problems), 400
    return see_other(url(f"{PATH}/{number}", asked="yes") + "#follow")


def _tracked(number: str, *, email: str = "", problems: Sequence[tuple[str, str]] = ()) -> str:
    city, now = asked_city(), _now()
    with driver.connection() as connection:
        tracked = _read(connection, number, jurisdiction_id=city.id, now=now)
    return page(
        "tracked",
        city=city,
        tracked=tracked,
        now=now,
        email=email,
        problems=problems,
        is_asked=asked.args.get("asked") == "yes",
        can_follow=bool(settings().secret_key),
    )


def _read(connection: Any, number: str, *, jurisdiction_id: int, now: datetime) -> Tracked:
    """With paths of our photos alone, so that they are of the page's own origin."""
    request_id, *row = find_request(connection, number, jurisdiction_id=jurisdiction_id, public_url="")
    more = extended(connection, [request_id], jurisdiction_id=jurisdiction_id, public_url="", now=now)
    if request_id not in more:  # hidden in between
        raise UnknownRequest(number)
    extension, notes = more[request_id]
    about = _named(ExtendedSchema, extension)
    files = [_named(FileSchema, each) for each in about["files"]]
    return Tracked(
        request=_named(RequestSchema, row),
        about=about,
        phases=[_named(PhaseSchema, each) for each in about["phases"]],
        files=[{**each, "is_ours": each["media_url"].startswith(f"{MEDIA_PREFIX}/")} for each in files],
        notes=[{**each, "said": _said(each)} for each in (_named(NoteSchema, note) for note in notes)],
    )


def _said(note: dict[str, Any]) -> str:
    """A note's summary in the language of the page; names of statuses and phases are the city's own."""
    if note["extended_attributes"] is not None:
        name = note["extended_attributes"][1]
        for ending, text in _OF_PHASES.items():
            if note["summary"] == f"{name} {ending}":
                return _(text, name=name)
    known = _SUMMARIES.get(note["summary"])
    return _(known) if known else str(note["summary"])


# What the API says, in plainer words.
_SUMMARIES = {
    "Request submitted": marked("We received the report"),
    "Request opened": marked("It was given to the department that answers for it"),
    "Request opened again": marked("It was opened again"),
}
_OF_PHASES = {
    "begins": marked("%(name)s begins"),
    "is done": marked("%(name)s is done"),
    "was left out": marked("%(name)s was left out"),
}


def _named(schema: Any, row: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(fields_of(schema), row, strict=True))


def _in_a_path(number: str) -> str:
    """What was typed, as one part of a path; what cannot be a number is not found under it either way."""
    return "".join(sign for sign in number if sign.isalnum() or sign in "._-") or "-"


def _now() -> datetime:
    return whole_second(datetime.now(UTC))
