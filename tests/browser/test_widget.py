"""The widget on a page of another origin: reports, the map, tracking; under a strict policy, by keyboard, in Spanish."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from open311.config import CHECKOUT
from open311.keys import create_key
from tests.browser.conftest import WIDTHS, Visitor
from tests.live.server import Live

EXAMPLES = CHECKOUT / "docs/examples"
EXAMPLE_SERVICE, EXAMPLE_KEY = "https://311.example.org", "YOUR-KEY"
POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]+)"')
MOST_BYTES = 20_000
LAMP = "Street Light Outages"
SIX = [
    ("string", "Which pole?", "[]"),
    ("text", "Tell more", "[]"),
    ("number", "How many?", "[]"),
    ("datetime", "Since when?", "[]"),
    ("singlevaluelist", "What colour?", '[{"key": "r", "name": "Red"}, {"key": "b", "name": "Blue"}]'),
    (
        "multivaluelist",
        "Which sides?",
        '[{"key": "n", "name": "North"}, {"key": "s", "name": "South"}, {"key": "e", "name": "East"}]',
    ),
]
# What the focused part of an element is called.
FOCUSED = """(each => each ? (each.labels?.[0] ?? each).textContent + (each.ariaLabel ?? "") : "")(
    document.activeElement.shadowRoot?.activeElement)"""
SCRIPT = '<img src="/nowhere" onerror="window.stolen = 1"><script>window.stolen = 1</script>'


class Portal:
    """A city's website on a port of its own, with the policy of the example as a header; pages: path to body."""

    def __init__(self, service: str) -> None:
        self.service, self.key = service, ""
        self.pages: dict[str, str] = {}
        portal = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = portal.answer(self.path)
                self.send_response(200 if found else 404)
                if found:
                    self.send_header("Content-Type", found[0])
                    self.send_header("Content-Security-Policy", portal.policy)
                self.end_headers()
                self.wfile.write(found[1].encode() if found else b"")

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.example = (EXAMPLES / "portal.html").read_text(encoding="utf-8")
        found = POLICY.search(self.example)
        assert found is not None
        self.policy = " ".join(found[1].split()).replace(EXAMPLE_SERVICE, service)

    def answer(self, path: str) -> tuple[str, str] | None:
        """Content type and text of a path."""
        if path == "/portal.css":
            return "text/css", (EXAMPLES / "portal.css").read_text(encoding="utf-8")
        page = self.example if path == "/" else self.pages.get(path)
        if page is None:
            return None
        return "text/html; charset=utf-8", page.replace(EXAMPLE_SERVICE, self.service).replace(EXAMPLE_KEY, self.key)

    def page(self, body: str, *, lang: str = "en", script: str = "async") -> str:
        """The address of a page with this body."""
        path = f"/{len(self.pages) + 1}"
        self.pages[path] = (
            f'<!doctype html><html dir="{"rtl" if lang == "ar" else "ltr"}" lang="{lang}"><meta charset="utf-8">'
            "<title>Portal</title>"
            '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="portal.css">'
            f'<script src="{EXAMPLE_SERVICE}/widget.js" {script}></script><main><h1>Portal</h1>{body}</main></html>'
        )
        return f"{self.url}{path}"

    def element(self, name: str, attributes: str = "", *, jurisdiction: str = "boston.gov", key: str = EXAMPLE_KEY) -> str:
        """One of our elements, of a city."""
        return (
            f'<open311-{name} endpoint="{EXAMPLE_SERVICE}/open311/v2" jurisdiction="{jurisdiction}" api-key="{key}" '
            f"{attributes}></open311-{name}>"
        )


@pytest.fixture(scope="module")
def portal(live: Live) -> Iterator[Portal]:
    """The portal, with a key that is good for its pages alone."""
    found = Portal(live.url)
    with live.connect() as connection:
        found.key = create_key(connection, "Portal", origins=[found.url], now=datetime.now(UTC).replace(microsecond=0))
    Thread(target=found.server.serve_forever, daemon=True).start()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def guest(visit: Callable[..., Visitor], portal: Portal) -> Callable[..., Visitor]:
    """Opens a browser at the portal, which may load from there and from the service alone."""

    def come(url: str = f"{portal.url}/", **how: Any) -> Visitor:
        visitor = visit(**how)
        visitor.allowed.add(urlsplit(portal.url).netloc)
        visitor.page.set_default_timeout(5000)
        visitor.page.goto(url)
        return visitor

    return come


