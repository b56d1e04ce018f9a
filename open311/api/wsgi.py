"""What real clients send that Werkzeug would not take, mended before Flask sees it."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_UNQUOTED_BOUNDARY = re.compile(r'boundary=(?!")([^;\s]+)', re.IGNORECASE)
_SLASHES = re.compile("//+")


class ClientShim:
    """Quotes a multipart boundary (one client's holds "=") and collapses slashes, for a POST is never redirected."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """WSGI."""
        content_type = environ.get("CONTENT_TYPE", "")
        if "boundary=" in content_type.lower():
            environ["CONTENT_TYPE"] = _UNQUOTED_BOUNDARY.sub(r'boundary="\1"', content_type)
        path = environ.get("PATH_INFO", "")
        if "//" in path:
            environ["PATH_INFO"] = _SLASHES.sub("/", path)
        return self._app(environ, start_response)
