"""addresses.csv: what a load makes of it, what a second load changes, and every fault with its line."""

import gzip
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from db import db
from geo.models import Address, Street
from open311.city.folder import read_folder
from open311.city.lines import BadFile
from open311.city.load import Loaded, load_folder
from open311.models import Jurisdiction
from tests.small_city import SmallCity

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEADER = "address,zip,lat,lon,address_id"
OAK = "145-151 Oak St  Smallville  MA  02101,02101,42.35,-71.05,A-1"

pytestmark = pytest.mark.usefixtures("app")


def load(folder: SmallCity, *rows: str, header: str = HEADER) -> Loaded:
    """The folder with these addresses, loaded."""
    folder.write("addresses.csv", "\n".join([header, *rows, ""]))
    return load_folder(db.session(), read_folder(folder.path), now=NOW)


def addresses() -> dict[str, Address]:
    """Every address of Smallville by line."""
    db.session.expire_all()
    city = select(Jurisdiction.id).where(Jurisdiction.slug == "small.gov").scalar_subquery()
    return {row.line: row for row in db.session.scalars(select(Address).where(Address.jurisdiction_id == city))}


def test_an_address_is_kept_as_printed_and_taken_apart(folder: SmallCity):
    loaded = load(folder, OAK)

    (row,) = addresses().values()
    assert loaded.addresses == 1
    assert (row.line, row.code, row.zipcode, row.place) == (
        "145-151 Oak St, Smallville, MA 02101",
        "A-1",
        "02101",
        "SMALLVILLE",
    )
    assert (row.number_from, row.number_to, row.street) == (145, 151, "OAK STREET")
    assert row.location is not None
    assert (row.location.y, row.location.x) == (42.35, -71.05)


def test_a_street_is_known_as_printed_and_as_the_standardizer_writes_it(folder: SmallCity):
    loaded = load(folder, "12 E First St  Smallville  MA  02101,02101,42.35,-71.05,")

    rows = db.session.scalars(select(Street).where(Street.jurisdiction_id == loaded.jurisdiction_id)).all()
    assert sorted((row.spelling, row.standard, row.name, row.kind, row.direction) for row in rows) == [
        ("E FIRST ST", "EAST 1 STREET", "1", "STREET", "EAST"),
        ("EAST 1 STREET", "EAST 1 STREET", "1", "STREET", "EAST"),
    ]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param("59-59HF Oak St", (59, 59), id="half"),
        pytest.param("10-8 Oak St", (8, 10), id="descending"),
        pytest.param("791-1 Oak St", (791, 791), id="cut-off"),
        pytest.param("190 A-192  Oak St", (190, 192), id="letter-apart"),
        pytest.param("0 Oak St", (0, 0), id="a-street-as-a-whole"),
        pytest.param("Oak St", (0, 0), id="no-number"),
    ],
)
def test_house_numbers_are_read_in_every_form(folder: SmallCity, text: str, number: tuple[int, int]):
    load(folder, f"{text}  Smallville  MA  02101,02101,42.35,-71.05,")

    (row,) = addresses().values()
    assert (row.number_from, row.number_to, row.street, row.place) == (*number, "OAK STREET", "SMALLVILLE")


@pytest.mark.parametrize("place", [pytest.param(",", id="blank"), pytest.param("42.3594,-71.0587", id="place-holder")])
def test_an_address_without_a_known_point_is_kept_without_one(folder: SmallCity, place: str):
    folder.write("mapping.yml", (folder.path / "mapping.yml").read_text() + "placeholders: [{lat: 42.3594, long: -71.0587}]\n")

    load(folder, f"10 Oak St  Smallville  MA,02101,{place},")

    (row,) = addresses().values()
    assert row.location is None


def test_addresses_may_be_gzipped_and_lack_ids(folder: SmallCity):
    (folder.path / "addresses.csv.gz").write_bytes(gzip.compress(b"address,zip,lat,lon\n10 Oak St,02101,42.35,-71.05\n"))

    load_folder(db.session(), read_folder(folder.path), now=NOW)

    assert list(addresses()) == ["10 Oak St"]


def test_loading_again_changes_what_changed_and_leaves_the_rest(folder: SmallCity):
    stays, moves = "10 Oak St,02101,42.35,-71.05,A-1", "12 Oak St,02101,42.35,{long},A-2"
    load(folder, stays, moves.format(long=-71.05), "14 Oak St,02101,42.35,-71.05,A-3")
    before = {line: row.id for line, row in addresses().items()}

    load(folder, stays, moves.format(long=-71.06), "16 Oak St,02101,42.35,-71.05,A-3")

    after = addresses()
    assert sorted(after) == ["10 Oak St", "12 Oak St", "16 Oak St"]
    assert after["10 Oak St"].id == before["10 Oak St"]
    assert after["12 Oak St"].location is not None
    assert after["12 Oak St"].location.x == -71.06


