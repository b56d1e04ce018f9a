"""Maps changed while requests come in: none is lost, and none goes where no map in force would send it."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from psycopg.rows import namedtuple_row
from shapely import Polygon, box
from shapely.geometry import Point as Dot
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from db import driver_connection
from geo.models import LayerVersion
from open311.cases.stamping import stamp_later
from tests.cases.conftest import until
from tests.cases.smallville import SWAPPED, Smallville
from tests.live.server import Live
from tests.small_city import EAST, WEST, SmallCity

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]

SECOND = timedelta(seconds=1)
# West, east, and on the edge between the wards of Smallville.
PLACES = [(-71.15, 42.35), (-71.05, 42.35), (-71.1, 42.35), (-71.12, 42.31)]
HALVES = {"W": box(-71.2, 42.3, -71.0, 42.35), "E": box(-71.2, 42.35, -71.0, 42.4)}


@pytest.fixture
def town(live: Live, tmp_path: Path) -> Iterator[Smallville]:
    """Smallville, served by the service that runs."""
    folder = SmallCity(tmp_path / "small")
    folder.change("services.yml", "      required: true\n", "      required: false\n")
    command = [Path(sys.executable).with_name("open311"), "city", "load", folder.path]
    subprocess.run(command, env={**os.environ, "DATABASE_URL": live.database_url}, check=True, capture_output=True)
    engine = create_engine(live.database_url.replace("postgresql://", "postgresql+psycopg://", 1))
    with Session(engine, expire_on_commit=False) as session:
        found = Smallville(session, folder, now=this_second())
        session.commit()
        yield found
    engine.dispose()


def test_maps_that_change_while_requests_come_in_lose_none_and_misroute_none(live: Live, town: Smallville):
    accepted: list[str] = []
    refused: list[tuple[int, str]] = []
    stopped = threading.Event()

    def post(offset: int) -> None:
        for long, lat in cycle(PLACES[offset:] + PLACES[:offset]):
            if stopped.is_set():
                return
            body = urlencode({"api_key": live.key, "service_code": "pothole", "long": long, "lat": lat}).encode()
            answer = live.call(
                "POST",
                "/open311/v2/requests.json?jurisdiction_id=small.gov",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                body=body,
            )
            if answer.status == 200:
                accepted.append(answer.json[0]["service_request_id"])
            else:
                refused.append((answer.status, answer.text))

    posting = [threading.Thread(target=post, args=(offset,)) for offset in range(3)]
    for each in posting:
        each.start()
    try:
        in_force = change_maps(live, town)
    finally:
        stopped.set()
        for each in posting:
            each.join()

    assert refused == []
    rows = requests_of(live)
    assert sorted(row.number for row in rows) == sorted(accepted)
    assert len(rows) > 50
    assert [row.number for row in rows if row.answers_for != expected_desk(row, in_force)] == []
    # Each lies where its last decision says, and whatever was decided anew has its cause.
    assert [row.number for row in rows if row.answers_for != row.last_decision] == []
    assert [row.number for row in rows if None in row.causes[1:]] == []
    with live.connect() as connection:
        boundaries = connection.execute(
            "select b.id, b.code, b.valid_from, b.valid_to from boundary b join layer l on l.id = b.layer_id"
            " join jurisdiction j on j.id = l.jurisdiction_id where j.slug = 'small.gov' and l.code = 'ward'"
        ).fetchall()
    shapes = {map["begins"]: map["areas"] for map in in_force if map["stays"]}
    assert {valid_from for _, _, valid_from, _ in boundaries} == set(shapes)
    for row in rows:
        expected = [
            boundary_id
            for boundary_id, code, valid_from, valid_to in boundaries
            if shapes[valid_from][code].covers(Dot(row.long, row.lat)) and (valid_to is None or valid_to > row.requested_at)
        ]
        assert row.stamps == sorted(expected), row


def change_maps(live: Live, town: Smallville) -> list[dict[str, Any]]:
    """Publish maps and take some of them back; those that were in force, in their order.

    Each begins in a second of its own, as times are whole seconds, and when the one before is settled.
    """
    in_force: list[dict[str, Any]] = [
        {"since": None, "begins": None, "areas": {"W": WEST, "E": EAST}, "stays": True},
    ]
    steps: list[dict[str, Polygon] | None] = [SWAPPED, None, HALVES, SWAPPED, None, SWAPPED]
    for step, following in zip(steps, [*steps[1:], {}], strict=True):
        time.sleep(0.3)
        began = this_second() + SECOND
        time.sleep((began - datetime.now(UTC)).total_seconds())
        with town.session.begin():
            if step is None:
                version = town.take_back(now=began)
                areas = in_force[-2]["areas"]
                begins = in_force[-2]["begins"]
                stays = True
            else:
                version = town.publish(step, valid_from=began)
                areas, begins, stays = step, began, following is not None
            stamp_later(driver_connection(town.session), version)
        in_force.append({"since": began, "begins": begins, "areas": areas, "stays": stays})
        settled(live, version)
    return in_force


def settled(live: Live, version: LayerVersion) -> None:
    """Waits until a version is stamped."""
    with live.connect() as connection:
        until(connection, f"select 1 from layer_version where id = {version.id} and stamping = 'done'")


def requests_of(live: Live) -> list[Any]:
    """Every request of Smallville with its desk, decisions and stamps of wards."""
    with live.connect() as connection, connection.cursor(row_factory=namedtuple_row) as cursor:
        return cursor.execute(
            "select r.number, r.requested_at, ST_X(r.location) as long, ST_Y(r.location) as lat, d.name as answers_for,"
            " (select array_agg(e.facts->>'cause' order by e.id) from request_event e"
            "  where e.request_id = r.id and e.kind = 'routed') as causes,"
            " (select coalesce(e.facts->>'unit', e.facts->>'department') from request_event e"
            "  where e.request_id = r.id and e.kind = 'routed' order by e.id desc limit 1) as last_decision,"
            " (select array_agg(s.boundary_id order by s.boundary_id) from request_district s"
            "  join boundary b on b.id = s.boundary_id join layer l on l.id = b.layer_id and l.code = 'ward'"
            "  where s.request_id = r.id) as stamps"
            " from service_request r join jurisdiction j on j.id = r.jurisdiction_id"
            " join department d on d.id = coalesce(r.unit_id, r.department_id) where j.slug = 'small.gov'"
        ).fetchall()


def expected_desk(row: Any, in_force: list[dict[str, Any]]) -> str:
    """Who answers by the map that was in force as the request came in: East Yard has the potholes of ward E."""
    then = [map for map in in_force if map["since"] is None or map["since"] <= row.requested_at][-1]
    return "East Yard" if then["areas"]["E"].covers(Dot(row.long, row.lat)) else "Public Works"


def this_second() -> datetime:
    """Now, its fraction cut off."""
    return datetime.now(UTC).replace(microsecond=0)
