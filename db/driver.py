"""One driver connection, one transaction, one text: how the hot paths reach PostgreSQL."""

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from socket import SHUT_RDWR, socket
from threading import Lock, Timer
from typing import TYPE_CHECKING, Any

import msgspec
from psycopg import ClientCursor, Connection, Cursor, IsolationLevel, RawCursor, connect
from psycopg import Error as PsycopgError
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.rows import RowFactory, namedtuple_row, tuple_row
from psycopg.types.json import set_json_dumps
from psycopg_pool import ConnectionPool
from sqlalchemy import ClauseElement
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.compiler import SQLCompiler

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

# Ten times the standard library's speed, and an import writes a quarter of a million documents.
set_json_dumps(msgspec.json.encode)

_DIALECT = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_MERGING = PGDialect_psycopg(paramstyle="pyformat")  # type: ignore[no-untyped-call]

# What is held of a COPY at a time; a row has some hundred bytes.
_MOST_ROWS = 1000

# How the pool's connections are set.  What they answer takes milliseconds, and to start processes for it takes ten times that.
CALLS = "-c timezone=UTC -c max_parallel_workers_per_gather=0"

# How long a call waits for a connection before it says that the database does not answer.
_PATIENCE_SECONDS = 5


class Statement:
    """A statement composed in SQLAlchemy Core whose text is compiled once and prepared on every connection.

    Values are given by name; they reach the driver as they are (JSON as psycopg's Jsonb), no SQLAlchemy type touches them.
    is_planned_anew: it is planned at each call for the values given, where the best way depends on them.
    """

    def __init__(
        self, composed: ClauseElement, row_factory: RowFactory[Any] = namedtuple_row, *, is_planned_anew: bool = False
    ) -> None:
        self._composed = composed
        self._row_factory = row_factory
        self._is_prepared = not is_planned_anew

    # Compiled at the first use: a process uses a few of the many that it imports.
    @cached_property
    def _compiled(self) -> SQLCompiler:
        compiled = self._composed.compile(dialect=_DIALECT)
        assert isinstance(compiled, SQLCompiler)
        return compiled

    @cached_property
    def text(self) -> str:
        """The statement as PostgreSQL gets it."""
        return str(self._compiled)

    @cached_property
    def _bytes(self) -> bytes:
        return self.text.encode()

    @cached_property
    def names(self) -> list[str]:
        """The names of its values, in the order of the parameters."""
        return list(self._compiled.positiontup or [])

    @cached_property
    def constants(self) -> dict[str, Any]:
        """The values that stand in the statement as it was composed."""
        return {name: value for name, value in self._compiled.params.items() if value is not None}

    def run(self, connection: "Connection[Any]", **values: Any) -> "Cursor[Any]":
        """The cursor of the executed statement; raises KeyError for a value that was not given."""
        constants = self.constants
        cursor = RawCursor(connection, row_factory=self._row_factory)
        parameters = [values[name] if name in values else constants[name] for name in self.names]
        return cursor.execute(self._bytes, parameters, prepare=self._is_prepared, binary=True)


class Copying:
    """A query composed in SQLAlchemy Core whose rows are read by COPY ... TO STDOUT, in a format of COPY.

    COPY takes no parameters: psycopg writes the values into the text, quoted.
    """

    def __init__(self, composed: ClauseElement, format: str) -> None:
        self._composed, self._format = composed, format

    @cached_property
    def _compiled(self) -> SQLCompiler:
        compiled = self._composed.compile(dialect=_MERGING)
        assert isinstance(compiled, SQLCompiler)
        return compiled

    @cached_property
    def text(self) -> str:
        """The statement, with places for its values."""
        return f"copy ({self._compiled}) to stdout ({self._format})"

    def written(self, connection: "Connection[Any]", **values: Any) -> str:
        """The statement with its values in it; raises KeyError for one that was not given."""
        constants = {name: value for name, value in self._compiled.params.items() if value is not None}
        given = {name: values[name] if name in values else constants[name] for name in self._compiled.params}
        return ClientCursor(connection).mogrify(self.text, given)

    def run(self, connection: "Connection[Any]", **values: Any) -> Iterator[list[memoryview]]:
        """The rows as COPY writes them, those that have come at a time; meanwhile the connection does nothing else.

        Only inside a transaction.  Straight from libpq: to wait for each row, as psycopg does, takes as long as
        all the rest of it.
        """
        pgconn = connection.pgconn
        _require(pgconn.exec_(self.written(connection, **values).encode()), ExecStatus.COPY_OUT)
        is_done = False
        poll = select.poll()
        poll.register(pgconn.socket, select.POLLIN)
        rows: list[memoryview] = []
        try:
            while True:
                length, row = pgconn.get_copy_data(1)
                if length > 0:
                    rows.append(row)
                    if len(rows) == _MOST_ROWS:
                        yield rows
                        rows = []
                elif length < 0:
                    is_done = True
                    break
                elif rows:
                    yield rows
                    rows = []
                else:
                    poll.poll()
                    pgconn.consume_input()
            while (result := pgconn.get_result()) is not None:
                _require(result, ExecStatus.COMMAND_OK)
            if rows:
                yield rows
        finally:
            if not is_done:
                _give_up(connection)


