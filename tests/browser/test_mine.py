"""My reports, as a person finds them with a browser and a mail program."""

import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from tests.browser.conftest import Visitor
from tests.live.server import Live, eventually

ANN = "ann.browser@example.org"
LETTER = (
    "select body from message join follower on follower.jurisdiction_id = message.jurisdiction_id"
    " and follower.id = message.follower_id where event = 'own' and state = 'sent' and email = %s order by message.id desc"
)


@pytest.fixture
def reported(live: Live) -> None:
    """Three reports with an e-mail address, one of them for nobody else."""
    for service, words in (
        ("graffiti-removal", "A wall"),
        ("street-light-outages", "Lamp is out"),
        ("graffiti-removal", "Again"),
    ):
        form = {
            "api_key": live.key, "jurisdiction_id": "boston.gov", "service_code": service, "description": words, "email": ANN,
            "lat": "42.3474", "long": "-71.0944", "address_string": "4 Jersey St, Boston",
        }  # fmt: skip
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        posted = live.call("POST", "/open311/v2/requests.json", headers=headers, body=urlencode(form).encode())
        assert posted.status in (200, 201), posted.text
    with live.connect() as connection:
        connection.execute("update service_request set is_public = false where description = 'Again'")


def test_a_person_asks_and_finds_their_reports_by_the_letter(live: Live, visit: Callable[..., Visitor], reported: None):
    visitor = visit()
    page = visitor.go("/track")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="My reports").click()
    visitor.picture("mine-ask")
    page.get_by_label("Your e-mail address").fill(ANN)
    page.get_by_role("button", name="Send me the link").click()
    assert "a message is on its way" in page.inner_text("main")
    visitor.picture("mine-asked")

    with live.connect() as connection:
        (body,) = eventually(lambda: connection.execute(LETTER, [ANN]).fetchone(), seconds=20, what="a letter")
    (link,) = re.findall(r"https?://[^/\s]+(/mine/\S+)", body)

    for scheme in ("light", "dark"):
        reader = visit(color_scheme=scheme, viewport={"width": 320, "height": 800})
        reader.go(link)
        assert "3 reports were made" in reader.page.inner_text("main")
        assert reader.page.get_by_text("Not shown in public").count() == 1
        assert reader.barriers() == []
        assert not reader.is_cut()
        reader.picture(f"mine-{scheme}")
    # What the browser sends of the address to the page that it goes on to.
    reader.page.get_by_role("link", name="Street Light Outages").click()
    assert reader.page.evaluate("document.referrer") == ""
