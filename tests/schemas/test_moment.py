"""Times on the wire: every form that clients send, and the one that we write."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import moment
from schemas.moment import NotAMoment

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.statement(54)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-01-31T09:30:00Z", "2026-01-31T09:30:00Z", id="zulu"),
        pytest.param("2026-01-31t09:30:00z", "2026-01-31T09:30:00Z", id="lower-case"),
        pytest.param("2026-01-31T09:30:00+01:00", "2026-01-31T08:30:00Z", id="an-offset"),
        pytest.param("2026-01-31T09:30:00-0500", "2026-01-31T14:30:00Z", id="an-offset-without-colon"),
        pytest.param("2026-01-31T09:30:00 01:00", "2026-01-31T08:30:00Z", id="a-plus-that-became-a-space"),
        pytest.param("2026-01-31T09:30:00.999999Z", "2026-01-31T09:30:00Z", id="fractions-of-a-second"),
        pytest.param("2026-01-31T09:30:00,5Z", "2026-01-31T09:30:00Z", id="a-decimal-comma"),
        pytest.param("2026-01-31T09:30:00.123456789Z", "2026-01-31T09:30:00Z", id="nanoseconds"),
        pytest.param("2015-12-09 23:12:23.229081-06:00", "2015-12-10T05:12:23Z", id="as-chicagorequests-sends-it"),
        pytest.param("2026-01-31 09:30:00", "2026-01-31T14:30:00Z", id="a-space-for-t-and-no-zone"),
        pytest.param("2026-01-31T09:30:00", "2026-01-31T14:30:00Z", id="no-zone-in-winter"),
        pytest.param("2026-07-31T09:30:00", "2026-07-31T13:30:00Z", id="no-zone-in-summer"),
        pytest.param("2026-01-31T09:30", "2026-01-31T14:30:00Z", id="no-seconds"),
        pytest.param("2026-01-31", "2026-01-31T05:00:00Z", id="a-day"),
        pytest.param("  2026-01-31 ", "2026-01-31T05:00:00Z", id="spaces-around"),
        pytest.param("2024-02-29", "2024-02-29T05:00:00Z", id="a-leap-day"),
    ],
)
def test_every_form_that_clients_send_is_read(text: str, expected: str):
    assert moment.write(moment.read(text, NEW_YORK)) == expected


@pytest.mark.statement(54)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("yesterday", id="a-word"),
        pytest.param("31/01/2026", id="day-first"),
        pytest.param("2026-1-31", id="one-digit-month"),
        pytest.param("20260131", id="no-dashes"),
        pytest.param("2026-01-31T", id="a-t-and-no-time"),
        pytest.param("2026-01-31T09", id="an-hour-alone"),
        pytest.param("2026-01-31T09:30:00+1", id="half-an-offset"),
        pytest.param("2026-01-31T09:30:00 EST", id="a-zone-by-name"),
        pytest.param("2026-01-31Z", id="a-day-with-a-zone"),
        pytest.param("2026-13-01", id="month-13"),
        pytest.param("2026-02-29", id="no-leap-year"),
        pytest.param("2026-01-31T25:00:00Z", id="hour-25"),
        pytest.param("2026-01-31T09:60:00Z", id="minute-60"),
        pytest.param("2026-01-31T09:30:00+99:00", id="an-offset-of-days"),
        pytest.param("0000-01-01", id="year-0"),
        pytest.param("0001-01-01T00:00:00+14:00", id="before-year-1"),
        pytest.param("9999-12-31T23:59:59-12:00", id="after-year-9999"),
        pytest.param("9999-12-31T23:00:00", id="after-year-9999-on-the-citys-clock"),
        pytest.param("٢٠٢٦-٠١-٣١", id="arabic-digits"),
        pytest.param("1769851800", id="seconds-since-1970"),
        pytest.param("2026-01-31T09:30:00Z; drop table", id="more-behind-it"),
    ],
)  # fmt: skip
def test_what_is_no_date_and_time_is_refused_with_the_text(text: str):
    with pytest.raises(NotAMoment) as refused:
        moment.read(text, NEW_YORK)

    assert str(refused.value).endswith(f"got {text!r}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-01-31", "2026-02-01T04:59:59Z", id="a-day"),
        pytest.param("2026-03-08", "2026-03-09T03:59:59Z", id="a-day-of-23-hours"),
        pytest.param("2026-11-01", "2026-11-02T04:59:59Z", id="a-day-of-25-hours"),
        pytest.param("2026-01-31T00:00:00", "2026-01-31T05:00:00Z", id="a-time-is-not-moved"),
    ],
)
def test_the_end_of_a_day_is_its_last_second_on_the_citys_clock(text: str, expected: str):
    assert moment.write(moment.read(text, NEW_YORK, end_of_day=True)) == expected


def test_a_time_that_the_clock_skips_is_read_with_the_offset_before_it():
    # 02:30 does not exist on 8 March 2026 in New York: at 02:00 EST it is 03:00 EDT.
    assert moment.write(moment.read("2026-03-08T02:30:00", NEW_YORK)) == "2026-03-08T07:30:00Z"


def test_a_time_that_the_clock_shows_twice_is_the_first_of_both():
    assert moment.write(moment.read("2026-11-01T01:30:00", NEW_YORK)) == "2026-11-01T05:30:00Z"


def test_fractions_are_cut_off_and_not_rounded():
    assert moment.whole_second(datetime(2026, 1, 1, 0, 0, 0, 999999, tzinfo=UTC)) == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.statement(9)
def test_moments_are_written_in_utc_to_the_second():
    local = datetime(2026, 1, 31, 4, 30, 0, 999, tzinfo=timezone(timedelta(hours=-5)))

    assert moment.write(local) == "2026-01-31T09:30:00Z"


@given(
    known=st.datetimes(
        min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)
    ).map(moment.whole_second)
)  # fmt: skip
def test_what_is_written_is_read_as_the_same_moment(known: datetime):
    assert moment.read(moment.write(known), NEW_YORK) == known
