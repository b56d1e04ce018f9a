"""open311 rule learn: the rules it writes, what it says of them, and what it refuses."""

import csv
import gzip
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from shapely import box

from open311.cases import learning
from open311.config import CHECKOUT
from tests.cli.conftest import Run, told
from tests.small_city import SmallCity

WEST, EAST, NOWHERE = "42.35,-71.15", "42.35,-71.05", ","
BOSTON = CHECKOUT / "fixtures" / "boston"


@pytest.fixture
def loaded(run: Run, folder: SmallCity) -> SmallCity:
    """Smallville, loaded without requests."""
    assert run("city", "load", folder.path).exit_code == 0
    return folder


def potholes(*, days: Sequence[int] = range(1, 31), month: int = 1) -> list[str]:
    """Two potholes a day: the west goes to Public Works, the east to its yard."""
    return [
        f"{name}-{month}-{day},2026-{month:02}-{day:02}T09:30:00,,Pothole,{place},WORKS,{unit}"
        for day in days
        for name, place, unit in (("W", WEST, ""), ("E", EAST, "East Yard"))
    ]


def words(folder: SmallCity, *rows: str, out: str = "learnt.csv") -> list[object]:
    """The words that learn from a file of these rows."""
    file = folder.record(*rows)
    return [
        "rule", "learn", file, "--mapping", folder.path / "mapping.yml", "--jurisdiction", "small.gov",
        "--out", folder.path / out,
    ]  # fmt: skip


def learnt(folder: SmallCity, out: str = "learnt.csv") -> dict[str, str]:
    """Department or unit by the code of the rule."""
    with (folder.path / out).open(encoding="utf-8", newline="") as file:
        return {row["code"]: row["department"] for row in csv.DictReader(file)}


def test_what_is_learnt_is_written_as_rules_and_measured_on_the_last_days(run: Run, loaded: SmallCity):
    result = run(*words(loaded, *potholes()), "--holdout", "10")

    assert result.exit_code == 0, result.output
    assert learnt(loaded) == {"pothole.everywhere": "WORKS", "pothole.ward-e": "works-east"}
    assert result.stdout == (
        "learnt on 2026-01-01 to 2026-01-20 (40 cases); tested on 2026-01-21 to 2026-01-30 (20 cases)\n"
        "                                      queue  department  rules\n"
        "  learnt rules                       50.0 %     100.0 %      2\n"
        "  commonest queue of each service    50.0 %     100.0 %      1\n"
        f"learnt on 2026-01-01 to 2026-01-30 (60 cases): 2 rules in {loaded.path}/learnt.csv\n"
    )


def test_what_is_learnt_can_be_loaded(run: Run, loaded: SmallCity):
    run(*words(loaded, *potholes(), out="rules.csv"), "--holdout", "0")

    result = run("city", "load", loaded.path, "--without-requests")

    assert result.exit_code == 0, result.output
    assert result.stdout.endswith(", 2 rules\n")


def test_the_same_cases_make_the_same_file_in_whatever_order_they_stand(run: Run, loaded: SmallCity):
    rows = potholes()

    run(*words(loaded, *rows, out="one.csv"), "--holdout", "0")
    run(*words(loaded, *rows[::-1], out="other.csv"), "--holdout", "0")

    assert (loaded.path / "one.csv").read_bytes() == (loaded.path / "other.csv").read_bytes()


def test_with_nothing_kept_aside_nothing_is_measured(run: Run, loaded: SmallCity):
    result = run(*words(loaded, *potholes()), "--holdout", "0")

    assert result.stdout.startswith("learnt on 2026-01-01 to 2026-01-30 (60 cases): 2 rules in ")


def test_only_the_days_asked_for_are_learnt_from(run: Run, loaded: SmallCity):
    rows = [*potholes(month=1), *potholes(month=2, days=range(1, 11)), *potholes(month=3)]

    result = run(*words(loaded, *rows), "--since", "2026-02-01", "--until", "2026-03-01", "--holdout", "0")

    assert result.stdout.startswith("learnt on 2026-02-01 to 2026-02-10 (20 cases)")


def test_days_begin_at_midnight_of_the_city(run: Run, loaded: SmallCity):
    # Half past eleven in New York: the next day in UTC.
    late = [f"L-{at},2026-01-31T23:30:00,,Pothole,{WEST},WORKS," for at in range(5)]

    result = run(*words(loaded, *late), "--until", "2026-02-01", "--holdout", "0")

    assert result.exit_code == 0, result.output


def test_a_boundary_that_is_drawn_no_longer_gets_no_rule(run: Run, loaded: SmallCity):
    loaded.draw("ward", {"W": box(-71.2, 42.3, -71.0, 42.4)})
    loaded.change("rules.csv", "pothole.east,pothole,,ward,E,works-east,100,by the east yard\n", "")
    assert run("city", "load", loaded.path).exit_code == 0

    run(*words(loaded, *potholes(), *(f"X-{row}" for row in potholes()[1::2])), "--holdout", "0")

    assert not [code for code in learnt(loaded) if code.endswith("ward-e")]


