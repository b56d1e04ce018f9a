"""calendars.yml: what is loaded of it, what is refused with its line, and what a second load does."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import literal, select
from sqlalchemy.dialects.postgresql import TIMESTAMP

from db import db
from open311.city.folder import read_folder
from open311.city.lines import BadFile
from open311.city.load import load_folder
from open311.models import Jurisdiction
from routing.calendars import Calendar, CalendarDay, CalendarHours, is_open
from tests.small_city import SmallCity

pytestmark = pytest.mark.usefixtures("app")

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")

OFFICE = """\
- code: office
  name: the road office
  hours:
    mon-fri: ["08:00-12:00", "13:00-16:30"]
    sat: ["20:00-24:00"]
  holidays:
    country: US
    subdivision: MA
    without: [Columbus Day]
  closed:
    2026-11-27: The day after Thanksgiving
  special:
    2026-12-24: ["08:00-12:00"]
    2026-07-03: ["10:00-11:00"]
"""


def load(folder: SmallCity, calendars: str = OFFICE) -> None:
    """The folder with this calendars.yml, loaded."""
    folder.write("calendars.yml", calendars)
    load_folder(db.session(), read_folder(folder.path), now=NOW)


def city_id() -> int:
    """The id of Smallville."""
    return db.session.scalars(select(Jurisdiction.id).where(Jurisdiction.slug == "small.gov")).one()


def codes() -> list[str]:
    """The codes of the city's calendars."""
    return list(db.session.scalars(select(Calendar.code).where(Calendar.jurisdiction_id == city_id()).order_by(Calendar.code)))


def hours(code: str = "office") -> list[tuple[Any, ...]]:
    """(weekday, opens, closes) of a calendar, in minutes."""
    found = (
        select(CalendarHours.weekday, CalendarHours.opens_minute, CalendarHours.closes_minute)
        .join(Calendar, Calendar.id == CalendarHours.calendar_id)
        .where(Calendar.jurisdiction_id == city_id(), Calendar.code == code)
        .order_by(CalendarHours.weekday, CalendarHours.opens_minute)
    )
    return [tuple(row) for row in db.session.execute(found)]


def days(year: int, code: str = "office") -> dict[date, tuple[int | None, int | None, str]]:
    """The days of a year that differ."""
    found = (
        select(CalendarDay.day, CalendarDay.opens_minute, CalendarDay.closes_minute, CalendarDay.name)
        .join(Calendar, Calendar.id == CalendarDay.calendar_id)
        .where(Calendar.jurisdiction_id == city_id(), Calendar.code == code)
    )
    return {row[0]: (row[1], row[2], row[3]) for row in db.session.execute(found) if row[0].year == year}


def opened(local: str, code: str = "office") -> bool | None:
    """Whether a calendar is open at a time by the city's clock."""
    at = literal(datetime.fromisoformat(local).replace(tzinfo=NEW_YORK), TIMESTAMP(timezone=True))
    found = select(Calendar.id).where(Calendar.jurisdiction_id == city_id(), Calendar.code == code).scalar_subquery()
    return db.session.scalar(select(is_open(literal(city_id()), found, at)))


# What is loaded


def test_weekdays_and_their_stretches_are_loaded(folder: SmallCity):
    load(folder)

    assert hours() == [
        *[(weekday, opens, closes) for weekday in range(1, 6) for opens, closes in ((480, 720), (780, 990))],
        (6, 1200, 1440),
    ]


def test_a_calendar_has_its_name_and_the_citys_zone(folder: SmallCity):
    load(folder)

    row = db.session.scalars(select(Calendar).where(Calendar.jurisdiction_id == city_id())).one()
    assert (row.code, row.name, row.timezone) == ("office", "the road office", "America/New_York")


def test_public_holidays_come_from_the_library_but_for_those_named(folder: SmallCity):
    load(folder)

    found = days(2026)
    assert found[date(2026, 4, 20)] == (None, None, "Patriots' Day")
    assert found[date(2026, 11, 26)] == (None, None, "Thanksgiving Day")
    assert date(2026, 10, 12) not in found  # Columbus Day


def test_what_the_city_says_of_a_day_counts_before_the_library(folder: SmallCity):
    load(folder)

    found = days(2026)
    # The library has 3 July 2026 as the day on which Independence Day is observed.
    assert found[date(2026, 7, 3)] == (600, 660, "Other hours")
    assert found[date(2026, 11, 27)] == (None, None, "The day after Thanksgiving")
    assert found[date(2026, 12, 24)] == (480, 720, "Other hours")


