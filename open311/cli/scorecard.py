"""open311 scorecard refresh, verify."""

from datetime import UTC, datetime

import click

from db.driver import driver
from open311.cli.edge import Refused, jurisdiction_option, shortened, with_app
from open311.jurisdictions import cities
from open311.reports import rollups
from open311.reports.cells import KEYS, NAMES
from schemas.moment import whole_second, write


@click.group()
def scorecard() -> None:
    """Figures by district, department, service, channel and period."""


@scorecard.command("refresh")
@jurisdiction_option
@click.option("--all", "is_whole", is_flag=True, help="count every request anew, not only what changed")
@with_app
def refresh(jurisdiction_id: str, is_whole: bool) -> None:
    """Bring the figures up to date now, as the worker does every five minutes."""
    city, now = cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    with driver.transaction() as connection:
        done = rollups.refresh(connection, jurisdiction_id=city.id, now=now, is_whole=is_whole)
    click.echo(f"{done.requests} requests counted, {done.cells} cells made; as of {write(now)}")


@scorecard.command("verify")
@jurisdiction_option
@with_app
def verify(jurisdiction_id: str) -> None:
    """Bring the figures up to date, and prove that every cell is what the requests themselves say.

    Names each cell that is not, and changes none of them: scorecard refresh --all does.
    """
    city, now = cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    with driver.transaction() as connection:
        # What is counted and what it is compared with are of one moment.
        connection.execute("set transaction isolation level repeatable read")
        rollups.refresh(connection, jurisdiction_id=city.id, now=now)
        found = rollups.differences(connection, jurisdiction_id=city.id)
    if found:
        raise Refused(f"{len(found)} cells are not what the requests say:\n{shortened([_said(each) for each in found])}")
    click.echo(f"every cell is what the requests say; as of {write(now)}")


def _said(found: rollups.Difference) -> str:
    """district group_id 7 month 2026-03-01: received 4, but 3."""
    grouping, *ids, span, starts = found.key
    named = [f"{name} {value}" for name, value in zip(KEYS[1:4], ids, strict=True) if value not in (0, "")]
    key = " ".join([NAMES[grouping], *named, span, starts.isoformat()])
    figures = "; ".join(f"{name} {kept}, but {so}" for name, (kept, so) in found.figures.items())
    return f"{key}: {figures}"
