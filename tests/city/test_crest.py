"""A city's crest: loaded with its folder, refused when it does anything but draw, written out as it came in."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image
from psycopg import Connection
from sqlalchemy import select

from db import db
from open311.city.crest import MAX_BYTES, MAX_PIXELS
from open311.city.lines import BadFile
from open311.cli.city import load_city
from open311.jurisdictions import read_cities
from open311.models import Crest, Jurisdiction
from tests.small_city import SmallCity

pytestmark = pytest.mark.usefixtures("app")

CREST = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"{more}>\n{inside}\n</svg>\n'
PLAIN = CREST.format(more="", inside='<path d="M0 0h9v9z" fill="url(#a)"/>')
HERE = {"query_string": {"jurisdiction_id": "small.gov"}}
XLINK = ' xmlns:xlink="http://www.w3.org/1999/xlink"'


def png(width: int = 8, height: int = 8, **how: Any) -> bytes:
    """A picture."""
    out = BytesIO()
    Image.new("RGB", (width, height), "navy").save(out, "PNG", **how)
    return out.getvalue()


def moving() -> bytes:
    """A picture of two frames."""
    return png(save_all=True, append_images=[Image.new("RGB", (8, 8), "white")])


def shown(client: FlaskClient) -> tuple[str, bytes] | None:
    """Content type and bytes of the crest that is served."""
    answer = client.get("/crest", **HERE)
    return (answer.headers["Content-Type"], answer.data) if answer.status_code == 200 else None


def refused(folder: SmallCity) -> list[str]:
    """What a load says; nothing of the city is there afterwards."""
    with pytest.raises(BadFile) as told:
        load_city(folder.path)
    assert db.session.scalar(select(Jurisdiction.id).where(Jurisdiction.slug == "small.gov")) is None
    return [message.removeprefix(f"{folder.path}/") for message in told.value.messages]


def drawn(inside: str = "", *, more: str = "") -> str:
    """The text of a crest."""
    return CREST.format(more=more, inside=inside)


def test_a_city_without_a_crest_has_none(client: FlaskClient, folder: SmallCity):
    load_city(folder.path)

    assert shown(client) is None
    assert "<img" not in client.get("/track", **HERE).text


@pytest.mark.parametrize(
    ("name", "kind", "content"), [("crest.svg", "image/svg+xml", PLAIN.encode()), ("crest.png", "image/png", png())]
)
def test_a_crest_is_loaded_changed_and_taken_away_with_its_folder(
    client: FlaskClient, folder: SmallCity, name: str, kind: str, content: bytes
):
    (folder.path / name).write_bytes(content)
    load_city(folder.path)
    first = shown(client)
    (folder.path / name).write_bytes(png(9) if kind == "image/png" else content + b"\n")
    load_city(folder.path)
    second = shown(client)
    (folder.path / name).unlink()
    load_city(folder.path)

    assert first == (kind, content)
    assert second is not None
    assert second[1] != content
    assert shown(client) is None


def test_what_a_designer_draws_with_is_taken(client: FlaskClient, folder: SmallCity):
    inside = (
        "<title>Waves</title><defs><linearGradient id='a'><stop offset='0'/></linearGradient></defs>"
        "<style>@media (prefers-color-scheme: dark) { .a { fill: url(#a) } }</style>"
        "<!-- by hand --><g class='a' style='fill: url( \"#a\" )'><use href='#a'/><use xlink:href='#a'/></g>"
    )
    folder.write("crest.svg", "<?xml version='1.0' encoding='UTF-8'?>\n" + drawn(inside, more=XLINK))

    load_city(folder.path)

    assert shown(client) is not None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("<svg", "crest.svg:1: not XML: ", id="cut-short"),
        pytest.param("", "crest.svg:1: not XML: ", id="empty"),
        pytest.param(
            "<html><body/></html>", 'crest.svg:1: must be an <svg xmlns="http://www.w3.org/2000/svg">, got <html>', id="a-page"
        ),
        pytest.param(
            "<svg viewBox='0 0 9 9'/>",
            'crest.svg:1: must be an <svg xmlns="http://www.w3.org/2000/svg">, got <svg>',
            id="no-namespace",
        ),
        pytest.param(PLAIN.replace(' viewBox="0 0 9 9"', ""), "crest.svg:1: must have a viewBox", id="no-view-box"),
        pytest.param("<!DOCTYPE svg>\n" + PLAIN, "crest.svg:1: must not have a DOCTYPE", id="doctype"),
        pytest.param(
            "<!DOCTYPE svg [<!ENTITY a SYSTEM 'file:///etc/hostname'>]>\n" + drawn("<text>&a;</text>"),
            "crest.svg:1: must not have a DOCTYPE",
            id="entity",
        ),
        pytest.param(
            "<?xml-stylesheet href='https://a.org/a.css'?>\n" + PLAIN,
            "must not hold the instruction <?xml-stylesheet?>",
            id="style-sheet",
        ),
        pytest.param(drawn("<script>alert(1)</script>"), "crest.svg:2: must not hold <script>", id="script"),
        pytest.param(drawn("<foreignObject/>"), "crest.svg:2: must not hold <foreignObject>", id="foreign-object"),
        pytest.param(drawn("<image href='#a'/>"), "crest.svg:2: must not hold <image>", id="image"),
        pytest.param(drawn("<a href='#a'/>"), "crest.svg:2: must not hold <a>", id="link"),
        pytest.param(drawn("<set attributeName='href' to='#a'/>"), "crest.svg:2: must not hold <set>", id="moving"),
        pytest.param(
            drawn("<script xmlns='http://www.w3.org/1999/xhtml'/>"),
            "crest.svg:2: must not hold <script>, which is not SVG",
            id="script-of-html",
        ),
        pytest.param(drawn("<g onclick='a()'/>"), "crest.svg:2: must not hold onclick", id="event-handler"),
        pytest.param(drawn(more=" onload='a()'"), "crest.svg:1: must not hold onload", id="event-handler-of-the-root"),
        pytest.param(drawn("<use href='https://a.org/a.svg#a'/>"), "crest.svg:2: must not lead elsewhere", id="href"),
        pytest.param(drawn("<use xlink:href='//a.org/#a'/>", more=XLINK), "crest.svg:2: must not lead elsewhere", id="xlink"),
        pytest.param(drawn("<use href='data:image/svg+xml,a'/>"), "crest.svg:2: must not lead elsewhere", id="data"),
        pytest.param(drawn(more=" xml:base='https://a.org/'"), "crest.svg:1: must not hold xml:base", id="base"),
        pytest.param(drawn("<g fill='url(https://a.org/a)'/>"), "crest.svg:2: must not fetch anything, got fill=", id="fill"),
        pytest.param(drawn("<g style='fill:URL( \"//a.org\" )'/>"), "crest.svg:2: must not fetch anything", id="style"),
        pytest.param(drawn("<g style='fill:u\\72l(//a.org)'/>"), "crest.svg:2: must not fetch anything", id="escaped"),
        pytest.param(drawn("<style>@import '//a.org';</style>"), "crest.svg:2: must not hold styles that fetch", id="import"),
        pytest.param(drawn("<style>@font-face{src:url(//a)}</style>"), "crest.svg:2: must not hold styles", id="font"),
        pytest.param(drawn("<style>a{fill:image-set('//a' 1x)}</style>"), "crest.svg:2: must not hold styles", id="image-set"),
        pytest.param(drawn("<g/>" + " " * MAX_BYTES), f"crest.svg:1: must have at most {MAX_BYTES} bytes", id="large"),
    ],
)  # fmt: skip
def test_a_drawing_that_does_anything_else_is_refused(folder: SmallCity, text: str, told: str):
    folder.write("crest.svg", text)

    messages = refused(folder)

    assert any(told in message for message in messages), messages


@pytest.mark.parametrize(
    ("make", "told"),
    [
        pytest.param(lambda: b"", "crest.png:1: not a PNG that can be read", id="empty"),
        pytest.param(lambda: PLAIN.encode(), "crest.png:1: not a PNG that can be read", id="something-else"),
        pytest.param(lambda: png(400, 400)[:-600], "crest.png:1: not a PNG that can be read", id="cut-short"),
        pytest.param(lambda: png(MAX_PIXELS + 1, 1), "crest.png:1: must be at most 2000 pixels wide and high", id="wide"),
        pytest.param(moving, "crest.png:1: must not move", id="moving"),
        pytest.param(lambda: png() + bytes(MAX_BYTES), "crest.png:1: must have at most 50000 bytes", id="large"),
    ],
)
def test_a_picture_that_cannot_be_shown_is_refused(folder: SmallCity, make: Callable[[], bytes], told: str):
    (folder.path / "crest.png").write_bytes(make())

    (message,) = refused(folder)

    assert message.startswith(told)


def test_a_city_has_one_crest(folder: SmallCity):
    folder.write("crest.svg", PLAIN)
    (folder.path / "crest.png").write_bytes(png())

    assert refused(folder) == ["crest.png:1: must not stand beside crest.svg: a city has one crest"]


def test_a_crest_that_is_no_file_is_told(folder: SmallCity):
    (folder.path / "crest.svg").mkdir()

    assert refused(folder) == ["crest.svg:1: must be a regular file"]


def test_a_crest_is_told_of_with_everything_else_that_is_wrong(folder: SmallCity):
    folder.write("crest.svg", drawn("<script/>\n<g onload=''/>"))
    folder.change("jurisdiction.yml", "outline: city", "outline: nowhere")

    assert [message.partition(":")[0] for message in refused(folder)] == ["jurisdiction.yml", "crest.svg", "crest.svg"]


def test_a_city_knows_the_digest_of_its_crest_and_not_the_crest(folder: SmallCity, connection: "Connection[Any]"):
    folder.write("crest.svg", PLAIN)
    load_city(folder.path)

    (city,) = (each for each in read_cities(connection) if each.jurisdiction_id == "small.gov")

    assert city.crest == db.session.scalar(select(Crest.digest).where(Crest.jurisdiction_id == city.id))
    assert not any(isinstance(value, bytes) for value in vars(city).values())
