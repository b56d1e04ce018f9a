"""Rows by COPY, and a connection that sees one moment."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.errors import DivisionByZero, InFailedSqlTransaction, ReadOnlySqlTransaction
from sqlalchemy import BigInteger, Text, bindparam, cast, func, literal_column, select

from db.driver import Copying, Driver

SERIES = func.generate_series(1, bindparam("most", type_=BigInteger)).column_valued("n")
NUMBERS = Copying(select(SERIES, cast(bindparam("words", type_=Text), Text)), "format csv")
BREAKING = Copying(select(literal_column("1000000") / (SERIES - literal_column("50000"))), "format csv")


@pytest.fixture
def driver(database_url: str) -> Iterator[Driver]:
    """A driver of this test alone."""
    driver = Driver()
    driver.configure(database_url, 1)
    yield driver
    driver.close()


def rows(copy: Copying, connection: Any, **values: Any) -> list[bytes]:
    """Every line that it gives."""
    return [bytes(row) for batch in copy.run(connection, **values) for row in batch]


def test_rows_come_in_order_with_values_quoted(driver: Driver) -> None:
    with driver.snapshot() as connection:
        found = rows(NUMBERS, connection, most=5000, words="'; drop table x; -- %s %(most)s")

    assert len(found) == 5000
    assert found[0] == b"1,'; drop table x; -- %s %(most)s\n"
    assert found[-1].startswith(b"5000,")


def test_an_error_in_the_middle_is_raised_behind_the_rows_before_it(driver: Driver) -> None:
    seen: list[int] = []

    def read() -> None:
        with driver.snapshot() as connection:
            seen.extend(len(batch) for batch in BREAKING.run(connection, most=100_000))

    with pytest.raises(DivisionByZero):
        read()

    assert sum(seen) > 10_000


def test_what_is_given_up_is_stopped_and_leaves_the_connection_usable(driver: Driver) -> None:
    with driver.connection() as connection:
        with connection.transaction(force_rollback=True):
            found = NUMBERS.run(connection, most=10_000_000, words="x")
            assert next(found)

            found.close()

            with pytest.raises(InFailedSqlTransaction):
                connection.execute("select 1")
        assert connection.execute("select 2").fetchone() == (2,)


def test_a_snapshot_sees_one_moment_and_writes_nothing(driver: Driver, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("create table seen (n integer)")
        try:
            with driver.snapshot() as connection:
                before = connection.execute("select count(*) from seen").fetchone()
                other.execute("insert into seen values (1)")
                assert connection.execute("select count(*) from seen").fetchone() == before == (0,)
            with pytest.raises(ReadOnlySqlTransaction), driver.snapshot() as connection:
                connection.execute("insert into seen values (2)")
        finally:
            other.execute("drop table seen")


def test_a_snapshot_is_cut_when_its_time_is_over(driver: Driver) -> None:
    with pytest.raises(psycopg.OperationalError), driver.snapshot(most_seconds=0.2) as connection:
        connection.execute("select pg_sleep(30)")

    with driver.snapshot(most_seconds=30) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
