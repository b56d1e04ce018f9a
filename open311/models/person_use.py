"""What was done with personal data, and by whom."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db import Base, CityRow, city_key

PERSON_USES = ("read", "exported", "erased", "expired")


class PersonUse(CityRow, Base):
    """Personal data that was read, exported, erased, or whose time was up: appended, never changed.

    request_id: whose reporter was read; null for what was done to all that is kept of a person, or by the daily job.
    facts: who ("by" and whose account), "reason", and which fields or how many rows; never what stood in them.
    """

    __tablename__ = "person_use"
    __table_args__ = (
        city_key("request_id", "service_request"),
        CheckConstraint(f"kind in ({', '.join(repr(each) for each in PERSON_USES)})", name="kind"),
        Index(None, "jurisdiction_id", "request_id"),
    )

    request_id: Mapped[int | None]
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(Text)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
