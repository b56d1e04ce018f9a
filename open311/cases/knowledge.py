"""How requests like this one were resolved, and how long that took."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from statistics import median
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb
from sqlalchemy import (
    BigInteger,
    Boolean,
    Double,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
    union,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, TSQUERY, aggregate_order_by
from sqlalchemy.orm import aliased

from db.driver import Statement
from geo.point import Point
from geo.queries import degrees_apart, make_point, metres_apart
from open311.actors import CITY as WHOLE_CITY
from open311.actors import READ, RECEIVE, ROLES, Actor, may
from open311.cases.casework import casework
from open311.cases.holding import look_at
from open311.jurisdictions import City
from open311.models import RequestEvent, RequestPhase, Service, ServiceRequest
from open311.models.request import WORDS_LANGUAGE
from routing.models import Department
from schemas.definition import Answers

MOST_SHOWN = 10
# What was resolved longer ago was resolved by other rules and people.
_PAST = timedelta(days=3 * 365)
# So many of a service are looked at: the newest that share a word, and the nearest; only these are ranked.
_BY_WORDS, _BY_PLACE, _BY_TIME = 120, 60, 120
# The same of each other service of the group.
_OF_A_SIBLING = 20
# More letters and words than these tell no more, and each costs time.
_COMPARED_LETTERS, _COMPARED_WORDS = 160, 32
# What the parts of likeness count; of what is not asked for, nothing.
_TRIGRAMS, _RANK, _PLACE, _ANSWERS = 0.3, 0.25, 0.25, 0.2
# At this distance a place counts half.
_HALF_METRES = 300.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What like requests are looked for: a request (its id), or a draft of one (0)."""

    service_id: int
    service_group: str
    words: str = ""
    point: Point | None = None
    answers: Answers = field(default_factory=dict)
    request_id: int = 0


@dataclass(frozen=True, kw_only=True)
class Sight:
    """Whose requests beside the public ones may be shown: everybody's, or those of these departments and units."""

    sees_all: bool = False
    department_ids: Sequence[int] = ()


PUBLIC_SIGHT = Sight()


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A request that was closed, and how.

    reason: the name of the closing reason.  words: what the public was told.  phases: the names of those that were done, in
    order.  answered_from: the code of an article.  metres: how far it lies from what is asked, None where a place is
    missing.  likeness: the greater, the more alike; comparable within one answer only.
    """

    number: str
    service_code: str
    service_name: str
    department: str
    description: str | None
    address: str | None
    case_status: str
    status_name: str
    reason: str | None
    words: str | None
    phases: Sequence[str]
    answered_from: str | None
    requested_at: datetime
    closed_at: datetime
    metres: float | None
    likeness: float

    @property
    def took(self) -> timedelta:
        """From when it came in until it was closed, nights and holidays included."""
        return self.closed_at - self.requested_at

    @property
    def resolution(self) -> str:
        """How it was resolved, in a few words: the closing reason, else the status."""
        return self.reason or self.status_name


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The commonest resolution among some that were resolved, how many had it, and the time in the middle."""

    resolution: str
    times: int
    took: timedelta


def like_request(
    connection: "Connection[Any]", city: City, number: str, *, by: Actor, now: datetime
) -> tuple[Asked, Sequence[Resolved]]:
    """What the request of this number asks, and the resolved requests most like it.  Raises UnknownRequest, NotAllowed."""
    held = look_at(connection, city, number, by)
    asked = Asked(
        service_id=held.service_id,
        service_group=held.service_group,
        words=held.description or "",
        point=held.point,
        answers=held.attributes,
        request_id=held.id,
    )
    return asked, resolved_like(connection, asked, jurisdiction_id=city.id, sight=sight_of(by), now=now)


def like_draft(connection: "Connection[Any]", city: City, asked: Asked, *, by: Actor, now: datetime) -> Sequence[Resolved]:
    """The resolved requests most like a draft, for who takes requests in.  Raises NotAllowed."""
    may(by, RECEIVE)
    return resolved_like(connection, asked, jurisdiction_id=city.id, sight=sight_of(by), now=now)


