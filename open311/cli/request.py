"""open311 request import, change, assign, return, reroute, unplaced; targets stands in a file of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path

import click
from rich.table import Table

from db.driver import driver
from open311.cases.importing import Importer
from open311.cases.recorded import ExportMapping
from open311.cases.rerouting import (
    Changes,
    NothingChanges,
    NotOverridden,
    ReasonMissing,
    RequestClosed,
    Rerouted,
    Rerouting,
    change,
    override,
    release,
    reroute_open,
    unplaced,
)
from open311.cases.stamping import wait_for_older
from open311.city.lines import BadFile
from open311.cli.city import summary
from open311.cli.edge import Answer, Refused, jurisdiction_option, mapping_option, progress, shortened, show_table, with_app
from open311.cli.request_targets import targets_
from open311.departments import UnknownDepartment
from open311.jurisdictions import cities
from schemas.moment import whole_second, write
from schemas.query import read_point
from schemas.text import one_line

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def request() -> None:
    """Requests."""


request.add_command(targets_)


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


number_argument = click.argument("number")


def _whoever_runs_this() -> str:
    try:
        return getuser()
    except (KeyError, OSError):
        # In a container the user may have no name.
        return f"uid {os.getuid()}"


by_option = click.option("--by", default=_whoever_runs_this, show_default="who is logged in", help="who does it")


@request.command("change")
@number_argument
@jurisdiction_option
@click.option("--service-code", help="another service")
@click.option("--lat", help="latitude, WGS84 degrees; with --long")
@click.option("--long", help="longitude, WGS84 degrees; with --lat")
@click.option("--address", help="another address, as text; the place follows it, unless a point was sent")
@click.option(
    "--attribute", "given", multiple=True, type=Answer(), metavar="CODE=VALUE", help="another answer; CODE= takes it away"
)
@click.option("--reason", default="", help="why")
@by_option
@with_app
def change_(
    number: str,
    jurisdiction_id: str,
    service_code: str | None,
    lat: str | None,
    long: str | None,
    address: str | None,
    given: tuple[tuple[str, str], ...],
    reason: str,
    by: str,
) -> None:
    """Change what request NUMBER says, and route it once for all of that together."""
    city = cities().named(jurisdiction_id)
    answers: dict[str, list[str]] = {}
    for code, value in given:
        answers.setdefault(code, []).extend([value] if value else [])
    changes = Changes(
        service_code=service_code,
        point=read_point({"lat": [lat or ""], "long": [long or ""]}),
        address=None if address is None else one_line(address),
        answers=answers or None,
    )
    with _routing_refusals(number), driver.transaction() as connection:
        done = change(connection, city, number, changes, by=by, reason=one_line(reason), now=whole_second(datetime.now(UTC)))
    if done.decision is None:
        click.echo(f"{done.number} was changed and stays with {done.after}")
    else:
        _say_where(done)


@request.command("assign")
@number_argument
@jurisdiction_option
@click.option("--department", required=True, help="code of the department or unit")
@click.option("--reason", required=True, help="why the rules are overruled")
@by_option
@with_app
def assign(number: str, jurisdiction_id: str, department: str, reason: str, by: str) -> None:
    """Give request NUMBER to a department, whatever the rules say, until it is returned to them."""
    city = cities().named(jurisdiction_id)
    with _routing_refusals(number), driver.transaction() as connection:
        done = override(
            connection, city, number, department, by=by, reason=one_line(reason), now=whole_second(datetime.now(UTC))
        )
    click.echo(f"{done.number} is with {done.after} now, before with {done.before}, until it is returned to the rules")


@request.command("return")
@number_argument
@jurisdiction_option
@by_option
@with_app
def return_(number: str, jurisdiction_id: str, by: str) -> None:
    """Return request NUMBER, which somebody assigned, to the rules; they decide at once."""
    city = cities().named(jurisdiction_id)
    with _routing_refusals(number), driver.transaction() as connection:
        done = release(connection, city, number, by=by, now=whole_second(datetime.now(UTC)))
    _say_where(done)


@request.command("reroute")
@jurisdiction_option
@click.option("--reason", required=True, help="why; it stands in the history of each request that moves")
@with_app
def reroute_(jurisdiction_id: str, reason: str) -> None:
    """Route every open request anew by the rules and maps in force now, but for those that somebody assigned."""
    city, now = cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    cause, routed = one_line(reason), Rerouting()
    if not cause:
        raise Refused("--reason must say something")
    with driver.connection() as connection:
        with connection.transaction():
            routed = reroute_open(connection, routed, jurisdiction_id=city.id, cause=cause, now=now)
        # What was just coming in may have been decided before what this is about.
        wait_for_older(connection)
        with connection.transaction():
            routed = reroute_open(connection, routed, jurisdiction_id=city.id, cause=cause, now=now)
    click.echo(f"{len(routed.ids)} open requests were routed anew, {routed.moved} go elsewhere now")


@request.command("unplaced")
@jurisdiction_option
@with_app
def unplaced_(jurisdiction_id: str) -> None:
    """The open requests whose address could not be placed, oldest first: `request change --lat --long` places one."""
    city = cities().named(jurisdiction_id)
    with driver.connection() as connection:
        found = unplaced(connection, jurisdiction_id=city.id)
    table = Table("number", "came in", "address", "why", box=None)
    for each in found:
        table.add_row(each.number or "", write(each.requested_at), each.address or "", each.because)
    show_table(table)


def _say_where(done: Rerouted) -> None:
    assert done.decision is not None
    click.echo(done.decision.reason)
    moved = f"goes from {done.before} to {done.after}" if done.before != done.after else f"stays with {done.after}"
    click.echo(f"{done.number} {moved}")


@contextmanager
def _routing_refusals(number: str) -> Iterator[None]:
    """What a request refuses to have done to it, as messages."""
    try:
        yield
    except UnknownDepartment as error:
        raise Refused(f"no department or unit has the code {error}") from error
    except ReasonMissing as error:
        raise Refused("--reason must say something") from error
    except NotOverridden as error:
        raise Refused(f"{number} is routed by the rules already") from error
    except RequestClosed as error:
        raise Refused(f"{number} is closed") from error
    except NothingChanges as error:
        raise Refused(f"{number} is so already") from error
