"""Requests as a feed for readers: RSS 2.0 with the place as GeoRSS-Simple."""

from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any, ClassVar

from schemas.as_xml import DECLARATION, escape
from schemas.representation import Representation, fields_of

_NAMESPACES = 'xmlns:atom="http://www.w3.org/2005/Atom" xmlns:georss="http://www.georss.org/georss"'


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A feed's head: its title, where it is read, and where one of its requests is (with {} for the number)."""

    title: str
    link: str
    item_link: str

    CONTENT_TYPE: ClassVar[str] = "application/rss+xml; charset=utf-8"

    def fragments(self, representation: Representation, rows: Sequence[Sequence[Any]]) -> list[bytes]:
        """An item in UTF-8 of each request, whose values are in the order of the schema's fields."""
        names = list(fields_of(representation.schema))
        return [self._item(dict(zip(names, row, strict=True))).encode() for row in rows]

    def wrap(self, representation: Representation, fragments: Sequence[bytes]) -> bytes:
        """The feed of such items."""
        link = escape(self.link).replace('"', "&quot;")
        head = (
            f'<rss version="2.0" {_NAMESPACES}><channel><title>{escape(self.title)}</title><link>{link}</link>'
            f"<description>{escape(self.title)}</description>"
            f'<atom:link href="{link}" rel="self" type="application/rss+xml"/>'
        )
        return DECLARATION + head.encode() + b"".join(fragments) + b"</channel></rss>"

    def _item(self, request: dict[str, Any]) -> str:
        number, address = request["service_request_id"], request["address"]
        title = request["service_name"] + (f", {address}" if address else "") + f" ({request['status']})"
        said = "\n\n".join(filter(None, (request["description"], request["status_notes"])))
        link = escape(self.item_link.format(number))
        # Its guid changes when it does: a reader then shows it again.
        guid = f"{number}/{int(request['updated_datetime'].timestamp())}"
        place = "" if request["lat"] is None else f"<georss:point>{request['lat']!r} {request['long']!r}</georss:point>"
        return (
            f"<item><title>{escape(title)}</title><link>{link}</link>"
            f'<guid isPermaLink="false">{escape(guid)}</guid>'
            f"<pubDate>{format_datetime(request['updated_datetime'])}</pubDate>"
            f"<category>{escape(request['service_name'])}</category><description>{escape(said)}</description>{place}</item>"
        )
