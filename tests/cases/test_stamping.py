"""Requests stamped with the districts of a map that took effect or was taken back."""

import signal
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg import Connection
from shapely import box
from sqlalchemy.orm import Session

from db import db
from geo.models import LayerVersion
from open311.actors import operator
from open311.cases import rerouting, stamping
from open311.cases.assignment import reassign
from open311.cases.stamping import StillComingIn, settle, stamp_batch, stamp_later, wait_for_older
from tests.cases.conftest import Worker, until, waiting_for_a_lock, whole_second_ago
from tests.cases.smallville import AS_BEFORE, IN_EAST, IN_WEST, SWAPPED, Smallville
from tests.small_city import CITY, EAST, WEST, SmallCity

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
LOADED = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEFORE, CHANGE = LOADED + HOUR, LOADED + DAY


@pytest.fixture
def town(app: Flask, folder: SmallCity) -> Smallville:
    """Smallville in the test's transaction."""
    return Smallville(db.session(), folder, now=LOADED)


def progress(version: LayerVersion) -> tuple[str, int, int]:
    """(stamping, stamped_requests, rerouted_requests) of a version."""
    db.session.refresh(version)
    return version.stamping, version.stamped_requests, version.rerouted_requests


# A map that takes effect


def test_a_new_map_stamps_every_request_with_old_and_new(town: Smallville):
    west, east = town.report(IN_WEST, at=BEFORE), town.report(IN_EAST, at=BEFORE)
    version = town.publish(SWAPPED, valid_from=CHANGE)

    town.stamp(version, now=CHANGE)

    assert town.stamps(west) == [("W", None), ("E", CHANGE)]
    assert town.stamps(east) == [("E", None), ("W", CHANGE)]
    assert progress(version) == ("done", 2, 0)


def test_a_district_that_stayed_as_it_was_is_stamped_once(town: Smallville):
    number = town.report(IN_EAST, at=BEFORE)
    version = town.publish({"E": EAST, "W": box(-71.2, 42.3, -71.15, 42.4)}, valid_from=CHANGE)

    town.stamp(version, now=CHANGE)

    assert town.stamps(number) == [("E", None)]


def test_closed_requests_are_stamped_as_well(town: Smallville):
    number = town.report(IN_WEST, at=BEFORE)
    town.connection.execute("update service_request set status = 'closed', closed_at = updated_at where number = %s", [number])

    town.stamp(town.publish(SWAPPED, valid_from=CHANGE), now=CHANGE)

    assert town.stamps(number) == [("W", None), ("E", CHANGE)]


def test_a_request_without_a_place_and_one_that_the_new_map_leaves_out_get_no_stamp(town: Smallville):
    nowhere, east = town.report(None, at=BEFORE), town.report(IN_EAST, at=BEFORE)

    town.stamp(town.publish({"W": WEST}, valid_from=CHANGE), now=CHANGE)

    assert (town.stamps(nowhere), town.stamps(east)) == ([], [("E", None)])


def test_the_stamps_of_other_layers_stay_as_they_are(town: Smallville):
    number = town.report(IN_WEST, at=BEFORE)

    town.stamp(town.publish(SWAPPED, valid_from=CHANGE), now=CHANGE)

    assert town.stamps(number, "city") == [("S", None)]


def test_a_new_layer_stamps_the_requests_that_were_there_before_it(town: Smallville):
    number = town.report(IN_WEST, at=BEFORE)
    town.folder.change("jurisdiction.yml", "  ward: {name: Wards}\n", "  ward: {name: Wards}\n  beat: {name: Beats}\n")
    town.folder.draw("beat", {"1": CITY})
    town.load(now=CHANGE)
    version = db.session.get_one(LayerVersion, (town.city.id, town.rows("select max(id) as id from layer_version")[0].id))

    town.stamp(version, now=CHANGE)

    assert town.stamps(number, "beat") == [("1", None)]


def test_the_first_load_of_a_city_leaves_nothing_to_stamp(town: Smallville):
    versions = town.rows("select stamping from layer_version where jurisdiction_id = %s", town.city.id)

    assert [row.stamping for row in versions] == ["done", "done"]
    assert town.rows("select 1 from procrastinate_jobs where task_name = 'stamp_districts'") == []


