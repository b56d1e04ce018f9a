"""open311 request receive, receive-mail, accept, hand-back, assign, note, status, close, reopen, flag, phase, show."""

import email
import email.policy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import click
from marshmallow import ValidationError
from psycopg import Connection
from rich.table import Table

from db.driver import driver
from open311.actors import Actor
from open311.cases import assignment, escalation, phases, statuses
from open311.cases.intake import Receipt
from open311.cases.life import Life, Promise, cities_with, life_of
from open311.cases.photos import PhotoShelf
from open311.cases.posting import take_in
from open311.cases.receiving import CHANNELS, Attachment, NotAReport, read_mail, read_taken
from open311.cli.acting import acting, refusals, who
from open311.cli.edge import Answer, Refused, jurisdiction_option, shortened, show_table, with_app
from open311.cli.request_desk import alerts, queue
from open311.config import settings
from open311.jurisdictions import City, cities
from schemas.casework import UNITS, AmountSchema
from schemas.moment import whole_second
from schemas.problems import Problems
from schemas.text import one_line

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
Work = Callable[["Connection[Any]", City, Actor, datetime], Any]

number_argument = click.argument("number")
phase_option = click.option("--phase", metavar="CODE", help="which open phase; needed where several are open")
reason_option = click.option("--reason", required=True, help="why")


class _Returned(Refused):
    """A message that goes back to its sender: EX_DATAERR of sysexits.h, by which a mail server knows not to try again."""

    exit_code = 65


def add_commands(request: click.Group) -> None:
    """The commands of this file."""
    for command in (
        receive,
        receive_mail,
        accept,
        hand_back,
        assign,
        note,
        status,
        close,
        reopen,
        flag,
        phase,
        show,
        queue,
        alerts,
    ):
        request.add_command(command)


def _now() -> datetime:
    return whole_second(datetime.now(UTC))


def _do(number: str, jurisdiction_id: str, as_email: str | None, by: str, work: Work) -> Any:
    """Do something with a request as somebody, all of it or nothing."""
    city = cities().named(jurisdiction_id)
    with refusals(number), driver.transaction() as connection:
        return work(connection, city, who(connection, city, as_email=as_email, by=by), _now())


def _take(
    fields: Mapping[str, Sequence[str]],
    files: Sequence[Attachment],
    city: City,
    *,
    channel: str,
    by: Actor,
    client_reference: str | None = None,
) -> Receipt:
    """Receive a request for somebody, all of it or nothing."""
    limits = settings()
    posted, located = read_taken(fields, files, city, by=by, limits=limits)
    with (
        PhotoShelf(limits.media_folder, jurisdiction_id=city.jurisdiction_id) as shelf,
        driver.transaction() as connection,
    ):
        return take_in(
            connection,
            posted,
            located,
            city,
            shelf,
            channel=channel,
            now=_now(),
            by=by,
            client_reference=client_reference,
        )


@click.command()
@jurisdiction_option
@click.option("--channel", required=True, type=click.Choice(CHANNELS), help="how it came")
@click.option("--service-code", required=True, help="what it is about")
@click.option("--description", default="", help="what was said")
@click.option("--lat", help="latitude, WGS84 degrees; with --long")
@click.option("--long", help="longitude, WGS84 degrees; with --lat")
@click.option("--address", help="the address, as text")
@click.option("--attribute", "given", multiple=True, type=Answer(), metavar="CODE=VALUE", help="an answer of the form")
@click.option("--first-name", help="of who reports")
@click.option("--last-name", help="of who reports")
@click.option("--email", "email_", help="of who reports")
@click.option("--phone", help="of who reports")
@click.option("--photo", "photos", multiple=True, type=_FILE, help="a picture")
@acting
@with_app
def receive(
    jurisdiction_id: str,
    channel: str,
    service_code: str,
    description: str,
    lat: str | None,
    long: str | None,
    address: str | None,
    given: tuple[tuple[str, str], ...],
    first_name: str | None,
    last_name: str | None,
    email_: str | None,
    phone: str | None,
    photos: tuple[Path, ...],
    as_email: str | None,
    by: str,
) -> None:
    """Take a request in for somebody, through any channel; print its number."""
    values = {
        "service_code": service_code,
        "description": description,
        "lat": lat,
        "long": long,
        "address_string": address,
        "first_name": first_name,
        "last_name": last_name,
        "email": email_,
        "phone": phone,
    }
    fields = {name: [value] for name, value in values.items() if value}
    for code, answer in given:
        fields.setdefault(f"attribute[{code}]", []).append(answer)
    city, files = (
        cities().named(jurisdiction_id),
        [Attachment(filename=each.name, content=each.read_bytes()) for each in photos],
    )
    with driver.connection() as connection:
        actor = who(connection, city, as_email=as_email, by=by)
    with refusals("it"):
        receipt = _take(fields, files, city, channel=channel, by=actor)
    click.echo(_told(receipt))