def test_holidays_are_there_for_the_years_of_old_cases_and_for_decades(folder: SmallCity):
    load(folder)

    assert [len(days(year)) > 8 for year in (1999, 2000, 2060, 2061)] == [False, True, True, False]


def test_a_day_on_which_two_holidays_fall_is_one_unless_both_are_left_out(folder: SmallCity):
    # In Texas 19 June is two of them.
    both = ["Juneteenth National Independence Day", "Emancipation Day In Texas"]
    holidays = "holidays: {{country: US, subdivision: TX, without: {}}}"
    place = f"- {{{{code: office, name: Office, hours: {{{{sun: ['08:00-09:00']}}}}, {holidays}}}}}\n"
    load(folder, place.format(both[:1]))
    with_one = days(2026)

    load(folder, place.format(both))

    assert (date(2026, 6, 19) in with_one, date(2026, 6, 19) in days(2026)) == (True, False)


def test_a_special_day_without_hours_is_closed(folder: SmallCity):
    load(folder, "- {code: office, name: Office, hours: {mon-sun: ['00:00-24:00']}, special: {2026-12-24: []}}\n")

    assert (opened("2026-12-23T12:00"), opened("2026-12-24T12:00")) == (True, False)


@pytest.mark.parametrize(
    ("local", "is_open"),
    [
        pytest.param("2026-03-02T07:59:59", False, id="before-opening"),
        pytest.param("2026-03-02T08:00:00", True, id="at-opening"),
        pytest.param("2026-03-02T12:00:00", False, id="at-noon-it-closes"),
        pytest.param("2026-03-02T12:59:59", False, id="in-the-break"),
        pytest.param("2026-03-02T13:00:00", True, id="after-the-break"),
        pytest.param("2026-03-02T16:30:00", False, id="at-closing"),
        pytest.param("2026-03-07T23:59:59", True, id="until-midnight"),
        pytest.param("2026-03-08T00:00:00", False, id="at-midnight"),
        pytest.param("2026-07-03T10:30:00", True, id="within-special-hours"),
        pytest.param("2026-07-03T09:00:00", False, id="special-hours-replace-those-of-the-weekday"),
        pytest.param("2026-10-12T09:00:00", True, id="a-holiday-that-was-left-out"),
        pytest.param("2026-12-25T09:00:00", False, id="a-holiday"),
    ],
)
def test_it_is_open_when_the_file_says_so(folder: SmallCity, local: str, is_open: bool):
    load(folder)

    assert opened(local) is is_open


def test_a_city_needs_no_calendars(folder: SmallCity):
    load_folder(db.session(), read_folder(folder.path), now=NOW)

    assert codes() == []


# Loading again


def test_loading_again_replaces_hours_and_days(folder: SmallCity):
    load(folder)

    load(folder, "- {code: office, name: the new office, hours: {sun: ['09:00-10:00']}}\n")

    assert (hours(), days(2026)) == ([(7, 540, 600)], {})
    assert db.session.scalars(select(Calendar.name).where(Calendar.jurisdiction_id == city_id())).one() == "the new office"


def test_loading_the_same_again_changes_nothing(folder: SmallCity):
    load(folder)
    before = hours(), days(2026), codes()

    load(folder)

    assert (hours(), days(2026), codes()) == before


def test_a_calendar_that_is_gone_is_dropped_with_the_rules_that_named_it(folder: SmallCity):
    folder.write("rules.csv", "code,department,calendar,during\nnight,HALL,office,closed\n")
    load(folder)
    folder.write("rules.csv", "code,department\nday,HALL\n")

    load(folder, "- {code: other, name: Other, hours: {sun: ['08:00-09:00']}}\n")

    assert codes() == ["other"]
    assert hours() == []


def test_calendars_of_another_city_stay(folder: SmallCity):
    before = db.session.scalars(select(Calendar.id).order_by(Calendar.id)).all()
    load(folder)
    (folder.path / "calendars.yml").unlink()

    load_folder(db.session(), read_folder(folder.path), now=NOW + timedelta(days=1))

    assert db.session.scalars(select(Calendar.id).order_by(Calendar.id)).all() == before