def photo() -> dict[str, Any]:
    """A photo as a form takes it."""
    content = BytesIO()
    Image.new("RGB", (64, 48), "orange").save(content, "JPEG")
    return {"name": "lamp.jpg", "mimeType": "image/jpeg", "buffer": content.getvalue()}


def go_on(page: Page) -> None:
    """Press the button that leads to the next step."""
    page.get_by_role("button", name="Continue").click()


def walk_to_the_end(page: Page, *, address: str, description: str) -> None:
    """Everything up to the check of a report whose service is given."""
    page.get_by_label("Address or crossing").fill(address)
    go_on(page)
    page.get_by_label("Describe it in your own words").fill(description)
    go_on(page)
    page.get_by_label("Your e-mail address").fill("ann@example.org")
    go_on(page)
    expect(page.get_by_text("Your report goes to:")).to_be_visible()


def rows(live: Live, description: str) -> list[Any]:
    """Number, address, place, answers and count of photos of what was reported with these words."""
    with live.connect() as connection:
        return connection.execute(
            "select number, address, st_y(location) as lat, attributes, (select count(*) from media where request_id = r.id "
            "and media.jurisdiction_id = r.jurisdiction_id) from service_request r where description = %s",
            [description],
        ).fetchall()


def refusals_are_told(visitor: Visitor) -> None:
    """Forget what the browser logs of answers that are no success: that they were refused was the test."""
    visitor.faults = [each for each in visitor.faults if "Failed to load resource" not in each]


def test_a_report_with_a_photo_is_sent_from_a_page_of_another_origin(guest: Callable[..., Visitor], portal: Portal, live: Live):
    visitor = guest(portal.page(portal.element("report")), viewport={"width": 1280, "height": 900})
    page = visitor.page
    page.evaluate("addEventListener('open311-sent', event => { window.sent = event.detail; })")
    page.get_by_label("Search in your own words").fill("street lights")
    expect(page.get_by_role("button", name=LAMP)).to_be_visible()
    visitor.picture("widget-report-what")
    assert visitor.barriers() == []
    page.get_by_role("button", name=LAMP).click()
    page.get_by_label("Address or crossing").fill("103-105 Brooks St Brighton MA 02135")
    page.locator(".map .names text").first.wait_for()
    page.locator(".map").click(position={"x": 250, "y": 180})
    expect(page.get_by_text("The pin is at")).to_be_visible()
    visitor.picture("widget-report-where")
    assert visitor.barriers() == []
    page.get_by_role("button", name="Remove the pin").click()
    expect(page.get_by_text("There is no pin")).to_be_visible()
    go_on(page)
    page.get_by_label("Describe it in your own words").fill("Lamp of the widget")
    page.get_by_label("Photos").set_input_files([photo()])
    visitor.picture("widget-report-details")
    assert visitor.barriers() == []
    go_on(page)
    page.get_by_label("Your e-mail address").fill("ann@example.org")
    go_on(page)
    expect(page.get_by_text("Your report goes to:")).to_be_visible()
    visitor.picture("widget-report-check")
    assert visitor.barriers() == []

    page.get_by_role("button", name="Send the report").click()

    expect(page.get_by_role("heading", name="Your report was sent")).to_be_focused()
    expect(page.get_by_role("link", name="See where it stands")).to_be_visible()
    visitor.picture("widget-report-sent")
    assert visitor.barriers() == []
    ((number, address, lat, _answers, photos),) = rows(live, "Lamp of the widget")
    assert (address, photos) == ("103-105 Brooks St Brighton MA 02135", 1)
    assert lat == pytest.approx(42.3539, abs=1e-3)
    assert page.evaluate("window.sent") == {"number": number, "token": None}
    link = page.get_by_role("link", name="See where it stands").get_attribute("href")
    assert link == f"{live.url}/track/{number}?jurisdiction_id=boston.gov"


def test_the_pin_says_where_and_what_is_known_nearby_is_shown(guest: Callable[..., Visitor], portal: Portal, live: Live):
    url = portal.page(portal.element("report", 'service="street-light-outages"'))
    visitor = guest(url, geolocation={"latitude": 42.3474, "longitude": -71.0944}, permissions=["geolocation"])
    for words in ("Lamp at my place", "Lamp at my place again"):
        visitor.page.goto(url)
        visitor.page.get_by_role("button", name="Use my position").click()
        expect(visitor.page.get_by_text("42.34740, -71.09440")).to_be_visible()
        go_on(visitor.page)
        visitor.page.get_by_label("Describe it in your own words").fill(words)
        go_on(visitor.page)
        go_on(visitor.page)
        expect(visitor.page.get_by_text("Your report goes to: Public Works Department.")).to_be_visible()
        if words.endswith("again"):
            break
        visitor.page.get_by_role("button", name="Send the report").click()
        expect(visitor.page.get_by_role("heading", name="Your report was sent")).to_be_visible()

    ((number, _address, lat, *_),) = rows(live, "Lamp at my place")
    assert lat == pytest.approx(42.3474)
    link = visitor.page.get_by_role("link", name=f"Follow report {number} instead")
    assert link.get_attribute("href") == f"{live.url}/track/{number}?jurisdiction_id=boston.gov"
    visitor.picture("widget-report-nearby")
    assert visitor.barriers() == []


