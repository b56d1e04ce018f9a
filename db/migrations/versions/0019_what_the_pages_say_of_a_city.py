"""Telephones, hours, what is an emergency, and a city's colours, for the public pages.

Revision 0019, after 0018.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0019"
down_revision = "0018"

_TEXTS = (("jurisdiction", "phone"), ("jurisdiction", "emergency_phone"), ("department", "hours"), ("service", "emergency"))


def upgrade() -> None:
    """Take the step."""
    for table, column in _TEXTS:
        op.add_column(table, sa.Column(column, sa.Text(), nullable=True))
    op.add_column("jurisdiction", sa.Column("colors", JSONB(), server_default=sa.text("'{}'"), nullable=False))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("jurisdiction", "colors")
    for table, column in _TEXTS:
        op.drop_column(table, column)
