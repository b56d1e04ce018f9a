"""GET layers, GET districts, GET districts/{layer}/{code}: how a city is divided, at a moment."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from lxml import etree
from shapely import MultiPolygon, Point, box
from shapely.geometry import shape
from werkzeug.test import TestResponse

from open311.models import CaseStatus, RequestDistrict
from tests.api.wire import BASE, in_both_formats, read_json, xml_root
from tests.factories import NOW, Factory
from tests.town import Town, square

BEFORE, CHANGE, AFTER = (datetime(2025, month, 1, tzinfo=UTC) for month in (1, 6, 9))
DAY = timedelta(days=1)


@pytest.fixture
def town(app: Any) -> Town:
    """Two wards side by side that changed places in June 2025, a park that is to be opened, and the outline around them."""
    town = Town()
    town.city.outline_layer_id = town.layer("city").id
    town.boundary("T", square(10, 40, 2), layer="city", name="Town")
    town.boundary("W", square(10, 40), valid_to=CHANGE)
    town.boundary("E", square(11, 40), valid_to=CHANGE)
    town.boundary("W", square(11, 40), valid_from=CHANGE)
    town.boundary("E", square(10, 40), valid_from=CHANGE)
    town.boundary("P", square(10, 41, 0.5), layer="park", name="A new park", valid_from=NOW + 30 * DAY)
    for position, status in enumerate(("open", "closed")):
        town.keep(
            CaseStatus(
                jurisdiction_id=town.id,
                code=status,
                name=status.title(),
                status=status,
                wire=status,
                stops_clock=False,
                next_codes=[],
                position=position,
            )
        )
    return town


@pytest.fixture
def get(client: FlaskClient, town: Town) -> Any:
    """get(path, **arguments): the answer for Town."""

    def get(path: str, **arguments: Any) -> TestResponse:
        headers = arguments.pop("headers", None)
        return client.get(f"{BASE}/{path}", query_string={"jurisdiction_id": "town.gov", **arguments}, headers=headers)

    return get


def rows(answer: TestResponse) -> Any:
    """What a JSON answer says that is well."""
    assert answer.status_code == 200, answer.text
    return read_json(answer.data)


def codes(answer: TestResponse) -> list[str]:
    """LAYER:CODE of each district of a list."""
    return [f"{row['layer']}:{row['code']}" for row in rows(answer)]


# Layers


def test_layers_say_how_many_districts_they_have_now_and_which_is_the_outline(get: Any):
    assert rows(get("layers.json")) == [
        {"code": "city", "name": "City", "district_count": 1, "is_outline": True},
        {"code": "park", "name": "Park", "district_count": 0, "is_outline": False},
        {"code": "ward", "name": "Ward", "district_count": 2, "is_outline": False},
    ]


def test_layers_are_the_same_in_xml(get: Any):
    root = xml_root(get("layers.xml").data)

    assert [each.findtext("code") for each in root.findall("layer")] == ["city", "park", "ward"]
    assert [each.findtext("is_outline") for each in root.findall("layer")] == ["true", "false", "false"]


# Lists


def test_the_districts_of_all_layers_are_listed_without_those_to_come(get: Any):
    assert codes(get("districts.json")) == ["city:T", "ward:E", "ward:W"]


def test_layers_are_chosen_by_name_and_by_path(get: Any):
    assert codes(get("districts.json", layer="ward")) == ["ward:E", "ward:W"]
    assert codes(get("districts.json", layer="ward,city")) == ["city:T", "ward:E", "ward:W"]
    assert codes(get("districts.json", layer=["ward", "city"])) == ["city:T", "ward:E", "ward:W"]
    assert get("districts/ward.json").data == get("districts.json", layer="ward").data


def test_a_district_says_where_it_lies_and_since_when(get: Any):
    east, west = rows(get("districts/ward.json"))

    assert east == {
        "layer": "ward",
        "code": "E",
        "name": "Ward E",
        "area_square_metres": 1e6,
        "valid_from": "2025-06-01T00:00:00Z",
        "valid_to": None,
        "bbox": {"west": 10.0, "south": 40.0, "east": 11.0, "north": 41.0},
    }
    assert west["bbox"]["west"] == 11.0


def test_the_map_of_another_date_is_the_one_in_force_then(get: Any):
    old = rows(get("districts/ward.json", at="2025-05-31"))

    assert [(row["code"], row["bbox"]["west"], row["valid_to"]) for row in old] == [
        ("E", 11.0, "2025-06-01T00:00:00Z"),
        ("W", 10.0, "2025-06-01T00:00:00Z"),
    ]
    assert codes(get("districts/park.json", at=(NOW + 31 * DAY).isoformat())) == ["park:P"]


def test_a_point_is_answered_with_what_covers_it_at_that_date(get: Any):
    def at(date: str, **place: str) -> list[str]:
        return codes(get("districts.json", at=date, **place))

    assert at("2025-05-01", lat="40.5", long="10.5") == ["city:T", "ward:W"]
    assert at("2025-07-01", lat="40.5", long="10.5") == ["city:T", "ward:E"]
    assert at("2025-07-01", lat="40.5", long="11") == ["city:T", "ward:E", "ward:W"]
    assert at("2025-07-01", lat="40.5", long="11", layer="ward") == ["ward:E", "ward:W"]
    assert at("2025-07-01", lat="50", long="10.5") == []


def test_boundaries_come_when_they_are_asked_for(get: Any):
    plain, bounded = rows(get("districts/ward.json")), rows(get("districts/ward.json", boundary="true"))

    assert "boundary" not in plain[0]
    assert shape(bounded[0]["boundary"]).equals(MultiPolygon([square(10, 40)]))


def test_geojson_is_a_feature_collection_that_a_map_reads(get: Any):
    answer = get("districts.geojson", layer="ward")
    found = rows(answer)

    assert answer.headers["Content-Type"] == "application/geo+json; charset=utf-8"
    assert found["type"] == "FeatureCollection"
    first = found["features"][0]
    assert (first["type"], first["bbox"]) == ("Feature", [10.0, 40.0, 11.0, 41.0])
    assert shape(first["geometry"]).equals(MultiPolygon([square(10, 40)]))
    assert set(first["properties"]) == {"layer", "code", "name", "area_square_metres", "valid_from", "valid_to"}


def test_a_tolerance_takes_corners_away_that_are_within_it(get: Any, town: Town):
    jagged = Point(10.5, 40.5).buffer(0.1, quad_segs=64)
    town.boundary("J", jagged, layer="round")

    def corners(**arguments: str) -> int:
        (found,) = rows(get("districts/round.geojson", **arguments))["features"]
        assert shape(found["geometry"]).hausdorff_distance(jagged) * 111_320 <= float(arguments.get("tolerance", "0.1"))
        return len(found["geometry"]["coordinates"][0][0])

    assert corners() == 257
    assert 8 < corners(tolerance="100") < 64


def test_a_district_that_lies_across_180_degrees_says_so_in_its_box(get: Any, town: Town):
    town.boundary("D", MultiPolygon([box(179, -10, 180, -9), box(-180, -10, -178, -9)]), layer="sea")
    town.boundary("N", box(-180, 70, 180, 90), layer="sea")

    (across, around) = rows(get("districts/sea.geojson"))["features"]

    assert across["bbox"] == [179.0, -10.0, -178.0, -9.0]
    assert around["bbox"] == [-180.0, 70.0, 180.0, 90.0]


def test_xml_says_the_same_and_has_the_boundary_as_the_text_of_its_geojson(get: Any):
    root = xml_root(get("districts.xml", layer="ward", boundary="true").data)
    listed = rows(get("districts.json", layer="ward", boundary="true"))

    first = root.findall("district")[0]
    assert [child.tag for child in first] == list(listed[0])
    assert first.findtext("bbox/north") == "41.0"
    assert read_json((first.findtext("boundary") or "").encode()) == listed[0]["boundary"]


# One district


def test_one_district_has_its_versions_past_and_to_come(get: Any, town: Town):
    found = rows(get("districts/ward/W.json"))

    assert (found["layer"], found["code"], found["is_in_force"]) == ("ward", "W", True)
    assert shape(found["boundary"]).equals(MultiPolygon([square(11, 40)]))
    assert [(each["valid_from"], each["valid_to"]) for each in found["versions"]] == [
        (None, "2025-06-01T00:00:00Z"),
        ("2025-06-01T00:00:00Z", None),
    ]


def test_one_district_is_shown_as_it_was_on_a_date(get: Any):
    assert rows(get("districts/ward/W.json", at="2025-02-01"))["bbox"]["west"] == 10.0


def test_a_district_that_is_to_come_is_shown_and_said_not_to_be_in_force(get: Any):
    found = rows(get("districts/park/P.json"))

    assert (found["is_in_force"], found["name"]) == (False, "A new park")


def test_a_version_that_was_taken_back_is_none(get: Any, town: Town):
    town.boundary("W", square(11, 40), layer="ward", valid_from=AFTER, valid_to=AFTER)
    town.boundary("G", square(11, 40), layer="ward", valid_from=AFTER, valid_to=AFTER)

    assert len(rows(get("districts/ward/W.json"))["versions"]) == 2
    assert get("districts/ward/G.json").status_code == 404


def test_one_district_counts_what_waits_and_what_came_in_with_what_is_private(get: Any, town: Town, make: Factory):
    ward = town.boundary("C", square(10, 40), layer="count")
    _stamped(town, make, ward, age=DAY)
    _stamped(town, make, ward, age=2 * DAY, is_public=False)
    _stamped(town, make, ward, age=3 * DAY, closed_after=DAY)
    _stamped(town, make, ward, age=31 * DAY)
    _stamped(town, make, town.boundary("D", square(11, 40), layer="count"), age=DAY)

    assert rows(get("districts/count/C.json"))["requests"] == {"open": 3, "received_last_30_days": 3}


def test_counts_under_the_citys_least_are_not_told_nor_what_is_private(get: Any, town: Town, make: Factory):
    ward = town.boundary("C", square(10, 40), layer="count")
    for days in (1, 2, 40):
        _stamped(town, make, ward, age=days * DAY)
    _stamped(town, make, ward, age=3 * DAY, is_public=False)
    town.city.least_count = 3
    town.keep(town.city)

    assert rows(get("districts/count/C.json"))["requests"] == {"open": 3, "received_last_30_days": None}


def test_one_district_links_to_its_requests(get: Any):
    links = rows(get("districts/ward/W.json"))["links"]

    assert links["requests"] == "http://localhost/open311/v2/requests.json?jurisdiction_id=town.gov&district=ward%3AW"
    assert set(links) == {"requests", "scorecard", "bulk"}


def test_one_district_is_a_feature_in_geojson_and_the_same_in_xml(get: Any):
    feature, told = rows(get("districts/ward/W.geojson")), rows(get("districts/ward/W.json"))
    root = xml_root(get("districts/ward/W.xml").data)

    assert feature["type"] == "Feature"
    assert feature["geometry"] == told["boundary"]
    assert feature["properties"] == {name: value for name, value in told.items() if name not in ("boundary", "bbox")}
    assert root.tag == "district"
    assert [child.tag for child in root] == list(told)
    assert [_texts(each) for each in root.findall("versions/version")] == [list(each) for each in told["versions"]]


@pytest.mark.parametrize("code", ["1.5", "A/B", "Ünter den Linden", "x.json"])
def test_codes_may_be_written_as_cities_write_them(get: Any, town: Town, code: str):
    town.boundary(code, square(10, 40), layer="odd")

    assert rows(get(f"districts/odd/{code}.json"))["code"] == code


def _stamped(town: Town, make: Factory, ward: Any, **changes: Any) -> None:
    request = make.request(jurisdiction_id="town.gov", service_code="pothole", **changes)
    town.keep(
        RequestDistrict(jurisdiction_id=town.id, request_id=request.id, boundary_id=ward.id, requested_at=request.requested_at)
    )


def _texts(element: etree._Element) -> list[str]:
    return [child.tag for child in element]


# What is asked wrongly


@pytest.mark.parametrize("format", ["json", "xml", "geojson"])
@pytest.mark.parametrize(
    ("path", "says"),
    [
        pytest.param("districts/none", "layer none was not found", id="layer"),
        pytest.param("districts/none/W", "layer none was not found", id="layer-of-a-district"),
        pytest.param("districts/ward/X", "district ward:X was not found", id="district"),
        pytest.param("districts/ward/\x00", "district ward: was not found", id="nothing-that-can-be-a-code"),
    ],
)
def test_what_is_not_there_is_404_in_the_usual_shape(get: Any, format: str, path: str, says: str):
    answer = get(f"{path}.{format}")

    assert answer.status_code == 404
    if format == "xml":
        assert xml_root(answer.data).findtext("error/description") == says
    else:
        assert read_json(answer.data) == [{"code": 404, "description": says}]


def test_a_layer_of_another_city_is_not_found(get: Any):
    assert get("districts.json", layer="council").status_code == 404
    assert get("districts.json", layer="ward,nothing").status_code == 404


@in_both_formats
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param({"at": "yesterday"}, "at must be a date and time", id="at"),
        pytest.param({"tolerance": "-1"}, "tolerance must be a number from 0 to 10000", id="tolerance"),
        pytest.param({"tolerance": "nan"}, "tolerance must be a number from 0 to 10000", id="tolerance-nan"),
        pytest.param({"boundary": "yes please"}, "boundary must be true or false", id="boundary"),
        pytest.param({"lat": "40"}, "long is missing", id="half-a-point"),
        pytest.param({"lat": "91", "long": "0"}, "lat must be a number from -90 to 90", id="no-place"),
    ],
)
def test_a_malformed_argument_is_named(get: Any, format: str, arguments: dict[str, str], says: str):
    for path in ("districts", "districts/ward", "districts/ward/W"):
        answer = get(f"{path}.{format}", **arguments)

        assert answer.status_code == 400, path
        assert says in answer.text


# As elsewhere


def test_an_answer_is_not_sent_again_to_who_has_it(get: Any):
    first = get("districts.geojson")

    again = get("districts.geojson", headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.data) == (304, b"")


def test_every_page_may_read_it_by_script_too(get: Any, client: FlaskClient):
    answer = get("districts.geojson", callback="show")

    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.data.startswith(b'show({"type":"FeatureCollection"')
    assert get("districts.json", callback="1+1").status_code == 400
    assert client.options(f"{BASE}/districts.geojson").status_code == 204
    assert (
        client.head(f"{BASE}/districts.geojson?jurisdiction_id=town.gov").headers["ETag"]
        == get("districts.geojson").headers["ETag"]
    )
