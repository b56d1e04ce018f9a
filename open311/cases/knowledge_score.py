"""How often the resolved requests that are shown first were closed with the text that the case itself got."""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from db.driver import Statement
from open311.actors import operator
from open311.cases.holding import look_at
from open311.cases.knowledge import Sight, asked_of, by_ways, most_alike, same_words
from open311.city.lines import BadFile, csv_rows
from open311.jurisdictions import City
from open311.models import ServiceRequest

CASES, FIRST = 500, 5

_NUMBER, _CAME_IN, _CLOSED, _TEXT = _COLUMNS = ("CASE_ENQUIRY_ID", "OPEN_DT", "CLOSED_DT", "CLOSURE_REASON")
_READER = operator("knowledge-score")

# What Boston's export puts around the words.
_FRAME = re.compile(r"closed date :|\[(?:email|phone)\]")


@dataclass(frozen=True, kw_only=True)
class ClosingText:
    """How a case was closed: its request here, and what was said, normalised.  came_in, closed: by the file's clock."""

    request_id: int
    number: str
    service_id: int
    requested_at: datetime
    closed_at: datetime
    came_in: datetime
    closed: datetime
    text: str


@dataclass(frozen=True, kw_only=True)
class Score:
    """Counts of cases: all; and those whose text was found by the search, and by the older cases of the type alone."""

    cases: int
    found: int
    commonest: int
    five_commonest: int
    anywhere: int

    def as_figures(self) -> dict[str, Any]:
        """What is printed as JSON: a count, and shares of it."""
        total = max(self.cases, 1)
        return {
            "cases": self.cases,
            "share_in_first_5": round(self.found / total, 4),
            "commonest_of_type": round(self.commonest / total, 4),
            "five_commonest_of_type": round(self.five_commonest / total, 4),
            "in_any_older_of_type": round(self.anywhere / total, 4),
        }


def normalised(text: str) -> str:
    """A closing text as the search compares what was said, without "case closed" at its head and what stands for addresses."""
    return same_words(_FRAME.sub(" ", text.lower())).removeprefix("case closed").strip()


def read_closing_texts(connection: "Connection[Any]", city: City, path: Path) -> Sequence[ClosingText]:
    """The closing texts of a CSV file whose cases are closed here, by their numbers; raises BadFile with each bad line."""
    lines = list(csv_rows(path, _header_problem))
    known = {
        row.number: row
        for row in _KNOWN.run(connection, jurisdiction_id=city.id, numbers=[(row[_NUMBER] or "").strip() for _, row in lines])
    }
    problems: list[str] = []
    texts: dict[str, ClosingText] = {}
    for line, row in lines:
        number = (row[_NUMBER] or "").strip()
        problem = _problem(row, known.get(number), is_twice=number in texts)
        if problem:
            problems.append(f"{path}:{line}: {problem}")
            continue
        # In a demo whose dates are moved to now it may be closed in days to come.
        if known[number].closed_at is None:
            continue
        texts[number] = ClosingText(
            **known[number]._asdict(),
            came_in=datetime.fromisoformat(row[_CAME_IN] or ""),
            closed=datetime.fromisoformat(row[_CLOSED] or ""),
            text=normalised(row[_TEXT] or ""),
        )
    if problems:
        raise BadFile(problems)
    return [texts[number] for number in sorted(texts)]


def chosen(texts: Sequence[ClosingText], *, month: int | None, seed: int) -> Sequence[ClosingText]:
    """CASES of those that were closed in a month, or all where there are fewer; the same for the same seed.

    month: 1 to 12, of the year in which the last case came in; None: the month in which that was.
    """
    if not texts:
        return []
    last = max(each.came_in for each in texts)
    closed = [each for each in texts if (each.closed.year, each.closed.month) == (last.year, month or last.month)]
    return random.Random(seed).sample(closed, min(CASES, len(closed)))


def score(
    connection: "Connection[Any]",
    city: City,
    texts: Sequence[ClosingText],
    cases: Sequence[ClosingText],
    *,
    advance: Callable[[], object] = lambda: None,
) -> Score:
    """How often one of the first FIRST has the text of a case, asked as it came in, among the older cases of `texts`.

    Beside it the commonest text of the older cases of its service, the five commonest, and any; of equals the newer.
    """
    text_of = {each.number: each.text for each in texts}
    among = [each.request_id for each in texts]
    found = commonest = five_commonest = anywhere = 0
    for case in cases:
        asked = asked_of(look_at(connection, city, case.number, _READER))
        alike = most_alike(
            connection, asked, jurisdiction_id=city.id, sight=Sight(sees_all=True), now=case.requested_at, among=among
        )
        shown = by_ways(alike, way=lambda row: text_of[row.number], now=case.requested_at)
        found += case.text in [text_of[row.number] for row, _ in shown[:FIRST]]
        usual = _usual(texts, case)
        commonest += case.text in usual[:1]
        five_commonest += case.text in usual[:FIRST]
        anywhere += case.text in usual
        advance()
    return Score(cases=len(cases), found=found, commonest=commonest, five_commonest=five_commonest, anywhere=anywhere)


def _usual(texts: Sequence[ClosingText], case: ClosingText) -> Sequence[str]:
    """The texts of the cases of its service that were closed before it came in, the commonest first."""
    older = [
        each
        for each in texts
        if each.service_id == case.service_id and each.closed_at <= case.requested_at and each.number != case.number
    ]
    older.sort(key=lambda each: (each.closed_at, each.request_id), reverse=True)
    return [text for text, _ in Counter(each.text for each in older).most_common()]


def _header_problem(names: Sequence[str]) -> str | None:
    missing = [name for name in _COLUMNS if name not in names]
    return f"must have the columns {', '.join(_COLUMNS)}; {', '.join(missing)} is missing" if missing else None


def _problem(row: dict[str, str | None], known: Any, *, is_twice: bool) -> str | None:
    number = (row[_NUMBER] or "").strip()
    if known is None:
        return f"no request here has the number {number!r}"
    if is_twice:
        return f"{number} stands in the file twice"
    if not (row[_TEXT] or "").strip():
        return f"{_TEXT} of {number} is empty"
    for name in (_CAME_IN, _CLOSED):
        try:
            datetime.fromisoformat(row[name] or "")
        except ValueError:
            return f"{name} must be a date and time such as 2015-09-01T08:30:00, got {row[name]!r}"
    return None


_KNOWN = Statement(
    select(
        ServiceRequest.id.label("request_id"),
        ServiceRequest.number,
        ServiceRequest.service_id,
        ServiceRequest.requested_at,
        ServiceRequest.closed_at,
    ).where(
        ServiceRequest.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger),
        ServiceRequest.number == func.any(bindparam("numbers", type_=ARRAY(Text))),
    )
)
