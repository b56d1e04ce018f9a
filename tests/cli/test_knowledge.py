"""open311 request knowledge: how requests like one were resolved, as people ask for it with commands."""

from collections.abc import Iterator

import pytest

from db.cluster import Cluster
from tests.cli.conftest import Run, good, told, usage

CITY = ("--jurisdiction", "small.gov")
PLACE = ("--lat", "42.35", "--long", "-71.15")


@pytest.fixture
def own_url(cluster: Cluster, worker_id: str, smallville: str) -> Iterator[str]:
    """A database for this test alone: Smallville with its past requests."""
    name = f"knowledge_{worker_id}"
    cluster.create_database(name, template=smallville)
    yield cluster.url(name)
    cluster.drop_database(name)


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
