"""GET and POST servicerequestupdates, as FixMyStreet speaks it.  Source: spec 5.4."""

from datetime import UTC, datetime

from flask import Blueprint, Response

from db.driver import driver
from open311.actors import Actor
from open311.api.access import arguments, asked_city, public, public_url, with_key
from open311.api.form import Form
from open311.api.paging import page_headers
from open311.api.respond import FORMATS, respond
from open311.cases.photos import PhotoShelf
from open311.cases.posting import read_photos
from open311.cases.updates import find_updates, post_update
from open311.config import settings
from open311.jurisdictions import City
from open311.keys import UPDATES as UPDATES_SCOPE
from open311.media_store import media_store
from schemas import query, update
from schemas.moment import whole_second
from schemas.problems import Problems


def add_routes(api: Blueprint) -> None:
    """The routes of this file."""
    api.post(f"/servicerequestupdates.<{FORMATS}:format>")(create_update)
    api.get(f"/servicerequestupdates.<{FORMATS}:format>")(list_updates)


@with_key(needs=UPDATES_SCOPE)
def create_update(form: Form, city: City, actor: Actor, format: str) -> Response:
    """POST /servicerequestupdates.{json,xml}.  Spec 5.4.  200; 400 with every problem; 403 key; 404 request unknown."""
    limits, now = settings(), whole_second(datetime.now(UTC))
    posted, problems = update.read(form.fields, zone=city.zone)
    photos, bad = read_photos(form.files, limits)
    if posted is None or problems or bad:
        raise Problems([*problems, *bad])
    with (
        PhotoShelf(media_store(limits), jurisdiction_id=city.jurisdiction_id) as shelf,
        driver.transaction() as connection,
    ):
        urls = [shelf.put(photo, with_thumbnail=False).path for photo in photos] or list(posted.media_urls)
        receipt = post_update(connection, city, posted, urls, by=actor, now=now)
        if not receipt.is_new:
            shelf.clear()
    return respond(update.RECEIPT, [(receipt.update_id,)], format)


@public
def list_updates(format: str) -> Response:
    """GET /servicerequestupdates.{json,xml}.  Spec 5.4.  200, oldest first; 400 malformed; 404 jurisdiction unknown."""
    limits, city = settings(), asked_city()
    asked = query.read_updates(
        arguments(),
        zone=city.zone,
        now=datetime.now(UTC),
        max_span_days=limits.max_span_days,
        max_page_rows=limits.max_page_rows,
    )
    with driver.connection() as connection:
        found = find_updates(connection, asked, jurisdiction_id=city.id, public_url=public_url())
    headers = page_headers(page=asked.page, page_rows=asked.page_rows, has_more=found.has_more)
    return respond(update.UPDATES, found.rows, format, headers=headers)