def test_a_late_job_stamps_with_its_own_map_and_not_with_the_next_one(town: Smallville):
    first, second, third = (town.report(IN_WEST, at=BEFORE) for _ in range(3))
    swapped = town.publish(SWAPPED, valid_from=CHANGE)
    during = town.report(IN_WEST, at=CHANGE + HOUR)
    back = town.publish(AS_BEFORE, valid_from=CHANGE + DAY)
    after = town.report(IN_WEST, at=CHANGE + DAY)

    for version in (swapped, back):
        town.stamp(version, now=CHANGE + 2 * DAY)

    every = [("W", None), ("E", CHANGE), ("W", CHANGE + DAY)]
    assert [town.stamps(number) for number in (first, second, third)] == [every] * 3
    # Not with what was over when they came in.
    assert (town.stamps(during), town.stamps(after)) == (every[1:], every[2:])


# Batch by batch


def test_requests_are_stamped_in_batches_with_their_progress(town: Smallville, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stamping, "BATCH_REQUESTS", 2)
    numbers = [town.report(IN_WEST, at=BEFORE) for _ in range(5)]
    version = town.publish(SWAPPED, valid_from=CHANGE)
    key = {"jurisdiction_id": town.city.id, "layer_version_id": version.id, "now": CHANGE}

    seen = []
    for _ in range(3):
        has_more = stamp_batch(town.connection, **key)  # type: ignore[arg-type]
        seen.append((has_more, *progress(version)[:2], version.stamped_through_id))

    ids = [town.request(number).id for number in numbers]
    assert seen == [(True, "running", 2, ids[1]), (True, "running", 4, ids[3]), (False, "running", 5, ids[4])]


def test_a_job_that_was_cut_off_in_the_middle_and_begun_again_does_the_same(town: Smallville, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stamping, "BATCH_REQUESTS", 2)
    numbers = [town.report(IN_WEST, at=BEFORE) for _ in range(5)]
    version = town.publish(SWAPPED, valid_from=CHANGE, reroutes=True)
    key = {"jurisdiction_id": town.city.id, "layer_version_id": version.id, "now": CHANGE}
    stamp_batch(town.connection, **key)  # type: ignore[arg-type]
    with town.connection.transaction(force_rollback=True):
        stamp_batch(town.connection, **key)  # type: ignore[arg-type]

    town.stamp(version, now=CHANGE)

    assert progress(version) == ("done", 5, 5)
    assert [town.stamps(number) for number in numbers] == [[("W", None), ("E", CHANGE)]] * 5
    assert [len(town.causes(number)) for number in numbers] == [2] * 5


def test_running_it_again_changes_nothing(town: Smallville):
    number = town.report(IN_WEST, at=BEFORE)
    version = town.publish(SWAPPED, valid_from=CHANGE, reroutes=True)
    town.stamp(version, now=CHANGE)
    before = town.stamps(number), town.causes(number), progress(version)

    town.stamp(version, now=CHANGE + DAY)

    assert (town.stamps(number), town.causes(number), progress(version)) == before


# Routing anew


def test_open_requests_stay_where_they_are_unless_that_was_asked(town: Smallville):
    number = town.report(IN_WEST, at=BEFORE)
    version = town.publish(SWAPPED, valid_from=CHANGE)

    town.stamp(version, now=CHANGE)

    assert (town.request(number).answers_for, town.causes(number)) == ("WORKS", [None])


def test_when_it_was_asked_open_requests_go_where_the_new_map_says_with_the_reason(town: Smallville):
    west, east = town.report(IN_WEST, at=BEFORE), town.report(IN_EAST, at=BEFORE)
    tree = town.report(IN_WEST, at=BEFORE, service="tree")
    version = town.publish(SWAPPED, valid_from=CHANGE, reroutes=True)

    town.stamp(version, now=CHANGE)

    assert [town.request(number).answers_for for number in (west, east, tree)] == ["works-east", "WORKS", "PARKS"]
    assert town.causes(west) == town.causes(east) == [None, "the map of ward changed on 2026-03-02"]
    assert town.causes(tree) == [None]
    assert progress(version) == ("done", 3, 2)


def test_closed_requests_and_those_that_a_person_routed_stay_all_the_same(town: Smallville):
    closed, given = town.report(IN_WEST, at=BEFORE), town.report(IN_WEST, at=BEFORE)
    town.connection.execute("update service_request set status = 'closed', closed_at = updated_at where number = %s", [closed])
    reassign(town.connection, town.city, given, "PARKS", by=operator("Ann"), reason="roots", now=BEFORE)

    town.stamp(town.publish(SWAPPED, valid_from=CHANGE, reroutes=True), now=CHANGE)

    assert [town.request(number).answers_for for number in (closed, given)] == ["WORKS", "PARKS"]
    assert town.causes(closed) == town.causes(given) == [None]


