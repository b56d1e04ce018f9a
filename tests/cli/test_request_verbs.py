"""open311 request change, assign, return, reroute, unplaced: what they do, print and refuse."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.conftest import Run, good, told, usage
from tests.databases import Copies

Look = Callable[[str], list[Any]]

CITY_WORDS = ("--jurisdiction", "small.gov")
TO_EAST = ("--lat", "42.35", "--long", "-71.05")


@pytest.fixture
def own_url(copies: Copies, smallville: str) -> Iterator[str]:
    """A database for this test alone, with Smallville and its five past requests."""
    with copies.of(smallville) as url:
        yield url


@pytest.fixture
def history(look: Look) -> Callable[[str], list[tuple[str, Any]]]:
    """(kind, cause or facts) of a request's events after those of its import."""

    def history(number: str) -> list[tuple[str, Any]]:
        rows = look(
            "select e.kind, e.facts from request_event e join service_request r on r.id = e.request_id"
            f" where r.number = '{number}' and (e.kind <> 'routed' or e.facts ? 'cause')"
            " and e.kind not in ('received', 'recorded', 'closed') order by e.id"
        )
        return [(row.kind, row.facts["cause"] if row.kind == "routed" else row.facts) for row in rows]

    return history


@pytest.fixture
def everything(look: Look) -> Callable[[], list[Any]]:
    """Requests, their events and their stamps."""
    return lambda: [
        look(f"select t::text from {name} t order by 1") for name in ("service_request", "request_event", "request_district")
    ]


# request change


@pytest.mark.parametrize(
    ("words", "printed", "desk", "cause"),
    [
        pytest.param(
            ("--service-code", "tree"),
            ["Parks answers for requests of this group of services in the whole city (rule tree).", "Public Works to Parks"],
            "PARKS",
            "its service changed",
            id="service",
        ),
        pytest.param(
            TO_EAST,
            ["East Yard answers for requests of this service in Ward E (rule pothole.east).", "Public Works to East Yard"],
            "works-east",
            "its location changed",
            id="location",
        ),
        pytest.param(
            ("--attribute", "DEPTH=deep"),
            ["Public Works answers for requests of this service in the whole city (rule pothole).", "stays with Public Works"],
            "WORKS",
            "its answers changed",
            id="answer",
        ),
        pytest.param(
            (*TO_EAST, "--attribute", "DEPTH=deep", "--address", "1  Main St "),
            ["East Yard answers for requests of this service in Ward E (rule pothole.east).", "Public Works to East Yard"],
            "works-east",
            "its location, its address, its answers changed",
            id="several-at-once",
        ),
    ],
)
def test_change_is_one_decision_and_says_where_it_goes(
    run: Run, desks: Any, history: Any, words: tuple[str, ...], printed: list[str], desk: str, cause: str
):
    lines = good(run("request", "change", "A-1", *CITY_WORDS, *words, "--by", "ann")).splitlines()

    assert lines[0] == printed[0]
    assert lines[1].startswith("A-1 ") and lines[1].endswith(printed[1])
    assert desks()["A-1"] == desk
    (changed, routed) = history("A-1")
    assert (changed[0], changed[1]["by"]) == ("changed", "ann")
    assert routed == ("routed", cause)


def test_change_keeps_what_was_said(run: Run, look: Look):
    good(run("request", "change", "A-1", *CITY_WORDS, "--address", " 1  Main St ", "--attribute", "DEPTH=deep"))

    (row,) = look("select address, attributes from service_request where number = 'A-1'")
    assert (row.address, row.attributes) == ("1 Main St", {"DEPTH": "deep"})


def test_who_does_it_is_told_by_number_where_the_user_has_no_name(run: Run, history: Any, monkeypatch: pytest.MonkeyPatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)

    good(run("request", "change", "A-1", *CITY_WORDS, "--attribute", "DEPTH=deep"))

    assert history("A-1")[0][1]["by"] == "uid 54321"


def test_change_takes_an_answer_away(run: Run, look: Look):
    run("request", "change", "A-1", *CITY_WORDS, "--attribute", "DEPTH=deep")

    good(run("request", "change", "A-1", *CITY_WORDS, "--attribute", "DEPTH="))

    assert look("select attributes from service_request where number = 'A-1'") == [({},)]


def test_change_of_a_closed_request_leaves_it_where_it_is(run: Run, desks: Any, look: Look):
    before = look("select updated_at from service_request where number = 'A-3'")

    printed = good(run("request", "change", "A-3", *CITY_WORDS, "--service-code", "tree"))

    assert printed == "A-3 was changed and stays with East Yard\n"
    assert desks()["A-3"] == "works-east"
    assert look("select updated_at from service_request where number = 'A-3'") == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(("A-9", "--service-code", "tree"), "no request here has the number A-9", id="number"),
        pytest.param(("A-1", "--service-code", "dragon"), "no active service has the service_code dragon", id="service"),
        pytest.param(("A-1", "--lat", "42.35"), "lat and long must be sent together, long is missing", id="half-a-place"),
        pytest.param(
            ("A-1", "--lat", "1", "--long", "1"), "lat 1.0, long 1.0 is outside the area served, Smallville", id="outside"
        ),
        pytest.param(("A-1", "--attribute", "DEPTH=x"), "DEPTH must be one of shallow, deep, got 'x'", id="answer"),
        pytest.param(("A-1",), "A-1 is so already", id="nothing"),
        pytest.param(("A-1", "--service-code", "pothole"), "A-1 is so already", id="as-it-is"),
    ],
)
def test_change_tells_what_cannot_be_and_leaves_all_as_it_was(run: Run, everything: Any, words: tuple[str, ...], message: str):
    before = everything()

    assert told(run("request", "change", *words, *CITY_WORDS)) == message
    assert everything() == before


