"""Requests, their history, and the districts they lie in."""

from datetime import datetime
from typing import Any

from geoalchemy2 import Geometry
from shapely.geometry import Point
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from db import Base, CityRow, city_key
from geo.columns import ShapelyGeometry
from geo.queries import on_grid

# English reduces words to their stems, so that "potholes" finds "pothole"; words of other languages it takes as they are
# written, or shortens alike on both sides.  One for all rows: a stored column cannot go by another.
WORDS_LANGUAGE = "english"
_IS_RESOLVED = text("status = 'closed'")
# The number of the transaction that writes: every UPDATE that SQLAlchemy composes sets it (no trigger; decision 12).
THIS_TRANSACTION = text("cast(cast(pg_current_xact_id() as text) as bigint)")


class ServiceRequest(CityRow, Base):
    """A service request.  Source: GeoReport v2, GET Service Requests.

    The current values are a cache of the history's last rows.  Times are whole seconds, as they are printed and
    filtered.  number is null until a batch request is numbered; is_public is false for what public reads never show.
    media_url: absolute, or a path of ours that begins with "/".  client_reference makes a repeated POST one request.
    is_overridden: a person chose the department, and no rule changes that until it is returned to automatic.
    unplaced_because: an address was given that nobody could place yet, and why; null once there is a location.
    case_status: the status of casework (open311.models.casework), of which `status` is what GeoReport knows.  priority: 0,
    1 (high) or 2 (urgent).  accepted_at: the department said that it is theirs.  times_reopened: closed, and opened again.
    taken_by_id: the member of staff who took it in.  parent_id: the request of the same thing that this one follows.
    words: what description and status_notes say, for searching.  answered_from: the code of the article by which it was
    closed as it came in.
    coarse_metres: the public is shown where it lies on a grid so many metres wide, and no address; null: both as they are.
    public_location: what of its place public reads show, filter and measure by; search_words: what they search for words.
    changed_in: the transaction that wrote this row; was_public: it was shown once (GET changes: open311.reports.changes).
    """

    __tablename__ = "service_request"
    __table_args__ = (
        city_key("service_id", "service"),
        city_key("department_id", "department"),
        city_key("unit_id", "department"),
        city_key("parent_id", "service_request"),
        CheckConstraint("parent_id <> id", name="not_its_own_parent"),
        ForeignKeyConstraint(["jurisdiction_id", "case_status"], ["case_status.jurisdiction_id", "case_status.code"]),
        CheckConstraint("priority between 0 and 2", name="priority"),
        UniqueConstraint("jurisdiction_id", "number"),
        UniqueConstraint("jurisdiction_id", "token"),
        CheckConstraint("status in ('open', 'closed')", name="status"),
        CheckConstraint("(status = 'closed') = (closed_at is not null)", name="closed_has_time"),
        CheckConstraint("number is not null or (token is not null and not is_public)", name="public_has_number"),
        CheckConstraint("number ~ '^[A-Za-z0-9._-]+$'", name="number_is_url_safe"),
        CheckConstraint("char_length(description) <= 4000", name="description_length"),
        CheckConstraint("unplaced_because is null or location is null", name="unplaced_has_no_location"),
        Index(
            "ix_service_request_client_reference",
            "jurisdiction_id",
            text("coalesce(api_key_id, 0)"),
            "client_reference",
            unique=True,
            postgresql_where=text("client_reference is not null"),
        ),
        Index(
            "ix_service_request_newest",
            "jurisdiction_id",
            text("requested_at desc"),
            text("id desc"),
            postgresql_where=text("is_public"),
        ),
        Index(
            "ix_service_request_service_newest",
            "jurisdiction_id",
            "service_id",
            text("requested_at desc"),
            text("id desc"),
            postgresql_where=text("is_public"),
        ),
        Index(
            "ix_service_request_changed",
            "jurisdiction_id",
            text("updated_at desc"),
            text("id desc"),
            postgresql_where=text("is_public"),
        ),
        Index(
            "ix_service_request_unplaced",
            "jurisdiction_id",
            "id",
            postgresql_where=text("unplaced_because is not null and status = 'open'"),
        ),
        Index("ix_service_request_parent", "jurisdiction_id", "parent_id", postgresql_where=text("parent_id is not null")),
        Index("ix_service_request_near", "jurisdiction_id", text("(location::geography)"), postgresql_using="gist"),
        Index(
            "ix_service_request_at_address",
            "jurisdiction_id",
            text("lower(address)"),
            postgresql_where=text("location is null"),
        ),
        Index(
            "ix_service_request_resolved",
            "jurisdiction_id",
            "service_id",
            text("closed_at desc"),
            text("id desc"),
            postgresql_where=_IS_RESOLVED,
        ),
        # Without a list of what is to be added, which every search would read whole.
        Index(
            "ix_service_request_resolved_words",
            "jurisdiction_id",
            "service_id",
            "words",
            postgresql_using="gin",
            postgresql_with={"fastupdate": "off"},
            postgresql_where=_IS_RESOLVED,
        ),
        Index(
            "ix_service_request_resolved_place",
            "jurisdiction_id",
            "service_id",
            "location",
            postgresql_using="gist",
            postgresql_where=_IS_RESOLVED,
        ),
        Index(
            "ix_service_request_department_newest",
            "jurisdiction_id",
            "department_id",
            text("requested_at desc"),
            text("id desc"),
            postgresql_where=text("is_public"),
        ),
        Index(
            "ix_service_request_public_place",
            "jurisdiction_id",
            "public_location",
            "requested_at",
            postgresql_using="gist",
            postgresql_where=text("is_public"),
        ),
        Index(
            "ix_service_request_search_words",
            "jurisdiction_id",
            "search_words",
            postgresql_using="gin",
            postgresql_with={"fastupdate": "off"},
            postgresql_where=text("is_public"),
        ),
        Index(
            "ix_service_request_changes",
            "jurisdiction_id",
            "changed_in",
            "id",
            postgresql_where=text("is_public or was_public"),
        ),
        # With the one before, every request: scorecards count what is never shown as well.
        Index(
            "ix_service_request_changes_unseen",
            "jurisdiction_id",
            "changed_in",
            postgresql_where=text("not (is_public or was_public)"),
        ),
        Index("ix_service_request_open", "jurisdiction_id", "department_id", "id", postgresql_where=text("status = 'open'")),
    )

    number: Mapped[str | None] = mapped_column(Text)
    token: Mapped[str | None] = mapped_column(Text)
    service_id: Mapped[int]
    status: Mapped[str] = mapped_column(Text)
    case_status: Mapped[str] = mapped_column(
        Text, default=lambda context: context.get_current_parameters()["status"], server_default=text("'open'")
    )
    status_notes: Mapped[str | None] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    department_id: Mapped[int]
    unit_id: Mapped[int | None]
    requested_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    expected_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    address: Mapped[str | None] = mapped_column(Text)
    address_id: Mapped[str | None] = mapped_column(Text)
    zipcode: Mapped[str | None] = mapped_column(Text)
    location: Mapped[Point | None] = mapped_column(ShapelyGeometry("POINT"))
    media_url: Mapped[str | None] = mapped_column(Text)
    attributes: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    channel: Mapped[str] = mapped_column(Text)
    is_public: Mapped[bool]
    is_overridden: Mapped[bool] = mapped_column(server_default=text("false"))
    unplaced_because: Mapped[str | None] = mapped_column(Text)
    api_key_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("api_key.id"))
    client_reference: Mapped[str | None] = mapped_column(Text)
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    assignee_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("account.id"))
    accepted_at: Mapped[datetime | None]
    times_reopened: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    taken_by_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("account.id"))
    parent_id: Mapped[int | None]
    answered_from: Mapped[str | None] = mapped_column(Text)
    words: Mapped[str] = mapped_column(
        TSVECTOR,
        Computed(
            f"to_tsvector('{WORDS_LANGUAGE}'::regconfig, coalesce(description, '') || ' ' || coalesce(status_notes, ''))",
            persisted=True,
        ),
        deferred=True,
    )
    coarse_metres: Mapped[int | None] = mapped_column(SmallInteger)
    public_location: Mapped[Point | None] = mapped_column(
        ShapelyGeometry("POINT"),
        Computed(
            on_grid(column("location", Geometry()), column("coarse_metres", SmallInteger)),
            persisted=True,
        ),
        deferred=True,
    )
    search_words: Mapped[str] = mapped_column(
        TSVECTOR,
        Computed(
            f"to_tsvector('{WORDS_LANGUAGE}'::regconfig, coalesce(description, '') || ' ' || coalesce(status_notes, '')"
            " || ' ' || case when coarse_metres is null then coalesce(address, '') else '' end)",
            persisted=True,
        ),
        deferred=True,
    )
    was_public: Mapped[bool] = mapped_column(
        server_default=text("false"), onupdate=text("service_request.was_public or service_request.is_public")
    )
    changed_in: Mapped[int] = mapped_column(server_default=THIS_TRANSACTION, onupdate=THIS_TRANSACTION)


