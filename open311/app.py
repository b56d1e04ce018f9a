"""create_app(): the one place where the parts are joined."""

from flask import Flask

from open311 import api, web
from open311.api.fragments import Fragments
from open311.api.wsgi import ClientShim
from open311.config import Settings
from open311.core import create_core


def create_app(settings: Settings | None = None) -> Flask:
    """The application; settings come from the environment unless given."""
    settings = settings or Settings.from_environment()
    app = create_core(settings)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # ClientShim has done it, without a redirect
    app.extensions["open311.fragments"] = Fragments(settings.fragment_bytes)
    api.register(app)
    web.register(app, settings)
    app.wsgi_app = ClientShim(app.wsgi_app)  # type: ignore[method-assign]
    return app
