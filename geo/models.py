"""Layers of boundaries, each boundary in versions; addresses and the names of streets."""

from datetime import datetime
from typing import Any

from shapely.geometry import MultiPolygon, Point
from sqlalchemy import CheckConstraint, Double, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import ColumnElement

from db import Base, CityRow, city_key
from db.periods import in_force
from geo.columns import ShapelyGeometry


class Layer(CityRow, Base):
    """One way of dividing a city: council districts, police precincts, the city's outline.

    code_property and name_property: which properties of its files' features are code and name.
    population_property: which one is how many people live there; null: none is.
    folder_drawing and folder_names: digests of the map in the city's folder when that was last loaded; null for a layer
    that no folder brought, "" where the folder's map is not known.
    """

    __tablename__ = "layer"
    __table_args__ = (UniqueConstraint("jurisdiction_id", "code"),)

    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    code_property: Mapped[str] = mapped_column(Text, server_default=text("'code'"))
    name_property: Mapped[str] = mapped_column(Text, server_default=text("'name'"))
    population_property: Mapped[str | None] = mapped_column(Text)
    folder_drawing: Mapped[str | None] = mapped_column(Text)
    folder_names: Mapped[str | None] = mapped_column(Text)


class Boundary(CityRow, Base):
    """One district of a layer as it was drawn from valid_from until valid_to (null: since ever, until further notice).

    valid_to is not part of the time: the next version begins there.  population: how many people live there, where known.
    """

    __tablename__ = "boundary"
    __table_args__ = (
        city_key("layer_id", "layer"),
        # No two versions of a district at one time.
        ExcludeConstraint(
            ("jurisdiction_id", "="),
            ("layer_id", "="),
            ("code", "="),
            (text("tstzrange(valid_from, valid_to)"), "&&"),
            name="ex_boundary_versions",
            using="gist",
        ),
        Index("ix_boundary_area", "area", postgresql_using="gist"),
        Index(None, "jurisdiction_id", "layer_id", "code"),
    )

    layer_id: Mapped[int]
    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    area: Mapped[MultiPolygon] = mapped_column(ShapelyGeometry("MULTIPOLYGON"))
    area_square_metres: Mapped[float] = mapped_column(Double)
    population: Mapped[int | None]
    valid_from: Mapped[datetime | None]
    valid_to: Mapped[datetime | None]

    @classmethod
    def in_force(cls, at: ColumnElement[datetime]) -> ColumnElement[bool]:
        """Whether this version is the one in force at a moment."""
        return in_force(cls.valid_from, cls.valid_to, at)


class LayerVersion(CityRow, Base):
    """A map of a layer as it was published: in force from valid_from (null: since ever) until the next version begins.

    Its boundaries are those of the layer that begin then; a district drawn as before keeps its row.  findings: what was
    repaired, and what overlaps or is left out, as `boundary import` told it.  withdrawn_at: it was taken back.
    stamping: how far the requests are stamped with it ("waiting", "running", "done"): all of those up to the id
    stamped_through_id.  reroutes: open requests were asked to be routed anew; rerouted_requests counts those that moved.
    """

    __tablename__ = "layer_version"
    __table_args__ = (
        city_key("layer_id", "layer"),
        CheckConstraint("stamping in ('waiting', 'running', 'done')", name="stamping"),
        Index(None, "jurisdiction_id", "layer_id"),
    )

    layer_id: Mapped[int]
    valid_from: Mapped[datetime | None]
    published_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    source: Mapped[str] = mapped_column(Text)
    boundaries: Mapped[int]
    findings: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    reroutes: Mapped[bool] = mapped_column(server_default=text("false"))
    stamping: Mapped[str] = mapped_column(Text, server_default=text("'waiting'"))
    stamped_through_id: Mapped[int] = mapped_column(server_default=text("0"))
    stamped_requests: Mapped[int] = mapped_column(server_default=text("0"))
    rerouted_requests: Mapped[int] = mapped_column(server_default=text("0"))


class Street(CityRow, Base):
    """A way to write a street's name, and what the standardizer makes of it.

    spelling is in upper case and ASCII ("E FIRST ST").  standard ("EAST 1 STREET") is the key under which addresses lie,
    and stands here as a spelling of its own; name ("1"), kind ("STREET") and direction ("EAST") are its parts, "" for none.
    """

    __tablename__ = "street"
    __table_args__ = (
        UniqueConstraint("jurisdiction_id", "spelling"),
        Index("ix_street_name", "jurisdiction_id", "name", postgresql_using="gist", postgresql_ops={"name": "gist_trgm_ops"}),
    )

    spelling: Mapped[str] = mapped_column(Text)
    standard: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    direction: Mapped[str] = mapped_column(Text)


class Address(CityRow, Base):
    """An address as the city prints it (line), taken apart, and its place; location is null where only the text is known.

    code is the address_id that clients may send.  145-151 is number_from 145, number_to 151; a street as a whole is 0.
    place is the neighbourhood or town of the line in upper case and ASCII.
    """

    __tablename__ = "address"
    __table_args__ = (
        CheckConstraint("0 <= number_from and number_from <= number_to", name="numbers_ascend"),
        UniqueConstraint("jurisdiction_id", "code"),
        Index(None, "jurisdiction_id", "street", "number_from"),
        Index("ix_address_location", "location", postgresql_using="gist"),
    )

    code: Mapped[str | None] = mapped_column(Text)
    line: Mapped[str] = mapped_column(Text)
    number_from: Mapped[int]
    number_to: Mapped[int]
    number_suffix: Mapped[str] = mapped_column(Text)
    street: Mapped[str] = mapped_column(Text)
    place: Mapped[str | None] = mapped_column(Text)
    zipcode: Mapped[str | None] = mapped_column(Text)
    location: Mapped[Point | None] = mapped_column(ShapelyGeometry("POINT"))
