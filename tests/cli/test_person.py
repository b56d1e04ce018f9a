"""open311 person, request person, request redact: what they do, print and refuse."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import psycopg
import pytest
from psycopg.rows import namedtuple_row

from db.cluster import Cluster
from open311 import accounts
from open311.accounts import AskedRole
from open311.jurisdictions import read_cities
from tests.cases.files import photo
from tests.cases.treeville import treeville
from tests.cli.conftest import Run, good, told
from tests.conftest import TEMPLATE
from tests.databases import Copies, prepared

Look = Callable[[str], list[Any]]
CITY = ("--jurisdiction", "small.gov")
MARIA = ("--email", "maria@example.org")
WHY = ("--reason", "her letter")


@pytest.fixture(scope="module")
def staffed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database to be copied: Treeville with a member of a department."""

    def prepare(url: str) -> None:
        folder = treeville(tmp_path_factory.mktemp("a") / "tree").path
        command = [Path(sys.executable).with_name("open311"), "city", "load", folder]
        subprocess.run(command, env={**os.environ, "DATABASE_URL": url}, check=True, capture_output=True)
        with psycopg.connect(url, row_factory=namedtuple_row) as connection:
            (small,) = [each for each in read_cities(connection) if each.jurisdiction_id == "small.gov"]
            accounts.create_account(connection, "wim@small.gov", "Wim", password=None, now=datetime.now(UTC))
            asked = AskedRole(role="department", department_code="WORKS")
            accounts.grant(connection, "wim@small.gov", asked, small, now=datetime.now(UTC))

    return prepared(cluster, "persons", template=TEMPLATE, prepare=prepare)


@pytest.fixture
def own_url(copies: Copies, staffed: str) -> Iterator[str]:
    """A database for this test alone."""
    with copies.of(staffed) as url:
        yield url


