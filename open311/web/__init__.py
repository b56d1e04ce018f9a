"""Pages for people, photos, and the health of the process."""

from flask import Flask

from open311.web import health, home, media


def register(app: Flask) -> None:
    """Put the pages at the root."""
    for module in (health, home, media):
        module.add_routes(app)
