"""open311 follower add, list, stop."""

from datetime import UTC, datetime

import click
from rich.table import Table

from db.driver import driver
from geo.listing import UnknownDistrict
from geo.point import Point
from open311.cli.addresses import read_option, reading
from open311.cli.edge import Refused, by_option, jurisdiction_option, show_table, with_app
from open311.cli.user import District
from open311.jurisdictions import cities
from open311.notify import following
from open311.notify.following import DIGESTS, MAX_RADIUS_METRES, NotAnAddress, NotFollowing, Wish
from open311.notify.texts import LANGUAGES
from schemas.moment import whole_second


@click.group()
def follower() -> None:
    """Who is told of requests that are not theirs: council offices of their district, neighbours of their street."""


@follower.command("add")
@jurisdiction_option
@click.argument("email")
@click.option("--request", "number", help="a request, by its number: each change of it")
@click.option("--district", type=District(), metavar="LAYER:CODE", help="all of a district, as a digest")
@click.option("--around", nargs=3, type=float, metavar="LAT LONG METRES", help="all around a point, as a digest")
@click.option("--rhythm", type=click.Choice(DIGESTS), default=DIGESTS[-1], show_default=True, help="of a digest")
@click.option("--language", type=click.Choice(LANGUAGES), default=LANGUAGES[0], show_default=True, help="of the messages")
@with_app
def add_follower(
    jurisdiction_id: str,
    email: str,
    number: str | None,
    district: tuple[str, str] | None,
    around: tuple[float, float, float] | None,
    rhythm: str,
    language: str,
) -> None:
    """Let EMAIL be told of one request, district or circle from now on, without asking the address first."""
    if sum(each is not None for each in (number, district, around)) != 1:
        raise click.UsageError("say one of --request, --district and --around")
    if around is not None and not (abs(around[0]) <= 90 and abs(around[1]) <= 180 and 1 <= around[2] <= MAX_RADIUS_METRES):
        raise click.UsageError(f"--around must be degrees of latitude and longitude, and 1 to {MAX_RADIUS_METRES} metres")
    wish = Wish(
        email=email,
        language=language,
        number=number,
        point=Point(lat=around[0], long=around[1]) if around else None,
        radius_metres=round(around[2]) if around else None,
        district=district,
        rhythm=rhythm,
    )
    city = cities().named(jurisdiction_id)
    try:
        with driver.transaction() as connection:
            follower_id = following.enter(connection, city, wish, now=whole_second(datetime.now(UTC)))
    except NotAnAddress:
        raise Refused(f"{email!r} is not one e-mail address") from None
    except UnknownDistrict as error:
        raise Refused(f"no district {error} is in force") from None
    if follower_id is None:
        raise Refused(f"{email} follows {number or 'that'} already")
    click.echo(f"follower {follower_id}: {email}")


@follower.command("list")
@jurisdiction_option
@read_option
@by_option
@with_app
def list_followers(jurisdiction_id: str, reason: str | None, by: str) -> None:
    """Who follows what is not theirs, the newest first."""
    city = cities().named(jurisdiction_id)
    with reading(city, "followers", reason=reason, by=by) as (connection, shown):
        found = following.find_followers(connection, jurisdiction_id=city.id)
    table = Table()
    for heading in ("id", "since", "email", "language", "what", "rhythm", "state"):
        table.add_column(heading)
    for row, what in found:
        state = "stopped" if row.stopped_at else "is told" if row.confirmed_at else "asked"
        since = f"{row.created_at.astimezone(city.zone):%Y-%m-%d}"
        table.add_row(str(row.id), since, shown(row.email), row.language, what, row.rhythm, state)
    show_table(table)


@follower.command("stop")
@jurisdiction_option
@click.argument("follower_id", metavar="ID", type=int)
@with_app
def stop_follower(jurisdiction_id: str, follower_id: int) -> None:
    """Tell follower ID no more."""
    city = cities().named(jurisdiction_id)
    try:
        with driver.transaction() as connection:
            following.stop(connection, jurisdiction_id=city.id, follower_id=follower_id, now=whole_second(datetime.now(UTC)))
    except NotFollowing:
        raise Refused(f"there is no follower {follower_id}") from None
    click.echo(f"follower {follower_id} is told no more")
