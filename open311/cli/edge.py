"""What every command needs: the application, the database, and errors that a person can read."""

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from getpass import getuser
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import click
from psycopg import OperationalError, connect
from psycopg.errors import UndefinedColumn, UndefinedTable
from psycopg_pool import PoolTimeout
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.exc import OperationalError as SessionOperationalError
from sqlalchemy.exc import ProgrammingError as SessionProgrammingError
from sqlalchemy.orm import Session

from db import db
from open311.config import settings
from open311.core import create_core
from open311.jurisdictions import City
from schemas import moment

P = ParamSpec("P")
R = TypeVar("R")

MAX_PROBLEMS_SHOWN = 50
CONNECT_TIMEOUT_SECONDS = 5

jurisdiction_option = click.option(
    "--jurisdiction", "jurisdiction_id", required=True, help="jurisdiction_id of the city, such as boston.gov"
)


def _user() -> str:
    """The name of who is logged in, as far as the machine knows one."""
    try:
        return getuser()
    except (KeyError, OSError):
        # In a container the user may have no name.
        return f"uid {os.getuid()}"


by_option = click.option("--by", default=_user, show_default="who is logged in", help="the operator's name")
mapping_option = click.option(
    "--mapping",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="mapping.yml: how to read the file",
)


class Day(click.ParamType[Any]):
    """An option that takes a date of the city, or a date and time."""

    name = "date"

    def __init__(self, text: str = "") -> None:
        self._text = text

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "Day":
        """The day of what was typed; a usage error when it is none."""
        if isinstance(value, Day):
            return value
        try:
            moment.require_everywhere(value)
        except moment.NotAMoment as error:
            self.fail(str(error), param, ctx)
        return Day(value)

    def start(self, zone: ZoneInfo) -> datetime:
        """Its first second in a zone."""
        return moment.read(self._text, zone)


class Answer(click.ParamType[Any]):
    """An option that takes CODE=VALUE."""

    name = "answer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The code and the value that were typed; a usage error when there is no code, or no = behind it."""
        if isinstance(value, tuple):
            return value
        code, sign, answer = value.partition("=")
        if not sign or not code.strip():
            self.fail(f"must be CODE=VALUE, got {value!r}", param, ctx)
        return code.strip(), answer


def start_of(day: Day | None, city: City) -> datetime | None:
    """The first second of a day by a city's clock; None stays None."""
    return None if day is None else day.start(city.zone)


class Refused(click.ClickException):
    """A command that could not do all that was asked: nothing was changed, but for what the command said before."""


class Unreachable(Refused):
    """The database or the store of files does not answer: the same may be done a little later."""


# By the full name of an error's class: what is said of it.
Known = Mapping[str, Callable[[Any], Refused]]


def require_writable(path: Path) -> None:
    """Raises Refused when a file cannot be written there: asked before the work whose result goes into it."""
    if not path.parent.is_dir():
        raise Refused(f"{path}: the folder {path.parent} is not there")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise Refused(f"{path}: cannot be written")


def write_file(path: Path, text: str) -> None:
    """Write the text as the file, its line ends as they are; raises Refused."""
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise Refused(f"{path}: cannot be written: {error.strerror}") from error


def with_app(command: Callable[P, R]) -> Callable[P, R]:
    """Run the command inside the application; what is known to go wrong ends it with a message and exit status 1."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with readable_errors(), create_core().app_context():
            # Asked once without the pool, which would go on asking for half a minute.
            connect(settings().libpq_url, connect_timeout=CONNECT_TIMEOUT_SECONDS).close()
            return command(*args, **kwargs)

    return run


@contextmanager
def transaction() -> Iterator[Session]:
    """The session in a transaction: committed at the end, rolled back by an exception."""
    session = db.session()
    try:
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise


@contextmanager
def proposal() -> Iterator[Session]:
    """The session in a transaction that is always rolled back: what is put there is looked at, and nobody else sees it."""
    session = db.session()
    try:
        yield session
    finally:
        session.rollback()


def as_it_says(error: Exception) -> Refused:
    """The error's own words."""
    return Refused(str(error))


