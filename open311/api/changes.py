"""GET changes: the change feed."""

from datetime import UTC, datetime

from flask import Blueprint, Response

from db.driver import driver
from open311.api.access import arguments, asked_city, public, public_url
from open311.api.paging import cursor_headers
from open311.api.respond import FORMATS, respond
from open311.config import settings
from open311.reports.changes import find_changes, read_cursor
from schemas import query
from schemas.moment import whole_second
from schemas.open_data import CHANGES


def add_routes(api: Blueprint) -> None:
    """The route of this file."""
    api.get(f"/changes.<{FORMATS}:format>")(list_changes)


@public
def list_changes(format: str) -> Response:
    """GET /changes.{json,xml} (extension).  200, in the order of transactions; 400 cursor or page_size; 410 cursor too old."""
    city, limits = asked_city(), settings()
    asked = query.read_feed(arguments(), max_page_rows=limits.max_page_rows)
    with driver.connection() as connection:
        found = find_changes(
            connection,
            read_cursor(asked.cursor),
            jurisdiction_id=city.id,
            take=asked.page_rows,
            public_url=public_url(),
            now=whole_second(datetime.now(UTC)),
        )
    last = found.rows[-1][0] if found.rows else None
    headers = cursor_headers(last if found.has_more else None, page_rows=asked.page_rows)
    # Also at the end: it is from there that one asks again in a minute.
    headers["X-Next-Cursor"] = last or asked.cursor
    return respond(CHANGES, found.rows, format, headers=headers)
