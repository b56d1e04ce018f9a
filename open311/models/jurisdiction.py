"""The cities served."""

from datetime import datetime

from sqlalchemy import BigInteger, Identity, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from db import Base


class Jurisdiction(Base):
    """A city: GeoReport's jurisdiction_id is its `slug`.

    changed_at is the changeset of service discovery: it moves whenever services or their definitions change.
    outline_layer_id: the layer outside of which a place is refused.  default_department_id: who gets what no rule names.
    names_version counts the changes of what a request shows of its service and department: whoever changes those counts.
    casework_version is another whenever how its departments work is: whoever changes that draws a new one.
    reopen_days: so long after its closing a request can be opened again.
    public_knowledge: everybody may ask how requests were resolved before.
    dates_moved_weeks: the dates of a demo's cases were moved by so many weeks.
    """

    __tablename__ = "jurisdiction"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    slug: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    timezone: Mapped[str] = mapped_column(Text)
    hosts: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    contact: Mapped[str] = mapped_column(Text)
    key_service: Mapped[str] = mapped_column(Text)
    outline_layer_id: Mapped[int | None] = mapped_column(BigInteger)
    default_department_id: Mapped[int | None] = mapped_column(BigInteger)
    changed_at: Mapped[datetime]
    dates_moved_weeks: Mapped[int] = mapped_column(server_default=text("0"))
    names_version: Mapped[int] = mapped_column(server_default=text("0"))
    casework_version: Mapped[str] = mapped_column(Text, server_default=text("''"))
    reopen_days: Mapped[int] = mapped_column(server_default=text("30"))
    public_knowledge: Mapped[bool] = mapped_column(server_default=text("false"))
