"""A town drawn in the test: its map, departments and rules, each made by a line."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from shapely import MultiPolygon, Polygon, box
from sqlalchemy import BigInteger, Boolean, Double, Text, cast, column, literal, select, values
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from db import db
from geo.models import Boundary, Layer
from geo.point import Point
from geo.queries import make_point
from open311.models import Jurisdiction, Service
from routing.calendars import Calendar, CalendarDay, CalendarHours
from routing.decision import Decision, candidates, decide
from routing.models import Department, RoutingRule

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


class Town:
    """A city of its own in the test's transaction: services `pothole` and `lamp` of the group Streets, and `tree` of Parks.

    What no rule names goes to Town Hall.
    """

    def __init__(self, jurisdiction_id: str = "town.gov") -> None:
        self.city = Jurisdiction(
            slug=jurisdiction_id,
            name="Town",
            timezone="America/New_York",
            hosts=[],
            contact="Town Hall",
            key_service="Town Hall",
            changed_at=MIDNIGHT,
        )
        db.session.add(self.city)
        db.session.flush()
        self.services = {
            code: self.keep(
                Service(
                    jurisdiction_id=self.id,
                    code=code,
                    name=code.title(),
                    description=code,
                    service_group=group,
                    keywords=[],
                    type="realtime",
                )
            )
            for code, group in (("pothole", "Streets"), ("lamp", "Streets"), ("tree", "Parks"))
        }
        self.departments: dict[str, Department] = {}
        self.layers: dict[str, Layer] = {}
        self.city.default_department_id = self.department("Town Hall").id

    @property
    def id(self) -> int:
        """The city's id."""
        return self.city.id

    def department(self, name: str, *, of: str | None = None) -> Department:
        """The department of this name, or the unit `of` a department; made when there is none."""
        if name not in self.departments:
            parent_id = self.department(of).id if of else None
            self.departments[name] = self.keep(
                Department(jurisdiction_id=self.id, code=name.lower().replace(" ", "-"), name=name, parent_id=parent_id)
            )
        return self.departments[name]

    def layer(self, code: str) -> Layer:
        """The layer of this code; made when there is none."""
        if code not in self.layers:
            self.layers[code] = self.keep(Layer(jurisdiction_id=self.id, code=code, name=code.title()))
        return self.layers[code]

    def boundary(
        self,
        code: str,
        area: Polygon | MultiPolygon,
        *,
        layer: str = "ward",
        name: str | None = None,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
    ) -> Boundary:
        """A boundary; its size is counted in millionths of a square degree, so that a test can say which is smaller."""
        return self.keep(
            Boundary(
                jurisdiction_id=self.id,
                layer_id=self.layer(layer).id,
                code=code,
                name=name or f"Ward {code}",
                area=area if isinstance(area, MultiPolygon) else MultiPolygon([area]),
                area_square_metres=round(area.area * 1e6),
                valid_from=valid_from,
                valid_to=valid_to,
            )
        )

    def rule(
        self,
        code: str,
        department: str,
        *,
        service: str | None = None,
        group: str | None = None,
        boundary: str | None = None,
        layer: str = "ward",
        priority: int = 100,
        **conditions: Any,
    ) -> RoutingRule:
        """A rule; the department is made when there is none.  `conditions`: further columns of the rule."""
        return self.keep(
            RoutingRule(
                jurisdiction_id=self.id,
                code=code,
                service_id=self.services[service].id if service else None,
                service_group=group,
                layer_id=self.layer(layer).id if boundary else None,
                boundary_code=boundary,
                department_id=self.department(department).id,
                priority=priority,
                **conditions,
            )
        )

    def calendar(
        self, name: str, *hours: tuple[int, int, int], days: Sequence[tuple[date, int | None, int | None]] = ()
    ) -> Calendar:
        """A calendar in the town's zone: (weekday, opens, closes) in hours, and days that differ."""
        calendar: Calendar = self.keep(Calendar(jurisdiction_id=self.id, code=name, name=name, timezone=self.city.timezone))
        for weekday, opens, closes in hours:
            self.keep(
                CalendarHours(
                    jurisdiction_id=self.id,
                    calendar_id=calendar.id,
                    weekday=weekday,
                    opens_minute=opens * 60,
                    closes_minute=closes * 60,
                )
            )
        for day, opens_at, closes_at in days:
            self.keep(
                CalendarDay(
                    jurisdiction_id=self.id,
                    calendar_id=calendar.id,
                    day=day,
                    opens_minute=opens_at and opens_at * 60,
                    closes_minute=closes_at and closes_at * 60,
                    name="A day that differs",
                )
            )
        return calendar

    def decide(
        self,
        service: str = "pothole",
        *,
        long: float | None = None,
        lat: float | None = None,
        **case: Any,
    ) -> Decision:
        """The decision for a request of this service at this place (none: no place is known); `case` as `cases` takes it."""
        point = None if long is None or lat is None else Point(long=long, lat=lat)
        return self.decide_all({0: (service, point)}, **case)[0]

    def decide_all(self, cases: Mapping[int, tuple[str, Point | None]], **case: Any) -> dict[int, Decision]:
        """Key of each case (service, point): its decision, all by one query."""
        found: dict[int, list[Any]] = {key: [] for key in cases}
        for row in db.session.execute(candidates(self.cases(cases, **case), literal(self.id, BigInteger))):
            found[row.key].append(row)
        return {key: decide(rows) for key, rows in found.items()}

    def cases(
        self,
        cases: Mapping[int, tuple[str, Point | None]],
        *,
        at: datetime = MIDNIGHT,
        reported_at: datetime | None = None,
        answers: Mapping[str, Any] | None = None,
        is_unplaced: bool = False,
    ) -> Any:
        """The cases as `routing.decision.candidates` takes them; reported_at is `at` unless given."""
        given = values(
            column("key", BigInteger),
            column("service_id", BigInteger),
            column("service_group", Text),
            column("long", Double),
            column("lat", Double),
            name="given",
        ).data(
            [
                (
                    key,
                    self.services[service].id,
                    self.services[service].service_group,
                    point and point.long,
                    point and point.lat,
                )
                for key, (service, point) in cases.items()
            ]
        )
        return select(
            given.c.key,
            given.c.service_id,
            given.c.service_group,
            make_point(long=given.c.long, lat=given.c.lat).label("location"),
            literal(at, TIMESTAMP(timezone=True)).label("at"),
            literal(reported_at or at, TIMESTAMP(timezone=True)).label("reported_at"),
            cast(literal(json.dumps(answers or {})), JSONB).label("attributes"),
            literal(is_unplaced, Boolean).label("is_unplaced"),
            literal(self.city.default_department_id, BigInteger).label("default_department_id"),
        ).subquery("case")

    def keep(self, row: Any) -> Any:
        """The row, added to the test's transaction; it has its id."""
        db.session.add(row)
        db.session.flush()
        return row


def square(west: float, south: float, size: float = 1.0) -> Polygon:
    """A square by its south-west corner and its side, in degrees."""
    return box(west, south, west + size, south + size)
