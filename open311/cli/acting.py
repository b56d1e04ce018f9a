"""Who works at this machine, and with which request: its operator, or a member of staff whose roles then count."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click
from psycopg import Connection

from db.driver import driver
from open311.accounts import account, actor_of, find_account
from open311.actors import Actor, operator
from open311.cases.holding import Held, require_unchanged
from open311.cli.edge import Known, Refused, as_it_says, by_option, jurisdiction_option, refusal_of, with_app
from open311.jurisdictions import City, cities
from schemas.moment import whole_second

as_option = click.option("--as", "as_email", metavar="EMAIL", help="a member of staff, whose roles count; else the operator")
number_argument = click.argument("number")
reason_option = click.option("--reason", required=True, help="why")
version_option = click.option("--version", type=int, help="as `request show` printed it: refused when something happened since")


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
    except Exception as error:
        refused = refusal_of(error, _known(number))
        if refused is None:
            raise
        raise refused from error


AS_THEY_SAY = (
    "open311.actors.NotAllowed",
    "open311.cases.articles.UnknownArticle",
    "open311.cases.assignment.UnknownPerson",
    "open311.cases.casework.UnknownReason",
    "open311.cases.casework.UnknownStatus",
    "open311.cases.duplicates.NotLinked",
    "open311.cases.holding.FollowsAnother",
    "open311.cases.phases.PhaseNotAllowed",
    "open311.cases.phases.ReasonMissing",
    "open311.cases.statuses.NothingSaid",
    "open311.cases.statuses.StatusNotAllowed",
    "open311.cases.statuses.TooLateToReopen",
    "open311.people.identity.BadPerson",
    "open311.people.identity.SeveralPeople",
    "open311.people.redacting.NothingToRedact",
)
IN_OUR_WORDS = {
    "open311.cases.rerouting.NotOverridden": "{} is routed by the rules already",
    "open311.cases.assignment.RequestClosed": "{} is closed",
    "open311.cases.assignment.NothingChanges": "{} is so already",
    "open311.cases.holding.FormIsStale": "somebody else did something with {} since: look at it again",
}


def _known(number: str) -> Known:
    """What is said of each error when it is of the request of this number."""
    known: dict[str, Callable[[Any], Refused]] = dict.fromkeys(AS_THEY_SAY, as_it_says)
    for name, text in IN_OUR_WORDS.items():
        known[name] = functools.partial(_in_our_words, text.format(number))
    return known


def _in_our_words(text: str, _error: Exception) -> Refused:
    return Refused(text)


def stands(held: Held) -> str:
    """How a request stands, and which of its phases are being worked."""
    working = [f"{each.code} ({each.answers_for})" for each in held.open_phases]
    if working:
        return f"{held.number} is {held.case_status}; open: {', '.join(working)}"
    return f"{held.number} is {held.case_status}"
