"""A folder with anything wrong in it: every fault is told with file and line, and nothing of it is kept."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from db import db
from geo.importing import BadBoundaries
from open311.city.lines import BadFile
from open311.cli.city import load_city
from open311.models import Jurisdiction, Service, ServiceRequest
from tests.small_city import SmallCity

pytestmark = pytest.mark.usefixtures("app")

Break = Callable[[SmallCity], object]


def problems(folder: SmallCity) -> list[str]:
    """What a load says of the folder, which is cut from the front; nothing of the city is there afterwards."""
    with pytest.raises((BadFile, BadBoundaries)) as refused:
        load_city(folder.path)
    assert db.session.scalar(select(Jurisdiction.id).where(Jurisdiction.slug == "small.gov")) is None
    return [message.removeprefix(f"{folder.path}/") for message in refused.value.messages]


def changed(name: str, old: str, new: str) -> Break:
    """A way to break the folder."""
    return lambda folder: folder.change(name, old, new)


def written(name: str, text: str) -> Break:
    """A way to break the folder."""
    return lambda folder: folder.write(name, text)


def removed(name: str) -> Break:
    """A way to break the folder."""
    return lambda folder: (folder.path / name).unlink()


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        # YAML
        pytest.param(
            changed("jurisdiction.yml", "outline: city", "colors: {light: '#9cccf5'}\noutline: city"),
            "jurisdiction.yml:8: colors.light: must have a contrast of 4.5:1 to #f2f5f8, got 1.6:1",
            id="a colour that cannot be read",
        ),
        pytest.param(
            changed("jurisdiction.yml", "outline: city", "colors: {dark: blue}\noutline: city"),
            "jurisdiction.yml:8: colors.dark: must be a colour such as #0b4f85, in quotes, got 'blue'",
            id="a colour by its name",
        ),
        pytest.param(
            changed("departments.yml", "- code: WORKS\n", "- code: [WORKS\n"),
            "departments.yml:4: not YAML: ",
            id="yaml-syntax",
        ),
        pytest.param(written("services.yml", "- a: b\n   c: d\n"), "services.yml:2: not YAML: ", id="yaml-indentation"),
        pytest.param(written("services.yml", ""), "services.yml:1: must be a list", id="empty-file"),
        pytest.param(written("services.yml", "a: b\n"), "services.yml:1: must be a list", id="a-mapping-for-a-list"),
        pytest.param(
            written("jurisdiction.yml", "- a\n"),
            "jurisdiction.yml:1: must be a mapping of names to values",
            id="a-list-for-a-mapping",
        ),
        pytest.param(
            changed("services.yml", "  group: Streets\n", "  group: Streets\n  group: Roads\n"),
            "services.yml:5: 'group' stands twice",
            id="a-name-twice",
        ),
        pytest.param(
            written("jurisdiction.yml", "? [a, b]\n: c\n"), "jurisdiction.yml:1: ", id="a-name-that-is-a-list"
        ),
        pytest.param(written("departments.yml", "- &a [*a]\n"), "departments.yml:1: ", id="a-list-within-itself"),
        # Names and types
        pytest.param(
            changed("services.yml", "  keywords: [road, hole]", "  keyword: [road, hole]"),
            "services.yml:5: keyword: Unknown field.",
            id="unknown-name",
        ),
        pytest.param(
            changed("services.yml", "      description: How deep is it?\n", ""),
            "services.yml:7: attributes.description: is required",
            id="missing-name",
        ),
        pytest.param(
            changed("services.yml", "service_code: tree", "service_code: 12"),
            "services.yml:14: service_code: must be text (put it in quotes)",
            id="number-for-text",
        ),
        pytest.param(
            changed("services.yml", "keywords: [road, hole]", "keywords: road"),
            "services.yml:5: keywords: ",
            id="text-for-a-list",
        ),
        pytest.param(
            changed("services.yml", "required: true", "required: perhaps"),
            "services.yml:9: attributes.required: ",
            id="text-for-a-flag",
        ),
        pytest.param(
            changed("services.yml", "service_code: tree", "service_code: a tree"),
            "services.yml:14: service_code: must be letters, digits, - and _ only, got 'a tree'",
            id="code-with-a-space",
        ),
        pytest.param(
            changed("services.yml", "group: Streets", "group: '  '"),
            "services.yml:4: group: must not be empty",
            id="blank-text",
        ),
        pytest.param(
            changed("services.yml", "datatype: singlevaluelist", "datatype: number"),
            "services.yml:12: attributes.values: are for the two list datatypes, which need them",
            id="choices-for-a-number",
        ),
        pytest.param(
            changed("services.yml", "key: deep", "key: shallow"),
            "services.yml:12: attributes.values: must have each key once",
            id="choice-twice",
        ),
        pytest.param(
            changed("services.yml", "[road, hole]", "['road,hole']"), "services.yml:5: keywords: ", id="comma-in-keyword"
        ),
        pytest.param(
            changed("jurisdiction.yml", "America/New_York", "America/Boston"),
            "jurisdiction.yml:3: timezone: must be a time zone such as America/New_York, got 'America/Boston'",
            id="unknown-zone",
        ),
        pytest.param(
            changed("jurisdiction.yml", "outline: city", "outline: county"),
            "jurisdiction.yml:8: outline: must be one of the layers city, ward",
            id="unknown-outline",
        ),
        pytest.param(
            changed("jurisdiction.yml", "  ward: {name: Wards}", "  ward:\n    name: 7"),
            "jurisdiction.yml:12: layers.ward.name: must be text (put it in quotes)",
            id="layer-without-a-good-name",
        ),
        # References
        pytest.param(
            changed("services.yml", "service_code: tree", "service_code: pothole"),
            "services.yml:14: service_code: 'pothole' stands twice",
            id="service-code-twice",
        ),
        pytest.param(
            changed("services.yml", "service_name: Fallen Tree", "service_name: Pothole"),
            "services.yml:15: service_name: 'Pothole' stands twice",
            id="service-name-twice",
        ),
        pytest.param(
            changed("departments.yml", "  units:\n", "  units:\n    - {code: HALL, name: Hall}\n"),
            "departments.yml:6: code: 'HALL' stands twice",
            id="department-code-twice",
        ),
        pytest.param(
            changed("jurisdiction.yml", "default_department: HALL", "default_department: MAYOR"),
            "jurisdiction.yml:7: default_department: no department has the code 'MAYOR'",
            id="unknown-default-department",
        ),
        pytest.param(
            changed("rules.csv", "pothole,pothole,,,,WORKS", "pothole,potholes,,,,WORKS"),
            "rules.csv:2: service_code: nothing has the code 'potholes'",
            id="rule-of-unknown-service",
        ),
        pytest.param(
            changed("rules.csv", "tree,,Parks", "tree,,Forests"),
            "rules.csv:4: group: nothing has the code 'Forests'",
            id="rule-of-unknown-group",
        ),
        pytest.param(
            changed("rules.csv", "works-east", "works-west"),
            "rules.csv:3: department: nothing has the code 'works-west'",
            id="rule-of-unknown-department",
        ),
        pytest.param(
            changed("rules.csv", "ward,E", "ward,N"),
            "rules.csv:3: boundary: ward has no boundary 'N'",
            id="rule-of-unknown-boundary",
        ),
        pytest.param(
            changed("rules.csv", "ward,E", "beat,E"),
            "rules.csv:3: layer: nothing has the code 'beat'",
            id="rule-of-unknown-layer",
        ),
        # CSV
        pytest.param(
            changed("rules.csv", "pothole.east,", "pothole,"), "rules.csv:3: code: 'pothole' stands twice", id="rule-twice"
        ),
        pytest.param(
            changed("rules.csv", "ward,E", "ward,"),
            "rules.csv:3: boundary: layer and boundary must be given together",
            id="rule-of-half-a-place",
        ),
        pytest.param(
            changed("rules.csv", "pothole.east,pothole,,", "pothole.east,pothole,Streets,"),
            "rules.csv:3: group: must be blank where service_code is given",
            id="rule-of-service-and-group",
        ),
        pytest.param(
            changed("rules.csv", "works-east,100", "works-east,first"),
            "rules.csv:3: priority: ",
            id="priority-in-words",
        ),
        pytest.param(
            changed("rules.csv", "works-east,100", ",100"), "rules.csv:3: department: must not be empty", id="no-department"
        ),
        pytest.param(
            changed("rules.csv", "by the east yard", "by the east yard, mostly"),
            "rules.csv:3: has more fields than the header",
            id="comma-without-quotes",
        ),
        pytest.param(
            changed("rules.csv", "by the east yard", '"by" the east yard'), "rules.csv:3: not CSV", id="stray-quotes"
        ),
        pytest.param(
            changed("rules.csv", "by the east yard", '"by the east yard'), "rules.csv:4: not CSV", id="open-quotes"
        ),
        pytest.param(
            changed("rules.csv", "boundary,department,", "boundary,"),
            "rules.csv:1: must have the columns department",
            id="missing-column",
        ),
        pytest.param(
            changed("rules.csv", ",note", ",notes"), "rules.csv:1: has a column that no rule has: notes", id="unknown-column"
        ),
        pytest.param(
            written("services.yml", "a: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]\n"),
            "services.yml:1: what is anchored here must be written out where it is used",
            id="aliases-of-aliases",
        ),
        pytest.param(
            written("departments.yml", "- {code: !!float \"\", name: Roads}\n"),
            "departments.yml:1: code: must not be empty",
            id="a-tag-that-lies",
        ),
        # Missing files
        pytest.param(removed("services.yml"), "services.yml:1: is missing", id="no-services"),
        pytest.param(removed("rules.csv"), "rules.csv:1: is missing", id="no-rules"),
        pytest.param(
            removed("boundaries/ward.geojson"),
            "boundaries/ward.geojson:1: is missing, the layer 'ward' of jurisdiction.yml needs it",
            id="no-map",
        ),
        # Maps
        pytest.param(
            written("boundaries/ward.geojson", '{"type":\n,}'), "boundaries/ward.geojson:2: not JSON", id="broken-geojson"
        ),
        pytest.param(
            changed("boundaries/ward.geojson", '"code": "E"', '"code": "W"'),
            "boundaries/ward.geojson:3: feature 2: code 'W' stands twice",
            id="boundary-twice",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_file_and_line_and_nothing_is_kept(folder: SmallCity, broken: Break, told: str):
    broken(folder)

    found = problems(folder)

    assert len(found) == 1
    assert found[0].startswith(told)


@pytest.mark.parametrize("name", ["services.yml", "rules.csv", "boundaries/ward.geojson"])
def test_a_file_in_another_encoding_is_refused_with_the_line(folder: SmallCity, name: str):
    file = folder.path / name
    first, second, *rest = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([first, second.rstrip() + "é\n".encode("latin-1"), *rest]))

    (found,) = problems(folder)

    assert found.startswith(f"{name}:2: ")
    assert "UTF-8" in found


def test_every_fault_of_every_file_is_told_at_once(folder: SmallCity):
    folder.change("jurisdiction.yml", "name: Smallville\nt", "nam: Smallville\nt")
    folder.change("departments.yml", "code: PARKS", "code: P A R K S")
    folder.change("services.yml", "service_code: tree", "service_code: 12")
    folder.change("services.yml", "datatype: singlevaluelist", "datatype: choice")
    folder.change("rules.csv", "ward,E", "ward,")
    folder.change("rules.csv", "tree,,Parks", "pothole,,Parks")
    folder.change("mapping.yml", "America/New_York", "Nowhere")

    found = problems(folder)

    assert sorted({message.split(":")[0] for message in found}) == [
        "departments.yml",
        "jurisdiction.yml",
        "mapping.yml",
        "rules.csv",
        "services.yml",
    ]
    assert len(found) == 8  # the name of jurisdiction.yml is both unknown and missing


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        pytest.param("services.yml", "A hole in the road", r'"A \0 hole"', "services.yml:3: description: ", id="service"),
        pytest.param("services.yml", "[road, hole]", r'[road, "\uD800"]', "services.yml:5: keywords: ", id="keyword"),
        pytest.param("services.yml", "name: Deep", r'name: "\uFFFE"', "services.yml:13: attributes.values.name: ", id="choice"),
        pytest.param("departments.yml", "name: Parks", r'name: "Par\eks"', "departments.yml:8: name: ", id="department"),
        pytest.param(
            "jurisdiction.yml", "contact: Call the town hall", r'contact: "\uD800."', "jurisdiction.yml:5: contact: ", id="city"
        ),
        pytest.param("rules.csv", "by the east yard", "by\x00yard", "rules.csv:3: note: ", id="note-of-a-rule"),
        pytest.param("rules.csv", "tree,,Parks", "tree,,Par\x07ks", "rules.csv:4: group: ", id="group-of-a-rule"),
        pytest.param("rules.csv", "tree,,Parks", "tr\x00ee,,Parks", "rules.csv:4: code: ", id="code-of-a-rule"),
    ],
)
def test_a_character_that_cannot_be_printed_is_told(folder: SmallCity, name: str, old: str, new: str, told: str):
    folder.change(name, old, new)

    (found,) = problems(folder)

    assert found.startswith(f"{told}must not hold the character U+")


def test_a_control_character_in_yaml_is_told_with_its_line(folder: SmallCity):
    folder.change("services.yml", "A hole in the road", "A \x00 hole")

    assert problems(folder) == ["services.yml:3: must not hold the character U+0000"]


def test_yaml_that_is_nested_too_deeply_is_told(folder: SmallCity):
    folder.write("services.yml", "[" * 5000)

    assert problems(folder) == ["services.yml:1: must not hold a part within itself, nor parts nested so deeply"]


def test_a_text_of_several_lines_is_kept_as_it_is(folder: SmallCity):
    folder.change("services.yml", "A hole in the road", r'"A hole\nin the road"')

    load_city(folder.path)

    text = db.session.scalar(select(Service.description).where(Service.code == "pothole"))
    assert text == "A hole\nin the road"


def test_a_directory_for_a_map_is_told(folder: SmallCity):
    map = folder.path / "boundaries" / "ward.geojson"
    map.unlink()
    map.mkdir()

    assert problems(folder) == ["boundaries/ward.geojson:1: cannot be read: Is a directory"]


def test_references_are_told_for_every_rule_at_once(folder: SmallCity):
    folder.write("rules.csv", "code,service_code,department\na,x,HALL\nb,y,HALL\nc,,Z\n")

    found = problems(folder)

    assert [message.split(": ")[0] for message in found] == ["rules.csv:2", "rules.csv:3", "rules.csv:4"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        pytest.param("A-2,yesterday,,Pothole,,,,", "OPENED must be a date and time", id="no-date"),
        pytest.param("A-2,2026-01-01,,Dragon,,,,", "TYPE 'Dragon' is no service of Smallville", id="unknown-service"),
    ],
)
def test_a_bad_row_of_past_requests_is_named_and_nothing_of_the_city_is_kept(folder: SmallCity, row: str, told: str):
    folder.record("A-1,2026-01-01,,Pothole,,,,", row)

    (found,) = problems(folder)

    assert found.startswith(f"requests.csv:3: {told}")
    assert db.session.scalar(select(func.count()).select_from(ServiceRequest)) == 0


def test_a_bad_mapping_is_told_even_when_past_requests_are_left_out(folder: SmallCity):
    folder.change("mapping.yml", "  service: TYPE\n", "")
    folder.record()

    with pytest.raises(BadFile) as refused:
        load_city(folder.path, without_requests=True)

    assert refused.value.messages == [f"{folder.path}/mapping.yml:3: columns.service: is required"]


def test_past_requests_need_a_mapping(folder: SmallCity):
    folder.record()
    (folder.path / "mapping.yml").unlink()

    assert problems(folder) == ["requests.csv:1: cannot be read without mapping.yml beside it"]


def test_a_folder_that_is_none_is_told_so(tmp_path: Path):
    with pytest.raises(BadFile) as refused:
        load_city(tmp_path / "nowhere")

    assert refused.value.messages == [f"{tmp_path}/nowhere:1: must be a folder with jurisdiction.yml and the files beside it"]


def test_a_failed_load_leaves_the_city_as_it_was(folder: SmallCity):
    load_city(folder.path)
    folder.change("jurisdiction.yml", "name: Smallville\nt", "name: Greatville\nt")
    folder.record("A-1,never,,Pothole,,,,")

    with pytest.raises(BadFile):
        load_city(folder.path)

    assert db.session.scalar(select(Jurisdiction.name).where(Jurisdiction.slug == "small.gov")) == "Smallville"
