"""GET similar, and similar=true with a POST: what was reported already that is likely the same thing."""

from typing import Any

import pytest
from psycopg import Connection

from tests.api.wire import GRAFFITI, IN_WEST_SEATTLE, SEATTLE, Api, in_both_formats

A_STEP_AWAY = {**GRAFFITI, "lat": "47.56135"}


@in_both_formats
def test_what_was_reported_nearby_is_told_before_anything_is_sent(api: Api, format: str):
    number = api.posted(GRAFFITI)

    row = api.get("similar", format, **A_STEP_AWAY).row

    assert (row["service_request_id"], row["status"], row["reported_by"]) == (number, "open", 1)
    assert 5 < row["distance_metres"] < 6
    assert set(row) == {
        "service_request_id",
        "service_name",
        "status",
        "requested_datetime",
        "address",
        "lat",
        "long",
        "distance_metres",
        "reported_by",
    }


@in_both_formats
def test_where_nothing_was_reported_the_list_is_empty(api: Api, format: str):
    api.posted(GRAFFITI)

    assert api.get("similar", format, **{**GRAFFITI, "lat": "47.5713"}).rows == []
    assert api.get("similar", format, service_code="graffiti", address_string="1 Nowhere St").rows == []


@in_both_formats
def test_what_is_private_is_suggested_to_nobody(api: Api, connection: "Connection[Any]", format: str):
    number = api.posted(GRAFFITI)
    connection.execute("update service_request set is_public = false where number = %s", [number])

    assert api.get("similar", format, **GRAFFITI).rows == []


@in_both_formats
@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        pytest.param({"service_code": "graffiti"}, 400, "a location is required", id="no-place"),
        pytest.param({"service_code": "graffiti", "lat": "x", "long": "1"}, 400, "lat", id="bad-place"),
        pytest.param({"service_code": "nothing", **IN_WEST_SEATTLE}, 404, "nothing", id="unknown-service"),
        pytest.param(IN_WEST_SEATTLE, 400, "service_code", id="no-service"),
    ],
)
def test_what_is_malformed_is_told(api: Api, format: str, arguments: dict[str, str], status: int, said: str):
    answer = api.get("similar", format, **arguments)

    assert answer.status == status
    assert said in answer.problem


@in_both_formats
def test_a_post_that_asks_has_them_in_its_answer_and_is_kept_all_the_same(api: Api, format: str):
    first = api.posted(GRAFFITI)

    row = api.post({**A_STEP_AWAY, "similar": "true"}, format).row

    assert [each["service_request_id"] for each in row["similar_requests"]] == [first]
    assert api.get(f"requests/{row['service_request_id']}", format, city=SEATTLE).row["status"] == "open"
    assert "similar_requests" not in api.post(A_STEP_AWAY, format).row
