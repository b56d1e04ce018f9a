"""One hole, from its first report to the last word: real processes, a real mail server, a real receiver of webhooks."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
import requests
from aiosmtpd.controller import Controller
from psycopg.rows import namedtuple_row

from db.cluster import Cluster
from open311.cli.serve import STOP_TIMEOUT_SECONDS, Address, Child, web_command
from tests.cases.files import photo, taken_at
from tests.cases.receiver import Receiver, receiving
from tests.cases.test_messages import Postbox
from tests.cases.treeville import treeville
from tests.conftest import TEMPLATE
from tests.live.server import default_settings, eventually, free_port, wait_until_listening

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]

CITY = ("--jurisdiction", "small.gov")
HOLE = {"jurisdiction_id": "small.gov", "service_code": "pothole", "lat": "42.35", "long": "-71.15", "attribute[DEPTH]": "deep"}
PEOPLE = [f"{name}@example.org" for name in ("ann", "bob", "cleo", "dora", "emil")]
TOLD_SECONDS = 40


class Town:
    """A city that runs: its web server, its worker, its commands, its database."""

    def __init__(self, environment: Mapping[str, str], port: int) -> None:
        self.environment = environment
        self.url = f"http://127.0.0.1:{port}"

    def run(self, *words: str, input: bytes = b"") -> str:
        """What `open311` prints."""
        command = [str(Path(sys.executable).with_name("open311")), *words]
        done = subprocess.run(command, env=dict(self.environment), input=input, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def rows(self, query: str, *values: Any) -> list[Any]:
        """The rows of a query."""
        with psycopg.connect(self.environment["DATABASE_URL"], row_factory=namedtuple_row) as connection:
            return connection.execute(query, values).fetchall()  # type: ignore[arg-type]


@pytest.fixture
def postbox() -> Iterator[tuple[Postbox, int]]:
    """A mail server, and its port."""
    box, port = Postbox(), free_port()
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    yield box, port
    server.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    with receiving() as found:
        yield found


@pytest.fixture
def town(cluster: Cluster, worker_id: str, tmp_path: Path, postbox: tuple[Postbox, int]) -> Iterator[Town]:
    """Treeville, which opens again what was not fixed, with its processes."""
    name, port = f"one_hole_{worker_id}", free_port()
    cluster.create_database(name, template=TEMPLATE)
    folder = treeville(tmp_path / "tree")
    folder.change("jurisdiction.yml", "outline: city", "reopens_when_not_fixed: true\noutline: city")
    with default_settings():
        environment = {
            **os.environ,
            "DATABASE_URL": cluster.url(name),
            "SECRET_KEY": "a key for this test alone, long enough",
            "OPEN311_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "OPEN311_MEDIA_DIR": str(tmp_path / "media"),
            "OPEN311_MAIL_URL": f"smtp://127.0.0.1:{postbox[1]}",
            "OPEN311_MAIL_FROM": "311@small.gov",
            "OPEN311_WEBHOOK_NETWORKS": "127.0.0.0/8",
        }
    town = Town(environment, port)
    town.run("city", "load", str(folder.path))
    address = Address.from_environment({"PORT": str(port)})
    worker = [str(Path(sys.executable).with_name("open311")), "worker"]
    children = [
        Child(name="the web server", command=web_command(address.number, address.port), environment=environment),
        Child(name="the worker", command=worker, environment=environment),
    ]
    try:
        for child in children:
            child.start()
        wait_until_listening(children[0], port)
        yield town
    finally:
        for child in children:
            child.ask_to_stop()
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        for child in children:
            child.wait_or_kill(deadline)
        cluster.drop_database(name)


def report_by_app(town: Town, key: str, email: str, picture: bytes | None = None) -> str:
    """The number of a report that an app posts."""
    files = {"anything": ("hole.jpg", picture)} if picture else None
    form = {"api_key": key, **HOLE, "email": email, "description": "A deep hole before the school"}
    answer = requests.post(f"{town.url}/open311/v2/requests.json", data=form, files=files, timeout=30)
    assert answer.status_code == 200, answer.text
    number: str = answer.json()[0]["service_request_id"]
    return number


def report_by_phone(town: Town, email: str) -> str:
    """The number of a report that a call taker takes in."""
    return town.run(
        *("request", "receive", *CITY, "--channel", "phone", "--service-code", "pothole", "--lat", "42.35005"),
        *("--long", "-71.15", "--attribute", "DEPTH=deep", "--description", "hole, school", "--email", email),
    )


def report_by_mail(town: Town, email: str) -> str:
    """The number of a report that comes by e-mail, in which nobody says how deep or where exactly."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = email, "311@small.gov", "A tree over the hole"
    message.set_content("Address: 12 School St\nSomebody put a tree into the hole before the school.")
    return town.run("request", "receive-mail", *CITY, "--service-code", "tree", input=message.as_bytes())


