"""Databases that tests may change: prepared once a run, copied for a test, kept for the next one when it changed nothing."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection, sql
from psycopg.rows import class_row

from db.cluster import Cluster

# How long a connection that a test closed may take to be gone.
_LEAVE_SECONDS = 2


class _State(NamedTuple):
    """What any change of a database changes, one that was rolled back as well."""

    written_rows: int
    drawn_numbers: int


# Rows of PostgreSQL's own tables are counted, too: who makes or empties a table writes there.
_STATE = """
    select (select tup_inserted + tup_updated + tup_deleted from pg_stat_database where datname = current_database())
               as written_rows,
           (select coalesce(sum(last_value), 0) from pg_sequences)::bigint as drawn_numbers
"""
_OTHERS = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


def prepared(cluster: Cluster, name: str, *, template: str, prepare: Callable[[str], None]) -> str:
    """The name of a database to be copied.

    The first process of the run that asks for it copies the template and has the copy prepared by its URL; the others wait.
    """
    with (cluster.socket_directory / f"{name}.lock").open("w") as lock, _keeper(cluster) as keeper:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if keeper.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is None:
            making = f"{name}_making"
            _drop(keeper, making)
            _copy(keeper, making, template)
            prepare(cluster.url(making))
            _require_alone(cluster.url(making))
            keeper.execute(sql.SQL("alter database {} rename to {}").format(sql.Identifier(making), sql.Identifier(name)))
    return name


class Copies:
    """A worker's copies of templates, one at a time of each."""

    def __init__(self, cluster: Cluster, worker_id: str) -> None:
        self._cluster, self._worker_id = cluster, worker_id
        self._kept: dict[str, tuple[str, _State]] = {}
        self._made = 0

    @contextmanager
    def of(self, template: str) -> Iterator[str]:
        """URL of a database that is as the template was; nobody else has it, and it is never seen again if it is changed."""
        name, state = self._kept.pop(template, None) or self._new(template)
        url = self._cluster.url(name)
        try:
            yield url
        finally:
            if _is_alone(url) and _state(url) == state:
                self._kept[template] = name, state
            else:
                with _keeper(self._cluster) as keeper:
                    _drop(keeper, name)

    def _new(self, template: str) -> tuple[str, _State]:
        self._made += 1
        name = f"copy_{self._worker_id}_{self._made}"
        with _keeper(self._cluster) as keeper:
            _copy(keeper, name, template)
        return name, _state(self._cluster.url(name))


@contextmanager
def _keeper(cluster: Cluster) -> "Iterator[Connection[Any]]":
    """A connection that makes databases and drops them; without a client program for each step."""
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        yield connection


def _copy(keeper: "Connection[Any]", name: str, template: str) -> None:
    # Files are copied: what is thrown away needs none of it in the log.
    statement = sql.SQL("create database {} template {} strategy file_copy")
    keeper.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))


def _drop(keeper: "Connection[Any]", name: str) -> None:
    keeper.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _state(url: str) -> _State:
    with psycopg.connect(url, row_factory=class_row(_State)) as connection:
        state = connection.execute(_STATE).fetchone()
    assert state is not None
    return state


def _is_alone(url: str) -> bool:
    """Whether nobody else is connected any more: until then a connection may not have told what it wrote."""
    deadline = time.monotonic() + _LEAVE_SECONDS
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(_OTHERS).fetchone() != (0,):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
    return True


def _require_alone(url: str) -> None:
    assert _is_alone(url), f"somebody is still connected to {url}"
