"""People are told: what happens to a request reaches who reported it, once, by a real mail server."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from string import Formatter
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from psycopg import Connection

from open311.actors import operator
from open311.cases import duplicates, statuses
from open311.cases.jobs import PATIENTLY, queue
from open311.config import BadSetting, Settings
from open311.notify import following, outbox
from open311.notify.channels import Channel, LogChannel, Mail, SmtpChannel, channel
from open311.notify.delivery import deliver
from open311.notify.following import Wish
from open311.notify.links import Links
from open311.notify.texts import LANGUAGES, phrases, texts, write
from tests.cases.conftest import LOADED, Worker, until
from tests.cases.working import Working

NOW = LOADED + timedelta(hours=1)
NO_LINKS = Links(Settings())
LINKS = Links(Settings(secret_key="a key for the tests alone, and long enough", public_url="https://311.small.gov"))
ANN = operator("Ann")


class Postbox:
    """What a mail server was handed; `answer` is what it says to each recipient."""

    def __init__(self) -> None:
        self.got: list[EmailMessage] = []
        self.answer = "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        """RCPT TO."""
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """DATA."""
        self.got.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        return "250 OK"


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def postbox() -> Iterator[tuple[Postbox, SmtpChannel]]:
    """A mail server on this machine, and the way to it."""
    box, port = Postbox(), free_port()
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    yield box, SmtpChannel(f"smtp://127.0.0.1:{port}", "311@small.gov")
    server.stop()


def followed(trees: Working, email: str = "rita@example.org", language: str = "en") -> str:
    """A request that this address follows."""
    number = trees.take(at=LOADED)
    follow(trees, number, email, language)
    return number


def follow(trees: Working, number: str, email: str, language: str = "en") -> bool:
    """Let an address be told of a request."""
    (row,) = trees.rows("select id from service_request where number = %s", number)
    return outbox.follow(
        trees.connection, jurisdiction_id=trees.city.id, request_id=row.id, email=email, language=language, now=LOADED
    )


def close(trees: Working, number: str, words: str = "We cut it.") -> None:
    """Closed, in these words."""
    statuses.set_status(trees.connection, trees.city, number, "closed", by=ANN, words=words, now=NOW)


def messages(trees: Working) -> list[Any]:
    """The outbox, the oldest first."""
    return trees.rows("select m.*, f.email from message m join follower f on f.id = m.follower_id order by m.id")


def send(trees: Working, way: Channel, links: Links | None = None) -> list[Any]:
    """One attempt at each message that is there; what is to be waited for."""
    return [
        deliver(trees.connection, way, links or NO_LINKS, jurisdiction_id=trees.city.id, message_id=each.id, now=NOW)
        for each in messages(trees)
    ]


def test_each_news_is_a_message_of_the_same_transaction(trees: Working):
    number = followed(trees)
    statuses.note(trees.connection, trees.city, number, "for us alone", by=ANN, now=NOW)
    statuses.note(trees.connection, trees.city, number, "Tomorrow.", by=ANN, is_public=True, now=NOW)
    close(trees, number)
    statuses.reopen(trees.connection, trees.city, number, by=ANN, reason="it grows again", now=NOW)

    assert [(each.event, each.state) for each in messages(trees)] == [
        ("noted", "waiting"),
        ("closed", "waiting"),
        ("reopened", "waiting"),
    ]
    assert messages(trees)[1].facts["words"] == "We cut it."
    jobs = trees.rows("select args from procrastinate_jobs where task_name = 'send_message' order by id")
    assert [each.args["message_id"] for each in jobs] == [each.id for each in messages(trees)]


def test_who_follows_nothing_is_told_nothing(trees: Working):
    close(trees, trees.take(at=LOADED))

    assert messages(trees) == []


def test_all_who_reported_the_same_thing_are_told_when_it_is_closed(trees: Working):
    first = followed(trees, "one@example.org")
    others = [followed(trees, f"{name}@example.org") for name in ("two", "three", "four", "five")]
    for each in others:
        duplicates.link(trees.connection, trees.city, each, first, by=ANN, now=NOW)
    close(trees, first)

    told = [(each.event, each.email.partition("@")[0]) for each in messages(trees)]
    assert [name for event, name in told if event == "linked"] == ["two", "three", "four", "five"]
    assert sorted(name for event, name in told if event == "closed") == ["five", "four", "one", "three", "two"]
    assert all(each.facts["parent"] == first for each in messages(trees) if each.event == "linked")


def test_an_address_follows_a_request_once_whatever_its_case(trees: Working):
    number = followed(trees)

    assert not follow(trees, number, "RITA@example.org")


@pytest.mark.parametrize(
    "email",
    [
        "",
        "rita",
        "rita@",
        "@example.org",
        "a@b.org, c@d.org",
        "a@b.org\nBcc: c@d.org",
        "Rita <a@b.org>",
        "a b@c.org",
        "a@-",
        "=?utf-8?q?=72ita?=@b.org",
    ],
)
def test_what_is_no_address_is_not_written_to(trees: Working, email: str):
    assert not follow(trees, trees.take(at=LOADED), email)


def test_a_mail_server_gets_each_message_once(trees: Working, postbox: tuple[Postbox, SmtpChannel]):
    box, way = postbox
    number = followed(trees)
    close(trees, number)

    assert send(trees, way) + send(trees, way) == [None, None]
    (mail,) = box.got
    assert mail["To"] == "rita@example.org"
    assert mail["From"].addresses[0].addr_spec == "311@small.gov"
    assert mail["Subject"] == f"{number} is closed"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@small.gov>")
    assert "We cut it." in mail.get_content()
    (kept,) = messages(trees)
    assert (kept.state, kept.sent_by, kept.sent_at, kept.attempts) == ("sent", "smtp", NOW, 1)
    assert kept.body in mail.get_content().replace("\r\n", "\n")


def test_the_link_to_stop_stands_in_its_header_as_it_is(trees: Working):
    close(trees, followed(trees))
    sent: list[Mail] = []

    class Kept:
        name = "kept"

        def send(self, mail: Mail) -> None:
            sent.append(mail)

    send(trees, Kept(), LINKS)
    raw = SmtpChannel("smtp://127.0.0.1", "311@small.gov").written(sent[0]).as_bytes()

    assert f"List-Unsubscribe: <{sent[0].stop_url}>".encode() in raw
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in raw


def test_what_waits_without_a_job_is_taken_up_by_replay(trees: Working, postbox: tuple[Postbox, SmtpChannel]):
    box, way = postbox
    close(trees, followed(trees))
    assert outbox.replay(trees.connection, jurisdiction_id=trees.city.id) == 0
    trees.connection.execute("update procrastinate_jobs set status = 'failed' where task_name = 'send_message'")

    assert outbox.replay(trees.connection, jurisdiction_id=trees.city.id) == 1
    send(trees, way)
    assert len(box.got) == 1


def test_a_body_that_went_to_nobody_without_its_links_is_written_anew(trees: Working, postbox: tuple[Postbox, SmtpChannel]):
    box, way = postbox
    close(trees, followed(trees))
    send(trees, SmtpChannel(f"smtp://127.0.0.1:{free_port()}", "311@small.gov"))

    send(trees, way, LINKS)

    assert "https://311.small.gov/fixed/" in box.got[0].get_content()


def test_words_are_in_the_language_of_the_follower(trees: Working, postbox: tuple[Postbox, SmtpChannel]):
    box, way = postbox
    number = followed(trees, language="zh")
    close(trees, number)
    send(trees, way)

    assert box.got[0]["Subject"] == f"{number} 已结案"
    assert box.got[0]["Content-Language"] == "zh"


def test_while_the_server_is_away_nothing_is_lost_and_all_goes_later(trees: Working, postbox: tuple[Postbox, SmtpChannel]):
    box, way = postbox
    close(trees, followed(trees))
    away = SmtpChannel(f"smtp://127.0.0.1:{free_port()}", "311@small.gov")

    (delayed,) = send(trees, away)
    (kept,) = messages(trees)
    assert "ConnectionRefusedError" in str(delayed)
    assert (kept.state, kept.attempts, kept.error) == ("waiting", 1, str(delayed))
    assert send(trees, way) == [None]
    assert len(box.got) == 1
    assert (messages(trees)[0].state, messages(trees)[0].error) == ("sent", None)


def test_after_the_last_attempt_a_message_is_dead_until_it_is_replayed(trees: Working, postbox: tuple[Postbox, SmtpChannel]):
    box, way = postbox
    close(trees, followed(trees))
    box.answer = "451 greylisted"
    attempts = [send(trees, way)[0] for _ in range(PATIENTLY.max_attempts or 0)]

    assert [each is None for each in attempts] == [False] * (len(attempts) - 1) + [True]
    (kept,) = messages(trees)
    assert (kept.state, kept.error) == ("dead", "451 greylisted")
    box.answer = "250 OK"
    send(trees, way)
    assert box.got == []
    assert outbox.replay(trees.connection, jurisdiction_id=trees.city.id) == 1
    send(trees, way)
    assert len(box.got) == 1


def test_a_recipient_refused_for_good_is_dead_at_once(trees: Working, postbox: tuple[Postbox, SmtpChannel]):
    box, way = postbox
    close(trees, followed(trees))
    box.answer = "550 no such user"

    assert send(trees, way) == [None]
    assert (messages(trees)[0].state, messages(trees)[0].error) == ("dead", "550 no such user")


def test_only_dead_messages_that_are_named_are_replayed(trees: Working, postbox: tuple[Postbox, SmtpChannel]):
    box, way = postbox
    for _ in range(2):
        close(trees, followed(trees))
    box.answer = "550 no such user"
    send(trees, way)
    first, _ = messages(trees)

    assert outbox.replay(trees.connection, jurisdiction_id=trees.city.id, ids=[first.id]) == 1
    assert [each.state for each in messages(trees)] == ["waiting", "dead"]


def test_who_had_enough_is_told_no_more(trees: Working, postbox: tuple[Postbox, SmtpChannel]):
    box, way = postbox
    number = followed(trees)
    statuses.note(trees.connection, trees.city, number, "Tomorrow.", by=ANN, is_public=True, now=NOW)
    trees.connection.execute("update follower set stopped_at = %s", [NOW])
    close(trees, number)
    send(trees, way)

    assert box.got == []
    assert [(each.event, each.state) for each in messages(trees)] == [("noted", "dropped")]


def test_a_message_that_somebody_else_holds_is_waited_for(own_trees: Working, own: "Connection[Any]"):
    close(own_trees, followed(own_trees))
    (message,) = messages(own_trees)
    own_trees.session.commit()

    with own.transaction():
        own.execute("select 1 from message for update")
        (delayed,) = send(own_trees, LogChannel())
    own_trees.session.commit()

    assert "held" in str(delayed)
    assert own.execute("select state, attempts from message").fetchone() == ("waiting", 0)
    assert send(own_trees, LogChannel()) == [None]
    own_trees.session.commit()
    assert own.execute("select state from message where id = %s", [message.id]).fetchone() == ("sent",)


def test_a_job_writes_letters_while_the_worker_runs(own_trees: Working, own: "Connection[Any]", start_worker: Worker):
    followed(own_trees)
    own_trees.connection.execute("update service_request set number = null, token = 'waits', is_public = false")
    (row,) = own_trees.rows("select jurisdiction_id, id from service_request")
    queue.configure_task("number_request", connection=own_trees.connection).defer(
        jurisdiction_id=row.jurisdiction_id, request_id=row.id
    )
    own_trees.session.commit()

    start_worker()

    until(own, "select 1 from service_request where number is not null")
    until(own, "select 1 from message where event = 'received' and state = 'sent'")


def test_a_request_that_is_public_no_more_is_told_to_who_reported_it_alone(trees: Working):
    number = followed(trees)
    following.enter(trees.connection, trees.city, Wish(email="neighbour@example.org", number=number), now=LOADED)
    trees.connection.execute("update service_request set is_public = false")
    close(trees, number)

    assert [each.email for each in messages(trees)] == ["rita@example.org"]


def test_who_stopped_is_asked_anew_when_they_ask_anew(trees: Working, postbox: tuple[Postbox, SmtpChannel]):
    box, way = postbox
    number = trees.take(at=LOADED)
    wish = Wish(email="neighbour@example.org", number=number)
    follower_id = following.enter(trees.connection, trees.city, wish, now=LOADED)
    assert follower_id is not None
    following.stop(trees.connection, jurisdiction_id=trees.city.id, follower_id=follower_id, now=LOADED)

    following.ask(trees.connection, trees.city, wish, now=NOW)
    send(trees, way, LINKS)

    (letter,) = box.got
    assert "https://311.small.gov/follow/" in letter.get_content()
    close(trees, number)
    assert [each.event for each in messages(trees)] == ["asked"]


def test_a_letter_that_could_have_no_link_has_one_when_it_is_sent_again(trees: Working, postbox: tuple[Postbox, SmtpChannel]):
    box, way = postbox
    wish = Wish(email="neighbour@example.org", number=trees.take(at=LOADED))
    following.ask(trees.connection, trees.city, wish, now=NOW)
    send(trees, way)
    (dead,) = messages(trees)
    assert (dead.state, box.got) == ("dead", [])
    assert "OPEN311_PUBLIC_URL" in dead.error

    outbox.replay(trees.connection, jurisdiction_id=trees.city.id)
    send(trees, way, LINKS)

    assert "https://311.small.gov/follow/" in box.got[0].get_content()


def test_without_a_mail_server_each_message_goes_to_the_log(trees: Working, capsys: pytest.CaptureFixture[str]):
    number = followed(trees)
    close(trees, number)
    way = channel(Settings())
    send(trees, way)

    assert isinstance(way, LogChannel)
    assert f"{number} is closed" in capsys.readouterr().out
    assert messages(trees)[0].sent_by == "log"


def test_every_event_has_every_language_and_says_known_facts_alone():
    facts = {"number", "service", "address", "city", "status", "parent", "what"}
    facts |= {"area", "first", "last", "received", "closed", "open", "hours"}
    for event, told in texts().items():
        by_language = {name: text for name, text in told.items() if name != "tells"}
        assert set(by_language) == set(LANGUAGES), event
        assert set(told["tells"]) <= {"reporter", "follower", "area", "asker"}
        for text in by_language.values():
            assert set(text) == {"subject", "body"}
            assert {name for part in text.values() for _, name, _, _ in Formatter().parse(part) if name} <= facts


def test_every_phrase_is_there_in_every_language():
    for name, by_language in phrases().items():
        assert set(by_language) == set(LANGUAGES), name


def test_a_subject_is_one_line_whatever_the_request_says():
    subject, _ = write("status", "xx", {"number": "1", "service": "s", "city": "c", "status": "a\r\nBcc: x@y.org"})

    assert "\n" not in subject
    assert "\r" not in subject


@pytest.mark.parametrize(
    "wrong",
    [
        {"mail_url": "http://mail.example.org", "mail_from": "a@b.org"},
        {"mail_url": "smtp://", "mail_from": "a@b.org"},
        {"mail_url": "smtp://mail.example.org"},
        {"mail_from": "a@b.org"},
        {"mail_url": "smtp://mail.example.org", "mail_from": "a@b.org\nBcc: c@d.org"},
    ],
)
def test_mail_settings_that_cannot_be_used_are_refused(wrong: dict[str, str]):
    with pytest.raises(BadSetting, match="OPEN311_MAIL_"):
        Settings(**wrong)
