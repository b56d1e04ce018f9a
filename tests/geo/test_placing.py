"""Addresses are found in the city's own table, or it is said why not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection, RawCursor
from shapely import box

from geo import address_table
from geo.address import NoAddress, take_apart
from geo.placing import Placed, Unplaced, place, place_all
from open311.city.addresses import put_addresses, read_addresses
from tests.factories import Factory
from tests.town import Town

Find = Callable[..., Placed | Unplaced]

# A degree of latitude is 111 km: 0.001 is 111 metres.
TABLE = """\
address,zip,lat,lon,address_id
10 Oak St  Town  MA  02101,02101,42.0010,-71.0,A-10
14 Oak St  Town  MA  02101,02101,42.0014,-71.0,A-14
20-26 Oak St  Town  MA  02101,02101,42.0020,-71.0,A-20
15 Oak St  Town  MA  02101,02101,42.0015,-71.0001,
0 Oak St  Town  MA  02101,02101,42.0005,-71.0,
59-59HF Harbor St  Eastside  MA  02102,02102,42.01,-71.0,
14 Maple St  Town  MA  02101,02101,42.0098,-71.02,
16 Maple Street  Town  MA  02101,02101,42.0100,-71.02,
16 Maple St  Eastside  MA  02102,02102,42.0300,-71.02,
18 Maple St  Westside  MA  02103,02103,42.0500,-71.02,
671 E Broadway  Eastside  MA  02102,02102,42.02,-71.03,
671A E Broadway  Eastside  MA  02102,02102,42.0201,-71.03,
31 Third Ave  Town  MA  02101,02101,42.03,-71.03,
7 Beacon St  Town  MA  02101,02101,42.0014,-71.0010,
9 Beacon St  Town  MA  02101,02101,42.0014,-71.0005,
3 Elm Ct  Town  MA  02101,02101,,,
1 Elm Ct  Town  MA  02101,02101,42.04,-71.04,
5 Elm Ct  Town  MA  02101,02101,42.0402,-71.04,
12 Pine St  Town  MA  02101,02101,,,NO-POINT
2 City Hall Plz  Town  MA  02101,02101,42.06,-71.06,
40 St Mary's Rd  Town  MA  02101,02101,42.07,-71.07,
"""


@pytest.fixture
def town(town: Town, connection: "Connection[Any]", tmp_path: Path) -> Town:
    """A town with a table of addresses, and a district Hilltop around Maple Street's number 18."""
    file = tmp_path / "addresses.csv"
    file.write_text(TABLE)
    addresses = read_addresses(file, is_placeholder=lambda point: False)
    put_addresses(connection, addresses, jurisdiction_id=town.id)
    town.boundary("H", box(-71.03, 42.04, -71.01, 42.06), name="Hilltop")
    return town


@pytest.fixture
def find(town: Town, connection: "Connection[Any]") -> Find:
    """Places a text in the town."""

    def find(text: str | None, address_id: str | None = None) -> Placed | Unplaced:
        return place(connection, text, jurisdiction_id=town.id, city_name="Town of Town", address_id=address_id)

    return find


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("10 Oak St  Town  MA  02101", id="as-printed"),
        pytest.param("10 Oak Street, Town, Massachusetts 02101-1234, USA", id="written-out"),
        pytest.param("10 oak st", id="lower-case"),
        pytest.param("  10   OAK  ST. ", id="blanks-and-a-full-stop"),
        pytest.param("10 Oak St #3, Town", id="number-sign"),
        pytest.param("10 Oak St Apt 2B, Town MA", id="apartment"),
        pytest.param("10 oak street apt. 2 town ma 02101", id="no-commas"),
        pytest.param("10 Oak St, 3rd floor", id="floor"),
        pytest.param("10 Oak St\r\nTown\r\n02101", id="lines"),
        pytest.param("10 Oak St in front of the bakery", id="a-note"),
        pytest.param("10 Oak St (the red house)", id="in-brackets"),
        pytest.param("10 Oàk St\x00\x07", id="accents-and-control-characters"),
    ],
)
def test_an_address_is_found_however_it_is_written(find: Find, text: str):
    found = find(text)

    assert isinstance(found, Placed)
    assert (found.how, found.line, found.address_id) == ("exact", "10 Oak St, Town, MA 02101", "A-10")
    assert (found.point.lat, found.point.long, found.similarity, found.numbers_apart) == (42.0010, -71.0, 1.0, 0)


