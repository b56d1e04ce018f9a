"""How requests like this one were resolved, and how long that took."""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
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
from open311.cases.casework import Casework, casework
from open311.cases.holding import Held, look_at
from open311.jurisdictions import City
from open311.models import RequestEvent, RequestPhase, Service, ServiceRequest
from open311.models.request import WORDS_LANGUAGE
from routing.models import Department
from schemas.definition import Answers

MOST_SHOWN = 10
# So many of those that are ranked say how such things are resolved.
_COMPARED = 60
# What a way of resolving gains by a request that was closed just now; of one closed so long ago half of it.
_OF_LATE, _HALF_AGE = 0.5, timedelta(days=30)
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

# The first of what the public was told says whether two were resolved the same way.
_SAME_LETTERS = 400
_LETTERS = re.compile(r"[^\W\d_]+")
# As crews sign: "D.WEBB", "j. smith".
_SIGNED = re.compile(r"\b[a-z]\. ?[a-z]{2,}")
_DAYS = "monday tuesday wednesday thursday friday saturday sunday"
_MONTHS = "january february march april may june july august september october november december"
_SHORT_MONTHS = "jan feb mar apr jun jul aug sep sept oct nov dec"
_DATE_WORDS = frozenset(f"{_DAYS} {_MONTHS} {_SHORT_MONTHS}".split())


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
    missing.  likeness: the greater, the more alike; comparable within one answer only.  times: how many of those compared
    were resolved the same way.
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
    times: int

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
    """The commonest resolution among those that were compared, how many of them had it, and the time in the middle."""

    resolution: str
    times: int
    compared: int
    took: timedelta


@dataclass(frozen=True, kw_only=True)
class Known:
    """How such things were resolved: shown has at most MOST_SHOWN, each way first once; summary: None where there is none."""

    shown: Sequence[Resolved]
    summary: Summary | None


def like_request(connection: "Connection[Any]", city: City, number: str, *, by: Actor, now: datetime) -> tuple[Asked, Known]:
    """What the request of this number asks, and the resolved requests most like it.  Raises UnknownRequest, NotAllowed."""
    asked = asked_of(look_at(connection, city, number, by))
    return asked, resolved_like(connection, asked, jurisdiction_id=city.id, sight=sight_of(by), now=now)


def asked_of(held: Held) -> Asked:
    """What a request asks by what was said when it came in; how it was resolved is no part of it."""
    return Asked(
        service_id=held.service_id,
        service_group=held.service_group,
        words=held.description or "",
        point=held.point,
        answers=held.attributes,
        request_id=held.id,
    )


def like_draft(connection: "Connection[Any]", city: City, asked: Asked, *, by: Actor, now: datetime) -> Known:
    """The resolved requests most like a draft, for who takes requests in.  Raises NotAllowed."""
    may(by, RECEIVE)
    return resolved_like(connection, asked, jurisdiction_id=city.id, sight=sight_of(by), now=now)


def resolved_like(connection: "Connection[Any]", asked: Asked, *, jurisdiction_id: int, sight: Sight, now: datetime) -> Known:
    """The resolved requests most like what is asked, each way of resolving first once: of its service, then of its group."""
    work = casework(connection, jurisdiction_id)
    alike = most_alike(connection, asked, jurisdiction_id=jurisdiction_id, sight=sight, now=now)
    chosen = by_ways(alike, way=_way, now=now)[:MOST_SHOWN]
    ids = [row.id for row, _ in chosen]
    more = {row.id: row._asdict() for row in _SHOWN.run(connection, jurisdiction_id=jurisdiction_id, ids=ids)} if ids else {}
    shown = []
    for row, times in chosen:
        fields = {**row._asdict(), **more[row.id], "phases": more[row.id]["phases"] or []}
        del fields["id"]
        fields["reason"] = row.reason and work.reason_name(row.reason)
        shown.append(Resolved(**fields, times=times, status_name=work.status(row.case_status).name))
    return Known(shown=shown, summary=_summary(work, next((rows for rows in alike if rows), [])))


