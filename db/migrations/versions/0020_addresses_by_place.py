"""Addresses found by where they lie, for maps.

Revision 0020, after 0019.
"""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Take the step."""
    op.create_index("ix_address_location", "address", ["location"], postgresql_using="gist")


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_address_location", "address")
