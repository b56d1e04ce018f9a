"""The change feed: a dashboard that polls it holds what the database does, whoever writes meanwhile."""

import random
import re
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import Connection
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from open311.actors import operator
from open311.city.configuring import put_file
from open311.models import ServiceRequest
from open311.people.redacting import Redaction, redact
from open311.reports import changes
from open311.reports.changes import (
    FeedBeganAnew,
    StillWriting,
    begin_anew_if_restored,
    cursor_now,
    find_changes,
    let_earlier_writers_end,
    read_cursor,
)
from schemas.working import STANDARD_STATUSES
from tests.cases.smallville import IN_EAST, IN_WEST, SWAPPED, Smallville
from tests.factories import HOUR, NOW
from tests.small_city import SmallCity

ROWS = "select id, is_public from service_request where jurisdiction_id = %s"


class Copy:
    """A dashboard's copy of a city: what it holds, and where it goes on."""

    def __init__(self, jurisdiction_id: int) -> None:
        self.jurisdiction_id = jurisdiction_id
        self.rows: dict[str, Any] = {}
        self.cursor = "*"
        self.oldest = 0

    def poll(self, connection: "Connection[Any]", *, take: int = 1000) -> int:
        """Read all there is now; how many changes there were."""
        told = 0
        while True:
            found = find_changes(
                connection,
                read_cursor(self.cursor),
                jurisdiction_id=self.jurisdiction_id,
                take=take,
                public_url="http://here",
                now=NOW,
            )
            for cursor, change, number, request in found.rows:
                if change == changes.KEPT:
                    self.rows[number] = request
                else:
                    self.rows.pop(number, None)
                self.cursor = cursor
            told += len(found.rows)
            if not found.has_more:
                self.oldest = found.oldest
                return told

    def catch_up(self, connection: "Connection[Any]", *, take: int = 1000) -> int:
        """Poll until whatever wrote before now has ended, vacuuming among it; how many changes there were."""
        row = connection.execute("select pg_current_xact_id()::text::bigint").fetchone()
        assert row is not None
        told, ends_at = self.poll(connection, take=take), time.monotonic() + 30
        while self.oldest <= row[0]:
            assert time.monotonic() < ends_at, "a transaction goes on and on"
            time.sleep(0.02)
            told += self.poll(connection, take=take)
        return told


def open_rows_now(connection: "Connection[Any]", jurisdiction_id: int) -> dict[str, Any]:
    """What open data says of every request."""
    ids = [row[0] for row in connection.execute(ROWS, [jurisdiction_id]) if row[1]]
    rows = changes._ROWS.run(connection, jurisdiction_id=jurisdiction_id, ids=ids, public_url="http://here", now=NOW)
    return {row[1]: row[1:] for row in rows}


# What the feed says


@pytest.fixture
def committed(own_town: Smallville, own: "Connection[Any]") -> Smallville:
    """Smallville in a database of its own, whose transactions end."""
    own_town.session.commit()
    return own_town


def _report(town: Smallville, count: int = 1, **options: Any) -> list[str]:
    numbers = [town.report(IN_WEST, at=NOW - HOUR, **options) for _ in range(count)]
    town.session.commit()
    return numbers


def test_a_writer_in_another_database_of_the_server_holds_nothing_up(
    committed: Smallville, own: "Connection[Any]", database_url: str
) -> None:
    copy = Copy(committed.city.id)
    with psycopg.connect(database_url) as elsewhere:
        elsewhere.execute("select pg_current_xact_id()")
        one = _report(committed)[0]
        copy.catch_up(own)
        assert set(copy.rows) == {one}
        elsewhere.rollback()


def test_a_change_of_each_request_is_told_once_as_it_is_now(committed: Smallville, own: "Connection[Any]") -> None:
    one, other = _report(committed, 2)
    copy = Copy(committed.city.id)

    assert copy.catch_up(own) == 2
    assert set(copy.rows) == {one, other}
    assert copy.poll(own) == 0
    for words in ("first", "second"):
        own.execute(
            "update service_request set status_notes = %s, changed_in = pg_current_xact_id()::text::bigint where number = %s",
            [words, one],
        )
    assert copy.catch_up(own) == 1
    assert copy.rows[one][2] == "second"


def test_what_is_hidden_is_told_as_removed_and_what_was_never_shown_not_at_all(
    committed: Smallville, own: "Connection[Any]"
) -> None:
    one, never = _report(committed, 2)
    _update(committed, never, is_public=False)
    own.execute("update service_request set was_public = false where number = %s", [never])
    copy = Copy(committed.city.id)
    copy.catch_up(own)
    assert set(copy.rows) == {one}

    _update(committed, one, is_public=False)
    found = find_changes(own, read_cursor(copy.cursor), jurisdiction_id=committed.city.id, take=9, public_url="", now=NOW)
    assert [(row[1], row[2], row[3]) for row in found.rows] == [("removed", one, None)]
    copy.catch_up(own)
    assert copy.rows == {}

    _update(committed, one, is_public=True)
    copy.catch_up(own)
    assert set(copy.rows) == {one}


