"""What the maps of the pages are drawn on: the city's districts and streets, or the tiles that the operator names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from flask import Blueprint, Flask, Response, abort, current_app, send_file
from psycopg import Connection
from shapely import MultiLineString

from db.driver import driver
from geo.geojson import feature, feature_collection
from geo.listing import drawn_districts, layers_of
from geo.streets import streets_of
from geo.tile import Tile
from open311.api.access import asked_city, public
from open311.config import BadSetting, Settings, settings
from open311.jurisdictions import City
from schemas import as_features

PMTILES = "/basemap.pmtiles"
# The zoom of the tiles in which streets are fetched; a map shows them from it on.
STREETS_ZOOM = 15
_DECIMALS = 5
_TOLERANCE_METRES = 25
_DISTRICTS_SECONDS, _STREETS_SECONDS, _TILES_SECONDS = 600, 3600, 86_400
# A PMTiles file begins with its name and version; what its tiles are stands further on.
_MAGIC, _KIND_AT, _VECTOR = b"PMTiles\x03", 99, 1


@dataclass(frozen=True, kw_only=True)
class Basemap:
    """What lies under a map.  kind: "own", "tiles" (pictures by url), "pictures" or "vectors" (of a PMTiles file)."""

    kind: str
    url: str = ""
    attribution: str = ""

    @property
    def sources(self) -> tuple[str, ...]:
        """Where its pictures come from besides the page's own origin, in the words of a content security policy."""
        if self.kind == "pictures":
            return ("blob:",)
        parts = urlsplit(self.url)
        return (f"{parts.scheme}://{parts.netloc}".replace("{s}", "*"),) if parts.netloc else ()


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A city as maps show it: its outline's layer, a layer by which people find their way ("" for none), and its box.

    box: west,south,east,north in degrees.
    """

    outline: str
    districts: str
    box: str


def add_routes(pages: Blueprint) -> None:
    """What maps lie on, among the pages."""
    pages.get("/basemap/districts.geojson")(show_ground)
    pages.get("/basemap/streets/<int:x>/<int:y>.geojson")(show_streets)


def register(app: Flask, settings: Settings) -> None:
    """Put the file of tiles at the root, if there is one.  Raises BadSetting."""
    app.extensions["open311.basemap"] = read_basemap(settings)
    app.get(PMTILES)(show_pmtiles)


@public
def show_ground() -> Response:
    """GET /basemap/districts.geojson: the city's outline, and the districts by which people find their way.  200; 404."""
    city, now = asked_city(), datetime.now(UTC)
    with driver.connection() as connection:
        ground = read_ground(connection, city, at=now)
        rows = drawn_districts(
            connection,
            jurisdiction_id=city.id,
            at=now,
            layers=[each for each in (ground.outline, ground.districts) if each],
            has_boundary=True,
            tolerance_metres=_TOLERANCE_METRES,
        )
    drawn = [
        {
            "type": "Feature",
            "properties": {"name": row[2], "is_outline": row[0] == ground.outline},
            "geometry": msgspec.Raw(row[-1].encode()),
        }
        for row in rows
    ]
    return _drawn(drawn, _DISTRICTS_SECONDS)


@public
def show_streets(x: int, y: int) -> Response:
    """GET /basemap/streets/{x}/{y}.geojson: the streets on a tile of zoom 15.  200; 404 no such tile, or jurisdiction."""
    try:
        tile = Tile(z=STREETS_ZOOM, x=x, y=y)
    except ValueError:
        abort(404)
    with driver.connection() as connection:
        streets = streets_of(connection, tile, jurisdiction_id=asked_city().id)
    return _drawn([feature(MultiLineString(each.lines), name=each.name) for each in streets], _STREETS_SECONDS)


def _drawn(features: Sequence[dict[str, Any]], seconds: int) -> Response:
    response = Response(msgspec.json.encode(feature_collection(features)), content_type=as_features.CONTENT_TYPE)
    response.headers["Cache-Control"] = f"public, max-age={seconds}"
    return response


@public
def show_pmtiles() -> Response:
    """GET /basemap.pmtiles: the file of OPEN311_PMTILES_PATH, whole or in ranges.  200; 206; 304; 404 none is set."""
    path = settings().pmtiles_path
    if not path:
        abort(404)
    response = send_file(path, mimetype="application/vnd.pmtiles", conditional=True, max_age=_TILES_SECONDS)
    response.headers["Accept-Ranges"] = "bytes"
    return response


def basemap() -> Basemap:
    """The one of the application at work."""
    found = current_app.extensions["open311.basemap"]
    assert isinstance(found, Basemap)
    return found


def read_basemap(settings: Settings) -> Basemap:
    """The one of the settings.  Raises BadSetting."""
    if settings.pmtiles_path:
        kind = "vectors" if _is_vector(Path(settings.pmtiles_path)) else "pictures"
        return Basemap(kind=kind, url=PMTILES, attribution=settings.tile_attribution)
    if settings.tile_url:
        return Basemap(kind="tiles", url=settings.tile_url, attribution=settings.tile_attribution)
    return Basemap(kind="own")


def _is_vector(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(_KIND_AT + 1)
    except OSError as error:
        raise BadSetting(f"OPEN311_PMTILES_PATH cannot be read: {error}") from error
    if len(head) <= _KIND_AT or not head.startswith(_MAGIC):
        raise BadSetting(f"OPEN311_PMTILES_PATH must be a PMTiles file of version 3, and {path} is none")
    return head[_KIND_AT] == _VECTOR


def read_ground(connection: "Connection[Any]", city: City, *, at: datetime) -> Ground:
    """The city's own ground at a moment."""
    return ground_of(
        city,
        layers=layers_of(connection, jurisdiction_id=city.id, at=at),
        drawn=drawn_districts(connection, jurisdiction_id=city.id, at=at),
    )


def ground_of(city: City, *, layers: Sequence[Any], drawn: Sequence[Any]) -> Ground:
    """The same by rows of geo.listing.layers_of and drawn_districts, which somebody has read already."""
    (outline,) = (each.code for each in layers if each.id == city.outline_layer_id)
    boxes = [row[6] for row in drawn if row[0] == outline]
    if any(west > east for west, _south, east, _north in boxes):  # across 180 degrees
        boxes = boxes[:1]
    wests, souths, easts, norths = zip(*boxes, strict=True)
    edges = (min(wests), min(souths), max(easts), max(norths))
    # Of a layer whose names are numbers nobody knows where they are.
    named = [row[0] for row in drawn if row[0] != outline and not any(sign.isdigit() for sign in row[2])]
    return Ground(
        outline=outline,
        districts=max(sorted(set(named)), key=named.count, default=""),
        box=",".join(f"{edge:.{_DECIMALS}f}" for edge in edges),
    )
