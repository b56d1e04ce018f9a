"""The squares into which web maps cut the earth, and the cells within them.

Web Mercator: at zoom z the world is 2 to the z tiles wide and high, x from 180 degrees west on, y from the north down.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import atan, degrees, inf, nextafter, pi, sinh

# The last zoom at which a tile may be asked for: there it is 10 metres wide at the equator.
MOST_ZOOM = 22
# A row of cells is an eighth of a tile.
CELLS = 8
# How far beyond its edges a tile shows lines, so that none is seen where two tiles meet: in parts of its width.
MARGIN = 64 / 4096
# The parallel at which the square world of Web Mercator ends; nearer to the pole nothing is drawn.
EDGE_LATITUDE = 85.0511287798066

# West, south, east, north, in degrees.
Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A tile of a map; what is out of range is no tile: ValueError with the message that names it."""

    z: int
    x: int
    y: int

    def __post_init__(self) -> None:
        if not 0 <= self.z <= MOST_ZOOM:
            raise ValueError(f"z must be a whole number from 0 to {MOST_ZOOM}, got {self.z}")
        for name, value in (("x", self.x), ("y", self.y)):
            if not 0 <= value < 2**self.z:
                raise ValueError(f"{name} must be a whole number from 0 to {2**self.z - 1} at zoom {self.z}, got {value}")

    @property
    def drawn_box(self) -> Box:
        """West, south, east and north of what can be seen of lines on the tile, in degrees, with twice the margin."""
        wide, margin = 2.0**self.z, 2 * MARGIN
        west, east = (max(-180.0, min(180.0, at / wide * 360 - 180)) for at in (self.x - margin, self.x + 1 + margin))
        north, south = (_latitude(max(0.0, min(1.0, at / wide))) for at in (self.y - margin, self.y + 1 + margin))
        return west, south, east, north

    @property
    def least_degrees(self) -> float:
        """A quarter of one of its 4,096 units, in degrees of longitude: what is smaller cannot be seen."""
        return 360 / 2.0**self.z / 4096 / 4

    @property
    def grid(self) -> "Grid":
        """Its cells; each place on earth is in those of one tile alone."""
        return Grid.of(
            zoom=self.z,
            columns=range(self.x * CELLS, (self.x + 1) * CELLS),
            rows=range(self.y * CELLS, (self.y + 1) * CELLS),
        )


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Cells between meridians and between parallels, ascending; a cell has its western and southern edge, not the others.

    The last meridian has nothing east of it, and the poles lie in the last rows.  columns: which spaces between meridians
    are cells, from 1; the one between two boxes is none.  boxes: where the cells lie, (west, south, east, north).
    """

    meridians: tuple[float, ...]
    parallels: tuple[float, ...]
    columns: tuple[int, ...]
    boxes: tuple[Box, ...]

    @classmethod
    def of(cls, *, zoom: int, columns: range, rows: range) -> "Grid":
        """These columns, from the west, and rows, from the north, of the 8 times 2 to the zoom of the world."""
        wide = CELLS * 2**zoom
        meridians = tuple(_meridian(each, wide) for each in range(columns.start, columns.stop + 1))
        parallels = tuple(_parallel(each, wide) for each in range(rows.stop, rows.start - 1, -1))
        return cls(
            meridians=meridians,
            parallels=parallels,
            columns=tuple(range(1, len(meridians))),
            boxes=((meridians[0], parallels[0], meridians[-1], parallels[-1]),),
        )

    @classmethod
    def within(cls, box: Box, *, zoom: int) -> "Grid":
        """The cells of the world at a zoom, cut to a box, edges included; west greater than east: across 180 degrees."""
        west, south, east, north = box
        wide = CELLS * 2**zoom
        parallels = _between(south, north, [_parallel(row, wide) for row in _rows(box, zoom)])
        # From the west on, so that the part after the 180th meridian comes first.
        parts = [
            _between(
                start, end, [_meridian(column, wide) for column in range(column_of(start, zoom), column_of(end, zoom) + 1)]
            )
            for start, end in reversed(_spans(west, east))
        ]
        meridians = tuple(each for part in parts for each in part)
        first = len(parts[0])
        return cls(
            meridians=meridians,
            parallels=parallels,
            columns=tuple(each for each in range(1, len(meridians)) if each != first or len(parts) == 1),
            boxes=tuple((part[0], parallels[0], part[-1], parallels[-1]) for part in parts),
        )


def cells_within(box: Box, *, zoom: int) -> int:
    """How many cells of the world at a zoom a box meets."""
    west, _, east, _ = box
    columns = sum(len(_columns(start, end, zoom)) for start, end in _spans(west, east))
    return columns * len(_rows(box, zoom))


def _rows(box: Box, zoom: int) -> range:
    _, south, _, north = box
    return range(row_of(north, zoom), row_of(south, zoom) + 1)


def _columns(west: float, east: float, zoom: int) -> range:
    return range(column_of(west, zoom), column_of(east, zoom) + 1)


def _spans(west: float, east: float) -> list[tuple[float, float]]:
    return [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]


def _between(first: float, last: float, edges: Iterable[float]) -> tuple[float, ...]:
    """From the first to just behind the last, with the edges in between."""
    return (first, *sorted(each for each in edges if first < each <= last), nextafter(last, inf))


def column_of(long: float, zoom: int) -> int:
    """The column of cells that a meridian lies in, from the west."""
    wide: int = CELLS * 2**zoom
    column = min(wide - 1, int((long + 180) / 360 * wide))
    # The division may be off by the last digit.
    while _meridian(column, wide) > long:
        column -= 1
    while _meridian(column + 1, wide) <= long:
        column += 1
    return column


def row_of(lat: float, zoom: int) -> int:
    """The row of cells that a parallel lies in, from the north."""
    wide = CELLS * 2**zoom
    low, high = 0, wide - 1
    while low < high:
        middle = (low + high) // 2
        if _parallel(middle + 1, wide) <= lat:
            high = middle
        else:
            low = middle + 1
    return low


def _meridian(column: int, wide: int) -> float:
    return column / wide * 360 - 180 if column < wide else nextafter(180, inf)


def _parallel(row: int, wide: int) -> float:
    if row == 0:
        return nextafter(90, inf)
    return _latitude(row / wide) if row < wide else -90.0


def _latitude(down: float) -> float:
    """The latitude of a share of the way from the north of the square world to its south."""
    return degrees(atan(sinh(pi * (1 - 2 * down))))
