"""Is the process up, and is the service ready?"""

from typing import Any

from flask import Flask, Response, jsonify
from psycopg import Error, sql
from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout

from db.driver import driver
from open311.api.access import public
from open311.cases.jobs import SILENCE_SECONDS
from open311.jurisdictions import read_cities

_WORKER = sql.SQL(
    "select count(*) as alive from procrastinate_workers where last_heartbeat > now() - make_interval(secs => {})"
).format(SILENCE_SECONDS)


def add_routes(app: Flask) -> None:
    """The routes of this file."""
    app.get("/healthz")(show_health)
    app.get("/readyz")(show_readiness)


@public
def show_health() -> Response:
    """GET /healthz: 200 when the process answers."""
    return jsonify(status="up")


@public
def show_readiness() -> tuple[Response, int]:
    """GET /readyz: 200 when cities are loaded and a worker runs, else 503 with what is missing."""
    missing: list[str] = []
    found: dict[str, Any] = {"cities": []}
    try:
        with driver.connection() as connection:
            found["cities"] = [city.jurisdiction_id for city in read_cities(connection)]
            worker = connection.cursor(row_factory=dict_row).execute(_WORKER).fetchone()
        if not found["cities"]:
            missing.append("no city is loaded")
        if not (worker and worker["alive"]):
            missing.append("no worker runs")
    except (Error, PoolTimeout):
        missing.append("the database does not answer")
    return jsonify(status="not ready" if missing else "ready", missing=missing, **found), 503 if missing else 200
