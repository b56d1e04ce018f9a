"""open311 migrate."""

import click
import psycopg

from db.migrations import head, upgrade
from open311.cli.edge import readable_errors
from open311.config import Settings
from open311.reports.changes import begin_anew_if_restored


@click.command()
def migrate() -> None:
    """Bring the database to the version that this program needs, after it was restored from a dump as well."""
    with readable_errors():
        url = Settings.from_environment().libpq_url
        upgrade(url)
        with psycopg.connect(url, options="-c timezone=UTC") as connection:
            is_restored = begin_anew_if_restored(connection)
    click.echo(f"the database is at version {head()}")
    if is_restored:
        click.echo("it was restored: the change feed begins anew, and whoever copies it is told so")
