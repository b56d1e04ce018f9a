"""Snapshots of open data, and what describes it: whole files with checksums, in parts if wanted, never half done."""

import csv
import errno
import fcntl
import gzip
import hashlib
import io
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from flask.testing import FlaskClient

from db.driver import driver
from open311.config import Settings
from open311.jurisdictions import cities
from open311.reports import snapshots
from open311.reports.snapshots import BeingTaken, NotTaken, Snapshot
from schemas.catalog import ABOUT, table_schema
from schemas.open_data import OpenRequestSchema
from schemas.representation import fields_of
from tests.api.wire import BASE, read_json
from tests.factories import Factory

AT = datetime(2026, 11, 26, 1, 41, tzinfo=UTC)
NAME = "20261126T014100Z"
Take = Callable[..., Snapshot]


@pytest.fixture
def open_data(settings: Callable[..., Settings], tmp_path: Path) -> Path:
    """The folder of snapshots."""
    settings(open_data_dir=str(tmp_path / "open-data"))
    return tmp_path / "open-data"


@pytest.fixture
def take(open_data: Path) -> Take:
    """Takes a snapshot of Boston."""

    def run(at: datetime = AT, *, keep: int = 3, formats: Any = None) -> Snapshot:
        city = cities().named("boston.gov")
        with driver.snapshot() as connection:
            return snapshots.take(
                connection,
                city,
                snapshots.shelf_of(open_data, "boston.gov"),
                formats=formats or snapshots.formats_here(),
                keep=keep,
                public_url="https://311.example",
                licence="CC0-1.0",
                now=at,
            )

    return run


class Kept:
    """Asks for what is kept of Boston's open data."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def ask(self, path: str, method: str = "GET", **options: Any) -> Any:
        """The response."""
        return self.client.open(
            f"{BASE}/bulk/{path}", method=method, query_string={"jurisdiction_id": "boston.gov"}, buffered=True, **options
        )

    def names(self) -> list[str]:
        """When the snapshots that are listed were taken."""
        return [each["taken_at"] for each in read_json(self.ask("snapshots.json").get_data())]


@pytest.fixture
def kept(client: FlaskClient) -> Kept:
    """Asks for what is kept of Boston's open data."""
    return Kept(client)


# --- what it has -------------------------------------------------------------------------------------------------


def test_a_snapshot_has_every_file_and_its_checksum(take: Take, kept: Kept, make: Factory) -> None:
    make.request("A")
    make.request("HIDDEN", is_public=False)
    taken = take()

    sums = kept.ask(f"snapshots/{NAME}/SHA256SUMS").text
    manifest = read_json(kept.ask(f"snapshots/{NAME}/manifest.json").get_data())

    assert manifest["taken_at"] == "2026-11-26T01:41:00Z"
    assert manifest["rows"] == 1
    assert manifest["changes_cursor"] == taken.changes_cursor
    assert manifest["changes_cursor"].endswith("-0")
    assert [file["format"] for file in manifest["files"]] == ["csv", "ndjson", "geojson", "parquet"]
    for file in manifest["files"]:
        body = kept.ask(f"snapshots/{NAME}/{file['name']}").get_data()
        assert len(body) == file["bytes"]
        assert hashlib.sha256(body).hexdigest() == file["sha256"]
        assert f"{file['sha256']}  {file['name']}\n" in sums
        assert b"HIDDEN" not in (gzip.decompress(body) if file["name"].endswith(".gz") else body)
    assert sums.count("\n") == 6


def test_a_snapshot_says_what_the_file_of_that_moment_says(take: Take, kept: Kept, make: Factory) -> None:
    make.request("A", description="one, two\n=three")
    take()

    for format in ("csv", "ndjson", "geojson"):
        body = kept.ask(f"snapshots/{NAME}/requests.{format}.gz").get_data()
        assert gzip.decompress(body) == kept.ask(f"requests.{format}").get_data()


