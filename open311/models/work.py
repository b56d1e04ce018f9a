"""What becomes of a request while it is worked: phases, clocks, public updates, alerts."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db import Base, CityRow, city_key

PHASE_STATES = ("waiting", "open", "done", "skipped")


class RequestPhase(CityRow, Base):
    """A phase of a request: whose it is, which phases (codes) end before it begins, and how it stands.

    is_fixed: the plan or a person says whose it is; else it is routed, by the rules of routed_service_id or, when that is
    null, of the request's own service.
    reason: why it was added, skipped or sent back, the last time.  times_opened counts how often it was begun.
    """

    __tablename__ = "request_phase"
    __table_args__ = (
        city_key("request_id", "service_request"),
        city_key("department_id", "department"),
        city_key("unit_id", "department"),
        city_key("routed_service_id", "service"),
        UniqueConstraint("jurisdiction_id", "request_id", "code"),
        CheckConstraint(f"state in ({', '.join(repr(each) for each in PHASE_STATES)})", name="state"),
        CheckConstraint("(state in ('done', 'skipped')) = (ended_at is not null)", name="ended_has_time"),
        Index(
            "ix_request_phase_open",
            "jurisdiction_id",
            "department_id",
            "request_id",
            postgresql_where=text("state = 'open'"),
        ),
    )

    request_id: Mapped[int]
    position: Mapped[int] = mapped_column(SmallInteger)
    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    after: Mapped[list[str]] = mapped_column(ARRAY(Text))
    department_id: Mapped[int]
    unit_id: Mapped[int | None]
    target: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    assignee_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("account.id"))
    accepted_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)
    is_fixed: Mapped[bool]
    routed_service_id: Mapped[int | None]
    times_opened: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))


class RequestClock(CityRow, Base):
    """A target that runs: of the request, or of one of its phases.

    target: schemas.casework.TargetSchema as it was when the clock began.  climbed_to: the share of the target at which the
    last steps of a ladder were taken; next_step_at: when the next are due, null when there are none or the clock stands.
    stopped_at: it has ended.
    """

    __tablename__ = "request_clock"
    __table_args__ = (
        city_key("request_id", "service_request"),
        city_key("phase_id", "request_phase"),
        Index("ix_request_clock_request", "jurisdiction_id", "request_id", text("coalesce(phase_id, 0)"), unique=True),
        Index(
            "ix_request_clock_next_step",
            "jurisdiction_id",
            "next_step_at",
            postgresql_where=text("next_step_at is not null"),
        ),
    )

    request_id: Mapped[int]
    phase_id: Mapped[int | None]
    started_at: Mapped[datetime]
    target: Mapped[dict[str, Any]] = mapped_column(JSONB)
    due_at: Mapped[datetime]
    climbed_to: Mapped[float] = mapped_column(Double, server_default=text("0"))
    next_step_at: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]


class RequestPause(CityRow, Base):
    """A time in which a request's clocks stood, because a status stops them; until null: they stand."""

    __tablename__ = "request_pause"
    __table_args__ = (
        city_key("request_id", "service_request"),
        CheckConstraint("until >= since", name="ends_after_it_begins"),
        Index(None, "jurisdiction_id", "request_id"),
    )

    request_id: Mapped[int]
    since: Mapped[datetime]
    until: Mapped[datetime | None]


class RequestUpdate(CityRow, Base):
    """What the public is told of a request after it came in.  Source: GET and POST servicerequestupdates, spec 5.4.

    case_status: the status at that moment.  client_update_id: the client's own, so that a repeated POST is one update.
    """

    __tablename__ = "request_update"
    __table_args__ = (
        city_key("request_id", "service_request"),
        ForeignKeyConstraint(["jurisdiction_id", "case_status"], ["case_status.jurisdiction_id", "case_status.code"]),
        Index(
            "ix_request_update_client",
            "jurisdiction_id",
            "request_id",
            "api_key_id",
            "client_update_id",
            unique=True,
            postgresql_where=text("client_update_id is not null"),
        ),
        Index("ix_request_update_changed", "jurisdiction_id", "updated_at", "id"),
        Index(None, "jurisdiction_id", "request_id", "id"),
    )

    request_id: Mapped[int]
    updated_at: Mapped[datetime]
    case_status: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    media_urls: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    api_key_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("api_key.id"))
    client_update_id: Mapped[str | None] = mapped_column(Text)


class UpdateReporter(Base):
    """Who posted an update.  No public read joins this table; a row can be erased alone."""

    __tablename__ = "update_reporter"
    __table_args__ = (city_key("update_id", "request_update"),)

    jurisdiction_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    update_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    email: Mapped[str | None] = mapped_column(Text)
    first_name: Mapped[str | None] = mapped_column(Text)
    last_name: Mapped[str | None] = mapped_column(Text)
    phone: Mapped[str | None] = mapped_column(Text)
    account_id: Mapped[str | None] = mapped_column(Text)


class Alert(CityRow, Base):
    """Somebody to be told at once: a role of a department (account_id null), or one person.

    kind: "phase_opened", "handed_back", "reassigned", "assigned", "escalated", "flagged", "reopened", "not_fixed".
    event_id: the last fact of the request's history then.
    """

    __tablename__ = "alert"
    __table_args__ = (
        city_key("request_id", "service_request"),
        city_key("department_id", "department"),
        Index("ix_alert_unseen", "jurisdiction_id", "department_id", "id", postgresql_where=text("seen_at is null")),
        Index(None, "jurisdiction_id", "request_id"),
    )

    request_id: Mapped[int]
    event_id: Mapped[int | None]
    phase: Mapped[str | None] = mapped_column(Text)
    department_id: Mapped[int]
    role: Mapped[str] = mapped_column(Text)
    account_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("account.id"))
    kind: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
