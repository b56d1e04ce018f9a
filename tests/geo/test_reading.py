"""Maps in every format and coordinate system become the same boundaries, or a message that says what would do."""

import json
import logging
import os
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from math import atan, degrees, exp, pi
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
from psycopg import Connection
from pyogrio.errors import DataSourceError
from pyogrio.raw import read
from shapely import MultiPolygon, Point, Polygon, box, hausdorff_distance, union_all

from geo import gisfiles
from geo.importing import BadBoundaries, NewBoundary, read_boundaries, read_geojson
from open311.config import CHECKOUT
from tests.geo.maps import SHAPEFILE, draw, in_crs, unpacked, zipped

CENTIMETRE_DEGREES = 1e-7
HOLE = box(-71.11, 42.31, -71.09, 42.33)
WITH_HOLE_AND_ISLAND = MultiPolygon(
    [Polygon(box(-71.12, 42.30, -71.08, 42.34).exterior, [HOLE.exterior]), box(-71.06, 42.30, -71.05, 42.31)]
)
DISTRICTS = [WITH_HOLE_AND_ISLAND, MultiPolygon([HOLE])]
US_FEET = box(775000, 2956000, 776000, 2957000)
BOW_TIE = Polygon([(775000, 2956000), (776000, 2957000), (776000, 2956000), (775000, 2957000)])

Read = Callable[..., list[NewBoundary]]


