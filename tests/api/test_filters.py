"""The filters of GET requests: each keeps what it names and leaves out the rest.  Spec 5.1; statement 70."""

import csv
import io
import json
import re
from datetime import UTC
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from psycopg import Connection
from shapely.geometry import MultiPolygon, box

from db import db
from geo.models import Boundary, Layer
from geo.point import Box, Point, box_around, metres_between, read_box
from open311.cases import search
from open311.models import RequestDistrict, ServiceRequest
from routing.models import Department
from tests.api.wire import SEATTLE, Api, in_both_formats
from tests.factories import DAY, HOUR, Factory

AT = {"lat": 47.64, "long": -122.4}


@pytest.fixture
def request_at(make: Factory) -> Any:
    """Makes a request in Seattle: request_at("A-1", long=-122.4)."""

    def make_one(number: str, *, service_code: str = "graffiti", **changes: Any) -> ServiceRequest:
        return make.request(number, jurisdiction_id=SEATTLE, service_code=service_code, **{**AT, **changes})

    return make_one


@pytest.fixture
def ward(make: Factory) -> Any:
    """Makes a ward of the layer `ward`, and stamps requests with it: ward("W", [request], valid_to=...)."""
    city_id = make.city(SEATTLE).id
    layers: dict[str, Layer] = {}

    def draw(code: str, stamped: list[ServiceRequest], *, layer: str = "ward", **changes: Any) -> None:
        if layer not in layers:
            layers[layer] = Layer(jurisdiction_id=city_id, code=layer, name=layer)
            db.session.add(layers[layer])
            db.session.flush()
        drawn = Boundary(
            jurisdiction_id=city_id,
            layer_id=layers[layer].id,
            code=code,
            name=code,
            area=MultiPolygon([box(-122.5, 47.5, -122.3, 47.7)]),
            area_square_metres=1.0,
            **changes,
        )
        db.session.add(drawn)
        db.session.flush()
        for each in stamped:
            db.session.add(
                RequestDistrict(
                    jurisdiction_id=city_id, request_id=each.id, boundary_id=drawn.id, requested_at=each.requested_at
                )
            )
        db.session.flush()

    return draw


# A circle


@pytest.mark.statement(70)
@in_both_formats
def test_a_circle_keeps_what_lies_in_it_by_metres_on_the_ground(api: Api, request_at: Any, format: str) -> None:
    # A degree of longitude has 75.2 km here, one of latitude 111.2 km.
    request_at("EAST-90", long=-122.4 + 90 / 75_100)
    request_at("EAST-110", long=-122.4 + 110 / 75_100)
    request_at("NORTH-90", lat=47.64 + 90 / 111_180)
    request_at("NORTH-110", lat=47.64 + 110 / 111_180)
    request_at("NOWHERE", lat=None, long=None)

    answer = api.get("requests", format, lat="47.64", long="-122.4", radius="100")

    assert sorted(answer.ids) == ["EAST-90", "NORTH-90"]


@pytest.mark.statement(70)
@in_both_formats
@pytest.mark.parametrize(
    ("sent", "missing"),
    [
        ({"lat": "47.6", "long": "-122.4"}, "radius"),
        ({"lat": "47.6", "radius": "100"}, "long"),
        ({"long": "-122.4", "radius": "100"}, "lat"),
        ({"radius": "100"}, "lat and long"),
        ({"lat": "47.6"}, "long and radius"),
    ],
)
def test_a_part_of_a_circle_is_400_and_says_what_is_missing(api: Api, sent: dict[str, str], missing: str, format: str) -> None:
    answer = api.get("requests", format, **sent)

    assert (answer.status, answer.problem) == (400, f"lat, long and radius must be sent together, {missing} missing")


@pytest.mark.statement(70)
@pytest.mark.parametrize("radius", ["0", "-5", "abc", "NaN", "inf", "1e9", "100001", "1_0", "٣"])
def test_a_radius_that_is_none_is_400_and_named(api: Api, radius: str) -> None:
    answer = api.get("requests", lat="47.6", long="-122.4", radius=radius)

    assert answer.status == 400
    assert answer.problem.startswith("radius must be a number of metres above 0 and at most 100000, got ")


