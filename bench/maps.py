"""Maps: how long a tile and a page of clusters take in a city of a million requests."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import psycopg

from bench.first import Benchmark
from bench.many import fill
from bench.rig import Rig
from db.driver import CALLS
from geo.tile import CELLS, Grid, Tile, column_of, row_of
from geo.tiling import districts_tile
from open311.jurisdictions import City, read_cities
from open311.reports.clusters import find_clusters, requests_tile
from open311.reports.districts import figures_of
from schemas.map_query import MapFilters
from schemas.moment import whole_second

ROWS = int(os.environ.get("BENCH_MAPS_ROWS", "1000000"))
# Places of the city around which maps are drawn, each at every zoom.
PLACES = 40
ZOOMS = range(10, 18)
TILE_SECONDS, CLUSTERS_SECONDS = 0.100, 0.150
# A screen of 1280 by 768 is so many tiles of 256 wide and high.
SCREEN = (5, 3)


def tiles(rig: Rig) -> float:
    """The 100 ms that are claimed, over what 95 of 100 tiles of requests take at most; those of districts are told."""
    with _filled(rig) as (connection, city, now):
        filters = _filters(now)

        def of_requests(tile: Tile) -> object:
            return requests_tile(connection, tile, filters, jurisdiction_id=city.id)

        def of_districts(tile: Tile) -> object:
            return districts_tile(connection, tile, jurisdiction_id=city.id, layer="council", at=now)

        asked = [
            Tile(z=zoom, x=column_of(long, zoom) // CELLS, y=row_of(lat, zoom) // CELLS)
            for long, lat in _places(connection, city.id)
            for zoom in ZOOMS
        ]
        _told("tiles of districts", of_districts, asked)
        return TILE_SECONDS / _told("tiles of requests", of_requests, asked)


def clusters(rig: Rig) -> float:
    """The 150 ms that are claimed, over what 95 of 100 screens of clusters take at most; whole cities are told."""
    with _filled(rig) as (connection, city, now):

        def of(grid: Grid, filters: MapFilters) -> object:
            return find_clusters(connection, grid, filters, jurisdiction_id=city.id)

        whole = Grid.within((-71.2, 42.2, -70.9, 42.5), zoom=12)
        for days in (90, 365, 0):
            asked = [_filters(now, days)] * 10
            _told(f"the whole city, {days or 'all'} days", lambda filters: of(whole, filters), asked)
        figures = connection.execute(
            "select b.id from boundary b join layer l on l.jurisdiction_id = b.jurisdiction_id and l.id = b.layer_id"
            " where b.jurisdiction_id = %s and l.code = 'council'",
            [city.id],
        ).fetchall()
        _told(
            "figures of a council district",
            lambda row: figures_of(connection, jurisdiction_id=city.id, boundary_id=row[0], now=now),
            figures * 3,
        )
        screens = [_screen(long, lat, zoom) for long, lat in _places(connection, city.id) for zoom in ZOOMS]
        return CLUSTERS_SECONDS / _told("screens of clusters", lambda grid: of(grid, _filters(now)), screens)


BENCHMARKS: Mapping[str, Benchmark] = {
    "tiles": Benchmark(run=tiles, floor=1.0),
    "clusters": Benchmark(run=clusters, floor=1.0),
}


@contextmanager
def _filled(rig: Rig) -> Iterator[tuple["psycopg.Connection[Any]", City, datetime]]:
    with psycopg.connect(rig.url, autocommit=True, options=CALLS) as connection:
        (city,) = [each for each in read_cities(connection) if each.jurisdiction_id == "boston.gov"]
        fill(connection, city.id, rows=ROWS)
        yield connection, city, whole_second(datetime.now(UTC))


def _filters(now: datetime, days: int = 90) -> MapFilters:
    return MapFilters(
        service_codes=None,
        status=None,
        requested_from=now - timedelta(days=days) if days else None,
        requested_to=None,
        districts=None,
        now=now,
    )


def _told(name: str, ask: Callable[[Any], object], asked: Sequence[Any]) -> float:
    """Seconds within which 95 of 100 are answered; the first ones read what later ones find in memory, and do not count."""
    times = []
    for each in [*asked[:5], *asked]:
        began = perf_counter()
        ask(each)
        times.append(perf_counter() - began)
    times = sorted(times[5:])
    middle, high = times[len(times) // 2], times[len(times) * 95 // 100]
    said = f"median {middle * 1000:.1f} ms, 95 of 100 within {high * 1000:.1f} ms, longest {times[-1] * 1000:.1f} ms"
    print(f"maps: {name}: {said}", file=sys.stderr, flush=True)
    return high


def _screen(long: float, lat: float, zoom: int) -> Grid:
    """The cells of a screen with a place in its middle tile."""
    wide, high = SCREEN
    tiles = (column_of(long, zoom) // CELLS, row_of(lat, zoom) // CELLS)
    west, north = (at - side // 2 for at, side in zip(tiles, (wide, high), strict=True))
    return Grid.of(
        zoom=zoom,
        columns=range(west * CELLS, (west + wide) * CELLS),
        rows=range(north * CELLS, (north + high) * CELLS),
    )


def _places(connection: "psycopg.Connection[Any]", city_id: int) -> list[tuple[float, float]]:
    """Where requests lie, spread over all of them."""
    return connection.execute(
        "select st_x(public_location), st_y(public_location) from service_request"
        " where jurisdiction_id = %s and is_public and public_location is not null order by md5(number) limit %s",
        [city_id, PLACES],
    ).fetchall()
