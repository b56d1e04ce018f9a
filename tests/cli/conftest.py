"""Commands run as a person runs them: on a database of their own, reached by DATABASE_URL."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from flask import Flask
from psycopg.rows import namedtuple_row
from sqlalchemy.orm import close_all_sessions

from db import db
from db.cluster import Cluster
from db.driver import driver
from open311 import app as application
from open311.cli import edge, main
from tests.conftest import TEMPLATE
from tests.small_city import SmallCity

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> SmallCity:
    """Smallville's folder, to be changed."""
    return SmallCity(tmp_path / "small")


@pytest.fixture
def own_url(cluster: Cluster, worker_id: str) -> Iterator[str]:
    """A database for this test alone: migrated, both demo cities loaded, no requests."""
    name = f"cli_{worker_id}"
    cluster.create_database(name, template=TEMPLATE)
    yield cluster.url(name)
    cluster.drop_database(name)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, session_app: Flask) -> Iterator[Run]:
    """Runs `open311` with these words; DATABASE_URL is the test's to set.

    The driver and the engines are the process's: what a command opened is closed, and the session's application gets
    its driver back.
    """
    made: list[Flask] = []

    def create_app(*arguments: Any) -> Flask:
        made.append(application.create_app(*arguments))
        return made[-1]

    monkeypatch.setattr(edge, "create_app", create_app)

    def run(*words: object) -> Result:
        result = CliRunner().invoke(main, [str(word) for word in words])
        while made:
            with made.pop().app_context():
                db.session.remove()
                db.engine.dispose()
        driver.close()
        return result

    yield run
    close_all_sessions()
    settings = session_app.config["OPEN311"]
    driver.configure(settings.libpq_url, settings.pool_size)


@pytest.fixture
def run(commands: Run, own_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `open311` with these words on the test's own database."""
    monkeypatch.setenv("DATABASE_URL", own_url)
    return commands


@pytest.fixture
def look(own_url: str) -> Callable[[str], list[Any]]:
    """The rows of a query on the test's own database."""

    def look(query: str) -> list[Any]:
        with psycopg.connect(own_url, row_factory=namedtuple_row) as connection:
            return connection.execute(query).fetchall()  # type: ignore[arg-type]

    return look


def told(result: Result) -> str:
    """The message of a command that could not do what was asked: one error, status 1, and no traceback."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    assert len(re.findall(r"^Error: ", result.stderr, re.MULTILINE)) == 1
    return result.stderr.removeprefix("Error: ").strip()
