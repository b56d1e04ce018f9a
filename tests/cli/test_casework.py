"""open311 request receive to close: departments work a request, as people do it with commands."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.rows import namedtuple_row

from db.cluster import Cluster
from open311 import accounts
from open311.accounts import AskedRole
from open311.cases.escalation import escalate_due
from open311.jurisdictions import read_cities
from schemas.working import STANDARD_STATUSES
from tests.cases.files import photo, taken_at
from tests.cases.treeville import treeville
from tests.cli.conftest import Run, good, told, usage
from tests.conftest import TEMPLATE
from tests.databases import Copies, prepared

Look = Callable[[str], list[Any]]

CITY = ("--jurisdiction", "small.gov")
PLACE = ("--lat", "42.35", "--long", "-71.15")
STAFF = {
    "call@small.gov": ("Carla", AskedRole(role="call_taker")),
    "wim@small.gov": ("Wim", AskedRole(role="department", department_code="WORKS")),
    "wanda@small.gov": ("Wanda", AskedRole(role="supervisor", department_code="WORKS")),
    "pat@small.gov": ("Pat", AskedRole(role="department", department_code="PARKS")),
    "office@small.gov": ("Olga", AskedRole(role="council_office", district=("ward", "W"))),
    "east@small.gov": ("Edna", AskedRole(role="council_office", district=("ward", "E"))),
}


@pytest.fixture(scope="module")
def staffed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database to be copied: Treeville with a person for each role."""

    def prepare(url: str) -> None:
        folder = treeville(tmp_path_factory.mktemp("a") / "tree").path
        command = [Path(sys.executable).with_name("open311"), "city", "load", folder]
        subprocess.run(command, env={**os.environ, "DATABASE_URL": url}, check=True, capture_output=True)
        now = datetime.now(UTC)
        with psycopg.connect(url, row_factory=namedtuple_row) as connection:
            (small,) = [each for each in read_cities(connection) if each.jurisdiction_id == "small.gov"]
            for email, (who, asked) in STAFF.items():
                accounts.create_account(connection, email, who, password=None, now=now)
                accounts.grant(connection, email, asked, small, now=now)

    return prepared(cluster, "staffed", template=TEMPLATE, prepare=prepare)


@pytest.fixture
def own_url(copies: Copies, staffed: str) -> Iterator[str]:
    """A database for this test alone."""
    with copies.of(staffed) as url:
        yield url


@pytest.fixture
def city(run: Run) -> Run:
    """Runs `open311` in Treeville."""
    return run


def call(city: Run, service: str = "tree", *more: str, words: str = "A tree lies across Elm St", email: str = "call") -> str:
    """The number of a request that is taken by phone."""
    taken = city(
        "request",
        "receive",
        *CITY,
        "--channel",
        "phone",
        "--service-code",
        service,
        *PLACE,
        "--description",
        words,
        *more,
        "--as",
        f"{email}@small.gov",
    )
    return good(taken).strip()


def do(city: Run, number: str, *words: str, by: str) -> str:
    """What a command printed that somebody did with a request: the verb first, then its options."""
    verb = words[:2] if words[0] == "phase" else words[:1]
    return good(city("request", *verb, number, *CITY, *words[len(verb) :], "--as", f"{by}@small.gov"))


def refused(city: Run, number: str, *words: str, by: str) -> str:
    """The message of what somebody may not, or cannot, do with a request."""
    verb = words[:2] if words[0] == "phase" else words[:1]
    return told(city("request", *verb, number, *CITY, *words[len(verb) :], "--as", f"{by}@small.gov"))


@pytest.fixture
def alerts(look: Look) -> Callable[[], list[tuple[str, str, str]]]:
    """(kind, department, role) of every alert, in the order in which they were given."""
    return lambda: [
        (row.kind, row.code, row.role)
        for row in look(
            "select a.kind, d.code, a.role from alert a join department d on d.id = a.department_id"
            " and d.jurisdiction_id = a.jurisdiction_id order by a.id"
        )
    ]


def later(url: str, hours: float) -> int:
    """How many requests the job of escalation looks at when it runs so many hours from now."""
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        (city_id,) = connection.execute("select id from jurisdiction where slug = 'small.gov'").fetchone()  # type: ignore[misc]
        now = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours)
        return escalate_due(connection, jurisdiction_id=city_id, now=now)


