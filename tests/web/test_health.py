"""Is the process up, and is the service ready?"""

import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg import Connection

from db.driver import Driver
from open311 import core, jurisdictions
from open311.app import create_app
from open311.config import Settings
from open311.web import health


@pytest.fixture
def worker(connection: "Connection[Any]") -> None:
    """A worker whose heart has just beaten, as procrastinate notes it."""
    connection.execute("insert into procrastinate_workers (last_heartbeat) values (now())")


def test_the_process_says_that_it_is_up(client: FlaskClient) -> None:
    answer = client.get("/healthz")

    assert (answer.status_code, answer.json) == (200, {"status": "up"})


def test_it_is_ready_with_cities_and_a_worker(client: FlaskClient, worker: None) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json == {"status": "ready", "missing": [], "cities": ["boston.gov", "seattle.gov"]}


def test_it_is_not_ready_without_a_worker(client: FlaskClient) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert (answer.json["status"], answer.json["missing"]) == ("not ready", ["no worker runs"])


def test_a_worker_that_fell_silent_does_not_count(client: FlaskClient, connection: "Connection[Any]") -> None:
    connection.execute("insert into procrastinate_workers (last_heartbeat) values (now() - interval '13 seconds')")

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json["missing"]) == (503, ["no worker runs"])


def test_it_is_not_ready_without_cities(client: FlaskClient, connection: "Connection[Any]", worker: None) -> None:
    # A folder that is just being loaded has no outline yet.
    connection.execute("update jurisdiction set outline_layer_id = null")

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert (answer.json["missing"], answer.json["cities"]) == (["no city is loaded"], [])


def test_it_says_everything_that_is_missing(client: FlaskClient, connection: "Connection[Any]") -> None:
    connection.execute("update jurisdiction set outline_layer_id = null")

    assert client.get("/readyz").json["missing"] == ["no city is loaded", "no worker runs"]


def test_without_its_database_it_is_up_but_not_ready(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    # An application with a driver of its own, whose database is at a port where nothing listens.
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    lost = Driver()
    for module in (health, core):
        monkeypatch.setattr(module, "driver", lost)
    client = create_app(Settings(database_url=nowhere)).test_client()
    assert client.get("/healthz").status_code == 200
    asked_at = time.monotonic()

    answer = client.get("/readyz")

    seconds = time.monotonic() - asked_at
    lost.close()
    assert (answer.status_code, answer.json["missing"]) == (503, ["the database does not answer"])
    # Whoever asks is deciding whether to send people here.
    assert seconds < 10


@pytest.mark.parametrize("format", ["json", "xml"])
def test_without_its_database_the_api_says_so_in_the_format_asked_for(
    app: Flask, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    lost = Driver()
    for module in (jurisdictions, core):
        monkeypatch.setattr(module, "driver", lost)
    client = create_app(Settings(database_url="postgresql://nobody@127.0.0.1:1/nothing")).test_client()

    answer = client.get(f"/open311/v2/services.{format}")

    lost.close()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert "cannot reach its database" in answer.text
    assert answer.text.startswith("[{" if format == "json" else "<?xml")
