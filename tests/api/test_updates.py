"""GET and POST servicerequestupdates, as FixMyStreet speaks it.  Source: spec 5.4, statement 71."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from psycopg import Connection
from psycopg.types.json import Jsonb

from open311.keys import REPORT, UPDATES, create_key
from tests.api.wire import BASE, BOSTON, SEATTLE, Answer, Api, Field, in_both_formats, picture, upload, without, xml_root
from tests.cases.files import pdf
from tests.factories import DAY, NOW, Factory

SECOND = timedelta(seconds=1)
MOMENT = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
SAID = {
    "update_id": "101",
    "service_request_id": "A-1",
    "updated_datetime": MOMENT,
    "status": "INVESTIGATING",
    "description": "Somebody was there",
}
OPEN_WORDS = ["open", "investigating", "action_scheduled", "in_progress", "planned", "for_triage", "reopen"]
CLOSED_WORDS = [
    "closed",
    "fixed",
    "no_further_action",
    "not_councils_responsibility",
    "duplicate",
    "internal_referral",
    "cancelled",
]
WORDS = [*OPEN_WORDS, *CLOSED_WORDS, "unchanged"]
PERSON = {
    "email": "ada@example.org",
    "phone": "555-0100",
    "first_name": "Adalbert",
    "last_name": "Lovelace",
    "account_id": "acc-77",
}


class Updates:
    """Posts and reads updates in Seattle."""

    def __init__(self, api: Api, make: Factory, connection: "Connection[Any]") -> None:
        self.api, self.make, self.connection = api, make, connection
        self.key = self.new_key()
        make.request("A-1", jurisdiction_id=SEATTLE, service_code="graffiti", lat=47.64, long=-122.4)

    def new_key(self, scopes: Sequence[str] = (REPORT, UPDATES), **about: Any) -> str:
        """A key's secret."""
        return create_key(self.connection, "fixmystreet", scopes=scopes, now=NOW, **about)

    def post(self, changes: Mapping[str, Any] | None = None, format: str = "json", *, key: str | None = "") -> Answer:
        """POST servicerequestupdates with these fields changed; a key of None sends none."""
        form: dict[str, Field | list[tuple[BytesIO, str]]] = {**SAID, **(changes or {}), "jurisdiction_id": SEATTLE}
        if key is not None:
            form["api_key"] = key or self.key
        return Answer(self.api.client.post(f"{BASE}/servicerequestupdates.{format}", data=form), format)

    def posted(self, format: str = "json", **changes: Any) -> str:
        """The id of an update that was posted."""
        row = self.post(changes, format).row
        assert set(row) == {"update_id"}
        assert isinstance(row["update_id"], str)
        assert row["update_id"]
        return str(row["update_id"])

    def get(self, format: str = "json", **arguments: str) -> Answer:
        """GET servicerequestupdates."""
        return self.api.get("servicerequestupdates", format, **arguments)

    def moved(self, update_id: str, *, to: datetime) -> None:
        """Let an update be of another time."""
        self.connection.execute("update request_update set updated_at = %s where id = %s", [to, int(update_id)])

    def status(self, number: str = "A-1") -> str:
        """open or closed, as GET requests says."""
        return str(self.api.get(f"requests/{number}").row["status"])


@pytest.fixture
def updates(api: Api, make: Factory, connection: "Connection[Any]") -> Updates:
    """Posts and reads updates of A-1, which is an open request in Seattle."""
    return Updates(api, make, connection)


