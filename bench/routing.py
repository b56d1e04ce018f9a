"""Routing: history decided set-wise, and one decision explained."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import psycopg

from bench.first import LAT, LONG, Benchmark
from bench.rig import BenchFailed, Rig, median
from geo.point import Point
from open311 import services
from open311.cases import intake
from open311.cases.replaying import AFTER, Replay
from open311.jurisdictions import City, read_cities
from routing.explain import explain
from schemas.moment import whole_second

ROUNDS = 5
ONE_BY_ONE = 1000
DECISIONS_A_SECOND = 20_000
EXPLAIN_SECONDS = 0.005


def replay(rig: Rig) -> float:
    """All past cases decided by one statement, over the 20,000 decisions a second that are claimed."""
    with psycopg.connect(rig.url, options="-c timezone=UTC") as connection:
        city = _boston(connection)
        rates = []
        for _ in range(ROUNDS):
            past = Replay(connection, jurisdiction_id=city.id)
            taken = past.take()
            if taken < 90_000:
                raise BenchFailed(f"only {taken} past cases are there")
            began = perf_counter()
            past.route(AFTER, at=whole_second(datetime.now(UTC)))
            rates.append(taken / (perf_counter() - began))
            print(f"replay: {rates[-1]:.0f} decisions a second", file=sys.stderr, flush=True)
            connection.rollback()
    return median(rates) / DECISIONS_A_SECOND


def replay_set_wise(rig: Rig) -> float:
    """All past cases decided by one statement, over as many decided one by one as intake does, cases a second."""
    ratios = []
    with psycopg.connect(rig.url, options="-c timezone=UTC") as connection:
        city = _boston(connection)
        for _ in range(ROUNDS):
            past = Replay(connection, jurisdiction_id=city.id)
            taken = past.take()
            began = perf_counter()
            past.route(AFTER, at=whole_second(datetime.now(UTC)))
            set_wise = taken / (perf_counter() - began)
            connection.rollback()
            one_by_one = ONE_BY_ONE / _seconds(connection, city, ONE_BY_ONE, explained=False)
            ratios.append(set_wise / one_by_one)
            print(f"replay-set-wise: {set_wise:.0f}/s over {one_by_one:.0f}/s", file=sys.stderr, flush=True)
    return median(ratios)


def explain_one(rig: Rig) -> float:
    """The 5 ms that are claimed, over what one explanation takes: the decision, its candidates, the distance to the edge."""
    with psycopg.connect(rig.url, autocommit=True, options="-c timezone=UTC") as connection:
        city = _boston(connection)
        _seconds(connection, city, 20, explained=True)
        times = [_seconds(connection, city, 200, explained=True) / 200 for _ in range(ROUNDS)]
    print(f"explain: {median(times) * 1000:.2f} ms", file=sys.stderr, flush=True)
    return EXPLAIN_SECONDS / median(times)


BENCHMARKS: Mapping[str, Benchmark] = {
    "replay": Benchmark(run=replay, floor=1.0),
    "replay-set-wise": Benchmark(run=replay_set_wise, floor=8.0),
    "explain": Benchmark(run=explain_one, floor=1.0),
}


def _boston(connection: "psycopg.Connection[Any]") -> City:
    return next(city for city in read_cities(connection) if city.jurisdiction_id == "boston.gov")


def _seconds(connection: "psycopg.Connection[Any]", city: City, times: int, *, explained: bool) -> float:
    """How long so many decisions take of graffiti, which goes by district."""
    service = services.find_service(connection, "graffiti-removal", jurisdiction_id=city.id)
    point, now = Point(lat=float(LAT), long=float(LONG)), whole_second(datetime.now(UTC))
    began = perf_counter()
    for _ in range(times):
        decision = intake.route(
            connection,
            jurisdiction_id=city.id,
            service=service.new,
            point=point,
            answers={},
            default_department_id=city.default_department_id,
            at=now,
        )
        if explained:
            explain(connection, decision, jurisdiction_id=city.id, point=point)
    return perf_counter() - began
