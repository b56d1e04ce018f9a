"""Maps over time: what publishing and taking back a layer's map does to its districts, as their rows tell it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from shapely import MultiPolygon, Polygon
from shapely.affinity import translate
from sqlalchemy import select

from db import db
from geo.importing import NewBoundary
from geo.models import Boundary, LayerVersion
from geo.point import Point
from geo.versions import NothingToWithdraw, VersionInTheWay, newest_version, publish, withdraw
from routing.decision import Decision
from tests.town import Town, square

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TOMORROW, LATER = NOW + DAY, NOW + 9 * DAY

WEST, EAST, NORTH = square(0, 0), square(1, 0), square(0, 1)
# A redrawn map: the two swap their places.
FIRST = {"W": WEST, "E": EAST}
SWAPPED = {"W": EAST, "E": WEST}


def drawn(areas: dict[str, Polygon], **names: str) -> list[NewBoundary]:
    """A map to publish; names by code."""
    return [
        NewBoundary(code=code, name=names.get(code, f"Ward {code}"), area=MultiPolygon([area]), repaired=None)
        for code, area in areas.items()
    ]


def put(
    town: Town, areas: dict[str, Polygon], valid_from: datetime | None, *, layer: str = "ward", **names: str
) -> LayerVersion | None:
    """Publish a map of the layer."""
    return publish(
        db.session(),
        drawn(areas, **names),
        jurisdiction_id=town.id,
        layer_id=town.layer(layer).id,
        valid_from=valid_from,
        published_at=NOW,
        source="wards.geojson",
    )


def take_back(town: Town, *, now: datetime = NOW, layer: str = "ward") -> LayerVersion:
    """Take the layer's newest map back."""
    return withdraw(db.session(), jurisdiction_id=town.id, layer_id=town.layer(layer).id, now=now)


def rows(town: Town, layer: str = "ward") -> list[tuple[Any, ...]]:
    """(code, where its south-west corner lies, valid_from, valid_to) of every boundary, in the order they were made."""
    db.session.expire_all()
    found = db.session.scalars(
        select(Boundary)
        .where(Boundary.jurisdiction_id == town.id, Boundary.layer_id == town.layer(layer).id)
        .order_by(Boundary.id)
    )
    return [(row.code, row.area.bounds[:2], row.valid_from, row.valid_to) for row in found]


def at(town: Town, when: datetime, *, long: float = 0.5) -> list[str]:
    """The codes of the districts that cover a place in the west at a moment."""
    decision: Decision = town.decide_all({0: ("pothole", Point(long=long, lat=0.5))}, at=when)[0]
    codes = dict(db.session.execute(select(Boundary.id, Boundary.code).where(Boundary.jurisdiction_id == town.id)).all())
    return [codes[boundary_id] for boundary_id in decision.boundary_ids]


WEST_AT, EAST_AT, NORTH_AT = (0, 0), (1, 0), (0, 1)


def test_the_first_map_holds_since_ever(town: Town):
    version = put(town, FIRST, None)

    assert version is not None
    assert (version.valid_from, version.boundaries, version.source) == (None, 2, "wards.geojson")
    assert rows(town) == [("W", WEST_AT, None, None), ("E", EAST_AT, None, None)]
    assert at(town, NOW - 9999 * DAY) == ["W"]


@pytest.mark.parametrize(
    "valid_from",
    [
        pytest.param(TOMORROW, id="ahead-of-its-day"),
        pytest.param(NOW, id="now"),
        pytest.param(NOW - 99 * DAY, id="in-the-past"),
    ],
)
def test_a_new_map_begins_at_its_moment_where_the_old_one_ends(town: Town, valid_from: datetime):
    put(town, FIRST, None)

    put(town, SWAPPED, valid_from)

    assert rows(town) == [
        ("W", WEST_AT, None, valid_from),
        ("E", EAST_AT, None, valid_from),
        ("W", EAST_AT, valid_from, None),
        ("E", WEST_AT, valid_from, None),
    ]
    assert (at(town, valid_from - timedelta(seconds=1)), at(town, valid_from)) == (["W"], ["E"])


