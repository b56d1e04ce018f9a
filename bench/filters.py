"""Every filter of GET requests: what a page of fifty costs among a million requests, over what it costs among ten thousand."""

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import psycopg

from bench.first import Benchmark
from bench.many import fill, keep_newest
from bench.rig import BenchFailed, Rig, median
from db.driver import CALLS
from open311.cases.search import find_requests, read_requests
from open311.jurisdictions import City, read_cities
from schemas import query
from schemas.moment import write

ROWS = int(os.environ.get("BENCH_FILTER_ROWS", "1000000"))
FEW = 10_000
ROUNDS, ASKED = 7, 12
GROWTH, SLOWEST_WORDS, DEEP = 5.0, 0.050, 1.5


class Town:
    """A database with the city in it, and what is asked there."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True, options=CALLS)
        (self.city,) = [each for each in read_cities(self.connection) if each.jurisdiction_id == "boston.gov"]
        self.asked = _asked(self.connection, self.city)

    def seconds(self, arguments: Mapping[str, str], *, must_find: bool = True) -> float:
        """What a page of fifty takes: found, and read."""
        now = datetime.now(UTC)
        given = {name: [text] for name, text in {**arguments, "page_size": "50"}.items()}
        asked = query.read(given, zone=self.city.zone, now=now, max_span_days=90, max_page_rows=1000)
        began = perf_counter()
        page = find_requests(self.connection, asked, jurisdiction_id=self.city.id, now=now)
        ids = [key[0] for key in page.keys]
        read_requests(self.connection, ids, jurisdiction_id=self.city.id, public_url="")
        took = perf_counter() - began
        if must_find and not ids:
            raise BenchFailed(f"nothing was found by {arguments}")
        return took


def filters(rig: Rig) -> float:
    """5, over the largest growth of any filter's cost from 10,000 to 1,000,000 requests; below 1, too, when `q` is slow."""
    rig.cluster.create_database("few", template="bench")
    few_url = rig.cluster.url("few")
    with psycopg.connect(few_url, autocommit=True) as connection:
        (city,) = [each for each in read_cities(connection) if each.jurisdiction_id == "boston.gov"]
        keep_newest(connection, city.id, rows=FEW)
    with psycopg.connect(rig.url, autocommit=True) as connection:
        fill(connection, city.id, rows=ROWS)
    few, many = Town(few_url), Town(rig.url)
    worst = 0.0
    for name in many.asked:
        small, large = [], []
        for number in range(ROUNDS):
            small.append(median([few.seconds(each, must_find=False) for each in few.asked[name]]))
            large.append(median([many.seconds(each, must_find=number == 0) for each in many.asked[name]]))
        growth = median(large) / median(small)
        slowest = max(many.seconds(each) for each in many.asked[name])
        print(
            f"filters: {name}: {median(small) * 1000:.2f} ms, then {median(large) * 1000:.2f} ms ({growth:.2f} times),"
            f" slowest {slowest * 1000:.1f} ms",
            file=sys.stderr,
            flush=True,
        )
        worst = max(worst, growth, GROWTH * median(large) / SLOWEST_WORDS if name.split()[0] == "q" else 0)
    return GROWTH / worst


