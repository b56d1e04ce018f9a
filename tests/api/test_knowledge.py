"""GET knowledge: how this was resolved before, where a city lets everybody ask."""

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from db import db
from open311.models import Jurisdiction
from tests.api.wire import BOSTON, read_json, xml_root
from tests.factories import DAY, Factory

LAMP = {"service_code": "street-light-outages", "jurisdiction_id": BOSTON}


@pytest.fixture
def get(client: FlaskClient) -> Any:
    """get(**arguments): the answer for everybody in Boston, which lets them ask."""
    db.session.execute(update(Jurisdiction).where(Jurisdiction.slug == BOSTON).values(public_knowledge=True))
    return lambda format="json", **arguments: client.get(f"/open311/v2/knowledge.{format}", query_string={**LAMP, **arguments})


def resolved(make: Factory, number: str, *, took: timedelta = DAY, **changes: Any) -> None:
    """A request that was closed."""
    make.request(number, age=9 * DAY, closed_after=took, case_status="fixed", **changes)


def test_a_city_that_does_not_say_so_is_404(client: FlaskClient):
    answer = client.get("/open311/v2/knowledge.json", query_string=LAMP)

    assert answer.status_code == 404
    assert read_json(answer.data)[0]["code"] == 404


def test_resolved_requests_and_the_commonest_resolution_are_told(get: Any, make: Factory):
    for number, took in (("L-1", DAY), ("L-2", 2 * DAY), ("L-3", 6 * DAY)):
        resolved(make, number, took=took, status_notes="New lamp")

    found = read_json(get(q="lamp", lat="42.3474", long="-71.0944").data)

    assert (found["resolution"], found["times"], found["median_hours"]) == ("Fixed", 3, 48)
    assert sorted(each["service_request_id"] for each in found["requests"]) == ["L-1", "L-2", "L-3"]
    assert found["requests"][0]["status_notes"] == "New lamp"
    assert found["requests"][0]["distance_metres"] == 0
    assert [each["times"] for each in found["requests"]] == [3, 3, 3]


def test_both_formats_say_the_same(get: Any, make: Factory):
    resolved(make, "L-1")

    root = xml_root(get("xml").data)

    assert root.tag == "knowledge"
    assert root.findtext("requests/request/service_request_id") == "L-1"
    assert root.findtext("requests/request/hours") in ("24", "24.0")


def test_nothing_that_is_not_public_is_told_and_nothing_that_people_wrote(get: Any, make: Factory):
    resolved(make, "L-1", description="call Ann Other 555-0100", address="7 Elm St")
    resolved(make, "L-2", is_public=False)
    answer = get(q="lamp Ann")

    assert [each["service_request_id"] for each in read_json(answer.data)["requests"]] == ["L-1"]
    assert b"Ann" not in answer.data
    assert b"Elm" not in answer.data


def test_public_articles_are_told_and_those_for_staff_are_not(get: Any):
    found = read_json(get(service_code="request-for-recycling-cart", q="a blue cart").data)

    assert {each["code"] for each in found["articles"]} == {"recycling-cart", "city-hall-hours"}
    assert found["articles"][0]["code"] == "recycling-cart"
    assert (found["resolution"], found["times"], found["median_hours"], found["requests"]) == (None, 0, None, [])


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        pytest.param({"service_code": ""}, 400, id="no-service"),
        pytest.param({"service_code": "moon"}, 404, id="unknown-service"),
        pytest.param({"lat": "42"}, 400, id="half-a-point"),
        pytest.param({"lat": "142", "long": "1"}, 400, id="no-point"),
        pytest.param({"q": "x" * 4001}, 400, id="too-long"),
    ],
)
def test_what_cannot_be_asked_is_said(get: Any, arguments: dict[str, str], status: int):
    assert get(**arguments).status_code == status


@pytest.mark.parametrize("words", ["' & | ! (", "\x00 nul", "% _ \\"])
def test_whatever_words_are_asked_for_are_an_answer(get: Any, words: str):
    assert get(q=words).status_code == 200
