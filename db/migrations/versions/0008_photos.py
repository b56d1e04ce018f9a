"""What is kept of a photo beside it: its thumbnail, and where its camera says that it was taken.

Revision 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Take the step: photos that are there have neither."""
    op.add_column("media", sa.Column("thumbnail_path", sa.Text(), nullable=True))
    op.add_column("media", sa.Column("suggested_location", Geometry("POINT", srid=4326, spatial_index=False), nullable=True))


def downgrade() -> None:
    """Take it back: the files of thumbnails stay where they are."""
    op.drop_column("media", "suggested_location")
    op.drop_column("media", "thumbnail_path")
