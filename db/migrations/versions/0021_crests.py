"""The crests of cities.

Revision 0021, after 0020.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "crest",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.CheckConstraint("content_type in ('image/svg+xml', 'image/png')", name=op.f("ck_crest_content_type")),
        sa.CheckConstraint("octet_length(content) <= 50000", name=op.f("ck_crest_size")),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_crest_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", name=op.f("pk_crest")),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("crest")
