"""Scorecards know which requests are public, so that the time of one that is not is never told.

Figures are counted anew: until the worker has done so, scorecards answer 503.

Revision 0018, after 0017.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_TABLES = ("scorecard_run", "scorecard_fact", "scorecard_cell")


def upgrade() -> None:
    """Take the step."""
    for table in _TABLES:
        op.execute(f"delete from {table}")
    op.add_column("scorecard_fact", sa.Column("is_public", sa.Boolean(), nullable=False))


def downgrade() -> None:
    """Take it back."""
    for table in _TABLES:
        op.execute(f"delete from {table}")
    op.drop_column("scorecard_fact", "is_public")