@pytest.mark.parametrize(("name", "text"), [("lat", "91"), ("lat", "x"), ("long", "181"), ("long", "NaN")])
def test_a_centre_that_is_none_is_400_and_named(api: Api, name: str, text: str) -> None:
    answer = api.get("requests", **{"lat": "47.6", "long": "-122.4", "radius": "5", name: text})

    assert answer.status == 400
    assert answer.problem.startswith(f"{name} must be a number from")


degrees_east = st.floats(-180, 180)


@given(st.floats(-90, 90), degrees_east, st.floats(1, 100_000), st.floats(0, 1, exclude_max=True), st.floats(0, 360))
def test_the_box_around_a_circle_holds_all_of_it(lat: float, long: float, radius: float, share: float, angle: float) -> None:
    from math import asin, atan2, cos, degrees, radians, sin

    # A point so far away at this angle, on the sphere; the spheroid differs by a half per cent.
    far = share * radius * 0.994 / 6_371_009
    north = asin(max(-1.0, min(1.0, sin(radians(lat)) * cos(far) + cos(radians(lat)) * sin(far) * cos(radians(angle)))))
    east = radians(long) + atan2(sin(radians(angle)) * sin(far) * cos(radians(lat)), cos(far) - sin(radians(lat)) * sin(north))
    there = Point(lat=degrees(north), long=(degrees(east) + 540) % 360 - 180)
    assert metres_between(Point(lat=lat, long=long), there) <= radius

    around = box_around(Point(lat=lat, long=long), radius)

    assert any(
        part.west - 1e-9 <= there.long <= part.east + 1e-9 and part.south - 1e-9 <= there.lat <= part.north + 1e-9
        for part in around.parts
    )


def test_a_circle_reaches_over_the_meridian_of_180_degrees(api: Api, request_at: Any) -> None:
    request_at("WEST", lat=0.0, long=179.9995)
    request_at("EAST", lat=0.0, long=-179.9995)
    request_at("FAR", lat=0.0, long=-179.99)

    assert sorted(api.get("requests", lat="0", long="179.9999", radius="100").ids) == ["EAST", "WEST"]


# A box


@pytest.mark.statement(70)
@in_both_formats
def test_a_box_is_west_south_east_north_with_its_edges(api: Api, request_at: Any, format: str) -> None:
    request_at("INSIDE")
    request_at("CORNER", lat=47.65, long=-122.39)
    request_at("EAST", long=-122.38)
    request_at("NORTH", lat=47.66)
    request_at("SOUTH", lat=47.62)
    request_at("WEST", long=-122.42)
    request_at("NOWHERE", lat=None, long=None)

    for text in ("-122.41,47.63,-122.39,47.65", "-122.41;47.63;-122.39;47.65", " -122.41, 47.63, -122.39, 47.65 "):
        assert sorted(api.get("requests", format, bbox=text).ids) == ["CORNER", "INSIDE"]


def test_a_box_ends_where_it_is_said_to_end(api: Api, request_at: Any) -> None:
    """The index keeps boxes in single precision; what lies some centimetres outside is outside."""
    request_at("INSIDE", long=-122.34, lat=47.6)
    request_at("BESIDE", long=-122.3400004, lat=47.6)
    request_at("BELOW", long=-122.33, lat=47.5999996)

    answer = api.get("requests", bbox="-122.34,47.6,-122.3,47.7", count="true")

    assert (answer.ids, answer.headers["X-Total-Count"]) == (["INSIDE"], "1")


def test_a_box_may_cross_the_meridian_of_180_degrees(api: Api, request_at: Any) -> None:
    request_at("FIJI-WEST", lat=-17.0, long=179.5)
    request_at("FIJI-EAST", lat=-17.0, long=-179.5)
    request_at("HERE")

    assert sorted(api.get("requests", bbox="179,-18,-179,-16").ids) == ["FIJI-EAST", "FIJI-WEST"]
    assert read_box("179,-18,-179,-16").parts == [
        Box(west=179, south=-18, east=180, north=-16),
        Box(west=-180, south=-18, east=-179, north=-16),
    ]


