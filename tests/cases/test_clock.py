"""The clock: targets in working and calendar time, pauses, and the days on which the clocks are changed."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from open311.cases.clock import NeverOpen, Pause, Target, after_open_seconds, due, moment_of, open_seconds, used
from routing.calendars import Hours

NEW_YORK = ZoneInfo("America/New_York")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

OFFICE = Hours(
    timezone="America/New_York",
    weekly={weekday: [(510, 1020)] for weekday in range(1, 6)},
    days={
        date(2015, 2, 16): (),
        date(2015, 12, 24): [(510, 720)],
        date(2015, 11, 27): [(780, 1020)],
    },
)
NIGHT_DESK = Hours(
    timezone="America/New_York",
    weekly={weekday: [(1200, 1440), (0, 240)] for weekday in range(1, 8)},
    days={},
)
ALWAYS = Hours(timezone="America/New_York", weekly={weekday: [(0, 1440)] for weekday in range(1, 8)}, days={})
NEVER = Hours(timezone="America/New_York", weekly={}, days={date(2010, 1, 1): [(0, 1440)]})


def at(text: str, zone: ZoneInfo = NEW_YORK) -> datetime:
    """A moment by the clocks of New York."""
    # In UTC: a time that comes twice is never equal to one of another zone.
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def promise(text: str, hours: Hours | None = OFFICE) -> Target:
    """A target such as "10 working_days"."""
    amount, unit = text.split()
    return Target(amount=float(amount), unit=unit, hours=hours)


@pytest.mark.parametrize(
    ("target", "start", "expected"),
    [
        pytest.param("10 working_days", "2015-03-02 10:15", "2015-03-16 10:15", id="ten-working-days-are-two-weeks"),
        pytest.param("10 working_days", "2015-02-04 10:15", "2015-02-19 10:15", id="a-holiday-is-no-working-day"),
        pytest.param("1 working_days", "2015-03-02 17:00", "2015-03-04 08:30", id="closing-time-is-out-of-hours"),
        pytest.param("1 working_days", "2015-03-02 16:59:59", "2015-03-03 16:59:59", id="a-second-before-closing-is-not"),
        pytest.param("1 working_days", "2015-03-02 06:00", "2015-03-03 08:30", id="before-opening-counts-from-opening"),
        pytest.param("1 working_days", "2015-03-06 18:00", "2015-03-10 08:30", id="friday-night-counts-from-monday"),
        pytest.param("1 working_days", "2015-02-14 12:00", "2015-02-18 08:30", id="a-long-weekend-counts-from-tuesday"),
        pytest.param("1 working_days", "2015-12-23 16:00", "2015-12-24 12:00", id="a-short-day-is-over-at-its-closing"),
        pytest.param("1 working_days", "2015-11-26 09:00", "2015-11-27 09:00", id="a-late-opening-moves-nothing"),
        pytest.param("45 working_days", "2015-09-14 09:00", "2015-11-16 09:00", id="over-the-end-of-summer-time"),
        pytest.param("8 working_hours", "2015-03-02 10:30", "2015-03-03 10:00", id="hours-go-on-the-next-morning"),
        pytest.param("6.5 working_hours", "2015-03-02 10:30", "2015-03-02 17:00", id="all-day-ends-at-closing"),
        pytest.param("0.5 working_hours", "2015-03-06 16:45", "2015-03-09 08:45", id="half-an-hour-over-a-weekend"),
        pytest.param("1 working_hours", "2015-02-16 09:00", "2015-02-17 09:30", id="hours-wait-for-a-holiday-to-end"),
        pytest.param("14 calendar_days", "2015-03-01 23:10", "2015-03-15 23:10", id="calendar-days-keep-the-wall-time"),
        pytest.param("1 calendar_days", "2015-03-07 02:30", "2015-03-08 03:00", id="a-time-that-is-left-out-is-the-next"),
        pytest.param("1 calendar_days", "2015-10-31 01:30", "2015-11-01 01:30", id="a-time-that-comes-twice-is-the-first"),
        pytest.param("24 hours", "2015-03-07 12:00", "2015-03-08 13:00", id="hours-pass-whatever-the-clocks-show"),
        pytest.param("1.5 hours", "2015-03-07 12:00", "2015-03-07 13:30", id="an-hour-and-a-half"),
    ],
)
def test_a_target_is_due(target: str, start: str, expected: str):
    assert due(promise(target), at(start)) == at(expected)


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        pytest.param("2015-03-01 00:00", "2015-03-02 00:00", 24, id="an-ordinary-day"),
        pytest.param("2015-03-08 00:00", "2015-03-09 00:00", 23, id="the-day-that-lacks-an-hour"),
        pytest.param("2015-11-01 00:00", "2015-11-02 00:00", 25, id="the-day-that-has-one-twice"),
    ],
)
def test_a_day_is_as_long_as_it_is(start: str, end: str, hours: int):
    assert open_seconds(ALWAYS, at(start), at(end)) == hours * 3600


@pytest.mark.parametrize(
    ("spans", "day", "minutes"),
    [
        pytest.param([(120, 180)], date(2015, 3, 8), 0, id="within-the-hour-left-out"),
        pytest.param([(90, 150)], date(2015, 3, 8), 30, id="into-the-hour-left-out"),
        pytest.param([(150, 240)], date(2015, 3, 8), 60, id="out-of-the-hour-left-out"),
        pytest.param([(60, 90)], date(2015, 11, 1), 60, id="half-of-the-hour-that-comes-twice"),
        pytest.param([(0, 120)], date(2015, 11, 1), 180, id="the-hour-that-comes-twice"),
    ],
)
def test_hours_on_a_day_of_change_count_as_they_pass(spans: list[tuple[int, int]], day: date, minutes: int):
    hours = Hours(timezone="America/New_York", weekly={}, days={day: spans})
    midnight = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK)

    assert open_seconds(hours, midnight, midnight + DAY) == minutes * 60


def test_a_clock_that_goes_back_over_midnight_shows_an_evening_twice():
    # In St. John's it was set back from one minute past midnight.
    hours = Hours(timezone="America/St_Johns", weekly={}, days={date(2009, 10, 31): [(23 * 60, 1440)]})

    assert open_seconds(hours, datetime(2009, 10, 31, tzinfo=UTC), datetime(2009, 11, 2, tzinfo=UTC)) == 3600 + 59 * 60


def test_a_desk_open_over_midnight_goes_on():
    start = at("2015-03-02 23:00")

    assert due(promise("3 working_hours", NIGHT_DESK), start) == at("2015-03-03 02:00")
    assert due(promise("1 working_days", NIGHT_DESK), start) == at("2015-03-03 23:00")


@pytest.mark.parametrize(
    ("target", "pauses", "expected"),
    [
        pytest.param("1 working_days", [("03-02 12:00", "03-02 14:00")], "03-03 12:00", id="two-open-hours"),
        pytest.param("1 working_days", [("03-02 16:00", "03-03 09:00")], "03-03 11:30", id="only-its-open-time"),
        pytest.param("1 working_days", [("03-02 17:00", "03-03 08:30")], "03-03 10:00", id="a-night-takes-nothing"),
        pytest.param("1 working_days", [("03-03 10:00", "03-03 12:00")], "03-03 10:00", id="at-the-deadline-is-too-late"),
        pytest.param("1 working_days", [("03-03 09:59", "03-03 12:00")], "03-03 12:01", id="a-minute-before-is-not"),
        pytest.param("1 working_days", [("02-27 12:00", "03-02 11:00")], "03-03 11:00", id="begun-before-the-start"),
        pytest.param(
            "1 working_days", [("03-02 12:00", "03-02 14:00"), ("03-02 13:00", "03-02 15:00")], "03-03 13:00", id="overlapping"
        ),
        pytest.param(
            "1 working_days", [("03-03 11:00", "03-03 12:00"), ("03-02 12:00", "03-02 14:00")], "03-03 13:00", id="pushed-into"
        ),
        pytest.param("1 working_days", [("03-02 12:00", None)], "03-03 10:00", id="one-that-lasts-has-taken-none-yet"),
        pytest.param("2 calendar_days", [("03-02 17:00", "03-03 08:30")], "03-05 01:30", id="a-night-of-calendar-days"),
        pytest.param("30 hours", [("03-02 12:00", "03-02 14:00")], "03-03 18:00", id="hours"),
        pytest.param("8 working_hours", [("03-02 12:00", "03-02 14:00")], "03-03 11:30", id="working-hours"),
        pytest.param("1 working_days", [("03-02 14:00", "03-02 12:00")], "03-03 10:00", id="one-that-ends-before-it-begins"),
    ],
)
def test_a_pause_pushes_the_deadline(target: str, pauses: list[tuple[str, str | None]], expected: str):
    begun = [(at(f"2015-{began}"), None if ended is None else at(f"2015-{ended}")) for began, ended in pauses]

    assert due(promise(target), at("2015-03-02 10:00"), begun) == at(f"2015-{expected}")


def test_the_share_used_stands_still_out_of_hours_and_in_a_pause():
    target, start = promise("17 working_hours"), at("2015-03-02 08:30")
    lasting = [(at("2015-03-03 10:12"), None)]

    shares = [used(target, start, at(f"2015-{now}"), lasting) for now in ("03-01 12:00", "03-02 12:45", "03-03 01:00")]

    assert shares == [0, 0.25, 0.5]
    assert used(target, start, at("2015-03-09 12:00"), lasting) == pytest.approx(0.6)


def test_more_than_all_is_used_after_the_deadline():
    assert used(promise("1 working_days"), at("2015-03-02 10:00"), at("2015-03-05 10:00")) == 3


def test_the_moment_of_a_share_is_the_first():
    # Half of 17 hours is used when the desk closes, and still when it opens again.
    assert moment_of(promise("17 working_hours"), at("2015-03-02 08:30"), 0.5) == at("2015-03-02 17:00")


@pytest.mark.parametrize("share", [-0.1, float("nan"), float("inf")])
def test_there_is_no_moment_of_a_share_below_nothing(share: float):
    with pytest.raises(ValueError, match="share must be 0 or more"):
        moment_of(promise("1 working_days"), at("2015-03-02 08:30"), share)


@pytest.mark.parametrize("unit", ["1 working_days", "1 working_hours"])
def test_a_desk_that_never_opens_is_told(unit: str):
    with pytest.raises(NeverOpen):
        due(promise(unit, NEVER), at("2015-03-02 08:30"))


@pytest.mark.parametrize("unit", ["1 working_days", "8.5 working_hours"])
def test_a_desk_that_opens_again_is_waited_for_for_two_years(unit: str):
    def opens_again(days_later: int) -> Hours:
        first = date(2015, 3, 2)
        days = {first: [(510, 1020)], first + days_later * DAY: [(510, 1020)]}
        return Hours(timezone="America/New_York", weekly={}, days=days)

    assert due(promise(unit, opens_again(700)), at("2015-03-02 09:00")) == at("2017-01-30 09:00")
    with pytest.raises(NeverOpen):
        due(promise(unit, opens_again(750)), at("2015-03-02 09:00"))


def test_a_desk_that_opens_for_the_last_time_is_told():
    once = Hours(timezone="America/New_York", weekly={}, days={date(2015, 3, 2): [(510, 1020)]})

    with pytest.raises(NeverOpen):
        due(promise("1 working_days", once), at("2015-03-02 09:00"))


def test_a_moment_is_answered_in_utc_and_in_whole_seconds():
    moment = due(promise("1 working_days"), at("2015-03-02 10:15:20.900"))

    assert (moment.tzinfo, moment.microsecond) == (UTC, 0)
    assert moment == at("2015-03-03 10:15:20")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"amount": 0, "unit": "hours"}, "amount must be more than 0, got 0", id="nothing"),
        pytest.param({"amount": float("inf"), "unit": "hours"}, "amount must be more than 0", id="for-ever"),
        pytest.param({"amount": 1, "unit": "weeks"}, "unit must be one of working_days, ", id="unknown-unit"),
        pytest.param({"amount": 1.5, "unit": "working_days"}, "must be a whole number of working_days", id="half-a-day"),
        pytest.param({"amount": 1, "unit": "working_hours", "hours": None}, "hours must be given", id="no-hours"),
        pytest.param({"amount": 1, "unit": "calendar_days", "hours": None}, "timezone must be given", id="no-zone"),
    ],
)
def test_a_target_that_means_nothing_is_refused(given: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        Target(**{"hours": OFFICE, **given})  # type: ignore[arg-type]


def test_calendar_days_go_by_the_zone_they_are_given():
    target = Target(amount=1, unit="calendar_days", timezone="Europe/Berlin", hours=OFFICE)
    start = datetime(2015, 3, 28, 12, tzinfo=ZoneInfo("Europe/Berlin"))

    assert due(target, start) == start + DAY


def test_a_time_just_before_a_change_east_of_greenwich_is_the_one_before():
    berlin = ZoneInfo("Europe/Berlin")
    target = Target(amount=1, unit="calendar_days", timezone="Europe/Berlin")

    assert due(target, at("2015-03-28 01:30", berlin)) == at("2015-03-29 01:30", berlin)


# A second implementation, which walks minute by minute and knows nothing of offsets.

ZONES = (
    "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "America/St_Johns", "Africa/Casablanca",
    "Asia/Kathmandu", "UTC",
)  # fmt: skip
# Days around changes of the clocks in these zones.
CHANGES = (
    date(2015, 3, 8), date(2015, 11, 1), date(2015, 3, 29), date(2015, 10, 25), date(2015, 4, 5), date(2015, 10, 4),
    date(2015, 10, 18), date(2015, 2, 22), date(2009, 3, 8), date(2009, 11, 1), date(2015, 6, 14), date(2015, 12, 31),
)  # fmt: skip


def naive_is_open(hours: Hours, moment: datetime) -> bool:
    local = moment.astimezone(ZoneInfo(hours.timezone))
    return hours.is_open(local.date(), local.hour * 60 + local.minute)


def naive_counts(target: Target, moment: datetime) -> bool:
    if target.unit in ("calendar_days", "hours"):
        return True
    assert target.hours is not None
    return naive_is_open(target.hours, moment)


def naive_passed(target: Target, start: datetime, end: datetime) -> int:
    """Minutes that count between two moments."""
    total, moment = 0, start
    while moment < end:
        total += naive_counts(target, moment)
        moment += MINUTE
    return total


def naive_later(target: Target, start: datetime, minutes: int) -> datetime:
    moment = start
    while minutes:
        minutes -= naive_counts(target, moment)
        moment += MINUTE
    return moment


def naive_first_at(zone: str, wall: datetime) -> datetime:
    """The first minute at which the clock of the wall shows this or, left out, more."""
    moment = (wall - 2 * DAY).replace(tzinfo=UTC)
    while moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) < wall:
        moment += MINUTE
    return moment


def naive_due(target: Target, start: datetime, pauses: Sequence[tuple[datetime, datetime]]) -> datetime:
    assert target.hours is not None
    zone = target.hours.timezone
    if target.unit == "hours":
        deadline = start + target.amount * HOUR
    elif target.unit == "working_hours":
        deadline = naive_later(target, start, round(target.amount * 60))
    elif target.unit == "calendar_days":
        wall = start.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        deadline = naive_first_at(zone, wall + target.amount * DAY)
    else:
        while not naive_is_open(target.hours, start):
            start += MINUTE
        wall = start.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        for _ in range(int(target.amount)):
            wall += DAY
            while not target.hours.on(wall.date()):
                wall += DAY
        closing = (
            datetime.combine(wall.date(), datetime.min.time())
            + max(until for _, until in target.hours.on(wall.date())) * MINUTE
        )
        deadline = naive_first_at(zone, min(wall, closing))
    paused: set[datetime] = set()
    changed = True
    base = deadline
    while changed:
        changed = False
        for began, ended in pauses:
            if began < deadline:
                minutes = {began + at * MINUTE for at in range((ended - began) // MINUTE)}
                if not minutes <= paused:
                    paused |= minutes
                    changed = True
        deadline = naive_later(target, base, sum(naive_counts(target, minute) for minute in paused if minute >= start))
    return deadline


minute_of_day = st.integers(0, 96).map(lambda quarter: quarter * 15)
spans = st.lists(minute_of_day, min_size=0, max_size=4, unique=True).map(
    lambda ends: [(begin, end) for begin, end in list(pairwise(sorted(ends)))[::2]]
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Target, datetime, list[tuple[datetime, datetime]]]:
    """A target, a start near a change of the clocks, and pauses from then on; all in whole minutes."""
    near = draw(st.sampled_from(CHANGES))
    weekly = {weekday: draw(spans) for weekday in range(1, 8)}
    # So that there is an opening each week.
    weekly[draw(st.integers(1, 7))] = [(480, 1020)]
    days = {near + draw(st.integers(-3, 5)) * DAY: draw(spans) for _ in range(draw(st.integers(0, 3)))}
    hours = Hours(timezone=draw(st.sampled_from(ZONES)), weekly=weekly, days=days)
    unit = draw(st.sampled_from(["working_days", "working_hours", "calendar_days", "hours"]))
    amount = draw(st.integers(1, 5)) if unit.endswith("days") else draw(st.integers(1, 120)) / 4
    start = datetime(near.year, near.month, near.day, tzinfo=UTC) + draw(st.integers(-3 * 1440, 1440)) * MINUTE
    pauses = [
        (began := start + draw(st.integers(0, 3000)) * MINUTE, began + draw(st.integers(0, 1000)) * MINUTE)
        for _ in range(draw(st.integers(0, 3)))
    ]
    return Target(amount=amount, unit=unit, hours=hours), start, pauses


@given(cases())
@settings(max_examples=150, derandomize=True, deadline=None)
def test_the_deadline_is_that_of_a_walk_minute_by_minute(case: tuple[Target, datetime, list[tuple[datetime, datetime]]]):
    target, start, pauses = case

    assert due(target, start, pauses) == naive_due(target, start, pauses)


@given(cases(), st.integers(0, 6000))
@settings(max_examples=100, derandomize=True, deadline=None)
def test_the_open_time_is_that_of_a_walk_minute_by_minute(
    case: tuple[Target, datetime, list[tuple[datetime, datetime]]], minutes: int
):
    target, start, _ = case
    assert target.hours is not None
    end = start + minutes * MINUTE
    walked = sum(naive_is_open(target.hours, start + each * MINUTE) for each in range(minutes))

    passed = open_seconds(target.hours, start, end)

    assert passed == walked * 60
    assert open_seconds(target.hours, start, after_open_seconds(target.hours, start, passed)) == passed


@given(cases(), st.lists(st.floats(0, 3), min_size=2, max_size=8))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_a_share_is_used_at_its_moment_and_not_before(
    case: tuple[Target, datetime, list[tuple[datetime, datetime]]], shares: list[float]
):
    target, start, pauses = case
    moments = {share: moment_of(target, start, share, pauses) for share in [*sorted(shares), 1.0]}

    for share, moment in moments.items():
        assert used(target, start, moment, pauses) == pytest.approx(share, abs=1 / 900)
        if share not in (0, 1):
            assert used(target, start, moment - MINUTE / 60, pauses) < share
    assert moments[1.0] == due(target, start, pauses)
    in_order = [moments[share] for share in sorted(moments)]
    assert in_order == sorted(in_order)


@given(cases(), st.lists(st.integers(-600, 20_000), min_size=2, max_size=8))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_what_is_used_grows_with_time(case: tuple[Target, datetime, list[tuple[datetime, datetime]]], minutes: list[int]):
    target, start, pauses = case

    shares = [used(target, start, start + each * MINUTE, pauses) for each in sorted(minutes)]

    assert shares == sorted(shares)
    assert all(
        (share >= 1) == (start + each * MINUTE >= due(target, start, pauses))
        or naive_passed(target, min(due(target, start, pauses), start + each * MINUTE), due(target, start, pauses)) == 0
        for share, each in zip(shares, sorted(minutes), strict=True)
    )


@given(cases())
@settings(max_examples=150, derandomize=True, deadline=None)
def test_more_pauses_never_make_a_deadline_earlier(case: tuple[Target, datetime, list[tuple[datetime, datetime]]]):
    target, start, pauses = case
    some: list[Pause] = list(pauses[:1])

    assert due(target, start) <= due(target, start, some) <= due(target, start, pauses)
