"""Spatial SQL stands in one file."""

import re

from open311.config import CHECKOUT
from tests.architecture.source import PACKAGES


def test_only_geo_queries_says_st():
    speakers = {
        str(file.relative_to(CHECKOUT))
        for package in PACKAGES
        for file in (CHECKOUT / package).rglob("*.py")
        if re.search(r"\bST_", file.read_text(encoding="utf-8"))
    }

    assert {each for each in speakers if not each.startswith("db/migrations/versions/")} == {"geo/queries.py"}
