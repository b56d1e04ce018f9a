"""open311 export requests, snapshot."""

import sys
from datetime import UTC, datetime

import click

from db.driver import driver
from geo.listing import UnknownDistrict, UnknownLayer
from open311.cli.edge import Refused, jurisdiction_option, with_app
from open311.config import settings
from open311.jurisdictions import cities
from open311.reports import snapshots
from open311.reports.bulk import FORMATS, exported, select_requests
from open311.reports.geoparquet import NotInstalled
from open311.reports.snapshots import NotTaken
from schemas import bulk
from schemas.moment import whole_second


@click.group()
def export() -> None:
    """Open data: what the public may know of requests, as files."""


@export.command("requests")
@jurisdiction_option
@click.option("--format", "name", type=click.Choice(list(FORMATS)), default="csv", show_default=True)
@click.option("--year", help="requested in that year, by the city's clock")
@click.option(
    "--district",
    "districts",
    multiple=True,
    metavar="LAYER:CODE",
    help="in that district; several of one layer: in any; of several layers: in one of each",
)
@click.option("--service-code", "service_codes", multiple=True, help="of that service; several: of any of them")
@click.option("--after", help="behind the request of that service_request_id")
@with_app
def export_requests(
    jurisdiction_id: str,
    name: str,
    year: str | None,
    districts: tuple[str, ...],
    service_codes: tuple[str, ...],
    after: str | None,
) -> None:
    """Write the public requests of a city to standard output, as GET bulk/requests does."""
    asked = {"year": [year or ""], "district": districts, "service_code": service_codes, "after": [after or ""]}
    query, city, now = bulk.read(asked), cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    try:
        with driver.snapshot() as connection:
            selection = select_requests(connection, query, city, now=now)
            for chunk in exported(
                connection,
                FORMATS[name],
                selection,
                jurisdiction_id=city.id,
                public_url=settings().public_url.rstrip("/"),
                now=now,
            ):
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        _warn_of_paths()
    except UnknownLayer as error:
        raise Refused(f"layer {error} was not found") from error
    except UnknownDistrict as error:
        raise Refused(f"district {error} was not found") from error
    except NotInstalled as error:
        raise Refused(str(error)) from error


@export.command("snapshot")
@jurisdiction_option
@click.option("--format", "names", type=click.Choice(list(FORMATS)), multiple=True, help="only these; else all there are")
@click.option("--keep", type=click.IntRange(min=1), help="how many snapshots are kept, this one among them")
@with_app
def take_snapshot(jurisdiction_id: str, names: tuple[str, ...], keep: int | None) -> None:
    """Write all bulk files of a city as they are at one moment, with their checksums, as the job of every night does."""
    city, limits = cities().named(jurisdiction_id), settings()
    try:
        with driver.snapshot() as connection:
            taken = snapshots.take(
                connection,
                city,
                snapshots.shelf_of(limits.open_data_folder, city.jurisdiction_id),
                formats=names or snapshots.formats_here(),
                keep=keep or limits.open_data_kept,
                public_url=limits.public_url.rstrip("/"),
                licence=limits.open_data_licence,
                now=whole_second(datetime.now(UTC)),
            )
    except (NotTaken, NotInstalled) as error:
        raise Refused(str(error)) from error
    _warn_of_paths()
    click.echo(f"{city.name}: {taken.rows} requests in {len(taken.files)} files in {taken.folder}")


def _warn_of_paths() -> None:
    """A command sees no address by which it is called, as the service does: without the setting there is none to write."""
    if not settings().public_url:
        click.echo("warning: OPEN311_PUBLIC_URL is not set: media_url of photos kept here is a path (/media/…)", err=True)
