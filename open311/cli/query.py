"""open311 query save, list, drop."""

from datetime import UTC, datetime

import click
from rich.table import Table

from db.driver import driver
from open311.actors import operator
from open311.cases import saved
from open311.cli.edge import by_option, jurisdiction_option, show_table, with_app
from open311.jurisdictions import cities
from open311.staff_log import keep
from schemas.moment import whole_second


@click.group()
def query() -> None:
    """Queries that everybody may read as a list or feed by a short name."""


@query.command("save")
@click.argument("code")
@click.argument("arguments")
@jurisdiction_option
@click.option("--title", required=True, help="what the feed is called")
@by_option
@with_app
def save(code: str, arguments: str, jurisdiction_id: str, title: str, by: str) -> None:
    """Keep ARGUMENTS of GET requests, such as 'district=council:4&status=open', under CODE."""
    city, now = cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    with driver.transaction() as connection:
        saved.save(connection, city, code, arguments, title=title, now=now)
        keep(connection, "query saved", {"query": code, "city": city.jurisdiction_id}, by=operator(by), now=now)
    click.echo(f"saved {code}: /open311/v2/queries/{code}.rss?jurisdiction_id={city.jurisdiction_id}")


@query.command("list")
@jurisdiction_option
@with_app
def list_(jurisdiction_id: str) -> None:
    """Every saved query of a city."""
    city = cities().named(jurisdiction_id)
    with driver.connection() as connection:
        found = saved.saved(connection, jurisdiction_id=city.id)
    table = Table("code", "title", "arguments", box=None)
    for each in found:
        table.add_row(each.code, each.title, each.text)
    show_table(table)


@query.command("drop")
@click.argument("code")
@jurisdiction_option
@by_option
@with_app
def drop(code: str, jurisdiction_id: str, by: str) -> None:
    """Keep CODE no more; who reads it gets 404."""
    city, now = cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    with driver.transaction() as connection:
        saved.drop(connection, code, jurisdiction_id=city.id)
        keep(connection, "query dropped", {"query": code, "city": city.jurisdiction_id}, by=operator(by), now=now)
    click.echo(f"dropped {code}")
