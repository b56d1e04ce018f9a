"""GET services, GET services/{service_code}."""

from flask import Blueprint, Response

from db.driver import driver
from open311.api.access import arguments, asked_city, public
from open311.api.places import city_at
from open311.api.respond import FORMATS, respond
from open311.services import list_services, show_definition
from schemas import query
from schemas.service import DEFINITION, EXTENDED_SERVICES, SERVICES


def add_routes(api: Blueprint) -> None:
    """The routes of this file."""
    api.get(f"/services.<{FORMATS}:format>")(show_services)
    api.get(f"/services/<service_code>.<{FORMATS}:format>")(show_service)


@public
def show_services(format: str) -> Response:
    """GET /services.{json,xml}.  Spec 1.1.  200; 400 jurisdiction missing or a bad point; 404 jurisdiction unknown.

    Ours: extensions=true.  With lat and long: what is offered there, by the city named or else by the one that it is in.
    """
    point = query.read_point(arguments())
    if point is None:
        city, districts = asked_city(), None
    else:
        found, districts = city_at(point)
        if found is None:
            return respond(SERVICES, [], format)
        city = found
    with driver.connection() as connection:
        rows = list_services(connection, jurisdiction_id=city.id, districts=districts)
    if query.wants_extensions(arguments()):
        return respond(EXTENDED_SERVICES, [(*row, city.emergency_phone) for row in rows], format)
    return respond(SERVICES, [row[:-1] for row in rows], format)


@public
def show_service(service_code: str, format: str) -> Response:
    """GET /services/{service_code}.{json,xml}.  Spec 1.2, 2.  200; 400; 404 service or jurisdiction unknown."""
    city = asked_city()
    with driver.connection() as connection:
        definition = show_definition(connection, service_code, jurisdiction_id=city.id)
    return respond(DEFINITION, [definition], format)
