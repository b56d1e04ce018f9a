"""Who may call a route, and for which city: stated at every route."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from flask import current_app, request

from db.driver import driver
from open311.api.form import Form
from open311.config import settings
from open311.jurisdictions import Cities, City
from open311.keys import check_key

View = TypeVar("View", bound=Callable[..., object])

PUBLIC, WITH_KEY = "public", "api_key"


def public(view: View) -> View:
    """Anyone may call this route."""
    view.access = PUBLIC  # type: ignore[attr-defined]
    return view


def with_key(view: View) -> View:
    """This route asks for an api_key: the view calls `caller_key` before it does anything."""
    view.access = WITH_KEY  # type: ignore[attr-defined]
    return view


def asked_city(form: Form | None = None) -> City:
    """The city that this call means; jurisdiction_id may stand in the query or the form.

    Raises UnknownJurisdiction, JurisdictionMissing, JurisdictionsDiffer.
    """
    named = form.fields.get("jurisdiction_id", []) if form else request.args.getlist("jurisdiction_id")
    return cities().meant(
        named=[text.strip() for text in named if text.strip()],
        host=request.host.rsplit(":", 1)[0].lower(),
        default=settings().default_jurisdiction,
    )


def caller_key(form: Form, city: City) -> int:
    """The id of the api_key in the form or query, or of the Authorization header's bearer; raises KeyRefused."""
    bearer = request.authorization.token if request.authorization and request.authorization.type == "bearer" else None
    with driver.connection() as connection:
        return check_key(
            connection,
            form.first("api_key") or bearer or "",
            jurisdiction_id=city.id,
            origin=request.headers.get("Origin"),
            now=datetime.now(UTC),
        )


def cities() -> Cities:
    """The cities of this application."""
    found = current_app.extensions["open311.cities"]
    assert isinstance(found, Cities)
    return found


def arguments() -> dict[str, Sequence[str]]:
    """The arguments of the query: name to values as sent."""
    return dict(request.args.lists())


def public_url() -> str:
    """Scheme and host as clients see them, without a slash at the end."""
    return settings().public_url.rstrip("/") or f"{request.scheme}://{request.host}"
