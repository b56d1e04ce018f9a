"""Which boundaries districts have, how much waits in one, and how much came in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, and_, bindparam, case, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import TIMESTAMP

from db.driver import Statement
from geo.districts import materialized
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
    row = _FIGURES.run(
        connection, jurisdiction_id=jurisdiction_id, boundary_id=boundary_id, received_from=now - LATELY, received_to=now
    ).fetchone()
    assert row is not None
    return Figures(open=row.open, received_lately=row.received)


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_MOMENT = TIMESTAMP(timezone=True)
_LEAST = Jurisdiction.least_count
_COUNTS_ALL = select(literal_column("0") == _LEAST).where(Jurisdiction.id == _CITY).scalar_subquery()
_STAMPED = (
    RequestDistrict.jurisdiction_id == _CITY,
    RequestDistrict.boundary_id == bindparam("boundary_id", type_=BigInteger),
    or_(ServiceRequest.is_public, _COUNTS_ALL),
)
_OPEN = (
    select(func.count())
    .select_from(RequestDistrict)
    .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == RequestDistrict.request_id))
    .where(*_STAMPED, ServiceRequest.status == "open")
    .scalar_subquery()
)
_RECEIVED = (
    select(func.count())
    .select_from(RequestDistrict)
    .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == RequestDistrict.request_id))
    .where(
        *_STAMPED,
        RequestDistrict.requested_at > bindparam("received_from", type_=_MOMENT),
        RequestDistrict.requested_at <= bindparam("received_to", type_=_MOMENT),
    )
    .scalar_subquery()
)
# As a part of its own: else each would be counted once to be compared and once to be told.
_COUNTED = materialized(select(_OPEN.label("open"), _RECEIVED.label("received")), "counted")
_FIGURES = Statement(
    select(
        case((_COUNTED.c.open >= _LEAST, _COUNTED.c.open)).label("open"),
        case((_COUNTED.c.received >= _LEAST, _COUNTED.c.received)).label("received"),
    )
    .select_from(Jurisdiction)
    .join(_COUNTED, Jurisdiction.id == _CITY)
)
