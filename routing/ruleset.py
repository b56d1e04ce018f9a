"""The rules of a city as a check reads them: what each speaks of, and when and where it can answer."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.orm import aliased

from db.driver import Statement
from db.periods import goes_on
from geo.models import Boundary, Layer
from geo.queries import meets, reaches_seam
from routing.models import Department, RoutingRule

ATTRIBUTE, CALENDAR = "attribute", "calendar"


@dataclass(frozen=True, kw_only=True)
class ServiceFacts:
    """What a check must know of a service; questions: the code of each, and whether its answer may be of several values."""

    id: int
    code: str
    group: str
    is_active: bool
    questions: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """A stretch of time; `ends` is not part of it."""

    begins: datetime
    ends: datetime

    @classmethod
    def of(cls, valid_from: datetime | None, valid_to: datetime | None) -> "Span":
        return cls(valid_from or datetime.min.replace(tzinfo=UTC), valid_to or datetime.max.replace(tzinfo=UTC))

    def __and__(self, other: "Span") -> "Span | None":
        begins, ends = max(self.begins, other.begins), min(self.ends, other.ends)
        return Span(begins, ends) if begins < ends else None

    def is_filled_by(self, spans: Iterable["Span"]) -> bool:
        """Whether the spans leave no moment of this one out."""
        reached = self.begins
        for span in sorted(spans, key=lambda each: each.begins):
            if span.begins > reached:
                return False
            reached = max(reached, span.ends)
        return reached >= self.ends


@dataclass(frozen=True)
class Version:
    """A boundary as it is drawn for a time; in_city: when it meets the outline."""

    id: int
    square_metres: float
    span: Span
    in_city: Sequence[Span]


@dataclass(frozen=True)
class Stretch:
    """A time when a rule answers, and the boundary it then has; None: everywhere."""

    span: Span
    version: Version | None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule with all that ranks it and all that keeps it from answering.

    place: layer and code of its boundary.  conditions: ("attribute", code, value) or ("calendar", id, during).  span is
    from the moment of the check on; None: over.  scope: ids of the active services it speaks of.  versions: of its
    boundary, those that are not over.  stretches: when and where it answers for requests of the city.
    """

    code: str
    priority: int
    breadth: int
    service_id: int | None
    group: str | None
    place: str | None
    conditions: frozenset[tuple[str, Any, str]]
    department_id: int
    department: str
    valid_to: datetime | None
    span: Span | None
    scope: frozenset[int]
    versions: Sequence[Version]
    stretches: Sequence[Stretch]

    @property
    def rank(self) -> tuple[int, int, int, bool]:
        """What ranks it for every request alike; then come the size of its boundary and its code."""
        return (self.priority, self.breadth, -len(self.conditions), self.place is None)


def _stretches(span: Span | None, versions: Sequence[Version] | None) -> Sequence[Stretch]:
    """When and where a rule answers that is in force for this span; versions: of its boundary, None without one."""
    if span is None:
        return ()
    if versions is None:
        return (Stretch(span, None),)
    return tuple(
        Stretch(both, version) for version in versions for within in version.in_city if (both := span & within) is not None
    )


