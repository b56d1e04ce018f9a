"""What can be asked for: services and their definitions."""

from typing import Any

from sqlalchemy import CheckConstraint, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db import Base, CityRow, city_key
from schemas.city import DATATYPES, SERVICE_TYPES


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} in ({', '.join(repr(value) for value in values)})"


class Service(CityRow, Base):
    """A type of request.  Source: GeoReport v2, GET Service List.

    An inactive service is not listed and takes no requests; those it has keep its code and name.  Requests of a
    private one are accepted and never shown.  A service may be offered in some districts of one layer only.
    retention: for how long personal data is kept (schemas.city.RetentionSchema), where that is not as in the whole city.
    emergency: what of it is one, in words; then people are told to call the city's emergency telephone.
    coarse_metres: see ServiceRequest, to which it is copied.
    """

    __tablename__ = "service"
    __table_args__ = (
        UniqueConstraint("jurisdiction_id", "code"),
        UniqueConstraint("jurisdiction_id", "name"),
        CheckConstraint(_one_of("type", SERVICE_TYPES), name="type"),
        CheckConstraint("code ~ '^[A-Za-z0-9_-]+$'", name="code_is_url_safe"),
        city_key("offered_layer_id", "layer"),
        CheckConstraint("(offered_layer_id is null) = (offered_boundary_codes is null)", name="offered_has_layer"),
    )

    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    service_group: Mapped[str] = mapped_column(Text)
    keywords: Mapped[list[str]] = mapped_column(ARRAY(Text))
    type: Mapped[str] = mapped_column(Text)
    notice: Mapped[str | None] = mapped_column(Text)
    emergency: Mapped[str | None] = mapped_column(Text)
    is_private: Mapped[bool] = mapped_column(server_default=text("false"))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    needs_location: Mapped[bool] = mapped_column(server_default=text("true"))
    similar: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    retention: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    coarse_metres: Mapped[int | None] = mapped_column(SmallInteger)
    offered_layer_id: Mapped[int | None]
    offered_boundary_codes: Mapped[list[str] | None] = mapped_column(ARRAY(Text))


class ServiceAttribute(CityRow, Base):
    """A question of a service's form.  Source: GeoReport v2, GET Service Definition.

    `values` is [{"key", "name"}] in the order shown, empty but for the two list datatypes.
    """

    __tablename__ = "service_attribute"
    __table_args__ = (
        city_key("service_id", "service"),
        UniqueConstraint("jurisdiction_id", "service_id", "code"),
        UniqueConstraint("jurisdiction_id", "service_id", "position"),
        CheckConstraint(_one_of("datatype", DATATYPES), name="datatype"),
        CheckConstraint("position > 0", name="position_from_1"),
    )

    service_id: Mapped[int]
    code: Mapped[str] = mapped_column(Text)
    position: Mapped[int]
    datatype: Mapped[str] = mapped_column(Text)
    variable: Mapped[bool]
    required: Mapped[bool]
    description: Mapped[str] = mapped_column(Text)
    datatype_description: Mapped[str | None] = mapped_column(Text)
    values: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