@pytest.mark.statement(70)
@in_both_formats
@pytest.mark.parametrize(
    "text",
    ["1,2,3", "1,2,3,4,5", "a,b,c,d", "47.6,-122.4,47.7,-122.3", "-122,48,-121,47", "NaN,0,1,1", "-181,0,1,1", "-1,0,1,91"],
)
def test_a_box_that_is_none_is_400_and_named(api: Api, text: str, format: str) -> None:
    answer = api.get("requests", format, bbox=text)

    assert answer.status == 400
    assert answer.problem.startswith("bbox ")


# Districts


@in_both_formats
def test_a_district_keeps_those_stamped_with_it(api: Api, request_at: Any, ward: Any, format: str) -> None:
    west, both, east = request_at("WEST"), request_at("BOTH", age=2 * HOUR), request_at("EAST", age=3 * HOUR)
    request_at("NEITHER")
    ward("W", [west, both])
    ward("E", [east, both])

    assert api.get("requests", format, district="ward:W").ids == ["WEST", "BOTH"]
    assert api.get("requests", format, district="ward:E").ids == ["BOTH", "EAST"]
    # One on the border is in both, and stands once.
    assert api.get("requests", format, district="ward:W,ward:E").ids == ["WEST", "BOTH", "EAST"]
    assert api.get("requests", format, district=["ward:W", "ward:E"]).ids == ["WEST", "BOTH", "EAST"]
    assert api.get("requests", format, district="ward:W,ward:E", page="2", page_size="1").ids == ["BOTH"]


def test_districts_of_two_layers_keep_what_lies_in_both(api: Api, request_at: Any, ward: Any) -> None:
    one, other = request_at("ONE"), request_at("OTHER")
    ward("W", [one, other])
    ward("P", [one], layer="parish")
    ward("Q", [other], layer="parish")

    assert api.get("requests", district="ward:W,parish:P").ids == ["ONE"]
    assert sorted(api.get("requests", district="ward:W,parish:P,parish:Q").ids) == ["ONE", "OTHER"]
    assert api.get("requests", district="ward:W,parish:P", service_code="graffiti,noise").ids == ["ONE"]


def test_a_district_is_named_alike_wherever_it_is_asked_for(api: Api, request_at: Any, ward: Any) -> None:
    """By a code with a comma, and of two layers what lies in both."""
    one, other = request_at("ONE"), request_at("OTHER")
    ward("Fenway, Kenmore", [one, other])
    ward("East", [])
    ward("P", [one], layer="parish")
    for asked, numbers in (
        ("ward:Fenway, Kenmore,parish:P", ["ONE"]),
        (["parish:P", "ward:Fenway, Kenmore"], ["ONE"]),
        ("ward:East,ward:Fenway, Kenmore", ["ONE", "OTHER"]),
        ("ward:East,parish:P", []),
    ):
        assert sorted(api.get("requests", district=asked).ids) == numbers
        lines = api.get("bulk/requests", "csv", district=asked).text.splitlines()[1:]
        assert sorted(line.split(",")[0] for line in lines) == numbers
        cells = api.get("clusters", district=asked, bbox="-122.5,47.5,-122.2,47.7", zoom="10").rows
        assert sum(cell["count"] for cell in cells) == len(numbers)
    page = api.get("districts/ward/Fenway, Kenmore").content
    for link in page["links"].values():
        assert api.client.get(link).status_code in (200, 503)


def test_a_district_is_the_one_that_is_in_force_now(api: Api, request_at: Any, ward: Any) -> None:
    old, new = request_at("OLD"), request_at("NEW")
    ward("W", [old], valid_to=old.requested_at - DAY)
    ward("W", [new], valid_from=old.requested_at - DAY)

    assert api.get("requests", district="ward:W").ids == ["NEW"]