@click.command("receive-mail")
@jurisdiction_option
@click.option("--service-code", required=True, help="what the mailbox is about")
@acting
@with_app
def receive_mail(jurisdiction_id: str, service_code: str, as_email: str | None, by: str) -> None:
    """Take in the e-mail message on standard input (RFC 5322), as a mail server pipes it; print the request's number.

    Subject and text are the description, a line "Address: ..." is the place, pictures are the photos, and the sender is
    who reports.  A message that is delivered twice is one request.  What a machine sent by itself is passed over.  A
    message that cannot be taken ends with status 65, so that the mail server returns it to its sender with the reasons.
    """
    city = cities().named(jurisdiction_id)
    message = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    try:
        mail = read_mail(message, service_code=service_code)
    except NotAReport as error:
        click.echo(f"passed over: {error}")
        return
    with driver.connection() as connection:
        actor = who(connection, city, as_email=as_email, by=by)
    with _bounced(), refusals("it"):
        receipt = _take(mail.fields, mail.photos, city, channel="email", by=actor, client_reference=mail.reference)
    click.echo(_told(receipt))


@click.command()
@number_argument
@jurisdiction_option
@phase_option
@acting
@with_app
def accept(number: str, jurisdiction_id: str, phase: str | None, as_email: str | None, by: str) -> None:
    """Say for the department that request NUMBER, or its open phase, is theirs."""
    held = _do(
        number,
        jurisdiction_id,
        as_email,
        by,
        lambda connection, city, actor, now: assignment.accept(connection, city, number, phase=phase, by=actor, now=now),
    )
    click.echo(f"{held.number} is accepted")


@click.command("hand-back")
@number_argument
@jurisdiction_option
@phase_option
@reason_option
@acting
@with_app
def hand_back(number: str, jurisdiction_id: str, phase: str | None, reason: str, as_email: str | None, by: str) -> None:
    """Say that request NUMBER, or its open phase, is not the department's: the city's front desk has it then."""
    _do(
        number,
        jurisdiction_id,
        as_email,
        by,
        lambda connection, city, actor, now: assignment.hand_back(
            connection, city, number, phase=phase, by=actor, reason=one_line(reason), now=now
        ),
    )
    click.echo(f"{number} is handed back")


@click.command()
@number_argument
@jurisdiction_option
@click.option("--department", help="code of the department or unit that gets it, whatever the rules say")
@click.option("--to", "person", metavar="EMAIL", help="the person of the department who gets it")
@phase_option
@click.option("--reason", default="", help="why; needed with --department")
@acting
@with_app
def assign(
    number: str,
    jurisdiction_id: str,
    department: str | None,
    person: str | None,
    phase: str | None,
    reason: str,
    as_email: str | None,
    by: str,
) -> None:
    """Give request NUMBER, or its open phase, to a department until it is returned to the rules, or to a person."""
    if (department is None) == (person is None):
        raise click.UsageError("give one of --department and --to")

    def work(connection: "Connection[Any]", city: City, actor: Actor, now: datetime) -> str:
        if person is not None:
            assignment.assign_person(connection, city, number, person, phase=phase, by=actor, now=now)
            return f"{number} is with {person} now"
        assert department is not None
        done = assignment.reassign(
            connection, city, number, department, phase=phase, by=actor, reason=one_line(reason), now=now
        )
        return f"{number} is with {done.answers_for} now, until it is returned to the rules"

    click.echo(_do(number, jurisdiction_id, as_email, by, work))


@click.command()
@number_argument
@jurisdiction_option
@click.argument("words")
@click.option("--public", "is_public", is_flag=True, help="for everybody, not for the city's own people alone")
@acting
@with_app
def note(number: str, jurisdiction_id: str, words: str, is_public: bool, as_email: str | None, by: str) -> None:
    """Write a note on request NUMBER."""
    _do(
        number,
        jurisdiction_id,
        as_email,
        by,
        lambda connection, city, actor, now: statuses.note(
            connection, city, number, words, by=actor, is_public=is_public, now=now
        ),
    )
    click.echo(f"{number} is noted")


@click.command()
@number_argument
@jurisdiction_option
@click.argument("code")
@click.option("--reason", help="a closing reason of the department")
@click.option("--words", help="what the public is told, instead of the city's text")
@click.option("--language", default="en", show_default=True, help="of the city's text")
@acting
@with_app
def status(
    number: str,
    jurisdiction_id: str,
    code: str,
    reason: str | None,
    words: str | None,
    language: str,
    as_email: str | None,
    by: str,
) -> None:
    """Give request NUMBER the status CODE, one of the city's statuses that may follow its present one."""
    _set_status(number, jurisdiction_id, code, reason, words, language, as_email, by)


