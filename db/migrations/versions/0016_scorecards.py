"""Scorecards: what of each request is counted, the figures, how current they are; how many people live in a district.

Revision 0016, after 0015.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"

_MOMENT = postgresql.TIMESTAMP(timezone=True, precision=0)


def upgrade() -> None:
    """Take the step: no figures yet, and nobody is known to live anywhere."""
    op.add_column("layer", sa.Column("population_property", sa.Text(), nullable=True))
    op.add_column("boundary", sa.Column("population", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_service_request_changes_unseen",
        "service_request",
        ["jurisdiction_id", "changed_in"],
        unique=False,
        postgresql_where=sa.text("not (is_public or was_public)"),
    )
    op.create_table(
        "scorecard_fact",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=False),
        sa.Column("department_id", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", _MOMENT, nullable=False),
        sa.Column("closed_at", _MOMENT, nullable=True),
        sa.Column("expected_at", _MOMENT, nullable=True),
        sa.Column("received_month", sa.Date(), nullable=False),
        sa.Column("closed_month", sa.Date(), nullable=True),
        sa.Column("lapsed_month", sa.Date(), nullable=True),
        sa.Column("response_seconds", sa.BigInteger(), nullable=True),
        sa.Column("closing_seconds", sa.BigInteger(), nullable=True),
        sa.Column("verdicts", sa.Integer(), nullable=False),
        sa.Column("hour", sa.SmallInteger(), nullable=False),
        sa.Column("weekday", sa.SmallInteger(), nullable=False),
        sa.Column("kept_promise", sa.Boolean(), nullable=True),
        sa.Column("is_reopened", sa.Boolean(), nullable=False),
        sa.Column("is_duplicate", sa.Boolean(), nullable=False),
        sa.Column("is_answered", sa.Boolean(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("boundary_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_scorecard_fact_jurisdiction_id")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "request_id"],
            ["service_request.jurisdiction_id", "service_request.id"],
            name=op.f("fk_scorecard_fact_jurisdiction_id_request_id"),
        ),
        sa.PrimaryKeyConstraint("jurisdiction_id", "request_id", name=op.f("pk_scorecard_fact")),
    )
    op.create_index(
        "ix_scorecard_fact_expected",
        "scorecard_fact",
        ["jurisdiction_id", "expected_at"],
        unique=False,
        postgresql_where=sa.text("closed_at is null and lapsed_month is null"),
    )
    counts = ("received", "duplicates", "answered", "reopened", "responded", "closed", "promised", "kept", "lapsed")
    op.create_table(
        "scorecard_cell",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("grouping", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("group_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("service_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("span", sa.Text(), nullable=False),
        sa.Column("starts", sa.Date(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in (*counts, "verdicts", "fixed", "scored", "scores")),
        *(
            sa.Column(name, sa.Double(), nullable=True)
            for name in ("response_median", "response_p90", "closing_median", "closing_p90")
        ),
        sa.Column("hours", postgresql.ARRAY(sa.Integer()), nullable=True),
        sa.Column("weekdays", postgresql.ARRAY(sa.Integer()), nullable=True),
        sa.Column("oldest_requested_at", postgresql.ARRAY(_MOMENT), nullable=True),
        sa.Column("oldest_closed_at", postgresql.ARRAY(_MOMENT), nullable=True),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_scorecard_cell_jurisdiction_id")),
        sa.PrimaryKeyConstraint(
            "jurisdiction_id",
            "grouping",
            "group_id",
            "service_id",
            "channel",
            "span",
            "starts",
            name=op.f("pk_scorecard_cell"),
        ),
    )
    op.create_table(
        "scorecard_run",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("as_of", _MOMENT, nullable=False),
        sa.Column("changed_from", sa.BigInteger(), nullable=False),
        sa.Column("event_from", sa.BigInteger(), nullable=False),
        sa.Column("event_next", sa.BigInteger(), nullable=False),
        sa.Column("event_next_in", sa.BigInteger(), nullable=False),
        sa.Column("maps", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("changes_epoch", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_scorecard_run_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", name=op.f("pk_scorecard_run")),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("scorecard_run")
    op.drop_table("scorecard_cell")
    op.drop_index("ix_scorecard_fact_expected", table_name="scorecard_fact")
    op.drop_table("scorecard_fact")
    op.drop_index("ix_service_request_changes_unseen", table_name="service_request")
    op.drop_column("boundary", "population")
    op.drop_column("layer", "population_property")
