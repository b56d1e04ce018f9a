"""What each layer's map was when its city's folder was last loaded.

Revision 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Take the step; layers that a folder brought are marked as such, what it drew is not known."""
    for column in ("folder_drawing", "folder_names"):
        op.add_column("layer", sa.Column(column, sa.Text(), nullable=True))
    # Before versions were kept, nothing but a folder could bring a layer; `boundary import` keeps the file's name alone.
    op.execute(
        "update layer set folder_drawing = '', folder_names = '' where not exists (select from layer_version v"
        " where v.jurisdiction_id = layer.jurisdiction_id and v.layer_id = layer.id)"
        " or exists (select from layer_version v where v.jurisdiction_id = layer.jurisdiction_id and v.layer_id = layer.id"
        " and v.source like '%/boundaries/%')"
    )


def downgrade() -> None:
    """Take it back."""
    for column in ("folder_drawing", "folder_names"):
        op.drop_column("layer", column)