@pytest.fixture
def number(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A request of Maria's with a photo."""
    monkeypatch.setenv("OPEN311_MEDIA_DIR", str(tmp_path / "media"))
    (tmp_path / "hole.jpg").write_bytes(photo(size=(900, 700)))
    place = ("--lat", "42.35", "--long", "-71.15", "--attribute", "DEPTH=deep", "--photo", tmp_path / "hole.jpg")
    person = ("--first-name", "Maria", "--last-name", "Lopez", *MARIA, "--phone", "617 555 0142")
    words = ("--channel", "phone", "--service-code", "pothole", "--description", "A hole, Maria Lopez says")
    return good(run("request", "receive", *CITY, *words, *place, *person)).strip()


def test_who_reported_it_is_shown_with_a_reason_and_listed_as_read(run: Run, number: str):
    shown = good(run("request", "person", number, *CITY, "--reason", "which hole?", "--as", "wim@small.gov"))

    assert shown == (
        "reported it\n  email: maria@example.org\n  first_name: Maria\n  last_name: Lopez\n  phone: 617 555 0142\n"
        "follows it\n  email: maria@example.org\n"
    )
    (_, line) = good(run("person", "log", *CITY)).splitlines()
    assert line.split()[2:5] == ["read", number, "Wim"]
    assert "which hole?" in line
    assert "email, first_name, last_name, phone" in line
    assert "maria@" not in line
    assert len(good(run("person", "log", *CITY, "--request", "NONE", "--limit", 1)).splitlines()) == 1


def test_the_life_of_a_request_does_not_say_who_reported_it(run: Run, number: str):
    good(run("request", "redact", number, *CITY, *WHY, "--words", "Maria Lopez"))

    shown = good(run("request", "show", number))

    assert not [mark for mark in ("maria@", "Lopez", "0142") if mark in shown]
    assert "her letter" in shown


def test_who_may_not_is_told_what_it_takes(run: Run, number: str):
    refused = told(run("person", "erase", *CITY, *MARIA, *WHY, "--as", "wim@small.gov"))

    assert "may not export, erase and oversee personal data of this city: that takes the role administrator" in refused


def test_an_export_is_an_archive_with_json_and_files(run: Run, number: str, tmp_path: Path):
    output = tmp_path / "maria.zip"

    said = good(run("person", "export", *CITY, "--phone", "(617) 555-0142", *WHY, "--output", output))

    assert said == f"{output}: 1 requests, 0 updates of other requests, 1 files\n"
    with ZipFile(output) as archive:
        document, file = archive.namelist()
        (request,) = json.loads(archive.read(document))["requests"]
        assert archive.read(file).startswith(b"\xff\xd8\xff")
    assert (request["service_request_id"], request["you"]["email"]) == (number, "maria@example.org")


def test_an_export_writes_over_nothing_and_into_no_folder_that_is_not_there(run: Run, number: str, tmp_path: Path):
    (tmp_path / "there.zip").write_text("mine")

    assert told(run("person", "export", *CITY, *MARIA, *WHY, "--output", tmp_path / "there.zip")).endswith("is there already")
    assert "is not there" in told(run("person", "export", *CITY, *MARIA, *WHY, "--output", tmp_path / "no" / "m.zip"))
    assert (tmp_path / "there.zip").read_text() == "mine"


def test_a_dry_run_counts_and_changes_nothing(run: Run, number: str, look: Look):
    tables = ("reporter", "media", "service_request", "request_event", "person_use", "procrastinate_jobs")
    before = [look(f"select t::text from {name} t order by 1") for name in tables]

    said = good(run("person", "erase", *CITY, *MARIA, *WHY, "--descriptions", "--files", "--dry-run"))

    assert said == "1 reporters, 0 update reporters, 1 followers, 1 messages, 0 texts, 1 words, 2 files would go\n"
    assert [look(f"select t::text from {name} t order by 1") for name in tables] == before


def test_an_erasure_says_what_is_gone_and_a_second_one_that_there_is_nothing(run: Run, number: str, look: Look):
    assert good(run("person", "erase", *CITY, *MARIA, *WHY)) == (
        "1 reporters, 0 update reporters, 1 followers, 1 messages, 1 texts, 0 words, 0 files are gone\n"
    )
    assert good(run("person", "erase", *CITY, *MARIA, *WHY)) == "nothing is kept of this person\n"
    assert look("select description from service_request")[0].description == "A hole, [removed] says"
    assert good(run("request", "person", number, *CITY, *WHY)) == f"nobody is known who reported or follows {number}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param((), "say who it is: an e-mail address, a telephone number or an account_id", id="nobody"),
        pytest.param(("--name", "Maria Lopez"), "say who it is", id="name-alone"),
        pytest.param(("--phone", "555"), "a telephone number must have 7 digits at least, got '555'", id="short-telephone"),
        pytest.param((*MARIA, "--reason", " "), "erasing needs a reason", id="no-reason"),
        pytest.param(("--account-id", " "), "say who it is", id="blank"),
    ],
)
def test_what_is_missing_is_said(run: Run, words: tuple[str, ...], message: str):
    assert message in told(run("person", "erase", *CITY, *WHY, *words))


def test_words_updates_and_files_are_redacted_in_one_step(run: Run, number: str, look: Look):
    good(run("request", "note", number, *CITY, "Lopez came by", "--public"))
    (update,) = look("select id from request_update")
    asked = ("--description", "A hole", "--update", f"{update.id}=Somebody came by", "--media", "1", "--words", "Nowhere said")

    said = good(run("request", "redact", number, *CITY, *WHY, *asked))

    assert said == f"{number} is redacted: description, update {update.id}, file 1, words; the worker removes 2 files\n"
    (row,) = look("select r.description, r.media_url, u.description as told from service_request r, request_update u")
    assert tuple(row) == ("A hole", None, "Somebody came by")


def test_a_redaction_that_cannot_be_whole_does_nothing(run: Run, number: str, look: Look):
    before = look("select r::text from service_request r")

    refused = told(run("request", "redact", number, *CITY, *WHY, "--description", "A hole", "--update-media", "99"))

    assert refused == f"{number} has no update 99"
    assert look("select r::text from service_request r") == before