@pytest.mark.parametrize(
    ("text", "how", "line"),
    [
        pytest.param("22 Oak St", "in a range", "20-26 Oak St, Town, MA 02101", id="within-a-range"),
        pytest.param("20-26 Oak St", "exact", "20-26 Oak St, Town, MA 02101", id="the-range-itself"),
        pytest.param("59HF Harbor St", "exact", "59-59HF Harbor St, Eastside, MA 02102", id="half-a-number"),
        pytest.param("671A East Broadway", "exact", "671A E Broadway, Eastside, MA 02102", id="a-letter"),
        pytest.param("671 E. Broadway", "exact", "671 E Broadway, Eastside, MA 02102", id="a-direction"),
        pytest.param("31 3rd Avenue", "exact", "31 Third Ave, Town, MA 02101", id="an-ordinal"),
        pytest.param("40 Saint Marys Road", "exact", "40 St Mary's Rd, Town, MA 02101", id="a-saint"),
        pytest.param("Oak St", "exact", "0 Oak St, Town, MA 02101", id="a-street-as-a-whole"),
        pytest.param("0 Oak St", "exact", "0 Oak St, Town, MA 02101", id="number-nought"),
        pytest.param("671 Broadway, Eastside", "near miss", "671 E Broadway, Eastside, MA 02102", id="no-direction"),
        pytest.param("10 Oak", "near miss", "10 Oak St, Town, MA 02101", id="no-kind"),
        pytest.param("7 Beecon St", "near miss", "7 Beacon St, Town, MA 02101", id="a-wrong-letter"),
        pytest.param("7 Beacon Steet, Town", "near miss", "7 Beacon St, Town, MA 02101", id="a-misspelt-kind"),
    ],
)
def test_what_is_meant_is_found_and_how_is_said(find: Find, text: str, how: str, line: str):
    found = find(text)

    assert isinstance(found, Placed), found
    assert (found.how, found.line) == (how, line)
    assert line in found.reason


def test_a_number_that_is_missing_lies_between_its_neighbours_of_the_same_side(find: Find):
    found = find("12 Oak St")

    assert isinstance(found, Placed)
    assert (found.how, found.numbers_apart, found.line) == ("between neighbours", 2, "10 Oak St, Town, MA 02101")
    assert (found.point.lat, found.point.long) == (pytest.approx(42.0012), pytest.approx(-71.0))
    assert found.reason == "The place is that of the nearest house number, 2 off: 10 Oak St, Town, MA 02101"


def test_a_number_whose_place_the_table_does_not_know_lies_between_its_neighbours(find: Find):
    found = find("3 Elm Ct")

    assert isinstance(found, Placed)
    assert (found.how, found.point.lat) == ("between neighbours", pytest.approx(42.0401))


def test_a_number_beyond_the_last_one_is_placed_while_it_is_near(find: Find):
    near, far = find("40 Oak St"), find("80 Oak St")

    assert isinstance(near, Placed)
    assert (near.how, near.numbers_apart) == ("between neighbours", 14)
    assert far == Unplaced(reason="No house number near that of '80 Oak St' is known")


@pytest.mark.parametrize(
    ("text", "lat"),
    [
        pytest.param("16 Maple St 02102", 42.03, id="zip-code"),
        pytest.param("16 Maple St, Eastside", 42.03, id="neighbourhood"),
        pytest.param("16 maple st eastside ma", 42.03, id="neighbourhood-without-commas"),
        pytest.param("16 Maple St, Eastside 02101", 42.01, id="zip-code-before-neighbourhood"),
        pytest.param("18 Maple St, Hilltop", 42.05, id="a-district"),
        pytest.param("14 Maple St, Town", 42.0098, id="the-part-called-as-the-city"),
    ],
)
def test_of_streets_of_one_name_zip_code_and_neighbourhood_decide(find: Find, text: str, lat: float):
    found = find(text)

    assert isinstance(found, Placed), found
    assert found.point.lat == lat


@pytest.mark.parametrize("text", ["16 Maple St", "16 Maple St, Town", "16 Maple St, MA"])
def test_an_address_of_several_streets_is_ambiguous_and_the_citys_own_name_says_nothing(find: Find, text: str):
    found = find(text)

    assert isinstance(found, Unplaced)
    assert found.reason.startswith(f"'{text}' could be 16 Maple St, Eastside or 16 Maple Street, Town")
    assert [each.line for each in found.candidates[:2]] == [
        "16 Maple St, Eastside, MA 02102",
        "16 Maple Street, Town, MA 02101",
    ]