@pytest.fixture
def six_questions(live: Live) -> Iterator[None]:
    """A service of Seattle that asks a question of each datatype, all to be answered, in an order of its own."""
    with live.connect() as connection:
        for place, (datatype, question, values) in enumerate(SIX):
            connection.execute(
                "insert into service_attribute (jurisdiction_id, service_id, code, position, datatype, variable, required, "
                "description, values) select s.jurisdiction_id, s.id, %s, %s, %s, true, true, %s, %s::jsonb from service s "
                "join jurisdiction j on j.id = s.jurisdiction_id where s.code = 'dead-animal' and j.slug = 'seattle.gov'",
                [f"Q-{datatype}", place + 1, datatype, question, values],
            )
    yield
    with live.connect() as connection:
        connection.execute("delete from service_attribute where code like 'Q-%'")


@pytest.mark.usefixtures("six_questions")
def test_questions_of_every_datatype_are_asked_and_answered(guest: Callable[..., Visitor], portal: Portal, live: Live):
    visitor = guest(portal.page(portal.element("report", 'service="dead-animal"', jurisdiction="seattle.gov")))
    page = visitor.page
    page.get_by_label("Address or crossing").fill("600 4th Ave")
    go_on(page)
    expect(page.get_by_role("heading", name="What is wrong?")).to_be_focused()
    page.get_by_label("How many?").fill("many")
    go_on(page)
    expect(page.get_by_role("alert")).to_be_focused()
    problems = page.get_by_role("alert").get_by_role("link").all_inner_texts()
    assert problems == [
        "Answer this question: Which pole?",
        "Answer this question: Tell more",
        "Answer with a number, such as 3 or 2.5: How many?",
        "Answer this question: Since when?",
        "Answer this question: What colour?",
        "Answer this question: Which sides?",
    ]
    visitor.picture("widget-report-problems")
    assert visitor.barriers() == []
    page.get_by_role("alert").get_by_role("link", name="Which pole?").click()
    expect(page.get_by_label("Which pole?")).to_be_focused()
    page.get_by_label("Which pole?").fill("Pole 7")
    page.get_by_label("Tell more").fill("Two\nlines")
    page.get_by_label("How many?").fill("2.5")
    page.get_by_label("Since when?").fill("2026-03-02T07:00")
    page.get_by_label("Blue").check()
    page.get_by_label("North").check()
    page.get_by_label("East").check()
    page.get_by_label("Describe it in your own words").fill("Six answers")
    go_on(page)
    go_on(page)
    expect(page.get_by_text("North, East")).to_be_visible()

    page.get_by_role("button", name="Send the report").click()

    expect(page.get_by_role("heading", name="Your report was sent")).to_be_visible()
    ((_number, _address, _lat, answers, _photos),) = rows(live, "Six answers")
    assert answers == {
        "Q-string": "Pole 7",
        "Q-text": "Two\nlines",
        "Q-number": "2.5",
        "Q-datetime": "2026-03-02T15:00:00Z",
        "Q-singlevaluelist": "b",
        "Q-multivaluelist": ["n", "e"],
    }


def test_a_double_click_makes_one_request(guest: Callable[..., Visitor], portal: Portal, live: Live):
    visitor = guest(portal.page(portal.element("report", 'service="street-light-outages"')))
    posts: list[str] = []
    visitor.page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    walk_to_the_end(visitor.page, address="103-105 Brooks St Brighton MA 02135", description="Pressed twice")

    visitor.page.get_by_role("button", name="Send the report").dblclick()

    expect(visitor.page.get_by_role("heading", name="Your report was sent")).to_be_visible()
    assert len(posts) == 1
    assert len(rows(live, "Pressed twice")) == 1