@in_both_formats
def test_a_district_that_is_not_there_is_400_and_named(api: Api, request_at: Any, ward: Any, format: str) -> None:
    ward("W", [request_at("ONE")])

    assert (
        api.get("requests", format, district="ward:X").problem == "district ward:X was not found: ward has no such district now"
    )
    assert api.get("requests", format, district="shire:W").problem == "district shire:W was not found: there is no layer shire"
    assert api.get("requests", format, district="ward").problem == "district must be LAYER:CODE, got 'ward'"
    assert api.get("requests", format, district="ward:").problem == "district must be LAYER:CODE, got 'ward:'"


def test_a_district_of_another_city_is_not_there(api: Api, request_at: Any, ward: Any) -> None:
    ward("W", [request_at("ONE")])

    assert api.get("requests", city="boston.gov", district="ward:W").status == 400


# Departments


@in_both_formats
def test_an_agency_keeps_its_requests_by_name_or_code_in_any_case(
    api: Api, make: Factory, request_at: Any, format: str
) -> None:
    city = make.city(SEATTLE)
    other = Department(jurisdiction_id=city.id, code="X9", name="Parks, Lawns | Trees"[:12])
    db.session.add(other)
    db.session.flush()
    request_at("THEIRS", department_id=other.id)
    request_at("OURS", age=2 * HOUR)
    default = db.session.get(Department, (city.id, city.default_department_id))
    assert default is not None

    assert api.get("requests", format, agency_responsible="x9").ids == ["THEIRS"]
    assert api.get("requests", format, agency_responsible=other.name.upper()).ids == ["THEIRS"]
    assert api.get("requests", format, agency_responsible=f"X9|{default.name}").ids == ["THEIRS", "OURS"]
    assert api.get("requests", format, agency_responsible=["X9", default.code]).ids == ["THEIRS", "OURS"]
    assert api.get("requests", format, agency_responsible=f"X9|{default.name}", page="2", page_size="1").ids == ["OURS"]
    assert api.get("requests", format, agency_responsible="nobody").ids == []


# Words


@in_both_formats
def test_words_are_found_in_what_was_said_answered_and_where(api: Api, request_at: Any, format: str) -> None:
    request_at("SAID", description="A broken swing at the playground")
    request_at("ANSWERED", status_notes="The swings were repaired", age=2 * HOUR)
    request_at("THERE", address="12 Swing Street", age=3 * HOUR)
    request_at("OTHER", description="Noise", age=4 * HOUR)

    assert api.get("requests", format, q="swing").ids == ["SAID", "ANSWERED", "THERE"]
    assert api.get("requests", format, q="broken swing").ids == ["SAID"]
    assert api.get("requests", format, q='"swing street"').ids == ["THERE"]
    assert api.get("requests", format, q="swing -street -repaired").ids == ["SAID"]
    assert api.get("requests", format, q="swing or noise").ids == ["SAID", "ANSWERED", "THERE", "OTHER"]
    assert api.get("requests", format, q="the").ids == []
    assert api.get("requests", format, q="x" * 501).problem == "q must be at most 500 characters, got 501"


@pytest.mark.parametrize("text", ["'", "a & | !", "((", ":*", "\\", "a\x00b", "<->", "🕳", "%", '"', "or or"])
def test_no_words_break_the_search(api: Api, text: str) -> None:
    assert api.get("requests", q=text).status == 200


