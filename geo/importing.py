"""Files to boundaries: read, brought to degrees, checked, repaired where they can be."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib import import_module
from math import isfinite, isnan
from pathlib import Path
from typing import Any

from psycopg import Connection
from shapely import GeometryCollection, MultiPolygon, Polygon, get_parts, is_valid_reason, make_valid, set_precision
from shapely.geometry.base import BaseGeometry

from geo.drawn import BadBoundaries, DrawnMap, Feature, require_file
from geo.geojson import read_map
from geo.projecting import WGS84_NAMES, in_degrees, settled_crs, short

__all__ = ["BadBoundaries", "NewBoundary", "drawing_digest", "names_digest", "read_boundaries", "read_geojson"]

# What no database text or XML can hold.
_NOT_PRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")

# In geo.gisfiles, which is imported when one is read: GDAL takes a moment, and few processes ever need it.
_GIS_FILES = {".shp": "read_shapefile", ".zip": "read_zip", ".gpkg": "read_geopackage"}
_GEOJSON = (".geojson", ".json")
# A tenth of a millimetre: what another version of the library makes of a file is no other drawing.
_DIGEST_DEGREES = 1e-9
DEFAULT_CODE, DEFAULT_NAME = "code", "name"


@dataclass(frozen=True, kw_only=True)
class NewBoundary:
    """A district as a file draws it, in WGS84; `repaired` says what was wrong with it, when something was.

    population: how many people live there; None where the file does not say.
    """

    code: str
    name: str
    area: MultiPolygon
    repaired: str | None
    population: int | None = None


def drawing_digest(drawn: Iterable[NewBoundary]) -> str:
    """The same for the same districts drawn alike, whatever their order and names."""
    return _digest(
        (boundary.code, set_precision(boundary.area, _DIGEST_DEGREES, mode="pointwise").normalize().wkb) for boundary in drawn
    )


def names_digest(drawn: Iterable[NewBoundary]) -> str:
    """The same for the same names of the same codes, and as many people in each."""
    return _digest((boundary.code, _named(boundary)) for boundary in drawn)


def _named(boundary: "NewBoundary") -> bytes:
    # Where nobody was counted it is the name's alone, as it was before anybody could be.
    said = boundary.name if boundary.population is None else f"{boundary.name}\n{boundary.population}"
    return said.encode()


def _digest(districts: Iterable[tuple[str, bytes]]) -> str:
    whole = sha256()
    for code, part in sorted(districts):
        whole.update(sha256(code.encode()).digest() + sha256(part).digest())
    return whole.hexdigest()


def read_boundaries(
    connection: "Connection[Any]",
    path: Path,
    *,
    code_property: str = DEFAULT_CODE,
    name_property: str = DEFAULT_NAME,
    population_property: str | None = None,
    crs: str | None = None,
    sublayer: str | None = None,
) -> list[NewBoundary]:
    """The boundaries of a GeoJSON file, a Shapefile (plain or zipped) or a GeoPackage, in the file's order.

    They are drawn in the coordinate system that the file names, or in `crs` (as EPSG:2249, WKT or PROJ text) when it names
    none.  `sublayer` chooses among several in one file.  A polygon that crosses itself is repaired so that it covers what
    it drew.  Raises BadBoundaries with every problem: a file that cannot be read, no coordinate system or two, a feature
    without code or polygon, a code twice, a character that cannot be printed, coordinates that are nowhere.  A map without
    `population_property` is one of districts whose people nobody counted.
    """
    require_file(path)
    suffix = path.suffix.lower()
    if suffix in _GIS_FILES:
        read = getattr(import_module("geo.gisfiles"), _GIS_FILES[suffix])
        drawn = read(path, properties=(code_property, name_property, population_property), sublayer=sublayer)
    elif suffix in _GEOJSON:
        drawn = read_map(
            path, code_property=code_property, name_property=name_property, population_property=population_property
        )
        if sublayer is not None:
            raise drawn.bad(f"is GeoJSON, which has no layers within (--sublayer {sublayer})")
    else:
        raise BadBoundaries([f"{path}: must be one of {', '.join([*_GEOJSON, *_GIS_FILES])}"])
    _check_properties(drawn, code_property, name_property)
    settled = settled_crs(connection, drawn, crs)
    return _boundaries(drawn, code_property, name_property, lambda areas: in_degrees(connection, drawn, areas, settled))


def read_geojson(
    path: Path,
    *,
    code_property: str = DEFAULT_CODE,
    name_property: str = DEFAULT_NAME,
    population_property: str | None = None,
) -> list[NewBoundary]:
    """The boundaries of a GeoJSON file in longitude and latitude, without a database; otherwise as read_boundaries.

    `population_property` must be there when it is named.
    """
    drawn = read_map(path, code_property=code_property, name_property=name_property, population_property=population_property)
    if drawn.crs is not None and drawn.crs not in WGS84_NAMES:
        raise drawn.bad(f"must be drawn in longitude and latitude (EPSG:4326), and the file says {short(drawn.crs)}")
    _check_properties(drawn, code_property, name_property, *([population_property] if population_property else []))
    return _boundaries(drawn, code_property, name_property, lambda areas: areas)


def _check_properties(drawn: DrawnMap, *properties: str) -> None:
    """A property that no feature has is told once; the default for names may be missing."""
    if not drawn.features:
        raise drawn.bad("holds no features")
    known = {DEFAULT_NAME, *drawn.properties}
    missing = [property for property in properties if property not in known]
    if missing:
        raise drawn.bad(f"no feature has the property {missing[0]!r}; there are: {', '.join(drawn.properties) or 'none'}")


def _boundaries(
    drawn: DrawnMap,
    code_property: str,
    name_property: str,
    to_degrees: Callable[[Sequence[BaseGeometry]], Sequence[BaseGeometry]],
) -> list[NewBoundary]:
    problems: dict[int, str] = {}
    drafts: dict[int, NewBoundary] = {}
    for position, feature in enumerate(drawn.features):
        try:
            drafts[position] = _draft(feature, code_property, name_property)
        except _BadFeature as error:
            problems[position] = str(error)
    found: dict[str, NewBoundary] = {}
    placed = to_degrees([draft.area for draft in drafts.values()])
    for (position, draft), area in zip(drafts.items(), placed, strict=True):
        try:
            boundary = _in_place(draft, area)
            if boundary.code in found:
                raise _BadFeature(f"code {boundary.code!r} stands twice")
            found[boundary.code] = boundary
        except _BadFeature as error:
            problems[position] = str(error)
    if problems:
        raise drawn.bad_features(problems)
    return list(found.values())


class _BadFeature(ValueError):
    """A feature that can become no boundary."""


def _draft(feature: Feature, code_property: str, name_property: str) -> NewBoundary:
    """The boundary in the coordinates of its file, valid."""
    if feature.problem is not None:
        raise _BadFeature(feature.problem)
    code, name = _as_text(code_property, feature.code), _as_text(name_property, feature.name)
    if not code:
        raise _BadFeature(f"has no property {code_property!r}")
    if not isinstance(feature.geometry, Polygon | MultiPolygon | GeometryCollection):
        raise _BadFeature("must have a Polygon or MultiPolygon")
    area = _polygons(feature.geometry)
    if area.is_empty:
        raise _BadFeature("has an empty geometry")
    # A NaN anywhere makes the area one, but not the bounds.
    if not isfinite(area.area):
        raise _BadFeature("coordinates must be numbers, and not beyond all measure")
    area, repaired = _repaired(area)
    return NewBoundary(code=code, name=name or code, area=area, repaired=repaired, population=_as_number(feature.population))


def _in_place(draft: NewBoundary, area: BaseGeometry) -> NewBoundary:
    """The boundary in degrees: on the earth, and still valid."""
    west, south, east, north = area.bounds
    if isnan(area.area) or not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        raise _BadFeature(
            f"coordinates must be longitude and latitude in degrees (EPSG:4326), got {west:.6g} {south:.6g} "
            f"to {east:.6g} {north:.6g}"
        )
    # What was valid may cross itself by the rounding of the reprojection.
    valid, repaired = _repaired(_polygons(area))
    return replace(draft, area=valid, repaired=draft.repaired or repaired)


def _repaired(area: MultiPolygon) -> tuple[MultiPolygon, str | None]:
    """A valid area that covers what was drawn, and what was wrong, or None, with that which was drawn."""
    reason = str(is_valid_reason(area))
    if reason == "Valid Geometry":
        return area, None
    valid = _polygons(make_valid(area, method="structure", keep_collapsed=False))
    if valid.is_empty:
        raise _BadFeature(f"encloses nothing ({reason})")
    return valid, reason


def _as_text(property: str, value: Any) -> str | None:
    """Text or a number as clean text: 1.0 is 1; None for what is null."""
    if value is None or (isinstance(value, float) and isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int | float):
        raise _BadFeature(f"{property} must be text or a number")
    found = _NOT_PRINTABLE.search(str(value))
    if found:
        raise _BadFeature(f"{property} must not hold the character U+{ord(found[0]):04X}, which cannot be printed")
    return str(value).strip()


def _as_number(value: Any) -> int | None:
    """A whole number of people, as a number or as text; None for what is null or blank."""
    text = _as_text("the population", value)
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise _BadFeature(f"the population must be a whole number, got {text[:50]!r}")
    return int(text)


def _polygons(geometry: BaseGeometry) -> MultiPolygon:
    """The polygons of a geometry; the points and lines that a collection or a repair holds are left out."""
    parts: list[Polygon] = []
    for part in get_parts(geometry):
        if isinstance(part, Polygon):
            parts.append(part)
        elif isinstance(part, GeometryCollection | MultiPolygon):
            parts.extend(_polygons(part).geoms)
    return MultiPolygon(parts)
