"""How often the closing text of a case is among the first five of older cases that are shown."""

from datetime import timedelta
from pathlib import Path

import pytest

from open311.cases.knowledge_score import chosen, normalised, read_closing_texts, score
from open311.city.lines import BadFile
from tests.cases.conftest import LOADED
from tests.cases.test_knowledge import resolved
from tests.cases.working import Working

HEADER = "CASE_ENQUIRY_ID,OPEN_DT,CLOSED_DT,TYPE,CLOSURE_REASON"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AUGUST, SEPTEMBER = "2015-08-03T08:00:00,2015-08-05T08:00:00", "2015-09-03T08:00:00,2015-09-05T08:00:00"


def written(folder: Path, *lines: str) -> Path:
    """A file of closing texts."""
    path = folder / "texts.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def figures(trees: Working, path: Path, **more: int | None) -> dict[str, object]:
    """What is printed."""
    texts = read_closing_texts(trees.connection, trees.city, path)
    cases = chosen(texts, month=more.get("month"), seed=1)
    return score(trees.connection, trees.city, texts, cases).as_figures()


@pytest.fixture
def path(trees: Working, tmp_path: Path) -> Path:
    """Two older cases that were resolved differently, a case that was resolved like the first, and one without a text."""
    first = resolved(trees, "A hole in Elm St", at=LOADED - 9 * DAY)
    second = resolved(trees, "A hole in Elm St", at=LOADED - 8 * DAY)
    resolved(trees, "A hole in Elm St", at=LOADED - 8 * DAY)
    case = resolved(trees, "A hole in Elm St", at=LOADED)
    return written(
        tmp_path,
        f"{first},{AUGUST},Pothole,Case Closed Case Resolved Filled by D.WEBB 8/5/15",
        f"{second},{AUGUST},Pothole,Case Closed Case Noted Nothing found",
        f"{case},{SEPTEMBER},Pothole,Case Closed. Closed date : 2015-09-05 08:00:00.123 Case Resolved filled by J. Smith",
    )


def test_the_share_is_told_beside_those_of_the_commonest_texts(trees: Working, path: Path):
    assert figures(trees, path) == {
        "cases": 1,
        "share_in_first_5": 1.0,
        "commonest_of_type": 0.0,
        "five_commonest_of_type": 1.0,
        "in_any_older_of_type": 1.0,
    }


def test_what_was_closed_after_a_case_came_in_is_no_older_case(trees: Working, path: Path):
    assert figures(trees, path, month=8) == {
        "cases": 2,
        "share_in_first_5": 0.0,
        "commonest_of_type": 0.0,
        "five_commonest_of_type": 0.0,
        "in_any_older_of_type": 0.0,
    }


def test_a_month_without_cases_has_none(trees: Working, path: Path):
    assert figures(trees, path, month=7)["cases"] == 0


def test_the_same_seed_takes_the_same_cases(trees: Working, path: Path):
    texts = read_closing_texts(trees.connection, trees.city, path)

    assert chosen(texts, month=8, seed=3) == chosen(texts, month=8, seed=3)


def test_a_case_that_is_still_open_here_is_left_out(trees: Working, tmp_path: Path):
    number = trees.take("pothole", at=LOADED)

    assert figures(trees, written(tmp_path, f"{number},{AUGUST},Pothole,Done"))["cases"] == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(
            "Case Closed. Closed date : 2015-05-20 10:59:57.837 Case Invalid Illegal driveway.",
            "case invalid illegal driveway",
            id="head",
        ),
        pytest.param(
            "Case Closed Duplicate of Existing Case  reference#101001343485", "duplicate of existing case", id="number"
        ),
        pytest.param("Case Closed Case Noted call [phone] TY", "case noted call ty", id="left-out"),
    ],
)
def test_a_closing_text_is_compared_by_its_words(text: str, words: str):
    assert normalised(text) == words


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        pytest.param("Z-9,{when},Pothole,Done", "no request here has the number 'Z-9'", id="unknown"),
        pytest.param(
            "{number},{when},Pothole,Done\n{number},{when},Pothole,Done", "{number} stands in the file twice", id="twice"
        ),
        pytest.param("{number},{when},Pothole,", "CLOSURE_REASON of {number} is empty", id="no-text"),
        pytest.param(
            "{number},3 May,{when},Done",
            "OPEN_DT must be a date and time such as 2015-09-01T08:30:00, got '3 May'",
            id="no-date",
        ),
    ],
)
def test_a_line_that_cannot_be_scored_is_told(trees: Working, tmp_path: Path, line: str, problem: str):
    named = {"number": resolved(trees, "A hole"), "when": AUGUST}

    with pytest.raises(BadFile) as refused:
        figures(trees, written(tmp_path, line.format(**named)))

    assert refused.value.messages[-1].endswith(problem.format(**named))


def test_a_file_without_the_columns_is_told(trees: Working, tmp_path: Path):
    (tmp_path / "texts.csv").write_text("CASE_ENQUIRY_ID,OPEN_DT\n")

    with pytest.raises(BadFile, match="CLOSED_DT, CLOSURE_REASON is missing"):
        figures(trees, tmp_path / "texts.csv")
