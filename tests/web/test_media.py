"""The photos we keep, served: those and nothing else."""

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

NAME = "0123456789abcdef0123456789abcdef.png"


@pytest.fixture
def media(app: Flask) -> Path:
    """The folder of the photos, with one photo in it, and a secret beside it and in it."""
    folder: Path = app.config["OPEN311"].media_folder
    (folder / "boston.gov").mkdir(parents=True, exist_ok=True)
    (folder / "boston.gov" / NAME).write_bytes(b"a photo")
    (folder / "secret").write_text("secret")
    (folder.parent / "secret").write_text("secret")
    return folder


def test_a_photo_is_served_for_a_year(client: FlaskClient, media: Path) -> None:
    answer = client.get(f"/media/boston.gov/{NAME}", buffered=True)

    assert (answer.status_code, answer.data) == (200, b"a photo")
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "max-age=31536000" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    [
        "/media/boston.gov/nothing.png",
        f"/media/seattle.gov/{NAME}",
        "/media/boston.gov",
        "/media/boston.gov/",
        "/media/",
        "/media",
    ],
)
def test_what_is_not_there_is_a_404(client: FlaskClient, media: Path, path: str) -> None:
    assert client.get(path, buffered=True).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/media/../secret",
        "/media/boston.gov/../secret",
        "/media/boston.gov/../../secret",
        "/media/boston.gov/..%2fsecret",
        "/media/boston.gov/..%2f..%2fsecret",
        "/media/..%2f/secret",
        "/media/../secret/",
        "/media/.../secret",
        "/media/./secret",
        "/media/boston.gov/%2e%2e%2fsecret",
        "/media/%2e%2e/secret",
        "/media/boston.gov/..\\secret",
        "/media/boston.gov/..%5csecret",
        "/media//etc/passwd",
        "/media/%2fetc/passwd",
        "/media/boston.gov/%2fetc%2fpasswd",
        "/media/boston.gov/%00",
        f"/media/boston.gov/{NAME}%00.png",
        "/media/boston.gov/" + "x" * 5000,
    ],
)
def test_nothing_else_is_served(client: FlaskClient, media: Path, path: str) -> None:
    answer = client.get(path, buffered=True)

    assert answer.status_code == 404
    assert answer.data != b"secret"
    assert b"root:" not in answer.data


def test_what_else_lies_in_the_folder_is_not_served(client: FlaskClient, media: Path) -> None:
    (media / "boston.gov" / "notes.txt").write_text("secret")
    (media / "boston.gov" / f"folder-{NAME}").mkdir(exist_ok=True)

    assert client.get("/media/boston.gov/notes.txt").status_code == 404
    assert client.get(f"/media/boston.gov/folder-{NAME}").status_code == 404
