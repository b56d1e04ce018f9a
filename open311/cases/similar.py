"""Earlier requests that are likely of the same thing as one that comes in, and how well they are found."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Double, Text, and_, bindparam, case, cast, func, literal_column, null, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.orm import aliased

from db.driver import Statement
from geo.point import Point
from geo.queries import latitude, longitude, make_point, metres_between, within_metres
from open311.cases.casework import casework
from open311.cases.holding import Held
from open311.jurisdictions import City
from open311.models import Service, ServiceRequest

MOST = 5


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """A draft or a request to compare: what, where (a point, else an address), when; request_id: not itself."""

    service_id: int
    point: Point | None
    address: str | None
    at: datetime
    words: str | None = None
    request_id: int = 0


def likeness_of(held: Held) -> Likeness:
    """That of a request, as when it came in."""
    return Likeness(
        service_id=held.service_id,
        point=held.point,
        address=held.address,
        at=held.requested_at,
        words=held.description,
        request_id=held.id,
    )


def similar(
    connection: "Connection[Any]", city: City, about: Likeness, *, most: int = MOST, public_only: bool = True
) -> list[Any]:
    """Up to so many earlier requests that are likely of the same thing, the likeliest first, each once.

    Those of the service, or of what its item says stands for the same (its group, else), within its radius, that were open
    or had not been closed for long when this one came in: those of the same address first, then the nearest, those of
    similar words, the newest.  Without a point: those of the same address that have none either.
    Rows id, root_id (of the one that it follows, else its own), number, service_name, status, requested_at, address, lat,
    long, distance_metres (None without a point), reported_by: how many requests are of it.
    """
    rule = casework(connection, city.id).likeness_of(about.service_id)
    address = " ".join((about.address or "").lower().split())
    if about.point is None and not address:
        return []
    window = None if rule.window_days is None else about.at - timedelta(days=rule.window_days)
    values: dict[str, Any] = {
        "jurisdiction_id": city.id,
        "service_ids": list(rule.service_ids),
        "at": about.at,
        "since": window,
        "closed_since": about.at - timedelta(days=rule.days_after_closing),
        "address": address,
        "words": about.words or "",
        "request_id": about.request_id,
        "public_only": public_only,
        # One thing may have been reported by as many.
        "most": most * 4,
    }
    if about.point is None:
        rows = _AT_ADDRESS.run(connection, **values).fetchall()
    else:
        rows = _NEAR.run(connection, **values, long=about.point.long, lat=about.point.lat, metres=rule.radius_metres).fetchall()
    return list({row.root_id: row for row in reversed(rows)}.values())[::-1][:most]


@dataclass(frozen=True, kw_only=True)
class Score:
    """How many known pairs, how many of them were suggested, and how many suggestions all requests of their months had."""

    pairs: int
    found: int
    requests: int
    suggestions: int

    def as_figures(self) -> dict[str, Any]:
        """What is printed as JSON."""
        return {
            "pairs": self.pairs,
            "recall_at_5": round(self.found / self.pairs, 4) if self.pairs else 0.0,
            "suggestions_per_request": round(self.suggestions / self.requests, 4) if self.requests else 0.0,
        }


def score(
    connection: "Connection[Any]",
    city: City,
    pairs: Iterable[tuple[str, str]],
    *,
    advance: Callable[[int], object] = lambda requests: None,
) -> Score:
    """How well known pairs of requests of the same thing are found: the earlier one among those suggested for the later.

    Each request is asked about as it came in, with what lay before it; counted are all requests of the months (by the
    city's clock) in which a later one of a pair came in.  Raises UnknownPair.
    """
    wanted = list(pairs)
    known: Mapping[str, Any] = {
        row.number: row
        for row in _KNOWN.run(
            connection, jurisdiction_id=city.id, timezone=city.zone.key, numbers=[each for pair in wanted for each in pair]
        )
    }
    missing = sorted({each for pair in wanted for each in pair if each not in known})
    if missing:
        raise UnknownPair(missing)
    earlier_of: dict[int, set[int]] = {}
    for pair in wanted:
        earlier, later = sorted((known[each] for each in pair), key=lambda row: (row.requested_at, row.id))
        earlier_of.setdefault(later.id, set()).add(earlier.id)
    months = sorted({row.month for row in known.values() if row.id in earlier_of})
    found = requests = suggestions = 0
    for row in _ASKED.run(connection, jurisdiction_id=city.id, months=months, timezone=city.zone.key).fetchall():
        about = Likeness(
            service_id=row.service_id,
            point=Point(long=row.long, lat=row.lat) if row.long is not None else None,
            address=row.address,
            at=row.requested_at,
            request_id=row.id,
        )
        shown = [each.id for each in similar(connection, city, about, public_only=False)]
        found += len(earlier_of.get(row.id, set()).intersection(shown))
        requests, suggestions = requests + 1, suggestions + len(shown)
        advance(1)
    return Score(pairs=sum(map(len, earlier_of.values())), found=found, requests=requests, suggestions=suggestions)


class UnknownPair(LookupError):
    """Requests of a list of pairs that the city has not; `numbers` has them."""

    def __init__(self, numbers: Sequence[str]) -> None:
        self.numbers = list(numbers)
        super().__init__(", ".join(self.numbers))


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_AT: Any = bindparam("at", type_=TIMESTAMP(timezone=True))
_SINCE: Any = bindparam("since", type_=TIMESTAMP(timezone=True))
_ADDRESS: Any = bindparam("address", type_=Text)
_THERE = make_point(long=bindparam("long"), lat=bindparam("lat"))
_ROOT = aliased(ServiceRequest, name="root")
_OTHER = aliased(ServiceRequest, name="other")
_IS_SAME_ADDRESS = and_(literal_column("''") != _ADDRESS, func.lower(ServiceRequest.address) == _ADDRESS)
_WORDS = func.coalesce(ServiceRequest.description, literal_column("''"))
_REPORTED_BY = (
    select(func.count() + literal_column("1"))
    .select_from(_OTHER)
    .where(_OTHER.jurisdiction_id == _CITY, _OTHER.parent_id == _ROOT.id)
    .scalar_subquery()
)


def _likely(distance: Any, *conditions: Any) -> Statement:
    nearest = () if distance is None else (func.round(distance),)
    return Statement(
        select(
            ServiceRequest.id,
            _ROOT.id.label("root_id"),
            _ROOT.number,
            Service.name.label("service_name"),
            _ROOT.status,
            _ROOT.requested_at,
            _ROOT.address,
            latitude(_ROOT.location).label("lat"),
            longitude(_ROOT.location).label("long"),
            (cast(null(), Double) if distance is None else distance).label("distance_metres"),
            _REPORTED_BY.label("reported_by"),
        )
        .join(
            _ROOT,
            and_(_ROOT.jurisdiction_id == _CITY, _ROOT.id == func.coalesce(ServiceRequest.parent_id, ServiceRequest.id)),
        )
        .join(Service, and_(Service.jurisdiction_id == _CITY, Service.id == _ROOT.service_id))
        .where(
            ServiceRequest.jurisdiction_id == _CITY,
            ServiceRequest.service_id == func.any(bindparam("service_ids", type_=ARRAY(BigInteger))),
            ServiceRequest.requested_at <= _AT,
            or_(_SINCE.is_(None), ServiceRequest.requested_at >= _SINCE),
            or_(
                ServiceRequest.closed_at.is_(None),
                ServiceRequest.closed_at >= bindparam("closed_since", type_=TIMESTAMP(timezone=True)),
            ),
            _came_before(),
            _ROOT.number.is_not(None),
            or_(
                ~bindparam("public_only"),
                and_(
                    ServiceRequest.is_public,
                    _ROOT.is_public,
                    # How far one lies from here would tell where it lies.
                    ServiceRequest.coarse_metres.is_(None),
                    _ROOT.coarse_metres.is_(None),
                ),
            ),
            *conditions,
        )
        .order_by(
            case((_IS_SAME_ADDRESS, 0), else_=1),
            *nearest,
            func.similarity(
                func.coalesce(ServiceRequest.description, literal_column("''")), bindparam("words", type_=Text)
            ).desc(),
            ServiceRequest.requested_at.desc(),
            ServiceRequest.id.desc(),
        )
        .limit(bindparam("most", type_=BigInteger))
    )


def _came_before() -> Any:
    """Of two of the same second the one that was kept first; a draft (0) has every other before it."""
    request_id: Any = bindparam("request_id", type_=BigInteger)
    return or_(request_id == literal_column("0"), ServiceRequest.requested_at < _AT, ServiceRequest.id < request_id)


_NEAR = _likely(
    metres_between(ServiceRequest.location, _THERE),
    within_metres(ServiceRequest.location, _THERE, bindparam("metres", type_=Double)),
)
_AT_ADDRESS = _likely(None, ServiceRequest.location.is_(None), _IS_SAME_ADDRESS)


def _month() -> Any:
    """YYYY-MM of when it came in, by the city's clock."""
    local = func.timezone(bindparam("timezone", type_=Text), ServiceRequest.requested_at)
    return func.to_char(local, literal_column("'YYYY-MM'"), type_=Text)


_KNOWN = Statement(
    select(ServiceRequest.id, ServiceRequest.number, ServiceRequest.requested_at, _month().label("month")).where(
        ServiceRequest.jurisdiction_id == _CITY,
        ServiceRequest.number == func.any(bindparam("numbers", type_=ARRAY(Text))),
    )
)
_ASKED = Statement(
    select(
        ServiceRequest.id,
        ServiceRequest.service_id,
        longitude(ServiceRequest.location).label("long"),
        latitude(ServiceRequest.location).label("lat"),
        ServiceRequest.address,
        ServiceRequest.requested_at,
    )
    .where(ServiceRequest.jurisdiction_id == _CITY, _month().in_(select(func.unnest(bindparam("months", type_=ARRAY(Text))))))
    .order_by(ServiceRequest.id)
)
