"""GET requests and requests/{service_request_id}: which are shown, and how each looks."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from psycopg import Connection

from tests.api.wire import SEATTLE, STREET, Api, in_both_formats
from tests.factories import DAY, HOUR, NOW, Factory

SECOND = timedelta(seconds=1)

_KEYS = [
    "service_request_id",
    "status",
    "status_notes",
    "service_name",
    "service_code",
    "description",
    "agency_responsible",
    "service_notice",
    "requested_datetime",
    "updated_datetime",
    "expected_datetime",
    "address",
    "address_id",
    "zipcode",
    "lat",
    "long",
    "media_url",
]


class Seattle:
    """Makes requests in Seattle."""

    def __init__(self, make: Factory) -> None:
        self._make = make

    def request(self, number: str, *, service_code: str = "graffiti", **changes: object) -> None:
        """A request of an hour ago."""
        values = {"lat": 47.64, "long": -122.4, **changes}
        self._make.request(number, jurisdiction_id=SEATTLE, service_code=service_code, **values)  # type: ignore[arg-type]


@pytest.fixture
def seattle(make: Factory) -> Seattle:
    """Makes requests in Seattle: seattle.request("A-1", age=DAY)."""
    return Seattle(make)


def _wire(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# Without arguments


@pytest.mark.statement(47)
@in_both_formats
def test_the_last_90_days_are_listed_newest_first(api: Api, seattle: Seattle, format: str) -> None:
    seattle.request("D-1", age=89 * DAY)
    seattle.request("A-1", age=HOUR)
    seattle.request("E-1", age=91 * DAY)
    seattle.request("C-1", age=3 * DAY)
    seattle.request("B-1", age=2 * DAY)

    assert api.get("requests", format).ids == ["A-1", "B-1", "C-1", "D-1"]


@pytest.mark.statement(47)
@in_both_formats
def test_requests_of_the_same_second_stand_in_a_fixed_order(api: Api, seattle: Seattle, format: str) -> None:
    for number in ("B-1", "A-1", "C-1"):
        seattle.request(number)

    assert api.get("requests", format).ids == ["C-1", "A-1", "B-1"]


@pytest.mark.statement(47)
@in_both_formats
def test_at_most_1000_are_listed_and_they_are_the_newest(
    api: Api, seattle: Seattle, connection: "Connection[Any]", format: str
) -> None:
    seattle.request("A-0")
    same = "jurisdiction_id, service_id, status, case_status, department_id, updated_at, attributes, channel, is_public"
    connection.execute(
        f"insert into service_request ({same}, number, requested_at)"  # type: ignore[arg-type]
        f" select {same}, 'A-' || n, requested_at - n * interval '1 second' from service_request, generate_series(1, 1001) n"
    )

    ids = api.get("requests", format).ids

    assert ids == [f"A-{number}" for number in range(1000)]


@pytest.mark.statement(47)
@in_both_formats
def test_what_is_not_public_is_not_listed(api: Api, seattle: Seattle, format: str) -> None:
    seattle.request("A-1", is_public=False)

    assert api.get("requests", format).rows == []
    assert api.get("requests/A-1", format).status == 404


# By number


@pytest.mark.statement(48)
@in_both_formats
def test_numbers_override_every_other_filter(api: Api, seattle: Seattle, format: str) -> None:
    seattle.request("OLD-1", age=1000 * DAY, closed_after=HOUR)
    seattle.request("NEW-1")
    seattle.request("OTHER-1")

    answer = api.get(
        "requests",
        format,
        service_request_id="OLD-1,NEW-1,NOTHING-1",
        start_date=_wire(NOW - DAY),
        end_date=_wire(NOW),
        updated_after=_wire(NOW),
        service_code="noise",
        status="open",
    )

    assert answer.ids == ["NEW-1", "OLD-1"]


@pytest.mark.statement(48)
@in_both_formats
@pytest.mark.parametrize(
    "asked",
    ["A-1,B-1", "A-1, B-1 ,", " A-1 ,,B-1", ["A-1", "B-1"], ["A-1,X-1", "B-1", ""], "A-1,B-1,A-1"],
)
def test_numbers_are_comma_delimited_or_repeated(api: Api, seattle: Seattle, asked: str | Sequence[str], format: str) -> None:
    seattle.request("A-1")
    seattle.request("B-1", age=2 * HOUR)
    seattle.request("C-1")

    assert api.get("requests", format, service_request_id=asked).ids == ["A-1", "B-1"]


@pytest.mark.statement(48)
@in_both_formats
def test_unknown_numbers_are_absent(api: Api, seattle: Seattle, format: str) -> None:
    seattle.request("A-1")

    assert api.get("requests", format, service_request_id="X-1,A-1").ids == ["A-1"]
    assert api.get("requests", format, service_request_id="X-1").rows == []


@pytest.mark.statement(49)
@in_both_formats
def test_500_numbers_may_be_asked_for_at_once(api: Api, seattle: Seattle, format: str) -> None:
    numbers = [f"NUMBER-WITH-A-TAIL-{index:04}" for index in range(500)]
    for number in numbers[::50]:
        seattle.request(number)
    query = f"jurisdiction_id=seattle.gov&service_request_id={','.join(numbers)}"
    assert len(query) > 8192

    answer = api.ask(f"requests.{format}?{query}", format)

    assert sorted(answer.ids) == numbers[::50]


# By service and status


@pytest.mark.statement(50)
@in_both_formats
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("graffiti", ["A-1"]),
        ("graffiti,noise", ["A-1", "B-1"]),
        (["graffiti", "noise"], ["A-1", "B-1"]),
        (["graffiti,snow-and-ice", "noise"], ["A-1", "B-1", "C-1"]),
        ("graffiti, noise", ["A-1", "B-1"]),
        ("nothing", []),
        ("nothing,noise", ["B-1"]),
        ("GRAFFITI", []),
    ],
)
def test_several_services_are_a_union(
    api: Api, seattle: Seattle, asked: str | Sequence[str], found: list[str], format: str
) -> None:
    for age, (number, code) in enumerate([("A-1", "graffiti"), ("B-1", "noise"), ("C-1", "snow-and-ice")], start=1):
        seattle.request(number, service_code=code, age=age * HOUR)

    assert api.get("requests", format, service_code=asked).ids == found


@pytest.mark.statement(51)
@in_both_formats
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("open", ["A-1"]),
        ("closed", ["B-1"]),
        ("open,closed", ["A-1", "B-1"]),
        (["closed", "open"], ["A-1", "B-1"]),
        ("OPEN", ["A-1"]),
        ("Closed", ["B-1"]),
        (" open ", ["A-1"]),
        ("open,OPEN", ["A-1"]),
    ],
)
def test_status_may_be_one_or_both_in_any_case(
    api: Api, seattle: Seattle, asked: str | Sequence[str], found: list[str], format: str
) -> None:
    seattle.request("A-1")
    seattle.request("B-1", age=2 * HOUR, closed_after=HOUR)

    assert api.get("requests", format, status=asked).ids == found


@pytest.mark.statement(51)
@in_both_formats
@pytest.mark.parametrize("asked", ["foo", "open,foo", "opened", "null"])
def test_another_status_is_400_and_the_error_names_those_there_are(api: Api, asked: str, format: str) -> None:
    answer = api.get("requests", format, status=asked)

    assert answer.status == 400
    assert answer.problem.startswith("status must be open or closed, got ")


# By date


@pytest.mark.statement(52)
@in_both_formats
def test_both_dates_are_inclusive_to_the_second(api: Api, seattle: Seattle, format: str) -> None:
    for number, age in [("A-1", 1), ("B-1", 2), ("C-1", 3), ("D-1", 4)]:
        seattle.request(number, age=DAY + age * SECOND)

    answer = api.get("requests", format, start_date=_wire(NOW - DAY - 3 * SECOND), end_date=_wire(NOW - DAY - 2 * SECOND))

    assert answer.ids == ["B-1", "C-1"]


@pytest.mark.statement(52)
@in_both_formats
def test_dates_are_met_both_at_once(api: Api, seattle: Seattle, format: str) -> None:
    seattle.request("BEFORE-1", age=9 * DAY)
    seattle.request("WITHIN-1", age=7 * DAY)
    seattle.request("AFTER-1", age=5 * DAY)

    answer = api.get("requests", format, start_date=_wire(NOW - 8 * DAY), end_date=_wire(NOW - 6 * DAY))

    assert answer.ids == ["WITHIN-1"]


@pytest.mark.statement(52)
@in_both_formats
def test_dates_are_those_of_the_request_and_not_of_its_changes(api: Api, seattle: Seattle, format: str) -> None:
    seattle.request("A-1", age=9 * DAY, closed_after=2 * DAY)

    asked = {"start_date": _wire(NOW - 8 * DAY), "end_date": _wire(NOW - 6 * DAY)}

    assert api.get("requests", format, **asked).rows == []


@pytest.mark.statement(52)
@in_both_formats
def test_dates_and_other_filters_are_met_together(api: Api, seattle: Seattle, format: str) -> None:
    seattle.request("A-1", age=2 * DAY)
    seattle.request("B-1", age=2 * DAY, closed_after=HOUR)
    seattle.request("C-1", age=2 * DAY, service_code="noise")
    seattle.request("D-1", age=5 * DAY)

    answer = api.get("requests", format, start_date=_wire(NOW - 3 * DAY), status="open", service_code="graffiti")

    assert answer.ids == ["A-1"]


@pytest.mark.statement(52)
def test_a_request_is_found_by_the_time_that_is_printed_of_it(api: Api) -> None:
    number = api.posted(STREET)
    printed = api.get(f"requests/{number}").row["requested_datetime"]

    assert api.get("requests", start_date=printed, end_date=printed).ids == [number]


@pytest.mark.statement(53)
@in_both_formats
def test_a_start_alone_begins_90_days_and_an_end_alone_ends_them(api: Api, seattle: Seattle, format: str) -> None:
    for number, days in [("A-1", 100), ("B-1", 150), ("C-1", 200)]:
        seattle.request(number, age=days * DAY)

    assert api.get("requests", format, start_date=_wire(NOW - 200 * DAY)).ids == ["B-1", "C-1"]
    assert api.get("requests", format, end_date=_wire(NOW - 100 * DAY)).ids == ["A-1", "B-1"]


@pytest.mark.statement(53)
@in_both_formats
@pytest.mark.parametrize(("days", "status"), [(0, 200), (90, 200), (100, 400)])
def test_a_span_may_be_90_days(api: Api, days: int, status: int, format: str) -> None:
    answer = api.get("requests", format, start_date=_wire(NOW - days * DAY), end_date=_wire(NOW))

    assert answer.status == status
    if status == 400:
        assert answer.problem == "start_date to end_date must be at most 90 days, got 100"


@pytest.mark.statement(53)
def test_whole_days_as_clients_write_them_are_90_days(api: Api) -> None:
    asked = {"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-03-31T23:59:59.999999Z"}

    assert api.get("requests", **asked).status == 200
    assert api.get("requests", start_date="2026-01-01", end_date="2026-04-01").status == 200


@pytest.mark.statement(53)
def test_the_longest_span_can_be_set(api: Api, seattle: Seattle, settings: object) -> None:
    assert callable(settings)
    seattle.request("A-1", age=300 * DAY)
    asked = {"start_date": _wire(NOW - 400 * DAY), "end_date": _wire(NOW)}

    settings(max_span_days=0)
    assert api.get("requests", **asked).ids == ["A-1"]
    settings(max_span_days=30)
    assert api.get("requests", start_date=_wire(NOW - 60 * DAY), end_date=_wire(NOW)).status == 400


@pytest.mark.statement(53)
@in_both_formats
def test_a_start_after_the_end_is_400(api: Api, format: str) -> None:
    answer = api.get("requests", format, start_date="2026-01-02T00:00:00Z", end_date="2026-01-01T00:00:00Z")

    assert answer.status == 400
    assert answer.problem == "start_date 2026-01-02T00:00:00Z must not be after end_date 2026-01-01T00:00:00Z"


# 2026-03-01T12:00:00Z in every way that a client writes it; Seattle is eight hours behind.
_NOON = [
    "2026-03-01T12:00:00Z",
    "2026-03-01t12:00:00z",
    "2026-03-01T13:00:00+01:00",
    "2026-03-01T13:00:00 01:00",
    "2026-03-01T04:00:00-08:00",
    "2026-03-01T13:00:00+0100",
    "2026-03-01T12:00:00.000Z",
    "2026-03-01T12:00:00.999999Z",
    "2026-03-01T12:00:00,5Z",
    "2026-03-01 12:00:00.229081-00:00",
    "2026-03-01T12:00Z",
    "2026-03-01T04:00:00",
    " 2026-03-01T12:00:00Z ",
]


@pytest.mark.statement(54)
@in_both_formats
@pytest.mark.parametrize("text", _NOON)
def test_a_moment_may_be_written_in_many_ways(api: Api, seattle: Seattle, text: str, format: str) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for number, moment in [("BEFORE-1", noon - SECOND), ("A-1", noon), ("AFTER-1", noon + SECOND)]:
        seattle.request(number, requested_at=moment, updated_at=moment)

    assert api.get("requests", format, start_date=text, end_date=text).ids == ["A-1"]


@pytest.mark.statement(54)
@in_both_formats
def test_a_plus_may_come_encoded_or_not(api: Api, seattle: Seattle, format: str) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    seattle.request("A-1", requested_at=noon, updated_at=noon)
    text = "2026-03-01T13:00:00+01:00"

    for sent in (text, quote(text), quote(text, safe=":")):
        query = f"jurisdiction_id=seattle.gov&start_date={sent}&end_date={sent}"
        assert api.ask(f"requests.{format}?{query}", format).ids == ["A-1"]


@pytest.mark.statement(54)
@in_both_formats
def test_a_date_alone_is_that_day_in_the_city(api: Api, seattle: Seattle, format: str) -> None:
    midnight = datetime(2026, 3, 1, 8, tzinfo=UTC)  # in Seattle
    for number, moment in [
        ("BEFORE-1", midnight - SECOND),
        ("FIRST-1", midnight),
        ("LAST-1", midnight + DAY - SECOND),
        ("AFTER-1", midnight + DAY),
    ]:
        seattle.request(number, requested_at=moment, updated_at=moment)

    assert api.get("requests", format, start_date="2026-03-01", end_date="2026-03-01").ids == ["LAST-1", "FIRST-1"]


@pytest.mark.statement(54)
@in_both_formats
@pytest.mark.parametrize("argument", ["start_date", "end_date", "updated_after", "updated_before"])
@pytest.mark.parametrize(
    "text", ["yesterday", "2026-13-01", "2026-02-30T00:00:00Z", "1764000000", "2026-01-01T25:00Z", "null", "٢٠٢٦-٠١-٠١"]
)
def test_a_date_that_is_none_is_400_and_named(api: Api, argument: str, text: str, format: str) -> None:
    answer = api.get("requests", format, **{argument: text})

    assert answer.status == 400
    assert answer.problem.startswith(f"{argument} must be a date and time ")


@pytest.mark.statement(54)
@in_both_formats
def test_every_wrong_argument_is_named_at_once(api: Api, format: str) -> None:
    answer = api.get("requests", format, start_date="x", end_date="y", status="z", page="p", page_size="q")

    assert answer.status == 400
    assert {problem.split()[0] for problem in answer.problems} == {
        "start_date",
        "end_date",
        "status",
        "page",
        "page_size",
    }


@pytest.mark.statement(54)
@in_both_formats
@pytest.mark.parametrize(
    "asked",
    [
        {"start_date": "9999-12-31T23:59:59Z"},
        {"end_date": "0001-01-01T00:00:00Z"},
        {"start_date": "0001-01-01"},
        {"end_date": "9999-12-31"},
        {"start_date": "0000-01-01"},
        {"updated_after": "0001-01-01T00:00:00+14:00"},
        {"updated_before": "9999-12-31T23:59:59-12:00"},
        {"updated_before": "9999-12-31"},
    ],
)
def test_the_ends_of_time_are_no_accident(api: Api, asked: dict[str, str], format: str) -> None:
    answer = api.get("requests", format, **asked)

    assert answer.status in (200, 400)
    assert answer.status == 200 or answer.problem


# What it looks like


@pytest.mark.statement(55)
def test_no_requests_are_an_empty_array_or_element(api: Api) -> None:
    json, xml = api.get("requests", "json"), api.get("requests", "xml")

    assert (json.status, json.body) == (200, b"[]")
    assert (xml.status, xml.body) == (200, b'<?xml version="1.0" encoding="utf-8"?>\n<service_requests/>')


@pytest.mark.statement(56)
@in_both_formats
def test_a_record_has_all_of_its_17_fields(api: Api, seattle: Seattle, format: str) -> None:
    seattle.request("A-1", lat=None, long=None, description=None)

    row = api.get("requests/A-1", format).row

    assert list(row) == _KEYS
    assert [name for name, value in row.items() if value is None] == [
        "status_notes",
        "description",
        "service_notice",
        "expected_datetime",
        "address",
        "address_id",
        "zipcode",
        "lat",
        "long",
        "media_url",
    ]


@pytest.mark.statement(56)
def test_codes_that_look_like_numbers_stay_strings(api: Api, seattle: Seattle) -> None:
    seattle.request("0012345", zipcode="02134", address_id="007", description="42")

    row = api.get("requests/0012345").row

    assert (row["service_request_id"], row["zipcode"], row["address_id"], row["description"]) == (
        "0012345",
        "02134",
        "007",
        "42",
    )


@pytest.mark.statement(56)
def test_lat_and_long_are_numbers(api: Api, seattle: Seattle) -> None:
    seattle.request("A-1", lat=47.0, long=-122.123456789)

    row = api.get("requests/A-1").row

    assert isinstance(row["lat"], float)
    assert (row["lat"], row["long"]) == (47.0, -122.123456789)


@pytest.mark.statement(56)
def test_the_empty_text_is_not_null(api: Api, seattle: Seattle) -> None:
    seattle.request("A-1", status_notes="null", address="None")

    row = api.get("requests/A-1").row

    assert (row["status_notes"], row["address"]) == ("null", "None")


@pytest.mark.statement(57)
@in_both_formats
def test_status_is_open_or_closed_and_a_closed_request_was_updated_when_it_closed(
    api: Api, seattle: Seattle, format: str
) -> None:
    seattle.request("A-1", age=2 * DAY)
    seattle.request("B-1", age=2 * DAY, closed_after=DAY)

    rows = {row["service_request_id"]: row for row in api.get("requests", format).rows}

    assert {number: row["status"] for number, row in rows.items()} == {"A-1": "open", "B-1": "closed"}
    assert rows["A-1"]["updated_datetime"] == _wire(NOW - 2 * DAY)
    assert rows["B-1"]["updated_datetime"] == _wire(NOW - DAY)


@pytest.mark.statement(58)
@in_both_formats
@pytest.mark.parametrize("blank", ["", " "])
@pytest.mark.parametrize(
    "argument",
    [
        "service_request_id",
        "service_code",
        "status",
        "start_date",
        "end_date",
        "updated_after",
        "updated_before",
        "page",
        "page_size",
        "callback",
        "extensions",
        "api_key",
    ],
)
def test_an_empty_argument_is_as_if_absent(api: Api, seattle: Seattle, argument: str, blank: str, format: str) -> None:
    seattle.request("A-1")
    seattle.request("B-1", age=2 * DAY, closed_after=HOUR)
    seattle.request("OLD-1", age=200 * DAY)

    assert api.get("requests", format, **{argument: blank}).body == api.get("requests", format).body


@pytest.mark.statement(59)
@in_both_formats
def test_unknown_arguments_are_ignored(api: Api, seattle: Seattle, format: str) -> None:
    seattle.request("A-1")

    unknown = {"legacy": "false", "locale": "fi", "max_requests": "x", "": "y", "jurisdiction": "z", "limit": "-1"}

    assert api.get("requests", format, **unknown).body == api.get("requests", format).body
    assert api.get("requests/A-1", format, **unknown).body == api.get("requests/A-1", format).body
    assert api.get("services", format, **unknown).body == api.get("services", format).body


@pytest.mark.statement(59)
@pytest.mark.parametrize("callback", ["f", "alert(1)"])
def test_xml_knows_no_callback(api: Api, seattle: Seattle, callback: str) -> None:
    seattle.request("A-1")

    assert api.get("requests", "xml", callback=callback).body == api.get("requests", "xml").body


@pytest.mark.statement(60)
@in_both_formats
def test_one_request_is_a_list_of_the_record_that_the_list_shows(api: Api, seattle: Seattle, format: str) -> None:
    seattle.request("A-1", address="1 Main St")
    seattle.request("B-1")

    assert api.get("requests/A-1", format).content == [
        row for row in api.get("requests", format).rows if row["service_request_id"] == "A-1"
    ]


@pytest.mark.statement(60)
@in_both_formats
@pytest.mark.parametrize("number", ["NOTHING-1", "A-1%00", "%20", "A-1,B-1", "a%2Fb", "..", "%F0%9F%95%B3", "%ED%A0%80"])
def test_an_unknown_number_is_404(api: Api, seattle: Seattle, number: str, format: str) -> None:
    seattle.request("A-1")
    seattle.request("B-1")

    answer = api.ask(f"requests/{number}.{format}?jurisdiction_id=seattle.gov", format)

    assert answer.status == 404
    assert answer.problem


@pytest.mark.statement(60)
def test_one_request_is_found_at_any_age(api: Api, seattle: Seattle) -> None:
    seattle.request("A-1", age=1000 * DAY)

    assert api.get("requests/A-1").ids == ["A-1"]
