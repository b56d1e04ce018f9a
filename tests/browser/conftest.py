"""A browser, and pages that tell where they fetched from and what went wrong in them."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from open311.config import CHECKOUT
from tests.live.server import Live

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
WIDTHS = (320, 1280)
AXE = CHECKOUT / "node_modules/axe-core/axe.min.js"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# Each test leaves pictures there, to be looked at.
PICTURES = CHECKOUT / "var/pictures"


# First, for pytest-xdist reads the groups in its own.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of this folder share one service and one browser, and are left out where there is no browser, but in CI."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.live)
            item.add_marker(pytest.mark.xdist_group("live"))
            if shutil.which("chromium") is None and not os.environ.get("CI"):
                item.add_marker(pytest.mark.skip(reason="no chromium here: apt-get install chromium"))


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Headless chromium, gone before tests of other folders: while it is driven, this thread has an event loop that runs."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        yield found
        found.close()


SMALL = """() => [...document.querySelectorAll('button, input:not([type=hidden]), select, summary, nav a, .button')]
  .filter(each => each.checkVisibility() && !each.matches('.hidden, .skip'))
  .map(each => [each.outerHTML.slice(0, 120), (each.closest('label') || each).getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.height < 43.5 || box.width < 43.5))
  .map(([text, box]) => `${Math.round(box.width)} x ${Math.round(box.height)}: ${text}`)"""


class Visitor:
    """A person with a browser of their own, who looks at pages of one origin.

    strangers: addresses elsewhere that a page asked for.  faults: what a page's scripts or security policy complained of.
    """

    def __init__(self, context: BrowserContext, url: str, *, has_scripts: bool = True) -> None:
        self.context, self.url, self.has_scripts = context, url, has_scripts
        self.strangers: list[str] = []
        self.faults: list[str] = []
        self.allowed = {urlsplit(url).netloc}
        context.on("request", self._note)
        context.on("weberror", lambda error: self.faults.append(str(error.error)))
        context.on("console", self._hear)
        self.page: Page = context.new_page()

    def _note(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc not in self.allowed:
            self.strangers.append(request.url)

    def _hear(self, message: ConsoleMessage) -> None:
        # That the page itself is a 400 or a 404, the browser says too.
        if message.type == "error" and message.location["url"] != getattr(message.page, "url", None):
            self.faults.append(f"{message.text} ({message.location['url']})")

    def go(self, path: str) -> Page:
        """The page of a path of ours."""
        self.page.goto(f"{self.url}{path}")
        return self.page

    def picture(self, name: str) -> None:
        """Keep what the page looks like, at each width; where scripts run, it must be usable by everybody at each."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        size = self.page.viewport_size
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 800})
            if self.has_scripts:
                assert self.barriers() == []
                assert self.small() == []
                assert not self.is_cut()
            self.page.screenshot(path=PICTURES / f"{name}-{width}.png", full_page=True)
        if size is not None:
            self.page.set_viewport_size(size)

    def barriers(self) -> list[str]:
        """What axe-core finds wrong by WCAG 2.2 A and AA: rule, and where."""
        # Past the page's own security policy, as an extension of the browser is.
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", AXE_TAGS)
        return [
            f"{each['id']}: {node['target']} {node['failureSummary']}" for each in found["violations"] for node in each["nodes"]
        ]

    def small(self) -> list[str]:
        """What can be pressed and is less than 44 pixels high or wide; a field counts with its label."""
        return list(self.page.evaluate(SMALL))

    def is_cut(self) -> bool:
        """Whether the page is wider than its window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@pytest.fixture
def visit(browser: Browser, live: Live) -> Iterator[Callable[..., Visitor]]:
    """Opens browsers of their own, with the arguments of a context; every one must have stayed at the service without fault."""
    visitors: list[Visitor] = []

    def open_browser(**how: Any) -> Visitor:
        settings = {"viewport": {"width": 1280, "height": 800}, "locale": "en-US", **how}
        visitor = Visitor(browser.new_context(**settings), live.url, has_scripts=how.get("java_script_enabled", True))
        visitors.append(visitor)
        return visitor

    yield open_browser
    for visitor in visitors:
        with suppress(Exception):
            visitor.context.close()
    assert [each.strangers for each in visitors if each.strangers] == []
    assert [each.faults for each in visitors if each.faults] == []


@pytest.fixture
def visitor(visit: Callable[..., Visitor]) -> Visitor:
    """A person at a desk."""
    return visit()
