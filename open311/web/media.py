"""The photos and documents we keep, served."""

import re
from io import BytesIO

from flask import Flask, Response, abort, send_file

from open311.api.access import public
from open311.cases.photos import MEDIA_PREFIX
from open311.config import settings
from open311.media_store import NotKept, media_store

_YEAR_SECONDS = 31_536_000
# As PhotoShelf names them; nothing else that may lie in the folder is for the public.
_NAME = re.compile(r"[0-9a-f]{32}(?:-small)?\.(jpg|png|pdf)")
_CONTENT_TYPES = {"jpg": "image/jpeg", "png": "image/png", "pdf": "application/pdf"}


def add_routes(app: Flask) -> None:
    """The routes of this file."""
    app.get(f"{MEDIA_PREFIX}/<jurisdiction_id>/<name>")(show_photo)


@public
def show_photo(jurisdiction_id: str, name: str) -> Response:
    """GET /media/{jurisdiction_id}/{name}: the photo or document; 404; 503 when the store is away.

    Its name is a secret of its own and its content never changes.  A document is for saving, not for showing in our name.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        abort(404)
    try:
        content = media_store(settings()).open(f"{jurisdiction_id}/{name}")
    except NotKept:
        abort(404)
    is_document = found[1] == "pdf"
    response = send_file(
        BytesIO(content),
        mimetype=_CONTENT_TYPES[found[1]],
        as_attachment=is_document,
        download_name=name if is_document else None,
        etag=name,
        max_age=_YEAR_SECONDS,
    )
    if is_document:
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
