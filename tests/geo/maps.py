"""Maps for tests: real ones, and files drawn by a test in any format and coordinate system."""

import gzip
from collections.abc import Mapping, Sequence
from math import atanh, pi, radians, sin, sqrt
from pathlib import Path
from typing import Any
from warnings import catch_warnings
from zipfile import ZipFile

import numpy as np
from psycopg import Connection
from pyogrio.raw import write
from shapely import MultiPolygon, Polygon, from_wkb, to_wkb
from shapely.geometry.base import BaseGeometry

from geo.importing import NewBoundary

DATA = Path(__file__).parent / "data"
DRIVERS = {".shp": "ESRI Shapefile", ".gpkg": "GPKG", ".geojson": "GeoJSON", ".fgb": "FlatGeobuf"}
# What lies between two parallels of the WGS84 spheroid: b^2 / 2 (s / (1 - e^2 s^2) + atanh(e s) / e) a radian, s the sine of
# the latitude.  A degree's northern edge as a geodesic is a little north of the parallel: they agree to some 20 millionths.
_E = sqrt(0.00669437999014)
_S = sin(radians(1))
SQUARE_DEGREE_AT_THE_EQUATOR = 6356752.314245**2 / 2 * (_S / (1 - (_E * _S) ** 2) + atanh(_E * _S) / _E) * pi / 180
SHAPEFILE = (".shp", ".shx", ".dbf", ".prj", ".cpg")


def unpacked(name: str, folder: Path) -> Path:
    """A real map of this name, unpacked into the folder."""
    file = folder / name
    file.write_bytes(gzip.decompress((DATA / f"{name}.gz").read_bytes()))
    return file


def draw(
    file: Path,
    areas: Sequence[BaseGeometry | None],
    *,
    crs: str | None,
    fields: Mapping[str, Sequence[Any]] | None = None,
    geometry_type: str = "MultiPolygon",
    **options: Any,
) -> Path:
    """A file of features as a GIS program writes it; by default with codes A, B, C and so on."""
    fields = fields or {"code": [chr(ord("A") + position) for position in range(len(areas))]}
    with catch_warnings(action="ignore", category=UserWarning):  # that there is no coordinate system, as the test wants
        write(
            str(file),
            geometry=np.array([None if area is None else to_wkb(area) for area in areas], dtype=object),
            field_data=[np.array(values) for values in fields.values()],
            fields=list(fields),
            geometry_type=geometry_type,
            crs=crs,
            driver=DRIVERS[file.suffix],
            **options,
        )
    return file


def zipped(file: Path, *, within: str = "") -> Path:
    """The Shapefile in a zip archive beside it, in a folder within."""
    archive = file.with_suffix(".zip")
    with ZipFile(archive, "w") as target:
        for suffix in SHAPEFILE:
            if file.with_suffix(suffix).exists():
                target.write(file.with_suffix(suffix), f"{within}{file.stem}{suffix}")
    return archive


def in_crs(connection: "Connection[Any]", area: BaseGeometry, crs: str) -> Any:
    """An area given in degrees as it is drawn in another coordinate system."""
    found = connection.execute(
        "select st_asbinary(st_transform(st_geomfromwkb(%s, 4326), %s::text))", [to_wkb(area), crs]
    ).fetchone()
    return from_wkb((found or [None])[0])


def district(code: str, area: Polygon | MultiPolygon, name: str | None = None) -> NewBoundary:
    """A boundary as it was read."""
    whole = area if isinstance(area, MultiPolygon) else MultiPolygon([area])
    return NewBoundary(code=code, name=name or f"District {code}", area=whole, repaired=None)
