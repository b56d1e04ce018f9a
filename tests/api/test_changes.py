"""GET changes: the change feed over HTTP."""

from typing import Any

import pytest
from psycopg import Connection

from db import db
from tests.api.wire import SEATTLE, Api, in_both_formats
from tests.factories import DAY, Factory


@in_both_formats
@pytest.mark.parametrize(
    "cursor", ["x", "1-2", "-1-2", "a--1-2", "0-99999999999999999999-1", "0-1-x", "é-1-1", "' or 1=1", "0-1-1!"]
)
def test_a_cursor_that_is_none_is_400_and_named(api: Api, cursor: str, format: str) -> None:
    answer = api.get("changes", format, cursor=cursor)

    assert answer.status == 400
    assert answer.problem.startswith("cursor must be * or the cursor of a change, got ")


@in_both_formats
def test_a_cursor_of_another_database_is_410(api: Api, format: str) -> None:
    answer = api.get("changes", format, cursor="00000000-0000-0000-0000-000000000000-5-5")

    assert answer.status == 410
    assert "read everything again" in answer.text


@in_both_formats
def test_the_end_of_the_feed_says_where_to_go_on(api: Api, make: Factory, format: str) -> None:
    # What this test's own transaction writes is not in the feed: it has not ended.
    make.request("ONE", jurisdiction_id=SEATTLE, service_code="graffiti", lat=47.64, long=-122.4)
    answer = api.get("changes", format)

    assert answer.rows == []
    assert answer.headers["X-Next-Cursor"] == "*"
    assert api.get("changes", format, page_size="x").status == 400


@in_both_formats
def test_a_change_has_the_request_as_open_data_says_it(
    api: Api, make: Factory, connection: "Connection[Any]", format: str
) -> None:
    one = make.request("ONE", jurisdiction_id=SEATTLE, service_code="graffiti", age=DAY, lat=47.64, long=-122.4)
    hidden = make.request("HIDDEN", jurisdiction_id=SEATTLE, service_code="graffiti", is_public=False)
    db.session.flush()
    connection.execute("update service_request set changed_in = 5, was_public = true where id = any(%s)", [[one.id, hidden.id]])

    first = api.get("changes", format, page_size="1")
    (row,) = first.rows
    assert (row["state"], row["service_request_id"]) == ("kept", "ONE")
    told = row["request"]
    listed = api.get("requests", format, service_request_id="ONE").row
    assert {name: told[name] for name in listed} == listed
    assert set(told) - set(listed) == {
        *("closed_date", "status_description", "source", "service_subtype", "service_group", "agency_code", "unit"),
        *("priority", "times_reopened", "parent_service_request_id", "districts"),
    }
    second = api.get("changes", format, cursor=first.headers["X-Next-Cursor"])
    assert [(each["state"], each["service_request_id"], each["request"]) for each in second.rows] == [
        ("removed", "HIDDEN", None)
    ]
    assert api.get("changes", format, cursor=second.rows[-1]["cursor"]).rows == []
