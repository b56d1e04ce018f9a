"""The first benchmarks: taking a request in, and listing fifty."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from bench.rig import Rig, fetch, median, pgbench, served, wrk
from db.driver import Statement, driver
from open311 import keys, services
from open311.cases import intake
from open311.cases.casework import casework
from open311.config import Settings
from open311.jurisdictions import read_cities
from schemas.moment import whole_second

ROUNDS = 5
SECONDS = 5

LAT, LONG = "42.3474", "-71.0944"
SERVICE = "street-light-outages"


@dataclass(frozen=True)
class Benchmark:
    """A ratio inside one run, and what it must reach."""

    run: Callable[[Rig], float]
    floor: float


def post(rig: Rig) -> float:
    """POST requests with routing and history, synchronous commit on, over pgbench doing the same SQL on the same tables."""
    with psycopg.connect(rig.url, autocommit=True) as connection:
        secret = keys.create_key(connection, "bench", now=whole_second(datetime.now(UTC)))
    form = {
        "api_key": secret,
        "jurisdiction_id": "boston.gov",
        "service_code": SERVICE,
        "lat": LAT,
        "long": LONG,
        "description": "Lamp is out at the corner, for three nights now",
        "email": "resident@example.org",
    }
    lua = (
        'wrk.method = "POST"\n'
        f'wrk.body = "{urlencode(form)}"\n'
        'wrk.headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"\n'
    )
    script = _pgbench_script(rig, secret)
    with served("wsgi:app", {"DATABASE_URL": rig.url}) as base:
        url = f"{base}/open311/v2/requests.json"
        wrk(url, seconds=2, script=lua, folder=rig.folder)
        ratios = []
        for _ in range(ROUNDS):
            ours = wrk(url, seconds=SECONDS, script=lua, folder=rig.folder)
            theirs = pgbench(rig, script, seconds=SECONDS)
            ratios.append(_say("post", ours, theirs))
    return median(ratios)


def _listing(format: str, *, name: str, **settings: str) -> Callable[[Rig], float]:
    """GET of fifty requests over a plain Flask application that answers the same bytes."""

    def run(rig: Rig) -> float:
        with served("wsgi:app", {"DATABASE_URL": rig.url, **settings}) as base:
            url = f"{base}/open311/v2/requests.{format}?jurisdiction_id=boston.gov&page_size=50"
            body, content_type = fetch(url)
            same = rig.folder / f"body.{format}"
            same.write_bytes(body)
            given = {"BENCH_BODY": str(same), "BENCH_CONTENT_TYPE": content_type}
            with served("bench.static_app:app", given) as static:
                assert fetch(f"{static}/static") == (body, content_type)
                wrk(url, seconds=2, folder=rig.folder)
                ratios = []
                for _ in range(ROUNDS):
                    ours = wrk(url, seconds=SECONDS, folder=rig.folder)
                    theirs = wrk(f"{static}/static", seconds=SECONDS, folder=rig.folder)
                    ratios.append(_say(name, ours, theirs))
                return median(ratios)

    return run


BENCHMARKS: Mapping[str, Benchmark] = {
    "post": Benchmark(run=post, floor=0.25),
    "list-json": Benchmark(run=_listing("json", name="list-json"), floor=0.15),
    "list-xml": Benchmark(run=_listing("xml", name="list-xml"), floor=0.08),
    # With no rendered requests held: what the first reader of a page pays.
    "list-json-anew": Benchmark(run=_listing("json", name="list-json-anew", OPEN311_FRAGMENT_BYTES="0"), floor=0.05),
    "list-xml-anew": Benchmark(run=_listing("xml", name="list-xml-anew", OPEN311_FRAGMENT_BYTES="0"), floor=0.03),
}


def _say(name: str, ours: float, theirs: float) -> float:
    print(f"{name}: {ours:.0f}/s over {theirs:.0f}/s = {ours / theirs:.3f}", file=sys.stderr, flush=True)
    return ours / theirs


def _pgbench_script(rig: Rig, secret: str) -> str:
    """Every statement of one POST, as intake runs them, with the values of this POST written in."""
    now = whole_second(datetime.now(UTC))
    driver.configure(Settings(database_url=rig.url).libpq_url, 1)
    with driver.connection() as connection:
        city = next(each for each in read_cities(connection) if each.jurisdiction_id == "boston.gov")
        service = services.find_service(connection, SERVICE, jurisdiction_id=city.id)
        casework(connection, city.id)  # held by a process that has taken in a request; the rest is not
        recorder = _Recorder()
        with recorder:
            check = {"jurisdiction_id": city.id, "needs": keys.REPORT, "origin": None, "now": now}
            key_id = keys.check_key(connection, secret, **check).api_key_id
            recorder.statements.clear()  # the first use of a minute is recorded, the rest is not
            keys.check_key(connection, secret, **check)
            services.find_service(connection, SERVICE, jurisdiction_id=city.id)
            before = len(recorder.statements)
            with connection.transaction():
                point = intake.Point(lat=float(LAT), long=float(LONG))
                decision = intake.route(
                    connection,
                    jurisdiction_id=city.id,
                    service=service.new,
                    point=point,
                    answers={},
                    default_department_id=city.default_department_id,
                    at=now,
                )
                draft = intake.Draft(
                    service=service.new,
                    decision=decision,
                    point=point,
                    description="Lamp is out at the corner, for three nights now",
                    person={"email": "resident@example.org"},
                    api_key_id=key_id,
                )
                intake.receive(connection, draft, jurisdiction_id=city.id, now=now)
        lines = ["\\set n random(1, 1000000000000000)"]
        for position, (statement, values) in enumerate(recorder.statements):
            if position == before:
                lines.append("begin;")
            text = _written_in(connection, statement, values)
            lines.append(text + (" \\gset" if "RETURNING service_request.id" in text else ";"))
        lines.append("commit;")
    driver.close()
    return "\n".join(lines) + "\n"


class _Recorder:
    """Every statement run inside the block, with its values."""

    def __init__(self) -> None:
        self.statements: list[tuple[Statement, dict[str, Any]]] = []

    def __enter__(self) -> "_Recorder":
        self._run = Statement.run

        def run(statement: Statement, connection: Any, **values: Any) -> Any:
            self.statements.append((statement, values))
            return self._run(statement, connection, **values)

        Statement.run = run  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        Statement.run = self._run  # type: ignore[method-assign]


def _written_in(connection: Any, statement: Statement, values: Mapping[str, Any]) -> str:
    text = statement.text.replace("\n", " ")
    for position, name in reversed(list(enumerate(statement.names, start=1))):
        value = values[name] if name in values else statement.constants[name]
        if name == "number":
            written = "'P' || :n"
        elif name == "request_id":
            written = ":id"
        elif isinstance(value, Jsonb):
            # Spaces after colons: pgbench takes :null for a variable.
            written = sql.Literal(json.dumps(value.obj)).as_string(connection)
        else:
            written = sql.Literal(value).as_string(connection)
        text = text.replace(f"${position}", written)
    return text
