"""Scorecards through HTTP: each figure against cases counted by hand, from what the rollups hold."""

import csv
import random
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient
from psycopg import Connection

from db.driver import driver
from open311.actors import operator
from open311.cases import assignment, duplicates, rerouting, statuses
from open311.cases.rerouting import Changes
from open311.jurisdictions import read_cities
from open311.reports import rollups
from tests.api.wire import Answer, xml_root
from tests.cases.conftest import waiting_for_a_lock
from tests.cases.smallville import IN_EAST, IN_WEST, SWAPPED, Smallville
from tests.cases.working import Working
from tests.small_city import EAST, WEST

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MARCH = datetime(2026, 3, 9, 15, 0, tzinfo=UTC)  # a Monday, 11 in the morning
ANN = operator("Ann")
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)

Get = Callable[..., Any]


@pytest.fixture
def refresh(trees: Working) -> Callable[..., rollups.Refreshed]:
    """Counts what changed."""

    def refresh(*, now: datetime = NOW, is_whole: bool = False) -> rollups.Refreshed:
        return rollups.refresh(trees.connection, jurisdiction_id=trees.city.id, now=now, is_whole=is_whole)

    return refresh


@pytest.fixture
def ask(client: FlaskClient, trees: Working) -> Callable[..., Answer]:
    """ask(by="district"): the answer of GET scorecards in Treeville."""

    def ask(resource: str = "scorecards", format: str = "json", **arguments: Any) -> Answer:
        query = {"jurisdiction_id": "small.gov", **arguments}
        return Answer(client.get(f"/open311/v2/{resource}.{format}", query_string=query), format)

    return ask


@pytest.fixture
def get(ask: Callable[..., Answer], refresh: Callable[..., Any]) -> Get:
    """get(by="district"): the rows of GET scorecards, of what is there now."""

    def get(**arguments: Any) -> list[dict[str, Any]]:
        refresh()
        return ask(**arguments).rows

    return get


def pothole(trees: Working, *, at: datetime = MARCH, point: Any = IN_WEST, **more: Any) -> str:
    """The number of a hole that comes in."""
    return trees.take("pothole", at=at, answers={"DEPTH": "shallow"}, point=point, **more)


def close(trees: Working, number: str, *, at: datetime) -> None:
    """Closes a request."""
    statuses.set_status(trees.connection, trees.city, number, "fixed", by=ANN, words="Done.", now=at)


def judge(trees: Working, number: str, *, is_fixed: bool, score: int | None = None) -> None:
    """Lets a reporter say something after its closing."""
    trees.connection.execute(
        "insert into verdict (jurisdiction_id, request_id, closed_at, at, is_fixed, score)"
        " select jurisdiction_id, id, closed_at, closed_at, %s, %s from service_request where number = %s",
        [is_fixed, score, number],
    )


def figure(rows: list[dict[str, Any]], name: str) -> Mapping[str, Any]:
    """By code, one of the figures."""
    return {row["code"]: row[name] for row in rows}


def test_requests_count_in_their_district_and_month(trees: Working, get: Get):
    first = pothole(trees)
    pothole(trees, at=MARCH + 30 * DAY)
    pothole(trees, point=IN_EAST)
    close(trees, first, at=MARCH + 2 * HOUR)

    march, april = (get(by="district", layer="ward", period=period) for period in ("2026-03", "2026-04"))

    assert figure(march, "received") == {"W": 1, "E": 1}
    assert figure(march, "closed") == {"W": 1, "E": 0}
    assert figure(march, "open") == {"W": 0, "E": 1}
    assert figure(april, "received") == {"W": 1, "E": 0}
    assert figure(april, "open") == {"W": 1, "E": 1}


