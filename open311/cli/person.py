"""open311 person: what is kept of a person, exported and erased, and who read it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from db.driver import driver
from open311.cli.acting import acting, reason_option, refusals, who
from open311.cli.edge import Refused, jurisdiction_option, require_writable, show_table, with_app
from open311.config import settings
from open311.jurisdictions import cities
from open311.media_store import media_store
from open311.people.erasing import Erased, erase
from open311.people.exporting import export
from open311.people.identity import Asked
from open311.people.record import uses
from schemas.moment import whole_second
from schemas.text import one_line


@click.group()
def person() -> None:
    """What is kept of a person."""


def _asked(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--name", help="first and last name, where several people share the telephone"),
        click.option("--account-id", help="as the client that they report with knows them"),
        click.option("--phone", help="telephone number, however it is written"),
        click.option("--email", help="e-mail address"),
        jurisdiction_option,
    ):
        command = option(command)
    return command


def _of(given: dict[str, Any]) -> Asked:
    names = ("email", "phone", "account_id", "name")
    return Asked(**{name: one_line(given[name]) or None for name in names if given[name] is not None})


@person.command("export")
@_asked
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="the ZIP archive that is written, readable by you alone"
)
@reason_option
@acting
@with_app
def export_(jurisdiction_id: str, output: Path, reason: str, as_email: str | None, by: str, **given: Any) -> None:
    """Write all that is kept of a person, and nothing of anybody else, into a ZIP archive: JSON, and the files they sent."""
    city, now = cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    require_writable(output)
    if output.exists():
        raise Refused(f"{output} is there already")
    with refusals("it"), driver.transaction() as connection:
        actor = who(connection, city, as_email=as_email, by=by)
        found = export(
            connection, city, _of(given), output, media_store(settings()), by=actor, reason=one_line(reason), now=now
        )
    click.echo(f"{output}: {found.requests} requests, {found.updates} updates of other requests, {found.files} files")


@person.command("erase")
@_asked
@click.option("--descriptions", is_flag=True, help="what they wrote as well, from public reads too")
@click.option("--files", is_flag=True, help="the files that they sent as well")
@click.option("--dry-run", is_flag=True, help="count what would go, and change nothing")
@reason_option
@acting
@with_app
def erase_(
    jurisdiction_id: str,
    descriptions: bool,
    files: bool,
    dry_run: bool,
    reason: str,
    as_email: str | None,
    by: str,
    **given: Any,
) -> None:
    """Take away all that is kept of a person; their requests stay, and are worked on.  Nobody can bring it back."""
    city, now = cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    with refusals("it"), driver.connection() as connection, connection.transaction(force_rollback=dry_run):
        actor = who(connection, city, as_email=as_email, by=by)
        asked = _of(given)
        gone = erase(
            connection,
            city,
            asked,
            by=actor,
            reason=one_line(reason),
            descriptions=descriptions,
            files=files,
            now=now,
        )
    click.echo(_counted(gone, "would go" if dry_run else "are gone"))


def _counted(gone: Erased, verb: str) -> str:
    if gone.is_nothing:
        return "nothing is kept of this person"
    counted = ", ".join(f"{count} {name}" for name, count in gone.counts.items())
    return f"{counted.replace('_', ' ')} {verb}"


@person.command("log")
@jurisdiction_option
@click.option("--request", "number", help="only what was read of this one")
@click.option("--limit", type=click.IntRange(min=1), default=200, show_default=True, help="so many of them")
@acting
@with_app
def log_(jurisdiction_id: str, number: str | None, limit: int, as_email: str | None, by: str) -> None:
    """Who read, exported and erased personal data, and why, the newest first."""
    city = cities().named(jurisdiction_id)
    with refusals("it"), driver.transaction() as connection:
        actor = who(connection, city, as_email=as_email, by=by)
        found = uses(connection, jurisdiction_id=city.id, by=actor, number=number, limit=limit)
    table = Table("when", "what", "request", "who", "why", "", box=None)
    for each in found:
        facts = dict(each.facts)
        said = (facts.pop("by", ""), facts.pop("reason", ""))
        facts.pop("account_id", None)
        more = ", ".join(f"{name}: {', '.join(value) if isinstance(value, list) else value}" for name, value in facts.items())
        table.add_row(each.at.astimezone(city.zone).strftime("%Y-%m-%d %H:%M"), each.kind, each.number or "", *said, more)
    show_table(table)
