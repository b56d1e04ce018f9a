"""What holds for every map and every set of rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import Polygon
from shapely.geometry import Point as Dot

from db import db
from geo.point import Point
from tests.town import Town, square

SERVICES = {"pothole": "Streets", "lamp": "Streets", "tree": "Parks"}
# Half steps: every other line of points runs along edges and through corners.
PLACES = [Point(long=x / 2, lat=y / 2) for x in range(8) for y in range(0, 8, 3)]

# The app fixture is one transaction; each example takes back what it did, so sharing it is sound.
drawn = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)


@dataclass(frozen=True)
class Zone:
    """A boundary to be."""

    layer: str
    code: str
    area: Polygon


@dataclass(frozen=True)
class Says:
    """A rule to be; department is its own code in capitals."""

    code: str
    service: str | None
    group: str | None
    zone: Zone | None
    priority: int


zones = st.lists(
    st.builds(
        lambda layer, west, south, size: (layer, square(west, south, size)),
        st.sampled_from(["ward", "precinct"]),
        st.integers(0, 3),
        st.integers(0, 3),
        st.sampled_from([1, 1, 2, 3]),
    ),
    min_size=1,
    max_size=8,
).map(lambda found: [Zone(layer, f"Z{position}", area) for position, (layer, area) in enumerate(found)])


@st.composite
def maps(draw: st.DrawFn) -> tuple[list[Zone], list[Says]]:
    """Zones, and rules that speak of them."""
    some = draw(zones)
    spoken = draw(
        st.lists(
            st.tuples(
                st.sampled_from([("pothole", None), ("lamp", None), (None, "Streets"), (None, "Parks"), (None, None)]),
                st.none() | st.sampled_from(some),
                st.sampled_from([50, 100, 100]),
            ),
            max_size=10,
        )
    )
    codes = draw(st.permutations([f"r{position}" for position in range(len(spoken))]))
    return some, [
        Says(code, service, group, zone, priority)
        for code, ((service, group), zone, priority) in zip(codes, spoken, strict=True)
    ]


@drawn
@given(drawing=maps())
def test_the_database_decides_as_a_naive_reading_of_the_rules_does(app: Flask, drawing: tuple[list[Zone], list[Says]]):
    some, says = drawing

    decided = decisions(some, says)

    for (service, place), (rules, covering) in decided.items():
        assert rules == naive(service, place, says), (service, place)
        assert covering == sorted(zone.code for zone in some if covered(zone, place)), place


@drawn
@given(drawing=maps(), data=st.data())
def test_the_order_in_which_rules_and_boundaries_were_entered_changes_nothing(
    app: Flask, drawing: tuple[list[Zone], list[Says]], data: st.DataObject
):
    some, says = drawing
    shuffled = data.draw(st.permutations(some)), data.draw(st.permutations(says))

    assert decisions(*shuffled) == decisions(some, says)


def decisions(some: Sequence[Zone], says: Sequence[Says]) -> dict[Any, tuple[list[str | None], list[str]]]:
    """(service, place): the rules of the candidates in order, and the codes of the boundaries that cover the place."""
    savepoint = db.session.begin_nested()
    try:
        town = Town()
        codes = {town.boundary(zone.code, zone.area, layer=zone.layer).id: zone.code for zone in some}
        for each in says:
            town.rule(
                each.code,
                each.code.upper(),
                service=each.service,
                group=each.group,
                boundary=each.zone.code if each.zone else None,
                layer=each.zone.layer if each.zone else "ward",
                priority=each.priority,
            )
        cases = dict(enumerate((service, place) for service in SERVICES for place in [*PLACES, None]))
        return {
            cases[key]: (
                [each.rule for each in decision.candidates],
                sorted(codes[boundary_id] for boundary_id in decision.boundary_ids),
            )
            for key, decision in town.decide_all(cases).items()
        }
    finally:
        savepoint.rollback()


def naive(service: str, place: Point | None, says: Sequence[Says]) -> list[str | None]:
    """The rules that apply, in the order that the design's decision 3 gives, and the default last."""
    applying = [
        each
        for each in says
        if (each.service in (None, service))
        and (each.group in (None, SERVICES[service]))
        and (each.zone is None or covered(each.zone, place))
    ]
    applying.sort(
        key=lambda each: (
            each.priority,
            0 if each.service else 1 if each.group else 2,
            each.zone is None,
            each.zone.area.area if each.zone else 0,
            each.code,
        )
    )
    return [*(each.code for each in applying), None]


def covered(zone: Zone, place: Point | None) -> bool:
    """Whether the place lies in the zone or on its edge."""
    return place is not None and bool(zone.area.covers(Dot(place.long, place.lat)))