def test_times_to_the_first_response_and_to_closing_are_hours_of_the_clock(trees: Working, get: Get):
    soon, late, noted, _ = (pothole(trees, at=MARCH + number * HOUR) for number in range(4))
    close(trees, soon, at=MARCH + 2 * HOUR)
    close(trees, late, at=MARCH + HOUR + 10 * DAY)
    statuses.note(trees.connection, trees.city, noted, "not for you", by=ANN, now=MARCH + 2 * HOUR + timedelta(minutes=5))
    statuses.note(trees.connection, trees.city, noted, "Seen.", by=ANN, is_public=True, now=MARCH + 3 * HOUR)

    (row,) = get(period="2026-03")

    # 2, 240 and 1 hours; 2 and 240 hours.
    assert (row["first_response_median_hours"], row["first_response_p90_hours"]) == (2, 192.4)
    assert (row["closing_median_hours"], row["closing_p90_hours"]) == (121, 216.2)


def test_promises_are_kept_broken_or_overdue(trees: Working, get: Get):
    kept, broken = pothole(trees), pothole(trees)
    pothole(trees, at=MARCH + HOUR)
    close(trees, kept, at=MARCH + 2 * HOUR)
    close(trees, broken, at=MARCH + 10 * DAY)
    trees.connection.execute("update service_request set expected_at = null where number not in (%s, %s)", [kept, broken])
    late = pothole(trees, at=MARCH + 2 * HOUR)

    (march,), (april,) = get(period="2026-03"), get(period="2026-04")

    assert trees.request(late).expected_at is not None
    assert (march["promised"], march["on_time_share"], march["open"], march["open_overdue"]) == (2, 0.5, 2, 1)
    assert (april["promised"], april["on_time_share"], april["open"], april["open_overdue"]) == (0, None, 2, 1)


def test_a_request_is_overdue_once_its_time_is_over_though_nobody_did_anything(
    trees: Working, refresh: Callable[..., Any], ask: Callable[..., Answer]
):
    number = pothole(trees)
    due = trees.request(number).expected_at
    refresh(now=due - HOUR)
    before = ask(period="2026-03").row["open_overdue"]

    refresh(now=due)

    assert (before, ask(period="2026-03").row["open_overdue"]) == (0, 1)


def test_the_oldest_open_one_is_that_of_the_end_of_the_period(trees: Working, get: Get):
    oldest, next_one, last = (pothole(trees, at=MARCH + number * DAY) for number in range(3))
    close(trees, next_one, at=MARCH + 4 * DAY)
    close(trees, oldest, at=MARCH + 30 * DAY)
    close(trees, last, at=MARCH + 60 * DAY)

    found = {period: get(period=period)[0] for period in ("2026-03", "2026-Q1", "2026-04", "2026")}

    assert {period: (row["open"], row["oldest_open_datetime"]) for period, row in found.items()} == {
        "2026-03": (2, "2026-03-09T15:00:00Z"),
        "2026-Q1": (2, "2026-03-09T15:00:00Z"),
        "2026-04": (1, "2026-03-11T15:00:00Z"),
        "2026": (0, None),
    }


def test_the_oldest_open_one_is_one_that_the_public_sees(trees: Working, get: Get):
    pothole(trees, at=MARCH)
    trees.connection.execute("update service_request set is_public = false")
    assert [(row["open"], row["oldest_open_datetime"]) for row in get(period="2026-03")] == [(1, None)]

    pothole(trees, at=MARCH + DAY)

    for by in ("city", "channel", "department"):
        rows = [(row["open"], row["oldest_open_datetime"]) for row in get(by=by, period="2026-03") if row["open"]]
        assert rows == [(2, "2026-03-10T15:00:00Z")], by


