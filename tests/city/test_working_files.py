"""How departments work, in files: what is wrong with them, with file and line; put in place and read back."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from db import db
from open311.city.folder import read_folder
from open311.city.lines import BadFile
from open311.city.working import working_of
from schemas.working import STANDARD_STATUSES
from tests.cases.smallville import IN_WEST, Smallville
from tests.cases.treeville import treeville
from tests.small_city import SmallCity

NOW = datetime(2026, 6, 1, 13, tzinfo=UTC)
STATUSES = "- {code: open, name: Open, status: open, next: [closed]}\n- {code: closed, name: Closed, status: closed}\n"


@pytest.fixture
def folder(tmp_path: Path) -> SmallCity:
    """Treeville's folder, to be changed."""
    return treeville(tmp_path / "tree")


def problems(folder: SmallCity) -> list[str]:
    """What is wrong with the folder, without its path."""
    with pytest.raises(BadFile) as refusal:
        read_folder(folder.path)
    return [message.removeprefix(f"{folder.path}/") for message in refusal.value.messages]


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        pytest.param(
            "plans.yml",
            "name: Redirect the traffic, department",
            "name: Redirect, after: [haul], department",
            "plans.yml:3: phases: traffic, haul, traffic: these wait for one another",
            id="cycle",
        ),
        pytest.param(
            "plans.yml",
            "after: [traffic]",
            "after: [police]",
            "plans.yml:3: phases: haul is after police, which is no phase of the plan",
            id="after-no-phase",
        ),
        pytest.param(
            "plans.yml",
            "service_code: tree\n",
            "service_code: shrub\n",
            "plans.yml:1: service_code: there is no service 'shrub'",
            id="unknown-service",
        ),
        pytest.param(
            "plans.yml",
            "department: WORKS",
            "department: BOSTON",
            "plans.yml:3: phases.department: no department has the code 'BOSTON'",
            id="department-of-another-city",
        ),
        pytest.param(
            "plans.yml",
            "calendar: always",
            "calendar: never",
            "plans.yml:4: phases.target.calendar: there is no calendar 'never'",
            id="unknown-calendar",
        ),
        pytest.param(
            "plans.yml",
            "target: {hours: 2}",
            "target: {hours: 2, working_days: 1}",
            "plans.yml:3: phases.target: must have exactly one of working_days, working_hours, calendar_days, hours,"
            " got working_days and hours",
            id="two-amounts",
        ),
        pytest.param(
            "closing_reasons.yml",
            "status: fixed",
            "status: open",
            "closing_reasons.yml:1: status: must be a status that is closed (fixed, closed, no_further_action,"
            " not_councils_responsibility, duplicate, internal_referral, cancelled), got 'open'",
            id="closing-reason-that-closes-nothing",
        ),
        pytest.param(
            "articles.yml",
            "service_code: pothole\n",
            "service_code: pothole\n  group: Streets\n",
            "articles.yml:4: group: must be left out where service_code is given",
            id="article-of-a-service-and-a-group",
        ),
        pytest.param(
            "articles.yml",
            "group: Streets",
            "group: Roads",
            "articles.yml:8: group: no service is of the group 'Roads'",
            id="article-of-no-group",
        ),
        pytest.param(
            "articles.yml",
            "language: es, text: Desde",
            "text: Desde",
            "articles.yml:7: code: code 'depth', language 'en' stands twice",
            id="article-twice",
        ),
        pytest.param(
            "texts.yml",
            "reason: not-there",
            "reason: eaten",
            "texts.yml:4: reason: there is no closing reason 'eaten'",
            id="unknown-reason",
        ),
        pytest.param(
            "texts.yml",
            "language: es",
            "language: Spanish",
            "texts.yml:3: language: must be like en or pt-BR",
            id="no-language",
        ),
        pytest.param(
            "ladders.yml",
            "used: 0.5",
            "used: 1",
            "ladders.yml:4: steps: must have ascending shares, each once",
            id="steps-in-no-order",
        ),
        pytest.param(
            "ladders.yml",
            "{attribute: DEPTH, value: deep",
            "{attribute: DEPTH",
            "ladders.yml:12: steps.value: attribute and value must be given together",
            id="attribute-without-a-value",
        ),
        pytest.param(
            "ladders.yml",
            "for_department: WORKS\n",
            "service_code: tree\n",
            "ladders.yml:7: code: 'works' is a second ladder of tree, beside 'tree'",
            id="two-ladders-of-a-service",
        ),
        pytest.param(
            "ladders.yml",
            "alert: administrator",
            "alert: mayor",
            "ladders.yml:5: steps.alert: Must be one of: call_taker, department, supervisor, administrator.",
            id="unknown-role",
        ),
        pytest.param(
            "calendars.yml",
            "department: WORKS",
            "department: BOSTON",
            "calendars.yml:1: department: no department has the code 'BOSTON'",
            id="a-calendar-of-nobody",
        ),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(folder: SmallCity, name: str, old: str, new: str, problem: str):
    folder.change(name, old, new)

    assert problem in problems(folder)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(
            STATUSES.replace("next: [closed]", "next: [lost]"),
            "statuses.yml:1: next: there is no status 'lost'",
            id="unknown-next",
        ),
        pytest.param(
            STATUSES.replace("code: closed, name", "code: shut, name"),
            "statuses.yml:1: must have the status 'closed', whose status is closed",
            id="none-that-closes",
        ),
        pytest.param(
            STATUSES.replace("status: closed}", "status: closed, stops_clock: true}"),
            "statuses.yml:2: stops_clock: is for statuses that are open",
            id="closed-with-a-clock",
        ),
        pytest.param(
            STATUSES + "- {code: open, name: Again, status: open}\n",
            "statuses.yml:3: code: code 'open' stands twice",
            id="twice",
        ),
    ],
)
def test_statuses_that_cannot_be_are_told(folder: SmallCity, text: str, problem: str):
    folder.write("statuses.yml", text)

    assert problem in problems(folder)


