"""GeoJSON, read and written."""

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any
from warnings import catch_warnings

from shapely import force_2d, orient_polygons, set_precision
from shapely.errors import ShapelyError
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from geo.drawn import BadBoundaries, DrawnMap, Feature

# RFC 7946, section 4; seven digits before the point and six after it are a tenth of a metre.
IMPLIED_CRS = "OGC:CRS84"
DECIMALS = 6


def read_map(path: Path, *, code_property: str, name_property: str, population_property: str | None = None) -> DrawnMap:
    """A GeoJSON FeatureCollection as it is drawn.  Its coordinate system: the `crs` member of GeoJSON before RFC 7946.

    Raises BadBoundaries when it is no such thing.
    """
    text = _text(path)
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
    known = (each["properties"] for each in features if isinstance(each, dict) and isinstance(each.get("properties"), dict))
    return DrawnMap(
        path=path,
        properties=list(dict.fromkeys(name for properties in known for name in properties)),
        features=[_feature(each, code_property, name_property, population_property) for each in features],
        crs=_named_crs(path, collection.get("crs")),
        implied_crs=IMPLIED_CRS,
        lines=partial(_lines_of_features, text),
    )


def feature(geometry: BaseGeometry | None, **properties: Any) -> dict[str, Any]:
    """A feature to be written, in longitude and latitude rounded to six decimals; outer rings run counterclockwise.

    A geometry too thin for that, or None, becomes null: a feature without a place.
    """
    if geometry is not None:
        geometry = orient_polygons(set_precision(geometry, 10**-DECIMALS))
    return {
        "type": "Feature",
        "properties": properties,
        "geometry": None if geometry is None or geometry.is_empty else mapping(geometry),
    }


def feature_collection(features: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Features as one document.  Source: RFC 7946."""
    return {"type": "FeatureCollection", "features": list(features)}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise BadBoundaries([f"{path}:{line}: must be UTF-8: {error.reason}"]) from error
    except OSError as error:
        raise BadBoundaries([f"{path}:1: cannot be read: {error.strerror}"]) from error


def _named_crs(path: Path, member: Any) -> str | None:
    """The coordinate system of a `crs` member; null is how the old standard says that it is not known."""
    if member is None:
        return None
    properties = member.get("properties") if isinstance(member, dict) and member.get("type") == "name" else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if not isinstance(name, str) or not name.strip():
        raise BadBoundaries([f"{path}:1: crs must name a coordinate system, such as urn:ogc:def:crs:EPSG::2249"])
    return name.strip()


def _feature(feature: Any, code_property: str, name_property: str, population_property: str | None) -> Feature:
    if not isinstance(feature, dict) or not isinstance(feature.get("properties"), dict):
        return Feature(problem="must be a Feature with properties")
    said = feature["properties"]
    code, name = said.get(code_property), said.get(name_property)
    population = None if population_property is None else said.get(population_property)
    geometry = feature.get("geometry")
    if geometry is None:
        return Feature(code=code, name=name, population=population)
    try:
        with catch_warnings(action="ignore", category=RuntimeWarning):  # NumPy's of a NaN: it is refused later
            return Feature(code=code, name=name, population=population, geometry=force_2d(shape(geometry)))
    except RecursionError:
        problem = "has a geometry that is nested too deeply"
    except (OverflowError, ValueError, TypeError, AttributeError, KeyError, IndexError, ShapelyError) as error:
        problem = f"has a geometry that cannot be read: {error}"
    return Feature(code=code, name=name, population=population, problem=problem)


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
