"""open311 request queue, alerts: what a department has to do, and what it was told."""

from datetime import UTC, datetime

import click
from rich.table import Table

from db.driver import driver
from open311.actors import READ, may
from open311.cases.alerts import see, unseen
from open311.cases.casework import casework
from open311.cases.worklist import worklist
from open311.cli.acting import acting, refusals, who
from open311.cli.edge import jurisdiction_option, show_table, with_app
from open311.jurisdictions import cities
from schemas.moment import whole_second
from schemas.working import PRIORITIES

department_option = click.option("--department", required=True, help="code of the department or unit")


@click.command()
@jurisdiction_option
@department_option
@click.option("--unaccepted", is_flag=True, help="only what nobody has accepted yet")
@click.option("--limit", type=click.IntRange(min=1), default=200, show_default=True, help="so many of them")
@acting
@with_app
def queue(jurisdiction_id: str, department: str, unaccepted: bool, limit: int, as_email: str | None, by: str) -> None:
    """The open requests and phases of a department, the most pressing first."""
    city, now = cities().named(jurisdiction_id), datetime.now(UTC)
    with refusals("it"), driver.transaction() as connection:
        desk = casework(connection, city.id).desk(department)
        may(who(connection, city, as_email=as_email, by=by), READ, department_ids={desk.id, desk.department_id})
        found = worklist(connection, desk, jurisdiction_id=city.id, unaccepted=unaccepted, limit=limit)
    table = Table("number", "phase", "service", "status", "priority", "due", "accepted", "with", "where", box=None)
    for each in found:
        due = "" if each.due_at is None else each.due_at.astimezone(city.zone).strftime("%Y-%m-%d %H:%M")
        table.add_row(
            each.number or "",
            each.phase or "",
            each.service,
            each.case_status,
            PRIORITIES[each.priority],
            f"{due} (late)" if each.due_at is not None and each.due_at < now else due,
            "yes" if each.accepted_at else "",
            each.assignee or "",
            each.address or "",
        )
    show_table(table)


@click.command()
@jurisdiction_option
@department_option
@click.option("--seen", is_flag=True, help="mark what is shown as seen")
@acting
@with_app
def alerts(jurisdiction_id: str, department: str, seen: bool, as_email: str | None, by: str) -> None:
    """What a department was told and nobody has seen yet, oldest first; a unit is told with its department."""
    city, now = cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    with refusals("it"), driver.transaction() as connection:
        desk = casework(connection, city.id).desk(department)
        actor = who(connection, city, as_email=as_email, by=by)
        may(actor, READ, department_ids={desk.id, desk.department_id})
        whose = {"jurisdiction_id": city.id, "department_id": desk.department_id}
        found = unseen(connection, **whose, by=actor)
        if seen and found:
            see(connection, **whose, by=actor, through_id=found[-1].id, now=now)
    table = Table("when", "for", "", box=None)
    for each in found:
        table.add_row(each.at.astimezone(city.zone).strftime("%Y-%m-%d %H:%M"), each.role, each.words)
    show_table(table)
