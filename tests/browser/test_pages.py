"""Every public page: without barriers, narrow, at twice its size, by keyboard, light, and from here alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.browser.conftest import Visitor
from tests.live.server import Live

MOST_BYTES = 100_000
PAGES = (
    "/",
    "/?q=lamp",
    "/?service=street-light-outages",
    "/map",
    "/map?status=open&q=light",
    "/map?status=nothing",
    "/services",
    "/services?q=wire",
    "/districts",
    "/districts?address=700 Boylston St",
    "/districts/council/8",
    "/track",
    "/track/NUMBER",
    "/mine",
    "/no/such/page",
)


@pytest.fixture(scope="session")
def number(live: Live) -> str:
    """A public request with a note."""
    with live.connect() as connection:
        row = connection.execute("select number from service_request where is_public and status = 'closed' limit 1").fetchone()
    assert row is not None
    return str(row[0])


def opened(visitor: Visitor, path: str, number: str) -> None:
    """Open a page and wait until its scripts have done their work."""
    visitor.go(path.replace("NUMBER", number))
    visitor.page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_barriers_and_is_light(visitor: Visitor, number: str, path: str):
    page = visitor.page
    with weighed(visitor) as weights:
        opened(visitor, path, number)
    counted = {url: size for url, size in weights.items() if "/media/" not in url and "/basemap/streets/" not in url}
    assert len(counted) > 3
    assert sum(counted.values()) < MOST_BYTES, counted

    assert visitor.barriers() == []
    page.emulate_media(color_scheme="dark")
    assert visitor.barriers() == []

    page.set_viewport_size({"width": 640, "height": 400})  # as a window of 1280 at 200 percent
    assert not visitor.is_cut()
    page.evaluate("document.documentElement.style.fontSize = '225%'")
    assert not visitor.is_cut()
    page.evaluate("document.documentElement.style.fontSize = ''")

    page.set_viewport_size({"width": 320, "height": 640})
    assert not visitor.is_cut()
    assert visitor.barriers() == []
    assert visitor.small() == []


@contextmanager
def weighed(visitor: Visitor) -> Iterator[dict[str, int]]:
    """Address of all that comes over the wire meanwhile: its bytes there, headers included."""
    weights: dict[str, int] = {}
    names: dict[str, str] = {}
    devtools = visitor.context.new_cdp_session(visitor.page)
    devtools.send("Network.enable")
    devtools.on("Network.responseReceived", lambda event: names.update({event["requestId"]: event["response"]["url"]}))
    devtools.on(
        "Network.loadingFinished",
        lambda event: weights.update({names.get(event["requestId"], "unknown"): int(event["encodedDataLength"])}),
    )
    yield weights
    devtools.detach()


@pytest.mark.parametrize("language", ["es", "zh"])
def test_in_other_languages_no_page_is_wider_than_its_window(visit: Callable[..., Visitor], number: str, language: str):
    visitor = visit(viewport={"width": 320, "height": 640}, locale=language)
    cut = []
    for path in PAGES:
        opened(visitor, path, number)
        if visitor.is_cut():
            cut.append(path)

    assert cut == []


def test_a_language_written_from_right_to_left_turns_every_page(visit: Callable[..., Visitor], number: str):
    visitor = visit(viewport={"width": 320, "height": 640})
    cut = []
    for path in PAGES:
        opened(visitor, path, number)
        visitor.page.evaluate("document.documentElement.dir = 'rtl'")
        left, right = visitor.page.evaluate(
            "(box => [box.left, innerWidth - box.right])(document.querySelector('.brand').getBoundingClientRect())"
        )
        if visitor.is_cut() or left < right:
            cut.append(path)
        if path == "/services?q=wire":
            visitor.picture("right-to-left")

    assert cut == []


def test_every_page_is_all_there_without_scripts(visit: Callable[..., Visitor], number: str):
    visitor = visit(java_script_enabled=False)
    for path in PAGES:
        opened(visitor, path, number)

        assert visitor.page.locator("h1").first.is_visible(), path
        assert visitor.page.locator("#map:visible, [data-do]:visible").count() == 0, path


def test_who_goes_by_keyboard_skips_to_what_the_page_is_about(visitor: Visitor):
    page = visitor.go("/services")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.id") == "main"


def test_no_page_can_be_framed(visit: Callable[..., Visitor], live: Live):
    visitor = visit()
    visitor.page.route(
        "https://evil.example/",
        lambda route: route.fulfill(body=f'<iframe src="{live.url}/"></iframe>', content_type="text/html"),
    )
    visitor.allowed.add("evil.example")
    visitor.page.goto("https://evil.example/")
    visitor.page.wait_for_timeout(300)

    assert visitor.page.frames[1].url != f"{live.url}/" or visitor.page.frames[1].locator("h1").count() == 0
    visitor.faults.clear()


def test_pictures_of_pages_are_left_to_be_looked_at(visitor: Visitor, number: str):
    for name, path in (
        ("map", "/map"),
        ("track", "/track/NUMBER"),
        ("services", "/services?q=wire"),
        ("districts", "/districts"),
    ):
        opened(visitor, path, number)
        visitor.picture(name)
