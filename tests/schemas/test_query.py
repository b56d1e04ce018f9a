"""Arguments of GET requests: windows of dates, words, pages.  Spec 8.5, 8.6, 8.8."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from schemas import query
from schemas.problems import Problems
from schemas.query import RequestsQuery

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAYS_90 = timedelta(days=90)


def read(max_span_days: int = 90, max_page_rows: int = 1000, **arguments: str | Sequence[str]) -> RequestsQuery:
    """The query of these arguments, asked at NOW in New York."""
    given = {name: [value] if isinstance(value, str) else list(value) for name, value in arguments.items()}
    return query.read(
        given,
        zone=ZoneInfo("America/New_York"),
        now=NOW,
        max_span_days=max_span_days,
        max_page_rows=max_page_rows,
    )


def refused(**arguments: str) -> list[str]:
    """What is wrong with the arguments."""
    with pytest.raises(Problems) as problems:
        read(**arguments)
    return problems.value.messages


@pytest.mark.statement(47)
def test_without_dates_the_last_90_days_are_meant():
    asked = read()

    assert (asked.requested_from, asked.requested_to) == (NOW - DAYS_90, None)


def test_a_start_alone_begins_90_days():
    asked = read(start_date="2026-01-01T00:00:00Z")

    assert asked.requested_from == datetime(2026, 1, 1, tzinfo=UTC)
    assert asked.requested_to == datetime(2026, 1, 1, tzinfo=UTC) + DAYS_90


def test_an_end_alone_ends_90_days():
    asked = read(end_date="2026-01-01T00:00:00Z")

    assert asked.requested_from == datetime(2026, 1, 1, tzinfo=UTC) - DAYS_90
    assert asked.requested_to == datetime(2026, 1, 1, tzinfo=UTC)


def test_days_are_days_of_the_city_from_their_first_second_to_their_last():
    asked = read(start_date="2026-01-01", end_date="2026-01-31")

    assert asked.requested_from == datetime(2026, 1, 1, 5, tzinfo=UTC)
    assert asked.requested_to == datetime(2026, 2, 1, 4, 59, 59, tzinfo=UTC)


@pytest.mark.statement(53)
@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z", id="90-days"),
        pytest.param("2026-01-01T00:00:00Z", "2026-04-01T23:59:59.999999Z", id="90-days-and-the-last-of-them-whole"),
        pytest.param("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", id="a-moment"),
    ],
)
def test_a_span_of_90_days_is_answered(start: str, end: str):
    asked = read(start_date=start, end_date=end)

    assert asked.requested_from == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.statement(53)
@pytest.mark.parametrize("end", ["2026-04-02T00:00:01Z", "2026-04-11T00:00:00Z"])
def test_a_longer_span_is_refused_with_its_days(end: str):
    (message,) = refused(start_date="2026-01-01T00:00:00Z", end_date=end)

    assert message.startswith("start_date to end_date must be at most 90 days, got ")


def test_spans_are_as_long_as_you_like_when_the_limit_is_0():
    asked = read(max_span_days=0, start_date="2001-01-01", end_date="2026-01-01")

    assert asked.requested_from == datetime(2001, 1, 1, 5, tzinfo=UTC)


def test_a_start_after_the_end_is_refused():
    assert refused(start_date="2026-02-01T00:00:00Z", end_date="2026-01-01T00:00:00Z") == [
        "start_date 2026-02-01T00:00:00Z must not be after end_date 2026-01-01T00:00:00Z"
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"start_date": "9999-12-01T00:00:00Z"}, id="a-start-at-the-end-of-time"),
        pytest.param({"end_date": "0001-01-02T00:00:00Z"}, id="an-end-at-its-beginning"),
    ],
)
def test_a_span_beyond_the_calendar_is_refused(arguments: dict[str, str]):
    (message,) = refused(**arguments)

    assert "years 1 and 9999" in message


@pytest.mark.statement(68)
@pytest.mark.parametrize("name", ["updated_after", "updated_before"])
def test_a_date_of_change_alone_lifts_the_90_days(name: str):
    asked = read(**{name: "2020-01-01"})

    assert (asked.requested_from, asked.requested_to) == (None, None)


@pytest.mark.statement(68)
def test_dates_of_change_and_of_request_are_combined():
    asked = read(updated_after="2026-05-01", updated_before="2026-05-02", start_date="2026-04-01")

    assert asked.updated_from == datetime(2026, 5, 1, 4, tzinfo=UTC)
    assert asked.updated_to == datetime(2026, 5, 3, 3, 59, 59, tzinfo=UTC)
    assert asked.requested_from == datetime(2026, 4, 1, 4, tzinfo=UTC)


@pytest.mark.statement(48)
def test_ids_override_every_other_filter():
    asked = read(
        service_request_id="A-1, B-2", service_code="x", status="open", start_date="2026-01-01", updated_after="2026-01-01"
    )

    assert asked.numbers == ["A-1", "B-2"]
    assert (asked.service_codes, asked.status) == (None, None)
    assert (asked.requested_from, asked.requested_to, asked.updated_from, asked.updated_to) == (None,) * 4


@pytest.mark.statement(50)
@pytest.mark.parametrize(
    "given",
    [
        pytest.param("a,b", id="commas"),
        pytest.param(["a", "b"], id="repeated"),
        pytest.param(["a,b", " a "], id="both-and-one-twice"),
        pytest.param(",a,,b,", id="commas-too-many"),
    ],
)
def test_several_service_codes_are_a_union(given: str | Sequence[str]):
    assert read(service_code=given).service_codes == ["a", "b"]


@pytest.mark.statement(51)
@pytest.mark.parametrize(
    ("given", "status"),
    [
        pytest.param("open", "open", id="open"),
        pytest.param("CLOSED", "closed", id="upper-case"),
        pytest.param("open,closed", None, id="both"),
        pytest.param(["open", "closed"], None, id="both-repeated"),
        pytest.param("open,open", "open", id="one-twice"),
    ],
)
def test_a_status_is_read(given: str | Sequence[str], status: str | None):
    assert read(status=given).status == status


@pytest.mark.statement(51)
def test_an_unknown_status_is_refused_with_those_there_are():
    assert refused(status="foo") == ["status must be open or closed, got 'foo'"]


@pytest.mark.statement(58)
@pytest.mark.parametrize(
    "name", ["service_request_id", "service_code", "status", "start_date", "end_date", "page", "page_size"]
)
@pytest.mark.parametrize("text", ["", "  "], ids=["empty", "blank"])
def test_an_argument_given_empty_is_as_if_absent(name: str, text: str):
    assert read(**{name: text}) == read()


@pytest.mark.statement(59)
def test_unknown_arguments_are_ignored():
    assert read(legacy="false", callback="f") == read()


@pytest.mark.statement(54)
@pytest.mark.parametrize("name", ["start_date", "end_date", "updated_after", "updated_before"])
def test_a_date_that_cannot_be_read_is_refused_by_its_name(name: str):
    (message,) = refused(**{name: "soon"})

    assert message.startswith(f"{name} must be a date and time like ")


@pytest.mark.statement(40)
def test_all_that_is_wrong_is_told_at_once():
    found = refused(start_date="soon", status="foo", page="one")

    assert len(found) == 3


@pytest.mark.statement(67)
@pytest.mark.parametrize(
    ("text", "page"),
    [pytest.param("3", 3, id="3"), pytest.param("0", 1, id="0"), pytest.param("-5", 1, id="minus-5")],
)
def test_pages_count_from_1(text: str, page: int):
    assert read(page=text).page == page


@pytest.mark.parametrize("text", ["two", "1.5", "٣", "1e3", "99999999999", "--1"])
def test_a_page_that_is_no_whole_number_is_refused(text: str):
    (message,) = refused(page=text)

    assert message.startswith("page must be a whole number")


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        pytest.param({}, 1000, id="not-given"),
        pytest.param({"page_size": "50"}, 50, id="given"),
        pytest.param({"page_size": "5000"}, 1000, id="too-large"),
        pytest.param({"page_size": "0"}, 1, id="too-small"),
    ],
)
def test_a_page_has_at_most_as_many_rows_as_are_allowed(arguments: dict[str, str], rows: int):
    assert read(**arguments).page_rows == rows
