"""Photos: every way to send them, checked, re-encoded without what the camera wrote, kept with the request."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from struct import pack
from typing import Any
from zlib import compress, crc32

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from psycopg import Connection

from tests.api.wire import SEATTLE, STREET, Api, in_both_formats, multipart, picture, upload
from tests.cases.files import pdf, photo

Kept = Callable[[], Any]
Change = Callable[..., Any]

_GPS, _ORIENTATION, _MAKER = 0x8825, 0x0112, 0x010F


def _media_url(api: Api, number: str, format: str = "json") -> str:
    url = api.get(f"requests/{number}", format).row["media_url"]
    assert isinstance(url, str)
    return url


def _bytes(client: FlaskClient, url: str) -> bytes:
    with client.get(url) as response:
        assert response.status_code == 200
        return response.get_data()


def _photo(client: FlaskClient, url: str) -> Image.Image:
    return Image.open(BytesIO(_bytes(client, url)))


def _paths(connection: "Connection[Any]") -> list[str]:
    return [row[0] for row in connection.execute("select path from media order by position").fetchall()]


def _with_exif(**changes: Any) -> bytes:
    exif = Image.Exif()
    exif[_MAKER] = "Camera of Erin"
    exif.get_ifd(_GPS).update({1: "N", 2: (47.0, 38.0, 24.0), 3: "W", 4: (122.0, 24.0, 0.0)})
    for name, value in changes.items():
        exif[{"orientation": _ORIENTATION}[name]] = value
    return picture("JPEG", exif=exif, comment=b"shot from my kitchen")


def _bomb(width: int, height: int) -> bytes:
    """A PNG that says it has so many pixels, all of them black: a few kilobytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return pack(">I", len(content)) + kind + content + pack(">I", crc32(kind + content))

    header = pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = compress(bytes((width + 7) // 8 + 1) * min(height, 10_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


# The ways in


@pytest.mark.statement(39)
@in_both_formats
@pytest.mark.parametrize("part", ["media", "media[]", "photo1", "file_x", "whatever"])
def test_a_file_part_of_any_name_becomes_the_media_url(api: Api, client: FlaskClient, part: str, format: str) -> None:
    number = api.post({**STREET, part: upload(picture())}, format).row["service_request_id"]

    url = _media_url(api, number, format)

    assert url.startswith("http://localhost/media/seattle.gov/")
    assert _photo(client, url).size == (4, 3)


@pytest.mark.statement(39)
@in_both_formats
@pytest.mark.parametrize("boundary", ["===123===", "====1700000000000====", "plain", "a'()+_,-./:=?b"])
def test_a_boundary_needs_no_quotes(api: Api, client: FlaskClient, boundary: str, format: str) -> None:
    body = multipart(boundary, STREET, [("media", "photo.png", picture())])

    answer = api.post_body(body, f"multipart/form-data; boundary={boundary}", format)

    assert _photo(client, _media_url(api, answer.row["service_request_id"])).size == (4, 3)


@pytest.mark.statement(39)
@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/form-data; boundary="===1=="',
        "multipart/form-data; charset=utf-8; boundary====1==",
        "multipart/form-data;boundary====1==;charset=UTF-8",
        "Multipart/Form-Data; Boundary====1==",
    ],
)
def test_a_boundary_may_be_written_in_several_ways(api: Api, content_type: str) -> None:
    body = multipart("===1==", STREET)

    assert api.post_body(body, content_type).status == 200


@pytest.mark.statement(39)
def test_a_multipart_form_without_files_is_taken(api: Api) -> None:
    body = multipart("b", {**STREET, "description": "Straße 🕳"})

    number = api.post_body(body, "multipart/form-data; boundary=b").row["service_request_id"]

    assert api.get(f"requests/{number}").row["description"] == "Straße 🕳"


@pytest.mark.statement(39)
def test_a_file_field_left_empty_is_nothing(api: Api) -> None:
    body = multipart("b", STREET, [("media", "", b"")])

    number = api.post_body(body, "multipart/form-data; boundary=b").row["service_request_id"]

    assert api.get(f"requests/{number}").row["media_url"] is None


@pytest.mark.statement(39)
def test_several_files_are_kept_in_order_and_the_first_is_shown(
    api: Api, client: FlaskClient, connection: "Connection[Any]"
) -> None:
    files = {
        "media": [upload(picture(size=(1, 1))), upload(picture(size=(2, 2)))],
        "photo1": upload(picture(size=(3, 3))),
    }

    number = api.post({**STREET, **files}).row["service_request_id"]

    url = _media_url(api, number)
    paths = _paths(connection)
    assert url == f"http://localhost{paths[0]}"
    assert [_photo(client, path).size for path in paths] == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.statement(39)
