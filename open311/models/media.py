"""Files that came with a request."""

from shapely import Point
from sqlalchemy import Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db import Base, CityRow, city_key
from geo.columns import ShapelyGeometry


class Media(CityRow, Base):
    """A photo as we keep it, re-encoded, or a document, under a name of ours; or the URL that a client gave.

    position: 1 is the one shown as media_url.  path begins with "/" for a file of ours.  Sizes are pixels and bytes.
    thumbnail_path: of a photo of ours, the same as path for one that is small; null for documents and URLs.
    suggested_location: where the camera says that it was taken; for who works the request, in no public read.
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
    thumbnail_path: Mapped[str | None] = mapped_column(Text)
    suggested_location: Mapped[Point | None] = mapped_column(ShapelyGeometry("POINT"))
