"""GET route, GET coverage: who answers at a place, and whose it is."""

from datetime import UTC, datetime

from flask import Blueprint, Response

from db.driver import driver
from geo.districts import District, districts_at
from geo.point import Point
from open311.api.access import arguments, asked_city, is_city_named, public
from open311.api.respond import FORMATS, respond
from open311.cases.explaining import explain_draft
from open311.config import settings
from open311.jurisdictions import City, cities
from open311.services import find_service
from routing.decision import Candidate
from routing.explain import Explanation
from schemas import query
from schemas.moment import whole_second
from schemas.route import COVERAGE, ROUTE


def add_routes(api: Blueprint) -> None:
    """The routes of this file."""
    api.get(f"/route.<{FORMATS}:format>")(show_route)
    api.get(f"/coverage.<{FORMATS}:format>")(show_coverage)


@public
def show_route(format: str) -> Response:
    """GET /route.{json,xml}.  Our extension.  200; 400 no place, a bad one or one outside; 404 service or jurisdiction."""
    city, asked = asked_city(), arguments()
    now = whole_second(datetime.now(UTC))
    with driver.connection() as connection:
        code = next((text.strip() for text in asked.get("service_code", ()) if text.strip()), "")
        service = find_service(connection, code, jurisdiction_id=city.id)
    explanation = explain_draft(asked, service, city, at=now, settings=settings())
    return respond(ROUTE, [_route_row(explanation)], format)


@public
def show_coverage(format: str) -> Response:
    """GET /coverage.{json,xml}.  Our extension.  200, covered or not; 400 no point or a bad one; 404 jurisdiction unknown."""
    point = query.read_point(arguments(), required=True)
    assert point is not None
    city, districts = city_at(point)
    if city is None:
        return respond(COVERAGE, [(False, None, [])], format)
    shown = [(each.layer, each.code, each.name) for each in districts if each.layer_id != city.outline_layer_id]
    return respond(COVERAGE, [(True, city.jurisdiction_id, shown)], format)


def city_at(point: Point) -> tuple[City | None, list[District]]:
    """The city that serves a point, the named one or whichever it is, with the districts there; None when none does."""
    asked = [asked_city()] if is_city_named() else cities().all()
    with driver.connection() as connection:
        found = districts_at(
            connection, point, jurisdiction_ids=[city.id for city in asked], at=whole_second(datetime.now(UTC))
        )
    for city in asked:
        districts = [each for each in found if each.jurisdiction_id == city.id]
        if any(each.layer_id == city.outline_layer_id for each in districts):
            return city, districts
    return None, []


def _route_row(explanation: Explanation) -> tuple[object, ...]:
    decision = explanation.decision
    chosen = decision.chosen
    candidates = [_candidate_row(chosen, None), *[_candidate_row(each, why) for each, why in explanation.losers]]
    return (
        chosen.department,
        chosen.unit,
        chosen.rule,
        _boundary_row(chosen),
        explanation.distance_metres,
        candidates,
        decision.reason,
    )


def _candidate_row(candidate: Candidate, lost_because: str | None) -> tuple[object, ...]:
    return (
        candidate.department,
        candidate.unit,
        candidate.rule,
        candidate.priority,
        _boundary_row(candidate),
        lost_because,
    )


def _boundary_row(candidate: Candidate) -> tuple[object, ...] | None:
    if candidate.boundary_code is None:
        return None
    return (candidate.layer, candidate.boundary_code, candidate.boundary, candidate.valid_from, candidate.valid_to)
