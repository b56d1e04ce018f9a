"""open311 request receive, answer, receive-mail: what people say and write to the city."""

import email
import email.policy
import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import click

from db.driver import driver
from open311.actors import Actor
from open311.cases.answering import answer
from open311.cases.intake import Receipt
from open311.cases.photos import PhotoShelf
from open311.cases.posting import take_in
from open311.cases.receiving import CHANNELS, Attachment, NotAReport, read_mail, read_taken
from open311.cli.acting import acting, refusals, who
from open311.cli.edge import Answer, Refused, Unreachable, jurisdiction_option, shortened, with_app
from open311.config import settings
from open311.jurisdictions import City, cities
from open311.media_store import media_store
from schemas.moment import whole_second
from schemas.problems import Problems

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Returned(Refused):
    """A message that goes back to its sender: EX_DATAERR of sysexits.h, by which a mail server knows not to try again."""

    exit_code = 65


_TAKEN = (
    click.option("--service-code", required=True, help="what it is about"),
    click.option("--description", default="", help="what was said"),
    click.option("--lat", help="latitude, WGS84 degrees; with --long"),
    click.option("--long", help="longitude, WGS84 degrees; with --lat"),
    click.option("--address", "address_string", help="the address, as text"),
    click.option("--attribute", "given", multiple=True, type=Answer(), metavar="CODE=VALUE", help="an answer of the form"),
    click.option("--first-name", help="of who reports"),
    click.option("--last-name", help="of who reports"),
    click.option("--email", help="of who reports"),
    click.option("--phone", help="of who reports"),
)


def _taking(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say what somebody reports, given to the command as fields of POST requests."""

    @functools.wraps(command)
    def run(*args: Any, given: tuple[tuple[str, str], ...], **kwargs: Any) -> None:
        values = {name: kwargs.pop(name) for name in _FIELDS}
        fields = {name: [value] for name, value in values.items() if value}
        for code, answered in given:
            fields.setdefault(f"attribute[{code}]", []).append(answered)
        command(*args, fields=fields, **kwargs)

    decorated: Callable[..., None] = run
    for option in reversed(_TAKEN):
        decorated = option(decorated)
    return decorated


_FIELDS = (
    "service_code",
    "description",
    "lat",
    "long",
    "address_string",
    "first_name",
    "last_name",
    "email",
    "phone",
)


@click.command()
@jurisdiction_option
@click.option("--channel", required=True, type=click.Choice(CHANNELS), help="how it came")
@_taking
@click.option("--photo", "photos", multiple=True, type=_FILE, help="a picture or a PDF")
@acting
@with_app
def receive(
    jurisdiction_id: str,
    channel: str,
    fields: Mapping[str, Sequence[str]],
    photos: tuple[Path, ...],
    as_email: str | None,
    by: str,
) -> None:
    """Take a request in for somebody, through any channel; print its number."""
    city = cities().named(jurisdiction_id)
    files = [Attachment(filename=each.name, content=each.read_bytes()) for each in photos]
    with driver.connection() as connection:
        actor = who(connection, city, as_email=as_email, by=by)
    with refusals("it"):
        receipt = _take(fields, files, city, channel=channel, by=actor)
    click.echo(_told(receipt))


@click.command("answer")
@jurisdiction_option
@click.option("--article", required=True, help="the code of the article that is the answer")
@click.option("--channel", default="phone", show_default=True, type=click.Choice(CHANNELS), help="how it came")
@_taking
@click.option("--language", default="en", show_default=True, help="of the article")
@acting
@with_app
def answer_(
    jurisdiction_id: str,
    article: str,
    channel: str,
    fields: Mapping[str, Sequence[str]],
    language: str,
    as_email: str | None,
    by: str,
) -> None:
    """Take an enquiry in and close it at once with the words of an article; print its number, and the words to be said."""
    city, limits = cities().named(jurisdiction_id), settings()
    with driver.connection() as connection:
        actor = who(connection, city, as_email=as_email, by=by)
    with refusals("it"):
        posted, located = read_taken(fields, (), city, by=actor, limits=limits)
        with (
            PhotoShelf(media_store(limits), jurisdiction_id=city.jurisdiction_id) as shelf,
            driver.transaction() as connection,
        ):
            receipt, found = answer(
                connection,
                posted,
                located,
                city,
                shelf,
                article,
                channel=channel,
                by=actor,
                language=language,
                now=whole_second(datetime.now(UTC)),
            )
    click.echo(f"{_told(receipt)} is answered\n{found.text}")


class _Later(Refused):
    """A message that is to come again: EX_TEMPFAIL of sysexits.h, by which a mail server keeps it."""

    exit_code = 75


def _kept_by_the_mail_server(command: Callable[..., None]) -> Callable[..., None]:
    """Let a mail server try again later, when the database or the store of photos does not answer."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except Unreachable as error:
            raise _Later(error.message) from error

    return run


@click.command("receive-mail")
@jurisdiction_option
@click.option("--service-code", required=True, help="what the mailbox is about")
@acting
@_kept_by_the_mail_server
@with_app
def receive_mail(jurisdiction_id: str, service_code: str, as_email: str | None, by: str) -> None:
    """Take in the e-mail message on standard input (RFC 5322), as a mail server pipes it; print the request's number.

    Subject and text are the description, a line "Address: ..." is the place, pictures and PDFs are the files, and the sender is
    who reports.  A message that is delivered twice is one request.  What a machine sent by itself is passed over.  A
    message that cannot be taken ends with status 65, so that the mail server returns it to its sender with the reasons; one
    that comes while the database or the store of photos is away ends with status 75, and the mail server tries again.
    """
    city = cities().named(jurisdiction_id)
    message = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    try:
        with _bounced():
            mail = read_mail(message, service_code=service_code)
    except NotAReport as error:
        click.echo(f"passed over: {error}")
        return
    with driver.connection() as connection:
        actor = who(connection, city, as_email=as_email, by=by)
    with _bounced(), refusals("it"):
        receipt = _take(mail.fields, mail.photos, city, channel="email", by=actor, client_reference=mail.reference)
    click.echo(_told(receipt))


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
        PhotoShelf(media_store(limits), jurisdiction_id=city.jurisdiction_id) as shelf,
        driver.transaction() as connection,
    ):
        return take_in(
            connection,
            posted,
            located,
            city,
            shelf,
            channel=channel,
            now=whole_second(datetime.now(UTC)),
            by=by,
            client_reference=client_reference,
        )


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