def test_the_day_of_a_map_is_told_by_the_citys_clock(town: Smallville):
    number = town.report(IN_WEST, at=BEFORE)
    evening = datetime(2026, 3, 3, 3, 30, tzinfo=UTC)  # half past ten of the evening before

    town.stamp(town.publish(SWAPPED, valid_from=evening, reroutes=True), now=evening)

    assert town.causes(number)[-1] == "the map of ward changed on 2026-03-02"


def test_what_came_in_by_the_old_map_while_the_new_one_was_published_is_routed_anew(town: Smallville):
    by_the_old = town.route(IN_WEST, at=CHANGE)
    version = town.publish(SWAPPED, valid_from=CHANGE)
    number = town.report(IN_WEST, at=CHANGE, decision=by_the_old)
    sooner = town.report(IN_WEST, at=CHANGE - SECOND, decision=by_the_old)

    town.stamp(version, now=CHANGE + SECOND)

    assert town.request(number).answers_for == "works-east"
    assert town.causes(number) == [None, "the map of ward changed on 2026-03-02 as it came in"]
    assert town.stamps(number) == [("E", CHANGE)]
    assert (town.request(sooner).answers_for, town.causes(sooner)) == ("WORKS", [None])
    assert town.stamps(sooner) == [("W", None), ("E", CHANGE)]


def test_what_comes_in_behind_the_last_batch_is_stamped_and_routed_as_was_asked(town: Smallville):
    by_the_old = town.route(IN_WEST, at=CHANGE - SECOND)
    version = town.publish(SWAPPED, valid_from=CHANGE, reroutes=True)
    key = {"jurisdiction_id": town.city.id, "layer_version_id": version.id, "now": CHANGE}
    stamp_batch(town.connection, **key)  # type: ignore[arg-type]
    number = town.report(IN_WEST, at=CHANGE - SECOND, decision=by_the_old)

    settle(town.connection, **key)  # type: ignore[arg-type]

    assert town.stamps(number) == [("W", None), ("E", CHANGE)]
    assert town.causes(number) == [None, "the map of ward changed on 2026-03-02"]
    assert progress(version) == ("done", 0, 1)


# A map that is taken back


def test_when_a_map_is_taken_back_its_stamps_and_rows_go_and_the_former_come_back(town: Smallville):
    before = town.report(IN_WEST, at=BEFORE)
    town.stamp(town.publish(SWAPPED, valid_from=CHANGE), now=CHANGE)
    during = town.report(IN_WEST, at=CHANGE + HOUR)
    version = town.take_back(now=CHANGE + DAY)

    town.stamp(version, now=CHANGE + DAY)

    assert town.stamps(before) == town.stamps(during) == [("W", None)]
    assert progress(version) == ("done", 2, 0)
    assert town.rows("select 1 from boundary where jurisdiction_id = %s and valid_from is not null", town.city.id) == []


def test_what_came_in_under_a_map_that_was_taken_back_has_the_map_before_though_the_next_one_is_in_force(town: Smallville):
    swapped = town.publish(SWAPPED, valid_from=CHANGE)
    during = town.report(IN_WEST, at=CHANGE + HOUR)
    taken_back = town.take_back(now=CHANGE + 2 * HOUR)
    corrected = town.publish({"W": box(-71.2, 42.3, -71.11, 42.4), "E": EAST}, valid_from=CHANGE + 3 * HOUR)

    for version in (taken_back, corrected):
        town.stamp(version, now=CHANGE + 4 * HOUR)

    assert taken_back is swapped
    assert town.stamps(during) == [("W", None), ("W", CHANGE + 3 * HOUR)]


def test_the_map_before_one_that_is_taken_back_before_its_day_stays(town: Smallville):
    number = town.report(IN_WEST, at=BEFORE)
    town.publish(SWAPPED, valid_from=CHANGE, published_at=LOADED)

    town.stamp(town.take_back(now=BEFORE + HOUR), now=CHANGE + HOUR)

    assert town.stamps(number) == [("W", None)]


def test_of_two_maps_that_were_taken_back_neither_is_stamped_by_the_others_withdrawal(town: Smallville):
    town.publish(SWAPPED, valid_from=CHANGE)
    during = town.report(IN_WEST, at=CHANGE + HOUR)
    town.publish({"X": WEST}, valid_from=CHANGE + DAY)
    later, sooner = town.take_back(now=CHANGE + 2 * DAY), town.take_back(now=CHANGE + 2 * DAY)

    town.stamp(sooner, now=CHANGE + 2 * DAY)
    before = town.stamps(during)
    town.stamp(later, now=CHANGE + 2 * DAY)

    assert before == town.stamps(during) == [("W", None)]