class RequestEvent(CityRow, Base):
    """A fact of a request's history: appended, never changed, but for words that are taken out of it (open311.people.traces).

    kind "received": how it came in; "routed": a decision (routing.decision.Decision.as_record), with "cause" when it
    is not the first; "recorded": what an import's source said of it; "changed": what of it is another than before,
    with "placed" as in "received" when its address was looked up, null when a point was sent;
    "overridden": a person chose the department, and why; "released": the choice went back to the rules; "numbered";
    of casework: "accepted", "handed_back", "assigned", "noted", "updated", "status", "closed", "reopened", "clock", "flagged",
    "escalated", "phases_planned", "phase_opened", "phase_done", "phase_skipped", "phase_added", "phase_sent_back",
    "phase_moved", "answered" (from which article); of duplicates: "linked", "unlinked", "also_reported"; "verdict": what
    who reported it says after its closing, without their words; "redacted"
    and "erased": what of it is gone, never what it was.  What a person or a key did says "by" and whose account or
    key it was.
    """

    __tablename__ = "request_event"
    __table_args__ = (
        city_key("request_id", "service_request"),
        Index(None, "jurisdiction_id", "request_id", "id"),
    )

    request_id: Mapped[int]
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(Text)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)


class RequestDistrict(Base):
    """The stamp: a boundary that covered the request's location at intake.

    requested_at is the request's, so that a district's list is one index.
    """

    __tablename__ = "request_district"
    __table_args__ = (
        city_key("request_id", "service_request"),
        city_key("boundary_id", "boundary"),
        ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"]),
        Index(
            "ix_request_district_newest",
            "jurisdiction_id",
            "boundary_id",
            text("requested_at desc"),
            text("request_id desc"),
        ),
    )

    jurisdiction_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    request_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    boundary_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    requested_at: Mapped[datetime]
