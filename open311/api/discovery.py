"""GET discovery: where the service is, and when its services last changed."""

from datetime import UTC, datetime

from flask import Blueprint, Response

from open311.api.access import asked_city, cities, public, public_url
from open311.api.cors import allow_every_origin
from open311.api.respond import FORMATS, respond
from open311.config import settings
from open311.jurisdictions import City, JurisdictionMissing
from schemas.discovery import DISCOVERY, SPECIFICATION

FORMATS_SPOKEN = ["text/xml", "application/json"]
_NOTHING_LOADED = datetime(2026, 1, 1, tzinfo=UTC)


def add_routes(api: Blueprint) -> None:
    """The routes of this file."""
    api.get(f"/discovery.<{FORMATS}:format>")(show_discovery)


@public
def show_discovery(format: str) -> Response:
    """GET /discovery.{json,xml}.  Spec 4.  200; 404 jurisdiction unknown.  Without a jurisdiction: of all of them."""
    served = cities().all()
    try:
        about: City | None = asked_city()
    except JurisdictionMissing:
        about = None
    changed_at = max([city.changed_at for city in ([about] if about else served)], default=_NOTHING_LOADED)
    contact = about.contact if about else "; ".join(f"{city.jurisdiction_id}: {city.contact}" for city in served)
    key_service = about.key_service if about else "; ".join(f"{city.jurisdiction_id}: {city.key_service}" for city in served)
    endpoint = (SPECIFICATION, f"{public_url()}/open311/v2", changed_at, settings().endpoint_type, FORMATS_SPOKEN)
    row = (changed_at, contact or "-", key_service or "-", [endpoint])
    return allow_every_origin(respond(DISCOVERY, [row], format))
