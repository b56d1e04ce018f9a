"""Who follows a request, and what they are told.

Revision 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Take the step: who reported before is told nothing that they were not told then."""
    op.create_table(
        "follower",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), server_default=sa.text("'en'"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=False),
        sa.Column("stopped_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "request_id"],
            ["service_request.jurisdiction_id", "service_request.id"],
            name=op.f("fk_follower_jurisdiction_id_request_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_follower_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_follower")),
    )
    op.create_index("ix_follower_email", "follower", ["jurisdiction_id", sa.text("lower(email)")], unique=False)
    op.create_index("ix_follower_request", "follower", ["jurisdiction_id", "request_id", sa.text("lower(email)")], unique=True)
    op.create_table(
        "message",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("follower_id", sa.BigInteger(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("sent_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.Column("sent_by", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("state in ('waiting', 'sent', 'dead', 'dropped')", name=op.f("ck_message_state")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "follower_id"],
            ["follower.jurisdiction_id", "follower.id"],
            name=op.f("fk_message_jurisdiction_id_follower_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "request_id"],
            ["service_request.jurisdiction_id", "service_request.id"],
            name=op.f("fk_message_jurisdiction_id_request_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_message_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_message")),
    )
    op.create_index(op.f("ix_message_jurisdiction_id_follower_id"), "message", ["jurisdiction_id", "follower_id"], unique=False)
    op.create_index(op.f("ix_message_jurisdiction_id_request_id"), "message", ["jurisdiction_id", "request_id"], unique=False)
    op.create_index(
        "ix_message_unsent",
        "message",
        ["jurisdiction_id", "id"],
        unique=False,
        postgresql_where=sa.text("state in ('waiting', 'dead')"),
    )


def downgrade() -> None:
    """Take it back, with what was not sent yet."""
    op.drop_table("message")
    op.drop_table("follower")
