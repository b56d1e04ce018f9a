"""What is kept of a person, given out and taken away: theirs alone, and all of it."""

import json
import stat
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from open311.actors import Actor, NotAllowed, operator
from open311.cases import duplicates, statuses, verdicts
from open311.cases.phases import ReasonMissing
from open311.config import settings as settings_now
from open311.media_store import StoreAway, media_store
from open311.notify import following
from open311.notify.following import Wish
from open311.people.erasing import Erased, erase
from open311.people.exporting import Exported, export
from open311.people.identity import Asked, BadPerson, SeveralPeople, find, same_phone
from open311.people.reading import read_people
from open311.people.record import uses
from tests.cases.conftest import LOADED
from tests.cases.working import Working
from tests.people.conftest import BRUNO, MARIA, NOW, Dump, post, report, work

ANN = operator("Ann")
People = dict[str, Actor]
BY_MAIL = Asked(email="maria.quillfeather@EXAMPLE.org ")
# What would give Maria away, in small letters.
MARKS = ("quillfeather", "555-0142", "555.0142", "device-8c1d77", "account-20771")


def traces(dump: Dump) -> list[str]:
    """The marks of Maria that are somewhere in the database."""
    text = dump().lower()
    return [mark for mark in MARKS if mark in text]


def took(trees: Working, asked: Asked = BY_MAIL, *, by: Actor = ANN, reason: str = "asked for it", **more: Any) -> Erased:
    """An erasure of an hour later."""
    return erase(trees.connection, trees.city, asked, by=by, reason=reason, now=NOW, **more)


@pytest.fixture
def number(trees: Working, people: People, store: Any) -> str:
    """A request of Maria's with photos, of which people wrote who she is; another that was linked with it; one of Bruno's."""
    number = report(trees, "A cavern. Call Maria Quillfeather, 617.555.0142", MARIA, photos=1)
    linked = report(trees, "the same hole", BRUNO)
    duplicates.link(trees.connection, trees.city, linked, number, by=ANN, now=LOADED)
    for words in (
        "Quillfeather, Maria wrote from maria.quillfeather@example.org",
        "Mrs. Quillfeather called from +1 617 555-0142 (device-8c1d77, account-20771)",
    ):
        statuses.note(trees.connection, trees.city, number, words, by=people["Carla"], now=LOADED)
    told = "Maria Quillfeather told us more"
    statuses.set_status(trees.connection, trees.city, number, "in_progress", by=people["Wim"], words=told, now=LOADED)
    post(trees, number, "It is me, MARIA QUILLFEATHER", MARIA, photos=1)
    read_people(trees.connection, trees.city, number, by=people["Wim"], reason="Maria Quillfeather called", now=LOADED)
    return number


# Read


def test_who_reported_it_is_read_with_a_reason_and_that_is_kept_without_what_stood_there(
    trees: Working, people: People, number: str
):
    found = read_people(trees.connection, trees.city, number, by=people["Wim"], reason="which tree?", now=NOW)

    assert [(each.role.split()[0], each.fields.get("phone"), each.fields["email"]) for each in found] == [
        ("reported", MARIA["phone"], MARIA["email"]),
        ("posted", MARIA["phone"], MARIA["email"]),
        ("follows", None, MARIA["email"]),
    ]
    (last, _) = uses(trees.connection, jurisdiction_id=trees.city.id, by=people["Ada"], limit=9)
    assert (last.kind, last.number, last.at) == ("read", number, NOW)
    assert last.facts == {
        "by": "Wim",
        "account_id": people["Wim"].account_id,
        "reason": "which tree?",
        "fields": sorted(MARIA),
    }


@pytest.mark.parametrize(("who", "may"), [("Carla", True), ("Wim", True), ("Ada", True), ("Pat", False), ("Olga", False)])
def test_a_person_is_read_by_those_who_work_the_request(trees: Working, people: People, who: str, may: bool):
    number = report(trees, "a hole", MARIA)

    def read() -> Any:
        return read_people(trees.connection, trees.city, number, by=people[who], reason="to ask", now=NOW)

    if may:
        assert [each.role for each in read()] == ["reported it", "follows it"]
    else:
        with pytest.raises(NotAllowed, match="read who reported this request"):
            read()
        assert trees.rows("select 1 from person_use") == []


def test_without_a_reason_nothing_is_read(trees: Working):
    with pytest.raises(ReasonMissing):
        read_people(trees.connection, trees.city, report(trees, "a hole", MARIA), by=ANN, reason=" ", now=NOW)


def test_only_who_answers_for_the_city_lists_who_read(trees: Working, people: People):
    for who in ("Carla", "Wanda", "Olga"):
        with pytest.raises(NotAllowed, match="oversee personal data"):
            uses(trees.connection, jurisdiction_id=trees.city.id, by=people[who], limit=9)


# Whose it is


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("(617) 555-0142", "617.555.0142", True),
        ("+1 617 555 0142", "6175550142", True),
        ("0049 30 1234567", "030 1234567", True),
        ("555-0142", "617 555 0142", False),
        ("617 555 0142", "617 555 0143", False),
    ],
)
def test_telephone_numbers_are_the_same_by_their_digits(one: str, other: str, same: bool):
    assert (same_phone(one, other), same_phone(other, one)) == (same, same)


