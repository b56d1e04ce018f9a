"""What a new version of a map changes, district by district."""

import json
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from shapely import MultiPolygon, Polygon, box
from shapely.geometry import shape

from geo.comparing import Change, Comparison, as_geojson, compare
from geo.importing import read_boundaries
from tests.geo.maps import SQUARE_DEGREE_AT_THE_EQUATOR, district, unpacked

WEST, EAST, NORTH = box(0, 0, 1, 1), box(1, 0, 2, 1), box(0, 1, 2, 2)

# To whom each block of a row belongs.  The connection is one transaction and comparing leaves nothing in it.
owners = st.lists(st.sampled_from(["A", "B", "C", None]), min_size=6, max_size=6)
drawn = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)


def change(comparison: Comparison, code: str) -> Change:
    """What changes for the district of this code."""
    (found,) = [each for each in comparison.changes if each.code == code]
    return found


def moves(comparison: Comparison) -> list[tuple[str | None, str | None]]:
    """From where to where, the largest first."""
    return [(each.from_code, each.to_code) for each in comparison.moved]


def test_a_line_that_moves_gives_ground_from_one_to_the_other(connection: "Connection[Any]"):
    before = [district("W", WEST), district("E", EAST)]
    after = [district("W", box(0, 0, 1.5, 1)), district("E", box(1.5, 0, 2, 1))]

    found = compare(connection, before, after)

    half = pytest.approx(SQUARE_DEGREE_AT_THE_EQUATOR / 2, rel=1e-4)
    west, east = change(found, "W"), change(found, "E")
    assert (west.gained.square_metres, west.lost.square_metres) == (half, 0)
    assert (east.gained.square_metres, east.lost.square_metres) == (0, half)
    assert west.is_redrawn and east.is_redrawn
    assert moves(found) == [("E", "W")]
    assert found.moved[0].piece.area.equals(box(1, 0, 1.5, 1))
    assert found.moved[0].piece.square_metres == half


def test_a_new_district_gains_what_others_lose(connection: "Connection[Any]"):
    found = compare(
        connection,
        [district("W", box(0, 0, 1, 2)), district("E", box(1, 0, 2, 2))],
        [district("W", WEST), district("E", EAST), district("N", NORTH)],
    )

    assert change(found, "N").is_new and not change(found, "N").is_redrawn
    assert change(found, "N").gained.area.equals(NORTH)
    assert sorted(moves(found)) == [("E", "N"), ("W", "N")]


def test_a_district_that_is_gone_loses_all_it_had(connection: "Connection[Any]"):
    found = compare(connection, [district("W", WEST), district("E", EAST)], [district("W", box(0, 0, 2, 1))])

    east = change(found, "E")
    assert east.is_gone and not east.is_redrawn
    assert east.name is None and east.name_before == "District E"
    assert east.area.equals(EAST)
    assert moves(found) == [("E", "W")]


def test_ground_that_no_district_had_comes_from_none(connection: "Connection[Any]"):
    found = compare(connection, [district("W", WEST)], [district("W", WEST), district("E", EAST)])

    assert moves(found) == [(None, "E")]


def test_ground_that_no_district_keeps_goes_to_none(connection: "Connection[Any]"):
    found = compare(connection, [district("W", WEST), district("E", EAST)], [district("W", WEST)])

    assert moves(found) == [("E", None)]


def test_a_district_under_another_name_is_renamed_and_nothing_moves(connection: "Connection[Any]"):
    found = compare(connection, [district("W", WEST, "West End")], [district("W", WEST, "Westside")])

    assert change(found, "W").is_renamed and not change(found, "W").is_redrawn
    assert found.moved == [] and not found.is_empty


def test_a_district_under_another_code_is_gone_and_new_on_the_same_ground(connection: "Connection[Any]"):
    found = compare(connection, [district("W", WEST)], [district("X", WEST)])

    assert change(found, "W").is_gone and change(found, "X").is_new
    assert moves(found) == [("W", "X")]


def test_a_district_that_is_drawn_with_more_corners_is_unchanged(connection: "Connection[Any]"):
    found = compare(
        connection, [district("W", WEST)], [district("W", Polygon([(0, 0), (0.5, 0), (1, 0), (1, 1), (0, 1), (0, 0.5)]))]
    )

    assert change(found, "W").is_unchanged
    assert found.is_empty


def test_a_sliver_is_no_change(connection: "Connection[Any]"):
    # Along 11 m a line moves by 1 cm, then by 1 m.
    before = [district("W", box(0, 0, 1e-4, 1e-4))]

    assert compare(connection, before, [district("W", box(0, 0, 1.001e-4, 1e-4))]).is_empty
    assert not compare(connection, before, [district("W", box(0, 0, 1.1e-4, 1e-4))]).is_empty


def test_ground_that_two_claim_and_both_keep_does_not_move(connection: "Connection[Any]"):
    both = [district("W", box(0, 0, 2, 1)), district("E", box(1, 0, 3, 1))]

    assert compare(connection, both, both).is_empty


def test_a_first_map_is_all_new_and_a_last_one_all_gone(connection: "Connection[Any]"):
    some = [district("W", WEST), district("E", EAST)]

    assert [each.is_new for each in compare(connection, [], some).changes] == [True, True]
    assert [each.is_gone for each in compare(connection, some, []).changes] == [True, True]


def test_the_order_of_the_files_changes_nothing(connection: "Connection[Any]"):
    before = [district("W", WEST), district("E", EAST), district("N", NORTH)]
    after = [district("W", box(0, 0, 0.5, 2)), district("E", box(0.5, 0, 2, 1)), district("N", box(0.5, 1, 2, 2))]

    assert compare(connection, before, after) == compare(connection, before[::-1], after[::-1])


