"""Words and files taken out of a request: out of every table, out of the store, and from what the public reads."""

from datetime import timedelta
from typing import Any

import pytest

from open311.actors import Actor, NotAllowed, operator
from open311.cases import duplicates, statuses
from open311.cases.life import life_of
from open311.cases.phases import ReasonMissing
from open311.people.files import remove_files
from open311.people.redacting import NothingToRedact, Redaction, redact
from tests.cases.conftest import LOADED
from tests.cases.working import Working
from tests.people.conftest import BRUNO, NOW, Dump, post, report, work

ANN = operator("Ann")
SECRET = "My neighbour Zebulon Thistlewood of 12 Elm St digs it\nevery night & sells the sand"
People = dict[str, Actor]


def gone(trees: Working, number: str, *, by: Actor = ANN, reason: str = "names a neighbour", **asked: Any) -> Any:
    """A redaction of an hour later."""
    return redact(trees.connection, trees.city, number, Redaction(**asked), by=by, reason=reason, now=NOW)


def test_a_description_is_replaced_in_every_table_however_it_is_wrapped_there(trees: Working, dump: Dump):
    number = report(trees, SECRET, BRUNO)
    for words in (SECRET, SECRET.replace("\n", " "), "They wrote:\n> " + SECRET.replace("\n", "\n> ")):
        statuses.note(trees.connection, trees.city, number, words, by=ANN, now=LOADED)
    statuses.note(trees.connection, trees.city, number, SECRET.replace("&", "&amp;"), by=ANN, is_public=True, now=LOADED)
    assert "Thistlewood" in dump()

    gone(trees, number, description="Somebody digs there at night")

    assert "Thistlewood" not in dump()
    assert "thistlewood" not in dump()
    assert trees.request(number).description == "Somebody digs there at night"
    assert "night" in trees.request(number).words


def test_an_update_is_replaced_in_history_and_notes_and_where_the_requests_that_follow_were_told_it(trees: Working, dump: Dump):
    parent, child, earlier = (report(trees, words, BRUNO) for words in ("a hole", "the same hole", "once the same"))
    for number in (child, earlier):
        duplicates.link(trees.connection, trees.city, number, parent, by=ANN, now=LOADED)
    statuses.set_status(trees.connection, trees.city, parent, "in_progress", by=ANN, words=SECRET, now=LOADED)
    duplicates.unlink(trees.connection, trees.city, earlier, by=ANN, reason="another hole", now=LOADED)
    (update,) = trees.rows(
        "select u.id from request_update u join service_request r on r.id = u.request_id where r.number = %s", parent
    )
    assert [trees.request(number).status_notes for number in (parent, child, earlier)] == [SECRET] * 3

    gone(trees, parent, updates={update.id: "It is being worked on."})

    assert "Thistlewood" not in dump()
    assert {trees.request(number).status_notes for number in (parent, child, earlier)} == {"It is being worked on."}
    assert {trees.request(number).updated_at for number in (parent, child, earlier)} == {NOW}


def test_the_same_words_on_a_request_that_was_never_linked_stay(trees: Working):
    number, other = report(trees, SECRET, BRUNO), report(trees, SECRET, {})

    gone(trees, number, description="dug at night")

    assert trees.request(other).description == SECRET


def test_words_go_wherever_they_stand(trees: Working, dump: Dump):
    number = report(trees, "Ask Zebulon  Thistlewood.", BRUNO)
    statuses.set_status(trees.connection, trees.city, number, "fixed", by=ANN, words="Zebulon Thistlewood did it", now=LOADED)
    statuses.reopen(trees.connection, trees.city, number, by=ANN, reason="says Zebulon\nThistlewood", now=LOADED)

    gone(trees, number, words=["Zebulon Thistlewood"], reason="Zebulon Thistlewood asked for it")

    assert "Thistlewood" not in dump()
    assert trees.request(number).description == "Ask [removed]."