def test_files_win_over_addresses(api: Api, connection: "Connection[Any]") -> None:
    api.post({**STREET, "media_url": "https://example.org/a.jpg", "media": upload(picture())})

    (path,) = _paths(connection)
    assert path.startswith("/media/seattle.gov/")


@pytest.mark.statement(39)
@in_both_formats
def test_several_addresses_are_kept_and_the_first_is_shown(api: Api, connection: "Connection[Any]", format: str) -> None:
    urls = ["https://example.org/b.jpg", "http://example.org/a.jpg"]

    number = api.post({**STREET, "media_url": urls}).row["service_request_id"]

    assert _media_url(api, number, format) == urls[0]
    assert _paths(connection) == urls


@pytest.mark.statement(39)
@pytest.mark.parametrize(
    ("kind", "content_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("GIF", "image/jpeg"), ("WEBP", "image/jpeg")],
)
def test_what_cameras_and_browsers_write_is_taken(api: Api, client: FlaskClient, kind: str, content_type: str) -> None:
    number = api.post({**STREET, "media": upload(picture(kind), "misleading.txt")}).row["service_request_id"]

    with client.get(_media_url(api, number)) as response:
        assert response.headers["Content-Type"] == content_type
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_document_is_kept_as_it_is_for_saving_only(api: Api, client: FlaskClient) -> None:
    number = api.post({**STREET, "media": upload(pdf(), "plan.jpg")}).row["service_request_id"]

    with client.get(_media_url(api, number)) as response:
        assert response.get_data() == pdf()
        assert response.headers["Content-Type"] == "application/pdf"
        assert response.headers["Content-Disposition"].startswith("attachment")
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_photos_stand_before_documents(api: Api, connection: "Connection[Any]") -> None:
    api.post({**STREET, "media": [upload(pdf()), upload(picture(size=(1, 1))), upload(picture("JPEG"))]})

    assert [path[-4:] for path in _paths(connection)] == [".png", ".jpg", ".pdf"]


@in_both_formats
def test_a_document_that_acts_by_itself_keeps_nothing(api: Api, kept: Kept, format: str) -> None:
    before, bad = kept(), upload(pdf(catalog=b"/OpenAction 4 0 R"), "plan.pdf")

    answer = api.post({**STREET, "media": [upload(picture()), bad]}, format)

    assert answer.status == 400
    assert answer.problem == "plan.pdf must not hold anything that acts by itself, got /OpenAction"
    assert kept() == before


@pytest.mark.statement(39)
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "YCbCr"])
def test_pictures_of_every_mode_are_taken(api: Api, mode: str) -> None:
    out = BytesIO()
    Image.new(mode, (4, 3)).save(out, {"CMYK": "JPEG", "YCbCr": "JPEG"}.get(mode, "PNG"))

    answer = api.post({**STREET, "media": upload(out.getvalue())})

    assert answer.status == 200, answer.text


@pytest.mark.statement(39)
def test_a_jpeg_with_a_second_picture_inside_as_phones_write_it_is_taken(api: Api, client: FlaskClient) -> None:
    out = BytesIO()
    Image.new("RGB", (4, 3), "red").save(out, "MPO", save_all=True, append_images=[Image.new("RGB", (4, 3), "blue")])

    number = api.post({**STREET, "media": upload(out.getvalue(), "IMG_1.jpg")}).row["service_request_id"]

    assert _photo(client, _media_url(api, number)).format == "JPEG"


@pytest.mark.statement(39)
def test_the_address_of_a_photo_follows_the_public_url(api: Api, settings: Change) -> None:
    number = api.post({**STREET, "media": upload(picture())}).row["service_request_id"]
    settings(public_url="https://311.example.org/")

    assert _media_url(api, number).startswith("https://311.example.org/media/seattle.gov/")


# What is taken out


def test_nothing_that_the_camera_wrote_is_kept(api: Api, client: FlaskClient) -> None:
    sent = _with_exif()
    assert Image.open(BytesIO(sent)).getexif().get_ifd(_GPS)

    number = api.post({**STREET, "media": upload(sent)}).row["service_request_id"]
    content = _bytes(client, _media_url(api, number))

    kept = Image.open(BytesIO(content))
    assert not kept.getexif()
    assert "comment" not in kept.info
    for trace in (b"Exif", b"Camera of Erin", b"kitchen"):
        assert trace in sent
        assert trace not in content