def test_a_folder_without_addresses_takes_them_away(folder: SmallCity):
    load(folder, OAK)
    (folder.path / "addresses.csv").unlink()

    loaded = load_folder(db.session(), read_folder(folder.path), now=NOW)

    assert (loaded.addresses, addresses()) == (0, {})


@pytest.mark.parametrize(
    ("row", "told"),
    [
        pytest.param("10 Oak St,02101,north,-71.05,", "lat, lon: lat must be a number from -90 to 90", id="no-number"),
        pytest.param("10 Oak St,02101,42.35,-271.05,", "lat, lon: long must be a number", id="out-of-range"),
        pytest.param("10 Oak St,02101,42.35,,", "lat, lon: long must be a number", id="half-a-point"),
        pytest.param(",02101,42.35,-71.05,", "address must name a street, got ''", id="empty"),
        pytest.param("12,02101,42.35,-71.05,", "address must name a street, got '12'", id="only-a-number"),
        pytest.param("Oak St & Elm St,02101,42.35,-71.05,", "address must be one street's", id="where-streets-meet"),
        pytest.param("10 Oak St,2101,42.35,-71.05,", "zip must be five digits, got '2101'", id="zip"),
        pytest.param("10 Oak St,02101,42.35,-71.05,A-1,more", "has more fields than the header", id="too-many-fields"),
        pytest.param("10 Oak\x07 St,02101,42.35,-71.05,", "address must not hold the character U+0007", id="control-character"),
        pytest.param("12 Elm St,02101,42.35,-71.05,A-1", "address_id: 'A-1' stands twice", id="id-twice"),
        pytest.param('"10 Oak St,02101,42.35,-71.05,', "not CSV", id="open-quote"),
    ],
)
def test_a_bad_address_is_told_with_its_line_and_nothing_is_kept(folder: SmallCity, row: str, told: str):
    with pytest.raises(BadFile) as refused:
        load(folder, OAK, row)

    assert refused.value.messages[0].startswith(f"{folder.path}/addresses.csv:3: {told}")
    assert addresses() == {}


def test_every_bad_address_is_told(folder: SmallCity):
    with pytest.raises(BadFile) as refused:
        load(folder, "10 Oak St,02101,x,-71.05,", OAK, "12,02101,42.35,-71.05,")

    assert [message.split(":")[1] for message in refused.value.messages] == ["2", "4"]


@pytest.mark.parametrize(
    ("header", "told"),
    [
        pytest.param("address,zip,lat", "must have the columns lon", id="a-column-is-missing"),
        pytest.param("address,zip,lat,lon,colour", "has a column that no address has: colour", id="a-column-too-many"),
    ],
)
def test_a_header_that_does_not_fit_is_told(folder: SmallCity, header: str, told: str):
    with pytest.raises(BadFile) as refused:
        load(folder, header=header)

    assert refused.value.messages == [f"{folder.path}/addresses.csv:1: {told}"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(gzip.compress(b"address,zip,lat,lon\n10 Oak St,02101,42.35,-71.05\n")[:-12], "cannot be read", id="cut"),
        pytest.param(b"address,zip,lat,lon\n10 Oak St,02101,42.35,-71.05\n", "cannot be read", id="not-gzip"),
        pytest.param(gzip.compress(b"address,zip,lat,lon\n10 \xe9 St,02101,42.35,-71.05\n"), "must be UTF-8", id="latin-1"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_told(folder: SmallCity, content: bytes, told: str):
    (folder.path / "addresses.csv.gz").write_bytes(content)

    with pytest.raises(BadFile) as refused:
        read_folder(folder.path)

    (message,) = refused.value.messages
    assert message.startswith(f"{folder.path}/addresses.csv.gz:")
    assert told in message


def test_a_placeholder_that_is_no_point_is_told(folder: SmallCity):
    folder.write("mapping.yml", (folder.path / "mapping.yml").read_text() + "placeholders: [{lat: 95, long: 0}]\n")

    with pytest.raises(BadFile) as refused:
        read_folder(folder.path)

    assert refused.value.messages[0].startswith(f"{folder.path}/mapping.yml:11: placeholders.lat: ")


def test_all_of_bostons_addresses_are_loaded():
    boston: Any = db.session.scalars(select(Jurisdiction).where(Jurisdiction.slug == "boston.gov")).one()

    rows = db.session.scalars(select(Address.location).where(Address.jurisdiction_id == boston.id)).all()

    assert len(rows) == 41_983
    assert sum(1 for location in rows if location is None) == 2_349
