"""A council office's page in a browser."""

from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.live.server import Live

EIGHT = "/districts/council/8"


def test_a_district_is_found_by_address_and_read(visitor: Visitor):
    page = visitor.go("/districts")
    page.fill("#address", "700 Boylston St")
    page.click("form[role=search] button")
    page.click("text=City Council District 8")

    assert page.locator("h1").inner_text() == "City Council District 8"
    assert page.locator("svg.map path.this").is_visible()
    assert page.locator("table[aria-labelledby=ages-title] tbody tr").count() > 3
    assert visitor.barriers() == []
    visitor.picture("district")


def test_its_figures_are_to_be_had_as_a_table(visitor: Visitor, live: Live):
    page = visitor.go(EIGHT)

    addresses = page.evaluate("[...document.querySelectorAll('main a[href*=\".csv\"]')].map(each => each.href)")
    assert len(addresses) >= 2
    for address in addresses:
        answer = live.get(address.removeprefix(live.url))
        assert answer.status == 200
        assert "csv" in answer.headers["Content-Type"]


def test_the_digest_is_asked_for(visitor: Visitor):
    page = visitor.go(EIGHT)
    page.fill("#email", "office@example.org")
    page.click("text=Send me news")

    expect(page.locator("#follow [role=status]")).to_contain_text("Please open the message")


def test_on_paper_it_is_a_page(visitor: Visitor):
    page = visitor.go(EIGHT)

    content = page.pdf(format="A4")

    assert content.startswith(b"%PDF")
    page.emulate_media(media="print")
    assert page.locator("form:visible, nav:visible").count() == 0