def resolved_like(
    connection: "Connection[Any]", asked: Asked, *, jurisdiction_id: int, sight: Sight, now: datetime
) -> Sequence[Resolved]:
    """The resolved requests most like what is asked, at most MOST_SHOWN: of its service, and then of its group.

    Those that are ranked are found by an index each: of a service the newest that share a word, and the nearest.
    """
    words = asked.words.strip()
    lexemes = _lexemes(connection, words) if words else []
    values: dict[str, Any] = {
        "jurisdiction_id": jurisdiction_id,
        "service_id": asked.service_id,
        "service_group": asked.service_group,
        "request_id": asked.request_id,
        "since": now - _PAST,
        "sees_all": sight.sees_all,
        "department_ids": list(sight.department_ids),
        "attributes": Jsonb(asked.answers),
        "answers": float(max(1, len(asked.answers))),
    }
    if lexemes:
        values |= {"query": " | ".join(lexemes), "compared": words[:_COMPARED_LETTERS]}
    if asked.point is not None:
        values |= {"long": asked.point.long, "lat": asked.point.lat}
    work = casework(connection, jurisdiction_id)
    found: list[Resolved] = []
    for is_group in (False, True):
        if len(found) < MOST_SHOWN:
            statement = _like(by_words=bool(lexemes), by_place=asked.point is not None, is_group=is_group)
            for row in statement.run(connection, **values):
                fields = {**row._asdict(), "phases": row.phases or [], "reason": row.reason and work.reason_name(row.reason)}
                found.append(Resolved(**fields, status_name=work.status(row.case_status).name))
    return found[:MOST_SHOWN]


def summary_of(found: Sequence[Resolved]) -> Summary | None:
    """What these were resolved by most; the first of those that are as common.  None of none."""
    if not found:
        return None
    ((resolution, times),) = Counter(each.resolution for each in found).most_common(1)
    return Summary(
        resolution=resolution, times=times, took=timedelta(seconds=median(each.took.total_seconds() for each in found))
    )


def sight_of(actor: Actor) -> Sight:
    """What an actor sees: all where a role reads the whole city, else what is public and what is of their departments."""
    readers = [grant for grant in actor.grants if READ in ROLES[grant.role].actions]
    return Sight(
        sees_all=any(ROLES[grant.role].reach == WHOLE_CITY for grant in readers),
        department_ids=sorted({each for grant in readers for each in grant.department_ids}),
    )


def _lexemes(connection: "Connection[Any]", words: str) -> list[str]:
    """The stems of words as a query takes them, the longest, which are the rarest, where there are many."""
    row = _LEXEMES.run(connection, words=words).fetchone()
    assert row is not None
    longest = sorted(row.lexemes or [], key=lambda lexeme: (-len(lexeme), lexeme))[:_COMPARED_WORDS]
    return ["'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'" for lexeme in longest]


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_LEXEMES = Statement(
    select(
        func.tsvector_to_array(
            func.to_tsvector(literal_column(f"'{WORDS_LANGUAGE}'::regconfig"), bindparam("words", type_=Text))
        ).label("lexemes")
    )
)
_QUERY: Any = cast(bindparam("query", type_=Text), TSQUERY)
_POINT = make_point(long=bindparam("long", type_=Double), lat=bindparam("lat", type_=Double))
_MAY_BE_SHOWN = or_(
    ServiceRequest.is_public,
    bindparam("sees_all", type_=Boolean),
    ServiceRequest.department_id == func.any(bindparam("department_ids", type_=ARRAY(BigInteger))),
)


def _resolved_of(service_id: Any, *more: Any) -> Select[Any]:
    """The ids of a service's resolved requests that may be shown."""
    return select(ServiceRequest.id).where(
        ServiceRequest.jurisdiction_id == _CITY,
        ServiceRequest.service_id == service_id,
        ServiceRequest.status == literal_column("'closed'"),
        ServiceRequest.closed_at >= bindparam("since", type_=TIMESTAMP(timezone=True)),
        ServiceRequest.number.is_not(None),
        ServiceRequest.id != bindparam("request_id", type_=BigInteger),
        _MAY_BE_SHOWN,
        *more,
    )


def _candidates(*, by_words: bool, by_place: bool, is_group: bool) -> Any:
    """The ids of those that are ranked: of the service, or of every other one of its group."""
    sibling = (
        select(Service.id)
        .where(
            Service.jurisdiction_id == _CITY,
            Service.service_group == bindparam("service_group", type_=Text),
            Service.id != bindparam("service_id", type_=BigInteger),
        )
        .subquery("sibling")
    )
    service_id = sibling.c.id if is_group else bindparam("service_id", type_=BigInteger)

    def some(rows: Select[Any], most: int) -> Select[Any]:
        if not is_group:
            return select(rows.limit(_times(most)).subquery().c.id)
        of_each = rows.limit(_times(_OF_A_SIBLING)).lateral()
        return select(of_each.c.id).select_from(sibling).join(of_each, true())

    newest = (ServiceRequest.closed_at.desc(), ServiceRequest.id.desc())
    parts = []
    if by_words:
        shares_a_word = ServiceRequest.words.op("@@", is_comparison=True)(_QUERY)
        parts.append(some(_resolved_of(service_id, shares_a_word).order_by(*newest), _BY_WORDS))
    if by_place:
        placed = _resolved_of(service_id, ServiceRequest.location.is_not(None))
        parts.append(some(placed.order_by(degrees_apart(ServiceRequest.location, _POINT)), _BY_PLACE))
    if not parts:
        parts.append(some(_resolved_of(service_id).order_by(*newest), _BY_TIME))
    return union(*parts).subquery("candidate")


