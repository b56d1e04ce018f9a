"""A request held by its number until the transaction ends, for somebody who may act on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Boolean, Text, and_, bindparam, case, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.orm import aliased

from db.driver import Statement
from geo.models import Boundary
from geo.point import Point
from geo.queries import latitude, longitude
from open311.actors import ACCEPT, ASSIGN_PERSON, FLAG, HAND_BACK, PHASES, READ, REASSIGN, REOPEN, SET_STATUS, Actor, may
from open311.cases import alerts, history
from open311.cases.numbers import spellings
from open311.cases.search import UnknownRequest
from open311.cases.stored import JURISDICTION
from open311.jurisdictions import City
from open311.models import RequestDistrict, RequestEvent, RequestPhase, Service, ServiceRequest
from open311.notify import webhooks
from routing.models import Department
from schemas.definition import Answers


class FollowsAnother(ValueError):
    """A request follows another of the same thing, which is the one to work; the message names both."""


class FormIsStale(RuntimeError):
    """Somebody else did something with the request since the form was opened."""


_OF_THE_PARENT = frozenset([ACCEPT, HAND_BACK, REASSIGN, ASSIGN_PERSON, SET_STATUS, PHASES, REOPEN, FLAG])


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A phase of a held request, as it stands."""

    id: int
    position: int
    code: str
    name: str
    state: str
    after: Sequence[str]
    department_id: int
    unit_id: int | None
    answers_for: str
    target: Mapping[str, Any] | None
    assignee_id: int | None
    accepted_at: datetime | None
    opened_at: datetime | None
    ended_at: datetime | None
    reason: str | None
    times_opened: int
    is_fixed: bool
    routed_service_id: int | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be done in it."""
        return self.state in ("done", "skipped")


@dataclass(frozen=True, kw_only=True)
class Held:
    """A request as it stands; answers_for: the unit, else the department.

    number: empty for one of a batch service that has none yet.  update_id: what the public was told last, just now.
    """

    jurisdiction_id: int
    id: int
    number: str
    status: str
    case_status: str
    requested_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    department_id: int
    unit_id: int | None
    answers_for: str
    is_overridden: bool
    unplaced_because: str | None
    attributes: Answers
    description: str | None
    address: str | None
    address_id: str | None
    long: float | None
    lat: float | None
    service_id: int
    service_code: str
    service_group: str
    priority: int
    assignee_id: int | None
    accepted_at: datetime | None
    times_reopened: int
    parent_id: int | None
    parent_number: str | None
    phases: Sequence[Phase]
    update_id: int | None = None

    @property
    def key(self) -> dict[str, int]:
        """What statements name the request by."""
        return {"jurisdiction_id": self.jurisdiction_id, "request_id": self.id}

    @property
    def point(self) -> Point | None:
        """Where it lies."""
        return None if self.long is None or self.lat is None else Point(long=self.long, lat=self.lat)

    @property
    def is_closed(self) -> bool:
        """Whether it is closed, as GeoReport knows it."""
        return self.status == "closed"

    @property
    def open_phases(self) -> list[Phase]:
        """The phases that are being worked."""
        return [phase for phase in self.phases if phase.state == "open"]

    @property
    def is_phased(self) -> bool:
        """Whether it is worked in phases now: one of them is not over."""
        return any(not phase.is_over for phase in self.phases)

    def with_phase(self, changed: Phase) -> "Held":
        """The same with a phase in place of the one of its code, or one more."""
        others = [phase for phase in self.phases if phase.code != changed.code]
        return replace(self, phases=sorted([*others, changed], key=lambda phase: (phase.position, phase.id)))

    def append(self, connection: "Connection[Any]", kind: str, facts: Mapping[str, Any], *, at: datetime) -> int:
        """A fact at the end of its history."""
        return history.append(
            connection, jurisdiction_id=self.jurisdiction_id, request_id=self.id, kind=kind, facts=facts, at=at
        )

    def alert(
        self,
        connection: "Connection[Any]",
        kind: str,
        words: str,
        *,
        at: datetime,
        department_id: int | None = None,
        role: str = "department",
        phase: str | None = None,
        account_id: int | None = None,
    ) -> None:
        """Tell a role of a department (None: of the one that answers), or one person, about it."""
        alerts.alert(
            connection,
            jurisdiction_id=self.jurisdiction_id,
            request_id=self.id,
            department_id=department_id or self.department_id,
            kind=kind,
            words=f"{self.number or 'A request without a number yet'}: {words}",
            at=at,
            role=role,
            phase=phase,
            account_id=account_id,
        )


def hold(connection: "Connection[Any]", city: City, number: str, by: Actor, action: str) -> Held:
    """The request of this number, held for `by` to do something (an action of open311.actors) with it.

    Raises UnknownRequest, NotAllowed, FollowsAnother for what is done to the one that it follows.
    """
    # Held before it is read: what somebody else did in between is there then, joined to what it is joined to now.
    found = _LOCK_NUMBER.run(connection, jurisdiction_id=city.id, numbers=spellings(number)).fetchall()
    row = next((row for row in found if row.number == number), found[0] if found else None)
    if row is None:
        raise UnknownRequest(number)
    held = hold_new(connection, jurisdiction_id=city.id, request_id=row.id)
    permit(connection, held, by, action)
    if held.parent_id is not None and action in _OF_THE_PARENT:
        raise FollowsAnother(f"{held.number} follows {held.parent_number}: work that one, or unlink it")
    return held


def children_of(connection: "Connection[Any]", held: Held) -> list[int]:
    """The ids of the requests that follow this one, held as well."""
    return [row.id for row in _CHILDREN.run(connection, **held.key)]


def look_at(connection: "Connection[Any]", city: City, number: str, by: Actor) -> Held:
    """The request of this number as it stands, held by nobody, for `by` to read.  Raises UnknownRequest, NotAllowed."""
    rows = _NUMBERED.run(connection, jurisdiction_id=city.id, numbers=spellings(number)).fetchall()
    row = next((row for row in rows if row.number == number), rows[0] if rows else None)
    if row is None:
        raise UnknownRequest(number)
    held = held_of(connection, city.id, row)
    permit(connection, held, by, READ)
    return held


def lock(connection: "Connection[Any]", ids: Sequence[int], *, jurisdiction_id: int, skip_locked: bool = False) -> list[int]:
    """Hold these requests until the transaction ends; their ids.  Read them after it.

    skip_locked: leave out those that somebody holds.
    """
    statement = _LOCK_FREE if skip_locked else _LOCK
    return [row.id for row in statement.run(connection, jurisdiction_id=jurisdiction_id, ids=list(ids))]


def require_unchanged(connection: "Connection[Any]", city: City, number: str, *, by: Actor, version: int) -> None:
    """Nothing, when nothing happened with a request since somebody looked at it, and nothing will in this transaction.

    version: as `version_of` gave it then.  Raises FormIsStale, and as `hold`.
    """
    held = hold(connection, city, number, by, READ)
    if version_of(connection, held) != version:
        raise FormIsStale(number)


def version_of(connection: "Connection[Any]", held: Held) -> int:
    """The id of the last fact of the request's history, 0 without one."""
    row = _VERSION.run(connection, **held.key).fetchone()
    return int(row.id or 0) if row is not None else 0


