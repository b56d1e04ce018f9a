"""Photos in a bucket: kept, served, taken back; and what callers are told while it is away."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.api.wire import SEATTLE, STREET, Api, in_both_formats, upload
from tests.bucket import BUCKET, Bucket, bucket_server
from tests.cases.files import pdf, photo

Change = Callable[..., Any]
AWAY = "the service cannot reach the store of its photos; please try again in a moment"


@pytest.fixture
def bucket(settings: Change, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """The application with its photos in a bucket."""
    with bucket_server() as bucket:
        known = {
            "ACCESS_KEY_ID": "id",
            "SECRET_ACCESS_KEY": "x",
            "REGION": "eu",
            "ENDPOINT_URL": bucket.url,
            "ALLOW_HTTP": "true",
        }
        for name, value in known.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        # A process opens a store once: a prefix for each test.
        settings(media_store=f"s3://{BUCKET}/{bucket.url.rpartition(':')[2]}")
        yield bucket


def test_photos_are_kept_in_the_bucket_and_served(api: Api, client: FlaskClient, bucket: Bucket) -> None:
    files = [upload(photo("JPEG", (800, 600))), upload(pdf())]
    number = api.post({**STREET, "media": files}).row["service_request_id"]

    about = api.get(f"requests/{number}", extensions="true").row["extended_attributes"]

    assert len(bucket.objects) == 3
    assert all(f"/{SEATTLE}/" in key for key in bucket.objects)
    for url, kind in zip(
        [*about["media_urls"], about["thumbnail_url"]], ["image/jpeg", "application/pdf", "image/jpeg"], strict=True
    ):
        with client.get(url) as response:
            assert (response.status_code, response.headers["Content-Type"]) == (200, kind)
            assert response.get_data() in bucket.objects.values()


def test_a_photo_that_was_seen_is_not_sent_again(api: Api, client: FlaskClient, bucket: Bucket) -> None:
    url = api.get(f"requests/{api.posted({**STREET, 'media': upload(photo())})}").row["media_url"]
    with client.get(url) as first:
        tag = first.headers["ETag"]

    with client.get(url, headers={"If-None-Match": tag}) as again:
        assert (again.status_code, again.get_data()) == (304, b"")


@in_both_formats
@pytest.mark.parametrize("broken_after", [0, 1, 2])
def test_a_store_that_breaks_is_503_and_nothing_is_kept(
    api: Api, kept: Callable[[], Any], bucket: Bucket, format: str, broken_after: int
) -> None:
    before, bucket.broken_after = kept(), broken_after

    answer = api.post({**STREET, "media": [upload(photo("JPEG", (800, 600))), upload(photo())]}, format)

    assert (answer.status, answer.problem) == (503, AWAY)
    assert answer.headers["Retry-After"] == "10"
    assert kept() == before
    assert bucket.objects == {}


def test_a_report_without_photos_is_taken_while_the_store_is_away(api: Api, bucket: Bucket) -> None:
    bucket.broken_after = 0

    assert api.post(STREET).status == 200


def test_what_a_repeated_post_put_there_is_removed(api: Api, bucket: Bucket) -> None:
    report = {**STREET, "attribute[fixmystreet_id]": "7"}
    api.post({**report, "media": upload(photo())})
    before = set(bucket.objects)

    api.post({**report, "media": upload(photo())})

    assert set(bucket.objects) == before


def test_what_is_not_in_the_bucket_is_404(client: FlaskClient, bucket: Bucket) -> None:
    assert client.get(f"/media/{SEATTLE}/{'0' * 32}.jpg").status_code == 404
    assert client.get(f"/media/%2e%2e/{'0' * 32}.jpg").status_code == 404


def test_a_folder_that_takes_no_more_is_503(api: Api, kept: Callable[[], Any], settings: Change, tmp_path: Any) -> None:
    (tmp_path / "media").write_text("a file")
    settings(media_dir=str(tmp_path / "media"))
    before = kept()

    assert api.post({**STREET, "media": upload(photo())}).problem == AWAY
    assert kept() == before
