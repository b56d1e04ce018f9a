"""Files that came with a request."""

from sqlalchemy import Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db import Base, CityRow, city_key


class Media(CityRow, Base):
    """A photo as we keep it, re-encoded, or a document, under a name of ours; or the URL that a client gave.

    position: 1 is the one shown as media_url.  path begins with "/" for a file of ours.  Sizes are pixels and bytes.
    """

    __tablename__ = "media"
    __table_args__ = (
        city_key("request_id", "service_request"),
        UniqueConstraint("jurisdiction_id", "request_id", "position"),
    )

    request_id: Mapped[int]
    position: Mapped[int]
    path: Mapped[str] = mapped_column(Text)
    content_type: Mapped[str | None] = mapped_column(Text)
    width_pixels: Mapped[int | None]
    height_pixels: Mapped[int | None]
    size_bytes: Mapped[int | None]