def test_duplicates_reopened_and_verdicts_count(trees: Working, get: Get):
    leads, follows, again = pothole(trees), pothole(trees), pothole(trees, at=MARCH + HOUR)
    duplicates.link(trees.connection, trees.city, follows, leads, by=ANN, now=MARCH + HOUR)
    close(trees, leads, at=MARCH + 2 * HOUR)
    close(trees, again, at=MARCH + 2 * HOUR)
    statuses.reopen(trees.connection, trees.city, again, by=ANN, reason="still there", now=MARCH + 3 * HOUR)
    judge(trees, leads, is_fixed=True, score=5)
    judge(trees, follows, is_fixed=True, score=2)
    close(trees, again, at=MARCH + 40 * DAY)
    judge(trees, again, is_fixed=False)

    (march,), (april,), (year,) = get(period="2026-03"), get(period="2026-04"), get(period="2026")

    assert (march["received"], march["duplicates"], march["reopened"]) == (3, 1, 1)
    assert (march["closed"], april["closed"]) == (2, 1)
    assert (march["verdicts"], march["fixed_share"], march["mean_score"]) == (2, 1, 3.5)
    assert (april["verdicts"], april["fixed_share"], april["mean_score"]) == (1, 0, None)
    assert (year["verdicts"], year["fixed_share"], year["mean_score"]) == (3, 0.6667, 3.5)


def test_what_was_answered_at_first_contact_counts(trees: Working, get: Get):
    pothole(trees)
    trees.connection.execute("update service_request set answered_from = 'depth' where number = %s", [pothole(trees)])

    assert get(period="2026-03")[0]["answered_at_first_contact"] == 1


def test_a_quarter_and_a_year_have_percentiles_of_their_own(trees: Working, get: Get):
    for month, hours in enumerate((1, 2, 30)):
        at = datetime(2026, 4 + month, 7, 15, tzinfo=UTC)
        close(trees, pothole(trees, at=at), at=at + hours * HOUR)
    at = datetime(2026, 3, 10, 15, tzinfo=UTC)
    close(trees, pothole(trees, at=at), at=at + 4 * HOUR)

    medians = {period: get(period=period)[0]["closing_median_hours"] for period in ("2026-06", "2026-Q2", "2026")}

    assert medians == {"2026-06": 30, "2026-Q2": 2, "2026": 3}


def test_months_hours_and_weekdays_are_those_of_the_citys_clock(trees: Working, get: Get):
    # The first of April begins at 4 in UTC, an hour earlier than March did.
    for at in ("2026-03-01T04:59:59", "2026-03-01T05:00:00", "2026-04-01T03:59:59", "2026-04-01T04:00:00"):
        pothole(trees, at=datetime.fromisoformat(f"{at}+00:00"))

    rows = get(period="2026", trend="true")

    assert {row["period"]: row["received"] for row in rows if row["received"]} == {"2026-02": 1, "2026-03": 2, "2026-04": 1}
    march = next(row for row in rows if row["period"] == "2026-03")
    assert (march["period_starts"], march["period_ends"]) == ("2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z")
    assert {each["hour"]: each["received"] for each in march["by_hour"] if each["received"]} == {0: 1, 23: 1}
    assert {each["weekday"]: each["received"] for each in march["by_weekday"] if each["received"]} == {7: 1, 2: 1}


def test_departments_services_and_channels_have_figures_and_services_within(trees: Working, get: Get):
    pothole(trees)
    pothole(trees, point=IN_EAST, channel="email")
    trees.take("tree", at=MARCH, point=IN_EAST)

    assert figure(get(by="department", period="2026"), "received") == {"HALL": 0, "WORKS": 2, "PARKS": 1}
    assert figure(get(by="service", period="2026"), "received") == {"pothole": 2, "tree": 1}
    assert figure(get(by="channel", period="2026"), "received") == {"email": 1, "phone": 2}
    assert figure(get(by="service", district="ward:E", period="2026"), "received") == {"pothole": 1, "tree": 1}
    assert figure(get(by="service", department="WORKS", period="2026"), "received") == {"pothole": 2, "tree": 0}
    assert figure(get(by="district", layer="ward", service_code="pothole", period="2026"), "received") == {"E": 1, "W": 1}


