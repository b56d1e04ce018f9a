"""An outside geocoder: its answers are taken when they are good, and whatever goes wrong is no answer.

The other side is a real server on 127.0.0.1 that answers as each test says.
"""

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from psycopg import Connection
from shapely import MultiPolygon, box

from geo.placing import Placed, Unplaced
from open311.config import Settings
from open311.geocoding import Nominatim, geocoder_of, outline_of
from open311.jurisdictions import read_cities

OUTLINE = box(-71.2, 42.3, -71.0, 42.4)
NO_ANSWER = Unplaced(reason="The geocoder did not answer")
HERE: dict[str, Any] = {"lat": "42.35", "lon": "-71.05", "display_name": "10, Oak Street,  Smallville", "place_rank": 30}

Respond = Callable[[BaseHTTPRequestHandler], None]


class OtherSide:
    """A server whose next answers are `respond`; `asked` are the paths that were asked for."""

    def __init__(self) -> None:
        self.respond: Respond = status(404)
        self.asked: list[str] = []
        other = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                other.asked.append(self.path)
                try:
                    other.respond(self)
                except OSError:  # the client has left
                    return

            def log_message(self, format: str, *args: Any) -> None:
                """Silence."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/search"


@pytest.fixture
def other_side() -> Iterator[OtherSide]:
    """The server, ended after the test."""
    other = OtherSide()
    thread = Thread(target=other.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield other
    other.server.shutdown()
    other.server.server_close()
    thread.join()


def body(content: bytes, *, status: int = 200, **headers: str) -> Respond:
    """Answers with these bytes."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return respond


def answers(*found: dict[str, Any]) -> Respond:
    """Answers with these places."""
    return body(json.dumps(found).encode())


def status(number: int, **headers: str) -> Respond:
    """Answers with a status and a place that must not be believed."""
    return body(json.dumps([HERE]).encode(), status=number, **headers)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A byte every twentieth of a second, for ever."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def hang(handler: BaseHTTPRequestHandler) -> None:
    """No answer until long after the client's patience."""
    time.sleep(1)


def find(other_side: OtherSide, text: str = "10 Oak St", *, timeout_seconds: float = 2) -> Placed | Unplaced:
    """What is made of the other side's answer."""
    return Nominatim(other_side.url, timeout_seconds=timeout_seconds).find(text, outline=OUTLINE)


def test_an_answer_within_the_city_is_the_place(other_side: OtherSide):
    other_side.respond = answers(HERE)

    found = find(other_side)

    assert isinstance(found, Placed)
    assert (found.point.lat, found.point.long, found.how) == (42.35, -71.05, "geocoder")
    assert found.reason == "An outside geocoder knows it as 10, Oak Street, Smallville"


def test_it_is_asked_for_the_address_within_the_citys_bounds(other_side: OtherSide):
    find(other_side, "10 Oak St & more?\x00é")

    asked = urlsplit(other_side.asked[0])
    query = parse_qs(asked.query)
    assert asked.path == "/search"
    assert query["q"] == ["10 Oak St & more?é"]
    assert (query["format"], query["bounded"]) == (["jsonv2"], ["1"])
    assert query["viewbox"] == ["-71.200000,42.400000,-71.000000,42.300000"]


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(HERE | {"lat": "42.5"}, id="outside-the-city"),
        pytest.param(HERE | {"place_rank": 16}, id="a-suburb"),
        pytest.param({"lat": 42.35, "lon": -71.05, "importance": 0.1}, id="of-low-importance"),
    ],
)
def test_an_answer_that_is_no_address_of_the_city_is_none(other_side: OtherSide, place: dict[str, Any]):
    other_side.respond = answers(place)

    assert find(other_side) == Unplaced(reason="The geocoder knows no address like '10 Oak St'")


def test_no_places_are_no_answer(other_side: OtherSide):
    other_side.respond = answers()

    assert find(other_side) == Unplaced(reason="The geocoder knows no address like '10 Oak St'")


