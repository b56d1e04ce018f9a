"""The cities served."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db import Base


class Jurisdiction(Base):
    """A city: GeoReport's jurisdiction_id is its `slug`.

    changed_at is the changeset of service discovery: it moves whenever services or their definitions change.
    outline_layer_id: the layer outside of which a place is refused.  default_department_id: who gets what no rule names.
    names_version counts the changes of what a request shows of its service and department: whoever changes those counts.
    casework_version is another whenever how its departments work is: whoever changes that draws a new one.
    reopen_days: so long after its closing a request can be opened again.
    reopens_when_not_fixed: a reporter who says that it was not fixed reopens it; else its department is asked to.
    public_knowledge: everybody may ask how requests were resolved before.
    retention: for how long personal data is kept (schemas.city.RetentionSchema) where a service says nothing else.
    phone: of the city's service.  emergency_phone: of who comes at once.  colors: schemas.city.ColorsSchema, of the pages.
    least_count: figures that count fewer requests are not told to the public; 0: all are.
    changes_epoch is another whenever numbers of transactions begin anew (open311.reports.changes).
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
    phone: Mapped[str | None] = mapped_column(Text)
    emergency_phone: Mapped[str | None] = mapped_column(Text)
    colors: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    outline_layer_id: Mapped[int | None] = mapped_column(BigInteger)
    default_department_id: Mapped[int | None] = mapped_column(BigInteger)
    changed_at: Mapped[datetime]
    dates_moved_weeks: Mapped[int] = mapped_column(server_default=text("0"))
    names_version: Mapped[int] = mapped_column(server_default=text("0"))
    casework_version: Mapped[str] = mapped_column(Text, server_default=text("''"))
    reopen_days: Mapped[int] = mapped_column(server_default=text("30"))
    reopens_when_not_fixed: Mapped[bool] = mapped_column(server_default=text("false"))
    public_knowledge: Mapped[bool] = mapped_column(server_default=text("false"))
    retention: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    least_count: Mapped[int] = mapped_column(server_default=text("0"))
    changes_epoch: Mapped[str] = mapped_column(Text, server_default=text("gen_random_uuid()::text"))
