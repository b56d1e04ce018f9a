"""The job queue: work that is done after the answer, in the same database."""

from procrastinate import App, PsycopgConnector

queue = App(
    connector=PsycopgConnector(),
    import_paths=["open311.cases.numbering"],
)
