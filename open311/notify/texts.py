"""The texts of messages, by event and language."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from schemas.text import one_line

ENGLISH = "en"
_NOWHERE = {"en": "no address", "es": "sin dirección", "zh": "无地址"}


@cache
def texts() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Event: language: "subject" and "body", with names of facts in braces."""
    loaded: Mapping[str, Mapping[str, Mapping[str, str]]] = yaml.safe_load(
        Path(__file__).with_name("texts.yml").read_text(encoding="utf-8")
    )
    return loaded


def write(event: str, language: str, facts: Mapping[str, Any]) -> tuple[str, str]:
    """The subject, one line, and the body of what a follower is told; in English where the language is not one of ours."""
    known = texts()[event]
    language = language if language in known else ENGLISH
    said = {**facts, "address": facts.get("address") or _NOWHERE[language]}
    subject, body = (known[language][part].format_map(said) for part in ("subject", "body"))
    paragraphs = [body, facts.get("words"), facts["city"]]
    return one_line(subject), "\n\n".join(each for each in paragraphs if each) + "\n"
