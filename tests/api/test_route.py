"""GET route: who would answer for a service at a place, and why."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.api.wire import IN_WEST_SEATTLE, OUTSIDE_SEATTLE, in_both_formats, read_json, xml_root

KEYS = ["department", "unit", "rule", "boundary", "distance_metres", "candidates", "reason"]
HERE = {"jurisdiction_id": "seattle.gov", "service_code": "street-maintenance", **IN_WEST_SEATTLE}


@pytest.fixture
def ask(client: FlaskClient) -> Any:
    """ask(format, **arguments): the answer."""

    def ask(format: str = "json", **arguments: str) -> Any:
        return client.get(f"/open311/v2/route.{format}", query_string=arguments)

    return ask


def test_the_answer_names_department_unit_rule_boundary_and_reason(ask: Any):
    found = read_json(ask(**HERE).data)

    assert list(found) == KEYS
    assert found["department"] == "Seattle Department of Transportation"
    assert found["unit"] == "Street Maintenance South"
    assert found["rule"] == "street-maintenance.council-1"
    assert found["boundary"] == {
        "layer": "council",
        "code": "1",
        "name": found["boundary"]["name"],
        "valid_from": None,
        "valid_to": None,
    }
    assert 100 < found["distance_metres"] < 5000
    assert found["reason"] == (
        f"Street Maintenance South answers for requests of this service in {found['boundary']['name']} "
        "(rule street-maintenance.council-1)."
    )


def test_the_department_reads_as_agency_responsible_does(ask: Any, client: FlaskClient, api_key: str):
    posted = client.post("/open311/v2/requests.json", data={"api_key": api_key, **HERE})
    number = read_json(posted.data)[0]["service_request_id"]

    shown = read_json(client.get(f"/open311/v2/requests/{number}.json?jurisdiction_id=seattle.gov").data)[0]

    assert shown["agency_responsible"] == read_json(ask(**HERE).data)["department"]


def test_every_candidate_stands_in_rank_order_with_why_it_lost_and_the_default_last(ask: Any):
    candidates = read_json(ask(**HERE).data)["candidates"]

    assert [each["rule"] for each in candidates] == [
        "street-maintenance.council-1",
        "street-maintenance",
        "group.streets",
        None,
    ]
    assert [each["lost_because"] for each in candidates] == [
        None,
        "it speaks of the whole city, and street-maintenance.council-1 of Council District 1",
        "it speaks of its whole group, and street-maintenance.council-1 of this service",
        "it is the city's default, and answers only where no rule does",
    ]
    assert candidates[-1]["department"] == "Customer Service Bureau"


def test_both_formats_say_the_same(ask: Any):
    as_json, root = read_json(ask(**HERE).data), xml_root(ask("xml", **HERE).data)

    assert root.tag == "route"
    assert [child.tag for child in root] == KEYS
    assert root.findtext("department") == as_json["department"]
    assert root.findtext("boundary/code") == "1"
    assert root.findtext("distance_metres") == str(as_json["distance_metres"])
    assert [each.findtext("rule") or None for each in root.findall("candidates/candidate")] == [
        each["rule"] for each in as_json["candidates"]
    ]


def test_a_rule_without_a_boundary_has_no_distance(ask: Any):
    found = read_json(ask(**{**HERE, "service_code": "graffiti"}).data)
    root = xml_root(ask("xml", **{**HERE, "service_code": "graffiti"}).data)

    assert (found["boundary"], found["distance_metres"]) == (None, None)
    assert len(root.find("boundary")) == 0  # type: ignore[arg-type]


@in_both_formats
@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        pytest.param(OUTSIDE_SEATTLE, 400, "outside the area served", id="outside"),
        pytest.param({"lat": "91"}, 400, "lat must be a number from -90 to 90", id="no-latitude"),
        pytest.param({"lat": "north"}, 400, "lat must be a number", id="not-a-number"),
        pytest.param({"long": ""}, 400, "long is missing", id="half-a-point"),
        pytest.param({"lat": "", "long": ""}, 400, "a location is required", id="no-place"),
        pytest.param({"service_code": ""}, 400, "service_code is required", id="no-service"),
        pytest.param({"service_code": "nonsense"}, 404, "service_code nonsense was not found", id="unknown-service"),
        pytest.param({"jurisdiction_id": "nowhere.gov"}, 404, "jurisdiction_id nowhere.gov", id="unknown-city"),
    ],
)
def test_what_cannot_be_asked_is_told(ask: Any, format: str, changes: dict[str, str], status: int, says: str):
    answer = ask(format, **{**HERE, **changes})

    assert answer.status_code == status
    described = (
        read_json(answer.data)[0]["description"] if format == "json" else xml_root(answer.data).findtext("error/description")
    )
    assert says in described


def test_an_answer_of_the_form_counts_when_it_is_good_and_is_told_when_it_is_not(ask: Any):
    asked = {**HERE, "service_code": "noise", "attribute[NOISE_TYPE]": "trumpets"}

    assert "NOISE_TYPE must be one of" in read_json(ask(**asked).data)[0]["description"]


def test_explaining_keeps_nothing(ask: Any, connection: Any):
    before = connection.execute("select count(*) from request_event").fetchone()

    ask(**HERE)

    assert connection.execute("select count(*) from request_event").fetchone() == before
