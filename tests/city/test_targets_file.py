"""targets.yml: what is read of it, and what is refused with its line; a calendar's hours from the file and from its table."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from db import db, driver_connection
from open311.city.calendars import as_hours
from open311.city.folder import read_calendars, read_folder
from open311.city.lines import BadFile
from open311.city.load import load_folder
from open311.city.rules import Known
from open311.city.targets import read_targets
from open311.config import CHECKOUT
from routing.calendars import read_hours
from tests.city.test_calendars import NOW, OFFICE
from tests.small_city import SmallCity

KNOWN = Known(
    zone=ZoneInfo("America/New_York"),
    services={"pothole": {}, "tree": {}},
    groups={"Streets": {"pothole"}, "Parks": {"tree"}},
    departments={"WORKS", "PARKS"},
    whole_departments={"WORKS", "PARKS"},
    calendars={"office"},
    boundaries={},
)


def problems(path: Path, text: str) -> list[str]:
    """What is wrong with a targets.yml of this text, without the name of the file."""
    file = path / "targets.yml"
    file.write_text(text)
    with pytest.raises(BadFile) as refused:
        read_targets(file, KNOWN)
    return [message.removeprefix(f"{file}:") for message in refused.value.messages]


def test_targets_of_services_of_groups_and_of_all_are_read(tmp_path: Path):
    file = tmp_path / "targets.yml"
    file.write_text(
        "- {working_days: 10, calendar: office}\n"
        "- {group: Parks, hours: 4, department: PARKS}\n"
        "- {service_code: pothole, calendar_days: 3, valid_to: 2026-02-16}\n"
        "- {service_code: pothole, calendar_days: 5, valid_from: 2026-02-16}\n"
    )

    targets = read_targets(file, KNOWN)

    assert [(each["service_code"], each["group"], each["department"]) for each in targets] == [
        (None, None, None),
        (None, "Parks", "PARKS"),
        ("pothole", None, None),
        ("pothole", None, None),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "1: must be a list", id="empty"),
        pytest.param(
            "- {hours: 1}\n- service_code: pothole\n  hours: 0\n", "3: hours: must be more than 0", id="line-of-the-amount"
        ),
        pytest.param(
            "- {hours: 1}\n- {service_code: road, hours: 1}\n", "2: service_code: nothing has the code 'road'", id="service"
        ),
        pytest.param("- {group: Roads, hours: 1}\n", "1: group: nothing has the code 'Roads'", id="group"),
        pytest.param("- {hours: 1, department: X}\n", "1: department: nothing has the code 'X'", id="department"),
        pytest.param("- working_days: 1\n  calendar: desk\n", "2: calendar: nothing has the code 'desk'", id="calendar"),
        pytest.param("- {hours: 1}\n- {hours: 2}\n", "2: is a second target of every service", id="two-of-all"),
        pytest.param(
            "- {service_code: tree, hours: 1}\n- {service_code: tree, hours: 2, valid_from: 2026-02-16}\n",
            "2: is a second target of tree (valid_from and valid_to tell when each holds)",
            id="two-at-a-time",
        ),
    ],
)
def test_a_target_that_cannot_be_kept_is_told_with_its_line(tmp_path: Path, text: str, expected: str):
    told = problems(tmp_path, text)

    assert len(told) == 1
    assert told[0].startswith(expected)


@pytest.mark.parametrize("city", ["boston", "seattle"])
def test_the_targets_of_the_demo_cities_name_what_there_is(city: str):
    folder = CHECKOUT / "fixtures" / city
    services = yaml.safe_load((folder / "services.yml").read_text())
    departments = yaml.safe_load((folder / "departments.yml").read_text())
    known = Known(
        zone=KNOWN.zone,
        services={each["service_code"]: {} for each in services},
        groups={each["group"]: set() for each in services},
        departments={each["code"] for each in departments},
        whole_departments={each["code"] for each in departments},
        calendars={each["code"] for each in read_calendars(folder / "calendars.yml")},
        boundaries={},
    )

    assert read_targets(folder / "targets.yml", known)


@pytest.mark.usefixtures("app")
def test_a_calendar_has_the_same_hours_from_its_file_and_from_its_table(tmp_path: Path):
    folder = SmallCity(tmp_path / "small")
    folder.write("calendars.yml", OFFICE)
    read = read_folder(folder.path)
    city = load_folder(db.session(), read, now=NOW).jurisdiction_id

    stored = next(iter(read_hours(driver_connection(db.session()), jurisdiction_id=city).values()))
    of_file = as_hours(read.calendars[0], timezone="America/New_York")

    assert of_file.timezone == stored.timezone
    assert {day: sorted(of_file.on(day)) for day in of_file.days} == {day: sorted(stored.on(day)) for day in stored.days}
    assert {weekday: sorted(spans) for weekday, spans in of_file.weekly.items()} == {
        weekday: sorted(spans) for weekday, spans in stored.weekly.items()
    }
