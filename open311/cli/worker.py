"""open311 worker."""

import click
from procrastinate import PsycopgConnector

from open311.cases.jobs import HEARTBEAT_SECONDS, SILENCE_SECONDS, queue
from open311.cli.edge import with_app
from open311.config import settings


@click.command()
@with_app
def worker() -> None:
    """Do the work that is done after the answer, until stopped (SIGINT or SIGTERM)."""
    with queue.replace_connector(PsycopgConnector(conninfo=settings().libpq_url)) as working:
        working.run_worker(
            name="open311",
            listen_notify=True,
            fetch_job_polling_interval=2,
            concurrency=2,
            update_heartbeat_interval=HEARTBEAT_SECONDS,
            stalled_worker_timeout=SILENCE_SECONDS,
            delete_jobs="successful",
        )
