"""Which city is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

from flask import current_app
from psycopg import Connection
from sqlalchemy import BigInteger, bindparam, select

from db.driver import Statement, driver
from open311.models import Crest, Jurisdiction


class UnknownJurisdiction(LookupError):
    """No city here has this jurisdiction_id."""


class JurisdictionMissing(LookupError):
    """Several cities are served and the call says nothing of which is meant."""


class JurisdictionsDiffer(ValueError):
    """The form names one city and the query another."""


@dataclass(frozen=True, kw_only=True)
class City:
    """A city's own row, as every call needs it.  crest: the digest of its crest, None when it has none."""

    id: int
    jurisdiction_id: str
    name: str
    zone: ZoneInfo
    hosts: Sequence[str]
    contact: str
    key_service: str
    outline_layer_id: int
    default_department_id: int
    changed_at: datetime
    dates_moved_weeks: int
    public_knowledge: bool
    phone: str | None
    emergency_phone: str | None
    colors: Mapping[str, str]
    crest: str | None = None


def cities() -> "Cities":
    """The cities of the application at work."""
    found = current_app.extensions["open311.cities"]
    assert isinstance(found, Cities)
    return found


class Cities:
    """The cities of this database, held by a process for a moment; a name that is not found is looked for anew."""

    def __init__(self, max_age_seconds: float) -> None:
        self._max_age_seconds = max_age_seconds
        self._read_at = float("-inf")
        self._cities: dict[str, City] = {}

    def all(self) -> list[City]:
        """Every city that is loaded."""
        if monotonic() - self._read_at > self._max_age_seconds:
            self._read()
        return list(self._cities.values())

    def named(self, jurisdiction_id: str) -> City:
        """The city of this jurisdiction_id; raises UnknownJurisdiction."""
        self.all()
        if jurisdiction_id not in self._cities:
            self._read()
        try:
            return self._cities[jurisdiction_id]
        except KeyError:
            raise UnknownJurisdiction(jurisdiction_id) from None

    def meant(self, *, named: Sequence[str], host: str, default: str) -> City:
        """The city that a call means: the one named; else the host's; else the default, when it is loaded; else the only one.

        Raises UnknownJurisdiction, JurisdictionMissing, JurisdictionsDiffer.
        """
        names = set(named)
        if len(names) > 1:
            raise JurisdictionsDiffer(" and ".join(sorted(names)))
        if names:
            return self.named(names.pop())
        cities = self.all()
        for city in cities:
            if host in city.hosts:
                return city
        if default in self._cities:
            return self._cities[default]
        if len(cities) == 1:
            return cities[0]
        raise JurisdictionMissing

    def forget(self) -> None:
        """Read the cities anew at the next question."""
        self._read_at = float("-inf")

    def _read(self) -> None:
        # Without a lock: two may read at once, and neither has to wait for the other when the database is away.
        with driver.connection() as connection:
            self._cities = {city.jurisdiction_id: city for city in read_cities(connection)}
            self._read_at = monotonic()


def read_cities(connection: "Connection[Any]") -> list[City]:
    """Every city whose folder is loaded, by name."""
    return [
        City(
            id=row.id,
            jurisdiction_id=row.slug,
            name=row.name,
            zone=ZoneInfo(row.timezone),
            hosts=row.hosts,
            contact=row.contact,
            key_service=row.key_service,
            outline_layer_id=row.outline_layer_id,
            default_department_id=row.default_department_id,
            changed_at=row.changed_at,
            dates_moved_weeks=row.dates_moved_weeks,
            public_knowledge=row.public_knowledge,
            phone=row.phone,
            emergency_phone=row.emergency_phone,
            colors=row.colors,
            crest=row.crest,
        )
        for row in _CITIES.run(connection).fetchall()
    ]


def crest_of(connection: "Connection[Any]", *, jurisdiction_id: int) -> Any:
    """The row of a city's crest (content, content_type, digest), None when it has none."""
    return _CREST.run(connection, jurisdiction_id=jurisdiction_id).fetchone()


_CREST = Statement(
    select(Crest.content, Crest.content_type, Crest.digest).where(
        Crest.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger)
    )
)
_CITIES = Statement(
    select(*Jurisdiction.__table__.columns, Crest.digest.label("crest"))
    .outerjoin(Crest, Crest.jurisdiction_id == Jurisdiction.id)
    .where(Jurisdiction.outline_layer_id.is_not(None), Jurisdiction.default_department_id.is_not(None))
    .order_by(Jurisdiction.name, Jurisdiction.id)
)
