"""Who works at this machine, and with which request: its operator, or a member of staff whose roles then count."""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from getpass import getuser
from typing import Any

import click
from psycopg import Connection

from db.driver import driver
from open311.accounts import account, actor_of, find_account
from open311.actors import Actor, NotAllowed, operator
from open311.cases.articles import UnknownArticle
from open311.cases.assignment import NothingChanges, RequestClosed, UnknownPerson
from open311.cases.casework import UnknownReason, UnknownStatus
from open311.cases.duplicates import NotLinked
from open311.cases.holding import FollowsAnother, FormIsStale, Held, require_unchanged
from open311.cases.phases import PhaseNotAllowed, ReasonMissing
from open311.cases.rerouting import NotOverridden
from open311.cases.statuses import NothingSaid, StatusNotAllowed, TooLateToReopen
from open311.cli.edge import Refused, jurisdiction_option, with_app
from open311.jurisdictions import City, cities
from open311.people.identity import BadPerson, SeveralPeople
from open311.people.redacting import NothingToRedact
from schemas.moment import whole_second

as_option = click.option("--as", "as_email", metavar="EMAIL", help="a member of staff, whose roles count; else the operator")
number_argument = click.argument("number")
reason_option = click.option("--reason", required=True, help="why")
version_option = click.option("--version", type=int, help="as `request show` printed it: refused when something happened since")


def _user() -> str:
    """The name of who is logged in, as far as the machine knows one."""
    try:
        return getuser()
    except (KeyError, OSError):
        # In a container the user may have no name.
        return f"uid {os.getuid()}"


by_option = click.option("--by", default=_user, show_default="who is logged in", help="the operator's name")


@dataclass(frozen=True, kw_only=True)
class Doing:
    """What a command does something with: a request, by its number, in a transaction of this moment."""

    connection: "Connection[Any]"
    city: City
    number: str
    by: Actor
    now: datetime


def acting(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options --as and --by, which together say who does it."""
    return as_option(by_option(command))


def on_request(command: Callable[..., str]) -> Callable[..., None]:
    """A command on request NUMBER as somebody: all of it is done or nothing, and then what the command returns is printed."""

    @functools.wraps(command)
    def run(number: str, jurisdiction_id: str, as_email: str | None, by: str, version: int | None, **given: Any) -> None:
        city = cities().named(jurisdiction_id)
        with refusals(number), driver.transaction() as connection:
            actor = who(connection, city, as_email=as_email, by=by)
            if version is not None:
                require_unchanged(connection, city, number, by=actor, version=version)
            doing = Doing(connection=connection, city=city, number=number, by=actor, now=whole_second(datetime.now(UTC)))
            said = command(doing, **given)
        click.echo(said)

    decorated: Callable[..., None] = number_argument(jurisdiction_option(acting(version_option(with_app(run)))))
    return decorated


def who(connection: "Connection[Any]", city: City, *, as_email: str | None, by: str) -> Actor:
    """The account of this address with its roles in the city, or the operator of this name.  Raises UnknownAccount."""
    if as_email is None:
        return operator(by)
    return actor_of(account(connection, find_account(connection, as_email)), city)


@contextmanager
def refusals(number: str) -> Iterator[None]:
    """What a request refuses to have done to it, as messages."""
    try:
        yield
    except (
        NotAllowed,
        PhaseNotAllowed,
        ReasonMissing,
        StatusNotAllowed,
        TooLateToReopen,
        NothingSaid,
        UnknownStatus,
        UnknownReason,
        UnknownPerson,
        FollowsAnother,
        NotLinked,
        UnknownArticle,
        NothingToRedact,
        BadPerson,
        SeveralPeople,
    ) as error:
        raise Refused(str(error)) from error
    except NotOverridden as error:
        raise Refused(f"{number} is routed by the rules already") from error
    except RequestClosed as error:
        raise Refused(f"{number} is closed") from error
    except NothingChanges as error:
        raise Refused(f"{number} is so already") from error
    except FormIsStale as error:
        raise Refused(f"somebody else did something with {number} since: look at it again") from error


def stands(held: Held) -> str:
    """How a request stands, and which of its phases are being worked."""
    working = [f"{each.code} ({each.answers_for})" for each in held.open_phases]
    if working:
        return f"{held.number} is {held.case_status}; open: {', '.join(working)}"
    return f"{held.number} is {held.case_status}"
