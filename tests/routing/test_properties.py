"""What holds for every map and every set of rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Polygon, box
from shapely.geometry import Point as Dot
from sqlalchemy import BigInteger, literal

from db import db
from geo.point import Point
from routing.decision import winners
from tests.town import MIDNIGHT, Town, square

SERVICES = {"pothole": "Streets", "lamp": "Streets", "tree": "Parks"}
# Half steps: every other line of points runs along edges and through corners, those of holes included.
PLACES = [Point(long=x / 2, lat=y / 2) for x in range(9) for y in range(0, 8, 3)]
NEW_YORK = ZoneInfo("America/New_York")
DAY = timedelta(days=1)
# Before, at and after the moment at which maps and rules change.
MOMENTS = [MIDNIGHT - DAY, MIDNIGHT - timedelta(seconds=1), MIDNIGHT, MIDNIGHT + DAY]
SPANS = [(None, None), (None, None), (None, MIDNIGHT), (MIDNIGHT, None), (MIDNIGHT - DAY, MIDNIGHT + DAY)]

# The app fixture is one transaction; each example takes back what it did, so sharing it is sound.
drawn = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)

Span = tuple[datetime | None, datetime | None]


@dataclass(frozen=True)
class Zone:
    """A boundary to be."""

    layer: str
    code: str
    area: Polygon | MultiPolygon
    valid: Span


@dataclass(frozen=True)
class Hours:
    """A calendar to be: the same hours on these weekdays (1 is Monday), and one day on which it is closed."""

    opens: int
    closes: int
    weekdays: frozenset[int]
    closed: date

    def is_open(self, at: datetime) -> bool:
        """Whether it is open, by the town's clock."""
        local = at.astimezone(NEW_YORK)
        return (
            local.date() != self.closed
            and local.isoweekday() in self.weekdays
            and self.opens <= local.hour + local.minute / 60 < self.closes
        )


@dataclass(frozen=True)
class Says:
    """A rule to be; department is its own code in capitals.  answer: (question, value); during: of the calendar."""

    code: str
    service: str | None
    group: str | None
    zone: Zone | None
    priority: int
    answer: tuple[str, str] | None
    during: str | None
    valid: Span

    @property
    def conditions(self) -> int:
        """How many of them narrow the rule."""
        return (self.answer is not None) + (self.during is not None)


@dataclass(frozen=True)
class Drawing:
    """A town to be, and when and with which answers its requests come in."""

    zones: Sequence[Zone]
    says: Sequence[Says]
    hours: Hours
    at: datetime
    reported_at: datetime
    answers: Mapping[str, str | list[str]]


def area(shape: str, west: int, south: int, size: int) -> Polygon | MultiPolygon:
    """A square, one with a hole, two that meet at a corner, or two far apart."""
    whole = square(west, south, size)
    if shape == "ring":
        inset = size / 4
        return Polygon(whole.exterior, [box(west + inset, south + inset, west + size - inset, south + size - inset).exterior])
    if shape == "corner":
        return MultiPolygon([whole, square(west + size, south + size, 1)])
    if shape == "apart":
        return MultiPolygon([whole, square(west + size + 1, south, 1)])
    return whole


zones = st.lists(
    st.builds(
        lambda layer, shape, west, south, size, valid: (layer, area(shape, west, south, size), valid),
        st.sampled_from(["ward", "precinct"]),
        st.sampled_from(["square", "square", "ring", "corner", "apart"]),
        st.integers(0, 3),
        st.integers(0, 3),
        st.sampled_from([1, 2, 2, 4]),
        st.sampled_from(SPANS),
    ),
    min_size=1,
    max_size=8,
).map(lambda found: [Zone(layer, f"Z{position}", shape, valid) for position, (layer, shape, valid) in enumerate(found)])

hours = st.builds(
    Hours,
    opens=st.integers(0, 12),
    closes=st.integers(13, 24),
    weekdays=st.frozensets(st.integers(1, 7)),
    closed=st.sampled_from([date(2025, 12, 31), date(2026, 1, 1)]),
)


@st.composite
def drawings(draw: st.DrawFn) -> Drawing:
    """Zones, rules that speak of them, and requests."""
    some = draw(zones)
    spoken = draw(
        st.lists(
            st.tuples(
                st.sampled_from([("pothole", None), ("lamp", None), (None, "Streets"), (None, "Parks"), (None, None)]),
                st.none() | st.sampled_from(some),
                st.sampled_from([50, 100, 100]),
                st.none() | st.sampled_from([("OWNER", "state"), ("OWNER", "city"), ("COLOUR", "red")]),
                st.none() | st.sampled_from(["open", "closed"]),
                st.sampled_from(SPANS),
            ),
            max_size=10,
        )
    )
    codes = draw(st.permutations([f"r{position}" for position in range(len(spoken))]))
    return Drawing(
        zones=some,
        says=[
            Says(code, service, group, zone, priority, answer, during, valid)
            for code, ((service, group), zone, priority, answer, during, valid) in zip(codes, spoken, strict=True)
        ],
        hours=draw(hours),
        at=draw(st.sampled_from(MOMENTS)),
        reported_at=MIDNIGHT + timedelta(minutes=draw(st.integers(-1500, 1500))),
        answers=draw(
            st.sampled_from([{}, {"OWNER": "state"}, {"OWNER": ["state", "city"]}, {"OWNER": "city", "COLOUR": "red"}])
        ),
    )


