"""How a request stands: every move of the standard table, closing with a reason, what is told, reopening in time."""

from datetime import timedelta

import pytest

from open311.actors import Actor, operator
from open311.cases import statuses
from open311.cases.casework import UnknownReason, UnknownStatus, casework
from open311.cases.phases import ReasonMissing
from open311.cases.statuses import NothingSaid, StatusNotAllowed, TooLateToReopen
from schemas.working import STANDARD_STATUSES
from tests.cases.conftest import LOADED
from tests.cases.working import Working

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = LOADED + HOUR
ANN = operator("Ann")
People = dict[str, Actor]
CLOSED = ["fixed", "closed", "no_further_action", "not_councils_responsibility", "duplicate", "internal_referral", "cancelled"]
OPEN = ["open", "for_triage", "investigating", "planned", "action_scheduled", "in_progress", "waiting"]


def test_the_standard_statuses_are_these():
    assert [status["code"] for status in STANDARD_STATUSES] == OPEN + CLOSED


@pytest.mark.parametrize("before", OPEN + CLOSED)
def test_what_is_open_may_become_anything_and_what_is_closed_is_corrected_or_reopened(trees: Working, before: str):
    number = trees.take("pothole", at=LOADED)
    if before != "open":
        statuses.set_status(trees.connection, trees.city, number, before, by=ANN, now=NOW)
    allowed = set()

    for code in OPEN + CLOSED:
        with trees.connection.transaction(force_rollback=True):
            try:
                statuses.set_status(trees.connection, trees.city, number, code, by=ANN, words="so", now=NOW + HOUR)
            except StatusNotAllowed:
                assert trees.request(number).case_status == before
            else:
                row = trees.request(number)
                allowed.add(code)
                assert (row.case_status, row.status) == (code, "closed" if code in CLOSED else "open")
                assert (row.closed_at is not None) == (code in CLOSED)

    assert allowed == ({*OPEN, *CLOSED} if before in OPEN else {"open", *CLOSED}) - {before}


def test_a_status_that_the_city_has_not_is_unknown(trees: Working):
    number = trees.take("pothole", at=LOADED)

    with pytest.raises(UnknownStatus, match=r"status must be one of open, for_triage, .*, got 'done'"):
        statuses.set_status(trees.connection, trees.city, number, "done", by=ANN, now=NOW)


def test_staff_close_with_a_reason_of_the_departments_list(trees: Working, people: People):
    number = trees.take("pothole", at=LOADED)
    with pytest.raises(ReasonMissing, match="one of the department's closing reasons: filled, not-there"):
        statuses.set_status(trees.connection, trees.city, number, "fixed", by=people["Wim"], now=NOW)
    with pytest.raises(UnknownReason, match=r"\(filled, not-there\), got 'bored'"):
        statuses.set_status(trees.connection, trees.city, number, None, reason="bored", by=people["Wim"], now=NOW)
    with pytest.raises(StatusNotAllowed, match="closing reason filled goes with fixed, not with cancelled"):
        statuses.set_status(trees.connection, trees.city, number, "cancelled", reason="filled", by=people["Wim"], now=NOW)

    statuses.set_status(trees.connection, trees.city, number, None, reason="filled", by=people["Wim"], now=NOW)

    assert (trees.request(number).case_status, trees.request(number).closed_at) == ("fixed", NOW)
    assert trees.events(number, "closed")[0].facts["reason"] == "filled"


def test_where_nobody_has_a_list_none_is_asked_for(trees: Working, people: People):
    number = trees.take("secret", at=LOADED)

    statuses.set_status(trees.connection, trees.city, number, "closed", by=people["Pat"], now=NOW)

    assert trees.request(number).status == "closed"


@pytest.mark.parametrize(
    ("service", "how", "words"),
    [
        pytest.param("secret", {"code": "fixed"}, "The work is done.", id="of-any-service"),
        pytest.param("pothole", {"reason": "filled"}, "The hole is filled.", id="of-the-service"),
        pytest.param("pothole", {"reason": "filled", "language": "es"}, "El bache está reparado.", id="in-the-language"),
        pytest.param("pothole", {"reason": "filled", "language": "fr"}, "The hole is filled.", id="in-no-other-language"),
        pytest.param("pothole", {"reason": "not-there"}, "We found no hole there.", id="of-the-reason"),
        pytest.param("pothole", {"reason": "filled", "words": "Look!"}, "Look!", id="in-words-of-their-own"),
        pytest.param("pothole", {"code": "cancelled"}, None, id="without-a-text"),
    ],
)
def test_the_public_is_told_what_says_most_precisely_what_this_is(
    trees: Working, service: str, how: dict[str, str], words: str | None
):
    number = trees.take(service, at=LOADED)
    given = {"code": None, **how}

    statuses.set_status(trees.connection, trees.city, number, by=ANN, now=NOW, **given)  # type: ignore[arg-type]

    assert [said for _, said in trees.told(number)] == [words]
    assert trees.request(number).status_notes == words


