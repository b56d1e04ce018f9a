"""From the coordinate system of a map to degrees, by PostGIS, which knows them all."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection
from psycopg.errors import InternalError_
from shapely import GeometryCollection, bounds, from_wkb, get_coordinates, get_parts, is_empty, points, to_wkb
from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Text, bindparam, cast, select
from sqlalchemy.dialects.postgresql import BYTEA

from db.driver import Statement
from geo.drawn import DrawnMap
from geo.queries import as_wkb, read_wkb, to_wgs84

# How files call longitude and latitude, in this order, on WGS84: what needs no reprojection.
WGS84_NAMES = frozenset(
    ["EPSG:4326", "OGC:CRS84", "urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84", "urn:ogc:def:crs:EPSG::4326"]
)
# Two coordinate systems are the same for us when they put a map in the same place to a centimetre, whatever they are called.
SAME_PLACE_DEGREES = 1e-7
# A metre is a hundred thousandth of a degree: a map that shrinks like that was in degrees before.
MOST_SHRUNK = 1e-3
# For messages: a coordinate system in WKT fills a screen.
MAX_NAME_CHARACTERS = 60


def settled_crs(connection: "Connection[Any]", drawn: DrawnMap, given: str | None) -> str:
    """The coordinate system of a map: what its file names, else what is given, else what its format means.

    Raises BadBoundaries when there is none or it is not known, when file and given contradict each other, and when the
    coordinates cannot be in it.
    """
    if given is not None and not _is_known(connection, given):
        raise drawn.bad(f"--crs must be a coordinate system such as EPSG:2249, got {short(given)!r}")
    named = drawn.crs if drawn.crs is not None and _is_known(connection, drawn.crs) else None
    corners = _corners(drawn)
    if named is not None and given is not None and not _is_same(connection, corners, named, given):
        raise drawn.bad(
            f"the file says that it is drawn in {short(named)}, and --crs says {short(given)}: "
            "leave --crs away, or correct the file"
        )
    crs = named or given
    if crs is None and drawn.crs is not None:
        raise drawn.bad(
            f"names a coordinate system that is not known ({short(drawn.crs)!r}): say which one it is with --crs EPSG:NNNN"
        )
    if crs is None and drawn.implied_crs is None:
        raise drawn.bad("names no coordinate system: say which one it is drawn in with --crs EPSG:NNNN")
    _check_place(connection, drawn, corners, crs)
    return crs or str(drawn.implied_crs)


def in_degrees(
    connection: "Connection[Any]", drawn: DrawnMap, geometries: Sequence[BaseGeometry], crs: str
) -> Sequence[BaseGeometry]:
    """The geometries in longitude and latitude on WGS84, one for one; raises BadBoundaries where there is no way from crs."""
    try:
        return _reprojected(connection, geometries, crs)
    except InternalError_ as error:
        raise drawn.bad(
            f"cannot be brought from {short(crs)} to longitude and latitude: {error.diag.message_primary}"
        ) from error


def short(crs: str) -> str:
    """A coordinate system as a message names it."""
    return crs if len(crs) <= MAX_NAME_CHARACTERS else f"{crs[:MAX_NAME_CHARACTERS]}..."


def _check_place(connection: "Connection[Any]", drawn: DrawnMap, corners: Sequence[BaseGeometry], crs: str | None) -> None:
    if not corners:
        return
    west, south, east, north = _extent(corners)
    extent = f"{west:.8g} {south:.8g} to {east:.8g} {north:.8g}"
    try:
        placed = _reprojected(connection, corners, crs or str(drawn.implied_crs))
    except InternalError_:
        placed = []
    if not any(_are_degrees(each) for each in placed):
        if crs is None:
            raise drawn.bad(
                f"coordinates are no longitude and latitude ({extent}), and the file names no other coordinate system: say "
                "which one it is drawn in with --crs EPSG:NNNN"
            )
        raise drawn.bad(f"coordinates ({extent}) cannot be in {short(crs)}")
    after_west, _, after_east, _ = _extent(placed)
    if all(_are_degrees(each) for each in corners) and after_east - after_west < MOST_SHRUNK * (east - west):
        raise drawn.bad(f"coordinates ({extent}) are longitude and latitude already, and not in {short(str(crs))}")


def _corners(drawn: DrawnMap) -> list[BaseGeometry]:
    """The four corners of the map as it is drawn; none when nothing of it can be placed."""
    boxes = bounds([each.geometry for each in drawn.features if each.geometry is not None and not is_empty(each.geometry)])
    boxes = boxes[np.isfinite(boxes).all(axis=1)] if len(boxes) else boxes
    if not len(boxes):
        return []
    (west, south), (east, north) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    return list(points([(west, south), (east, south), (east, north), (west, north)]))


def _extent(corners: Sequence[BaseGeometry]) -> NDArray[np.float64]:
    found = get_coordinates(list(corners))
    return np.concatenate([found.min(axis=0), found.max(axis=0)])


def _are_degrees(corner: BaseGeometry) -> bool:
    long, lat = get_coordinates(corner)[0]
    return bool(abs(long) <= 180 and abs(lat) <= 90)


def _is_known(connection: "Connection[Any]", crs: str) -> bool:
    if not " ".join(crs.split()).isprintable():
        return False
    try:
        _reprojected(connection, [Point(0, 0)], crs)
    except InternalError_ as error:
        return "could not parse proj string" not in str(error)
    return True


def _is_same(connection: "Connection[Any]", corners: Sequence[BaseGeometry], one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        here, there = (get_coordinates(_reprojected(connection, corners, crs)) for crs in (one, other))
    except InternalError_:
        return False
    return bool(np.allclose(here, there, rtol=0, atol=SAME_PLACE_DEGREES))


def _reprojected(connection: "Connection[Any]", geometries: Sequence[BaseGeometry], crs: str) -> Sequence[BaseGeometry]:
    if crs in WGS84_NAMES:
        return geometries
    # As one geometry: PostGIS reads the text of the coordinate system anew for each, which takes longer than the rest.
    whole = to_wkb(GeometryCollection(list(geometries)))
    with connection.transaction():  # a savepoint: what PostGIS refuses must not end the caller's transaction
        (wkb,) = _REPROJECT.run(connection, crs=crs, wkb=whole).fetchone() or (None,)
    return list(get_parts(from_wkb(wkb)))


_REPROJECT = Statement(select(as_wkb(to_wgs84(read_wkb(cast(bindparam("wkb"), BYTEA)), cast(bindparam("crs"), Text)))))