@pytest.fixture
def reading(connection: "Connection[Any]", capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Read:
    """read_boundaries on the test's connection; GDAL must keep silent about what is ours to say."""

    def run(path: Path, **options: Any) -> list[NewBoundary]:
        with caplog.at_level(logging.WARNING):
            try:
                return read_boundaries(connection, path, **options)
            finally:
                assert capfd.readouterr() == ("", "")
                assert caplog.records == []

    return run


@pytest.fixture
def problems(reading: Read) -> Callable[..., list[str]]:
    """What is wrong with a file, each message cut to the file's own name."""

    def run(path: Path, **options: Any) -> list[str]:
        with pytest.raises(BadBoundaries) as refused:
            reading(path, **options)
        return [message.removeprefix(f"{path.parent}/") for message in refused.value.messages]

    return run


@pytest.mark.parametrize("suffix", [".shp", ".gpkg", ".geojson"])
@pytest.mark.parametrize(
    "crs",
    [
        pytest.param("EPSG:2249", id="massachusetts-us-feet"),
        pytest.param("EPSG:3857", id="web-mercator"),
        pytest.param("EPSG:32619", id="utm-19-north"),
        pytest.param("EPSG:4326", id="degrees"),
    ],
)
def test_a_map_is_read_to_a_centimetre_in_whatever_format_and_coordinate_system(
    reading: Read, connection: "Connection[Any]", tmp_path: Path, suffix: str, crs: str
):
    # GDAL writes seven decimals for degrees and for metres alike, unless it is told to write the old standard.
    options = {"RFC7946": "NO", "COORDINATE_PRECISION": 9} if suffix == ".geojson" else {}
    file = draw(tmp_path / f"ward{suffix}", [in_crs(connection, area, crs) for area in DISTRICTS], crs=crs, **options)

    found = reading(file)

    assert [each.code for each in found] == ["A", "B"]
    assert [each.repaired for each in found] == [None, None]
    for boundary, area in zip(found, DISTRICTS, strict=True):
        assert boundary.area.is_valid
        assert hausdorff_distance(boundary.area, area) < CENTIMETRE_DEGREES


def test_web_mercator_lands_where_its_formula_says(reading: Read, tmp_path: Path):
    radius_metres = 6378137.0
    east, north = -7914000.0, 5210000.0

    (found,) = reading(draw(tmp_path / "ward.gpkg", [box(east, north, east + 100, north + 100)], crs="EPSG:3857"))

    west, south, _, _ = found.area.bounds
    assert west == pytest.approx(degrees(east / radius_metres), abs=1e-9)
    assert south == pytest.approx(degrees(2 * atan(exp(north / radius_metres)) - pi / 2), abs=1e-9)


def test_a_coordinate_system_in_wkt_alone_is_understood(reading: Read, tmp_path: Path):
    file = draw(tmp_path / "ward.shp", [US_FEET], crs="EPSG:2249")
    prj = file.with_suffix(".prj")
    (expected,) = reading(file)

    # Of no register: a false easting that nobody has given a number.
    prj.write_text(prj.read_text().replace("NAD_1983_StatePlane_Massachusetts_Mainland_FIPS_2001_Feet", "Our_Own_Grid"))
    prj.write_text(prj.read_text().replace("656166.667", "656266.667"))
    (shifted,) = reading(file)

    # A hundred US feet further west.
    assert hausdorff_distance(shifted.area, expected.area) * 111320 * 0.739 == pytest.approx(30.48, rel=0.01)


@pytest.mark.parametrize(
    "crs",
    [
        pytest.param("EPSG:2249", id="code"),
        pytest.param("urn:ogc:def:crs:EPSG::2249", id="urn"),
        pytest.param(
            "+proj=lcc +lat_0=41 +lon_0=-71.5 +lat_1=42.6833333333333 +lat_2=41.7166666666667 +x_0=200000.0001016 "
            "+y_0=750000 +datum=NAD83 +units=us-ft +no_defs",
            id="proj-text",
        ),
    ],
)
@pytest.mark.parametrize("suffix", [".shp", ".gpkg"])
def test_a_file_that_names_no_coordinate_system_is_read_in_the_given_one(reading: Read, tmp_path: Path, suffix: str, crs: str):
    (expected,) = reading(draw(tmp_path / "named.gpkg", [US_FEET], crs="EPSG:2249"))

    (found,) = reading(draw(tmp_path / f"ward{suffix}", [US_FEET], crs=None), crs=crs)

    assert hausdorff_distance(found.area, expected.area) < CENTIMETRE_DEGREES


def test_the_precincts_in_us_feet_cover_boston(reading: Read, tmp_path: Path):
    found = reading(unpacked("boston_precincts_epsg2249_raw.geojson", tmp_path), code_property="WARD_PRECINCT", crs="EPSG:2249")

    (boston,) = read_geojson(CHECKOUT / "fixtures/boston/boundaries/city.geojson")
    land = union_all([each.area for each in found])
    assert len(found) == 255
    assert land.intersection(boston.area).area > 0.99 * land.area
    assert land.intersection(boston.area).area > 0.96 * boston.area.area  # the rest is the harbour's
    assert [each.repaired for each in found if each.repaired] == [
        "Ring Self-intersection[775133.0234375 2923709.8359375]",
        "Ring Self-intersection[771286.250042036 2955651.99988455]",
    ]


@pytest.mark.parametrize(
    ("precinct", "long", "lat"),
    [
        pytest.param("0503", -71.0648, 42.3574, id="33-beacon-st"),
        pytest.param("1204", -71.0802, 42.3198, id="33-clifford-st"),
        pytest.param("1815", -71.1174, 42.2597, id="1045-river-st"),
        pytest.param("0201", -71.0633, 42.3734, id="54-harvard-st"),
        pytest.param("1906", -71.1127, 42.3126, id="27-green-st"),
        pytest.param("2211", -71.1572, 42.3572, id="235-parsons-st"),
    ],
)
def test_an_address_of_boston_lies_in_the_precinct_that_the_city_recorded(
    reading: Read, tmp_path: Path, precinct: str, long: float, lat: float
):
    found = reading(unpacked("boston_precincts_epsg2249_raw.geojson", tmp_path), code_property="WARD_PRECINCT", crs="EPSG:2249")

    assert [each.code for each in found if each.area.covers(Point(long, lat))] == [precinct]


def test_us_feet_that_pretend_to_be_degrees_are_refused_with_what_would_do(problems: Callable[..., list[str]], tmp_path: Path):
    file = unpacked("boston_precincts_epsg2249_raw.geojson", tmp_path)

    assert problems(file, code_property="WARD_PRECINCT") == [
        "boston_precincts_epsg2249_raw.geojson:1: coordinates are no longitude and latitude (739594.1 2908187.3 to 803687.5 "
        "2970072.8), and the file names no other coordinate system: say which one it is drawn in with --crs EPSG:NNNN"
    ]


@pytest.mark.parametrize("year", [2013, 2023])
def test_the_council_districts_of_new_york_are_read_whole(reading: Read, tmp_path: Path, year: int):
    found = reading(unpacked(f"nyc_council_districts_{year}.geojson", tmp_path), code_property="geography_value")

    assert [each.code for each in found] == [f"{number:02}" for number in range(1, 52)]
    assert all(each.area.is_valid and not each.area.is_empty for each in found)


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        pytest.param(np.array([1.0, 12.0]), ["1", "12"], id="whole-numbers-with-a-point"),
        pytest.param(np.array([1.5, 2.25]), ["1.5", "2.25"], id="fractions"),
        pytest.param(np.array([1, 9007199254740993], dtype=np.int64), ["1", "9007199254740993"], id="large-numbers"),
        pytest.param(["0102", " 3 "], ["0102", "3"], id="text-with-zeros-and-blanks"),
    ],
)
@pytest.mark.parametrize("suffix", [".shp", ".gpkg"])
def test_codes_are_read_as_clean_text(reading: Read, tmp_path: Path, suffix: str, values: Any, codes: list[str]):
    found = reading(draw(tmp_path / f"ward{suffix}", DISTRICTS, crs="EPSG:4326", fields={"code": values}))

    assert [each.code for each in found] == codes


