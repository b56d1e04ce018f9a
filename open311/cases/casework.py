"""How a city works its requests, held by a process for as long as nobody changes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection
from sqlalchemy import BigInteger, bindparam, select

from db.driver import Statement
from open311 import models
from open311.cases.clock import Target
from open311.cases.targets import Promises, amount_of, timed
from open311.departments import UnknownDepartment
from open311.models import (
    CaseStatus,
    Jurisdiction,
    Ladder,
    MessageText,
    PhasePlan,
    Service,
    ServiceTarget,
)
from routing.calendars import Calendar, Hours, read_hours
from routing.models import Department
from schemas.city import SimilarSchema

OPEN, CLOSED = "open", "closed"
# What holds for a service whose item says nothing of it; docs/duplicates.md has how well it does.
_ALIKE: Mapping[str, Any] = SimilarSchema().load({})


class UnknownStatus(LookupError):
    """The city has no such status; the message names it and those that there are."""


class UnknownReason(LookupError):
    """The department has no such closing reason; the message names it and those that it has."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """A status of casework; status: what it is to GeoReport.  next: the codes of those that may follow."""

    code: str
    name: str
    status: str
    wire: str
    stops_clock: bool
    next: Sequence[str]

    @property
    def is_closed(self) -> bool:
        """Whether a request that has it is closed."""
        return self.status == CLOSED


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A department, or a unit of one: department_id is the parent's."""

    id: int
    code: str
    name: str
    department_id: int
    department: str

    @property
    def unit_id(self) -> int | None:
        """Its own id when it is a unit."""
        return self.id if self.id != self.department_id else None


@dataclass(frozen=True, kw_only=True)
class ClosingReason:
    """Why requests are closed; department_id None: good for each department."""

    code: str
    name: str
    status: str
    department_id: int | None


@dataclass(frozen=True, kw_only=True)
class LadderOf:
    """A ladder: the steps by the share of the target that is used, and those by what a request says."""

    code: str
    by_time: Sequence[Mapping[str, Any]]
    by_words: Sequence[Mapping[str, Any]]

    def share_after(self, share: float) -> float | None:
        """The share of the target of the next steps above one; None when there are none."""
        return min((step["used"] for step in self.by_time if step["used"] > share), default=None)

    def at(self, share: float) -> Sequence[Mapping[str, Any]]:
        """The steps taken when so much of the target is used."""
        return [step for step in self.by_time if step["used"] == share]


@dataclass(frozen=True, kw_only=True)
class LikenessRule:
    """Which earlier requests may be of the same thing as one of a service: see schemas.city.SimilarSchema."""

    radius_metres: float
    window_days: float | None
    days_after_closing: float
    service_ids: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Casework:
    """How a city works: looked up, never searched in the database again until somebody changes it."""

    zone: ZoneInfo
    reopen_days: int
    reopens_when_not_fixed: bool
    default_department_id: int
    statuses: Mapping[str, Status]
    desks: Mapping[int, Desk]
    hours: Mapping[str, Hours]
    _reasons: Sequence[ClosingReason]
    _texts: Sequence[Any]
    _promises: Promises
    _plans: Mapping[int, Sequence[Mapping[str, Any]]]
    _ladders: Sequence[Any]
    services: Mapping[str, tuple[int, str]]
    _similar: Mapping[int, Mapping[str, Any]]

    def status(self, code: str) -> Status:
        """The status of this code; raises UnknownStatus."""
        found = self.statuses.get(code)
        if found is None:
            raise UnknownStatus(f"status must be one of {', '.join(self.statuses)}, got {code!r}")
        return found

    def desk(self, code: str) -> Desk:
        """The department or unit of this code; raises UnknownDepartment."""
        found = next((each for each in self.desks.values() if each.code == code), None)
        if found is None:
            raise UnknownDepartment(code)
        return found

    def reasons_of(self, department_id: int) -> list[ClosingReason]:
        """Why this department may close: its own list, or where it has none the whole city's."""
        own = [each for each in self._reasons if each.department_id == department_id]
        return own or [each for each in self._reasons if each.department_id is None]

    def reason(self, code: str, *, department_id: int) -> ClosingReason:
        """The closing reason of this code in the department's list; raises UnknownReason."""
        listed = self.reasons_of(department_id)
        found = next((each for each in listed if each.code == code), None)
        if found is None:
            known = ", ".join(each.code for each in listed) or "none"
            raise UnknownReason(f"the closing reason must be one of the department's ({known}), got {code!r}")
        return found

    def reason_name(self, code: str) -> str | None:
        """How a closing reason is called, whosever it is."""
        return next((each.name for each in self._reasons if each.code == code), None)

    def words(self, status: str, *, service_id: int, reason: str | None = None, language: str = "en") -> str | None:
        """What the public is told: the text that says most precisely what this is, None when there is none.

        The service counts before the reason, and both before the language; where nothing is said in that, English
        goes before the rest.
        """
        fitting = [
            each
            for each in self._texts
            if each.case_status == status and each.service_id in (None, service_id) and each.reason in (None, reason)
        ]
        best = max(
            fitting,
            key=lambda each: (
                each.service_id is not None,
                each.reason is not None,
                each.language == language,
                each.language == "en",
            ),
            default=None,
        )
        return None if best is None else str(best.words)

    def target_of(self, service_id: int, group: str, *, at: datetime) -> dict[str, Any] | None:
        """The target of a request of the service that comes in at a moment: its own, its group's, or everybody's."""
        found = self._promises.made_to(service_id, group, at)
        return None if found is None else amount_of(found.details)

    def timed(self, target: Mapping[str, Any]) -> Target:
        """A target's details with the hours of its calendar."""
        return timed(target, self.hours, self.zone)

    def likeness_of(self, service_id: int) -> LikenessRule:
        """What may be of the same thing as a request of this service: its own rule, else its group's requests nearby."""
        rule = self._similar.get(service_id) or _ALIKE
        group = next(group for each, group in self.services.values() if each == service_id)
        codes = rule["services"]
        ids = [each for code, (each, its) in self.services.items() if (its == group if codes is None else code in codes)]
        return LikenessRule(
            radius_metres=rule["radius_metres"],
            window_days=rule["window_days"],
            days_after_closing=rule["days_after_closing"],
            service_ids=[*dict.fromkeys([service_id, *ids])],
        )

    def plan_of(self, service_id: int) -> Sequence[Mapping[str, Any]]:
        """The phases of a service's plan; none when it has no plan."""
        return self._plans.get(service_id, ())

    def ladder_of(self, service_id: int, department_id: int) -> LadderOf | None:
        """The ladder of a service, else of the department that answers, else of the whole city."""
        for each in self._ladders:
            if each.service_id == service_id or (each.service_id is None and each.for_department_id in (None, department_id)):
                steps = each.details["steps"]
                return LadderOf(
                    code=each.code,
                    by_time=[step for step in steps if step["used"] is not None],
                    by_words=[step for step in steps if step["used"] is None],
                )
        return None


