"""The folder that cities are loaded from, and a database of its own with a worker for what needs real processes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg import Connection
from psycopg.rows import namedtuple_row
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from db import db
from open311.actors import Actor
from open311.config import CHECKOUT
from tests.cases.smallville import Smallville
from tests.cases.treeville import treeville
from tests.cases.working import Working
from tests.conftest import TEMPLATE
from tests.databases import Copies
from tests.small_city import SmallCity

Worker = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def folder(tmp_path: Path) -> SmallCity:
    """Smallville's folder, to be changed."""
    return SmallCity(tmp_path / "small")


@pytest.fixture
def own_url(copies: Copies) -> Iterator[str]:
    """A database for this test alone: migrated, both demo cities loaded, no requests."""
    with copies.of(TEMPLATE) as url:
        yield url


@pytest.fixture
def own(own_url: str) -> Iterator["Connection[Any]"]:
    """A connection to it in autocommit."""
    with psycopg.connect(own_url, autocommit=True, row_factory=namedtuple_row) as connection:
        yield connection


@pytest.fixture
def start_worker(own_url: str) -> Iterator[Worker]:
    """Starts `open311 worker`; whatever becomes of the test, it has ended after it."""
    runs: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        command = [Path(sys.executable).with_name("open311"), "worker"]
        environment = {**os.environ, "DATABASE_URL": own_url}
        runs.append(subprocess.Popen(command, cwd=CHECKOUT, env=environment, stderr=subprocess.DEVNULL))
        return runs[-1]

    yield start
    for run in runs:
        run.kill()
        run.wait()


@pytest.fixture
def own_town(own_url: str, folder: SmallCity) -> Iterator[Smallville]:
    """Smallville in a database of its own, for what needs more than one connection; every step is committed by the test."""
    engine = create_engine(own_url.replace("postgresql://", "postgresql+psycopg://", 1))
    # Nothing is read again after a commit: that would begin a transaction, and a job waits for every one.
    with Session(engine, expire_on_commit=False) as session:
        town = Smallville(session, folder, now=whole_second_ago())
        session.commit()
        yield town
    engine.dispose()


LOADED = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday, 7 in the morning in Smallville


@pytest.fixture
def trees(app: Flask, tmp_path: Path) -> Working:
    """Treeville in the test's transaction."""
    return Working(db.session(), treeville(tmp_path / "tree"), now=LOADED)


@pytest.fixture
def people(trees: Working) -> dict[str, Actor]:
    """A person for each role, by name."""
    return trees.staff(now=LOADED)


@pytest.fixture
def own_trees(own_url: str, tmp_path: Path) -> Iterator[Working]:
    """Treeville in a database of its own, for what needs more than one connection."""
    engine = create_engine(own_url.replace("postgresql://", "postgresql+psycopg://", 1))
    with Session(engine, expire_on_commit=False) as session:
        town = Working(session, treeville(tmp_path / "tree"), now=LOADED)
        session.commit()
        yield town
    engine.dispose()


def whole_second_ago() -> datetime:
    """A second that has passed."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)


def until(connection: "Connection[Any]", query: str, *, seconds: float = 20) -> None:
    """Waits until the query gives a row."""
    deadline = time.monotonic() + seconds
    while connection.execute(query).fetchone() is None:  # type: ignore[arg-type]
        assert time.monotonic() < deadline, query
        time.sleep(0.05)


def waiting_for_a_lock(own: "Connection[Any]") -> None:
    """Returns when another connection waits for a row that is held."""
    until(own, "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