def test_the_council_districts_of_new_york_are_compared_within_seconds(connection: "Connection[Any]", tmp_path: Path):
    before, after = (
        read_boundaries(
            connection, unpacked(f"nyc_council_districts_{year}.geojson", tmp_path), code_property="geography_value"
        )
        for year in (2013, 2023)
    )
    began = monotonic()

    found = compare(connection, before, after)

    assert monotonic() - began < 10  # a second on an idle machine
    assert len(found.changes) == 51 and all(each.is_redrawn for each in found.changes)
    assert moves(found)[:3] == [("30", "32"), ("43", "47"), ("28", "31")]
    for each in found.changes:
        moved = sum(move.piece.square_metres for move in found.moved if move.to_code == each.code)
        assert moved == pytest.approx(each.gained.square_metres, rel=0.01)


@drawn
@given(before=owners, after=owners)
def test_what_is_gained_less_what_is_lost_is_by_how_much_a_district_grows(
    connection: "Connection[Any]", before: list[str | None], after: list[str | None]
):
    found = compare(connection, _town(before), _town(after))

    for each in found.changes:
        grown = after.count(each.code) - before.count(each.code)
        assert each.gained.area.area - each.lost.area.area == pytest.approx(grown, abs=1e-9)
        assert each.gained.square_metres - each.lost.square_metres == pytest.approx(
            grown * SQUARE_DEGREE_AT_THE_EQUATOR, rel=1e-4, abs=1
        )


@drawn
@given(before=owners, after=owners)
def test_what_moves_to_and_from_a_district_is_what_it_gains_and_loses(
    connection: "Connection[Any]", before: list[str | None], after: list[str | None]
):
    found = compare(connection, _town(before), _town(after))

    for each in found.changes:
        to = sum(move.piece.square_metres for move in found.moved if move.to_code == each.code)
        away = sum(move.piece.square_metres for move in found.moved if move.from_code == each.code)
        assert (to, away) == (pytest.approx(each.gained.square_metres), pytest.approx(each.lost.square_metres))


@drawn
@given(before=owners, after=owners)
def test_ground_moves_between_those_whom_it_belongs_to_before_and_after(
    connection: "Connection[Any]", before: list[str | None], after: list[str | None]
):
    found = compare(connection, _town(before), _town(after))

    expected = {(one, other) for one, other in zip(before, after, strict=True) if one != other}
    assert set(moves(found)) == expected
    assert len(found.moved) == len(expected)


@drawn
@given(either=owners)
def test_a_map_compared_with_itself_is_empty(connection: "Connection[Any]", either: list[str | None]):
    found = compare(connection, _town(either), _town(either))

    assert found.is_empty and found.moved == []


def _town(blocks: list[str | None]) -> list[Any]:
    """Districts of blocks in a row along the equator, each block a square degree."""
    mine = {
        code: MultiPolygon([box(at, 0, at + 1, 1) for at, owner in enumerate(blocks) if owner == code])
        for code in sorted(filter(None, set(blocks)))
    }
    # Blocks side by side are one polygon, as a map draws them.
    return [district(code, MultiPolygon([*_polygons(area.buffer(0))])) for code, area in mine.items()]


def _polygons(area: Any) -> list[Polygon]:
    return list(area.geoms) if isinstance(area, MultiPolygon) else [area]


class TestGeoJSON:
    """The changes as a map program reads them."""

    @pytest.fixture
    def document(self, connection: "Connection[Any]") -> dict[str, Any]:
        """The changes of a town whose line moves, written and read back."""
        before = [district("W", WEST, "West End"), district("E", EAST), district("N", NORTH)]
        after = [district("W", box(0, 0, 4 / 3, 1), "Westside"), district("E", box(4 / 3, 0, 2, 1)), district("N", NORTH)]
        further = {"type": "Feature", "properties": {"kind": "request"}, "geometry": None}
        found: dict[str, Any] = json.loads(json.dumps(as_geojson(compare(connection, before, after), extra=[further])))
        return found

    def test_it_says_of_each_district_that_changes_how(self, document: dict[str, Any]):
        found = [each["properties"] for each in document["features"] if each["properties"]["kind"] == "district"]

        size = pytest.approx(SQUARE_DEGREE_AT_THE_EQUATOR / 3, rel=1e-4)
        assert found == [
            {"kind": "district", "code": "E", "name": "District E", "name_before": "District E", "change": ["redrawn"],
             "gained_square_metres": 0, "lost_square_metres": size},
            {"kind": "district", "code": "W", "name": "Westside", "name_before": "West End", "change": ["renamed", "redrawn"],
             "gained_square_metres": size, "lost_square_metres": 0},
        ]  # fmt: skip

    def test_it_draws_what_is_gained_lost_and_moved(self, document: dict[str, Any]):
        found = [each for each in document["features"] if each["properties"]["kind"] in ("gained", "lost", "moved")]

        assert [{**each["properties"], "square_metres": None} for each in found] == [
            {"kind": "gained", "code": "W", "square_metres": None},
            {"kind": "lost", "code": "E", "square_metres": None},
            {"kind": "moved", "from": "E", "to": "W", "square_metres": None},
        ]
        assert all(shape(each["geometry"]).equals(box(1, 0, 1.333333, 1)) for each in found)

    def test_what_else_is_to_be_shown_comes_last(self, document: dict[str, Any]):
        assert document["features"][-1]["properties"] == {"kind": "request"}

    def test_it_keeps_to_rfc_7946(self, document: dict[str, Any]):
        assert document["type"] == "FeatureCollection" and "crs" not in document
        for each in document["features"][:-1]:
            for polygon in MultiPolygon(_polygons(shape(each["geometry"]))).geoms:
                assert polygon.exterior.is_ccw
                assert all(round(number, 6) == number for point in polygon.exterior.coords for number in point)
