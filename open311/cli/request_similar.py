"""open311 request similar, link, unlink, lead, similar-score: the same thing, reported by many."""

import csv
import json
from pathlib import Path

import click
from rich.table import Table

from db.driver import driver
from open311.cases import duplicates
from open311.cases.holding import look_at
from open311.cases.similar import UnknownPair, likeness_of, score, similar
from open311.cli.acting import Doing, acting, number_argument, on_request, reason_option, refusals, who
from open311.cli.edge import Refused, jurisdiction_option, progress, shortened, show_table, with_app
from open311.jurisdictions import cities
from schemas.text import one_line

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_PAIR = ("case_id", "duplicate_of")


@click.command("similar")
@number_argument
@jurisdiction_option
@acting
@with_app
def similar_(number: str, jurisdiction_id: str, as_email: str | None, by: str) -> None:
    """Earlier requests that are likely of the same thing as request NUMBER, the likeliest first."""
    city = cities().named(jurisdiction_id)
    with refusals(number), driver.transaction() as connection:
        held = look_at(connection, city, number, who(connection, city, as_email=as_email, by=by))
        found = similar(connection, city, likeness_of(held), public_only=False)
    table = Table("number", "service", "status", "came in", "metres", "reported by", "where", box=None)
    for each in found:
        table.add_row(
            each.number,
            each.service_name,
            each.status,
            each.requested_at.astimezone(city.zone).strftime("%Y-%m-%d %H:%M"),
            "" if each.distance_metres is None else f"{each.distance_metres:.0f}",
            str(each.reported_by),
            each.address or "",
        )
    show_table(table)


@click.command("link")
@on_request
@click.argument("parent")
@click.option("--reason", default="", help="why")
def link(doing: Doing, parent: str, reason: str) -> str:
    """Let request NUMBER follow request PARENT, which is of the same thing and is the one that is worked."""
    leads = duplicates.link(
        doing.connection, doing.city, doing.number, parent, by=doing.by, reason=one_line(reason), now=doing.now
    )
    return f"{doing.number} follows {leads.number} now"


@click.command("unlink")
@on_request
@reason_option
def unlink(doing: Doing, reason: str) -> str:
    """Let request NUMBER stand by itself again."""
    held = duplicates.unlink(doing.connection, doing.city, doing.number, by=doing.by, reason=one_line(reason), now=doing.now)
    return f"{held.number} stands by itself, with {held.answers_for}"


@click.command("lead")
@on_request
@reason_option
def lead(doing: Doing, reason: str) -> str:
    """Choose request NUMBER, which follows another, to be the one that is worked; the others follow it."""
    held = duplicates.lead(doing.connection, doing.city, doing.number, by=doing.by, reason=one_line(reason), now=doing.now)
    return f"{held.number} leads now, with {held.answers_for}"


@click.command("similar-score")
@click.argument("pairs", type=_FILE)
@jurisdiction_option
@with_app
def similar_score(pairs: Path, jurisdiction_id: str) -> None:
    """How well the pairs of PAIRS.csv (case_id, duplicate_of) are found: the earlier among those suggested for the later."""
    city = cities().named(jurisdiction_id)
    with pairs.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in _PAIR if name not in (reader.fieldnames or ())]
        if missing:
            raise Refused(f"{pairs}:1: must have the columns {', '.join(_PAIR)}")
        wanted = [(row[_PAIR[0]].strip(), row[_PAIR[1]].strip()) for row in reader]
    with driver.transaction() as connection, progress() as bar:
        task = bar.add_task(str(pairs), total=None)
        try:
            found = score(connection, city, wanted, advance=lambda requests: bar.advance(task, requests))
        except UnknownPair as error:
            numbers = [f"{pairs}: no request here has the number {number}" for number in error.numbers]
            raise Refused(shortened(numbers)) from error
    click.echo(json.dumps(found.as_figures()))
