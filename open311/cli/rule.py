"""open311 rule score."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from db.driver import driver
from open311.cases.recorded import ExportMapping
from open311.cases.scoring import Agreement, score
from open311.cli.edge import jurisdiction_option, progress, with_app
from open311.cli.request import mapping_option
from open311.jurisdictions import cities


@click.group()
def rule() -> None:
    """Routing rules."""


@rule.command("score")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@mapping_option
@jurisdiction_option
@with_app
def score_(file: Path, mapping: Path, jurisdiction_id: str) -> None:
    """Route every case of FILE, stored or not, and print how far that agrees with what the city recorded.

    One line of JSON: {"cases", "located", "department", "queue"}; the last two are shares of all cases.
    """
    city = cities().named(jurisdiction_id)
    read = ExportMapping(mapping)
    found = Agreement()
    with driver.transaction() as connection, progress() as bar:
        task = bar.add_task(str(file), total=None)
        for found in score(connection, city, file, read, now=datetime.now(UTC)):
            bar.update(task, completed=found.cases)
    click.echo(json.dumps(found.as_shares()))
