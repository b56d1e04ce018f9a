"""The addresses of a city and the names of its streets.

Revision 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Take the step."""
    for extension in ("pg_trgm", "address_standardizer", "address_standardizer_data_us"):
        op.execute(f"create extension if not exists {extension}")
    op.create_table(
        "street",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("spelling", sa.Text(), nullable=False),
        sa.Column("standard", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_street_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_street")),
        sa.UniqueConstraint("jurisdiction_id", "spelling", name=op.f("uq_street_jurisdiction_id_spelling")),
    )
    op.create_index(
        "ix_street_name",
        "street",
        ["jurisdiction_id", "name"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={"name": "gist_trgm_ops"},
    )
    op.create_table(
        "address",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("number_from", sa.BigInteger(), nullable=False),
        sa.Column("number_to", sa.BigInteger(), nullable=False),
        sa.Column("number_suffix", sa.Text(), nullable=False),
        sa.Column("street", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("zipcode", sa.Text(), nullable=True),
        sa.Column("location", Geometry("POINT", srid=4326, spatial_index=False), nullable=True),
        sa.CheckConstraint("0 <= number_from and number_from <= number_to", name=op.f("ck_address_numbers_ascend")),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_address_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_address")),
        sa.UniqueConstraint("jurisdiction_id", "code", name=op.f("uq_address_jurisdiction_id_code")),
    )
    op.create_index(
        op.f("ix_address_jurisdiction_id_street_number_from"),
        "address",
        ["jurisdiction_id", "street", "number_from"],
        unique=False,
    )


def downgrade() -> None:
    """Take it back; the extensions stay, as others may use them."""
    op.drop_table("address")
    op.drop_table("street")
