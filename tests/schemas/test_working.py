"""The standard statuses, as the page for cities tells them."""

import re
from pathlib import Path

from schemas.working import STANDARD_STATUSES

PAGE = Path(__file__).parent.parent.parent / "docs" / "casework.md"


def test_the_page_lists_the_standard_statuses_as_they_are():
    listed = re.findall(r"^\| `(\w+)` \| (open|closed) \|", PAGE.read_text(), re.MULTILINE)

    assert listed == [(each["code"], each["status"]) for each in STANDARD_STATUSES]
