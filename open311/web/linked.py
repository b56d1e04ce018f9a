"""Pages behind the links of our messages: follow, hear no more, and say whether it was fixed.

A GET changes nothing, for machines that read mail open every link; a button does.
"""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from flask import Blueprint, Flask, Response, render_template
from flask import request as asked

from db.driver import driver
from open311.cases.verdicts import SCORES, AlreadyAnswered, CommentTooLong, NotAsked, answer, find_question, read_comment
from open311.notify.following import NotFollowing, confirm, find_followed, stop
from open311.notify.links import CONFIRM, STOP, VERDICT, ForgedLink, Link
from open311.notify.texts import ENGLISH, LANGUAGES
from open311.web.access import NoSecretKey, guarded, see_other, with_link
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
    for kind in (ForgedLink, NotFollowing, NotAsked):
        pages.register_error_handler(kind, _unknown)
    pages.register_error_handler(NoSecretKey, _unknown)
    pages.after_request(guarded)
    app.register_blueprint(pages)


@with_link(CONFIRM)
def show_confirm(link: Link) -> str:
    """GET /follow/{token}: what one would be told of, and a button.  200; 404 no link of ours."""
    with driver.connection() as connection:
        followed = find_followed(connection, jurisdiction_id=link.jurisdiction_id, follower_id=link.follower_id)
    return _page("asked", followed.language, what=followed.what, is_done=followed.is_told)


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
    return _page("stop", followed.language, what=followed.what, is_done=not followed.is_told)


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
    """POST /fixed/{token}: fixed (yes, no), score (1 to 5), comment.  303; 400; 404; 409 answered."""
    form = {name: asked.form.get(name, "") for name in ("fixed", "score", "comment")}
    problems = []
    if form["fixed"] not in (_YES, _NO):
        problems.append(("fixed-yes", "choose"))
    if form["score"] and form["score"] not in map(str, SCORES):
        problems.append(("score", "score_wrong"))
    comment = None
    try:
        comment = read_comment(form["comment"])
    except CommentTooLong:
        problems.append(("comment", "comment_long"))
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
    return _page("fixed", question.language, question=question, form=form or {}, problems=problems, scores=SCORES)


def _of(link: Link) -> dict[str, Any]:
    if link.closed_at is None:
        raise ForgedLink
    return {"jurisdiction_id": link.jurisdiction_id, "follower_id": link.follower_id, "closed_at": link.closed_at}


def _unknown(error: Exception) -> tuple[str, int]:
    language = asked.accept_languages.best_match(LANGUAGES) or ENGLISH
    return _page("unknown", language), 503 if isinstance(error, NoSecretKey) else 404


def _page(name: str, language: str, **facts: Any) -> str:
    language = language if language in LANGUAGES else ENGLISH

    def say(key: str, **said: Any) -> str:
        text: str = _texts()[name][key][language]
        return text.format_map(said)

    return render_template(f"linked/{name}.html", say=say, language=language, **facts)


@cache
def _texts() -> Any:
    return yaml.safe_load(Path(__file__).with_name("linked.yml").read_text(encoding="utf-8"))


def _now() -> datetime:
    return whole_second(datetime.now(UTC))
