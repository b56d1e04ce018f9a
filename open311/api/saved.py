"""GET queries, GET queries/{code}: queries that a city keeps under a name."""

from flask import Blueprint, Response

from db.driver import driver
from open311.api.access import arguments, asked_city, public, public_url
from open311.api.requests import answer_list
from open311.api.respond import FORMATS, LIST_FORMATS, respond
from open311.cases.saved import READERS_OWN, find_saved, saved
from schemas.saved_query import SAVED_QUERIES


def add_routes(api: Blueprint) -> None:
    """The routes of this file."""
    api.get(f"/queries.<{FORMATS}:format>")(list_queries)
    api.get(f"/queries/<code>.<{LIST_FORMATS}:format>")(run_query)


@public
def list_queries(format: str) -> Response:
    """GET /queries.{json,xml} (extension).  200; 404 jurisdiction unknown."""
    city = asked_city()
    with driver.connection() as connection:
        found = saved(connection, jurisdiction_id=city.id)
    base = f"{public_url()}/open311/v2/queries"
    return respond(
        SAVED_QUERIES,
        [
            (each.code, each.title, each.text, f"{base}/{each.code}.rss?jurisdiction_id={city.jurisdiction_id}")
            for each in found
        ],
        format,
    )


@public
def run_query(code: str, format: str) -> Response:
    """GET /queries/{code}.{json,xml,geojson,csv,rss} (extension).  As GET requests with its arguments; 404 code unknown."""
    city = asked_city()
    with driver.connection() as connection:
        found = find_saved(connection, code, jurisdiction_id=city.id)
    own = {name: texts for name, texts in arguments().items() if name in READERS_OWN}
    return answer_list({**found.arguments, **own}, format, title=found.title)