def test_a_city_without_the_files_has_the_standard_statuses_and_nothing_else(app: Flask, tmp_path: Path):
    town = Smallville(db.session(), SmallCity(tmp_path / "small"), now=NOW)

    found = asdict(working_of(db.session(), town.city.id))

    assert found.pop("statuses") == list(STANDARD_STATUSES)
    assert set(map(len, found.values())) == {0}


def test_what_is_put_in_place_is_read_back_as_it_was(app: Flask, folder: SmallCity):
    town = Smallville(db.session(), folder, now=NOW)

    given, found = asdict(read_folder(folder.path).working), asdict(working_of(db.session(), town.city.id))

    assert {name: list(items) for name, items in found.items()} == {name: list(items) for name, items in given.items()}


def test_a_status_that_requests_have_cannot_go(app: Flask, folder: SmallCity):
    town = Smallville(db.session(), folder, now=NOW)
    number = town.report(IN_WEST, at=NOW)
    db.session().execute(text("update service_request set case_status = 'planned' where number = :number"), {"number": number})
    for name in ("closing_reasons.yml", "texts.yml"):
        (folder.path / name).unlink()
    folder.write("statuses.yml", STATUSES)

    with pytest.raises(BadFile, match="the status 'planned' is gone, and 1 requests and 0 updates have it"):
        town.load(now=NOW)


def test_a_calendar_that_a_running_clock_goes_by_cannot_go(app: Flask, folder: SmallCity):
    town = Smallville(db.session(), folder, now=NOW)
    town.report(IN_WEST, at=NOW)
    folder.write("calendars.yml", "- {code: always, name: day and night, hours: {mon-sun: ['00:00-24:00']}}\n")
    folder.write("targets.yml", "- {service_code: tree, hours: 48}\n")

    with pytest.raises(BadFile) as refusal:
        town.load(now=NOW)

    assert any("office" in message for message in refusal.value.messages)
