"""Other systems that are told of requests, by signed webhooks.

Revision 0014, after 0013.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Take the step: every message that is there tells a follower."""
    op.create_table(
        "webhook",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("department_id", sa.BigInteger(), nullable=True),
        sa.Column("service_id", sa.BigInteger(), nullable=True),
        sa.Column("layer_id", sa.BigInteger(), nullable=True),
        sa.Column("boundary_code", sa.Text(), nullable=True),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=False),
        sa.Column("stopped_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.CheckConstraint("(layer_id is null) = (boundary_code is null)", name=op.f("ck_webhook_district_has_code")),
        sa.CheckConstraint("code ~ '^[A-Za-z0-9_-]+$'", name=op.f("ck_webhook_code_is_url_safe")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "department_id"],
            ["department.jurisdiction_id", "department.id"],
            name=op.f("fk_webhook_jurisdiction_id_department_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "layer_id"],
            ["layer.jurisdiction_id", "layer.id"],
            name=op.f("fk_webhook_jurisdiction_id_layer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "service_id"],
            ["service.jurisdiction_id", "service.id"],
            name=op.f("fk_webhook_jurisdiction_id_service_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_webhook_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_webhook")),
        sa.UniqueConstraint("jurisdiction_id", "code", name=op.f("uq_webhook_jurisdiction_id_code")),
    )
    op.add_column("message", sa.Column("webhook_id", sa.BigInteger(), nullable=True))
    op.alter_column("message", "follower_id", nullable=True)
    op.create_foreign_key(
        op.f("fk_message_jurisdiction_id_webhook_id"),
        "message",
        "webhook",
        ["jurisdiction_id", "webhook_id"],
        ["jurisdiction_id", "id"],
    )
    op.create_index(op.f("ix_message_jurisdiction_id_webhook_id"), "message", ["jurisdiction_id", "webhook_id"], unique=False)
    op.create_check_constraint(op.f("ck_message_tells_one"), "message", "num_nonnulls(follower_id, webhook_id) = 1")


def downgrade() -> None:
    """Take it back, with what was to be told to webhooks; their jobs find nothing to send."""
    op.execute("delete from message where webhook_id is not null")
    op.drop_constraint(op.f("ck_message_tells_one"), "message")
    op.drop_index(op.f("ix_message_jurisdiction_id_webhook_id"), "message")
    op.drop_constraint(op.f("fk_message_jurisdiction_id_webhook_id"), "message")
    op.alter_column("message", "follower_id", nullable=False)
    op.drop_column("message", "webhook_id")
    op.drop_table("webhook")
