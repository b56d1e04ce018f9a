"""Where a request would go, or went, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Text, and_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from db.driver import Statement, driver
from geo.point import Point
from geo.queries import latitude, longitude
from open311.cases import intake
from open311.cases.locating import locate
from open311.cases.numbers import spellings
from open311.cases.posting import out_of_reach
from open311.cases.search import UnknownRequest
from open311.config import Settings
from open311.jurisdictions import City
from open311.models import RequestEvent, ServiceRequest
from open311.services import AskedService
from routing.decision import Decision
from routing.explain import Explanation, explain
from schemas import submission
from schemas.definition import check
from schemas.problems import Problems


@dataclass(frozen=True, kw_only=True)
class PastDecision:
    """A decision of a request's history, explained as it was made; cause is why it was decided anew, None the first time."""

    at: datetime
    cause: str | None
    explanation: Explanation


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A person who gave a request to a department or unit whatever the rules say, or (None) returned it to them."""

    at: datetime
    by: str
    given_to: str | None
    before: str | None
    reason: str | None


def explain_draft(
    fields: Mapping[str, Sequence[str]], service: AskedService, city: City, *, at: datetime, settings: Settings
) -> Explanation:
    """Where a request with these fields (name: values as sent) would go if it came in then.

    Nothing is kept.  Required answers may be missing; those given must be good.  Raises Problems.  Not inside a
    transaction: an outside geocoder may be asked.
    """
    sent, problems = submission.read(fields)
    if service.needs_location and not sent.has_place and not sent.tried_a_place:
        problems.append("a location is required: lat and long, address_string or address_id")
    questions = [replace(question, required=False) for question in service.questions]
    answers, wrong = check(questions, sent.submitted, city.zone)
    problems += wrong
    located = locate(sent, city, settings)
    with driver.connection() as connection:
        decision = intake.route(
            connection,
            jurisdiction_id=city.id,
            service=service.new,
            point=located.point,
            answers=answers,
            default_department_id=city.default_department_id,
            at=at,
            unplaced_because=located.unplaced_because,
        )
        if located.point is not None:
            problems += out_of_reach(connection, service, located.point, decision, city, at=at)
        if problems:
            raise Problems(problems)
        return explain(connection, decision, jurisdiction_id=city.id, point=located.point)


def explain_request(connection: "Connection[Any]", number: str, city: City) -> list[PastDecision]:
    """The decisions of a request by its number, the latest first, from its history.  Raises UnknownRequest."""
    rows = _DECISIONS.run(connection, jurisdiction_id=city.id, numbers=spellings(number)).fetchall()
    if not rows:
        raise UnknownRequest(number)
    return [
        PastDecision(
            at=row.at,
            cause=row.facts.get("cause"),
            explanation=explain(connection, Decision.from_record(row.facts), jurisdiction_id=city.id, point=_point_of(row)),
        )
        for row in rows
    ]


def choices_of(connection: "Connection[Any]", number: str, city: City) -> list[Choice]:
    """What persons chose for a request by its number, the latest first: while that is a department, no rule moves it."""
    rows = _CHOICES.run(connection, jurisdiction_id=city.id, numbers=spellings(number))
    return [
        Choice(
            at=row.at,
            by=row.facts["by"],
            given_to=row.facts.get("unit") or row.facts.get("department"),
            before=row.facts.get("before"),
            reason=row.facts.get("reason"),
        )
        for row in rows
    ]


def _point_of(row: Any) -> Point | None:
    """Where the request lay when it was decided; records that do not say so are of requests that have not moved since."""
    place = row.facts.get("point") or (None if row.long is None else {"long": row.long, "lat": row.lat})
    return None if place is None else Point(long=place["long"], lat=place["lat"])


_HISTORY = (
    select(
        RequestEvent.at,
        RequestEvent.facts,
        longitude(ServiceRequest.location).label("long"),
        latitude(ServiceRequest.location).label("lat"),
    )
    .select_from(ServiceRequest)
    .join(
        RequestEvent,
        and_(
            RequestEvent.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger),
            RequestEvent.request_id == ServiceRequest.id,
        ),
    )
    .where(
        ServiceRequest.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger),
        ServiceRequest.number == func.any(bindparam("numbers", type_=ARRAY(Text))),
    )
    .order_by(RequestEvent.id.desc())
)
_DECISIONS = Statement(_HISTORY.where(RequestEvent.kind == "routed"))
_CHOICES = Statement(_HISTORY.where(or_(RequestEvent.kind == "overridden", RequestEvent.kind == "released")))
