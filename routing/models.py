"""Departments with their units, and the rules that choose among them."""

from sqlalchemy import CheckConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db import Base, CityRow, city_key


class Department(CityRow, Base):
    """A department of the city, or a unit of one (then with a parent; a unit has no units of its own)."""

    __tablename__ = "department"
    __table_args__ = (UniqueConstraint("jurisdiction_id", "code"), city_key("parent_id", "department"))

    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    parent_id: Mapped[int | None]
    phone: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)


class RoutingRule(CityRow, Base):
    """Requests of this service (or group, or any) inside this boundary (or anywhere) go to this department or unit.

    The boundary is named by layer and code and not by its row, so that a rule outlives a new version of the map.
    """

    __tablename__ = "routing_rule"
    __table_args__ = (
        UniqueConstraint("jurisdiction_id", "code"),
        city_key("service_id", "service"),
        city_key("layer_id", "layer"),
        city_key("department_id", "department"),
        CheckConstraint("service_id is null or service_group is null", name="service_or_group"),
        CheckConstraint("(layer_id is null) = (boundary_code is null)", name="boundary_has_layer"),
        Index(None, "jurisdiction_id", "service_id"),
    )

    code: Mapped[str] = mapped_column(Text)
    service_id: Mapped[int | None]
    service_group: Mapped[str | None] = mapped_column(Text)
    layer_id: Mapped[int | None]
    boundary_code: Mapped[str | None] = mapped_column(Text)
    department_id: Mapped[int]
    priority: Mapped[int] = mapped_column(server_default=text("100"))
    note: Mapped[str | None] = mapped_column(Text)
