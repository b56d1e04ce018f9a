"""The public requests of a city as files: CSV, NDJSON, GeoJSON, GeoParquet, at the speed of COPY."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Text, bindparam, case, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from db.driver import Copying, Statement
from geo.listing import boundaries_of
from open311.cases.numbers import spellings
from open311.cases.search import UnknownRequest
from open311.jurisdictions import City
from open311.models import RequestDistrict, Service, ServiceRequest
from open311.reports import geoparquet
from open311.reports.open_rows import CITY, all_districts, as_text, lies_in, open_columns, open_rows
from schemas import as_csv
from schemas.bulk import BulkQuery, span
from schemas.open_data import OpenRequestSchema
from schemas.representation import Items, Moment, fields_of

CHUNK_BYTES = 128 * 1024

# Signs that no text of a request has: a JSON text has neither as it is, and then nothing of it needs quoting.
_AS_IT_IS = r"format csv, delimiter E'\x01', quote E'\x02'"
_DISTRICTS_APART = ";"


@dataclass(frozen=True, kw_only=True)
class Format:
    """How a file looks: begin, rows with something between them, end.

    line_end: that of its rows instead of COPY's.  broken_off: the end of a file that an error breaks off, at which every
    reader stumbles; empty where the lack of the end does that.
    """

    name: str
    content_type: str
    copied_as: str
    begin: bytes = b""
    between: bytes = b""
    line_end: bytes | None = None
    end: bytes = b""
    broken_off: bytes = b""


FIELDS = fields_of(OpenRequestSchema)
_BROKEN_OFF = b"an error broke this file off: it is not whole"
FORMATS = {
    each.name: each
    for each in (
        Format(
            name="csv",
            content_type=as_csv.CONTENT_TYPE,
            copied_as="format csv",
            begin=",".join(FIELDS).encode() + b"\r\n",
            line_end=b"\r\n",
            broken_off=b'"' + _BROKEN_OFF,
        ),
        Format(
            name="ndjson",
            content_type="application/x-ndjson; charset=utf-8",
            copied_as=_AS_IT_IS,
            broken_off=b'{"' + _BROKEN_OFF,
        ),
        Format(
            name="geojson",
            content_type="application/geo+json",
            copied_as=_AS_IT_IS,
            begin=b'{"type":"FeatureCollection","features":[\n',
            between=b",",
            end=b"]}\n",
        ),
        Format(name="parquet", content_type="application/vnd.apache.parquet", copied_as="format csv"),
    )
}


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What a query asks for, looked up: the values of COPY by the names of their conditions."""

    values: "dict[str, Any]"


def select_requests(connection: "Connection[Any]", query: BulkQuery, city: City, *, now: datetime) -> Selection:
    """What the query asks for in a city.  Raises UnknownLayer, UnknownDistrict, and UnknownRequest of `after`."""
    values: dict[str, Any] = {}
    if query.year is not None:
        values["requested_from"], values["requested_before"] = span(query.year, city.zone)
    if query.service_codes:
        values["service_codes"] = list(query.service_codes)
    if query.statuses:
        values["statuses"] = list(query.statuses)
    if query.districts:
        districts = boundaries_of(connection, query.districts, jurisdiction_id=city.id, now=now)
        values |= {f"boundary_ids_{number}": ids for number, ids in enumerate(districts.values())}
    if query.after is not None:
        row = _AFTER.run(connection, jurisdiction_id=city.id, numbers=spellings(query.after)).fetchone()
        if row is None:
            raise UnknownRequest(query.after)
        values["after_id"] = row.id
    return Selection(values=values)


def exported(
    connection: "Connection[Any]",
    format: Format,
    selection: Selection,
    *,
    jurisdiction_id: int,
    public_url: str,
    now: datetime,
) -> Generator[bytes, None, int]:
    """The file in chunks, rows in the order of their ids; returns how many rows it has.

    The connection does nothing else meanwhile.  now: districts are shown as they are drawn then; public_url stands before
    the paths of our own photos.  Raises geoparquet.NotInstalled.
    """
    copy = copying(format.name, tuple(sorted(selection.values)))
    rows = copy.run(connection, jurisdiction_id=jurisdiction_id, public_url=public_url, now=now, **selection.values)
    if format.name == "parquet":
        return (yield from geoparquet.written(rows))
    return (yield from _joined(rows, format))


