"""Who works a request: accepted, handed back, given to another department or to a person."""

from datetime import datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import TIMESTAMP

from db.driver import Statement
from open311.actors import ACCEPT, ASSIGN_PERSON, HAND_BACK, REASSIGN, Actor
from open311.cases import deadlines, phases
from open311.cases.casework import Desk, casework
from open311.cases.holding import Held, Phase, give, hold
from open311.cases.phases import ReasonMissing, open_phase
from open311.jurisdictions import City
from open311.models import Account, AccountGrant, RequestPhase, ServiceRequest
from routing.models import Department


class RequestClosed(ValueError):
    """A closed request is nobody's to answer any more."""


class UnknownPerson(LookupError):
    """Nobody with this address works for the department; the message names both."""


class NothingChanges(ValueError):
    """The change would leave everything as it is."""


def accept(
    connection: "Connection[Any]",
    city: City,
    number: str,
    *,
    phase: str | None = None,
    by: Actor,
    now: datetime,
) -> Held:
    """The department says that the request, or its open phase, is theirs.

    Raises RequestClosed, NothingChanges when it did so already, PhaseNotAllowed, and as `hold`.
    """
    held, part = _part(connection, city, number, phase, by, ACCEPT)
    if (part or held).accepted_at is not None:
        raise NothingChanges(number)
    if part is None:
        _ACCEPT.run(connection, **held.key, now=now)
    else:
        _ACCEPT_PHASE.run(connection, **held.key, phase_id=part.id, now=now)
    whose = (part or held).answers_for
    held.append(connection, "accepted", {"department": whose, **_of(part), **by.as_facts}, at=now)
    return held


def hand_back(
    connection: "Connection[Any]",
    city: City,
    number: str,
    *,
    phase: str | None = None,
    by: Actor,
    reason: str,
    now: datetime,
) -> Held:
    """The department says that it is not theirs, and why: the city's default department has it now, and is alerted.

    Raises RequestClosed, ReasonMissing, NothingChanges for that department itself, and as `hold`.
    """
    held, part = _part(connection, city, number, phase, by, HAND_BACK)
    if not reason.strip():
        raise ReasonMissing("handing back needs a reason")
    desk = casework(connection, city.id).desks[city.default_department_id]
    whose = part or held
    if whose.department_id == desk.department_id:
        raise NothingChanges(number)
    facts = {"department": whose.answers_for, "reason": reason, **_of(part), **by.as_facts}
    held.append(connection, "handed_back", facts, at=now)
    return _give(connection, held, part, desk, by=by, reason=reason, kind="handed_back", now=now)


def reassign(
    connection: "Connection[Any]",
    city: City,
    number: str,
    department: str,
    *,
    phase: str | None = None,
    by: Actor,
    reason: str,
    now: datetime,
) -> Held:
    """The request, or its open phase, given to a department or unit (its code), which is alerted.

    No rule, map or change moves it until it is returned to the rules.
    Raises RequestClosed, ReasonMissing, UnknownDepartment, and as `hold`.
    """
    held, part = _part(connection, city, number, phase, by, REASSIGN)
    if not reason.strip():
        raise ReasonMissing("giving it to another department needs a reason")
    desk = casework(connection, city.id).desk(department)
    return _give(connection, held, part, desk, by=by, reason=reason.strip(), kind="reassigned", now=now)


def assign_person(
    connection: "Connection[Any]",
    city: City,
    number: str,
    email: str,
    *,
    phase: str | None = None,
    by: Actor,
    now: datetime,
) -> Held:
    """The request, or its open phase, given to a person who works for the department; they are alerted.

    Raises RequestClosed, UnknownPerson, and as `hold`.
    """
    held, part = _part(connection, city, number, phase, by, ASSIGN_PERSON)
    whose = part or held
    person = _PERSON.run(
        connection, jurisdiction_id=city.id, email=email.strip().lower(), department_id=whose.department_id
    ).fetchone()
    if person is None:
        raise UnknownPerson(f"nobody with the address {email} works for {whose.answers_for}")
    if part is None:
        _ASSIGN.run(connection, **held.key, assignee_id=person.id, now=now)
    else:
        _ASSIGN_PHASE.run(connection, **held.key, phase_id=part.id, assignee_id=person.id)
    held.append(connection, "assigned", {"to": person.name, "to_account_id": person.id, **_of(part), **by.as_facts}, at=now)
    held.alert(
        connection,
        "assigned",
        f"{by.name} gave it to you",
        department_id=whose.department_id,
        phase=part.code if part else None,
        account_id=person.id,
        at=now,
    )
    return held


