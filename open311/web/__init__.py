"""Pages for people and for staff, photos, and the health of the process."""

from flask import Flask

from open311.config import Settings
from open311.web import basemap, desk, districts, health, linked, map, media, mine, pages, report, services, track


def register(app: Flask, settings: Settings) -> None:
    """Put the pages at the root, and those of staff at the desk."""
    for module in (health, media):
        module.add_routes(app)
    linked.register(app)
    basemap.register(app, settings)
    parts = (report, map, services, districts, track, mine, basemap)
    pages.register(app, [part.add_routes for part in parts])
    desk.register(app, settings)