def test_a_point_of_many_addresses_is_told_and_teaches_no_place(run: Run, loaded: SmallCity, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(learning, "_PLACEHOLDER_ADDRESSES", 20)
    loaded.change("mapping.yml", "  unit: QUEUE\n", "  unit: QUEUE\n  address: ADDRESS\n")
    rows = [f"{row},{at} Main St" if ",-71.05" in row else f"{row}," for at, row in enumerate(potholes())]
    call = words(loaded, *potholes())
    loaded.record(*rows, header="ID,OPENED,CLOSED,TYPE,LAT,LONG,DEPARTMENT,QUEUE,ADDRESS")

    result = run(*call, "--holdout", "0")

    assert result.stdout.startswith(
        "30 cases lie at a point of very many addresses (a place-holder?): no place was learnt from them\n"
    )
    assert "pothole.ward-e" not in learnt(loaded)


def test_departments_that_the_city_does_not_have_are_counted(run: Run, loaded: SmallCity):
    rows = [row.replace("East Yard", "West Yard") for row in potholes()]

    result = run(*words(loaded, *rows), "--holdout", "0")

    assert result.stdout.startswith("30 cases name a department or unit that the city does not have\n")
    assert learnt(loaded) == {"pothole.everywhere": "WORKS"}


def test_cases_of_a_service_that_is_offered_no_longer_are_left_out(run: Run, loaded: SmallCity):
    services = (loaded.path / "services.yml").read_text()
    loaded.write("services.yml", services[: services.index("- service_code: secret")])
    assert run("city", "load", loaded.path).exit_code == 0

    result = run(*words(loaded, *potholes(), "S-1,2026-01-15T09:30:00,,Secret,,,PARKS,"), "--holdout", "0")

    assert result.stdout.startswith("1 cases of services that are offered no longer were left out\n")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param("A-1,soon,,Pothole,,,,", "OPENED must be a date and time", id="no-date"),
        pytest.param(
            "A-1,2026-01-15T09:30:00,,Unicorn,,,WORKS,", "TYPE 'Unicorn' is no service of Smallville", id="unknown-service"
        ),
        pytest.param(
            "A-1,2026-01-15T09:30:00,,Pothole,95,0,,", "LAT, LONG: lat must be a number from -90 to 90", id="no-place"
        ),
        pytest.param("A-1,2026-01-15T09:30:00,,Pothole,,,,,,", "has more fields than the header", id="too-many-fields"),
    ],
)
def test_a_line_that_cannot_be_used_is_told_and_no_rules_are_written(run: Run, loaded: SmallCity, row: str, message: str):
    result = run(*words(loaded, *potholes(), row))

    assert told(result).startswith(f"{loaded.path}/requests.csv:62: {message}")
    assert not (loaded.path / "learnt.csv").exists()


def test_a_file_without_the_columns_of_the_mapping_is_told(run: Run, loaded: SmallCity):
    call = words(loaded)
    loaded.record("A-1,Pothole", header="ID,TYPE")

    assert told(run(*call)).startswith(f"{loaded.path}/requests.csv:1: has no column OPENED, CLOSED, LAT, LONG")


def test_a_mapping_that_says_nothing_of_departments_is_told(run: Run, loaded: SmallCity):
    loaded.change("mapping.yml", "  department: DEPARTMENT\n  unit: QUEUE\n", "")

    assert told(run(*words(loaded, *potholes()))) == (
        f"{loaded.path}/mapping.yml:1: columns: must name the column of department or of unit, to learn from it"
    )


@pytest.mark.parametrize("rows", [pytest.param([], id="no-rows"), pytest.param(potholes(), id="other-days")])
def test_a_period_without_cases_is_told(run: Run, loaded: SmallCity, rows: list[str]):
    result = run(*words(loaded, *rows), "--since", "2026-05-01")

    assert told(result) == (f"{loaded.path}/requests.csv:1: has no case of a service on offer that was opened in the period")


def test_a_history_too_short_to_keep_days_aside_is_told(run: Run, loaded: SmallCity):
    result = run(*words(loaded, *potholes(days=range(1, 13))))

    assert told(result) == "the cases cover 12 days, too few to keep 30 aside: give --holdout fewer, or 0"


def test_a_handful_of_cases_makes_no_file(run: Run, loaded: SmallCity):
    result = run(*words(loaded, *potholes(days=[1, 2])), "--holdout", "0")

    assert told(result) == f"{loaded.path}/requests.csv: too few cases to learn a rule from (4)"
    assert not (loaded.path / "learnt.csv").exists()


def test_a_folder_that_is_not_there_is_told_before_anything_is_read(run: Run, loaded: SmallCity):
    result = run(*words(loaded, "A-1,soon,,Pothole,,,,", out="nowhere/rules.csv"))

    assert told(result) == f"{loaded.path}/nowhere/rules.csv: the folder {loaded.path}/nowhere is not there"


def test_a_date_that_is_none_is_a_usage_error(run: Run, loaded: SmallCity):
    result = run(*words(loaded, *potholes()), "--since", "yesterday")

    assert result.exit_code == 2
    assert "--since" in result.stderr


def test_boston_by_district_is_learnt_far_better_than_by_type_alone(run: Run, tmp_path: Path):
    sample = tmp_path / "sample.csv"
    with gzip.open(BOSTON / "requests.csv.gz", "rt", encoding="utf-8") as all_rows, sample.open("w") as some:
        some.writelines(row for at, row in enumerate(all_rows) if at == 0 or ",Sidewalk Repair (Make Safe)," in row)

    result = run(
        "rule", "learn", sample, "--mapping", BOSTON / "mapping.yml", "--jurisdiction", "boston.gov",
        "--out", tmp_path / "rules.csv",
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    learnt, least = (
        float(re.search(rf"{name} +([0-9.]+) %", result.stdout)[1])  # type: ignore[index]
        for name in ("learnt rules", "commonest queue of each service")
    )
    assert learnt > least + 20