def _wire(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


# Reading


@pytest.mark.statement(71)
@in_both_formats
def test_what_was_posted_is_read_by_anybody(updates: Updates, format: str) -> None:
    update_id = updates.posted(media_url=["https://example.org/1.jpeg", "https://example.org/2.jpeg"])

    row = updates.get(format).row

    assert abs(datetime.fromisoformat(row.pop("updated_datetime")) - NOW) < timedelta(minutes=30)
    assert row == {
        "update_id": update_id,
        "service_request_id": "A-1",
        "status": "investigating",
        "description": "Somebody was there",
        "media_url": ["https://example.org/1.jpeg", "https://example.org/2.jpeg"],
    }


@pytest.mark.statement(71)
@in_both_formats
def test_nothing_to_tell_is_an_empty_list(updates: Updates, format: str) -> None:
    assert updates.get(format).rows == []


@pytest.mark.statement(71)
@in_both_formats
@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        pytest.param(-2, 2, ["1", "2", "3"], id="both"),
        pytest.param(0, 0, ["2"], id="the very second"),
        pytest.param(-1, 0, ["1", "2"], id="both ends are in it"),
        pytest.param(1, None, ["3"], id="only a start"),
        pytest.param(None, -1, ["1"], id="only an end"),
        pytest.param(None, None, ["1", "2", "3"], id="none"),
        pytest.param(2, 3, [], id="after all of them"),
    ],
)
def test_dates_filter_when_it_was_updated_inclusively(
    updates: Updates, format: str, start: int | None, end: int | None, found: list[str]
) -> None:
    middle = NOW - DAY
    for words, offset in (("3", 1), ("1", -1), ("2", 0)):
        updates.moved(updates.posted(update_id=words, description=words), to=middle + offset * SECOND)
    given = {"start_date": start, "end_date": end}

    answer = updates.get(
        format, **{name: _wire(middle + seconds * SECOND) for name, seconds in given.items() if seconds is not None}
    )

    assert [row["description"] for row in answer.rows] == found


@pytest.mark.statement(71)
@in_both_formats
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({"start_date": "yesterday"}, "start_date", id="no date"),
        pytest.param({"end_date": "2026-13-01T00:00:00Z"}, "end_date", id="no such month"),
        pytest.param({"start_date": _wire(NOW), "end_date": _wire(NOW - DAY)}, "must not be after", id="backwards"),
        pytest.param({"start_date": _wire(NOW - 100 * DAY), "end_date": _wire(NOW)}, "at most 90 days", id="too long"),
        pytest.param({"page": "two"}, "page", id="no number"),
    ],
)
def test_what_is_malformed_is_400(updates: Updates, format: str, arguments: dict[str, str], said: str) -> None:
    answer = updates.get(format, **arguments)

    assert answer.status == 400
    assert said in answer.problem


@pytest.mark.statement(71)
@in_both_formats
def test_only_public_requests_are_told_of(updates: Updates, format: str) -> None:
    updates.posted()
    updates.connection.execute("update service_request set is_public = false where number = 'A-1'")

    assert updates.get(format).rows == []
    assert updates.get(format, service_request_id="A-1").rows == []


@in_both_formats
def test_another_city_s_updates_are_not_told(updates: Updates, format: str) -> None:
    updates.posted()

    assert updates.api.get("servicerequestupdates", format, city=BOSTON).rows == []
    assert updates.api.get("servicerequestupdates", format, city="nowhere.gov").status == 404


@in_both_formats
def test_pages_have_each_update_once(updates: Updates, format: str) -> None:
    ids = [updates.posted(update_id=str(number)) for number in range(5)]

    pages = [updates.get(format, page=str(page), page_size="2") for page in (1, 2, 3, 4)]

    assert [[row["update_id"] for row in page.rows] for page in pages] == [ids[:2], ids[2:4], ids[4:], []]
    assert 'rel="next"' in pages[0].headers["Link"]
    assert 'rel="next"' not in pages[2].headers["Link"]


# Posting


@pytest.mark.statement(71)
@in_both_formats
def test_a_key_of_the_scope_is_needed(updates: Updates, format: str) -> None:
    assert updates.post(format=format, key=None).status == 403
    assert updates.post(format=format, key="d311-nobody").status == 403
    refused = updates.post(format=format, key=updates.new_key((REPORT,)))

    assert refused.status == 403
    assert refused.problem == "api_key is not good for updates, only for report"
    assert updates.get(format).rows == []


