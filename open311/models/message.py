"""Who is told, of what, and what they and webhooks were told."""

from datetime import date, datetime
from typing import Any

from shapely import Point
from sqlalchemy import CheckConstraint, Index, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db import Base, CityRow, city_key
from geo.columns import ShapelyGeometry

RHYTHMS = ("each", "day", "week")
MESSAGE_STATES = ("waiting", "sent", "dead", "dropped")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} in ({', '.join(map(repr, values))})"


class Follower(CityRow, Base):
    """Somebody who is told by e-mail: of a request, of what is reported around a point, or of that in a district.

    email: personal; no public read joins this table.  is_reporter: the request is theirs.  rhythm: of a request "each"
    change, of an area or a district a digest of a "day" or a "week"; told_until: the first day, by the city's clock, that
    no digest had yet.  confirmed_at: null until they said by a link that the address is theirs; stopped_at: when they had
    enough.
    """

    __tablename__ = "follower"
    __table_args__ = (
        city_key("request_id", "service_request"),
        city_key("layer_id", "layer"),
        CheckConstraint(_one_of("rhythm", RHYTHMS), name="rhythm"),
        CheckConstraint("num_nonnulls(request_id, location, layer_id) = 1", name="follows_one_thing"),
        CheckConstraint("(location is null) = (radius_metres is null)", name="area_has_radius"),
        CheckConstraint("(layer_id is null) = (boundary_code is null)", name="district_has_code"),
        CheckConstraint("(request_id is null) = (rhythm <> 'each')", name="areas_are_digested"),
        CheckConstraint("(request_id is null) = (told_until is not null)", name="digests_have_a_day"),
        Index(
            "ix_follower_request",
            "jurisdiction_id",
            "request_id",
            text("lower(email)"),
            unique=True,
            postgresql_where=text("request_id is not null"),
        ),
        Index("ix_follower_email", "jurisdiction_id", text("lower(email)")),
        Index(
            "ix_follower_digest",
            "jurisdiction_id",
            "told_until",
            postgresql_where=text("request_id is null and confirmed_at is not null and stopped_at is null"),
        ),
    )

    request_id: Mapped[int | None]
    location: Mapped[Point | None] = mapped_column(ShapelyGeometry("POINT"))
    radius_metres: Mapped[int | None]
    layer_id: Mapped[int | None]
    boundary_code: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text, server_default=text("'en'"))
    is_reporter: Mapped[bool] = mapped_column(server_default=text("false"))
    rhythm: Mapped[str] = mapped_column(Text, server_default=text("'each'"))
    told_until: Mapped[date | None]
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]


class Message(CityRow, Base):
    """The outbox: what a follower or a webhook is to be told, written in the transaction of what happened; a job sends it.

    request_id: null for what is not about one.  event: see open311/notify/texts.yml, and for webhooks docs/webhooks.md.
    facts: what the text says, as it was then.  subject, body: as first written, the same at every attempt; for a webhook
    the body alone.  state: "waiting"; "sent"; "dead" after the last attempt, until it is replayed; "dropped" when they had
    stopped before it went.  sent_by: "log", "smtp" or "webhook".  error: of the last attempt.
    """

    __tablename__ = "message"
    __table_args__ = (
        city_key("request_id", "service_request"),
        city_key("follower_id", "follower"),
        city_key("webhook_id", "webhook"),
        CheckConstraint("num_nonnulls(follower_id, webhook_id) = 1", name="tells_one"),
        CheckConstraint(_one_of("state", MESSAGE_STATES), name="state"),
        Index(None, "jurisdiction_id", "request_id"),
        Index(None, "jurisdiction_id", "follower_id"),
        Index(None, "jurisdiction_id", "webhook_id"),
        Index("ix_message_unsent", "jurisdiction_id", "id", postgresql_where=text("state in ('waiting', 'dead')")),
    )

    request_id: Mapped[int | None]
    follower_id: Mapped[int | None]
    webhook_id: Mapped[int | None]
    at: Mapped[datetime]
    event: Mapped[str] = mapped_column(Text)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    subject: Mapped[str | None] = mapped_column(Text)
    body: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, server_default=text("'waiting'"))
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    sent_at: Mapped[datetime | None]
    sent_by: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)


class Verdict(CityRow, Base):
    """What a reporter said after a closing: whether it was fixed, how well it was done (score, 1 to 5), and in words.

    closed_at: of which closing; one verdict a reporter and closing.  comment: personal, as it may say anything.
    follower_id: null once who said it was erased.
    """

    __tablename__ = "verdict"
    __table_args__ = (
        city_key("request_id", "service_request"),
        city_key("follower_id", "follower"),
        CheckConstraint("score between 1 and 5", name="score"),
        UniqueConstraint("jurisdiction_id", "request_id", "follower_id", "closed_at"),
        Index(None, "jurisdiction_id", "follower_id"),
    )

    request_id: Mapped[int]
    follower_id: Mapped[int | None]
    closed_at: Mapped[datetime]
    at: Mapped[datetime]
    is_fixed: Mapped[bool]
    score: Mapped[int | None] = mapped_column(SmallInteger)
    comment: Mapped[str | None] = mapped_column(Text)
