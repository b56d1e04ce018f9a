"""Who handles a request, and why: the one candidate query, and the decision read from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from geo.models import Boundary, Layer
from geo.queries import covers
from routing.models import Department, RoutingRule

BY_SERVICE, BY_GROUP, BY_ANY = "service", "group", "any"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A department that could answer for a request: through a rule, or (rule None) as the city's default."""

    rule: str | None
    matched: str
    department_id: int
    department: str
    unit_id: int | None
    unit: str | None
    layer: str | None
    boundary_id: int | None
    boundary_code: str | None
    boundary: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a request goes: the first candidate; all of them, in rank order, are the explanation.

    boundary_ids: the boundaries of every layer that cover the point; layer_ids: their layers, in the same order.
    """

    candidates: Sequence[Candidate]
    boundary_ids: Sequence[int]
    layer_ids: Sequence[int]

    @property
    def chosen(self) -> Candidate:
        """The candidate that answers for the request."""
        return self.candidates[0]

    @property
    def reason(self) -> str:
        """Why, as a sentence that a resident can read."""
        chosen = self.chosen
        if chosen.rule is None:
            return f"No rule names a department for this service at this place, so it goes to {chosen.department}."
        subject = {
            BY_SERVICE: "requests of this service",
            BY_GROUP: "requests of this group of services",
            BY_ANY: "all requests",
        }[chosen.matched]
        place = f"in {chosen.boundary}" if chosen.boundary else "in the whole city"
        return f"{chosen.unit or chosen.department} answers for {subject} {place} (rule {chosen.rule})."

    def as_record(self) -> dict[str, Any]:
        """The decision as it is kept with the request: plain JSON, by code, readable after rules and maps have changed."""
        return {
            "rule": self.chosen.rule,
            "department": self.chosen.department,
            "unit": self.chosen.unit,
            "boundary_id": self.chosen.boundary_id,
            "reason": self.reason,
            "candidates": [
                {
                    "rule": each.rule,
                    "matched": each.matched,
                    "department": each.department,
                    "unit": each.unit,
                    "layer": each.layer,
                    "boundary": each.boundary_code,
                }
                for each in self.candidates
            ],
        }


def candidates(cases: FromClause, jurisdiction_id: ColumnElement[int]) -> Select[Any]:
    """Every candidate of every case, ranked: columns key, rank, those of Candidate, and boundary_ids and layer_ids of the case.

    `cases` has the columns key, service_id, service_group, location (null: no place is known), at (which version of
    the map) and default_department_id.  The default department is always the last candidate, so no case is without one.
    Order: priority (lower first), service before group before any, with boundary before without, smaller area, rule code.
    Source: design, decision 3.
    """
    here = _boundaries_here(cases, jurisdiction_id)
    ranked = union_all(_by_rule(cases, here, jurisdiction_id), _by_default(cases)).subquery("candidate")
    unit, parent = Department.__table__.alias("unit"), Department.__table__.alias("parent")
    stamps = (
        select(
            here.c.key,
            func.array_agg(here.c.boundary_id, type_=ARRAY(BigInteger)).label("boundary_ids"),
            func.array_agg(here.c.layer_id, type_=ARRAY(BigInteger)).label("layer_ids"),
        )
        .group_by(here.c.key)
        .subquery("stamps")
    )
    rank = func.row_number().over(
        partition_by=ranked.c.key,
        order_by=[
            ranked.c.rule.is_(None),
            ranked.c.priority,
            ranked.c.breadth,
            ranked.c.boundary_id.is_(None),
            ranked.c.area_square_metres,
            ranked.c.rule.collate("C"),  # the same order on every server
        ],
    )
    return (
        select(
            ranked.c.key,
            rank.label("rank"),
            ranked.c.rule,
            case((ranked.c.breadth == 0, BY_SERVICE), (ranked.c.breadth == 1, BY_GROUP), else_=BY_ANY).label("matched"),
            func.coalesce(parent.c.id, unit.c.id).label("department_id"),
            func.coalesce(parent.c.name, unit.c.name).label("department"),
            case((parent.c.id.is_not(None), unit.c.id)).label("unit_id"),
            case((parent.c.id.is_not(None), unit.c.name)).label("unit"),
            ranked.c.layer,
            ranked.c.boundary_id,
            ranked.c.boundary_code,
            ranked.c.boundary,
            stamps.c.boundary_ids,
            stamps.c.layer_ids,
        )
        .select_from(ranked)
        .join(unit, and_(unit.c.jurisdiction_id == jurisdiction_id, unit.c.id == ranked.c.department_id))
        .outerjoin(parent, and_(parent.c.jurisdiction_id == jurisdiction_id, parent.c.id == unit.c.parent_id))
        .outerjoin(stamps, stamps.c.key == ranked.c.key)
        .order_by(ranked.c.key, "rank")
    )


def decide(rows: Sequence[Any]) -> Decision:
    """The decision of one case, from its rows of `candidates`."""
    return Decision(
        candidates=[
            Candidate(
                rule=row.rule,
                matched=row.matched,
                department_id=row.department_id,
                department=row.department,
                unit_id=row.unit_id,
                unit=row.unit,
                layer=row.layer,
                boundary_id=row.boundary_id,
                boundary_code=row.boundary_code,
                boundary=row.boundary,
            )
            for row in rows
        ],
        boundary_ids=rows[0].boundary_ids or [],
        layer_ids=rows[0].layer_ids or [],
    )


def _boundaries_here(cases: FromClause, jurisdiction_id: ColumnElement[int]) -> Any:
    # Materialized: each detailed polygon is tested once a point, not once a rule that speaks of it.
    return (
        select(
            cases.c.key,
            Boundary.id.label("boundary_id"),
            Boundary.layer_id,
            Layer.code.label("layer"),
            Boundary.code,
            Boundary.name,
            Boundary.area_square_metres,
        )
        .select_from(cases)
        .join(
            Boundary,
            and_(
                Boundary.jurisdiction_id == jurisdiction_id,
                covers(Boundary.area, cases.c.location),
                Boundary.in_force(cases.c.at),
            ),
        )
        .join(Layer, and_(Layer.jurisdiction_id == jurisdiction_id, Layer.id == Boundary.layer_id))
        .cte("here")
        .prefix_with("materialized", dialect="postgresql")
    )


def _by_rule(cases: FromClause, here: Any, jurisdiction_id: ColumnElement[int]) -> Select[Any]:
    rule = RoutingRule
    speaks_of_service = or_(
        rule.service_id == cases.c.service_id,
        and_(rule.service_id.is_(None), or_(rule.service_group.is_(None), rule.service_group == cases.c.service_group)),
    )
    return (
        select(
            cases.c.key,
            rule.code.label("rule"),
            rule.priority,
            case((rule.service_id.is_not(None), 0), (rule.service_group.is_not(None), 1), else_=2).label("breadth"),
            rule.department_id,
            here.c.layer,
            here.c.boundary_id,
            here.c.code.label("boundary_code"),
            here.c.name.label("boundary"),
            here.c.area_square_metres,
        )
        .select_from(cases)
        .join(rule, and_(rule.jurisdiction_id == jurisdiction_id, speaks_of_service))
        .outerjoin(
            here,
            and_(here.c.key == cases.c.key, here.c.layer_id == rule.layer_id, here.c.code == rule.boundary_code),
        )
        .where(or_(rule.layer_id.is_(None), here.c.boundary_id.is_not(None)))
    )


def _by_default(cases: FromClause) -> Select[Any]:
    return select(
        cases.c.key,
        cast(null(), Text),
        cast(null(), Integer),
        literal(2, Integer),
        cases.c.default_department_id,
        cast(null(), Text),
        cast(null(), BigInteger),
        cast(null(), Text),
        cast(null(), Text),
        cast(null(), BigInteger),
    )
