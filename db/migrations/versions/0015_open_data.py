"""What the public is shown of a place, what it searches, and which transaction wrote a request.

Revision 0015, after 0014.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"

_THIS_TRANSACTION = sa.text("cast(cast(pg_current_xact_id() as text) as bigint)")
_STEP = "(cast(coarse_metres as double precision) / 111320.0)"
_Y = f"greatest(least(round(ST_Y(location) / {_STEP}) * {_STEP}, 90.0), -90.0)"
_WIDE = f"({_STEP} / greatest(cos(radians({_Y})), 0.01))"
_X = f"greatest(least(round(ST_X(location) / {_WIDE}) * {_WIDE}, 180.0), -180.0)"
# Of no place the least and the greatest would be a pole: they pass over what is null.
_PUBLIC_LOCATION = (
    f"case when coarse_metres is null or location is null then location else ST_SetSRID(ST_MakePoint({_X}, {_Y}), 4326) end"
)
_SEARCH_WORDS = (
    "to_tsvector('english'::regconfig, coalesce(description, '') || ' ' || coalesce(status_notes, '')"
    " || ' ' || case when coarse_metres is null then coalesce(address, '') else '' end)"
)
_INDEXES: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "ix_service_request_department_newest": (
        ["jurisdiction_id", "department_id", sa.text("requested_at desc"), sa.text("id desc")],
        {"postgresql_where": sa.text("is_public")},
    ),
    "ix_service_request_public_place": (
        ["jurisdiction_id", "public_location", "requested_at"],
        {"postgresql_using": "gist", "postgresql_where": sa.text("is_public")},
    ),
    "ix_service_request_search_words": (
        ["jurisdiction_id", "search_words"],
        {"postgresql_using": "gin", "postgresql_with": {"fastupdate": "off"}, "postgresql_where": sa.text("is_public")},
    ),
    "ix_service_request_changes": (
        ["jurisdiction_id", "changed_in", "id"],
        {"postgresql_where": sa.text("is_public or was_public")},
    ),
}


def upgrade() -> None:
    """Take the step: every place is shown as it is, and everything that is there changed just now."""
    op.add_column("service", sa.Column("coarse_metres", sa.SmallInteger(), nullable=True))
    op.add_column("jurisdiction", sa.Column("least_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column(
        "jurisdiction", sa.Column("changes_epoch", sa.Text(), server_default=sa.text("gen_random_uuid()::text"), nullable=False)
    )
    op.add_column("service_request", sa.Column("coarse_metres", sa.SmallInteger(), nullable=True))
    op.add_column(
        "service_request",
        sa.Column(
            "public_location",
            Geometry("POINT", srid=4326, spatial_index=False),
            sa.Computed(_PUBLIC_LOCATION, persisted=True),
            nullable=True,
        ),
    )
    op.add_column(
        "service_request",
        sa.Column("search_words", postgresql.TSVECTOR(), sa.Computed(_SEARCH_WORDS, persisted=True), nullable=False),
    )
    op.add_column("service_request", sa.Column("was_public", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("service_request", sa.Column("changed_in", sa.BigInteger(), server_default=_THIS_TRANSACTION, nullable=False))
    for name, (columns, options) in _INDEXES.items():
        op.create_index(name, "service_request", columns, unique=False, **options)


def downgrade() -> None:
    """Take it back."""
    for name in _INDEXES:
        op.drop_index(name, table_name="service_request")
    for column in ("changed_in", "was_public", "search_words", "public_location", "coarse_metres"):
        op.drop_column("service_request", column)
    op.drop_column("jurisdiction", "changes_epoch")
    op.drop_column("jurisdiction", "least_count")
    op.drop_column("service", "coarse_metres")
