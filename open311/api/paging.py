"""Where the pages before and after are: Link (RFC 8288)."""

from urllib.parse import urlencode

from flask import request

from open311.api.access import public_url
from schemas.query import FROM_THE_START

_MAX_LINKED_QUERY_BYTES = 2000


def page_headers(*, page: int, page_rows: int, has_more: bool) -> dict[str, str]:
    """Link to the pages before and after, and the page size in use."""
    links = []
    if page > 1:
        links += [(1, "first"), (page - 1, "prev")]
    if has_more:
        links.append((page + 1, "next"))
    headers = {"X-Page-Size": str(page_rows)}
    # Many clients refuse a longer header line; a list of so many numbers needs no second page.
    if links and len(request.query_string) <= _MAX_LINKED_QUERY_BYTES:
        headers["Link"] = ", ".join(f'<{_page_url(number, page_rows)}>; rel="{name}"' for number, name in links)
    return headers


def cursor_headers(following: str | None, *, page_rows: int) -> dict[str, str]:
    """Link to where a walk begins and, unless this is its end, goes on; the cursor by itself as well."""
    links = [f'<{_url(cursor=FROM_THE_START, page_size=page_rows)}>; rel="first"']
    headers = {"X-Page-Size": str(page_rows)}
    if following is not None:
        links.append(f'<{_url(cursor=following, page_size=page_rows)}>; rel="next"')
        headers["X-Next-Cursor"] = following
    if len(request.query_string) <= _MAX_LINKED_QUERY_BYTES:
        headers["Link"] = ", ".join(links)
    return headers


def _page_url(number: int, page_rows: int) -> str:
    return _url(page=number, page_size=page_rows)


def _url(**instead: str | int) -> str:
    """This address with other arguments for where in the list one is."""
    given = [(name, text) for name, text in request.args.items(multi=True) if name not in ("page", "page_size", "cursor")]
    return f"{public_url()}{request.path}?{urlencode([*given, *instead.items()])}"
