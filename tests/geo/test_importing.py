"""GeoJSON to boundaries: what is read, what is repaired, what is refused and how that is said."""

import json
from pathlib import Path
from typing import Any

import pytest
from shapely import box

from geo.importing import BadBoundaries, read_geojson

UNIT = [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]
BOW_TIE = [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]


def feature(code: Any = "A", coordinates: Any = UNIT, *, kind: str = "Polygon", **properties: Any) -> dict[str, Any]:
    """A feature; what is given beside code and shape are further properties."""
    known = {} if code is None else {"code": code}
    return {
        "type": "Feature",
        "properties": {**known, **properties},
        "geometry": {"type": kind, "coordinates": coordinates},
    }


def write(path: Path, *features: Any) -> Path:
    """A FeatureCollection with a feature on each line from the second on."""
    file = path / "ward.geojson"
    lines = ",\n".join(json.dumps(each) for each in features)
    file.write_text('{"type": "FeatureCollection", "features": [\n' + lines + "\n]}\n")
    return file


def problems(file: Path) -> list[str]:
    """What is wrong with the file, each with the file's name cut to its last part."""
    with pytest.raises(BadBoundaries) as refused:
        read_geojson(file)
    return [message.removeprefix(f"{file.parent}/") for message in refused.value.messages]


def test_boundaries_are_read_in_the_order_of_the_file(tmp_path: Path):
    file = write(tmp_path, feature("B", name="Back Bay"), feature("A", name="Allston"))

    found = read_geojson(file)

    assert [(each.code, each.name, each.repaired) for each in found] == [
        ("B", "Back Bay", None),
        ("A", "Allston", None),
    ]


@pytest.mark.parametrize("broken", ["\0", "\x1b", "\ud800", "\uffff"], ids=ascii)
def test_a_character_that_cannot_be_printed_is_refused_in_code_and_name(tmp_path: Path, broken: str):
    file = write(tmp_path, feature(f"A{broken}1"), feature("B", name=f"Back{broken}Bay"))

    told = f"must not hold the character U+{ord(broken):04X}, which cannot be printed"
    assert problems(file) == [
        f"ward.geojson:2: feature 1: code {told}",
        f"ward.geojson:3: feature 2: name {told}",
    ]


def test_a_directory_in_place_of_a_file_is_told(tmp_path: Path):
    file = tmp_path / "police.geojson"
    file.mkdir()

    assert problems(file) == ["police.geojson:1: cannot be read: Is a directory"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("[" * 100_000, "is nested too deeply", id="lists-in-lists"),
        pytest.param('{"a":' * 100_000, "is nested too deeply", id="objects-in-objects"),
        pytest.param("[" + "9" * 5000 + "]", "not JSON: ", id="a-number-of-thousands-of-digits"),
    ],
)
def test_json_that_cannot_be_read_is_told(tmp_path: Path, text: str, told: str):
    file = tmp_path / "ward.geojson"
    file.write_text(text)

    (found,) = problems(file)

    assert found.startswith(f"ward.geojson:1: {told}")


def test_a_number_beyond_all_degrees_is_told(tmp_path: Path):
    file = write(tmp_path, feature(coordinates=[[[0, 0], [10**400, 0], [1, 1], [0, 0]]]))

    (found,) = problems(file)

    assert found.startswith("ward.geojson:2: feature 1: has a geometry that cannot be read: ")


def test_a_polygon_becomes_a_multipolygon_of_one(tmp_path: Path):
    (found,) = read_geojson(write(tmp_path, feature()))

    assert found.area.geom_type == "MultiPolygon"
    assert found.area.equals(box(0, 0, 1, 1))


def test_other_properties_can_hold_code_and_name(tmp_path: Path):
    file = write(tmp_path, feature(None, WARD=7, LABEL="Seventh"))

    (found,) = read_geojson(file, code_property="WARD", name_property="LABEL")

    assert (found.code, found.name) == ("7", "Seventh")


def test_a_boundary_without_a_name_is_called_by_its_code(tmp_path: Path):
    (found,) = read_geojson(write(tmp_path, feature("A7")))

    assert found.name == "A7"


def test_heights_are_left_out(tmp_path: Path):
    (found,) = read_geojson(write(tmp_path, feature(coordinates=[[[*point, 12.5] for point in UNIT[0]]])))

    assert not found.area.has_z
    assert found.area.equals(box(0, 0, 1, 1))


def test_a_bow_tie_is_repaired_to_what_it_drew_and_the_fault_is_named(tmp_path: Path):
    (found,) = read_geojson(write(tmp_path, feature(coordinates=BOW_TIE)))

    assert found.area.is_valid
    assert found.area.area == pytest.approx(0.5)
    assert found.repaired == "Self-intersection[0.5 0.5]"


def test_the_polygons_of_a_collection_are_taken_and_its_lines_and_points_are_not(tmp_path: Path):
    collection = {
        "type": "GeometryCollection",
        "geometries": [
            {"type": "Polygon", "coordinates": UNIT},
            {"type": "LineString", "coordinates": [[5, 5], [6, 6]]},
            {"type": "Point", "coordinates": [7, 7]},
        ],
    }

    (found,) = read_geojson(write(tmp_path, {**feature(), "geometry": collection}))

    assert found.area.equals(box(0, 0, 1, 1))


def test_a_collection_within_a_collection_is_opened_too(tmp_path: Path):
    inner = {"type": "GeometryCollection", "geometries": [{"type": "Polygon", "coordinates": UNIT}]}

    (found,) = read_geojson(write(tmp_path, {**feature(), "geometry": {"type": "GeometryCollection", "geometries": [inner]}}))

    assert found.area.equals(box(0, 0, 1, 1))