@in_both_formats
def test_every_field_that_is_missing_is_told_at_once(updates: Updates, format: str) -> None:
    form = {"jurisdiction_id": SEATTLE, "api_key": updates.key, "update_id": " "}

    answer = Answer(updates.api.client.post(f"{BASE}/servicerequestupdates.{format}", data=form), format)

    assert answer.status == 400
    assert sorted(answer.problems) == [
        f"{name} is required" for name in ("description", "service_request_id", "status", "update_id", "updated_datetime")
    ]


@in_both_formats
def test_several_problems_are_one_400(updates: Updates, format: str) -> None:
    answer = updates.post({"updated_datetime": "noon", "description": "x" * 4001, "media_url": "ftp://x"}, format)

    assert answer.status == 400
    assert sorted(text.split()[0] for text in answer.problems) == ["description", "media_url", "updated_datetime"]


@in_both_formats
def test_an_unknown_request_is_404(updates: Updates, format: str) -> None:
    answer = updates.post({"service_request_id": "A-2"}, format)

    assert answer.status == 404
    assert answer.problem == "service_request_id A-2 was not found"


@in_both_formats
def test_an_unknown_word_is_400_and_names_them_all(updates: Updates, format: str) -> None:
    answer = updates.post({"status": "MENDED"}, format)

    assert answer.status == 400
    assert all(word in answer.problem for word in WORDS)
    assert answer.problem.endswith("got 'mended'")
    assert updates.get(format).rows == []


@pytest.mark.statement(71)
@in_both_formats
@pytest.mark.parametrize("word", OPEN_WORDS)
def test_a_word_for_what_is_open_opens_what_was_closed(updates: Updates, format: str, word: str) -> None:
    updates.posted(update_id="0", status="FIXED")
    assert updates.status() == "closed"

    updates.posted(format, status=word.upper())

    assert updates.status() == "open"


@pytest.mark.statement(71)
@in_both_formats
@pytest.mark.parametrize("word", CLOSED_WORDS)
def test_a_word_for_what_is_closed_closes(updates: Updates, format: str, word: str) -> None:
    updates.posted(format, status=word.upper(), description="We are through")

    assert updates.status() == "closed"
    assert updates.get(format).row["status"] == word
    assert updates.api.get("requests/A-1", format).row["status_notes"] == "We are through"


@pytest.mark.parametrize("word", [each for each in OPEN_WORDS if each not in ("open", "reopen")])
def test_what_is_open_is_told_by_its_word(updates: Updates, word: str) -> None:
    updates.posted(status=word.upper())

    assert updates.status() == "open"
    assert updates.get().row["status"] == word


@in_both_formats
@pytest.mark.parametrize(
    ("before", "word", "after"),
    [
        pytest.param("IN_PROGRESS", "unchanged", "in_progress", id="unchanged"),
        pytest.param("IN_PROGRESS", "OPEN", "in_progress", id="open says no more than that"),
        pytest.param("FIXED", "unchanged", "fixed", id="unchanged when closed"),
        pytest.param("FIXED", "CLOSED", "fixed", id="closed says no more than that"),
        pytest.param("IN_PROGRESS", "REOPEN", "in_progress", id="what is open need not be opened"),
    ],
)
def test_a_comment_leaves_the_status(updates: Updates, format: str, before: str, word: str, after: str) -> None:
    updates.posted(update_id="0", status=before)
    was = updates.api.get("requests/A-1").row

    updates.posted(format, status=word, description="Thank you")

    assert [row["status"] for row in updates.get(format).rows] == [after, after]
    now = updates.api.get("requests/A-1").row
    assert now["status"] == was["status"]
    assert now["status_notes"] == was["status_notes"]


@in_both_formats
def test_a_forbidden_move_is_400_and_says_what_may_follow(updates: Updates, format: str) -> None:
    updates.connection.execute(
        "update case_status set next_codes = '{planned,closed}' from jurisdiction"
        " where jurisdiction.id = jurisdiction_id and slug = %s and code = 'open'",
        [SEATTLE],
    )
    updates.connection.execute("update jurisdiction set casework_version = 'of this test' where slug = %s", [SEATTLE])

    answer = updates.post({"status": "FIXED"}, format)

    assert answer.status == 400
    assert answer.problem == "A-1 is open: it may become planned, closed, not fixed"
    assert updates.status() == "open"
    assert updates.get(format).rows == []


