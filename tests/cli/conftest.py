"""Commands run as a person runs them: on a database of their own, reached by DATABASE_URL."""

import os
import re
import subprocess
import sys
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
from open311 import core
from open311.cli import edge, main
from tests.conftest import TEMPLATE
from tests.databases import Copies, prepared
from tests.small_city import SmallCity

Run = Callable[..., Result]
Look = Callable[[str], list[Any]]


@pytest.fixture
def folder(tmp_path: Path) -> SmallCity:
    """Smallville's folder, to be changed."""
    return SmallCity(tmp_path / "small")


@pytest.fixture(scope="session")
def smallville(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database to be copied: Smallville with its past requests."""

    def prepare(url: str) -> None:
        folder = past_smallville(tmp_path_factory.mktemp("loaded") / "small")
        command = [Path(sys.executable).with_name("open311"), "city", "load", folder.path]
        subprocess.run(command, env={**os.environ, "DATABASE_URL": url}, check=True, capture_output=True)

    return prepared(cluster, "smallville", template=TEMPLATE, prepare=prepare)


def past_smallville(path: Path) -> SmallCity:
    """The folder of Smallville with an office and five past requests, of which one is closed and one has no place."""
    folder = SmallCity(path)
    folder.write("calendars.yml", "- {code: office, name: the office, hours: {mon-fri: ['08:00-16:00']}}\n")
    folder.record(
        "A-1,2026-01-15T09:30:00,,Pothole,42.35,-71.15,WORKS,",
        "A-2,2026-02-15T09:30:00,,Pothole,42.35,-71.05,WORKS,East Yard",
        "A-3,2026-03-15T09:30:00,2026-03-16,Pothole,42.35,-71.05,WORKS,East Yard",
        "A-4,2026-04-15T09:30:00,,Fallen Tree,42.35,-71.15,PARKS,",
        "A-5,2026-05-15T09:30:00,,Pothole,,,WORKS,",
    )
    return folder


@pytest.fixture
def own_url(copies: Copies) -> Iterator[str]:
    """A database for this test alone: migrated, both demo cities loaded, no requests."""
    with copies.of(TEMPLATE) as url:
        yield url


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, session_app: Flask) -> Iterator[Run]:
    """Runs `open311` with these words; DATABASE_URL is the test's to set.

    The driver and the engines are the process's: what a command opened is closed, and the session's application gets
    its driver back.
    """
    made: list[Flask] = []

    def create_core(*arguments: Any) -> Flask:
        made.append(core.create_core(*arguments))
        return made[-1]

    monkeypatch.setattr(edge, "create_core", create_core)

    def run(*words: object, input: str | None = None, **settings: Any) -> Result:
        result = CliRunner().invoke(main, [str(word) for word in words], input=input, **settings)
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


@pytest.fixture
def desks(look: Callable[[str], list[Any]]) -> Callable[[], dict[str, str]]:
    """Number of each request: the code of the unit or department that answers for it."""
    return lambda: {
        row.number: row.code
        for row in look(
            "select r.number, d.code from service_request r join department d on d.id = coalesce(r.unit_id, r.department_id)"
        )
    }


def good(result: Result) -> str:
    """What a command printed that did what was asked."""
    assert result.exit_code == 0, result.output
    return result.stdout


def usage(result: Result) -> str:
    """What a command said that was not typed as it should be."""
    assert result.exit_code == 2, result.output
    return result.stderr


def told(result: Result) -> str:
    """The message of a command that could not do what was asked: one error, status 1, and no traceback."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    assert len(re.findall(r"^Error: ", result.stderr, re.MULTILINE)) == 1
    return result.stderr.removeprefix("Error: ").strip()
