"""open311 message list, replay."""

import click
from rich.table import Table

from db.driver import driver
from open311.cli.addresses import read_option, reading
from open311.cli.edge import by_option, jurisdiction_option, show_table, with_app
from open311.jurisdictions import cities
from open311.models.message import MESSAGE_STATES
from open311.notify import outbox


@click.group()
def message() -> None:
    """What people are told by e-mail, and other systems by webhooks, and what could not be sent."""


@message.command("list")
@jurisdiction_option
@click.option(
    "--state", "states", multiple=True, type=click.Choice(MESSAGE_STATES), help="only these (may be repeated); else all"
)
@click.option("--most", type=click.IntRange(1, 10_000), default=50, show_default=True, help="so many of the newest")
@click.option("--whole", is_flag=True, help="with the text of each, which takes a reason")
@read_option
@by_option
@with_app
def list_messages(jurisdiction_id: str, states: tuple[str, ...], most: int, whole: bool, reason: str | None, by: str) -> None:
    """The newest messages of a city, the newest first."""
    if whole and not reason:
        raise click.UsageError("--whole takes --reason: the texts are personal")
    city = cities().named(jurisdiction_id)
    with reading(city, "messages", reason=reason, by=by) as (connection, shown):
        rows = outbox.find_messages(connection, jurisdiction_id=city.id, states=states or MESSAGE_STATES, most=most)
    if whole:
        for row in rows:
            click.echo(
                f"{row.id} {row.state} to {shown(row.recipient)}\nSubject: {row.subject or row.event}\n\n{row.body or ''}"
            )
        return
    table = Table()
    for heading in ("id", "at", "request", "event", "to", "state", "by", "tries", "error"):
        table.add_column(heading)
    for row in rows:
        at = f"{row.at.astimezone(city.zone):%Y-%m-%d %H:%M}"
        sent_by, error = row.sent_by or "", row.error or ""
        table.add_row(
            str(row.id), at, row.number or "", row.event, shown(row.recipient), row.state, sent_by, str(row.attempts), error
        )
    show_table(table)


@message.command("replay")
@jurisdiction_option
@click.argument("ids", nargs=-1, type=int)
@with_app
def replay(jurisdiction_id: str, ids: tuple[int, ...]) -> None:
    """Try dead messages again: these IDS, or all of the city."""
    city = cities().named(jurisdiction_id)
    with driver.transaction() as connection:
        count = outbox.replay(connection, jurisdiction_id=city.id, ids=ids or None)
    click.echo(f"messages to be sent again: {count}")
