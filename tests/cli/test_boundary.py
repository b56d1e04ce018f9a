"""open311 boundary: New York's council districts of 2023 in place of those of 2013, looked at, published, taken back."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from shapely import box, contains_xy, union_all
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from tests.cli.conftest import Run, told
from tests.geo.maps import draw, unpacked
from tests.small_city import CITY, SmallCity

Look = Callable[[str], list[Any]]

NEW_YORK = "new-york.gov"
OLD, NEW = "nyc_council_districts_2013.geojson", "nyc_council_districts_2023.geojson"
NEXT_YEAR = f"{datetime.now(UTC).year + 1}-01-01"
# About every kilometre over the five boroughs.
GRID = [(-74.26 + step * 0.0112, 40.49 + row * 0.0112) for row in range(38) for step in range(51)]


def districts(file: Path) -> dict[str, BaseGeometry]:
    """Code and shape of a council map."""
    features = json.loads(file.read_text())["features"]
    return {str(each["properties"]["district_number"]): shape(each["geometry"]).buffer(0) for each in features}


@pytest.fixture
def maps(tmp_path: Path) -> tuple[Path, Path]:
    """The two council maps."""
    return unpacked(OLD, tmp_path), unpacked(NEW, tmp_path)


@pytest.fixture
def places(maps: tuple[Path, Path]) -> list[tuple[float, float]]:
    """Places where requests came in: those of the grid that lie in a district of either map."""
    city = union_all(list(districts(maps[0]).values())).union(union_all(list(districts(maps[1]).values())))
    return [(x, y) for x, y in GRID if contains_xy(city, x, y)]


@pytest.fixture
def new_york(run: Run, folder: SmallCity, maps: tuple[Path, Path], places: Sequence[tuple[float, float]]) -> SmallCity:
    """New York with its map of 2013; potholes are mended by East Yard in odd districts, by Public Works in even ones."""
    folder.change(
        "jurisdiction.yml", "jurisdiction_id: small.gov\nname: Smallville", f"jurisdiction_id: {NEW_YORK}\nname: New York"
    )
    folder.change("jurisdiction.yml", "hosts: [small.localhost]\n", "")
    folder.change(
        "jurisdiction.yml",
        "  ward: {name: Wards}",
        "  council: {name: Council, code_property: district_number, name_property: name}",
    )
    folder.draw("city", {"NY": box(-74.3, 40.45, -73.65, 40.95)})
    folder.write("boundaries/council.geojson", maps[0].read_text())
    rules = [f"pothole.{code},pothole,council,{code},{desk_of(code)}" for code in districts(maps[0])]
    folder.write("rules.csv", "\n".join(["code,service_code,layer,boundary,department", *rules, ""]))
    folder.record(
        *(f"NY-{number},2026-01-15T09:30:00,,Pothole,{y},{x},," for number, (x, y) in enumerate(places)),
    )
    result = run("city", "load", folder.path)
    assert result.exit_code == 0, result.output
    return folder


def desk_of(code: str) -> str:
    """Who mends the potholes of a district."""
    return "works-east" if int(code) % 2 else "WORKS"


def desks(file: Path, places: Sequence[tuple[float, float]]) -> list[set[str]]:
    """Who may answer at each place by a map, as shapely sees it: several where districts overlap."""
    drawn = districts(file)
    return [{desk_of(code) for code, area in drawn.items() if contains_xy(area, x, y)} or {"HALL"} for x, y in places]


def test_preview_shows_who_gains_what_and_which_requests_would_move(
    run: Run, new_york: SmallCity, maps: tuple[Path, Path], places: Sequence[tuple[float, float]], tmp_path: Path
):
    written = tmp_path / "changes.geojson"

    result = run(
        "boundary", "preview", maps[1], "--layer", "council", "--valid-from", NEXT_YEAR, "--jurisdiction", NEW_YORK,
        "--geojson", written,
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    assert "51 of 51 districts change" in result.stdout
    before, after = desks(maps[0], places), desks(maps[1], places)
    moved = {number for number, (one, other) in enumerate(zip(before, after, strict=True)) if not one & other}
    in_doubt = {number for number, (one, other) in enumerate(zip(before, after, strict=True)) if len(one | other) > 2}
    features = json.loads(written.read_text())["features"]
    told_of = {each["properties"]["number"] for each in features if each["properties"]["kind"] == "request"}
    assert len(moved) > 30
    assert {f"NY-{number}" for number in moved - in_doubt} <= told_of
    assert told_of <= {
        f"NY-{number}" for number in range(len(places)) if before[number] != after[number] or len(before[number]) > 1
    }
    assert f"{len(places)} requests, {len(told_of)} would go elsewhere" in result.stdout
    assert {each["properties"]["kind"] for each in features} == {"district", "gained", "lost", "moved", "request"}


def test_a_published_map_waits_for_its_day(run: Run, new_york: SmallCity, maps: tuple[Path, Path], look: Look):
    place = ("--service-code", "pothole", "--lat", "40.7075", "--long", "-73.8880", "--jurisdiction", NEW_YORK)

    result = run(
        "boundary", "import", maps[1], "--layer", "council", "--valid-from", NEXT_YEAR, "--jurisdiction", NEW_YORK
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    assert f"51 districts of council are published: the map takes effect on {NEXT_YEAR}T05:00:00Z" in result.stdout
    now, then = (run("rule", "explain", *place, *at).stdout for at in ((), ("--at", NEXT_YEAR)))
    assert "as drawn since" not in now
    assert f", as drawn since {NEXT_YEAR}T05:00:00Z" in then
    (job,) = look("select scheduled_at, status from procrastinate_jobs where task_name = 'stamp_districts'")
    assert (job.scheduled_at.isoformat(), job.status) == (f"{NEXT_YEAR}T05:00:00+00:00", "todo")
    listed = run("boundary", "list", "--jurisdiction", NEW_YORK).stdout
    assert "0 of" in listed
    assert "waiting" in listed


@pytest.fixture
def wards(run: Run, folder: SmallCity, tmp_path: Path) -> Path:
    """Smallville, loaded, and a map on which its wards meet farther west."""
    assert run("city", "load", folder.path).exit_code == 0
    areas = [box(-71.2, 42.3, -71.12, 42.4), box(-71.12, 42.3, -71.0, 42.4)]
    return draw(tmp_path / "wards.gpkg", areas, crs="EPSG:4326", fields={"code": ["W", "E"], "name": ["West", "East"]})


OF_WARD = ("--layer", "ward", "--jurisdiction", "small.gov")


def test_preview_does_no_work_for_a_file_that_cannot_be_written(run: Run, wards: Path, tmp_path: Path):
    out = tmp_path / "nowhere" / "changes.geojson"

    result = run("boundary", "preview", wards, *OF_WARD, "--valid-from", NEXT_YEAR, "--geojson", out)

    assert told(result) == f"{out}: the folder {out.parent} is not there"
    assert result.stdout == ""


def test_preview_keeps_nothing(run: Run, wards: Path, look: Look):
    tables = (
        "select 'boundary', count(*), max(id), count(valid_to) as ended from boundary"
        " union all select 'version', count(*), max(id), 0 from layer_version"
        " union all select 'job', count(*), max(id), 0 from procrastinate_jobs"
    )
    before = [list(row) for row in look(tables.replace("'boundary'", "'boundary' as name"))]

    result = run("boundary", "preview", wards, *OF_WARD, "--valid-from", NEXT_YEAR)

    assert "2 of 2 districts change" in result.stdout
    assert [list(row) for row in look(tables.replace("'boundary'", "'boundary' as name"))] == before


def test_a_published_map_can_be_taken_back_before_its_day(run: Run, wards: Path, look: Look):
    in_force = "select code, valid_from, valid_to from boundary where coalesce(valid_from < valid_to, true) order by 1, 2"
    before = look(in_force)
    run("boundary", "import", wards, *OF_WARD, "--valid-from", NEXT_YEAR)

    undone, again = run("boundary", "undo", *OF_WARD), run("boundary", "undo", *OF_WARD)

    assert undone.stdout == f"the map of ward from {NEXT_YEAR}T05:00:00Z is taken back\n"
    assert look(in_force) == before
    assert told(again) == "ward has no map that can be taken back: one without a first day stays"
    assert "taken back" in run("boundary", "list", *OF_WARD).stdout


def test_the_first_map_of_a_new_layer_can_be_taken_back_and_the_folder_loads_again(run: Run, wards: Path, folder: SmallCity):
    of_beat = ("--layer", "beat", "--jurisdiction", "small.gov")
    run("boundary", "import", wards, *of_beat, "--new-layer", "Beats", "--valid-from", NEXT_YEAR)

    undone = run("boundary", "undo", *of_beat)

    assert undone.stdout == f"the map of beat from {NEXT_YEAR}T05:00:00Z is taken back\n"
    assert run("city", "load", folder.path).exit_code == 0


def test_a_map_before_one_that_is_published_is_refused(run: Run, wards: Path):
    run("boundary", "import", wards, *OF_WARD, "--valid-from", NEXT_YEAR)

    refused = told(run("boundary", "import", wards, *OF_WARD, "--valid-from", "2026-02-01"))

    assert refused == (
        f"a map of ward from {NEXT_YEAR}T05:00:00Z is published already: "
        "take that back first (open311 boundary undo), or choose a later day"
    )


def test_the_same_map_again_publishes_nothing(run: Run, wards: Path, look: Look):
    run("boundary", "import", wards, *OF_WARD, "--valid-from", "2026-06-01")

    result = run("boundary", "import", wards, *OF_WARD, "--valid-from", "2026-07-01")

    assert result.stdout.endswith("ward is drawn so already: nothing was published\n")
    assert [row.count for row in look("select count(*) from layer_version where valid_from is not null")] == [1]


def test_boston_s_precincts_in_feet_become_a_layer_of_their_own(run: Run, tmp_path: Path, look: Look):
    precincts = unpacked("boston_precincts_epsg2249_raw.geojson", tmp_path)

    result = run(
        "boundary", "import", precincts, "--layer", "precinct", "--new-layer", "Precincts", "--crs", "EPSG:2249",
        "--code-property", "WARD_PRECINCT", "--name-property", "WARD_PRECINCT", "--valid-from", "2026-01-01",
        "--jurisdiction", "boston.gov",
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    assert "255 districts of precinct are published: the map takes effect now" in result.stdout
    assert "repaired precinct " in result.stdout
    assert "44 overlaps" in result.stdout
    assert "gaps, " in result.stdout
    ((count,),) = look("select count(*) from boundary join layer on layer.id = layer_id where layer.code = 'precinct'")
    assert count == 255


@pytest.mark.parametrize("suffix", [".shp", ".gpkg", ".geojson"])
def test_every_format_can_be_published(run: Run, folder: SmallCity, tmp_path: Path, suffix: str, look: Look):
    run("city", "load", folder.path)
    areas = [box(-71.2, 42.3, -71.12, 42.4), box(-71.12, 42.3, -71.0, 42.4)]
    file = draw(tmp_path / f"wards{suffix}", areas, crs="EPSG:4326", fields={"code": ["W", "E"], "name": ["West", "East"]})

    result = run("boundary", "import", file, "--layer", "ward", "--valid-from", "2026-01-01", "--jurisdiction", "small.gov")

    assert result.exit_code == 0, result.output
    assert "2 districts of ward are published" in result.stdout
    assert [row.code for row in look("select code from boundary where valid_from is not null order by 1")] == ["E", "W"]


def test_rules_that_lose_their_district_are_told(run: Run, folder: SmallCity, tmp_path: Path):
    run("city", "load", folder.path)
    file = draw(
        tmp_path / "wards.gpkg", [box(-71.2, 42.3, -71.0, 42.4)], crs="EPSG:4326", fields={"code": ["ALL"], "name": ["All"]}
    )

    result = run("boundary", "import", file, "--layer", "ward", "--valid-from", "2026-01-01", "--jurisdiction", "small.gov")

    assert "rule pothole.east names ward E, which this map does not have: it will never answer" in result.stdout


@pytest.mark.parametrize("layer", ["ward", "city"])
def test_a_map_with_latitude_and_longitude_exchanged_is_refused(
    run: Run, folder: SmallCity, tmp_path: Path, look: Look, layer: str
):
    run("city", "load", folder.path)
    areas = [box(42.3, -71.2, 42.4, -71.12), box(42.3, -71.12, 42.4, -71.0)]
    file = draw(tmp_path / "wards.gpkg", areas, crs="EPSG:4326", fields={"code": ["W", "E"], "name": ["West", "East"]})
    of_layer = ("--layer", layer, "--valid-from", "2026-01-01", "--jurisdiction", "small.gov")

    for command in ("preview", "import"):
        assert told(run("boundary", command, file, *of_layer)) == (
            "wards.gpkg: no district touches Smallville as it is drawn today: latitude and longitude may be exchanged, "
            "or the coordinate system another one (--crs)"
        )
    assert look("select 1 from layer_version where valid_from is not null") == []


def test_districts_that_lie_outside_every_part_of_the_outline_are_named(run: Run, folder: SmallCity, tmp_path: Path):
    island = box(-70.9, 42.3, -70.8, 42.4)
    folder.draw("city", {"S": CITY, "I": island})
    run("city", "load", folder.path)
    areas = [CITY, island, box(42.3, -71.2, 42.4, -71.0)]
    names = ["MAIN", "ISLE", "LOST"]
    file = draw(tmp_path / "wards.gpkg", areas, crs="EPSG:4326", fields={"code": names, "name": names})

    result = run("boundary", "import", file, *OF_WARD, "--valid-from", "2026-01-01")

    assert result.exit_code == 0, result.output
    assert "outside the city's outline altogether: LOST\n" in result.stdout


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param(
            {"--layer": "beat"},
            "Smallville has no layer 'beat', but city, ward; boundary import --new-layer NAME makes one",
            id="layer",
        ),
        pytest.param({"--layer": "", "--new-layer": "Beats"}, "--layer must not be empty", id="blank-code"),
        pytest.param(
            {"--layer": "beat 1", "--new-layer": "Beats"},
            "--layer must be letters, digits, - and _ only, got 'beat 1'",
            id="odd-code",
        ),
        pytest.param({"--layer": "beat", "--new-layer": " "}, "--new-layer must not be empty", id="blank-name"),
        pytest.param({"--crs": "EPSG:1"}, "EPSG:1", id="unknown-crs"),
        pytest.param({"--jurisdiction": "nowhere.gov"}, "no city here has the jurisdiction_id nowhere.gov", id="city"),
        pytest.param({"--code-property": "ID"}, "'ID'", id="no-such-property"),
    ],
)
def test_what_cannot_be_published_is_told_and_nothing_is_kept(
    run: Run, folder: SmallCity, tmp_path: Path, look: Look, changes: dict[str, str], says: str
):
    run("city", "load", folder.path)
    file = tmp_path / "wards.geojson"
    feature = {"type": "Feature", "properties": {"code": "W"}, "geometry": mapping(box(-71.2, 42.3, -71.0, 42.4))}
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    options = {"--layer": "ward", "--valid-from": "2026-01-01", "--jurisdiction": "small.gov", **changes}

    result = run("boundary", "import", file, *[word for option in options.items() for word in option])

    assert says in told(result)
    assert look("select 1 from layer_version where valid_from is not null") == []
    assert look("select 1 from boundary where valid_to is not null or valid_from is not null") == []


@pytest.mark.parametrize(
    ("day", "says"),
    [
        pytest.param("soon", "must be a date and time like", id="words"),
        pytest.param("9999-12-31 23:59", "must be a date of the years 2 to 9998", id="after-the-calendar-by-the-citys-clock"),
    ],
)
def test_a_day_that_is_none_is_a_usage_error(run: Run, folder: SmallCity, day: str, says: str):
    result = run("boundary", "import", folder.path, "--layer", "ward", "--valid-from", day, "--jurisdiction", "small.gov")

    assert result.exit_code == 2
    assert says in result.stderr