@pytest.mark.parametrize("encoding", ["UTF-8", "ISO-8859-1", "CP1251"])
def test_names_are_read_in_the_encoding_that_the_file_names(reading: Read, tmp_path: Path, encoding: str):
    name = "Москва" if encoding == "CP1251" else "Montréal"
    file = draw(
        tmp_path / "ward.shp", DISTRICTS[:1], crs="EPSG:4326", fields={"code": ["A"], "name": [name]}, encoding=encoding
    )

    (found,) = reading(file)

    assert found.name == name


def test_names_in_utf_8_are_recognised_where_nothing_names_an_encoding(reading: Read, tmp_path: Path):
    file = draw(tmp_path / "ward.shp", DISTRICTS[:1], crs="EPSG:4326", fields={"code": ["A"], "name": ["Montréal"]})
    file.with_suffix(".cpg").unlink()

    (found,) = reading(file)

    assert found.name == "Montréal"


@pytest.mark.parametrize("suffix", [".shp", ".gpkg"])
def test_other_properties_can_hold_code_and_name_in_every_format(reading: Read, tmp_path: Path, suffix: str):
    fields = {"WARD": [7], "LABEL": ["Seventh"]}

    (found,) = reading(
        draw(tmp_path / f"ward{suffix}", DISTRICTS[:1], crs="EPSG:4326", fields=fields),
        code_property="WARD",
        name_property="LABEL",
    )

    assert (found.code, found.name) == ("7", "Seventh")


@pytest.mark.parametrize("suffix", [".shp", ".gpkg"])
def test_heights_are_left_out_in_every_format(reading: Read, tmp_path: Path, suffix: str):
    high = Polygon([(-71.1, 42.3, 9), (-71.0, 42.3, 9), (-71.0, 42.4, 9)])

    (found,) = reading(draw(tmp_path / f"ward{suffix}", [high], crs="EPSG:4326", geometry_type="Polygon Z"))

    assert not found.area.has_z


