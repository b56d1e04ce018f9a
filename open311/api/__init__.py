"""GeoReport v2 over HTTP: load, one verb, render."""

from flask import Blueprint, Flask

from open311.api import (
    bulk,
    changes,
    cors,
    discovery,
    districts,
    errors,
    followers,
    knowledge,
    open_data,
    places,
    requests,
    saved,
    scorecards,
    services,
    similar,
    tiles,
    tokens,
    updates,
)

BASE = "/open311/v2"


def register(app: Flask) -> None:
    """Put GeoReport v2 under its base, and discovery beside it."""
    api = Blueprint("api", __name__)
    for module in (
        *(services, requests, saved, changes, similar, updates, tokens, places, knowledge, followers),
        *(districts, tiles, scorecards, bulk, open_data, discovery),
    ):
        module.add_routes(api)
    cors.add(api)
    app.register_blueprint(api, url_prefix=BASE)
    above = Blueprint("above", __name__)
    discovery.add_routes(above)
    cors.add(above)
    app.register_blueprint(above, url_prefix="/open311")
    errors.register(app)


__all__ = ["BASE", "register"]
