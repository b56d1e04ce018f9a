"""Which boundaries districts have, how much waits in one, and how much came in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Text, and_, bindparam, case, func, select
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from db.driver import Statement
from geo.districts import materialized
from geo.models import Boundary, Layer
from open311.models import Jurisdiction, RequestDistrict, ServiceRequest
from open311.notify.following import UnknownDistrict

LATELY = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Requests of a district, those that are not public too; None: fewer than the city tells the public of."""

    open: int | None
    received_lately: int | None


def figures_of(connection: "Connection[Any]", *, jurisdiction_id: int, boundary_id: int, now: datetime) -> Figures:
    """The requests that lie in a boundary by their stamps: those open now, and those received in the 30 days before."""
    row = _FIGURES.run(
        connection, jurisdiction_id=jurisdiction_id, boundary_id=boundary_id, received_from=now - LATELY, received_to=now
    ).fetchone()
    assert row is not None
    return Figures(open=row.open, received_lately=row.received)


def boundaries_of(
    connection: "Connection[Any]", districts: Sequence[tuple[str, str]], *, jurisdiction_id: int, now: datetime
) -> list[int]:
    """The boundaries in force of districts by (layer, code), one each; raises UnknownDistrict."""
    rows = _BOUNDARIES.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        layers=[layer for layer, _ in districts],
        codes=[code for _, code in districts],
        now=now,
    )
    found = {(row.layer, row.code): row.id for row in rows}
    for layer, code in districts:
        if (layer, code) not in found:
            raise UnknownDistrict(f"{layer}:{code}")
    return [found[each] for each in districts]


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_MOMENT = TIMESTAMP(timezone=True)
_STAMPED = (RequestDistrict.jurisdiction_id == _CITY, RequestDistrict.boundary_id == bindparam("boundary_id", type_=BigInteger))
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
    .where(
        *_STAMPED,
        RequestDistrict.requested_at > bindparam("received_from", type_=_MOMENT),
        RequestDistrict.requested_at <= bindparam("received_to", type_=_MOMENT),
    )
    .scalar_subquery()
)
# As a part of its own: else each would be counted once to be compared and once to be told.
_COUNTED = materialized(select(_OPEN.label("open"), _RECEIVED.label("received")), "counted")
_LEAST = Jurisdiction.least_count
_FIGURES = Statement(
    select(
        case((_COUNTED.c.open >= _LEAST, _COUNTED.c.open)).label("open"),
        case((_COUNTED.c.received >= _LEAST, _COUNTED.c.received)).label("received"),
    )
    .select_from(Jurisdiction)
    .join(_COUNTED, Jurisdiction.id == _CITY)
)

_ASKED = (
    func.unnest(bindparam("layers", type_=ARRAY(Text)), bindparam("codes", type_=ARRAY(Text)))
    .table_valued("layer", "code")
    .render_derived("asked")
)
_BOUNDARIES = Statement(
    select(_ASKED.c.layer, _ASKED.c.code, Boundary.id)
    .select_from(_ASKED)
    .join(Layer, and_(Layer.jurisdiction_id == _CITY, Layer.code == _ASKED.c.layer))
    .join(
        Boundary,
        and_(Boundary.jurisdiction_id == _CITY, Boundary.layer_id == Layer.id, Boundary.code == _ASKED.c.code),
    )
    .where(Boundary.in_force(bindparam("now", type_=_MOMENT)))
)
