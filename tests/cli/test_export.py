"""open311 export requests, snapshot."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from tests.cli.conftest import Run, good, told, usage
from tests.databases import Copies
from tests.small_city import SmallCity

SMALL = ("--jurisdiction", "small.gov")


@pytest.fixture
def own_url(copies: Copies, smallville: str) -> Iterator[str]:
    """A database for this test alone, with Smallville and its five past requests."""
    with copies.of(smallville) as url:
        yield url


def numbers(result: Result) -> list[str]:
    """Of the requests of a CSV that a command wrote."""
    assert result.exit_code == 0, result.output
    return [row["service_request_id"] for row in csv.DictReader(io.StringIO(result.stdout_bytes.decode(), newline=""))]


def test_the_public_requests_are_written_to_standard_output(run: Run) -> None:
    assert numbers(run("export", "requests", *SMALL)) == ["A-1", "A-2", "A-3", "A-4", "A-5"]
    assert numbers(run("export", "requests", *SMALL, "--after", "A-3")) == ["A-4", "A-5"]
    assert numbers(run("export", "requests", *SMALL, "--year", "2025")) == []


def test_a_service_and_a_district_narrow_it(run: Run) -> None:
    both = ("--service-code", "pothole", "--district", "ward:E")

    assert numbers(run("export", "requests", *SMALL, "--service-code", "tree")) == ["A-4"]
    assert numbers(run("export", "requests", *SMALL, *both)) == ["A-2", "A-3"]


def test_it_speaks_the_other_formats(run: Run) -> None:
    lines = run("export", "requests", *SMALL, "--format", "ndjson").stdout_bytes.splitlines()

    assert [json.loads(line)["service_request_id"] for line in lines] == ["A-1", "A-2", "A-3", "A-4", "A-5"]
    assert run("export", "requests", *SMALL, "--format", "parquet").stdout_bytes.startswith(b"PAR1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("--district", "ward:X"), "district ward:X was not found", id="district"),
        pytest.param(("--after", "A-99"), "A-99", id="request"),
        pytest.param(("--year", "now"), "year must be", id="year"),
    ],
)
def test_what_cannot_be_is_told(run: Run, words: tuple[str, ...], said: str) -> None:
    assert said in told(run("export", "requests", *SMALL, *words))


def test_a_format_that_there_is_not_is_told(run: Run) -> None:
    assert "--format" in usage(run("export", "requests", *SMALL, "--format", "xlsx"))


def test_a_snapshot_is_written_and_its_checksums_hold(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPEN311_OPEN_DATA_DIR", str(tmp_path))

    said = good(run("export", "snapshot", *SMALL, "--format", "csv", "--format", "ndjson"))

    (folder,) = (tmp_path / "small.gov").glob("2*Z")
    assert said == f"Smallville: 5 requests in 2 files in {folder}\n"
    sums = [line.split("  ") for line in (folder / "SHA256SUMS").read_text().splitlines()]
    assert {name for _, name in sums} == {each.name for each in folder.iterdir()} - {"SHA256SUMS"}
    for digest, name in sums:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("words", [("requests",), ("snapshot", "--format", "csv")], ids=["requests", "snapshot"])
def test_photos_that_will_be_paths_are_warned_of_once(
    run: Run, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPEN311_OPEN_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("OPEN311_PUBLIC_URL", raising=False)

    result = run("export", *words, *SMALL)

    assert result.exit_code == 0, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("warning: OPEN311_PUBLIC_URL is not set: media_url of photos kept here is a path")


@pytest.mark.parametrize("words", [("requests",), ("snapshot", "--format", "csv")], ids=["requests", "snapshot"])
def test_nothing_is_warned_of_where_the_address_is_known(
    run: Run, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPEN311_OPEN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("OPEN311_PUBLIC_URL", "https://311.example")

    result = run("export", *words, *SMALL)

    assert result.exit_code == 0, result.output
    assert result.stderr == ""


def test_snapshots_go_when_a_service_becomes_private(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPEN311_OPEN_DATA_DIR", str(tmp_path / "open"))
    monkeypatch.setenv("OPEN311_PUBLIC_URL", "https://311.small.example")
    good(run("export", "snapshot", *SMALL))
    folder = SmallCity(tmp_path / "small")
    good(run("city", "load", str(folder.path), "--without-requests"))
    assert list((tmp_path / "open" / "small.gov").glob("2*"))
    services = yaml.safe_load((folder.path / "services.yml").read_text())
    folder.write("services.yml", yaml.safe_dump([{**each, "private": True} for each in services]))

    said = good(run("city", "load", str(folder.path), "--without-requests"))

    assert "1 snapshots of open data were taken away" in said
    assert not list((tmp_path / "open" / "small.gov").glob("2*"))


def test_a_folder_that_takes_no_snapshot_is_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OPEN311_OPEN_DATA_DIR", str(tmp_path / "file"))

    assert "the snapshot could not be written" in told(run("export", "snapshot", *SMALL))
