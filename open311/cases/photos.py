"""Photos that come with a request: checked, re-encoded without what the camera wrote into them, kept before the answer."""

import os
import secrets
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Lock

from PIL import Image, ImageOps, UnidentifiedImageError

from open311.cases.intake import NewMedia

_READ = ("JPEG", "PNG", "GIF", "WEBP")
_JPEG, _PNG = ("JPEG", "jpg", "image/jpeg"), ("PNG", "png", "image/png")
# A photo of 40 million pixels takes some 400 MB while it is re-encoded; many at once would take the machine.
_ONE_AT_A_TIME = Lock()

MEDIA_PREFIX = "/media"


class BadPhoto(ValueError):
    """A file that cannot be kept as a photo; the message says which and why."""


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photo as it will be kept: upright, its metadata gone."""

    content: bytes
    extension: str
    content_type: str
    width_pixels: int
    height_pixels: int


def read_photo(name: str, content: bytes, *, max_pixels: int) -> Photo:
    """The photo in an uploaded file, re-encoded; raises BadPhoto."""
    shown = name[:100] or "a file without a name"
    try:
        with _ONE_AT_A_TIME, Image.open(BytesIO(content), formats=_READ) as image:
            if image.width * image.height > max_pixels:
                raise BadPhoto(f"{shown} must have at most {max_pixels} pixels, got {image.width} x {image.height}")
            return _kept(image)
    except BadPhoto:
        raise
    except UnidentifiedImageError as error:
        raise BadPhoto(f"{shown} is not a photo we can read: send JPEG, PNG, GIF or WebP") from error
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise BadPhoto(f"{shown} is damaged: {error}") from error


def _kept(image: Image.Image) -> Photo:
    written_as, extension, content_type = _JPEG
    if image.format == "PNG" or (image.format in ("GIF", "WEBP") and image.has_transparency_data):
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
