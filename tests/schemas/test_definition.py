"""Answers are checked against the questions of the service."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schemas.definition import MAX_ANSWER_CHARACTERS, MAX_UNKNOWN_ANSWERS, Answers, Question, attribute_code, check


def question(code: str = "Q", datatype: str = "string", **changes: Any) -> Question:
    """An optional question of one line of text."""
    values: dict[str, Any] = {"required": False, "variable": True, "description": "What?", "keys": ()}
    return Question(code=code, datatype=datatype, **{**values, **changes})


def answer(asked: Question, *values: str) -> tuple[Answers, list[str]]:
    """The answers and problems of these values, sent to New York."""
    return check([asked], {asked.code: list(values)}, ZoneInfo("America/New_York"))


@pytest.mark.parametrize(
    ("asked", "sent", "kept"),
    [
        pytest.param(question(), ["  two  words "], "two  words", id="string"),
        pytest.param(question(datatype="text"), ["a\r\nb"], "a\nb", id="text-of-two-lines"),
        pytest.param(question(datatype="number"), ["-1.5e3"], "-1.5e3", id="number"),
        pytest.param(question(datatype="datetime"), ["2026-01-31 09:30"], "2026-01-31T14:30:00Z", id="datetime"),
        pytest.param(question(datatype="singlevaluelist", keys=("a", "b")), ["b"], "b", id="one-of-a-list"),
        pytest.param(question(datatype="singlevaluelist", keys=("a", "b")), ["b", "b"], "b", id="the-same-twice"),
        pytest.param(question(datatype="multivaluelist", keys=("a", "b")), ["b"], ["b"], id="some-of-a-list"),
        pytest.param(question(datatype="multivaluelist", keys=("a", "b")), ["b", "a", "b"], ["b", "a"], id="in-the-order-sent"),
        pytest.param(question(), ["", "x"], "x", id="a-blank-beside-an-answer"),
    ],
)
def test_a_good_answer_is_kept(asked: Question, sent: list[str], kept: str | list[str]):
    assert answer(asked, *sent) == ({"Q": kept}, [])


@pytest.mark.statement(29)
@pytest.mark.parametrize(
    ("asked", "sent", "told"),
    [
        pytest.param(question(), ["a\nb"], "Q must be one line of text", id="two-lines"),
        pytest.param(question(), ["a", "b"], "Q takes one value, got 2", id="two-values"),
        pytest.param(question(), ["x" * 4001], "Q must be at most 4000 characters, got 4001", id="too-long"),
        pytest.param(question(datatype="number"), ["six"], "Q must be a number, got 'six'", id="number-in-words"),
        pytest.param(question(datatype="number"), ["nan"], "Q must be a number, got 'nan'", id="nan"),
        pytest.param(question(datatype="number"), ["inf"], "Q must be a number, got 'inf'", id="infinity"),
        pytest.param(question(datatype="number"), ["1_0"], "Q must be a number, got '1_0'", id="underscore"),
        pytest.param(question(datatype="number"), ["٣"], "Q must be a number, got '٣'", id="arabic-digit"),
        pytest.param(question(datatype="datetime"), ["soon"], "Q must be a date and time like", id="no-datetime"),
        pytest.param(
            question(datatype="singlevaluelist", keys=("a", "b")), ["c"], "Q must be one of a, b, got 'c'", id="no-choice"
        ),
        pytest.param(
            question(datatype="singlevaluelist", keys=("a", "b")), ["A"], "Q must be one of a, b, got 'A'", id="its-case"
        ),
        pytest.param(
            question(datatype="multivaluelist", keys=("a", "b")), ["a", "c"], "Q must be one of a, b, got 'c'", id="one-of-two"
        ),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_refused_with_what_would_do_and_not_kept(asked: Question, sent: list[str], told: str):
    answers, (problem,) = answer(asked, *sent)

    assert problem.startswith(told)
    assert answers == {}


@pytest.mark.statement(28)
@pytest.mark.parametrize("sent", [pytest.param([], id="not-sent"), pytest.param(["  "], id="sent-blank")])
def test_a_required_answer_that_is_missing_is_told_with_the_question(sent: list[str]):
    assert answer(question(required=True, description="How deep?"), *sent) == ({}, ["Q required: How deep?"])


@pytest.mark.statement(31)
def test_a_blank_answer_to_an_optional_question_is_as_if_not_sent():
    assert answer(question(datatype="number"), "  ") == ({}, [])


@pytest.mark.statement(32)
def test_a_text_between_questions_is_never_demanded():
    assert answer(question(required=True, variable=False)) == ({}, [])


@pytest.mark.statement(33)
def test_answers_to_what_was_not_asked_are_kept_as_they_came():
    found = check([], {"X": ["1"], "Y": ["1", "2"], "Z": [" "]}, ZoneInfo("UTC"))

    assert found == ({"X": "1", "Y": ["1", "2"]}, [])


def test_not_more_than_some_answers_to_what_was_not_asked_are_kept():
    answers, _ = check([], {f"X{at}": ["y" * 9000] for at in range(1000)}, ZoneInfo("UTC"))

    assert len(answers) == MAX_UNKNOWN_ANSWERS
    assert {len(each) for each in answers.values()} == {MAX_ANSWER_CHARACTERS}


def test_an_answer_that_looks_like_another_after_cleaning_does_not_take_its_place():
    asked = question(datatype="singlevaluelist", keys=("a", "b"))

    found = check([asked], {"Q": ["a"], "Q\x00": ["anything"], "\x00": ["nameless"]}, ZoneInfo("UTC"))

    assert found == ({"Q": "a"}, [])


def test_every_wrong_answer_is_told():
    asked = [question("A", required=True), question("B", "number"), question("C")]

    answers, problems = check(asked, {"B": ["x"], "C": ["fine"]}, ZoneInfo("UTC"))

    assert answers == {"C": "fine"}
    assert len(problems) == 2


@pytest.mark.statement(30)
@pytest.mark.parametrize(
    ("field", "code"),
    [
        pytest.param("attribute[DEPTH]", "DEPTH", id="plain"),
        pytest.param("attribute[DEPTH][]", "DEPTH", id="as-a-list"),
        pytest.param("attribute[]", None, id="no-code"),
        pytest.param("attribute", None, id="no-brackets"),
        pytest.param("attributes[X]", None, id="another-word"),
        pytest.param("description", None, id="another-field"),
    ],
)
def test_the_code_of_a_field_stands_in_brackets(field: str, code: str | None):
    assert attribute_code(field) == code
