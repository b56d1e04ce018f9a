"""A caller of the API, and what is kept of its calls."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg import Connection

from tests.api.wire import Api

TABLES = ("service_request", "request_event", "request_district", "reporter", "media", "procrastinate_jobs")
Kept = tuple[dict[str, int], frozenset[Path]]


@pytest.fixture
def api(client: FlaskClient, api_key: str) -> Api:
    """Calls the API in Seattle with a good key."""
    return Api(client, api_key)


@pytest.fixture
def kept(app: Flask, connection: "Connection[Any]") -> Callable[[], Kept]:
    """kept(): how many rows there are in each table that a POST writes to, and which photos."""

    def look() -> Kept:
        counts = {}
        for table in TABLES:
            row = connection.execute(f"select count(*) from {table}").fetchone()  # type: ignore[arg-type]
            counts[table] = row[0] if row else 0
        folder = app.config["OPEN311"].media_folder
        return counts, frozenset(path for path in folder.rglob("*") if path.is_file())

    return look
