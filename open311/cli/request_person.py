"""open311 request person, redact: who reported a request, and what is taken out of it."""

from typing import Any

import click

from open311.cli.acting import Doing, on_request, reason_option
from open311.cli.edge import Answer
from open311.people.reading import read_people
from open311.people.redacting import NothingToRedact, Redaction, redact
from schemas.text import clean, one_line


@click.command("person")
@on_request
@reason_option
def person_(doing: Doing, reason: str) -> str:
    """Who reported request NUMBER, who posted updates of it, and who follows it; that you read it is kept, with the reason."""
    people = read_people(doing.connection, doing.city, doing.number, by=doing.by, reason=one_line(reason), now=doing.now)
    lines = []
    for each in people:
        lines.append(each.role)
        lines += [f"  {name}: {value}" for name, value in each.fields.items()]
    return "\n".join(lines) or f"nobody is known who reported or follows {doing.number}"


@click.command("redact")
@on_request
@click.option("--description", help="the words in place of the description; '' for none")
@click.option("--update", "updates", type=Answer(), multiple=True, metavar="ID=WORDS", help="the words in place of an update's")
@click.option("--media", type=click.IntRange(min=1), multiple=True, metavar="N", help="the file at this place, from 1")
@click.option("--update-media", type=int, multiple=True, metavar="ID", help="all the files of an update")
@click.option("--words", multiple=True, help="these words, wherever they stand in it or in what was written of it")
@reason_option
def redact_(doing: Doing, description: str | None, updates: Any, words: Any, reason: str, **files: Any) -> str:
    """Take words or files out of request NUMBER, and every copy that is kept of them: nobody can bring them back."""
    asked = Redaction(
        description=None if description is None else clean(description),
        updates={_id(update_id): clean(said) for update_id, said in updates},
        words=[each for each in map(clean, words) if each],
        **files,
    )
    done = redact(doing.connection, doing.city, doing.number, asked, by=doing.by, reason=one_line(reason), now=doing.now)
    going = f"; the worker removes {done.files} files" if done.files else ""
    return f"{done.number} is redacted: {', '.join(done.parts)}{going}"


def _id(text: str) -> int:
    if not text.isdecimal():
        raise NothingToRedact(f"an update is named by its number, got {text!r}")
    return int(text)
