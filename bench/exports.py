"""Bulk files: how near they come, over HTTP, to a bare COPY of the same columns, and how much memory they take."""

import http.client
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import psycopg

from bench.first import Benchmark
from bench.many import fill
from bench.rig import BenchFailed, Rig, median, served
from open311.jurisdictions import read_cities
from open311.reports.bulk import copying
from schemas.moment import whole_second

ROWS = int(os.environ.get("BENCH_EXPORT_ROWS", "1000000"))
ROUNDS = 3
_MEGABYTE = 2**20
# What a worker may grow by while it writes a file.
_MOST_BYTES = {"csv": 100 * _MEGABYTE, "ndjson": 100 * _MEGABYTE, "geojson": 100 * _MEGABYTE, "parquet": 500 * _MEGABYTE}


def _export(format: str, copied_as: str) -> Callable[[Rig], float]:
    """Requests a second of a file over HTTP, over those of a bare COPY of the same query read by psycopg."""

    def run(rig: Rig) -> float:
        with psycopg.connect(rig.url, autocommit=True, options="-c timezone=UTC") as connection:
            (city,) = [each for each in read_cities(connection) if each.jurisdiction_id == "boston.gov"]
            fill(connection, city.id, rows=ROWS)
            with served("wsgi:app", {"DATABASE_URL": rig.url}) as base:
                return measure(connection, base, city.id, format, copied_as)

    return run


def measure(connection: "psycopg.Connection[Any]", base: str, city_id: int, format: str, copied_as: str) -> float:
    """The median ratio of ROUNDS rounds, ours and the other alternated; raises BenchFailed when a worker grows too much."""
    url = f"{base}/open311/v2/bulk/requests.{format}?jurisdiction_id=boston.gov"
    workers = _workers(urlsplit(base).port or 0)
    before, grown = _begin_peak(workers), 0
    _read(url)
    _copy(connection, city_id, copied_as)
    ratios = []
    for _ in range(ROUNDS):
        ours = _timed(lambda: _read(url))
        grown = max(grown, *(_kilobytes(pid, "VmHWM") * 1024 - before[pid] for pid in workers))
        theirs = _timed(lambda: _copy(connection, city_id, copied_as))
        ratios.append(theirs / ours)
        rows = _number(connection, "select count(*) from service_request where jurisdiction_id = %s and is_public", city_id)
        said = f"{rows / ours:.0f}/s over {rows / theirs:.0f}/s = {ratios[-1]:.3f}"
        print(f"export-{format}: {rows} requests, {said}; grew by {grown / _MEGABYTE:.0f} MB", file=sys.stderr, flush=True)
    if grown > _MOST_BYTES[format]:
        raise BenchFailed(f"a worker grew by {grown / _MEGABYTE:.0f} MB while it wrote {format}")
    return median(ratios)


BENCHMARKS: Mapping[str, Benchmark] = {
    "export-csv": Benchmark(run=_export("csv", "csv"), floor=0.8),
    "export-ndjson": Benchmark(run=_export("ndjson", "ndjson"), floor=0.8),
    "export-geojson": Benchmark(run=_export("geojson", "geojson"), floor=0.8),
    "export-parquet": Benchmark(run=_export("parquet", "csv"), floor=0.2),
}


def _read(url: str) -> None:
    """Read a file to its end, uncompressed."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=600)
    connection.request("GET", f"{parts.path}?{parts.query}", headers={"Accept-Encoding": "identity"})
    response = connection.getresponse()
    if response.status != 200:
        raise BenchFailed(f"{url} answered {response.status}")
    piece = bytearray(_MEGABYTE)
    while response.readinto(piece):
        pass
    connection.close()


def _copy(connection: "psycopg.Connection[Any]", city_id: int, format: str) -> None:
    now = whole_second(datetime.now(UTC))
    text = copying(format).written(connection, jurisdiction_id=city_id, public_url="http://127.0.0.1", now=now)
    with connection.cursor() as cursor, cursor.copy(text) as copy:  # type: ignore[call-overload]
        for _ in copy:
            pass


def _timed(verb: Callable[[], None]) -> float:
    began = perf_counter()
    verb()
    return perf_counter() - began


def _workers(port: int) -> list[int]:
    """The processes that listen at a port."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and int(fields[1].split(":")[1], 16) == port:
            inodes.add(f"socket:[{fields[9]}]")
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) in inodes:
                found.add(int(link.parts[2]))
        except OSError:
            continue
    return sorted(found)


def _begin_peak(workers: list[int]) -> dict[int, int]:
    """Bytes of memory that each holds now; from now on its peak is counted anew."""
    for pid in workers:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    return {pid: _kilobytes(pid, "VmRSS") * 1024 for pid in workers}


def _kilobytes(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _number(connection: "psycopg.Connection[Any]", query: str, *values: Any) -> int:
    row = connection.execute(query, values).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])
