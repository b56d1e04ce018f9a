"""GET discovery: where the service is, and when its services last changed."""

from collections.abc import Sequence
from datetime import UTC, datetime

from flask import Blueprint, Response

from open311.api.access import asked_city, is_city_named, public, public_url
from open311.api.respond import FORMATS, respond
from open311.config import settings
from open311.jurisdictions import City, JurisdictionMissing, cities
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
        about = [asked_city()]
    except JurisdictionMissing:
        about = served
    # The endpoint serves every city: unless one is named, a change in any moves its changeset.
    counted = about if is_city_named() else served
    changed_at = max([city.changed_at for city in counted], default=_NOTHING_LOADED)
    contact = _said_by(about, [city.contact for city in about])
    key_service = _said_by(about, [city.key_service for city in about])
    endpoint = (SPECIFICATION, f"{public_url()}/open311/v2", changed_at, settings().endpoint_type, FORMATS_SPOKEN)
    row = (changed_at, contact or "-", key_service or "-", [endpoint])
    return respond(DISCOVERY, [row], format)


def _said_by(cities: Sequence[City], texts: Sequence[str]) -> str:
    """One city's words as they are; those of several with the city before each."""
    if len(cities) == 1:
        return texts[0]
    return "; ".join(f"{city.jurisdiction_id}: {text}" for city, text in zip(cities, texts, strict=True))
