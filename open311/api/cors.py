"""Which pages may read us: every one.  No cookie is ever looked at here; keys may name the origins they are good for."""

from flask import Blueprint, Response, request


def add(api: Blueprint) -> None:
    """Answer OPTIONS, and let every origin read every answer."""

    @api.before_request
    def answer_preflight() -> Response | None:
        if request.method != "OPTIONS":
            return None
        return Response(status=204)

    @api.after_request
    def allow(response: Response) -> Response:
        return allow_every_origin(response)


def allow_every_origin(response: Response) -> Response:
    """The answer with the headers that let any page read it."""
    headers = response.headers
    headers["Access-Control-Allow-Origin"] = "*"
    headers["Access-Control-Expose-Headers"] = (
        "ETag, Link, X-Next-Cursor, X-Page-Size, X-Total-Count, X-Changes-Cursor, Retry-After"
    )
    headers["X-Content-Type-Options"] = "nosniff"
    if request.method == "OPTIONS":
        headers["Access-Control-Allow-Methods"] = "GET, HEAD, POST, OPTIONS"
        headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Idempotency-Key, If-None-Match"
        headers["Access-Control-Max-Age"] = "86400"
        headers["Allow"] = "GET, HEAD, POST, OPTIONS"
    return response
