"""Who is told of a request, and what they were told."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db import Base, CityRow, city_key

MESSAGE_STATES = ("waiting", "sent", "dead", "dropped")


class Follower(CityRow, Base):
    """Somebody who is told by e-mail what becomes of a request: who reported it.

    email: personal; no public read joins this table.  stopped_at: when they had enough.
    """

    __tablename__ = "follower"
    __table_args__ = (
        city_key("request_id", "service_request"),
        Index("ix_follower_request", "jurisdiction_id", "request_id", text("lower(email)"), unique=True),
        Index("ix_follower_email", "jurisdiction_id", text("lower(email)")),
    )

    request_id: Mapped[int]
    email: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text, server_default=text("'en'"))
    created_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]


class Message(CityRow, Base):
    """The outbox: what a follower is to be told, written in the transaction of what happened; a job sends it.

    event: see open311/notify/texts.yml.  facts: what the text says, as it was then.  subject, body: as first written, the
    same at every attempt.  state: "waiting"; "sent"; "dead" after the last attempt, until it is replayed; "dropped" when
    they had stopped before it went.  sent_by: "log" or "smtp".  error: of the last attempt.
    """

    __tablename__ = "message"
    __table_args__ = (
        city_key("request_id", "service_request"),
        city_key("follower_id", "follower"),
        CheckConstraint(f"state in ({', '.join(map(repr, MESSAGE_STATES))})", name="state"),
        Index(None, "jurisdiction_id", "request_id"),
        Index(None, "jurisdiction_id", "follower_id"),
        Index("ix_message_unsent", "jurisdiction_id", "id", postgresql_where=text("state in ('waiting', 'dead')")),
    )

    request_id: Mapped[int]
    follower_id: Mapped[int]
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