@in_both_formats
def test_what_was_closed_too_long_ago_is_not_opened(updates: Updates, format: str) -> None:
    updates.posted(update_id="0", status="FIXED")
    updates.connection.execute(
        "update service_request set requested_at = requested_at - interval '40 days',"
        " closed_at = closed_at - interval '31 days', updated_at = updated_at - interval '31 days' where number = 'A-1'"
    )

    answer = updates.post({"status": "REOPEN"}, format)

    assert answer.status == 400
    assert "30 days" in answer.problem


@pytest.mark.statement(71)
@in_both_formats
def test_the_same_update_of_the_same_key_is_one(updates: Updates, format: str) -> None:
    first = updates.posted(format)

    assert updates.posted(format, description="said again") == first
    assert updates.get(format).row["description"] == "Somebody was there"


@in_both_formats
def test_another_request_or_key_may_use_the_same_update_id(updates: Updates, format: str) -> None:
    updates.make.request("A-2", jurisdiction_id=SEATTLE, service_code="graffiti", lat=47.64, long=-122.4)
    first, of_another_request = updates.posted(format), updates.posted(format, service_request_id="A-2")

    of_another_key = updates.post(format=format, key=updates.new_key()).row["update_id"]

    assert len({first, of_another_request, of_another_key}) == 3


@in_both_formats
@pytest.mark.parametrize("name", ["photo1", "media", "media[]", "file_a1b2c3"])
def test_photos_under_any_name_are_kept_and_shown(updates: Updates, app: Flask, format: str, name: str) -> None:
    updates.posted(format, **{name: upload(picture())})

    media_url = updates.get(format).row["media_url"]

    assert media_url.startswith("http://localhost/media/")
    with updates.api.client.get(media_url.removeprefix("http://localhost")) as photo:
        assert photo.status_code == 200


@in_both_formats
def test_several_files_are_all_shown(updates: Updates, format: str) -> None:
    updates.posted(format, photo1=upload(picture(size=(800, 600))), photo2=[upload(picture()), upload(pdf(), "plan.pdf")])

    answer = updates.get(format)

    urls = answer.row["media_url"]
    assert [url[-4:] for url in urls] == [".png", ".png", ".pdf"]
    for url in urls:
        with updates.api.client.get(url.removeprefix("http://localhost")) as file:
            assert file.status_code == 200
    if format == "xml":
        assert [each.text for each in xml_root(answer.body).findall("request_update/media_url/media_url")] == urls


@in_both_formats
def test_one_file_is_a_text_and_none_is_nothing(updates: Updates, format: str) -> None:
    updates.posted(format, media_url="https://example.org/a.jpg?x=1&y=<2>")
    updates.posted(format, update_id="8")

    assert [row["media_url"] for row in updates.get(format).rows] == ["https://example.org/a.jpg?x=1&y=<2>", None]


@in_both_formats
def test_a_bad_file_of_an_update_is_named_and_nothing_is_kept(updates: Updates, app: Flask, format: str) -> None:
    folder: Path = app.config["OPEN311"].media_folder
    before = sorted(folder.rglob("*"))

    answer = updates.post({"photo1": [upload(picture()), upload(pdf()[:-40], "plan.pdf")]}, format)

    assert (answer.status, answer.problem) == (400, "plan.pdf is damaged: it does not end as a PDF does")
    assert updates.get(format).rows == []
    assert sorted(folder.rglob("*")) == before


def test_photos_of_a_repeated_post_are_not_kept_again(updates: Updates, app: Flask) -> None:
    folder: Path = app.config["OPEN311"].media_folder
    updates.posted(photo1=upload(picture()))
    kept = sorted(path for path in folder.rglob("*") if path.is_file())

    updates.posted(photo1=upload(picture()))

    assert sorted(path for path in folder.rglob("*") if path.is_file()) == kept


