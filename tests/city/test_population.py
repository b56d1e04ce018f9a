"""How many people live in a district, and from how many requests on figures are told: in, out, and in again."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from db import db
from geo.models import Boundary, Layer
from open311.city.export import write_folder
from open311.city.folder import read_folder
from open311.city.lines import BadFile
from open311.city.load import load_folder
from open311.models import Jurisdiction
from tests.small_city import SmallCity

pytestmark = pytest.mark.usefixtures("app")
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture
def counted(folder: SmallCity) -> SmallCity:
    """Smallville, whose map of wards says how many people live in each."""
    folder.change("jurisdiction.yml", "ward: {name: Wards}", "ward: {name: Wards, population_property: people}")
    folder.change("jurisdiction.yml", "outline: city", "least_count: 5\noutline: city")
    people(folder, W=4000, E="1200")
    return folder


def people(folder: SmallCity, **said: Any) -> None:
    """The map of wards, saying so of each."""
    file = folder.path / "boundaries" / "ward.geojson"
    document = json.loads(file.read_text())
    for each in document["features"]:
        each["properties"]["people"] = said[each["properties"]["code"]]
    file.write_text(json.dumps(document, indent=1))


def put(path: Path, *, now: datetime = NOW) -> int:
    """The id of the city of a folder, loaded."""
    return load_folder(db.session(), read_folder(path), now=now).jurisdiction_id


def populations(city_id: int) -> dict[str, int | None]:
    """By code of each ward."""
    rows = db.session.execute(
        select(Boundary.code, Boundary.population)
        .join(Layer, Layer.id == Boundary.layer_id)
        .where(Boundary.jurisdiction_id == city_id, Layer.code == "ward", Boundary.valid_to.is_(None))
    )
    return {row.code: row.population for row in rows}


def test_a_map_says_how_many_live_in_each_district(counted: SmallCity):
    assert populations(put(counted.path)) == {"W": 4000, "E": 1200}


def test_another_number_of_the_same_district_is_no_other_district(counted: SmallCity):
    city_id = put(counted.path)
    people(counted, W=4100, E=None)

    put(counted.path, now=NOW + timedelta(days=1))

    assert populations(city_id) == {"W": 4100, "E": None}
    assert db.session.scalars(select(Boundary.valid_from).where(Boundary.jurisdiction_id == city_id)).all() == [None] * 3


def test_both_are_written_out_and_read_again(counted: SmallCity, tmp_path: Path):
    city_id = put(counted.path)

    write_folder(db.session(), city_id, tmp_path / "out", now=NOW)
    again = put(tmp_path / "out", now=NOW + timedelta(days=1))

    assert populations(again) == {"W": 4000, "E": 1200}
    assert db.session.scalars(select(Jurisdiction.least_count).where(Jurisdiction.id == again)).one() == 5


def test_a_city_that_says_nothing_of_either_has_none(folder: SmallCity):
    city_id = put(folder.path)

    assert populations(city_id) == {"W": None, "E": None}
    assert db.session.scalars(select(Jurisdiction.least_count).where(Jurisdiction.id == city_id)).one() == 0


@pytest.mark.parametrize("said", [-1, "many", 1.5, True], ids=repr)
def test_what_is_no_number_of_people_is_refused_with_its_line(counted: SmallCity, said: Any):
    people(counted, W=said, E=1)

    with pytest.raises(BadFile, match=r"ward\.geojson:\d+: feature 1: the population must be a whole number"):
        read_folder(counted.path)


def test_a_property_that_no_district_has_is_refused(counted: SmallCity):
    counted.change("jurisdiction.yml", "population_property: people", "population_property: residents")

    with pytest.raises(BadFile, match="no feature has the property 'residents'"):
        read_folder(counted.path)


@pytest.mark.parametrize("said", ["-1", "some", "1.5"])
def test_a_least_count_that_is_none_is_refused(counted: SmallCity, said: str):
    counted.change("jurisdiction.yml", "least_count: 5", f"least_count: {said}")

    with pytest.raises(BadFile, match="least_count"):
        read_folder(counted.path)