def test_a_fallen_tree_from_a_phone_call_to_its_closing(city: Run, own_url: str, alerts: Any, look: Look):
    number = call(city)
    assert alerts() == [("phase_opened", "WORKS", "department")]

    # The police of the state have the road, says Public Works; the town hall asks them all the same.
    do(city, number, "hand-back", "--reason", "a state road", by="wim")
    assert alerts()[1:] == [("handed_back", "HALL", "department")]
    good(city("request", "assign", number, *CITY, "--department", "WORKS", "--reason", "ours since May"))
    do(city, number, "accept", by="wim")
    assert alerts()[2:] == [("reassigned", "WORKS", "department")]

    # Half of the two hours is over: a step of the ladder, once, however often the job runs.
    assert later(own_url, 1.25) == 1
    assert later(own_url, 1.25) == 0
    assert alerts()[3:] == [("escalated", "WORKS", "supervisor")]

    assert do(city, number, "phase", "finish", "--note", "two officers", by="wim") == f"{number} is open; open: haul (Parks)\n"
    assert alerts()[4:] == [("phase_opened", "PARKS", "department")]
    do(city, number, "accept", by="pat")
    assert do(city, number, "phase", "finish", by="pat") == f"{number} is fixed\n"

    (row,) = look(
        f"select status, case_status, status_notes, priority, channel, closed_at from service_request where number = '{number}'"
    )
    assert (row.status, row.case_status, row.status_notes, row.priority, row.channel) == (
        "closed",
        "fixed",
        "The work is done.",
        1,
        "phone",
    )
    shown = good(city("request", "show", number))
    kinds = re.findall(r"^ ?20\d\d-\d\d-\d\d \d\d:\d\d +(\w+(?: \w+)?)  ", shown, re.MULTILINE)
    assert kinds == [
        "received",
        "routed",
        "phases planned",
        "phase opened",
        "alert",
        "handed back",
        "phase moved",
        "alert",
        "phase moved",
        "alert",
        "accepted",
        "escalated",
        "alert",
        "phase done",
        "phase opened",
        "alert",
        "accepted",
        "phase done",
        "closed",
    ]


def test_a_department_sees_what_it_has_to_do_the_most_pressing_first(city: Run):
    tree, hole, deep = (
        call(city),
        call(city, "pothole", "--attribute", "DEPTH=shallow"),
        call(city, "pothole", "--attribute", "DEPTH=deep"),
    )
    do(city, hole, "accept", by="wim")

    listed = good(city("request", "queue", *CITY, "--department", "WORKS", "--as", "wim@small.gov"))
    left = good(city("request", "queue", *CITY, "--department", "WORKS", "--unaccepted"))

    rows = [line.split()[:3] for line in listed.splitlines()[1:]]
    # A deep hole is of high priority, and the two hours of the traffic end before the three days of a hole.
    assert rows == [[deep, "pothole", "open"], [tree, "traffic", "tree"], [hole, "pothole", "open"]]
    assert hole not in left
    assert tree not in good(city("request", "queue", *CITY, "--department", "PARKS"))


def test_alerts_are_shown_until_they_were_seen(city: Run):
    number = call(city)
    words = ("request", "alerts", *CITY, "--department", "WORKS", "--as", "wanda@small.gov")

    assert f"{number}: Redirect the traffic is yours now" in good(city(*words, "--seen"))
    assert number not in good(city(*words))


def test_a_queue_is_for_those_who_may_see_it(city: Run):
    refusal = told(city("request", "queue", *CITY, "--department", "WORKS", "--as", "pat@small.gov"))

    assert refusal.startswith("Pat (department of PARKS) may not ")


def test_alerts_are_seen_by_those_whom_they_are_for(city: Run):
    number = call(city, "pothole", "--attribute", "DEPTH=shallow")
    good(city("request", "flag", number, *CITY, "--reason", "children play there"))
    department = ("--department", "works-east")

    crew = good(city("request", "alerts", *CITY, *department, "--seen", "--as", "wim@small.gov"))
    supervisor = good(city("request", "alerts", *CITY, *department, "--seen", *WANDA))
    later = good(city("request", "alerts", *CITY, *department, *WANDA))

    assert ("children play" in crew, "children play" in supervisor, "children play" in later) == (False, True, False)


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        pytest.param(("--code", "we ird", "--name", "x"), "must be letters, digits, - and _ only", id="code"),
        pytest.param(("--code", "a", "--name", "x", "--target", "3", "working_days"), "calendar is required for", id="target"),
    ],
)
def test_a_phase_is_added_as_a_plan_may_have_it(city: Run, words: tuple[str, ...], refusal: str):
    number = call(city)

    assert refusal in usage(city("request", "phase", "add", number, *CITY, *words, "--department", "HALL", "--reason", "x"))


