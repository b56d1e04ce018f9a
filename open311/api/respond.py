"""A representation as an HTTP answer: format by the path, ETag, JSONP, Link."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from flask import Response, request

from schemas import as_csv, as_features, as_json, as_xml
from schemas.problems import Problems
from schemas.representation import Representation

FORMATS = "any(json,xml)"
WITH_GEOJSON = "any(json,xml,geojson)"
LIST_FORMATS = "any(json,xml,geojson,csv,rss)"
JAVASCRIPT = "application/javascript; charset=utf-8"


class Renderer(Protocol):
    """What makes documents of a format: a module schemas.as_*, or a feed with its head."""

    @property
    def CONTENT_TYPE(self) -> str:
        """As in the header."""

    def fragments(self, representation: Representation, rows: Sequence[Sequence[Any]]) -> list[bytes]:
        """Each row by itself."""

    def wrap(self, representation: Representation, fragments: Sequence[bytes]) -> bytes:
        """The document of such rows."""


_CALLBACK = re.compile(r"(?=.{1,64}\Z)[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*", re.ASCII)
RENDERERS: Mapping[str, Renderer] = {"json": as_json, "xml": as_xml, "geojson": as_features, "csv": as_csv}
_SCRIPTABLE = ("json", "geojson")


def respond(
    representation: Representation,
    rows: Sequence[Sequence[Any]],
    format: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    renderer: Renderer | None = None,
) -> Response:
    """The rows in the format asked for; a GET carries an ETag of its bytes, and answers 304 to who has them."""
    fragments = (renderer or RENDERERS[format]).fragments(representation, rows)
    return respond_with(representation, fragments, format, status=status, headers=headers, renderer=renderer)


def respond_with(
    representation: Representation,
    fragments: Sequence[bytes],
    format: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    renderer: Renderer | None = None,
) -> Response:
    """The same for rows that are rendered already."""
    renderer = renderer or RENDERERS[format]
    content_type = renderer.CONTENT_TYPE
    body = renderer.wrap(representation, fragments)
    callback = request.args.get("callback", "")
    if format in _SCRIPTABLE and request.method in ("GET", "HEAD") and status == 200 and callback.strip():
        body, content_type = _called_back(callback, body), JAVASCRIPT
    return respond_bytes(body, content_type, status=status, headers=headers)


def respond_bytes(body: bytes, content_type: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The same for a whole body."""
    response = Response(body, status=status, content_type=content_type, headers=headers)
    if status == 200 and request.method in ("GET", "HEAD"):
        etag = hashlib.sha256(body).hexdigest()[:24]
        response.headers["ETag"] = f'"{etag}"'
        # Weakly: a proxy that compresses marks our ETags as weak.
        if request.if_none_match.contains_weak(etag):
            # The headers stay: a 304 says what the 200 would have said.
            response.status_code = 304
            response.set_data(b"")
            del response.headers["Content-Type"], response.headers["Content-Length"]
    return response


def _called_back(callback: str, body: bytes) -> bytes:
    if _CALLBACK.fullmatch(callback) is None:
        raise Problems([f"callback must be the name of a JavaScript function, got {callback[:100]!r}"])
    # U+2028 and U+2029 end a line in old JavaScript.
    text = body.replace("\u2028".encode(), b"\\u2028").replace("\u2029".encode(), b"\\u2029")
    return callback.encode() + b"(" + text + b");"