def test_nothing_that_a_program_wrote_into_a_png_is_kept(api: Api, client: FlaskClient) -> None:
    notes = PngInfo()
    notes.add_text("Author", "Erin of the kitchen")
    sent = picture("PNG", pnginfo=notes)

    number = api.post({**STREET, "media": upload(sent)}).row["service_request_id"]

    assert b"Erin of the kitchen" in sent
    assert b"Erin of the kitchen" not in _bytes(client, _media_url(api, number))


@pytest.mark.parametrize(("orientation", "size"), [(1, (4, 3)), (3, (4, 3)), (6, (3, 4)), (8, (3, 4))])
def test_a_photo_is_turned_upright(api: Api, client: FlaskClient, orientation: int, size: tuple[int, int]) -> None:
    number = api.post({**STREET, "media": upload(_with_exif(orientation=orientation))}).row["service_request_id"]

    assert _photo(client, _media_url(api, number)).size == size


def test_a_photo_that_is_turned_shows_its_top_at_the_top(api: Api, client: FlaskClient) -> None:
    image = Image.new("RGB", (16, 32), "blue")
    image.paste("red", (0, 0, 8, 32))  # the left half, which is the top when turned by a quarter to the right
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    out = BytesIO()
    image.save(out, "JPEG", exif=exif, quality=95)

    number = api.post({**STREET, "media": upload(out.getvalue())}).row["service_request_id"]
    kept = _photo(client, _media_url(api, number)).convert("RGB")

    # Turned by a quarter to the right, what was on the left is at the top.
    red, _, blue = kept.getpixel((kept.width // 2, 1))  # type: ignore[misc]
    assert red > 200 > 60 > blue


def test_a_photo_has_a_thumbnail_and_a_document_none(api: Api, client: FlaskClient) -> None:
    number = api.post({**STREET, "media": [upload(photo("JPEG", (800, 600))), upload(pdf())]}).row["service_request_id"]

    about = api.get(f"requests/{number}", extensions="true").row["extended_attributes"]

    assert _photo(client, about["thumbnail_url"]).size == (400, 300)
    assert about["files"] == [
        {"media_url": about["media_urls"][0], "thumbnail_url": about["thumbnail_url"], "content_type": "image/jpeg"},
        {"media_url": about["media_urls"][1], "thumbnail_url": None, "content_type": "application/pdf"},
    ]


@in_both_formats
def test_a_small_photo_is_its_own_thumbnail(api: Api, format: str) -> None:
    number = api.post({**STREET, "media": upload(picture())}, format).row["service_request_id"]

    about = api.get(f"requests/{number}", format, extensions="true").row["extended_attributes"]

    assert about["thumbnail_url"] == about["media_urls"][0]
    assert about["files"][0]["thumbnail_url"] == about["media_urls"][0]


@in_both_formats
def test_the_address_of_a_photo_elsewhere_has_no_thumbnail(api: Api, format: str) -> None:
    url = "https://example.org/a.jpg"
    number = api.post({**STREET, "media_url": url}, format).row["service_request_id"]

    about = api.get(f"requests/{number}", format, extensions="true").row["extended_attributes"]

    assert (about["thumbnail_url"], about["media_urls"]) == (None, [url])
    assert about["files"] == [{"media_url": url, "thumbnail_url": None, "content_type": None}]


@in_both_formats
def test_where_a_photo_was_taken_is_kept_and_told_to_nobody(api: Api, connection: "Connection[Any]", format: str) -> None:
    sent = _with_exif()

    receipt = api.post({**STREET, "media": upload(sent)}, format)

    number = receipt.row["service_request_id"]
    (place,) = connection.execute("select st_astext(suggested_location) from media").fetchone() or ()
    assert place == "POINT(-122.4 47.64)"
    shown = [api.get(f"requests/{number}", format, extensions=each).row for each in ("true", "false")]
    assert [(each["lat"], each["long"]) for each in shown] == [(float(STREET["lat"]), float(STREET["long"]))] * 2
    assert "suggested" not in receipt.text
    assert "suggested" not in str(shown)


@in_both_formats
def test_where_a_photo_was_taken_is_no_place_of_the_request(api: Api, kept: Kept, format: str) -> None:
    before = kept()

    answer = api.post({"service_code": STREET["service_code"], "media": upload(_with_exif())}, format)

    assert answer.problem == "a location is required: lat and long, address_string or address_id"
    assert kept() == before


# What is refused


@in_both_formats
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"this is text", id="text"),
        pytest.param(b"", id="empty"),
        pytest.param(picture("JPEG", size=(64, 64))[:200], id="truncated JPEG"),
        pytest.param(picture("PNG", size=(640, 640))[:-200], id="truncated PNG"),
        pytest.param(picture("PNG")[:20], id="the beginning of a PNG"),
        pytest.param(picture("BMP"), id="BMP"),
        pytest.param(picture("TIFF"), id="TIFF"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", id="SVG"),
        pytest.param(b"%PDF-1.4\n%\xe2\xe3", id="PDF"),
        pytest.param(b"GIF89a" + bytes(20), id="a GIF of nothing"),
        pytest.param(b"\xff\xd8\xff\xe0" + b"\0" * 50, id="a JPEG of nothing"),
        pytest.param(_bomb(9000, 9000), id="more pixels than are allowed"),
        pytest.param(_bomb(60_000, 60_000), id="decompression bomb"),
    ],
)
def test_a_file_that_is_no_good_photo_is_400_and_named(api: Api, kept: Kept, content: bytes, format: str) -> None:
    before = kept()

    answer = api.post({**STREET, "media": upload(content, "hole.jpg")}, format)

    assert answer.status == 400
    assert answer.problem.startswith("hole.jpg ")
    assert kept() == before


