"""What a first start puts into a database, and what it leaves alone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg.rows import namedtuple_row
from sqlalchemy.orm import close_all_sessions

from db import db
from db.driver import driver
from open311 import core
from open311.city.lines import BadFile
from open311.cli import demo
from tests.conftest import MIGRATED
from tests.databases import Copies
from tests.small_city import SmallCity

Look = Callable[[str], list[Any]]


@pytest.fixture
def empty_url(copies: Copies) -> Iterator[str]:
    """A database for this test alone, without a city."""
    with copies.of(MIGRATED) as url:
        yield url


@pytest.fixture
def look(empty_url: str) -> Look:
    """The rows of a query on the test's own database."""

    def look(query: str) -> list[Any]:
        with psycopg.connect(empty_url, row_factory=namedtuple_row) as connection:
            return connection.execute(query).fetchall()  # type: ignore[arg-type]

    return look


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The var folder of a start: without past requests, which take a minute."""
    monkeypatch.setenv("OPEN311_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("OPEN311_DEMO_REQUESTS", "0")
    return tmp_path / "var"


@pytest.fixture
def prepare(empty_url: str, var: Path, monkeypatch: pytest.MonkeyPatch, session_app: Flask) -> Iterator[Callable[[], Any]]:
    """Prepares the test's database as a start does; the session's application gets its driver back."""
    made: list[Flask] = []

    def create_core(*arguments: Any) -> Flask:
        made.append(core.create_core(*arguments))
        return made[-1]

    monkeypatch.setattr(demo, "create_core", create_core)

    def prepare() -> Any:
        try:
            return demo.prepare(empty_url, lambda _text: None)
        finally:
            while made:
                with made.pop().app_context():
                    db.session.remove()
                    db.engine.dispose()
            driver.close()

    yield prepare
    close_all_sessions()
    settings = session_app.config["OPEN311"]
    driver.configure(settings.libpq_url, settings.pool_size)


def test_both_demo_cities_are_loaded(prepare: Callable[[], Any], look: Look):
    prepare()

    assert [row.slug for row in look("select slug from jurisdiction order by 1")] == ["boston.gov", "seattle.gov"]


def test_when_the_second_city_fails_the_first_is_not_kept(
    prepare: Callable[[], Any], look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first, second = SmallCity(tmp_path / "first"), SmallCity(tmp_path / "second")
    # Another city with the same host: known only when the first is in the database.
    second.change("jurisdiction.yml", "jurisdiction_id: small.gov", "jurisdiction_id: other.gov")
    monkeypatch.setattr(demo, "DEMO_CITIES", {"small.gov": str(first.path), "other.gov": str(second.path)})

    with pytest.raises(BadFile, match="has one of these already"):
        prepare()

    assert look("select slug from jurisdiction") == []


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, SmallCity]:
    """Two small cities in place of the demo cities."""
    made = {"small.gov": SmallCity(tmp_path / "small"), "other.gov": SmallCity(tmp_path / "other")}
    made["other.gov"].change("jurisdiction.yml", "jurisdiction_id: small.gov", "jurisdiction_id: other.gov")
    made["other.gov"].change("jurisdiction.yml", "small.localhost", "other.localhost")
    monkeypatch.setattr(demo, "DEMO_CITIES", {name: str(city.path) for name, city in made.items()})
    return made


GRANTS = "select slug from api_key_grant g left join jurisdiction j on j.id = jurisdiction_id order by 1"


def test_the_demo_key_is_good_in_the_demo_cities_only(
    prepare: Callable[[], Any], look: Look, small: dict[str, SmallCity], var: Path
):
    prepared = prepare()

    assert [row.slug for row in look(GRANTS)] == ["other.gov", "small.gov"]
    assert (var / "demo-key").read_text() == f"{prepared.api_key}\n"
    assert (var / "demo-key").stat().st_mode & 0o777 == 0o600


def test_the_demo_key_stays_the_same(prepare: Callable[[], Any], look: Look, small: dict[str, SmallCity]):
    first = prepare()

    assert prepare() == first
    assert len(look("select 1 from api_key")) == 1


def test_a_demo_key_that_is_good_everywhere_is_replaced_and_revoked(
    prepare: Callable[[], Any], look: Look, small: dict[str, SmallCity], empty_url: str
):
    first = prepare()
    with psycopg.connect(empty_url) as connection:
        connection.execute("delete from api_key_grant where jurisdiction_id = (select max(id) from jurisdiction)")
        connection.execute("update api_key_grant set jurisdiction_id = null")

    second = prepare()

    assert second.api_key != first.api_key
    assert [row.is_revoked for row in look("select revoked_at is not null as is_revoked from api_key order by id")] == [
        True, False,
    ]  # fmt: skip


def test_without_both_demo_cities_there_is_no_demo_key(
    prepare: Callable[[], Any], small: dict[str, SmallCity], var: Path, monkeypatch: pytest.MonkeyPatch
):
    prepare()
    (var / "demo-key").unlink()
    monkeypatch.setattr(demo, "DEMO_CITIES", {"small.gov": "small", "third.gov": "third"})

    prepared = prepare()

    assert prepared == demo.Prepared(jurisdiction_ids=["small.gov", "other.gov"], api_key="")
    assert not (var / "demo-key").exists()


def test_the_demo_key_has_every_scope(prepare: Callable[[], Any], look: Look, small: dict[str, SmallCity]):
    prepare()

    assert [row.scopes for row in look("select scopes from api_key")] == [["report", "updates"]]


def test_a_demo_key_of_before_is_replaced_by_one_of_every_scope(
    prepare: Callable[[], Any], look: Look, small: dict[str, SmallCity], empty_url: str
):
    first = prepare()
    with psycopg.connect(empty_url) as connection:
        connection.execute("update api_key set scopes = default")

    second = prepare()

    assert second.api_key != first.api_key
    keys = look("select scopes, revoked_at is null as is_good from api_key order by id")
    assert [(row.scopes, row.is_good) for row in keys] == [(["report"], False), (["report", "updates"], True)]
