"""open311 casework import, check, log: how departments work, changed by those whose it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.table import Table

from db import db, driver_connection
from open311.city.configuring import Changed, NotYours, UnknownKind, changes, put_file
from open311.cli.acting import acting, who
from open311.cli.edge import Refused, jurisdiction_option, proposal, show_table, transaction, with_app
from open311.jurisdictions import cities
from schemas.moment import whole_second
from schemas.text import one_line

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def casework() -> None:
    """How departments work: statuses, closing reasons, texts, targets, plans, ladders, articles."""


@casework.command("import")
@click.argument("file", type=_FILE)
@jurisdiction_option
@click.option("--reason", default="", help="why")
@acting
@with_app
def import_(file: Path, jurisdiction_id: str, reason: str, as_email: str | None, by: str) -> None:
    """Put the items of FILE, such as plans.yml, in place of the city's: all of them, or none when anything is wrong.

    A department's supervisor (--as) changes what is that department's, and nobody else's.
    """
    city, now = cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    with _refusals(), transaction() as session:
        actor = who(driver_connection(session), city, as_email=as_email, by=by)
        _say(put_file(session, city.id, file, by=actor, reason=one_line(reason), now=now), "is in place")


@casework.command("check")
@click.argument("file", type=_FILE)
@jurisdiction_option
@acting
@with_app
def check(file: Path, jurisdiction_id: str, as_email: str | None, by: str) -> None:
    """Say what FILE would change, or what is wrong with it; nothing is kept."""
    city, now = cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    with _refusals(), proposal() as session:
        actor = who(driver_connection(session), city, as_email=as_email, by=by)
        _say(put_file(session, city.id, file, by=actor, now=now), "can be put in place")


@casework.command("log")
@jurisdiction_option
@with_app
def log(jurisdiction_id: str) -> None:
    """Who changed what of how departments work, the newest first."""
    city = cities().named(jurisdiction_id)
    table = Table("when", "who", "added", "changed", "removed", "why", box=None)
    for each in changes(db.session(), city.id):
        what = [", ".join(each.facts[name]) for name in ("added", "changed", "removed")] + [each.facts.get("reason", "")]
        table.add_row(each.at.astimezone(city.zone).strftime("%Y-%m-%d %H:%M"), each.facts["by"], *what)
    show_table(table)


def _say(found: Changed, words: str) -> None:
    if found.is_nothing:
        click.echo("all is so already")
        return
    for name in ("added", "changed", "removed"):
        for each in getattr(found, name):
            click.echo(f"{name}: {each}")
    click.echo(f"{found.kind}.yml {words}")


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except NotYours as error:
        raise Refused("\n".join(error.messages)) from error
    except UnknownKind as error:
        raise Refused(str(error)) from error
