"""The folder that cities are loaded from."""

from pathlib import Path

import pytest

from tests.small_city import SmallCity


@pytest.fixture
def folder(tmp_path: Path) -> SmallCity:
    """Smallville's folder, to be changed."""
    return SmallCity(tmp_path / "small")
