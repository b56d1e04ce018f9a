"""Which requests there are: the lists, one request, a token."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row
from sqlalchemy import BigInteger, Select, Text, and_, bindparam, case, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from db.driver import Statement
from geo.queries import latitude, longitude
from open311.cases.numbers import SIGNS, spellings
from open311.models import Jurisdiction, Service, ServiceRequest
from routing.models import Department
from schemas.query import RequestsQuery

Row = tuple[Any, ...]


class UnknownRequest(LookupError):
    """No request that may be shown has this number."""


class UnknownToken(LookupError):
    """No request has this token."""


# A request's id, the version of its row, and that of the names it shows: as long as these are equal, so is what is shown.
Key = tuple[int, str, int]


@dataclass(frozen=True, kw_only=True)
class Page:
    """Which requests a query asks for, newest first; has_more: there is a next page."""

    keys: Sequence[Key]
    has_more: bool


def find_requests(connection: "Connection[Any]", query: RequestsQuery, *, jurisdiction_id: int) -> Page:
    """The page of public requests that a query asks for."""
    filters: dict[str, Any] = {
        "numbers": query.numbers and [each for number in query.numbers for each in spellings(number)],
        "service_codes": query.service_codes,
        "status": query.status,
        "requested_from": query.requested_from,
        "requested_to": query.requested_to,
        "updated_from": query.updated_from,
        "updated_to": query.updated_to,
    }
    used = {name: value for name, value in filters.items() if value is not None}
    if query.page > 1:
        used["skip"] = (query.page - 1) * query.page_rows
    listed = _list(tuple(used), take=query.page_rows + 1)
    keys = listed.run(connection, jurisdiction_id=jurisdiction_id, **used).fetchall()
    return Page(keys=keys[: query.page_rows], has_more=len(keys) > query.page_rows)


def read_requests(
    connection: "Connection[Any]", ids: Sequence[int], *, jurisdiction_id: int, public_url: str
) -> dict[Key, Row]:
    """Public requests by id, each a row in the order of schemas.request.RequestSchema, under its key of this moment.

    public_url stands before the paths of our own photos.
    """
    rows = _READ.run(connection, jurisdiction_id=jurisdiction_id, public_url=public_url, ids=list(ids))
    return {row[: len(_KEY)]: row[len(_KEY) :] for row in rows}


def find_request(connection: "Connection[Any]", number: str, *, jurisdiction_id: int, public_url: str) -> Row:
    """Id and row of one public request by its number, as a client has it or as a person wrote it; raises UnknownRequest."""
    rows = _SHOW.run(connection, jurisdiction_id=jurisdiction_id, public_url=public_url, numbers=spellings(number)).fetchall()
    if not rows:
        raise UnknownRequest(number)
    return next((row for row in rows if row[1] == number), rows[0])


def find_token(connection: "Connection[Any]", token: str, *, jurisdiction_id: int) -> Row:
    """(number or None, token): a token without a number is pending; raises UnknownToken."""
    row = None
    if SIGNS.fullmatch(token):
        row = _TOKEN.run(connection, jurisdiction_id=jurisdiction_id, token=token).fetchone()
    if row is None:
        raise UnknownToken(token)
    return (row.number, row.token)


_JURISDICTION: Any = bindparam("jurisdiction_id", type_=BigInteger)
_MOMENT = TIMESTAMP(timezone=True)


# PostgreSQL writes a new row at each change: the transaction that wrote it and the place it lies at name the version.
_KEY = (
    ServiceRequest.id,
    func.concat(literal_column("service_request.xmin"), literal_column("service_request.ctid")).label("version"),
    select(Jurisdiction.names_version).where(Jurisdiction.id == _JURISDICTION).scalar_subquery(),
)
_PUBLIC = (ServiceRequest.jurisdiction_id == _JURISDICTION, ServiceRequest.is_public)


def _columns(*before: Any) -> Select[*tuple[Any, ...]]:
    own_media = ServiceRequest.media_url.startswith("/")
    return (
        select(
            *before,
            ServiceRequest.number,
            ServiceRequest.status,
            ServiceRequest.status_notes,
            Service.name,
            Service.code,
            ServiceRequest.description,
            Department.name,
            Service.notice,
            ServiceRequest.requested_at,
            ServiceRequest.updated_at,
            ServiceRequest.expected_at,
            ServiceRequest.address,
            ServiceRequest.address_id,
            ServiceRequest.zipcode,
            latitude(ServiceRequest.location),
            longitude(ServiceRequest.location),
            case(
                (own_media, bindparam("public_url", type_=Text) + ServiceRequest.media_url),
                else_=ServiceRequest.media_url,
            ),
        )
        .join(Service, and_(Service.jurisdiction_id == _JURISDICTION, Service.id == ServiceRequest.service_id))
        .join(Department, and_(Department.jurisdiction_id == _JURISDICTION, Department.id == ServiceRequest.department_id))
        .where(*_PUBLIC)
    )


# name of a filter: its condition.  A list is one statement a combination of filters, compiled when first asked for.
_CONDITIONS: dict[str, Any] = {
    "numbers": ServiceRequest.number == func.any(bindparam("numbers", type_=ARRAY(Text))),
    "service_codes": ServiceRequest.service_id
    == func.any(
        func.array(
            select(Service.id)
            .where(
                Service.jurisdiction_id == _JURISDICTION,
                Service.code == func.any(bindparam("service_codes", type_=ARRAY(Text))),
            )
            .scalar_subquery()
        )
    ),
    "status": ServiceRequest.status == bindparam("status", type_=Text),
    "requested_from": ServiceRequest.requested_at >= bindparam("requested_from", type_=_MOMENT),
    "requested_to": ServiceRequest.requested_at <= bindparam("requested_to", type_=_MOMENT),
    "updated_from": ServiceRequest.updated_at >= bindparam("updated_from", type_=_MOMENT),
    "updated_to": ServiceRequest.updated_at <= bindparam("updated_to", type_=_MOMENT),
}


# The limit is written into the text: with a parameter there, PostgreSQL would plan every call anew.
@lru_cache(maxsize=500)
def _list(used: tuple[str, ...], *, take: int) -> Statement:
    composed = (
        select(*_KEY)
        .where(*_PUBLIC, *[_CONDITIONS[name] for name in used if name != "skip"])
        .order_by(ServiceRequest.requested_at.desc(), ServiceRequest.id.desc())
        .limit(literal_column(str(take)))
    )
    if "skip" in used:
        composed = composed.offset(bindparam("skip", type_=BigInteger))
    return Statement(composed, row_factory=tuple_row)


_READ = Statement(
    _columns(*_KEY).where(ServiceRequest.id == func.any(bindparam("ids", type_=ARRAY(BigInteger)))), row_factory=tuple_row
)

_SHOW = Statement(_columns(ServiceRequest.id).where(_CONDITIONS["numbers"]), row_factory=tuple_row)

_TOKEN = Statement(
    select(ServiceRequest.number, ServiceRequest.token).where(
        ServiceRequest.jurisdiction_id == _JURISDICTION,
        ServiceRequest.token == bindparam("token", type_=Text),
    )
)
