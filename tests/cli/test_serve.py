"""What script/server sees to that nobody set."""

from pathlib import Path

import pytest

from open311.cli.serve import Address, children_of


def secret_key(var: Path) -> str:
    """SECRET_KEY of the web server that would be started."""
    web, _ = children_of(Address.from_environment({}), var=var, database_url="postgresql://nowhere")
    return web.environment["SECRET_KEY"]


def test_a_key_for_cookies_is_made_once_and_kept_from_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SECRET_KEY", raising=False)

    made = secret_key(tmp_path)

    assert len(made) == 64 and secret_key(tmp_path) == made
    assert (tmp_path / "secret-key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["secret-key"]


def test_two_folders_have_two_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SECRET_KEY", raising=False)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    assert secret_key(tmp_path / "a") != secret_key(tmp_path / "b")


def test_a_key_that_is_set_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SECRET_KEY", "set by a person " * 2)

    assert secret_key(tmp_path) == "set by a person " * 2