@in_both_formats
def test_one_bad_file_among_good_ones_keeps_none(api: Api, kept: Kept, format: str) -> None:
    before = kept()

    answer = api.post({**STREET, "media": [upload(picture()), upload(b"text", "notes.txt")]}, format)

    assert answer.problem.startswith("notes.txt ")
    assert kept() == before


@in_both_formats
def test_every_bad_file_is_named_beside_the_other_problems(api: Api, kept: Kept, format: str) -> None:
    before = kept()
    files = [upload(b"text", "a.txt"), upload(b"text", "b.txt")]

    problems = api.post({**STREET, "lat": "91", "media": files}, format).problems

    assert [problem.split()[0] for problem in problems] == ["lat", "a.txt", "b.txt"]
    assert kept() == before


@in_both_formats
def test_too_many_photos_are_400(api: Api, kept: Kept, settings: Change, format: str) -> None:
    settings(max_photos=2)
    before = kept()

    answer = api.post({**STREET, "media": [upload(picture()) for _ in range(3)]}, format)

    assert answer.status == 400
    assert answer.problem == "at most 2 photos may be sent, got 3"
    assert kept() == before


@in_both_formats
def test_a_good_photo_of_a_report_that_is_wrong_is_not_kept(api: Api, kept: Kept, format: str) -> None:
    before = kept()

    answer = api.post({**STREET, "lat": "47.6101", "long": "-122.2015", "media": upload(picture())}, format)

    assert answer.status == 400
    assert kept() == before


def test_a_photo_of_a_report_that_cannot_be_kept_is_removed(api: Api, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the disk of the database is full")

    monkeypatch.setattr("open311.cases.intake.receive", fail)
    before = kept()

    assert api.post({**STREET, "media": upload(picture())}).status == 500
    assert kept() == before


def test_the_photo_of_a_report_that_is_posted_again_is_removed(api: Api, kept: Kept) -> None:
    report = {**STREET, "attribute[fixmystreet_id]": "7"}
    number = api.post({**report, "media": upload(picture())}).row["service_request_id"]
    before = kept()

    assert api.post({**report, "media": upload(picture())}).row["service_request_id"] == number
    assert kept() == before


@in_both_formats
@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "file:///etc/passwd",
        "/media/seattle.gov/x.png",
        "//example.org/a.png",
        "hole.jpg",
        "http://",
        "https://exa mple.org/",
        "ftp://example.org/a.png",
        "https://[",
        "https://example.org/" + "a" * 2000,
    ],
)
def test_a_media_url_that_is_no_web_address_is_400(api: Api, kept: Kept, url: str, format: str) -> None:
    before = kept()

    answer = api.post({**STREET, "media_url": url}, format)

    assert answer.status == 400
    assert answer.problem.startswith("media_url must be ")
    assert kept() == before


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b.png", "\x00.png", "é" * 300 + ".png", "C:\\x.png", "."])
def test_the_name_of_a_file_is_not_used(app: Flask, api: Api, connection: "Connection[Any]", name: str) -> None:
    body = multipart("b", STREET, [("media", name.replace("\\", "\\\\"), picture())])

    assert api.post_body(body, "multipart/form-data; boundary=b").status == 200
    (path,) = _paths(connection)
    folder: Path = app.config["OPEN311"].media_folder
    assert (folder / path.removeprefix("/media/")).is_file()
    assert (folder / path.removeprefix("/media/")).parent == folder / SEATTLE
    assert Path(path).stem.isalnum()


@pytest.mark.parametrize("path", ["seattle.gov/nothing.png", "seattle.gov/..%2f..%2fx", "../x/y", "a/%00", "seattle.gov/"])
def test_a_photo_that_is_not_there_is_404(client: FlaskClient, path: str) -> None:
    assert client.get(f"/media/{path}").status_code == 404