@pytest.mark.parametrize("others", [{}, {"district": "ward:W"}, {"service_code": "graffiti", "status": "open"}])
@pytest.mark.parametrize("sort", ["", "requested_datetime", "updated_datetime"])
@pytest.mark.parametrize("beyond", [0, 4], ids=["seen at a glance", "behind what is glanced at"])
def test_words_are_found_however_far_behind(
    api: Api, request_at: Any, ward: Any, monkeypatch: Any, beyond: int, sort: str, others: dict[str, str]
) -> None:
    search._glance.cache_clear()
    monkeypatch.setattr(search, "_GLANCED_ROWS", 4 if beyond else 100)
    there = [request_at(f"N-{number}", age=(number + 1) * HOUR, description="Noise") for number in range(beyond)]
    there += [request_at(f"S-{number}", age=(number + 9) * HOUR, description="A swing") for number in range(5)]
    ward("W", there)
    expected = [f"S-{number}" for number in range(5)]

    found: list[str] = []
    cursor = "*"
    while cursor:
        answer = api.get("requests", cursor=cursor, page_size="2", q="swing", sort=sort, **others)
        found += answer.ids
        cursor = _next(answer) or ""

    assert found == (expected[::-1] if sort else expected)
    assert api.get("requests", page="2", page_size="2", q="swing", sort=sort, **others).ids == found[2:4]
    search._glance.cache_clear()


# Order


@in_both_formats
def test_a_list_is_sorted_by_either_time_either_way(api: Api, request_at: Any, format: str) -> None:
    first = request_at("FIRST", age=3 * DAY)
    request_at("LAST", age=1 * DAY)
    request_at("MIDDLE", age=2 * DAY)
    first.updated_at = first.requested_at + 3 * DAY - HOUR
    db.session.flush()

    assert api.get("requests", format, sort="requested_datetime").ids == ["FIRST", "MIDDLE", "LAST"]
    assert api.get("requests", format, sort="-requested_datetime").ids == ["LAST", "MIDDLE", "FIRST"]
    assert api.get("requests", format, sort="updated_datetime").ids == ["MIDDLE", "LAST", "FIRST"]
    assert api.get("requests", format, order_by="-updated_datetime").ids == ["FIRST", "LAST", "MIDDLE"]


@in_both_formats
@pytest.mark.parametrize(
    ("name", "text"), [("sort", "status"), ("order_by", "--x"), ("sort", "requested_datetime desc"), ("count", "yes")]
)
def test_an_order_that_is_none_is_400_and_named(api: Api, name: str, text: str, format: str) -> None:
    answer = api.get("requests", format, **{name: text})

    assert answer.status == 400
    assert answer.problem.startswith(f"{name} must be ")


def test_all_that_is_wrong_is_told_at_once(api: Api) -> None:
    answer = api.get("requests", bbox="x", radius="-1", sort="y", district="z", page="p", cursor="!")

    named = {problem.split(" ")[0].rstrip(",") for problem in answer.problems}
    assert named == {"bbox", "radius", "sort", "district", "page", "cursor", "lat"}


def test_what_is_not_known_is_ignored(api: Api, request_at: Any) -> None:
    request_at("ONE")

    assert api.get("requests", colour="red", bboxes="x", limit="0").ids == ["ONE"]


def test_empty_arguments_are_as_if_absent(api: Api, request_at: Any) -> None:
    request_at("ONE")
    names = ("bbox", "district", "agency_responsible", "q", "sort", "lat", "long", "radius", "cursor", "count")

    assert api.get("requests", **dict.fromkeys(names, "")).ids == ["ONE"]


# All together

WHERE = {"lat": "47.64", "long": "-122.4", "radius": "5000"}


