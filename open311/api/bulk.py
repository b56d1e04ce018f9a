"""GET bulk/...: the public requests of a city as files."""

import zlib
from collections.abc import Generator
from contextlib import ExitStack
from datetime import UTC, datetime
from threading import BoundedSemaphore

import structlog
from flask import Blueprint, Response, request

from db.driver import driver
from open311.api.access import arguments, asked_city, public, public_url
from open311.reports import geoparquet
from open311.reports.bulk import FORMATS, Format, exported, select_requests
from open311.reports.changes import cursor_now
from schemas import bulk
from schemas.moment import whole_second

log = structlog.get_logger()

_GZIP_LEVEL = 1
_GZIP = 16 + zlib.MAX_WBITS
# Of those of a process: each holds a thread, a connection and a moment of the database.
_AT_ONCE = 4
_MOST_SECONDS = 3600
_PLACES = BoundedSemaphore(_AT_ONCE)


class TooManyAtOnce(RuntimeError):
    """This process writes as many bulk files as it may."""


def add_routes(api: Blueprint) -> None:
    """The routes of this file."""
    api.get(f"/bulk/requests.<any({','.join(FORMATS)}):kind>")(export_requests)


@public
def export_requests(kind: str) -> Response:
    """GET /bulk/requests.{csv,ndjson,geojson,parquet}.  Spec 5.6.

    200, streamed; 400 with every problem; 404 jurisdiction, district or request unknown; 501 without pyarrow; 503 when
    too many are written already.
    """
    format, query, city = FORMATS[kind], bulk.read(arguments()), asked_city()
    now = whole_second(datetime.now(UTC))
    if kind == "parquet":
        geoparquet.require()
    headers = {
        "Content-Disposition": f'attachment; filename="{city.jurisdiction_id}-{query.name}.{kind}"',
        "Cache-Control": "no-cache",
        "Accept-Ranges": "none",
    }
    is_packed = kind != "parquet" and request.accept_encodings.quality("gzip") > 0
    if kind != "parquet":
        headers["Vary"] = "Accept-Encoding"
    if is_packed:
        headers["Content-Encoding"] = "gzip"
    with driver.connection() as connection:
        selection = select_requests(connection, query, city, now=now)
    if request.method == "HEAD":
        return Response(iter(()), content_type=format.content_type, headers=headers)
    with ExitStack() as stack:
        if not _PLACES.acquire(blocking=False):
            raise TooManyAtOnce
        stack.callback(_PLACES.release)
        connection = stack.enter_context(driver.snapshot(most_seconds=_MOST_SECONDS))
        headers["X-Changes-Cursor"] = cursor_now(connection, city.id)
        chunks = exported(connection, format, selection, jurisdiction_id=city.id, public_url=public_url(), now=now)
        stack.callback(chunks.close)
        # So that what goes wrong before the first byte is answered as any error is.
        first = next(chunks)
        held = stack.pop_all()
        body = _Body(held, _packed(first, chunks, held, format, is_packed=is_packed, path=request.full_path))
    return Response(body, content_type=format.content_type, headers=headers, direct_passthrough=True)


class _Body:
    """A file as the server takes it: bytes, until they end, an error breaks them off, or the client is gone."""

    def __init__(self, held: ExitStack, parts: Generator[bytes, None, None]) -> None:
        self._held, self._parts = held, parts

    def __iter__(self) -> "_Body":
        return self

    def __next__(self) -> bytes:
        return next(self._parts)

    def close(self) -> None:
        """Let go of the connection, which stops what it reads.  Twice is as once."""
        self._parts.close()
        self._held.close()

    def __del__(self) -> None:
        # Of an answer that never went out.
        self.close()


def _packed(
    first: bytes, chunks: Generator[bytes, None, int], held: ExitStack, format: Format, *, is_packed: bool, path: str
) -> Generator[bytes, None, None]:
    """The chunks, compressed or as they are."""
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP) if is_packed else None
    with held:
        yield packer.compress(first) if packer else first
        try:
            for chunk in chunks:
                yield packer.compress(chunk) if packer else chunk
        except Exception as error:
            # The server would end the body as if it were whole.
            log.error("a bulk file was broken off", path=path, error=str(error))
            if not packer:
                yield format.broken_off
            return
    if packer:
        yield packer.flush()