def test_an_answer_that_is_lost_on_the_way_is_told_and_sending_again_makes_no_second_request(
    guest: Callable[..., Visitor], portal: Portal, live: Live
):
    visitor = guest(portal.page(portal.element("report", 'service="street-light-outages"')))
    page = visitor.page
    walk_to_the_end(page, address="103-105 Brooks St Brighton MA 02135", description="Lost on the way")
    keys: list[str | None] = []

    def lose(route: Route) -> None:
        if route.request.method == "POST":
            keys.append(route.request.headers.get("idempotency-key"))
            route.fetch()
        route.abort()

    page.route("**/requests.json*", lose)
    page.get_by_role("button", name="Send the report").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_text("Lost on the way")).to_be_visible()
    page.unroute_all()

    page.get_by_role("button", name="Send the report").click()

    expect(page.get_by_role("heading", name="Your report was sent")).to_be_visible()
    ((number, *_),) = rows(live, "Lost on the way")
    expect(page.locator(".panel .number")).to_have_text(number)
    assert len(keys) == 1
    refusals_are_told(visitor)


def test_what_is_changed_after_a_lost_answer_is_sent(guest: Callable[..., Visitor], portal: Portal, live: Live):
    visitor = guest(portal.page(portal.element("report", 'service="street-light-outages"')))
    page = visitor.page
    walk_to_the_end(page, address="103-105 Brooks St Brighton MA 02135", description="Before it was changed")

    def lose(route: Route) -> None:
        if route.request.method == "POST":
            route.fetch()
        route.abort()

    page.route("**/requests.json*", lose)
    page.get_by_role("button", name="Send the report").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.unroute_all()
    page.get_by_role("button", name="Change: Description").click()
    page.get_by_label("Describe it in your own words").fill("After it was changed")
    go_on(page)
    go_on(page)
    page.get_by_role("button", name="Send the report").click()

    expect(page.get_by_role("heading", name="Your report was sent")).to_be_visible()
    ((number, *_),) = rows(live, "After it was changed")
    expect(page.locator(".panel .number")).to_have_text(number)
    assert len(rows(live, "Before it was changed")) == 1
    refusals_are_told(visitor)


def test_what_is_refused_is_told_in_plain_words_of_the_language_and_no_more_once_it_is_mended(
    guest: Callable[..., Visitor], portal: Portal
):
    visitor = guest(
        portal.page(portal.element("report", 'service="street-light-outages"'), lang="es"),
        geolocation={"latitude": 40.0, "longitude": -71.0},
        permissions=["geolocation"],
    )
    page = visitor.page
    page.get_by_role("button", name="Usar mi ubicación").click()
    page.wait_for_timeout(300)
    page.locator("button[type=submit]").click()
    expect(page.get_by_role("alert")).to_contain_text("Este lugar está fuera de City of Boston.")
    address = page.get_by_label("Dirección o cruce de calles")
    expect(address).to_have_accessible_description(re.compile("Este lugar está fuera de City of Boston"))
    page.get_by_role("button", name="Quitar la marca").click()
    address.fill("700 Boylston St")
    page.locator("button[type=submit]").click()
    page.locator("open311-report #photo").set_input_files({"name": "nota.txt", "mimeType": "text/plain", "buffer": b"no photo"})
    page.locator("button[type=submit]").click()
    page.locator("button[type=submit]").click()
    page.get_by_role("button", name="Enviar el reporte").click()

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("“nota.txt”")
    assert not re.search(r"\b(is|must|send|file)\b", alert.inner_text())
    alert.get_by_role("link").click()
    expect(page.locator("open311-report #photo")).to_be_focused()
    page.get_by_role("button", name="Atrás").click()
    expect(address).not_to_have_accessible_description(re.compile("City of Boston"))
    refusals_are_told(visitor)


def test_a_key_of_another_origin_is_refused_and_nothing_is_lost(guest: Callable[..., Visitor], portal: Portal, live: Live):
    with live.connect() as connection:
        key = create_key(
            connection, "Elsewhere", origins=["https://elsewhere.example"], now=datetime.now(UTC).replace(microsecond=0)
        )
    visitor = guest(portal.page(portal.element("report", 'service="street-light-outages"', key=key)))
    page = visitor.page
    walk_to_the_end(page, address="103-105 Brooks St Brighton MA 02135", description="From elsewhere")

    page.get_by_role("button", name="Send the report").click()

    expect(page.get_by_role("alert")).to_contain_text(f"api_key is not good for pages of {portal.url}")
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_role("button", name="Change: Description").click()
    expect(page.get_by_label("Describe it in your own words")).to_have_value("From elsewhere")
    assert rows(live, "From elsewhere") == []
    refusals_are_told(visitor)


