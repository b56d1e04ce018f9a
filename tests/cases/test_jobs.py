"""The job queue: what a worker that was killed had begun is done by the next one."""

import asyncio
import signal
from datetime import timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from procrastinate import PsycopgConnector
from procrastinate.jobs import Job
from psycopg import Connection

from open311.cases.jobs import queue, retry_stalled_jobs
from open311.cases.numbering import number_request
from tests.cases.conftest import Worker, until

DEAD, ALIVE = timedelta(seconds=13), timedelta(seconds=5)


def begun(own: "Connection[Any]", *, silent: timedelta | None) -> int:
    """A job that a worker has begun, silent for so long; None: its row is gone."""
    worker = None
    if silent is not None:
        worker = own.execute(
            "insert into procrastinate_workers (last_heartbeat) values (now() - %s) returning id", [silent]
        ).fetchone()[0]  # type: ignore[index]
    return int(
        own.execute(
            "insert into procrastinate_jobs (queue_name, task_name, status, worker_id)"
            " values ('default', 'number_request', 'doing', %s) returning id",
            [worker],
        ).fetchone()[0]  # type: ignore[index]
    )


def retry(url: str) -> None:
    """The job of every minute, run once."""

    async def run() -> None:
        with queue.replace_connector(PsycopgConnector(conninfo=url)) as working:
            async with working.open_async():
                await retry_stalled_jobs(timestamp=0)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("silent", "status"),
    [
        pytest.param(DEAD, "todo", id="of-a-worker-that-fell-silent"),
        pytest.param(None, "todo", id="of-a-worker-that-was-struck-off"),
        pytest.param(ALIVE, "doing", id="of-a-worker-that-lives"),
    ],
)
def test_a_job_that_was_begun_is_put_back_when_its_worker_is_dead(
    own: "Connection[Any]", own_url: str, silent: timedelta | None, status: str
):
    job = begun(own, silent=silent)

    retry(own_url)

    assert own.execute("select status from procrastinate_jobs where id = %s", [job]).fetchone() == (status,)


def test_a_job_that_fails_is_tried_again_later_each_time():
    waits = []
    for attempts in range(10):
        job = Job(id=1, queue="default", lock=None, queueing_lock=None, task_name="number_request", attempts=attempts)
        decision = number_request.get_retry_exception(exception=OSError(), job=job)
        assert decision is not None
        waits.append(decision.retry_decision.retry_at)

    assert all(later - sooner > timedelta(seconds=5) for sooner, later in pairwise(waits))


def test_what_a_killed_worker_was_at_is_done_by_the_next_one_and_forgotten(own: "Connection[Any]", start_worker: Worker):
    own.execute(
        "insert into service_request (jurisdiction_id, service_id, status, case_status, department_id, requested_at,"
        " updated_at, channel, is_public, token)"
        " select j.id, s.id, 'open', 'open', j.default_department_id, now(), now(), 'app', false, 'T-1'"
        " from jurisdiction j join service s on s.jurisdiction_id = j.id order by s.id limit 1"
    )
    request = own.execute("select jurisdiction_id, id from service_request").fetchone()
    assert request is not None

    with own.transaction():
        own.execute("select 1 from service_request for update")  # holds the job up in the middle
        with psycopg.connect(own.info.dsn, autocommit=True, password=own.info.password) as other:
            other.execute(
                "select procrastinate_defer_jobs_v1(array[row('default', 'number_request', 0, null, null,"
                " jsonb_build_object('jurisdiction_id', %s::bigint, 'request_id', %s::bigint), null)"
                "::procrastinate_job_to_defer_v1])",
                request,
            )
            worker = start_worker()
            until(other, "select 1 from procrastinate_jobs where task_name = 'number_request' and status = 'doing'")
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            # As if twelve seconds had passed, and the next minute begun.
            other.execute("update procrastinate_workers set last_heartbeat = now() - interval '13 seconds'")
            other.execute("delete from procrastinate_periodic_defers")
    start_worker()

    until(own, "select 1 from service_request where number is not null")
    until(own, "select 1 where not exists (select 1 from procrastinate_jobs where task_name = 'number_request')")