def held_of(connection: "Connection[Any]", jurisdiction_id: int, row: Any) -> Held:
    """A row of `held_rows`, held already, with its phases."""
    key = {"jurisdiction_id": jurisdiction_id, "request_id": row.id}
    phases = [Phase(**each._asdict()) for each in _PHASES.run(connection, **key)] if row.has_phases else []
    values = {**row._asdict(), "number": row.number or ""}
    del values["has_phases"]
    return Held(jurisdiction_id=jurisdiction_id, phases=phases, **values)


def hold_new(connection: "Connection[Any]", *, jurisdiction_id: int, request_id: int) -> Held:
    """A request that this transaction has just written, or holds."""
    row = _NEW.run(connection, jurisdiction_id=jurisdiction_id, request_id=request_id).fetchone()
    assert row is not None
    return held_of(connection, jurisdiction_id, row)


def give(
    connection: "Connection[Any]",
    held: Held,
    *,
    department_id: int,
    unit_id: int | None,
    answers_for: str,
    is_overridden: bool,
    now: datetime,
) -> Held:
    """The request with this department, or unit of it, to answer for it.  is_overridden: no rule moves it from there.

    What one department accepted, and gave to a person, another has not.  Webhooks of both are told.
    """
    _GIVE.run(connection, **held.key, department_id=department_id, unit_id=unit_id, is_overridden=is_overridden, now=now)
    if (department_id, unit_id) != (held.department_id, held.unit_id):
        webhooks.post(
            connection,
            jurisdiction_id=held.jurisdiction_id,
            request_id=held.id,
            event="routed",
            previous=(held.department_id, held.unit_id),
            now=now,
        )
    stays = department_id == held.department_id
    return replace(
        held,
        department_id=department_id,
        unit_id=unit_id,
        answers_for=answers_for,
        is_overridden=is_overridden,
        accepted_at=held.accepted_at if stays else None,
        assignee_id=held.assignee_id if stays else None,
    )


