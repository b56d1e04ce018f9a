"""The stores of files: the same promises, by a folder and by a bucket."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from open311.config import BadSetting, Settings
from open311.media_store import BucketStore, FolderStore, MediaStore, NotKept, StoreAway, media_store
from tests.bucket import BUCKET, Bucket, bucket_server

NAME = "boston.gov/0123.jpg"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A store that speaks S3, and the variables by which it is reached."""
    with bucket_server() as bucket:
        use(bucket.url, monkeypatch)
        yield bucket


def use(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual variables for a store at this address."""
    known = {"ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "secret", "REGION": "eu-1", "ENDPOINT_URL": url, "ALLOW_HTTP": "true"}
    for name, value in known.items():
        monkeypatch.setenv(f"AWS_{name}", value)


def in_bucket(prefix: str) -> MediaStore:
    """The bucket, behind a prefix that no other test has: a process opens a store once."""
    return media_store(Settings(media_store=f"s3://{BUCKET}/{prefix}"))


@pytest.fixture(params=["folder", "memory", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStore:
    """Each kind of store."""
    if request.param == "folder":
        return FolderStore(tmp_path / "media")
    if request.param == "memory":
        return BucketStore(MemoryStore(), "memory")
    address = request.getfixturevalue("bucket").url
    return in_bucket(address.rpartition(":")[2])


def test_what_was_put_is_there_until_it_is_deleted(store: MediaStore):
    store.put(NAME, b"a photo")
    assert store.open(NAME) == b"a photo"

    store.delete(NAME)

    with pytest.raises(NotKept):
        store.open(NAME)


def test_what_is_not_there_may_be_deleted(store: MediaStore):
    store.delete(NAME)


@pytest.mark.parametrize("name", ["../secret", "boston.gov/../../secret", "boston.gov/nothing.jpg", "boston.gov"])
def test_nothing_outside_is_opened(store: MediaStore, tmp_path: Path, name: str):
    (tmp_path / "secret").write_text("secret")
    store.put(NAME, b"a photo")

    with pytest.raises(NotKept):
        store.open(name)


def test_a_bucket_keeps_what_is_put_behind_its_prefix(bucket: Bucket):
    in_bucket("city/media").put(NAME, b"a photo")

    assert bucket.objects == {f"city/media/{NAME}": b"a photo"}


def test_a_bucket_that_is_not_there_is_away(bucket: Bucket):
    store = media_store(Settings(media_store="s3://another/media"))

    with pytest.raises(StoreAway, match="s3://another/media takes no files"):
        store.put(NAME, b"a photo")


def test_a_store_that_nobody_serves_is_away(monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    use(f"http://127.0.0.1:{port}", monkeypatch)
    store = in_bucket("nobody")

    for verb in (lambda: store.put(NAME, b"a photo"), lambda: store.open(NAME), lambda: store.delete(NAME)):
        with pytest.raises(StoreAway, match="s3://photos/nobody does not answer as it should"):
            verb()


def test_a_folder_that_is_none_is_away(tmp_path: Path):
    (tmp_path / "media").write_text("a file")

    with pytest.raises(StoreAway, match=r"media takes no files: (Not a directory|File exists)"):
        FolderStore(tmp_path / "media").put(NAME, b"a photo")


@pytest.mark.parametrize("url", ["photos", "s3://", "s3://a", "gs://photos", "s3://photos/a b", "/srv/media"])
def test_a_setting_that_names_no_bucket_is_refused(url: str):
    with pytest.raises(BadSetting, match="OPEN311_MEDIA_STORE must be like s3://bucket/prefix"):
        Settings(media_store=url)


def test_without_the_extra_the_setting_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "obstore.store", None)

    with pytest.raises(BadSetting, match=r"pip install 'dispatch311\[s3\]'"):
        in_bucket("without")
