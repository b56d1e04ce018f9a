"""The tables of the first city.

Revision 0001, the first.
"""

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Take the step."""
    for extension in ("postgis", "btree_gist"):
        op.execute(f"create extension if not exists {extension}")
    # The job queue's own tables; a percent sign is a placeholder to the driver.
    op.get_bind().exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))
    op.create_table(
        "api_key",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("origins", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=False),
        sa.Column("revoked_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.Column("last_used_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_key_digest")),
    )
    op.create_table(
        "jurisdiction",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("hosts", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("key_service", sa.Text(), nullable=False),
        sa.Column("outline_layer_id", sa.BigInteger(), nullable=True),
        sa.Column("default_department_id", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=False),
        sa.Column("dates_moved_weeks", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("names_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jurisdiction")),
        sa.UniqueConstraint("slug", name=op.f("uq_jurisdiction_slug")),
    )
    op.create_table(
        "api_key_grant",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("api_key_id", sa.BigInteger(), nullable=False),
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_key.id"], name=op.f("fk_api_key_grant_api_key_id")),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_api_key_grant_jurisdiction_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key_grant")),
    )
    op.create_index(op.f("ix_api_key_grant_api_key_id"), "api_key_grant", ["api_key_id"], unique=False)
    op.create_table(
        "department",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "parent_id"],
            ["department.jurisdiction_id", "department.id"],
            name=op.f("fk_department_jurisdiction_id_parent_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_department_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_department")),
        sa.UniqueConstraint("jurisdiction_id", "code", name=op.f("uq_department_jurisdiction_id_code")),
    )
    op.create_table(
        "layer",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_layer_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_layer")),
        sa.UniqueConstraint("jurisdiction_id", "code", name=op.f("uq_layer_jurisdiction_id_code")),
    )
    op.create_table(
        "service",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("service_group", sa.Text(), nullable=False),
        sa.Column("keywords", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("notice", sa.Text(), nullable=True),
        sa.Column("is_private", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("needs_location", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint("code ~ '^[A-Za-z0-9_-]+$'", name=op.f("ck_service_code_is_url_safe")),
        sa.CheckConstraint("type in ('realtime', 'batch', 'blackbox')", name=op.f("ck_service_type")),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_service_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_service")),
        sa.UniqueConstraint("jurisdiction_id", "code", name=op.f("uq_service_jurisdiction_id_code")),
        sa.UniqueConstraint("jurisdiction_id", "name", name=op.f("uq_service_jurisdiction_id_name")),
    )
    op.create_table(
        "boundary",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("layer_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("area", Geometry("MULTIPOLYGON", srid=4326, spatial_index=False), nullable=False),
        sa.Column("area_square_metres", sa.Double(), nullable=False),
        sa.Column("valid_from", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.Column("valid_to", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        postgresql.ExcludeConstraint(
            (sa.column("jurisdiction_id"), "="),
            (sa.column("layer_id"), "="),
            (sa.column("code"), "="),
            (sa.text("tstzrange(valid_from, valid_to)"), "&&"),
            using="gist",
            name="ex_boundary_versions",
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "layer_id"],
            ["layer.jurisdiction_id", "layer.id"],
            name=op.f("fk_boundary_jurisdiction_id_layer_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_boundary_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_boundary")),
    )
    op.create_index("ix_boundary_area", "boundary", ["area"], unique=False, postgresql_using="gist")
    op.create_index(
        op.f("ix_boundary_jurisdiction_id_layer_id_code"),
        "boundary",
        ["jurisdiction_id", "layer_id", "code"],
        unique=False,
    )
    op.create_table(
        "routing_rule",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=True),
        sa.Column("service_group", sa.Text(), nullable=True),
        sa.Column("layer_id", sa.BigInteger(), nullable=True),
        sa.Column("boundary_code", sa.Text(), nullable=True),
        sa.Column("department_id", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.BigInteger(), server_default=sa.text("100"), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint("(layer_id is null) = (boundary_code is null)", name=op.f("ck_routing_rule_boundary_has_layer")),
        sa.CheckConstraint("service_id is null or service_group is null", name=op.f("ck_routing_rule_service_or_group")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "department_id"],
            ["department.jurisdiction_id", "department.id"],
            name=op.f("fk_routing_rule_jurisdiction_id_department_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "layer_id"],
            ["layer.jurisdiction_id", "layer.id"],
            name=op.f("fk_routing_rule_jurisdiction_id_layer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "service_id"],
            ["service.jurisdiction_id", "service.id"],
            name=op.f("fk_routing_rule_jurisdiction_id_service_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_routing_rule_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_routing_rule")),
        sa.UniqueConstraint("jurisdiction_id", "code", name=op.f("uq_routing_rule_jurisdiction_id_code")),
    )
    op.create_index(
        op.f("ix_routing_rule_jurisdiction_id_service_id"),
        "routing_rule",
        ["jurisdiction_id", "service_id"],
        unique=False,
    )
    op.create_table(
        "service_attribute",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("datatype", sa.Text(), nullable=False),
        sa.Column("variable", sa.Boolean(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("datatype_description", sa.Text(), nullable=True),
        sa.Column("values", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint(
            "datatype in ('string', 'number', 'datetime', 'text', 'singlevaluelist', 'multivaluelist')",
            name=op.f("ck_service_attribute_datatype"),
        ),
        sa.CheckConstraint("position > 0", name=op.f("ck_service_attribute_position_from_1")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "service_id"],
            ["service.jurisdiction_id", "service.id"],
            name=op.f("fk_service_attribute_jurisdiction_id_service_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_service_attribute_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_service_attribute")),
        sa.UniqueConstraint(
            "jurisdiction_id", "service_id", "code", name=op.f("uq_service_attribute_jurisdiction_id_service_id_code")
        ),
        sa.UniqueConstraint(
            "jurisdiction_id",
            "service_id",
            "position",
            name=op.f("uq_service_attribute_jurisdiction_id_service_id_position"),
        ),
    )
    op.create_table(
        "service_request",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("service_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_notes", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("department_id", sa.BigInteger(), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=True),
        sa.Column("requested_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=False),
        sa.Column("expected_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("address_id", sa.Text(), nullable=True),
        sa.Column("zipcode", sa.Text(), nullable=True),
        sa.Column("location", Geometry("POINT", srid=4326, spatial_index=False), nullable=True),
        sa.Column("media_url", sa.Text(), nullable=True),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("api_key_id", sa.BigInteger(), nullable=True),
        sa.Column("client_reference", sa.Text(), nullable=True),
        sa.CheckConstraint("(status = 'closed') = (closed_at is not null)", name=op.f("ck_service_request_closed_has_time")),
        sa.CheckConstraint("status in ('open', 'closed')", name=op.f("ck_service_request_status")),
        sa.CheckConstraint("number ~ '^[A-Za-z0-9._-]+$'", name=op.f("ck_service_request_number_is_url_safe")),
        sa.CheckConstraint("char_length(description) <= 4000", name=op.f("ck_service_request_description_length")),
        sa.CheckConstraint(
            "number is not null or (token is not null and not is_public)",
            name=op.f("ck_service_request_public_has_number"),
        ),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_key.id"], name=op.f("fk_service_request_api_key_id")),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "department_id"],
            ["department.jurisdiction_id", "department.id"],
            name=op.f("fk_service_request_jurisdiction_id_department_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "service_id"],
            ["service.jurisdiction_id", "service.id"],
            name=op.f("fk_service_request_jurisdiction_id_service_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "unit_id"],
            ["department.jurisdiction_id", "department.id"],
            name=op.f("fk_service_request_jurisdiction_id_unit_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_service_request_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_service_request")),
        sa.UniqueConstraint("jurisdiction_id", "number", name=op.f("uq_service_request_jurisdiction_id_number")),
        sa.UniqueConstraint("jurisdiction_id", "token", name=op.f("uq_service_request_jurisdiction_id_token")),
    )
    op.create_index(
        "ix_service_request_changed",
        "service_request",
        ["jurisdiction_id", sa.literal_column("updated_at desc"), sa.literal_column("id desc")],
        unique=False,
        postgresql_where=sa.text("is_public"),
    )
    op.create_index(
        "ix_service_request_client_reference",
        "service_request",
        ["jurisdiction_id", "api_key_id", "client_reference"],
        unique=True,
        postgresql_where=sa.text("client_reference is not null"),
    )
    op.create_index(
        "ix_service_request_newest",
        "service_request",
        ["jurisdiction_id", sa.literal_column("requested_at desc"), sa.literal_column("id desc")],
        unique=False,
        postgresql_where=sa.text("is_public"),
    )
    op.create_index(
        "ix_service_request_service_newest",
        "service_request",
        ["jurisdiction_id", "service_id", sa.literal_column("requested_at desc"), sa.literal_column("id desc")],
        unique=False,
        postgresql_where=sa.text("is_public"),
    )
    op.create_table(
        "media",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("width_pixels", sa.BigInteger(), nullable=True),
        sa.Column("height_pixels", sa.BigInteger(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "request_id"],
            ["service_request.jurisdiction_id", "service_request.id"],
            name=op.f("fk_media_jurisdiction_id_request_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_media_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_media")),
        sa.UniqueConstraint(
            "jurisdiction_id", "request_id", "position", name=op.f("uq_media_jurisdiction_id_request_id_position")
        ),
    )
    op.create_table(
        "reporter",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("first_name", sa.Text(), nullable=True),
        sa.Column("last_name", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("device_id", sa.Text(), nullable=True),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "request_id"],
            ["service_request.jurisdiction_id", "service_request.id"],
            name=op.f("fk_reporter_jurisdiction_id_request_id"),
        ),
        sa.PrimaryKeyConstraint("jurisdiction_id", "request_id", name=op.f("pk_reporter")),
    )
    op.create_table(
        "request_district",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("boundary_id", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=False),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "boundary_id"],
            ["boundary.jurisdiction_id", "boundary.id"],
            name=op.f("fk_request_district_jurisdiction_id_boundary_id"),
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "request_id"],
            ["service_request.jurisdiction_id", "service_request.id"],
            name=op.f("fk_request_district_jurisdiction_id_request_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_request_district_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "request_id", "boundary_id", name=op.f("pk_request_district")),
    )
    op.create_index(
        "ix_request_district_newest",
        "request_district",
        [
            "jurisdiction_id",
            "boundary_id",
            sa.literal_column("requested_at desc"),
            sa.literal_column("request_id desc"),
        ],
        unique=False,
    )
    op.create_table(
        "request_event",
        sa.Column("jurisdiction_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), autoincrement=True, nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id", "request_id"],
            ["service_request.jurisdiction_id", "service_request.id"],
            name=op.f("fk_request_event_jurisdiction_id_request_id"),
        ),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_request_event_jurisdiction_id")),
        sa.PrimaryKeyConstraint("jurisdiction_id", "id", name=op.f("pk_request_event")),
    )
    op.create_index(
        op.f("ix_request_event_jurisdiction_id_request_id_id"),
        "request_event",
        ["jurisdiction_id", "request_id", "id"],
        unique=False,
    )


def downgrade() -> None:
    """There is nothing before the first step: drop the database instead."""
    raise NotImplementedError("the first version cannot be taken back: drop the database")
