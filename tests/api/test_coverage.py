"""GET coverage, and GET services with a point: is this place ours, and what is offered there?"""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from db import db
from geo.models import Layer
from open311.models import Service
from tests.api.wire import BOSTON, IN_WEST_SEATTLE, OUTSIDE_SEATTLE, SEATTLE, in_both_formats, read_json, xml_root
from tests.factories import Factory

IN_BOSTON = {"lat": "42.3474", "long": "-71.0944"}


@pytest.fixture
def get(client: FlaskClient) -> Any:
    """get(resource, **arguments): the answer."""

    def get(resource: str, **arguments: str) -> Any:
        return client.get(f"/open311/v2/{resource}", query_string=arguments)

    return get


def test_a_point_of_a_city_is_covered_and_its_districts_are_named(get: Any):
    found = read_json(get("coverage.json", **IN_WEST_SEATTLE).data)

    assert found == {
        "covered": True,
        "jurisdiction_id": SEATTLE,
        "districts": [
            {"layer": "council", "code": "1", "name": "Council District 1"},
            {"layer": "police", "code": "SW", "name": found["districts"][1]["name"]},
        ],
    }


def test_whichever_city_has_the_point_is_told_when_none_is_named(get: Any):
    assert read_json(get("coverage.json", **IN_BOSTON).data)["jurisdiction_id"] == BOSTON
    assert read_json(get("coverage.json", **IN_WEST_SEATTLE).data)["jurisdiction_id"] == SEATTLE


def test_a_point_of_another_city_is_not_covered_by_the_one_that_is_named(get: Any):
    found = get("coverage.json", jurisdiction_id=BOSTON, **IN_WEST_SEATTLE)

    assert found.status_code == 200
    assert read_json(found.data) == {"covered": False, "jurisdiction_id": None, "districts": []}


def test_a_point_outside_is_200_and_not_covered(get: Any):
    as_json, as_xml = get("coverage.json", **OUTSIDE_SEATTLE), get("coverage.xml", **OUTSIDE_SEATTLE)

    assert (as_json.status_code, as_xml.status_code) == (200, 200)
    assert read_json(as_json.data)["covered"] is False
    assert xml_root(as_xml.data).findtext("covered") == "false"


def test_xml_says_the_same(get: Any):
    root = xml_root(get("coverage.xml", **IN_WEST_SEATTLE).data)

    assert [child.tag for child in root] == ["covered", "jurisdiction_id", "districts"]
    assert root.findtext("covered") == "true"
    assert [each.findtext("layer") for each in root.findall("districts/district")] == ["council", "police"]


@in_both_formats
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param({}, "lat and long are required", id="no-point"),
        pytest.param({"lat": "47"}, "long is missing", id="half-a-point"),
        pytest.param({"lat": "47", "long": "200"}, "long must be a number from -180 to 180", id="out-of-range"),
        pytest.param({"lat": "nan", "long": "0"}, "lat must be a number", id="not-a-number"),
    ],
)
def test_a_bad_point_is_400(get: Any, format: str, arguments: dict[str, str], says: str):
    answer = get(f"coverage.{format}", **arguments)

    assert answer.status_code == 400
    assert says in answer.data.decode()


def test_services_at_a_point_are_those_of_the_city_there(get: Any):
    there, all_of_seattle = get("services.json", **IN_WEST_SEATTLE), get("services.json", jurisdiction_id=SEATTLE)

    assert read_json(there.data) == read_json(all_of_seattle.data) != []


@in_both_formats
def test_no_services_are_offered_outside(get: Any, format: str):
    answer = get(f"services.{format}", jurisdiction_id=SEATTLE, **OUTSIDE_SEATTLE)

    assert answer.status_code == 200
    assert (read_json(answer.data) == []) if format == "json" else (len(xml_root(answer.data)) == 0)


def test_services_with_half_a_point_are_400(get: Any):
    assert get("services.json", jurisdiction_id=SEATTLE, lat="47.6").status_code == 400


@pytest.fixture
def graffiti_in_seven(make: Factory) -> Service:
    """Graffiti is removed downtown only."""
    service = make.service("graffiti", SEATTLE)
    layer_id = db.session.scalar(
        select(Layer.id).where(Layer.jurisdiction_id == service.jurisdiction_id, Layer.code == "council")
    )
    db.session.execute(
        update(Service).where(Service.id == service.id).values(offered_layer_id=layer_id, offered_boundary_codes=["7"])
    )
    return service


def test_a_service_that_is_offered_elsewhere_only_is_not_listed_here(get: Any, graffiti_in_seven: Service):
    west = [each["service_code"] for each in read_json(get("services.json", **IN_WEST_SEATTLE).data)]
    downtown = [each["service_code"] for each in read_json(get("services.json", lat="47.6097", long="-122.3331").data)]
    anywhere = [each["service_code"] for each in read_json(get("services.json", jurisdiction_id=SEATTLE).data)]

    assert ("graffiti" in west, "graffiti" in downtown, "graffiti" in anywhere) == (False, True, True)


def test_a_request_for_a_service_where_it_is_not_offered_is_refused(
    client: FlaskClient, api_key: str, graffiti_in_seven: Service
):
    form = {"api_key": api_key, "jurisdiction_id": SEATTLE, "service_code": "graffiti", **IN_WEST_SEATTLE}

    answer = client.post("/open311/v2/requests.json", data=form)

    assert answer.status_code == 400
    assert "Graffiti" in answer.data.decode()
    assert "is not offered at lat 47.5613, long -122.3868" in answer.data.decode()
