"""How far a ladder was climbed, by the share of the target; the open requests of a department; who changed accounts and keys.

Revision 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"

_OPEN = sa.text("status = 'open'")


def upgrade() -> None:
    """Take the step: of what climbed by steps, the steps that were due by now count as taken."""
    op.add_column("request_clock", sa.Column("climbed_to", sa.Double(), server_default=sa.text("0"), nullable=False))
    op.execute(
        "update request_clock set climbed_to = extract(epoch from now() - started_at) / extract(epoch from due_at - started_at)"
        " where next_step > 0 and due_at > started_at and now() > started_at"
    )
    op.drop_column("request_clock", "next_step")
    op.drop_index("ix_service_request_open", table_name="service_request", postgresql_where=_OPEN)
    op.create_index(
        "ix_service_request_open",
        "service_request",
        ["jurisdiction_id", "department_id", "id"],
        unique=False,
        postgresql_where=_OPEN,
    )
    op.create_table(
        "staff_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_change")),
    )


def downgrade() -> None:
    """Take it back: ladders are climbed anew from their first step."""
    op.drop_table("staff_change")
    op.drop_index("ix_service_request_open", table_name="service_request", postgresql_where=_OPEN)
    op.create_index(
        "ix_service_request_open", "service_request", ["jurisdiction_id", "id"], unique=False, postgresql_where=_OPEN
    )
    op.add_column("request_clock", sa.Column("next_step", sa.SmallInteger(), server_default=sa.text("0"), nullable=False))
    op.drop_column("request_clock", "climbed_to")
