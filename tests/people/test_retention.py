"""Personal data that is kept no longer: as each service has it, a batch at a time, twice as once."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from open311.actors import operator
from open311.cases import statuses
from open311.notify import following
from open311.notify.following import Wish
from open311.people import retention
from open311.people.retention import expire_batch, forget_unconfirmed
from tests.cases.conftest import LOADED, Worker, until
from tests.cases.working import Working
from tests.people.conftest import BRUNO, MARIA, Dump, post, report, work

ANN = operator("Ann")
DAY = timedelta(days=1)
CITY = "retention: {personal_days: 30}\noutline: city"
HOLES = "- service_code: pothole\n  retention: {personal_days: 10, description_days: 20, files_days: 5}\n"


@pytest.fixture
def keeping(trees: Working) -> Working:
    """Treeville with a period of its own, and another for holes."""
    trees.folder.change("jurisdiction.yml", "outline: city", CITY)
    trees.folder.change("services.yml", "- service_code: pothole\n", HOLES)
    trees.load(now=LOADED)
    return trees


def closed(town: Working, words: str, person: dict[str, str], *, service: str = "pothole", photos: int = 0) -> str:
    """The number of a request that was closed at LOADED."""
    number = report(town, words, person, service=service, photos=photos)
    statuses.set_status(town.connection, town.city, number, "fixed", by=ANN, now=LOADED)
    return number


def expire(town: Working, *, days: float) -> int:
    """How many requests the job takes something from, so many days later."""
    return expire_batch(town.connection, jurisdiction_id=town.city.id, now=LOADED + days * DAY).requests


def test_each_part_goes_when_its_time_is_up_and_not_before(keeping: Working, dump: Dump, store: Any):
    number = closed(keeping, "A cavern, says Maria Quillfeather", MARIA, photos=1)

    assert expire(keeping, days=4.99) == 0
    assert expire(keeping, days=5) == 1
    work(keeping)
    assert (store(), "Quillfeather" in dump()) == ([], True)

    assert expire(keeping, days=10) == 1
    assert "Quillfeather" not in dump()
    assert "A cavern" in dump()

    assert expire(keeping, days=20) == 1
    assert "A cavern" not in dump()
    assert keeping.request(number).description == "[removed]"


def test_a_service_that_says_nothing_has_it_as_the_city(keeping: Working, dump: Dump):
    closed(keeping, "a tree", MARIA, service="tree")

    assert expire(keeping, days=29) == 0
    assert expire(keeping, days=30) == 1
    assert "quillfeather" not in dump().lower()
    assert expire(keeping, days=9000) == 0, "nothing is said of what they wrote: it is kept"


def test_keep_is_for_good_whatever_the_city_says(keeping: Working):
    keeping.folder.change("services.yml", "personal_days: 10, description_days: 20, files_days: 5", "personal_days: keep")
    keeping.load(now=LOADED)
    closed(keeping, "a hole", MARIA)

    assert expire(keeping, days=9000) == 0


def test_without_periods_everything_is_kept(trees: Working):
    closed(trees, "a hole", MARIA)

    assert expire(trees, days=9000) == 0


def test_what_is_open_or_was_opened_again_is_left_alone(keeping: Working, dump: Dump):
    report(keeping, "a hole", MARIA)
    number = closed(keeping, "another", BRUNO)
    statuses.reopen(keeping.connection, keeping.city, number, by=ANN, reason="still there", now=LOADED + DAY)

    assert expire(keeping, days=9000) == 0
    assert MARIA["email"] in dump()


def test_who_posted_updates_goes_too(keeping: Working, dump: Dump):
    number = closed(keeping, "a hole", {})
    post(keeping, number, "it is back", MARIA)

    assert expire(keeping, days=10) == 1

    assert "quillfeather" not in dump().lower()


def test_free_answers_go_with_the_description(keeping: Working, dump: Dump):
    keeping.folder.change("services.yml", "  attributes:\n", FREE)
    keeping.load(now=LOADED)
    number = closed(keeping, "a hole", {})
    keeping.connection.execute(
        'update service_request set attributes = \'{"WHO": "old Zebulon", "DEPTH": "deep"}\' where number = %s', [number]
    )

    assert expire(keeping, days=20) == 1
    assert keeping.request(number).attributes == {"WHO": "[removed]", "DEPTH": "deep"}
    assert expire(keeping, days=20) == 0


FREE = "  attributes:\n    - {code: WHO, datatype: string, description: Who did it}\n"


def test_batches_go_on_where_the_last_one_ended(keeping: Working, monkeypatch: pytest.MonkeyPatch):
    for position in range(3):
        closed(keeping, f"hole {position}", {**BRUNO, "email": f"b{position}@example.org"})
    monkeypatch.setattr(retention, "_DUE", limited(keeping.connection))
    now, seen, last_id = LOADED + 10 * DAY, 0, 0
    while True:
        batch = expire_batch(keeping.connection, jurisdiction_id=keeping.city.id, after_id=last_id, now=now)
        if batch.last_id is None:
            break
        seen, last_id = seen + batch.requests, batch.last_id

    assert seen == 3
    assert keeping.rows("select 1 from reporter") == []


def limited(connection: "Connection[Any]") -> Any:
    """The statement of what is due, two at a time."""

    class Two:
        def run(self, connection: Any, **values: Any) -> Any:
            class Rows(list[Any]):
                def fetchall(self) -> Any:
                    return self

            return Rows(_DUE.run(connection, **values).fetchall()[:2])

    return Two()


_DUE = retention._DUE


def test_what_the_job_took_away_is_kept_as_counts(keeping: Working):
    closed(keeping, "a hole", MARIA)

    expire(keeping, days=10)

    (row,) = keeping.rows("select kind, facts from person_use")
    assert row.kind == "expired"
    assert (row.facts["by"], row.facts["requests"], row.facts["reporters"]) == ("Dispatch311", 1, 1)


def test_a_worker_takes_away_what_is_past_and_removes_files(
    own_trees: Working, own: "Connection[Any]", start_worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    own_trees.folder.change("jurisdiction.yml", "outline: city", "retention: {personal_days: 0, files_days: 0}\noutline: city")
    own_trees.load(now=LOADED)
    number = own_trees.take("pothole", at=LOADED)
    statuses.set_status(own_trees.connection, own_trees.city, number, "fixed", by=ANN, now=LOADED)
    name = f"{'0' * 32}.jpg"
    own_trees.connection.execute(
        "insert into reporter (jurisdiction_id, request_id, email)"
        " select jurisdiction_id, id, 'm@example.org' from service_request"
    )
    own_trees.connection.execute(
        "insert into media (jurisdiction_id, request_id, position, path)"
        " select jurisdiction_id, id, 1, %s from service_request",
        [f"/media/small.gov/{name}"],
    )
    own_trees.session.commit()
    (tmp_path / "small.gov").mkdir()
    (tmp_path / "small.gov" / name).write_bytes(b"a photo")
    monkeypatch.setenv("OPEN311_MEDIA_DIR", str(tmp_path))
    defer = (
        "select procrastinate_defer_jobs_v1(array[row('default', 'expire', 0, null, null, '{\"timestamp\": 0}', null)"
        "::procrastinate_job_to_defer_v1])"
    )
    own.execute(defer)
    own.execute(defer)

    start_worker()

    until(own, "select 1 where not exists (select 1 from procrastinate_jobs where task_name in ('expire', 'remove_files'))")
    assert own.execute("select 1 from reporter union all select 1 from media").fetchall() == []
    assert not (tmp_path / "small.gov" / name).exists()
    (row,) = own.execute("select kind from person_use").fetchall()
    assert row.kind == "expired"


def test_who_never_said_yes_is_forgotten_after_a_month(trees: Working):
    now = LOADED + timedelta(days=60)
    for email, at in (("old@example.org", now - timedelta(days=31)), ("new@example.org", now - timedelta(days=29))):
        following.ask(trees.connection, trees.city, Wish(email=email, district=("ward", "W")), now=at)

    gone = forget_unconfirmed(trees.connection, jurisdiction_id=trees.city.id, now=now)

    assert (gone.followers, gone.messages) == (1, 1)
    assert [row.email for row in trees.rows("select email from follower")] == ["new@example.org"]
