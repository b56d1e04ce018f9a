"""What two districts both claim, and what none does, with its size."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from shapely import MultiPolygon, Polygon, box, union_all

from geo.checking import LayerCheck, check_layer
from geo.importing import read_boundaries
from tests.geo.maps import SQUARE_DEGREE_AT_THE_EQUATOR, district, unpacked


def check(connection: "Connection[Any]", *areas: Any, **options: Any) -> LayerCheck:
    """The check of a layer of districts A, B, C and so on."""
    return check_layer(connection, [district(chr(ord("A") + at), area) for at, area in enumerate(areas)], **options)


def test_districts_that_share_edges_and_corners_are_in_order(connection: "Connection[Any]"):
    found = check(connection, box(0, 0, 1, 1), box(1, 0, 2, 1), box(0, 1, 1, 2), box(1, 1, 2, 2))

    assert found == LayerCheck(overlaps=[], gaps=[])


def test_an_overlap_is_told_with_both_codes_its_shape_and_its_size(connection: "Connection[Any]"):
    (overlap,) = check(connection, box(0, 0, 2, 1), box(1, 0, 3, 1)).overlaps

    assert overlap.codes == ("A", "B")
    assert overlap.area.equals(box(1, 0, 2, 1))
    assert overlap.square_metres == pytest.approx(SQUARE_DEGREE_AT_THE_EQUATOR, rel=1e-4)


def test_an_overlap_of_several_parts_is_one(connection: "Connection[Any]"):
    comb = Polygon([(0, 0), (5, 0), (5, 2), (4, 2), (4, 1), (1, 1), (1, 2), (0, 2)])

    (overlap,) = check(connection, comb, box(0, 1.5, 5, 3)).overlaps

    assert overlap.area.equals(MultiPolygon([box(0, 1.5, 1, 2), box(4, 1.5, 5, 2)]))


def test_three_districts_in_one_place_overlap_in_pairs(connection: "Connection[Any]"):
    found = check(connection, box(0, 0, 3, 1), box(1, 0, 4, 1), box(2, 0, 5, 1))

    assert [each.codes for each in found.overlaps] == [("A", "B"), ("B", "C"), ("A", "C")]


def test_a_district_within_another_overlaps_it_whole(connection: "Connection[Any]"):
    (overlap,) = check(connection, box(0, 0, 3, 3), box(1, 1, 2, 2)).overlaps

    assert overlap.area.equals(box(1, 1, 2, 2))


def test_what_the_outline_has_and_no_district_covers_is_a_gap(connection: "Connection[Any]"):
    found = check(connection, box(0, 0, 1, 1), box(2, 0, 3, 1), outline=MultiPolygon([box(0, 0, 4, 1)]))

    assert sorted(each.area.bounds for each in found.gaps) == [(1, 0, 2, 1), (3, 0, 4, 1)]
    assert [each.square_metres for each in found.gaps] == pytest.approx([SQUARE_DEGREE_AT_THE_EQUATOR] * 2, rel=1e-4)


def test_each_gap_says_where_to_look(connection: "Connection[Any]"):
    (gap,) = check(connection, box(0, 0, 1, 1), outline=MultiPolygon([box(0, 0, 2, 1)])).gaps

    assert 1 < gap.somewhere.long < 2 and 0 < gap.somewhere.lat < 1


def test_a_district_beyond_the_outline_is_no_gap(connection: "Connection[Any]"):
    assert check(connection, box(0, 0, 5, 5), outline=MultiPolygon([box(1, 1, 2, 2)])).gaps == []


def test_without_an_outline_a_hole_between_districts_is_a_gap(connection: "Connection[Any]"):
    ring = [box(0, 0, 3, 1), box(0, 2, 3, 3), box(0, 1, 1, 2), box(2, 1, 3, 2)]

    (gap,) = check(connection, *ring).gaps

    assert gap.area.equals(box(1, 1, 2, 2))


def test_without_an_outline_a_district_in_the_hole_of_another_fills_it(connection: "Connection[Any]"):
    ring = Polygon(box(0, 0, 4, 4).exterior, [box(1, 1, 3, 3).exterior])

    assert check(connection, ring, box(1, 1, 3, 3)).gaps == []
    (gap,) = check(connection, ring, box(1, 1, 2, 3)).gaps
    assert gap.area.equals(box(2, 1, 3, 3))


def test_slivers_are_left_out_below_the_threshold_and_told_from_it_on(connection: "Connection[Any]"):
    # A degree of latitude at the equator is 110,574 m, one of longitude 111,320 m.
    shared_square_metres = 1e-6 * 110574 * 1e-4 * 111320
    west, east = box(0, 0, 1e-4, 1e-4), box(0, 0.99e-4, 1e-4, 2e-4)

    assert check(connection, west, east, sliver_square_metres=shared_square_metres * 1.01).overlaps == []
    (overlap,) = check(connection, west, east, sliver_square_metres=shared_square_metres * 0.99).overlaps
    assert overlap.square_metres == pytest.approx(shared_square_metres, rel=1e-3)


def test_the_largest_comes_first_and_equals_come_by_code(connection: "Connection[Any]"):
    found = check(connection, box(0, 0, 2, 1), box(1, 0, 5, 1), box(3, 0, 6, 1), box(5.5, 0, 7, 1))

    assert [each.codes for each in found.overlaps] == [("B", "C"), ("A", "B"), ("C", "D")]
    assert [each.codes for each in check(connection, box(0, 0, 2, 1), box(1, 0, 4, 1), box(3, 0, 5, 1)).overlaps] == [
        ("A", "B"),
        ("B", "C"),
    ]


def test_a_layer_without_districts_leaves_the_whole_outline_open(connection: "Connection[Any]"):
    assert check(connection) == LayerCheck(overlaps=[], gaps=[])
    (gap,) = check(connection, outline=MultiPolygon([box(0, 0, 1, 1)])).gaps
    assert gap.area.equals(box(0, 0, 1, 1))


def test_the_council_map_of_new_york_is_checked_as_shapely_would(connection: "Connection[Any]", tmp_path: Path):
    file = unpacked("nyc_council_districts_2023.geojson", tmp_path)
    districts = read_boundaries(connection, file, code_property="geography_value")

    found = check_layer(connection, districts)

    pairs = [
        (one, other) for at, one in enumerate(districts) for other in districts[at + 1 :] if one.area.intersects(other.area)
    ]
    expected = union_all([one.area.intersection(other.area) for one, other in pairs]).area
    assert union_all([each.area for each in found.overlaps]).area == pytest.approx(expected, rel=1e-3)
    assert {each.codes for each in found.overlaps} <= {(one.code, other.code) for one, other in pairs}
    assert [each.square_metres for each in found.overlaps] == sorted(
        (each.square_metres for each in found.overlaps), reverse=True
    )


# The connection is one transaction and the check leaves nothing in it, so sharing it among examples is sound.
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(
    corners=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=7
    )
)
def test_overlaps_and_gaps_are_those_that_counting_squares_finds(
    connection: "Connection[Any]", corners: list[tuple[int, int, int, int]]
):
    outline = MultiPolygon([box(0, 0, 8, 8)])
    areas = [box(west, south, west + width, south + height) for west, south, width, height in corners]

    found = check(connection, *areas, outline=outline)

    squares = [box(x, y, x + 1, y + 1) for x in range(8) for y in range(8)]
    covering = [[at for at, area in enumerate(areas) if area.covers(square)] for square in squares]
    assert sum(each.area.area for each in found.gaps) == pytest.approx(sum(not each for each in covering))
    assert sum(each.area.area for each in found.overlaps) == pytest.approx(
        sum(len(each) * (len(each) - 1) // 2 for each in covering)
    )
