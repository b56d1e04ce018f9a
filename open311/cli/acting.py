"""Who works at this machine: its operator, or a member of staff whose roles then count."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from getpass import getuser
from typing import Any

import click
from psycopg import Connection

from open311.accounts import account, actor_of, find_account
from open311.actors import Actor, NotAllowed, operator
from open311.cases.assignment import NothingChanges, RequestClosed, UnknownPerson
from open311.cases.casework import UnknownReason, UnknownStatus
from open311.cases.holding import FormIsStale
from open311.cases.phases import PhaseNotAllowed, ReasonMissing
from open311.cases.rerouting import NotOverridden
from open311.cases.statuses import NothingSaid, StatusNotAllowed, TooLateToReopen
from open311.cli.edge import Refused
from open311.jurisdictions import City

as_option = click.option("--as", "as_email", metavar="EMAIL", help="a member of staff, whose roles count; else the operator")
by_option = click.option("--by", default=lambda: _user(), show_default="who is logged in", help="the operator's name")


def acting(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options --as and --by, which together say who does it."""
    return as_option(by_option(command))


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


def _user() -> str:
    """The name of who is logged in, as far as the machine knows one."""
    try:
        return getuser()
    except (KeyError, OSError):
        # In a container the user may have no name.
        return f"uid {os.getuid()}"
