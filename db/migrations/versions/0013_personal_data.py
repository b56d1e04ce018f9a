"""What was done with personal data, and for how long it is kept.

Revision 0013, after 0012.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"

# The planner's statistics hold samples of a column, which would outlive the rows that they came from.
_PERSONAL = {
    "reporter": ("email", "first_name", "last_name", "phone", "device_id", "account_id"),
    "update_reporter": ("email", "first_name", "last_name", "phone", "account_id"),
    "follower": ("email",),
}


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "person_use",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=True),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("kind in ('read', 'exported', 'erased', 'expired')", name=op.f("ck_person_use_kind")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "request_id"],
            ["service_request.jurisdiction_id", "service_request.id"],
            name=op.f("fk_person_use_jurisdiction_id_request_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_person_use_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_person_use")),
    )
    op.create_index(op.f("ix_person_use_jurisdiction_id_request_id"), "person_use", ["jurisdiction_id", "request_id"])
    op.add_column("service", sa.Column("retention", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column(
        "jurisdiction",
        sa.Column("retention", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    # What was answered stays for the figures when who answered is gone.
    op.alter_column("verdict", "follower_id", nullable=True)
    op.create_index(op.f("ix_verdict_jurisdiction_id_follower_id"), "verdict", ["jurisdiction_id", "follower_id"])
    _sample(0)


def downgrade() -> None:
    """Take it back: who read what is forgotten."""
    _sample(-1)
    op.drop_index(op.f("ix_verdict_jurisdiction_id_follower_id"), "verdict")
    op.execute("delete from verdict where follower_id is null")
    op.alter_column("verdict", "follower_id", nullable=False)
    op.drop_column("jurisdiction", "retention")
    op.drop_column("service", "retention")
    op.drop_table("person_use")


def _sample(target: int) -> None:
    for table, columns in _PERSONAL.items():
        for column in columns:
            op.execute(f"alter table {table} alter column {column} set statistics {target}")
        if target == 0:
            # What was sampled before goes with a column that is written anew.
            anew = ", ".join(f"alter column {column} type text using {column} || ''" for column in columns)
            op.execute(f"alter table {table} {anew}")
    # An index on an expression has samples of its own: the address is the last column of both.
    for index, place in (("ix_follower_email", 2), ("ix_follower_request", 3)):
        op.execute(f"alter index {index} alter column {place} set statistics {target}")