def test_the_newest_are_kept(take: Take, kept: Kept) -> None:
    for day in range(4):
        take(AT + timedelta(days=day), keep=2)

    assert kept.names() == ["2026-11-29T01:41:00Z", "2026-11-28T01:41:00Z"]
    assert kept.ask(f"snapshots/{NAME}/requests.csv.gz").status_code == 404


def test_each_city_has_its_own(take: Take, kept: Kept, client: FlaskClient) -> None:
    take()

    other = client.get(f"{BASE}/bulk/snapshots/{NAME}/requests.csv.gz?jurisdiction_id=seattle.gov")

    assert other.status_code == 404
    assert read_json(client.get(f"{BASE}/bulk/snapshots.json?jurisdiction_id=seattle.gov").get_data()) == []


def test_latest_leads_to_the_newest(take: Take, kept: Kept) -> None:
    take()
    take(AT + timedelta(days=1))

    response = kept.ask("snapshots/latest/requests.csv.gz")

    assert response.status_code == 302
    assert "/bulk/snapshots/20261127T014100Z/requests.csv.gz?jurisdiction_id=boston.gov" in response.headers["Location"]
    assert kept.ask("snapshots/latest/nothing.csv").status_code == 404


@pytest.mark.parametrize("name", ["../manifest.json", ".lock", "requests.csv", "%2e%2e%2f.lock", "x"])
def test_nothing_else_is_given_away(take: Take, kept: Kept, name: str) -> None:
    take()

    assert kept.ask(f"snapshots/{NAME}/{name}").status_code == 404
    assert kept.ask(f"snapshots/..%2f{NAME}/{name}").status_code == 404


