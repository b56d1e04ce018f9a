"""A city written out as a folder: what it reads as, and that nothing of it is lost."""

import gzip
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from psycopg import Connection
from sqlalchemy import select

from db import db
from open311.city.export import NotAFolder, NotEmpty, write_folder
from open311.city.folder import CityFolder, read_folder
from open311.city.load import load_folder
from open311.config import CHECKOUT
from open311.models import Jurisdiction
from tests.cases.treeville import treeville

pytestmark = pytest.mark.usefixtures("app")

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)

# Every table of a city's catalogue, without ids and moments: what each row says, by the codes of what it names.
CATALOGUE = {
    "jurisdiction": """
        select slug, j.name, j.timezone, hosts, contact, key_service, reopen_days, reopens_when_not_fixed, public_knowledge,
        j.phone, emergency_phone, colors, o.code as outline, d.code as department
        from jurisdiction j join layer o on o.id = outline_layer_id join department d on d.id = default_department_id
        where j.id = {id}""",
    "crest": "select content_type, digest, content from crest where jurisdiction_id = {id}",
    "department": """
        select d.code, d.name, p.code as parent, d.phone, d.email, d.hours from department d
        left join department p on p.id = d.parent_id where d.jurisdiction_id = {id}""",
    "service": """
        select s.code, s.name, description, service_group, keywords, type, notice, emergency, is_private, is_active,
        needs_location, l.code as layer, offered_boundary_codes from service s left join layer l on l.id = offered_layer_id
        where s.jurisdiction_id = {id}""",
    "service_attribute": """
        select s.code as service, a.code, position, datatype, variable, required, a.description, datatype_description, values
        from service_attribute a join service s on s.id = service_id where a.jurisdiction_id = {id}""",
    "layer": """
        select code, name, code_property, name_property, folder_drawing, folder_names from layer
        where jurisdiction_id = {id}""",
    "boundary": """
        select l.code as layer, b.code, b.name, st_asewkb(area) as area, area_square_metres, valid_from, valid_to
        from boundary b join layer l on l.id = layer_id where b.jurisdiction_id = {id}""",
    "calendar": """
        select c.code, c.name, timezone, source, d.code as department from calendar c
        left join department d on d.id = department_id where c.jurisdiction_id = {id}""",
    "calendar_hours": """
        select c.code, weekday, opens_minute, closes_minute from calendar_hours h join calendar c on c.id = calendar_id
        where h.jurisdiction_id = {id}""",
    "calendar_day": """
        select c.code, day, opens_minute, closes_minute, h.name from calendar_day h join calendar c on c.id = calendar_id
        where h.jurisdiction_id = {id}""",
    "routing_rule": """
        select r.code, s.code as service, r.service_group, l.code as layer, boundary_code, d.code as department, priority,
        attribute_code, attribute_value, c.code as calendar, during, valid_from, valid_to, note
        from routing_rule r join department d on d.id = r.department_id left join service s on s.id = service_id
        left join layer l on l.id = layer_id left join calendar c on c.id = calendar_id where r.jurisdiction_id = {id}""",
    "case_status": """
        select code, name, status, wire, stops_clock, next_codes, position from case_status where jurisdiction_id = {id}""",
    "closing_reason": """
        select r.code, r.name, case_status, d.code as department, position from closing_reason r
        left join department d on d.id = department_id where r.jurisdiction_id = {id}""",
    "message_text": """
        select case_status, reason, s.code as service, language, words, d.code as department, position from message_text t
        left join department d on d.id = department_id left join service s on s.id = service_id
        where t.jurisdiction_id = {id}""",
    "service_target": """
        select s.code as service, t.service_group, details, d.code as department, position from service_target t
        left join department d on d.id = department_id left join service s on s.id = service_id
        where t.jurisdiction_id = {id}""",
    "phase_plan": """
        select s.code as service, details, d.code as department, position from phase_plan t
        left join department d on d.id = department_id left join service s on s.id = service_id
        where t.jurisdiction_id = {id}""",
    "ladder": """
        select t.code, s.code as service, f.code as for_department, details, d.code as department, position from ladder t
        left join department d on d.id = t.department_id left join service s on s.id = service_id
        left join department f on f.id = for_department_id where t.jurisdiction_id = {id}""",
    "article": """
        select t.code, title, text, s.code as service, t.service_group, language, t.keywords, is_public, d.code as department,
        position from article t left join department d on d.id = department_id left join service s on s.id = service_id
        where t.jurisdiction_id = {id}""",
    "street": "select spelling, standard, name, kind, direction from street where jurisdiction_id = {id}",
    "address": """
        select code, line, number_from, number_to, number_suffix, street, place, zipcode, st_asewkb(location) as location
        from address where jurisdiction_id = {id}""",
}