def test_a_refused_report_leads_to_the_field_and_keeps_what_was_typed(
    guest: Callable[..., Visitor], portal: Portal, live: Live
):
    visitor = guest(portal.page(portal.element("report", 'service="street-light-outages"')))
    page = visitor.page
    go_on(page)
    expect(page.get_by_role("alert")).to_contain_text("Enter an address or a crossing of two streets.")
    page.get_by_label("Address or crossing").fill("103-105 Brooks St Brighton MA 02135")
    go_on(page)
    page.get_by_label("Describe it in your own words").fill("With a bad photo")
    page.get_by_label("Photos").set_input_files([{"name": "note.jpg", "mimeType": "image/jpeg", "buffer": b"no photo"}])
    go_on(page)
    go_on(page)
    page.get_by_role("button", name="Send the report").click()

    page.get_by_role("alert").get_by_role("link", name="note.jpg").click()

    photos = page.get_by_label("Photos (optional)")
    expect(photos).to_be_focused()
    expect(page.get_by_label("Describe it in your own words")).to_have_value("With a bad photo")
    assert photos.get_attribute("aria-invalid") == "true"
    assert rows(live, "With a bad photo") == []
    refusals_are_told(visitor)


def test_scripts_in_what_the_service_says_never_run(guest: Callable[..., Visitor], portal: Portal, live: Live):
    visitor = guest(portal.page("<p>Waits</p>"))
    page = visitor.page

    def poison(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: poison(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [poison(each, key) for each in value]
        spoken = ("name", "description", "group", "notes", "address", "status_name", "agency_responsible", "summary", "url")
        return SCRIPT if isinstance(value, str) and key.endswith(spoken) else value

    def answer(route: Route) -> None:
        found = route.fetch()
        route.fulfill(response=found, json=poison(found.json()))

    page.route("**/open311/v2/**", answer)
    number = page.request.get(f"{portal.service}/open311/v2/requests.json?jurisdiction_id=boston.gov&page_size=1").json()[0]
    body = (
        portal.element("report") + portal.element("map") + portal.element("track", f'number="{number["service_request_id"]}"')
    )
    page.goto(portal.page(body))
    expect(page.locator("open311-track h2")).to_have_text(SCRIPT)
    page.get_by_label("Search in your own words").fill("onerror")
    page.locator("open311-report .found button, open311-report .choices button").first.click()
    expect(page.get_by_role("heading", name="Where is it?")).to_be_visible()
    page.locator("open311-map tbody tr").first.wait_for(state="attached")

    page.wait_for_load_state("networkidle")
    page.unroute_all(behavior="wait")
    assert page.evaluate("window.stolen") is None
    assert page.locator("open311-track script, open311-report script, open311-map script, [onerror]").count() == 0


def test_the_map_counts_what_the_service_counts_and_is_moved_by_keys(guest: Callable[..., Visitor], portal: Portal, live: Live):
    visitor = guest(portal.page(portal.element("map", 'district="council:8" status="open"')))
    page = visitor.page
    expect(page.get_by_role("status")).to_contain_text("of the last 90 days")
    page.get_by_text("The map as a table").first.click()
    asked = "jurisdiction_id=boston.gov&bbox=-71.3,42.2,-70.8,42.5&zoom=2&district=council:8&status=open"
    (known,) = live.get(f"/open311/v2/clusters.json?{asked}").json
    table = page.locator("open311-map tbody tr")
    counts = [int(each.replace(",", "")) for each in table.locator("td:nth-child(2)").all_inner_texts()]
    assert sum(counts) == known["count"] > 0
    assert len(counts) == page.locator("open311-map .spot").count()
    expect(page.get_by_role("status")).to_contain_text(str(sum(counts)))
    visitor.picture("widget-map-district")
    assert visitor.barriers() == []

    page.get_by_role("button", name=re.compile("^List")).last.click()
    expect(page.locator("open311-map h3")).to_be_focused()
    links = page.locator("open311-map .choices a")
    assert links.count() >= 2
    assert str(links.first.get_attribute("href")).startswith(f"{live.url}/track/")
    said = page.get_by_role("status").inner_text()
    page.get_by_role("application", name="Map of reports").focus()
    for key in ("+", "ArrowLeft"):
        page.keyboard.press(key)
    expect(page.get_by_role("status")).not_to_have_text(said)
    page.keyboard.press("Home")
    expect(page.get_by_role("status")).to_have_text(said)


# Pairs of circles that lie on one another.
OVERLAPPING = """circles => {
    const boxes = circles.map(each => each.getBoundingClientRect());
    const apart = (one, other) => Math.hypot(one.x + one.width / 2 - other.x - other.width / 2,
        one.y + one.height / 2 - other.y - other.height / 2) - (one.width + other.width) / 2;
    return boxes.flatMap((one, i) => boxes.slice(i + 1).map(other => apart(one, other))).filter(each => each < 0);
}"""


@pytest.mark.parametrize("width", WIDTHS)
def test_circles_do_not_lie_on_one_another(guest: Callable[..., Visitor], portal: Portal, live: Live, width: int):
    page = guest(portal.page(portal.element("map")), viewport={"width": width, "height": 800}).page
    status = page.get_by_role("status")
    for _ in range(4):
        page.locator("open311-map g.spot").first.wait_for()
        (said,) = re.findall(r"^([\d,]+) report", status.inner_text())
        page.get_by_text("The map as a table").first.click()
        counts = page.locator("open311-map tbody td:nth-child(2)").all_inner_texts()
        page.get_by_text("The map as a table").first.click()

        assert page.locator("open311-map .spot circle:not(.around)").evaluate_all(OVERLAPPING) == []
        assert f"{sum(int(each.replace(',', '')) for each in counts):,}" == said
        before = status.inner_text()
        page.get_by_role("button", name="Zoom in", exact=True).first.click()
        expect(status).not_to_have_text(before)


def test_circles_bring_the_map_closer_and_dragging_moves_it(guest: Callable[..., Visitor], portal: Portal):
    visitor = guest(portal.page(portal.element("map")))
    page = visitor.page
    status = page.get_by_role("status")
    page.locator("open311-map g.spot").first.wait_for()
    for move in ("closer", "closer", "aside"):
        said = status.inner_text()
        if move == "closer":
            page.locator("open311-map g.spot").last.click()
        else:
            page.locator(".map").hover(position={"x": 100, "y": 100})
            page.mouse.down()
            page.mouse.move(700, 400, steps=3)
            page.mouse.up()
        expect(status).not_to_have_text(said)
        if move == "closer":
            visitor.picture("widget-map-close")
    assert visitor.barriers() == []


def test_a_report_is_tracked_by_its_number_as_a_person_writes_it(guest: Callable[..., Visitor], portal: Portal, live: Live):
    form = f"api_key={live.key}&jurisdiction_id=boston.gov&service_code=street-light-outages&lat=42.3474&long=-71.0944"
    posted = live.call(
        "POST",
        "/open311/v2/requests.json",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=f"{form}&description=Tracked".encode(),
    )
    number = posted.json[0]["service_request_id"]
    visitor = guest(portal.page(portal.element("track")))
    page = visitor.page
    for written in (number, number.lower().replace("-", " "), number.replace("-", "")):
        page.get_by_label("Number of the report").fill(written)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name=LAMP)).to_be_focused()
        page.get_by_label("Number of the report").focus()

    expect(page.get_by_text("Public Works Department")).to_be_visible()
    expect(page.get_by_text("We received the report")).to_be_visible()
    link = page.get_by_role("link", name="All about this report").get_attribute("href")
    assert link == f"{live.url}/track/{number}?jurisdiction_id=boston.gov"
    visitor.picture("widget-track")
    assert visitor.barriers() == []


