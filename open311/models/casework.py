"""How a city's departments work: statuses, closing reasons, texts, targets, phase plans, ladders.

Each row is an item of a file of the city's folder (schemas.casework), and what the file says more of it is `details`, as
the schema loads it.  department_id: whose it is, whose supervisor may change it; null: the whole city's.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db import Base, CityRow, city_key

_DETAILS = text("'{}'")


class CaseworkChange(CityRow, Base):
    """A change of how departments work: appended, never changed.

    kind: the file of the city's folder; facts: who ("by" and whose account), which items were added, changed, removed, and
    all of the file's items before.
    """

    __tablename__ = "casework_change"

    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(Text)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)


class CaseStatus(CityRow, Base):
    """A status of casework, and what it is to GeoReport: open or closed.

    wire: the word of the update exchange (spec 5.4).  next_codes: the statuses that may follow.  stops_clock: while a
    request has it, its targets wait.
    """

    __tablename__ = "case_status"
    __table_args__ = (
        UniqueConstraint("jurisdiction_id", "code"),
        CheckConstraint("status in ('open', 'closed')", name="status"),
        CheckConstraint("not (stops_clock and status = 'closed')", name="closed_has_no_clock"),
    )

    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    wire: Mapped[str] = mapped_column(Text)
    stops_clock: Mapped[bool]
    next_codes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    position: Mapped[int]


class ClosingReason(CityRow, Base):
    """Why a department closes a request, the status that it then has, and what the public is told unless a text says more."""

    __tablename__ = "closing_reason"
    __table_args__ = (
        city_key("department_id", "department"),
        UniqueConstraint("jurisdiction_id", "code"),
    )

    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    case_status: Mapped[str] = mapped_column(Text)
    department_id: Mapped[int | None]
    position: Mapped[int]


class MessageText(CityRow, Base):
    """What the public is told when a request gets a status, in a language; service_id and reason null: of any."""

    __tablename__ = "message_text"
    __table_args__ = (
        city_key("department_id", "department"),
        city_key("service_id", "service"),
        Index(None, "jurisdiction_id", "case_status"),
    )

    case_status: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    service_id: Mapped[int | None]
    language: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)
    department_id: Mapped[int | None]
    position: Mapped[int]


class ServiceTarget(CityRow, Base):
    """How long a request of a service, of a group, or (both null) of any may take; details: schemas.casework.TargetSchema."""

    __tablename__ = "service_target"
    __table_args__ = (
        city_key("department_id", "department"),
        city_key("service_id", "service"),
        CheckConstraint("service_id is null or service_group is null", name="service_or_group"),
    )

    service_id: Mapped[int | None]
    service_group: Mapped[str | None] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=_DETAILS)
    department_id: Mapped[int | None]
    position: Mapped[int]


class PhasePlan(CityRow, Base):
    """In which phases requests of a service are worked; details: schemas.working.PlanSchema."""

    __tablename__ = "phase_plan"
    __table_args__ = (
        city_key("department_id", "department"),
        city_key("service_id", "service"),
        UniqueConstraint("jurisdiction_id", "service_id"),
    )

    service_id: Mapped[int]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=_DETAILS)
    department_id: Mapped[int | None]
    position: Mapped[int]


class Ladder(CityRow, Base):
    """When requests of a service, of a department, or (both null) of any are escalated; details: schemas.working.LadderSchema.

    for_department_id: requests and phases of this department; department_id: whose it is.
    """

    __tablename__ = "ladder"
    __table_args__ = (
        city_key("department_id", "department"),
        city_key("service_id", "service"),
        city_key("for_department_id", "department"),
        UniqueConstraint("jurisdiction_id", "code"),
        CheckConstraint("service_id is null or for_department_id is null", name="service_or_department"),
    )

    code: Mapped[str] = mapped_column(Text)
    service_id: Mapped[int | None]
    for_department_id: Mapped[int | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=_DETAILS)
    department_id: Mapped[int | None]
    position: Mapped[int]
