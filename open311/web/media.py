"""The photos and documents we keep, served."""

import re

from flask import Flask, Response, abort, send_from_directory

from open311.api.access import public
from open311.cases.photos import MEDIA_PREFIX
from open311.config import settings

_YEAR_SECONDS = 31_536_000
# As PhotoShelf names them; nothing else that may lie in the folder is for the public.
_NAME = re.compile(r"[0-9a-f]{32}(-small)?\.(jpg|png|pdf)")


def add_routes(app: Flask) -> None:
    """The routes of this file."""
    app.get(f"{MEDIA_PREFIX}/<jurisdiction_id>/<name>")(show_photo)


@public
def show_photo(jurisdiction_id: str, name: str) -> Response:
    """GET /media/{jurisdiction_id}/{name}: the photo or document; 404.

    Its name is a secret of its own and its content never changes.  A document is for saving, not for showing in our name.
    """
    if _NAME.fullmatch(name) is None:
        abort(404)
    response = send_from_directory(settings().media_folder, f"{jurisdiction_id}/{name}", max_age=_YEAR_SECONDS)
    if name.endswith(".pdf"):
        response.headers["Content-Disposition"] = f"attachment; filename={name}"
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
