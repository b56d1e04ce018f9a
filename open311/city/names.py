"""Which names requests show, and who is told when one is another: the feed of changes."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from open311.models import CaseStatus, Service, ServiceRequest
from open311.models.request import THIS_TRANSACTION
from routing.models import Department


def names_shown(session: Session, city_id: int) -> dict[tuple[str, Any], tuple[Any, ...]]:
    """What requests show of their service, department or unit, and status."""
    asked: dict[str, Any] = {
        "service": select(Service.id, Service.code, Service.name, Service.notice, Service.service_group).where(
            Service.jurisdiction_id == city_id
        ),
        "department": select(Department.id, Department.code, Department.name).where(Department.jurisdiction_id == city_id),
        "status": select(CaseStatus.code, CaseStatus.name).where(CaseStatus.jurisdiction_id == city_id),
    }
    return {(name, row[0]): tuple(row) for name, query in asked.items() for row in session.execute(query)}


def tell_of_names(
    session: Session, city_id: int, *, before: Mapping[tuple[str, Any], Any], after: Mapping[tuple[str, Any], Any]
) -> None:
    """Tell the feed of changes of every request that shows a name which is another now."""
    columns = {
        "service": (ServiceRequest.service_id,),
        "department": (ServiceRequest.department_id, ServiceRequest.unit_id),
        "status": (ServiceRequest.case_status,),
    }
    for name, theirs in columns.items():
        changed = [key[1] for key, shown in before.items() if key[0] == name and after.get(key, shown) != shown]
        if changed:
            session.execute(
                update(ServiceRequest)
                .where(ServiceRequest.jurisdiction_id == city_id, or_(*[column.in_(changed) for column in theirs]))
                .values(changed_in=THIS_TRANSACTION)
                .execution_options(synchronize_session=False)
            )
