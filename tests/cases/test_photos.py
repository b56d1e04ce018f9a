"""Files that come with a request: told by what they hold, refused with their name."""

import zipfile
from base64 import a85encode
from io import BytesIO
from zlib import compress

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from geo.point import Point
from open311.cases.photos import BadPhoto, Photo, read_photo
from tests.cases.files import pdf, photo, stream, taken_at

MAX_PIXELS = 1_000_000
ACTION = b"<< /S /JavaScript /JS (app.alert(1)) >>"


def kept(content: bytes, name: str = "hole.jpg", *, max_bytes: int = 2**24) -> Photo:
    """The file as it is kept."""
    return read_photo(name, content, max_bytes=max_bytes, max_pixels=MAX_PIXELS)


def archive() -> bytes:
    """A ZIP archive, as it is hung behind a picture."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("evil.js", "alert(1)")
    return out.getvalue()


# Photos


def test_what_a_phone_writes_as_heic_is_kept_as_jpeg() -> None:
    found = kept(photo("HEIF"), "IMG_1.HEIC")

    assert (found.content_type, found.width_pixels, found.height_pixels) == ("image/jpeg", 640, 480)
    assert Image.open(BytesIO(found.content)).format == "JPEG"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "HEIF"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_photo_that_was_cut_off_is_refused_by_its_name(kind: str, share: float) -> None:
    whole = photo(kind)

    with pytest.raises(BadPhoto, match=r"^hole\.jpg (is damaged|is not a file)"):
        kept(whole[: int(len(whole) * share)])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "HEIF"])
@pytest.mark.parametrize(
    "behind",
    [
        pytest.param(archive(), id="archive"),
        pytest.param(b"<script>alert(1)</script><?php phpinfo();", id="page"),
        pytest.param(pdf(catalog=b"/OpenAction " + ACTION), id="PDF"),
    ],
)
def test_what_hangs_behind_a_picture_is_gone(kind: str, behind: bytes) -> None:
    found = kept(photo(kind) + behind)

    assert behind[:12] not in found.content
    assert not zipfile.is_zipfile(BytesIO(found.content))
    assert b"alert(1)" not in found.content


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(BadPhoto, match=r"^hole\.jpg must have at most 1000000 pixels, got 1001 x 1000"):
        kept(photo("HEIF", (1001, 1000)))


def test_a_file_of_too_many_bytes_is_refused() -> None:
    with pytest.raises(BadPhoto, match=r"^hole\.jpg must have at most 100 bytes, got 101"):
        kept(b"x" * 101, max_bytes=100)


# Documents


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(pdf(), id="a page"),
        pytest.param(pdf(stream(b"BT (Hello) Tj ET")), id="with a text"),
        pytest.param(pdf(stream(b"1 0 << /Type /Font >>", b"/Type /ObjStm /N 1 /First 4 /Filter /FlateDecode")), id="packed"),
        pytest.param(pdf(b"<< /S /URI /URI (https://city.gov) >>"), id="with a link"),
        pytest.param(pdf(b"<< /Title (How to LaunchPad, JavaScripted) >>"), id="words, not names"),
        pytest.param(pdf() + b"\r\n \n", id="blanks at the end"),
    ],
)
def test_a_document_is_kept_as_it_is(content: bytes) -> None:
    found = kept(content, "plan.txt")

    assert (found.content, found.content_type, found.extension) == (content, "application/pdf", "pdf")
    assert (found.width_pixels, found.pixels) == (None, 0)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param(pdf(catalog=b"/OpenAction [3 0 R /Fit]"), "OpenAction", id="opens"),
        pytest.param(pdf(ACTION), "JavaScript", id="script"),
        pytest.param(pdf(ACTION.replace(b"/JavaScript", b"/J#61vaScr#69pt")), "JavaScript", id="escaped"),
        pytest.param(pdf(b"<< /S/Launch/F(calc.exe) >>"), "Launch", id="starts"),
        pytest.param(pdf(stream(b"MZ", b"/Type /EmbeddedFile /Filter /FlateDecode")), "EmbeddedFile", id="carries"),
        pytest.param(pdf(catalog=b"/Names << /EmbeddedFiles 4 0 R >>"), "EmbeddedFile", id="names what it carries"),
        pytest.param(pdf(catalog=b"/AcroForm << /XFA [(a) 4 0 R] >>"), "XFA", id="form with scripts"),
        pytest.param(pdf(stream(b"4 0 " + ACTION, b"/Type /ObjStm /Filter /FlateDecode")), "JavaScript", id="packed"),
        pytest.param(
            pdf(stream(b"4 0 " + b" " * 65_520 + ACTION, b"/Type/ObjStm/Filter/FlateDecode")), "JavaScript", id="on a seam"
        ),
        pytest.param(
            pdf(stream(b"4 0 << /S /Java#53cript >>", b"/Type /Obj#53tm /Filter /FlateDecode")), "JavaScript", id="both"
        ),
    ],
)
def test_a_document_that_acts_by_itself_is_refused(content: bytes, name: str) -> None:
    with pytest.raises(BadPhoto, match=rf"^plan\.pdf must not hold anything that acts by itself, got /{name}"):
        kept(content, "plan.pdf")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(pdf(trailer=b"/Encrypt 5 0 R"), id="encrypted"),
        pytest.param(
            pdf(stream(a85encode(compress(ACTION)), b"/Type/ObjStm/Filter[/ASCII85Decode/FlateDecode]", is_packed=False)),
            id="packed twice",
        ),
        pytest.param(pdf(stream(compress(ACTION), b"/Type/ObjStm /Filter [/FlateDecode /FlateDecode]")), id="packed over"),
        pytest.param(pdf(stream(ACTION, b"/Type/ObjStm/Filter 9 0 R")), id="filter elsewhere"),
        pytest.param(pdf(stream(b"x", b"/Type/ObjStm/Filter/FlateDecode/DecodeParms<</Predictor 12>>")), id="rows"),
    ],
)
def test_a_document_that_cannot_be_looked_into_is_refused(content: bytes) -> None:
    with pytest.raises(BadPhoto, match=r"^plan\.pdf .*look(ed)? into|^plan\.pdf must not hold"):
        kept(content, "plan.pdf")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(pdf()[:-40], id="cut off"),
        pytest.param(pdf() + archive(), id="archive behind it"),
        pytest.param(pdf() + b"<script>alert(1)</script>", id="page behind it"),
        pytest.param(b"%PDF-1.4\n%\xe2\xe3", id="its first line only"),
        pytest.param(b"%PDF-1.4\nstartxref\n99999\n%%EOF", id="no table"),
        pytest.param(b"%PDF-9.4" + pdf()[8:], id="no such version"),
    ],
)
def test_what_is_no_whole_pdf_is_refused(content: bytes) -> None:
    with pytest.raises(BadPhoto, match=r"^plan\.pdf is damaged"):
        kept(content, "plan.pdf")


def test_a_pdf_behind_something_else_is_no_document() -> None:
    with pytest.raises(BadPhoto, match=r"^plan\.pdf is not a file we can keep: send JPEG, PNG, GIF, WebP, HEIC or PDF"):
        kept(b"<html>" + pdf(), "plan.pdf")


@pytest.mark.parametrize("count", [1, 400])
def test_a_document_that_unpacks_without_end_is_refused(count: int) -> None:
    bomb = stream(bytes(MAX_PIXELS * 5 // count))

    with pytest.raises(BadPhoto, match=r"^plan\.pdf must unpack to at most 4000000 bytes"):
        kept(pdf(*[bomb] * count), "plan.pdf")


# Thumbnails


@pytest.mark.parametrize(
    ("kind", "size", "small", "shown_as"),
    [
        pytest.param("JPEG", (1000, 500), (400, 200), "JPEG", id="wide"),
        pytest.param("PNG", (500, 1000), (200, 400), "PNG", id="high"),
        pytest.param("HEIF", (401, 401), (400, 400), "JPEG", id="just too large"),
    ],
)
def test_a_thumbnail_fits_its_box(kind: str, size: tuple[int, int], small: tuple[int, int], shown_as: str) -> None:
    found = kept(photo(kind, size))

    assert found.thumbnail is not None
    thumbnail = Image.open(BytesIO(found.thumbnail))
    assert (thumbnail.size, thumbnail.format) == (small, shown_as)
    assert (found.width_pixels, found.height_pixels) == size


def test_a_small_photo_is_its_own_thumbnail() -> None:
    assert kept(photo("JPEG", (400, 300))).thumbnail is None


# Where it was taken


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_the_position_is_read_before_it_is_dropped(kind: str) -> None:
    found = kept(photo(kind, exif=taken_at((47.0, 38.0, 24.0), (122.0, 24.0, 0.0))))

    assert found.taken_at == Point(long=-122.4, lat=47.64)
    assert found.thumbnail is not None
    for content in (found.content, found.thumbnail):
        assert not Image.open(BytesIO(content)).getexif()
        assert b"Erin" not in content


@pytest.mark.parametrize(
    "exif",
    [
        pytest.param(taken_at((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), id="a camera that does not know"),
        pytest.param(taken_at((91.0, 0.0, 0.0), (122.0, 0.0, 0.0)), id="beyond the pole"),
        pytest.param(taken_at((47.0, 0.0, 0.0), (122.0, 0.0, 0.0), refs=("X", "W")), id="no such side"),
        pytest.param(taken_at((47.0, 0.0, 0.0), (122.0, 0.0, 0.0), refs=("", "W")), id="no side"),
        pytest.param(taken_at((47.0, 0.0), (122.0, 0.0)), id="no seconds"),
        pytest.param(taken_at((IFDRational(1, 0), 0.0, 0.0), (122.0, 0.0, 0.0)), id="divided by nought"),
        pytest.param(Image.Exif(), id="nothing"),
    ],
)
def test_a_position_that_cannot_be_spoils_no_photo(exif: Image.Exif) -> None:
    assert kept(photo("JPEG", exif=exif)).taken_at is None


@pytest.mark.filterwarnings("ignore:Corrupt EXIF", "ignore:Possibly corrupt EXIF")
def test_exif_that_is_rubbish_spoils_no_photo() -> None:
    sent = photo("JPEG", exif=taken_at((47.0, 38.0, 24.0), (122.0, 24.0, 0.0)))
    at = sent.index(b"Exif") + 14

    assert kept(sent[:at] + b"\xff" * 60 + sent[at + 60 :]).taken_at is None