def test_filters_are_combined(api: Api, request_at: Any, ward: Any) -> None:
    one = request_at("ONE", description="a swing")
    others = {
        "SERVICE": request_at("SERVICE", description="a swing", service_code="noise"),
        "WORDS": request_at("WORDS", description="a slide"),
        "PLACE": request_at("PLACE", description="a swing", lat=47.5),
        "TIME": request_at("TIME", description="a swing", age=30 * DAY),
        "STATUS": request_at("STATUS", description="a swing", closed_after=HOUR / 2),
    }
    ward("W", [one, *others.values()])
    request_at("DISTRICT", description="a swing")
    asked: dict[str, str] = {
        **WHERE,
        "bbox": "-123,47.6,-122,48",
        "district": "ward:W",
        "service_code": "graffiti",
        "q": "swing",
        "status": "open",
        "start_date": (one.requested_at - DAY).astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
    found_without = {
        "service_code": "SERVICE",
        "q": "WORDS",
        "status": "STATUS",
        "start_date": "TIME",
        "district": "DISTRICT",
    }

    assert api.get("requests", **asked).ids == ["ONE"]
    for name, number in found_without.items():
        less = {key: value for key, value in asked.items() if key != name}
        assert set(api.get("requests", **less).ids) == {"ONE", number}


def test_nothing_is_filtered_by_what_the_public_is_not_shown(api: Api, request_at: Any, ward: Any) -> None:
    hidden = request_at("HIDDEN", description="a swing", is_public=False)
    ward("W", [hidden])

    for asked in (WHERE, {"bbox": "-123,47,-122,48"}, {"district": "ward:W"}, {"q": "swing"}, {"cursor": "*"}):
        assert api.get("requests", **asked).ids == []


@in_both_formats
def test_a_coarse_place_is_found_where_it_is_shown_alone(api: Api, request_at: Any, format: str) -> None:
    request_at("COARSE", lat=47.64113, long=-122.40077, coarse_metres=1000, address="7 Hidden Road", address_id="77")

    row = api.get("requests", format).row
    assert (row["address"], row["address_id"]) == (None, None)
    assert (row["lat"], row["long"]) != (47.64113, -122.40077)
    moved = metres_between(Point(lat=row["lat"], long=row["long"]), Point(lat=47.64113, long=-122.40077))
    assert 5 < moved < 1000 * 0.75
    assert api.get("requests", format, lat=str(row["lat"]), long=str(row["long"]), radius="2").ids == ["COARSE"]
    assert api.get("requests", format, lat="47.64113", long="-122.40077", radius="5").ids == []
    assert api.get("requests", format, q="hidden").ids == []
    assert api.get("similar", format, service_code="graffiti", lat="47.64113", long="-122.40077").rows == []


def test_what_has_no_place_has_none_where_places_are_coarse(api: Api, request_at: Any) -> None:
    request_at("NOWHERE", coarse_metres=300, lat=None, long=None)

    row = api.get("requests", service_request_id="NOWHERE").row

    assert (row["lat"], row["long"]) == (None, None)
    assert api.get("requests", bbox="-180,-90,180,90").ids == []


# A walk from cursor to cursor


def _next(answer: Any) -> str | None:
    found = re.search(r'<[^>]*[?&]cursor=([^&>]*)[^>]*>; rel="next"', answer.headers.get("Link", ""))
    assert (found and found[1]) == answer.headers.get("X-Next-Cursor")
    return found and found[1]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
@pytest.mark.parametrize("sort", ["", "requested_datetime", "-updated_datetime", "updated_datetime"])
def test_a_walk_comes_by_everything_once_however_long_ago(api: Api, request_at: Any, sort: str, size: int) -> None:
    ages = [HOUR, HOUR, 2 * HOUR, 2 * HOUR, 2 * HOUR, 500 * DAY, 900 * DAY]
    for number, age in enumerate(ages):
        request_at(f"A-{number}", age=age)
    found: list[str] = []
    cursor: str | None = "*"

    while cursor is not None:
        answer = api.get("requests", cursor=cursor, page_size=str(size), sort=sort)
        found += answer.ids
        cursor = _next(answer)

    assert sorted(found) == [f"A-{number}" for number in range(7)]
    assert found[-1] in (("A-0", "A-1") if sort and not sort.startswith("-") else ("A-6",))


def test_a_walk_skips_nothing_when_others_come_in_or_change(api: Api, request_at: Any) -> None:
    for number in range(6):
        request_at(f"A-{number}", age=(number + 1) * HOUR)
    first = api.get("requests", cursor="*", page_size="2")
    request_at("NEW", age=HOUR / 2)

    second = api.get("requests", cursor=str(_next(first)), page_size="10")

    assert first.ids + second.ids == [f"A-{number}" for number in range(6)]


def test_a_walk_can_have_filters(api: Api, request_at: Any, ward: Any) -> None:
    wards = [request_at(f"W-{number}", age=number * 100 * DAY + HOUR) for number in range(5)]
    request_at("X")
    ward("W", wards[:3])
    ward("E", wards[3:])
    for district, number in (("ward:W", 3), ("ward:W,ward:E", 5)):
        found, cursor = [], "*"
        while cursor:
            answer = api.get("requests", cursor=cursor, page_size="1", district=district, service_code="graffiti")
            found += answer.ids
            cursor = _next(answer) or ""
        assert found == [f"W-{each}" for each in range(number)]


@in_both_formats
@pytest.mark.parametrize("cursor", ["!", "x", "MC4x", "OS4xLjE", "MC4wLjk5OTk5OTk5OTk5OTk5OTk5OTk5", "é", "*x", "A" * 4000])
def test_a_cursor_that_is_none_is_400_and_named(api: Api, cursor: str, format: str) -> None:
    answer = api.get("requests", format, cursor=cursor)

    assert answer.status == 400
    assert answer.problem.startswith("cursor must be * or what a Link header named, got ")


def test_a_cursor_holds_its_order(api: Api, request_at: Any) -> None:
    for number in range(3):
        request_at(f"A-{number}", age=number * HOUR + HOUR)
    cursor = str(_next(api.get("requests", cursor="*", page_size="1", sort="requested_datetime")))

    assert api.get("requests", cursor=cursor, page_size="5").ids == ["A-1", "A-0"]
    assert api.get("requests", cursor=cursor, sort="updated_datetime").status == 400


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.text(max_size=40))
def test_no_cursor_is_a_fault(api: Api, text: str) -> None:
    assert api.get("requests", cursor=text).status in (200, 400)