def catalogue(connection: "Connection[Any]", city_id: int) -> dict[str, list[str]]:
    """What each table of the catalogue says of a city, in an order of its own."""
    return {
        name: sorted(repr(row) for row in connection.execute(query.format(id=city_id)).fetchall())  # type: ignore[arg-type]
        for name, query in CATALOGUE.items()
    }


def export(city_id: int, directory: Path) -> Path:
    """The city's folder, written now."""
    write_folder(db.session(), city_id, directory, now=datetime.now(UTC))
    return directory


def put(folder: Path) -> int:
    """The id of the city of a folder, loaded."""
    return load_folder(db.session(), read_folder(folder), now=NOW).jurisdiction_id


def known(slug: str) -> int:
    """The id of a city that is there."""
    return db.session.scalars(select(Jurisdiction.id).where(Jurisdiction.slug == slug)).one()


def contents(folder: CityFolder) -> CityFolder:
    """A folder's contents, without where they lie, past requests, and the order of what has none."""

    def by(name: str, items: Sequence[Any]) -> list[Any]:
        return sorted(items, key=lambda each: str(each[name]))

    return replace(
        folder,
        path=Path(),
        requests=None,
        mapping=None,
        rules=by("code", folder.rules),
        addresses=sorted(folder.addresses, key=repr),
        boundaries={
            layer: sorted((replace(each, repaired=None) for each in drawn), key=lambda each: each.code)
            for layer, drawn in folder.boundaries.items()
        },
    )


@pytest.fixture
def tree(tmp_path: Path) -> int:
    """The id of Treeville, loaded, with statuses, addresses and a calendar of every kind of day."""
    folder = treeville(tmp_path / "tree")
    folder.change(
        "calendars.yml",
        "hours: {mon-fri: ['08:00-16:00']}, department: WORKS}",
        "hours: {sat: ['09:00-12:00'], mon-fri: ['08:00-12:00', '13:00-16:00']}, department: WORKS,"
        " holidays: {country: US, subdivision: MA, without: [Columbus Day]},"
        " closed: {2026-11-27: The day after Thanksgiving}, special: {2026-12-24: ['08:00-12:00'], 2026-12-31: []}}",
    )
    folder.write(
        "addresses.csv",
        "address,address_id,zip,lat,lon\n12-14 First St  Smallville  MA  02108,A1,02108,42.35,-71.15\nElm St,,,,\n",
    )
    folder.change(
        "services.yml", "private: true", "private: true\n  notice: 'Öffne: nie'\n  offered_in: {layer: ward, boundaries: [W]}"
    )
    folder.change("jurisdiction.yml", "outline: city", "reopens_when_not_fixed: true\npublic_knowledge: true\noutline: city")
    Image.new("RGB", (8, 8), "navy").save(folder.path / "crest.png")
    folder.change("targets.yml", "working_days: 3", "valid_from: 2026-01-01, working_days: 3")
    return put(folder.path)


def test_a_city_that_is_written_out_reads_as_the_folder_it_came_from(tree: int, tmp_path: Path):
    written = export(tree, tmp_path / "out")

    before, after = contents(read_folder(tmp_path / "tree")), contents(read_folder(written))

    assert after == before


@pytest.mark.parametrize("name", ["boston", "seattle"])
def test_a_demo_city_that_is_written_out_reads_as_its_folder(name: str, tmp_path: Path):
    written = export(known(f"{name}.gov"), tmp_path / "out")

    before, after = contents(read_folder(CHECKOUT / "fixtures" / name)), contents(read_folder(written))

    assert after == before


@pytest.mark.parametrize("name", ["boston", "seattle", "tree"])
def test_what_was_written_out_makes_the_same_city_elsewhere(
    name: str, tree: int, connection: "Connection[Any]", tmp_path: Path
):
    city = tree if name == "tree" else known(f"{name}.gov")
    written = export(city, tmp_path / "out")
    before = catalogue(connection, city)

    # As another city, which has nothing yet.
    about = (written / "jurisdiction.yml").read_text()
    slug = db.session.get_one(Jurisdiction, city).slug
    hosts = db.session.get_one(Jurisdiction, city).hosts
    about = about.replace(f"jurisdiction_id: {slug}", "jurisdiction_id: elsewhere.gov")
    for host in hosts:
        about = about.replace(f"- {host}", f"- elsewhere-{host}")
    (written / "jurisdiction.yml").write_text(about)
    after = catalogue(connection, put(written))

    (row,) = after["jurisdiction"]
    after["jurisdiction"] = [row.replace("elsewhere.gov", slug).replace("elsewhere-", "")]
    assert {name: len(rows) for name, rows in after.items()} == {name: len(rows) for name, rows in before.items()}
    assert after == before


