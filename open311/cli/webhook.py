"""open311 webhook add, list, stop."""

from datetime import UTC, datetime

import click
from rich.table import Table

from db.driver import driver
from open311.actors import operator
from open311.cli.edge import by_option, jurisdiction_option, show_table, with_app
from open311.cli.user import District
from open311.config import settings
from open311.departments import department_id
from open311.jurisdictions import cities
from open311.notify import webhooks
from open311.services import find_service
from open311.staff_log import keep
from schemas.moment import whole_second, write


@click.group()
def webhook() -> None:
    """Other systems that are told of requests."""


@webhook.command("add")
@click.argument("code")
@click.argument("url")
@jurisdiction_option
@click.option("--department", "department_code", help="only of requests that this department or unit answers for")
@click.option("--service-code", help="only of requests of this service")
@click.option("--district", type=District(), help="only of requests in this district, LAYER:CODE")
@click.option("--event", "events", multiple=True, type=click.Choice(webhooks.EVENTS), help="only of these (may be repeated)")
@by_option
@with_app
def add(
    code: str,
    url: str,
    jurisdiction_id: str,
    department_code: str | None,
    service_code: str | None,
    district: tuple[str, str] | None,
    events: tuple[str, ...],
    by: str,
) -> None:
    """Tell URL of requests from now on, as webhook CODE; prints the secret that signs what it is sent, this once."""
    city, now = cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    with driver.transaction() as connection:
        wanted = webhooks.Wanted(
            department_id=None
            if department_code is None
            else department_id(connection, department_code, jurisdiction_id=city.id),
            service_id=None if service_code is None else find_service(connection, service_code, jurisdiction_id=city.id).new.id,
            district=district,
            events=list(dict.fromkeys(events)) or None,
        )
        networks = settings().networks_of_webhooks
        secret = webhooks.add(connection, code, url, wanted, jurisdiction_id=city.id, networks=networks, now=now)
        keep(connection, "webhook added", {"webhook": code, "city": city.jurisdiction_id}, by=operator(by), now=now)
    click.echo(secret)


@webhook.command("list")
@jurisdiction_option
@with_app
def list_(jurisdiction_id: str) -> None:
    """Every webhook of a city: where it goes, and what it is told of.  No secret is shown."""
    city = cities().named(jurisdiction_id)
    with driver.connection() as connection:
        found = webhooks.list_webhooks(connection, jurisdiction_id=city.id)
    table = Table("code", "url", "department", "service", "district", "events", "added", "stopped", box=None)
    for each in found:
        table.add_row(
            each.code,
            each.url,
            each.department or "all",
            each.service or "all",
            f"{each.layer}:{each.boundary_code}" if each.layer else "all",
            ", ".join(each.events or ["all"]),
            write(each.created_at),
            write(each.stopped_at) if each.stopped_at else "",
        )
    show_table(table)


@webhook.command("stop")
@click.argument("code")
@jurisdiction_option
@by_option
@with_app
def stop(code: str, jurisdiction_id: str, by: str) -> None:
    """Tell webhook CODE nothing more from now on; what still waits for it is dropped."""
    city, now = cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    with driver.transaction() as connection:
        webhooks.stop(connection, code, jurisdiction_id=city.id, now=now)
        keep(connection, "webhook stopped", {"webhook": code, "city": city.jurisdiction_id}, by=operator(by), now=now)
    click.echo(f"stopped {code}")
