"""What scorecards count of each request, read from the request, its history, its stamps and the verdicts on it."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Date,
    FromClause,
    Integer,
    Select,
    SmallInteger,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy import extract as part_of
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP, aggregate_order_by

from open311.models import RequestDistrict, RequestEvent, ScorecardFact, ServiceRequest, Verdict

CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
AS_OF: Any = bindparam("as_of", type_=TIMESTAMP(timezone=True))
ZONE: Any = bindparam("zone", type_=Text)

# The first of these is the first response; a note only when it is for everybody.
RESPONSES = ("accepted", "status", "updated", "phase_done", "answered", "closed")

# In the order in which `raw_facts` gives them.
COLUMNS = [column.name for column in ScorecardFact.__table__.columns]


def local_month(moment: Any) -> Any:
    """The first day of the month in which a moment lies by the city's clock."""
    return cast(func.date_trunc(literal_column("'month'"), func.timezone(ZONE, moment)), Date)


def raw_facts(among: FromClause | None = None) -> Select[Any]:
    """COLUMNS of every request of the city, or of those in `among` (request_id), as of a moment.

    Bind jurisdiction_id, zone and as_of.
    """

    def only(request_id: Any) -> list[Any]:
        return [] if among is None else [request_id.in_(select(among.c.request_id))]

    responded = (
        select(RequestEvent.request_id, func.min(RequestEvent.at).label("at"))
        .where(RequestEvent.jurisdiction_id == CITY, _IS_RESPONSE, *only(RequestEvent.request_id))
        .group_by(RequestEvent.request_id)
        .subquery("responded")
    )
    stamped = (
        select(
            RequestDistrict.request_id,
            func.array_agg(aggregate_order_by(RequestDistrict.boundary_id, RequestDistrict.boundary_id)).label("ids"),
        )
        .where(RequestDistrict.jurisdiction_id == CITY, *only(RequestDistrict.request_id))
        .group_by(RequestDistrict.request_id)
        .subquery("stamped")
    )
    judged = (
        select(Verdict.request_id, func.count().label("times"))
        .where(Verdict.jurisdiction_id == CITY, *only(Verdict.request_id))
        .group_by(Verdict.request_id)
        .subquery("judged")
    )
    request = ServiceRequest
    closed_at = case((request.closed_at.is_not(None), func.greatest(request.closed_at, request.requested_at)))
    has_lapsed = and_(request.expected_at <= AS_OF, or_(request.closed_at.is_(None), closed_at > request.expected_at))
    local = func.timezone(ZONE, request.requested_at)
    values: dict[str, Any] = {
        "jurisdiction_id": request.jurisdiction_id,
        "request_id": request.id,
        "service_id": request.service_id,
        "department_id": request.department_id,
        "requested_at": request.requested_at,
        "closed_at": closed_at,
        "expected_at": request.expected_at,
        "received_month": local_month(request.requested_at),
        "closed_month": local_month(closed_at),
        "lapsed_month": case((has_lapsed, local_month(request.expected_at))),
        "response_seconds": _seconds(
            func.greatest(responded.c.at, request.requested_at) - request.requested_at, responded.c.at
        ),
        "closing_seconds": _seconds(closed_at - request.requested_at, request.closed_at),
        "verdicts": cast(func.coalesce(judged.c.times, literal_column("0")), Integer),
        "hour": cast(part_of("hour", local), SmallInteger),
        "weekday": cast(part_of("isodow", local), SmallInteger),
        "kept_promise": case((request.closed_at.is_not(None), closed_at <= request.expected_at)),
        "is_reopened": request.times_reopened > literal_column("0"),
        "is_duplicate": request.parent_id.is_not(None),
        "is_answered": request.answered_from.is_not(None),
        "channel": request.channel,
        "boundary_ids": func.coalesce(stamped.c.ids, literal_column("'{}'::bigint[]", ARRAY(BigInteger))),
        "is_public": request.is_public,
    }
    return (
        select(*[values[name].label(name) for name in COLUMNS])
        .select_from(request)
        .outerjoin(responded, responded.c.request_id == request.id)
        .outerjoin(stamped, stamped.c.request_id == request.id)
        .outerjoin(judged, judged.c.request_id == request.id)
        .where(request.jurisdiction_id == CITY, *only(request.id))
    )


def _seconds(interval: Any, of: Any) -> Any:
    return case((of.is_not(None), cast(part_of("epoch", interval), BigInteger)))


_IS_RESPONSE = or_(
    RequestEvent.kind == func.any(literal_column(f"array[{', '.join(repr(kind) for kind in RESPONSES)}]")),
    and_(
        RequestEvent.kind == literal_column("'noted'"),
        RequestEvent.facts[literal_column("'public'", Text)].astext == literal_column("'true'"),
    ),
)