@in_both_formats
def test_a_file_that_is_no_photo_is_400(updates: Updates, format: str) -> None:
    answer = updates.post({"photo1": upload(b"no photo", "x.png")}, format)

    assert answer.status == 400
    assert answer.problem.startswith("x.png is not a file we can keep")


@pytest.mark.statement(41)
@in_both_formats
def test_who_it_was_is_kept_and_never_shown(updates: Updates, format: str) -> None:
    updates.posted(format, **PERSON)

    kept = updates.connection.execute("select email, phone, first_name, last_name, account_id from update_reporter").fetchall()
    assert [tuple(row) for row in kept] == [tuple(PERSON.values())]
    shown = [updates.get(format), *(updates.api.get(path, format, extensions="true") for path in ("requests", "requests/A-1"))]
    for answer in shown:
        assert answer.rows
        assert not [text for text in PERSON.values() if text in answer.text]


def test_a_name_of_a_dash_is_nobody_s(updates: Updates) -> None:
    updates.posted(first_name="-", last_name="-", email="", phone="")

    assert updates.connection.execute("select * from update_reporter").fetchall() == []


@in_both_formats
def test_other_fields_of_fixmystreet_do_no_harm(updates: Updates, format: str) -> None:
    updates.posted(
        format,
        **{
            "title": "Mr",
            "service_code": "graffiti",
            "email_alerts_requested": "FALSE",
            "public_anonymity_required": "TRUE",
            "service_request_id_ext": "7",
            "update_id_ext": "8",
            "attribute[fixmystreet_id]": "9",
        },
    )

    assert len(updates.get(format).rows) == 1


# A department's own system


def _department(updates: Updates) -> tuple[int, int]:
    """The ids of a department of Seattle that does not answer for A-1, and of Seattle."""
    row = updates.connection.execute(
        "select d.id, d.jurisdiction_id from department d join jurisdiction j on j.id = d.jurisdiction_id"
        " where j.slug = %s and d.parent_id is null"
        " and d.id <> (select department_id from service_request where number = 'A-1') order by d.id limit 1",
        [SEATTLE],
    ).fetchone()
    assert row is not None
    return row[0], row[1]


@in_both_formats
def test_a_department_s_key_is_good_only_where_it_answers(updates: Updates, format: str) -> None:
    department_id, city_id = _department(updates)
    key = updates.new_key((UPDATES,), jurisdiction_ids=[city_id], department_id=department_id)

    refused = updates.post({"status": "FIXED"}, format, key=key)
    updates.connection.execute("update service_request set department_id = %s where number = 'A-1'", [department_id])

    assert refused.status == 403
    assert "fixmystreet" in refused.problem
    assert updates.status() == "open"
    assert updates.post({"status": "FIXED"}, format, key=key).status == 200
    assert updates.status() == "closed"


@in_both_formats
def test_an_update_that_is_sent_again_is_the_same_whoever_answers_now(updates: Updates, format: str) -> None:
    department_id, city_id = _department(updates)
    key = updates.new_key((UPDATES,), jurisdiction_ids=[city_id], department_id=department_id)
    whose = updates.connection.execute("select department_id from service_request where number = 'A-1'").fetchone()
    updates.connection.execute("update service_request set department_id = %s where number = 'A-1'", [department_id])
    first = updates.post({"status": "IN_PROGRESS"}, format, key=key)
    updates.connection.execute("update service_request set department_id = %s where number = 'A-1'", whose)

    again = updates.post({"status": "IN_PROGRESS"}, format, key=key)

    assert (first.status, again.status) == (200, 200)
    assert updates.post({"status": "IN_PROGRESS", "update_id": "another"}, format, key=key).status == 403


# Phases