def test_a_new_map_waits_to_be_stamped(town: Town):
    put(town, FIRST, None)

    version = put(town, SWAPPED, TOMORROW)

    assert version is not None
    assert (version.stamping, version.stamped_through_id, version.stamped_requests, version.withdrawn_at) == (
        "waiting",
        0,
        0,
        None,
    )


@pytest.mark.parametrize(
    "moved_by_degrees",
    [pytest.param(0.0, id="to-the-last-digit"), pytest.param(4e-10, id="but-for-what-a-file-rounds")],
)
def test_the_same_map_again_is_no_version(town: Town, moved_by_degrees: float):
    put(town, FIRST, None)

    again = put(town, {code: translate(area, moved_by_degrees) for code, area in FIRST.items()}, TOMORROW)

    assert again is None
    assert rows(town) == [("W", WEST_AT, None, None), ("E", EAST_AT, None, None)]
    assert len(db.session.scalars(select(LayerVersion).where(LayerVersion.jurisdiction_id == town.id)).all()) == 1


def test_a_district_that_moved_by_a_centimetre_is_drawn_anew(town: Town):
    put(town, FIRST, None)

    assert put(town, {**FIRST, "E": translate(EAST, 1e-7)}, TOMORROW) is not None

    assert [(code, valid_from, valid_to) for code, _, valid_from, valid_to in rows(town)] == [
        ("W", None, None),
        ("E", None, TOMORROW),
        ("E", TOMORROW, None),
    ]


def test_a_new_name_alone_is_no_version_and_holds_at_once(town: Town):
    put(town, FIRST, None)

    again = put(town, FIRST, TOMORROW, W="The Old Town")

    assert again is None
    names = db.session.execute(select(Boundary.code, Boundary.name).where(Boundary.jurisdiction_id == town.id))
    assert dict(names.all()) == {"W": "The Old Town", "E": "Ward E"}


def test_a_district_that_is_gone_ends_and_the_rest_stays_as_it_is(town: Town):
    put(town, FIRST, None)

    put(town, {"E": EAST}, TOMORROW)

    assert rows(town) == [("W", WEST_AT, None, TOMORROW), ("E", EAST_AT, None, None)]
    assert (at(town, NOW), at(town, TOMORROW)) == (["W"], [])


def test_a_new_district_begins_and_the_rest_stays_as_it_is(town: Town):
    put(town, FIRST, None)

    put(town, {**FIRST, "N": NORTH}, TOMORROW)

    assert rows(town) == [
        ("W", WEST_AT, None, None),
        ("E", EAST_AT, None, None),
        ("N", NORTH_AT, TOMORROW, None),
    ]


def test_a_layer_that_lost_its_map_may_get_another(town: Town):
    put(town, FIRST, None)
    put(town, {}, TOMORROW)

    version = put(town, FIRST, LATER)

    assert version is not None
    assert version.stamping == "waiting"
    assert [at(town, when) for when in (NOW, TOMORROW, LATER)] == [["W"], [], ["W"]]


@pytest.mark.parametrize(
    "valid_from",
    [
        pytest.param(LATER, id="at-the-same-moment"),
        pytest.param(LATER - DAY, id="before-it"),
        pytest.param(None, id="since-ever"),
    ],
)
def test_no_map_is_published_before_one_that_is_published_already(town: Town, valid_from: datetime | None):
    put(town, FIRST, None)
    put(town, SWAPPED, LATER)
    before = rows(town)

    with pytest.raises(VersionInTheWay) as refused:
        put(town, FIRST, valid_from)

    assert refused.value.args == (LATER,)
    assert rows(town) == before


def test_boundaries_from_before_versions_were_kept_are_in_the_way_as_well(town: Town):
    town.boundary("W", WEST, valid_to=LATER)
    town.boundary("W", EAST, valid_from=LATER)

    with pytest.raises(VersionInTheWay):
        put(town, FIRST, LATER)


def test_a_second_map_must_have_a_beginning(town: Town):
    put(town, FIRST, None)

    with pytest.raises(ValueError, match="only the first map of a layer has no beginning"):
        put(town, SWAPPED, None)

    assert rows(town) == [("W", WEST_AT, None, None), ("E", EAST_AT, None, None)]


