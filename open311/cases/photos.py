"""Photos and documents that come with a request: checked, photos without what the camera wrote, kept before the answer."""

import secrets
import struct
from dataclasses import dataclass
from io import BytesIO
from threading import Lock
from typing import Any

import structlog
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from pillow_heif import register_heif_opener

from geo.point import Point
from open311.cases.documents import NotPlain, is_pdf, require_plain
from open311.cases.intake import NewMedia
from open311.media_store import MediaStore, StoreAway

log = structlog.get_logger()

register_heif_opener()

_READ = ("JPEG", "PNG", "GIF", "WEBP", "HEIF")
# What such files begin with, or (HEIC) have at their fifth byte.
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF")
_HEIF_MARK = b"ftyp"
_JPEG, _PNG = ("JPEG", "jpg", "image/jpeg"), ("PNG", "png", "image/png")
# A photo of 40 million pixels takes some 400 MB while it is re-encoded; many at once would take the machine.
_ONE_AT_A_TIME = Lock()
_BYTES_A_PIXEL = 4
THUMBNAIL_PIXELS = 400
# Degrees to the sixth place are a tenth of a metre; no camera knows better.
_PLACES = 6

MEDIA_PREFIX = "/media"


class BadPhoto(ValueError):
    """A file that cannot be kept as a photo; the message says which and why."""


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photo as it will be kept: upright, its metadata gone; or a document, which has no pixels.

    thumbnail: the same in a box of THUMBNAIL_PIXELS; None where the photo fits it as it is, and of a document.
    taken_at: where the camera says that it was, which may be wrong, or nobody's business.
    """

    content: bytes
    extension: str
    content_type: str
    width_pixels: int | None = None
    height_pixels: int | None = None
    thumbnail: bytes | None = None
    taken_at: Point | None = None

    @property
    def pixels(self) -> int:
        """Width times height; 0 of a document."""
        return (self.width_pixels or 0) * (self.height_pixels or 0)


def read_photo(name: str, content: bytes, *, max_bytes: int, max_pixels: int) -> Photo:
    """The photo in an uploaded file, re-encoded, or the PDF that it is, told by its content; raises BadPhoto.

    A PDF may unpack to as many bytes as a picture of max_pixels takes.
    """
    shown = name[:100] or "a file without a name"
    if len(content) > max_bytes:
        raise BadPhoto(f"{shown} must have at most {max_bytes} bytes, got {len(content)}")
    if is_pdf(content):
        try:
            require_plain(content, max_unpacked_bytes=max_pixels * _BYTES_A_PIXEL)
        except NotPlain as error:
            raise BadPhoto(f"{shown} {error}") from error
        return Photo(content=content, extension="pdf", content_type="application/pdf")
    try:
        with _ONE_AT_A_TIME, Image.open(BytesIO(content), formats=_READ) as image:
            if image.width * image.height > max_pixels:
                raise BadPhoto(f"{shown} must have at most {max_pixels} pixels, got {image.width} x {image.height}")
            return _kept(image)
    except BadPhoto:
        raise
    except UnidentifiedImageError as error:
        if content.startswith(_BEGINNINGS) or content[4:8] == _HEIF_MARK:
            raise BadPhoto(f"{shown} is damaged: it says that it is a photo, and holds none") from error
        raise BadPhoto(f"{shown} is not a file we can keep: send JPEG, PNG, GIF, WebP, HEIC or PDF") from error
    except (OSError, ValueError, SyntaxError, EOFError, RuntimeError, Image.DecompressionBombError) as error:
        raise BadPhoto(f"{shown} is damaged: {error}") from error


def _kept(image: Image.Image) -> Photo:
    taken_at = _taken_at(image)
    written_as, extension, content_type = _JPEG
    if image.format == "PNG" or (image.format in ("GIF", "WEBP", "HEIF") and image.has_transparency_data):
        written_as, extension, content_type = _PNG  # may be a drawing, or see-through, which JPEG cannot hold
    upright = ImageOps.exif_transpose(image).convert("RGB" if written_as == "JPEG" else "RGBA")
    bare = Image.new(upright.mode, upright.size)
    bare.paste(upright)  # pixels only: nothing that hung on the old image comes along
    content, (width, height) = _written(bare, written_as), bare.size
    thumbnail = None
    if max(width, height) > THUMBNAIL_PIXELS:
        bare.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
        thumbnail = _written(bare, written_as)
    return Photo(
        content=content,
        extension=extension,
        content_type=content_type,
        width_pixels=width,
        height_pixels=height,
        thumbnail=thumbnail,
        taken_at=taken_at,
    )


def _written(image: Image.Image, written_as: str) -> bytes:
    out = BytesIO()
    image.save(out, written_as, quality=85)
    return out.getvalue()


def _taken_at(image: Image.Image) -> Point | None:
    """Where a photo was taken, by its EXIF; None where that says nothing, or nothing that can be."""
    try:
        gps = image.getexif().get_ifd(ExifTags.IFD.GPSInfo)
        point = Point(
            long=_degrees(gps[ExifTags.GPS.GPSLongitude], gps[ExifTags.GPS.GPSLongitudeRef], "EW"),
            lat=_degrees(gps[ExifTags.GPS.GPSLatitude], gps[ExifTags.GPS.GPSLatitudeRef], "NS"),
        )
    except (LookupError, ValueError, TypeError, ArithmeticError, SyntaxError, OSError, struct.error):
        # What a camera, or who wants to do harm, wrote there spoils no report.
        return None
    # Cameras that do not know where they are say 0, 0.
    return None if (point.long, point.lat) == (0, 0) else point


def _degrees(parts: Any, side: Any, sides: str) -> float:
    """Degrees, minutes and seconds towards a side as one number, negative for the second of the sides."""
    degrees, minutes, seconds = (float(each) for each in parts)
    sign = (1, -1)[sides.index(str(side).strip("\0 ").upper() or "?")]
    return round(sign * (degrees + minutes / 60 + seconds / 3600), _PLACES)


class PhotoShelf:
    """Photos put into the store under names nobody can guess; what a failed or repeated intake left is removed again."""

    def __init__(self, store: MediaStore, *, jurisdiction_id: str) -> None:
        self._store = store
        self._jurisdiction_id = jurisdiction_id
        self._written: list[str] = []

    def __enter__(self) -> "PhotoShelf":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is not None:
            self.clear()

    def put(self, photo: Photo, *, with_thumbnail: bool = True) -> NewMedia:
        """The photo and its thumbnail, in the store before this returns; raises StoreAway."""
        stem = secrets.token_hex(16)
        path = self._write(f"{stem}.{photo.extension}", photo.content)
        thumbnail_path = path if photo.pixels and photo.thumbnail is None else None
        if photo.thumbnail is not None and with_thumbnail:
            thumbnail_path = self._write(f"{stem}-small.{photo.extension}", photo.thumbnail)
        return NewMedia(
            path=path,
            content_type=photo.content_type,
            width_pixels=photo.width_pixels,
            height_pixels=photo.height_pixels,
            size_bytes=len(photo.content),
            thumbnail_path=thumbnail_path,
            taken_at=photo.taken_at,
        )

    def _write(self, file: str, content: bytes) -> str:
        """The path under which a file is served that is in the store before this returns."""
        name = f"{self._jurisdiction_id}/{file}"
        # Before it is: what failed in the middle is removed too.
        self._written.append(name)
        self._store.put(name, content)
        return f"{MEDIA_PREFIX}/{name}"

    def clear(self) -> None:
        """Remove what this shelf has written; what a store keeps that is away then is logged."""
        try:
            while self._written:
                self._store.delete(self._written[-1])
                self._written.pop()
        except StoreAway as error:
            log.warning("files that belong to nothing are left in the store", names=self._written, error=str(error))
            self._written = []
