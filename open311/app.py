"""create_app(): the one place where the parts are joined."""

from flask import Flask

from db import db
from db.driver import driver
from open311 import api, web
from open311.api.fragments import Fragments
from open311.api.wsgi import ClientShim
from open311.config import Settings
from open311.jurisdictions import Cities
from open311.media_store import media_store


def create_app(settings: Settings | None = None) -> Flask:
    """The application; settings come from the environment unless given."""
    settings = settings or Settings.from_environment()
    app = Flask("open311", static_folder=None, template_folder="web/templates")
    app.config.update(
        OPEN311=settings,
        SQLALCHEMY_DATABASE_URI=settings.sqlalchemy_url,
        SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"options": "-c timezone=UTC"}},
    )
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # ClientShim has done it, without a redirect
    db.init_app(app)
    driver.configure(settings.libpq_url, settings.pool_size)
    app.extensions["open311.cities"] = Cities(settings.cities_max_age_seconds)
    app.extensions["open311.fragments"] = Fragments(settings.fragment_bytes)
    media_store(settings)  # so that one that cannot be used is told at once
    api.register(app)
    web.register(app, settings)
    app.wsgi_app = ClientShim(app.wsgi_app)  # type: ignore[method-assign]
    return app
