"""Who follows a request that is not theirs, a place or a district; what reporters say after a closing.

Revision 0012, after 0011.
"""

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"

_WHEN = postgresql.TIMESTAMP(timezone=True, precision=0)


def upgrade() -> None:
    """Take the step: all who follow now are those who reported."""
    op.alter_column("follower", "request_id", nullable=True)
    op.add_column("follower", sa.Column("location", Geometry("POINT", srid=4326, spatial_index=False), nullable=True))
    op.add_column("follower", sa.Column("radius_metres", sa.BigInteger(), nullable=True))
    op.add_column("follower", sa.Column("layer_id", sa.BigInteger(), nullable=True))
    op.add_column("follower", sa.Column("boundary_code", sa.Text(), nullable=True))
    op.add_column("follower", sa.Column("is_reporter", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("follower", sa.Column("rhythm", sa.Text(), server_default=sa.text("'each'"), nullable=False))
    op.add_column("follower", sa.Column("told_until", sa.Date(), nullable=True))
    op.add_column("follower", sa.Column("confirmed_at", _WHEN, nullable=True))
    op.execute("update follower set is_reporter = true, confirmed_at = created_at")
    op.create_foreign_key(
        op.f("fk_follower_jurisdiction_id_layer_id"),
        "follower",
        "layer",
        ["jurisdiction_id", "layer_id"],
        ["jurisdiction_id", "id"],
    )
    for name, condition in (
        ("rhythm", "rhythm in ('each', 'day', 'week')"),
        ("follows_one_thing", "num_nonnulls(request_id, location, layer_id) = 1"),
        ("area_has_radius", "(location is null) = (radius_metres is null)"),
        ("district_has_code", "(layer_id is null) = (boundary_code is null)"),
        ("areas_are_digested", "(request_id is null) = (rhythm <> 'each')"),
        ("digests_have_a_day", "(request_id is null) = (told_until is not null)"),
    ):
        op.create_check_constraint(op.f(f"ck_follower_{name}"), "follower", condition)
    op.drop_index("ix_follower_request", "follower")
    op.create_index(
        "ix_follower_request",
        "follower",
        ["jurisdiction_id", "request_id", sa.text("lower(email)")],
        unique=True,
        postgresql_where=sa.text("request_id is not null"),
    )
    op.create_index(
        "ix_follower_digest",
        "follower",
        ["jurisdiction_id", "told_until"],
        postgresql_where=sa.text("request_id is null and confirmed_at is not null and stopped_at is null"),
    )
    op.alter_column("message", "request_id", nullable=True)
    op.add_column(
        "jurisdiction", sa.Column("reopens_when_not_fixed", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_table(
        "verdict",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("follower_id", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", _WHEN, nullable=False),
        sa.Column("at", _WHEN, nullable=False),
        sa.Column("is_fixed", sa.Boolean(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.CheckConstraint("score between 1 and 5", name=op.f("ck_verdict_score")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "follower_id"],
            ["follower.jurisdiction_id", "follower.id"],
            name=op.f("fk_verdict_jurisdiction_id_follower_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "request_id"],
            ["service_request.jurisdiction_id", "service_request.id"],
            name=op.f("fk_verdict_jurisdiction_id_request_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_verdict_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_verdict")),
        sa.UniqueConstraint(
            "jurisdiction_id",
            "request_id",
            "follower_id",
            "closed_at",
            name=op.f("uq_verdict_jurisdiction_id_request_id_follower_id_closed_at"),
        ),
    )


def downgrade() -> None:
    """Take it back: who follows what is not theirs follows no more, and what reporters said is gone."""
    op.drop_table("verdict")
    op.drop_column("jurisdiction", "reopens_when_not_fixed")
    for unknown in ("not is_reporter", "request_id is null"):
        op.execute(
            "delete from message m using follower f where f.jurisdiction_id = m.jurisdiction_id and f.id = m.follower_id"
            f" and {unknown.replace('request_id', 'f.request_id')}"
        )
    op.execute("delete from follower where not is_reporter")
    op.alter_column("message", "request_id", nullable=False)
    op.drop_index("ix_follower_digest", "follower")
    op.drop_index("ix_follower_request", "follower")
    for name in (
        "rhythm",
        "follows_one_thing",
        "area_has_radius",
        "district_has_code",
        "areas_are_digested",
        "digests_have_a_day",
    ):
        op.drop_constraint(op.f(f"ck_follower_{name}"), "follower")
    op.drop_constraint(op.f("fk_follower_jurisdiction_id_layer_id"), "follower")
    for name in (
        "confirmed_at",
        "told_until",
        "rhythm",
        "is_reporter",
        "boundary_code",
        "layer_id",
        "radius_metres",
        "location",
    ):
        op.drop_column("follower", name)
    op.alter_column("follower", "request_id", nullable=False)
    op.create_index("ix_follower_request", "follower", ["jurisdiction_id", "request_id", sa.text("lower(email)")], unique=True)