def test_who_shares_a_telephone_is_somebody_else(trees: Working):
    report(trees, "a", MARIA)
    report(trees, "b", {"phone": MARIA["phone"], "email": "husband@example.org"})
    report(trees, "c", {"phone": MARIA["phone"]})

    def requests(**asked: str) -> int:
        return len(find(trees.connection, Asked(**asked), jurisdiction_id=trees.city.id).request_ids)

    assert requests(email=MARIA["email"]) == 1
    # What says no address is hers by the telephone, what says another's is not.
    assert requests(email=MARIA["email"], phone="16175550142") == 2
    assert requests(phone=MARIA["phone"], name="somebody else") == 2
    with pytest.raises(SeveralPeople, match="several people"):
        requests(phone="617-555-0142")


@pytest.mark.parametrize("given", [{}, {"name": "Maria Quillfeather"}, {"phone": "55"}])
def test_who_it_is_must_be_said(given: dict[str, str]):
    with pytest.raises(BadPerson):
        Asked(**given)


# Exported


def exported(trees: Working, path: Path, asked: Asked = BY_MAIL) -> tuple[Exported, Any, list[str]]:
    """What was counted, the document, and the names of the files."""
    store = media_store(settings_now())
    found = export(trees.connection, trees.city, asked, path, store, by=ANN, reason="asked for it", now=NOW)
    with ZipFile(path) as archive:
        names = archive.namelist()
        return found, json.loads(archive.read("person.json")), names


def test_an_export_has_all_of_a_person_and_nobody_else(trees: Working, number: str, tmp_path: Path, store: Any):
    other = report(trees, "Bruno's own business", BRUNO)
    post(trees, other, "Maria's word on it", MARIA)
    post(trees, number, "Bruno's word on it", BRUNO)

    found, document, names = exported(trees, tmp_path / "maria.zip")

    assert found == Exported(requests=1, updates=2, files=2)
    (request,) = document["requests"]
    assert (request["service_request_id"], request["you"]) == (number, MARIA)
    assert request["description"].startswith("A cavern")
    assert [each["kind"] for each in request["history"]][:2] == ["received", "routed"]
    assert [each["words"] for each in request["updates"]][-1] == "Bruno's word on it", "the public was told so"
    assert request["read"][0]["why"] == "Maria Quillfeather called"
    assert [each["words"] for each in document["updates_you_posted"]] == ["It is me, MARIA QUILLFEATHER", "Maria's word on it"]
    assert len(names) == 3
    text = json.dumps(document)
    assert not [mark for mark in ("bruno@", "0199", "Oakes", "own business", "Wim", "Carla") if mark in text]


def test_an_export_is_for_its_owner_alone_and_is_kept_without_the_person(trees: Working, number: str, tmp_path: Path):
    exported(trees, tmp_path / "maria.zip")

    assert stat.S_IMODE((tmp_path / "maria.zip").stat().st_mode) == 0o600
    (row,) = trees.rows("select facts from person_use where kind = 'exported'")
    assert row.facts == {"by": "Ann", "reason": "asked for it", "requests": 1, "updates": 1, "files": 2}


def test_an_export_that_cannot_be_whole_is_not_there(trees: Working, number: str, tmp_path: Path):
    class Away:
        def open(self, name: str) -> bytes:
            raise StoreAway("away")

    away: Any = Away()
    with pytest.raises(StoreAway):
        export(trees.connection, trees.city, BY_MAIL, tmp_path / "m.zip", away, by=ANN, reason="asked for it", now=NOW)

    assert [each.name for each in tmp_path.iterdir() if "zip" in each.name] == []


# Erased


def test_nothing_of_a_person_is_left_in_any_table(trees: Working, number: str, dump: Dump):
    assert traces(dump) == list(MARKS)

    gone = took(trees, reason="letter of Maria Quillfeather")

    assert traces(dump) == []
    assert (gone.reporters, gone.update_reporters, gone.words, gone.files) == (1, 1, 0, 0)
    assert trees.request(number).description == "A cavern. Call [removed], [removed]"
    assert trees.rows("select 1 from media where suggested_location is not null") == []


def test_what_they_follow_goes_and_whether_it_was_fixed_stays_without_them(trees: Working, number: str, dump: Dump):
    statuses.set_status(trees.connection, trees.city, number, "closed", by=ANN, words="It is filled", now=NOW)
    (row,) = trees.rows("select f.id from follower f join service_request r on r.id = f.request_id where r.number = %s", number)
    said = {"is_fixed": False, "score": 1, "comment": "Ask at the Quillfeather house"}
    verdicts.answer(trees.connection, jurisdiction_id=trees.city.id, follower_id=row.id, closed_at=NOW, now=NOW, **said)
    wish = Wish(email=MARIA["email"], district=("ward", "W"))
    following.ask(trees.connection, trees.city, wish, now=NOW)

    gone = took(trees)

    assert traces(dump) == []
    assert gone.followers == 2
    (kept,) = trees.rows("select follower_id, is_fixed, score, comment from verdict")
    assert kept == (None, False, 1, None)


