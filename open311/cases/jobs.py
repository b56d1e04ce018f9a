"""The job queue: work that is done after the answer, in the same database."""

from procrastinate import App, PsycopgConnector, RetryStrategy, SyncPsycopgConnector

# A worker says so often that it lives, and one silent for so long counts as dead.
HEARTBEAT_SECONDS = 4
SILENCE_SECONDS = 12

# 3 s, 9 s, 27 s, ... 16 hours: longer than a night without its database.
PATIENTLY = RetryStrategy(max_attempts=10, exponential_wait=3)

# The queues: a mail server that is slow holds up nothing but e-mail, a receiver nothing but webhooks.
WORK, MESSAGES, WEBHOOKS = "default", "messages", "webhooks"

queue = App(
    connector=PsycopgConnector(),
    import_paths=[
        "open311.cases.escalation",
        "open311.cases.numbering",
        "open311.cases.settling",
        "open311.cases.stamping",
        "open311.notify.delivery",
        "open311.notify.digests",
        "open311.notify.webhooks",
        "open311.people.files",
        "open311.people.own",
        "open311.people.retention",
        "open311.reports.rollups",
        "open311.reports.snapshots",
    ],
)

# Defers by name in a transaction of a job: while the worker runs, the queue's own connector wants an asynchronous one.
deferring = App(connector=SyncPsycopgConnector())


@queue.periodic(cron="* * * * *")
@queue.task(name="retry_stalled_jobs")
async def retry_stalled_jobs(timestamp: int) -> None:
    """Job of every minute: put back what a worker that died had begun.  So every job must bear to be run twice."""
    for job in await queue.job_manager.get_stalled_jobs(seconds_since_heartbeat=SILENCE_SECONDS):
        await queue.job_manager.retry_job(job)