def _require(result: "PGresult", status: ExecStatus) -> None:
    """Raises the error that the database gave instead."""
    if result.status != status:
        raise error_from_result(result)


def _give_up(connection: "Connection[Any]") -> None:
    """Stop a COPY that nobody reads any more."""
    with suppress(PsycopgError):
        connection.cancel_safe(timeout=_PATIENCE_SECONDS)
        pgconn = connection.pgconn
        while (length := pgconn.get_copy_data(1)[0]) >= 0:
            if length == 0:
                select.select([pgconn.socket], [], [])
                pgconn.consume_input()
        while pgconn.get_result() is not None:
            pass


class Driver:
    """A pool of psycopg connections in autocommit, opened at the first use in each process."""

    def __init__(self) -> None:
        self._conninfo = ""
        self._size = 1
        self._pool: ConnectionPool[Connection[Any]] | None = None
        self._lock = Lock()
        self._bound: Connection[Any] | None = None

    def configure(self, database_url: str, pool_size: int) -> None:
        """Name the database; nothing is opened yet."""
        self.close()
        self._conninfo, self._size = database_url, pool_size

    def close(self) -> None:
        """Close the pool; the next use opens a new one."""
        with self._lock:
            if self._pool is not None:
                self._pool.close()
            self._pool = None

    @contextmanager
    def bound_to(self, connection: "Connection[Any]") -> Iterator[None]:
        """Everything runs on this connection, each transaction as a savepoint of its own (tests)."""
        before, self._bound = self._bound, connection
        try:
            yield
        finally:
            self._bound = before

    @contextmanager
    def connection(self) -> Iterator["Connection[Any]"]:
        """A connection in autocommit: each statement stands alone."""
        if self._bound is not None:
            yield self._bound
            return
        with self._opened().connection() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator["Connection[Any]"]:
        """A connection in a transaction: committed at the end, rolled back by an exception.  For edges only."""
        with self.connection() as connection, connection.transaction():
            yield connection

    @contextmanager
    def snapshot(self, *, most_seconds: float | None = None) -> Iterator["Connection[Any]"]:
        """A connection of its own, beside the pool, in a transaction that reads and sees one moment.

        For what takes minutes: the pool's are for calls that take none.  After most_seconds it is cut, wherever it is:
        as long as it sees its moment, the database takes nothing away that was changed since.
        """
        if self._bound is not None:
            yield self._bound
            return
        with connect(
            self._conninfo,
            autocommit=True,
            options="-c timezone=UTC",
            connect_timeout=_PATIENCE_SECONDS,
            row_factory=tuple_row,
        ) as connection:
            connection.read_only = True
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            with _cut_after(most_seconds, connection), connection.transaction():
                yield connection

    def _opened(self) -> "ConnectionPool[Connection[Any]]":
        if self._pool is None:
            with self._lock:
                if self._pool is None:
                    pool: ConnectionPool[Connection[Any]] = ConnectionPool(
                        self._conninfo,
                        min_size=1,
                        max_size=self._size,
                        open=False,
                        timeout=_PATIENCE_SECONDS,
                        reconnect_timeout=_PATIENCE_SECONDS,
                        kwargs={"autocommit": True, "options": CALLS, "row_factory": tuple_row},
                    )
                    pool.open()
                    self._pool = pool
        return self._pool


@contextmanager
def _cut_after(seconds: float | None, connection: "Connection[Any]") -> Iterator[None]:
    """Shut the connection's socket after so many seconds; who reads from it then, or later, is told that it is gone."""
    if seconds is None:
        yield
        return
    # One of ours: that of the connection may be closed and its number be another's by then.
    with socket(fileno=os.dup(connection.pgconn.socket)) as same:

        def cut() -> None:
            with suppress(OSError):
                same.shutdown(SHUT_RDWR)

        timer = Timer(seconds, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


@contextmanager
def planned_for_many(connection: "Connection[Any]") -> Iterator[None]:
    """Statements inside are planned for many rows, whatever PostgreSQL expects; for use inside a transaction.

    It cannot tell how many rows a part of a statement will give, and takes ten thousand for one: then each is compared
    with each, which took minutes where hashing takes a second.  These may be parted among processes.
    """
    settings = {"enable_nestloop": "off", "work_mem": "128MB", "max_parallel_workers_per_gather": "2"}
    for name, value in settings.items():
        connection.execute(f"set local {name} = '{value}'")
    yield
    # Not after an error: the transaction is at its end, and the settings with it.
    for name in settings:
        connection.execute(f"set local {name} = default")


driver = Driver()
