"""Keys that clients post with, and the cities each is good in."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from db import Base, city_key


class ApiKey(Base):
    """A client's key: only its SHA-256 is kept.  prefix is what a list shows to tell keys apart.

    origins: when not empty, a browser's POST must come from one of them.  scopes: what it is good for; "report" stands
    for reporting and reading, "updates" for service request updates.
    """

    __tablename__ = "api_key"
    __table_args__ = (CheckConstraint("cardinality(scopes) > 0 and scopes <@ array['report', 'updates']", name="scopes"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    prefix: Mapped[str] = mapped_column(Text)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{report}'"))
    origins: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class ApiKeyGrant(Base):
    """Where a key may be used: in one city, or (jurisdiction_id null) in every city.

    department_id: its updates are for the requests of this department only.
    """

    __tablename__ = "api_key_grant"
    __table_args__ = (
        city_key("department_id", "department"),
        # A key of two columns is not looked at while one of them is null.
        CheckConstraint("department_id is null or jurisdiction_id is not null", name="department_has_city"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    api_key_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("api_key.id"), index=True)
    jurisdiction_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("jurisdiction.id"))
    department_id: Mapped[int | None]