def read_rules(
    connection: "Connection[Any]",
    active: Sequence[ServiceFacts],
    *,
    jurisdiction_id: int,
    outline_layer_id: int,
    at: datetime,
) -> list[Rule]:
    """The rules in the order in which they rank, but for the size of their boundaries."""
    in_city: dict[int, list[Span]] = defaultdict(list)
    for row in _IN_CITY.run(connection, jurisdiction_id=jurisdiction_id, outline_layer_id=outline_layer_id, at=at):
        in_city[row.id].append(Span.of(row.valid_from, row.valid_to))
    drawn: dict[tuple[int, str], list[Version]] = defaultdict(list)
    for row in _VERSIONS.run(connection, jurisdiction_id=jurisdiction_id, at=at):
        version = Version(row.id, row.area_square_metres, Span.of(row.valid_from, row.valid_to), in_city[row.id])
        drawn[row.layer_id, row.code].append(version)

    def scope(row: Any) -> frozenset[int]:
        return frozenset(
            each.id for each in active if row.service_id in (None, each.id) and row.service_group in (None, each.group)
        )

    def conditions(row: Any) -> Iterator[tuple[str, Any, str]]:
        if row.attribute_code is not None:
            yield ATTRIBUTE, row.attribute_code, row.attribute_value
        if row.calendar_id is not None:
            yield CALENDAR, row.calendar_id, row.during

    def rule(row: Any) -> Rule:
        span = Span.of(row.valid_from, row.valid_to) & Span.of(at, None)
        versions = drawn.get((row.layer_id, row.boundary_code), [])
        return Rule(
            code=row.code,
            priority=row.priority,
            breadth=0 if row.service_id is not None else 1 if row.service_group is not None else 2,
            service_id=row.service_id,
            group=row.service_group,
            place=f"{row.layer} {row.boundary_code}" if row.layer is not None else None,
            conditions=frozenset(conditions(row)),
            department_id=row.department_id,
            department=row.department,
            valid_to=row.valid_to,
            span=span,
            scope=scope(row),
            versions=versions,
            stretches=_stretches(span, versions if row.layer is not None else None),
        )

    rules = [rule(row) for row in _RULES.run(connection, jurisdiction_id=jurisdiction_id)]
    return sorted(rules, key=lambda rule: (rule.rank, rule.code))


CITY = bindparam("jurisdiction_id", type_=BigInteger)
AT = bindparam("at", type_=TIMESTAMP(timezone=True))
IDS = ARRAY(BigInteger)


def is_of_city(*tables: Any) -> ColumnElement[bool]:
    return and_(*(table.jurisdiction_id == CITY for table in tables))


_RULES = Statement(
    select(
        RoutingRule.code,
        RoutingRule.service_id,
        RoutingRule.service_group,
        RoutingRule.layer_id,
        RoutingRule.boundary_code,
        RoutingRule.department_id,
        RoutingRule.attribute_code,
        RoutingRule.attribute_value,
        RoutingRule.calendar_id,
        RoutingRule.during,
        RoutingRule.valid_from,
        RoutingRule.valid_to,
        RoutingRule.priority,
        Layer.code.label("layer"),
        Department.name.label("department"),
    )
    .join(Department, and_(is_of_city(Department), Department.id == RoutingRule.department_id))
    .outerjoin(Layer, and_(is_of_city(Layer), Layer.id == RoutingRule.layer_id))
    .where(is_of_city(RoutingRule))
)

# Versions that are not over, of the boundaries that rules name.
_IS_NAMED = and_(
    is_of_city(Boundary),
    goes_on(Boundary.valid_to, AT),
    select(RoutingRule.id)
    .where(
        is_of_city(RoutingRule),
        RoutingRule.layer_id == Boundary.layer_id,
        RoutingRule.boundary_code == Boundary.code,
    )
    .exists(),
)

_VERSIONS = Statement(
    select(
        Boundary.id,
        Boundary.layer_id,
        Boundary.code,
        Boundary.area_square_metres,
        Boundary.valid_from,
        Boundary.valid_to,
    )
    .where(_IS_NAMED)
    .order_by(Boundary.id)
)

_outline = aliased(Boundary)
# When each of them meets the outline.  A point of the seam lies in both by another longitude of each.
_IN_CITY = Statement(
    select(
        Boundary.id,
        func.greatest(Boundary.valid_from, _outline.valid_from).label("valid_from"),
        func.least(Boundary.valid_to, _outline.valid_to).label("valid_to"),
    )
    .join(
        _outline,
        and_(
            is_of_city(_outline),
            _outline.layer_id == bindparam("outline_layer_id", type_=BigInteger),
            func.tstzrange(Boundary.valid_from, Boundary.valid_to).op("&&")(
                func.tstzrange(_outline.valid_from, _outline.valid_to)
            ),
            or_(meets(Boundary.area, _outline.area), and_(reaches_seam(Boundary.area), reaches_seam(_outline.area))),
        ),
    )
    .where(_IS_NAMED)
    .order_by(Boundary.id, _outline.id)
)
