"""What maps of the pages lie on."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from open311.config import BadSetting, Settings
from open311.web.basemap import Basemap, read_basemap

CREDIT = "© the city's surveyors"


def pmtiles(path: Path, kind: int) -> str:
    """A file that begins as PMTiles files do."""
    path.write_bytes(b"PMTiles\x03" + bytes(91) + bytes([kind]) + bytes(27))
    return str(path)


def test_the_outline_and_the_districts_that_have_names_are_drawn(client: FlaskClient):
    drawn = json.loads(client.get("/basemap/districts.geojson?jurisdiction_id=boston.gov").data)

    names = {each["properties"]["name"] for each in drawn["features"] if not each["properties"]["is_outline"]}
    assert "Fenway" in names
    assert [each["geometry"]["type"] for each in drawn["features"] if each["properties"]["is_outline"]] == ["MultiPolygon"]


def test_the_streets_of_a_tile_are_drawn(client: FlaskClient):
    answer = client.get("/basemap/streets/9912/12121.geojson?jurisdiction_id=boston.gov")
    drawn = json.loads(answer.data)

    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert {"Boylston St", "Jersey St"} <= {each["properties"]["name"] for each in drawn["features"]}
    for each in drawn["features"]:
        for line in each["geometry"]["coordinates"]:
            assert all(-71.2 < long < -70.9 and 42.2 < lat < 42.5 for long, lat in line)


@pytest.mark.parametrize("tile", ["32768/0", "0/32768", "-1/0", "a/b"])
def test_a_tile_that_there_is_not_is_not_found(client: FlaskClient, tile: str):
    assert client.get(f"/basemap/streets/{tile}.geojson?jurisdiction_id=boston.gov").status_code == 404


def test_without_settings_the_city_is_the_ground():
    assert read_basemap(Settings()) == Basemap(kind="own")


def test_pictures_may_come_from_the_origin_that_is_set_alone(client: FlaskClient, monkeypatch: pytest.MonkeyPatch):
    ground = read_basemap(Settings(tile_url="https://{s}.tiles.city.gov/{z}/{x}/{y}.png", tile_attribution=CREDIT))
    monkeypatch.setitem(client.application.extensions, "open311.basemap", ground)

    policy = client.get("/map?jurisdiction_id=boston.gov").headers["Content-Security-Policy"]

    assert "img-src 'self' https://*.tiles.city.gov;" in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize(("kind", "name"), [(1, "vectors"), (2, "pictures"), (5, "pictures")])
def test_a_file_of_tiles_says_itself_what_it_holds(tmp_path: Path, kind: int, name: str):
    path = pmtiles(tmp_path / "a.pmtiles", kind)

    assert read_basemap(Settings(pmtiles_path=path, tile_attribution=CREDIT)).kind == name


@pytest.mark.parametrize("content", [None, b"", b"PMTiles\x02" + bytes(120), b"PK" + bytes(200)])
def test_what_is_no_file_of_tiles_ends_the_start(tmp_path: Path, content: bytes | None):
    path = tmp_path / "a.pmtiles"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(BadSetting, match="OPEN311_PMTILES_PATH"):
        read_basemap(Settings(pmtiles_path=str(path), tile_attribution=CREDIT))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"tile_url": "https://tiles.city.gov/"}, "OPEN311_TILE_URL"),
        ({"tile_url": "/{z}/{x}/{y}.png"}, "OPEN311_TILE_URL"),
        ({"tile_url": "https://a/{z}/{x}/{y}"}, "OPEN311_TILE_ATTRIBUTION"),
        ({"tile_attribution": CREDIT}, "OPEN311_TILE_ATTRIBUTION"),
        ({"tile_url": "https://a/{z}/{x}/{y}", "pmtiles_path": "a", "tile_attribution": CREDIT}, "OPEN311_PMTILES_PATH"),
    ],
)
def test_settings_that_do_not_fit_are_refused(given: dict[str, Any], named: str):
    with pytest.raises(BadSetting, match=named):
        Settings(**given)


def test_the_file_of_tiles_is_sent_in_ranges(client: FlaskClient, settings: Any, tmp_path: Path):
    settings(pmtiles_path=pmtiles(tmp_path / "a.pmtiles", 1), tile_attribution=CREDIT)

    with client.get("/basemap.pmtiles", headers={"Range": "bytes=0-6"}) as answer:
        assert answer.status_code == 206
        assert answer.data == b"PMTiles"


def test_no_file_of_tiles_is_not_found(client: FlaskClient):
    assert client.get("/basemap.pmtiles").status_code == 404
