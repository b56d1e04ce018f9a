"""Where the files of requests are kept: in a folder of this machine, or in a bucket of a store that speaks S3."""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from werkzeug.security import safe_join

from open311.config import BadSetting, Settings

if TYPE_CHECKING:
    from obstore.store import MemoryStore, S3Store

_CONNECT_SECONDS, _ANSWER_SECONDS, _TRIES_AGAIN = 2, 5, 1


class NotKept(LookupError):
    """The store has no file of this name."""


class StoreAway(RuntimeError):
    """The store does not answer, refuses, or is full; the message says which store."""


class MediaStore(Protocol):
    """Files by name, which is jurisdiction_id/file; a name is written once.  Each verb raises StoreAway."""

    def put(self, name: str, content: bytes) -> None:
        """Keep a file: whole, and to stay, when this returns.  After StoreAway a part of it may be there."""

    def open(self, name: str) -> bytes:
        """What a file holds; raises NotKept."""

    def delete(self, name: str) -> None:
        """Take a file away; one that is not there is no fault."""


class FolderStore:
    """A folder of this machine, which the processes that serve must share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, content: bytes) -> None:
        """Write the file, and wait until the disk has its bytes and its name."""
        path = self._path(name)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise StoreAway(f"the folder {self._folder} takes no files: {error.strerror}") from error

    def open(self, name: str) -> bytes:
        """The bytes of the file."""
        path = self._path(name)
        if not os.path.isfile(path):
            raise NotKept(name)
        try:
            return path.read_bytes()
        except OSError as error:
            raise StoreAway(f"the folder {self._folder} gives no files: {error.strerror}") from error

    def delete(self, name: str) -> None:
        """Unlink the file."""
        try:
            self._path(name).unlink(missing_ok=True)
        except OSError as error:
            raise StoreAway(f"the folder {self._folder} lets no file go: {error.strerror}") from error

    def _path(self, name: str) -> Path:
        joined = safe_join(str(self._folder), name)
        if joined is None:
            raise NotKept(name)
        return Path(joined)


class BucketStore:
    """A bucket, or what is behind a prefix of it."""

    def __init__(self, objects: "S3Store | MemoryStore", url: str) -> None:
        self._objects: Any = objects
        self._url = url

    def put(self, name: str, content: bytes) -> None:
        """Write the object; stores keep none but whole ones."""
        try:
            self._ask(lambda: self._objects.put(name, content))
        except NotKept as error:
            raise StoreAway(f"{self._url} takes no files: {_first_line(error)}") from error

    def open(self, name: str) -> bytes:
        """The bytes of the object."""
        return bytes(self._ask(lambda: self._objects.get(name).bytes()))

    def delete(self, name: str) -> None:
        """Delete the object."""
        with suppress(NotKept):
            self._ask(lambda: self._objects.delete(name))

    def _ask(self, verb: Callable[[], Any]) -> Any:
        # An extra of the project, like all of the package.
        from obstore.exceptions import BaseError

        try:
            return verb()
        except (FileNotFoundError, ValueError) as error:
            # The latter for what can be no name in a store: "..", say.
            raise NotKept(_first_line(error)) from error
        except (BaseError, OSError) as error:
            raise StoreAway(f"{self._url} does not answer as it should: {_first_line(error)}") from error


def media_store(limits: Settings) -> MediaStore:
    """The store that the settings name; raises BadSetting when it cannot be used."""
    return _store(limits.media_store, limits.media_folder)


@cache
def _store(url: str, folder: Path) -> MediaStore:
    if not url:
        return FolderStore(folder)
    try:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store
    except ImportError as error:
        raise BadSetting("OPEN311_MEDIA_STORE needs an extra of this project: pip install 'dispatch311[s3]'") from error
    try:
        # Key, secret, region and endpoint are read from the usual variables AWS_*.
        objects = S3Store.from_url(
            url,
            client_options={
                "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("true", "1"),
                "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
                "timeout": timedelta(seconds=_ANSWER_SECONDS),
            },
            retry_config={
                "max_retries": _TRIES_AGAIN,
                "retry_timeout": timedelta(seconds=_ANSWER_SECONDS * (1 + _TRIES_AGAIN)),
            },
        )
    except (BaseError, ValueError) as error:
        raise BadSetting(f"OPEN311_MEDIA_STORE cannot be used: {_first_line(error)}") from error
    return BucketStore(objects, url)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:300]
