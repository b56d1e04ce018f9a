"""open311 request, with import, change, return, reroute, unplaced here and the others in the modules beside."""

from datetime import UTC, datetime
from pathlib import Path

import click
from rich.table import Table

from db.driver import driver
from open311.cases.importing import Importer
from open311.cases.recorded import ExportMapping
from open311.cases.rerouting import Changes, Rerouted, Rerouting, change, release, reroute_open, unplaced
from open311.cases.stamping import wait_for_older
from open311.city.lines import BadFile
from open311.cli import request_work
from open311.cli.acting import Doing, on_request
from open311.cli.city import summary
from open311.cli.edge import Answer, Refused, jurisdiction_option, mapping_option, progress, shortened, show_table, with_app
from open311.cli.request_desk import alerts, queue
from open311.cli.request_knowledge import knowledge, knowledge_score
from open311.cli.request_person import person_, redact_
from open311.cli.request_phase import phase, phase_option
from open311.cli.request_receive import answer_, receive, receive_mail
from open311.cli.request_show import show
from open311.cli.request_similar import lead, link, similar_, similar_score, unlink
from open311.cli.request_targets import targets_
from open311.jurisdictions import cities
from schemas.moment import whole_second, write
from schemas.query import read_point
from schemas.text import one_line

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def request() -> None:
    """Requests."""


for each in (
    receive,
    answer_,
    receive_mail,
    request_work.accept,
    request_work.hand_back,
    request_work.assign,
    request_work.note,
    request_work.status,
    request_work.close,
    request_work.reopen,
    request_work.flag,
    phase,
    similar_,
    link,
    unlink,
    lead,
    similar_score,
    show,
    person_,
    redact_,
    knowledge,
    knowledge_score,
    queue,
    alerts,
    targets_,
):
    request.add_command(each)


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


@request.command("change")
@on_request
@click.option("--service-code", help="another service")
@click.option("--lat", help="latitude, WGS84 degrees; with --long")
@click.option("--long", help="longitude, WGS84 degrees; with --lat")
@click.option("--address", help="another address, as text; the place follows it, unless a point was sent")
@click.option(
    "--attribute", "given", multiple=True, type=Answer(), metavar="CODE=VALUE", help="another answer; CODE= takes it away"
)
@click.option("--reason", default="", help="why")
def change_(
    doing: Doing,
    service_code: str | None,
    lat: str | None,
    long: str | None,
    address: str | None,
    given: tuple[tuple[str, str], ...],
    reason: str,
) -> str:
    """Change what request NUMBER says, and route it once for all of that together."""
    answers: dict[str, list[str]] = {}
    for code, value in given:
        answers.setdefault(code, []).extend([value] if value else [])
    changes = Changes(
        service_code=service_code,
        point=read_point({"lat": [lat or ""], "long": [long or ""]}),
        address=None if address is None else one_line(address),
        answers=answers or None,
    )
    done = change(doing.connection, doing.city, doing.number, changes, by=doing.by, reason=one_line(reason), now=doing.now)
    if done.decision is None:
        return f"{done.number} was changed and stays with {done.after}"
    return _where(done)


@request.command("return")
@on_request
@phase_option
def return_(doing: Doing, phase: str | None) -> str:
    """Return request NUMBER, or a phase of it, which somebody assigned, to the rules; they decide at once."""
    return _where(release(doing.connection, doing.city, doing.number, phase=phase, by=doing.by, now=doing.now))


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


def _where(done: Rerouted) -> str:
    """Who answers now, and by which decision."""
    moved = f"goes from {done.before} to {done.after}" if done.before != done.after else f"stays with {done.after}"
    reason = f"{done.decision.reason}\n" if done.decision is not None else ""
    return f"{reason}{done.number} {moved}"
