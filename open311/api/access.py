"""Who may call a route, and for which city: stated at every route."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from typing import TypeVar

from flask import request

from db.driver import driver
from open311.actors import Actor
from open311.api.form import Form, read_form
from open311.config import settings
from open311.jurisdictions import City, cities
from open311.keys import check_key

View = TypeVar("View", bound=Callable[..., object])
R = TypeVar("R")

PUBLIC, WITH_KEY = "public", "api_key"


def public(view: View) -> View:
    """Anyone may call this route."""
    view.access = PUBLIC  # type: ignore[attr-defined]
    return view


def with_key(needs: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """This route takes a form with an api_key of a scope: the view is called with form, city and actor, or not at all.

    Raises BadForm, KeyRefused, and what asked_city raises.
    """

    def declare(view: Callable[..., R]) -> Callable[..., R]:
        @wraps(view)
        def checked(**arguments: object) -> R:
            form = read_form(request, settings())
            city = asked_city(form)
            return view(form=form, city=city, actor=_caller(form, city, needs), **arguments)

        checked.access = WITH_KEY  # type: ignore[attr-defined]
        return checked

    return declare


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


def is_city_named() -> bool:
    """Whether the query says which city is meant."""
    return any(text.strip() for text in request.args.getlist("jurisdiction_id"))


def _caller(form: Form, city: City, needs: str) -> Actor:
    """Who has the api_key of the form or query, or of the Authorization header's bearer; raises KeyRefused."""
    bearer = request.authorization.token if request.authorization and request.authorization.type == "bearer" else None
    with driver.connection() as connection:
        return check_key(
            connection,
            form.first("api_key") or bearer or "",
            jurisdiction_id=city.id,
            needs=needs,
            origin=request.headers.get("Origin"),
            now=datetime.now(UTC),
        )


def arguments() -> dict[str, Sequence[str]]:
    """The arguments of the query: name to values as sent."""
    return dict(request.args.lists())


def public_url() -> str:
    """Scheme and host as clients see them, without a slash at the end."""
    return settings().public_url.rstrip("/") or f"{request.scheme}://{request.host}"