def most_alike(
    connection: "Connection[Any]",
    asked: Asked,
    *,
    jurisdiction_id: int,
    sight: Sight,
    now: datetime,
    among: Sequence[int] | None = None,
) -> list[Sequence[Any]]:
    """The resolved requests most like what is asked: of its service, and of its group where those are fewer than are shown.

    now: what was closed later is not known yet.  among: the ids of those that are looked at, instead of all.
    Rows id, number, case_status, reason (a code), words, requested_at, closed_at, metres, likeness; the most alike first.

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
        "now": now,
        "sees_all": sight.sees_all,
        "department_ids": list(sight.department_ids),
        "attributes": Jsonb(asked.answers),
        "answers": float(max(1, len(asked.answers))),
    }
    if among is not None:
        values["among"] = list(among)
    if lexemes:
        values |= {"query": " | ".join(lexemes), "compared": words[:_COMPARED_LETTERS]}
    if asked.point is not None:
        values |= {"long": asked.point.long, "lat": asked.point.lat}
    found: list[Sequence[Any]] = []
    for is_group in (False, True):
        if sum(map(len, found)) < MOST_SHOWN:
            statement = _like(
                by_words=bool(lexemes), by_place=asked.point is not None, is_group=is_group, is_among=among is not None
            )
            found.append(statement.run(connection, **values).fetchall())
    return found


def by_ways(alike: Sequence[Sequence[Any]], *, way: Callable[[Any], Hashable], now: datetime) -> list[tuple[Any, int]]:
    """The rows of each list again, with how many of it were resolved the same way.

    Of each way the most alike, the best supported way first; then the others.  A way is supported by every request that
    was resolved so, by its likeness, and more where it was closed of late.
    """
    ordered: list[tuple[Any, int]] = []
    for rows in alike:
        members: dict[Hashable, list[Any]] = {}
        for row in rows:
            members.setdefault(way(row), []).append(row)
        support = {key: sum(row.likeness + _of_late(now - row.closed_at) for row in members[key]) for key in members}
        times = {row.id: len(same) for same in members.values() for row in same}
        leading = [members[key][0] for key in sorted(members, key=lambda key: -support[key])]
        led = {row.id for row in leading}
        ordered += [(row, times[row.id]) for row in [*leading, *(row for row in rows if row.id not in led)]]
    return ordered


def same_words(text: str) -> str:
    """What a text says apart from small things: in small letters, without numbers, dates, marks, and names after an initial."""
    words = [word for word in text[:_SAME_LETTERS].lower().split() if not any(map(str.isdigit, word))]
    said = _SIGNED.sub(" ", " ".join(words))
    return " ".join(word for word in _LETTERS.findall(said) if word not in _DATE_WORDS)


def _way(row: Any) -> Hashable:
    return row.case_status, row.reason, same_words(row.words or "")


def _of_late(age: timedelta) -> float:
    return _OF_LATE / (1.0 + max(age, timedelta()) / _HALF_AGE)


def _summary(work: Casework, rows: Sequence[Any]) -> Summary | None:
    if not rows:
        return None
    names = [(row.reason and work.reason_name(row.reason)) or work.status(row.case_status).name for row in rows]
    ((resolution, times),) = Counter(names).most_common(1)
    seconds = median((row.closed_at - row.requested_at).total_seconds() for row in rows)
    return Summary(resolution=resolution, times=times, compared=len(rows), took=timedelta(seconds=seconds))


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
    # How far one lies from here would tell where it lies.
    and_(ServiceRequest.is_public, ServiceRequest.coarse_metres.is_(None)),
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
        ServiceRequest.closed_at <= bindparam("now", type_=TIMESTAMP(timezone=True)),
        ServiceRequest.number.is_not(None),
        ServiceRequest.id != bindparam("request_id", type_=BigInteger),
        _MAY_BE_SHOWN,
        *more,
    )


def _candidates(*, by_words: bool, by_place: bool, is_group: bool, is_among: bool) -> Any:
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
    only = [ServiceRequest.id == func.any(bindparam("among", type_=ARRAY(BigInteger)))] if is_among else []

    def some(rows: Select[Any], most: int) -> Select[Any]:
        if not is_group:
            return select(rows.limit(_times(most)).subquery().c.id)
        of_each = rows.limit(_times(_OF_A_SIBLING)).lateral()
        return select(of_each.c.id).select_from(sibling).join(of_each, true())

    newest = (ServiceRequest.closed_at.desc(), ServiceRequest.id.desc())
    parts = []
    if by_words:
        shares_a_word = ServiceRequest.words.op("@@", is_comparison=True)(_QUERY)
        parts.append(some(_resolved_of(service_id, shares_a_word, *only).order_by(*newest), _BY_WORDS))
    if by_place:
        placed = _resolved_of(service_id, ServiceRequest.location.is_not(None), *only)
        parts.append(some(placed.order_by(degrees_apart(ServiceRequest.location, _POINT)), _BY_PLACE))
    if not parts:
        parts.append(some(_resolved_of(service_id, *only).order_by(*newest), _BY_TIME))
    return union(*parts).subquery("candidate")


def _times(most: int) -> Any:
    return literal_column(str(most))


_REASON = (
    select(RequestEvent.facts["reason"].astext)
    .where(
        RequestEvent.jurisdiction_id == _CITY,
        RequestEvent.request_id == literal_column("ranked.id", type_=BigInteger),
        RequestEvent.kind.in_([literal_column("'closed'"), literal_column("'status'")]),
    )
    .order_by(RequestEvent.id.desc())
    .limit(literal_column("1"))
    .scalar_subquery()
)


@lru_cache(maxsize=16)
def _like(*, by_words: bool, by_place: bool, is_group: bool, is_among: bool = False) -> Statement:
    """Those that are compared, the most alike first: the rows of most_alike."""
    ids = _candidates(by_words=by_words, by_place=by_place, is_group=is_group, is_among=is_among)
    ranked = _ranked(ids, by_words=by_words, by_place=by_place)
    composed = select(*ranked.c, _REASON.label("reason")).order_by(
        ranked.c.likeness.desc(), ranked.c.closed_at.desc(), ranked.c.id.desc()
    )
    # How many share a word differs a thousandfold: whether the newest are looked through or the words looked up follows that.
    return Statement(composed, is_planned_anew=True)


def _ranked(ids: Any, *, by_words: bool, by_place: bool) -> Any:
    """Of the candidates those that are compared, with how alike they are."""
    asked = func.jsonb_each(bindparam("attributes", type_=JSONB)).table_valued("key", "value", name="asked")
    answered_alike = (
        select(func.count())
        .select_from(asked)
        .where(ServiceRequest.attributes.op("->")(asked.c.key).op("=", is_comparison=True)(asked.c.value))
        .scalar_subquery()
    )
    said = func.left(func.coalesce(ServiceRequest.description, ""), literal_column(str(_COMPARED_LETTERS)))
    metres: Any = metres_apart(ServiceRequest.location, _POINT) if by_place else cast(null(), Double)
    part = (
        select(
            ServiceRequest.id,
            ServiceRequest.number,
            ServiceRequest.case_status,
            ServiceRequest.status_notes.label("words"),
            ServiceRequest.requested_at,
            ServiceRequest.closed_at,
            metres.label("metres"),
            (_ANSWERS * answered_alike / bindparam("answers", type_=Double)).label("answers"),
            *([func.ts_rank(ServiceRequest.words, _QUERY).label("rank")] if by_words else []),
            *([func.similarity(said, bindparam("compared", type_=Text)).label("trigrams")] if by_words else []),
        )
        .select_from(ids)
        .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == ids.c.id))
        # Else the planner puts what is computed here wherever it is used, and computes it as often.
        .offset(literal_column("0"))
        .subquery("part")
    )
    likeness: Any = part.c.answers
    if by_words:
        likeness += _TRIGRAMS * part.c.trigrams
        likeness += _RANK * func.coalesce(part.c.rank / func.nullif(func.max(part.c.rank).over(), literal(0.0)), literal(0.0))
    if by_place:
        likeness += func.coalesce(_PLACE / (literal(1.0) + part.c.metres / _HALF_METRES), literal(0.0))
    alike = cast(likeness, Double).label("likeness")
    kept = [part.c[name] for name in ("id", "number", "case_status", "words", "requested_at", "closed_at", "metres")]
    return (
        select(*kept, alike)
        .order_by(alike.desc(), part.c.closed_at.desc(), part.c.id.desc())
        .limit(_times(_COMPARED))
        .subquery("ranked")
    )


_PHASES = (
    select(func.array_agg(aggregate_order_by(RequestPhase.name, RequestPhase.position, RequestPhase.id)))
    .where(
        RequestPhase.jurisdiction_id == _CITY,
        RequestPhase.request_id == ServiceRequest.id,
        RequestPhase.state == literal_column("'done'"),
    )
    .scalar_subquery()
)
_UNIT, _DEPARTMENT = aliased(Department, name="unit"), aliased(Department, name="parent")
_SHOWN = Statement(
    select(
        ServiceRequest.id,
        Service.code.label("service_code"),
        Service.name.label("service_name"),
        func.coalesce(_UNIT.name, _DEPARTMENT.name).label("department"),
        ServiceRequest.description,
        ServiceRequest.address,
        _PHASES.label("phases"),
        ServiceRequest.answered_from,
    )
    .join(Service, and_(Service.jurisdiction_id == _CITY, Service.id == ServiceRequest.service_id))
    .join(_DEPARTMENT, and_(_DEPARTMENT.jurisdiction_id == _CITY, _DEPARTMENT.id == ServiceRequest.department_id))
    .outerjoin(_UNIT, and_(_UNIT.jurisdiction_id == _CITY, _UNIT.id == ServiceRequest.unit_id))
    .where(
        ServiceRequest.jurisdiction_id == _CITY,
        ServiceRequest.id == func.any(bindparam("ids", type_=ARRAY(BigInteger))),
    )
)