def test_a_number_that_one_street_has_may_only_be_missing_of_another(find: Find):
    found = find("14 Maple St")

    assert isinstance(found, Unplaced)
    assert found.reason == "'14 Maple St' could be 14 Maple St, Town or 16 Maple St, Eastside"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("12 Foo St", "No address like '12 Foo St' is known", id="no-such-street"),
        pytest.param("10 Oak St, Elsewhere", "'10 Oak St, Elsewhere' is known only elsewhere", id="another-town"),
        pytest.param("10 Oak St 02446", "'10 Oak St 02446' is known only elsewhere", id="another-zip-code"),
        pytest.param("Beacon St", "'Beacon St' has no house number", id="no-number"),
        pytest.param("12 Pine St", "The place of '12 Pine St' is not known", id="no-point"),
        pytest.param("2 City Plz", "No address like '2 City Plz' is known", id="a-word-is-no-misspelling"),
        pytest.param("31 33rd Ave", "No address like '31 33rd Ave' is known", id="a-number-is-no-misspelling"),
        pytest.param("02101", "It names no street", id="only-a-zip-code"),
        pytest.param("12", "It names no street", id="only-a-number"),
        pytest.param("", "No address was given", id="nothing"),
        pytest.param(None, "No address was given", id="none"),
        pytest.param(" \t\n", "No address was given", id="blanks"),
        pytest.param("💥", "No address was given", id="a-picture"),
        pytest.param("null", "No address like 'null' is known", id="null"),
        pytest.param("'; drop table address; --", "No address like ''; drop table address; --' is known", id="sql"),
        pytest.param("10 Oak St " + "very " * 200, "The text is too long for an address", id="a-thousand-signs"),
    ],
)
def test_what_cannot_be_placed_says_why(find: Find, text: str | None, reason: str):
    found = find(text)

    assert isinstance(found, Unplaced)
    assert found.reason == reason
    assert len(found.candidates) <= 5


def test_a_town_without_a_table_says_so(connection: "Connection[Any]"):
    empty = Town("empty.gov")

    found = place(connection, "10 Oak St", jurisdiction_id=empty.id, city_name="Empty")

    assert found == Unplaced(reason="No table of addresses is loaded")


def test_another_citys_table_is_not_looked_at(connection: "Connection[Any]", town: Town, make: Factory):
    found = place(connection, "10 Oak St", jurisdiction_id=make.city("seattle.gov").id, city_name="Seattle")

    assert isinstance(found, Unplaced)


# Address ids


def test_an_address_id_goes_before_the_text(find: Find):
    found = find("15 Oak St", "A-14")

    assert isinstance(found, Placed)
    assert (found.how, found.line, found.point.lat) == ("address_id", "14 Oak St, Town, MA 02101", 42.0014)


def test_an_address_id_that_is_not_known_leaves_it_to_the_text(find: Find):
    found = find("10 Oak St", "B-99")

    assert isinstance(found, Placed)
    assert found.how == "exact"


@pytest.mark.parametrize(
    ("address_id", "reason"),
    [
        pytest.param("B-99", "No address has the id 'B-99'", id="unknown"),
        pytest.param("A\x00", "No address has the id 'A'", id="nul"),
        pytest.param("NO-POINT", "The place of 'NO-POINT' is not known", id="known-without-a-point"),
    ],
)
def test_an_address_id_alone_that_gives_no_point_says_why(find: Find, address_id: str, reason: str):
    found = find(None, address_id)

    assert isinstance(found, Unplaced)
    assert found.reason == reason


# Where streets meet


@pytest.mark.parametrize(
    "text", ["Oak St & Beacon St", "Beacon Street and Oak St, Town", "INTERSECTION of Oak St & Beacon St  Town  MA"]
)
def test_streets_meet_where_their_houses_are_next_to_each_other(find: Find, text: str):
    found = find(text)

    assert isinstance(found, Placed)
    assert found.how == "intersection"
    assert (found.point.lat, found.point.long) == (pytest.approx(42.0014, abs=1e-4), pytest.approx(-71.0003, abs=1e-4))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("Oak St & Third Ave", "The streets of 'Oak St & Third Ave' do not meet", id="far-apart"),
        pytest.param("Oak St & Foo St", "No streets like those of 'Oak St & Foo St' are known", id="one-is-unknown"),
        pytest.param("Oak St & Oak St", "No streets like those of 'Oak St & Oak St' are known", id="one-street"),
        pytest.param("Oak St &", "It names no street", id="no-second"),
    ],
)
def test_streets_that_do_not_meet_say_so(find: Find, text: str, reason: str):
    assert find(text) == Unplaced(reason=reason)


