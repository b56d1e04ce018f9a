"""The town that spatial queries are tested in."""

import pytest
from flask import Flask

from tests.town import Town


@pytest.fixture
def town(app: Flask) -> Town:
    """An empty town."""
    return Town()
