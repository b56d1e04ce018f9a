"""GET similar: what was reported already that is likely the same thing."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response
from psycopg import Connection

from db.driver import driver
from geo.point import Point
from open311.api.access import arguments, asked_city, public
from open311.api.respond import FORMATS, respond
from open311.cases.similar import MOST, Likeness, similar
from open311.jurisdictions import City
from open311.services import find_service
from schemas import query
from schemas.moment import whole_second
from schemas.problems import Problems
from schemas.request import SIMILAR
from schemas.text import clean, one_line


def add_routes(api: Blueprint) -> None:
    """The routes of this file."""
    api.get(f"/similar.<{FORMATS}:format>")(list_similar)


@public
def list_similar(format: str) -> Response:
    """GET /similar.{json,xml}.  Our extension.  200, the likeliest first, at most five; 400 no place, or a bad one; 404."""
    city, asked = asked_city(), arguments()

    def first(name: str) -> str:
        return next((text for text in asked.get(name, ()) if text.strip()), "")

    point, address = query.read_point(asked), one_line(first("address_string"))
    if point is None and not address:
        raise Problems(["a location is required: lat and long, or address_string"])
    with driver.connection() as connection:
        service = find_service(connection, first("service_code").strip(), jurisdiction_id=city.id)
        rows = similar_rows(connection, city, service.new.id, point=point, address=address, words=clean(first("description")))
    return respond(SIMILAR, rows, format)


def similar_rows(
    connection: "Connection[Any]",
    city: City,
    service_id: int,
    *,
    point: Point | None,
    address: str | None,
    words: str | None,
    but: str | None = None,
) -> list[tuple[Any, ...]]:
    """Rows of schemas.request.SimilarSchema for a draft of now; but: a number that is left out, its own."""
    about = Likeness(service_id=service_id, point=point, address=address, at=whole_second(datetime.now(UTC)), words=words)
    return [
        (
            each.number,
            each.service_name,
            each.status,
            each.requested_at,
            each.address,
            each.lat,
            each.long,
            None if each.distance_metres is None else round(each.distance_metres, 1),
            each.reported_by,
        )
        for each in similar(connection, city, about, most=MOST + 1)
        if each.number != but
    ][:MOST]
