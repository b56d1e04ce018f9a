"""open311 user create, list, grant, revoke-grant, disable, enable, password."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click
from psycopg import Connection
from rich.table import Table

from db.driver import driver
from open311 import accounts
from open311.accounts import AskedRole, create_account, find_account, list_accounts, set_active, set_password
from open311.actors import operator
from open311.cli.edge import by_option, jurisdiction_option, show_table, with_app
from open311.jurisdictions import City, cities
from open311.models.account import STAFF_ROLES
from open311.passwords import MIN_CHARACTERS
from open311.staff_log import changes, keep
from schemas.moment import whole_second, write


class District(click.ParamType[Any]):
    """An option that takes LAYER:CODE."""

    name = "district"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The layer and the code that were typed; a usage error when one is missing."""
        if isinstance(value, tuple):
            return value
        layer, _, code = value.partition(":")
        if not layer.strip() or not code.strip():
            self.fail(f"must be LAYER:CODE, such as council:4, got {value!r}", param, ctx)
        return layer.strip(), code.strip()


@click.group()
def user() -> None:
    """Accounts of staff, and what each may do."""


email_argument = click.argument("email")
stdin_option = click.option(
    "--password-stdin", is_flag=True, help="read the password from standard input, the first line of it"
)


def role_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--role, --jurisdiction, --department and --district."""
    options = (
        click.option("--role", required=True, type=click.Choice(STAFF_ROLES), help="what the account is in the city"),
        jurisdiction_option,
        click.option("--department", "department_code", help="code of the department, for department and supervisor"),
        click.option("--district", type=District(), help="LAYER:CODE of the district, for council_office"),
    )
    for option in reversed(options):
        command = option(command)
    return command


@user.command("create")
@email_argument
@click.option("--name", required=True, help="as history and pages show it")
@stdin_option
@click.option("--no-password", is_flag=True, help="signs in by OpenID Connect only")
@by_option
@with_app
def create(email: str, name: str, password_stdin: bool, no_password: bool, by: str) -> None:
    """Make an account for EMAIL, with a password that is asked for.  It may do nothing until it is given a role."""
    if password_stdin and no_password:
        raise click.UsageError("--password-stdin and --no-password cannot be together")
    email = accounts.read_email(email)
    password = None if no_password else _asked_password(password_stdin)
    with driver.transaction() as connection:
        create_account(connection, email, name, password=password, now=_now())
        _log(connection, "account created", by, account=email)
    click.echo(f"made {email}")


@user.command("list")
@with_app
def list_() -> None:
    """Every account: its roles in each city, how it signs in, whether it may."""
    with driver.connection() as connection:
        found = list_accounts(connection)
    table = Table("e-mail", "name", "roles", "signs in by", "made", "", box=None)
    now = _now()
    for each in found:
        locked = f"locked until {write(each.locked_until)}" if each.locked_until and each.locked_until > now else ""
        table.add_row(
            each.email,
            each.name,
            "\n".join(f"{slug}: {grant}" for slug, grant in each.grants) or "none",
            ", ".join(["password"] * each.has_password + ["OpenID Connect"] * each.is_bound) or "OpenID Connect, not yet",
            write(each.created_at),
            locked if each.is_active else "disabled",
        )
    show_table(table)


@user.command("grant")
@email_argument
@role_options
@by_option
@with_app
def grant(
    email: str,
    role: str,
    jurisdiction_id: str,
    department_code: str | None,
    district: tuple[str, str] | None,
    by: str,
) -> None:
    """Give EMAIL a role in a city: for a department, for a district, or for all of it."""
    asked, city = AskedRole(role=role, department_code=department_code, district=district), cities().named(jurisdiction_id)
    with driver.transaction() as connection:
        accounts.grant(connection, email, asked, city, now=_now())
        _log(connection, "role given", by, account=email, city=city, asked=asked)
    click.echo(f"{accounts.read_email(email)} is {_in_words(asked)} in {city.jurisdiction_id}")


@user.command("revoke-grant")
@email_argument
@role_options
@by_option
@with_app
def revoke_grant(
    email: str,
    role: str,
    jurisdiction_id: str,
    department_code: str | None,
    district: tuple[str, str] | None,
    by: str,
) -> None:
    """Take a role away from EMAIL; at once, also where the account is signed in."""
    asked, city = AskedRole(role=role, department_code=department_code, district=district), cities().named(jurisdiction_id)
    with driver.transaction() as connection:
        accounts.revoke_grant(connection, email, asked, city)
        _log(connection, "role taken away", by, account=email, city=city, asked=asked)
    click.echo(f"{accounts.read_email(email)} is not {_in_words(asked)} in {city.jurisdiction_id} any more")


@user.command("disable")
@email_argument
@by_option
@with_app
def disable(email: str, by: str) -> None:
    """Stop an account: it is signed out, and cannot sign in."""
    with driver.transaction() as connection:
        set_active(connection, email, is_active=False)
        _log(connection, "account disabled", by, account=email)
    click.echo(f"disabled {accounts.read_email(email)}")


@user.command("enable")
@email_argument
@by_option
@with_app
def enable(email: str, by: str) -> None:
    """Let a stopped account sign in again."""
    with driver.transaction() as connection:
        set_active(connection, email, is_active=True)
        _log(connection, "account enabled", by, account=email)
    click.echo(f"enabled {accounts.read_email(email)}")


@user.command("password")
@email_argument
@stdin_option
@by_option
@with_app
def password(email: str, password_stdin: bool, by: str) -> None:
    """Give EMAIL a new password, which is asked for; the account is signed out everywhere."""
    with driver.connection() as connection:
        find_account(connection, email)
    given = _asked_password(password_stdin)
    with driver.transaction() as connection:
        set_password(connection, email, given)
        _log(connection, "password given", by, account=email)
    click.echo(f"{accounts.read_email(email)} has a new password")


@user.command("log")
@with_app
def log() -> None:
    """Who did what to accounts and keys, the newest first."""
    with driver.connection() as connection:
        found = changes(connection)
    table = Table("when", "who", "did", "", box=None)
    for each in found:
        facts = {name: value for name, value in each.facts.items() if name != "by"}
        table.add_row(
            write(each.at), each.facts["by"], each.kind, ", ".join(f"{name} {value}" for name, value in facts.items())
        )
    show_table(table)


def _log(
    connection: "Connection[Any]", kind: str, by: str, *, account: str, city: City | None = None, asked: AskedRole | None = None
) -> None:
    facts = {
        "account": accounts.read_email(account),
        "role": None if asked is None else _in_words(asked),
        "city": None if city is None else city.jurisdiction_id,
    }
    keep(connection, kind, facts, by=operator(by), now=_now())


def _asked_password(from_stdin: bool) -> str:
    """The password, typed twice without showing it, or the first line of standard input.

    Never a word of the command line: others on the machine can read that.
    """
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    prompt = f"Password (at least {MIN_CHARACTERS} characters)"
    return str(click.prompt(prompt, hide_input=True, confirmation_prompt=True, err=True))


def _in_words(asked: AskedRole) -> str:
    where = asked.department_code or ":".join(asked.district or ())
    return asked.role.replace("_", " ") + (f" of {where}" if where else "")


def _now() -> datetime:
    return whole_second(datetime.now(UTC))
