"""create_core(): the service without its routes, which is all that a command needs."""

from flask import Flask

from db import db
from db.driver import driver
from geo import models as maps
from open311 import models
from open311.config import Settings
from open311.jurisdictions import Cities
from open311.media_store import media_store
from routing import calendars
from routing import models as rules

# All tables are imported, whichever a command reads: a key of one names another.
__all__ = ["calendars", "create_core", "maps", "models", "rules"]


def create_core(settings: Settings | None = None) -> Flask:
    """The settings, the database, the cities and the store; settings come from the environment unless given."""
    settings = settings or Settings.from_environment()
    app = Flask("open311", static_folder=None, template_folder="web/templates")
    app.config.update(
        OPEN311=settings,
        SQLALCHEMY_DATABASE_URI=settings.sqlalchemy_url,
        SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"options": "-c timezone=UTC"}},
    )
    db.init_app(app)
    driver.configure(settings.libpq_url, settings.pool_size)
    app.extensions["open311.cities"] = Cities(settings.cities_max_age_seconds)
    media_store(settings)  # so that one that cannot be used is told at once
    return app
