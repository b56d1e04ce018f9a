"""Requests that are kept, as cases of the candidate query."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, select

from open311.models import Jurisdiction, Service, ServiceRequest

JURISDICTION: Any = bindparam("jurisdiction_id", type_=BigInteger)


def stored_cases(*conditions: ColumnElement[bool], at: ColumnElement[Any]) -> Select[Any]:
    """The requests of a city (parameter jurisdiction_id) that meet the conditions, with the columns of a case.

    at: by which version of rules and maps; calendars go by when each was reported.  key is the request's id.
    """
    return (
        select(
            ServiceRequest.id.label("key"),
            ServiceRequest.service_id,
            Service.service_group,
            ServiceRequest.attributes,
            ServiceRequest.location,
            at.label("at"),
            ServiceRequest.requested_at.label("reported_at"),
            Jurisdiction.default_department_id,
            ServiceRequest.unplaced_because.is_not(None).label("is_unplaced"),
        )
        .join(Service, and_(Service.jurisdiction_id == JURISDICTION, Service.id == ServiceRequest.service_id))
        .join(Jurisdiction, Jurisdiction.id == JURISDICTION)
        .where(ServiceRequest.jurisdiction_id == JURISDICTION, *conditions)
    )