def test_of_two_who_look_at_the_same_the_second_is_refused(city: Run):
    number = call(city)
    version = re.search(r"version (\d+)", good(city("request", "show", number)))
    assert version is not None
    good(city("request", "note", number, *CITY, "bring cones", "--version", version[1]))

    refused = told(city("request", "hand-back", number, *CITY, "--reason", "not ours", "--version", version[1]))

    assert refused == f"somebody else did something with {number} since: look at it again"


# casework import


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the files as they were loaded, to be changed."""
    return treeville(tmp_path / "tree").path


def edit(files: Path, name: str, old: str, new: str) -> Path:
    """A file with a text in it replaced."""
    file = files / name
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    return file


WANDA = ("--as", "wanda@small.gov")


def test_a_supervisor_changes_what_is_the_departments_and_it_holds_at_once(city: Run, files: Path, look: Look):
    file = edit(files, "closing_reasons.yml", "There is no hole", "Nothing was found")
    edit(files, "ladders.yml", "used: 0.8", "used: 0.9")

    assert good(city("casework", "check", file, *CITY, *WANDA)).endswith("closing_reasons.yml can be put in place\n")
    assert look("select 1 from closing_reason where name = 'Nothing was found'") == []
    printed = good(city("casework", "import", file, *CITY, *WANDA))
    good(city("casework", "import", files / "ladders.yml", *CITY, *WANDA))

    assert printed == "changed: closing_reason not-there\nclosing_reasons.yml is in place\n"
    assert look("select 1 from closing_reason where name = 'Nothing was found'")
    assert good(city("casework", "import", file, *CITY, *WANDA)) == "all is so already\n"
    logged = good(city("casework", "log", *CITY)).splitlines()[1:]
    assert ["Wanda" in line for line in logged] == [True, True]


def test_a_supervisor_changes_the_articles_of_the_department(city: Run, files: Path, look: Look):
    file = edit(files, "articles.yml", "two inches and more", "three inches and more")

    assert "changed: article depth en\n" in good(city("casework", "import", file, *CITY, *WANDA))
    assert look("select 1 from article where text like '%three inches%' and department_id is not null")


@pytest.mark.parametrize(
    ("name", "old", "new", "words", "refusal"),
    [
        pytest.param(
            "ladders.yml",
            "used: 0.5",
            "used: 0.4",
            WANDA,
            "Wanda may not change ladder tree, which is of the whole city",
            id="citys",
        ),
        pytest.param(
            "ladders.yml",
            "for_department: WORKS",
            "for_department: PARKS",
            WANDA,
            "Wanda may not change ladder works, which is of WORKS and of PARKS",
            id="for-another-department",
        ),
        pytest.param(
            "closing_reasons.yml",
            "name: There is no hole, status: no_further_action, department: WORKS",
            "name: There is no hole, status: no_further_action, department: PARKS",
            WANDA,
            "Wanda may not change closing_reason not-there, which is of WORKS and of PARKS",
            id="given-to-another-department",
        ),
        pytest.param(
            "closing_reasons.yml",
            "name: There is no hole",
            "name: No hole",
            ("--as", "pat@small.gov"),
            "Pat may not change closing_reason not-there, which is of WORKS",
            id="no-supervisor",
        ),
        pytest.param(
            "articles.yml",
            "Look at the map of roads.",
            "Ask us.",
            WANDA,
            "Wanda may not change article roads en, which is of the whole city",
            id="article-of-nobody",
        ),
    ],
)
def test_nobody_changes_what_is_not_theirs(
    city: Run, files: Path, look: Look, name: str, old: str, new: str, words: tuple[str, ...], refusal: str
):
    file = edit(files, name, old, new)
    before = look("select t::text from ladder t"), look("select t::text from closing_reason t")

    assert told(city("casework", "import", file, *CITY, *words)) == refusal
    assert (look("select t::text from ladder t"), look("select t::text from closing_reason t")) == before
    good(city("casework", "import", file, *CITY))  # whom the operator may


@pytest.mark.parametrize(
    ("name", "item", "whose"),
    [
        pytest.param(
            "plans.yml",
            "- {service_code: secret, department: WORKS, phases: [{code: a, name: Do it, department: PARKS}]}",
            "plan secret, which is of WORKS and of PARKS",
            id="plan-of-a-service-that-it-does-not-answer-for",
        ),
        pytest.param(
            "texts.yml",
            "- {status: open, text: It is ours, department: WORKS}",
            "text open en, which is of WORKS and of the whole city",
            id="text-for-every-service",
        ),
        pytest.param(
            "targets.yml",
            "- {service_code: tree, calendar_days: 3000, valid_from: 2027-01-01, department: WORKS}",
            "target tree 2027-01-01, which is of WORKS and of PARKS",
            id="target-of-anothers-service",
        ),
        pytest.param(
            "ladders.yml",
            "- {code: mine, service_code: secret, department: WORKS, steps: [{used: 0.1, alert: administrator}]}",
            "ladder mine, which is of WORKS and of PARKS",
            id="ladder-of-anothers-service",
        ),
    ],
)
def test_a_department_says_nothing_of_what_is_not_its_own(city: Run, files: Path, name: str, item: str, whose: str):
    file = files / name
    text = file.read_text()
    if name == "targets.yml":
        text = text.replace("{service_code: tree, hours: 48}", "{service_code: tree, hours: 48, valid_to: 2027-01-01}")
        file.write_text(text)
        good(city("casework", "import", file, *CITY))
    file.write_text(f"{text}{item}\n")

    assert told(city("casework", "import", file, *CITY, *WANDA)) == f"Wanda may not change {whose}"


def test_a_department_has_targets_of_its_own_services(city: Run, files: Path):
    file = files / "targets.yml"
    file.write_text(f"{file.read_text()}- {{service_code: pothole, working_days: 2, calendar: office, department: WORKS}}\n")

    assert good(city("casework", "import", file, *CITY, *WANDA)).startswith("added: target pothole\n")


@pytest.mark.parametrize(
    ("old", "new", "refusal"),
    [
        pytest.param("used: 0.8", "attribute: NOPE, value: '1'", "asks no 'NOPE'", id="attribute-of-no-service"),
        pytest.param("for_department: WORKS", "for_department: works-east", "(a unit is none)", id="of-a-unit"),
    ],
)
def test_a_ladder_that_nobody_would_climb_is_refused(city: Run, files: Path, old: str, new: str, refusal: str):
    file = edit(files, "ladders.yml", old, new)

    assert refusal in told(city("casework", "import", file, *CITY))


def test_a_calendar_that_never_opens_is_refused(city: Run, files: Path):
    file = edit(files, "calendars.yml", "hours: {mon-fri: ['08:00-16:00']}", "hours: {}")

    assert told(city("casework", "import", file, *CITY)) == f"{file}:1: hours: must be open on one day of the week at least"


def test_a_plan_whose_phases_wait_for_one_another_is_refused_with_its_line(city: Run, files: Path, look: Look):
    file = edit(files, "plans.yml", "name: Redirect the traffic, department", "name: Redirect, after: [haul], department")

    assert told(city("casework", "import", file, *CITY)) == (
        f"{file}:3: phases: traffic, haul, traffic: these wait for one another"
    )


def test_a_file_of_no_items_takes_the_last_away_and_an_empty_one_is_refused(city: Run, files: Path, look: Look):
    file = files / "closing_reasons.yml"
    edit(
        files,
        "texts.yml",
        "- {status: no_further_action, reason: not-there, text: We found no hole there., department: WORKS}",
        "",
    )
    good(city("casework", "import", files / "texts.yml", *CITY, *WANDA))
    file.write_text("")
    assert told(city("casework", "import", file, *CITY, *WANDA)) == f"{file}:1: must be a list"

    file.write_text("[]")
    good(city("casework", "import", file, *CITY, *WANDA))

    assert look("select 1 from closing_reason r join jurisdiction j on j.id = r.jurisdiction_id where slug = 'small.gov'") == []


def test_a_status_that_something_names_stays(city: Run, files: Path):
    file = files / "statuses.yml"
    file.write_text(
        "- {code: open, name: Open, status: open, next: [closed]}\n- {code: closed, name: Closed, status: closed}\n"
    )

    refused = told(city("casework", "import", file, *CITY))

    assert (
        f"{file}:1: closing_reasons.yml would not fit: status: must be a status that is closed (closed), got 'fixed'" in refused
    )


def test_a_status_that_requests_have_is_neither_gone_nor_turned(city: Run, files: Path):
    number = call(city)
    good(city("request", "status", number, *CITY, "planned"))
    good(city("request", "status", number, *CITY, "in_progress"))
    listed = [dict(each) for each in STANDARD_STATUSES]
    file = files / "statuses.yml"

    file.write_text(
        yaml.safe_dump(
            [each | {"next": [n for n in each["next"] if n != "planned"]} for each in listed if each["code"] != "planned"]
        )
    )
    assert told(city("casework", "import", file, *CITY)) == (
        "statuses.yml:1: the status 'planned' is gone, and 0 requests and 1 updates have it"
    )
    file.write_text(yaml.safe_dump([each | ({"status": "closed"} if each["code"] == "in_progress" else {}) for each in listed]))
    assert told(city("casework", "import", file, *CITY)) == (
        "statuses.yml:1: the status 'in_progress' is open and cannot become closed: 1 requests have it"
    )


def test_a_supervisor_changes_the_departments_hours_and_the_next_promise_goes_by_them(city: Run, files: Path, look: Look):
    file = edit(files, "calendars.yml", "mon-fri: ['08:00-16:00']", "sat: ['08:00-16:00']")

    assert good(city("casework", "import", file, *CITY, *WANDA)) == "changed: calendar office\ncalendars.yml is in place\n"

    number = call(city, "pothole", "--attribute", "DEPTH=shallow")
    (row,) = look(
        "select extract(isodow from expected_at at time zone 'America/New_York') as day from service_request"
        f" where number = '{number}'"
    )

    assert row.day == 6


def test_a_calendar_that_a_target_goes_by_cannot_go(city: Run, files: Path):
    file = files / "calendars.yml"
    file.write_text(file.read_text().splitlines()[1] + "\n")

    assert told(city("casework", "import", file, *CITY)) == f"{file}:1: office is gone, and a target goes by it"


def test_another_file_is_refused(city: Run, files: Path):
    refused = told(city("casework", "import", files / "rules.csv", *CITY))

    assert refused.startswith("the file must be one of statuses.yml, closing_reasons.yml, ")


MESSAGE = """\
From: Ann Lee <ann@example.org>
Subject: Fallen tree
Message-ID: <1@example.org>
{headers}
A tree lies there.
Address: {address}
"""


def piped(city: Run, *, address: str = "10 Elm St", headers: str = "") -> Any:
    """What `receive-mail` does with a message."""
    message = MESSAGE.format(address=address, headers=headers)
    words = ("request", "receive-mail", *CITY, "--service-code", "tree", "--as", "call@small.gov")
    return city(*words, input=message)


def test_a_message_that_is_delivered_twice_is_one_request(city: Run, look: Look):
    number = good(piped(city)).strip()

    assert good(piped(city)) == f"{number} (received before)\n"

    (row,) = look("select number, channel, address from service_request")
    assert (row.number, row.channel, row.address) == (number, "email", "10 Elm St")


def test_a_message_that_a_machine_sent_is_passed_over(city: Run, look: Look):
    said = good(piped(city, headers="Auto-Submitted: auto-replied\n"))

    assert said == "passed over: the message was sent by a machine, not by a person\n"
    assert look("select 1 from service_request") == []


def test_a_message_that_cannot_be_taken_goes_back_to_its_sender(city: Run, look: Look):
    bounced = piped(city, address="")

    assert (bounced.exit_code, bounced.stderr) == (
        65,
        "Error: a location is required: lat and long, address_string or address_id\n",
    )
    assert look("select 1 from service_request") == []


def test_a_text_is_told_in_the_language_that_is_asked_for(city: Run, look: Look):
    number = call(city, "pothole", "--attribute", "DEPTH=shallow")

    do(city, number, "close", "--reason", "filled", "--language", "es", by="wim")

    assert look("select description from request_update")[0].description == "El bache está reparado."


def test_a_phase_whose_calendar_the_city_has_not_is_refused(city: Run):
    number = call(city)
    about = ("--code", "wires", "--name", "Wires", "--department", "HALL", "--reason", "they are down")

    said = refused(city, number, "phase", "add", *about, "--target", "2", "working_hours", "--calendar", "moon", by="wanda")

    assert said == "there is no calendar 'moon': office, always"


def test_mail_that_comes_while_the_database_is_away_is_kept_by_the_mail_server(commands: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/nothing")

    result = commands("request", "receive-mail", *CITY, "--service-code", "tree", input="Subject: x\n\nA tree lies here")

    assert result.exit_code == 75
    assert "the database does not answer" in result.stderr


def test_show_says_where_a_photo_was_taken(city: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPEN311_MEDIA_DIR", str(tmp_path / "media"))
    files = [tmp_path / "plain.jpg", tmp_path / "here.jpg"]
    files[0].write_bytes(photo())
    files[1].write_bytes(photo(exif=taken_at((42.0, 21.0, 0.0), (71.0, 3.0, 36.0))))

    number = call(city, "tree", *(word for each in files for word in ("--photo", str(each))))

    assert re.search(
        r"^photo 2 was taken at lat 42\.35, long -71\.06, \d+ m from the request$",
        good(city("request", "show", number)),
        re.MULTILINE,
    )