def permit(connection: "Connection[Any]", held: Held, by: Actor, action: str) -> None:
    """Nothing when the actor may do this with the request; raises NotAllowed."""
    districts: set[tuple[int, str]] = set()
    if any(grant.layer_id is not None for grant in by.grants):
        districts = {(row.layer_id, row.code) for row in _DISTRICTS.run(connection, **held.key)}
    department_ids = {held.department_id, *(phase.department_id for phase in held.open_phases)}
    may(by, action, department_ids=department_ids, districts=districts)


_PARENT = aliased(ServiceRequest, name="followed")


def held_rows(*conditions: Any) -> Any:
    """The rows of these requests of a city, each as `held_of` takes it; hold them first, with `lock`."""
    unit, department = aliased(Department, name="unit"), aliased(Department, name="parent")
    return (
        select(
            ServiceRequest.id,
            ServiceRequest.number,
            ServiceRequest.status,
            ServiceRequest.case_status,
            ServiceRequest.requested_at,
            ServiceRequest.updated_at,
            ServiceRequest.closed_at,
            ServiceRequest.department_id,
            ServiceRequest.unit_id,
            func.coalesce(unit.name, department.name).label("answers_for"),
            ServiceRequest.is_overridden,
            ServiceRequest.unplaced_because,
            ServiceRequest.attributes,
            ServiceRequest.description,
            ServiceRequest.address,
            ServiceRequest.address_id,
            longitude(ServiceRequest.location).label("long"),
            latitude(ServiceRequest.location).label("lat"),
            ServiceRequest.service_id,
            Service.code.label("service_code"),
            Service.service_group,
            ServiceRequest.priority,
            ServiceRequest.assignee_id,
            ServiceRequest.accepted_at,
            ServiceRequest.times_reopened,
            ServiceRequest.parent_id,
            _PARENT.number.label("parent_number"),
            select(RequestPhase.id)
            .where(RequestPhase.jurisdiction_id == JURISDICTION, RequestPhase.request_id == ServiceRequest.id)
            .exists()
            .label("has_phases"),
        )
        .join(Service, and_(Service.jurisdiction_id == JURISDICTION, Service.id == ServiceRequest.service_id))
        .join(department, and_(department.jurisdiction_id == JURISDICTION, department.id == ServiceRequest.department_id))
        .outerjoin(unit, and_(unit.jurisdiction_id == JURISDICTION, unit.id == ServiceRequest.unit_id))
        .outerjoin(_PARENT, and_(_PARENT.jurisdiction_id == JURISDICTION, _PARENT.id == ServiceRequest.parent_id))
        .where(ServiceRequest.jurisdiction_id == JURISDICTION, *conditions)
    )