def _joined(batches: Iterator[list[memoryview]], format: Format) -> Generator[bytes, None, int]:
    """Lines of COPY as a file."""
    cuts = format.line_end is not None
    between, after = format.line_end or format.between, format.line_end or b""
    lead, count, size = format.begin, 0, 0
    parts: list[memoryview] = []
    for rows in batches:
        count += len(rows)
        size += sum(map(len, rows))
        parts += [row[:-1] for row in rows] if cuts else rows
        if size >= CHUNK_BYTES:
            yield lead + between.join(parts) + after
            lead, size = format.between, 0
            parts.clear()
    if parts:
        yield lead + between.join(parts) + after + format.end
    else:
        yield (b"" if count else format.begin) + format.end
    return count


# Of one that was hidden since, too: whoever has it goes on behind it.
_AFTER = Statement(
    select(ServiceRequest.id).where(
        ServiceRequest.jurisdiction_id == CITY,
        ServiceRequest.number == func.any(bindparam("numbers", type_=ARRAY(Text))),
        ServiceRequest.is_public | ServiceRequest.was_public,
    )
)
_MOMENT = TIMESTAMP(timezone=True)
_AFTER_ID: Any = bindparam("after_id", type_=BigInteger)
_CONDITIONS: dict[str, Any] = {
    "after_id": ServiceRequest.id > _AFTER_ID,
    "requested_from": ServiceRequest.requested_at >= bindparam("requested_from", type_=_MOMENT),
    "requested_before": ServiceRequest.requested_at < bindparam("requested_before", type_=_MOMENT),
    "statuses": ServiceRequest.status == func.any(bindparam("statuses", type_=ARRAY(Text))),
    "service_codes": Service.code == func.any(bindparam("service_codes", type_=ARRAY(Text))),
}


def _condition(name: str) -> Any:
    """The condition of a value by its name; of boundary_ids_0, boundary_ids_1 and so on: in one district of that layer."""
    if not name.startswith("boundary_ids"):
        return _CONDITIONS[name]
    return lies_in(bindparam(name, type_=ARRAY(BigInteger)))


def _is_narrow(used: Sequence[str]) -> bool:
    """Whether the rows are few of the city's: then districts are looked up for each."""
    return any(name == "service_codes" or name.startswith("boundary_ids") for name in used)


@lru_cache(maxsize=100)
def copying(format: str, used: tuple[str, ...] = ()) -> Copying:
    """The COPY of a format whose rows meet these conditions; values: jurisdiction_id, public_url, now, and theirs."""
    stamped = None
    if not _is_narrow(used):
        stamped = all_districts(*([RequestDistrict.request_id > _AFTER_ID] if "after_id" in used else []))
    columns = {name: _shown(name, column, format) for name, column in open_columns(stamped).items()}
    rows = (
        open_rows(*(column.label(name) for name, column in columns.items()), stamped=stamped)
        .where(*(_condition(name) for name in used))
        .order_by(ServiceRequest.id)
    )
    if format in ("ndjson", "geojson"):
        row = rows.subquery("row")
        # The row as a whole, which SQLAlchemy has no word for.
        properties = func.row_to_json(literal_column('"row"'))
        line = cast(properties, Text) if format == "ndjson" else _feature(row, properties)
        rows = select(line).select_from(row)
    return Copying(rows, FORMATS[format].copied_as)


def _shown(name: str, column: Any, format: str) -> Any:
    """A column as the format has it: moments in W3C's form, districts as one text where there are no lists."""
    field = FIELDS[name]
    if isinstance(field, Moment):
        return as_text(column)
    if isinstance(field, Items) and format in ("csv", "parquet"):
        apart = _DISTRICTS_APART if format == "csv" else geoparquet.APART
        return func.array_to_string(column, _text(apart), type_=Text)
    return column


def _feature(row: Any, properties: Any) -> Any:
    """A GeoJSON feature as text: put together by hand, for json_build_object takes longer."""
    at = func.concat(_text('{"type":"Point","coordinates":['), row.c.long, _text(","), row.c.lat, _text("]}"))
    return func.concat(
        _text('{"type":"Feature","id":'),
        func.to_json(row.c.service_request_id),
        _text(',"geometry":'),
        case((row.c.lat.is_not(None), at), else_=_text("null")),
        _text(',"properties":'),
        properties,
        _text("}"),
    )


def _text(text: str) -> Any:
    return literal_column(f"'{text}'", Text)
