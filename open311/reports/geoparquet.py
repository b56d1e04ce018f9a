"""Requests as GeoParquet 1.1.  Needs pyarrow, an extra of the project."""

import json
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

from schemas.open_data import OpenRequestSchema
from schemas.representation import Items, Moment, Number, Order, fields_of

if TYPE_CHECKING:
    import pyarrow

ROW_GROUP_ROWS = 65_536
GEOMETRY = "geometry"
# Between districts in what COPY writes: no code has it.
APART = "\x1f"

_FIELDS = fields_of(OpenRequestSchema)
# Few values that come again and again: kept once each.
_REPEATED = {
    *("status", "service_name", "service_code", "agency_responsible", "service_notice", "zipcode", "status_description"),
    *("source", "service_subtype", "service_group", "agency_code", "unit", "priority"),
}


class NotInstalled(RuntimeError):
    """The package that writes GeoParquet is not there; the message says how to get it."""


def require() -> None:
    """Raises NotInstalled."""
    try:
        import pyarrow.csv
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise NotInstalled("GeoParquet needs an extra of this project: pip install 'dispatch311[export]'") from error


def written(batches: Iterator[list[memoryview]]) -> Generator[bytes, None, int]:
    """Lines of COPY (CSV, districts joined by APART) as a GeoParquet file in chunks; returns how many rows it has.

    Memory is that of a row group, however many rows there are.  Raises NotInstalled.
    """
    require()
    import pyarrow
    from pyarrow import parquet

    schema, sink, box, count = _schema(), _Sink(), _Box(), 0
    writer = parquet.ParquetWriter(
        pyarrow.PythonFile(sink, mode="w"), schema, compression="zstd", use_dictionary=sorted(_REPEATED)
    )
    try:
        for lines in _row_groups(batches):
            table = _table(lines, schema, box)
            count += table.num_rows
            writer.write_table(table, row_group_size=table.num_rows)
            del table
            yield sink.take()
        writer.add_key_value_metadata({"geo": json.dumps(box.metadata)})
    finally:
        writer.close()
    yield sink.take()
    return count


class _Sink:
    """A file that is given away as it grows."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.closed = False

    def write(self, part: Any) -> int:
        self._parts.append(bytes(part))
        return len(self._parts[-1])

    def take(self) -> bytes:
        """What was written since it was last taken."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is to be closed."""
        self.closed = True


class _Box:
    """The smallest box that holds every point seen."""

    def __init__(self) -> None:
        self._corners: list[float] | None = None

    def add(self, west: float, south: float, east: float, north: float) -> None:
        """Make it hold another one."""
        if self._corners is None:
            self._corners = [west, south, east, north]
        else:
            before = self._corners
            self._corners = [min(before[0], west), min(before[1], south), max(before[2], east), max(before[3], north)]

    @property
    def metadata(self) -> dict[str, Any]:
        """What a GeoParquet file says of its geometry; without a crs it is longitude and latitude (OGC:CRS84)."""
        column: dict[str, Any] = {"encoding": "WKB", "geometry_types": ["Point"] if self._corners else []}
        if self._corners:
            column["bbox"] = self._corners
        return {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}


def _row_groups(batches: Iterator[list[memoryview]]) -> Iterator[bytes]:
    rows: list[memoryview] = []
    for batch in batches:
        rows += batch
        if len(rows) >= ROW_GROUP_ROWS:
            yield b"".join(rows)
            rows.clear()
    if rows:
        yield b"".join(rows)


def _types() -> dict[str, Any]:
    """Name to Arrow type of each column as CSV is read."""
    import pyarrow

    types = {}
    for name, field in _FIELDS.items():
        if isinstance(field, Moment):
            types[name] = pyarrow.timestamp("ms", tz="UTC")
        elif isinstance(field, Number):
            types[name] = pyarrow.float64()
        elif isinstance(field, Order):
            types[name] = pyarrow.int32()
        elif name in _REPEATED:
            types[name] = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
        else:
            types[name] = pyarrow.string()
    return types


def _schema() -> "pyarrow.Schema":
    import pyarrow

    listed = {name: pyarrow.list_(pyarrow.string()) for name, field in _FIELDS.items() if isinstance(field, Items)}
    return pyarrow.schema([*{**_types(), **listed}.items(), (GEOMETRY, pyarrow.binary())])


def _table(lines: bytes, schema: "pyarrow.Schema", box: _Box) -> "pyarrow.Table":
    import pyarrow
    from pyarrow import csv

    table = csv.read_csv(
        pyarrow.py_buffer(lines),
        # One block: a dictionary for each row group.
        read_options=csv.ReadOptions(column_names=list(_FIELDS), block_size=len(lines) + 1, use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=_types(), null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )
    columns = {name: table.column(name) for name in _FIELDS}
    for name, field in _FIELDS.items():
        if isinstance(field, Items):
            columns[name] = _split(columns[name], schema.field(name).type)
    columns[GEOMETRY] = _points(columns["long"], columns["lat"], box)
    return pyarrow.table(list(columns.values()), schema=schema)


def _split(texts: "pyarrow.ChunkedArray", type: Any) -> Any:
    import pyarrow
    from pyarrow import compute

    nothing = pyarrow.scalar([], type)
    is_empty = compute.equal(compute.binary_length(texts), 0)
    return compute.if_else(is_empty, nothing, compute.split_pattern(texts, APART))


def _points(longs: "pyarrow.ChunkedArray", lats: "pyarrow.ChunkedArray", box: _Box) -> Any:
    """Points as well-known binary: 21 bytes each, for those that have a place."""
    import numpy
    import pyarrow
    from pyarrow import compute

    is_placed = compute.is_valid(longs).combine_chunks().to_numpy(zero_copy_only=False)
    x, y = (each.drop_null().combine_chunks().to_numpy(zero_copy_only=False) for each in (longs, lats))
    points = numpy.empty(len(x), dtype=[("order", "u1"), ("kind", "<u4"), ("x", "<f8"), ("y", "<f8")])
    points["order"], points["kind"], points["x"], points["y"] = 1, 1, x, y
    if len(x):
        box.add(float(x.min()), float(y.min()), float(x.max()), float(y.max()))
    ends = numpy.zeros(len(is_placed) + 1, dtype="<i4")
    numpy.cumsum(is_placed * points.itemsize, out=ends[1:])
    packed = numpy.packbits(is_placed, bitorder="little")
    buffers = [pyarrow.py_buffer(packed), pyarrow.py_buffer(ends), pyarrow.py_buffer(points.tobytes())]
    return pyarrow.Array.from_buffers(pyarrow.binary(), len(is_placed), buffers)
