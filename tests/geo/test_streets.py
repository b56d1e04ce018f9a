"""Streets are drawn through the addresses that a city has."""

from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from geo.streets import street_name, streets_of
from geo.tile import Tile
from open311.city.addresses import put_addresses, read_addresses
from tests.town import Town

# Where 42.001 north, 71.0005 west lies at zoom 15.
TILE = Tile(z=15, x=9921, y=12163)
HEAD = "address,zip,lat,lon,address_id\n"


def house(number: int, lat: float, long: float = -71.0005) -> str:
    """A row of a house of Oak Street."""
    return f"{number} Oak St  Town  MA  02101,02101,{lat:.5f},{long},\n"


def drawn(connection: "Connection[Any]", town: Town, path: Path, rows: str) -> dict[str, list[list[tuple[float, float]]]]:
    """The streets on the tile, by name, of a city with these addresses."""
    file = path / "addresses.csv"
    file.write_text(HEAD + rows)
    put_addresses(connection, read_addresses(file, is_placeholder=lambda point: False), jurisdiction_id=town.id)
    streets = streets_of(connection, TILE, jurisdiction_id=town.id)
    return {each.name: [list(line) for line in each.lines] for each in streets}


def test_a_street_goes_past_its_houses_in_the_order_of_their_numbers(connection: "Connection[Any]", town: Town, tmp_path: Path):
    rows = "".join(house(number, 42 + number / 100_000) for number in (30, 10, 90, 50, 70))

    (line,) = drawn(connection, town, tmp_path, rows)["Oak St"]

    assert [lat for _long, lat in line] == sorted(lat for _long, lat in line)
    assert {long for long, _lat in line} == {-71.0005}


def test_a_street_lies_between_its_two_sides(connection: "Connection[Any]", town: Town, tmp_path: Path):
    sides = (-71.0004, -71.0006)
    rows = "".join(house(number, 42 + number / 20_000, sides[number % 2]) for number in range(10, 30))

    (line,) = drawn(connection, town, tmp_path, rows)["Oak St"]

    assert all(-71.00055 < long < -71.00045 for long, _lat in line[2:-2])


def test_houses_far_apart_are_parts_of_their_own(connection: "Connection[Any]", town: Town, tmp_path: Path):
    near = "".join(house(number, 42 + number / 20_000) for number in (10, 20, 30, 40))
    far = "".join(house(number, 42.003 + number / 20_000) for number in (60, 70, 80, 90))

    assert len(drawn(connection, town, tmp_path, near + far)["Oak St"]) == 2


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param("", id="no addresses"),
        pytest.param(house(4, 42.0), id="one house"),
        pytest.param("4 Oak St  Town  MA  02101,02101,,,\n5 Oak St  Town  MA  02101,02101,,,\n", id="houses without a place"),
        pytest.param(house(4, 42.5) + house(90, 42.501), id="elsewhere"),
    ],
)
def test_what_makes_no_street_is_left_out(connection: "Connection[Any]", town: Town, tmp_path: Path, rows: str):
    assert drawn(connection, town, tmp_path, rows) == {}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("4 Jersey St  Boston  MA  02215", "Jersey St"),
        ("59-59HF Harbor St  Eastside  MA", "Harbor St"),
        ("671A E Broadway, South Boston", "E Broadway"),
        ("20 1/2 Oak St", "Oak St"),
        ("Oak St", "Oak St"),
    ],
)
def test_the_name_is_that_of_the_address(line: str, name: str):
    assert street_name(line) == name
