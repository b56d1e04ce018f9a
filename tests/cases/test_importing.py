"""Past cases become requests of ours; and how far our rules agree with what a city recorded."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from psycopg import Connection
from sqlalchemy import select

from db import db
from geo.models import Boundary
from open311.cases import importing, scoring
from open311.cases.importing import Importer
from open311.cases.recorded import ExportMapping
from open311.cases.scoring import score
from open311.city.folder import read_folder
from open311.city.lines import BadFile
from open311.city.load import load_folder
from open311.jurisdictions import City, read_cities
from open311.models import RequestDistrict, RequestEvent, ServiceRequest
from tests.small_city import SmallCity

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

EAST = "42.35,-71.05"
WEST = "42.35,-71.15"


@pytest.fixture
def city(app: Flask, folder: SmallCity, connection: "Connection[Any]") -> City:
    """Smallville, loaded."""
    loaded = load_folder(db.session(), read_folder(folder.path), now=NOW)
    return next(each for each in read_cities(connection) if each.id == loaded.jurisdiction_id)


@pytest.fixture
def run(connection: "Connection[Any]", city: City, folder: SmallCity) -> Any:
    """Imports a file as the edge does, a transaction a batch; the importer afterwards."""

    def run(file: Path, *, weeks: int = 0, batch_rows: int | None = None) -> Importer:
        mapping = ExportMapping(folder.path / "mapping.yml")
        with connection.transaction():
            importer = Importer(connection, city, file, mapping)
        for keep in importer.batches(weeks=weeks, now=NOW):
            with connection.transaction():
                keep()
        return importer

    return run


def requests() -> dict[str | None, ServiceRequest]:
    """Every request there is, by number."""
    db.session.expire_all()
    return {row.number: row for row in db.session.scalars(select(ServiceRequest))}


def history(request: ServiceRequest) -> list[tuple[str, datetime, dict[str, Any]]]:
    """(kind, at, facts) of its events in order."""
    rows = db.session.scalars(
        select(RequestEvent)
        .where(RequestEvent.jurisdiction_id == request.jurisdiction_id, RequestEvent.request_id == request.id)
        .order_by(RequestEvent.id)
    )
    return [(row.kind, row.at, row.facts) for row in rows]


def stamps(request: ServiceRequest) -> Sequence[str]:
    """The names of the boundaries it is stamped with, sorted."""
    return sorted(
        db.session.scalars(
            select(Boundary.name)
            .join(
                RequestDistrict,
                (RequestDistrict.jurisdiction_id == Boundary.jurisdiction_id) & (RequestDistrict.boundary_id == Boundary.id),
            )
            .where(RequestDistrict.jurisdiction_id == request.jurisdiction_id, RequestDistrict.request_id == request.id)
        )
    )


def test_a_case_keeps_its_number_and_its_dates(run: Any, folder: SmallCity):
    run(folder.record(f"101001240734,2026-01-15T09:30:00,2026-01-16T09:30:00,Pothole,{EAST},,"))

    (request,) = requests().values()

    assert request.number == "101001240734"
    assert (request.status, request.requested_at, request.closed_at) == (
        "closed",
        datetime(2026, 1, 15, 14, 30, tzinfo=UTC),
        datetime(2026, 1, 16, 14, 30, tzinfo=UTC),
    )
    assert request.updated_at == request.closed_at


def test_a_case_is_routed_by_our_rules_and_stamped_with_every_district(run: Any, folder: SmallCity):
    run(folder.record(f"E-1,2026-01-15,,Pothole,{EAST},PARKS,Elsewhere", f"W-1,2026-01-15,,Pothole,{WEST},,"))

    found = requests()

    east, west = (next(fact for kind, _, fact in history(found[each]) if kind == "routed") for each in ("E-1", "W-1"))
    assert (east["rule"], east["department"], east["unit"]) == ("pothole.east", "Public Works", "East Yard")
    assert (west["rule"], west["unit"]) == ("pothole", None)
    assert found["E-1"].unit_id is not None
    assert found["W-1"].unit_id is None
    assert stamps(found["E-1"]) == ["City S", "Ward E"]
    assert stamps(found["W-1"]) == ["City S", "Ward W"]


def test_a_case_has_a_history_from_its_receipt_to_its_closing(run: Any, folder: SmallCity):
    run(folder.record(f"E-1,2026-01-15T00:00:00Z,2026-01-16T00:00:00Z,Pothole,{EAST},PARKS,Elsewhere"))

    (request,) = requests().values()

    opened, closed = datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 1, 16, tzinfo=UTC)
    assert [(kind, at) for kind, at, _ in history(request)] == [
        ("received", opened),
        ("recorded", opened),
        ("routed", opened),
        ("closed", closed),
    ]
    assert history(request)[1][2] == {"department": "PARKS", "unit": "Elsewhere"}


def test_an_open_case_has_no_closing_in_its_history(run: Any, folder: SmallCity):
    run(folder.record(f"E-1,2026-01-15,,Pothole,{EAST},,"))

    (request,) = requests().values()

    assert [kind for kind, _, _ in history(request)] == ["received", "recorded", "routed"]


def test_a_case_that_was_closed_before_it_was_opened_is_counted_and_marked(run: Any, folder: SmallCity):
    importer = run(folder.record(f"E-1,2026-01-15T10:00:00Z,2026-01-15T09:59:00Z,Pothole,{EAST},,"))

    (request,) = requests().values()
    assert importer.result.closed_before_opened == 1
    assert request.closed_at == request.requested_at
    assert history(request)[-1][2] == {"closed_before_opened": True}


def test_a_case_is_routed_by_the_map_of_the_day_it_was_opened(run: Any, folder: SmallCity):
    folder.draw("ward", {"W": (CITY := read_folder(folder.path).boundaries["city"][0].area), "E": CITY.buffer(1)})
    load_folder(db.session(), read_folder(folder.path), now=datetime(2026, 5, 1, tzinfo=UTC))

    run(folder.record(f"OLD-1,2026-04-01,,Pothole,{EAST},,", f"NEW-1,2026-05-02,,Pothole,{EAST},,"))

    found = requests()
    assert stamps(found["OLD-1"]) == ["City S", "Ward E"]
    assert stamps(found["NEW-1"]) == ["City S", "Ward E", "Ward W"]


def test_a_case_of_a_private_service_is_not_public(run: Any, folder: SmallCity):
    run(folder.record("S-1,2026-01-15,,Secret,,,,", f"P-1,2026-01-15,,Pothole,{EAST},,"))

    assert {number: request.is_public for number, request in requests().items()} == {"S-1": False, "P-1": True}


def test_dates_are_moved_by_whole_weeks(run: Any, folder: SmallCity):
    run(folder.record(f"E-1,2026-01-15T09:30:00,,Pothole,{EAST},,"), weeks=10)

    (request,) = requests().values()

    assert request.requested_at == datetime(2026, 3, 26, 13, 30, tzinfo=UTC)


def test_services_can_be_matched_by_code(run: Any, folder: SmallCity):
    folder.change("mapping.yml", "columns:\n", "match: {service: service_code}\ncolumns:\n")

    importer = run(folder.record(f"E-1,2026-01-15,,pothole,{EAST},,"))

    assert importer.result.kept == 1


def test_cases_without_a_place_are_kept_and_counted(run: Any, folder: SmallCity):
    importer = run(folder.record("N-1,2026-01-15,,Pothole,,,,", f"E-1,2026-01-15,,Pothole,{EAST},,"))

    request = requests()["N-1"]
    assert (importer.result.kept, importer.result.without_place) == (2, 1)
    assert request.location is None
    assert stamps(request) == []


def test_cases_without_a_place_can_be_left_out_and_are_counted(run: Any, folder: SmallCity):
    folder.change("mapping.yml", "columns:\n", "unlocated: skip\ncolumns:\n")

    importer = run(folder.record("N-1,2026-01-15,,Pothole,,,,", f"E-1,2026-01-15,,Pothole,{EAST},,"))

    assert list(requests()) == ["E-1"]
    assert (importer.result.kept, importer.result.skipped_without_place) == (1, 1)


# What is kept, and what is not


def test_a_batch_with_a_bad_line_is_not_kept_and_the_line_is_named(run: Any, folder: SmallCity):
    file = folder.record(f"E-1,2026-01-15,,Pothole,{EAST},,", f"E-2,soon,,Pothole,{EAST},,", f"E-3,2026-01-15,,Dragon,{EAST},,")

    importer = run(file)

    assert requests() == {}
    assert importer.result.kept == 0
    assert importer.result.problems[0].startswith(f"{file}:3: OPENED must be a date and time")
    assert importer.result.problems[1] == f"{file}:4: TYPE 'Dragon' is no service of Smallville"


def test_a_line_with_more_fields_than_the_header_is_named(run: Any, folder: SmallCity):
    file = folder.record(f"E-1,2026-01-15,,Pothole,{EAST},WORKS,East Yard,more")

    importer = run(file)

    assert importer.result.problems == [f"{file}:2: has more fields than the header (quote what holds a comma)"]


def test_good_batches_around_a_bad_one_are_kept(run: Any, folder: SmallCity, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importing, "BATCH_ROWS", 2)
    dates = ["2026-01-15"] * 6
    dates[2] = "soon"

    importer = run(folder.record(*(f"E-{at},{date},,Pothole,{EAST},," for at, date in enumerate(dates))))

    assert sorted(requests()) == ["E-0", "E-1", "E-4", "E-5"]
    assert (importer.result.kept, len(importer.result.problems)) == (4, 1)


def test_running_again_after_a_repair_imports_only_what_is_missing(
    run: Any, folder: SmallCity, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(importing, "BATCH_ROWS", 2)
    rows = [f"E-{at},2026-01-15,,Pothole,{EAST},," for at in range(4)]
    run(folder.record(*rows[:3], f"E-3,soon,,Pothole,{EAST},,"))
    before = {number: request.id for number, request in requests().items()}

    importer = run(folder.record(*rows))

    after = {number: request.id for number, request in requests().items()}
    assert sorted(before) == ["E-0", "E-1"]
    assert sorted(after) == ["E-0", "E-1", "E-2", "E-3"]
    assert {number: after[number] for number in before} == before
    assert (importer.result.kept, importer.result.already_there) == (2, 2)


def test_a_request_that_is_there_already_is_left_as_it_is(run: Any, folder: SmallCity):
    run(folder.record(f"E-1,2026-01-15,,Pothole,{EAST},,"))

    run(folder.record(f"E-1,2026-01-15,2026-01-20,Fallen Tree,{WEST},,"))

    (request,) = requests().values()
    assert request.status == "open"
    assert stamps(request) == ["City S", "Ward E"]
    assert len(history(request)) == 3


@pytest.mark.parametrize("batch_rows", [pytest.param(5000, id="in-one-batch"), pytest.param(1, id="in-two-batches")])
def test_of_a_number_that_stands_twice_the_first_case_is_kept(
    run: Any, folder: SmallCity, monkeypatch: pytest.MonkeyPatch, batch_rows: int
):
    monkeypatch.setattr(importing, "BATCH_ROWS", batch_rows)

    importer = run(folder.record(f"E-1,2026-01-15,,Pothole,{EAST},,", f"E-1,2026-01-16,,Fallen Tree,{WEST},,"))

    (request,) = requests().values()
    assert stamps(request) == ["City S", "Ward E"]
    assert len(history(request)) == 3
    assert (importer.result.kept, importer.result.already_there) == (1, 1)


def test_the_same_number_in_another_city_is_no_obstacle(run: Any, folder: SmallCity, make: Any):
    make.request("E-1", jurisdiction_id="boston.gov")

    importer = run(folder.record(f"E-1,2026-01-15,,Pothole,{EAST},,"))

    assert importer.result.kept == 1


# What has an address and no point

PLACEHOLDERS = "placeholders: [{lat: 42.3594, long: -71.0587}]\n"
WITH_ADDRESS = "ID,OPENED,CLOSED,TYPE,LAT,LONG,DEPARTMENT,QUEUE,ADDRESS,ZIP"
ADDRESSES = """\
address,zip,lat,lon
10 Oak St  Smallville  MA  02101,02101,42.35,-71.05
14 Oak St  Smallville  MA  02101,02101,42.3502,-71.05
10 Elm St  Smallville  MA  02101,02101,42.35,-71.15
10 Elm St  Westside  MA  02102,02102,42.35,-71.06
"""


@pytest.fixture
def with_addresses(folder: SmallCity) -> None:
    """A table of addresses and a place-holder; ask for it before the city is loaded."""
    folder.change("mapping.yml", "  unit: QUEUE\n", f"  unit: QUEUE\n  address: ADDRESS\n  zipcode: ZIP\n{PLACEHOLDERS}")
    folder.write("addresses.csv", ADDRESSES)


@pytest.mark.usefixtures("with_addresses", "city")
@pytest.mark.parametrize(
    ("lat_long", "address", "district"),
    [
        pytest.param("42.35940,-71.05870", "10 Oak St  Smallville  MA  02101,", "Ward E", id="the-place-holder"),
        pytest.param("42.35941,-71.05868", "10 Oak St,02101", "Ward E", id="the-place-holder-within-four-decimals"),
        pytest.param(",", "12 oak street,02101", "Ward E", id="no-point"),
        pytest.param(",", "10 Elm St,02101", "Ward W", id="told-by-the-zip-code"),
        pytest.param("42.3595,-71.0587", "10 Elm St,02101", "Ward E", id="a-point-beside-the-place-holder"),
    ],
)
def test_a_case_without_a_point_is_at_its_address(run: Any, folder: SmallCity, lat_long: str, address: str, district: str):
    run(folder.record(f"A-1,2026-01-15,,Pothole,{lat_long},,,{address}", header=WITH_ADDRESS))

    (request,) = requests().values()
    assert request.location is not None
    assert stamps(request) == ["City S", district]


@pytest.mark.usefixtures("with_addresses", "city")
def test_how_a_case_got_its_point_is_in_its_history(run: Any, folder: SmallCity):
    by_address = 'A-1,2026-01-15,,Pothole,,,,,"10 Oak St, Smallville",'
    by_point = f"A-2,2026-01-15,,Pothole,{EAST},,,10 Oak St,"

    importer = run(folder.record(by_address, by_point, header=WITH_ADDRESS))

    found = {number: history(request)[0][2] for number, request in requests().items()}
    assert found["A-1"]["placed"] == {"how": "exact", "address": "10 Oak St, Smallville, MA 02101"}
    assert "placed" not in found["A-2"]
    assert (importer.result.placed_by_address, importer.result.without_place) == (1, 0)


@pytest.mark.usefixtures("with_addresses", "city")
@pytest.mark.parametrize(
    "address",
    [
        pytest.param("10 Elm St,", id="ambiguous"),
        pytest.param("99 Foo St,02101", id="unknown"),
        pytest.param(",", id="none"),
        pytest.param("💥,null", id="no-address"),
    ],
)
def test_a_case_whose_address_gives_no_point_stays_without_one(run: Any, folder: SmallCity, address: str):
    importer = run(folder.record(f"A-1,2026-01-15,,Pothole,42.3594,-71.0587,,,{address}", header=WITH_ADDRESS))

    (request,) = requests().values()
    assert request.location is None
    assert stamps(request) == []
    assert importer.result.without_place == 1


@pytest.mark.usefixtures("with_addresses")
def test_a_score_counts_what_its_address_locates(connection: "Connection[Any]", city: City, folder: SmallCity):
    folder.record(
        "1,2026-01-15,,Pothole,,,WORKS,East Yard,10 Oak St,02101",
        "2,2026-01-15,,Pothole,42.3594,-71.0587,WORKS,East Yard,99 Foo St,",
        header=WITH_ADDRESS,
    )

    found = list(score(connection, city, folder.path / "requests.csv", _mapping(folder), now=NOW))[-1]

    assert found.as_shares() == {"cases": 2, "located": 1, "department": 1.0, "queue": 0.5}


# How far our rules agree


def test_the_score_counts_cases_whose_department_and_unit_our_rules_find(
    connection: "Connection[Any]", city: City, folder: SmallCity
):
    folder.record(
        f"1,2026-01-15,,Pothole,{EAST},WORKS,East Yard",  # both agree
        f"2,2026-01-15,,Pothole,{WEST},WORKS,East Yard",  # the department agrees
        f"3,2026-01-15,,Pothole,{WEST},WORKS,Public Works",  # the department itself is the queue
        "4,2026-01-15,,Fallen Tree,,HALL,",  # neither, and no place
        f"5,2026-01-15,,Dragon,{EAST},WORKS,East Yard",  # a service that we do not have
        f"6,2026-01-15,,Pothole,{EAST},MARS,Crater",  # a department that we do not have
        f"7,2026-01-15,,Fallen Tree,{EAST},PARKS,",  # the department agrees, no queue was recorded
        f"8,2026-01-15,,Pothole,{WEST},,",  # nothing was recorded
    )

    found = list(score(connection, city, folder.path / "requests.csv", _mapping(folder), now=NOW))[-1]

    assert found.as_shares() == {"cases": 8, "located": 7, "department": 0.5, "queue": 0.25}


def test_a_score_keeps_nothing(connection: "Connection[Any]", city: City, folder: SmallCity):
    folder.record(f"1,2026-01-15,,Pothole,{EAST},WORKS,East Yard")

    list(score(connection, city, folder.path / "requests.csv", _mapping(folder), now=NOW))

    assert requests() == {}


def test_a_score_is_of_all_batches_so_far(
    connection: "Connection[Any]", city: City, folder: SmallCity, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(scoring, "BATCH_ROWS", 2)
    folder.record(*(f"{at},2026-01-15,,Pothole,{EAST},WORKS,East Yard" for at in range(5)))

    found = [each.cases for each in score(connection, city, folder.path / "requests.csv", _mapping(folder), now=NOW)]

    assert found == [2, 4, 5]


def test_a_score_of_a_file_with_a_bad_line_names_the_line(connection: "Connection[Any]", city: City, folder: SmallCity):
    file = folder.record(f"1,2026-01-15,,Pothole,{EAST},WORKS,", f"2,soon,,Pothole,{EAST},WORKS,")

    with pytest.raises(BadFile) as refused:
        list(score(connection, city, file, _mapping(folder), now=NOW))

    assert refused.value.messages[0].startswith(f"{file}:3: OPENED must be a date and time")


def test_the_score_of_no_cases_is_nothing(connection: "Connection[Any]", city: City):
    assert scoring.Agreement().as_shares() == {"cases": 0, "located": 0, "department": 0.0, "queue": 0.0}


def _mapping(folder: SmallCity) -> ExportMapping:
    return ExportMapping(folder.path / "mapping.yml")


def test_the_target_of_an_open_case_runs_from_when_it_came_in_and_what_is_past_alerts_nobody(
    city: City, folder: SmallCity, run: Any, connection: "Connection[Any]"
):
    folder.write("targets.yml", "- {hours: 20000}\n")
    folder.write("ladders.yml", "- {code: all, steps: [{used: 0.001, alert: supervisor}, {used: 100, alert: supervisor}]}\n")
    load_folder(db.session(), read_folder(folder.path), now=NOW)

    run(
        folder.record(
            "A-1,2026-01-15T09:30:00,,Pothole,42.35,-71.15,WORKS,",
            "A-2,2026-01-15T09:30:00,2026-01-16,Pothole,42.35,-71.15,WORKS,",
        )
    )

    clocks = connection.execute(
        "select r.number, c.due_at - c.started_at, c.next_step_at > now() from request_clock c"
        " join service_request r on r.id = c.request_id"
    ).fetchall()
    assert clocks == [("A-1", timedelta(hours=20000), True)]
