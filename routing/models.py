"""Departments with their units, and the rules that choose among them."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db import Base, CityRow, city_key
from routing.calendars import Calendar


class Department(CityRow, Base):
    """A department of the city, or a unit of one (then with a parent; a unit has no units of its own)."""

    __tablename__ = "department"
    __table_args__ = (UniqueConstraint("jurisdiction_id", "code"), city_key("parent_id", "department"))

    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    parent_id: Mapped[int | None]
    phone: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    hours: Mapped[str | None] = mapped_column(Text)


class RoutingRule(CityRow, Base):
    """Requests of this service (or group, or any) inside this boundary (or anywhere) go to this department or unit.

    The boundary is named by layer and code and not by its row, so that a rule outlives a new version of the map.  Two
    conditions may narrow a rule: the answer to one question of the service's form, and whether a calendar is open or
    closed when the request comes in.  valid_to is not part of the time that a rule is in force.
    """

    __tablename__ = "routing_rule"
    __table_args__ = (
        UniqueConstraint("jurisdiction_id", "code"),
        city_key("service_id", "service"),
        city_key("layer_id", "layer"),
        city_key("department_id", "department"),
        city_key("calendar_id", Calendar.__tablename__),
        CheckConstraint("service_id is null or service_group is null", name="service_or_group"),
        CheckConstraint("(layer_id is null) = (boundary_code is null)", name="boundary_has_layer"),
        CheckConstraint("(calendar_id is null) = (during is null)", name="calendar_has_during"),
        CheckConstraint("during in ('open', 'closed')", name="during"),
        CheckConstraint("(attribute_code is null) = (attribute_value is null)", name="attribute_has_value"),
        CheckConstraint("valid_from < valid_to", name="validity"),
        Index(None, "jurisdiction_id", "service_id"),
    )

    code: Mapped[str] = mapped_column(Text)
    service_id: Mapped[int | None]
    service_group: Mapped[str | None] = mapped_column(Text)
    layer_id: Mapped[int | None]
    boundary_code: Mapped[str | None] = mapped_column(Text)
    department_id: Mapped[int]
    attribute_code: Mapped[str | None] = mapped_column(Text)
    attribute_value: Mapped[str | None] = mapped_column(Text)
    calendar_id: Mapped[int | None]
    during: Mapped[str | None] = mapped_column(Text)
    valid_from: Mapped[datetime | None]
    valid_to: Mapped[datetime | None]
    priority: Mapped[int] = mapped_column(server_default=text("100"))
    note: Mapped[str | None] = mapped_column(Text)