def test_without_the_service_the_city_s_own_words_are_shown(guest: Callable[..., Visitor], portal: Portal):
    visitor = guest(portal.page("<p>Waits</p>"))
    visitor.page.route("**/services.json*", lambda route: route.abort())

    visitor.page.goto(portal.page(portal.element("report").replace("></", "><p>Call 311</p></")))

    expect(visitor.page.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(visitor.page.get_by_text("Call 311")).to_be_visible()
    visitor.page.unroute_all()
    visitor.page.get_by_role("button", name="Try again").click()
    expect(visitor.page.get_by_role("heading", name="What do you want to report?")).to_be_visible()
    refusals_are_told(visitor)


def test_a_number_that_is_not_there_is_told(guest: Callable[..., Visitor], portal: Portal):
    visitor = guest(portal.page(portal.element("track", 'number="NO-SUCH"')))
    expect(visitor.page.get_by_role("alert")).to_contain_text("We do not find this number.")

    visitor.page.get_by_role("button", name="Track").click()

    expect(visitor.page.get_by_role("alert")).to_be_focused()
    refusals_are_told(visitor)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_example_portal_has_no_barriers_by_day_and_by_night(guest: Callable[..., Visitor], scheme: str):
    visitor = guest(color_scheme=scheme)
    expect(visitor.page.get_by_role("status").filter(has_text="of the last 90 days")).to_be_visible()
    visitor.page.get_by_label("Search in your own words").wait_for()

    visitor.picture(f"widget-portal-{scheme}")

    assert visitor.barriers() == []


def test_the_example_portal_is_not_cut_on_a_narrow_screen_or_with_letters_twice_as_large(guest: Callable[..., Visitor]):
    visitor = guest(viewport={"width": 320, "height": 640})
    expect(visitor.page.get_by_role("status").filter(has_text="of the last 90 days")).to_be_visible()
    assert not visitor.is_cut()
    small = visitor.page.evaluate(
        """[...document.querySelectorAll("open311-report, open311-map, open311-track")]
        .flatMap(each => [...each.shadowRoot.querySelectorAll("button, input, summary")])
        .filter(each => each.checkVisibility() && each.getBoundingClientRect().height < 44).map(each => each.outerHTML)"""
    )
    assert small == []

    visitor.page.evaluate("document.documentElement.style.fontSize = '200%'")

    visitor.picture("widget-portal-large")
    assert not visitor.is_cut()


def test_a_report_is_made_by_keyboard_alone(guest: Callable[..., Visitor], portal: Portal, live: Live):
    visitor = guest(portal.page(portal.element("report")))
    page, keys = visitor.page, visitor.page.keyboard

    def tab_to(name: str) -> None:
        for _each in range(20):
            keys.press("Tab")
            if name in page.evaluate(FOCUSED):
                return
        pytest.fail(f"{name} is not reached")

    page.get_by_label("Search in your own words").wait_for()
    tab_to("Search in your own words")
    keys.type("outages")
    tab_to(LAMP)
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Where is it?")).to_be_focused()
    page.locator(".map .names text").first.wait_for()
    tab_to("Map to put a pin on")
    for key in ("+", "+", "ArrowLeft", "Enter"):
        keys.press(key)
    expect(page.get_by_text("The pin is at")).to_be_visible()
    tab_to("Continue")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="What is wrong?")).to_be_focused()
    tab_to("Describe it")
    keys.type("By keyboard")
    tab_to("Continue")
    keys.press("Enter")
    tab_to("Continue")
    keys.press("Enter")
    expect(page.get_by_text("Your report goes to:")).to_be_visible()
    tab_to("Send the report")
    keys.press("Enter")

    expect(page.get_by_role("heading", name="Your report was sent")).to_be_focused()
    ((_number, address, lat, *_),) = rows(live, "By keyboard")
    assert address is None
    assert lat is not None


