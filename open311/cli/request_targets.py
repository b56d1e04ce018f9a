"""open311 request targets."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.table import Table

from db.driver import driver
from open311.cases.promises import Compared, compare, share
from open311.cases.recorded import ExportMapping
from open311.cases.targets import Promises
from open311.city.calendars import as_hours
from open311.city.folder import CALENDARS, read_calendars
from open311.city.rules import known_here
from open311.city.targets import TARGETS, read_targets
from open311.cli.edge import jurisdiction_option, mapping_option, progress, proposal, show_table, with_app
from open311.jurisdictions import City, cities
from routing.calendars import Hours

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("targets")
@click.argument("file", type=_FILE)
@mapping_option
@jurisdiction_option
@click.option("--targets", type=_FILE, help="targets.yml: how long each service may take; else that beside the mapping")
@click.option("--calendars", type=_FILE, help="calendars.yml: when desks are open; else that beside the targets")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@with_app
def targets_(
    file: Path, mapping: Path, jurisdiction_id: str, targets: Path | None, calendars: Path | None, as_json: bool
) -> None:
    """Compare the deadlines that the targets give the cases of FILE (.csv or .csv.gz) with those that the city recorded.

    For every service of which a deadline is recorded: how many cases have the same within a working hour, and how many
    would have it if the service took its commonest number of calendar days.
    """
    city = cities().named(jurisdiction_id)
    read = ExportMapping(mapping)
    targets = targets or mapping.with_name(TARGETS)
    promises, hours = _promises(city, targets, calendars or targets.with_name(CALENDARS))
    with driver.transaction() as connection, progress() as bar:
        task = bar.add_task(str(file), total=None)
        found = compare(
            connection, city, file, read, promises, hours, now=datetime.now(UTC), advance=lambda rows: bar.advance(task, rows)
        )
    if as_json:
        click.echo(json.dumps(_as_json(found), indent=2))
    else:
        _show(found)


def _promises(city: City, targets: Path, calendars: Path) -> tuple[Promises, dict[str, Hours]]:
    """The targets of a file, and the hours of the other's calendars by their codes.

    A target may name the services and departments that the city has, and those calendars.
    """
    hours = {each["code"]: as_hours(each, timezone=city.zone.key) for each in read_calendars(calendars)}
    with proposal() as session:
        known = replace(known_here(session, city.id), calendars=hours.keys())
    items = [(item["service_code"], item["group"], item) for item in read_targets(targets, known)]
    return Promises(items, city.zone), hours


def _totals(found: Sequence[Compared]) -> tuple[int, int, int]:
    """How many cases, how many of them as the targets say, and how many as the calendar days say."""
    return sum(each.cases for each in found), sum(each.equal for each in found), sum(each.days_equal for each in found)


def _as_json(found: Sequence[Compared]) -> dict[str, object]:
    cases, equal, days_equal = _totals(found)
    return {
        "cases": cases,
        "equal": share(equal, cases),
        "calendar_days_equal": share(days_equal, cases),
        "services": [each.as_shares() for each in found],
    }


def _show(found: Sequence[Compared]) -> None:
    table = Table("service", "cases", "target", "equal", "plain calendar days", "equal")
    for each in found:
        said = ", ".join(str(promise) for promise in each.promises) or "none"
        table.add_row(
            each.service_name, str(each.cases), said, _percent(each.equal, each.cases),
            str(each.days), _percent(each.days_equal, each.cases),
        )  # fmt: skip
    cases, equal, days_equal = _totals(found)
    table.add_section()
    table.add_row("all", str(cases), "", _percent(equal, cases), "", _percent(days_equal, cases))
    show_table(table)


def _percent(count: int, of: int) -> str:
    return f"{100 * count / of:.1f} %"
