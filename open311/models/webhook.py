"""Which other systems are told of requests."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from db import Base, CityRow, city_key


class Webhook(CityRow, Base):
    """An address of another system that is told of requests: all of a city's, or those of a department, service or district.

    What it names must all be so.  secret: `whsec_` and base64, shared with the receiver, who knows by it who sent a
    message.  events: null for all.  stopped_at: when it was told no more, by the city or by its own answer.
    """

    __tablename__ = "webhook"
    __table_args__ = (
        city_key("department_id", "department"),
        city_key("service_id", "service"),
        city_key("layer_id", "layer"),
        CheckConstraint("(layer_id is null) = (boundary_code is null)", name="district_has_code"),
        CheckConstraint("code ~ '^[A-Za-z0-9_-]+$'", name="code_is_url_safe"),
        UniqueConstraint("jurisdiction_id", "code"),
    )

    code: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(Text)
    department_id: Mapped[int | None]
    service_id: Mapped[int | None]
    layer_id: Mapped[int | None]
    boundary_code: Mapped[str | None] = mapped_column(Text)
    events: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