def _update(town: Smallville, number: str, **values: Any) -> None:
    town.session.execute(
        update(ServiceRequest)
        .where(ServiceRequest.jurisdiction_id == town.city.id, ServiceRequest.number == number)
        .values(**values)
    )
    town.session.commit()


def test_a_transaction_that_ends_late_is_waited_for(committed: Smallville, own_url: str, own: "Connection[Any]") -> None:
    copy = Copy(committed.city.id)
    copy.poll(own)
    with Session(committed.session.get_bind()) as slow:
        late = committed.through(slow).report(IN_WEST, at=NOW - HOUR)
        # Its number is drawn, its rows are written; others come in and end before it.
        early = _report(committed)[0]
        copy.poll(own)
        assert copy.rows == {}
        slow.commit()

    copy.catch_up(own)
    assert set(copy.rows) == {late, early}


def test_a_transaction_that_is_taken_back_is_told_of_by_nobody(committed: Smallville, own: "Connection[Any]") -> None:
    copy = Copy(committed.city.id)
    committed.report(IN_WEST, at=NOW - HOUR)
    committed.session.rollback()
    assert copy.poll(own) == 0


def test_names_districts_and_parents_are_changes_of_what_shows_them(committed: Smallville, own: "Connection[Any]") -> None:
    child, parent = _report(committed, 2)
    parent_id = committed.request(parent).id
    _update(committed, child, parent_id=parent_id)
    copy = Copy(committed.city.id)
    copy.catch_up(own)
    parent_shown, districts = copy.rows[child][-2:]
    assert parent_shown == parent
    assert "ward:W" in districts

    committed.folder.change("services.yml", "service_name: Pothole", "service_name: Hole in the road")
    committed.load(now=NOW)
    committed.session.commit()
    assert copy.catch_up(own) == 2
    assert copy.rows == open_rows_now(own, committed.city.id)
    assert copy.rows[child][3] == "Hole in the road"

    version = committed.publish(SWAPPED, valid_from=NOW - 2 * HOUR)
    committed.stamp(version, now=NOW)
    committed.session.commit()
    copy.catch_up(own)
    assert copy.rows == open_rows_now(own, committed.city.id)
    assert "ward:E" in copy.rows[child][-1]


def test_a_status_that_is_renamed_in_a_file_of_casework_is_a_change_of_what_shows_it(
    committed: Smallville, own: "Connection[Any]"
) -> None:
    one, closed = _report(committed, 2)
    _update(committed, closed, case_status="closed", status="closed", closed_at=NOW)
    copy = Copy(committed.city.id)
    copy.catch_up(own)

    _rename_a_status(committed, "open", "Waiting")
    committed.session.commit()

    assert copy.catch_up(own) == 1
    assert copy.rows == open_rows_now(own, committed.city.id)
    assert "Waiting" in copy.rows[one]


def test_names_are_changed_when_who_began_to_write_before_has_ended(
    committed: Smallville, own: "Connection[Any]", tmp_path: Path
) -> None:
    """A request that comes in meanwhile is not seen by who renames; told of before that ends, it would keep the old name."""
    copy = Copy(committed.city.id)
    began, is_renamed = threading.Event(), threading.Event()

    def rename() -> None:
        with Session(committed.session.get_bind()) as session:
            town = committed.through(session)
            town.folder = SmallCity(tmp_path / "renamed")
            began.set()
            _rename_a_status(town, "open", "Waiting")
            session.commit()
            is_renamed.set()

    number = committed.report(IN_WEST, at=NOW - HOUR)
    renaming = threading.Thread(target=rename)
    renaming.start()
    began.wait(10)
    assert not is_renamed.wait(0.5)
    committed.session.commit()
    copy.poll(own)
    renaming.join(30)

    assert is_renamed.is_set()
    copy.catch_up(own)
    assert "Waiting" in copy.rows[number]
    assert copy.rows == open_rows_now(own, committed.city.id)


def test_who_writes_for_too_long_is_not_waited_for(committed: Smallville, own_url: str) -> None:
    committed.report(IN_WEST, at=NOW - HOUR)
    with psycopg.connect(own_url) as other, pytest.raises(StillWriting, match=r"^0\.1$"):
        let_earlier_writers_end(other, most_seconds=0.1)
    committed.session.rollback()


def test_a_cursor_ahead_of_every_transaction_is_of_another_database(committed: Smallville, own: "Connection[Any]") -> None:
    """As when a copy of yesterday's database was put in place of today's."""
    _report(committed)
    copy = Copy(committed.city.id)
    copy.catch_up(own)
    copy.cursor = re.sub(r"-[0-9]+-[0-9]+$", f"-{2**40}-1", str(copy.cursor))

    with pytest.raises(FeedBeganAnew):
        copy.poll(own)


