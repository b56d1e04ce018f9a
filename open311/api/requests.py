"""POST requests, GET requests, GET requests/{service_request_id}."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, current_app, request
from psycopg import Connection

from db.driver import driver
from open311.actors import Actor
from open311.api.access import arguments, asked_city, public, public_url, with_key
from open311.api.form import Form
from open311.api.fragments import Fragments
from open311.api.paging import cursor_headers, page_headers
from open311.api.respond import FORMATS, LIST_FORMATS, RENDERERS, respond, respond_with
from open311.api.similar import similar_rows
from open311.cases.extending import extended
from open311.cases.locating import locate
from open311.cases.photos import PhotoShelf
from open311.cases.posting import read_posted, take_in
from open311.cases.search import Page, find_request, find_requests, read_requests
from open311.config import settings
from open311.jurisdictions import City
from open311.keys import REPORT
from open311.media_store import media_store
from open311.services import find_service
from schemas import query
from schemas.as_rss import Feed
from schemas.moment import whole_second
from schemas.query import RequestsQuery
from schemas.request import BATCH_RECEIPT, BLACKBOX_RECEIPT, EXTENDED_REQUESTS, REALTIME_RECEIPT, REQUESTS, SUGGESTING_RECEIPT
from schemas.text import one_line

# The report's number in FixMyStreet: posted again with the same key, it is the same request.
_FMS_ID = "attribute[fixmystreet_id]"


def add_routes(api: Blueprint) -> None:
    """The routes of this file; the singular form is what one published client asks."""
    api.post(f"/requests.<{FORMATS}:format>")(create_request)
    api.get(f"/requests.<{LIST_FORMATS}:format>")(list_requests)
    api.get(f"/requests/<number>.<{FORMATS}:format>")(show_request)
    api.get(f"/request/<number>.<{FORMATS}:format>", endpoint="show_request_singular")(show_request)


@with_key(needs=REPORT)
def create_request(form: Form, city: City, actor: Actor, format: str) -> Response:
    """POST /requests.{json,xml}.  Spec 1.3.  200; 400 with every problem; 403 key; 404 service or jurisdiction unknown."""
    limits, now = settings(), whole_second(datetime.now(UTC))
    with driver.connection() as connection:
        service = find_service(connection, form.first("service_code"), jurisdiction_id=city.id)
    posted = read_posted(form.fields, form.files, service=service, zone=city.zone, limits=limits)
    located = locate(posted.submission, city, limits)
    with (
        PhotoShelf(media_store(limits), jurisdiction_id=city.jurisdiction_id) as shelf,
        driver.transaction() as connection,
    ):
        receipt = take_in(
            connection,
            posted,
            located,
            city,
            shelf,
            channel="app",
            now=now,
            api_key_id=actor.api_key_id,
            client_reference=_client_reference(form),
        )
    told = (service.notice, posted.submission.person.get("account_id"))
    if receipt.number is not None and form.first("similar").lower() == "true":
        sent = posted.submission
        with driver.connection() as connection:
            rows = similar_rows(
                connection,
                city,
                service.new.id,
                point=located.point,
                address=sent.address,
                words=sent.description,
                but=receipt.number,
            )
        return respond(SUGGESTING_RECEIPT, [(receipt.number, *told, rows)], format)
    if receipt.number is not None:
        return respond(REALTIME_RECEIPT, [(receipt.number, *told)], format)
    if receipt.token is not None:
        return respond(BATCH_RECEIPT, [(receipt.token, *told)], format)
    return respond(BLACKBOX_RECEIPT, [told], format)


@public
def list_requests(format: str) -> Response:
    """GET /requests.{json,xml,geojson,csv,rss}.  Spec 1.5, 5.1.  200; 400 malformed filter; 404 jurisdiction unknown."""
    return answer_list(arguments(), format, title="requests")


def answer_list(given: Mapping[str, Sequence[str]], format: str, *, title: str) -> Response:
    """The page of requests that these arguments ask for; title: what a feed of them is called."""
    limits, city, now = settings(), asked_city(), datetime.now(UTC)
    asked = query.read(
        given,
        zone=city.zone,
        now=now,
        max_span_days=limits.max_span_days,
        max_page_rows=limits.max_page_rows,
    )
    renderer = _feed(city, title) if format == "rss" else RENDERERS[format]
    with driver.connection() as connection:
        page = find_requests(connection, asked, jurisdiction_id=city.id, now=now)
        headers = _list_headers(asked, page)
        if asked.is_extended and format not in ("csv", "rss"):
            rows = _with_extensions(connection, city, [key[0] for key in page.keys])
            return respond(EXTENDED_REQUESTS, rows, format, headers=headers)
        fragments = _held_fragments().of(
            page.keys,
            (city.id, format, public_url()),
            read=lambda ids: read_requests(connection, ids, jurisdiction_id=city.id, public_url=public_url()),
            render=lambda rows: renderer.fragments(REQUESTS, rows),
        )
    return respond_with(REQUESTS, fragments, format, headers=headers, renderer=renderer)


def _list_headers(asked: RequestsQuery, page: Page) -> dict[str, str]:
    if asked.is_walked:
        headers = cursor_headers(str(page.next) if page.next else None, page_rows=asked.page_rows)
    else:
        headers = page_headers(page=asked.page, page_rows=asked.page_rows, has_more=page.has_more)
    return headers if page.total is None else {**headers, "X-Total-Count": str(page.total)}


def _feed(city: City, title: str) -> Feed:
    return Feed(
        title=f"{city.name}: {title}",
        link=f"{public_url()}{request.full_path.removesuffix('?')}",
        item_link=f"{public_url()}/track/{{}}?jurisdiction_id={city.jurisdiction_id}",
    )


@public
def show_request(number: str, format: str) -> Response:
    """GET /requests/{service_request_id}.{json,xml}.  Spec 1.6.  200; 400; 404 request or jurisdiction unknown."""
    city = asked_city()
    with driver.connection() as connection:
        request_id, *row = find_request(connection, number, jurisdiction_id=city.id, public_url=public_url())
        if query.wants_extensions(arguments()):
            return respond(EXTENDED_REQUESTS, _with_extensions(connection, city, [request_id]), format)
    return respond(REQUESTS, [row], format)


def _with_extensions(connection: "Connection[Any]", city: City, ids: Sequence[int]) -> list[tuple[Any, ...]]:
    """The rows of these public requests, in this order, with what extensions=true adds."""
    rows = read_requests(connection, ids, jurisdiction_id=city.id, public_url=public_url())
    by_id = {key[0]: row for key, row in rows.items()}
    more = extended(connection, ids, jurisdiction_id=city.id, public_url=public_url(), now=whole_second(datetime.now(UTC)))
    # One that was hidden in between is left out.
    return [(*by_id[each], *more[each]) for each in ids if each in by_id and each in more]


def _held_fragments() -> Fragments:
    found = current_app.extensions["open311.fragments"]
    assert isinstance(found, Fragments)
    return found


def _client_reference(form: Form) -> str | None:
    """What makes a repeated POST the same request: an Idempotency-Key, or FixMyStreet's id of the report."""
    key = one_line(request.headers.get("Idempotency-Key", ""))
    fms_id = one_line(form.first(_FMS_ID))
    reference = f"key:{key}" if key else f"fms:{fms_id}" if fms_id else None
    # Of any length, and told apart to the last character.
    return hashlib.sha256(reference.encode()).hexdigest() if reference else None