def deep(rig: Rig) -> float:
    """1.5, over what the ten-thousandth page by cursor costs in first pages."""
    with psycopg.connect(rig.url, autocommit=True) as connection:
        (city,) = [each for each in read_cities(connection) if each.jurisdiction_id == "boston.gov"]
        fill(connection, city.id, rows=ROWS)
    many = Town(rig.url)
    pages = min(10_000, ROWS // 50 - 2)
    row = many.connection.execute(
        "select requested_at, id from service_request where jurisdiction_id = %s and is_public"
        " order by requested_at desc, id desc offset %s limit 1",
        [city.id, (pages - 1) * 50 - 1],
    ).fetchone()
    assert row is not None
    cursor = str(query.Cursor(order=query.NEWEST_FIRST, at=row[0], id=row[1]))
    first, last = [], []
    for _ in range(200):
        first.append(many.seconds({"cursor": "*"}))
        last.append(many.seconds({"cursor": cursor}))
    said = f"page 1 {median(first) * 1000:.2f} ms, page {pages} {median(last) * 1000:.2f} ms"
    print(f"deep: {said}", file=sys.stderr, flush=True)
    return DEEP * median(first) / median(last)


BENCHMARKS: Mapping[str, Benchmark] = {
    "filters": Benchmark(run=filters, floor=1.0),
    "deep": Benchmark(run=deep, floor=1.0),
}


def _asked(connection: "psycopg.Connection[Any]", city: City) -> dict[str, Sequence[Mapping[str, str]]]:
    """Name of a filter: what is asked, with values of this city's requests."""
    samples = connection.execute(
        "select st_x(r.location), st_y(r.location), s.code, d.code, r.requested_at from service_request r"
        " join service s on s.jurisdiction_id = r.jurisdiction_id and s.id = r.service_id"
        " join department d on d.jurisdiction_id = r.jurisdiction_id and d.id = r.department_id"
        " where r.jurisdiction_id = %s and r.location is not null and r.is_public"
        " and r.requested_at > now() - interval '25 days' order by md5(r.number) limit %s",
        [city.id, ASKED],
    ).fetchall()

    def districts(layer: str) -> list[str]:
        rows = connection.execute(
            "select b.code from boundary b join layer l on l.jurisdiction_id = b.jurisdiction_id and l.id = b.layer_id"
            " where b.jurisdiction_id = %s and l.code = %s order by b.code",
            [city.id, layer],
        )
        return [f"{layer}:{row[0]}" for row in rows]

    def around(long: float, lat: float, half: float) -> str:
        return f"{long - half},{lat - half * 0.74},{long + half},{lat + half * 0.74}"

    def ago(days: float) -> str:
        return write((datetime.now(UTC) - timedelta(days=days)).replace(microsecond=0))

    services, agencies = [row[2] for row in samples], list(dict.fromkeys(row[3] for row in samples))
    words = [
        "street",
        "light",
        "pothole",
        "tree",
        "corner",
        "graffiti removal",
        "number 500",
        '"washington st"',
        "dog -tree",
    ]
    return {
        "none": [{}] * ASKED,
        "status": [{"status": "open"}, {"status": "closed"}],
        "dates": [{"start_date": ago(20), "end_date": ago(10)}, {"start_date": ago(25)}, {"end_date": ago(5)}],
        "updated_after": [{"updated_after": ago(days)} for days in (2, 3, 5, 10)],
        "updated_before": [{"updated_after": ago(10), "updated_before": ago(9)}],
        "service_code": [{"service_code": code} for code in services],
        "several services": [{"service_code": ",".join(services[n : n + 3])} for n in range(ASKED - 3)],
        "agency_responsible": [{"agency_responsible": code} for code in agencies],
        "several agencies": [{"agency_responsible": "|".join(agencies)}],
        "lat, long, radius 300": [{"lat": str(row[1]), "long": str(row[0]), "radius": "300"} for row in samples],
        "lat, long, radius 3000": [{"lat": str(row[1]), "long": str(row[0]), "radius": "3000"} for row in samples],
        "bbox of 500 m": [{"bbox": around(row[0], row[1], 0.003)} for row in samples],
        "bbox of 5 km": [{"bbox": around(row[0], row[1], 0.03)} for row in samples],
        "district": [{"district": each} for each in districts("council")],
        "small district": [{"district": each} for each in districts("neighborhood")[:ASKED]],
        "several districts": [{"district": ",".join(districts("council")[:4])}],
        "districts of two layers": [{"district": f"{each},{districts('police')[0]}"} for each in districts("council")[:2]],
        "q": [{"q": each} for each in words],
        "q and dates": [{"q": each, "start_date": ago(25)} for each in words],
        "q of a walk": [{"q": each, "cursor": "*"} for each in words],
        "sort by change": [{"sort": "-updated_datetime"}, {"sort": "updated_datetime"}],
        "oldest first": [{"sort": "requested_datetime"}],
        "cursor": [{"cursor": "*"}],
        "page 20": [{"page": "20"}],
        "district, service and status": [
            {"district": each, "service_code": services[0], "status": "closed"} for each in districts("council")[:4]
        ],
        "all of them": [
            {
                "bbox": around(row[0], row[1], 0.05),
                "district": districts("city")[0],
                "service_code": row[2],
                "agency_responsible": row[3],
                "start_date": ago(25),
            }
            for row in samples
        ],
    }
