"""open311 key create, list, revoke."""

from datetime import UTC, datetime

import click
from rich.table import Table

from db.driver import driver
from open311.actors import operator
from open311.cli.edge import by_option, show_table, with_app
from open311.departments import department_id
from open311.jurisdictions import cities
from open311.keys import PREFIX_CHARACTERS, REPORT, SCOPES, UPDATES, create_key, list_keys, revoke_key
from open311.staff_log import keep
from schemas.moment import whole_second, write
from schemas.text import one_line


@click.group()
def key() -> None:
    """API keys: what apps and portals post with."""


@key.command("create")
@click.argument("name")
@click.option("--jurisdiction", "jurisdictions", multiple=True, help="good in this city only (may be repeated); else in all")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    default=(REPORT,),
    show_default=True,
    help="report: reports and reads; updates: writes service request updates (may be repeated)",
)
@click.option(
    "--department", "department_code", help="its updates are for this department's requests only; with one --jurisdiction"
)
@click.option("--origin", "origins", multiple=True, help="good for browsers on this origin only, such as https://city.gov")
@by_option
@with_app
def create(
    name: str,
    jurisdictions: tuple[str, ...],
    scopes: tuple[str, ...],
    department_code: str | None,
    origins: tuple[str, ...],
    by: str,
) -> None:
    """Make a key called NAME and print it, this once."""
    if not one_line(name):
        raise click.BadParameter("must say something", param_hint="NAME")
    if department_code is not None and len(set(jurisdictions)) != 1:
        raise click.BadParameter("is of one city: name it with --jurisdiction", param_hint="--department")
    if department_code is not None and UPDATES not in scopes:
        raise click.BadParameter("is for updates: add --scope updates", param_hint="--department")
    ids = [cities().named(each).id for each in dict.fromkeys(jurisdictions)]
    with driver.transaction() as connection:
        secret = create_key(
            connection,
            one_line(name),
            jurisdiction_ids=ids,
            scopes=scopes,
            department_id=None
            if department_code is None
            else department_id(connection, department_code, jurisdiction_id=ids[0]),
            origins=origins,
            now=(now := whole_second(datetime.now(UTC))),
        )
        facts = {
            "key": f"{one_line(name)} ({secret[:PREFIX_CHARACTERS]})",
            "scopes": ", ".join(scopes),
            "city": ", ".join(jurisdictions) or "all",
            "department": department_code,
        }
        keep(connection, "key created", facts, by=operator(by), now=now)
    click.echo(secret)


@key.command("list")
@with_app
def list_() -> None:
    """Every key: how it begins, what for and where it is good, when it was last used."""
    with driver.connection() as connection:
        keys = list_keys(connection)
    table = Table(
        "begins with", "name", "scopes", "cities", "departments", "origins", "created", "last used", "revoked", box=None
    )
    for each in keys:
        table.add_row(
            each.prefix,
            each.name,
            ", ".join(each.scopes),
            ", ".join(each.jurisdictions) or "all",
            ", ".join(each.departments) or "all",
            ", ".join(each.origins) or "any",
            write(each.created_at),
            write(each.last_used_at) if each.last_used_at else "never",
            write(each.revoked_at) if each.revoked_at else "",
        )
    show_table(table)


@key.command("revoke")
@click.argument("prefix")
@by_option
@with_app
def revoke(prefix: str, by: str) -> None:
    """Make the key that begins with PREFIX (or is PREFIX) useless from now on."""
    now = whole_second(datetime.now(UTC))
    with driver.transaction() as connection:
        name = revoke_key(connection, prefix, now=now)
        keep(connection, "key revoked", {"key": f"{name} ({prefix[:PREFIX_CHARACTERS]})"}, by=operator(by), now=now)
    click.echo(f"revoked {name}")
