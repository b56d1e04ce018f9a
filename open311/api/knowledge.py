"""GET knowledge: how this was resolved before."""

from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from db.driver import driver
from open311.api.access import arguments, asked_city, public
from open311.api.respond import FORMATS, respond
from open311.cases.articles import articles_for
from open311.cases.knowledge import PUBLIC_SIGHT, Asked, Resolved, resolved_like
from open311.services import find_service
from schemas import query
from schemas.knowledge import KNOWLEDGE
from schemas.moment import whole_second
from schemas.problems import Problems
from schemas.text import clean

_MOST_CHARACTERS = 4000


def add_routes(api: Blueprint) -> None:
    """The routes of this file."""
    api.get(f"/knowledge.<{FORMATS}:format>")(show_knowledge)


@public
def show_knowledge(format: str) -> Response:
    """GET /knowledge.{json,xml}.  Our extension.  200; 400 no service_code, or a bad point; 404 service, jurisdiction, or a
    city that does not offer it."""
    city, asked = asked_city(), arguments()
    if not city.public_knowledge:
        raise NotFound
    point = query.read_point(asked)
    words = clean(" ".join(asked.get("q", ())))
    if len(words) > _MOST_CHARACTERS:
        raise Problems([f"q must be at most {_MOST_CHARACTERS} characters, got {len(words)}"])
    code = next((text.strip() for text in asked.get("service_code", ()) if text.strip()), "")
    with driver.connection() as connection:
        service = find_service(connection, code, jurisdiction_id=city.id).new
        draft = Asked(service_id=service.id, service_group=service.group, words=words, point=point)
        now = whole_second(datetime.now(UTC))
        found = resolved_like(connection, draft, jurisdiction_id=city.id, sight=PUBLIC_SIGHT, now=now)
        articles = articles_for(connection, jurisdiction_id=city.id, service_id=service.id, words=words, only_public=True)
    summary = found.summary
    row = (
        summary.resolution if summary else None,
        summary.times if summary else 0,
        _hours(summary.took) if summary else None,
        [(each.code, each.title, each.language, each.text) for each in articles],
        [_row(each) for each in found.shown],
    )
    return respond(KNOWLEDGE, [row], format)


def _row(found: Resolved) -> tuple[object, ...]:
    return (
        found.number,
        found.service_code,
        found.case_status,
        found.resolution,
        found.words,
        found.requested_at,
        found.closed_at,
        _hours(found.took),
        None if found.metres is None else round(found.metres, 1),
        found.times,
    )


def _hours(time: timedelta) -> float:
    return round(time.total_seconds() / 3600, 2)