def mails(box: Postbox, subject: str) -> dict[str, str]:
    """By address: the text of the mail whose subject has these words."""
    found: dict[str, str] = {}
    for each in box.got:
        if subject in str(each["Subject"]):
            assert each["To"] not in found, f"{each['To']} was told twice"
            found[str(each["To"])] = each.get_content()
    return found


def test_one_hole_reported_by_five_is_fixed_doubted_and_opened_again(
    town: Town, postbox: tuple[Postbox, int], receiver: Receiver, tmp_path: Path
) -> None:
    box, _ = postbox
    key = town.run("key", "create", "app", *CITY)
    secret = re.search(r"whsec_\S+", town.run("webhook", "add", "works", receiver.url, *CITY, "--department", "WORKS"))
    assert secret is not None

    # Five report it, by three channels.
    picture = photo(size=(900, 700), exif=taken_at((42, 21, 0), (71, 9, 0)))
    first = report_by_app(town, key, PEOPLE[0], picture)
    others = [
        report_by_app(town, key, PEOPLE[1]),
        report_by_phone(town, PEOPLE[2]),
        report_by_phone(town, PEOPLE[3]),
        report_by_mail(town, PEOPLE[4]),
    ]
    channels = {row.channel for row in town.rows("select channel from service_request")}
    assert channels == {"app", "phone", "email"}
    eventually(lambda: len(mails(box, "we have your report")) == 5, seconds=TOLD_SECONDS, what="five are told that it came in")

    # The photo is shown without what the camera wrote; where it was taken is offered to staff alone.
    shown = requests.get(f"{town.url}/open311/v2/requests/{first}.json?jurisdiction_id=small.gov", timeout=30).json()[0]
    kept = requests.get(shown["media_url"], timeout=30).content
    assert b"Camera of Erin" in picture
    assert b"Camera of Erin" not in kept
    assert "42.35" in town.run("request", "show", first, *CITY).split("photo", 1)[-1]

    # They are one.
    likely = requests.get(f"{town.url}/open311/v2/similar.json", params=HOLE, timeout=30).json()
    assert {each["service_request_id"] for each in likely} >= {first, others[0]}
    for each in others:
        town.run("request", "link", each, first, *CITY)
    eventually(
        lambda: set(mails(box, "others reported it too")) == set(PEOPLE[1:]), seconds=TOLD_SECONDS, what="four are linked"
    )
    many = requests.get(f"{town.url}/open311/v2/similar.json", params=HOLE, timeout=30).json()
    assert [(each["service_request_id"], each["reported_by"]) for each in many] == [(first, 5)]

    # It is resolved, and all are told, once.
    town.run("request", "close", first, *CITY, "--reason", "filled", "--words", "We filled it this morning.")
    told = eventually(
        lambda: len(mails(box, "is closed")) == 5 and mails(box, "is closed"), seconds=TOLD_SECONDS, what="five are told"
    )
    assert set(told) == set(PEOPLE)
    assert all("We filled it this morning." in text for text in told.values())

    # One says that it was not fixed, by the link in the mail.
    link = re.search(rf"{re.escape(town.url)}/fixed/\S+", told[PEOPLE[3]])
    assert link is not None
    assert others[2] in requests.get(link.group(), timeout=30).text
    assert town.rows("select count(*) from verdict")[0].count == 0
    said = requests.post(link.group(), data={"fixed": "no", "score": "2", "comment": "It is as deep as before"}, timeout=30)
    assert said.status_code == 200
    assert "being worked again" in said.text
    assert requests.post(link.group(), data={"fixed": "yes"}, timeout=30).status_code == 409
    assert {row.status for row in town.rows("select status from service_request")} == {"open"}
    eventually(
        lambda: set(mails(box, "is open again")) == set(PEOPLE), seconds=TOLD_SECONDS, what="five are told that it is open"
    )
    (verdict,) = town.rows("select is_fixed, score from verdict")
    assert verdict == (False, 2)

    # The department's own system was told of all that, each message signed, once.
    eventually(lambda: not town.rows("select 1 from message where state = 'waiting'"), seconds=TOLD_SECONDS, what="all is sent")
    assert town.rows("select 1 from message where state <> 'sent'") == []
    hooks = receiver.verified(secret.group())
    assert len(set(receiver.ids)) == len(receiver.ids)
    of_first = [each["type"] for each in hooks if each["data"]["service_request_id"] == first]
    assert sorted(of_first) == ["request.closed", "request.received", "request.reopened"]
    assert not [mark for mark in ("@example.org", "school", "deep") if mark in str(hooks)]

    # Who had enough hears no more.
    stop = re.search(rf"{re.escape(town.url)}/stop/\S+", told[PEOPLE[0]])
    assert stop is not None
    requests.post(stop.group(), data=urlencode({"List-Unsubscribe": "One-Click"}), timeout=30)
    town.run("request", "note", first, *CITY, "We look at it once more.", "--public")
    eventually(lambda: set(mails(box, ": news")) == set(PEOPLE[1:]), seconds=TOLD_SECONDS, what="four are told the news")