@drawn
@given(drawing=drawings())
def test_the_database_decides_as_a_naive_reading_of_the_rules_does(app: Flask, drawing: Drawing):
    decided = decisions(drawing)

    for (service, place), (rules, covering, winner) in decided.items():
        assert rules == naive(service, place, drawing), (service, place)
        assert covering == sorted(zone.code for zone in drawing.zones if covered(zone, place, drawing.at)), place
        # Many at once, of which nobody asks the reasons, are decided alike.
        assert winner == rules[0], (service, place)


@settings(drawn, max_examples=5)
@given(drawing=drawings(), data=st.data())
def test_the_order_in_which_rules_and_boundaries_were_entered_changes_nothing(
    app: Flask, drawing: Drawing, data: st.DataObject
):
    shuffled = Drawing(
        **{
            **vars(drawing),
            "zones": data.draw(st.permutations(drawing.zones)),
            "says": data.draw(st.permutations(drawing.says)),
        }
    )

    assert decisions(shuffled) == decisions(drawing)


def decisions(drawing: Drawing) -> dict[Any, tuple[list[str | None], list[str], str | None]]:
    """(service, place): the rules of the candidates in order, the codes of the boundaries there, and the winner's rule."""
    savepoint = db.session.begin_nested()
    try:
        town = Town()
        codes = {
            town.boundary(
                zone.code, zone.area, layer=zone.layer, valid_from=zone.valid[0], valid_to=zone.valid[1]
            ).id: zone.code
            for zone in drawing.zones
        }
        calendar = town.calendar(
            "Office",
            *[(weekday, drawing.hours.opens, drawing.hours.closes) for weekday in drawing.hours.weekdays],
            days=[(drawing.hours.closed, None, None)],
        )
        for each in drawing.says:
            question, value = each.answer or (None, None)
            town.rule(
                each.code,
                each.code.upper(),
                service=each.service,
                group=each.group,
                boundary=each.zone.code if each.zone else None,
                layer=each.zone.layer if each.zone else "ward",
                priority=each.priority,
                attribute_code=question,
                attribute_value=value,
                calendar_id=calendar.id if each.during else None,
                during=each.during,
                valid_from=each.valid[0],
                valid_to=each.valid[1],
            )
        cases = dict(enumerate((service, place) for service in SERVICES for place in [*PLACES, None]))
        when: dict[str, Any] = {"at": drawing.at, "reported_at": drawing.reported_at, "answers": drawing.answers}
        won = db.session.execute(winners(town.cases(cases, **when), literal(town.id, BigInteger)))
        winning = {row.key: row.rule for row in won}
        return {
            cases[key]: (
                [each.rule for each in decision.candidates],
                sorted(codes[boundary_id] for boundary_id in decision.boundary_ids),
                winning[key],
            )
            for key, decision in town.decide_all(cases, **when).items()
        }
    finally:
        savepoint.rollback()


def naive(service: str, place: Point | None, drawing: Drawing) -> list[str | None]:
    """The rules that apply, in the order that the design's decision 3 gives, and the default last."""
    applying = [
        each
        for each in drawing.says
        if (each.service in (None, service))
        and (each.group in (None, SERVICES[service]))
        and (each.zone is None or covered(each.zone, place, drawing.at))
        and lasts(each.valid, drawing.at)
        and (each.answer is None or answered(*each.answer, drawing.answers))
        and (each.during is None or drawing.hours.is_open(drawing.reported_at) == (each.during == "open"))
    ]
    applying.sort(
        key=lambda each: (
            each.priority,
            0 if each.service else 1 if each.group else 2,
            -each.conditions,
            each.zone is None,
            round(each.zone.area.area * 1e6) if each.zone else 0,
            each.code,
        )
    )
    return [*(each.code for each in applying), None]


def answered(question: str, value: str, answers: Mapping[str, str | list[str]]) -> bool:
    """Whether the answers give the value to the question, alone or among others."""
    given = answers.get(question, [])
    return value == given or (isinstance(given, list) and value in given)


def covered(zone: Zone, place: Point | None, at: datetime) -> bool:
    """Whether the place lies in the zone or on its edge, while the zone is in force."""
    return place is not None and lasts(zone.valid, at) and bool(zone.area.covers(Dot(place.long, place.lat)))


def lasts(valid: Span, at: datetime) -> bool:
    """Whether a time has begun and is not over."""
    begins, ends = valid
    return (begins is None or begins <= at) and (ends is None or at < ends)
