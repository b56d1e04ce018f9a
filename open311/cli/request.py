"""open311 request import."""

from datetime import UTC, datetime
from pathlib import Path

import click

from db.driver import driver
from open311.cases.importing import Importer
from open311.cases.recorded import ExportMapping
from open311.city.lines import BadFile
from open311.cli.city import summary
from open311.cli.edge import Refused, jurisdiction_option, progress, shortened, with_app
from open311.jurisdictions import cities
from schemas.moment import whole_second

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

mapping_option = click.option("--mapping", required=True, type=_FILE, help="mapping.yml: how to read the file")


@click.group()
def request() -> None:
    """Requests."""


@request.command("import")
@click.argument("file", type=_FILE)
@mapping_option
@jurisdiction_option
@with_app
def import_(file: Path, mapping: Path, jurisdiction_id: str) -> None:
    """Import past requests from FILE (.csv or .csv.gz) with their own numbers.

    They are kept in batches, each whole or not at all; run it again after a cut or a repair, what is there stays.
    """
    city = cities().named(jurisdiction_id)
    read = ExportMapping(mapping)
    now = whole_second(datetime.now(UTC))
    unread: list[str] = []
    with driver.connection() as connection, progress() as bar:
        with connection.transaction():
            importer = Importer(connection, city, file, read)
        task = bar.add_task(str(file), total=None)
        try:
            for keep in importer.batches(weeks=0, now=now):
                with connection.transaction():
                    bar.advance(task, keep())
        except BadFile as error:
            # The file ends here for us; what was kept before stays, and wants its statistics.
            unread = error.messages
        done = importer.finish()
    click.echo(summary(done))
    if done.problems:
        raise Refused("batches with these lines were not imported:\n" + shortened([*done.problems, *unread]))
    if unread:
        raise Refused(shortened(unread))
