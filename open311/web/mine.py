"""My reports: what somebody reported, listed behind a link that is mailed to the address they left; no password."""

from collections.abc import Sequence
from datetime import UTC, datetime

from flask import Blueprint, Response
from flask import request as asked

from db.driver import driver
from open311.api.access import asked_city, public
from open311.api.form import Form
from open311.config import settings
from open311.jurisdictions import City
from open311.notify.following import MOST_LETTERS_A_DAY
from open311.notify.links import MINE, MINE_LASTS_HOURS, ExpiredLink, ForgedLink, Link
from open311.people.own import NobodyThere, ask_later, own_requests
from open311.web import letters
from open311.web.access import see_other, with_link
from open311.web.forms import with_page_form_or
from open311.web.language import gettext as _
from open311.web.language import language, marked
from open311.web.pages import city_or_none, page, url
from schemas.moment import whole_second

PATH = f"/{MINE}"

# What is said of a link that leads nowhere: status, headline.
_BROKEN: dict[type[Exception], tuple[int, str]] = {
    ExpiredLink: (410, marked("This link is too old")),
    ForgedLink: (404, marked("This link does not work")),
    NobodyThere: (404, marked("This link does not work")),
}


def add_routes(pages: Blueprint) -> None:
    """The routes of this file."""
    pages.get(PATH)(show_asking)
    pages.post(PATH)(ask)
    pages.get(f"{PATH}/<token>")(show_own)
    for kind in _BROKEN:
        pages.register_error_handler(kind, _show_broken)


@public
def show_asking() -> str:
    """GET /mine: the form that takes an e-mail address; with ?asked=yes, what happens now.  200."""
    return _asking(asked_city(), is_asked=asked.args.get("asked") == "yes")


def show_again(form: Form) -> Response | tuple[str, int]:
    """The same with the address that was typed."""
    return _asking(asked_city(), email=letters.typed(form), problems=letters.stale()), 400


@with_page_form_or(show_again)
def ask(form: Form) -> Response | tuple[str, int]:
    """POST /mine: email.  303 whether or not something was reported with it; 400; 503 nothing can be signed."""
    city, email = asked_city(), letters.typed(form)

    def write() -> None:
        with driver.transaction() as connection:
            ask_later(connection, email, jurisdiction_id=city.id, language=language())

    problems = letters.problems_of(email, write)
    if problems:
        return _asking(city, email=email, problems=problems), 400
    return see_other(url(PATH, asked="yes"))


@with_link(MINE)
def show_own(link: Link) -> Response:
    """GET /mine/{token}: what its person reported, ?page of it.  200; 404 no link of ours, or nobody is there any more; 410."""
    city = asked_city()
    if city.id != link.jurisdiction_id:
        raise ForgedLink
    with driver.connection() as connection:
        own = own_requests(connection, jurisdiction_id=city.id, follower_id=link.follower_id, page=_page_number())
    return _unreferred(page("mine", city=city, here=PATH, own=own, now=whole_second(datetime.now(UTC)), path=asked.path))


def _asking(
    city: City | None,
    *,
    email: str = "",
    problems: Sequence[tuple[str, str]] = (),
    is_asked: bool = False,
    broken: str | None = None,
) -> str:
    return page(
        "mine_ask",
        city=city,
        here=PATH,
        email=email,
        problems=problems,
        is_asked=is_asked,
        broken=broken,
        can_ask=city is not None and bool(settings().secret_key),
        hours=MINE_LASTS_HOURS,
        most_letters=MOST_LETTERS_A_DAY,
    )


def _show_broken(error: Exception) -> Response:
    status, headline = next(_BROKEN[kind] for kind in type(error).__mro__ if kind in _BROKEN)
    return _unreferred(_asking(city_or_none(), broken=_(headline)), status=status)


def _unreferred(body: str, status: int = 200) -> Response:
    """A page whose address no other page is told: who has it sees what it lists."""
    return Response(body, status=status, content_type="text/html; charset=utf-8", headers={"Referrer-Policy": "no-referrer"})


def _page_number() -> int:
    text = asked.args.get("page", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 1