def test_until_then_what_was_taken_back_keeps_its_rows(town: Smallville):
    town.report(IN_WEST, at=BEFORE)
    town.stamp(town.publish(SWAPPED, valid_from=CHANGE), now=CHANGE)

    version = town.take_back(now=CHANGE + DAY)
    stamp_batch(
        town.connection, jurisdiction_id=town.city.id, layer_version_id=version.id, is_withdrawal=True, now=CHANGE + DAY
    )

    rows = town.rows("select code from boundary where jurisdiction_id = %s and valid_from is not null", town.city.id)
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("reroutes", "department", "causes"),
    [
        pytest.param(False, "works-east", [None], id="not-asked"),
        pytest.param(True, "WORKS", [None, "the map of ward from 2026-03-02 was taken back"], id="asked"),
    ],
)
def test_taking_back_routes_open_requests_anew_only_when_asked(
    town: Smallville, reroutes: bool, department: str, causes: list[str | None]
):
    town.stamp(town.publish(SWAPPED, valid_from=CHANGE), now=CHANGE)
    number = town.report(IN_WEST, at=CHANGE + HOUR)

    town.stamp(town.take_back(now=CHANGE + DAY, reroutes=reroutes), now=CHANGE + DAY)

    assert (town.request(number).answers_for, town.causes(number)) == (department, causes)


def test_what_came_in_by_a_map_while_it_was_taken_back_is_routed_anew(town: Smallville):
    town.stamp(town.publish(SWAPPED, valid_from=CHANGE), now=CHANGE)
    by_the_new = town.route(IN_WEST, at=CHANGE + DAY)
    version = town.take_back(now=CHANGE + DAY)
    number = town.report(IN_WEST, at=CHANGE + DAY, decision=by_the_new)

    town.stamp(version, now=CHANGE + DAY)

    assert town.request(number).answers_for == "WORKS"
    assert town.causes(number) == [None, "the map of ward from 2026-03-02 was taken back as it came in"]
    assert town.stamps(number) == [("W", None)]


def test_the_job_of_a_map_that_was_taken_back_leaves_all_to_that_of_the_withdrawal(town: Smallville):
    number = town.report(IN_WEST, at=BEFORE)
    version = town.publish(SWAPPED, valid_from=CHANGE)
    key = {"jurisdiction_id": town.city.id, "layer_version_id": version.id, "now": CHANGE}
    stamp_batch(town.connection, **key)  # type: ignore[arg-type]
    town.take_back(now=CHANGE)

    assert stamp_batch(town.connection, **key) is False  # type: ignore[arg-type]
    settle(town.connection, **key)  # type: ignore[arg-type]

    assert progress(version)[0] == "waiting"
    town.stamp(version, now=CHANGE)
    assert town.stamps(number) == [("W", None)]


# The job


@pytest.mark.parametrize(
    ("valid_from", "taken_back", "scheduled_at"),
    [
        pytest.param(CHANGE, False, CHANGE, id="on-its-day"),
        pytest.param(CHANGE, True, None, id="at-once-when-it-was-taken-back"),
    ],
)
def test_the_job_is_put_off_until_the_map_takes_effect(
    town: Smallville, valid_from: datetime, taken_back: bool, scheduled_at: datetime | None
):
    version = town.publish(SWAPPED, valid_from=valid_from, published_at=LOADED)
    if taken_back:
        version = town.take_back(now=LOADED)

    stamp_later(town.connection, version)

    (job,) = town.rows("select args, scheduled_at from procrastinate_jobs where task_name = 'stamp_districts'")
    assert job.scheduled_at == scheduled_at
    assert job.args == {"jurisdiction_id": town.city.id, "layer_version_id": version.id, "is_withdrawal": taken_back}


def test_nobody_waits_when_nothing_older_goes_on(own: "Connection[Any]"):
    wait_for_older(own)


def test_a_transaction_that_has_only_read_so_far_is_waited_for(
    own: "Connection[Any]", own_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stamping, "_PATIENCE_SECONDS", 0.1)
    with psycopg.connect(own_url) as reading:
        reading.execute("select 1")

        with pytest.raises(StillComingIn):
            wait_for_older(own)

    wait_for_older(own)


def test_a_transaction_of_another_database_is_not_waited_for(own: "Connection[Any]", cluster: Any):
    with psycopg.connect(cluster.url("postgres")) as elsewhere:
        elsewhere.execute("select 1")

        wait_for_older(own)