@pytest.fixture
def in_phases(updates: Updates) -> str:
    """The number of a request that is worked in two phases, one after the other."""
    row = updates.connection.execute(
        "select s.id, s.jurisdiction_id, d.code from service s join department d on d.jurisdiction_id = s.jurisdiction_id"
        " join jurisdiction j on j.id = s.jurisdiction_id where j.slug = %s and s.code = 'graffiti' order by d.id limit 1",
        [SEATTLE],
    ).fetchone()
    assert row is not None
    service_id, city_id, department = row
    plan = [
        {"code": code, "name": code.title(), "department": department, "service_code": None, "after": after, "target": None}
        for code, after in (("look", []), ("clean", ["look"]))
    ]
    updates.connection.execute(
        "insert into phase_plan (jurisdiction_id, service_id, details, position) values (%s, %s, %s, 1)",
        [city_id, service_id, Jsonb({"phases": plan})],
    )
    updates.connection.execute("update jurisdiction set casework_version = 'with a plan' where slug = %s", [SEATTLE])
    return updates.api.posted({"service_code": "graffiti", "lat": "47.5613", "long": "-122.3868"})


def _phases(updates: Updates) -> list[tuple[str, str, str | None]]:
    rows = updates.connection.execute("select code, state, reason from request_phase order by position").fetchall()
    return [tuple(row) for row in rows]


def test_closing_skips_what_is_open_with_that_reason_and_reopen_opens_the_last(updates: Updates, in_phases: str) -> None:
    assert _phases(updates) == [("look", "open", None), ("clean", "waiting", None)]

    updates.posted(service_request_id=in_phases, status="FIXED", description="A neighbour did it")

    assert updates.status(in_phases) == "closed"
    assert _phases(updates) == [("look", "skipped", "A neighbour did it"), ("clean", "skipped", "A neighbour did it")]

    updates.posted(service_request_id=in_phases, update_id="102", status="REOPEN", description="It is there again")

    assert updates.status(in_phases) == "open"
    assert [(code, state) for code, state, _ in _phases(updates)] == [("look", "open"), ("clean", "waiting")]


def test_a_department_that_works_one_phase_says_that_its_part_is_done(updates: Updates, in_phases: str) -> None:
    department_id, city_id = _department(updates)
    key = updates.new_key((UPDATES,), jurisdiction_ids=[city_id], department_id=department_id)
    of = "where request_id = (select id from service_request where number = %s)"
    updates.connection.execute(
        "update request_phase p set department_id = case p.code when 'look' then %s else r.department_id end,"
        " unit_id = null from service_request r where r.id = p.request_id and r.number = %s",
        [department_id, in_phases],
    )

    done = updates.post({"service_request_id": in_phases, "status": "FIXED", "description": "Looked at"}, key=key)
    again = updates.post({"service_request_id": in_phases, "status": "FIXED", "description": "Looked at"}, key=key)

    assert (done.status, again.status, again.body) == (200, 200, done.body)
    assert updates.status(in_phases) == "open"
    assert [(code, state) for code, state, _ in _phases(updates)] == [("look", "done"), ("clean", "open")]
    assert updates.connection.execute(f"select 1 from request_update {of}", [in_phases]).fetchall()


@pytest.mark.parametrize(("word", "status"), [("FIXED", "closed"), ("DUPLICATE", "closed"), ("IN_PROGRESS", "open")])
def test_a_city_with_statuses_of_its_own_knows_the_words_by_open_and_closed(updates: Updates, word: str, status: str) -> None:
    updates.connection.execute(
        "update case_status set wire = code || '-here' where code not in ('open', 'closed')"
        " and jurisdiction_id = (select id from jurisdiction where slug = %s)",
        [SEATTLE],
    )
    updates.connection.execute(
        "update case_status set code = code || '-here' where code not in ('open', 'closed')"
        " and jurisdiction_id = (select id from jurisdiction where slug = %s)",
        [SEATTLE],
    )
    updates.connection.execute("update jurisdiction set casework_version = 'of its own' where slug = %s", [SEATTLE])

    assert updates.post({"status": word}).status == 200
    assert updates.status() == status


def test_a_missing_field_is_refused_even_when_all_others_are_there(updates: Updates) -> None:
    for name in SAID:
        form = {**without(SAID, name), "jurisdiction_id": SEATTLE, "api_key": updates.key}
        answer = Answer(updates.api.client.post(f"{BASE}/servicerequestupdates.json", data=form), "json")
        assert answer.problems == [f"{name} is required"]
