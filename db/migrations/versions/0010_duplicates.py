"""Requests of the same thing, and what finds them.

Revision 0010, after 0009.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Take the step."""
    op.add_column("service", sa.Column("similar", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("service_request", sa.Column("parent_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_service_request_jurisdiction_id_parent_id"),
        "service_request",
        "service_request",
        ["jurisdiction_id", "parent_id"],
        ["jurisdiction_id", "id"],
    )
    op.create_check_constraint(op.f("ck_service_request_not_its_own_parent"), "service_request", "parent_id <> id")
    op.create_index(
        "ix_service_request_parent",
        "service_request",
        ["jurisdiction_id", "parent_id"],
        unique=False,
        postgresql_where=sa.text("parent_id is not null"),
    )
    op.create_index(
        "ix_service_request_near",
        "service_request",
        ["jurisdiction_id", sa.text("(location::geography)")],
        unique=False,
        postgresql_using="gist",
    )
    op.create_index(
        "ix_service_request_at_address",
        "service_request",
        ["jurisdiction_id", sa.text("lower(address)")],
        unique=False,
        postgresql_where=sa.text("location is null"),
    )


def downgrade() -> None:
    """Take it back: what was linked stands by itself."""
    for name in ("at_address", "near", "parent"):
        op.drop_index(f"ix_service_request_{name}", table_name="service_request")
    op.drop_constraint(op.f("ck_service_request_not_its_own_parent"), "service_request", type_="check")
    op.drop_constraint(op.f("fk_service_request_jurisdiction_id_parent_id"), "service_request", type_="foreignkey")
    op.drop_column("service_request", "parent_id")
    op.drop_column("service", "similar")
