"""The districts that a request is stamped with: every map of every layer since it came in."""

from datetime import datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, and_, bindparam, delete, func, insert, select
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from db.driver import Statement
from db.periods import goes_on, has_begun
from geo.districts import covering
from geo.models import Boundary
from geo.point import Point
from geo.queries import make_point
from open311.models import RequestDistrict


def stamp_anew(
    connection: "Connection[Any]",
    *,
    jurisdiction_id: int,
    request_id: int,
    point: Point | None,
    requested_at: datetime,
    now: datetime,
) -> None:
    """Stamp a request for another place, with each map that was in force at some time between its coming in and now.

    None: it has no place any more, and no stamp.
    """
    key = {"jurisdiction_id": jurisdiction_id, "request_id": request_id}
    _UNSTAMP.run(connection, **key)
    if point is not None:
        _STAMP_ANEW.run(connection, **key, long=point.long, lat=point.lat, requested_at=requested_at, now=now)


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_REQUEST: Any = bindparam("request_id", type_=BigInteger)
_REQUESTED_AT: Any = bindparam("requested_at", type_=TIMESTAMP(timezone=True))
_COLUMNS = ["jurisdiction_id", "request_id", "boundary_id", "requested_at"]

# With the boundaries that a decision has found already.
STAMP = Statement(
    insert(RequestDistrict).from_select(
        _COLUMNS,
        select(_CITY, _REQUEST, func.unnest(bindparam("boundary_ids", type_=ARRAY(BigInteger))), _REQUESTED_AT),
    )
)

_PLACE = select(make_point(long=bindparam("long"), lat=bindparam("lat")).label("location")).subquery("place")
_COVERING = covering(
    _PLACE,
    Boundary.jurisdiction_id == _CITY,
    has_begun(Boundary.valid_from, bindparam("now", type_=TIMESTAMP(timezone=True))),
    goes_on(Boundary.valid_to, _REQUESTED_AT),
    # What was taken back was never in force: it ends when it begins.
    and_(Boundary.valid_from == Boundary.valid_to).is_not(True),
)
_STAMP_ANEW = Statement(
    insert(RequestDistrict).from_select(_COLUMNS, select(_CITY, _REQUEST, _COVERING.c.boundary_id, _REQUESTED_AT))
)
_UNSTAMP = Statement(
    delete(RequestDistrict).where(RequestDistrict.jurisdiction_id == _CITY, RequestDistrict.request_id == _REQUEST)
)