def all_it_says(error: Any) -> Refused:
    """The messages of an error that has many."""
    return Refused(shortened(error.messages))


# By name: what raises an error is imported by then, and a command needs a few of these modules, not all.
KNOWN: Known = {
    "open311.city.lines.BadFile": all_it_says,
    "geo.drawn.BadBoundaries": all_it_says,
    "schemas.problems.Problems": all_it_says,
    "open311.config.BadSetting": as_it_says,
    "db.cluster.ClusterError": as_it_says,
    "open311.accounts.BadAccount": as_it_says,
    "open311.passwords.BadPassword": as_it_says,
    "open311.notify.receivers.BadReceiver": as_it_says,
    "open311.notify.webhooks.BadWebhook": as_it_says,
    "open311.jurisdictions.UnknownJurisdiction": lambda error: Refused(f"no city here has the jurisdiction_id {error}"),
    "open311.services.ServiceMissing": lambda _error: Refused("service_code is required"),
    "open311.services.UnknownService": lambda error: Refused(f"no active service has the service_code {error}"),
    "open311.cases.search.UnknownRequest": lambda error: Refused(f"no request here has the number {error}"),
    "open311.reports.changes.StillWriting": lambda error: Refused(
        f"somebody else has been writing for {error} seconds; nothing was changed, try again when that has ended"
    ),
    "open311.cases.saved.UnknownQuery": lambda error: Refused(f"the city keeps no query {error}"),
    "open311.accounts.UnknownAccount": lambda error: Refused(f"no account has the e-mail address {error}"),
    "open311.notify.webhooks.UnknownWebhook": lambda error: Refused(f"the city tells no webhook {error}"),
    "open311.departments.UnknownDepartment": lambda error: Refused(f"no department or unit of the city has the code {error}"),
    "open311.keys.UnknownKey": lambda error: Refused(f"not one good key begins with {error}"),
    "open311.media_store.StoreAway": lambda error: Unreachable(f"nothing was kept: {error}"),
}


@contextmanager
def readable_errors() -> Iterator[None]:
    """Known errors as messages."""
    try:
        yield
    except (OperationalError, SessionOperationalError, PoolTimeout) as error:
        raise Unreachable(f"the database does not answer (script/server starts it): {error}".splitlines()[0]) from error
    except (UndefinedTable, UndefinedColumn) as error:
        raise Refused(_needs_migration(error)) from error
    except SessionProgrammingError as error:
        if not isinstance(error.orig, UndefinedTable | UndefinedColumn):
            raise
        raise Refused(_needs_migration(error.orig)) from error
    except Exception as error:
        refused = refusal_of(error, KNOWN)
        if refused is None:
            raise
        raise refused from error


def refusal_of(error: Exception, known: Known) -> Refused | None:
    """What an error says to a person, by a table of those that are known; None for another one."""
    for each in type(error).__mro__:
        if refuse := known.get(f"{each.__module__}.{each.__qualname__}"):
            return refuse(error)
    return None


def _needs_migration(error: BaseException) -> str:
    return f"the database is not at the version that this program needs (open311 migrate): {error}".splitlines()[0]


def shortened(messages: list[str]) -> str:
    """The messages, a line each, the first of them when there are many."""
    rest = len(messages) - MAX_PROBLEMS_SHOWN
    shown = "\n".join(messages[:MAX_PROBLEMS_SHOWN])
    return shown if rest <= 0 else f"{shown}\n... and {rest} more"


def show_table(table: Table) -> None:
    """A table on standard output, as wide as the terminal, or in whole lines where it is piped."""
    # What is shown is what somebody typed, brackets and all.
    Console(width=None if Console().is_terminal else 200, markup=False, emoji=False).print(table)


def progress() -> Progress:
    """A progress bar on standard error, so that what a command prints can be piped; nothing where nobody watches."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
