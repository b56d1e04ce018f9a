"""Every public page: without barriers, on a narrow screen, at twice the size of letters, light, and from here alone."""

from collections.abc import Callable

import pytest

from tests.browser.conftest import Visitor

PAGES = ("/", "/?service=street-light-outages", "/?q=lamp", "/services", "/track", "/districts", "/districts/council/8")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_barriers_by_day_and_by_night(visit: Callable[..., Visitor], path: str):
    for scheme in ("light", "dark"):
        visitor = visit(color_scheme=scheme)
        visitor.go(path)

        assert visitor.barriers() == []
