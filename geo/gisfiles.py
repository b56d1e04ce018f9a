"""Shapefile and GeoPackage: maps as they are drawn, read by GDAL from local files and from nowhere else."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from shutil import COPY_BUFSIZE  # type: ignore[attr-defined]
from tempfile import TemporaryDirectory
from typing import IO, Any
from zipfile import BadZipFile, ZipFile
from zlib import error as DeflateError

from pyogrio import list_layers, read_info, set_gdal_config_options
from pyogrio.errors import CRSError, DataLayerError, DataSourceError
from pyogrio.raw import read
from shapely import from_wkb
from shapely.errors import ShapelyError

from geo.drawn import BadBoundaries, DrawnMap, Feature

# The files of a Shapefile that are looked at, copied under one name; what else lies beside them is left alone.
SHAPE, INDEX, TABLE, PROJECTION, ENCODING = ".shp", ".shx", ".dbf", ".prj", ".cpg"
PARTS = (SHAPE, INDEX, TABLE, PROJECTION, ENCODING)
HOLDS = {INDEX: "where each shape begins", TABLE: "codes and names"}
# GeoPackage, section 1.1.2.1.2: two entries of its register stand for a coordinate system that is not known.
UNDEFINED_CRS = '["Undefined '
# Beyond any city's map; an archive of one megabyte can unfold to a thousand.
MAX_BYTES = 512 * 1024 * 1024

# GDAL knows a file by its content, and some of its formats speak of other files and servers: so what a file is gets known
# before GDAL opens it, and the network is shut besides.
SHAPE_BEGINS, SQLITE_BEGINS = b"\x00\x00\x27\x0a", b"SQLite format 3\x00"
GEOPACKAGE_IDS = (b"GPKG", b"GP10", b"GP11")
set_gdal_config_options({"CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "{none}", "PROJ_NETWORK": "OFF"})


# The names of the properties that are code, name and population; the last may be none.
Properties = tuple[str, str, str | None]


def read_shapefile(path: Path, *, properties: Properties, sublayer: str | None) -> DrawnMap:
    """A Shapefile with what lies beside it under the same name, in capitals or not."""
    _chosen(path, [path.stem], sublayer)
    beside = {each.suffix.lower(): each for each in path.parent.iterdir() if each.stem == path.stem and each.is_file()}
    with TemporaryDirectory() as folder:
        room = MAX_BYTES
        for suffix, file in {**beside, SHAPE: path}.items():
            if suffix in PARTS:
                with file.open("rb") as source:
                    room -= _copy(path, source, Path(folder, f"map{suffix}"), room)
        return _shapefile(path, Path(folder, "map.shp"), properties)


def read_zip(path: Path, *, properties: Properties, sublayer: str | None) -> DrawnMap:
    """The Shapefile in a zip archive, in whichever folder of it; `sublayer` names one of several."""
    with TemporaryDirectory() as folder:
        try:
            with ZipFile(path) as archive:
                _unpack(path, archive, Path(folder), sublayer)
        except (BadZipFile, DeflateError, EOFError, NotImplementedError, RuntimeError) as error:
            raise BadBoundaries([f"{path}: is no zip archive that can be read: {error}"]) from error
        return _shapefile(path, Path(folder, "map.shp"), properties)


def read_geopackage(path: Path, *, properties: Properties, sublayer: str | None) -> DrawnMap:
    """A layer of a GeoPackage; `sublayer` names one of several."""
    begins = _header(path, 100)
    if not begins.startswith(SQLITE_BEGINS) or begins[68:72] not in GEOPACKAGE_IDS:
        raise BadBoundaries([f"{path}: is no GeoPackage"])
    if begins[24:28] == begins[92:96]:  # else the number of pages is not kept up to date
        # 1 stands for the page size that two bytes cannot say.
        page_bytes = {1: 65536}.get(_big(begins[16:18]), _big(begins[16:18]))
        _require_bytes(path, "", path.stat().st_size, page_bytes * _big(begins[28:32]))
    with TemporaryDirectory() as folder:
        # With what an open program has not yet written into it.
        for suffix in ("", "-wal"):
            file = path.with_name(path.name + suffix)
            if file.is_file():
                with file.open("rb") as source:
                    _copy(path, source, Path(folder, f"map.gpkg{suffix}"), MAX_BYTES)
        copy = Path(folder, "map.gpkg")
        try:
            layers = [str(name) for name, kind in list_layers(copy) if kind is not None]
        except (DataSourceError, DataLayerError) as error:
            raise _unreadable(path, copy, error) from error
        if not layers:
            raise BadBoundaries([f"{path}: holds no layer with shapes"])
        return _features(path, copy, _chosen(path, layers, sublayer), properties)


def _unpack(path: Path, archive: ZipFile, folder: Path, sublayer: str | None) -> None:
    members = {PurePosixPath(name): name for name in archive.namelist()}
    # What macOS adds bears the same names, in a folder of its own.
    stems = {
        member.with_suffix(""): str(member.with_suffix(""))
        for member in members
        if member.suffix.lower() == SHAPE and "__MACOSX" not in member.parts
    }
    if not stems:
        raise BadBoundaries([f"{path}: holds no .shp"])
    chosen = _chosen(path, list(stems.values()), sublayer)
    room = MAX_BYTES
    for member, name in members.items():
        if member.suffix.lower() in PARTS and str(member.with_suffix("")) == chosen:
            with archive.open(name) as source:
                room -= _copy(path, source, folder / f"map{member.suffix.lower()}", room)


def _copy(path: Path, source: IO[bytes], target: Path, room_bytes: int) -> int:
    """The bytes copied; raises BadBoundaries as soon as they are more than there is room for."""
    copied = 0
    with target.open("wb") as file:
        while chunk := source.read(COPY_BUFSIZE):
            copied += len(chunk)
            if copied > room_bytes:
                raise BadBoundaries([f"{path}: holds more than {MAX_BYTES // 1024**2} MB"])
            file.write(chunk)
    return copied


def _chosen(path: Path, layers: Sequence[str], sublayer: str | None) -> str:
    """The layer to read: the named one, or the only one."""
    if sublayer is None and len(layers) == 1:
        return layers[0]
    if sublayer in layers:
        return str(sublayer)
    asked = "has several layers, one must be named" if sublayer is None else f"has no layer {sublayer!r}"
    raise BadBoundaries([f"{path}: {asked} (--sublayer): {', '.join(sorted(layers))}"])


def _shapefile(path: Path, copy: Path, properties: Properties) -> DrawnMap:
    parts = {suffix: copy.with_suffix(suffix) for suffix in PARTS if copy.with_suffix(suffix).exists()}
    for suffix, what in HOLDS.items():
        if suffix not in parts:
            raise BadBoundaries([f"{path}: there is no {suffix} with it, which holds {what}"])
    begins = {suffix: _header(parts[suffix], 100) for suffix in (SHAPE, INDEX, TABLE)}
    sizes = {suffix: parts[suffix].stat().st_size for suffix in begins}
    for suffix in (SHAPE, INDEX):
        if not begins[suffix].startswith(SHAPE_BEGINS):
            raise BadBoundaries([f"{path}: its {suffix} is no part of a Shapefile"])
        _require_bytes(path, suffix, sizes[suffix], max(100, 2 * _big(begins[suffix][24:28])))
    rows, header_bytes, row_bytes = (_little(begins[TABLE][start:end]) for start, end in ((4, 8), (8, 10), (10, 12)))
    _require_bytes(path, TABLE, sizes[TABLE], max(32, header_bytes + rows * row_bytes))
    shapes = (sizes[INDEX] - 100) // 8
    if rows != shapes:
        raise BadBoundaries([f"{path}: its {INDEX} has {shapes} shapes and its {TABLE} {rows} rows: they are not of one map"])
    named = parts[PROJECTION].read_text(encoding="utf-8", errors="replace").strip() if PROJECTION in parts else ""
    # Where nothing says otherwise GDAL takes Latin-1 for granted, and what is UTF-8 is seldom anything else.
    encodings = [None] if ENCODING in parts else ["UTF-8", None]
    return _features(path, copy, copy.stem, properties, named_crs=named or None, encodings=encodings)


def _features(
    path: Path,
    copy: Path,
    layer: str,
    properties: Properties,
    *,
    named_crs: str | None = None,
    encodings: Sequence[str | None] = (None,),
) -> DrawnMap:
    """The features of one layer; `named_crs` stands in where GDAL does not know what the file names."""
    wanted = [name for name in properties if name is not None]
    for encoding in encodings:
        try:
            about = read_info(copy, layer=layer, encoding=encoding)
            found, _, geometries, columns = read(copy, layer=layer, columns=wanted, encoding=encoding, force_2d=True)
        except UnicodeDecodeError as error:
            if encoding is None:
                raise BadBoundaries([f"{path}: its text is not in the encoding that it names: {error}"]) from error
        except (DataSourceError, DataLayerError) as error:
            projection = copy.with_suffix(PROJECTION)
            if not (isinstance(error, CRSError) and projection.exists()):
                raise _unreadable(path, copy, error) from error
            # Whether somebody else understands it is not to be found out here.
            projection.unlink()
            return _features(path, copy, layer, properties, named_crs=named_crs, encodings=encodings)
        else:
            break
    values = dict(zip(found["fields"], (column.tolist() for column in columns), strict=True))
    nothing = [None] * len(geometries)
    return DrawnMap(
        path=path,
        properties=[str(name) for name in about["fields"]],
        features=[
            _feature(*each)
            for each in zip(*(values.get(name or "", nothing) for name in properties), geometries, strict=True)
        ],
        crs=None if UNDEFINED_CRS in (found["crs"] or "") else found["crs"] or named_crs,
    )  # fmt: skip


def _feature(code: Any, name: Any, population: Any, geometry: bytes | None) -> Feature:
    said = {"code": code, "name": name, "population": population}
    if geometry is None:
        return Feature(**said)
    try:
        return Feature(**said, geometry=from_wkb(geometry))
    except ShapelyError as error:
        return Feature(**said, problem=f"has a geometry that cannot be read: {error}")


def _unreadable(path: Path, copy: Path, error: Exception) -> BadBoundaries:
    return BadBoundaries([f"{path}: cannot be read: {str(error).replace(str(copy), path.name)}"])


def _header(path: Path, size_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size_bytes)


def _require_bytes(path: Path, part: str, there: int, promised: int) -> None:
    if there < promised:
        raise BadBoundaries([f"{path}: {f'its {part} ' if part else ''}is cut off: {there:,} of {promised:,} bytes are there"])


def _big(number: bytes) -> int:
    return int.from_bytes(number, "big")


def _little(number: bytes) -> int:
    return int.from_bytes(number, "little")
