"""Accounts of staff, what each may do in which city, and who is signed in."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db import Base, city_key

STAFF_ROLES = ("call_taker", "department", "supervisor", "council_office", "administrator")
DEPARTMENT_ROLES = ("department", "supervisor")


def _quoted(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


class Account(Base):
    """A member of staff, known by e-mail address, in lower case, in every city.

    password_hash (argon2) is null when the account signs in by OpenID Connect only; oidc_issuer and oidc_subject are null
    until it did so for the first time.  failed_logins counts attempts since the last that was good; until locked_until
    none is looked at.
    """

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("email"),
        UniqueConstraint("oidc_issuer", "oidc_subject"),
        CheckConstraint("email = lower(email)", name="email_lower_case"),
        CheckConstraint("(oidc_issuer is null) = (oidc_subject is null)", name="oidc_both"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    email: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str | None] = mapped_column(Text)
    oidc_issuer: Mapped[str | None] = mapped_column(Text)
    oidc_subject: Mapped[str | None] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime]
    failed_logins: Mapped[int] = mapped_column(server_default=text("0"))
    locked_until: Mapped[datetime | None]


class AccountGrant(Base):
    """A role of an account in a city: for a department, for one district, or for the whole city.

    The district is named by layer and code and not by its row, so that a grant outlives a new version of the map.
    """

    __tablename__ = "account_grant"
    __table_args__ = (
        city_key("department_id", "department"),
        city_key("layer_id", "layer"),
        UniqueConstraint(
            "account_id",
            "jurisdiction_id",
            "role",
            "department_id",
            "layer_id",
            "boundary_code",
            name="uq_account_grant_once",
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint(f"role in ({_quoted(STAFF_ROLES)})", name="role"),
        CheckConstraint(
            f"(role in ({_quoted(DEPARTMENT_ROLES)})) = (department_id is not null)",
            name="department_has_department",
        ),
        CheckConstraint("(role = 'council_office') = (layer_id is not null)", name="council_office_has_layer"),
        CheckConstraint("(layer_id is null) = (boundary_code is null)", name="boundary_has_layer"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    account_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("account.id"))
    jurisdiction_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("jurisdiction.id"))
    role: Mapped[str] = mapped_column(Text)
    department_id: Mapped[int | None]
    layer_id: Mapped[int | None]
    boundary_code: Mapped[str | None] = mapped_column(Text)


class AccountSession(Base):
    """Somebody signed in, until ends_at: of what the browser holds only the SHA-256 is kept."""

    __tablename__ = "account_session"
    __table_args__ = (Index(None, "account_id"), Index(None, "ends_at"))

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    account_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("account.id"))
    began_at: Mapped[datetime]
    ends_at: Mapped[datetime]


class StaffChange(Base):
    """What was done to an account or a key: appended, never changed.  facts: by whom ("by"), to whose, and what."""

    __tablename__ = "staff_change"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=False), primary_key=True)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(Text)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