def test_a_private_service_counts_and_is_never_named(trees: Working, get: Get, ask: Callable[..., Answer]):
    pothole(trees)
    trees.take("secret", at=MARCH, point=IN_WEST)

    assert get(period="2026")[0]["received"] == 2
    assert figure(get(by="district", layer="ward", period="2026"), "received") == {"W": 2, "E": 0}
    assert figure(get(by="service", period="2026"), "received") == {"pothole": 1, "tree": 0}
    assert ask(by="service", service_code="secret").problem == "service_code secret was not found"


def test_a_district_is_shown_beside_its_layer_and_its_neighbours(trees: Working, get: Get):
    pothole(trees)
    for _ in range(3):
        pothole(trees, point=IN_EAST)

    (west,) = get(district="ward:W", period="2026-03")

    assert (west["received"], west["layer_median"]["received"]) == (1, 2)
    assert [(each["code"], each["name"], each["received"]) for each in west["neighbours"]] == [("E", "Ward E", 3)]


def test_each_period_goes_by_the_map_of_its_end(trees: Working, get: Get, ask: Callable[..., Answer]):
    pothole(trees)
    began = datetime(2026, 5, 10, 4, tzinfo=UTC)
    version = trees.publish(SWAPPED, valid_from=began)
    trees.stamp(version, now=began)
    pothole(trees, at=began + DAY)

    march, may = (figure(get(by="district", layer="ward", period=period), "received") for period in ("2026-03", "2026-05"))

    assert (march, may) == ({"W": 1, "E": 0}, {"W": 0, "E": 1})
    assert figure(ask(by="district", layer="ward", period="2026").rows, "received") == {"W": 0, "E": 2}


def test_residents_are_those_that_the_map_knows(trees: Working, get: Get):
    trees.connection.execute("update boundary set population = 4000 where code = 'W'")
    pothole(trees)
    pothole(trees)

    rows = get(by="district", layer="ward", period="2026")

    assert figure(rows, "per_1000_residents") == {"W": 0.5, "E": None}
    assert figure(rows, "population") == {"W": 4000, "E": None}


def test_two_periods_districts_or_departments_are_compared(
    trees: Working, refresh: Callable[..., Any], ask: Callable[..., Answer]
):
    pothole(trees)
    for _ in range(3):
        pothole(trees, at=MARCH + 30 * DAY, point=IN_EAST)
    refresh()

    def received(**arguments: Any) -> Any:
        found = ask("scorecards/compare", **arguments).content
        return next((each["a"], each["b"], each["difference"]) for each in found["figures"] if each["figure"] == "received")

    assert received(period="2026-03,2026-04") == (1, 3, 2)
    assert received(district="ward:E,ward:W", period="2026") == (3, 1, -2)
    assert received(department="WORKS,PARKS", period="2026") == (4, 0, -4)
    assert received(district="ward:W", period=["2026-03", "2026-04"]) == (1, 0, -1)


def test_small_counts_are_not_told_nor_what_would_tell_them(trees: Working, get: Get):
    trees.connection.execute("update jurisdiction set least_count = 3")
    for point, times in ((IN_WEST, 2), (IN_EAST, 5)):
        for number in range(times):
            close(trees, pothole(trees, at=MARCH + number * HOUR, point=point), at=MARCH + (number + 2) * HOUR)
    late = pothole(trees, point=IN_EAST, at=MARCH + 30 * DAY)
    close(trees, late, at=MARCH + 50 * DAY)

    city, wards = get(period="2026-03"), get(by="district", layer="ward", period="2026-03")

    assert city[0]["received"] == 7
    assert figure(wards, "received") == {"W": None, "E": None}
    assert figure(wards, "closing_median_hours") == {"W": None, "E": None}
    assert [row["received"] for row in get(district="ward:E", period="2026-03")] == [None]
    assert get(period="2026-04")[0]["received"] is None
    # One of eight was late.
    (year,) = get(period="2026")
    assert (year["promised"], year["on_time_share"]) == (8, None)
    assert [each["received"] for each in year["by_hour"] if each["received"] is not None] == [3]


