"""Queries that a city keeps under a name."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db import Base, CityRow


class SavedQuery(CityRow, Base):
    """Arguments of GET requests, as a query string, that everybody may read as a list or feed by a short name."""

    __tablename__ = "saved_query"
    __table_args__ = (
        UniqueConstraint("jurisdiction_id", "code"),
        CheckConstraint("code ~ '^[A-Za-z0-9_-]+$'", name="code_is_url_safe"),
    )

    code: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    arguments: Mapped[str] = mapped_column(Text)
    saved_at: Mapped[datetime]
