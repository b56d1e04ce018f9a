"""open311 request accept, hand-back, assign, note, status, close, reopen, flag."""

import click

from open311.cases import assignment, escalation, statuses
from open311.cli.acting import Doing, on_request, reason_option, stands
from open311.cli.request_phase import phase_option
from schemas.text import one_line

words_option = click.option("--words", help="what the public is told, instead of the city's text")
language_option = click.option("--language", default="en", show_default=True, help="of the city's text")


@click.command()
@on_request
@phase_option
def accept(doing: Doing, phase: str | None) -> str:
    """Say for the department that request NUMBER, or its open phase, is theirs."""
    held = assignment.accept(doing.connection, doing.city, doing.number, phase=phase, by=doing.by, now=doing.now)
    return f"{held.number} is accepted"


@click.command("hand-back")
@on_request
@phase_option
@reason_option
def hand_back(doing: Doing, phase: str | None, reason: str) -> str:
    """Say that request NUMBER, or its open phase, is not the department's: the city's front desk has it then."""
    held = assignment.hand_back(
        doing.connection, doing.city, doing.number, phase=phase, by=doing.by, reason=one_line(reason), now=doing.now
    )
    return f"{held.number} is handed back"


@click.command()
@on_request
@click.option("--department", help="code of the department or unit that gets it, whatever the rules say")
@click.option("--to", "person", metavar="EMAIL", help="the person of the department who gets it")
@phase_option
@click.option("--reason", default="", help="why; needed with --department")
def assign(doing: Doing, department: str | None, person: str | None, phase: str | None, reason: str) -> str:
    """Give request NUMBER, or its open phase, to a department until it is returned to the rules, or to a person."""
    of = (doing.connection, doing.city, doing.number)
    if person is not None and department is None:
        held = assignment.assign_person(*of, person, phase=phase, by=doing.by, now=doing.now)
        return f"{held.number} is with {person} now"
    if department is not None and person is None:
        held = assignment.reassign(*of, department, phase=phase, by=doing.by, reason=one_line(reason), now=doing.now)
        if held.is_phased:
            return stands(held)
        return f"{held.number} is with {held.answers_for} now, until it is returned to the rules"
    raise click.UsageError("give one of --department and --to")


@click.command()
@on_request
@click.argument("words")
@click.option("--public", "is_public", is_flag=True, help="for everybody, not for the city's own people alone")
def note(doing: Doing, words: str, is_public: bool) -> str:
    """Write a note on request NUMBER."""
    held = statuses.note(doing.connection, doing.city, doing.number, words, by=doing.by, is_public=is_public, now=doing.now)
    return f"{held.number} is noted"


@click.command()
@on_request
@click.argument("code")
@click.option("--reason", help="a closing reason of the department")
@words_option
@language_option
def status(doing: Doing, code: str, reason: str | None, words: str | None, language: str) -> str:
    """Give request NUMBER the status CODE, one of the city's statuses that may follow its present one."""
    return _set_status(doing, code, reason, words, language)


@click.command()
@on_request
@click.option("--reason", help="a closing reason of the department, which says the status")
@words_option
@language_option
def close(doing: Doing, reason: str | None, words: str | None, language: str) -> str:
    """Close request NUMBER; phases that are not over end as skipped."""
    return _set_status(doing, None if reason else "closed", reason, words, language)


@click.command()
@on_request
@reason_option
@words_option
def reopen(doing: Doing, reason: str, words: str | None) -> str:
    """Open request NUMBER again, as long after its closing as the city allows."""
    held = statuses.reopen(
        doing.connection,
        doing.city,
        doing.number,
        by=doing.by,
        reason=one_line(reason),
        words=words,
        now=doing.now,
    )
    return f"{held.number} is open again, with {held.answers_for}"


@click.command()
@on_request
@reason_option
def flag(doing: Doing, reason: str) -> str:
    """Mark request NUMBER for immediate attention."""
    held = escalation.flag(doing.connection, doing.city, doing.number, by=doing.by, reason=one_line(reason), now=doing.now)
    return f"{held.number} is urgent now"


def _set_status(doing: Doing, code: str | None, reason: str | None, words: str | None, language: str) -> str:
    held = statuses.set_status(
        doing.connection,
        doing.city,
        doing.number,
        code,
        by=doing.by,
        reason=reason,
        words=words,
        language=language,
        now=doing.now,
    )
    return stands(held)
