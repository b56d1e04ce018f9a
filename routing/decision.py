"""Who handles a request, and why: the one candidate query, and the decision read from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
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
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on

from db.periods import goes_on, has_begun, in_force
from geo.districts import boxes, covering, materialized
from geo.models import Boundary, Layer
from geo.point import Point
from routing.calendars import Calendar, is_open
from routing.models import Department, RoutingRule

BY_SERVICE, BY_GROUP, BY_ANY = "service", "group", "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A department that could answer for a request: through a rule, or (rule None) as the city's default.

    matched: what of the service the rule speaks of.  The boundary is a version of a district; valid_from and valid_to
    say when it is in force.  calendar is the name of one, `during` whether it must be open or closed.
    """

    rule: str | None
    priority: int | None = None
    matched: str
    attribute: str | None = None
    value: str | None = None
    calendar: str | None = None
    during: str | None = None
    department_id: int
    department: str
    unit_id: int | None
    unit: str | None
    layer: str | None
    boundary_id: int | None
    boundary_code: str | None
    boundary: str | None
    area_square_metres: float | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None

    @property
    def answers(self) -> str:
        """Who answers: the unit, or the department itself."""
        return self.unit or self.department

    @property
    def conditions(self) -> int:
        """How many conditions narrow the rule beyond service and place."""
        return (self.attribute is not None) + (self.calendar is not None)


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a request goes: the first candidate; all of them, in rank order, are the explanation.

    boundary_ids: the boundaries of every layer that cover the point; layer_ids: their layers, in the same order.
    unplaced_because: why the place of the request is not known though an address was given.
    """

    candidates: Sequence[Candidate]
    boundary_ids: Sequence[int] = ()
    layer_ids: Sequence[int] = ()
    unplaced_because: str | None = None

    @property
    def chosen(self) -> Candidate:
        """The candidate that answers for the request."""
        return self.candidates[0]

    @property
    def reason(self) -> str:
        """Why, as a sentence that a resident can read."""
        chosen = self.chosen
        if self.unplaced_because is not None:
            return f"{self.unplaced_because}, so it goes to {chosen.department} until somebody finds the place."
        if chosen.rule is None:
            return f"No rule names a department for this service at this place, so it goes to {chosen.department}."
        subject = {
            BY_SERVICE: "requests of this service",
            BY_GROUP: "requests of this group of services",
            BY_ANY: "all requests",
        }[chosen.matched]
        words = [f"{chosen.answers} answers for {subject}"]
        if chosen.attribute is not None:
            words.append(f"whose {chosen.attribute} is {chosen.value}")
        words.append(f"in {chosen.boundary}" if chosen.boundary else "in the whole city")
        if chosen.calendar is not None:
            words.append(f"{'during' if chosen.during == 'open' else 'outside'} the hours of {chosen.calendar}")
        return f"{' '.join(words)} (rule {chosen.rule})."

    def as_record(self, point: Point | None = None) -> dict[str, Any]:
        """The decision as it is kept with the request: plain JSON, by code, readable after rules and maps have changed.

        point: where the request lay, when that is known.
        """
        kept: dict[str, Any] = {
            "rule": self.chosen.rule,
            "department": self.chosen.department,
            "unit": self.chosen.unit,
            "boundary_id": self.chosen.boundary_id,
            "reason": self.reason,
            "candidates": [_candidate_record(each) for each in self.candidates],
        }
        if point is not None:
            kept["point"] = {"long": point.long, "lat": point.lat}
        if self.unplaced_because is not None:
            kept["unplaced_because"] = self.unplaced_because
        return kept

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Decision":
        """The decision that was kept; what an older record does not say is None."""
        chosen, *others = record["candidates"]
        return cls(
            # Older records name the boundary of the choice alone.
            candidates=[_candidate_of(each) for each in ({"boundary_id": record.get("boundary_id"), **chosen}, *others)],
            unplaced_because=record.get("unplaced_because"),
        )


# How a record spells a field of Candidate, where it is not by the field's own name.  Ids, which name nothing once a row
# is gone, are not kept, but for the boundary's: its shape is what a distance is measured to.
_RECORDED_AS = {
    each.name: {"boundary_code": "boundary", "boundary": "boundary_name"}.get(each.name, each.name)
    for each in fields(Candidate)
    if each.name not in ("department_id", "unit_id")
}
_ALWAYS_KEPT = {"rule", "matched", "department", "unit", "layer", "boundary_code"}


def _candidate_record(candidate: Candidate) -> dict[str, Any]:
    kept = {}
    for name, recorded_as in _RECORDED_AS.items():
        value = getattr(candidate, name)
        if value is not None or name in _ALWAYS_KEPT:
            kept[recorded_as] = value.isoformat() if isinstance(value, datetime) else value
    return kept


def _candidate_of(record: Mapping[str, Any]) -> Candidate:
    known: dict[str, Any] = {name: record.get(recorded_as) for name, recorded_as in _RECORDED_AS.items()}
    for name in ("valid_from", "valid_to"):
        known[name] = known[name] and datetime.fromisoformat(known[name])
    known["boundary"] = known["boundary"] or known["boundary_code"]
    return Candidate(**known, department_id=0, unit_id=None)


def candidates(cases: FromClause, jurisdiction_id: ColumnElement[int]) -> Select[Any]:
    """Every candidate of every case, ranked: columns key, rank, those of Candidate, and boundary_ids and layer_ids of the case.

    `cases` has the columns
      key, service_id, service_group,
      attributes              the answers of the form, JSONB
      location                null: no place is known
      at                      which version of the map, and which rules
      reported_at             for calendars
      default_department_id
      is_unplaced             an address was given that could not be placed: then no rule speaks of the case.
    The default department is always the last candidate, so no case is without one.
    Order: priority (lower first), service before group before any, more conditions before fewer, with boundary before
    without, smaller area, rule code.  Source: design, decision 3; docs/decisions/0004.
    """
    here = _boundaries_here(cases, jurisdiction_id)
    ranked = union_all(_by_rule(cases, here, jurisdiction_id), _by_default(cases)).subquery("candidate")
    unit, parent = Department.__table__.alias("unit"), Department.__table__.alias("parent")
    calendar, boundary, layer = Calendar.__table__, Boundary.__table__, Layer.__table__
    stamps = (
        select(
            here.c.key,
            func.array_agg(here.c.boundary_id, type_=ARRAY(BigInteger)).label("boundary_ids"),
            func.array_agg(here.c.layer_id, type_=ARRAY(BigInteger)).label("layer_ids"),
        )
        .group_by(here.c.key)
        .subquery("stamps")
    )
    rank = func.row_number().over(partition_by=ranked.c.key, order_by=_order(ranked))
    return (
        select(
            ranked.c.key,
            rank.label("rank"),
            ranked.c.rule,
            ranked.c.priority,
            case((ranked.c.breadth == 0, BY_SERVICE), (ranked.c.breadth == 1, BY_GROUP), else_=BY_ANY).label("matched"),
            ranked.c.attribute,
            ranked.c.value,
            calendar.c.name.label("calendar"),
            ranked.c.during,
            func.coalesce(parent.c.id, unit.c.id).label("department_id"),
            func.coalesce(parent.c.name, unit.c.name).label("department"),
            case((parent.c.id.is_not(None), unit.c.id)).label("unit_id"),
            case((parent.c.id.is_not(None), unit.c.name)).label("unit"),
            layer.c.code.label("layer"),
            ranked.c.boundary_id,
            boundary.c.code.label("boundary_code"),
            boundary.c.name.label("boundary"),
            ranked.c.area_square_metres,
            boundary.c.valid_from,
            boundary.c.valid_to,
            stamps.c.boundary_ids,
            stamps.c.layer_ids,
        )
        .select_from(ranked)
        .join(unit, and_(unit.c.jurisdiction_id == jurisdiction_id, unit.c.id == ranked.c.department_id))
        .outerjoin(parent, and_(parent.c.jurisdiction_id == jurisdiction_id, parent.c.id == unit.c.parent_id))
        .outerjoin(calendar, and_(calendar.c.jurisdiction_id == jurisdiction_id, calendar.c.id == ranked.c.calendar_id))
        .outerjoin(boundary, and_(boundary.c.jurisdiction_id == jurisdiction_id, boundary.c.id == ranked.c.boundary_id))
        .outerjoin(layer, and_(layer.c.jurisdiction_id == jurisdiction_id, layer.c.id == boundary.c.layer_id))
        .outerjoin(stamps, stamps.c.key == ranked.c.key)
        .order_by(ranked.c.key, "rank")
    )


def winners(cases: FromClause, jurisdiction_id: ColumnElement[int]) -> Select[Any]:
    """The first candidate of every case alone: columns key, rule, boundary_id, department_id and unit_id.

    For many cases at once, of which nobody asks the reasons; the cases and the order are those of `candidates`.
    """
    spoken_of = select(RoutingRule.layer_id).where(RoutingRule.jurisdiction_id == jurisdiction_id).distinct()
    here = _boundaries_here(
        cases, jurisdiction_id, boxes(Boundary.jurisdiction_id == jurisdiction_id, Boundary.layer_id.in_(spoken_of))
    )
    ranked = union_all(_by_rule(cases, here, jurisdiction_id), _by_default(cases)).subquery("candidate")
    first = (
        select(ranked.c.key, ranked.c.rule, ranked.c.boundary_id, ranked.c.department_id)
        .ext(distinct_on(ranked.c.key))
        .order_by(ranked.c.key, *_order(ranked))
        .subquery("first")
    )
    unit = Department.__table__.alias("unit")
    return (
        select(
            first.c.key,
            first.c.rule,
            first.c.boundary_id,
            func.coalesce(unit.c.parent_id, unit.c.id).label("department_id"),
            case((unit.c.parent_id.is_not(None), unit.c.id)).label("unit_id"),
        )
        .select_from(first)
        .join(unit, and_(unit.c.jurisdiction_id == jurisdiction_id, unit.c.id == first.c.department_id))
    )


def decide(rows: Sequence[Any], *, unplaced_because: str | None = None) -> Decision:
    """The decision of one case, from its rows of `candidates`."""
    return Decision(
        candidates=[Candidate(**{name: getattr(row, name) for name in _CANDIDATE_FIELDS}) for row in rows],
        boundary_ids=rows[0].boundary_ids or [],
        layer_ids=rows[0].layer_ids or [],
        unplaced_because=unplaced_because,
    )


_CANDIDATE_FIELDS = [each.name for each in fields(Candidate)]


def _order(ranked: FromClause) -> list[ColumnElement[Any]]:
    return [
        ranked.c.rule.is_(None),
        ranked.c.priority,
        ranked.c.breadth,
        ranked.c.conditions.desc(),
        ranked.c.boundary_id.is_(None),
        ranked.c.area_square_metres,
        ranked.c.rule.collate("C"),  # the same order on every server
    ]


def _boundaries_here(cases: FromClause, jurisdiction_id: ColumnElement[int], boundaries: Any = Boundary.__table__) -> Any:
    """Key of each case, and a boundary that covers it; a place is looked up once however many cases lie there."""
    places = materialized(
        select(cases.c.location, func.min(cases.c.at).label("first_at"), func.max(cases.c.at).label("last_at"))
        .where(cases.c.location.is_not(None))
        .group_by(cases.c.location),
        "place",
    )
    found = covering(
        places,
        boundaries.c.jurisdiction_id == jurisdiction_id,
        has_begun(boundaries.c.valid_from, places.c.last_at),
        goes_on(boundaries.c.valid_to, places.c.first_at),
        boundaries=boundaries,
    )
    is_in_force = in_force(found.c.valid_from, found.c.valid_to, cases.c.at)
    return materialized(
        select(cases.c.key, found.c.boundary_id, found.c.layer_id, found.c.code, found.c.area_square_metres)
        .select_from(cases)
        .join(found, and_(found.c.location == cases.c.location, is_in_force)),
        "here",
    )


def _by_rule(cases: FromClause, here: Any, jurisdiction_id: ColumnElement[int]) -> Select[Any]:
    asked = select(cases.c.service_id, cases.c.service_group).where(~cases.c.is_unplaced).distinct().subquery("asked")
    speaks_of_service = or_(
        RoutingRule.service_id == asked.c.service_id,
        and_(
            RoutingRule.service_id.is_(None),
            or_(RoutingRule.service_group.is_(None), RoutingRule.service_group == asked.c.service_group),
        ),
    )
    # Which rules speak of a service is the same for all of its cases.
    rule = materialized(
        select(
            asked.c.service_id.label("asked_id"),
            RoutingRule.code.label("rule"),
            RoutingRule.priority,
            case((RoutingRule.service_id.is_not(None), 0), (RoutingRule.service_group.is_not(None), 1), else_=2).label(
                "breadth"
            ),
            RoutingRule.attribute_code.label("attribute"),
            RoutingRule.attribute_value.label("value"),
            RoutingRule.calendar_id,
            RoutingRule.during,
            RoutingRule.department_id,
            RoutingRule.layer_id,
            RoutingRule.boundary_code,
            RoutingRule.valid_from,
            RoutingRule.valid_to,
        )
        .select_from(asked)
        .join(RoutingRule, and_(RoutingRule.jurisdiction_id == jurisdiction_id, speaks_of_service)),
        "speaking",
    )
    has_attribute, has_calendar = rule.c.attribute.is_not(None), rule.c.calendar_id.is_not(None)
    return (
        select(
            cases.c.key,
            rule.c.rule,
            rule.c.priority,
            rule.c.breadth,
            (cast(has_attribute, Integer) + cast(has_calendar, Integer)).label("conditions"),
            rule.c.attribute,
            rule.c.value,
            rule.c.calendar_id,
            rule.c.during,
            rule.c.department_id,
            here.c.boundary_id,
            here.c.area_square_metres,
        )
        .select_from(cases)
        .join(rule, rule.c.asked_id == cases.c.service_id)
        .outerjoin(
            here,
            and_(here.c.key == cases.c.key, here.c.layer_id == rule.c.layer_id, here.c.code == rule.c.boundary_code),
        )
        .where(
            ~cases.c.is_unplaced,
            or_(rule.c.layer_id.is_(None), here.c.boundary_id.is_not(None)),
            in_force(rule.c.valid_from, rule.c.valid_to, cases.c.at),
            # An answer of several values holds each of them.
            or_(~has_attribute, cases.c.attributes[rule.c.attribute].contains(func.to_jsonb(rule.c.value))),
            or_(
                ~has_calendar,
                is_open(jurisdiction_id, rule.c.calendar_id, cases.c.reported_at) == (rule.c.during == "open"),
            ),
        )
    )


def _by_default(cases: FromClause) -> Select[Any]:
    def nothing(kind: Any) -> ColumnElement[Any]:
        return cast(null(), kind)

    return select(
        cases.c.key,
        nothing(Text),
        nothing(BigInteger),
        literal(2, Integer),
        literal(0, Integer),
        nothing(Text),
        nothing(Text),
        nothing(BigInteger),
        nothing(Text),
        cases.c.default_department_id,
        nothing(BigInteger),
        nothing(Double),
    )
