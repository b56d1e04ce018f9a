"""The words of what was resolved, to be searched; articles; whether everybody may ask.

Revision 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"

_IS_RESOLVED = sa.text("status = 'closed'")
_WORDS = "to_tsvector('english'::regconfig, coalesce(description, '') || ' ' || coalesce(status_notes, ''))"


def upgrade() -> None:
    """Take the step: the words of every request are stored, which writes the table anew."""
    # They let one index find a city and a service together with words, or with the nearest places.
    for extension in ("pg_trgm", "btree_gin", "btree_gist"):
        op.execute(f"create extension if not exists {extension}")
    op.create_table(
        "article",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=True),
        sa.Column("service_group", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("keywords", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("department_id", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("service_id is null or service_group is null", name=op.f("ck_article_service_or_group")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "department_id"],
            ["department.jurisdiction_id", "department.id"],
            name=op.f("fk_article_jurisdiction_id_department_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "service_id"],
            ["service.jurisdiction_id", "service.id"],
            name=op.f("fk_article_jurisdiction_id_service_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_article_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_article")),
        sa.UniqueConstraint("jurisdiction_id", "code", "language", name=op.f("uq_article_jurisdiction_id_code_language")),
    )
    op.add_column("jurisdiction", sa.Column("public_knowledge", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("service_request", sa.Column("answered_from", sa.Text(), nullable=True))
    op.add_column(
        "service_request",
        sa.Column("words", postgresql.TSVECTOR(), sa.Computed(_WORDS, persisted=True), nullable=False),
    )
    op.create_index(
        "ix_service_request_resolved",
        "service_request",
        ["jurisdiction_id", "service_id", sa.literal_column("closed_at desc"), sa.literal_column("id desc")],
        unique=False,
        postgresql_where=_IS_RESOLVED,
    )
    op.create_index(
        "ix_service_request_resolved_words",
        "service_request",
        ["jurisdiction_id", "service_id", "words"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
        postgresql_where=_IS_RESOLVED,
    )
    op.create_index(
        "ix_service_request_resolved_place",
        "service_request",
        ["jurisdiction_id", "service_id", "location"],
        unique=False,
        postgresql_using="gist",
        postgresql_where=_IS_RESOLVED,
    )


def downgrade() -> None:
    """Take it back; the extensions stay."""
    for name in ("place", "words"):
        op.drop_index(f"ix_service_request_resolved_{name}", table_name="service_request", postgresql_where=_IS_RESOLVED)
    op.drop_index("ix_service_request_resolved", table_name="service_request", postgresql_where=_IS_RESOLVED)
    op.drop_column("service_request", "words")
    op.drop_column("service_request", "answered_from")
    op.drop_column("jurisdiction", "public_knowledge")
    op.drop_table("article")
