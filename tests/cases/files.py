"""Files as phones, scanners and those who mean harm send them, made from nothing."""

from io import BytesIO
from typing import Any
from zlib import compress

from PIL import Image

_GPS, _ORIENTATION, _MAKER = 0x8825, 0x0112, 0x010F


def taken_at(north: tuple[Any, ...], west: tuple[Any, ...], *, refs: tuple[Any, Any] = ("N", "W")) -> Image.Exif:
    """What a camera writes of itself and of where it is: degrees, minutes, seconds."""
    exif = Image.Exif()
    exif[_MAKER] = "Camera of Erin"
    exif.get_ifd(_GPS).update({1: refs[0], 2: north, 3: refs[1], 4: west})
    return exif


def photo(kind: str = "JPEG", size: tuple[int, int] = (640, 480), **options: Any) -> bytes:
    """A photo with something to see on it."""
    out = BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(out, kind, **options)
    return out.getvalue()


def pdf(*objects: bytes, catalog: bytes = b"", trailer: bytes = b"") -> bytes:
    """A PDF of one empty page, and more objects (from number 4); catalog and trailer: more of those dictionaries."""
    body = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
    all_objects = (
        b"<< /Type /Catalog /Pages 2 0 R " + catalog + b" >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>",
        *objects,
    )
    places = []
    for number, each in enumerate(all_objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj\n" % number + each + b"\nendobj\n"
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1) + b"".join(b"%010d 00000 n \n" % each for each in places)
    end = b"trailer\n<< /Size %d /Root 1 0 R " % (len(places) + 1) + trailer + b" >>\nstartxref\n%d\n%%%%EOF\n" % len(body)
    return body + table + end


def stream(content: bytes, dictionary: bytes = b"/Filter /FlateDecode", *, is_packed: bool = True) -> bytes:
    """A stream of a PDF."""
    packed = compress(content, 9) if is_packed else content
    return b"<< " + dictionary + b" /Length %d >>\nstream\n" % len(packed) + packed + b"\nendstream"