@click.command()
@number_argument
@jurisdiction_option
@click.option("--reason", help="a closing reason of the department, which says the status")
@click.option("--words", help="what the public is told, instead of the city's text")
@click.option("--language", default="en", show_default=True, help="of the city's text")
@acting
@with_app
def close(
    number: str,
    jurisdiction_id: str,
    reason: str | None,
    words: str | None,
    language: str,
    as_email: str | None,
    by: str,
) -> None:
    """Close request NUMBER; phases that are not over end as skipped."""
    _set_status(number, jurisdiction_id, None if reason else "closed", reason, words, language, as_email, by)


@click.command()
@number_argument
@jurisdiction_option
@reason_option
@acting
@with_app
def reopen(number: str, jurisdiction_id: str, reason: str, as_email: str | None, by: str) -> None:
    """Open request NUMBER again, as long after its closing as the city allows."""
    held = _do(
        number,
        jurisdiction_id,
        as_email,
        by,
        lambda connection, city, actor, now: statuses.reopen(
            connection, city, number, by=actor, reason=one_line(reason), now=now
        ),
    )
    click.echo(f"{held.number} is open again, with {held.answers_for}")


@click.command()
@number_argument
@jurisdiction_option
@reason_option
@acting
@with_app
def flag(number: str, jurisdiction_id: str, reason: str, as_email: str | None, by: str) -> None:
    """Mark request NUMBER for immediate attention."""
    _do(
        number,
        jurisdiction_id,
        as_email,
        by,
        lambda connection, city, actor, now: escalation.flag(
            connection, city, number, by=actor, reason=one_line(reason), now=now
        ),
    )
    click.echo(f"{number} is urgent now")


@click.group()
def phase() -> None:
    """The phases of a request."""


@phase.command("finish")
@number_argument
@jurisdiction_option
@phase_option
@click.option("--note", "words", default="", help="what was done, for everybody when it is the last phase")
@click.option("--reason", help="a closing reason, when it is the last phase")
@acting
@with_app
def finish(
    number: str,
    jurisdiction_id: str,
    phase: str | None,
    words: str,
    reason: str | None,
    as_email: str | None,
    by: str,
) -> None:
    """End an open phase of request NUMBER; the next begin, and the last one closes the request."""
    held = _do(
        number,
        jurisdiction_id,
        as_email,
        by,
        lambda connection, city, actor, now: statuses.finish_phase(
            connection, city, number, phase, by=actor, note=words, reason=reason, now=now
        ),
    )
    click.echo(_stands(held))


@phase.command("skip")
@number_argument
@jurisdiction_option
@click.option("--phase", required=True, metavar="CODE", help="which phase")
@reason_option
@acting
@with_app
def skip(number: str, jurisdiction_id: str, phase: str, reason: str, as_email: str | None, by: str) -> None:
    """Leave a phase of request NUMBER out."""
    held = _do(
        number,
        jurisdiction_id,
        as_email,
        by,
        lambda connection, city, actor, now: statuses.skip_phase(
            connection, city, number, phase, by=actor, reason=one_line(reason), now=now
        ),
    )
    click.echo(_stands(held))


@phase.command("add")
@number_argument
@jurisdiction_option
@click.option("--code", required=True, help="a code of its own")
@click.option("--name", required=True, help="what is to be done")
@click.option("--department", required=True, help="code of the department or unit")
@click.option("--after", multiple=True, metavar="CODE", help="a phase that ends before; none: it begins at once")
@click.option("--target", nargs=2, metavar="AMOUNT UNIT", help=f"how long it may take; UNIT is one of {', '.join(UNITS)}")
@click.option("--calendar", help="code of the calendar that the target is counted in")
@reason_option
@acting
@with_app
def add(
    number: str,
    jurisdiction_id: str,
    code: str,
    name: str,
    department: str,
    after: tuple[str, ...],
    target: tuple[str, str] | None,
    calendar: str | None,
    reason: str,
    as_email: str | None,
    by: str,
) -> None:
    """Add a phase to request NUMBER."""
    amount = _amount(target, calendar)
    held = _do(
        number,
        jurisdiction_id,
        as_email,
        by,
        lambda connection, city, actor, now: phases.add(
            connection,
            city,
            number,
            code=code,
            name=one_line(name),
            department=department,
            after=after,
            target=amount,
            by=actor,
            reason=one_line(reason),
            now=now,
        ),
    )
    click.echo(_stands(held))