_REQUEST_ID: Any = bindparam("request_id", type_=BigInteger)
_NEW = Statement(held_rows(ServiceRequest.id == _REQUEST_ID))
_IS_NUMBERED = ServiceRequest.number == func.any(bindparam("numbers", type_=ARRAY(Text)))
_NUMBERED = Statement(held_rows(_IS_NUMBERED))
_LOCK_NUMBER = Statement(
    select(ServiceRequest.id, ServiceRequest.number)
    .where(ServiceRequest.jurisdiction_id == JURISDICTION, _IS_NUMBERED)
    .order_by(ServiceRequest.id)
    .with_for_update()
)
_CHILDREN = Statement(
    select(ServiceRequest.id)
    .where(ServiceRequest.jurisdiction_id == JURISDICTION, ServiceRequest.parent_id == _REQUEST_ID)
    .order_by(ServiceRequest.id)
    .with_for_update()
)
_BARE = (
    select(ServiceRequest.id)
    .where(
        ServiceRequest.jurisdiction_id == JURISDICTION,
        ServiceRequest.id == func.any(bindparam("ids", type_=ARRAY(BigInteger))),
    )
    .order_by(ServiceRequest.id)
)
_LOCK = Statement(_BARE.with_for_update())
_LOCK_FREE = Statement(_BARE.with_for_update(skip_locked=True))

_NOW: Any = bindparam("now", type_=TIMESTAMP(timezone=True))
# What changed a request makes its time of change later, never earlier; a closed one keeps the time of its closing.
TOUCHED = case(
    (ServiceRequest.status == "closed", ServiceRequest.updated_at),
    else_=func.greatest(ServiceRequest.updated_at, _NOW),
)
_IS_THEIRS = ServiceRequest.department_id == bindparam("department_id", type_=BigInteger)
_GIVE = Statement(
    update(ServiceRequest)
    .where(ServiceRequest.jurisdiction_id == JURISDICTION, ServiceRequest.id == _REQUEST_ID)
    .values(
        department_id=bindparam("department_id", type_=BigInteger),
        unit_id=bindparam("unit_id", type_=BigInteger),
        is_overridden=bindparam("is_overridden", type_=Boolean),
        accepted_at=case((_IS_THEIRS, ServiceRequest.accepted_at)),
        assignee_id=case((_IS_THEIRS, ServiceRequest.assignee_id)),
        updated_at=TOUCHED,
    )
)

_UNIT, _DEPARTMENT = aliased(Department, name="unit"), aliased(Department, name="parent")
_PHASES = Statement(
    select(
        RequestPhase.id,
        RequestPhase.position,
        RequestPhase.code,
        RequestPhase.name,
        RequestPhase.state,
        RequestPhase.after,
        RequestPhase.department_id,
        RequestPhase.unit_id,
        func.coalesce(_UNIT.name, _DEPARTMENT.name).label("answers_for"),
        RequestPhase.target,
        RequestPhase.assignee_id,
        RequestPhase.accepted_at,
        RequestPhase.opened_at,
        RequestPhase.ended_at,
        RequestPhase.reason,
        RequestPhase.times_opened,
        RequestPhase.is_fixed,
        RequestPhase.routed_service_id,
    )
    .join(_DEPARTMENT, and_(_DEPARTMENT.jurisdiction_id == JURISDICTION, _DEPARTMENT.id == RequestPhase.department_id))
    .outerjoin(_UNIT, and_(_UNIT.jurisdiction_id == JURISDICTION, _UNIT.id == RequestPhase.unit_id))
    .where(RequestPhase.jurisdiction_id == JURISDICTION, RequestPhase.request_id == _REQUEST_ID)
    .order_by(RequestPhase.position, RequestPhase.id)
)
_VERSION = Statement(
    select(func.max(RequestEvent.id).label("id")).where(
        RequestEvent.jurisdiction_id == JURISDICTION, RequestEvent.request_id == _REQUEST_ID
    )
)
_DISTRICTS = Statement(
    select(Boundary.layer_id, Boundary.code)
    .join(
        RequestDistrict,
        and_(RequestDistrict.jurisdiction_id == JURISDICTION, RequestDistrict.boundary_id == Boundary.id),
    )
    .where(Boundary.jurisdiction_id == JURISDICTION, RequestDistrict.request_id == _REQUEST_ID)
)