def test_csv_is_the_same_as_a_table(trees: Working, refresh: Callable[..., Any], client: FlaskClient):
    pothole(trees)
    refresh()

    answer = client.get("/open311/v2/scorecards.csv?jurisdiction_id=small.gov&by=district&layer=ward&period=2026-03")
    compared = client.get("/open311/v2/scorecards/compare.csv?jurisdiction_id=small.gov&district=ward:E,ward:W&period=2026")

    assert answer.content_type == "text/csv; charset=utf-8; header=present"
    rows = {row["code"]: row for row in csv.DictReader(StringIO(answer.text))}
    assert (rows["W"]["name"], rows["W"]["received"], rows["W"]["received_hour_11"]) == ("Ward W", "1", "1")
    assert (rows["W"]["period_starts"], rows["W"]["closing_median_hours"]) == ("2026-03-01T05:00:00Z", "")
    assert compared.text.splitlines()[:2] == ["figure,a,b,difference", "received,0,1,1"]
    again = client.get(answer.request.url, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_both_formats_say_the_same(trees: Working, refresh: Callable[..., Any], ask: Callable[..., Answer]):
    pothole(trees)
    refresh()

    root = xml_root(ask(format="xml", district="ward:W", period="2026-03").body)

    assert root.tag == "scorecards"
    assert root.findtext("scorecard/received") == "1"
    assert root.findtext("scorecard/neighbours/neighbour/code") == "E"
    assert xml_root(ask("scorecards/compare", "xml", period="2026-03,2026-02").body).findtext("figures/figure/a") == "1"


def test_the_lag_is_told_and_nothing_is_told_before_anything_was_counted(
    refresh: Callable[..., Any], ask: Callable[..., Answer]
):
    before = ask()
    refresh(now=NOW)

    assert before.status == 503
    assert "not counted yet" in before.problem
    assert ask().row["as_of"] == "2026-06-01T12:00:00Z"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({"by": "moon"}, "by must be one of", id="by"),
        pytest.param({"by": "district"}, "layer is required", id="no layer"),
        pytest.param({"district": "W"}, "district must be LAYER:CODE", id="district"),
        pytest.param({"district": "ward:W", "layer": "city"}, "district must lie in the layer", id="another layer"),
        pytest.param({"period": "2026-13"}, "period must be a year", id="month"),
        pytest.param({"period": "2026-Q5"}, "period must be a year", id="quarter"),
        pytest.param({"period": "9000"}, "period must have begun", id="to come"),
        pytest.param({"period": "2026-01,2026-02"}, "period must be one", id="two periods"),
        pytest.param({"trend": "yes"}, "trend must be true or false", id="trend"),
        pytest.param({"trend": "true", "period": "2026-01"}, "period must be a year", id="trend of a month"),
        pytest.param({"by": "channel", "district": "ward:W"}, "not for figures by channel", id="channel in a district"),
        pytest.param({"district": "ward:W", "department": "WORKS"}, "cannot be asked together", id="both"),
        pytest.param({"service_code": "pothole,tree"}, "service_code must be one", id="two services"),
    ],
)
def test_what_is_malformed_is_named(
    refresh: Callable[..., Any], ask: Callable[..., Answer], arguments: dict[str, str], said: str
):
    refresh()

    assert said in ask(**arguments).problem
    assert ask(moon="full").status == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({"layer": "moon"}, "layer moon was not found", id="layer"),
        pytest.param({"district": "ward:X"}, "district ward:X was not found", id="district"),
        pytest.param({"by": "service", "district": "ward:X"}, "district ward:X was not found", id="services of a district"),
        pytest.param({"department": "MOON"}, "department MOON was not found", id="department"),
        pytest.param({"department": "works-east"}, "department works-east was not found", id="unit"),
        pytest.param({"service_code": "moon"}, "service_code moon was not found", id="service"),
    ],
)
def test_what_is_not_there_is_404(
    refresh: Callable[..., Any], ask: Callable[..., Answer], arguments: dict[str, str], said: str
):
    refresh()

    answer = ask(**arguments)

    assert (answer.status, answer.problem) == (404, said)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"period": "2026-01,2026-02", "district": "ward:W,ward:E"}, id="four"),
        pytest.param({"by": "service", "period": "2026-01,2026-02"}, id="many services"),
        pytest.param({"period": "2026-01,2026"}, id="of two lengths"),
        pytest.param({"period": "2026-01,2026-02", "by": "district", "layer": "ward"}, id="all districts"),
        pytest.param({"period": "2026-01,2026-02", "by": "department"}, id="all departments"),
    ],
)
def test_a_comparison_is_of_two(refresh: Callable[..., Any], ask: Callable[..., Answer], arguments: dict[str, str]):
    refresh()

    assert ask("scorecards/compare", **arguments).status == 400


