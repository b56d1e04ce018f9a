"""open311 city load, request import, rule score, migrate: what they print, and what they say when they cannot."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

from db.cluster import Cluster
from db.migrations import head
from open311.cases import importing
from open311.cli import acting, edge, main
from tests.cli.conftest import Run, told
from tests.small_city import SmallCity

Look = Callable[[str], list[Any]]

EAST = "42.35,-71.05"
GOOD = [
    f"A-1,2026-01-15T09:30:00,2026-01-16,Pothole,{EAST},WORKS,East Yard",
    "A-2,2026-01-16T09:30:00,2026-01-16T09:29:00,Pothole,,,,",
]


# city load


def test_city_load_says_what_it_loaded(run: Run, folder: SmallCity, look: Look):
    result = run("city", "load", folder.path)

    assert result.exit_code == 0, result.output
    assert result.stdout == f"{folder.path}: 3 services, 4 departments and units, 3 boundaries, 3 rules\n"
    assert look("select 1 from jurisdiction where slug = 'small.gov'")


def test_city_load_brings_past_requests_and_counts_what_was_odd(run: Run, folder: SmallCity, look: Look):
    folder.record(*GOOD)

    result = run("city", "load", folder.path)

    assert result.stdout.splitlines()[1:] == [
        "2 requests imported, 0 were there already",
        "1 of them have no place, and went to their department by service alone",
        "1 were recorded as closed before they were opened: closed at their opening",
    ]
    assert [row.number for row in look("select number from service_request order by 1")] == ["A-1", "A-2"]


def test_city_load_can_leave_past_requests_out(run: Run, folder: SmallCity, look: Look):
    folder.record(*GOOD)

    result = run("city", "load", folder.path, "--without-requests")

    assert result.exit_code == 0
    assert look("select 1 from service_request") == []


def test_city_load_can_move_dates_to_now_and_remembers_by_how_much(run: Run, folder: SmallCity, look: Look):
    folder.record(f"A-1,2015-01-15T09:30:00,,Pothole,{EAST},,")

    run("city", "load", folder.path, "--dates-to-now")

    (row,) = look("select requested_at, dates_moved_weeks from service_request join jurisdiction j on j.id = jurisdiction_id")
    assert timedelta() <= datetime.now(UTC) - row.requested_at <= timedelta(days=8)
    assert row.dates_moved_weeks > 500


def test_city_load_moves_dates_by_as_many_weeks_the_second_time(run: Run, folder: SmallCity, look: Look):
    folder.record(f"A-1,2015-01-15T09:30:00,,Pothole,{EAST},,")
    run("city", "load", folder.path, "--dates-to-now")
    (before,) = look("select dates_moved_weeks from jurisdiction where slug = 'small.gov'")
    # The newest of this file would be moved by a year more.
    folder.record(f"A-2,2014-01-16T09:30:00,,Pothole,{EAST},,")

    result = run("city", "load", folder.path, "--dates-to-now")

    assert result.exit_code == 0, result.output
    assert look("select dates_moved_weeks from jurisdiction where slug = 'small.gov'") == [before]
    (first, second) = look("select requested_at from service_request order by number")
    assert first.requested_at.date() - second.requested_at.date() == timedelta(days=364)


def test_city_load_names_repaired_boundaries(run: Run, folder: SmallCity):
    folder.change(
        "boundaries/ward.geojson",
        "[-71.1, 42.3], [-71.1, 42.4], [-71.2, 42.4], [-71.2, 42.3], [-71.1, 42.3]",
        "[-71.1, 42.3], [-71.2, 42.4], [-71.1, 42.4], [-71.2, 42.3], [-71.1, 42.3]",
    )

    result = run("city", "load", folder.path)

    assert "repaired boundary ward W: Self-intersection" in result.stdout


def test_city_load_twice_keeps_one_of_each(run: Run, folder: SmallCity, look: Look):
    folder.record(*GOOD)
    run("city", "load", folder.path)

    result = run("city", "load", folder.path)

    assert "0 requests imported, 2 were there already" in result.stdout
    assert len(look("select 1 from service_request")) == 2


def test_city_load_tells_every_fault_and_keeps_nothing(run: Run, folder: SmallCity, look: Look):
    folder.change("services.yml", "service_code: tree", "service_code: 12")
    folder.change("rules.csv", "ward,E", "ward,")

    message = told(run("city", "load", folder.path))

    assert message.splitlines() == [
        f"{folder.path}/services.yml:14: service_code: must be text (put it in quotes)",
        f"{folder.path}/rules.csv:3: boundary: layer and boundary must be given together",
    ]
    assert look("select 1 from jurisdiction where slug = 'small.gov'") == []


def test_city_load_keeps_nothing_when_a_past_request_is_bad(run: Run, folder: SmallCity, look: Look):
    folder.record(*GOOD, "A-3,soon,,Pothole,,,,")

    message = told(run("city", "load", folder.path))

    assert message.startswith(f"{folder.path}/requests.csv:4: OPENED must be a date and time")
    assert look("select 1 from jurisdiction where slug = 'small.gov'") == []
    assert look("select 1 from service_request") == []


def test_of_many_faults_the_first_are_shown_and_the_rest_counted(run: Run, folder: SmallCity):
    folder.record(*(f"A-{at},soon,,Pothole,,,," for at in range(60)))

    lines = told(run("city", "load", folder.path)).splitlines()

    assert len(lines) == 51
    assert lines[-1] == "... and 10 more"


def test_city_load_of_a_folder_that_is_not_there_is_a_usage_error(run: Run, tmp_path: Path):
    result = run("city", "load", tmp_path / "nowhere")

    assert result.exit_code == 2
    assert "does not exist" in result.stderr


# request import


@pytest.fixture
def loaded(run: Run, folder: SmallCity) -> SmallCity:
    """Smallville, loaded without requests."""
    assert run("city", "load", folder.path).exit_code == 0
    return folder


def requests_of(folder: SmallCity, *rows: str) -> list[object]:
    """The words that name a file of these rows, its mapping and its city."""
    return [folder.record(*rows), "--mapping", folder.path / "mapping.yml", "--jurisdiction", "small.gov"]


def test_request_import_says_what_it_imported(run: Run, loaded: SmallCity, look: Look):
    result = run("request", "import", *requests_of(loaded, *GOOD))

    assert result.exit_code == 0
    assert result.stdout.startswith("2 requests imported, 0 were there already\n")
    assert len(look("select 1 from service_request")) == 2


def test_request_import_tells_what_it_kept_of_a_file_that_ends_early(
    run: Run, loaded: SmallCity, look: Look, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(importing, "BATCH_ROWS", 500)
    words = requests_of(loaded, *GOOD, *(f"B-{at},2026-01-15T09:30:00,,Pothole,{EAST},," for at in range(5000)))
    whole = gzip.compress(Path(str(words[0])).read_bytes())
    (loaded.path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])

    result = run("request", "import", loaded.path / "cut.csv.gz", *words[1:])

    kept = len(look("select 1 from service_request"))
    assert kept >= 500
    assert "cut.csv.gz:" in told(result)
    assert "cannot be read" in result.stderr
    assert result.stdout.startswith(f"{kept} requests imported, 0 were there already\n")


def test_request_import_names_the_lines_it_could_not_read_and_can_be_run_again(run: Run, loaded: SmallCity, look: Look):
    first = run("request", "import", *requests_of(loaded, *GOOD, "A-3,soon,,Pothole,,,,"))

    second = run("request", "import", *requests_of(loaded, *GOOD))

    assert told(first).splitlines()[0] == "batches with these lines were not imported:"
    assert f"{loaded.path}/requests.csv:4: OPENED must be a date and time" in first.stderr
    assert second.stdout.startswith("2 requests imported, 0 were there already")


def test_request_import_for_an_unknown_city_is_told(run: Run, loaded: SmallCity):
    words = requests_of(loaded, *GOOD)

    assert told(run("request", "import", *words[:-1], "atlantis.gov")) == ("no city here has the jurisdiction_id atlantis.gov")


def test_request_import_with_a_bad_mapping_is_told(run: Run, loaded: SmallCity):
    words = requests_of(loaded, *GOOD)
    loaded.change("mapping.yml", "  service: TYPE\n", "")

    assert told(run("request", "import", *words)) == f"{loaded.path}/mapping.yml:3: columns.service: is required"


def test_request_import_of_a_file_that_breaks_off_is_told(run: Run, loaded: SmallCity):
    file = loaded.path / "broken.csv.gz"
    file.write_bytes(b"\x1f\x8b\x08\x00 broken")

    message = told(
        run(
            "request", "import", file, "--mapping", loaded.path / "mapping.yml", "--jurisdiction", "small.gov"
        )
    )  # fmt: skip

    assert message.startswith(f"{file}:1: cannot be read: ")


# rule score


def test_rule_score_prints_one_line_of_json(run: Run, loaded: SmallCity, look: Look):
    result = run("rule", "score", *requests_of(loaded, *GOOD))

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"cases": 2, "located": 1, "department": 0.5, "queue": 0.5}
    assert result.stdout.count("\n") == 1
    assert look("select 1 from service_request") == []


def test_rule_score_of_a_file_with_a_bad_line_is_told(run: Run, loaded: SmallCity):
    message = told(run("rule", "score", *requests_of(loaded, "A-1,soon,,Pothole,,,,")))

    assert message.startswith(f"{loaded.path}/requests.csv:2: OPENED must be a date and time")


# migrate, and the database


def test_migrate_brings_an_empty_database_to_the_newest_version_and_again_changes_nothing(
    commands: Run, cluster: Cluster, worker_id: str, monkeypatch: pytest.MonkeyPatch
):
    name = f"empty_{worker_id}"
    cluster.create_database(name)
    monkeypatch.setenv("DATABASE_URL", cluster.url(name))
    try:
        results = commands("migrate"), commands("migrate"), commands("key", "create", "portal")
    finally:
        cluster.drop_database(name)

    assert [result.exit_code for result in results] == [0, 0, 0]
    assert [result.stdout for result in results[:2]] == [f"the database is at version {head()}\n"] * 2


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["key", "list"], id="through-the-driver"),
        pytest.param(["city", "load", "{folder}"], id="through-the-session"),
    ],
)
def test_a_database_that_was_never_migrated_is_told_with_what_would_do(
    commands: Run,
    folder: SmallCity,
    cluster: Cluster,
    worker_id: str,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
):
    name = f"empty_{worker_id}"
    cluster.create_database(name)
    monkeypatch.setenv("DATABASE_URL", cluster.url(name))
    try:
        result = commands(*(word.replace("{folder}", str(folder.path)) for word in words))
    finally:
        cluster.drop_database(name)

    assert told(result).startswith("the database is not at the version that this program needs (open311 migrate)")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["migrate"], id="migrate"),
        pytest.param(["city", "load", "{folder}"], id="city-load"),
        pytest.param(["key", "list"], id="key-list"),
        pytest.param(["worker"], id="worker"),
    ],
)
@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql://nobody@/none?host={folder}", id="no-socket"),
        pytest.param("postgresql://nobody@127.0.0.1:1/none", id="no-port"),
    ],
)
def test_a_database_that_is_down_is_told_in_one_line(
    commands: Run, folder: SmallCity, monkeypatch: pytest.MonkeyPatch, words: list[str], url: str
):
    monkeypatch.setenv("DATABASE_URL", url.replace("{folder}", str(folder.path)))

    message = told(commands(*(word.replace("{folder}", str(folder.path)) for word in words)))

    assert message.startswith("the database does not answer (script/server starts it): ")
    assert "\n" not in message


@pytest.mark.parametrize("words", [["migrate"], ["key", "list"]], ids=["migrate", "key-list"])
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("mysql://localhost/x", "DATABASE_URL must begin with postgresql://, got mysql://", id="mysql"),
        pytest.param("postgresql://localhost:port/x", "DATABASE_URL ", id="a-port-in-words"),
    ],
)
def test_a_database_url_that_is_none_is_told(
    commands: Run, monkeypatch: pytest.MonkeyPatch, words: list[str], url: str, expected: str
):
    monkeypatch.setenv("DATABASE_URL", url)

    assert told(commands(*words)).startswith(expected)


def test_a_setting_that_cannot_be_used_is_told(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPEN311_POOL_SIZE", "many")

    assert told(run("key", "list")) == "OPEN311_POOL_SIZE must be a whole number, got 'many'"


def test_the_list_of_commands_says_of_each_what_its_own_help_begins_with(commands: Run):
    names = list(main.list_commands(click.Context(main)))
    listed = " ".join(commands("--help", terminal_width=400).stdout.split())

    for name in names:
        first = " ".join(commands(name, "--help", terminal_width=400).stdout.split("\n\n")[1].split())
        assert f" {name} {first}" in listed


@pytest.mark.parametrize("name", sorted({*edge.KNOWN, *acting.AS_THEY_SAY, *acting.IN_OUR_WORDS}))
def test_an_error_that_is_told_in_words_is_one_that_there_is(name: str):
    module, _, error = name.rpartition(".")

    found = getattr(import_module(module), error)

    assert issubclass(found, Exception)
    assert f"{found.__module__}.{found.__qualname__}" == name


def test_every_command_explains_itself(commands: Run):
    for words in ([], ["city"], ["city", "load"], ["key"], ["request", "import"], ["rule", "score"], ["migrate"]):
        result = commands(*words, "--help")

        assert result.exit_code == 0
        assert result.stdout.startswith("Usage: ")