def test_a_request_that_is_moved_while_it_is_stamped_keeps_no_stamp_of_its_old_place(
    own_town: Smallville, own: "Connection[Any]"
):
    now = whole_second_ago()
    number = own_town.report(IN_WEST, at=now - SECOND)
    version = own_town.publish(SWAPPED, valid_from=now)
    own_town.session.commit()
    moved = rerouting.Changes(point=IN_EAST)
    rerouting.change(own_town.connection, own_town.city, number, moved, by=operator("Ann"), now=now)

    def stamp() -> None:
        with Session(own_town.session.get_bind()) as session, session.begin():
            own_town.through(session).stamp(version, now=now)

    job = threading.Thread(target=stamp)
    job.start()
    waiting_for_a_lock(own)
    own_town.session.commit()
    job.join()

    assert own_town.stamps(number) == [("E", None), ("W", now)]


def test_a_worker_stamps_when_the_day_has_come_and_a_map_of_next_year_does_not_hold_it_up(
    own_town: Smallville, own: "Connection[Any]", start_worker: Worker
):
    number = own_town.report(IN_WEST, at=whole_second_ago())
    next_year = own_town.publish({"W": CITY}, valid_from=whole_second_ago() + 365 * DAY, published_at=whole_second_ago())
    stamp_later(own_town.connection, next_year)
    own_town.session.commit()
    taken_back = own_town.take_back(now=whole_second_ago())
    stamp_later(own_town.connection, taken_back)
    soon = whole_second_ago() + 4 * SECOND
    version = own_town.publish(SWAPPED, valid_from=soon, published_at=whole_second_ago())
    stamp_later(own_town.connection, version)
    own_town.session.commit()
    start_worker()

    until(own, f"select 1 from layer_version where id = {taken_back.id} and stamping = 'done'")
    until(own, f"select 1 from layer_version where id = {version.id} and stamping = 'done'")

    assert datetime.now(UTC) >= soon
    assert own_town.stamps(number) == [("W", None), ("E", soon)]
    until(own, "select 1 from procrastinate_jobs where task_name = 'stamp_districts' having count(*) = 1")


def test_a_request_in_the_middle_of_coming_in_is_waited_for_and_a_killed_worker_is_no_harm(
    own_town: Smallville, own: "Connection[Any]", start_worker: Worker
):
    now = whole_second_ago()
    there = own_town.report(IN_EAST, at=now - SECOND)
    own_town.session.commit()
    with Session(own_town.session.get_bind()) as slow:
        coming_in = own_town.through(slow)
        decision = coming_in.route(IN_WEST, at=now)  # and its photos take their time
        version = own_town.publish(SWAPPED, valid_from=now, reroutes=True)
        stamp_later(own_town.connection, version)
        own_town.session.commit()
        worker = start_worker()
        until(own, f"select 1 from layer_version where id = {version.id} and stamping = 'running'")
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        own.execute("update procrastinate_workers set last_heartbeat = now() - interval '13 seconds'")
        own.execute("delete from procrastinate_periodic_defers")
        written = own.execute(f"select xmin::text as by from layer_version where id = {version.id}").fetchone()
        assert written is not None
        start_worker()
        until(own, "select 1 from procrastinate_jobs where task_name = 'stamp_districts' and status = 'doing' and attempts = 1")
        # Its batch is behind it: from now on it waits.
        until(own, f"select 1 from layer_version where id = {version.id} and xmin::text <> '{written.by}'")
        assert own.execute(f"select 1 from layer_version where id = {version.id} and stamping = 'running'").fetchone()

        late = coming_in.report(IN_WEST, at=now, decision=decision)
        slow.commit()

    until(own, f"select 1 from layer_version where id = {version.id} and stamping = 'done'")
    own_town.session.rollback()
    assert [own_town.request(number).answers_for for number in (there, late)] == ["WORKS", "works-east"]
    day = now.astimezone(own_town.city.zone).date()
    assert own_town.causes(late) == [None, f"the map of ward changed on {day} as it came in"]
    assert own_town.stamps(there) == [("E", None), ("W", now)]
    assert progress_of(own, version) == ("done", 1, 2)


def progress_of(own: "Connection[Any]", version: LayerVersion) -> tuple[Any, ...]:
    """(stamping, stamped_requests, rerouted_requests) of a version."""
    row = own.execute(
        f"select stamping, stamped_requests, rerouted_requests from layer_version where id = {version.id}"
    ).fetchone()
    assert row is not None
    return tuple(row)
