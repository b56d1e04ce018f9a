"""An outside geocoder, asked for the place of an address that the city's own table does not know.  Off by default."""

from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from socket import SHUT_RDWR
from threading import Timer
from time import monotonic
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import msgspec
import structlog
from psycopg import Connection
from shapely import MultiPolygon, from_wkb, union_all
from shapely import Point as ShapelyPoint
from shapely.geometry.base import BaseGeometry
from sqlalchemy import BigInteger, bindparam, func, select

from db.driver import Statement
from geo.models import Boundary
from geo.placing import AMBIGUOUS_METRES, MAX_CANDIDATES, Candidate, Placed, Unplaced
from geo.point import NotAPlace, Point, degrees, metres_between
from geo.queries import as_wkb
from open311.config import Settings
from open311.jurisdictions import City
from schemas.text import one_line

MAX_ANSWER_BYTES = 256 * 1024
MAX_TEXT_SIGNS = 200
# Nominatim's place_rank of a street; what is coarser, as a suburb, is no address.
STREET_RANK = 26
# Where an answer has no place_rank, its importance must be this much at least.
LEAST_IMPORTANCE = 0.3

_FAULT = Unplaced(reason="The geocoder did not answer")


class Geocoder(Protocol):
    """Finds the place of an address somewhere else.  Never raises for what the other side does."""

    def find(self, text: str, *, outline: BaseGeometry) -> Placed | Unplaced:
        """Where the address is, within the outline; asked outside of any transaction, as it may take its time."""


def geocoder_of(settings: Settings) -> Geocoder | None:
    """The geocoder of the settings, or None where none is named."""
    if not settings.geocoder_url:
        return None
    return Nominatim(settings.geocoder_url, timeout_seconds=settings.geocoder_timeout_seconds)


def outline_of(connection: "Connection[Any]", city: City) -> BaseGeometry:
    """The outline of a city as it is drawn today."""
    rows = _OUTLINE.run(connection, jurisdiction_id=city.id, layer_id=city.outline_layer_id).fetchall()
    return union_all([from_wkb(row.area) for row in rows]) if rows else MultiPolygon()


class Nominatim:
    """A search endpoint as Nominatim has it, such as https://nominatim.example.org/search."""

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        self._url, self._timeout_seconds = urlsplit(url), timeout_seconds

    def find(self, text: str, *, outline: BaseGeometry) -> Placed | Unplaced:
        """Where the address is; whatever goes wrong is "did not answer", and is logged."""
        asked = one_line(text)[:MAX_TEXT_SIGNS]
        if not asked or outline.is_empty:
            return Unplaced(reason="No address was given" if not asked else "The city has no outline")
        try:
            answers = msgspec.json.decode(self._ask(asked, outline), type=list[_Answer])
        # UnicodeError and NotAPlace are ValueErrors.  What msgspec raises for a text nested too deeply is a RecursionError.
        except (OSError, HTTPException, ValueError, msgspec.MsgspecError, RecursionError) as error:
            structlog.get_logger().warning("geocoder did not answer", error=f"{type(error).__name__}: {error}"[:200])
            return _FAULT
        return _chosen(asked, answers, outline)

    def _ask(self, text: str, outline: BaseGeometry) -> bytes:
        """The body of the answer.  Raises OSError, HTTPException."""
        west, south, east, north = outline.bounds
        query = {"q": text, "format": "jsonv2", "limit": MAX_CANDIDATES}
        query |= {"viewbox": f"{west:.6f},{north:.6f},{east:.6f},{south:.6f}", "bounded": 1}
        path = f"{self._url.path or '/'}?{'&'.join(filter(None, (self._url.query, urlencode(query))))}"
        kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
        begun = monotonic()
        with closing(kind(self._url.hostname or "", self._url.port, timeout=self._timeout_seconds)) as connection:
            connection.connect()
            socket = connection.sock
            # The socket's own timeout begins anew with each byte; this one ends the whole.
            left = max(0.0, begun + self._timeout_seconds - monotonic())
            deadline = Timer(left, _shut_down, [socket])
            deadline.daemon = True
            deadline.start()
            try:
                connection.request("GET", path, headers={"Accept": "application/json", "User-Agent": "Dispatch311"})
                response = connection.getresponse()
                if response.status != 200:
                    raise HTTPException(f"status {response.status}")
                body = response.read(MAX_ANSWER_BYTES + 1)
            finally:
                deadline.cancel()
        if len(body) > MAX_ANSWER_BYTES:
            raise HTTPException(f"more than {MAX_ANSWER_BYTES} bytes")
        return body


class _Answer(msgspec.Struct):
    lat: str | float
    lon: str | float
    display_name: str = ""
    importance: float | None = None
    place_rank: int | None = None


def _chosen(asked: str, answers: Sequence[_Answer], outline: BaseGeometry) -> Placed | Unplaced:
    """The first answer that is an address within the outline, unless another is as good and elsewhere."""
    try:
        found = [(each, Point(long=degrees("long", str(each.lon)), lat=degrees("lat", str(each.lat)))) for each in answers]
    except NotAPlace:
        return _FAULT
    good = [
        Candidate(line=one_line(each.display_name)[:MAX_TEXT_SIGNS] or asked, address_id=None, point=point)
        for each, point in found
        if _is_exact(each) and outline.covers(ShapelyPoint(point.long, point.lat))
    ]
    if not good:
        return Unplaced(reason=f"The geocoder knows no address like '{asked[:100]}'")
    first = good[0]
    assert first.point is not None
    if any(each.point and metres_between(first.point, each.point) > AMBIGUOUS_METRES for each in good):
        return Unplaced(reason=f"The geocoder knows several addresses like '{asked[:100]}'", candidates=tuple(good))
    return Placed(point=first.point, line=first.line, address_id=None, how="geocoder")


def _is_exact(answer: _Answer) -> bool:
    if answer.place_rank is not None:
        return answer.place_rank >= STREET_RANK
    return answer.importance is None or answer.importance >= LEAST_IMPORTANCE


def _shut_down(socket: Any) -> None:
    try:
        socket.shutdown(SHUT_RDWR)
    except OSError:  # it was over already
        return


_OUTLINE = Statement(
    select(as_wkb(Boundary.area).label("area")).where(
        Boundary.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger),
        Boundary.layer_id == bindparam("layer_id", type_=BigInteger),
        Boundary.in_force(func.now()),
    )
)
