"""Snapshots: a city's bulk files as they were at one moment, kept with their checksums, whole or not at all."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog
from psycopg import Connection

from db.driver import driver
from open311.cases.jobs import PATIENTLY, queue
from open311.config import settings
from open311.jurisdictions import City, read_cities
from open311.reports import geoparquet
from open311.reports.bulk import FORMATS, Format, Selection, exported
from open311.reports.changes import cursor_now
from schemas import moment
from schemas.catalog import Download, data_package
from schemas.moment import whole_second

log = structlog.get_logger()

MANIFEST, SUMS, PACKAGE = "manifest.json", "SHA256SUMS", "datapackage.json"
_NAME, _NAME_FORM = re.compile(r"\d{8}T\d{6}Z"), "%Y%m%dT%H%M%SZ"
_GZIP_LEVEL = 6
_GZIP = 16 + zlib.MAX_WBITS


class NotTaken(RuntimeError):
    """A snapshot was not taken, and nothing of it is there; the message says why."""


class BeingTaken(NotTaken):
    """Another process is at it."""


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of a snapshot."""

    name: str
    format: str
    media_type: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A snapshot that is whole.  changes_cursor: where the changes begin that it does not have."""

    folder: Path
    taken_at: datetime
    rows: int
    changes_cursor: str
    files: Sequence[File]

    @property
    def name(self) -> str:
        """Its moment, as its folder is called."""
        return self.folder.name

    def file(self, name: str) -> Path | None:
        """The path of one of its files; None when it has none of that name."""
        names = {MANIFEST, SUMS, PACKAGE, *(each.name for each in self.files)}
        return self.folder / name if name in names else None


def shelf_of(open_data: Path, jurisdiction_id: str) -> Path:
    """The folder in which a city's snapshots lie."""
    return open_data / quote(jurisdiction_id, safe="").lstrip(".")


def kept(shelf: Path) -> list[Snapshot]:
    """Every snapshot that is whole, the newest first."""
    if not shelf.is_dir():
        return []
    names = sorted((each.name for each in shelf.iterdir() if _NAME.fullmatch(each.name)), reverse=True)
    return [found for name in names if (found := find(shelf, name)) is not None]


def find(shelf: Path, name: str) -> Snapshot | None:
    """The snapshot of this name; None when it is not there (any more)."""
    if not _NAME.fullmatch(name):
        return None
    try:
        manifest = json.loads((shelf / name / MANIFEST).read_bytes())
    except FileNotFoundError:
        return None
    return Snapshot(
        folder=shelf / name,
        taken_at=moment_of(name),
        rows=manifest["rows"],
        changes_cursor=manifest["changes_cursor"],
        files=[File(**each) for each in manifest["files"]],
    )


def drop(shelf: Path) -> int:
    """Take every snapshot away, for they show what is public no more; how many.  Raises BeingTaken."""
    if not shelf.is_dir():
        return 0
    with _only_one(shelf):
        there = kept(shelf)
        for each in there:
            _remove(each)
        return len(there)


def moment_of(name: str) -> datetime:
    """When the snapshot of this name was taken."""
    return datetime.strptime(name, _NAME_FORM).replace(tzinfo=UTC)


def formats_here() -> list[str]:
    """The formats that can be written: all but GeoParquet, and that too where pyarrow is installed."""
    try:
        geoparquet.require()
    except geoparquet.NotInstalled:
        return [name for name in FORMATS if name != "parquet"]
    return list(FORMATS)


def take(
    connection: "Connection[Any]",
    city: City,
    shelf: Path,
    *,
    formats: Sequence[str],
    keep: int,
    public_url: str,
    licence: str,
    now: datetime,
) -> Snapshot:
    """Write the files of a city, all from the one moment that the connection sees, and keep the newest `keep` snapshots.

    Until all of it is on the disk it has another name, by which nobody finds it.
    connection: of `driver.snapshot`.  Raises BeingTaken, NotTaken, geoparquet.NotInstalled.
    """
    name = now.strftime(_NAME_FORM)
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        with _only_one(shelf):
            # Whoever left them is gone: the lock ends with its process.
            for leftover in shelf.glob(".*.part"):
                shutil.rmtree(leftover)
            if (shelf / name).exists():
                raise NotTaken(f"there is a snapshot of {moment.write(now)} already")
            part = shelf / f".{name}.part"
            part.mkdir()
            try:
                _fill(connection, city, part, formats=formats, public_url=public_url, licence=licence, now=now)
                _sync(part)
                part.rename(shelf / name)
                _sync(shelf)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
            for old in kept(shelf)[keep:]:
                _remove(old)
    except OSError as error:
        raise NotTaken(f"the snapshot could not be written to {shelf}: {error.strerror or error}") from error
    taken = find(shelf, name)
    assert taken is not None
    return taken