def test_a_place_outside_is_passed_over_for_one_within(other_side: OtherSide):
    other_side.respond = answers(HERE | {"lat": "12"}, HERE)

    assert isinstance(find(other_side), Placed)


def test_two_places_far_apart_are_ambiguous(other_side: OtherSide):
    other_side.respond = answers(HERE, HERE | {"lat": "42.36", "display_name": "Oak Street"})

    found = find(other_side)

    assert isinstance(found, Unplaced)
    assert found.reason == "The geocoder knows several addresses like '10 Oak St'"
    assert [each.line for each in found.candidates] == ["10, Oak Street, Smallville", "Oak Street"]


@pytest.mark.parametrize(
    "respond",
    [
        pytest.param(status(500), id="error"),
        pytest.param(status(404), id="not-found"),
        pytest.param(status(302, Location="/search"), id="redirect"),
        pytest.param(status(204), id="another-success"),
        pytest.param(body(b""), id="empty"),
        pytest.param(body(b"<html>"), id="not-json"),
        pytest.param(body(b"{}"), id="not-a-list"),
        pytest.param(body(b'[{"lat": []}]'), id="not-a-place"),
        pytest.param(body(b'[{"lat": "north", "lon": "1"}]'), id="not-a-number"),
        pytest.param(body(b'[{"lat": "nan", "lon": "1"}]'), id="nan"),
        pytest.param(body(b'[{"lat": 91, "lon": 1}]'), id="no-degrees"),
        pytest.param(body(b"\xff\xfe"), id="not-utf-8"),
        pytest.param(body(b'[{"lat": "1", "lon": "1", "x": ' + b"[" * 100_000), id="nested"),
        pytest.param(body(b" " * 300_000 + b"[]"), id="huge"),
        pytest.param(lambda handler: handler.wfile.write(b"SSH-2.0\r\n"), id="not-http"),
        pytest.param(lambda handler: None, id="closed"),
    ],
)
def test_whatever_is_wrong_with_the_answer_is_no_answer(other_side: OtherSide, respond: Respond):
    other_side.respond = respond

    assert find(other_side) == NO_ANSWER


@pytest.mark.parametrize("respond", [pytest.param(hang, id="silent"), pytest.param(drip, id="byte-by-byte")])
def test_an_answer_that_takes_too_long_is_not_waited_for(other_side: OtherSide, respond: Respond):
    other_side.respond = respond
    begun = time.monotonic()

    found = find(other_side, timeout_seconds=0.3)

    assert found == NO_ANSWER
    assert time.monotonic() - begun < 0.9


def test_a_server_that_is_not_there_is_no_answer(other_side: OtherSide):
    url = other_side.url.replace("/search", "").rpartition(":")[0] + ":1/search"

    assert Nominatim(url, timeout_seconds=1).find("10 Oak St", outline=OUTLINE) == NO_ANSWER


@pytest.mark.parametrize(
    ("text", "outline"),
    [pytest.param(" \x00", OUTLINE, id="no-text"), pytest.param("10 Oak St", MultiPolygon(), id="no-outline")],
)
def test_without_a_text_or_an_outline_nothing_is_asked(other_side: OtherSide, text: str, outline: Any):
    found = Nominatim(other_side.url, timeout_seconds=1).find(text, outline=outline)

    assert isinstance(found, Unplaced)
    assert other_side.asked == []


def test_it_is_off_unless_a_setting_names_it():
    assert geocoder_of(Settings()) is None
    assert isinstance(geocoder_of(Settings(geocoder_url="http://127.0.0.1:1/search")), Nominatim)


def test_a_citys_outline_is_that_of_its_map(connection: "Connection[Any]"):
    boston = next(each for each in read_cities(connection) if each.jurisdiction_id == "boston.gov")

    outline = outline_of(connection, boston)

    assert outline.bounds == pytest.approx((-71.19, 42.23, -70.92, 42.4), abs=0.05)
