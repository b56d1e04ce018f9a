"""The texts of messages, by event and language."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from schemas.text import one_line

ENGLISH = "en"
LANGUAGES = ("en", "es", "zh")
REPORTER, FOLLOWER = "reporter", "follower"


@cache
def texts() -> Mapping[str, Mapping[str, Any]]:
    """Event: "tells" whom, and by language "subject" and "body" with names of facts in braces."""
    return _read("texts.yml")


@cache
def phrases() -> Mapping[str, Mapping[str, str]]:
    """What else messages say, by name and language."""
    return _read("phrases.yml")


def tells(event: str, whom: str) -> bool:
    """Whether an event tells whom: REPORTER or FOLLOWER of a request."""
    return event in texts() and whom in texts()[event]["tells"]


def write(event: str, language: str, facts: Mapping[str, Any], links: Mapping[str, str] | None = None) -> tuple[str, str]:
    """The subject, one line, and the body of what a follower is told; in English where the language is not one of ours.

    links: by name of a phrase that introduces it; the one of "asked" stands behind the text.
    """
    language = language if language in LANGUAGES else ENGLISH
    links = links or {}
    said = {**facts, "address": facts.get("address") or phrases()["nowhere"][language]}
    known = texts()[event][language]
    subject, body = (known[part].format_map(said) for part in ("subject", "body"))
    paragraphs = [
        body,
        links.get("asked"),
        facts.get("words"),
        *(_listed(name, facts.get(f"{name}_requests") or (), facts.get(count), language) for name, count in _LISTS),
        *(f"{phrases()[name][language]}\n{links[name]}" for name in ("track", "fixed") if name in links),
        facts["city"],
        *(f"{phrases()[name][language]}\n{links[name]}" for name in ("stop",) if name in links),
    ]
    return one_line(subject), "\n\n".join(each for each in paragraphs if each) + "\n"


# A list of requests in a digest, and the fact that counts all of it.
_LISTS = (("reported", "received"), ("closed", "closed"))


def _listed(name: str, requests: Sequence[Mapping[str, Any]], count: Any, language: str) -> str | None:
    if not requests:
        return None
    lines = [
        f"- {each['number']}: {each['service']}, {each['address'] or phrases()['nowhere'][language]} ({each['status']})"
        for each in requests
    ]
    if count > len(requests):
        lines.append(phrases()["more"][language].format(count=count - len(requests)))
    return "\n".join([f"{phrases()[name][language]}:", *lines])


def _read(name: str) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name(name).read_text(encoding="utf-8"))
    return loaded
