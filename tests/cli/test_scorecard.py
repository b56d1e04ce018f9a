"""open311 scorecard: figures brought up to date, proven, and a cell that somebody changed named."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.cli.conftest import Run, good, past_smallville, told

Look = Callable[[str], list[Any]]
OF = ("--jurisdiction", "small.gov")


@pytest.fixture
def small(run: Run, tmp_path: Any) -> Run:
    """Smallville with five past requests."""
    good(run("city", "load", past_smallville(tmp_path / "small").path))
    return run


def test_what_changed_is_counted_and_everything_when_asked(small: Run):
    first, second, whole = (good(small("scorecard", "refresh", *OF, *more)) for more in ((), (), ("--all",)))

    assert first.startswith("5 requests counted")
    assert second.startswith("0 requests counted")
    assert whole.startswith("5 requests counted")


def test_what_is_right_is_proven(small: Run):
    assert good(small("scorecard", "verify", *OF)).startswith("every cell is what the requests say; as of ")


def test_a_cell_that_is_not_is_named_and_all_counts_it_anew(small: Run, own_url: str):
    good(small("scorecard", "refresh", *OF))
    with psycopg.connect(own_url) as connection:
        connection.execute("update scorecard_cell set received = 9 where grouping = 1 and span = 'month' and received = 1")
        connection.execute("update scorecard_cell set received = 1 where grouping = 1 and starts <> '2026-03-01'")

    said = told(small("scorecard", "verify", *OF))

    assert said.splitlines()[1].startswith("city month 2026-03-01: received 9, but 1")
    good(small("scorecard", "refresh", *OF, "--all"))
    good(small("scorecard", "verify", *OF))
