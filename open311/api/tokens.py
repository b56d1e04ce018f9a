"""GET tokens/{token}."""

from flask import Blueprint, Response

from db.driver import driver
from open311.api.access import asked_city, public
from open311.api.respond import FORMATS, respond
from open311.cases.search import find_token
from schemas.request import TOKENS


def add_routes(api: Blueprint) -> None:
    """The routes of this file."""
    api.get(f"/tokens/<token>.<{FORMATS}:format>")(show_token)


@public
def show_token(token: str, format: str) -> Response:
    """GET /tokens/{token}.{json,xml}.  Spec 1.4, 3.  200, pending or numbered; 400; 404 token or jurisdiction unknown."""
    city = asked_city()
    with driver.connection() as connection:
        row = find_token(connection, token, jurisdiction_id=city.id)
    return respond(TOKENS, [row], format)
