"""Accounts of staff with their roles and sessions; scopes of keys.

Revision 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

MOMENT = postgresql.TIMESTAMP(timezone=True, precision=0)


def upgrade() -> None:
    """Take the step; keys that are there go on as they were."""
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("oidc_issuer", sa.Text(), nullable=True),
        sa.Column("oidc_subject", sa.Text(), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("failed_logins", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("locked_until", MOMENT, nullable=True),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_account_email_lower_case")),
        sa.CheckConstraint("(oidc_issuer is null) = (oidc_subject is null)", name=op.f("ck_account_oidc_both")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("email", name=op.f("uq_account_email")),
        sa.UniqueConstraint("oidc_issuer", "oidc_subject", name=op.f("uq_account_oidc_issuer_oidc_subject")),
    )
    op.create_table(
        "account_grant",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("department_id", sa.BigInteger(), nullable=True),
        sa.Column("layer_id", sa.BigInteger(), nullable=True),
        sa.Column("boundary_code", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "role in ('call_taker', 'department', 'supervisor', 'council_office', 'administrator')",
            name=op.f("ck_account_grant_role"),
        ),
        sa.CheckConstraint(
            "(role in ('department', 'supervisor')) = (department_id is not null)",
            name=op.f("ck_account_grant_department_has_department"),
        ),
        sa.CheckConstraint(
            "(role = 'council_office') = (layer_id is not null)", name=op.f("ck_account_grant_council_office_has_layer")
        ),
        sa.CheckConstraint("(layer_id is null) = (boundary_code is null)", name=op.f("ck_account_grant_boundary_has_layer")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_account_grant_account_id")),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_account_grant_jurisdiction_id")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "department_id"],
            ["department.jurisdiction_id", "department.id"],
            name=op.f("fk_account_grant_jurisdiction_id_department_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "layer_id"],
            ["layer.jurisdiction_id", "layer.id"],
            name=op.f("fk_account_grant_jurisdiction_id_layer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_grant")),
        sa.UniqueConstraint(
            "account_id",
            "jurisdiction_id",
            "role",
            "department_id",
            "layer_id",
            "boundary_code",
            name="uq_account_grant_once",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "account_session",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_account_session_account_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_account_session")),
    )
    op.create_index(op.f("ix_account_session_account_id"), "account_session", ["account_id"], unique=False)
    op.create_index(op.f("ix_account_session_ends_at"), "account_session", ["ends_at"], unique=False)
    op.add_column(
        "api_key", sa.Column("scopes", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{report}'"), nullable=False)
    )
    op.create_check_constraint(
        op.f("ck_api_key_scopes"), "api_key", "cardinality(scopes) > 0 and scopes <@ array['report', 'updates']"
    )
    op.add_column("api_key_grant", sa.Column("department_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_api_key_grant_jurisdiction_id_department_id"),
        "api_key_grant",
        "department",
        ["jurisdiction_id", "department_id"],
        ["jurisdiction_id", "id"],
    )
    op.create_check_constraint(
        op.f("ck_api_key_grant_department_has_city"), "api_key_grant", "department_id is null or jurisdiction_id is not null"
    )


def downgrade() -> None:
    """Take it back.  A key that was good for updates alone, or for one department, is revoked: it would be good for more."""
    op.execute("""
        update api_key set revoked_at = now()
        where revoked_at is null
            and (
                not scopes @> array['report']
                or exists (select from api_key_grant g where g.api_key_id = api_key.id and g.department_id is not null)
            )
    """)
    op.drop_constraint(op.f("ck_api_key_grant_department_has_city"), "api_key_grant", type_="check")
    op.drop_constraint(op.f("fk_api_key_grant_jurisdiction_id_department_id"), "api_key_grant", type_="foreignkey")
    op.drop_column("api_key_grant", "department_id")
    op.drop_constraint(op.f("ck_api_key_scopes"), "api_key", type_="check")
    op.drop_column("api_key", "scopes")
    op.drop_table("account_session")
    op.drop_table("account_grant")
    op.drop_table("account")