# How many there are


def test_how_many_there_are_is_told_to_who_asks(api: Api, request_at: Any) -> None:
    for number in range(5):
        request_at(f"A-{number}", service_code="noise" if number else "graffiti")

    assert "X-Total-Count" not in api.get("requests").headers
    assert api.get("requests", count="true", page_size="2").headers["X-Total-Count"] == "5"
    assert api.get("requests", count="true", page_size="2", service_code="noise").headers["X-Total-Count"] == "4"
    assert api.get("requests", count="true", service_code="unknown").headers["X-Total-Count"] == "0"
    assert api.get("requests", count="1", cursor="*", page_size="2").headers["X-Total-Count"] == "5"


# The formats beside JSON and XML


def _ask(api: Api, format: str, **arguments: str) -> Any:
    return api.client.get(f"/open311/v2/requests.{format}", query_string={"jurisdiction_id": SEATTLE, **arguments})


def test_geojson_has_a_feature_of_each(api: Api, request_at: Any) -> None:
    request_at("PLACED", description="Ö <b> & \u2028")
    request_at("NOWHERE", lat=None, long=None, age=2 * HOUR)

    answer = _ask(api, "geojson")
    content = json.loads(answer.get_data())

    assert answer.content_type == "application/geo+json; charset=utf-8"
    assert content["type"] == "FeatureCollection"
    assert [(each["type"], each["id"], each["geometry"]) for each in content["features"]] == [
        ("Feature", "PLACED", {"type": "Point", "coordinates": [-122.4, 47.64]}),
        ("Feature", "NOWHERE", None),
    ]
    told = [{name: row[name] for name in row if name not in ("lat", "long")} for row in api.get("requests").rows]
    assert [each["properties"] for each in content["features"]] == told
    extended = json.loads(_ask(api, "geojson", extensions="true").get_data())
    assert extended["features"][0]["properties"]["extended_attributes"]["channel"] == "app"
    assert _ask(api, "geojson", callback="f").get_data().startswith(b'f({"type"')


