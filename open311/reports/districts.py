"""How much waits in a district, and how much came in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, and_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from db.driver import Statement
from open311.models import Jurisdiction, RequestDistrict, ServiceRequest

LATELY = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Requests of a district; None: fewer than the city tells the public of.

    Those that are not public count too, unless the city holds small counts back: then each list would give them away, by what
    the public can count itself.
    """

    open: int | None
    received_lately: int | None


def figures_of(connection: "Connection[Any]", *, jurisdiction_id: int, boundary_id: int, now: datetime) -> Figures:
    """The requests that lie in a boundary by their stamps: those open now, and those received in the 30 days before."""
    least = _LEAST.run(connection, jurisdiction_id=jurisdiction_id).fetchall()[0].least_count
    (row,) = _figures(is_public_alone=least > 0).run(
        connection, jurisdiction_id=jurisdiction_id, boundary_id=boundary_id, received_from=now - LATELY, received_to=now
    )
    return Figures(
        open=row.open if row.open >= least else None, received_lately=row.received if row.received >= least else None
    )


# Up to so many days old, each group of open requests.
AGE_DAYS = (7, 30, 91, 365)


def ages_of(connection: "Connection[Any]", *, jurisdiction_id: int, boundary_id: int, now: datetime) -> list[int] | None:
    """How many requests of a boundary are open, by their age: up to each of AGE_DAYS, and older, youngest first.

    None where one of the groups is smaller than what the city tells the public: the others would give it away.
    """
    least = _LEAST.run(connection, jurisdiction_id=jurisdiction_id).fetchall()[0].least_count
    edges = [now - timedelta(days=days) for days in reversed(AGE_DAYS)]
    rows = _ages(is_public_alone=least > 0).run(
        connection, jurisdiction_id=jurisdiction_id, boundary_id=boundary_id, edges=edges
    )
    counted = {row.age: row.open for row in rows}
    if any(count < least for count in counted.values()):
        return None
    return [counted.get(age, 0) for age in range(len(edges), -1, -1)]


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_MOMENT = TIMESTAMP(timezone=True)
_LEAST = Statement(select(Jurisdiction.least_count).where(Jurisdiction.id == _CITY))


@cache
def _figures(*, is_public_alone: bool) -> Statement:
    """Two counts; of all, the index of open requests has what is asked of a request, and none is read."""
    stamped = (
        select(func.count())
        .select_from(RequestDistrict)
        .where(
            RequestDistrict.jurisdiction_id == _CITY,
            RequestDistrict.boundary_id == bindparam("boundary_id", type_=BigInteger),
        )
    )
    theirs = and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == RequestDistrict.request_id)
    waiting = stamped.join(ServiceRequest, theirs).where(ServiceRequest.status == "open")
    received = stamped.where(
        RequestDistrict.requested_at > bindparam("received_from", type_=_MOMENT),
        RequestDistrict.requested_at <= bindparam("received_to", type_=_MOMENT),
    )
    if is_public_alone:
        waiting = waiting.where(ServiceRequest.is_public)
        received = received.join(ServiceRequest, theirs).where(ServiceRequest.is_public)
    return Statement(select(waiting.scalar_subquery().label("open"), received.scalar_subquery().label("received")))


@cache
def _ages(*, is_public_alone: bool) -> Statement:
    """By between which of the edges it came in: 0 before them all."""
    age = func.width_bucket(RequestDistrict.requested_at, bindparam("edges", type_=ARRAY(_MOMENT)))
    waiting = (
        select(age.label("age"), func.count().label("open"))
        .select_from(RequestDistrict)
        .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == RequestDistrict.request_id))
        .where(
            RequestDistrict.jurisdiction_id == _CITY,
            RequestDistrict.boundary_id == bindparam("boundary_id", type_=BigInteger),
            ServiceRequest.status == "open",
        )
        .group_by(age)
    )
    return Statement(waiting.where(ServiceRequest.is_public) if is_public_alone else waiting)
