"""How staff take a request in, through every channel; and what an e-mail message reports."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from open311.actors import Actor, NotAllowed
from open311.cases.photos import PhotoShelf
from open311.cases.posting import take_in
from open311.cases.receiving import CHANNELS, NotAReport, read_mail, read_taken
from open311.media_store import media_store
from schemas.problems import Problems
from tests.cases.conftest import LOADED
from tests.cases.smallville import IN_WEST
from tests.cases.working import Working

FORM = {"service_code": ["tree"], "lat": [str(IN_WEST.lat)], "long": [str(IN_WEST.long)], "description": ["It fell"]}


def mail(*headers: str, body: str = "A tree lies there", kind: str = "text/plain; charset=utf-8") -> EmailMessage:
    """A message as a mail server pipes it."""
    lines = ["From: Ann Lee <ann@example.org>", "Subject: Fallen tree", f"Content-Type: {kind}", *headers, "", body, ""]
    return message_from_bytes("\r\n".join(lines).encode(), policy=policy.default)  # type: ignore[return-value]


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_request_keeps_its_channel_its_time_and_who_took_it(
    trees: Working, people: dict[str, Actor], settings: Any, channel: str
):
    posted, located = read_taken(FORM, [], trees.city, by=people["Carla"], limits=settings())
    with PhotoShelf(media_store(settings()), jurisdiction_id=trees.city.jurisdiction_id) as shelf:
        receipt = take_in(trees.connection, posted, located, trees.city, shelf, channel=channel, now=LOADED, by=people["Carla"])

    row = trees.request(receipt.number or "")
    (received,) = trees.events(receipt.number or "", "received")
    assert (row.channel, row.requested_at, row.taken_by_id) == (channel, LOADED, people["Carla"].account_id)
    assert (received.facts["channel"], received.facts["by"]) == (channel, "Carla")


@pytest.mark.parametrize("name", ["Olga", "Edna"])
def test_who_takes_in_no_requests_is_refused(trees: Working, people: dict[str, Actor], settings: Any, name: str):
    with pytest.raises(NotAllowed, match=f"{name} .* may not take in requests"):
        read_taken(FORM, [], trees.city, by=people[name], limits=settings())

    assert trees.rows("select 1 from service_request where jurisdiction_id = %s", trees.city.id) == []


def test_a_crew_takes_in_what_it_sees_wherever_it_goes(trees: Working, people: dict[str, Actor], settings: Any):
    posted, _ = read_taken(FORM, [], trees.city, by=people["Hal"], limits=settings())

    assert posted.submission.description == "It fell"


def test_a_message_says_what_where_and_who():
    read = read_mail(mail("Message-ID: <1@x>", body="It lies there\r\nAddress: 10 Elm St\r\nAnn"), service_code="tree")

    assert read.fields == {
        "service_code": ["tree"],
        "description": ["Fallen tree\n\nIt lies there\r\nAddress: 10 Elm St\r\nAnn"],
        "email": ["ann@example.org"],
        "first_name": ["Ann"],
        "last_name": ["Lee"],
        "address_string": ["10 Elm St"],
    }


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param("<p>It lies <b>there</b></p><script>x()</script><p>Now</p>", "It lies there\nNow", id="blocks"),
        pytest.param('<?xml version="1.0" encoding="utf-8"?><html><body>There</body></html>', "There", id="declared"),
        pytest.param("<!-- nothing -->", "", id="a-comment-alone"),
    ],
)
def test_a_message_of_html_is_read_as_text(body: str, text: str):
    read = read_mail(mail(body=body, kind="text/html; charset=utf-8"), service_code="tree")

    assert read.fields["description"] == ["\n\n".join(each for each in ("Fallen tree", text) if each)]


@pytest.mark.parametrize("where", ["beside", "within"])
def test_pictures_are_photos_wherever_they_stand(where: str):
    picture = "--{0}\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n"
    page = "--{0}\r\nContent-Type: text/html\r\n\r\n<p>Look</p>\r\n"
    bodies = {
        "beside": page.format("a") + picture.format("a") + "--a--",
        "within": "--a\r\nContent-Type: multipart/related; boundary=b\r\n\r\n"
        + (page + picture).format("b")
        + "--b--\r\n--a--",
    }

    read = read_mail(mail(body=bodies[where], kind="multipart/mixed; boundary=a"), service_code="tree")

    assert [photo.content for photo in read.photos] == [b"\x89PNG\r\n\x1a\n"]


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(mail("Message-ID: <"), id="message-id"),
        pytest.param(mail("Reply-To: <"), id="reply-to"),
        pytest.param(mail(kind="text/plain; charset=x-nobody-knows"), id="charset"),
    ],
)
def test_a_message_that_is_not_well_formed_is_read_as_far_as_it_can_be(odd: EmailMessage):
    assert read_mail(odd, service_code="tree").fields["description"][0].startswith("Fallen tree\n\nA tree lies there")


@pytest.mark.parametrize("header", ["Auto-Submitted: auto-replied", "Auto-Submitted: auto-generated; x=y"])
def test_what_no_person_wrote_is_no_report(header: str):
    with pytest.raises(NotAReport):
        read_mail(mail(header), service_code="tree")


def test_what_says_that_a_person_sent_it_is_a_report():
    assert read_mail(mail("Auto-Submitted: no"), service_code="tree").fields["email"] == ["ann@example.org"]


def test_one_message_id_is_one_reference_and_none_is_none():
    first, second, other, none = (
        read_mail(mail(*headers), service_code="tree").reference
        for headers in (["Message-ID: <1@x>"], ["Message-ID: <1@x>", "X-Again: yes"], ["Message-ID: <2@x>"], [])
    )

    assert (first == second, first == other, none) == (True, False, None)


@pytest.mark.parametrize(
    "raw", [b"", b"\0\0\0", b"From: a@example.org\r\nSubject: \r\n\r\n \r\n"], ids=["empty", "nul", "blank"]
)
def test_a_message_that_says_nothing_is_refused(raw: bytes):
    message: EmailMessage = message_from_bytes(raw, policy=policy.default)  # type: ignore[assignment]

    with pytest.raises(Problems) as refused:
        read_mail(message, service_code="tree")

    assert refused.value.messages == ["the message says nothing: it has neither a subject nor a text"]