def test_an_answer_without_its_question_is_a_usage_error_and_takes_nothing_away(run: Run, look: Look):
    run("request", "change", "A-1", *CITY_WORDS, "--attribute", "DEPTH=deep")

    assert "must be CODE=VALUE, got 'DEPTH'" in usage(run("request", "change", "A-1", *CITY_WORDS, "--attribute", "DEPTH"))
    assert look("select attributes from service_request where number = 'A-1'") == [({"DEPTH": "deep"},)]


# request assign, request return


def test_assign_gives_a_request_to_a_department_until_it_is_returned(run: Run, desks: Any, history: Any):
    given = good(
        run("request", "assign", "A-2", *CITY_WORDS, "--department", "PARKS", "--reason", "roots", "--by", "ann")
    )  # fmt: skip
    moved = good(run("request", "change", "A-2", *CITY_WORDS, "--address", "1 Main St"))
    anew = good(run("request", "reroute", *CITY_WORDS, "--reason", "spring cleaning"))
    meanwhile = desks()["A-2"]
    returned = good(run("request", "return", "A-2", *CITY_WORDS, "--by", "bob"))

    assert given == "A-2 is with Parks now, until it is returned to the rules\n"
    assert moved == "A-2 was changed and stays with Parks\n"
    assert anew == "3 open requests were routed anew, 0 go elsewhere now\n"
    assert returned.splitlines()[1] == "A-2 goes from Parks to East Yard"
    assert (meanwhile, desks()["A-2"]) == ("PARKS", "works-east")
    assert [(kind, facts if kind == "routed" else facts.get("by")) for kind, facts in history("A-2") if kind != "changed"] == [
        ("overridden", "ann"),
        ("released", "bob"),
        ("routed", "it was returned to the rules"),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ("assign", "A-1", "--department", "NOBODY", "--reason", "x"),
            "no department or unit of the city has the code NOBODY",
            id="unknown-department",
        ),
        pytest.param(
            ("assign", "A-1", "--department", "PARKS", "--reason", " "),
            "giving it to another department needs a reason",
            id="no-reason",
        ),
        pytest.param(("assign", "A-3", "--department", "PARKS", "--reason", "x"), "A-3 is closed", id="closed"),
        pytest.param(
            ("assign", "A-9", "--department", "PARKS", "--reason", "x"), "no request here has the number A-9", id="number"
        ),
        pytest.param(("return", "A-1"), "A-1 is routed by the rules already", id="nobody-assigned-it"),
        pytest.param(("return", "A-9"), "no request here has the number A-9", id="return-of-an-unknown-number"),
    ],
)
def test_assign_and_return_tell_what_cannot_be(run: Run, everything: Any, words: tuple[str, ...], message: str):
    before = everything()

    assert told(run("request", *words, *CITY_WORDS)) == message
    assert everything() == before


def test_a_number_of_one_city_is_unknown_in_another(run: Run):
    words = ("--department", "PARKS", "--reason", "x", "--jurisdiction", "boston.gov")

    assert told(run("request", "assign", "A-1", *words)) == "no request here has the number A-1"


# request reroute, request unplaced


def test_reroute_moves_open_requests_by_the_rules_of_today_with_the_reason_given(
    run: Run, desks: Any, history: Any, tmp_path: Path
):
    file = tmp_path / "rules.csv"
    file.write_text("code,department\nall,HALL\n")
    run("rule", "import", file, *CITY_WORDS)

    printed = good(run("request", "reroute", *CITY_WORDS, "--reason", "the yards  were closed"))

    assert printed == "4 open requests were routed anew, 4 go elsewhere now\n"
    assert desks() == {"A-1": "HALL", "A-2": "HALL", "A-3": "works-east", "A-4": "HALL", "A-5": "HALL"}
    assert (history("A-1"), history("A-3")) == ([("routed", "the yards were closed")], [])


def test_unplaced_lists_the_open_ones_that_wait_for_a_place_until_they_have_one(run: Run, own_url: str, look: Look):
    with psycopg.connect(own_url) as connection:
        connection.execute(
            "update service_request set unplaced_because = 'No such street', address = '1 [Nowhere]' where number = 'A-5'"
        )

    header, line = good(run("request", "unplaced", *CITY_WORDS)).splitlines()
    good(run("request", "change", "A-5", *CITY_WORDS, *TO_EAST))

    assert header.split() == ["number", "came", "in", "address", "why"]
    assert [each.strip() for each in line.split("  ") if each.strip()] == [
        "A-5",
        "2026-05-15T13:30:00Z",
        "1 [Nowhere]",
        "No such street",
    ]
    assert len(good(run("request", "unplaced", *CITY_WORDS)).splitlines()) == 1
    assert look("select unplaced_because from service_request where number = 'A-5'") == [(None,)]
