"""Lists hold on to what they rendered, and show what is so all the same."""

from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree

from flask import Flask
from flask.testing import FlaskClient

from db import db
from open311.api.fragments import Fragments
from open311.city.folder import read_folder
from open311.city.load import load_folder
from open311.config import CHECKOUT
from tests.factories import Factory

LIST = "/open311/v2/requests.json?jurisdiction_id=seattle.gov"


def test_a_request_that_changed_is_shown_as_it_is_now(client: FlaskClient, make: Factory) -> None:
    row = make.request("A-1", jurisdiction_id="seattle.gov", service_code="dead-animal")
    first = client.get(LIST).json

    row.description = "It is gone"
    db.session.flush()

    assert first[0]["description"] == "Lamp is out"
    assert client.get(LIST).json[0]["description"] == "It is gone"


def test_a_request_that_is_hidden_is_gone_at_once(client: FlaskClient, make: Factory) -> None:
    row = make.request("A-1", jurisdiction_id="seattle.gov", service_code="dead-animal")
    client.get(LIST)

    row.is_public = False
    db.session.flush()

    assert client.get(LIST).json == []


def test_a_service_and_a_department_with_new_names_show_them(
    app: Flask, client: FlaskClient, make: Factory, tmp_path: Path
) -> None:
    make.request("A-1", jurisdiction_id="seattle.gov", service_code="dead-animal")
    before = client.get(LIST).json[0]
    folder = Path(copytree(CHECKOUT / "fixtures" / "seattle", tmp_path / "seattle"))
    for name, old in (("services.yml", before["service_name"]), ("departments.yml", before["agency_responsible"])):
        file = folder / name
        file.write_text(file.read_text().replace(f"name: {old}\n", f"name: New {old}\n"))

    load_folder(db.session(), read_folder(folder), now=datetime.now(UTC).replace(microsecond=0))  # type: ignore[operator]

    after = client.get(LIST).json[0]
    assert after["service_name"] == f"New {before['service_name']}"
    assert after["agency_responsible"] == f"New {before['agency_responsible']}"


def test_both_formats_and_hosts_are_held_apart(client: FlaskClient, make: Factory) -> None:
    make.request("A-1", jurisdiction_id="seattle.gov", service_code="dead-animal", media_url="/media/x/y.jpg")

    json = client.get(LIST, headers={"Host": "one.example"}).json[0]["media_url"]
    other = client.get(LIST, headers={"Host": "two.example"}).json[0]["media_url"]
    xml = client.get(LIST.replace(".json", ".xml"), headers={"Host": "one.example"}).text

    assert (json, other) == ("http://one.example/media/x/y.jpg", "http://two.example/media/x/y.jpg")
    assert "<media_url>http://one.example/media/x/y.jpg</media_url>" in xml


def test_no_more_than_twice_the_bytes_asked_for_are_held_and_every_answer_is_right() -> None:
    fragments, read = Fragments(most_bytes=900), []

    def of(ids: list[int]) -> list[bytes]:
        def rows(missing: list[int]) -> dict:
            read.extend(missing)
            return {(each, "v", 0): (each,) for each in missing}

        return fragments.of(
            [(each, "v", 0) for each in ids], "json", read=rows, render=lambda rows: [b"%d" % row[0] for row in rows]
        )

    answers = [of(ids) for ids in ([1, 2], [2, 3], [4, 5], [1], [6, 7, 8], [2])]

    assert answers == [[b"1", b"2"], [b"2", b"3"], [b"4", b"5"], [b"1"], [b"6", b"7", b"8"], [b"2"]]
    assert read.count(2) == 2
    assert len(fragments._newest) + len(fragments._older) <= 6


def test_a_request_that_is_gone_between_finding_and_reading_is_left_out() -> None:
    found = Fragments(1000).of(
        [(1, "v", 0), (2, "v", 0)], "json", read=lambda ids: {(2, "w", 0): (2,)}, render=lambda rows: [b"two"]
    )

    assert found == [b"two"]


def test_requests_of_a_service_that_becomes_private_are_hidden_and_come_back(
    app: Flask, client: FlaskClient, make: Factory, tmp_path: Path
) -> None:
    make.request("A-1", jurisdiction_id="seattle.gov", service_code="dead-animal")
    folder = Path(copytree(CHECKOUT / "fixtures" / "seattle", tmp_path / "seattle"))
    file, as_it_was = folder / "services.yml", (folder / "services.yml").read_text()
    one = "/open311/v2/requests/A-1.json?jurisdiction_id=seattle.gov"

    file.write_text(as_it_was.replace("- service_code: dead-animal\n", "- service_code: dead-animal\n  private: true\n"))
    load_folder(db.session(), read_folder(folder), now=datetime.now(UTC).replace(microsecond=0))  # type: ignore[operator]
    hidden = (client.get(LIST).json, client.get(one).status_code)
    file.write_text(as_it_was)
    load_folder(db.session(), read_folder(folder), now=datetime.now(UTC).replace(microsecond=0))  # type: ignore[operator]

    assert hidden == ([], 404)
    assert [row["service_request_id"] for row in client.get(LIST).json] == ["A-1"]