# What is refused


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        pytest.param("  name: the road office\n", "", "1: name: is required", id="no-name"),
        pytest.param("code: office", "code: the office", "1: code: must be letters, digits, - and _ only", id="code"),
        pytest.param("  holidays:\n", "  holiday:\n", "7: holiday: Unknown field.", id="unknown-name"),
        pytest.param("mon-fri", "mon-fr", "4: hours.mon-fr: must be weekdays such as mon or mon-fri", id="weekday"),
        pytest.param("mon-fri", "fri-mon", "4: hours.fri-mon: must be weekdays such as mon", id="weekdays-backwards"),
        pytest.param('"20:00-24:00"', '"20:00-25:00"', "5: hours.sat: must be hours such as '08:30-17:00'", id="hour-25"),
        pytest.param('"20:00-24:00"', '"20:60-24:00"', "5: hours.sat: must be hours such as '08:30-17:00'", id="minute-60"),
        pytest.param('"20:00-24:00"', '"22:00-02:00"', "5: hours.sat: must be hours", id="past-midnight"),
        pytest.param('"20:00-24:00"', '"20:00-20:00"', "5: hours.sat: must be hours", id="no-time-at-all"),
        pytest.param('"20:00-24:00"', "20", "5: hours.sat: must be hours", id="a-number"),
        pytest.param('["20:00-24:00"]', '"20:00-24:00"', "5: hours.sat: Not a valid list.", id="no-list"),
        pytest.param('"13:00-16:30"', '"11:00-16:30"', "4: hours: must not overlap on a day", id="overlap-in-a-list"),
        pytest.param("sat:", "fri:", None, id="two-names-of-a-day-that-do-not-overlap"),
        pytest.param('sat: ["20:00', 'fri: ["10:00', "4: hours: must not overlap on a day", id="overlap-of-two-names"),
        pytest.param("country: US", "country: Atlantis", "7: holidays.country: the holiday data have no", id="country"),
        pytest.param("subdivision: MA", "subdivision: XX", "7: holidays.country: the holiday data have no US-XX", id="state"),
        pytest.param(
            "[Columbus Day]", "[Columbus]", "9: holidays.without: no holiday there is named Columbus", id="holiday-unknown"
        ),
        pytest.param("2026-11-27:", "27 November:", "11: closed.27 November: must be a day such as", id="closed-on-no-day"),
        pytest.param("2026-12-24:", "2026-02-30:", "13: special.2026-02-30: must be a day such as", id="special-on-no-day"),
        pytest.param("2026-12-24:", "2026-11-27:", "13: special: 2026-11-27 is closed as well", id="closed-and-special"),
        pytest.param('["08:00-12:00"]', '["8-12"]', "13: special.2026-12-24: must be hours", id="special-hours"),
        pytest.param("The day after Thanksgiving", '""', "11: closed.2026-11-27: must not be empty", id="closed-for-no-reason"),
        pytest.param("    sat:", "    MON-FRI: []\n    sat:", "4: hours: must have each day once", id="a-name-in-two-cases"),
        pytest.param(
            "  special:\n", '  special:\n    "2026-12-24": []\n', "13: special: must have each day once", id="day-twice"
        ),
    ],
)
def test_a_fault_is_told_with_its_line(folder: SmallCity, old: str, new: str, told: str | None):
    assert OFFICE.count(old) == 1
    folder.write("calendars.yml", OFFICE.replace(old, new))

    if told is None:
        read_folder(folder.path)
        return
    with pytest.raises(BadFile) as refused:
        read_folder(folder.path)
    (message,) = refused.value.messages
    assert message.startswith(f"{folder.path}/calendars.yml:{told}"), message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "1: must be a list", id="an-empty-file"),
        pytest.param("office: {}\n", "1: must be a list", id="a-mapping"),
        pytest.param(
            "- {code: a, name: A, hours: {sun: ['08:00-09:00']}}\n- {code: a, name: B, hours: {sun: ['08:00-09:00']}}\n",
            "2: code: 'a' stands twice",
            id="code-twice",
        ),
        pytest.param("- {code: a, name: A}\n", "1: hours: ", id="no-hours"),
        pytest.param("- {code: a, name: A, hours: [\n", "2: not YAML: ", id="no-yaml"),
    ],
)
def test_a_file_that_is_none_is_told(folder: SmallCity, text: str, told: str):
    folder.write("calendars.yml", text)

    with pytest.raises(BadFile) as refused:
        read_folder(folder.path)

    (message,) = refused.value.messages
    assert message.startswith(f"{folder.path}/calendars.yml:{told}"), message
