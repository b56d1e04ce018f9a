"""How Alembic reaches the database and what it compares."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from geoalchemy2 import Geometry
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import SchemaItem

from db import Base

# Any number, the same in every process: two migrations at once wait for one another.
_LOCK = 311_311


def include_object(item: SchemaItem, name: str | None, kind: str, reflected: bool, compared_to: Any) -> bool:
    """Leave alone what is not ours: tables of the job queue and of PostGIS."""
    return not (kind == "table" and reflected and compared_to is None)


def render_item(kind: str, item: Any, autogenerating: AutogenContext) -> str | Literal[False]:
    """Write our geometry columns as GeoAlchemy2's, so that a migration needs nothing of ours."""
    inside = getattr(item, "impl", None)
    if kind != "type" or not isinstance(inside, Geometry):
        return False
    autogenerating.imports.add("from geoalchemy2 import Geometry")
    return f"Geometry({inside.geometry_type!r}, srid={inside.srid}, spatial_index=False)"


def run() -> None:
    """Run the migrations on a connection of their own."""
    url = context.config.get_main_option("sqlalchemy.url")
    assert url is not None
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_object=include_object,
            render_item=render_item,
            transaction_per_migration=False,
        )
        with context.begin_transaction():
            connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            context.run_migrations()


run()
