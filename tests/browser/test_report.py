"""Somebody reports a problem in a browser."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.cases.files import photo
from tests.live.server import Live

LAMP = "/?service=street-light-outages"
FENWAY = {"latitude": 42.3467, "longitude": -71.0972}


def rows(live: Live, words: str) -> list[Any]:
    """The requests with this description."""
    with live.connect() as connection:
        return connection.execute(
            "select number, round(st_y(location)::numeric, 4), round(st_x(location)::numeric, 4), channel, media_url, address "
            "from service_request where description = %s",
            [words],
        ).fetchall()


def headline(page: Page) -> str:
    """The question of the page."""
    return page.locator("h1").inner_text()


def go_on(page: Page) -> None:
    """Press the button that goes on, and wait for the next page."""
    before = headline(page)
    page.click("#continue")
    expect(page.locator("h1")).not_to_have_text(before)


def past_nearby(page: Page) -> None:
    """None of what was reported nearby is it."""
    if headline(page) == "Is it one of these?":
        go_on(page)


def test_with_a_photo_and_a_pin_from_search_to_its_page(visit: Callable[..., Visitor], live: Live):
    reported = {"jurisdiction_id": "boston.gov", "service_code": "street-light-outages", "description": "Lamp with a photo"}
    there = {"lat": str(FENWAY["latitude"]), "long": str(FENWAY["longitude"])}
    requests.post(f"{live.base}/requests.json", data={"api_key": live.key, **reported, **there}, timeout=30).raise_for_status()
    visitor = visit(geolocation=FENWAY, permissions=["geolocation"])
    page = visitor.go("/")
    visitor.picture("report-what")
    page.fill("#q", "lamp")
    page.click("form[role=search] button")
    page.click("text=Street Light Outages")
    page.click("#pin-mine")
    expect(page.locator("#pin-says")).to_have_text("The pin is in Fenway.")
    visitor.picture("report-where")
    go_on(page)
    page.fill("#description", "A lamp with a photo")
    visitor.picture("report-details")
    go_on(page)
    page.set_input_files("#files", {"name": "lamp.jpg", "mimeType": "image/jpeg", "buffer": photo()})
    page.click("#continue")
    expect(page.locator("ul.photos img")).to_be_visible()
    visitor.picture("report-photo")
    go_on(page)
    assert headline(page) == "Is it one of these?"
    visitor.picture("report-nearby")
    go_on(page)
    page.fill("#email", "ann@example.org")
    visitor.picture("report-contact")
    go_on(page)
    visitor.picture("report-check")
    go_on(page)

    assert headline(page) == "Your report was sent"
    visitor.picture("report-done")
    number = page.locator("strong.number").inner_text()
    page.click("text=See where it stands")
    expect(page.locator("h1")).to_have_text("Street Light Outages")
    visitor.picture("report-tracked")
    ((kept, lat, long, channel, media_url, _address),) = rows(live, "A lamp with a photo")
    assert (kept, float(lat), float(long), channel) == (number, 42.3467, -71.0972, "portal")
    assert media_url


def test_without_scripts_from_end_to_end(visit: Callable[..., Visitor], live: Live):
    visitor = visit(java_script_enabled=False, viewport={"width": 320, "height": 640})
    page = visitor.go("/")
    page.fill("#q", "lamp")
    page.click("form[role=search] button")
    page.click("text=Street Light Outages")
    page.fill("#address_string", "700 Boylston St")
    page.click("#continue")
    page.fill("#description", "A lamp without scripts")
    page.click("#continue")
    page.set_input_files("#files", {"name": "lamp.jpg", "mimeType": "image/jpeg", "buffer": photo()})
    page.click("#continue")
    page.click("#continue")
    if headline(page) == "Is it one of these?":
        page.click("#continue")
    page.click("#continue")
    assert headline(page) == "Please check your report"
    visitor.picture("report-without-scripts")
    page.click("#continue")

    ((number, *_rest, address),) = rows(live, "A lamp without scripts")
    assert page.locator("strong.number").inner_text() == number
    assert address == "700 Boylston St"


def test_by_keyboard_alone(visit: Callable[..., Visitor], live: Live):
    visitor = visit()
    page = visitor.go(LAMP)
    page.wait_for_selector("#map.leaflet-container")

    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        pytest.fail(f"{selector} cannot be reached by Tab on {headline(page)!r}")

    def press(selector: str) -> None:
        before = headline(page)
        tab_to(selector)
        page.keyboard.press("Enter")
        expect(page.locator("h1")).not_to_have_text(before)

    tab_to("#map")
    for _ in range(3):
        page.keyboard.press("+")
        page.wait_for_timeout(350)
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(350)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#pin-says")).to_contain_text("pin")
    press("#continue")
    assert headline(page) == "What is wrong?", visitor.page.locator("main").inner_text()
    tab_to("#description")
    page.keyboard.type("A lamp by keyboard")
    press("#continue")
    press("#continue")
    if headline(page) == "Is it one of these?":
        press("#continue")
    tab_to("#email")
    page.keyboard.type("kim@example.org")
    press("#continue")
    press("#continue")

    assert headline(page) == "Your report was sent"
    assert len(rows(live, "A lamp by keyboard")) == 1


def test_a_double_click_makes_one_request(visitor: Visitor, live: Live):
    page = to_the_end(visitor, "A lamp clicked twice")

    page.dblclick("#continue")
    expect(page.locator("h1")).to_have_text("Your report was sent")

    assert len(rows(live, "A lamp clicked twice")) == 1


def test_sent_again_by_going_back_is_the_same_request(visitor: Visitor, live: Live):
    page = to_the_end(visitor, "A lamp sent again")
    go_on(page)
    first = page.locator("strong.number").inner_text()

    page.go_back()
    page.click("#continue")
    expect(page.locator("h1")).to_have_text("Your report was sent")

    assert page.locator("strong.number").inner_text() == first
    assert len(rows(live, "A lamp sent again")) == 1


def test_an_error_is_told_where_one_looks_and_loses_nothing(visitor: Visitor):
    page = visitor.go(LAMP)
    page.fill("#address_string", "1 Rue de Rivoli, Paris")
    page.click("summary:has-text('latitude')")
    page.fill("#lat", "48.8566")
    page.fill("#long", "2.3522")
    page.click("#continue")

    expect(page.locator(".problems")).to_be_focused()
    assert page.title().startswith("Problem:")
    assert "This place is outside of City of Boston." in page.locator(".problems").inner_text()
    assert page.input_value("#lat") == "48.8566"
    assert visitor.barriers() == []
    visitor.picture("report-problem")
    page.click(".problems a")
    assert page.evaluate("document.activeElement.id") in ("lat", "address_string")


def test_a_pin_stays_with_what_is_written_beside_it_until_it_is_removed(visitor: Visitor):
    page = visitor.go(LAMP)
    page.wait_for_selector("#map.leaflet-container")
    assert page.locator("#pin-away").is_hidden()
    page.click("#pin-middle")
    expect(page.locator("#pin-says")).not_to_be_empty()
    before = page.input_value("#lat")
    assert before

    page.fill("#address_string", "by the fountain")
    assert page.input_value("#lat") == before
    page.click("#pin-away")

    assert (page.input_value("#lat"), page.input_value("#long")) == ("", "")
    assert page.locator(".map-here").count() == 0
    expect(page.locator("#pin-says")).to_have_text("There is no pin.")
    expect(page.locator("#pin-middle")).to_be_focused()
    assert page.input_value("#address_string") == "by the fountain"


def test_files_that_are_too_large_together_are_told_before_they_are_sent(visitor: Visitor):
    page = visitor.go(LAMP)
    page.wait_for_selector("#map.leaflet-container")
    page.click("#pin-middle")
    go_on(page)
    go_on(page)
    large = {"name": "large.jpg", "mimeType": "image/jpeg", "buffer": b"\xff" * 17_000_000}

    page.set_input_files("#files", large)
    expect(page.locator("#files-too-large")).to_contain_text("Please choose fewer, or smaller ones")
    page.click("#continue")

    expect(page.locator("#files")).to_be_focused()
    expect(page.locator("#files")).to_have_accessible_description(re.compile("Please choose fewer"))
    assert headline(page) == "Do you have a photo?"
    visitor.picture("report-photo-too-large")
    page.set_input_files("#files", [])
    expect(page.locator("#files-too-large")).to_be_empty()
    go_on(page)


def test_another_website_cannot_send_a_report_in_somebodys_name(visit: Callable[..., Visitor], live: Live):
    visitor = visit()
    visitor.go(LAMP)
    forged = (
        f'<form method="post" action="{live.url}/"><input name="step" value="check"><input name="service_code" '
        'value="street-light-outages"><input name="lat" value="42.3474"><input name="long" value="-71.0944"><input '
        'name="description" value="A forged lamp"><button id="send" name="go" value="next">x</button></form>'
    )
    visitor.allowed.add("evil.example")
    visitor.page.route("https://evil.example/", lambda route: route.fulfill(body=forged, content_type="text/html"))
    visitor.page.goto("https://evil.example/")
    visitor.page.click("#send")
    visitor.page.wait_for_load_state()

    assert rows(live, "A forged lamp") == []
    assert "Please press the button again" in visitor.page.locator(".problems").inner_text()


def test_stored_scripts_are_shown_and_never_run(visitor: Visitor, live: Live):
    evil = '<img src=x onerror="document.title=1"><script>document.title=1</script>'
    page = to_the_end(visitor, evil)
    go_on(page)
    page.click("text=See where it stands")

    expect(page.locator("main")).to_contain_text(evil)
    assert page.title() != "1"
    number = rows(live, evil)[0][0]
    page = visitor.go(f"/map?service_request_id={number}")
    page.wait_for_selector(".map-pin")
    assert page.title() != "1"


def to_the_end(visitor: Visitor, words: str) -> Page:
    """A report at its last step."""
    page = visitor.go(LAMP)
    page.fill("#address_string", "700 Boylston St")
    go_on(page)
    page.fill("#description", words)
    go_on(page)
    go_on(page)
    past_nearby(page)
    go_on(page)
    assert headline(page) == "Please check your report"
    return page
