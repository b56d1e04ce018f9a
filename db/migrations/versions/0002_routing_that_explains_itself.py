"""Routing that explains itself: rules with conditions, calendars, published maps.

Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "calendar",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_calendar_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_calendar")),
        sa.UniqueConstraint("jurisdiction_id", "code", name=op.f("uq_calendar_jurisdiction_id_code")),
    )
    op.create_table(
        "calendar_day",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("calendar_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("opens_minute", sa.SmallInteger(), nullable=True),
        sa.Column("closes_minute", sa.SmallInteger(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.CheckConstraint("(opens_minute is null) = (closes_minute is null)", name=op.f("ck_calendar_day_both_minutes")),
        sa.CheckConstraint(
            "0 <= opens_minute and opens_minute < closes_minute and closes_minute <= 1440", name=op.f("ck_calendar_day_minutes")
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "calendar_id"],
            ["calendar.jurisdiction_id", "calendar.id"],
            name=op.f("fk_calendar_day_jurisdiction_id_calendar_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_calendar_day_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_calendar_day")),
        sa.UniqueConstraint(
            "jurisdiction_id",
            "calendar_id",
            "day",
            "opens_minute",
            name=op.f("uq_calendar_day_jurisdiction_id_calendar_id_day_opens_minute"),
        ),
    )
    op.create_table(
        "calendar_hours",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("calendar_id", sa.BigInteger(), nullable=False),
        sa.Column("weekday", sa.SmallInteger(), nullable=False),
        sa.Column("opens_minute", sa.SmallInteger(), nullable=False),
        sa.Column("closes_minute", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint(
            "0 <= opens_minute and opens_minute < closes_minute and closes_minute <= 1440",
            name=op.f("ck_calendar_hours_minutes"),
        ),
        sa.CheckConstraint("weekday between 1 and 7", name=op.f("ck_calendar_hours_weekday")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "calendar_id"],
            ["calendar.jurisdiction_id", "calendar.id"],
            name=op.f("fk_calendar_hours_jurisdiction_id_calendar_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_calendar_hours_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_calendar_hours")),
    )
    op.create_index(
        op.f("ix_calendar_hours_jurisdiction_id_calendar_id_weekday"),
        "calendar_hours",
        ["jurisdiction_id", "calendar_id", "weekday"],
        unique=False,
    )
    op.create_table(
        "layer_version",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("layer_id", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.Column("published_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=False),
        sa.Column("withdrawn_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("boundaries", sa.BigInteger(), nullable=False),
        sa.Column("findings", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("reroutes", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("stamping", sa.Text(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("stamped_through_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("stamped_requests", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rerouted_requests", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("stamping in ('waiting', 'running', 'done')", name=op.f("ck_layer_version_stamping")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "layer_id"],
            ["layer.jurisdiction_id", "layer.id"],
            name=op.f("fk_layer_version_jurisdiction_id_layer_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_layer_version_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_layer_version")),
    )
    op.create_index(
        op.f("ix_layer_version_jurisdiction_id_layer_id"), "layer_version", ["jurisdiction_id", "layer_id"], unique=False
    )
    op.add_column("routing_rule", sa.Column("attribute_code", sa.Text(), nullable=True))
    op.add_column("routing_rule", sa.Column("attribute_value", sa.Text(), nullable=True))
    op.add_column("routing_rule", sa.Column("calendar_id", sa.BigInteger(), nullable=True))
    op.add_column("routing_rule", sa.Column("during", sa.Text(), nullable=True))
    op.add_column("routing_rule", sa.Column("valid_from", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True))
    op.add_column("routing_rule", sa.Column("valid_to", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True))
    op.create_foreign_key(
        op.f("fk_routing_rule_jurisdiction_id_calendar_id"),
        "routing_rule",
        "calendar",
        ["jurisdiction_id", "calendar_id"],
        ["jurisdiction_id", "id"],
    )
    for name, default in (("code_property", "'code'"), ("name_property", "'name'")):
        op.add_column("layer", sa.Column(name, sa.Text(), server_default=sa.text(default), nullable=False))
    op.add_column("service", sa.Column("offered_layer_id", sa.BigInteger(), nullable=True))
    op.add_column("service", sa.Column("offered_boundary_codes", postgresql.ARRAY(sa.Text()), nullable=True))
    op.create_foreign_key(
        op.f("fk_service_jurisdiction_id_offered_layer_id"),
        "service",
        "layer",
        ["jurisdiction_id", "offered_layer_id"],
        ["jurisdiction_id", "id"],
    )
    op.create_check_constraint(
        op.f("ck_service_offered_has_layer"), "service", "(offered_layer_id is null) = (offered_boundary_codes is null)"
    )
    op.add_column("service_request", sa.Column("is_overridden", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("service_request", sa.Column("unplaced_because", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_routing_rule_calendar_has_during"), "routing_rule", "(calendar_id is null) = (during is null)"
    )
    op.create_check_constraint(op.f("ck_routing_rule_during"), "routing_rule", "during in ('open', 'closed')")
    op.create_check_constraint(
        op.f("ck_routing_rule_attribute_has_value"), "routing_rule", "(attribute_code is null) = (attribute_value is null)"
    )
    op.create_check_constraint(op.f("ck_routing_rule_validity"), "routing_rule", "valid_from < valid_to")
    op.create_check_constraint(
        op.f("ck_service_request_unplaced_has_no_location"), "service_request", "unplaced_because is null or location is null"
    )
    op.create_index(
        "ix_service_request_open",
        "service_request",
        ["jurisdiction_id", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_index(
        "ix_service_request_unplaced",
        "service_request",
        ["jurisdiction_id", "id"],
        unique=False,
        postgresql_where=sa.text("unplaced_because is not null and status = 'open'"),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_index(
        "ix_service_request_unplaced",
        table_name="service_request",
        postgresql_where=sa.text("unplaced_because is not null and status = 'open'"),
    )
    op.drop_index("ix_service_request_open", table_name="service_request", postgresql_where=sa.text("status = 'open'"))
    op.drop_constraint(op.f("ck_service_request_unplaced_has_no_location"), "service_request", type_="check")
    op.drop_constraint(op.f("ck_service_offered_has_layer"), "service", type_="check")
    op.drop_constraint(op.f("fk_service_jurisdiction_id_offered_layer_id"), "service", type_="foreignkey")
    op.drop_column("service", "offered_boundary_codes")
    op.drop_column("service", "offered_layer_id")
    op.drop_column("layer", "name_property")
    op.drop_column("layer", "code_property")
    op.drop_constraint(op.f("ck_routing_rule_validity"), "routing_rule", type_="check")
    op.drop_constraint(op.f("ck_routing_rule_attribute_has_value"), "routing_rule", type_="check")
    op.drop_constraint(op.f("ck_routing_rule_during"), "routing_rule", type_="check")
    op.drop_constraint(op.f("ck_routing_rule_calendar_has_during"), "routing_rule", type_="check")
    op.drop_column("service_request", "unplaced_because")
    op.drop_column("service_request", "is_overridden")
    op.drop_constraint(op.f("fk_routing_rule_jurisdiction_id_calendar_id"), "routing_rule", type_="foreignkey")
    op.drop_column("routing_rule", "valid_to")
    op.drop_column("routing_rule", "valid_from")
    op.drop_column("routing_rule", "during")
    op.drop_column("routing_rule", "calendar_id")
    op.drop_column("routing_rule", "attribute_value")
    op.drop_column("routing_rule", "attribute_code")
    op.drop_index(op.f("ix_layer_version_jurisdiction_id_layer_id"), table_name="layer_version")
    op.drop_table("layer_version")
    op.drop_index(op.f("ix_calendar_hours_jurisdiction_id_calendar_id_weekday"), table_name="calendar_hours")
    op.drop_table("calendar_hours")
    op.drop_table("calendar_day")
    op.drop_table("calendar")
