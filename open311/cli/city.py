"""open311 city load, export."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import click

from db import db, driver_connection
from open311.cases.importing import Imported, Importer, weeks_to_now
from open311.cases.recorded import ExportMapping
from open311.city.export import NotAFolder, NotEmpty, write_folder
from open311.city.folder import CityFolder, read_folder
from open311.city.lines import BadFile
from open311.city.load import Loaded, load_folder, note_moved_dates
from open311.cli.edge import Refused, jurisdiction_option, progress, transaction, with_app
from open311.config import settings
from open311.jurisdictions import cities, read_cities
from schemas.moment import whole_second


@click.group()
def city() -> None:
    """Cities: their services, departments, maps and rules."""


@city.command("load")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--dates-to-now", is_flag=True, help="demo: move requests by whole weeks so that the newest is of this week")
@click.option("--without-requests", is_flag=True, help="leave the folder's past requests out")
@with_app
def load(directory: Path, dates_to_now: bool, without_requests: bool) -> None:
    """Load a city's folder: all of it or, when anything is wrong with it, nothing.

    Loading it again puts what changed in place; requests that are there already are left as they are.
    """
    loaded, imported = load_city(directory, dates_to_now=dates_to_now, without_requests=without_requests)
    addresses = f", {loaded.addresses} addresses" if loaded.addresses else ""
    click.echo(
        f"{directory}: {loaded.services} services, {loaded.departments} departments and units, "
        f"{loaded.boundaries} boundaries, {loaded.rules} rules{addresses}"
    )
    for text in loaded.repaired:
        click.echo(f"repaired boundary {text}")
    if imported is not None:
        click.echo(summary(imported))
    if loaded.hides_more:
        _drop_snapshots(loaded.jurisdiction_id)


def _drop_snapshots(city_id: int) -> None:
    """Take away the files of open data that show what is public no more; say so."""
    snapshots = import_module("open311.reports.snapshots")
    slug = next(each.jurisdiction_id for each in read_cities(driver_connection(db.session())) if each.id == city_id)
    again = f"open311 export snapshot --jurisdiction {slug} --keep 1"
    try:
        dropped = snapshots.drop(snapshots.shelf_of(settings().open_data_folder, slug))
    except snapshots.BeingTaken:
        click.echo(f"warning: a snapshot is being taken that shows what is public no more; then run {again}", err=True)
        return
    if dropped:
        click.echo(
            f"{dropped} snapshots of open data were taken away, for they show what is public no more;"
            f" the next is taken at night, or by {again}"
        )


@city.command("export")
@click.argument("directory", type=click.Path(path_type=Path))
@jurisdiction_option
@with_app
def export(directory: Path, jurisdiction_id: str) -> None:
    """Write what a city has now into DIRECTORY, which must be new or empty, as a folder that `city load` takes.

    Its requests are left out, and so are maps that are not in force.
    """
    about, session = cities().named(jurisdiction_id), db.session()
    # All of it as it is at one moment, whatever is changed meanwhile.
    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    try:
        write_folder(session, about.id, directory, now=datetime.now(UTC))
    except NotEmpty as error:
        raise Refused(str(error)) from error
    except NotAFolder as error:
        raise Refused(f"{about.name} cannot be written as a folder that could be loaded:\n{error}") from error
    except OSError as error:
        raise Refused(f"{directory} cannot be written: {error.strerror}") from error
    click.echo(f"{about.name}: written to {directory}")


def load_city(directory: Path, *, dates_to_now: bool = False, without_requests: bool = False) -> tuple[Loaded, Imported | None]:
    """Load a folder in one transaction; raises BadFile and keeps nothing when anything is wrong with it."""
    (outcome,) = load_cities([directory], dates_to_now=dates_to_now, without_requests=without_requests)
    return outcome


def load_cities(
    directories: Sequence[Path], *, dates_to_now: bool = False, without_requests: bool = False
) -> list[tuple[Loaded, Imported | None]]:
    """Load several folders in one transaction: all of them or, when anything is wrong with one (BadFile), none."""
    folders = [read_folder(directory) for directory in directories]
    now = whole_second(datetime.now(UTC))
    with transaction():
        outcomes = [_put(each, now=now, dates_to_now=dates_to_now, without_requests=without_requests) for each in folders]
    cities().forget()
    return outcomes


def _put(folder: CityFolder, *, now: datetime, dates_to_now: bool, without_requests: bool) -> tuple[Loaded, Imported | None]:
    """Put a folder into the session's transaction, which the caller ends."""
    loaded = load_folder(db.session(), folder, now=now)
    if folder.requests is None or without_requests:
        return loaded, None
    return loaded, _import_requests(folder, loaded.jurisdiction_id, now=now, dates_to_now=dates_to_now)


def _import_requests(folder: CityFolder, city_id: int, *, now: datetime, dates_to_now: bool) -> Imported:
    assert folder.requests is not None and folder.mapping is not None
    mapping = ExportMapping(folder.mapping)
    connection = driver_connection(db.session())
    about = next(each for each in read_cities(connection) if each.id == city_id)
    weeks = 0
    if dates_to_now:
        # What is there already stays where it was moved to, so what is new goes by as many weeks.
        weeks = about.dates_moved_weeks or weeks_to_now(folder.requests, mapping, now=now)
        note_moved_dates(db.session(), city_id, weeks)
    with progress() as bar:
        importer = Importer(connection, about, folder.requests, mapping)
        task = bar.add_task(f"{about.name}: past requests", total=None)
        for keep in importer.batches(weeks=weeks, now=now):
            bar.advance(task, keep())
        done = importer.finish()
    if done.problems:
        raise BadFile(done.problems)
    return done


def summary(imported: Imported) -> str:
    """What an import did, in a few lines."""
    lines = [f"{imported.kept} requests imported, {imported.already_there} were there already"]
    if imported.placed_by_address:
        lines.append(f"{imported.placed_by_address} of them had no point, and got that of their address")
    if imported.without_place:
        lines.append(f"{imported.without_place} of them have no place, and went to their department by service alone")
    if imported.skipped_without_place:
        lines.append(f"{imported.skipped_without_place} without a place were left out")
    if imported.closed_before_opened:
        lines.append(
            f"{imported.closed_before_opened} were recorded as closed before they were opened: closed at their opening"
        )
    return "\n".join(lines)