def test_the_elements_speak_the_language_of_the_page_or_their_own(guest: Callable[..., Visitor], portal: Portal):
    body = portal.element("report") + portal.element("map") + portal.element("track", 'lang="zh"')
    visitor = guest(portal.page(body, lang="es-MX"))

    expect(visitor.page.get_by_role("heading", name="¿Qué desea reportar?")).to_be_visible()
    expect(visitor.page.get_by_role("button", name="查询")).to_be_visible()
    expect(visitor.page.get_by_role("status").filter(has_text="de los últimos 90 días")).to_be_visible()
    assert visitor.page.locator("open311-report .root").get_attribute("lang") == "es"
    visitor.picture("widget-spanish")
    assert visitor.barriers() == []


def test_a_language_without_texts_is_english_from_left_to_right(guest: Callable[..., Visitor], portal: Portal):
    visitor = guest(portal.page(portal.element("track"), lang="ar"))

    expect(visitor.page.get_by_role("button", name="Track")).to_be_visible()
    root = visitor.page.locator("open311-track .root")
    assert (root.get_attribute("lang"), root.get_attribute("dir")) == ("en", "ltr")


def test_what_is_an_emergency_is_said_before_anything_is_asked(guest: Callable[..., Visitor], portal: Portal):
    visitor = guest(portal.page(portal.element("report")))
    page = visitor.page
    expect(page.get_by_text("Is somebody in danger?")).to_be_visible()
    assert page.locator("open311-report a[href='tel:911']").first.is_visible()
    page.get_by_label("Search in your own words").fill("downed wire")
    page.get_by_role("button", name="Downed Wire").click()

    expect(page.get_by_text("A wire that sparks")).to_be_visible()
    visitor.picture("widget-report-emergency")

    page.goto(portal.page(portal.element("report", 'service="street-light-outages"')))
    expect(page.get_by_text("Is somebody in danger?").locator("visible=true")).to_have_count(1)


def test_of_a_private_service_nobody_is_told_that_everybody_reads_it(guest: Callable[..., Visitor], portal: Portal):
    body = portal.element("report", 'service="public-disclosure"', jurisdiction="seattle.gov")
    page = guest(portal.page(body)).page
    page.get_by_label("Address or crossing").fill("600 4th Ave")
    go_on(page)

    expect(page.get_by_label("Describe it in your own words")).to_be_visible()
    assert "Everybody" not in page.locator("open311-report").inner_text()