@pytest.mark.parametrize("format", ["json", "xml"])
@pytest.mark.parametrize("arguments", [{}, {"by": "service", "service_code": "pothole"}], ids=["district", "service in it"])
def test_a_district_that_was_drawn_in_one_of_two_periods_is_named_with_the_other(
    trees: Working, refresh: Callable[..., Any], ask: Callable[..., Answer], arguments: dict[str, str], format: str
):
    pothole(trees)
    began = datetime(2026, 5, 10, 4, tzinfo=UTC)
    trees.stamp(trees.publish({"W": WEST, "N": EAST}, valid_from=began), now=began)
    refresh()

    answer = ask("scorecards/compare", format, district="ward:N", period="2026-03,2026-05", **arguments)

    assert (answer.status, answer.problem) == (404, "district ward:N was not drawn in 2026-03")


def test_a_service_that_is_retired_is_compared_where_it_had_requests(
    trees: Working, refresh: Callable[..., Any], ask: Callable[..., Answer]
):
    pothole(trees)
    trees.connection.execute("update service set is_active = false where code = 'pothole'")
    refresh()

    answer = ask("scorecards/compare", by="service", service_code="pothole", period="2026-02,2026-03")

    assert answer.status == 404
    assert answer.problem == "service_code pothole is retired, and had no requests in 2026-02"


def test_a_city_that_is_being_counted_holds_up_no_other(own_town: Smallville, own: "Connection[Any]", own_url: str):
    others = [city.id for city in read_cities(own) if city.id != own_town.city.id]
    own_town.session.commit()
    with psycopg.connect(own_url, options="-c timezone=UTC") as counting:
        rollups.refresh(counting, jurisdiction_id=own_town.city.id, now=NOW)
        own.execute("set lock_timeout = '5s'")

        with driver.bound_to(own):
            rollups.refresh_scorecards(0)

        counted = {row.jurisdiction_id for row in own.execute("select jurisdiction_id from scorecard_run")}
        assert counted == set(others)
        counting.rollback()


def test_who_waited_for_another_refresh_counts_behind_it(own_town: Smallville, own: "Connection[Any]", own_url: str):
    key: dict[str, Any] = {"jurisdiction_id": own_town.city.id, "now": NOW}
    own_town.report(IN_WEST, at=MARCH)
    own_town.session.commit()
    done: list[rollups.Refreshed] = []

    def refresh_too() -> None:
        with psycopg.connect(own_url, options="-c timezone=UTC") as connection:
            done.append(rollups.refresh(connection, **key))

    with psycopg.connect(own_url, options="-c timezone=UTC") as counting:
        assert rollups.refresh(counting, **key).requests == 1
        other = threading.Thread(target=refresh_too)
        other.start()
        waiting_for_a_lock(own)
        counting.commit()
        other.join(timeout=30)

    assert [each.requests for each in done] == [0]
    assert rollups.differences(own, jurisdiction_id=own_town.city.id) == []