@pytest.mark.parametrize("suffix", [".shp", ".gpkg"])
def test_a_crossing_polygon_is_repaired_and_named_in_the_coordinates_of_its_file(reading: Read, tmp_path: Path, suffix: str):
    file = draw(tmp_path / f"ward{suffix}", [US_FEET, BOW_TIE], crs="EPSG:2249", geometry_type="Polygon")

    whole, repaired = reading(file)

    assert whole.repaired is None
    assert repaired.repaired is not None and "Self-intersection[775500 2956500]" in repaired.repaired
    assert repaired.area.is_valid
    assert repaired.area.area == pytest.approx(whole.area.area / 2, rel=1e-3)


def test_a_zipped_shapefile_is_read_in_whichever_folder_it_lies(reading: Read, tmp_path: Path):
    file = draw(tmp_path / "ward.shp", DISTRICTS, crs="EPSG:4326")

    found = reading(zipped(file, within="export/2026/"))

    assert found == reading(file)


def test_what_macos_adds_to_an_archive_is_no_second_map(reading: Read, tmp_path: Path):
    archive = zipped(draw(tmp_path / "ward.shp", DISTRICTS, crs="EPSG:4326"))
    with ZipFile(archive, "a") as target:
        target.writestr("__MACOSX/._ward.shp", b"\x00\x05\x16\x07")

    assert [each.code for each in reading(archive)] == ["A", "B"]


def test_the_parts_of_a_shapefile_may_be_named_in_capitals(reading: Read, tmp_path: Path):
    file = draw(tmp_path / "ward.shp", DISTRICTS, crs="EPSG:4326")
    for suffix in SHAPEFILE:
        file.with_suffix(suffix).rename(file.with_suffix(suffix.upper()))

    assert [each.code for each in reading(file.with_suffix(".SHP"))] == ["A", "B"]


def test_one_of_several_layers_is_read_by_name(reading: Read, tmp_path: Path):
    file = tmp_path / "maps.gpkg"
    draw(file, DISTRICTS, crs="EPSG:4326", layer="ward")
    draw(file, [US_FEET], crs="EPSG:2249", layer="precinct", append=True)

    assert len(reading(file, sublayer="ward")) == 2
    assert len(reading(file, sublayer="precinct")) == 1


def test_one_of_several_shapefiles_in_an_archive_is_read_by_name(reading: Read, tmp_path: Path):
    archive = zipped(draw(tmp_path / "ward.shp", DISTRICTS, crs="EPSG:4326"))
    draw(tmp_path / "beat.shp", DISTRICTS[:1], crs="EPSG:4326")
    with ZipFile(archive, "a") as target:
        for suffix in SHAPEFILE:
            target.write(tmp_path / f"beat{suffix}", f"police/beat{suffix}")

    assert len(reading(archive, sublayer="police/beat")) == 1