def _rename_a_status(town: Smallville, code: str, name: str) -> None:
    """As `open311 casework import statuses.yml` does."""
    listed = [{**each, "name": name} if each["code"] == code else dict(each) for each in STANDARD_STATUSES]
    path = town.folder.write("statuses.yml", yaml.safe_dump(listed))
    put_file(town.session, town.city.id, path, by=operator("Ann"), now=NOW)


def test_a_restored_database_begins_anew_and_says_so(committed: Smallville, own: "Connection[Any]") -> None:
    _report(committed)
    copy = Copy(committed.city.id)
    copy.catch_up(own)
    assert not begin_anew_if_restored(own)
    copy.poll(own)

    # As after a dump from a database that is far ahead.
    own.execute("update service_request set changed_in = changed_in + 1000000")
    assert begin_anew_if_restored(own)

    with pytest.raises(FeedBeganAnew):
        copy.poll(own)
    again = Copy(committed.city.id)
    again.poll(own)
    assert again.rows == open_rows_now(own, committed.city.id)


def test_whoever_has_a_file_goes_on_from_its_cursor(committed: Smallville, own: "Connection[Any]") -> None:
    _report(committed, 3)
    copy = Copy(committed.city.id)
    copy.cursor = cursor_now(own, committed.city.id)
    copy.rows = open_rows_now(own, committed.city.id)
    later = _report(committed)[0]
    assert copy.catch_up(own) == 1
    assert later in copy.rows
    assert copy.rows == open_rows_now(own, committed.city.id)


# Any mix of writes, by several writers at once


WRITERS, SECONDS = 4, 6.0
KINDS = {"report": 4, "describe": 4, "hide": 2, "show": 2, "redact": 1, "rename": 0.8}


def test_a_copy_is_the_same_as_the_database_after_any_mix_of_writes(
    committed: Smallville, own_url: str, own: "Connection[Any]", tmp_path: Path
) -> None:
    numbers = _report(committed, 8, description="A hole")
    is_over = threading.Event()
    faults: list[BaseException] = []
    written: list[str] = []
    # Each writer's own files of the city, which it changes and puts in place.
    folders = [SmallCity(tmp_path / f"small-{seed}") for seed in range(WRITERS)]

    def write(seed: int) -> None:
        chance = random.Random(seed)
        try:
            with Session(committed.session.get_bind()) as session:
                town = committed.through(session)
                town.folder = folders[seed]
                while not is_over.is_set():
                    # Its number drawn early, ended late, in another order than the others.
                    session.execute(select(1))
                    kind, new = _write(town, session, chance, numbers)
                    time.sleep(chance.random() * 0.03)
                    if chance.random() < 0.15:
                        session.rollback()
                    else:
                        session.commit()
                        written.append(kind)
                        numbers.extend(new)
        except BaseException as error:
            faults.append(error)

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(WRITERS)]
    copy, polls = Copy(committed.city.id), 0
    for each in writers:
        each.start()
    ends_at = time.monotonic() + SECONDS
    with psycopg.connect(own_url, autocommit=True, options="-c timezone=UTC") as reading:
        while time.monotonic() < ends_at:
            copy.poll(reading, take=3)
            polls += 1
            time.sleep(0.005)
        is_over.set()
        for each in writers:
            each.join(timeout=30)
        copy.catch_up(reading, take=3)

    assert faults == []
    assert polls > 5
    assert len(written) > 50
    assert copy.rows == open_rows_now(own, committed.city.id)
    assert set(written) == set(KINDS)


def _write(town: Smallville, session: Session, chance: random.Random, numbers: list[str]) -> tuple[str, list[str]]:
    """Something of what changes requests: what it was, and the numbers that are new once it is committed."""
    (kind,) = chance.choices(list(KINDS), list(KINDS.values()))
    number, word = chance.choice(numbers), f"{chance.random()}"
    if kind == "report":
        return kind, [town.report(chance.choice([IN_WEST, IN_EAST]), at=NOW - HOUR, description=word)]
    if kind == "redact":
        asked = Redaction(description=f"A hole, {word}")
        redact(town.connection, town.city, number, asked, by=operator("Ann"), reason="names a neighbour", now=NOW)
    elif kind == "rename":
        _rename_a_status(town, "open", f"Open, {word}")
    else:
        values: dict[str, Any] = {
            "describe": {"status_notes": word},
            "hide": {"is_public": False},
            "show": {"is_public": True},
        }[kind]
        theirs = (ServiceRequest.jurisdiction_id == town.city.id, ServiceRequest.number == number)
        session.execute(update(ServiceRequest).where(*theirs).values(**values).execution_options(synchronize_session=False))
    return kind, []
