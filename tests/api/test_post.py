"""POST requests: what is asked for, what comes back, and what can be read at once."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from psycopg import Connection

from open311.cases.numbering import give_number
from open311.keys import create_key
from tests.api.wire import (
    BASE,
    GARBAGE,
    IN_WEST_SEATTLE,
    NOISE,
    OUTSIDE_SEATTLE,
    SEATTLE,
    STREET,
    TIP,
    Answer,
    Api,
    in_both_formats,
    without,
    xml_root,
)
from tests.factories import NOW

Kept = Callable[[], Any]

PERSON = {
    "email": "erin.private@example.org",
    "first_name": "Erinprivate",
    "last_name": "Mustermannprivate",
    "phone": "206-555-0199",
    "device_id": "device-private-77",
    "account_id": "account-private-88",
}


# Service


@pytest.mark.statement(25)
@in_both_formats
@pytest.mark.parametrize("sent", [{}, {"service_code": ""}, {"service_code": "  "}], ids=["absent", "empty", "blank"])
def test_a_missing_service_code_is_400(api: Api, kept: Kept, sent: dict[str, str], format: str) -> None:
    before = kept()

    answer = api.post({**without(STREET, "service_code"), **sent}, format)

    assert answer.status == 400
    assert answer.problem == "service_code is required"
    assert kept() == before


@pytest.mark.statement(25)
@in_both_formats
def test_an_unknown_service_code_is_404(api: Api, kept: Kept, format: str) -> None:
    before = kept()

    answer = api.post({**STREET, "service_code": "nothing"}, format)

    assert answer.status == 404
    assert answer.problem == "service_code nothing was not found"
    assert kept() == before


# Location


@pytest.mark.statement(26)
@in_both_formats
def test_a_report_without_any_location_is_400(api: Api, kept: Kept, format: str) -> None:
    before = kept()

    answer = api.post({"service_code": "street-maintenance"}, format)

    assert answer.status == 400
    assert answer.problem == "a location is required: lat and long, address_string or address_id"
    assert kept() == before


@pytest.mark.statement(26)
@in_both_formats
def test_a_blank_location_is_none(api: Api, format: str) -> None:
    blank = {"lat": "", "long": " ", "address_string": "", "address_id": "\n"}

    assert api.post({"service_code": "street-maintenance", **blank}, format).status == 400


@pytest.mark.statement(26)
@in_both_formats
@pytest.mark.parametrize(
    "location",
    [IN_WEST_SEATTLE, {"address_string": "700 5th Ave"}, {"address_id": "4711"}],
    ids=["lat and long", "address_string", "address_id"],
)
def test_one_kind_of_location_is_enough(api: Api, location: dict[str, str], format: str) -> None:
    assert api.post({"service_code": "street-maintenance", **location}, format).row["service_request_id"]


@pytest.mark.statement(26)
@in_both_formats
@pytest.mark.parametrize("code", ["information", "suggestions", "complaints"])
def test_a_service_that_needs_no_location_takes_a_report_without(api: Api, code: str, format: str) -> None:
    number = api.posted({"service_code": code, "description": "When is the library open?"})

    row = api.get(f"requests/{number}", format).row

    assert (row["lat"], row["long"], row["address"]) == (None, None, None)


@pytest.mark.statement(26)
@in_both_formats
def test_every_kind_of_location_that_is_sent_is_kept(api: Api, format: str) -> None:
    number = api.posted({**STREET, "address_string": "700 5th Ave", "address_id": "4711"})

    row = api.get(f"requests/{number}", format).row

    assert (row["lat"], row["long"], row["address"], row["address_id"]) == (47.64, -122.4, "700 5th Ave", "4711")


@pytest.mark.statement(26)
def test_one_client_marks_an_address_that_is_not_known(api: Api) -> None:
    number = api.posted({**STREET, "address_id": "#NOTPINPOINTED#"})

    assert api.get(f"requests/{number}").row["address_id"] is None


@pytest.mark.statement(27)
@in_both_formats
@pytest.mark.parametrize(
    ("location", "named"),
    [
        pytest.param({"lat": "47.64"}, "long", id="lat alone"),
        pytest.param({"long": "-122.4"}, "lat", id="long alone"),
        pytest.param({"lat": "47.64", "long": ""}, "long", id="long blank"),
        pytest.param({"lat": "91", "long": "-122.4"}, "lat", id="lat beyond the pole"),
        pytest.param({"lat": "47.64", "long": "-181"}, "long", id="long beyond the date line"),
        pytest.param({"lat": "abc", "long": "-122.4"}, "lat", id="lat is text"),
        pytest.param({"lat": "47,64", "long": "-122.4"}, "lat", id="lat with a comma"),
        pytest.param({"lat": "nan", "long": "-122.4"}, "lat", id="lat is nan"),
        pytest.param({"lat": "47.64", "long": "-Infinity"}, "long", id="long is infinite"),
        pytest.param({"lat": "４７", "long": "-122.4"}, "lat", id="lat in other digits"),
        pytest.param({"lat": "4_7", "long": "-122.4"}, "lat", id="lat as Python writes it"),
        pytest.param(OUTSIDE_SEATTLE, "lat", id="outside the city"),
        pytest.param({"lat": "0", "long": "0"}, "lat", id="null island"),
    ],
)
def test_a_wrong_pair_of_coordinates_is_400_and_names_it(
    api: Api, kept: Kept, location: dict[str, str], named: str, format: str
) -> None:
    before = kept()

    answer = api.post({"service_code": "street-maintenance", **location}, format)

    assert answer.status == 400
    assert named in answer.problem
    assert kept() == before


@pytest.mark.statement(27)
def test_a_wrong_coordinate_is_refused_even_beside_an_address(api: Api) -> None:
    answer = api.post({"service_code": "street-maintenance", "address_string": "700 5th Ave", "lat": "47.6"})

    assert answer.status == 400
    assert answer.problem == "lat and long must be sent together, long is missing"


@pytest.mark.statement(27)
def test_a_place_outside_the_city_is_refused_where_no_place_is_needed_too(api: Api) -> None:
    answer = api.post({"service_code": "information", **OUTSIDE_SEATTLE})

    assert answer.status == 400
    assert "outside the area served, City of Seattle" in answer.problem


# Description


@pytest.mark.statement(34)
@in_both_formats
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x" * 4000, id="ascii"),
        pytest.param("🕳" * 4000, id="beyond the basic plane"),
        pytest.param("a\r\n" * 1999 + "bc", id="CRLF counts as one"),
        pytest.param(" " + "x" * 4000 + "\r\n", id="white space around it does not count"),
    ],
)
def test_a_description_of_4000_characters_is_taken(api: Api, text: str, format: str) -> None:
    number = api.posted({**STREET, "description": text})

    kept = api.get(f"requests/{number}", format).row["description"]

    assert kept == text.replace("\r\n", "\n").strip()
    assert len(kept) == 4000


@pytest.mark.statement(34)
@in_both_formats
@pytest.mark.parametrize("text", ["x" * 4001, "a\r\n" * 2000 + "b"], ids=["ascii", "with CRLF"])
def test_a_description_of_4001_characters_is_400(api: Api, kept: Kept, text: str, format: str) -> None:
    before = kept()

    answer = api.post({**STREET, "description": text}, format)

    assert answer.status == 400
    assert answer.problem == "description must be at most 4000 characters, got 4001"
    assert kept() == before


@pytest.mark.statement(40)
@in_both_formats
@pytest.mark.parametrize(
    ("fields", "named"),
    [
        pytest.param({**STREET, "lat": "x", "description": "x" * 4001}, ["lat", "description"], id="place and text"),
        pytest.param(
            {"service_code": "street-maintenance", "description": "x" * 4001},
            ["description", "location"],
            id="no place and text",
        ),
        pytest.param({**STREET, "lat": "x", "long": "y"}, ["lat", "long"], id="both coordinates"),
        pytest.param(
            {**GARBAGE, "attribute[CONTAINER_TYPE]": "", "attribute[CONTAINER_COUNT]": "two"},
            ["CONTAINER_TYPE required", "CONTAINER_COUNT"],
            id="two attributes",
        ),
        pytest.param({**STREET, **OUTSIDE_SEATTLE, "media_url": "hole.jpg"}, ["media_url", "outside"], id="outside"),
        pytest.param({"service_code": "missed-garbage"}, ["location", "TYPE", "COUNT", "DAY"], id="nothing but a code"),
    ],
)
def test_all_problems_come_in_one_400(api: Api, kept: Kept, fields: dict[str, str], named: list[str], format: str) -> None:
    before = kept()

    answer = api.post(fields, format)

    assert answer.status == 400
    assert len(answer.problems) == len(named)
    assert all(any(name in problem for problem in answer.problems) for name in named), answer.problems
    assert kept() == before


# What comes back


@pytest.mark.statement(35)
@in_both_formats
def test_a_realtime_report_is_answered_with_its_number(api: Api, format: str) -> None:
    answer = api.post(STREET, format)

    assert answer.status == 200
    assert list(answer.row) == ["service_request_id", "service_notice", "account_id"]
    assert isinstance(answer.row["service_request_id"], str)


@pytest.mark.statement(35)
def test_a_number_is_never_taken_for_a_quantity(api: Api) -> None:
    for _ in range(20):
        number = api.posted(STREET)
        assert number[0].isalpha()
        assert number.replace("-", "").isalnum()
        assert number.isascii()


@pytest.mark.statement(35)
@in_both_formats
def test_a_receipt_tells_the_notice_and_the_account(api: Api, format: str) -> None:
    row = api.post({**GARBAGE, "account_id": "A-7"}, format).row

    assert row["service_notice"] == "Please leave the containers out until they are collected."
    assert row["account_id"] == "A-7"


@pytest.mark.statement(36)
@in_both_formats
def test_a_batch_report_is_answered_with_a_token_and_no_number(api: Api, format: str) -> None:
    answer = api.post(NOISE, format)

    assert answer.status == 200
    assert list(answer.row) == ["token", "service_notice", "account_id"]
    assert isinstance(answer.row["token"], str)


@pytest.mark.statement(36)
@in_both_formats
def test_a_blackbox_report_is_answered_with_neither(api: Api, format: str) -> None:
    answer = api.post(TIP, format)

    assert answer.status == 200
    assert list(answer.row) == ["service_notice", "account_id"]


@pytest.mark.statement(36)
@in_both_formats
def test_a_blackbox_report_is_kept_and_never_shown(api: Api, connection: "Connection[Any]", format: str) -> None:
    api.post(TIP)

    numbers = [row[0] for row in connection.execute("select number from service_request").fetchall()]

    assert len(numbers) == 1
    assert api.get("requests", format).rows == []
    assert api.get(f"requests/{numbers[0]}", format).status == 404


@in_both_formats
def test_a_private_report_has_a_number_and_is_never_shown(api: Api, format: str) -> None:
    number = api.posted({"service_code": "public-disclosure", "attribute[RECORDS]": "All of them"})

    assert api.get("requests", format).rows == []
    assert api.get("requests", format, service_request_id=number).rows == []
    assert api.get(f"requests/{number}", format).status == 404


@pytest.mark.statement(37)
@pytest.mark.parametrize("fields", [STREET, NOISE, TIP], ids=["realtime", "batch", "blackbox"])
def test_an_xml_receipt_has_two_children_or_more(api: Api, fields: dict[str, str]) -> None:
    root = xml_root(api.post(fields, "xml").body)

    assert root.tag == "service_requests"
    assert [child.tag for child in root] == ["request"]
    assert len(root[0]) >= 2


@pytest.mark.statement(37)
def test_an_xml_token_has_two_children(api: Api) -> None:
    token = api.post(NOISE).row["token"]

    root = xml_root(api.get(f"tokens/{token}", "xml").body)

    assert [child.tag for child in root[0]] == ["service_request_id", "token"]


@pytest.mark.statement(38)
@in_both_formats
def test_what_was_posted_is_read_at_once(api: Api, format: str) -> None:
    posted = {
        **STREET,
        "lat": "47.640012",
        "long": "-122.400034",
        "address_string": "700 5th Ave, Seattle",
        "description": "Deep hole",
        "media_url": "https://example.org/hole.jpg?size=1&x=2",
    }
    number = api.post(posted, format).row["service_request_id"]

    row = api.get(f"requests/{number}", format).row

    assert row["service_request_id"] == number
    assert row["status"] == "open"
    assert row["service_code"] == "street-maintenance"
    assert row["service_name"] == "Street Maintenance"
    assert row["address"] == "700 5th Ave, Seattle"
    assert row["description"] == "Deep hole"
    assert row["lat"] == pytest.approx(47.640012, abs=5e-7)
    assert row["long"] == pytest.approx(-122.400034, abs=5e-7)
    assert row["media_url"] == "https://example.org/hole.jpg?size=1&x=2"
    assert row["requested_datetime"] == row["updated_datetime"]
    assert api.get("requests", format).rows == [row]


# Who reported


@pytest.mark.statement(41)
@pytest.mark.parametrize("field", PERSON)
@in_both_formats
def test_a_personal_field_is_kept_and_not_shown(api: Api, connection: "Connection[Any]", field: str, format: str) -> None:
    number = api.posted({**STREET, field: PERSON[field]})

    shown = api.get(f"requests/{number}", format).text + api.get("requests", format).text

    assert PERSON[field] not in shown
    assert connection.execute(f"select {field} from reporter").fetchall() == [(PERSON[field],)]  # type: ignore[arg-type]


@pytest.mark.statement(41)
def test_one_client_misspells_device_id(api: Api, connection: "Connection[Any]") -> None:
    api.posted({**STREET, "deviceid": "device-7"})

    assert connection.execute("select device_id from reporter").fetchall() == [("device-7",)]


@pytest.mark.statement(41)
def test_who_says_nothing_of_themselves_leaves_no_row(api: Api, connection: "Connection[Any]") -> None:
    api.posted({**STREET, "email": " "})

    assert connection.execute("select count(*) from reporter").fetchone() == (0,)


# The way in


@pytest.mark.statement(42)
@in_both_formats
@pytest.mark.parametrize(
    "path", ["//open311/v2/requests", "/open311/v2//requests", "/open311//v2///requests", "/open311/v2/requests"]
)
def test_a_post_is_never_redirected(client: FlaskClient, api: Api, path: str, format: str) -> None:
    form = {**STREET, "api_key": api.api_key, "jurisdiction_id": SEATTLE}

    response = client.post("/", data=form, environ_overrides={"PATH_INFO": f"{path}.{format}"})

    assert response.status_code == 200
    assert Answer(response, format).row["service_request_id"]


@pytest.mark.statement(42)
@in_both_formats
def test_a_post_with_a_slash_at_the_end_is_not_redirected(client: FlaskClient, api: Api, format: str) -> None:
    form = {**STREET, "api_key": api.api_key, "jurisdiction_id": SEATTLE}

    posted = Answer(client.post(f"{BASE}/requests.{format}/", data=form), format)
    refused = Answer(client.post(f"{BASE}/requests.{format}/", data={**form, "api_key": ""}), format)

    assert posted.row["service_request_id"]
    assert (refused.status, refused.problem) == (403, "api_key is missing")


# The same report again


@pytest.mark.statement(43)
@in_both_formats
def test_the_same_fixmystreet_report_is_the_same_request(api: Api, kept: Kept, format: str) -> None:
    report = {**STREET, "attribute[fixmystreet_id]": "123"}
    first = api.post(report, format).row
    before = kept()

    second = api.post({**report, "description": "again"}, format).row

    assert second == first
    assert kept() == before


@pytest.mark.statement(43)
def test_another_report_is_another_request(api: Api) -> None:
    first = api.posted({**STREET, "attribute[fixmystreet_id]": "123"})
    second = api.posted({**STREET, "attribute[fixmystreet_id]": "124"})

    assert first != second


@pytest.mark.statement(43)
def test_the_same_report_number_of_another_key_is_another_request(api: Api, connection: "Connection[Any]") -> None:
    other = create_key(connection, "other", now=NOW)
    report = {**STREET, "attribute[fixmystreet_id]": "123"}

    first, second = api.posted(report), api.posted(report, key=other)

    assert first != second
    assert api.posted(report) == first
    assert api.posted(report, key=other) == second


@pytest.mark.statement(43)
def test_the_same_report_number_in_another_city_is_another_request(api: Api) -> None:
    first = api.posted({**STREET, "attribute[fixmystreet_id]": "123"})
    second = api.posted(
        {
            "service_code": "street-light-outages",
            "lat": "42.3474",
            "long": "-71.0944",
            "attribute[fixmystreet_id]": "123",
        },
        city="boston.gov",
    )

    assert first != second


@pytest.mark.statement(43)
@in_both_formats
def test_the_same_batch_report_has_the_same_token_numbered_or_not(
    api: Api, connection: "Connection[Any]", kept: Kept, format: str
) -> None:
    report = {**NOISE, "attribute[fixmystreet_id]": "9"}
    first = api.post(report, format).row
    before = kept()

    pending = api.post(report, format).row
    city_id, request_id = connection.execute("select jurisdiction_id, id from service_request").fetchone() or (0, 0)
    assert kept() == before
    give_number(connection, jurisdiction_id=city_id, request_id=request_id, now=NOW)
    numbered = api.post(report, format).row

    assert first == pending == numbered


@pytest.mark.statement(43)
@in_both_formats
def test_the_same_idempotency_key_is_the_same_request(api: Api, kept: Kept, format: str) -> None:
    first = api.post(STREET, format, headers={"Idempotency-Key": "6f1c"}).row
    before = kept()

    second = api.post(STREET, format, headers={"Idempotency-Key": "6f1c"}).row

    assert second == first
    assert kept() == before
    assert api.post(STREET, format, headers={"Idempotency-Key": "6f1d"}).row != first


@pytest.mark.statement(43)
def test_an_idempotency_key_of_another_api_key_is_another_request(api: Api, connection: "Connection[Any]") -> None:
    other = create_key(connection, "other", now=NOW)
    again = {"Idempotency-Key": "6f1c"}

    assert api.posted(STREET, headers=again) != api.posted(STREET, key=other, headers=again)


@pytest.mark.statement(43)
def test_the_same_report_without_a_number_of_its_own_is_another_request(api: Api) -> None:
    assert api.posted(STREET) != api.posted(STREET)


# What clients send beside


@pytest.mark.statement(33)
@in_both_formats
def test_unknown_fields_are_ignored(api: Api, format: str) -> None:
    beside = {"service_name": "Pothole", "title": "Hole", "x": "1", "attribute": "y", "attribute[": "z", "": "w"}

    assert api.post({**STREET, **beside}, format).row["service_request_id"]


@in_both_formats
def test_the_text_null_of_one_client_is_nothing(api: Api, connection: "Connection[Any]", format: str) -> None:
    nulls = dict.fromkeys(["address_string", "address_id", "description", "media_url", *PERSON, "service_name"], "null")

    number = api.post({**STREET, **nulls}, format).row["service_request_id"]

    row = api.get(f"requests/{number}", format).row
    assert [row[name] for name in ("address", "address_id", "description", "media_url")] == [None] * 4
    assert connection.execute("select count(*) from reporter").fetchone() == (0,)


@in_both_formats
def test_the_text_null_is_no_coordinate(api: Api, format: str) -> None:
    nulls = {"service_code": "street-maintenance", "lat": "null", "long": "null"}

    assert api.post(nulls, format).problem.startswith("a location is required")
    assert api.post({**nulls, "address_string": "700 5th Ave"}, format).status == 200


@pytest.mark.statement(12)
def test_a_post_may_have_all_of_its_fields_in_the_query(api: Api) -> None:
    query = {**STREET, "jurisdiction_id": SEATTLE, "api_key": api.api_key}

    assert api.post({}, city=None, key=None, query=query).row["service_request_id"]


def test_a_number_is_read_as_a_person_writes_it(api: Api) -> None:
    number = api.posted(STREET)

    assert api.get(f"requests/{number.lower().replace('-', ' ')}").ids == [number]
    assert api.get(f"requests/{number.replace('-', '')}", "xml").ids == [number]


def test_who_gives_an_address_is_told_that_it_came_in(api: Api, connection: "Connection[Any]"):
    number = api.posted({**STREET, "email": "rita@example.org"})

    told = connection.execute(
        "select m.event, m.facts ->> 'number', m.state, f.email from message m join follower f on f.id = m.follower_id"
    ).fetchall()
    assert [tuple(each) for each in told] == [("received", number, "waiting", "rita@example.org")]


@pytest.mark.parametrize("form", [STREET, {**TIP, "email": "rita@example.org"}, {**STREET, "email": "no address"}])
def test_nobody_is_written_to_who_cannot_or_may_not_be(api: Api, connection: "Connection[Any]", form: dict[str, str]):
    api.post(form)

    assert connection.execute("select count(*) from message").fetchone() == (0,)
