"""Lists in which e-mail addresses stand: short, unless somebody says why they read them, which is kept."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
from psycopg import Connection

from db.driver import driver
from open311.actors import operator
from open311.jurisdictions import City
from open311.people import record
from schemas.moment import whole_second
from schemas.text import one_line

read_option = click.option("--reason", help="why you read the addresses, which is kept; without it they are short")


@contextmanager
def reading(city: City, what: str, *, reason: str | None, by: str) -> Iterator["tuple[Connection[Any], Callable[[str], str]]"]:
    """A connection to read `what` by, and how an address is shown; that whole ones were read is kept, with the reason."""
    with driver.transaction() as connection:
        if reason:
            facts = {"reason": one_line(reason), "of": what}
            now = whole_second(datetime.now(UTC))
            record.keep(connection, "read", facts, jurisdiction_id=city.id, by=operator(by), now=now)
        yield connection, (str if reason else shortened_address)


def shortened_address(text: str) -> str:
    """An address by its first sign and its domain; what is none as it is."""
    name, sign, domain = text.partition("@")
    return f"{name[:1]}…@{domain}" if sign else text