# Many at once, any text, and how it is looked up


def test_many_are_placed_as_each_alone(find: Find, town: Town, connection: "Connection[Any]"):
    texts = ["10 Oak St", "12 Foo St", "16 Maple St 02102", "7 Beecon St", "Oak St & Beacon St", "", "10 Oak St", "10 Oak"]
    asked = {at: (text, None) for at, text in enumerate(texts)}

    found = place_all(connection, asked, jurisdiction_id=town.id, city_name="Town")

    assert [found[at] for at in range(len(texts))] == [find(text) for text in texts]


WORDS = st.sampled_from(
    [
        "10",
        "16",
        "Oak",
        "Maple",
        "St",
        "E",
        "&",
        "and",
        ",",
        "#3",
        "Town",
        "Eastside",
        "MA",
        "02101",
        "-",
        "1/2",
        "Beecon",
        "\n",
    ]
)
TEXTS = st.one_of(st.text(max_size=300), st.lists(WORDS, max_size=12).map(" ".join))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(text=TEXTS, address_id=st.one_of(st.none(), st.text(max_size=20)))
def test_any_text_is_placed_or_not_and_never_an_error(find: Find, text: str, address_id: str | None):
    found = find(text, address_id)

    assert isinstance(found, Placed | Unplaced)
    assert found.reason.isprintable()


@settings(derandomize=True)
@given(text=st.text(max_size=500))
def test_any_text_is_taken_apart_or_names_no_street(text: str):
    try:
        parts = take_apart(text)
    except NoAddress:
        return

    assert parts.segments
    assert all(word.isascii() and word.isalnum() for segment in parts.segments for word in segment.split())
    assert parts.number_from is None or 0 <= parts.number_from <= (parts.number_to or 0)


@pytest.mark.parametrize(
    ("statement", "values", "index"),
    [
        pytest.param(address_table._ADDRESSES, {"streets": ["BEACON STREET"], "lows": [3], "highs": [63]},
                     "ix_address_jurisdiction_id_street_number_from", id="numbers-of-a-street"),
        pytest.param(address_table._SPELT, {"phrases": ["BEACON ST", "BEACON"]},
                     "uq_street_jurisdiction_id_spelling", id="spellings"),
        pytest.param(address_table._SIMILAR, {"names": ["BEECON"], "zipcodes": ["02108"]}, "ix_street_name", id="near-misses"),
        pytest.param(address_table._BY_CODE, {"codes": ["A-1"]}, "uq_address_jurisdiction_id_code", id="address-ids"),
    ],
)  # fmt: skip
def test_a_look_up_in_bostons_table_goes_by_an_index(
    make: Factory, connection: "Connection[Any]", statement: Any, values: dict[str, Any], index: str
):
    given = {**statement.constants, **values, "jurisdiction_id": make.city("boston.gov").id}

    # Nothing is switched off: with Boston's 41,983 addresses loaded the planner chooses the index by itself.
    plan = RawCursor(connection).execute(f"explain {statement.text}", [given[name] for name in statement.names]).fetchall()

    text = "\n".join(row[0] for row in plan)
    assert index in text
    assert "Seq Scan on address" not in text
    assert "Seq Scan on street" not in text


@pytest.mark.parametrize(
    ("text", "how"),
    [
        pytest.param("33 Beacon St, Boston, MA 02108", "exact", id="exact"),
        pytest.param("147 Ipswich St", "in a range", id="range"),
        pytest.param("1744 Washington St, Roxbury, MA 02118", "between neighbours", id="parked-on-city-hall"),
        pytest.param("33 Beecon St, Boston", "near miss", id="near-miss"),
        pytest.param("Beacon St & Park St, Boston", "intersection", id="intersection"),
    ],
)
def test_addresses_of_boston_are_found(make: Factory, connection: "Connection[Any]", text: str, how: str):
    found = place(connection, text, jurisdiction_id=make.city("boston.gov").id, city_name="City of Boston")

    assert isinstance(found, Placed)
    assert found.how == how