def test_one_layer_does_not_stand_in_the_way_of_another(town: Town):
    put(town, FIRST, None)
    put(town, SWAPPED, LATER)

    put(town, FIRST, None, layer="precinct")
    put(town, SWAPPED, TOMORROW, layer="precinct")

    assert len(rows(town)) == len(rows(town, "precinct")) == 4


def test_a_map_taken_back_is_as_if_it_had_never_been(town: Town):
    put(town, FIRST, None)
    put(town, {"W": WEST, "E": NORTH, "S": EAST}, TOMORROW)

    version = take_back(town)

    # Rows of a map that was taken back are never in force: they begin when they end.
    assert rows(town) == [
        ("W", WEST_AT, None, None),
        ("E", EAST_AT, None, None),
        ("E", NORTH_AT, TOMORROW, TOMORROW),
        ("S", EAST_AT, TOMORROW, TOMORROW),
    ]
    assert [at(town, when, long=1.5) for when in (NOW, TOMORROW, LATER)] == [["E"]] * 3
    assert (version.withdrawn_at, version.stamping) == (NOW, "waiting")


def test_taking_back_counts_the_requests_from_the_start(town: Town):
    put(town, FIRST, None)
    version = put(town, SWAPPED, TOMORROW)
    assert version is not None
    version.stamping, version.stamped_through_id, version.stamped_requests, version.rerouted_requests = "done", 9, 9, 9

    take_back(town)

    assert (version.stamping, version.stamped_through_id, version.stamped_requests, version.rerouted_requests) == (
        "waiting",
        0,
        0,
        0,
    )


def test_maps_are_taken_back_one_after_the_other_the_newest_first(town: Town):
    put(town, FIRST, None)
    put(town, SWAPPED, TOMORROW)
    put(town, FIRST, LATER)

    first, second = take_back(town), take_back(town)

    assert (first.valid_from, second.valid_from) == (LATER, TOMORROW)
    assert at(town, LATER) == ["W"]
    with pytest.raises(NothingToWithdraw):
        take_back(town)


def test_a_map_that_holds_since_ever_cannot_be_taken_back(town: Town):
    put(town, FIRST, None)

    with pytest.raises(NothingToWithdraw):
        take_back(town)

    assert [row[2:] for row in rows(town)] == [(None, None)] * 2


def test_the_first_map_can_be_taken_back_when_it_has_a_beginning(town: Town):
    put(town, FIRST, TOMORROW)

    take_back(town)

    assert [row[2:] for row in rows(town)] == [(TOMORROW, TOMORROW)] * 2
    with pytest.raises(NothingToWithdraw):
        take_back(town)
    assert put(town, FIRST, TOMORROW) is not None


def test_a_layer_without_a_map_has_none_to_take_back(town: Town):
    with pytest.raises(NothingToWithdraw):
        take_back(town)


def test_after_one_was_taken_back_another_may_begin_at_the_same_moment_or_before(town: Town):
    put(town, FIRST, None)
    put(town, SWAPPED, TOMORROW)
    take_back(town)
    put(town, {"W": NORTH}, TOMORROW)
    take_back(town)

    put(town, SWAPPED, NOW)

    assert (at(town, NOW - DAY), at(town, NOW), at(town, TOMORROW)) == (["W"], ["E"], ["E"])


def test_taking_back_the_second_of_two_that_were_to_begin_at_one_moment_does_not_bring_the_first_again(town: Town):
    put(town, FIRST, None)
    put(town, SWAPPED, TOMORROW)
    take_back(town)
    put(town, {"W": NORTH}, TOMORROW)

    take_back(town)

    in_force = [row for row in rows(town) if row[2] != row[3] or row[2] is None]
    assert in_force == [("W", WEST_AT, None, None), ("E", EAST_AT, None, None)]


def test_the_newest_version_is_the_last_that_was_not_taken_back(town: Town):
    key = {"jurisdiction_id": town.id, "layer_id": town.layer("ward").id}
    put(town, FIRST, None)
    second = put(town, SWAPPED, TOMORROW)
    put(town, FIRST, LATER)
    take_back(town)

    assert newest_version(db.session(), **key) is second
