"""The declarative base, the session, and the keys that every table of a city begins with."""

from datetime import datetime
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from psycopg import Connection
from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Identity, MetaData
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, registry

_METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class Base(DeclarativeBase):
    """Base of every table; constraints get their names from here, so that migrations can speak of them."""

    # Whole seconds: what is stored is what is printed and what filters compare.
    registry = registry(
        metadata=_METADATA,
        type_annotation_map={datetime: TIMESTAMP(timezone=True, precision=0), int: BigInteger},
    )


class CityRow:
    """The key of every row that belongs to one city: (jurisdiction_id, id).  Decision 12 of the design."""

    # The order of the columns is the order of the key.
    jurisdiction_id: Mapped[int] = mapped_column(ForeignKey("jurisdiction.id"), primary_key=True, sort_order=-2)
    # autoincrement is said aloud: without it a composite key falls back to one INSERT per row.
    id: Mapped[int] = mapped_column(Identity(), primary_key=True, autoincrement=True, sort_order=-1)


def city_key(column: str, table: str) -> ForeignKeyConstraint:
    """A foreign key to a row of the same city: (jurisdiction_id, column) -> table (jurisdiction_id, id)."""
    return ForeignKeyConstraint(["jurisdiction_id", column], [f"{table}.jurisdiction_id", f"{table}.id"])


def driver_connection(session: Session) -> "Connection[Any]":
    """The psycopg connection of a session's transaction, so that statements and jobs can be part of it."""
    found: Connection[Any] | None = session.connection().connection.driver_connection
    assert found is not None
    return found


db = SQLAlchemy(model_class=Base)