@pytest.mark.parametrize("name", ["seattle", "tree"])
def test_loading_what_was_written_out_changes_nothing(name: str, tree: int, connection: "Connection[Any]", tmp_path: Path):
    city = tree if name == "tree" else known(f"{name}.gov")
    before = catalogue(connection, city)
    changed_at = db.session.get_one(Jurisdiction, city).changed_at

    assert put(export(city, tmp_path / "out")) == city

    assert catalogue(connection, city) == before
    assert db.session.get_one(Jurisdiction, city).changed_at == changed_at


def test_a_city_is_written_out_alike_each_time(tree: int, tmp_path: Path):
    one, other = export(tree, tmp_path / "one"), export(tree, tmp_path / "other")

    files = sorted(file.relative_to(one) for file in one.rglob("*") if file.is_file())
    assert files == sorted(file.relative_to(other) for file in other.rglob("*") if file.is_file())
    assert [(one / file).read_bytes() for file in files] == [(other / file).read_bytes() for file in files]


def test_a_folder_is_written_without_what_is_so_by_itself(tree: int, tmp_path: Path):
    written = export(tree, tmp_path / "out")

    assert (written / "targets.yml").read_text() == (
        "- hours: 48\n  service_code: tree\n- working_days: 3\n  calendar: office\n  group: Streets\n  valid_from: 2026-01-01\n"
    )
    assert (written / "departments.yml").read_text().splitlines()[2:6] == [
        "- code: WORKS",
        "  name: Public Works",
        "  units:",
        "  - code: works-east",
    ]
    assert gzip.decompress((written / "addresses.csv.gz").read_bytes()).decode().splitlines()[1:] == [
        '"12-14 First St, Smallville, MA 02108",A1,02108,42.35,-71.15',
        "Elm St,,,,",
    ]


def test_a_calendar_of_before_its_item_was_kept_is_written_by_its_hours(
    tree: int, connection: "Connection[Any]", tmp_path: Path
):
    connection.execute("update calendar set source = '{}' where jurisdiction_id = %s", [tree])
    before = catalogue(connection, tree)

    put(export(tree, tmp_path / "out"))

    after = catalogue(connection, tree)
    assert after["calendar_hours"] == before["calendar_hours"]
    # A day that is closed by other hours is now one that is closed, of that name.
    assert after["calendar_day"] == before["calendar_day"]


def test_a_folder_that_holds_something_is_left_alone(tree: int, tmp_path: Path):
    directory = tmp_path / "out"
    directory.mkdir()
    (directory / "notes.txt").write_text("mine")

    with pytest.raises(NotEmpty, match=r"out must be a folder that is empty, or not be there$"):
        export(tree, directory)

    assert [file.name for file in directory.iterdir()] == ["notes.txt"]


def test_a_folder_that_is_empty_is_filled(tree: int, tmp_path: Path):
    (tmp_path / "out").mkdir()

    export(tree, tmp_path / "out")

    assert (tmp_path / "out" / "jurisdiction.yml").exists()


def test_what_no_load_would_take_is_not_written(tree: int, connection: "Connection[Any]", tmp_path: Path):
    # A rule that somebody put there since, for a service that is retired.
    connection.execute("update service set is_active = false where jurisdiction_id = %s and code = 'secret'", [tree])
    connection.execute(
        "update routing_rule set service_id = s.id from service s where s.jurisdiction_id = routing_rule.jurisdiction_id"
        " and s.jurisdiction_id = %s and s.code = 'secret' and routing_rule.code = 'pothole'",
        [tree],
    )

    with pytest.raises(NotAFolder, match=r"^rules\.csv:2: service_code: nothing has the code 'secret'$"):
        export(tree, tmp_path / "out")

    assert not (tmp_path / "out").exists()
    assert [each.name for each in tmp_path.iterdir()] == ["tree"]


def test_nothing_is_left_where_writing_fails(tree: int, tmp_path: Path):
    (tmp_path / "a-file").write_text("")

    with pytest.raises(OSError):
        export(tree, tmp_path / "a-file" / "out")

    assert sorted(each.name for each in tmp_path.iterdir()) == ["a-file", "tree"]


def test_a_layer_whose_one_property_cannot_hold_code_and_name_gets_two(
    tree: int, connection: "Connection[Any]", tmp_path: Path
):
    # As a map is whose names came from another file.
    connection.execute("update layer set name_property = 'code' where jurisdiction_id = %s", [tree])

    written = read_folder(export(tree, tmp_path / "out"))

    assert [(each.code, each.name) for each in written.boundaries["ward"]] == [("E", "Ward E"), ("W", "Ward W")]
