"""GET tiles, GET clusters: boundaries and requests for maps."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import mapbox_vector_tile
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection, RawCursor
from psycopg.rows import tuple_row
from shapely import MultiPolygon, box
from shapely.geometry import shape
from sqlalchemy import select
from werkzeug.test import TestResponse

from db import db
from db.driver import driver
from geo.models import Boundary, Layer
from geo.tile import CELLS, Grid, Tile, column_of, row_of
from open311.models import RequestDistrict
from open311.reports import clusters
from schemas.map_query import MapFilters
from tests.api.wire import BASE, BOSTON, read_json
from tests.factories import NOW, Factory
from tests.town import Town, square

CHANGE = datetime(2025, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
# Boston at zoom 12, and one street of it at zoom 17.
CITY_TILE, STREET_TILE = (12, 1239, 1515), (17, 39651, 48485)
AROUND_BOSTON = "-71.2,42.2,-70.9,42.5"


@pytest.fixture
def get(client: FlaskClient) -> Any:
    """get(path, **arguments): the answer, for Boston unless said otherwise."""

    def get(path: str, **arguments: Any) -> TestResponse:
        headers = arguments.pop("headers", None)
        return client.get(f"{BASE}/{path}", query_string={"jurisdiction_id": BOSTON, **arguments}, headers=headers)

    return get


@pytest.fixture
def tile(get: Any) -> Any:
    """tile(layer, z, x, y, **arguments): {layer of the tile: [features]}, places in units of the tile from its north-west."""

    def tile(layer: str, z: int, x: int, y: int, **arguments: Any) -> dict[str, list[dict[str, Any]]]:
        answer = get(f"tiles/{layer}/{z}/{x}/{y}.mvt", **arguments)
        if answer.status_code == 204:
            assert answer.data == b""
            return {}
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/vnd.mapbox-vector-tile"
        drawn = mapbox_vector_tile.decode(answer.data, default_options={"y_coord_down": True})
        assert all(each["extent"] == 4096 for each in drawn.values())
        return {name: each["features"] for name, each in drawn.items()}

    return tile


@pytest.fixture
def town(app: Any) -> Town:
    """Two wards side by side that changed places in June 2025."""
    town = Town()
    town.city.outline_layer_id = town.layer("city").id
    town.boundary("W", square(10, 40), valid_to=CHANGE)
    town.boundary("E", square(11, 40), valid_to=CHANGE)
    town.boundary("W", square(11, 40), valid_from=CHANGE)
    town.boundary("E", square(10, 40), valid_from=CHANGE)
    return town


def names(features: list[dict[str, Any]]) -> list[str]:
    """The codes of districts."""
    return sorted(each["properties"]["code"] for each in features)


# Boundaries


def test_a_tile_shows_the_districts_of_a_layer_with_code_and_name(tile: Any, town: Town):
    drawn = tile("ward", 0, 0, 0, jurisdiction_id="town.gov")

    assert set(drawn) == {"districts"}
    assert [each["properties"] for each in drawn["districts"]] == [
        {"code": "W", "name": "Ward W"},
        {"code": "E", "name": "Ward E"},
    ]


def test_districts_lie_on_a_tile_where_web_mercator_has_them(tile: Any, town: Town):
    # At zoom 5 the tile (17, 11) reaches from 11.25 to 22.5 degrees east and from 40.98 to 48.92 degrees north.
    (west, _) = (tile("ward", 5, x, 12, jurisdiction_id="town.gov")["districts"] for x in (16, 17))

    # Tile 16 begins at the meridian of 0: ward E, from 10 to 11 degrees, lies at 10 / 11.25 of its width.
    (east,) = [shape(each["geometry"]) for each in west if each["properties"]["code"] == "E"]
    assert east.bounds[0] == pytest.approx(10 / 11.25 * 4096, abs=1)
    assert east.bounds[2] == pytest.approx(11 / 11.25 * 4096, abs=1)


def test_a_tile_shows_the_version_of_a_date(tile: Any, town: Town):
    # The tile ends at 10.55 degrees east.
    now, before = (
        tile("ward", 9, 270, 192, jurisdiction_id="town.gov", **arguments) for arguments in ({}, {"at": "2025-05-01"})
    )

    assert (names(now["districts"]), names(before["districts"])) == (["E"], ["W"])


def test_a_tile_far_from_every_district_is_204_without_a_body(get: Any, town: Town):
    answer = get("tiles/ward/9/0/0.mvt", jurisdiction_id="town.gov")

    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_tiles_may_be_kept_and_are_not_sent_again_to_who_has_them(get: Any, town: Town):
    for path, seconds in ((f"tiles/council/{'/'.join(map(str, CITY_TILE))}.mvt", 600),):
        first = get(path)
        again = get(path, headers={"If-None-Match": first.headers["ETag"]})

        assert first.headers["Cache-Control"] == f"public, max-age={seconds}"
        assert (again.status_code, again.data) == (304, b"")


def test_every_district_of_a_real_layer_is_on_the_tiles_around_it(tile: Any):
    around = [tile("council", 10, x, y) for x in (309, 310) for y in (378, 379)]

    seen = {code for drawn in around for code in names(drawn.get("districts", []))}
    assert seen == {str(number) for number in range(1, 10)}


@pytest.mark.parametrize(
    ("area", "tiles"),
    [
        pytest.param(box(-180, 80, 180, 90), [(0, 0, 0), (1, 0, 0), (1, 1, 0)], id="over-the-pole"),
        pytest.param(box(-180, -90, 180, -80), [(0, 0, 0), (3, 0, 7), (3, 7, 7)], id="over-the-south-pole"),
        pytest.param(
            MultiPolygon([box(179, -10, 180, -9), box(-180, -10, -178, -9)]),
            [(0, 0, 0), (4, 0, 8), (4, 15, 8)],
            id="across-180-degrees",
        ),
        pytest.param(box(-180, -90, 180, 90), [(0, 0, 0), (22, 0, 0), (22, 2**22 - 1, 2**22 - 1)], id="everything"),
    ],
)
def test_poles_and_the_180th_meridian_are_drawn(tile: Any, town: Town, area: Any, tiles: list[tuple[int, int, int]]):
    town.boundary("X", area, layer="edge")

    for z, x, y in tiles:
        (drawn,) = tile("edge", z, x, y, jurisdiction_id="town.gov")["districts"]
        west, north, east, south = shape(drawn["geometry"]).bounds
        assert -64 <= west < east <= 4096 + 64
        assert -64 <= north < south <= 4096 + 64


def test_what_only_lies_beyond_the_square_world_is_not_drawn(tile: Any, town: Town):
    town.boundary("X", box(-10, 86, 10, 88), layer="edge")

    assert tile("edge", 0, 0, 0, jurisdiction_id="town.gov") == {}


# Requests


def test_a_request_by_itself_is_shown_with_its_number_at_every_zoom(tile: Any, make: Factory):
    row = make.request("N-1", service_code="street-light-outages")

    for z, x, y in ((0, 0, 0), CITY_TILE, STREET_TILE):
        drawn = tile("requests", z, x, y)
        assert set(drawn) == {"requests"}
        (only,) = drawn["requests"]
        assert only["geometry"]["type"] == "Point"
        assert only["properties"] == {
            "service_request_id": "N-1",
            "service_code": "street-light-outages",
            "status": "open",
            "requested_datetime": row.requested_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def test_several_requests_are_a_cluster_far_away_and_themselves_nearby(tile: Any, make: Factory):
    make.request("N-1")
    make.request("N-2", long=-71.0945)
    make.request("N-3", closed_after=timedelta(minutes=1))

    far, near = tile("requests", *CITY_TILE), tile("requests", *STREET_TILE)

    assert [each["properties"] for each in far["clusters"]] == [{"count": 3, "open": 2}]
    assert "requests" not in far
    assert [each["properties"]["service_request_id"] for each in near["requests"]] == ["N-1", "N-2", "N-3"]
    assert "clusters" not in near


def test_requests_tiles_are_kept_for_a_minute(get: Any, make: Factory):
    make.request()
    path = f"tiles/requests/{'/'.join(map(str, CITY_TILE))}.mvt"

    first = get(path)

    assert first.headers["Cache-Control"] == "public, max-age=60"
    assert get(path, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert get("tiles/requests/12/0/0.mvt").status_code == 204


@pytest.mark.parametrize("z", [0, 1, 2, 15, 16])
def test_each_request_lies_on_one_tile_alone_even_on_the_edges_of_the_earth(tile: Any, make: Factory, z: int):
    places = [(0.0, 0.0), (90.0, 45.0), (-180.0, 10.0), (180.0, 10.0), (12.0, 90.0), (12.0, -90.0), (-90.0, 66.51326044311186)]
    for number, (long, lat) in enumerate(places):
        make.request(f"N-{number}", long=long, lat=lat)
    asked = {_tile_of(long, lat, z, right, down) for long, lat in places for right in (-1, 0) for down in (-1, 0)}

    drawn = [tile("requests", *each) for each in asked]

    alone = [each["properties"]["service_request_id"] for each in _all(drawn, "requests")]
    counted = sum(each["properties"]["count"] for each in _all(drawn, "clusters"))
    assert len(alone) == len(set(alone))
    assert len(alone) + counted == len(places)


def _tile_of(long: float, lat: float, z: int, right: int, down: int) -> tuple[int, int, int]:
    """A tile near a place: at its edges, those around the corner are asked as well."""
    most = 2**z - 1
    x, y = column_of(long, z) // CELLS + right, row_of(lat, z) // CELLS + down
    return z, max(0, min(most, x)), max(0, min(most, y))


def _all(drawn: list[dict[str, list[Any]]], layer: str) -> list[Any]:
    return [feature for each in drawn for feature in each.get(layer, [])]


# Clusters


def test_clusters_count_what_lies_in_each_cell(get: Any, make: Factory):
    for number in range(3):
        make.request(f"N-{number}", long=-71.09 + number / 10_000, lat=42.34)
    make.request("N-9", long=-71.05, lat=42.36, closed_after=timedelta(minutes=1))

    several, one = read_json(get("clusters.json", bbox=AROUND_BOSTON, zoom="12").data)

    assert (several["count"], several["open"], several["service_request_id"]) == (3, 3, None)
    assert (several["lat"], several["long"]) == (pytest.approx(42.34), pytest.approx(-71.0899))
    assert several["bbox"] == {"west": -71.09, "south": 42.34, "east": pytest.approx(-71.0898), "north": 42.34}
    assert (one["count"], one["open"], one["service_request_id"]) == (1, 0, "N-9")


def test_clusters_are_points_in_geojson(get: Any, make: Factory):
    make.request("N-1", long=-71.09, lat=42.34)

    answer = get("clusters.geojson", bbox=AROUND_BOSTON, zoom="12")

    assert answer.headers["Content-Type"] == "application/geo+json; charset=utf-8"
    assert read_json(answer.data)["features"] == [
        {
            "type": "Feature",
            "bbox": [-71.09, 42.34, -71.09, 42.34],
            "geometry": {"type": "Point", "coordinates": [-71.09, 42.34]},
            "properties": {"count": 1, "open": 1, "service_request_id": "N-1"},
        }
    ]


def test_a_box_across_180_degrees_is_west_to_east(get: Any, make: Factory):
    for number, long in enumerate((179.5, 180.0, -180.0, -179.5, 0.0, 178.0)):
        make.request(f"N-{number}", long=long, lat=10)

    for zoom in range(9):
        found = read_json(get("clusters.json", bbox="179,0,-179,20", zoom=str(zoom)).data)
        assert sum(each["count"] for each in found) == 4


def counted(get: Any, **arguments: Any) -> int:
    """How many requests the clusters of Boston count."""
    answer = get("clusters.json", **{"bbox": AROUND_BOSTON, "zoom": "12", **arguments})
    assert answer.status_code == 200, answer.text
    return sum(each["count"] for each in read_json(answer.data))


def on_map(tile: Any, **arguments: Any) -> int:
    """How many requests the tile of the world counts."""
    drawn = tile("requests", 0, 0, 0, **arguments)
    return len(drawn.get("requests", [])) + sum(each["properties"]["count"] for each in drawn.get("clusters", []))


def test_what_is_not_public_is_neither_counted_nor_shown(get: Any, tile: Any, make: Factory):
    make.request("SHOWN")
    make.request("HIDDEN", is_public=False)
    make.request("NOWHERE", lat=None, long=None)

    assert counted(get) == on_map(tile) == 1
    for z, x, y in ((0, 0, 0), CITY_TILE, STREET_TILE):
        assert "HIDDEN" not in str(tile("requests", z, x, y))


def test_what_is_shown_coarsely_is_counted_where_it_is_shown(get: Any, tile: Any, make: Factory, connection: Any):
    make.request("N-1", lat=42.34741, long=-71.09442, coarse_metres=1000)
    shown = connection.execute(
        "select st_y(public_location), st_x(public_location) from service_request where number = 'N-1'"
    ).fetchone()

    (found,) = read_json(get("clusters.json", bbox=AROUND_BOSTON, zoom="12").data)
    true_place = "-71.0945,42.3474,-71.0944,42.3475"

    assert (found["lat"], found["long"]) == shown
    assert counted(get, bbox=true_place, zoom="20") == 0
    assert tile("requests", *STREET_TILE) == {}


@pytest.fixture
def districts(make: Factory) -> dict[str, Boundary]:
    """The council districts of Boston by code."""
    layer = select(Layer.id).where(Layer.jurisdiction_id == make.city().id, Layer.code == "council").scalar_subquery()
    rows = db.session.scalars(select(Boundary).where(Boundary.jurisdiction_id == make.city().id, Boundary.layer_id == layer))
    return {row.code: row for row in rows}


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        pytest.param({}, 4, id="the-newest-90-days"),
        pytest.param({"service_code": "graffiti-removal"}, 1, id="service"),
        pytest.param({"service_code": "street-light-outages,graffiti-removal"}, 4, id="services"),
        pytest.param({"service_code": "nothing"}, 0, id="no-such-service"),
        pytest.param({"status": "closed"}, 1, id="closed"),
        pytest.param({"status": "open"}, 3, id="open"),
        pytest.param({"start_date": (NOW - 2 * DAY).isoformat()}, 3, id="from"),
        pytest.param({"end_date": (NOW - 2 * DAY).isoformat()}, 1, id="until"),
        pytest.param({"start_date": (NOW - 110 * DAY).isoformat(), "end_date": (NOW - 50 * DAY).isoformat()}, 1, id="between"),
        pytest.param({"district": "council:1"}, 1, id="district"),
        pytest.param({"district": "council:1,council:2"}, 2, id="districts"),
        pytest.param({"district": ["council:1", "council:2"]}, 2, id="districts-repeated"),
        pytest.param({"district": "council:1", "status": "closed"}, 0, id="district-and-status"),
        pytest.param({"unknown": "1"}, 4, id="unknown-argument"),
    ],
)
def test_the_filters_of_lists_filter_clusters_and_tiles(
    get: Any, tile: Any, make: Factory, districts: dict[str, Boundary], arguments: dict[str, Any], count: int
):
    stamped = {"A": "1", "B": "2"}
    for number, changes in {
        "A": {},
        "B": {"closed_after": timedelta(minutes=1)},
        "C": {"service_code": "graffiti-removal"},
        "D": {"age": 3 * DAY},
        "E": {"age": 100 * DAY},
    }.items():
        row = make.request(number, **changes)
        if number in stamped:
            boundary = districts[stamped[number]]
            db.session.add(
                RequestDistrict(
                    jurisdiction_id=row.jurisdiction_id,
                    request_id=row.id,
                    boundary_id=boundary.id,
                    requested_at=row.requested_at,
                )
            )
    db.session.flush()

    assert counted(get, **arguments) == on_map(tile, **arguments) == count


@pytest.fixture
def spread(make: Factory) -> None:
    """Two hundred requests in Boston, some in one place, some on the lines of a grid."""
    for number in range(200):
        make.request(f"S-{number}", long=-71.2 + number % 20 * 0.015625, lat=42.25 + number // 20 % 8 * 0.03125)


@pytest.mark.usefixtures("spread")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_counts_of_clusters_sum_to_the_requests_in_the_box(get: Any, data: st.DataObject):
    west, east = sorted(data.draw(st.tuples(*[st.integers(0, 64).map(lambda n: -71.25 + n / 128)] * 2)))
    south, north = sorted(data.draw(st.tuples(*[st.integers(0, 64).map(lambda n: 42.2 + n / 128)] * 2)))
    zoom = data.draw(st.integers(0, 13))

    with driver.connection() as connection:
        (inside,) = connection.execute(
            "select count(*) from service_request where is_public and st_intersects(public_location,"
            " st_makeenvelope(%s, %s, %s, %s, 4326))",
            [west, south, east, north],
        ).fetchone() or (None,)

    found = read_json(get("clusters.json", bbox=f"{west},{south},{east},{north}", zoom=str(zoom)).data)
    assert sum(each["count"] for each in found) == inside
    assert len({(each["bbox"]["west"], each["bbox"]["south"]) for each in found}) == len(found)


@pytest.mark.usefixtures("spread")
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(z=st.integers(0, 17), seed=st.integers(0, 199))
def test_a_tile_counts_what_the_clusters_of_its_square_count(get: Any, tile: Any, z: int, seed: int):
    long, lat = -71.2 + seed % 20 * 0.015625, 42.25 + seed // 20 % 8 * 0.03125
    x, y = column_of(long, z) // CELLS, row_of(lat, z) // CELLS

    drawn = tile("requests", z, x, y)

    grid = Tile(z=z, x=x, y=y).grid
    with driver.connection() as connection:
        (inside,) = connection.execute(
            "select count(*) from service_request where is_public and st_x(public_location) >= %s"
            " and st_x(public_location) < %s and st_y(public_location) >= %s and st_y(public_location) < %s",
            [grid.meridians[0], grid.meridians[-1], grid.parallels[0], grid.parallels[-1]],
        ).fetchone() or (None,)
    alone, several = drawn.get("requests", []), drawn.get("clusters", [])
    assert len(alone) + sum(each["properties"]["count"] for each in several) == inside > 0
    assert max(Counter(each["properties"]["service_request_id"] for each in alone).values(), default=1) == 1


@pytest.mark.usefixtures("spread")
@pytest.mark.parametrize("kind", ["clusters", "tile", "lone tile"])
def test_an_index_finds_the_requests_of_a_box(make: Factory, connection: "Connection[Any]", kind: str):
    connection.execute("analyze service_request")
    filters = MapFilters(
        service_codes=None, status=None, requested_from=NOW - 90 * DAY, requested_to=None, districts=None, now=NOW
    )
    grid = Grid.within((-71.21, 42.24, -71.19, 42.26), zoom=12)
    values = clusters._values(connection, grid, filters, jurisdiction_id=make.city().id)
    statement = {"clusters": clusters._clusters, "tile": clusters._tile, "lone tile": clusters._lone_tile}[kind](
        clusters._used(values)
    )
    given = {"z": 12, "x": 0, "y": 0, **values}
    parameters = [given[name] if name in given else statement.constants[name] for name in statement.names]
    # In a table of a few rows reading all of it is cheapest.
    connection.execute("set local enable_seqscan = off")

    plan = RawCursor(connection, row_factory=tuple_row).execute(f"explain {statement.text}".encode(), parameters)

    assert "ix_service_request_public_place" in "\n".join(row[0] for row in plan)


# What is asked wrongly


@pytest.mark.parametrize("layer", ["council", "requests"])
@pytest.mark.parametrize(
    ("place", "says"),
    [
        pytest.param("23/0/0", "z must be a whole number from 0 to 22, got 23", id="z-too-large"),
        pytest.param("-1/0/0", "z must be a whole number from 0 on, got '-1'", id="z-negative"),
        pytest.param("a/0/0", "z must be a whole number from 0 on, got 'a'", id="z-no-number"),
        pytest.param("3/8/0", "x must be a whole number from 0 to 7 at zoom 3, got 8", id="x-too-large"),
        pytest.param("3/0/8", "y must be a whole number from 0 to 7 at zoom 3, got 8", id="y-too-large"),
        pytest.param("3/1.5/0", "x must be a whole number from 0 on, got '1.5'", id="x-broken"),
        pytest.param("3/0/9999999999", "y must be a whole number", id="y-endless"),
    ],
)
def test_a_place_that_is_no_tile_is_named(get: Any, layer: str, place: str, says: str):
    answer = get(f"tiles/{layer}/{place}.mvt")

    assert answer.status_code == 400
    (problem,) = read_json(answer.data)
    assert says in problem["description"]


def test_a_tile_of_an_unknown_layer_is_404(get: Any):
    answer = get("tiles/nothing/0/0/0.mvt")

    assert (answer.status_code, read_json(answer.data)) == (404, [{"code": 404, "description": "layer nothing was not found"}])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param({"bbox": ""}, "bbox must be west,south,east,north", id="no-bbox"),
        pytest.param({"bbox": "1,2,3"}, "bbox must be west,south,east,north", id="bbox-of-three"),
        pytest.param({"bbox": "1,2,3,x"}, "lat must be a number from -90 to 90, got 'x'", id="bbox-no-number"),
        pytest.param({"bbox": "1,2,181,3"}, "long must be a number from -180 to 180, got '181'", id="bbox-out-of-range"),
        pytest.param({"bbox": "1,3,2,2"}, "bbox must have its south before its north", id="bbox-upside-down"),
        pytest.param({"zoom": ""}, "zoom must be a whole number from 0 to 22", id="no-zoom"),
        pytest.param({"zoom": "23"}, "zoom must be a whole number from 0 to 22, got '23'", id="zoom"),
        pytest.param({"bbox": "-180,-90,180,90", "zoom": "9"}, "zoom must be at most 5 for a bbox", id="too-many-cells"),
        pytest.param({"status": "lost"}, "status must be open or closed, got 'lost'", id="status"),
        pytest.param({"district": "council"}, "district must be LAYER:CODE, got 'council'", id="district"),
        pytest.param({"start_date": "now"}, "start_date must be a date and time", id="start-date"),
    ],
)
def test_a_malformed_argument_of_clusters_is_named(get: Any, arguments: dict[str, str], says: str):
    answer = get("clusters.json", **{"bbox": AROUND_BOSTON, "zoom": "12", **arguments})

    assert answer.status_code == 400
    assert says in answer.text


def test_a_district_that_is_not_there_is_404(get: Any):
    for path in ("tiles/requests/0/0/0.mvt", "clusters.json"):
        answer = get(path, bbox=AROUND_BOSTON, zoom="12", district="council:1,council:99")

        assert (answer.status_code, "district council:99 was not found" in answer.text) == (404, True)


def test_a_malformed_filter_of_tiles_is_named(get: Any):
    assert "status must be open or closed" in get("tiles/requests/0/0/0.mvt", status="lost").text
    assert "at must be a date and time" in get("tiles/council/0/0/0.mvt", at="soon").text


def test_clusters_speak_to_scripts_and_every_page(get: Any, client: FlaskClient, make: Factory):
    make.request()

    answer = get("clusters.geojson", bbox=AROUND_BOSTON, zoom="12", callback="draw")

    assert answer.data.startswith(b"draw(")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert client.options(f"{BASE}/tiles/requests/0/0/0.mvt").status_code == 204
    assert client.head(f"{BASE}/tiles/requests/0/0/0.mvt?jurisdiction_id={BOSTON}").status_code == 200
