"""The allow-list: what open data says of a request, and nothing else.

Every bulk file, the change feed and the tables are made of these columns.  What is not public is not among the rows.
"""

from typing import Any

from sqlalchemy import BigInteger, Select, Text, and_, bindparam, case, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP, aggregate_order_by
from sqlalchemy.orm import aliased

from db.periods import in_force
from geo.models import Boundary, Layer
from geo.queries import latitude, longitude
from open311.models import CaseStatus, RequestDistrict, Service, ServiceRequest
from routing.models import Department
from schemas.working import PRIORITIES

CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
NOW: Any = bindparam("now", type_=TIMESTAMP(timezone=True))

_UNIT = aliased(Department, name="unit")
_PARENT = aliased(ServiceRequest, name="parent")
_IS_FINE = ServiceRequest.coarse_metres.is_(None)
_NO_DISTRICTS = literal_column("'{}'::text[]", ARRAY(Text))
_IN_FORCE = in_force(Boundary.valid_from, Boundary.valid_to, NOW)
_NAMED = Layer.code + literal_column("':'", Text) + Boundary.code
_STAMPED = (
    select(func.array_agg(aggregate_order_by(_NAMED, Layer.code, Boundary.code), type_=ARRAY(Text)))
    .select_from(RequestDistrict)
    .join(Boundary, and_(Boundary.jurisdiction_id == CITY, Boundary.id == RequestDistrict.boundary_id))
    .join(Layer, and_(Layer.jurisdiction_id == CITY, Layer.id == Boundary.layer_id))
    .where(RequestDistrict.jurisdiction_id == CITY, RequestDistrict.request_id == ServiceRequest.id, _IN_FORCE)
    .scalar_subquery()
)
# Those that a request lies in as they are drawn now, LAYER:CODE each.
DISTRICTS = func.coalesce(_STAMPED, _NO_DISTRICTS, type_=ARRAY(Text))
_PRIORITY = case(
    *[
        (ServiceRequest.priority == literal_column(str(number)), literal_column(f"'{word}'", Text))
        for number, word in enumerate(PRIORITIES)
    ]
)


def as_text(moment: Any) -> Any:
    """A moment as open data writes it: W3C's form, in UTC."""
    form: Any = literal_column("""'YYYY-MM-DD"T"HH24:MI:SS"Z"'""")
    return func.to_char(func.timezone(literal_column("'UTC'"), moment), form, type_=Text)


def lies_in(boundary_ids: Any, *times: Any) -> Any:
    """Whether a request carries the stamp of one of these boundaries; times: conditions on the stamps, which have its time."""
    stamps = select(RequestDistrict.request_id).where(
        RequestDistrict.jurisdiction_id == CITY, RequestDistrict.boundary_id == func.any(boundary_ids), *times
    )
    return ServiceRequest.id.in_(stamps)


def all_districts(*conditions: Any) -> Any:
    """A subquery "stamped" (request_id, districts) of all stamps that meet the conditions, read at once.

    For a whole city: there it takes a third of the time that asking for each request does.  Each is named once and
    sorted by its rank, for comparing texts is most of the work.
    """
    named = (
        select(
            Boundary.id,
            _NAMED.label("name"),
            func.row_number().over(order_by=(Layer.code, Boundary.code, Boundary.id)).label("rank"),
        )
        .join(Layer, and_(Layer.jurisdiction_id == CITY, Layer.id == Boundary.layer_id))
        .where(Boundary.jurisdiction_id == CITY, _IN_FORCE)
        .subquery("named")
    )
    return (
        select(
            RequestDistrict.request_id,
            func.array_agg(aggregate_order_by(named.c.name, named.c.rank), type_=ARRAY(Text)).label("districts"),
        )
        .join(named, named.c.id == RequestDistrict.boundary_id)
        .where(RequestDistrict.jurisdiction_id == CITY, *conditions)
        .group_by(RequestDistrict.request_id)
        .subquery("stamped")
    )


def open_columns(stamped: Any = None) -> dict[str, Any]:
    """Name to expression, in the order of schemas.open_data.OpenRequestSchema; for `open_rows`.  Moments are as stored.

    stamped: `all_districts`, when the rows are joined with it.
    """
    own_media = ServiceRequest.media_url.startswith(literal_column("'/'", Text))
    return {
        "service_request_id": ServiceRequest.number,
        "status": ServiceRequest.status,
        "status_notes": ServiceRequest.status_notes,
        "service_name": Service.name,
        "service_code": Service.code,
        "description": ServiceRequest.description,
        "agency_responsible": Department.name,
        "service_notice": Service.notice,
        "requested_datetime": ServiceRequest.requested_at,
        "updated_datetime": ServiceRequest.updated_at,
        "expected_datetime": ServiceRequest.expected_at,
        "address": case((_IS_FINE, ServiceRequest.address)),
        "address_id": case((_IS_FINE, ServiceRequest.address_id)),
        "zipcode": ServiceRequest.zipcode,
        "lat": latitude(ServiceRequest.public_location),
        "long": longitude(ServiceRequest.public_location),
        "media_url": case(
            (own_media, bindparam("public_url", type_=Text) + ServiceRequest.media_url), else_=ServiceRequest.media_url
        ),
        "closed_date": ServiceRequest.closed_at,
        "status_description": CaseStatus.name,
        "source": ServiceRequest.channel,
        "service_subtype": literal_column("null", Text),
        "service_group": Service.service_group,
        "agency_code": Department.code,
        "unit": _UNIT.name,
        "priority": _PRIORITY,
        "times_reopened": ServiceRequest.times_reopened,
        # The number of one that the public does not see is not told.
        "parent_service_request_id": case((_PARENT.is_public, _PARENT.number)),
        "districts": DISTRICTS if stamped is None else func.coalesce(stamped.c.districts, _NO_DISTRICTS, type_=ARRAY(Text)),
    }


def open_rows(*columns: Any, stamped: Any = None) -> Select[Any]:
    """A query of these columns over public requests of the city; bind jurisdiction_id, now and public_url as they need."""
    rows = (
        select(*columns)
        .select_from(ServiceRequest)
        .join(Service, and_(Service.jurisdiction_id == CITY, Service.id == ServiceRequest.service_id))
        .join(Department, and_(Department.jurisdiction_id == CITY, Department.id == ServiceRequest.department_id))
        .join(CaseStatus, and_(CaseStatus.jurisdiction_id == CITY, CaseStatus.code == ServiceRequest.case_status))
        .outerjoin(_UNIT, and_(_UNIT.jurisdiction_id == CITY, _UNIT.id == ServiceRequest.unit_id))
        .outerjoin(_PARENT, and_(_PARENT.jurisdiction_id == CITY, _PARENT.id == ServiceRequest.parent_id))
        .where(ServiceRequest.jurisdiction_id == CITY, ServiceRequest.is_public)
    )
    return rows if stamped is None else rows.outerjoin(stamped, stamped.c.request_id == ServiceRequest.id)
