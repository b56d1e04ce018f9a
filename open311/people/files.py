"""Files that go for good: named in the transaction that lets go of them, taken from the store once it is committed."""

from collections.abc import Iterable
from typing import Any

from procrastinate import RetryStrategy
from procrastinate.types import JSONValue
from psycopg import Connection

from open311.cases.jobs import deferring, queue
from open311.cases.photos import MEDIA_PREFIX
from open311.config import settings
from open311.media_store import media_store

# A minute longer each time, and never given up: a store that is away for a week loses no order to remove.
_UNTIL_DONE = RetryStrategy(linear_wait=60)


def remove_later(connection: "Connection[Any]", paths: Iterable[str | None]) -> int:
    """Let a job remove these files, once this transaction is committed; how many.

    paths: as they are kept; addresses of others, of which we have no file, are passed over.
    """
    ours = {path for path in paths if path and path.startswith(f"{MEDIA_PREFIX}/")}
    names: list[JSONValue] = [path.removeprefix(f"{MEDIA_PREFIX}/") for path in sorted(ours)]
    if names:
        deferring.configure_task("remove_files", connection=connection).defer(names=names)
    return len(names)


@queue.task(name="remove_files", retry=_UNTIL_DONE)
def remove_files(names: list[str]) -> None:
    """Job: take files out of the store.  Twice is as once."""
    store = media_store(settings())
    for name in names:
        store.delete(name)
