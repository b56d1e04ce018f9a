"""Targets as a file: how long each service may take, read and checked."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from open311.city.lines import BadFile, Lines, load_list
from open311.city.rules import Known
from schemas.casework import TargetSchema

TARGETS = "targets.yml"


def read_targets(path: Path, known: Known) -> list[dict[str, Any]]:
    """The targets of a file, each as TargetSchema loads it.

    Raises BadFile with every problem, also with names that nothing has and with two targets of one service at a time.
    """
    targets, lines = load_list(path, TargetSchema(), may_be_empty=True)
    problems = [*_unknown_names(targets, lines, known), *_two_at_a_time(targets, lines)]
    if problems:
        raise BadFile(problems)
    return targets


def _unknown_names(targets: Sequence[Mapping[str, Any]], lines: Lines, known: Known) -> Iterator[str]:
    named = {
        "service_code": known.services,
        "group": known.groups,
        "calendar": known.calendars,
        "department": known.departments,
    }
    for position, target in enumerate(targets):
        for name, codes in named.items():
            if target[name] is not None and target[name] not in codes:
                yield lines.at((position, name), f"{name}: nothing has the code {target[name]!r}")


def _two_at_a_time(targets: Sequence[Mapping[str, Any]], lines: Lines) -> Iterator[str]:
    """What speaks of the same service or group as one before it, on the same day."""
    seen: dict[tuple[Any, Any], list[tuple[date, date]]] = {}
    for position, target in enumerate(targets):
        begins, ends = target["valid_from"] or date.min, target["valid_to"] or date.max
        before = seen.setdefault((target["service_code"], target["group"]), [])
        if any(begins < until and since < ends for since, until in before):
            whose = target["service_code"] or target["group"] or "every service"
            yield lines.at((position,), f"is a second target of {whose} (valid_from and valid_to tell when each holds)")
        before.append((begins, ends))
