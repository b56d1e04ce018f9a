"""open311 rule import, export, list, explain, replay, score: what they do, print and refuse."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.conftest import Run, good, past_smallville, told, usage
from tests.databases import Copies
from tests.small_city import CITY, EAST, WEST, SmallCity

Look = Callable[[str], list[Any]]

# All potholes to the Parks.
PROPOSED = "code,service_code,group,department\nholes,pothole,,PARKS\ntree,,Parks,PARKS\n"
PROPOSED_LATER = "code,service_code,department,valid_from\nholes,pothole,PARKS,2040-01-01\n"
CITY_WORDS = ("--jurisdiction", "small.gov")


@pytest.fixture
def own_url(copies: Copies, smallville: str) -> Iterator[str]:
    """A database for this test alone, with Smallville and its five past requests."""
    with copies.of(smallville) as url:
        yield url


@pytest.fixture
def loaded(tmp_path: Path) -> SmallCity:
    """The folder that Smallville was loaded from, to be changed."""
    return past_smallville(tmp_path / "small")


@pytest.fixture
def proposed(loaded: SmallCity) -> Path:
    """A file of proposed rules."""
    return loaded.write("proposed.csv", PROPOSED)


# rule import


def test_import_puts_the_rules_of_a_file_in_place_of_the_citys(run: Run, proposed: Path, look: Look):
    printed = good(run("rule", "import", proposed, *CITY_WORDS))

    assert printed == "2 rules are in place\n"
    rules = look("select r.code from routing_rule r join jurisdiction j on j.id = r.jurisdiction_id where slug = 'small.gov'")
    assert sorted(row.code for row in rules) == ["holes", "tree"]


def test_import_leaves_requests_and_other_cities_alone(run: Run, proposed: Path, look: Look, desks: Any):
    others = "select count(*) from routing_rule r join jurisdiction j on j.id = r.jurisdiction_id where slug <> 'small.gov'"
    before = desks(), look(others), look("select count(*) from request_event")

    run("rule", "import", proposed, *CITY_WORDS)

    assert (desks(), look(others), look("select count(*) from request_event")) == before


def test_import_takes_all_of_a_file_or_nothing(run: Run, loaded: SmallCity, look: Look):
    file = loaded.write("bad.csv", PROPOSED + "night,,,NOBODY\nday,,,\n")
    before = look("select * from routing_rule order by jurisdiction_id, id")

    first, second = told(run("rule", "import", file, *CITY_WORDS)), None
    loaded.write("bad.csv", PROPOSED + "night,,,NOBODY\nday,,,HALL\n")
    second = told(run("rule", "import", file, *CITY_WORDS, "--reroute"))

    assert first == f"{file}:5: department: must not be empty"
    assert second == f"{file}:4: department: nothing has the code 'NOBODY'"
    assert look("select * from routing_rule order by jurisdiction_id, id") == before


def test_import_can_route_the_open_requests_anew_each_with_its_reason(run: Run, proposed: Path, look: Look, desks: Any):
    run("request", "assign", "A-2", "--department", "HALL", "--reason", "the mayor asked", *CITY_WORDS)

    printed = good(run("rule", "import", proposed, *CITY_WORDS, "--reroute"))

    # A-2 was given away by a person, A-3 is closed, and A-4 is with the Parks already.
    assert printed.splitlines()[1:] == ["3 open requests were routed anew, 2 go elsewhere now"]
    assert desks() == {"A-1": "PARKS", "A-2": "HALL", "A-3": "works-east", "A-4": "PARKS", "A-5": "PARKS"}
    caused = look(
        "select r.number, e.facts->>'cause' as cause, e.facts->>'rule' as rule from request_event e"
        " join service_request r on r.id = e.request_id where e.kind = 'routed' and e.facts ? 'cause' order by 1"
    )
    assert [tuple(row) for row in caused] == [("A-1", "the rules changed", "holes"), ("A-5", "the rules changed", "holes")]


@pytest.mark.parametrize("words", [["import", "{file}"], ["export"], ["list"], ["explain", "--request", "A-1"], ["replay"]])
def test_an_unknown_city_is_told(run: Run, proposed: Path, words: list[str]):
    named = [str(proposed) if word == "{file}" else word for word in words]

    assert told(run("rule", *named, "--jurisdiction", "atlantis.gov")) == "no city here has the jurisdiction_id atlantis.gov"


@pytest.mark.parametrize("words", [["import"], ["replay", "--rules"], ["replay", "--boundaries"]])
def test_a_file_that_is_not_there_is_a_usage_error(run: Run, loaded: SmallCity, words: list[str]):
    assert "does not exist" in usage(run("rule", *words, loaded.path / "nothing", *CITY_WORDS))


# rule export, rule list


def test_export_writes_what_import_reads(run: Run, loaded: SmallCity):
    printed = good(run("rule", "export", *CITY_WORDS))

    assert printed == (loaded.path / "rules.csv").read_text().replace("PARKS,,\n", "PARKS,100,\n")


def test_export_writes_a_file_that_changes_nothing_when_it_is_imported(run: Run, loaded: SmallCity, tmp_path: Path):
    file = tmp_path / "out.csv"
    before = good(run("rule", "export", *CITY_WORDS))

    assert good(run("rule", "export", *CITY_WORDS, "--out", file)) == ""
    assert good(run("rule", "import", file, *CITY_WORDS)) == "3 rules are in place\n"

    assert file.read_text() == good(run("rule", "export", *CITY_WORDS)) == before


def test_export_to_where_no_file_can_be_is_told(run: Run, tmp_path: Path):
    out = tmp_path / "nowhere" / "rules.csv"

    assert told(run("rule", "export", *CITY_WORDS, "--out", out)) == f"{out}: the folder {out.parent} is not there"


def test_list_shows_a_line_for_each_rule_with_its_conditions(run: Run, loaded: SmallCity):
    file = loaded.write(
        "rules.csv",
        "code,service_code,layer,boundary,attribute,value,calendar,during,department,priority,valid_from,valid_to,note\n"
        "deep,pothole,ward,E,DEPTH,deep,office,closed,works-east,50,2026-01-01,2027-01-01,[by the yard]\n",
    )
    run("rule", "import", file, *CITY_WORDS)

    header, line = good(run("rule", "list", *CITY_WORDS)).splitlines()

    assert header.split() == ["rule", "service", "where", "when", "department", "priority", "note"]
    assert line.split("  ")[0].strip() == "deep"
    for words in (
        "pothole",
        "ward E",
        "DEPTH is deep, office is closed, from 2026-01-01, until 2027-01-01",
        "works-east",
        "50",
        "[by the yard]",
    ):
        assert words in line


def test_list_can_be_of_one_service_alone(run: Run, loaded: SmallCity):
    lines = good(run("rule", "list", *CITY_WORDS, "--service-code", "pothole")).splitlines()

    assert [line.split()[0] for line in lines] == ["rule", "pothole", "pothole.east"]


# rule explain


def test_explain_says_who_answers_for_a_draft_why_and_why_nobody_else(run: Run, loaded: SmallCity):
    printed = good(
        run("rule", "explain", *CITY_WORDS, "--service-code", "pothole", "--lat", "42.35", "--long", "-71.05")
    )  # fmt: skip

    *lines, distance, second, last = printed.splitlines()
    assert lines == [
        "East Yard answers for requests of this service in Ward E (rule pothole.east).",
        "  department  Public Works",
        "  unit        East Yard",
        "  rule        pothole.east",
        "  boundary    ward E (Ward E)",
    ]
    # The nearest edge is one of those to the east and west, 0.05 degrees away.
    assert distance.startswith("  its edge    411") and distance.endswith(" metres away")
    assert second == "  not Public Works by pothole: it speaks of the whole city, and pothole.east of Ward E"
    assert last == "  not Town Hall: it is the city's default, and answers only where no rule does"


def test_explain_takes_answers_and_a_moment(run: Run, loaded: SmallCity):
    file = loaded.write(
        "rules.csv",
        "code,service_code,attribute,value,calendar,during,department,valid_from\n"
        "hole,pothole,,,,,WORKS,\n"
        "deep,pothole,DEPTH,deep,,,PARKS,2026-01-01\n"
        "night,pothole,DEPTH,deep,office,closed,HALL,2026-01-01\n",
    )
    run("rule", "import", file, *CITY_WORDS)

    def reason(*words: str) -> str:
        draft = ("--service-code", "pothole", "--lat", "42.35", "--long", "-71.05")
        return good(run("rule", "explain", *CITY_WORDS, *draft, *words)).splitlines()[0]

    deep = ("--attribute", "DEPTH=deep")
    # 5 January 2026 is a Monday.
    assert "(rule hole)" in reason("--at", "2026-01-05T09:00:00")
    assert "(rule deep)" in reason(*deep, "--at", "2026-01-05T09:00:00")
    assert "(rule night)" in reason(*deep, "--at", "2026-01-05T19:00:00")
    assert "(rule hole)" in reason(*deep, "--at", "2025-12-31")


def test_explain_tells_the_decisions_of_a_past_request_the_latest_first(run: Run, loaded: SmallCity):
    run("request", "change", "A-1", "--lat", "42.35", "--long", "-71.05", *CITY_WORDS)

    printed = good(run("rule", "explain", "--request", "A-1", *CITY_WORDS))

    decided = [line for line in printed.splitlines() if line.startswith("Decided ")]
    assert len(decided) == 2
    assert decided[0].endswith(", because its location changed:")
    assert "because" not in decided[1]
    reasons = [line for line in printed.splitlines() if " answers for " in line]
    assert reasons == [
        "East Yard answers for requests of this service in Ward E (rule pothole.east).",
        "Public Works answers for requests of this service in the whole city (rule pothole).",
    ]
    assert printed.count("metres away") == 1


def test_explain_tells_a_past_decision_as_it_was_made_whatever_the_rules_are_now(run: Run, proposed: Path):
    before = good(run("rule", "explain", "--request", "A-2", *CITY_WORDS))

    run("rule", "import", proposed, *CITY_WORDS)

    assert good(run("rule", "explain", "--request", "A-2", *CITY_WORDS)) == before


def test_explain_tells_first_who_gave_a_past_request_to_whom_and_why(run: Run, loaded: SmallCity):
    given = ("--department", "PARKS", "--reason", "roots", "--by", "ann")
    run("request", "assign", "A-1", *CITY_WORDS, *given)

    lines = good(run("rule", "explain", "--request", "A-1", *CITY_WORDS)).splitlines()

    assert re.fullmatch(r"Given to Parks 20\S+Z by ann, before with Public Works: roots", lines[0])
    assert lines[1] == "It stays with Parks until it is returned to the rules, whatever they decide."
    assert (lines[2], lines[3][:8]) == ("", "Decided ")


def test_explain_tells_that_a_past_request_was_returned_to_the_rules(run: Run, loaded: SmallCity):
    run("request", "assign", "A-1", *CITY_WORDS, "--department", "works-east", "--reason", "near", "--by", "ann")
    run("request", "return", "A-1", *CITY_WORDS, "--by", "bob")

    printed = good(run("rule", "explain", "--request", "A-1", *CITY_WORDS))

    lines = printed.splitlines()
    assert re.fullmatch(r"Returned to the rules 20\S+Z by bob\.", lines[0])
    assert re.fullmatch(r"Given to East Yard 20\S+Z by ann, before with Public Works: near", lines[1])
    assert lines[3].endswith(", because it was returned to the rules:")
    assert "stays with" not in printed


DRAFT = ("--service-code", "pothole")
PLACE = ("--lat", "42.35", "--long", "-71.05")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param((*DRAFT, "--lat", "91", "--long", "0"), "lat must be a number from -90 to 90, got '91'", id="latitude"),
        pytest.param((*DRAFT, "--lat", "42.35"), "lat and long must be sent together, long is missing", id="half-a-place"),
        pytest.param(DRAFT, "a location is required", id="no-place"),
        pytest.param((*DRAFT, "--lat", "1", "--long", "1"), "lat 1.0, long 1.0 is outside the area served", id="outside"),
        pytest.param((*DRAFT, *PLACE, "--attribute", "DEPTH=x"), "DEPTH must be one of shallow, deep, got 'x'", id="answer"),
        pytest.param(("--service-code", "", *PLACE), "service_code is required", id="blank-service"),
        pytest.param(("--service-code", "dragon", *PLACE), "no active service has the service_code dragon", id="service"),
        pytest.param(("--request", "A-9"), "no request here has the number A-9", id="number"),
    ],
)
def test_explain_tells_what_cannot_be_asked_in_one_message(run: Run, loaded: SmallCity, words: tuple[str, ...], message: str):
    said = told(run("rule", "explain", *CITY_WORDS, *words))

    assert said.startswith(message)
    assert "\n" not in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param((), "say either --request NUMBER or --service-code CODE", id="neither"),
        pytest.param((*DRAFT, *PLACE, "--request", "A-1"), "say either --request NUMBER or --service-code CODE", id="both"),
        pytest.param((*DRAFT, *PLACE, "--at", "soon"), "must be a date and time like", id="no-date"),
        pytest.param((*DRAFT, *PLACE, "--at", "9999-12-31T23:00:00"), "must be a date of the years 2 to 9998", id="no-end"),
        pytest.param((*DRAFT, *PLACE, "--attribute", "DEPTH"), "must be CODE=VALUE, got 'DEPTH'", id="no-answer"),
        pytest.param((*DRAFT, *PLACE, "--attribute", "=deep"), "must be CODE=VALUE, got '=deep'", id="no-question"),
    ],
)
def test_explain_tells_how_it_is_to_be_asked(run: Run, loaded: SmallCity, words: tuple[str, ...], message: str):
    assert message in usage(run("rule", "explain", *CITY_WORDS, *words))


# rule replay


@pytest.fixture
def tables(look: Look) -> Callable[[], dict[str, Any]]:
    """Every row of every table of ours."""

    def tables() -> dict[str, Any]:
        names = look(
            "select relname from pg_stat_user_tables where schemaname = 'public' and relname not like 'procrastinate%'"
        )
        return {row.relname: look(f"select t::text from {row.relname} t order by 1") for row in names}

    return tables


def test_replay_shows_what_would_go_elsewhere_by_service_district_and_department(run: Run, proposed: Path):
    printed = good(run("rule", "replay", *CITY_WORDS, "--rules", proposed))

    first, *rest = printed.splitlines()
    assert first.startswith("5 requests, 4 would go elsewhere (80.00%); ")
    assert first.endswith(" decisions a second")
    words = [line.split() for line in rest if line]
    assert words == [
        ["service", "requests", "elsewhere"],
        ["pothole", "4", "4"],
        ["district", "requests", "elsewhere"],
        ["city:S", "4", "3"],
        ["ward:E", "2", "2"],
        ["ward:W", "2", "1"],
        ["department", "before", "after"],
        ["Parks", "1", "5", "+4"],
        ["Public", "Works", "2", "0", "-2"],
        ["East", "Yard", "2", "0", "-2"],
        ["service", "from", "to", "requests"],
        ["pothole", "East", "Yard", "Parks", "2"],
        ["pothole", "Public", "Works", "Parks", "2"],
    ]


def test_replay_can_be_read_by_a_program(run: Run, proposed: Path):
    found = json.loads(good(run("rule", "replay", *CITY_WORDS, "--rules", proposed, "--json")))

    assert found.pop("decisions_per_second") > 0
    assert found == {
        "requests": 5,
        "moved": 4,
        "services": [{"name": "pothole", "requests": 4, "moved": 4}],
        "departments": [
            {"name": "Parks", "before": 1, "after": 5},
            {"name": "Public Works", "before": 2, "after": 0},
            {"name": "East Yard", "before": 2, "after": 0},
        ],
        "districts": [
            {"name": "city:S", "requests": 4, "moved": 3},
            {"name": "ward:E", "requests": 2, "moved": 2},
            {"name": "ward:W", "requests": 2, "moved": 1},
        ],
        "moves": [
            {"service": "pothole", "before": "East Yard", "after": "Parks", "requests": 2},
            {"service": "pothole", "before": "Public Works", "after": "Parks", "requests": 2},
        ],
    }


def moved(run: Run, *words: object) -> tuple[int, int]:
    """(requests, moved) of a replay."""
    found = json.loads(good(run("rule", "replay", *CITY_WORDS, "--json", *words)))
    return found["requests"], found["moved"]


def test_replay_of_what_is_in_force_moves_nothing(run: Run, loaded: SmallCity):
    assert moved(run) == (5, 0)
    assert moved(run, "--rules", loaded.path / "rules.csv", "--boundaries", loaded.path / "boundaries") == (5, 0)


@pytest.mark.parametrize(
    ("words", "requests"),
    [
        pytest.param(("--since", "2026-03-15"), (3, 2), id="since-a-date-which-counts"),
        pytest.param(("--until", "2026-03-15"), (2, 2), id="until-a-date-which-does-not"),
        pytest.param(("--since", "2026-02-15", "--until", "2026-04-16"), (3, 2), id="between"),
        # By the city's clock, five hours behind.
        pytest.param(("--since", "2026-01-15T14:30:01Z", "--until", "2026-02-16"), (1, 1), id="to-the-second"),
        pytest.param(("--since", "2027-01-01"), (0, 0), id="none"),
    ],
)
def test_replay_can_be_of_a_time(run: Run, proposed: Path, words: tuple[str, ...], requests: tuple[int, int]):
    assert moved(run, "--rules", proposed, *words) == requests


def test_replay_of_no_request_says_so(run: Run, proposed: Path):
    printed = good(run("rule", "replay", *CITY_WORDS, "--rules", proposed, "--since", "2027-01-01"))

    assert printed.startswith("0 requests, 0 would go elsewhere; ")


def test_replay_of_proposed_maps(run: Run, loaded: SmallCity):
    loaded.draw("ward", {"W": EAST, "E": WEST})

    # The three potholes that have a place.
    assert moved(run, "--boundaries", loaded.path / "boundaries") == (5, 3)


def test_replay_can_decide_by_what_begins_later(run: Run, loaded: SmallCity):
    later = loaded.write("later.csv", PROPOSED_LATER)

    def goes_to(*words: str) -> set[str]:
        found = json.loads(good(run("rule", "replay", *CITY_WORDS, "--rules", later, "--json", *words)))
        return {each["after"] for each in found["moves"] if each["service"] == "pothole"}

    assert goes_to() == {"Town Hall"}
    assert goes_to("--at", "2040-01-02") == {"Parks"}


def test_score_counts_rules_that_begin_later_only_on_their_day(run: Run, loaded: SmallCity):
    later = loaded.write("later.csv", PROPOSED_LATER)
    past = loaded.record("B-1,2026-01-15T09:30:00,,Pothole,42.35,-71.15,PARKS,")
    words = ("rule", "score", past, "--mapping", loaded.path / "mapping.yml", *CITY_WORDS, "--rules", later)

    assert json.loads(good(run(*words)))["department"] == 0
    assert json.loads(good(run(*words, "--at", "2040-01-02")))["department"] == 1


def test_what_was_just_coming_in_is_routed_anew_as_well(run: Run, proposed: Path, own_url: str, look: Look, desks: Any):
    with psycopg.connect(own_url) as connection:
        connection.execute(
            "insert into service_request (jurisdiction_id, number, service_id, status, department_id, requested_at, updated_at,"
            " channel, is_public, location) select jurisdiction_id, 'A-6', service_id, 'open', department_id, now(), now(),"
            " 'app', true, location from service_request where number = 'A-1'"
        )
        routing = threading.Thread(target=lambda: run("rule", "import", proposed, *CITY_WORDS, "--reroute"))
        routing.start()
        deadline = time.monotonic() + 30
        while not look("select 1 from routing_rule where code = 'holes'") and time.monotonic() < deadline:
            time.sleep(0.05)
    routing.join()

    assert desks()["A-6"] == "PARKS"
    causes = look(
        "select e.facts->>'cause' as cause from request_event e join service_request r on r.id = e.request_id"
        " where r.number = 'A-6' and e.kind = 'routed'"
    )
    assert [row.cause for row in causes] == ["the rules changed as it came in"]


def test_replay_can_compare_with_who_answers_today(run: Run, proposed: Path):
    run("request", "assign", "A-1", "--department", "PARKS", "--reason", "roots", *CITY_WORDS)

    assert moved(run, "--recorded") == (5, 1)
    assert moved(run, "--rules", proposed) == (5, 4)
    assert moved(run, "--rules", proposed, "--recorded") == (5, 3)


def test_replay_keeps_nothing(run: Run, proposed: Path, loaded: SmallCity, tables: Callable[[], dict[str, Any]], look: Look):
    before = tables()
    loaded.draw("ward", {"W": EAST, "E": WEST})

    good(run("rule", "replay", *CITY_WORDS, "--rules", proposed, "--boundaries", loaded.path / "boundaries"))

    assert tables() == before
    assert len(before["service_request"]) == 5
    assert look("select 1 from procrastinate_jobs where task_name = 'stamp_districts'") == []


def test_replay_of_a_bad_file_is_told_with_its_line_and_keeps_nothing(
    run: Run, loaded: SmallCity, tables: Callable[[], dict[str, Any]]
):
    file = loaded.write("proposed.csv", PROPOSED.replace("holes,pothole", "holes,dragon"))
    before = tables()

    assert told(run("rule", "replay", *CITY_WORDS, "--rules", file)) == (
        f"{file}:2: service_code: nothing has the code 'dragon'"
    )
    assert tables() == before


def test_replay_of_bad_maps_is_told_with_every_fault(run: Run, loaded: SmallCity, tmp_path: Path):
    before = json.loads((loaded.path / "boundaries" / "ward.geojson").read_text())
    maps = tmp_path / "maps"
    maps.mkdir()
    (maps / "beat.geojson").write_text(json.dumps(before))
    (maps / "ward.geojson").write_text('{"type":\n,}')

    lines = told(run("rule", "replay", *CITY_WORDS, "--boundaries", maps)).splitlines()

    assert lines[0] == f"{maps}/beat.geojson:1: Smallville has no layer 'beat', but city, ward"
    assert lines[1].startswith(f"{maps}/ward.geojson:2: not JSON")


def test_replay_of_a_folder_without_maps_is_told(run: Run, loaded: SmallCity, tmp_path: Path):
    assert told(run("rule", "replay", *CITY_WORDS, "--boundaries", tmp_path)) == f"{tmp_path}:1: has no LAYER.geojson"


# rule score


def score(run: Run, folder: SmallCity, *words: object) -> dict[str, Any]:
    """What `rule score` prints of Smallville's own past."""
    file, mapping = folder.path / "requests.csv", folder.path / "mapping.yml"
    found: dict[str, Any] = json.loads(good(run("rule", "score", file, "--mapping", mapping, *CITY_WORDS, *words)))
    return found


