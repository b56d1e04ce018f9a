"""open311 worker."""

import asyncio
import signal
from contextlib import suppress

import click
from procrastinate import App, PsycopgConnector

from open311.cases.jobs import HEARTBEAT_SECONDS, MESSAGES, SILENCE_SECONDS, WEBHOOKS, WORK, queue
from open311.cli.edge import with_app
from open311.config import settings


@click.command()
@with_app
def worker() -> None:
    """Do the work that is done after the answer, until stopped (SIGINT or SIGTERM)."""
    with queue.replace_connector(PsycopgConnector(conninfo=settings().libpq_url)) as working:
        asyncio.run(_work(working))


async def _work(working: App) -> None:
    """Work the queues side by side; what is begun is ended before it stops."""
    async with working.open_async():
        all_queues = asyncio.gather(*(_work_queue(working, name) for name in (WORK, MESSAGES, WEBHOOKS)))
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(each, all_queues.cancel)
        with suppress(asyncio.CancelledError):
            await all_queues


async def _work_queue(working: App, name: str) -> None:
    await working.run_worker_async(
        name=f"open311 {name}",
        queues=[name],
        listen_notify=True,
        fetch_job_polling_interval=2,
        concurrency=2,
        update_heartbeat_interval=HEARTBEAT_SECONDS,
        stalled_worker_timeout=SILENCE_SECONDS,
        delete_jobs="successful",
        install_signal_handlers=False,
    )
