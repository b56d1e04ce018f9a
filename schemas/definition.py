"""The questions of a service, and the answers of a form checked against them.  Source: GeoReport v2, attribute values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from zoneinfo import ZoneInfo

from schemas import moment
from schemas.text import clean

Answers = dict[str, str | list[str]]

MAX_ANSWER_CHARACTERS = 4000
MAX_UNKNOWN_ANSWERS = 50
MAX_CODE_CHARACTERS = 200


@dataclass(frozen=True, kw_only=True)
class Question:
    """An attribute of a service definition.  keys: what may be chosen, for the two list datatypes."""

    code: str
    datatype: str
    required: bool
    variable: bool
    description: str
    keys: Sequence[str]


class _Wrong(ValueError):
    """An answer that does not fit its question."""


def attribute_code(field_name: str) -> str | None:
    """CODE of a form field named attribute[CODE] or attribute[CODE][], else None."""
    name = field_name.removesuffix("[]")
    if name.startswith("attribute[") and name.endswith("]"):
        return name[len("attribute[") : -1] or None
    return None


def check(questions: Sequence[Question], submitted: Mapping[str, Sequence[str]], zone: ZoneInfo) -> tuple[Answers, list[str]]:
    """The answers as they are kept, and what is wrong with them.

    `submitted` maps codes to values as sent.  Blank values are as if not sent; questions with variable false are never
    demanded; answers to questions that the service does not ask are kept as they came.  A multivaluelist is kept as a
    list of keys in the order sent, every other answer as text.
    """
    answers: Answers = {}
    problems: list[str] = []
    asked = {question.code: question for question in questions}
    for question in questions:
        values = _given(submitted.get(question.code, ()))
        if not values:
            if question.required and question.variable:
                problems.append(f"{question.code} required: {question.description}")
            continue
        try:
            answers[question.code] = _read(question, values, zone)
        except _Wrong as error:
            problems.append(str(error))
    for code in [code for code in submitted if code not in asked][:MAX_UNKNOWN_ANSWERS]:
        values = [value[:MAX_ANSWER_CHARACTERS] for value in _given(submitted[code])]
        name = clean(code)[:MAX_CODE_CHARACTERS]
        if values and name and name not in asked:
            answers[name] = values[0] if len(values) == 1 else values
    return answers, problems


def _given(values: Sequence[str]) -> list[str]:
    return [text for text in map(clean, values) if text]


def _read(question: Question, values: Sequence[str], zone: ZoneInfo) -> str | list[str]:
    code = question.code
    if question.datatype == "multivaluelist":
        for value in values:
            _choose(question, value)
        return list(dict.fromkeys(values))
    if len(set(values)) > 1:
        raise _Wrong(f"{code} takes one value, got {len(values)}")
    value = values[0]
    if len(value) > MAX_ANSWER_CHARACTERS:
        raise _Wrong(f"{code} must be at most {MAX_ANSWER_CHARACTERS} characters, got {len(value)}")
    if question.datatype == "singlevaluelist":
        _choose(question, value)
    elif question.datatype == "number":
        _number(code, value)
    elif question.datatype == "datetime":
        try:
            return moment.write(moment.read(value, zone))
        except moment.NotAMoment as error:
            raise _Wrong(f"{code} {error}") from error
    elif question.datatype == "string" and "\n" in value:
        raise _Wrong(f"{code} must be one line of text")
    return value


def _choose(question: Question, value: str) -> None:
    if value not in question.keys:
        raise _Wrong(f"{question.code} must be one of {', '.join(question.keys)}, got {value[:100]!r}")


def _number(code: str, value: str) -> None:
    try:
        good = value.isascii() and "_" not in value and isfinite(float(value))
    except ValueError:
        good = False
    if not good:
        raise _Wrong(f"{code} must be a number, got {value[:100]!r}")