def test_the_focus_is_never_lost(guest: Callable[..., Visitor], portal: Portal):
    visitor = guest(portal.page(portal.element("report", 'service="street-light-outages"') + portal.element("map")))
    page = visitor.page
    expect(page.get_by_role("heading", name="Where is it?")).to_be_visible()
    page.get_by_role("application", name="Map to put a pin on").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Remove the pin").click()
    expect(page.get_by_label("Address or crossing")).to_be_focused()

    page.get_by_text("The map as a table").click()
    page.locator("open311-map tbody button", has_text="Zoom in").first.click()
    expect(page.get_by_role("application", name="Map of reports")).to_be_focused()

    walk_to_the_end(page, address="103-105 Brooks St Brighton MA 02135", description="Focus")
    page.get_by_role("button", name="Send the report").click()
    page.get_by_role("button", name="Report something else").click()
    expect(page.get_by_role("heading", name="Where is it?")).to_be_focused()


def test_a_place_with_many_reports_leads_to_all_of_them(guest: Callable[..., Visitor], portal: Portal, live: Live):
    with live.connect() as connection:
        connection.execute(
            "insert into service_request (jurisdiction_id, number, service_id, department_id, status, case_status, channel, "
            "requested_at, updated_at, location, is_public) "
            "select jurisdiction_id, 'MANY-' || n, service_id, department_id, 'open', 'open', 'app', "
            "now() - interval '1 hour', now(), st_setsrid(st_makepoint(-70.99, 42.33), 4326), true "
            "from (select * from service_request where is_public limit 1) r, generate_series(1, 60) n"
        )
    page = guest(portal.page(portal.element("map"))).page
    page.get_by_role("status").wait_for()
    page.get_by_text("The map as a table").click()
    for _ in range(12):
        row = page.locator("open311-map tbody tr", has_text="-70.9900")
        if row.get_by_role("button", name="List").count():
            break
        row.get_by_role("button").first.click()
        page.wait_for_timeout(700)
    row.get_by_role("button", name="List").click()

    expect(page.locator("open311-map h3")).to_have_text("60 reports at this place")
    page.get_by_role("link", name="List all of them").click()
    expect(page.locator("main > p[role=status]")).to_contain_text("60 reports")
    live.take_out("MANY-%")


def test_an_element_that_was_changed_while_it_was_away_begins_anew(guest: Callable[..., Visitor], portal: Portal):
    visitor = guest(portal.page(portal.element("track", 'number="A-1"')))
    page = visitor.page
    expect(page.get_by_label("Number of the report")).to_have_value("A-1")
    page.evaluate(
        "() => { const it = document.querySelector('open311-track'); const beside = it.parentElement; it.remove(); "
        "it.setAttribute('number', 'B-2'); it.setAttribute('lang', 'es'); beside.append(it); }"
    )

    expect(page.get_by_role("button", name="Consultar")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.locator("open311-track input").input_value() == "B-2"
    refusals_are_told(visitor)


def test_a_page_whose_styles_reach_everything_leaves_it_readable(guest: Callable[..., Visitor], portal: Portal):
    page = guest(portal.page(portal.element("track"))).page
    page.evaluate(
        "document.styleSheets[0].insertRule('* { display: inline; text-indent: -999px; white-space: nowrap; "
        "text-transform: uppercase; -webkit-text-fill-color: transparent }')"
    )

    found = page.locator("open311-track .root label").evaluate(
        "each => [getComputedStyle(each).textIndent, getComputedStyle(each).whiteSpace, getComputedStyle(each).textTransform, "
        "getComputedStyle(each).webkitTextFillColor === getComputedStyle(each).color]"
    )
    assert found == ["0px", "normal", "none", True]
    page.evaluate("document.querySelector('open311-track').style.display = 'none'")
    assert page.locator("open311-track .root").is_hidden()


def test_the_script_works_as_a_module_too_beside_others_of_its_name(guest: Callable[..., Visitor], portal: Portal):
    portal.pages["/chat/widget.js"] = ""
    body = f'<script src="{portal.url}/chat/widget.js"></script>{portal.element("track")}'
    visitor = guest(portal.page(body, lang="es", script="type=module"))

    expect(visitor.page.get_by_role("button", name="Consultar")).to_be_visible()


def test_the_script_is_small(live: Live):
    answer = live.call("GET", "/widget.js", headers={"Accept-Encoding": "gzip"})

    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.body) < MOST_BYTES
