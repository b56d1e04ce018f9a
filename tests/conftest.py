"""One private PostGIS cluster a run, one clone of its template a worker, one savepoint a test."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg import Connection, sql
from sqlalchemy.orm import scoped_session, sessionmaker

from db import db
from db.cluster import Cluster, private_cluster
from db.driver import driver
from db.migrations import upgrade
from open311.app import create_app
from open311.cli.city import load_city
from open311.config import CHECKOUT, Settings
from open311.keys import create_key
from tests.factories import NOW, Factory
from tests.live.server import Live, live_service

TEMPLATE = "template_with_both_cities"
_CLUSTER = "OPEN311_TEST_CLUSTER"
_stack = ExitStack()


def pytest_addoption(parser: pytest.Parser) -> None:
    """--golden writes tests/golden anew; look at the difference before you keep it."""
    parser.addoption("--golden", action="store_true", help="write the golden files anew from what is answered now")


def pytest_sessionstart(session: pytest.Session) -> None:
    """The controller makes the cluster and the template; workers find them by the environment."""
    if hasattr(session.config, "workerinput") or session.config.option.collectonly:
        return
    cluster = _stack.enter_context(private_cluster(durable=False))
    os.environ[_CLUSTER] = f"{cluster.directory}\n{cluster.socket_directory}\n{cluster.owner}"
    cluster.create_database(TEMPLATE)
    url = cluster.url(TEMPLATE)
    upgrade(url)
    with create_app(Settings(database_url=url)).app_context():
        for name in ("boston", "seattle"):
            load_city(CHECKOUT / "fixtures" / name, without_requests=True)
        db.engine.dispose()
    driver.close()


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


@contextmanager
def copied(cluster: Cluster, name: str, *, template: str) -> Iterator[str]:
    """URL of a copy of a database, which is gone at the end; without a client program for each step."""
    copy, original = sql.Identifier(name), sql.Identifier(template)
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {} template {}").format(copy, original))
        yield cluster.url(name)
        connection.execute(sql.SQL("drop database {} with (force)").format(copy))


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The run's cluster."""
    directory, sockets, owner = os.environ[_CLUSTER].split("\n")
    return Cluster(directory=Path(directory), socket_directory=Path(sockets), owner=owner, durable=False)


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
