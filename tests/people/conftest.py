"""Treeville with a store of files, somebody who reports in it, and every text of its database."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from open311 import media_store as stores
from open311.actors import Actor, Grant
from open311.cases import intake, updates
from open311.cases.intake import Draft
from open311.cases.photos import PhotoShelf, read_photo
from open311.config import settings as settings_now
from open311.media_store import media_store
from open311.notify.channels import channel
from open311.notify.delivery import deliver
from open311.notify.links import Links
from open311.people.files import remove_files
from open311.services import find_service
from schemas.update import PostedUpdate
from tests.bucket import bucket_server
from tests.cases.conftest import LOADED, own, own_trees, own_url, people, start_worker, trees
from tests.cases.files import photo, taken_at
from tests.cases.smallville import IN_WEST
from tests.cases.working import Working

__all__ = ["own", "own_trees", "own_url", "people", "start_worker", "trees"]

NOW = LOADED + timedelta(hours=1)
MARIA = {
    "email": "Maria.Quillfeather@example.org",
    "first_name": "Maria",
    "last_name": "Quillfeather",
    "phone": "(617) 555-0142",
    "device_id": "device-8c1d77",
    "account_id": "account-20771",
}
BRUNO = {"email": "bruno@example.org", "first_name": "Bruno", "last_name": "Oakes", "phone": "617-555-0199"}
_COUNT = count()
CLIENT = Actor(kind="key", name="app", grants=(Grant(role="updates_key"),))
Dump = Callable[[], str]


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The names of all the files that are kept: in a folder, and in a bucket."""
    if request.param == "folder":
        settings(media_dir=str(tmp_path / "media"))
        yield lambda: sorted(
            str(each.relative_to(tmp_path / "media")) for each in (tmp_path / "media").rglob("*") if each.is_file()
        )
        return
    with bucket_server() as bucket:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_ENDPOINT": bucket.url,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }.items():
            monkeypatch.setenv(name, value)
        settings(media_store="s3://photos")
        media_store_cache_clear()
        yield lambda: sorted(each.rpartition("/")[2] for each in bucket.objects)
        media_store_cache_clear()


def media_store_cache_clear() -> None:
    """Let the next store be made anew: it reads the environment."""
    stores._store.cache_clear()


# What was there before the test's transaction knows nobody of the test; of that, only how many there are can change
# without one that is written anew.
_ROWS = """
    select to_jsonb(t)::text, t::text from {table} t where t.xmin::text::bigint >= pg_current_xact_id()::xid::text::bigint
    union all select '', count(*)::text from {table}
"""


@pytest.fixture
def dump(trees: Working) -> Dump:
    """Every row of every table that the test wrote, as text, whatever its columns; and how many rows each table has.

    Who is nowhere in it is kept nowhere; and where it is as it was, no row was written, changed or taken away.
    """

    def dump() -> str:
        tables = trees.rows(
            "select table_schema, table_name from information_schema.tables where table_type = 'BASE TABLE'"
            " and table_schema not in ('pg_catalog', 'information_schema')"
        )
        found = []
        for schema, table in tables:
            query = sql.SQL(_ROWS).format(table=sql.Identifier(schema, table))
            with trees.connection.cursor() as cursor:
                rows = cursor.execute(query).fetchall()
            found += [f"{table}: {row[0]} {row[1]}" for row in rows]
        return "\n".join(found)

    return dump


def report(trees: Working, words: str, person: dict[str, str], *, photos: int = 0, service: str = "pothole") -> str:
    """The number of what somebody reports, with photos that say where they were taken."""
    with PhotoShelf(media_store(settings_now()), jurisdiction_id="small.gov") as shelf:
        media = [shelf.put(_photo()) for _ in range(photos)]
    draft = Draft(
        service=find_service(trees.connection, service, jurisdiction_id=trees.city.id).new,
        decision=trees.route(IN_WEST, at=LOADED, service=service),
        point=IN_WEST,
        description=words,
        person=person,
        media=media,
        client_reference=f"{person.get('email')} {next(_COUNT)}",
    )
    number = intake.receive(trees.connection, draft, jurisdiction_id=trees.city.id, now=LOADED).number
    assert number is not None
    return number


def _photo() -> Any:
    content = photo(size=(900, 700), exif=taken_at((42, 21, 0), (71, 9, 0)))
    return read_photo("hole.jpg", content, max_bytes=2**24, max_pixels=1_000_000)


def post(trees: Working, number: str, words: str, person: dict[str, str], *, photos: int = 0) -> int:
    """The id of an update that a client posts for somebody."""
    with PhotoShelf(media_store(settings_now()), jurisdiction_id="small.gov") as shelf:
        urls = [shelf.put(_photo(), with_thumbnail=False).path for _ in range(photos)]
    posted = PostedUpdate(
        update_id=f"theirs-{next(_COUNT)}",
        number=number,
        status="unchanged",
        updated_at=NOW,
        description=words,
        person={name: value for name, value in person.items() if name != "device_id"},
        media_urls=urls,
    )
    receipt = updates.post_update(trees.connection, trees.city, posted, urls, by=CLIENT, now=NOW)
    return int(receipt.update_id)


def deliver_all(trees: Working) -> None:
    """Send every message that waits, into the log: its text is kept from then on."""
    way = channel(settings_now())
    for row in trees.rows("select id from message where state = 'waiting' order by id"):
        deliver(trees.connection, way, Links(settings_now()), jurisdiction_id=trees.city.id, message_id=row.id, now=NOW)


def work(trees: Working) -> int:
    """Do the jobs that remove files, as the worker would; how many there were."""
    jobs = trees.rows("delete from procrastinate_jobs where task_name = 'remove_files' returning args")
    for job in jobs:
        remove_files(**job.args)
    return len(jobs)
