"""What extensions=true adds to requests, and what it never shows.  Source: spec 5.1, statement 69."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lxml import etree
from psycopg import Connection
from psycopg.types.json import Jsonb

from db.driver import Statement
from open311.actors import operator
from open311.cases import phasing, statuses
from open311.jurisdictions import City, read_cities
from tests.api.wire import SEATTLE, Api, in_both_formats

HOLE = {
    "service_code": "street-maintenance",
    "lat": "47.64",
    "long": "-122.4",
    "description": "A hole",
    "email": "ada@example.org",
    "first_name": "Adalbert",
    "phone": "555-0100",
}
ADDED = {"extended_attributes", "notes"}
BOSS = operator("Ada")


@pytest.fixture
def seattle(connection: "Connection[Any]") -> City:
    """The city."""
    return next(city for city in read_cities(connection) if city.jurisdiction_id == SEATTLE)


@pytest.fixture
def hole(api: Api, connection: "Connection[Any]", seattle: City) -> str:
    """A request in three phases, of which the first is done, with a note for everybody and one that is not."""
    number, now = api.posted(HOLE), datetime.now(UTC).replace(microsecond=0)
    statuses.note(connection, seattle, number, "cones are needed", by=BOSS, now=now + timedelta(seconds=1))
    statuses.note(connection, seattle, number, "A crew comes", by=BOSS, is_public=True, now=now + timedelta(seconds=2))
    phasing.finish(connection, seattle, number, "make-safe", by=BOSS, note="cones", now=now + timedelta(seconds=3))
    return number


@pytest.mark.statement(69)
@in_both_formats
@pytest.mark.parametrize("value", ["true", "1", "TRUE", "notes", "citysdk,media"])
def test_extensions_add_their_keys(api: Api, hole: str, format: str, value: str) -> None:
    plain = api.get("requests", format, service_request_id=hole).row

    listed = api.get("requests", format, service_request_id=hole, extensions=value).row
    shown = api.get(f"requests/{hole}", format, extensions=value).row

    assert set(listed) - set(plain) == ADDED
    assert {name: value for name, value in listed.items() if name not in ADDED} == plain
    assert shown == listed


@pytest.mark.statement(69)
@in_both_formats
@pytest.mark.parametrize("arguments", [{}, {"extensions": ""}, {"extensions": "false"}, {"extensions": "0"}])
def test_without_extensions_there_is_no_such_key(api: Api, hole: str, format: str, arguments: dict[str, str]) -> None:
    assert not ADDED & set(api.get("requests", format, service_request_id=hole, **arguments).row)
    assert not ADDED & set(api.get(f"requests/{hole}", format, **arguments).row)


@pytest.mark.statement(69)
def test_phases_and_notes_tell_how_far_it_is(api: Api, hole: str) -> None:
    row = api.get(f"requests/{hole}", extensions="true").row

    about = row["extended_attributes"]
    assert (about["channel"], about["detailed_status"], about["priority"], about["times_reopened"]) == (
        "app",
        "open",
        "normal",
        0,
    )
    assert [(phase["code"], phase["status"], bool(phase["expected_datetime"])) for phase in about["phases"]] == [
        ("make-safe", "done", False),
        ("pipe", "open", True),
        ("fill", "open", True),
    ]
    assert [(note["type"], note["summary"], note["description"]) for note in row["notes"] if note["type"] != "opened"] == [
        ("submitted", "Request submitted", None),
        ("follow_on_created", "Make the place safe begins", None),
        ("activity", "Open", "A crew comes"),
        ("follow_on_closed", "Make the place safe is done", None),
        ("follow_on_created", "Look whether a pipe leaks begins", None),
        ("follow_on_created", "Repair the road begins", None),
    ]
    assert [note["datetime"] for note in row["notes"]] == sorted(note["datetime"] for note in row["notes"])
    pipe = next(note for note in row["notes"] if note["summary"].startswith("Look"))["extended_attributes"]
    assert pipe == {
        "service_request_id": hole,
        "service_name": "Look whether a pipe leaks",
        "agency_responsible": "Seattle Public Utilities",
    }


def test_xml_has_them_under_the_names_that_clients_read(api: Api, hole: str) -> None:
    root = etree.fromstring(api.get(f"requests/{hole}", "xml", extensions="true").body)

    assert [each.text for each in root.findall("request/extended_attributes/phases/phase/code")] == [
        "make-safe",
        "pipe",
        "fill",
    ]
    assert {each.tag for each in root.find("request/notes")} == {"note"}
    assert all(note.findtext("type") and note.findtext("datetime") for note in root.findall("request/notes/note"))


@in_both_formats
def test_nothing_of_who_reported_and_nothing_internal_is_shown(api: Api, hole: str, format: str) -> None:
    shown = api.get("requests", format, extensions="true").text

    for secret in ("ada@example.org", "Adalbert", "555-0100", "cones are needed"):
        assert secret not in shown


def test_a_closed_request_says_so_in_its_notes(api: Api, hole: str, connection: "Connection[Any]", seattle: City) -> None:
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=1)
    statuses.set_status(connection, seattle, hole, "fixed", by=BOSS, now=later)

    row = api.get(f"requests/{hole}", extensions="true").row

    assert (row["status"], row["extended_attributes"]["detailed_status"]) == ("closed", "fixed")
    assert ("closed", "The work is done. Thank you for telling us.") in [
        (note["type"], note["description"]) for note in row["notes"]
    ]


def test_an_answer_that_did_not_change_is_304(api: Api, hole: str) -> None:
    answer = api.get("requests", extensions="true")

    again = api.get("requests", extensions="true", headers={"If-None-Match": answer.headers["ETag"]})

    assert again.status == 304


@pytest.mark.parametrize("count", [1, 12])
def test_a_page_takes_the_same_number_of_statements_however_long_it_is(
    api: Api, connection: "Connection[Any]", count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(count):
        api.posted(HOLE)
    run: list[str] = []
    original = Statement.run

    def counted(self: Statement, *arguments: Any, **values: Any) -> Any:
        run.append(self.text)
        return original(self, *arguments, **values)

    monkeypatch.setattr(Statement, "run", counted)

    assert len(api.ask(f"requests.json?jurisdiction_id={SEATTLE}&extensions=true").rows) == count
    assert len(run) == 10


@in_both_formats
def test_answers_of_a_form_are_shown_but_for_what_is_in_own_words(api: Api, connection: "Connection[Any]", format: str) -> None:
    number = api.posted(
        {
            "service_code": "missed-garbage",
            "lat": "47.5613",
            "long": "-122.3868",
            "attribute[CONTAINER_TYPE]": "garbage",
            "attribute[CONTAINER_COUNT]": "2",
            "attribute[COLLECTION_DAY]": "2026-03-02T07:00:00-08:00",
        }
    )
    connection.execute(
        "insert into service_attribute"
        " (jurisdiction_id, service_id, code, position, datatype, variable, required, description, values)"
        " select jurisdiction_id, service_id, 'WHO', 99, 'string', true, false, 'Who are you?', '[]'"
        " from service_request where number = %s",
        [number],
    )
    own_words = {"WHO": "Ada Adalbert"}
    connection.execute("update service_request set attributes = attributes || %s where number = %s", [Jsonb(own_words), number])

    answer = api.get(f"requests/{number}", format, extensions="true")

    shown = {each["code"]: each for each in answer.row["extended_attributes"]["attributes"]}
    assert {"CONTAINER_TYPE", "CONTAINER_COUNT", "COLLECTION_DAY"} == set(shown)
    assert shown["CONTAINER_TYPE"]["value"] == "garbage"
    assert shown["CONTAINER_TYPE"]["name"] not in ("", "garbage")
    assert shown["CONTAINER_COUNT"]["value"] == "2"
    assert "Adalbert" not in answer.text


@in_both_formats
def test_districts_and_duplicates_are_told(api: Api, hole: str, connection: "Connection[Any]", format: str) -> None:
    child, hidden = api.posted(HOLE), api.posted(HOLE)
    connection.execute(
        "update service_request set parent_id = (select id from service_request where number = %s) where number = any(%s)",
        [hole, [child, hidden]],
    )
    connection.execute("update service_request set is_public = false where number = %s", [hidden])

    about = api.get(f"requests/{hole}", format, extensions="true").row["extended_attributes"]

    assert about["duplicates"] == [child]
    assert "city:seattle" in about["districts"]
    assert all(each.count(":") == 1 for each in about["districts"])
    assert api.get("requests", format, district=about["districts"][0], service_request_id="").ids != []
