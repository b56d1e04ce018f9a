"""The photos we keep, served."""

from flask import Flask, Response, send_from_directory

from open311.api.access import public
from open311.cases.photos import MEDIA_PREFIX
from open311.config import settings

_YEAR_SECONDS = 31_536_000


def add_routes(app: Flask) -> None:
    """The routes of this file."""
    app.get(f"{MEDIA_PREFIX}/<jurisdiction_id>/<name>")(show_photo)


@public
def show_photo(jurisdiction_id: str, name: str) -> Response:
    """GET /media/{jurisdiction_id}/{name}: the photo; 404.  Its name is a secret of its own and its content never changes."""
    response = send_from_directory(settings().media_folder, f"{jurisdiction_id}/{name}", max_age=_YEAR_SECONDS)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
