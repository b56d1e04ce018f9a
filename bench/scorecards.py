"""Scorecards: how long a year's figures of every district of a layer take, in a city of a million requests."""

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import psycopg

from bench.first import Benchmark
from bench.many import fill
from bench.rig import BenchFailed, Rig
from open311.jurisdictions import City, read_cities
from open311.reports.rollups import refresh
from open311.reports.scorecards import scorecards
from schemas.moment import whole_second
from schemas.scorecard import DISTRICT, ScorecardQuery, period

ROWS = int(os.environ.get("BENCH_SCORECARDS_ROWS", "1000000"))
SECONDS = 0.050
LAYERS = ("council", "neighborhood", "police", "public_works")
TIMES = 20

_CHANGE = """
update service_request set status = 'closed', case_status = 'closed', closed_at = now(), updated_at = now(),
  changed_in = cast(cast(pg_current_xact_id() as text) as bigint)
where jurisdiction_id = %(city)s and id in (
  select id from service_request where jurisdiction_id = %(city)s and status = 'open' order by requested_at desc limit 50)
"""


def scorecards_of_a_year(rig: Rig) -> float:
    """The 50 ms that are claimed, over what 95 of 100 questions take at most, for every layer and year there is."""
    with psycopg.connect(rig.url, autocommit=True, options="-c timezone=UTC") as connection:
        (city,) = [each for each in read_cities(connection) if each.jurisdiction_id == "boston.gov"]
        fill(connection, city.id, rows=ROWS)
        now = whole_second(datetime.now(UTC))
        _refresh(connection, city.id, "everything", now=now)
        connection.execute(_CHANGE, {"city": city.id})
        _refresh(connection, city.id, "50 closed since", now=now)
        connection.execute("vacuum (analyze) scorecard_cell, scorecard_fact")
        times = sorted(_times(connection, city, now=now))
    middle, high = times[len(times) // 2], times[len(times) * 95 // 100]
    said = f"median {middle * 1000:.1f} ms, 95 of 100 within {high * 1000:.1f} ms, longest {times[-1] * 1000:.1f} ms"
    print(f"scorecards: {said}", file=sys.stderr, flush=True)
    return SECONDS / high


BENCHMARKS: Mapping[str, Benchmark] = {"scorecards": Benchmark(run=scorecards_of_a_year, floor=1.0)}


def _times(connection: "psycopg.Connection[Any]", city: City, *, now: datetime) -> list[float]:
    """How long each question took, once the statement is prepared."""
    times = []
    for number in range(-1, TIMES):
        for layer in LAYERS:
            for year in range(now.year - 3, now.year + 1) if ROWS > 500_000 else (now.year,):
                asked = ScorecardQuery(
                    by=DISTRICT,
                    layer=layer,
                    districts=[],
                    departments=[],
                    service_code=None,
                    periods=[period(year, zone=city.zone)],
                )
                began = perf_counter()
                found = scorecards(connection, city, asked, now=now)
                took = perf_counter() - began
                if not any(each.figures["received"] for each in found):
                    raise BenchFailed(f"nothing came in in {year} in any district of {layer}")
                if number >= 0:
                    times.append(took)
    return times


def _refresh(connection: "psycopg.Connection[Any]", city_id: int, what: str, *, now: datetime) -> None:
    began = perf_counter()
    with connection.transaction():
        done = refresh(connection, jurisdiction_id=city_id, now=now)
    took = perf_counter() - began
    print(f"scorecards: {what}: {done.requests} requests, {done.cells} cells in {took:.1f} s", file=sys.stderr, flush=True)