def test_every_cell_is_what_the_rows_say_after_any_mix_of_writes(trees: Working, refresh: Callable[..., Any]):
    draw = random.Random(311)
    numbers: list[str] = []
    now = MARCH
    refresh(now=now)
    for _ in range(12):
        for _ in range(8):
            now += draw.choice([HOUR, DAY, 9 * DAY])
            write_something(trees, numbers, draw, now=now)
        refresh(now=now)

        assert rollups.differences(trees.connection, jurisdiction_id=trees.city.id) == []

    assert trees.rows("select sum(times_reopened) as times from service_request")[0].times > 0


def write_something(trees: Working, numbers: list[str], draw: random.Random, *, now: datetime) -> None:
    """One of the verbs on one of the requests; what cannot be done then is not."""
    verb = draw.choice(["take", "take", "close", "close", "reopen", "link", "unlink", "move", "note", "judge", "accept"])
    key = (trees.connection, trees.city)
    if verb == "take" or not numbers:
        service, point = draw.choice(["pothole", "tree", "secret"]), draw.choice([IN_WEST, IN_EAST])
        answers = {"DEPTH": "deep"} if service == "pothole" else {}
        numbers.append(trees.take(service, at=now, answers=answers, point=point, channel=draw.choice(["phone", "email"])))
        return
    number, other = draw.choice(numbers), draw.choice(numbers)
    with suppress(ValueError, LookupError, PermissionError, RuntimeError), trees.connection.transaction():
        if verb == "close":
            close(trees, number, at=now)
        elif verb == "reopen":
            statuses.reopen(*key, number, by=ANN, reason="again", now=now)
        elif verb == "link":
            duplicates.link(*key, number, other, by=ANN, now=now)
        elif verb == "unlink":
            duplicates.unlink(*key, number, by=ANN, reason="another", now=now)
        elif verb == "move":
            place = draw.choice([IN_WEST, IN_EAST])
            rerouting.change(*key, number, Changes(point=place), by=ANN, now=now)
        elif verb == "note":
            statuses.note(*key, number, "Seen.", by=ANN, is_public=draw.random() < 0.5, now=now)
        elif verb == "accept":
            assignment.accept(*key, number, by=ANN, now=now)
        elif verb == "judge" and trees.request(number).status == "closed":
            judge(trees, number, is_fixed=draw.random() < 0.5, score=draw.choice([None, 3]))
            statuses.note(*key, number, "Thanks.", by=ANN, now=now)


def test_a_cell_that_was_tampered_with_is_found(trees: Working, refresh: Callable[..., Any]):
    pothole(trees)
    refresh()
    trees.connection.execute("update scorecard_cell set received = 7 where grouping = 1 and span = 'year'")
    trees.connection.execute("delete from scorecard_cell where grouping = 3 and span = 'month'")

    changed, missing = rollups.differences(trees.connection, jurisdiction_id=trees.city.id)

    assert changed.figures == {"received": (7, 1)}
    assert missing.figures["received"] == (None, 1)


def test_what_did_not_change_is_not_counted_again(trees: Working, refresh: Callable[..., Any]):
    pothole(trees)
    refresh()

    assert refresh() == rollups.Refreshed(requests=0, cells=0)


def test_another_timezone_counts_everything_anew(trees: Working, refresh: Callable[..., Any], ask: Callable[..., Answer]):
    pothole(trees, at=datetime(2026, 4, 1, 4, 30, tzinfo=UTC))
    refresh()
    trees.connection.execute("update jurisdiction set timezone = 'America/Los_Angeles' where slug = 'small.gov'")

    refresh()

    assert [ask(period=period).row["received"] for period in ("2026-03", "2026-04")] == [1, 0]