def _part(
    connection: "Connection[Any]",
    city: City,
    number: str,
    phase: str | None,
    by: Actor,
    action: str,
) -> tuple[Held, Phase | None]:
    """The held request and the open phase that is meant: None where it is not worked in phases."""
    held = hold(connection, city, number, by, action)
    if held.is_closed:
        raise RequestClosed(number)
    return held, open_phase(held, phase, by, action) if held.is_phased or phase else None


def _of(part: Phase | None) -> dict[str, str]:
    return {} if part is None else {"phase": part.code}


def _give(
    connection: "Connection[Any]",
    held: Held,
    part: Phase | None,
    desk: Desk,
    *,
    by: Actor,
    reason: str,
    kind: str,
    now: datetime,
) -> Held:
    if part is not None:
        return phases.move(connection, held, part, desk, by=by, reason=reason, kind=kind, now=now)
    given = give(
        connection,
        held,
        department_id=desk.department_id,
        unit_id=desk.unit_id,
        answers_for=desk.name,
        is_overridden=True,
        now=now,
    )
    facts = {
        "department": desk.department,
        "unit": desk.name if desk.unit_id else None,
        "before": held.answers_for,
        "reason": reason,
        **by.as_facts,
    }
    held.append(connection, "overridden", facts, at=now)
    words = f"it was given to {desk.name} by {by.name}: {reason}"
    held.alert(connection, kind, words, department_id=desk.department_id, at=now)
    work = casework(connection, held.jurisdiction_id)
    deadlines.settle(connection, work, **held.key)
    return given


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_NOW: Any = bindparam("now", type_=TIMESTAMP(timezone=True))
_REQUEST = (ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == bindparam("request_id", type_=BigInteger))
_PHASE = (
    RequestPhase.jurisdiction_id == _CITY,
    RequestPhase.request_id == bindparam("request_id", type_=BigInteger),
    RequestPhase.id == bindparam("phase_id", type_=BigInteger),
)
_UPDATED = func.greatest(ServiceRequest.updated_at, _NOW)
_ACCEPT = Statement(update(ServiceRequest).where(*_REQUEST).values(accepted_at=_NOW, updated_at=_UPDATED))
_ACCEPT_PHASE = Statement(update(RequestPhase).where(*_PHASE).values(accepted_at=_NOW))
_ASSIGN = Statement(
    update(ServiceRequest).where(*_REQUEST).values(assignee_id=bindparam("assignee_id", type_=BigInteger), updated_at=_UPDATED)
)
_ASSIGN_PHASE = Statement(update(RequestPhase).where(*_PHASE).values(assignee_id=bindparam("assignee_id", type_=BigInteger)))
_DEPARTMENT: Any = bindparam("department_id", type_=BigInteger)
# The department with its units.
_OF_DEPARTMENT = select(Department.id).where(
    Department.jurisdiction_id == _CITY, or_(Department.id == _DEPARTMENT, Department.parent_id == _DEPARTMENT)
)
_PERSON = Statement(
    select(Account.id, Account.name)
    .join(AccountGrant, AccountGrant.account_id == Account.id)
    .where(
        Account.email == bindparam("email"),
        Account.is_active,
        AccountGrant.jurisdiction_id == _CITY,
        or_(
            AccountGrant.department_id.in_(_OF_DEPARTMENT),
            AccountGrant.role == "administrator",
        ),
    )
    .limit(1)
)
