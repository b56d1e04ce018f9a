"""What staff and citizens are told again and again: articles and standard answers."""

from sqlalchemy import CheckConstraint, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from db import Base, CityRow, city_key


class Article(CityRow, Base):
    """An article pinned to a service, to a group, or (both null) to everything, in a language; an item of articles.yml.

    position: its place in the file, by which what is pinned together stands.  Not is_public: for the city's own people.
    department_id: whose it is, as with the other files of casework.
    """

    __tablename__ = "article"
    __table_args__ = (
        city_key("department_id", "department"),
        city_key("service_id", "service"),
        UniqueConstraint("jurisdiction_id", "code", "language"),
        CheckConstraint("service_id is null or service_group is null", name="service_or_group"),
    )

    code: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    service_id: Mapped[int | None]
    service_group: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    keywords: Mapped[list[str]] = mapped_column(ARRAY(Text))
    is_public: Mapped[bool]
    department_id: Mapped[int | None]
    position: Mapped[int]
