"""Which pages may read us: every one.  No cookie is ever looked at here; keys may name the origins they are good for."""

from flask import Blueprint, Response, current_app, request


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
        "Accept-Ranges, Content-Disposition, Content-Range, ETag, Link, Retry-After, "
        "X-Changes-Cursor, X-Next-Cursor, X-Page-Size, X-Total-Count"
    )
    headers["X-Content-Type-Options"] = "nosniff"
    if request.method == "OPTIONS":
        headers["Access-Control-Allow-Methods"] = "GET, HEAD, POST, OPTIONS"
        headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Idempotency-Key, If-None-Match, If-Range, Range"
        headers["Access-Control-Max-Age"] = "86400"
        # What a page may send to any of ours is one thing, what can be done with this resource another.
        headers["Allow"] = ", ".join(sorted(current_app.make_default_options_response().allow))
    return response
