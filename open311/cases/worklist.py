"""What a department has to do: its open requests and phases, the most pressing first."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Boolean, and_, bindparam, null, or_, select, union_all
from sqlalchemy.orm import aliased

from db.driver import Statement
from open311.cases.casework import Desk
from open311.models import Account, RequestClock, RequestPhase, Service, ServiceRequest


def worklist(
    connection: "Connection[Any]", desk: Desk, *, jurisdiction_id: int, unaccepted: bool = False, limit: int = 200
) -> Sequence[Any]:
    """Open requests that a department or unit answers for, and open phases that are its: by priority, then by deadline.

    Rows number, phase (None: the request as a whole), service, priority, case_status, due_at, accepted_at, assignee, address,
    requested_at.  unaccepted: only what nobody has accepted yet.  limit: so many of them.
    """
    return _WORK.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        department_id=desk.department_id,
        unit_id=desk.unit_id,
        unaccepted=unaccepted,
        limit=limit,
    ).fetchall()


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_UNIT: Any = bindparam("unit_id", type_=BigInteger)


def _is_its(table: Any) -> Any:
    """A department's own and its units'; a unit's own alone."""
    return and_(
        table.department_id == bindparam("department_id", type_=BigInteger), or_(_UNIT.is_(None), table.unit_id == _UNIT)
    )


def _part(phase: Any, accepted_at: Any, assignee_id: Any, due_at: Any) -> tuple[Any, ...]:
    return (
        ServiceRequest.id.label("request_id"),
        ServiceRequest.number,
        phase.label("phase"),
        ServiceRequest.service_id,
        ServiceRequest.priority,
        ServiceRequest.case_status,
        due_at.label("due_at"),
        accepted_at.label("accepted_at"),
        assignee_id.label("assignee_id"),
        ServiceRequest.address,
        ServiceRequest.requested_at,
    )


# As Held.is_phased has it.
_IS_PHASED = (
    select(RequestPhase.id)
    .where(
        RequestPhase.jurisdiction_id == _CITY,
        RequestPhase.request_id == ServiceRequest.id,
        RequestPhase.ended_at.is_(None),
    )
    .exists()
)
_IS_OPEN = (ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.status == "open")
_WHOLE = select(*_part(null(), ServiceRequest.accepted_at, ServiceRequest.assignee_id, ServiceRequest.expected_at)).where(
    *_IS_OPEN, ServiceRequest.parent_id.is_(None), _is_its(ServiceRequest), ~_IS_PHASED
)
_PHASES = (
    select(*_part(RequestPhase.code, RequestPhase.accepted_at, RequestPhase.assignee_id, RequestClock.due_at))
    .join(
        RequestPhase,
        and_(RequestPhase.jurisdiction_id == _CITY, RequestPhase.request_id == ServiceRequest.id),
    )
    .outerjoin(
        RequestClock,
        and_(
            RequestClock.jurisdiction_id == _CITY,
            RequestClock.request_id == ServiceRequest.id,
            RequestClock.phase_id == RequestPhase.id,
        ),
    )
    .where(*_IS_OPEN, RequestPhase.state == "open", _is_its(RequestPhase))
)
_PARTS = union_all(_WHOLE, _PHASES).subquery("part")
_WHO = aliased(Account, name="who")
_WORK = Statement(
    select(
        _PARTS.c.number,
        _PARTS.c.phase,
        Service.code.label("service"),
        _PARTS.c.priority,
        _PARTS.c.case_status,
        _PARTS.c.due_at,
        _PARTS.c.accepted_at,
        _WHO.name.label("assignee"),
        _PARTS.c.address,
        _PARTS.c.requested_at,
    )
    .join(Service, and_(Service.jurisdiction_id == _CITY, Service.id == _PARTS.c.service_id))
    .outerjoin(_WHO, _WHO.id == _PARTS.c.assignee_id)
    .where(or_(~bindparam("unaccepted", type_=Boolean), _PARTS.c.accepted_at.is_(None)))
    .order_by(_PARTS.c.priority.desc(), _PARTS.c.due_at.nulls_last(), _PARTS.c.requested_at, _PARTS.c.request_id)
    .limit(bindparam("limit", type_=BigInteger))
)
