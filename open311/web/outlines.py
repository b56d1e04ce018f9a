"""Districts as a picture: boundaries in degrees as paths of an SVG."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import cos, radians
from typing import Any

import msgspec

WIDTH = 600


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A district as a path."""

    code: str
    name: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Shapes in a box from 0, 0 to WIDTH, height; north is above."""

    height: int
    shapes: Sequence[Shape]


def picture(districts: Iterable[tuple[str, str, str]]) -> Picture:
    """Districts as (code, name, text of a GeoJSON MultiPolygon), drawn as they lie to one another.

    A degree of longitude is as wide as it is in their middle.
    """
    drawn = [(code, name, _rings(msgspec.json.decode(text))) for code, name, text in districts]
    corners = [corner for _, _, rings in drawn for ring in rings for corner in ring]
    if not corners:
        return Picture(height=1, shapes=[])
    west, east = min(long for long, _ in corners), max(long for long, _ in corners)
    south, north = min(lat for _, lat in corners), max(lat for _, lat in corners)
    shrink = max(cos(radians((south + north) / 2)), 0.01)
    scale = WIDTH / max((east - west) * shrink, 1e-9)
    height = max(1, round((north - south) * scale))

    def path(rings: Sequence[Sequence[tuple[float, float]]]) -> str:
        return "".join(_line([((x - west) * shrink * scale, (north - y) * scale) for x, y in ring]) for ring in rings)

    return Picture(height=height, shapes=[Shape(code=code, name=name, path=path(rings)) for code, name, rings in drawn])


def _rings(geometry: Any) -> list[list[tuple[float, float]]]:
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    return [[(corner[0], corner[1]) for corner in ring] for polygon in polygons for ring in polygon]


def _line(corners: Sequence[tuple[float, float]]) -> str:
    """A closed line to the nearest whole unit; corners that fall on one another are one."""
    rounded = [(round(x), round(y)) for x, y in corners]
    kept = [each for at, each in enumerate(rounded) if at == 0 or each != rounded[at - 1]]
    return "" if len(kept) < 3 else "M" + "L".join(f"{x} {y}" for x, y in kept[:-1]) + "Z"