def test_a_note_within_the_city_is_told_to_nobody_else(trees: Working, people: People):
    number = trees.take("pothole", at=LOADED)

    statuses.note(trees.connection, trees.city, number, "Dog bites", by=people["Wim"], now=NOW)
    assert (trees.told(number), trees.request(number).updated_at) == ([], LOADED)
    statuses.note(trees.connection, trees.city, number, "On its way", by=people["Wim"], is_public=True, now=NOW)

    assert (trees.told(number), trees.request(number).updated_at) == ([("open", "On its way")], NOW)
    with pytest.raises(NothingSaid):
        statuses.note(trees.connection, trees.city, number, " ", by=people["Wim"], now=NOW)


def test_reopening_is_counted_and_alerts_the_department(trees: Working, people: People):
    number = trees.take("pothole", at=LOADED)
    for times in (1, 2):
        statuses.set_status(trees.connection, trees.city, number, None, reason="filled", by=people["Wim"], now=NOW)

        statuses.reopen(trees.connection, trees.city, number, by=people["Carla"], reason="still there", now=NOW + HOUR)

        row = trees.request(number)
        assert (row.status, row.closed_at, row.times_reopened) == ("open", None, times)
    assert trees.alerts(number) == [("reopened", "WORKS", "department")] * 2


def test_reopening_ends_with_the_citys_window(trees: Working):
    number = trees.take("pothole", at=LOADED)
    days = casework(trees.connection, trees.city.id).reopen_days * DAY
    statuses.set_status(trees.connection, trees.city, number, "closed", by=ANN, now=NOW)
    # A correction of the status does not lengthen it.
    statuses.set_status(trees.connection, trees.city, number, "duplicate", by=ANN, now=NOW + HOUR)

    with pytest.raises(TooLateToReopen, match="report it again"):
        statuses.reopen(trees.connection, trees.city, number, by=ANN, reason="again", now=NOW + days + HOUR)
    assert (trees.request(number).status, trees.request(number).closed_at) == ("closed", NOW)

    statuses.reopen(trees.connection, trees.city, number, by=ANN, reason="again", now=NOW + days)
    assert trees.request(number).status == "open"


def test_what_is_open_cannot_be_reopened_and_nothing_is_without_a_reason(trees: Working):
    number = trees.take("pothole", at=LOADED)

    with pytest.raises(StatusNotAllowed, match="is not closed, but Open"):
        statuses.reopen(trees.connection, trees.city, number, by=ANN, reason="again", now=NOW)
    with pytest.raises(ReasonMissing):
        statuses.reopen(trees.connection, trees.city, number, by=ANN, reason=" ", now=NOW)


def test_a_closed_request_is_not_opened_by_its_status_without_a_word(trees: Working, people: People):
    number = trees.take("pothole", at=LOADED)
    statuses.set_status(trees.connection, trees.city, number, None, by=people["Wim"], reason="filled", now=NOW)

    with pytest.raises(ReasonMissing, match="words that say why"):
        statuses.set_status(trees.connection, trees.city, number, "open", by=people["Wim"], now=NOW)
    statuses.set_status(trees.connection, trees.city, number, "open", by=people["Wim"], words="it is there again", now=NOW)

    assert trees.request(number).times_reopened == 1


def test_who_works_what_is_left_closes_with_a_reason_of_its_own_department(trees: Working, people: People):
    trees.folder.write("plans.yml", "- {service_code: tree, phases: [{code: road, name: Clear it, department: WORKS}]}\n")
    trees.load(now=LOADED)
    number = trees.take(at=LOADED)
    assert trees.request(number).answers_for == "PARKS"

    statuses.set_status(trees.connection, trees.city, number, None, by=people["Wim"], reason="not-there", now=NOW)

    assert trees.request(number).case_status == "no_further_action"