def test_polygons_of_a_collection_that_overlap_become_one_valid_area(tmp_path: Path):
    half_over = [[[0.5, 0], [1.5, 0], [1.5, 1], [0.5, 1], [0.5, 0]]]
    collection = {
        "type": "GeometryCollection",
        "geometries": [{"type": "Polygon", "coordinates": each} for each in (UNIT, half_over)],
    }

    (found,) = read_geojson(write(tmp_path, {**feature(), "geometry": collection}))

    assert found.area.is_valid
    assert found.area.equals(box(0, 0, 1.5, 1))
    assert found.repaired is not None


def test_names_in_utf_8_are_kept_with_or_without_a_byte_order_mark(tmp_path: Path):
    file = tmp_path / "ward.geojson"
    collection = {"type": "FeatureCollection", "features": [feature(name="Montréal")]}
    file.write_text(json.dumps(collection, ensure_ascii=False), encoding="utf-8-sig")

    (found,) = read_geojson(file)

    assert found.name == "Montréal"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        pytest.param(feature(None), "has no property 'code'", id="no-code"),
        pytest.param(feature("  "), "has no property 'code'", id="blank-code"),
        pytest.param(feature("A"), "code 'A' stands twice", id="code-twice"),
        pytest.param({"type": "Feature", "properties": None}, "must be a Feature with properties", id="no-properties"),
        pytest.param("A", "must be a Feature with properties", id="no-feature"),
        pytest.param({**feature("B"), "geometry": None}, "must have a Polygon or MultiPolygon", id="no-geometry"),
        pytest.param(feature("B", [0, 0], kind="Point"), "must have a Polygon or MultiPolygon", id="a-point"),
        pytest.param(feature("B", []), "has an empty geometry", id="empty"),
        pytest.param(
            feature("B", [[[0, 0], [1, 1], [2, 2], [0, 0]]]), "encloses nothing", id="collapsed-to-a-line"
        ),
        pytest.param(
            feature("B", [[[775000, 2956000], [776000, 2956000], [776000, 2957000], [775000, 2956000]]]),
            "coordinates must be longitude and latitude in degrees (EPSG:4326), got 775000 2.956e+06",
            id="us-feet",
        ),
        pytest.param(
            feature("B", [[[0, 0], [1, 0], [float("nan"), 1], [0, 0]]]),
            "coordinates must be",
            id="nan",
        ),
    ],
)  # fmt: skip
def test_a_feature_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, wrong: Any, told: str):
    found = problems(write(tmp_path, feature("A"), wrong))

    assert len(found) == 1
    assert found[0].startswith("ward.geojson:3: feature 2: ")
    assert told in found[0]


@pytest.mark.parametrize(
    "geometry",
    [
        pytest.param({"type": "Polygon"}, id="no-coordinates"),
        pytest.param({"type": "Polygon", "coordinates": "here"}, id="text"),
        pytest.param({"type": "Polygon", "coordinates": [[[0, 0], [1]]]}, id="half-a-point"),
        pytest.param({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}, id="two-points"),
        pytest.param({"type": "Polygon", "coordinates": [[[0, 0], ["1", None], [1, 1]]]}, id="no-numbers"),
        pytest.param({"type": "GeometryCollection"}, id="a-collection-of-nothing"),
        pytest.param({"type": "GeometryCollection", "geometries": [3]}, id="a-collection-of-numbers"),
    ],
)
def test_a_broken_geometry_is_named_with_its_line_and_in_words(tmp_path: Path, geometry: Any):
    (found,) = problems(write(tmp_path, feature("A"), {**feature("B"), "geometry": geometry}))

    assert found.startswith("ward.geojson:3: feature 2: ")
    assert len(found.removeprefix("ward.geojson:3: feature 2: ").split()) >= 3


def test_every_problem_is_told_at_once(tmp_path: Path):
    found = problems(write(tmp_path, feature(None), feature("A"), feature("A"), feature("B", [])))

    assert [message.split(": ")[0] for message in found] == ["ward.geojson:2", "ward.geojson:4", "ward.geojson:5"]


def test_broken_json_is_named_with_its_line(tmp_path: Path):
    file = tmp_path / "ward.geojson"
    file.write_text('{"type": "FeatureCollection",\n "features": [\n {]\n}')

    (found,) = problems(file)

    assert found.startswith("ward.geojson:3: not JSON: ")


def test_a_file_in_another_encoding_is_refused_and_not_read_with_holes(tmp_path: Path):
    file = tmp_path / "ward.geojson"
    text = '{"type": "FeatureCollection", "features": [\n' + json.dumps(feature(name="Montréal"), ensure_ascii=False)
    file.write_bytes((text + "]}").encode("latin-1"))

    (found,) = problems(file)

    assert found.startswith("ward.geojson:2: must be UTF-8")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[]", id="a-list"),
        pytest.param('{"type": "Polygon"}', id="a-bare-geometry"),
        pytest.param('{"type": "FeatureCollection", "features": []}', id="no-features"),
        pytest.param('{"type": "FeatureCollection", "features": {}}', id="features-no-list"),
        pytest.param("null", id="null"),
    ],
)
def test_what_is_no_feature_collection_is_refused(tmp_path: Path, text: str):
    file = tmp_path / "ward.geojson"
    file.write_text(text)

    assert problems(file) == ["ward.geojson:1: must be a GeoJSON FeatureCollection with at least one feature"]