def test_csv_has_a_line_of_each(api: Api, request_at: Any) -> None:
    request_at("ONE", description='Says "no",\r\nthen ö', address="=1+1")
    request_at("TWO", description="-plain", age=2 * HOUR, lat=None, long=None)

    answer = _ask(api, "csv")
    head, *rows = csv.reader(io.StringIO(answer.get_data().decode("utf-8"), newline=""))

    assert answer.content_type == "text/csv; charset=utf-8; header=present"
    assert head == list(api.get("requests").rows[0])
    one, two = (dict(zip(head, row, strict=True)) for row in rows)
    told = api.get("requests").rows[0]
    assert one["description"] == 'Says "no",\nthen ö'
    assert answer.get_data().endswith(b"\r\n")
    # What a table calculator would run is marked as text.
    assert (one["address"], two["description"]) == ("'=1+1", "'-plain")
    assert (one["lat"], one["requested_datetime"], one["status_notes"]) == ("47.64", told["requested_datetime"], "")
    assert (two["lat"], two["long"]) == ("", "")


def test_rss_has_an_item_of_each(api: Api, request_at: Any) -> None:
    request_at("ONE", description="Ö <b> &amp; ]]>", address="7 Main <St>")
    request_at("TWO", age=2 * HOUR, lat=None, long=None)

    answer = _ask(api, "rss", district="", q="")
    channel = etree.fromstring(answer.get_data())[0]

    assert answer.content_type == "application/rss+xml; charset=utf-8"
    assert channel.findtext("title") == "City of Seattle: requests"
    one, two = channel.findall("item")
    assert one.findtext("title") == f"{api.get('requests').rows[0]['service_name']}, 7 Main <St> (open)"
    assert one.findtext("description") == "Ö <b> &amp; ]]>"
    assert one.findtext("{http://www.georss.org/georss}point") == "47.64 -122.4"
    assert two.find("{http://www.georss.org/georss}point") is None
    link = one.findtext("link")
    assert link is not None
    assert api.client.get(link).status_code == 200


@pytest.mark.parametrize("format", ["geojson", "csv", "rss"])
def test_every_format_answers_conditionally_and_everywhere(api: Api, request_at: Any, format: str) -> None:
    request_at("ONE")
    first = _ask(api, format)
    tag = first.headers["ETag"]

    again = api.client.get(
        f"/open311/v2/requests.{format}", query_string={"jurisdiction_id": SEATTLE}, headers={"If-None-Match": tag}
    )
    assert (again.status_code, again.get_data()) == (304, b"")
    assert first.headers["Access-Control-Allow-Origin"] == "*"
    request_at("TWO")
    assert _ask(api, format).headers["ETag"] != tag
    head = api.client.head(f"/open311/v2/requests.{format}", query_string={"jurisdiction_id": SEATTLE})
    assert (head.status_code, head.get_data()) == (200, b"")


@pytest.mark.parametrize("format", ["geojson", "csv", "rss", "json", "xml"])
def test_an_empty_list_is_well_formed(api: Api, format: str) -> None:
    body = _ask(api, format).get_data()

    if format in ("json", "geojson"):
        assert json.loads(body) in ([], {"type": "FeatureCollection", "features": []})
    elif format == "csv":
        assert len(list(csv.reader(io.StringIO(body.decode())))) == 1
    else:
        etree.fromstring(body)


def test_a_list_in_another_format_tells_what_is_wrong(api: Api) -> None:
    answer = _ask(api, "geojson", bbox="x")

    assert answer.status_code == 400
    assert json.loads(answer.get_data())[0]["description"].startswith("bbox ")
    assert _ask(api, "rss", bbox="x").get_data().endswith(b"</errors>")


def test_an_etag_changes_exactly_when_the_answer_would(api: Api, request_at: Any, connection: "Connection[Any]") -> None:
    one = request_at("ONE", description="a swing")
    request_at("OTHER", age=2 * HOUR)

    def tag(**asked: str) -> str:
        return str(api.get("requests", **asked).headers["ETag"])

    before = {"all": tag(), "swings": tag(q="swing"), "noise": tag(service_code="noise")}
    # Something that is not shown changes nothing.
    connection.execute("update service_request set priority = 1 where number = 'ONE'")
    assert {"all": tag(), "swings": tag(q="swing"), "noise": tag(service_code="noise")} == before
    one.status_notes = "Seen"
    db.session.flush()
    assert tag() != before["all"]
    assert tag(q="swing") != before["swings"]
    assert tag(service_code="noise") == before["noise"]
