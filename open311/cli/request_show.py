"""open311 request show: the whole life of a request."""

from datetime import datetime

import click
from rich.table import Table

from db.driver import driver
from geo.point import metres_between
from open311.cases.life import Clock, Life, cities_with, life_of
from open311.cli.acting import acting, number_argument, refusals, who
from open311.cli.edge import Refused, show_table, with_app
from open311.jurisdictions import City, cities


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


def _show(life: Life, city: City) -> None:
    held = life.held

    def local(moment: datetime | None) -> str:
        return "" if moment is None else moment.astimezone(city.zone).strftime("%Y-%m-%d %H:%M")

    def kept(clock: Clock) -> str:
        end = clock.stopped_at
        if end is None:
            return "runs"
        return f"{'kept' if end <= clock.due_at else 'missed'}, ended {local(end)}"

    click.echo(f"{held.number}  {held.service_code}  {life.status_name}  priority {life.priority}  version {life.version}")
    click.echo(f"received {local(held.requested_at)} by {life.channel}; times are those of {city.zone.key}")
    if held.parent_number is not None:
        click.echo(f"follows {held.parent_number}, which is of the same thing")
    click.echo(f"with {held.answers_for}" + (f", {life.assignee}" if life.assignee else ""))
    where = f"lat {held.point.lat}, long {held.point.long}" if held.point else None
    if held.address or where:
        click.echo(", ".join(each for each in (held.address, where) if each))
    for each in life.taken:
        away = f", {metres_between(each.point, held.point):.0f} m from the request" if held.point else ""
        click.echo(f"photo {each.position} was taken at lat {each.point.lat}, long {each.point.long}{away}")
    if held.description:
        click.echo(f"\n{held.description}")
    if held.phases:
        table = Table("phase", "", "department", "", "since", "until", "why", box=None)
        for phase in held.phases:
            table.add_row(
                phase.code,
                phase.name,
                phase.answers_for,
                phase.state,
                local(phase.opened_at),
                local(phase.ended_at),
                phase.reason or "",
            )
        click.echo()
        show_table(table)
    for clock in life.clocks:
        click.echo(f"{clock.phase or 'the request'}: due {local(clock.due_at)}, {kept(clock)}")
    click.echo()
    table = Table("when", "what", "", "who", box=None)
    for happening in life.happenings:
        table.add_row(local(happening.at), happening.kind.replace("_", " "), happening.words, happening.by)
    show_table(table)
