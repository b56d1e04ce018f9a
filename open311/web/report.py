"""Report something, a question at a time: what, where, details, photo, what is known already, contact, check, done.

Each step is a form that carries all of the draft; the server keeps nothing of it but photos.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from flask import Blueprint, Response, abort, make_response
from flask import request as asked

from db.driver import driver
from open311.api.access import asked_city, public
from open311.api.form import Form
from open311.cases.intake import Promise, Receipt, promised
from open311.cases.photos import PhotoShelf
from open311.cases.posting import read_posted, take_in
from open311.config import settings
from open311.directory import directory, found_by
from open311.jurisdictions import City, UnknownJurisdiction, cities
from open311.media_store import media_store
from open311.services import find_service
from open311.web import language
from open311.web.access import require_secret_key, see_other
from open311.web.draft import Draft, Said, new_draft, read_draft, read_receipt, sign_receipt
from open311.web.forms import with_page_form_or
from open311.web.language import gettext as _
from open311.web.pages import page, url
from open311.web.report_steps import (
    CHECK,
    CHECKS,
    CONTACT,
    DETAILS,
    FACTS,
    NEARBY,
    PHOTO,
    SHOWN,
    STEPS,
    WHAT,
    WHERE,
    Found,
    Step,
)
from open311.web.services import MAX_WORDS_CHARACTERS
from schemas.moment import whole_second
from schemas.problems import Problems
from schemas.text import one_line

PATH = "/"
CHANNEL = "portal"


def add_routes(pages: Blueprint) -> None:
    """The routes of this file."""
    pages.get(PATH)(show_report)
    pages.post(PATH)(take_step)
    pages.get("/reported/<receipt>")(show_reported)


@public
def show_report() -> str:
    """GET /: what can be reported, and how to ask the service; with ?service, the first step.  200; 404; 503."""
    city, code = asked_city(), one_line(asked.args.get("service", ""))
    if not code:
        return _what(city, None, words=one_line(asked.args.get("q", ""))[:MAX_WORDS_CHARACTERS])
    with driver.connection() as connection:
        service = find_service(connection, code, jurisdiction_id=city.id)
    step = Step(form=Form(), city=city, draft=new_draft(code), service=service, now=_now())
    return _show(WHERE, step)


def show_again(form: Form) -> Response:
    """The same step once more, with what was typed, for a browser that did not get its form from us."""
    language.speak(form.first(language.ARGUMENT))
    sent = [("continue", _("Please press the button again: the page was open for long, or this browser keeps no cookies."))]
    if form.files:
        sent.append(("files", _("Then choose your photos again: they were not kept.")))
    answer = _answer(form, problems=sent)
    return _kept(answer if isinstance(answer, tuple) else (answer, 400))


@with_page_form_or(show_again)
def take_step(form: Form) -> Response:
    """POST /: a step.  200 the next one; 303 it is reported; 400 with what is wrong; 404 the service is gone."""
    return _kept(_answer(form))


@public
def show_reported(receipt: str) -> str:
    """GET /reported/{receipt}: the number, and what happens now.  200; 404; 503."""
    require_secret_key()
    said = read_receipt(receipt)
    if said is None:
        abort(404)
    try:
        city = cities().named(said.jurisdiction_id)
    except UnknownJurisdiction:
        abort(404)
    return page(
        "report_done",
        city=city,
        said=said,
    )


def _kept(answer: Any) -> Response:
    """The step, which this browser may keep: else who goes back by its own button would see an error instead."""
    response = make_response(answer)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _answer(form: Form, *, problems: Found | None = None) -> Any:
    city, now = asked_city(), _now()
    language.speak(form.first(language.ARGUMENT))
    draft = read_draft(form, city)
    name, go = form.first("step"), form.first("go")
    is_search = go == "search" or (name == WHAT and not draft.first("service_code"))
    if is_search and not draft.has_lost_photos:
        return _what(city, draft, words=one_line(form.first("q"))[:MAX_WORDS_CHARACTERS])
    with driver.connection() as connection:
        service = find_service(connection, one_line(draft.first("service_code")), jurisdiction_id=city.id)
    step = Step(form=form, city=city, draft=draft, service=service, now=now)
    if draft.has_lost_photos:
        lost = ("files", _("Your photos were kept for a day alone: please choose them again."))
        _more, found = CHECKS[PHOTO](step) if problems is None and name == PHOTO else ({}, [])
        return _show(PHOTO, step, problems=[*(problems or ()), lost, *found]), 400
    kind, _colon, wanted = go.partition(":")
    if (
        problems is None
        and name == PHOTO
        and form.files
        and (form.first(language.ARGUMENT) or kind in ("back", "edit", "remove"))
    ):
        # Chosen, and not sent yet by the button that goes on.
        _more, found = CHECKS[PHOTO](step)
        if found:
            return _show(PHOTO, step, problems=found), 400
    if problems is not None or form.first(language.ARGUMENT):
        return _show(name if name in STEPS else WHERE, step, problems=problems or ())
    if kind == "edit":
        return _what(city, draft) if wanted == WHAT else _show(wanted if wanted in STEPS else WHERE, step, is_edit=True)
    if kind == "back":
        return _back(name, step)
    if kind == "remove" and wanted.isdecimal() and len(wanted) < 4 and int(wanted) < len(draft.photos):
        del draft.photos[int(wanted)]
        return _show(PHOTO, step)
    if name == WHAT:
        return _show(WHERE, step)
    if name == CHECK:
        return _send(step)
    if name not in STEPS:
        return _show(WHERE, step)
    return _go_on(name, step)


def _go_on(name: str, step: Step) -> Any:
    """The step after this one when it is good, else this one with what is wrong."""
    more, found = CHECKS[name](step) if name in CHECKS else ({}, [])
    if found:
        return _show(name, step, problems=found, **more), 400
    if more:  # there is something to choose first
        return _show(name, step, **more)
    following = CHECK if step.form.first("return") == CHECK else STEPS[STEPS.index(name) + 1]
    if following == NEARBY and not step.nearby:
        following = CONTACT
    return _checked(step) if following == CHECK else _show(following, step)


def _back(name: str, step: Step) -> str:
    if step.form.first("return") == CHECK and name != CHECK:
        return _show(CHECK, step)
    at = STEPS.index(name) if name in STEPS else 0
    if at == 0:
        return _what(step.city, step.draft)
    before = STEPS[at - 1]
    if before == NEARBY and not step.nearby:
        before = PHOTO
    return _show(before, step)


def _checked(step: Step) -> Any:
    """The last step; else one that is not good: it may have been left out, or was of another service."""
    return _missing(step) or _show(CHECK, step)


def _missing(step: Step) -> Any:
    """The step in which something is wrong; None when all is good."""
    for name in (WHERE, DETAILS, CONTACT):
        _more, found = CHECKS[name](step)
        if found:
            return _show(name, step, problems=found, is_edit=True), 400
    return None


def _send(step: Step) -> Any:
    missing = _missing(step)
    if missing is not None:
        return missing
    draft, city, service = step.draft, step.city, step.service
    sent = draft.sent([each.code for each in service.questions])
    posted = read_posted(sent, (), service=service, zone=city.zone, limits=settings())
    try:
        with (
            PhotoShelf(media_store(settings()), jurisdiction_id=city.jurisdiction_id) as shelf,
            driver.transaction() as connection,
        ):
            receipt = take_in(
                connection,
                posted,
                step.located,
                city,
                shelf,
                channel=CHANNEL,
                now=step.now,
                client_reference=draft.client_reference(sent),
                kept=[each.media for each in draft.photos],
                language=language.language(),
            )
            answers = promised(connection, jurisdiction_id=city.id, request_id=receipt.request_id)
    except Problems as error:
        advice = _("The report cannot be sent as it is. Please look through it, and change what is wrong:")
        return _show(CHECK, step, problems=[("continue", f"{advice} {message}") for message in error.messages]), 400
    return see_other(_reported(step, receipt, answers))


def _reported(step: Step, receipt: Receipt, answers: Promise) -> str:
    service = step.service
    said = Said(
        jurisdiction_id=step.city.jurisdiction_id,
        number=receipt.number,
        token=receipt.token,
        service_name=service.name,
        notice=service.notice,
        department=answers.department,
        expected_at=answers.expected_at,
        is_public=not service.new.is_private and service.new.type != "blackbox",
        is_written_to=bool(step.draft.first("email")) and service.new.type != "blackbox",
    )
    return url(f"/reported/{sign_receipt(said)}")


def _what(city: City, draft: Draft | None, *, words: str = "") -> str:
    """What can be reported.  draft: what was typed already, when somebody comes back."""
    with driver.connection() as connection:
        every = directory(connection, jurisdiction_id=city.id, at=_now())
    return page(
        "report_what",
        city=city,
        here=PATH,
        draft=draft,
        hidden=[] if draft is None else list(draft.hidden(*SHOWN[WHAT])),
        words=words,
        found=found_by(every, words) if words else [],
        groups=[(group, list(each)) for group, each in groupby(every, key=lambda each: each.group)],
    )


def _show(name: str, step: Step, *, problems: Sequence[tuple[str, str]] = (), is_edit: bool | None = None, **more: Any) -> str:
    draft = step.draft
    facts = FACTS[name](step) if name in FACTS else {}
    return page(
        f"report_{name}",
        city=step.city,
        step=name,
        step_form="step",
        service=step.service,
        draft=draft,
        hidden=list(draft.hidden(*SHOWN.get(name, ()))),
        returns=step.form.first("return") == CHECK if is_edit is None else is_edit,
        problems=problems,
        wrong=dict(problems),
        **{**facts, **more},
    )


def _now() -> datetime:
    return whole_second(datetime.now(UTC))
