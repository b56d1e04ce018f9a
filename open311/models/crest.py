"""The pictures of cities."""

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from db import Base


class Crest(Base):
    """A city's crest, apart from its row, which every process holds.  digest: of the content, SHA-256 in hexadecimal."""

    __tablename__ = "crest"
    __table_args__ = (
        CheckConstraint("content_type in ('image/svg+xml', 'image/png')", name="content_type"),
        CheckConstraint("octet_length(content) <= 50000", name="size"),
    )

    jurisdiction_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("jurisdiction.id"), primary_key=True)
    content_type: Mapped[str] = mapped_column(Text)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[str] = mapped_column(Text)
