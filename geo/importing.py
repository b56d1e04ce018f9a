"""GeoJSON to boundaries: read, checked, repaired where it can be."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any
from warnings import catch_warnings

from shapely import (
    Geometry,
    GeometryCollection,
    MultiPolygon,
    Polygon,
    force_2d,
    get_parts,
    is_valid_reason,
    make_valid,
)
from shapely.errors import ShapelyError
from shapely.geometry import shape

# What no database text or XML can hold.
_NOT_PRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


class BadBoundaries(ValueError):
    """A boundary file that cannot be used; messages say `file:line: what`."""

    def __init__(self, messages: Sequence[str]) -> None:
        self.messages = list(messages)
        super().__init__("\n".join(self.messages))


@dataclass(frozen=True, kw_only=True)
class NewBoundary:
    """A district as a file draws it, in WGS84; `repaired` says what was wrong with it, when something was."""

    code: str
    name: str
    area: MultiPolygon
    repaired: str | None


def read_geojson(path: Path, *, code_property: str = "code", name_property: str = "name") -> list[NewBoundary]:
    """The boundaries of a GeoJSON FeatureCollection in longitude and latitude, in the file's order.

    A polygon that crosses itself is repaired so that it covers what it drew.  Raises BadBoundaries with every problem:
    not GeoJSON, a feature without code or polygon, a code twice, a character that cannot be printed, coordinates that are
    no degrees.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise BadBoundaries([f"{path}:{line}: must be UTF-8: {error.reason}"]) from error
    except OSError as error:
        raise BadBoundaries([f"{path}:1: cannot be read: {error.strerror}"]) from error
    try:
        collection = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadBoundaries([f"{path}:{error.lineno}: not JSON: {error.msg}"]) from error
    except RecursionError:
        raise BadBoundaries([f"{path}:1: is nested too deeply"]) from None
    except ValueError as error:  # a number of thousands of digits
        raise BadBoundaries([f"{path}:1: not JSON: {error}"]) from error
    features = collection.get("features") if isinstance(collection, dict) else None
    if not isinstance(features, list) or not features:
        raise BadBoundaries([f"{path}:1: must be a GeoJSON FeatureCollection with at least one feature"])
    found: list[NewBoundary] = []
    problems: list[tuple[int, str]] = []
    codes: set[str] = set()
    for position, feature in enumerate(features):
        try:
            boundary = _boundary(feature, code_property, name_property)
            if boundary.code in codes:
                raise ValueError(f"code {boundary.code!r} stands twice")
            codes.add(boundary.code)
            found.append(boundary)
        except (ValueError, TypeError, AttributeError, KeyError, IndexError, ShapelyError) as error:
            problems.append((position, str(error)))
    if problems:
        lines = _lines_of_features(text)
        raise BadBoundaries(
            [f"{path}:{lines.get(position, 1)}: feature {position + 1}: {problem}" for position, problem in problems]
        )
    return found


def _boundary(feature: Any, code_property: str, name_property: str) -> NewBoundary:
    if not isinstance(feature, dict) or not isinstance(feature.get("properties"), dict):
        raise ValueError("must be a Feature with properties")
    code = feature["properties"].get(code_property)
    if code is None or not str(code).strip():
        raise ValueError(f"has no property {code_property!r}")
    name = feature["properties"].get(name_property)
    for property, text in ((code_property, code), (name_property, name)):
        found = _NOT_PRINTABLE.search(str(text))
        if found:
            raise ValueError(f"{property} must not hold the character U+{ord(found[0]):04X}, which cannot be printed")
    geometry = feature.get("geometry")
    if not isinstance(geometry, dict) or geometry.get("type") not in ("Polygon", "MultiPolygon", "GeometryCollection"):
        raise ValueError("must have a Polygon or MultiPolygon")
    try:
        with catch_warnings(action="ignore", category=RuntimeWarning):  # NumPy's of a NaN: it is refused below
            drawn = _polygons(force_2d(shape(geometry)))
    except RecursionError:
        raise ValueError("has a geometry that is nested too deeply") from None
    except (OverflowError, ValueError, TypeError, AttributeError, KeyError, IndexError, ShapelyError) as error:
        raise ValueError(f"has a geometry that cannot be read: {error}") from error
    if drawn.is_empty:
        raise ValueError("has an empty geometry")
    west, south, east, north = drawn.bounds
    # A NaN anywhere makes the area one, but not the bounds.
    if isnan(drawn.area) or not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        raise ValueError(
            f"coordinates must be longitude and latitude in degrees (EPSG:4326), got {west:.6g} {south:.6g} "
            f"to {east:.6g} {north:.6g}"
        )
    reason = is_valid_reason(drawn)
    is_valid = reason == "Valid Geometry"
    area = drawn if is_valid else _polygons(make_valid(drawn, method="structure", keep_collapsed=False))
    if area.is_empty:
        raise ValueError(f"encloses nothing ({reason})")
    return NewBoundary(
        code=str(code).strip(),
        name=str(name if name is not None else code).strip(),
        area=area,
        repaired=None if is_valid else str(reason),
    )


def _polygons(geometry: Geometry) -> MultiPolygon:
    """The polygons of a geometry; the points and lines that a collection or a repair holds are left out."""
    parts: list[Polygon] = []
    for part in get_parts(geometry):
        if isinstance(part, Polygon):
            parts.append(part)
        elif isinstance(part, GeometryCollection | MultiPolygon):
            parts.extend(_polygons(part).geoms)
    return MultiPolygon(parts)


def _lines_of_features(text: str) -> dict[int, int]:
    """Position of a feature: the line on which it begins."""
    decoder = json.JSONDecoder()
    start = text.find("[", text.find('"features"')) + 1
    lines: dict[int, int] = {}
    while True:
        while start < len(text) and text[start] in " \t\r\n,":
            start += 1
        if start >= len(text) or text[start] == "]":
            return lines
        lines[len(lines)] = text.count("\n", 0, start) + 1
        try:
            _, start = decoder.raw_decode(text, start)
        except ValueError:  # another "features" than the collection's
            return lines
