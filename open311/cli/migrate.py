"""open311 migrate."""

import click

from db.migrations import head, upgrade
from open311.cli.edge import readable_errors
from open311.config import Settings


@click.command()
def migrate() -> None:
    """Bring the database to the version that this program needs."""
    with readable_errors():
        upgrade(Settings.from_environment().libpq_url)
    click.echo(f"the database is at version {head()}")
