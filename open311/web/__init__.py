"""Pages for people and for staff, photos, and the health of the process."""

from flask import Flask

from open311.config import Settings
from open311.web import desk, districts, health, linked, media, pages, report, services, track


def register(app: Flask, settings: Settings) -> None:
    """Put the pages at the root, and those of staff at the desk."""
    for module in (health, media):
        module.add_routes(app)
    linked.register(app)
    pages.register(app, [report.add_routes, services.add_routes, districts.add_routes, track.add_routes])
    desk.register(app, settings)
