"""open311 request knowledge and answer: how requests like one were resolved; enquiries that an article answers."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cases.treeville import ARTICLES
from tests.cli.conftest import Run, good, told, usage
from tests.databases import Copies

Look = Callable[[str], list[Any]]

CITY = ("--jurisdiction", "small.gov")
PLACE = ("--lat", "42.35", "--long", "-71.15")


@pytest.fixture
def own_url(copies: Copies, smallville: str) -> Iterator[str]:
    """A database for this test alone: Smallville with its past requests."""
    with copies.of(smallville) as url:
        yield url


def received(run: Run, *more: str) -> str:
    """The number of a fallen tree that is told by phone."""
    return good(
        run("request", "receive", *CITY, "--channel", "phone", "--service-code", "tree", *PLACE, "--description", *more)
    ).strip()


def test_a_request_is_shown_what_was_resolved_like_it_with_a_summary(run: Run):
    before = received(run, "A tree lies across Elm St")
    good(run("request", "close", before, *CITY, "--words", "The tree is hauled away"))
    number = received(run, "Another tree across Elm St")

    lines = good(run("request", "knowledge", number, *CITY)).splitlines()

    assert before in lines[1]
    assert "The tree is hauled away" in lines[1]
    assert lines[2] == "commonest: Closed, 1 of 1; median time 0 min"


def test_a_draft_is_shown_what_was_resolved_like_it(run: Run):
    shown = good(run("request", "knowledge", "--service-code", "pothole", "--attribute", "DEPTH=deep", *PLACE, *CITY))

    assert [line.split()[0] for line in shown.splitlines()] == ["number", "A-3", "commonest:"]
    assert shown.splitlines()[2] == "commonest: Closed, 1 of 1; median time 14 h 30 min"


def test_it_is_said_when_nothing_was_resolved_yet(run: Run):
    assert good(run("request", "knowledge", "A-4", *CITY)) == "nothing like it was resolved yet\n"


def test_what_cannot_be_asked_is_refused(run: Run):
    assert "give one of NUMBER and --service-code" in usage(run("request", "knowledge", *CITY))
    assert "no request here has the number Z-9" in told(run("request", "knowledge", "Z-9", *CITY))
    assert "no active service has the service_code moon" in told(run("request", "knowledge", "--service-code", "moon", *CITY))
    assert "long is missing" in told(run("request", "knowledge", "--service-code", "tree", "--lat", "1", *CITY))


def test_closing_texts_are_scored(run: Run, tmp_path: Path):
    path, line = tmp_path / "texts.csv", "A-3,2026-03-15T09:30:00,2026-03-16T00:00:00,Filled"
    path.write_text(f"CASE_ENQUIRY_ID,OPEN_DT,CLOSED_DT,CLOSURE_REASON\n{line}\n")

    said = good(run("request", "knowledge-score", path, *CITY, "--seed", "7"))

    assert json.loads(said)["cases"] == 1
    assert json.loads(said)["seed"] == 7
    assert "no case was closed in that month" in told(run("request", "knowledge-score", path, *CITY, "--month", "2"))
    assert "no city here has the jurisdiction_id moon" in told(
        run("request", "knowledge-score", path, "--jurisdiction", "moon")
    )
    path.write_text(f"CASE_ENQUIRY_ID,OPEN_DT,CLOSED_DT,CLOSURE_REASON\nZ-9{line[3:]}\n")
    assert "texts.csv:2: no request here has the number 'Z-9'" in told(run("request", "knowledge-score", path, *CITY))


def enquiry(run: Run, *more: str) -> list[str]:
    """What is printed when somebody asks how deep a hole must be."""
    words = ("--description", "How deep must it be?", "--attribute", "DEPTH=deep", *PLACE)
    return good(run("request", "answer", *CITY, "--service-code", "pothole", *words, *more)).splitlines()


@pytest.fixture
def articles(run: Run, tmp_path: Path) -> None:
    """Treeville's articles in Smallville."""
    (tmp_path / "articles.yml").write_text(ARTICLES)
    good(run("casework", "import", tmp_path / "articles.yml", *CITY))


@pytest.mark.usefixtures("articles")
def test_an_enquiry_is_recorded_and_closed_in_one_step(run: Run, look: Look):
    said, text = enquiry(run, "--article", "depth", "--by", "Carla")
    number = said.removesuffix(" is answered")

    assert text == "We fill holes of two inches and more."
    (row,) = look(f"select * from service_request where number = '{number}'")
    assert (row.status, row.case_status, row.channel, row.answered_from) == ("closed", "closed", "phone", "depth")
    assert (row.status_notes, row.closed_at) == (text, row.requested_at)
    assert [each.description for each in look(f"select description from request_update where request_id = {row.id}")] == [text]
    shown = good(run("request", "show", number, *CITY))
    assert "at first contact, from the article depth: How deep a hole must be" in shown
    assert shown.count("Carla") >= 2


@pytest.mark.usefixtures("articles")
def test_it_is_answered_in_the_language_that_is_spoken(run: Run):
    assert enquiry(run, "--article", "depth", "--language", "es", "--channel", "in_person")[1] == "Desde dos pulgadas."


@pytest.mark.usefixtures("articles")
@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        pytest.param(
            ("--service-code", "tree", "--article", "depth", *PLACE),
            "the article must be one of those of the service (hours), got 'depth'",
            id="article-of-another-service",
        ),
        pytest.param(
            ("--service-code", "tree", "--article", "hours"),
            "a location is required: lat and long, address_string or address_id",
            id="not-to-be-taken-in",
        ),
        pytest.param(
            ("--service-code", "moon", "--article", "hours"), "no active service has the service_code moon", id="moon"
        ),
    ],
)
def test_what_cannot_be_answered_so_is_not_taken_in(run: Run, look: Look, words: tuple[str, ...], refusal: str):
    before = look("select count(*) from request_event")

    assert told(run("request", "answer", *CITY, *words)) == refusal

    assert look("select count(*) from request_event") == before


@pytest.mark.usefixtures("articles")
def test_who_may_not_take_requests_in_may_not_answer(run: Run, look: Look):
    good(run("user", "create", "olga@small.gov", "--name", "Olga", "--no-password"))
    good(run("user", "grant", "olga@small.gov", "--role", "council_office", *CITY, "--district", "ward:W"))
    words = ("--service-code", "pothole", "--article", "depth", "--attribute", "DEPTH=deep", *PLACE, "--as", "olga@small.gov")

    assert "Olga (council office of ward:W) may not take in requests" in told(run("request", "answer", *CITY, *words))


@pytest.mark.usefixtures("articles")
def test_the_articles_stand_before_what_was_resolved(run: Run):
    said = enquiry(run, "--article", "depth")[0]

    shown = good(run("request", "knowledge", "--service-code", "pothole", "--description", "How deep must it be?", *CITY))

    lines = shown.splitlines()
    assert lines[0] == "article depth (en): How deep a hole must be"
    assert "article roads (en, for staff): Whose road it is" in lines
    assert said.split()[0] in lines[5]
    assert "Closed (article depth)" in lines[5]
