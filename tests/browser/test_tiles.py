"""Maps that lie on tiles: of another server, or of a file on this machine."""

import os
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import mapbox_vector_tile
import pytest
from PIL import Image
from playwright.sync_api import Page

from open311.cli.serve import STOP_TIMEOUT_SECONDS, Child, web_command
from tests.browser.conftest import Visitor
from tests.live.server import Live, default_settings, free_port, wait_until_listening

RED = (200, 30, 30)
CREDIT = "Surveyors of the city"
# The ids of all tiles from zoom 0 to 19.
_TILES = (4**20 - 1) // 3
_NOT_PACKED, _VECTOR, _PNG = 1, 1, 2


def png() -> bytes:
    """A tile that is red."""
    out = BytesIO()
    Image.new("RGB", (256, 256), RED).save(out, "PNG")
    return out.getvalue()


def earth() -> bytes:
    """A vector tile that is land, by Protomaps' names."""
    land = {"geometry": "POLYGON((0 0, 0 4096, 4096 4096, 4096 0, 0 0))", "properties": {"kind": "earth"}}
    return bytes(mapbox_vector_tile.encode({"name": "earth", "features": [land]}))


def pmtiles(tile: bytes, kind: int) -> bytes:
    """A PMTiles file, version 3, that has this tile everywhere; one entry of its directory says so."""

    def varint(number: int) -> bytes:
        out = b""
        while number > 0x7F:
            out += bytes([number & 0x7F | 0x80])
            number >>= 7
        return out + bytes([number])

    directory = b"".join(map(varint, (1, 0, _TILES, len(tile), 1)))
    metadata = b"{}"
    at = 127
    places = (at, len(directory), at + len(directory), len(metadata), 0, 0, at + len(directory) + len(metadata), len(tile))
    head = b"PMTiles\x03" + struct.pack("<8Q3Q", *places, _TILES, 1, 1)
    head += bytes([1, _NOT_PACKED, _NOT_PACKED, kind, 0, 19])
    head += struct.pack("<4iBii", -1_800_000_000, -850_000_000, 1_800_000_000, 850_000_000, 0, 0, 0)
    assert len(head) == at
    return head + directory + metadata + tile


@contextmanager
def served(live: Live, settings: Mapping[str, str]) -> Iterator[str]:
    """The service with other settings, on the same database."""
    port = free_port()
    with default_settings():
        environment = {**os.environ, "DATABASE_URL": live.database_url, "SECRET_KEY": "x" * 32, **settings}
    environment["OPEN311_DEFAULT_JURISDICTION"] = "boston.gov"
    web = Child(name="the web server", command=web_command("127.0.0.1", port), environment=environment)
    web.start()
    try:
        wait_until_listening(web, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        web.ask_to_stop()
        web.wait_or_kill(time.monotonic() + STOP_TIMEOUT_SECONDS)


def corner_of_the_map(page: Page) -> Any:
    """The colour of the map where no pin is."""
    picture = Image.open(BytesIO(page.locator("#map").screenshot())).convert("RGB")
    return picture.getpixel((picture.width - 60, 60))


@pytest.mark.parametrize(
    ("tile", "kind"), [pytest.param(png(), _PNG, id="pictures"), pytest.param(earth(), _VECTOR, id="vectors")]
)
def test_a_map_lies_on_a_file_of_tiles(visit: Callable[..., Visitor], live: Live, tmp_path: Path, tile: bytes, kind: int):
    (tmp_path / "city.pmtiles").write_bytes(pmtiles(tile, kind))
    settings = {"OPEN311_PMTILES_PATH": str(tmp_path / "city.pmtiles"), "OPEN311_TILE_ATTRIBUTION": CREDIT}
    visitor = visit()
    with served(live, settings) as url:
        visitor.allowed.add(url.removeprefix("http://"))
        page = visitor.page
        page.goto(f"{url}/?service=street-light-outages")
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(500)

        shown = corner_of_the_map(page)
        if kind == _PNG:
            assert shown == RED
        else:
            assert page.locator("canvas.leaflet-tile").count() > 0
            assert shown != (242, 245, 248)  # what is there before the land is drawn
        assert CREDIT in page.locator(".leaflet-control-attribution").inner_text()


def test_a_map_lies_on_the_tiles_of_a_server(visit: Callable[..., Visitor], live: Live):
    asked: list[str] = []
    visitor = visit()
    visitor.allowed.add("tiles.example")

    def answer(route: Any) -> None:
        asked.append(route.request.url)
        route.fulfill(body=png(), content_type="image/png")

    visitor.page.route("https://tiles.example/**", answer)
    settings = {"OPEN311_TILE_URL": "https://tiles.example/{z}/{x}/{y}.png", "OPEN311_TILE_ATTRIBUTION": CREDIT}
    # Where a city has a name of its own, its pages are not seen under the public address.
    settings["OPEN311_PUBLIC_URL"] = "https://311.example"
    with served(live, settings) as url:
        visitor.allowed.add(url.removeprefix("http://"))
        visitor.page.goto(f"{url}/map")
        visitor.page.wait_for_load_state("networkidle")

        visitor.page.wait_for_selector(".map-pin")
        assert len(asked) > 2
        assert corner_of_the_map(visitor.page) == RED