def test_only_whole_words_and_no_codes_are_replaced(trees: Working):
    number = report(trees, "open", BRUNO)
    statuses.note(trees.connection, trees.city, number, "it opens, and is open", by=ANN, now=LOADED)

    gone(trees, number, description="a hole")

    (noted,) = trees.events(number, "noted")
    assert noted.facts["words"] == "it opens, and is a hole"
    assert trees.request(number).case_status == "open"


def test_a_file_and_its_thumbnail_go_from_the_store_and_the_next_one_is_shown(trees: Working, dump: Dump, store: Any):
    number = report(trees, "a hole", BRUNO, photos=2)
    paths = [row.path for row in trees.rows("select path from media order by position")]
    statuses.note(trees.connection, trees.city, number, f"see http://small.gov{paths[0]}", by=ANN, now=LOADED)
    assert len(store()) == 4

    done = gone(trees, number, media=[1])

    assert done.files == 2
    assert len(store()) == 4, "nothing is removed before the transaction is committed"
    assert work(trees) == 1
    assert len(store()) == 2
    assert trees.request(number).media_url == paths[1]
    assert paths[0] not in dump()
    gone(trees, number, media=[2])
    work(trees)
    assert (store(), trees.request(number).media_url) == ([], None)


def test_the_files_of_an_update_go(trees: Working, dump: Dump, store: Any):
    number = report(trees, "a hole", BRUNO)
    update_id = post(trees, number, "look at this", BRUNO, photos=2)
    (name, _) = store()

    gone(trees, number, update_media=[update_id])
    work(trees)

    assert store() == []
    assert name not in dump()


def test_a_job_that_removes_files_bears_to_be_run_twice(trees: Working, store: Any):
    number = report(trees, "a hole", BRUNO, photos=1)
    gone(trees, number, media=[1])
    (job,) = trees.rows("select args from procrastinate_jobs where task_name = 'remove_files'")
    assert work(trees) == 1

    remove_files(**job.args)

    assert store() == []


def test_history_says_that_it_was_redacted_by_whom_and_why_and_never_what(trees: Working, people: People):
    number = report(trees, SECRET, BRUNO)

    gone(trees, number, description="dug at night", by=people["Wanda"])

    last = life_of(trees.connection, trees.city, number, by=ANN).happenings[-1]
    assert (last.kind, last.words, last.by) == ("redacted", "description: names a neighbour", "Wanda")


def test_a_closed_request_counts_as_changed_so_that_those_who_keep_a_copy_learn_of_it(trees: Working):
    number = report(trees, SECRET, BRUNO)
    statuses.set_status(trees.connection, trees.city, number, "fixed", by=ANN, now=LOADED + timedelta(minutes=1))

    gone(trees, number, description="dug at night")

    row = trees.request(number)
    assert (row.updated_at, row.closed_at) == (NOW, LOADED + timedelta(minutes=1))


@pytest.mark.parametrize("who", ["Carla", "Wim", "Pat", "Olga"])
def test_who_may_not_redact_changes_nothing(trees: Working, people: People, who: str):
    number = report(trees, SECRET, BRUNO)

    with pytest.raises(NotAllowed, match="redact this request"):
        gone(trees, number, description="dug at night", by=people[who])

    assert trees.request(number).description == SECRET


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        pytest.param({}, "say what is to be redacted", id="nothing"),
        pytest.param({"media": [1]}, "has no files, got 1", id="no-file"),
        pytest.param({"updates": {9: "so"}}, "has no update 9", id="no-update"),
        pytest.param({"update_media": [9]}, "has no update 9", id="no-update-for-its-files"),
        pytest.param({"description": "a" * 4001}, "at most 4000 characters, got 4001", id="too-long"),
    ],
)
def test_what_is_not_there_is_refused_with_its_name(trees: Working, asked: dict[str, Any], message: str):
    with pytest.raises(NothingToRedact, match=message):
        gone(trees, report(trees, SECRET, BRUNO), **asked)


def test_without_a_reason_nothing_is_redacted(trees: Working):
    with pytest.raises(ReasonMissing):
        gone(trees, report(trees, SECRET, BRUNO), description="dug", reason=" ")