def _times(most: int) -> Any:
    return literal_column(str(most))


@lru_cache(maxsize=8)
def _like(*, by_words: bool, by_place: bool, is_group: bool) -> Statement:
    """Resolved is its row, but for names that the city gives; the most alike first."""
    ids = _candidates(by_words=by_words, by_place=by_place, is_group=is_group)
    metres: Any = metres_apart(ServiceRequest.location, _POINT) if by_place else cast(null(), Double)
    ranked = _ranked(ids, metres, by_words=by_words, by_place=by_place)
    reason = (
        select(RequestEvent.facts["reason"].astext)
        .where(
            RequestEvent.jurisdiction_id == _CITY,
            RequestEvent.request_id == ServiceRequest.id,
            RequestEvent.kind.in_([literal_column("'closed'"), literal_column("'status'")]),
        )
        .order_by(RequestEvent.id.desc())
        .limit(literal_column("1"))
        .scalar_subquery()
    )
    phases = (
        select(func.array_agg(aggregate_order_by(RequestPhase.name, RequestPhase.position, RequestPhase.id)))
        .where(
            RequestPhase.jurisdiction_id == _CITY,
            RequestPhase.request_id == ServiceRequest.id,
            RequestPhase.state == literal_column("'done'"),
        )
        .scalar_subquery()
    )
    unit, department = aliased(Department, name="unit"), aliased(Department, name="parent")
    composed = (
        select(
            ServiceRequest.number,
            Service.code.label("service_code"),
            Service.name.label("service_name"),
            func.coalesce(unit.name, department.name).label("department"),
            ServiceRequest.description,
            ServiceRequest.address,
            ServiceRequest.case_status,
            reason.label("reason"),
            ServiceRequest.status_notes.label("words"),
            phases.label("phases"),
            ServiceRequest.answered_from,
            ServiceRequest.requested_at,
            ServiceRequest.closed_at,
            ranked.c.metres,
            ranked.c.likeness,
        )
        .select_from(ranked)
        .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == ranked.c.id))
        .join(Service, and_(Service.jurisdiction_id == _CITY, Service.id == ServiceRequest.service_id))
        .join(department, and_(department.jurisdiction_id == _CITY, department.id == ServiceRequest.department_id))
        .outerjoin(unit, and_(unit.jurisdiction_id == _CITY, unit.id == ServiceRequest.unit_id))
        .order_by(ranked.c.likeness.desc(), ServiceRequest.closed_at.desc(), ServiceRequest.id.desc())
    )
    # How many share a word differs a thousandfold: whether the newest are looked through or the words looked up follows that.
    return Statement(composed, is_planned_anew=True)


def _ranked(ids: Any, metres: Any, *, by_words: bool, by_place: bool) -> Any:
    """Of the candidates those most alike: id, metres, likeness."""
    asked = func.jsonb_each(bindparam("attributes", type_=JSONB)).table_valued("key", "value", name="asked")
    answered_alike = (
        select(func.count())
        .select_from(asked)
        .where(ServiceRequest.attributes.op("->")(asked.c.key).op("=", is_comparison=True)(asked.c.value))
        .scalar_subquery()
    )
    likeness: Any = _ANSWERS * answered_alike / bindparam("answers", type_=Double)
    if by_words:
        rank = func.ts_rank(ServiceRequest.words, _QUERY)
        said = func.left(func.coalesce(ServiceRequest.description, ""), literal_column(str(_COMPARED_LETTERS)))
        likeness += _TRIGRAMS * func.similarity(said, bindparam("compared", type_=Text))
        likeness += _RANK * func.coalesce(rank / func.nullif(func.max(rank).over(), literal(0.0)), literal(0.0))
    if by_place:
        likeness += func.coalesce(_PLACE / (literal(1.0) + metres / _HALF_METRES), literal(0.0))
    scored = (
        select(
            ServiceRequest.id,
            ServiceRequest.closed_at,
            metres.label("metres"),
            cast(likeness, Double).label("likeness"),
        )
        .select_from(ids)
        .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == ids.c.id))
        .subquery("scored")
    )
    return (
        select(scored.c.id, scored.c.metres, scored.c.likeness)
        .order_by(scored.c.likeness.desc(), scored.c.closed_at.desc(), scored.c.id.desc())
        .limit(_times(MOST_SHOWN))
        .subquery("ranked")
    )
