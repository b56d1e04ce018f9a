"""Rows for tests: every value is plain to see and can be changed; nothing is random."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shapely.geometry import Point
from sqlalchemy import select

from db import db
from open311.models import Jurisdiction, Service, ServiceRequest

# A moment before any test runs, on a whole second, within the 90 days that lists show.
NOW = datetime.now(UTC).replace(microsecond=0)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class Factory:
    """Makes rows in the test's transaction."""

    def __init__(self) -> None:
        self._made = 0

    def city(self, jurisdiction_id: str = "boston.gov") -> Jurisdiction:
        """A city that is loaded."""
        return db.session.scalars(select(Jurisdiction).where(Jurisdiction.slug == jurisdiction_id)).one()

    def service(self, service_code: str, jurisdiction_id: str = "boston.gov") -> Service:
        """A service that is loaded."""
        city = self.city(jurisdiction_id)
        return db.session.scalars(select(Service).where(Service.jurisdiction_id == city.id, Service.code == service_code)).one()

    def request(
        self,
        number: str | None = None,
        *,
        service_code: str = "street-light-outages",
        jurisdiction_id: str = "boston.gov",
        age: timedelta = HOUR,
        closed_after: timedelta | None = None,
        lat: float | None = 42.3474,
        long: float | None = -71.0944,
        **changes: Any,
    ) -> ServiceRequest:
        """A public, open request of an hour ago in Boston; closed when closed_after says how long it took."""
        self._made += 1
        city, service = self.city(jurisdiction_id), self.service(service_code, jurisdiction_id)
        requested_at = NOW - age
        closed_at = None if closed_after is None else requested_at + closed_after
        values: dict[str, Any] = {
            "number": number or f"MADE-{self._made}",
            "service_id": service.id,
            "status": "closed" if closed_at else "open",
            "description": "Lamp is out",
            "department_id": city.default_department_id,
            "requested_at": requested_at,
            "updated_at": closed_at or requested_at,
            "closed_at": closed_at,
            "location": None if lat is None or long is None else Point(long, lat),
            "attributes": {},
            "channel": "app",
            "is_public": True,
        }
        row = ServiceRequest(jurisdiction_id=city.id, **{**values, **changes})
        db.session.add(row)
        db.session.flush()
        return row
