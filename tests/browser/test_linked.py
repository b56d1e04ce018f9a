"""The pages behind the links of our messages, as a person comes to them from a mail program."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.browser.conftest import Visitor
from tests.live.server import Live, default_settings, eventually

LETTER = (
    "select body from message join follower on follower.jurisdiction_id = message.jurisdiction_id"
    " and follower.id = message.follower_id where state = 'sent' and email = %s and body like %s order by message.id desc"
)


def link_to(live: Live, email: str, purpose: str) -> str:
    """The path of the newest link for a purpose that an address was mailed."""
    with live.connect() as connection:
        (body,) = eventually(
            lambda: connection.execute(LETTER, [email, f"%/{purpose}/%"]).fetchone(),
            seconds=20,
            what=f"a letter with {purpose}",
        )
    (link,) = set(re.findall(rf"https?://[^/\s]+(/{purpose}/\S+)", body))
    return str(link)


def run(live: Live, *words: str) -> None:
    """Run `open311` on the database of the service."""
    with default_settings():
        environment = {**os.environ, "DATABASE_URL": live.database_url}
    command = [str(Path(sys.executable).with_name("open311")), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def reported(live: Live, email: str) -> str:
    """The number of a lamp that somebody reported."""
    form = {
        "api_key": live.key, "jurisdiction_id": "boston.gov", "service_code": "street-light-outages", "email": email,
        "lat": "42.3474", "long": "-71.0944", "description": "Lamp is out", "address_string": "4 Jersey St, Boston",
    }  # fmt: skip
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = live.call("POST", "/open311/v2/requests.json", headers=headers, body=urlencode(form).encode())
    assert answer.status in (200, 201), answer.text
    return str(answer.json[0]["service_request_id"])


def looked_at(visitor: Visitor, name: str) -> None:
    """A picture is left; there are no barriers by night and on a narrow screen either."""
    visitor.picture(name)
    visitor.page.emulate_media(color_scheme="dark")
    visitor.page.set_viewport_size({"width": 320, "height": 640})
    assert visitor.barriers() == []
    assert not visitor.is_cut()
    visitor.page.emulate_media(color_scheme="light")
    visitor.page.set_viewport_size({"width": 1280, "height": 800})


def test_a_person_follows_a_report_and_hears_no_more(live: Live, visitor: Visitor):
    number = reported(live, "somebody.else@example.org")
    page = visitor.go(f"/track/{number}")
    page.fill("#email", "follower@example.org")
    page.get_by_role("button", name="Follow").click()
    page = visitor.go(link_to(live, "follower@example.org", "follow"))
    assert number in page.inner_text("h1")
    looked_at(visitor, "follow-asked")
    page.get_by_role("button", name="Yes, send me news").click()
    assert "You are told of" in page.inner_text("[role=status]")
    looked_at(visitor, "follow-done")

    run(live, "request", "note", number, "--jurisdiction", "boston.gov", "We look at it tonight.", "--public")
    page = visitor.go(link_to(live, "follower@example.org", "stop"))
    looked_at(visitor, "stop-asked")
    page.get_by_role("button", name="Yes, send me no more").click()
    assert "You will get no more news of" in page.inner_text("[role=status]")
    looked_at(visitor, "stop-done")
    page.get_by_role("link", name="See where it stands").click()
    assert page.inner_text("h1") == "Street Light Outages"


@pytest.mark.parametrize("fixed", ["yes", "no"])
def test_who_reported_says_whether_it_was_fixed(live: Live, visitor: Visitor, fixed: str):
    email = f"{fixed}.it.was@example.org"
    number = reported(live, email)
    run(live, "request", "close", number, "--jurisdiction", "boston.gov", "--words", "A new lamp is in.")

    page = visitor.go(link_to(live, email, "fixed"))
    assert "4 Jersey St" in page.inner_text("main")
    looked_at(visitor, f"fixed-asked-{fixed}")
    page.fill("#comment", "It took a week.")
    page.get_by_role("button", name="Send").click()
    assert page.title().startswith("Problem:")
    page.get_by_role("link", name="Say whether it was fixed").click()
    assert page.evaluate("document.activeElement.id") == "fixed-yes"
    assert page.input_value("#comment") == "It took a week."
    looked_at(visitor, f"fixed-problem-{fixed}")
    page.check(f"input[value={fixed}]")
    page.select_option("#score", "4")
    page.get_by_role("button", name="Send").click()
    assert "Thank you" in page.inner_text("[role=status]")
    looked_at(visitor, f"fixed-{fixed}")


def test_a_link_that_was_cut_off_says_so(visitor: Visitor):
    for purpose in ("follow", "stop", "fixed", "mine"):
        visitor.go(f"/{purpose}/abc")
        looked_at(visitor, f"link-unknown-{purpose}")


def test_pages_behind_links_need_no_scripts(live: Live, visit: Callable[..., Visitor]):
    reader = visit(java_script_enabled=False)
    number = reported(live, "no.scripts@example.org")
    run(live, "request", "close", number, "--jurisdiction", "boston.gov")
    page = reader.go(link_to(live, "no.scripts@example.org", "fixed"))
    page.check("input[value=no]")
    page.get_by_role("button", name="Send").click()
    assert "Thank you" in page.inner_text("[role=status]")
    page = reader.go(link_to(live, "no.scripts@example.org", "stop"))
    page.get_by_role("button", name="Yes, send me no more").click()
    assert "You will get no more news of" in page.inner_text("[role=status]")
