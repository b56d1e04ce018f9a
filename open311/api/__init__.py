"""GeoReport v2 over HTTP: load, one verb, render."""

from flask import Blueprint, Flask

from open311.api import cors, discovery, errors, requests, services, tokens
from open311.api.respond import FORMATS

BASE = "/open311/v2"


def register(app: Flask) -> None:
    """Put GeoReport v2 under its base, and discovery beside it."""
    api = Blueprint("api", __name__)
    for module in (services, requests, tokens, discovery):
        module.add_routes(api)
    cors.add(api)
    app.register_blueprint(api, url_prefix=BASE)
    app.add_url_rule(f"/open311/discovery.<{FORMATS}:format>", "discovery_above", discovery.show_discovery, methods=["GET"])
    errors.register(app)


__all__ = ["BASE", "register"]
