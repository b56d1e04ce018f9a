"""GET tiles, GET clusters: boundaries and requests for maps."""

from datetime import UTC, datetime

from flask import Blueprint, Response

from db.driver import driver
from geo.tiling import districts_tile
from open311.api.access import arguments, asked_city, public
from open311.api.respond import respond, respond_bytes
from open311.config import settings
from open311.reports.clusters import find_clusters, requests_tile
from schemas.cluster import CLUSTERS
from schemas.map_query import read_clusters, read_districts, read_filters, read_tile
from schemas.text import one_line

CONTENT_TYPE = "application/vnd.mapbox-vector-tile"
# How long a map may keep a tile without asking.
DISTRICTS_SECONDS, REQUESTS_SECONDS = 600, 60


def add_routes(api: Blueprint) -> None:
    """The routes of this file."""
    api.get("/tiles/requests/<z>/<x>/<y>.mvt")(show_requests_tile)
    api.get("/tiles/<layer>/<z>/<x>/<y>.mvt")(show_districts_tile)
    api.get("/clusters.<any(json,geojson):format>")(list_clusters)


@public
def show_districts_tile(layer: str, z: str, x: str, y: str) -> Response:
    """GET /tiles/{layer}/{z}/{x}/{y}.mvt.  Our extension.  200; 204 nothing there; 400; 404 layer or jurisdiction unknown."""
    city, tile = asked_city(), read_tile(z=z, x=x, y=y)
    asked = read_districts(arguments(), zone=city.zone, now=datetime.now(UTC))
    with driver.connection() as connection:
        drawn = districts_tile(connection, tile, jurisdiction_id=city.id, layer=one_line(layer), at=asked.at)
    return _answer(drawn, DISTRICTS_SECONDS)


@public
def show_requests_tile(z: str, x: str, y: str) -> Response:
    """GET /tiles/requests/{z}/{x}/{y}.mvt.  Our extension.  200; 204 nothing there; 400; 404 district or jurisdiction."""
    city, tile = asked_city(), read_tile(z=z, x=x, y=y)
    filters = read_filters(arguments(), zone=city.zone, now=datetime.now(UTC), max_span_days=settings().max_span_days)
    with driver.connection() as connection:
        drawn = requests_tile(connection, tile, filters, jurisdiction_id=city.id)
    return _answer(drawn, REQUESTS_SECONDS)


@public
def list_clusters(format: str) -> Response:
    """GET /clusters.{json,geojson}.  Our extension.  200; 400 no bbox or zoom, or a malformed argument; 404 jurisdiction."""
    city = asked_city()
    asked = read_clusters(arguments(), zone=city.zone, now=datetime.now(UTC), max_span_days=settings().max_span_days)
    with driver.connection() as connection:
        found = find_clusters(connection, asked.grid, asked.filters, jurisdiction_id=city.id)
    return respond(CLUSTERS, [(each.lat, each.long, each.count, each.open, each.box, each.number) for each in found], format)


def _answer(drawn: bytes, seconds: int) -> Response:
    headers = {"Cache-Control": f"public, max-age={seconds}"}
    if not drawn:
        # Older maps take an empty 200 for an error; all take this for an empty tile.
        return Response(status=204, headers=headers)
    return respond_bytes(drawn, CONTENT_TYPE, headers=headers)