def casework(connection: "Connection[Any]", jurisdiction_id: int) -> Casework:
    """How the city works now."""
    row = _CITY.run(connection, jurisdiction_id=jurisdiction_id).fetchone()
    assert row is not None
    with _LOCK:
        held = _HELD.get(jurisdiction_id)
    if held is not None and held[0] == tuple(row):
        return held[1]
    found = _read(connection, jurisdiction_id, row)
    with _LOCK:
        _HELD[jurisdiction_id] = (tuple(row), found)
    return found


# By city: what was true of it when it was read (see _CITY), and how it worked then.
_HELD: dict[int, tuple[tuple[Any, ...], Casework]] = {}
_LOCK = Lock()


def _read(connection: "Connection[Any]", jurisdiction_id: int, city: Any) -> Casework:
    key = {"jurisdiction_id": jurisdiction_id}
    hours = read_hours(connection, jurisdiction_id=jurisdiction_id)
    plans: dict[int, Sequence[Mapping[str, Any]]] = {
        row.service_id: row.details["phases"] for row in _PLANS.run(connection, **key)
    }
    services = _SERVICES.run(connection, **key).fetchall()
    departments = {row.id: row for row in _DEPARTMENTS.run(connection, **key)}
    # What speaks of one service first, then of a department, then of everything.
    ladders = sorted(
        _LADDERS.run(connection, **key), key=lambda row: (row.service_id is None, row.for_department_id is None, row.position)
    )
    return Casework(
        zone=ZoneInfo(city.timezone),
        reopen_days=city.reopen_days,
        reopens_when_not_fixed=city.reopens_when_not_fixed,
        default_department_id=city.default_department_id,
        statuses={
            row.code: Status(
                code=row.code,
                name=row.name,
                status=row.status,
                wire=row.wire,
                stops_clock=row.stops_clock,
                next=tuple(row.next_codes),
            )
            for row in _STATUSES.run(connection, **key)
        },
        desks={
            row.id: Desk(
                id=row.id,
                code=row.code,
                name=row.name,
                department_id=row.parent_id or row.id,
                department=departments[row.parent_id or row.id].name,
            )
            for row in departments.values()
        },
        hours={row.code: hours[row.id] for row in _CALENDARS.run(connection, **key)},
        services={row.code: (row.id, row.service_group) for row in services},
        _similar={row.id: row.similar for row in services if row.similar},
        _reasons=[
            ClosingReason(code=row.code, name=row.name, status=row.case_status, department_id=row.department_id)
            for row in _REASONS.run(connection, **key)
        ],
        _texts=_TEXTS.run(connection, **key).fetchall(),
        _promises=Promises(
            [(row.service_id, row.service_group, row.details) for row in _TARGETS.run(connection, **key)],
            ZoneInfo(city.timezone),
        ),
        _plans=plans,
        _ladders=ladders,
    )


def _all_of(table: Any, *columns: str) -> Statement:
    order = table.position if hasattr(table, "position") else table.id
    return Statement(
        select(*[getattr(table, name) for name in columns])
        .where(table.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger))
        .order_by(order, table.id)
    )


_CITY = Statement(
    select(
        Jurisdiction.casework_version,
        Jurisdiction.timezone,
        Jurisdiction.reopen_days,
        Jurisdiction.reopens_when_not_fixed,
        Jurisdiction.default_department_id,
    ).where(Jurisdiction.id == bindparam("jurisdiction_id", type_=BigInteger))
)
_STATUSES = _all_of(CaseStatus, "code", "name", "status", "wire", "stops_clock", "next_codes")
_REASONS = _all_of(models.ClosingReason, "code", "name", "case_status", "department_id")
_TEXTS = _all_of(MessageText, "case_status", "reason", "service_id", "language", "words")
_TARGETS = _all_of(ServiceTarget, "service_id", "service_group", "details", "position")
_PLANS = _all_of(PhasePlan, "service_id", "details")
_LADDERS = _all_of(Ladder, "code", "service_id", "for_department_id", "details", "position")
_DEPARTMENTS = _all_of(Department, "id", "code", "name", "parent_id")
_CALENDARS = _all_of(Calendar, "id", "code")
_SERVICES = _all_of(Service, "id", "code", "service_group", "similar")
