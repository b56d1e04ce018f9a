"""A worker that is killed at random while a thousand requests come in: nothing is lost, and nothing is done twice."""

import random
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from open311.cases.jobs import SILENCE_SECONDS
from tests.cases.conftest import Worker, until, whole_second_ago
from tests.cases.smallville import IN_EAST, IN_WEST, Smallville
from tests.cases.treeville import treeville

INTAKES, KILLS = 1000, 3


@pytest.fixture
def own_town(own_url: str, tmp_path: Path) -> Iterator[Smallville]:
    """Treeville in a database of its own, where potholes get their numbers from the worker."""
    folder = treeville(tmp_path / "tree")
    folder.change("services.yml", "  keywords: [road, hole]\n", "  keywords: [road, hole]\n  type: batch\n")
    engine = create_engine(own_url.replace("postgresql://", "postgresql+psycopg://", 1))
    with Session(engine, expire_on_commit=False) as session:
        town = Smallville(session, folder, now=whole_second_ago())
        session.commit()
        yield town
    engine.dispose()


def take_in(town: Smallville, accepted: list[str]) -> None:
    """A thousand requests, each a transaction: potholes, and every fifth a fallen tree that is to be escalated at once."""
    for number in range(INTAKES):
        now = datetime.now(UTC).replace(microsecond=0)
        if number % 5:
            accepted.append(town.report(IN_EAST if number % 2 else IN_WEST, at=now, needs_number=False))
        else:
            accepted.append(town.report(IN_WEST, at=now, service="tree"))
            # Half of the two hours for the traffic are over.
            town.connection.execute(
                "update request_clock set next_step_at = now() where next_step_at is not null and phase_id is not null"
                " and climbed_to = 0 and request_id = (select max(id) from service_request)"
            )
        town.session.commit()


def after_the_silence(own: "Connection[Any]") -> None:
    """As if the dead had been silent for long, and the next minute had begun."""
    own.execute("update procrastinate_workers set last_heartbeat = now() - make_interval(secs => %s)", [SILENCE_SECONDS + 1])
    own.execute("delete from procrastinate_periodic_defers")


def escalate_now(own: "Connection[Any]") -> None:
    """The job of every minute, begun now."""
    own.execute(
        "select procrastinate_defer_jobs_v1(array[row('default', 'escalate', 0, null, null, '{\"timestamp\": 0}'::jsonb, null)"
        "::procrastinate_job_to_defer_v1])"
    )


def test_a_worker_killed_at_random_loses_nothing_and_does_nothing_twice(
    own: "Connection[Any]", own_town: Smallville, start_worker: Worker
):
    chance, accepted = random.Random(311), list[str]()
    intake = threading.Thread(target=take_in, args=(own_town, accepted))
    intake.start()
    for _ in range(KILLS):
        worker = start_worker()
        before = own.execute("select count(*) from service_request where number is not null").fetchone()
        until(own, f"select 1 from service_request where number is not null having count(*) > {before[0]}", seconds=60)  # type: ignore[index]
        escalate_now(own)
        time.sleep(chance.uniform(0, 0.4))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        after_the_silence(own)
    intake.join()
    escalate_now(own)
    after_the_silence(own)
    start_worker()

    until(own, "select 1 where not exists (select 1 from service_request where number is null)", seconds=90)
    until(own, "select 1 where not exists (select 1 from request_clock where next_step_at <= now())", seconds=90)
    until(
        own, "select 1 where not exists (select 1 from procrastinate_jobs where task_name <> 'retry_stalled_jobs')", seconds=90
    )

    assert len(accepted) == INTAKES == len(set(accepted))
    (kept,) = own.execute("select count(*) as requests, count(distinct number) as numbers from service_request").fetchall()
    assert tuple(kept) == (INTAKES, INTAKES)
    # Each request has its number once and, of the trees, each step once, with its alert.
    counted = own.execute(
        "select e.kind, count(*) as facts, count(distinct e.request_id) as requests from request_event e"
        " where e.kind in ('numbered', 'escalated') group by 1 order by 1"
    ).fetchall()
    trees = INTAKES // 5
    assert [tuple(row) for row in counted] == [("escalated", trees, trees), ("numbered", INTAKES - trees, INTAKES - trees)]
    (alerts,) = own.execute("select count(*) from alert where kind = 'escalated'").fetchall()
    assert alerts[0] == trees
