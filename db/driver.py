"""One driver connection, one transaction, one text: how the hot paths reach PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import msgspec
from psycopg import Connection, Cursor, RawCursor
from psycopg.rows import RowFactory, namedtuple_row, tuple_row
from psycopg.types.json import set_json_dumps
from psycopg_pool import ConnectionPool
from sqlalchemy import ClauseElement
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.compiler import SQLCompiler

# Ten times the standard library's speed, and an import writes a quarter of a million documents.
set_json_dumps(msgspec.json.encode)

_DIALECT = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]

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
        compiled = composed.compile(dialect=_DIALECT)
        assert isinstance(compiled, SQLCompiler)
        self.text = str(compiled)
        self._bytes = self.text.encode()
        self.names = list(compiled.positiontup or [])
        self.constants = {name: value for name, value in compiled.params.items() if value is not None}
        self._row_factory = row_factory
        self._is_prepared = not is_planned_anew

    def run(self, connection: "Connection[Any]", **values: Any) -> "Cursor[Any]":
        """The cursor of the executed statement; raises KeyError for a value that was not given."""
        constants = self.constants
        cursor = RawCursor(connection, row_factory=self._row_factory)
        parameters = [values[name] if name in values else constants[name] for name in self.names]
        return cursor.execute(self._bytes, parameters, prepare=self._is_prepared, binary=True)


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
                        kwargs={"autocommit": True, "options": "-c timezone=UTC", "row_factory": tuple_row},
                    )
                    pool.open()
                    self._pool = pool
        return self._pool


@contextmanager
def planned_for_many(connection: "Connection[Any]") -> Iterator[None]:
    """Statements inside are planned for many rows, whatever PostgreSQL expects; for use inside a transaction.

    It cannot tell how many rows a part of a statement will give, and takes ten thousand for one: then each is compared
    with each, which took minutes where hashing takes a second.
    """
    settings = {"enable_nestloop": "off", "work_mem": "128MB"}
    for name, value in settings.items():
        connection.execute(f"set local {name} = '{value}'")
    yield
    # Not after an error: the transaction is at its end, and the settings with it.
    for name in settings:
        connection.execute(f"set local {name} = default")


driver = Driver()
