"""Knowledge: how long it takes to find what was resolved like a request, in a city of a million."""

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
from db.driver import CALLS
from geo.point import Point
from open311.cases.knowledge import Asked, Sight, resolved_like
from open311.jurisdictions import read_cities
from schemas.moment import whole_second

ROWS = int(os.environ.get("BENCH_KNOWLEDGE_ROWS", "1000000"))
ASKED = 300
SECONDS = 0.020


def knowledge(rig: Rig) -> float:
    """The 20 ms that are claimed, over what 95 of 100 searches take at most, for drafts like cases of Boston."""
    with psycopg.connect(rig.url, autocommit=True, options=CALLS) as connection:
        (city,) = [each for each in read_cities(connection) if each.jurisdiction_id == "boston.gov"]
        fill(connection, city.id, rows=ROWS)
        now = whole_second(datetime.now(UTC))
        drafts = _drafts(connection, city.id)
        times = []
        for draft in [*drafts[:20], *drafts]:
            began = perf_counter()
            found = resolved_like(connection, draft, jurisdiction_id=city.id, sight=Sight(sees_all=True), now=now)
            times.append(perf_counter() - began)
            if not found.shown:
                raise BenchFailed(f"nothing was resolved like {draft}")
    # The first ones read what later ones find in memory.
    times = sorted(times[20:])
    middle, high = times[len(times) // 2], times[len(times) * 95 // 100]
    said = f"median {middle * 1000:.1f} ms, 95 of 100 within {high * 1000:.1f} ms, longest {times[-1] * 1000:.1f} ms"
    print(f"knowledge: {said}", file=sys.stderr, flush=True)
    return SECONDS / high


BENCHMARKS: Mapping[str, Benchmark] = {"knowledge": Benchmark(run=knowledge, floor=1.0)}


def _drafts(connection: "psycopg.Connection[Any]", city_id: int) -> list[Asked]:
    """What cases of every kind said, spread over all of them."""
    rows = connection.execute(
        "select r.service_id, s.service_group, r.description, st_x(r.location), st_y(r.location) from service_request r"
        " join service s on s.jurisdiction_id = r.jurisdiction_id and s.id = r.service_id"
        " where r.jurisdiction_id = %s and r.location is not null order by md5(r.number) limit %s",
        [city_id, ASKED],
    ).fetchall()
    return [
        Asked(service_id=service_id, service_group=group, words=words or "", point=Point(long=long, lat=lat))
        for service_id, group, words, long, lat in rows
    ]
