"""GET services: the list."""

import pytest
from sqlalchemy import update

from db import db
from open311.models import Service
from tests.api.wire import BOSTON, SEATTLE, STREET, Api, in_both_formats, take_away_services
from tests.factories import Factory

in_each_city = pytest.mark.parametrize("city", [BOSTON, SEATTLE])


@pytest.mark.statement(14)
@in_both_formats
@in_each_city
def test_each_service_has_code_name_type_and_metadata(api: Api, city: str, format: str) -> None:
    rows = api.get("services", format, city=city).rows

    assert rows
    for row in rows:
        assert isinstance(row["service_code"], str)
        assert row["service_code"].strip()
        assert isinstance(row["service_name"], str)
        assert row["service_name"].strip() == row["service_name"] != ""
        assert row["type"] in ("realtime", "batch", "blackbox")
        assert isinstance(row["metadata"], bool)


@in_both_formats
def test_what_is_an_emergency_is_told_to_who_asks_for_extensions(api: Api, format: str) -> None:
    plain = {row["service_code"]: row for row in api.get("services", format, city=BOSTON).rows}
    extended = {row["service_code"]: row for row in api.get("services", format, city=BOSTON, extensions="true").rows}

    wire = extended["downed-wire"]
    assert wire["emergency"].startswith("A wire that sparks")
    assert wire["emergency_phone"] == "911"
    assert extended["graffiti-removal"]["emergency"] is None
    assert {code: {**row, "emergency": None, "emergency_phone": None} for code, row in plain.items()} == {
        code: {**row, "emergency": None, "emergency_phone": None} for code, row in extended.items()
    }
    assert all("emergency" not in row for row in plain.values())


@pytest.mark.statement(14)
@in_each_city
def test_codes_and_names_are_unique_in_a_city(api: Api, city: str) -> None:
    rows = api.get("services", city=city).rows

    assert len({row["service_code"] for row in rows}) == len({row["service_name"] for row in rows}) == len(rows)


@pytest.mark.statement(14)
def test_each_type_is_told(api: Api) -> None:
    types = {row["service_code"]: row["type"] for row in api.get("services").rows}

    assert types["street-maintenance"] == "realtime"
    assert types["noise"] == "batch"
    assert types["parking-patrol-tip"] == "blackbox"


@pytest.mark.statement(15)
@in_both_formats
@in_each_city
def test_metadata_is_true_exactly_when_the_definition_has_attributes(api: Api, city: str, format: str) -> None:
    rows = api.get("services", format, city=city).rows

    asks = {
        row["service_code"]: bool(api.get(f"services/{row['service_code']}", format, city=city).content["attributes"])
        for row in rows
    }

    assert {row["service_code"]: row["metadata"] for row in rows} == asks


@pytest.mark.statement(15)
def test_seattle_has_services_with_and_without_questions(api: Api) -> None:
    assert {row["metadata"] for row in api.get("services").rows} == {True, False}


@pytest.mark.statement(16)
@in_each_city
def test_group_keywords_and_description_are_strings_in_json(api: Api, city: str) -> None:
    for row in api.get("services", city=city).rows:
        assert all(isinstance(row[name], str) for name in ("group", "keywords", "description")), row


@pytest.mark.statement(16)
def test_a_service_without_keywords_has_an_empty_string_of_them(api: Api, make: Factory) -> None:
    make.service("noise", SEATTLE).keywords = []
    make.service("noise", SEATTLE).description = ""
    db.session.flush()

    (row,) = [row for row in api.get("services").rows if row["service_code"] == "noise"]

    assert (row["keywords"], row["description"]) == ("", "")
    assert b"<keywords/>" in api.get("services", "xml").body


@pytest.mark.statement(17)
def test_an_empty_list_is_an_empty_array_or_element(api: Api, make: Factory) -> None:
    take_away_services(make)

    json, xml = api.get("services", "json"), api.get("services", "xml")

    assert (json.status, json.body) == (200, b"[]")
    assert (xml.status, xml.body) == (200, b'<?xml version="1.0" encoding="utf-8"?>\n<services/>')


@pytest.mark.statement(18)
@in_both_formats
def test_keywords_are_joined_by_a_comma_alone(api: Api, format: str) -> None:
    keywords = {row["service_code"]: row["keywords"] for row in api.get("services", format).rows}

    assert keywords["noise"] == "noise,loud music,construction noise"
    assert not any(", " in text or " ," in text for text in keywords.values() if text)


@in_both_formats
def test_an_inactive_service_is_not_listed_and_takes_nothing_but_keeps_its_requests(
    api: Api, make: Factory, format: str
) -> None:
    number = api.posted(STREET)
    db.session.execute(update(Service).where(Service.code == "street-maintenance").values(is_active=False))

    listed = [row["service_code"] for row in api.get("services", format).rows]

    assert "street-maintenance" not in listed
    assert api.get("services/street-maintenance", format).status == 404
    assert api.post(STREET, format).status == 404
    assert api.get(f"requests/{number}", format).row["service_code"] == "street-maintenance"
    assert api.get("requests", format, service_code="street-maintenance").ids == [number]
