"""open311 request targets: recorded deadlines beside ours and beside plain calendar days, and what it refuses."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from open311.config import CHECKOUT
from tests.cli.conftest import Run, good, told
from tests.small_city import SmallCity

BOSTON = CHECKOUT / "fixtures" / "boston"

HEADER = "ID,OPENED,DUE,CLOSED,TYPE,LAT,LONG,DEPARTMENT,QUEUE"
CALENDARS = "- {code: office, name: the office, hours: {mon-fri: ['08:30-17:00']}, closed: {2026-02-16: A holiday}}\n"
TARGETS = """\
- {group: Parks, calendar_days: 30}
- {service_code: pothole, working_days: 1, calendar: office, valid_to: 2026-03-01}
- {service_code: pothole, working_days: 5, calendar: office, valid_from: 2026-03-01}
- {group: Streets, hours: 2}
- {hours: 3}
"""
ROWS = (
    # In hours, out of hours, before a holiday; with the target of March; an hour late by the office's clock, and more.
    "P-1,2026-02-02T10:00:00,2026-02-03T10:00:00,,Pothole,,,,",
    "P-2,2026-02-02T06:00:00,2026-02-03T08:30:00,,Pothole,,,,",
    "P-3,2026-02-13T10:00:00,2026-02-17T10:00:00,,Pothole,,,,",
    "P-4,2026-03-02T10:00:00,2026-03-09T10:00:00,,Pothole,,,,",
    "P-5,2026-02-02T16:30:00,2026-02-04T09:00:00,,Pothole,,,,",
    "P-6,2026-02-02T16:30:00,2026-02-04T09:01:00,,Pothole,,,,",
    "P-7,2026-02-03T16:30:00,,,Pothole,,,,",
    "T-1,2026-02-20T10:00:00,2026-03-22T10:00:00,,Fallen Tree,,,,",
    "T-2,2026-02-20T10:00:00,2026-03-22T11:01:00,,Fallen Tree,,,,",
)


@pytest.fixture
def loaded(run: Run, folder: SmallCity) -> SmallCity:
    """Smallville with targets, calendars and past cases beside it; loaded before those came."""
    good(run("city", "load", folder.path))
    folder.change("mapping.yml", "  closed_datetime: CLOSED\n", "  closed_datetime: CLOSED\n  expected_datetime: DUE\n")
    folder.write("calendars.yml", CALENDARS)
    folder.write("targets.yml", TARGETS)
    folder.record(*ROWS, header=HEADER)
    return folder


def words(folder: SmallCity, *options: object) -> list[object]:
    """The words that compare Smallville's cases."""
    return [
        "request", "targets", folder.path / "requests.csv", "--mapping", folder.path / "mapping.yml",
        "--jurisdiction", "small.gov", *options,
    ]  # fmt: skip


def test_every_service_with_a_recorded_deadline_is_compared(run: Run, loaded: SmallCity):
    found = json.loads(good(run(*words(loaded, "--json"))))

    assert found == {
        "cases": 8,
        "equal": 0.75,
        "calendar_days_equal": 0.5,
        "services": [
            {
                "service_code": "pothole",
                "service_name": "Pothole",
                "targets": ["1 working day before 2026-03-01", "5 working days from 2026-03-01"],
                "cases": 6,
                "equal": 0.8333,
                "calendar_days": 1,
                "calendar_days_equal": 0.5,
            },
            {
                "service_code": "tree",
                "service_name": "Fallen Tree",
                "targets": ["30 calendar days"],
                "cases": 2,
                "equal": 0.5,
                "calendar_days": 30,
                "calendar_days_equal": 0.5,
            },
        ],
    }


def test_it_is_shown_as_a_table(run: Run, loaded: SmallCity):
    lines = good(run(*words(loaded))).splitlines()
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]

    assert cells == [
        ["Pothole", "6", "1 working day before 2026-03-01, 5 working days from 2026-03-01", "83.3 %", "1", "50.0 %"],
        ["Fallen Tree", "2", "30 calendar days", "50.0 %", "30", "50.0 %"],
        ["all", "8", "", "75.0 %", "", "50.0 %"],
    ]


