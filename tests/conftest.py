"""One private PostGIS cluster a run, one clone of its template a worker, one savepoint a test."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg import Connection
from sqlalchemy.orm import scoped_session, sessionmaker

from db import db
from db.cluster import Cluster, private_cluster
from db.driver import driver
from db.migrations import upgrade
from open311.app import create_app
from open311.config import CHECKOUT, Settings
from open311.keys import create_key
from tests.databases import Copies, prepared
from tests.factories import NOW, Factory
from tests.live.server import Live, live_service

TEMPLATE, MIGRATED = "template_with_both_cities", "template_without_a_city"
_CLUSTER = "OPEN311_TEST_CLUSTER"
_stack = ExitStack()


def pytest_addoption(parser: pytest.Parser) -> None:
    """--golden writes tests/golden anew; look at the difference before you keep it."""
    parser.addoption("--golden", action="store_true", help="write the golden files anew from what is answered now")


def pytest_sessionstart(session: pytest.Session) -> None:
    """The controller makes the cluster, and begins with the template while tests are collected; workers find them."""
    if hasattr(session.config, "workerinput") or session.config.option.collectonly:
        return
    cluster = _stack.enter_context(private_cluster(durable=False))
    os.environ[_CLUSTER] = f"{cluster.directory}\n{cluster.socket_directory}\n{cluster.owner}"
    pool = _stack.enter_context(ThreadPoolExecutor(max_workers=1))
    # Should it fail, the first test that needs one tries again, and tells why.
    pool.submit(prepare_template, cluster)


def prepare_template(cluster: Cluster) -> str:
    """The name of the database to be copied: migrated, both demo cities loaded, no requests."""
    migrated = prepared(cluster, MIGRATED, template="template1", prepare=upgrade)
    return prepared(cluster, TEMPLATE, template=migrated, prepare=_load_cities)


def _load_cities(url: str) -> None:
    # In a process of its own: the driver of this one is that of the tests.
    subprocess.run([sys.executable, "-m", "tests.template", url], cwd=CHECKOUT, check=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let `--dist loadgroup` see its groups: what pytest-xdist 3.8 writes, pytest 9.2 ignores (pytest-xdist#1386)."""
    for item in items:
        with_group = vars(item).get("_nodeid")
        if with_group is not None and with_group != item.nodeid:
            item._id = type(item.id).parse(with_group)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Away with the cluster."""
    if not hasattr(session.config, "workerinput"):
        _stack.close()


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The run's cluster."""
    directory, sockets, owner = os.environ[_CLUSTER].split("\n")
    cluster = Cluster(directory=Path(directory), socket_directory=Path(sockets), owner=owner, durable=False)
    prepare_template(cluster)
    return cluster


@pytest.fixture(scope="session")
def copies(cluster: Cluster, worker_id: str) -> Copies:
    """Databases for one test each: `with copies.of(TEMPLATE) as url`."""
    return Copies(cluster, worker_id)


@pytest.fixture(scope="session")
def database_url(cluster: Cluster, worker_id: str) -> str:
    """This worker's database: migrated, both demo cities loaded, no requests."""
    cluster.create_database(f"test_{worker_id}", template=TEMPLATE)
    return cluster.url(f"test_{worker_id}")


@pytest.fixture(scope="session")
def session_app(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The application on this worker's database."""
    media = tmp_path_factory.mktemp("media")
    settings = Settings(
        database_url=database_url, media_dir=str(media), cities_max_age_seconds=0, secret_key="only for the tests " * 2
    )
    app = create_app(settings)
    yield app
    with app.app_context():
        db.engine.dispose()
    driver.close()


@pytest.fixture
def app(session_app: Flask) -> Iterator[Flask]:
    """The application inside a transaction that is rolled back at the end of the test.

    The session and the driver share its connection; what commits, commits a savepoint.
    """
    with session_app.app_context():
        connection = db.engine.connect()
        transaction = connection.begin()
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute("select 1")  # so that the driver's transactions are savepoints from the first
        session, before = scoped_session(sessionmaker(connection, join_transaction_mode="create_savepoint")), db.session
        db.session = session  # type: ignore[assignment]
        try:
            with driver.bound_to(raw):
                yield session_app
        finally:
            session.remove()
            db.session = before
            transaction.rollback()
            connection.close()


@pytest.fixture
def settings(app: Flask) -> Iterator[Any]:
    """Change settings for one test: settings(max_photos=1)."""
    before = app.config["OPEN311"]

    def change(**changes: Any) -> Settings:
        app.config["OPEN311"] = Settings(**{**vars(app.config["OPEN311"]), **changes})
        app.config["MAX_CONTENT_LENGTH"] = app.config["OPEN311"].max_body_bytes
        return app.config["OPEN311"]  # type: ignore[no-any-return]

    yield change
    app.config["OPEN311"] = before
    app.config["MAX_CONTENT_LENGTH"] = before.max_body_bytes


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Calls the application without a network."""
    return app.test_client()


@pytest.fixture
def connection(app: Flask) -> Iterator["Connection[Any]"]:
    """The test's own psycopg connection, in its transaction."""
    with driver.connection() as connection:
        yield connection


@pytest.fixture
def api_key(connection: "Connection[Any]") -> str:
    """A key good in every city."""
    return create_key(connection, "test", now=NOW)


@pytest.fixture
def make(app: Flask) -> Factory:
    """Makes rows: make.request(number="A-1", status="closed")."""
    return Factory()


@pytest.fixture(scope="session")
def live(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The service with its real processes; for tests of xdist_group("live"), so that it is started once."""
    cluster.create_database("live", template=TEMPLATE)
    with live_service(cluster.url("live"), tmp_path_factory.mktemp("live")) as service:
        yield service
