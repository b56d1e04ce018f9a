"""Casework: statuses, targets, plans and ladders; phases, clocks, updates and alerts.

Revision 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

# code, name, status, wire, stops_clock of the statuses that a city has whose folder names none.
_STATUSES = (
    ("open", "Open", "open", "open", False),
    ("for_triage", "To be looked at", "open", "for_triage", False),
    ("investigating", "Being investigated", "open", "investigating", False),
    ("planned", "Planned", "open", "planned", False),
    ("action_scheduled", "Work is scheduled", "open", "action_scheduled", False),
    ("in_progress", "Work is in progress", "open", "in_progress", False),
    ("waiting", "Waiting for the person who reported it", "open", "investigating", True),
    ("fixed", "Fixed", "closed", "fixed", False),
    ("closed", "Closed", "closed", "closed", False),
    ("no_further_action", "No further action", "closed", "no_further_action", False),
    ("not_councils_responsibility", "Not for the city to do", "closed", "not_councils_responsibility", False),
    ("duplicate", "Reported already", "closed", "duplicate", False),
    ("internal_referral", "Referred within the city", "closed", "internal_referral", False),
    ("cancelled", "Cancelled", "closed", "cancelled", False),
)


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "case_status",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("wire", sa.Text(), nullable=False),
        sa.Column("stops_clock", sa.Boolean(), nullable=False),
        sa.Column("next_codes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("not (stops_clock and status = 'closed')", name=op.f("ck_case_status_closed_has_no_clock")),
        sa.CheckConstraint("status in ('open', 'closed')", name=op.f("ck_case_status_status")),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_case_status_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_case_status")),
        sa.UniqueConstraint("jurisdiction_id", "code", name=op.f("uq_case_status_jurisdiction_id_code")),
    )
    op.create_table(
        "casework_change",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_casework_change_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_casework_change")),
    )
    op.create_table(
        "closing_reason",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("case_status", sa.Text(), nullable=False),
        sa.Column("department_id", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "department_id"],
            ["department.jurisdiction_id", "department.id"],
            name=op.f("fk_closing_reason_jurisdiction_id_department_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_closing_reason_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_closing_reason")),
        sa.UniqueConstraint("jurisdiction_id", "code", name=op.f("uq_closing_reason_jurisdiction_id_code")),
    )
    op.create_table(
        "ladder",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=True),
        sa.Column("for_department_id", sa.BigInteger(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("department_id", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("service_id is null or for_department_id is null", name=op.f("ck_ladder_service_or_department")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "department_id"],
            ["department.jurisdiction_id", "department.id"],
            name=op.f("fk_ladder_jurisdiction_id_department_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "for_department_id"],
            ["department.jurisdiction_id", "department.id"],
            name=op.f("fk_ladder_jurisdiction_id_for_department_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "service_id"],
            ["service.jurisdiction_id", "service.id"],
            name=op.f("fk_ladder_jurisdiction_id_service_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_ladder_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_ladder")),
        sa.UniqueConstraint("jurisdiction_id", "code", name=op.f("uq_ladder_jurisdiction_id_code")),
    )
    op.create_table(
        "message_text",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("case_status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("service_id", sa.BigInteger(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("department_id", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "department_id"],
            ["department.jurisdiction_id", "department.id"],
            name=op.f("fk_message_text_jurisdiction_id_department_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "service_id"],
            ["service.jurisdiction_id", "service.id"],
            name=op.f("fk_message_text_jurisdiction_id_service_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_message_text_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_message_text")),
    )
    op.create_index(
        op.f("ix_message_text_jurisdiction_id_case_status"), "message_text", ["jurisdiction_id", "case_status"], unique=False
    )
    op.create_table(
        "phase_plan",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("department_id", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "department_id"],
            ["department.jurisdiction_id", "department.id"],
            name=op.f("fk_phase_plan_jurisdiction_id_department_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "service_id"],
            ["service.jurisdiction_id", "service.id"],
            name=op.f("fk_phase_plan_jurisdiction_id_service_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_phase_plan_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_phase_plan")),
        sa.UniqueConstraint("jurisdiction_id", "service_id", name=op.f("uq_phase_plan_jurisdiction_id_service_id")),
    )
    op.create_table(
        "service_target",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=True),
        sa.Column("service_group", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("department_id", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("service_id is null or service_group is null", name=op.f("ck_service_target_service_or_group")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "department_id"],
            ["department.jurisdiction_id", "department.id"],
            name=op.f("fk_service_target_jurisdiction_id_department_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "service_id"],
            ["service.jurisdiction_id", "service.id"],
            name=op.f("fk_service_target_jurisdiction_id_service_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_service_target_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_service_target")),
    )
    op.create_table(
        "alert",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.Column("phase", sa.Text(), nullable=True),
        sa.Column("department_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=False),
        sa.Column("seen_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_alert_account_id")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "department_id"],
            ["department.jurisdiction_id", "department.id"],
            name=op.f("fk_alert_jurisdiction_id_department_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "request_id"],
            ["service_request.jurisdiction_id", "service_request.id"],
            name=op.f("fk_alert_jurisdiction_id_request_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_alert_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_alert")),
    )
    op.create_index(op.f("ix_alert_jurisdiction_id_request_id"), "alert", ["jurisdiction_id", "request_id"], unique=False)
    op.create_index(
        "ix_alert_unseen",
        "alert",
        ["jurisdiction_id", "department_id", "id"],
        unique=False,
        postgresql_where=sa.text("seen_at is null"),
    )
    op.create_table(
        "request_pause",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("since", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=False),
        sa.Column("until", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.CheckConstraint("until >= since", name=op.f("ck_request_pause_ends_after_it_begins")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "request_id"],
            ["service_request.jurisdiction_id", "service_request.id"],
            name=op.f("fk_request_pause_jurisdiction_id_request_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_request_pause_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_request_pause")),
    )
    op.create_index(
        op.f("ix_request_pause_jurisdiction_id_request_id"), "request_pause", ["jurisdiction_id", "request_id"], unique=False
    )
    op.create_table(
        "request_phase",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("after", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("department_id", sa.BigInteger(), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=True),
        sa.Column("target", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("assignee_id", sa.BigInteger(), nullable=True),
        sa.Column("accepted_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.Column("opened_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("is_fixed", sa.Boolean(), nullable=False),
        sa.Column("routed_service_id", sa.BigInteger(), nullable=True),
        sa.Column("times_opened", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "(state in ('done', 'skipped')) = (ended_at is not null)", name=op.f("ck_request_phase_ended_has_time")
        ),
        sa.CheckConstraint("state in ('waiting', 'open', 'done', 'skipped')", name=op.f("ck_request_phase_state")),
        sa.ForeignKeyConstraint(["assignee_id"], ["account.id"], name=op.f("fk_request_phase_assignee_id")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "department_id"],
            ["department.jurisdiction_id", "department.id"],
            name=op.f("fk_request_phase_jurisdiction_id_department_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "request_id"],
            ["service_request.jurisdiction_id", "service_request.id"],
            name=op.f("fk_request_phase_jurisdiction_id_request_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "routed_service_id"],
            ["service.jurisdiction_id", "service.id"],
            name=op.f("fk_request_phase_jurisdiction_id_routed_service_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "unit_id"],
            ["department.jurisdiction_id", "department.id"],
            name=op.f("fk_request_phase_jurisdiction_id_unit_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_request_phase_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_request_phase")),
        sa.UniqueConstraint(
            "jurisdiction_id", "request_id", "code", name=op.f("uq_request_phase_jurisdiction_id_request_id_code")
        ),
    )
    op.create_index(
        "ix_request_phase_open",
        "request_phase",
        ["jurisdiction_id", "department_id", "request_id"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "request_update",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=False),
        sa.Column("case_status", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("media_urls", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("api_key_id", sa.BigInteger(), nullable=True),
        sa.Column("client_update_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_key.id"], name=op.f("fk_request_update_api_key_id")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "request_id"],
            ["service_request.jurisdiction_id", "service_request.id"],
            name=op.f("fk_request_update_jurisdiction_id_request_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_request_update_jurisdiction_id")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "case_status"],
            ["case_status.jurisdiction_id", "case_status.code"],
            name=op.f("fk_request_update_jurisdiction_id_case_status"),
        ),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_request_update")),
    )
    op.create_index("ix_request_update_changed", "request_update", ["jurisdiction_id", "updated_at", "id"], unique=False)
    op.create_index(
        "ix_request_update_client",
        "request_update",
        ["jurisdiction_id", "request_id", "api_key_id", "client_update_id"],
        unique=True,
        postgresql_where=sa.text("client_update_id is not null"),
    )
    op.create_index(
        op.f("ix_request_update_jurisdiction_id_request_id_id"),
        "request_update",
        ["jurisdiction_id", "request_id", "id"],
        unique=False,
    )
    op.create_table(
        "request_clock",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("phase_id", sa.BigInteger(), nullable=True),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=False),
        sa.Column("target", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=False),
        sa.Column("next_step", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_step_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.Column("stopped_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "phase_id"],
            ["request_phase.jurisdiction_id", "request_phase.id"],
            name=op.f("fk_request_clock_jurisdiction_id_phase_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "request_id"],
            ["service_request.jurisdiction_id", "service_request.id"],
            name=op.f("fk_request_clock_jurisdiction_id_request_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_request_clock_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_request_clock")),
    )
    op.create_index(
        "ix_request_clock_next_step",
        "request_clock",
        ["jurisdiction_id", "next_step_at"],
        unique=False,
        postgresql_where=sa.text("next_step_at is not null"),
    )
    op.create_index(
        "ix_request_clock_request",
        "request_clock",
        ["jurisdiction_id", "request_id", sa.literal_column("coalesce(phase_id, 0)")],
        unique=True,
    )
    op.create_table(
        "update_reporter",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("update_id", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("first_name", sa.Text(), nullable=True),
        sa.Column("last_name", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "update_id"],
            ["request_update.jurisdiction_id", "request_update.id"],
            name=op.f("fk_update_reporter_jurisdiction_id_update_id"),
        ),
        sa.PrimaryKeyConstraint("jurisdiction_id", "update_id", name=op.f("pk_update_reporter")),
    )
    op.add_column(
        "calendar", sa.Column("source", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("calendar", sa.Column("department_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_calendar_jurisdiction_id_department_id"),
        "calendar",
        "department",
        ["jurisdiction_id", "department_id"],
        ["jurisdiction_id", "id"],
    )
    op.add_column("jurisdiction", sa.Column("casework_version", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("jurisdiction", sa.Column("reopen_days", sa.BigInteger(), server_default=sa.text("30"), nullable=False))
    op.add_column("service_request", sa.Column("case_status", sa.Text(), nullable=True))
    for code, name, status, wire, stops_clock in _STATUSES:
        following = [
            each[0] for each in _STATUSES if each[0] != code and (status == "open" or each[2] == "closed" or each[0] == "open")
        ]
        position = [each[0] for each in _STATUSES].index(code) + 1
        op.execute(
            sa.text(
                "insert into case_status (jurisdiction_id, code, name, status, wire, stops_clock, next_codes, position)"
                " select id, :code, :name, :status, :wire, :stops_clock, :following, :position from jurisdiction"
            ).bindparams(
                sa.bindparam("following", following, type_=postgresql.ARRAY(sa.Text())),
                code=code,
                name=name,
                status=status,
                wire=wire,
                stops_clock=stops_clock,
                position=position,
            )
        )
    op.execute("update service_request set case_status = status")
    op.alter_column("service_request", "case_status", nullable=False, server_default=sa.text("'open'"))
    op.add_column("service_request", sa.Column("priority", sa.SmallInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("service_request", sa.Column("assignee_id", sa.BigInteger(), nullable=True))
    op.add_column("service_request", sa.Column("accepted_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True))
    op.add_column(
        "service_request", sa.Column("times_reopened", sa.SmallInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("service_request", sa.Column("taken_by_id", sa.BigInteger(), nullable=True))
    op.drop_index("ix_service_request_client_reference", table_name="service_request")
    op.create_index(
        "ix_service_request_client_reference",
        "service_request",
        ["jurisdiction_id", sa.literal_column("coalesce(api_key_id, 0)"), "client_reference"],
        unique=True,
        postgresql_where=sa.text("client_reference is not null"),
    )
    op.create_check_constraint(op.f("ck_service_request_priority"), "service_request", "priority between 0 and 2")
    op.create_foreign_key(op.f("fk_service_request_taken_by_id"), "service_request", "account", ["taken_by_id"], ["id"])
    op.create_foreign_key(op.f("fk_service_request_assignee_id"), "service_request", "account", ["assignee_id"], ["id"])
    op.create_foreign_key(
        op.f("fk_service_request_jurisdiction_id_case_status"),
        "service_request",
        "case_status",
        ["jurisdiction_id", "case_status"],
        ["jurisdiction_id", "code"],
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_service_request_client_reference", table_name="service_request")
    op.create_index(
        "ix_service_request_client_reference",
        "service_request",
        ["jurisdiction_id", "api_key_id", "client_reference"],
        unique=True,
        postgresql_where=sa.text("client_reference is not null"),
    )
    op.drop_constraint(op.f("ck_service_request_priority"), "service_request", type_="check")
    op.drop_constraint(op.f("fk_service_request_jurisdiction_id_case_status"), "service_request", type_="foreignkey")
    op.drop_constraint(op.f("fk_service_request_assignee_id"), "service_request", type_="foreignkey")
    op.drop_constraint(op.f("fk_service_request_taken_by_id"), "service_request", type_="foreignkey")
    op.drop_column("service_request", "taken_by_id")
    op.drop_column("service_request", "times_reopened")
    op.drop_column("service_request", "accepted_at")
    op.drop_column("service_request", "assignee_id")
    op.drop_column("service_request", "priority")
    op.drop_column("service_request", "case_status")
    op.drop_column("jurisdiction", "reopen_days")
    op.drop_column("jurisdiction", "casework_version")
    op.drop_constraint(op.f("fk_calendar_jurisdiction_id_department_id"), "calendar", type_="foreignkey")
    op.drop_column("calendar", "department_id")
    op.drop_column("calendar", "source")
    op.drop_table("update_reporter")
    op.drop_index("ix_request_clock_request", table_name="request_clock")
    op.drop_index(
        "ix_request_clock_next_step", table_name="request_clock", postgresql_where=sa.text("next_step_at is not null")
    )
    op.drop_table("request_clock")
    op.drop_index(op.f("ix_request_update_jurisdiction_id_request_id_id"), table_name="request_update")
    op.drop_index(
        "ix_request_update_client", table_name="request_update", postgresql_where=sa.text("client_update_id is not null")
    )
    op.drop_index("ix_request_update_changed", table_name="request_update")
    op.drop_table("request_update")
    op.drop_index("ix_request_phase_open", table_name="request_phase", postgresql_where=sa.text("state = 'open'"))
    op.drop_table("request_phase")
    op.drop_index(op.f("ix_request_pause_jurisdiction_id_request_id"), table_name="request_pause")
    op.drop_table("request_pause")
    op.drop_index("ix_alert_unseen", table_name="alert", postgresql_where=sa.text("seen_at is null"))
    op.drop_index(op.f("ix_alert_jurisdiction_id_request_id"), table_name="alert")
    op.drop_table("alert")
    op.drop_table("service_target")
    op.drop_table("phase_plan")
    op.drop_index(op.f("ix_message_text_jurisdiction_id_case_status"), table_name="message_text")
    op.drop_table("message_text")
    op.drop_table("ladder")
    op.drop_table("closing_reason")
    op.drop_table("casework_change")
    op.drop_table("case_status")
