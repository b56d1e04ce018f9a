"""Photos and documents that come with a request: checked, photos without what the camera wrote, kept before the answer."""

import os
import secrets
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Lock

from PIL import Image, ImageOps, UnidentifiedImageError
from pillow_heif import register_heif_opener

from open311.cases.documents import NotPlain, is_pdf, require_plain
from open311.cases.intake import NewMedia

register_heif_opener()

_READ = ("JPEG", "PNG", "GIF", "WEBP", "HEIF")
# What such files begin with, or (HEIC) have at their fifth byte.
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF")
_HEIF_MARK = b"ftyp"
_JPEG, _PNG = ("JPEG", "jpg", "image/jpeg"), ("PNG", "png", "image/png")
# A photo of 40 million pixels takes some 400 MB while it is re-encoded; many at once would take the machine.
_ONE_AT_A_TIME = Lock()
_BYTES_A_PIXEL = 4

MEDIA_PREFIX = "/media"


class BadPhoto(ValueError):
    """A file that cannot be kept as a photo; the message says which and why."""


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photo as it will be kept: upright, its metadata gone; or a document, which has no pixels."""

    content: bytes
    extension: str
    content_type: str
    width_pixels: int | None = None
    height_pixels: int | None = None

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
    written_as, extension, content_type = _JPEG
    if image.format == "PNG" or (image.format in ("GIF", "WEBP", "HEIF") and image.has_transparency_data):
        written_as, extension, content_type = _PNG  # may be a drawing, or see-through, which JPEG cannot hold
    upright = ImageOps.exif_transpose(image).convert("RGB" if written_as == "JPEG" else "RGBA")
    bare = Image.new(upright.mode, upright.size)
    bare.paste(upright)  # pixels only: nothing that hung on the old image comes along
    out = BytesIO()
    bare.save(out, written_as, quality=85)
    return Photo(
        content=out.getvalue(),
        extension=extension,
        content_type=content_type,
        width_pixels=bare.width,
        height_pixels=bare.height,
    )


class PhotoShelf:
    """Photos written to disk under names nobody can guess; what a failed or repeated intake left is removed again."""

    def __init__(self, folder: Path, *, jurisdiction_id: str) -> None:
        self._folder = folder / jurisdiction_id
        self._prefix = f"{MEDIA_PREFIX}/{jurisdiction_id}"
        self._written: list[Path] = []

    def __enter__(self) -> "PhotoShelf":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is not None:
            self.clear()

    def put(self, photo: Photo) -> NewMedia:
        """The photo, on disk before this returns."""
        name = f"{secrets.token_hex(16)}.{photo.extension}"
        path = self._folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._written.append(path)
        # The answer promises that the photo is kept: its bytes, and its name in the folder.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(photo.content)
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return NewMedia(
            path=f"{self._prefix}/{name}",
            content_type=photo.content_type,
            width_pixels=photo.width_pixels,
            height_pixels=photo.height_pixels,
            size_bytes=len(photo.content),
        )

    def clear(self) -> None:
        """Remove what this shelf has written."""
        for path in self._written:
            path.unlink(missing_ok=True)
        self._written.clear()