@phase.command("send-back")
@number_argument
@jurisdiction_option
@phase_option
@click.option("--to", metavar="CODE", help="the phase that is worked again; else the last before it")
@reason_option
@acting
@with_app
def send_back(
    number: str,
    jurisdiction_id: str,
    phase: str | None,
    to: str | None,
    reason: str,
    as_email: str | None,
    by: str,
) -> None:
    """Send the work of an open phase of request NUMBER back to one before it."""
    held = _do(
        number,
        jurisdiction_id,
        as_email,
        by,
        lambda connection, city, actor, now: phases.send_back(
            connection, city, number, phase, to=to, by=actor, reason=one_line(reason), now=now
        ),
    )
    click.echo(_stands(held))


@click.command()
@number_argument
@click.option("--jurisdiction", "jurisdiction_id", help="jurisdiction_id of the city, where several have the number")
@acting
@with_app
def show(number: str, jurisdiction_id: str | None, as_email: str | None, by: str) -> None:
    """The whole life of request NUMBER, in order: how it stands, what was promised, what happened."""
    with driver.transaction() as connection:
        found = [jurisdiction_id] if jurisdiction_id else cities_with(connection, number)
        if not found:
            raise Refused(f"no request here has the number {number}")
        if len(found) > 1:
            raise Refused(f"{number} is a request of {' and of '.join(found)}: say which with --jurisdiction")
        city = cities().named(found[0])
        with refusals(number):
            life = life_of(connection, city, number, by=who(connection, city, as_email=as_email, by=by))
    _show(life, city)


def _set_status(
    number: str,
    jurisdiction_id: str,
    code: str | None,
    reason: str | None,
    words: str | None,
    language: str,
    as_email: str | None,
    by: str,
) -> None:
    held = _do(
        number,
        jurisdiction_id,
        as_email,
        by,
        lambda connection, city, actor, now: statuses.set_status(
            connection, city, number, code, by=actor, reason=reason, words=words, language=language, now=now
        ),
    )
    click.echo(_stands(held))


def _stands(held: Any) -> str:
    working = [f"{each.code} ({each.answers_for})" for each in held.open_phases]
    if working:
        return f"{held.number} is {held.case_status}; open: {', '.join(working)}"
    return f"{held.number} is {held.case_status}"


def _amount(target: tuple[str, str] | None, calendar: str | None) -> dict[str, Any] | None:
    if target is None:
        return None
    number, unit = target
    try:
        loaded = AmountSchema().load({unit: float(number), **({"calendar": calendar} if calendar else {})})
    except (ValidationError, ValueError) as error:
        raise click.UsageError(f"--target: {error}") from error
    return {name: value for name, value in loaded.items() if value is not None}


def _told(receipt: Receipt) -> str:
    if receipt.number is not None:
        return receipt.number if receipt.is_new else f"{receipt.number} (received before)"
    return receipt.token or "received"


@contextmanager
def _bounced() -> Iterator[None]:
    """What is wrong with a message, with the status that makes a mail server return it."""
    try:
        yield
    except Problems as error:
        raise _Returned(shortened(error.messages)) from error


def _show(life: Life, city: City) -> None:
    held = life.held

    def local(moment: datetime | None) -> str:
        return "" if moment is None else moment.astimezone(city.zone).strftime("%Y-%m-%d %H:%M")

    def kept(promise: Promise) -> str:
        end = promise.stopped_at
        if end is None:
            return "runs"
        return f"{'kept' if end <= promise.due_at else 'missed'}, ended {local(end)}"

    click.echo(f"{held.number}  {held.service_code}  {life.status_name}  priority {life.priority}")
    click.echo(f"received {local(held.requested_at)} by {life.channel}; times are those of {city.zone.key}")
    click.echo(f"with {held.answers_for}" + (f", {life.assignee}" if life.assignee else ""))
    where = f"lat {held.point.lat}, long {held.point.long}" if held.point else None
    if held.address or where:
        click.echo(", ".join(each for each in (held.address, where) if each))
    if held.description:
        click.echo(f"\n{held.description}")
    if held.phases:
        table = Table("phase", "", "department", "", "since", "until", "why", box=None)
        for each in held.phases:
            table.add_row(
                each.code,
                each.name,
                each.answers_for,
                each.state,
                local(each.opened_at),
                local(each.ended_at),
                each.reason or "",
            )
        click.echo()
        show_table(table)
    for promise in life.promises:
        click.echo(f"{promise.phase or 'the request'}: due {local(promise.due_at)}, {kept(promise)}")
    click.echo()
    table = Table("when", "what", "", "who", box=None)
    for happening in life.happenings:
        table.add_row(local(happening.at), happening.kind.replace("_", " "), happening.words, happening.by)
    show_table(table)