def test_a_short_text_is_not_sought_in_what_others_wrote(trees: Working, people: People):
    mine, theirs = report(trees, "Pothole", MARIA), report(trees, "Pothole on Main", BRUNO)
    duplicates.link(trees.connection, trees.city, theirs, mine, by=ANN, now=LOADED)

    took(trees, descriptions=True)

    assert trees.request(mine).description == "[removed]"
    assert trees.request(theirs).description == "Pothole on Main"
    assert all(row.facts["service"] == "Pothole" for row in trees.rows("select facts from message"))


def test_what_they_said_after_a_closing_is_read_on_record(trees: Working, number: str):
    statuses.set_status(trees.connection, trees.city, number, "closed", by=ANN, words="It is filled", now=NOW)
    (row,) = trees.rows("select f.id from follower f join service_request r on r.id = f.request_id where r.number = %s", number)
    said = {"is_fixed": False, "score": 1, "comment": "It is as deep as before"}
    verdicts.answer(trees.connection, jurisdiction_id=trees.city.id, follower_id=row.id, closed_at=NOW, now=NOW, **said)

    last = read_people(trees.connection, trees.city, number, by=ANN, reason="why not?", now=NOW)[-1]

    assert last.role.endswith("not fixed")
    assert last.fields == {"score": "1 of 5", "comment": "It is as deep as before"}


def test_an_export_has_what_they_follow_were_told_and_answered(trees: Working, number: str, tmp_path: Path):
    following.enter(trees.connection, trees.city, Wish(email=MARIA["email"], district=("ward", "W")), now=NOW)

    _, document, _ = exported(trees, tmp_path / "maria.zip")

    request, district = document["what_you_follow"]
    assert (request["what"], request["messages"][0]["event"]) == (number, "received")
    assert district["what"].startswith("Ward")
    assert district["messages"] == district["answers"] == []


def test_what_they_wrote_and_sent_goes_when_that_is_asked_for(trees: Working, number: str, dump: Dump, store: Any):
    assert len(store()) == 3

    took(trees, descriptions=True, files=True)
    work(trees)

    assert "A cavern" not in dump()
    assert "It is me" not in dump()
    assert store() == []
    assert (trees.request(number).description, trees.request(number).media_url) == ("[removed]", None)
    assert trees.rows("select 1 from media") == []


def test_files_and_words_stay_unless_that_is_asked_for(trees: Working, number: str, store: Any):
    took(trees)
    work(trees)

    assert len(store()) == 3
    assert [each for each in trees.told(number) if each[1] == "It is me, [removed]"]


def test_others_are_left_as_they_are(trees: Working, number: str, dump: Dump):
    before = dump().count(BRUNO["email"])

    took(trees, descriptions=True, files=True)

    assert dump().count(BRUNO["email"]) == before > 0


def test_a_second_time_nothing_is_found_and_nothing_is_kept(trees: Working, number: str, dump: Dump):
    took(trees, descriptions=True, files=True)
    before = dump()

    assert took(trees, descriptions=True, files=True).is_nothing
    assert dump() == before


def test_that_it_was_erased_is_kept_with_how_much_and_not_of_whom(trees: Working, number: str):
    took(trees)

    (row,) = trees.rows("select facts, request_id from person_use where kind = 'erased'")
    assert row.request_id is None
    counted = {"reporters", "update_reporters", "followers", "messages", "texts", "words", "files"}
    assert set(row.facts) == {"by", "reason", *counted}


def test_a_request_that_is_open_is_worked_on_without_its_reporter(trees: Working, people: People, number: str):
    took(trees, descriptions=True, files=True)

    held = statuses.set_status(trees.connection, trees.city, number, None, reason="filled", by=people["Wim"], now=NOW)

    assert held.is_closed


def test_those_who_keep_a_copy_learn_of_it_when_public_words_change(trees: Working):
    plain, named = report(trees, "a hole", MARIA), report(trees, "Maria Quillfeather's hole", MARIA)

    took(trees)

    assert (trees.request(plain).updated_at, trees.request(named).updated_at) == (LOADED, NOW)


@pytest.mark.parametrize("who", ["Carla", "Wim", "Wanda", "Olga"])
def test_who_may_not_erase_changes_nothing(trees: Working, people: People, dump: Dump, who: str):
    report(trees, "a hole", MARIA)
    before = dump()

    with pytest.raises(NotAllowed, match="export, erase and oversee personal data"):
        took(trees, by=people[who])

    assert dump() == before


@pytest.mark.parametrize("field", ["email", "phone", "account_id"])
def test_a_person_is_erased_by_whatever_tells_who_it_is(trees: Working, dump: Dump, field: str):
    report(trees, "a hole", MARIA)
    report(trees, "another", BRUNO)

    took(trees, Asked(**{field: MARIA[field]}))

    assert traces(dump) == []
    assert BRUNO["email"] in dump()
