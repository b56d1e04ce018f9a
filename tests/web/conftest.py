"""What tests of pages share."""

from typing import Any

import pytest


@pytest.fixture
def in_boston(settings: Any) -> None:
    """A page that names no city is one of Boston's."""
    settings(default_jurisdiction="boston.gov")