def test_other_files_can_be_named(run: Run, loaded: SmallCity):
    elsewhere = loaded.path / "proposed"
    elsewhere.mkdir()
    (elsewhere / "new.yml").write_text("- {working_days: 1, calendar: desk}\n")
    (elsewhere / "hours.yml").write_text(CALENDARS.replace("office", "desk"))

    options = ("--targets", elsewhere / "new.yml", "--calendars", elsewhere / "hours.yml", "--json")
    found = json.loads(good(run(*words(loaded, *options))))

    assert [(each["targets"], each["equal"]) for each in found["services"]] == [
        (["1 working day"], 0.6667),
        (["1 working day"], 0.0),
    ]


def test_a_service_without_a_target_agrees_with_nothing(run: Run, loaded: SmallCity):
    loaded.write("targets.yml", "- {group: Parks, calendar_days: 30}\n")

    found = json.loads(good(run(*words(loaded, "--json"))))

    assert (found["services"][0]["targets"], found["services"][0]["equal"]) == ([], 0.0)


def test_where_a_services_own_target_does_not_hold_its_groups_does(run: Run, loaded: SmallCity):
    loaded.change("targets.yml", ", valid_to: 2026-03-01}", ", valid_from: 2026-02-12, valid_to: 2026-03-01}")

    found = json.loads(good(run(*words(loaded, "--json"))))

    assert found["services"][0]["targets"] == [
        "2 hours",
        "1 working day from 2026-02-12 before 2026-03-01",
        "5 working days from 2026-03-01",
    ]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        pytest.param(
            "targets.yml", "- {service_code: road, hours: 1}\n", "service_code: nothing has the code 'road'", id="service"
        ),
        pytest.param("calendars.yml", "- {code: office}\n", "name: is required", id="calendar"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_its_line(run: Run, loaded: SmallCity, file: str, text: str, message: str):
    loaded.write(file, text)

    assert f"{loaded.path}/{file}:1: {message}" in told(run(*words(loaded)))


def test_targets_that_are_not_there_are_told(run: Run, loaded: SmallCity):
    (loaded.path / "targets.yml").unlink()

    assert told(run(*words(loaded))) == f"{loaded.path}/targets.yml:1: is missing"


def test_calendars_that_are_not_there_are_missed_where_they_are_named(run: Run, loaded: SmallCity):
    (loaded.path / "calendars.yml").unlink()

    assert told(run(*words(loaded))).splitlines() == [
        f"{loaded.path}/targets.yml:{line}: calendar: nothing has the code 'office'" for line in (2, 3)
    ]


def test_a_mapping_that_says_nothing_of_deadlines_is_told(run: Run, loaded: SmallCity):
    loaded.change("mapping.yml", "  expected_datetime: DUE\n", "")

    assert told(run(*words(loaded))).startswith(f"{loaded.path}/mapping.yml:1: columns: must name that of expected_datetime")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param("A-1,soon,,,Pothole,,,,", "OPENED must be a date and time", id="no-date"),
        pytest.param("A-1,2026-02-02T10:00:00,,,Unicorn,,,,", "TYPE 'Unicorn' is no service of Smallville", id="no-service"),
    ],
)
def test_a_line_that_cannot_be_used_is_told(run: Run, loaded: SmallCity, row: str, message: str):
    loaded.record(*ROWS, row, header=HEADER)

    assert told(run(*words(loaded))).startswith(f"{loaded.path}/requests.csv:11: {message}")


def test_cases_without_a_deadline_are_told(run: Run, loaded: SmallCity):
    loaded.record(ROWS[6], header=HEADER)

    assert told(run(*words(loaded))) == f"{loaded.path}/requests.csv:1: has no case with DUE"


def test_the_targets_of_boston_are_those_that_boston_kept(run: Run, tmp_path: Path):
    sample = tmp_path / "sample.csv"
    with (
        gzip.open(BOSTON / "requests.csv.gz", "rt", encoding="utf-8", newline="") as rows,
        sample.open("w", newline="") as some,
    ):
        some.writelines(row for at, row in enumerate(rows) if at % 10 == 0)

    found: dict[str, Any] = json.loads(
        good(run("request", "targets", sample, "--mapping", BOSTON / "mapping.yml", "--jurisdiction", "boston.gov", "--json"))
    )

    assert found["cases"] > 7000
    assert found["equal"] > 0.97 > 0.8 > found["calendar_days_equal"]
    assert [each for each in found["services"] if each["cases"] >= 50 and each["equal"] < 0.8] == []