def _fill(
    connection: "Connection[Any]",
    city: City,
    folder: Path,
    *,
    formats: Sequence[str],
    public_url: str,
    licence: str,
    now: datetime,
) -> None:
    cursor, files, rows = cursor_now(connection, city.id), [], 0
    for format in formats:
        file, rows = _write(connection, city, folder, FORMATS[format], public_url=public_url, now=now)
        files.append(file)
    manifest = {
        "jurisdiction_id": city.jurisdiction_id,
        "taken_at": moment.write(now),
        "changes_cursor": cursor,
        "rows": rows,
        "files": [asdict(file) for file in files],
    }
    downloads = [
        Download(format=file.format, path=file.name, media_type=file.media_type, bytes=file.bytes, sha256=file.sha256)
        for file in files
    ]
    package = data_package(
        city.name, city.jurisdiction_id, licence=licence, modified=now, downloads=downloads, changes_cursor=cursor
    )
    _keep(folder / PACKAGE, _json(package))
    _keep(folder / MANIFEST, _json(manifest))
    digests = {file.name: file.sha256 for file in files}
    for name in (PACKAGE, MANIFEST):
        digests[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    _keep(folder / SUMS, "".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode())


def _write(
    connection: "Connection[Any]", city: City, folder: Path, format: Format, *, public_url: str, now: datetime
) -> tuple[File, int]:
    """The file of a format, on the disk; and how many requests it has."""
    is_packed = format.name != "parquet"
    name = f"requests.{format.name}{'.gz' if is_packed else ''}"
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP) if is_packed else None
    digest, size, rows = hashlib.sha256(), 0, 0
    everything = Selection(values={})

    def counted() -> Iterator[bytes]:
        nonlocal rows
        rows = yield from exported(connection, format, everything, jurisdiction_id=city.id, public_url=public_url, now=now)

    with (folder / name).open("xb") as file:

        def put(part: bytes) -> None:
            nonlocal size
            file.write(part)
            digest.update(part)
            size += len(part)

        for chunk in counted():
            put(packer.compress(chunk) if packer else chunk)
        if packer:
            put(packer.flush())
        file.flush()
        os.fsync(file.fileno())
    media_type = "application/gzip" if is_packed else format.content_type
    return File(name=name, format=format.name, media_type=media_type, bytes=size, sha256=digest.hexdigest()), rows


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"


def _keep(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(snapshot: Snapshot) -> None:
    """Out of sight first: what is half removed is not found."""
    gone = snapshot.folder.with_name(f".{snapshot.name}.part")
    snapshot.folder.rename(gone)
    shutil.rmtree(gone)


@contextmanager
def _only_one(shelf: Path) -> Iterator[None]:
    with (shelf / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BeingTaken("another snapshot of this city is being taken") from None
        yield


@queue.periodic(cron="41 1 * * *")
@queue.task(name="take_snapshots", retry=PATIENTLY)
def take_snapshots(timestamp: int) -> None:
    """Job of every night: a snapshot of each city that has none since this night's time.  Twice is as once."""
    due, limits = datetime.fromtimestamp(timestamp, UTC), settings()
    with driver.connection() as connection:
        cities = read_cities(connection)
    if not limits.public_url:
        log.warning("OPEN311_PUBLIC_URL is not set: media_url of photos kept here is a path")
    failed = None
    for city in cities:
        shelf = shelf_of(limits.open_data_folder, city.jurisdiction_id)
        newest = next(iter(kept(shelf)), None)
        if newest is not None and newest.taken_at >= due:
            continue
        try:
            with driver.snapshot() as connection:
                take(
                    connection,
                    city,
                    shelf,
                    formats=formats_here(),
                    keep=limits.open_data_kept,
                    public_url=limits.public_url.rstrip("/"),
                    licence=limits.open_data_licence,
                    now=whole_second(datetime.now(UTC)),
                )
        except BeingTaken:
            log.info("a snapshot is being taken by another process", jurisdiction_id=city.jurisdiction_id)
        except NotTaken as error:
            # The other cities get theirs; then the job is tried again.
            log.error("no snapshot was taken", jurisdiction_id=city.jurisdiction_id, error=str(error))
            failed = error
    if failed is not None:
        raise failed