def test_a_folder_that_is_named_from_where_one_is_serves_its_files(
    settings: Callable[..., Settings], kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    limits = settings(open_data_dir="open-data")

    snapshots.take_snapshots(int(AT.timestamp()))

    name = kept.names()[0].translate(str.maketrans("", "", "-:"))
    assert (tmp_path / "open-data" / "boston.gov" / name).is_dir()
    assert limits.open_data_folder == tmp_path / "open-data"
    assert kept.ask(f"snapshots/{name}/requests.csv.gz").status_code == 200


# --- over the wire -----------------------------------------------------------------------------------------------


def test_a_file_is_continued_by_range(take: Take, kept: Kept, make: Factory) -> None:
    make.request("A")
    take()
    path = f"snapshots/{NAME}/requests.ndjson.gz"
    whole = kept.ask(path)

    rest = kept.ask(path, headers={"Range": "bytes=10-", "If-Range": whole.headers["ETag"]})
    another = kept.ask(path, headers={"Range": "bytes=10-", "If-Range": '"another"'})
    beyond = kept.ask(path, headers={"Range": "bytes=99999999-"})
    several = kept.ask(path, headers={"Range": "bytes=0-1,5-6"})

    body = whole.get_data()
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert (several.status_code, several.data) == (200, body)
    assert rest.status_code == 206
    assert rest.headers["Content-Range"] == f"bytes 10-{len(body) - 1}/{len(body)}"
    assert rest.get_data() == body[10:]
    assert another.status_code == 200
    assert another.get_data() == body
    assert beyond.status_code == 416
    assert beyond.headers["Content-Range"] == f"bytes */{len(body)}"


def test_a_file_is_held_for_minutes_and_then_asked_for_again(take: Take, kept: Kept) -> None:
    take()

    response = kept.ask(f"snapshots/{NAME}/requests.csv.gz")
    head = kept.ask(f"snapshots/{NAME}/requests.csv.gz", "HEAD")
    again = kept.ask(f"snapshots/{NAME}/requests.csv.gz", headers={"If-None-Match": response.headers["ETag"]})

    for each in (response, head, again):
        assert each.headers["Cache-Control"] == "public, max-age=300, must-revalidate"
    assert response.content_type == "application/gzip"
    assert "Content-Encoding" not in response.headers
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert int(head.headers["Content-Length"]) == len(response.get_data())
    assert again.status_code == 304


def test_a_file_that_was_thrown_away_is_gone_for_who_held_it(take: Take, kept: Kept) -> None:
    take()
    held = kept.ask(f"snapshots/{NAME}/requests.csv.gz")

    take(AT + timedelta(days=1), keep=1)

    again = kept.ask(f"snapshots/{NAME}/requests.csv.gz", headers={"If-None-Match": held.headers["ETag"]})
    assert again.status_code == 404


# --- never half done ---------------------------------------------------------------------------------------------


def test_two_are_not_taken_at_once(take: Take, kept: Kept, open_data: Path) -> None:
    shelf = snapshots.shelf_of(open_data, "boston.gov")
    shelf.mkdir(parents=True)
    with (shelf / ".lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        with pytest.raises(BeingTaken):
            take()

    assert kept.names() == []
    take()
    assert kept.names() == ["2026-11-26T01:41:00Z"]


def test_a_full_disk_leaves_what_was_there(take: Take, kept: Kept, open_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotTaken, match="No space left on device"):
        take(AT + timedelta(days=1), keep=1)

    assert kept.names() == ["2026-11-26T01:41:00Z"]
    assert sorted(each.name for each in (open_data / "boston.gov").iterdir()) == [".lock", NAME]


def test_what_a_killed_run_left_is_not_served_and_goes_with_the_next(take: Take, kept: Kept, open_data: Path) -> None:
    left = open_data / "boston.gov" / ".20261125T014100Z.part"
    left.mkdir(parents=True)
    (left / "requests.csv.gz").write_bytes(b"half")

    assert kept.names() == []
    for name in (".20261125T014100Z.part", "20261125T014100Z"):
        assert kept.ask(f"snapshots/{name}/requests.csv.gz").status_code == 404

    take()
    assert not left.exists()
    assert kept.names() == ["2026-11-26T01:41:00Z"]


def test_the_job_of_the_night_takes_one_of_each_city_and_twice_is_as_once(open_data: Path, make: Factory) -> None:
    make.request("A")
    due = int(datetime.now(UTC).timestamp())

    snapshots.take_snapshots(due)
    first = {path: path.stat().st_mtime_ns for path in open_data.glob("*/*/manifest.json")}
    snapshots.take_snapshots(due)

    assert {path.parent.parent.name for path in first} == {"boston.gov", "seattle.gov"}
    assert {path: path.stat().st_mtime_ns for path in open_data.glob("*/*/manifest.json")} == first


def test_a_city_that_cannot_be_kept_does_not_hold_up_the_others(open_data: Path) -> None:
    open_data.mkdir()
    (open_data / "boston.gov").write_text("in the way")

    with pytest.raises(NotTaken):
        snapshots.take_snapshots(int(datetime.now(UTC).timestamp()))

    assert len(list(open_data.glob("seattle.gov/*/manifest.json"))) == 1


# --- what describes it -------------------------------------------------------------------------------------------


def test_the_table_schema_fits_the_csv(kept: Kept, make: Factory) -> None:
    make.request("A", closed_after=timedelta(hours=1))
    lines = list(csv.reader(io.StringIO(kept.ask("requests.csv").get_data().decode(), newline="")))
    fields = table_schema()["fields"]

    assert [field["name"] for field in fields] == lines[0] == list(fields_of(OpenRequestSchema)) == list(ABOUT)
    for field, text in zip(fields, lines[1], strict=True):
        if not text:
            assert "required" not in field.get("constraints", {})
        elif field["type"] == "datetime":
            datetime.strptime(text, field["format"])
        elif field["type"] == "number":
            assert field["constraints"]["minimum"] <= float(text) <= field["constraints"]["maximum"]
        elif field["type"] == "integer":
            assert int(text) >= 0
        elif "enum" in field.get("constraints", {}):
            assert text in field["constraints"]["enum"]


def test_the_data_package_names_the_newest_files_and_those_of_now(take: Take, kept: Kept, make: Factory) -> None:
    make.request("A")
    taken = take()

    package = read_json(kept.ask("datapackage.json").get_data())

    jsonschema.validate(package, PACKAGE)
    assert package["name"] == "service-requests-boston.gov"
    assert package["licenses"] == [{"name": "CC0-1.0", "path": "https://spdx.org/licenses/CC0-1.0.html"}]
    assert package["changes_cursor"] == taken.changes_cursor
    assert package["created"] == "2026-11-26T01:41:00Z"
    resources = {resource["name"]: resource for resource in package["resources"]}
    assert list(resources) == [
        *("requests-csv", "requests-ndjson", "requests-geojson", "requests-parquet"),
        *("requests-csv-now", "requests-ndjson-now", "requests-geojson-now", "requests-parquet-now"),
    ]
    body = kept.client.get(resources["requests-csv"]["path"], buffered=True).get_data()
    assert resources["requests-csv"]["bytes"] == len(body)
    assert resources["requests-csv"]["hash"] == f"sha256:{hashlib.sha256(body).hexdigest()}"
    assert resources["requests-csv"]["compression"] == "gz"
    assert resources["requests-csv"]["schema"]["primaryKey"] == ["service_request_id"]
    assert "hash" not in resources["requests-csv-now"]


def test_a_snapshot_is_a_data_package_of_its_own(take: Take) -> None:
    folder = take().folder

    package = json.loads((folder / "datapackage.json").read_text())

    jsonschema.validate(package, PACKAGE)
    for resource in package["resources"]:
        assert (folder / resource["path"]).stat().st_size == resource["bytes"]


@pytest.mark.parametrize("is_taken", [True, False])
def test_the_catalogue_is_one_that_portals_harvest(take: Take, kept: Kept, is_taken: bool) -> None:
    if is_taken:
        take()

    catalogue = read_json(kept.ask("data.json").get_data())

    assert catalogue["conformsTo"] == "https://project-open-data.cio.gov/v1.1/schema"
    (dataset,) = catalogue["dataset"]
    # What DCAT-US 1.1 wants of every dataset that is not a federal agency's.
    for name in ("title", "description", "keyword", "modified", "publisher", "contactPoint", "identifier", "accessLevel"):
        assert dataset[name]
    assert dataset["license"].startswith("https://")
    for each in dataset["distribution"]:
        assert each["@type"] == "dcat:Distribution"
        assert each["mediaType"]
        assert kept.client.get(each["downloadURL"], buffered=True).status_code == 200
    assert len(dataset["distribution"]) == (8 if is_taken else 4)


def test_what_describes_is_conditional(kept: Kept, open_data: Path) -> None:
    for path in ("datapackage.json", "snapshots.json"):
        etag = kept.ask(path).headers["ETag"]
        assert kept.ask(path, headers={"If-None-Match": etag}).status_code == 304


# The part of the Frictionless profile that says what must be there.
PACKAGE = {
    "type": "object",
    "required": ["name", "resources"],
    "properties": {
        "name": {"type": "string", "pattern": "^([-a-z0-9._/])+$"},
        "created": {"type": "string", "format": "date-time"},
        "licenses": {"type": "array", "minItems": 1, "items": {"anyOf": [{"required": ["name"]}, {"required": ["path"]}]}},
        "resources": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name", "path"],
                "properties": {
                    "name": {"type": "string", "pattern": "^([-a-z0-9._/])+$"},
                    "path": {"type": "string", "pattern": r"^(?=^[^./~])(^((?!\.{2}).)*$).*$"},
                    "bytes": {"type": "integer"},
                    "hash": {"type": "string", "pattern": "^([^:]+:[a-fA-F0-9]+|[a-fA-F0-9]{32}|)$"},
                    "schema": {
                        "type": "object",
                        "required": ["fields"],
                        "properties": {"fields": {"type": "array", "items": {"type": "object", "required": ["name", "type"]}}},
                    },
                },
            },
        },
    },
}
