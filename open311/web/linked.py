"""Pages behind the links of our messages: follow, hear no more, and say whether it was fixed.

A GET changes nothing, for machines that read mail open every link; a button does.
"""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Flask, Response
from flask import request as asked

from db.driver import driver
from open311.api.form import read_form
from open311.cases.verdicts import SCORES, AlreadyAnswered, CommentTooLong, NotAsked, answer, find_question, read_comment
from open311.config import settings
from open311.jurisdictions import cities
from open311.notify.following import NotFollowing, confirm, find_followed, stop
from open311.notify.links import CONFIRM, STOP, VERDICT, ForgedLink, Link
from open311.web import language
from open311.web.access import NoSecretKey, see_other, with_link
from open311.web.language import gettext as _
from open311.web.pages import answer_errors, finished, page, show_city
from schemas.moment import whole_second

_YES, _NO = "yes", "no"


def register(app: Flask) -> None:
    """Put the pages at the root, each under what its link is for."""
    pages = Blueprint("linked", __name__)
    for purpose, show, do in (
        (CONFIRM, show_confirm, do_confirm),
        (STOP, show_stop, do_stop),
        (VERDICT, show_question, take_answer),
    ):
        pages.get(f"/{purpose}/<token>")(show)
        pages.post(f"/{purpose}/<token>")(do)
    answer_errors(pages)
    for kind in (ForgedLink, NotFollowing, NotAsked, NoSecretKey):
        pages.register_error_handler(kind, _unknown)
    pages.after_request(finished)
    app.register_blueprint(pages)


@with_link(CONFIRM)
def show_confirm(link: Link) -> str:
    """GET /follow/{token}: what one would be told of, and a button.  200; 404 no link of ours."""
    with driver.connection() as connection:
        followed = find_followed(connection, jurisdiction_id=link.jurisdiction_id, follower_id=link.follower_id)
    return _page("asked", link, followed.language, what=followed.what, shown=followed.shown, is_done=followed.is_told)


@with_link(CONFIRM)
def do_confirm(link: Link) -> Response:
    """POST /follow/{token}: they are told from now on.  303; 404."""
    with driver.transaction() as connection:
        confirm(connection, jurisdiction_id=link.jurisdiction_id, follower_id=link.follower_id, now=_now())
    return see_other(asked.path)


@with_link(STOP)
def show_stop(link: Link) -> str:
    """GET /stop/{token}: what they would be told of no more, and a button.  200; 404 no link of ours."""
    with driver.connection() as connection:
        followed = find_followed(connection, jurisdiction_id=link.jurisdiction_id, follower_id=link.follower_id)
    return _page("stop", link, followed.language, what=followed.what, shown=followed.shown, is_done=not followed.is_told)


@with_link(STOP)
def do_stop(link: Link) -> Response:
    """POST /stop/{token}: they are told no more; also what a mail program posts in one click (RFC 8058).  303; 404."""
    with driver.transaction() as connection:
        stop(connection, jurisdiction_id=link.jurisdiction_id, follower_id=link.follower_id, now=_now())
    return see_other(asked.path)


@with_link(VERDICT)
def show_question(link: Link) -> str:
    """GET /fixed/{token}: the question, or what was answered.  200; 404 no link of ours."""
    return _question(link)


@with_link(VERDICT)
def take_answer(link: Link) -> Response | tuple[str, int]:
    """POST /fixed/{token}: fixed (yes, no), score (1 to 5), comment.  303; 400; 404; 409 answered.  Raises BadForm.

    With lang nothing is kept: 200, the same in that language.
    """
    sent = read_form(asked, settings())
    form = {name: sent.first(name) for name in ("fixed", "score", "comment")}
    # By a button of the form; in the address it says in which language the answer is.
    if language.ARGUMENT not in asked.args and sent.first(language.ARGUMENT):
        language.speak(sent.first(language.ARGUMENT))
        return _question(link, form=form), 200
    problems = []
    if form["fixed"] not in (_YES, _NO):
        problems.append(("fixed-yes", _("Say whether it was fixed")))
    if form["score"] and form["score"] not in map(str, SCORES):
        problems.append(("score", _("Choose a score from 1 to 5, or none")))
    comment = None
    try:
        comment = read_comment(form["comment"])
    except CommentTooLong:
        problems.append(("comment", _("Write at most 4,000 characters")))
    if problems:
        return _question(link, form=form, problems=problems), 400
    try:
        with driver.transaction() as connection:
            answer(
                connection,
                **_of(link),
                is_fixed=form["fixed"] == _YES,
                score=int(form["score"]) if form["score"] else None,
                comment=comment,
                now=_now(),
            )
    except AlreadyAnswered:
        return _question(link), 409
    return see_other(asked.path)


def _question(link: Link, *, form: dict[str, str] | None = None, problems: Any = ()) -> str:
    with driver.connection() as connection:
        question = find_question(connection, **_of(link))
    facts = {"question": question, "form": form or {}, "problems": problems, "wrong": dict(problems), "scores": SCORES}
    # Where something may have been typed, the language is changed by its form.
    step_form = "verdict" if question.is_fixed is None else None
    return _page("fixed", link, question.language, step_form=step_form, **facts)


def _of(link: Link) -> dict[str, Any]:
    if link.closed_at is None:
        raise ForgedLink
    return {"jurisdiction_id": link.jurisdiction_id, "follower_id": link.follower_id, "closed_at": link.closed_at}


def _unknown(error: Exception) -> tuple[str, int]:
    return page("link_unknown", city=None), 503 if isinstance(error, NoSecretKey) else 404


def _page(name: str, link: Link, wished: str, **facts: Any) -> str:
    """A page of the link's city, in the language of who it was sent to unless the address names another."""
    language.prefer(wished)
    city = next((each for each in cities().all() if each.id == link.jurisdiction_id), None)
    show_city(city)
    return page(f"link_{name}", city=city, **facts)


def _now() -> datetime:
    return whole_second(datetime.now(UTC))
