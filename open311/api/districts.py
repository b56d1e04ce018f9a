"""GET layers, GET districts, GET districts/{layer}/{code}: how a city is divided."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response

from db.driver import driver
from geo.listing import UnknownDistrict, drawn_districts, layers_of, versions_of
from open311.api.access import arguments, asked_city, public, public_url
from open311.api.respond import FORMATS, WITH_GEOJSON, respond
from open311.jurisdictions import City
from open311.reports.districts import figures_of
from schemas.district import BOUNDED_DISTRICTS, DISTRICT, DISTRICTS, LAYERS
from schemas.map_query import DistrictsQuery, read_districts
from schemas.moment import whole_second
from schemas.text import one_line


def add_routes(api: Blueprint) -> None:
    """The routes of this file; a district's code may have a slash in it."""
    api.get(f"/layers.<{FORMATS}:format>")(list_layers)
    api.get(f"/districts.<{WITH_GEOJSON}:format>")(list_districts)
    api.get(f"/districts/<layer>.<{WITH_GEOJSON}:format>")(list_districts_of)
    api.get(f"/districts/<layer>/<path:code>.<{WITH_GEOJSON}:format>")(show_district)


@public
def list_layers(format: str) -> Response:
    """GET /layers.{json,xml}.  Our extension.  200; 404 jurisdiction unknown."""
    city = asked_city()
    with driver.connection() as connection:
        rows = layers_of(connection, jurisdiction_id=city.id, at=whole_second(datetime.now(UTC)))
    return respond(LAYERS, [(row.code, row.name, row.districts, row.id == city.outline_layer_id) for row in rows], format)


@public
def list_districts(format: str) -> Response:
    """GET /districts.{json,xml,geojson}.  Our extension.  200; 400 malformed argument; 404 layer or jurisdiction unknown."""
    city, now = asked_city(), datetime.now(UTC)
    return _listed(city, read_districts(arguments(), zone=city.zone, now=now), format)


@public
def list_districts_of(layer: str, format: str) -> Response:
    """GET /districts/{layer}.{json,xml,geojson}: the same as districts with `layer`."""
    city, now = asked_city(), datetime.now(UTC)
    return _listed(city, read_districts({**arguments(), "layer": [layer]}, zone=city.zone, now=now), format)


@public
def show_district(layer: str, code: str, format: str) -> Response:
    """GET /districts/{layer}/{code}.{json,xml,geojson}.  Our extension.  200; 400 malformed argument; 404 layer, district or
    jurisdiction unknown."""
    city, now = asked_city(), whole_second(datetime.now(UTC))
    asked = read_districts(arguments(), zone=city.zone, now=now)
    layer, code = one_line(layer), one_line(code)
    with driver.connection() as connection:
        versions = versions_of(
            connection, jurisdiction_id=city.id, layer=layer, code=code, tolerance_metres=asked.tolerance_metres
        )
        if not versions:
            raise UnknownDistrict(f"{layer}:{code}")
        (boundary_id, drawn), is_in_force = _nearest(versions, asked.at)
        figures = figures_of(connection, jurisdiction_id=city.id, boundary_id=boundary_id, now=now)
    row = (
        *drawn,
        is_in_force,
        [(name, area, valid_from, valid_to) for _, (_, _, name, area, valid_from, valid_to, *_) in versions],
        (figures.open, figures.received_lately),
        _links(city, f"{layer}:{code}"),
    )
    return respond(DISTRICT, [row], format)


def _listed(city: City, asked: DistrictsQuery, format: str) -> Response:
    has_boundary = asked.has_boundary or format == "geojson"
    with driver.connection() as connection:
        rows = drawn_districts(
            connection,
            jurisdiction_id=city.id,
            at=asked.at,
            layers=asked.layers,
            point=asked.point,
            has_boundary=has_boundary,
            tolerance_metres=asked.tolerance_metres,
        )
    return respond(BOUNDED_DISTRICTS if has_boundary else DISTRICTS, rows, format)


def _nearest(versions: Sequence[tuple[int, tuple[Any, ...]]], at: datetime) -> tuple[tuple[int, tuple[Any, ...]], bool]:
    """The version in force at a moment, else the last that began before, else the first; and whether it is in force."""
    begun = [each for each in versions if each[1][4] is None or each[1][4] <= at]
    nearest = begun[-1] if begun else versions[0]
    _, (_, _, _, _, _, valid_to, *_) = nearest
    return nearest, bool(begun) and (valid_to is None or at < valid_to)


def _links(city: City, district: str) -> tuple[str, str, str]:
    query = urlencode({"jurisdiction_id": city.jurisdiction_id, "district": district})
    return tuple(f"{public_url()}/open311/v2/{each}?{query}" for each in _LINKED)  # type: ignore[return-value]


_LINKED = ("requests.json", "scorecards.json", "bulk/requests.csv")
