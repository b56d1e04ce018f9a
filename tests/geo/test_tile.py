"""Tiles and cells of a map: each place on earth lies in exactly one."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.tile import CELLS, Grid, Tile, cells_within, column_of, row_of

LONGITUDES, LATITUDES, ZOOMS = st.floats(-180, 180), st.floats(-90, 90), st.integers(0, 22)


@given(long=LONGITUDES, lat=LATITUDES, z=ZOOMS)
def test_a_place_lies_between_the_edges_of_its_cell(long: float, lat: float, z: int):
    column, row = column_of(long, z), row_of(lat, z)

    grid = Grid.of(zoom=z, columns=range(column, column + 1), rows=range(row, row + 1))

    (west, east), (south, north) = grid.meridians, grid.parallels
    assert west <= long < east
    assert south <= lat < north


@pytest.mark.parametrize("z", range(7))
def test_tiles_side_by_side_share_their_edge_to_the_last_digit(z: int):
    across = [Tile(z=z, x=x, y=0).grid for x in range(2**z)]
    down = [Tile(z=z, x=0, y=y).grid for y in range(2**z)]

    assert all(west.meridians[-1] == east.meridians[0] for west, east in pairwise(across))
    assert all(north.parallels[0] == south.parallels[-1] for north, south in pairwise(down))
    assert across[0].meridians[0] == -180 < 180 < across[-1].meridians[-1]
    assert down[-1].parallels[0] == -90 < 90 < down[0].parallels[-1]


@given(places=st.tuples(LONGITUDES, LATITUDES, LONGITUDES, LATITUDES), z=st.integers(0, 4))
def test_the_cells_of_a_box_are_those_that_it_meets(places: tuple[float, float, float, float], z: int):
    west, one, east, other = places
    box = (west, min(one, other), east, max(one, other))

    grid = Grid.within(box, zoom=z)

    assert all(first < last for first, last in pairwise(grid.parallels))
    cells = len(grid.columns) * (len(grid.parallels) - 1)
    # Behind the last edge that was asked for begins no cell but the one that holds the edge itself.
    assert cells == cells_within(box, zoom=z)


def test_a_box_across_180_degrees_has_no_cell_between_its_parts():
    grid = Grid.within((170.0, 0.0, -170.0, 1.0), zoom=0)

    assert len(grid.boxes) == 2
    assert (grid.boxes[0][0], grid.boxes[1][0]) == (-180.0, 170.0)
    assert len(grid.columns) == 2
    assert column_of(-170, 0) == 0
    assert column_of(170, 0) == CELLS - 1


@pytest.mark.parametrize(
    ("place", "says"),
    [
        pytest.param((-1, 0, 0), "z must be", id="z"),
        pytest.param((23, 0, 0), "z must be", id="z-too-close"),
        pytest.param((3, 8, 0), "x must be", id="x"),
        pytest.param((3, 0, -1), "y must be", id="y"),
    ],
)
def test_what_is_out_of_range_is_no_tile(place: tuple[int, int, int], says: str):
    z, x, y = place

    with pytest.raises(ValueError, match=says):
        Tile(z=z, x=x, y=y)


def test_what_is_seen_of_lines_on_a_tile_stays_on_the_earth():
    assert Tile(z=0, x=0, y=0).drawn_box == pytest.approx((-180, -85.0511287798066, 180, 85.0511287798066))
