"""open311 request phase finish, skip, add, send-back."""

import click
from marshmallow import ValidationError

from open311.cases import phasing
from open311.cases.targets import amount_of
from open311.cli.acting import Doing, on_request, reason_option, stands
from schemas.casework import UNITS, AmountSchema
from schemas.city import Code
from schemas.text import one_line


class Coded(click.ParamType[str]):
    """An option that takes a code, as the files of a city have them."""

    name = "code"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The code; a usage error when it is none."""
        try:
            return str(Code().deserialize(value))
        except ValidationError as error:
            self.fail(" ".join(map(str, error.messages)), param, ctx)


phase_option = click.option("--phase", metavar="CODE", help="which open phase; needed where several are open")


@click.group()
def phase() -> None:
    """The phases of a request."""


@phase.command("finish")
@on_request
@phase_option
@click.option("--note", "words", default="", help="what was done, for everybody when it is the last phase")
@click.option("--reason", help="a closing reason of the department, with the last phase")
def finish(doing: Doing, phase: str | None, words: str, reason: str | None) -> str:
    """End an open phase of request NUMBER; the next begin, and the last one closes the request."""
    held = phasing.finish(
        doing.connection, doing.city, doing.number, phase, by=doing.by, note=words, reason=reason, now=doing.now
    )
    return stands(held)


@phase.command("skip")
@on_request
@click.option("--phase", required=True, metavar="CODE", help="which phase")
@reason_option
def skip(doing: Doing, phase: str, reason: str) -> str:
    """Leave a phase of request NUMBER out."""
    held = phasing.skip(doing.connection, doing.city, doing.number, phase, by=doing.by, reason=one_line(reason), now=doing.now)
    return stands(held)


@phase.command("add")
@on_request
@click.option("--code", required=True, type=Coded(), help="a code of its own")
@click.option("--name", required=True, help="what is to be done")
@click.option("--department", required=True, help="code of the department or unit")
@click.option("--after", multiple=True, metavar="CODE", help="a phase that ends before; none: it begins at once")
@click.option("--target", nargs=2, metavar="AMOUNT UNIT", help=f"how long it may take; UNIT is one of {', '.join(UNITS)}")
@click.option("--calendar", help="code of the calendar that the target is counted in")
@reason_option
def add(
    doing: Doing,
    code: str,
    name: str,
    department: str,
    after: tuple[str, ...],
    target: tuple[str, str] | None,
    calendar: str | None,
    reason: str,
) -> str:
    """Add a phase to request NUMBER."""
    held = phasing.add(
        doing.connection,
        doing.city,
        doing.number,
        code=code,
        name=one_line(name),
        department=department,
        after=after,
        target=None if target is None else _amount(target, calendar),
        by=doing.by,
        reason=one_line(reason),
        now=doing.now,
    )
    return stands(held)


@phase.command("send-back")
@on_request
@phase_option
@click.option("--to", metavar="CODE", help="the phase that is worked again; else the last before it")
@reason_option
def send_back(doing: Doing, phase: str | None, to: str | None, reason: str) -> str:
    """Send the work of an open phase of request NUMBER back to one before it."""
    held = phasing.send_back(
        doing.connection, doing.city, doing.number, phase, to=to, by=doing.by, reason=one_line(reason), now=doing.now
    )
    return stands(held)


def _amount(target: tuple[str, str], calendar: str | None) -> dict[str, object]:
    number, unit = target
    try:
        return amount_of(AmountSchema().load({unit: float(number), **({"calendar": calendar} if calendar else {})}))
    except (ValidationError, ValueError) as error:
        raise click.UsageError(f"--target: {_in_words(error)}") from error


def _in_words(error: ValidationError | ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    said = {name: " ".join(map(str, messages)) for name, messages in error.messages_dict.items()}
    return "; ".join(words if name == "_schema" else f"{name} {words}" for name, words in said.items())
