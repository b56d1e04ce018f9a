"""The map of what was reported, as somebody moves it."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor


def test_clusters_open_until_one_report_is_left(visitor: Visitor):
    page = visitor.go("/map")
    page.wait_for_selector(".map-pin")
    assert re.fullmatch(r"The map shows [\d,]+ reports\. .+", page.locator("#map-says").inner_text())

    for _ in range(20):
        if page.locator("table.list tbody tr").count() == 1 or "/track/" in page.url:
            break
        before = page.url + page.locator("#map-says").inner_text()
        page.locator(".map-pin").last.click()
        page.wait_for_function(
            "before => location.href + (document.getElementById('map-says')?.textContent ?? '') !== before", arg=before
        )
        page.wait_for_load_state("networkidle")

    assert "/track/" in page.url or "bbox=" in page.url
    assert page.locator("h1").is_visible()


def test_by_keyboard_a_cluster_opens(visitor: Visitor):
    page = visitor.go("/map")
    page.wait_for_selector(".map-pin")
    before = page.locator("#map-says").inner_text()

    page.locator(".map-pin").first.focus()
    page.keyboard.press("Enter")

    expect(page.locator("#map-says")).not_to_have_text(before)


@pytest.mark.parametrize("letters", ["100%", "200%"])
def test_a_circle_is_as_wide_as_its_number(visitor: Visitor, letters: str):
    there = {"lat": 42.33, "long": -71.08, "bbox": {"west": -71.1, "south": 42.3, "east": -71.0, "north": 42.4}}
    counts = [2, 999, 31_416, 1_234_567]
    page = visitor.page
    page.add_init_script(
        f"document.addEventListener('readystatechange', () => document.documentElement.style.fontSize = '{letters}')"
    )
    shown = {"open": 1, "service_request_id": None, **there}
    page.route("**/clusters.json?*", lambda route: route.fulfill(json=[{"count": counts[0], **shown}]))

    while counts:
        visitor.go("/map")
        page.wait_for_selector(".map-pin span")

        assert page.locator(".map-pin").inner_text() == f"{counts.pop(0):,}"
        assert page.evaluate("(pin => pin.clientWidth - pin.firstChild.offsetWidth)(document.querySelector('.map-pin'))") > 4


def test_the_list_is_of_what_the_map_shows(visitor: Visitor):
    page = visitor.go("/map?status=open")
    page.wait_for_selector(".map-pin")
    page.click("[data-zoom='1']")
    page.wait_for_timeout(600)

    page.click("text=List what the map shows")
    page.wait_for_url("**bbox=**")

    assert "status=open" in page.url
    assert page.locator("select#status").input_value() == "open"
    page.wait_for_selector(".map-pin")


def test_filters_go_into_the_address(visitor: Visitor):
    page = visitor.go("/map")
    page.click("summary:has-text('Choose what is shown')")
    page.fill("#q", "light")
    page.select_option("#status", "closed")
    page.click("#filters button[type=submit]")

    assert "q=light" in page.url
    assert "status=closed" in page.url
    assert page.locator("#map-says").inner_text() == "The map shows this page of the list."
    assert page.locator(".map-pin").count() > 0
    visitor.picture("map-filtered")


def test_an_address_can_be_shared_and_the_page_printed(visit: Callable[..., Visitor]):
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    page = visitor.go("/map?status=open")
    page.evaluate("delete Navigator.prototype.share; window.print = () => { window.printed = true; }")

    page.click("[data-do=share]")
    expect(page.locator("[data-do=share]")).to_have_text("The address is copied")
    page.click("[data-do=print]")

    assert page.evaluate("navigator.clipboard.readText()") == page.url
    assert page.evaluate("window.printed")


def test_on_paper_there_is_what_is_for_reading(visitor: Visitor):
    page = visitor.go("/map")
    page.emulate_media(media="print")

    assert page.locator("table.list").is_visible()
    assert page.locator("form:visible, nav:visible, [data-do]:visible").count() == 0