def test_score_may_be_of_proposed_rules_which_are_not_kept(
    run: Run, loaded: SmallCity, proposed: Path, tables: Callable[[], dict[str, Any]]
):
    before = tables()

    found = score(run, loaded, "--rules", proposed)

    # Of five only the tree agrees; nobody recorded its queue.
    assert found == {"cases": 5, "located": 4, "department": 0.2, "queue": 0.0}
    assert tables() == before
    assert score(run, loaded)["department"] == 1.0


@pytest.mark.parametrize(
    ("words", "cases"),
    [
        pytest.param(("--since", "2026-03-15"), 3, id="since"),
        pytest.param(("--until", "2026-03-15"), 2, id="until"),
        pytest.param(("--since", "2026-02-01", "--until", "2026-03-01"), 1, id="between"),
    ],
)
def test_score_can_be_of_a_time(run: Run, loaded: SmallCity, words: tuple[str, ...], cases: int):
    assert score(run, loaded, *words)["cases"] == cases


def test_score_with_bad_rules_is_told_with_their_line(run: Run, loaded: SmallCity):
    file = loaded.write("proposed.csv", "code,department\nall,NOBODY\n")
    words = (loaded.path / "requests.csv", "--mapping", loaded.path / "mapping.yml", *CITY_WORDS, "--rules", file)

    assert told(run("rule", "score", *words)) == f"{file}:2: department: nothing has the code 'NOBODY'"


def test_the_maps_of_these_tests_cover_the_whole_city():
    assert WEST.union(EAST).equals(CITY)