class TestCoordinateSystems:
    """The file's own word, --crs, and what they may say together."""

    def test_a_file_that_names_another_than_the_given_one_is_refused_with_both(
        self, problems: Callable[..., list[str]], tmp_path: Path
    ):
        file = draw(tmp_path / "ward.gpkg", [US_FEET], crs="EPSG:2249")

        assert problems(file, crs="EPSG:26986") == [
            "ward.gpkg: the file says that it is drawn in EPSG:2249, and --crs says EPSG:26986: leave --crs away, or correct "
            "the file"
        ]

    def test_a_given_one_that_means_the_same_by_another_name_is_no_contradiction(self, reading: Read, tmp_path: Path):
        file = draw(tmp_path / "ward.gpkg", [US_FEET], crs="EPSG:2249")

        assert reading(file, crs="ESRI:102686") == reading(file)

    def test_the_crs_member_of_old_geojson_is_the_word_of_the_file(
        self, reading: Read, problems: Callable[..., list[str]], tmp_path: Path
    ):
        file = _geojson(tmp_path, US_FEET, crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::2249"}})

        assert reading(file) == reading(_geojson(tmp_path, US_FEET), crs="EPSG:2249")
        file = _geojson(tmp_path, US_FEET, crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::2249"}})
        assert "and --crs says EPSG:26986" in problems(file, crs="EPSG:26986")[0]

    @pytest.mark.parametrize("member", [3, {"type": "link"}, {"type": "name", "properties": {"name": 4326}}], ids=repr)
    def test_a_crs_member_that_names_nothing_is_refused(self, problems: Callable[..., list[str]], tmp_path: Path, member: Any):
        (found,) = problems(_geojson(tmp_path, US_FEET, crs=member))

        assert found.startswith("ward.geojson:1: crs must name a coordinate system")

    def test_a_city_folder_takes_degrees_only_and_says_so(self, tmp_path: Path):
        file = _geojson(tmp_path, US_FEET, crs={"type": "name", "properties": {"name": "EPSG:2249"}})

        with pytest.raises(BadBoundaries, match=r"must be drawn in longitude and latitude .* the file says EPSG:2249"):
            read_geojson(file)

    @pytest.mark.parametrize("crs", ["2249", "nonsense", "EPSG:999999", "", "EPSG:2249\0", "http://127.0.0.1/crs"], ids=ascii)
    def test_a_given_one_that_is_not_known_is_refused(self, problems: Callable[..., list[str]], tmp_path: Path, crs: str):
        file = draw(tmp_path / "ward.shp", [US_FEET], crs=None)

        assert problems(file, crs=crs) == [
            f"ward.shp: --crs must be a coordinate system such as EPSG:2249, got {crs!r}"
        ]  # fmt: skip

    def test_a_refusal_leaves_the_transaction_of_the_caller_as_it_was(
        self, problems: Callable[..., list[str]], connection: "Connection[Any]", tmp_path: Path
    ):
        connection.execute("create temp table kept (value int)")

        problems(draw(tmp_path / "ward.shp", [US_FEET], crs=None), crs="nonsense")

        assert connection.execute("select count(*) from kept").fetchone() == (0,)

    @pytest.mark.parametrize("suffix", [".shp", ".gpkg"])
    def test_none_at_all_is_refused(self, problems: Callable[..., list[str]], tmp_path: Path, suffix: str):
        assert problems(draw(tmp_path / f"ward{suffix}", [US_FEET], crs=None)) == [
            f"ward{suffix}: names no coordinate system: say which one it is drawn in with --crs EPSG:NNNN"
        ]

    @pytest.mark.parametrize("srs_id", [-1, 0], ids=["plane", "degrees"])
    def test_a_geopackage_that_calls_its_own_undefined_names_none(
        self, reading: Read, problems: Callable[..., list[str]], tmp_path: Path, srs_id: int
    ):
        file = draw(tmp_path / "ward.gpkg", [US_FEET], crs="EPSG:2249")
        with closing(sqlite3.connect(file)) as package:
            package.execute("update gpkg_geometry_columns set srs_id = ?", [srs_id])
            package.execute("update gpkg_contents set srs_id = ?", [srs_id])
            package.commit()

        assert problems(file) == [
            "ward.gpkg: names no coordinate system: say which one it is drawn in with --crs EPSG:NNNN"
        ]  # fmt: skip
        assert len(reading(file, crs="EPSG:2249")) == 1

    @pytest.mark.parametrize("text", ["Massachusetts, feet", "PROJCS[", "\0\1\2"], ids=ascii)
    def test_a_prj_that_cannot_be_understood_is_refused_but_for_a_given_one(
        self, reading: Read, problems: Callable[..., list[str]], tmp_path: Path, text: str
    ):
        file = draw(tmp_path / "ward.shp", [US_FEET], crs=None)
        file.with_suffix(".prj").write_text(text)

        assert problems(file) == [
            f"ward.shp: names a coordinate system that is not known ({text!r}): say which one it is with --crs EPSG:NNNN"
        ]
        assert len(reading(file, crs="EPSG:2249")) == 1

    def test_degrees_in_a_file_that_says_feet_are_refused(self, problems: Callable[..., list[str]], tmp_path: Path):
        (found,) = problems(draw(tmp_path / "ward.gpkg", DISTRICTS, crs="EPSG:2249"))

        assert found.endswith(" are longitude and latitude already, and not in EPSG:2249")

    def test_feet_in_a_file_that_says_degrees_are_refused(self, problems: Callable[..., list[str]], tmp_path: Path):
        assert problems(draw(tmp_path / "ward.gpkg", [US_FEET], crs="EPSG:4326")) == [
            "ward.gpkg: coordinates (775000 2956000 to 776000 2957000) cannot be in EPSG:4326"
        ]


class TestBadFiles:
    """Every way in which a file can be no map."""

    @pytest.mark.parametrize(
        ("suffix", "told"),
        [
            pytest.param(".shx", "there is no .shx with it, which holds where each shape begins", id="index"),
            pytest.param(".dbf", "there is no .dbf with it, which holds codes and names", id="table"),
        ],
    )
    def test_a_part_of_a_shapefile_that_is_missing_is_named(
        self, problems: Callable[..., list[str]], tmp_path: Path, suffix: str, told: str
    ):
        file = draw(tmp_path / "ward.shp", DISTRICTS, crs="EPSG:4326")
        file.with_suffix(suffix).unlink()

        assert problems(file) == [f"ward.shp: {told}"]
        assert problems(zipped(file)) == [f"ward.zip: {told}"]

    @pytest.mark.parametrize("suffix", [".shp", ".shx", ".dbf"])
    def test_a_part_of_a_shapefile_that_is_cut_off_is_named(
        self, problems: Callable[..., list[str]], tmp_path: Path, suffix: str
    ):
        file = draw(tmp_path / "ward.shp", DISTRICTS, crs="EPSG:4326")
        part = file.with_suffix(suffix)
        size = part.stat().st_size
        os.truncate(part, size - 5)

        (found,) = problems(file)

        assert found.startswith(f"ward.shp: its {suffix} is cut off: {size - 5} of ")

    def test_parts_of_two_maps_are_no_shapefile(self, problems: Callable[..., list[str]], tmp_path: Path):
        file = draw(tmp_path / "ward.shp", DISTRICTS, crs="EPSG:4326")
        draw(tmp_path / "beat.shp", DISTRICTS[:1], crs="EPSG:4326").with_suffix(".dbf").rename(file.with_suffix(".dbf"))

        assert problems(file) == ["ward.shp: its .shx has 2 shapes and its .dbf 1 rows: they are not of one map"]

    def test_a_geopackage_that_is_cut_off_is_told(self, problems: Callable[..., list[str]], tmp_path: Path):
        file = draw(tmp_path / "ward.gpkg", DISTRICTS, crs="EPSG:4326")
        os.truncate(file, 20000)

        (found,) = problems(file)

        assert found.startswith("ward.gpkg: is cut off: 20,000 of ")

    def test_a_geopackage_with_garbage_inside_is_told(self, problems: Callable[..., list[str]], tmp_path: Path):
        file = draw(tmp_path / "ward.gpkg", DISTRICTS, crs="EPSG:4326")
        content = bytearray(file.read_bytes())
        content[100:] = b"\x5a" * (len(content) - 100)
        file.write_bytes(content)

        (found,) = problems(file)

        assert found.startswith("ward.gpkg: cannot be read: ")
        assert "/" not in found

    @pytest.mark.parametrize(
        ("name", "content", "told"),
        [
            pytest.param("a.shp", b"", "there is no .shx with it, which holds where each shape begins", id="empty-shp"),
            pytest.param("a.gpkg", b"", "is no GeoPackage", id="empty-gpkg"),
            pytest.param("a.gpkg", b"SQLite format 3\0" + bytes(100), "is no GeoPackage", id="another-database"),
            pytest.param("a.zip", b"", "is no zip archive that can be read: File is not a zip file", id="empty-zip"),
            pytest.param("a.geojson", b"", ":1: not JSON: Expecting value", id="empty-geojson"),
            pytest.param("a.gpkg", b"code,name\nA,B\n", "is no GeoPackage", id="text-gpkg"),
            pytest.param("a.csv", b"code\n", "must be one of .geojson, .json, .shp, .zip, .gpkg", id="another-format"),
        ],
    )
    def test_a_file_that_is_not_what_it_is_called_is_told(
        self, problems: Callable[..., list[str]], tmp_path: Path, name: str, content: bytes, told: str
    ):
        file = tmp_path / name
        file.write_bytes(content)

        assert problems(file) == [f"{name}{told}" if told.startswith(":") else f"{name}: {told}"]

    @pytest.mark.parametrize("text", ["", "code,name\nA,Alpha\n"], ids=["nothing", "text"])
    def test_a_shp_that_is_none_is_told_though_its_parts_are_there(
        self, problems: Callable[..., list[str]], tmp_path: Path, text: str
    ):
        file = draw(tmp_path / "ward.shp", DISTRICTS, crs="EPSG:4326")
        file.write_text(text)

        assert problems(file) == ["ward.shp: its .shp is no part of a Shapefile"]

    @pytest.mark.parametrize("suffix", [".shp", ".gpkg"])
    def test_a_map_without_features_is_told(self, problems: Callable[..., list[str]], tmp_path: Path, suffix: str):
        file = draw(tmp_path / f"ward{suffix}", [], crs="EPSG:4326", fields={"code": np.array([], dtype=object)})

        assert problems(file) == [f"ward{suffix}: holds no features"]

    def test_a_directory_is_told(self, problems: Callable[..., list[str]], tmp_path: Path):
        (tmp_path / "ward.gdb").mkdir()

        assert problems(tmp_path / "ward.gdb") == ["ward.gdb: is a directory and no file"]

    def test_a_file_that_is_not_there_is_told(self, problems: Callable[..., list[str]], tmp_path: Path):
        assert problems(tmp_path / "ward.shp") == ["ward.shp: cannot be read: No such file or directory"]

    def test_a_pipe_is_not_waited_for(self, problems: Callable[..., list[str]], tmp_path: Path):
        os.mkfifo(tmp_path / "ward.shp")

        assert problems(tmp_path / "ward.shp") == ["ward.shp: is a device and no file"]

    def test_several_layers_are_named_until_one_is_chosen(self, problems: Callable[..., list[str]], tmp_path: Path):
        file = tmp_path / "maps.gpkg"
        draw(file, DISTRICTS, crs="EPSG:4326", layer="ward")
        draw(file, DISTRICTS, crs="EPSG:4326", layer="beat", append=True)

        assert problems(file) == ["maps.gpkg: has several layers, one must be named (--sublayer): beat, ward"]
        assert problems(file, sublayer="city") == ["maps.gpkg: has no layer 'city' (--sublayer): beat, ward"]

    def test_a_layer_within_geojson_cannot_be_asked_for(self, problems: Callable[..., list[str]], tmp_path: Path):
        (found,) = problems(_geojson(tmp_path, DISTRICTS[0]), sublayer="ward")

        assert found == "ward.geojson:1: is GeoJSON, which has no layers within (--sublayer ward)"

    def test_an_archive_without_a_shapefile_is_told(self, problems: Callable[..., list[str]], tmp_path: Path):
        with ZipFile(tmp_path / "ward.zip", "w") as archive:
            archive.writestr("readme.txt", "nothing here")

        assert problems(tmp_path / "ward.zip") == ["ward.zip: holds no .shp"]

    def test_an_archive_that_unfolds_without_end_is_stopped(
        self, problems: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(gisfiles, "MAX_BYTES", 4 * 1024 * 1024)
        with ZipFile(tmp_path / "ward.zip", "w", ZIP_DEFLATED) as archive:
            archive.writestr("ward.shp", bytes(3 * 1024 * 1024))
            archive.writestr("ward.dbf", bytes(3 * 1024 * 1024))

        assert problems(tmp_path / "ward.zip") == ["ward.zip: holds more than 4 MB"]

    def test_an_archive_that_is_damaged_is_told(self, problems: Callable[..., list[str]], tmp_path: Path):
        archive = zipped(draw(tmp_path / "ward.shp", DISTRICTS, crs="EPSG:4326"))
        content = bytearray(archive.read_bytes())
        content[60:90] = bytes(30)
        archive.write_bytes(content)

        (found,) = problems(archive)

        assert found.startswith("ward.zip: is no zip archive that can be read: ")

    def test_text_in_another_encoding_than_the_named_one_is_told(self, problems: Callable[..., list[str]], tmp_path: Path):
        fields = {"code": ["A"], "name": ["Montréal"]}
        file = draw(tmp_path / "ward.shp", DISTRICTS[:1], crs="EPSG:4326", fields=fields, encoding="ISO-8859-1")
        file.with_suffix(".cpg").write_text("UTF-8")

        (found,) = problems(file)

        assert found.startswith("ward.shp: its text is not in the encoding that it names: ")

    @pytest.mark.parametrize("suffix", [".shp", ".gpkg"])
    def test_features_that_cannot_be_used_are_named_by_their_number(
        self, problems: Callable[..., list[str]], tmp_path: Path, suffix: str
    ):
        codes = np.array(["A", None, "A", "D"], dtype=object)
        areas = [*DISTRICTS, DISTRICTS[0], None]
        file = draw(tmp_path / f"ward{suffix}", areas, crs="EPSG:4326", fields={"code": codes})

        assert problems(file) == [
            f"ward{suffix}: feature 2: has no property 'code'",
            f"ward{suffix}: feature 3: code 'A' stands twice",
            f"ward{suffix}: feature 4: must have a Polygon or MultiPolygon",
        ]

    def test_numbers_of_which_one_is_null_are_refused_for_that_one(self, problems: Callable[..., list[str]], tmp_path: Path):
        file = draw(tmp_path / "ward.gpkg", DISTRICTS, crs="EPSG:4326", fields={"code": np.array([1.0, np.nan])})

        assert problems(file) == ["ward.gpkg: feature 2: has no property 'code'"]

    @pytest.mark.parametrize("suffix", [".shp", ".gpkg", ".geojson"])
    def test_a_property_that_the_file_has_not_is_told_with_those_it_has(
        self, problems: Callable[..., list[str]], tmp_path: Path, suffix: str
    ):
        file = draw(tmp_path / f"ward{suffix}", DISTRICTS[:1], crs="EPSG:4326", fields={"WARD": [7], "LABEL": ["Seventh"]})

        (found,) = problems(file)

        assert found.endswith("no feature has the property 'code'; there are: WARD, LABEL")

    def test_points_are_no_boundaries(self, problems: Callable[..., list[str]], tmp_path: Path):
        file = draw(tmp_path / "ward.gpkg", [Point(-71, 42)], crs="EPSG:4326", geometry_type="Point")

        assert problems(file) == ["ward.gpkg: feature 1: must have a Polygon or MultiPolygon"]

    @pytest.mark.parametrize("suffix", [".shp", ".gpkg"])
    def test_a_file_that_speaks_of_a_server_reaches_none(self, problems: Callable[..., list[str]], tmp_path: Path, suffix: str):
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(0.2)
            source = f"/vsicurl/http://127.0.0.1:{server.getsockname()[1]}/ward.geojson"
            file = tmp_path / f"ward{suffix}"
            layer = f"<OGRVRTLayer name='x'><SrcDataSource>{source}</SrcDataSource></OGRVRTLayer>"
            file.write_text(f"<OGRVRTDataSource>{layer}</OGRVRTDataSource>")

            problems(file)
            with pytest.raises(DataSourceError):  # nor would GDAL, were it asked
                read(source)

            with pytest.raises(TimeoutError):
                server.accept()


def _geojson(folder: Path, area: Any, **members: Any) -> Path:
    """A GeoJSON file of one feature with further members."""
    file = folder / "ward.geojson"
    feature = {"type": "Feature", "properties": {"code": "A"}, "geometry": area.__geo_interface__}
    file.write_text(json.dumps({"type": "FeatureCollection", **members, "features": [feature]}))
    return file
