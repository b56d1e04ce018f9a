"""Answers to a service's questions: demanded, checked, kept."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from psycopg import Connection

from tests.api.wire import GARBAGE, GRAFFITI, NOISE, Api, in_both_formats, multipart, without

Kept = Callable[[], Any]
FORM = "application/x-www-form-urlencoded; charset=utf-8"


def _answers(connection: "Connection[Any]") -> dict[str, Any]:
    ((answers,),) = connection.execute("select attributes from service_request").fetchall()
    assert isinstance(answers, dict)
    return answers


@pytest.mark.statement(28)
@in_both_formats
@pytest.mark.parametrize("code", ["CONTAINER_TYPE", "CONTAINER_COUNT", "COLLECTION_DAY"])
@pytest.mark.parametrize("sent", [None, "", "  "], ids=["absent", "empty", "blank"])
def test_a_missing_answer_is_400_and_named(api: Api, kept: Kept, code: str, sent: str | None, format: str) -> None:
    before = kept()
    fields = without(GARBAGE, f"attribute[{code}]") | ({} if sent is None else {f"attribute[{code}]": sent})

    answer = api.post(fields, format)

    assert answer.status == 400
    assert f"{code} required" in answer.problem
    assert kept() == before


@pytest.mark.statement(28)
@in_both_formats
def test_all_the_answers_are_taken(api: Api, connection: "Connection[Any]", format: str) -> None:
    assert api.post({**GARBAGE, "attribute[BUILDING_NAME]": "Smith Tower"}, format).status == 200
    assert _answers(connection) == {
        "CONTAINER_TYPE": "garbage",
        "CONTAINER_COUNT": "2",
        "COLLECTION_DAY": "2026-03-02T15:00:00Z",
        "BUILDING_NAME": "Smith Tower",
    }


@pytest.mark.statement(29)
@in_both_formats
@pytest.mark.parametrize(
    ("code", "sent"),
    [
        ("CONTAINER_COUNT", "two"),
        ("CONTAINER_COUNT", "1,5"),
        ("CONTAINER_COUNT", "nan"),
        ("CONTAINER_COUNT", "inf"),
        ("CONTAINER_COUNT", "1_000"),
        ("CONTAINER_COUNT", "٣"),
        ("CONTAINER_COUNT", "0x10"),
        ("COLLECTION_DAY", "yesterday"),
        ("COLLECTION_DAY", "2026-02-30"),
        ("COLLECTION_DAY", "2026-02-03T25:00:00Z"),
        ("COLLECTION_DAY", "03/02/2026"),
        ("COLLECTION_DAY", "1764000000"),
        ("CONTAINER_TYPE", "Garbage"),
        ("CONTAINER_TYPE", "nothing"),
        ("BUILDING_NAME", "two\nlines"),
    ],
)
def test_an_answer_of_the_wrong_kind_is_400_and_named(api: Api, kept: Kept, code: str, sent: str, format: str) -> None:
    before = kept()

    answer = api.post({**GARBAGE, f"attribute[{code}]": sent}, format)

    assert answer.status == 400
    assert answer.problem.startswith(code)
    assert kept() == before


@pytest.mark.statement(29)
@in_both_formats
@pytest.mark.parametrize(("code", "sent"), [("SURFACE", "roof"), ("OFFENSIVE", "maybe"), ("OFFENSIVE", "Yes")])
def test_a_key_that_is_not_in_the_list_is_400_and_the_error_says_which_are(api: Api, code: str, sent: str, format: str) -> None:
    answer = api.post({**GRAFFITI, f"attribute[{code}]": sent}, format)

    assert answer.status == 400
    assert answer.problem.startswith(f"{code} must be one of ")
    assert {"SURFACE": "building, pole, pavement", "OFFENSIVE": "yes, no"}[code] in answer.problem
    assert sent in answer.problem


@pytest.mark.statement(29)
@in_both_formats
def test_one_wrong_key_among_good_ones_is_400(api: Api, kept: Kept, format: str) -> None:
    before = kept()

    answer = api.post({**GRAFFITI, "attribute[SURFACE][]": ["pole", "roof"]}, format)

    assert answer.status == 400
    assert "SURFACE" in answer.problem
    assert kept() == before


@pytest.mark.statement(29)
@in_both_formats
def test_two_choices_where_one_is_asked_are_400(api: Api, format: str) -> None:
    answer = api.post({**GRAFFITI, "attribute[OFFENSIVE]": ["yes", "no"]}, format)

    assert answer.status == 400
    assert answer.problem == "OFFENSIVE takes one value, got 2"


@pytest.mark.statement(29)
@pytest.mark.parametrize("number", ["2", "-1", "2.5", "1e3", "+4", ".5"])
def test_a_number_may_be_whole_or_not(api: Api, connection: "Connection[Any]", number: str) -> None:
    api.posted({**GARBAGE, "attribute[CONTAINER_COUNT]": number})

    assert _answers(connection)["CONTAINER_COUNT"] == number


@pytest.mark.statement(29)
@pytest.mark.parametrize(
    ("sent", "kept_as"),
    [
        ("2026-03-02T07:00:00-08:00", "2026-03-02T15:00:00Z"),
        ("2026-03-02T15:00:00Z", "2026-03-02T15:00:00Z"),
        ("2026-03-02T15:00:00.999Z", "2026-03-02T15:00:00Z"),
        ("2026-03-02T07:00:00", "2026-03-02T15:00:00Z"),
        ("2026-03-02 07:00", "2026-03-02T15:00:00Z"),
        ("2026-03-02", "2026-03-02T08:00:00Z"),
        ("2026-07-02", "2026-07-02T07:00:00Z"),
    ],
)
def test_a_time_without_a_zone_is_the_citys(api: Api, connection: "Connection[Any]", sent: str, kept_as: str) -> None:
    api.posted({**GARBAGE, "attribute[COLLECTION_DAY]": sent})

    assert _answers(connection)["COLLECTION_DAY"] == kept_as


_TWO = {
    "with brackets": "attribute[SURFACE][]=pole&attribute[SURFACE][]=building",
    "repeated": "attribute[SURFACE]=pole&attribute[SURFACE]=building",
    "brackets encoded": "attribute%5BSURFACE%5D%5B%5D=pole&attribute%5BSURFACE%5D%5B%5D=building",
    "repeated, encoded": "attribute%5bSURFACE%5d=pole&attribute%5bSURFACE%5d=building",
    "one of each": "attribute[SURFACE][]=pole&attribute%5BSURFACE%5D=building",
    "twice the same": "attribute[SURFACE][]=pole&attribute[SURFACE][]=building&attribute[SURFACE][]=pole",
    "with a blank": "attribute[SURFACE][]=&attribute[SURFACE][]=pole&attribute[SURFACE][]=building",
}


@pytest.mark.statement(30)
@in_both_formats
@pytest.mark.parametrize("body", _TWO.values(), ids=_TWO)
def test_two_choices_are_kept_however_they_are_sent(api: Api, connection: "Connection[Any]", body: str, format: str) -> None:
    place = "service_code=graffiti&lat=47.5613&long=-122.3868"

    answer = api.post_body(f"{place}&{body}".encode(), FORM, format)

    assert answer.status == 200
    assert _answers(connection) == {"SURFACE": ["pole", "building"]}


@pytest.mark.statement(30)
@pytest.mark.parametrize("name", ["attribute[SURFACE]", "attribute[SURFACE][]"])
def test_two_choices_may_come_in_a_multipart_form(api: Api, connection: "Connection[Any]", name: str) -> None:
    texts = multipart("b", GRAFFITI, end=False)
    for value in ("pole", "building"):
        texts += multipart("b", {name: value}, end=False)

    api.post_body(texts + b"--b--\r\n", "multipart/form-data; boundary=b")

    assert _answers(connection) == {"SURFACE": ["pole", "building"]}


@pytest.mark.statement(30)
@pytest.mark.parametrize("name", ["attribute[SURFACE]", "attribute[SURFACE][]"])
def test_a_single_choice_of_several_is_a_list_of_one(api: Api, connection: "Connection[Any]", name: str) -> None:
    api.posted({**GRAFFITI, name: "pole"})

    assert _answers(connection) == {"SURFACE": ["pole"]}


@pytest.mark.statement(31)
@in_both_formats
@pytest.mark.parametrize("name", ["attribute[SURFACE]", "attribute[SURFACE][]", "attribute[OFFENSIVE]"])
@pytest.mark.parametrize("blank", ["", " ", "\r\n"])
def test_a_blank_answer_to_an_optional_question_is_none(
    api: Api, connection: "Connection[Any]", name: str, blank: str, format: str
) -> None:
    assert api.post({**GRAFFITI, name: blank}, format).status == 200
    assert _answers(connection) == {}


@pytest.mark.statement(32)
@in_both_formats
def test_what_only_informs_is_never_demanded(api: Api, connection: "Connection[Any]", format: str) -> None:
    connection.execute("update service_attribute set required = true where code = 'NOISE_INFO'")

    assert api.post(NOISE, format).status == 200


@pytest.mark.statement(33)
@in_both_formats
def test_unknown_attributes_are_kept_as_they_came(api: Api, connection: "Connection[Any]", format: str) -> None:
    unknown = {
        "attribute[uprn]": "10001",
        "attribute[easting]": "529090",
        "attribute[closest address]": "1 Main St",
        "attribute[several]": ["a", "b"],
        "attribute[]": "nameless",
        "attribute[ ]": "",
    }

    assert api.post({**GRAFFITI, **unknown}, format).status == 200
    assert _answers(connection) == {
        "uprn": "10001",
        "easting": "529090",
        "closest address": "1 Main St",
        "several": ["a", "b"],
    }


@pytest.mark.statement(33)
def test_codes_may_hold_spaces_and_signs(api: Api, connection: "Connection[Any]") -> None:
    name = quote("attribute[What is it? é & co]")

    api.post_body(f"service_code=graffiti&lat=47.5613&long=-122.3868&{name}=paint".encode(), FORM)

    assert _answers(connection) == {"What is it? é & co": "paint"}


@in_both_formats
def test_an_answer_of_4001_characters_is_400(api: Api, kept: Kept, format: str) -> None:
    before = kept()

    answer = api.post({**GARBAGE, "attribute[BUILDING_NAME]": "x" * 4001}, format)

    assert answer.problem == "BUILDING_NAME must be at most 4000 characters, got 4001"
    assert kept() == before
