"""Where in a city do requests find no rule?"""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Boolean, Double, Select, and_, bindparam, column, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from db.driver import Statement
from geo.models import Boundary
from geo.point import Point
from geo.queries import each_part, latitude, longitude, point_within, shared, square_metres, united, without
from routing.ruleset import AT, IDS, Rule, ServiceFacts, is_of_city

# Parts of a gap that are smaller come of two maps that draw the same line a little apart.
SLIVER_SQUARE_METRES = 100


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A part of the city in which requests of these services fall through to the default department.

    share: of the city's area, 0 to 1.  point: one inside the largest part.  conditional: codes of the rules that answer
    somewhere in the gap, but only for requests that meet their conditions.
    """

    services: Sequence[str]
    square_metres: float
    share: float
    point: Point
    conditional: Sequence[str]

    @property
    def message(self) -> str:
        """The finding as a sentence."""
        size = f"{self.square_metres / 1e6:,.2f} km²" if self.square_metres >= 1e5 else f"{self.square_metres:,.0f} m²"
        only = f"; only {_listed(self.conditional)}, on conditions, would answer there" if self.conditional else ""
        return (
            f"Requests for {_listed(self.services)} fall through to the default department in {self.share:.2%} of the city "
            f"({size}), for example at lat {self.point.lat:.6f}, long {self.point.long:.6f}{only}."
        )


def find_gaps(
    connection: "Connection[Any]",
    rules: Sequence[Rule],
    services: Sequence[ServiceFacts],
    *,
    jurisdiction_id: int,
    outline_layer_id: int,
    at: datetime,
) -> list[Gap]:
    """Where requests of these services find none of the rules at a moment, the largest gap first."""
    asked = _asked(rules, services, at=at)
    if not asked:
        return []
    named = [
        (number, boundary_id, boundary_id in each.always)
        for number, each in enumerate(asked)
        for boundary_id in sorted(each.always | {id for id in each.sometimes.values() if id is not None})
    ]
    parts: dict[int, list[Any]] = defaultdict(list)
    rows = _PARTS.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        outline_layer_id=outline_layer_id,
        at=at,
        numbers=list(range(len(asked))),
        named_numbers=[number for number, _, _ in named],
        named_ids=[boundary_id for _, boundary_id, _ in named],
        named_always=[always for _, _, always in named],
        sliver_square_metres=float(SLIVER_SQUARE_METRES),
    )
    for row in rows:
        parts[row.number].append(row)
    # Other boundaries may leave the same gap.
    alike: dict[tuple[float, float, Point, tuple[str, ...]], list[str]] = defaultdict(list)
    for number, mine in parts.items():
        reached = {None, *(boundary_id for part in mine for boundary_id in part.reached)}
        size = sum(part.square_metres for part in mine)
        alike[
            size,
            size / mine[0].city_square_metres,
            Point(long=mine[0].long, lat=mine[0].lat),
            tuple(sorted(code for code, boundary_id in asked[number].sometimes.items() if boundary_id in reached)),
        ] += asked[number].services
    gaps = [
        Gap(services=sorted(services), square_metres=size, share=share, point=point, conditional=conditional)
        for (size, share, point, conditional), services in alike.items()
    ]
    return sorted(gaps, key=lambda gap: (-gap.square_metres, gap.services))


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """Services with a gap of the same shape.

    always: ids of the boundaries in which a rule answers for every request.  sometimes: code of each rule that has
    conditions, and the id of its boundary (None: everywhere).
    """

    services: Sequence[str]
    always: Set[int]
    sometimes: Mapping[str, int | None]


def _asked(rules: Sequence[Rule], services: Sequence[ServiceFacts], *, at: datetime) -> list[_Asked]:
    """What to ask of the map; services with a rule that answers always and everywhere are not among it."""
    here = [(rule, stretch.version) for rule in rules for stretch in rule.stretches if stretch.span.begins <= at]
    alike: dict[Any, list[str]] = defaultdict(list)
    for service in services:
        mine = [(rule, version.id if version else None) for rule, version in here if service.id in rule.scope]
        always = frozenset(boundary_id for rule, boundary_id in mine if not rule.conditions)
        if None not in always:
            sometimes = frozenset((rule.code, boundary_id) for rule, boundary_id in mine if rule.conditions)
            alike[always, sometimes].append(service.code)
    return [_Asked(services=codes, always=always, sometimes=dict(sometimes)) for (always, sometimes), codes in alike.items()]


def _listed(codes: Sequence[str], *, at_most: int = 8) -> str:
    """Codes as part of a sentence."""
    shown = list(codes[:at_most])
    if len(codes) > at_most:
        shown.append(f"{len(codes) - at_most} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _parts_of_gaps() -> Select[Any]:
    """The parts of each numbered gap, the largest first: what the boundaries named for its number leave of the city.

    reached: ids of the boundaries named as not always answering that share more than a sliver with the part.
    """
    sliver = bindparam("sliver_square_metres", type_=Double)
    asked = (
        func.unnest(bindparam("numbers", type_=IDS)).table_valued(column("number", BigInteger), name="asked").render_derived()
    )
    named = (
        func.unnest(
            bindparam("named_numbers", type_=IDS),
            bindparam("named_ids", type_=IDS),
            bindparam("named_always", type_=ARRAY(Boolean)),
        )
        .table_valued(
            column("number", BigInteger), column("boundary_id", BigInteger), column("is_always", Boolean), name="named"
        )
        .render_derived()
    )
    city = (
        select(united(Boundary.area).label("area"), square_metres(united(Boundary.area)).label("square_metres"))
        .where(
            is_of_city(Boundary),
            Boundary.layer_id == bindparam("outline_layer_id", type_=BigInteger),
            Boundary.in_force(AT),
        )
        .cte("city")
        .prefix_with("materialized", dialect="postgresql")
    )
    is_boundary = and_(is_of_city(Boundary), Boundary.id == named.c.boundary_id)
    covered = (
        select(named.c.number, united(Boundary.area).label("area"))
        .join(Boundary, is_boundary)
        .where(named.c.is_always)
        .group_by(named.c.number)
        .subquery("covered")
    )
    part = (
        select(asked.c.number, each_part(without(city.c.area, covered.c.area)).label("area"))
        .join(city, true())
        .outerjoin(covered, covered.c.number == asked.c.number)
        .cte("part")
        .prefix_with("materialized", dialect="postgresql")
    )
    reached = (
        select(Boundary.id)
        .select_from(named)
        .join(Boundary, is_boundary)
        .where(
            named.c.number == part.c.number,
            ~named.c.is_always,
            square_metres(shared(Boundary.area, part.c.area)) >= sliver,
        )
        .correlate(part)
    )
    part_size = square_metres(part.c.area)
    inside = point_within(part.c.area)
    return (
        select(
            part.c.number,
            part_size.label("square_metres"),
            city.c.square_metres.label("city_square_metres"),
            longitude(inside).label("long"),
            latitude(inside).label("lat"),
            func.array(reached.scalar_subquery(), type_=IDS).label("reached"),
        )
        .join(city, true())
        .where(part_size >= sliver)
        .order_by(part.c.number, part_size.desc(), "long", "lat")
    )


_PARTS = Statement(_parts_of_gaps())
