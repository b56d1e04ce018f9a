"""Other systems are told: what happens to a request reaches the webhooks that want it, signed, once, and nobody inside."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from standardwebhooks import WebhookVerificationError

from db.driver import Statement
from open311.actors import operator
from open311.cases import assignment, duplicates, rerouting, statuses
from open311.cases.jobs import PATIENTLY
from open311.cases.rerouting import Changes
from open311.departments import department_id
from open311.notify import outbox, receivers, webhooks
from open311.notify.webhooks import Wanted, deliver
from open311.services import find_service
from tests.cases.conftest import LOADED, Worker, until
from tests.cases.receiver import Receiver, receiving
from tests.cases.smallville import IN_EAST, IN_WEST
from tests.cases.working import Working

NOW = LOADED + timedelta(hours=1)
ANN = operator("Ann")
LOCAL = (ip_network("127.0.0.0/8"),)
CLOSED_KEYS = {"jurisdiction_id", "service_request_id", "service_code", "status", "case_status", "department"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on this machine."""
    with receiving() as receiver:
        yield receiver


def hook(town: Working, url: str, code: str = "all", *, networks: Any = LOCAL, **wanted: Any) -> str:
    """The secret of a webhook; department and service by code."""
    of = {"jurisdiction_id": town.city.id}
    if "department" in wanted:
        wanted["department_id"] = department_id(town.connection, wanted.pop("department"), **of)
    if "service" in wanted:
        wanted["service_id"] = find_service(town.connection, wanted.pop("service"), **of).new.id
    return webhooks.add(town.connection, code, url, Wanted(**wanted), **of, networks=networks, now=LOADED)


def close(town: Working, number: str) -> None:
    """Closed."""
    statuses.set_status(town.connection, town.city, number, "closed", by=ANN, words="We cut it.", now=NOW)


def told(town: Working) -> list[Any]:
    """What webhooks are told, the oldest first, with the code of each and the number of the request."""
    return town.rows(
        "select m.*, w.code, r.number from message m join webhook w on w.id = m.webhook_id"
        " join service_request r on r.id = m.request_id order by m.id"
    )


def events(town: Working) -> list[tuple[str, str]]:
    """(code of the webhook, event) of each."""
    return [(each.code, each.event) for each in told(town)]


def send(town: Working, networks: Any = LOCAL, *, now: datetime | None = None) -> list[Any]:
    """One attempt at each message that is there; what is to be waited for."""
    now = now or datetime.now(UTC).replace(microsecond=0)
    return [
        deliver(town.connection, networks, jurisdiction_id=town.city.id, message_id=each.id, now=now) for each in told(town)
    ]


# Who is told, and what


def test_a_receiver_is_told_by_a_signed_message_without_anything_personal(trees: Working, receiver: Receiver):
    secret = hook(trees, receiver.url)
    number = trees.take("pothole", at=LOADED, words="at the door of Rita")
    close(trees, number)

    assert send(trees) == [None, None]
    received, closed = receiver.verified(secret)
    assert received["type"] == "request.received"
    assert closed == {
        "type": "request.closed",
        "timestamp": "2026-03-02T13:00:00Z",
        "data": {
            "jurisdiction_id": "small.gov",
            "service_request_id": number,
            "service_code": "pothole",
            "status": "closed",
            "case_status": "closed",
            "department": "WORKS",
        },
    }
    assert receiver.paths == ["/hook?of=311"] * 2
    assert receiver.got[0][0]["host"] == f"127.0.0.1:{receiver.port}"
    assert receiver.got[0][0]["content-type"] == "application/json"
    assert [(each.state, each.sent_by, each.attempts, each.error) for each in told(trees)] == [("sent", "webhook", 1, None)] * 2


def test_another_secret_did_not_sign_it(trees: Working, receiver: Receiver):
    hook(trees, receiver.url)
    other = hook(trees, receiver.url, "other", events=["reopened"])
    trees.take("pothole", at=LOADED)
    send(trees)

    with pytest.raises(WebhookVerificationError):
        receiver.verified(other)


def test_every_event_of_a_request_is_told(trees: Working, receiver: Receiver):
    hook(trees, receiver.url)
    first, number = (trees.take("pothole", at=LOADED) for _ in range(2))
    statuses.note(trees.connection, trees.city, number, "for us alone", by=ANN, now=NOW)
    statuses.note(trees.connection, trees.city, number, "Tomorrow.", by=ANN, is_public=True, now=NOW)
    assignment.reassign(trees.connection, trees.city, number, "PARKS", by=ANN, reason="a root", now=NOW)
    close(trees, number)
    statuses.reopen(trees.connection, trees.city, number, by=ANN, reason="it is there again", now=NOW)
    duplicates.link(trees.connection, trees.city, number, first, by=ANN, now=NOW)

    of_it = [each for each in told(trees) if each.number == number]
    assert [each.event for each in of_it] == ["received", "noted", "routed", "closed", "reopened", "linked"]
    assert all(set(each.facts) >= CLOSED_KEYS for each in of_it)
    assert not any("words" in each.facts for each in of_it)
    (routed,) = (each.facts for each in of_it if each.event == "routed")
    assert (routed["department"], routed["previous_department"]) == ("PARKS", "WORKS")
    assert of_it[-1].facts["parent_service_request_id"] == first


def test_a_webhook_has_the_events_that_it_wants(trees: Working, receiver: Receiver):
    hook(trees, receiver.url, events=["closed", "reopened"])
    close(trees, trees.take("pothole", at=LOADED))

    assert events(trees) == [("all", "closed")]


def test_a_department_is_told_of_its_own_requests_and_its_units(trees: Working, receiver: Receiver):
    for code in ("WORKS", "PARKS", "works-east"):
        hook(trees, receiver.url, code, department=code)
    trees.take("pothole", at=LOADED, point=IN_WEST)
    trees.take("pothole", at=LOADED, point=IN_EAST)

    assert [each.code for each in told(trees)][:1] == ["WORKS"]
    assert sorted(each.code for each in told(trees)[1:]) == ["WORKS", "works-east"]
    assert told(trees)[-1].facts["unit"] == "works-east"


def test_both_departments_are_told_that_a_request_went_from_one_to_the_other(trees: Working, receiver: Receiver):
    for code in ("WORKS", "PARKS", "HALL"):
        hook(trees, receiver.url, code, department=code, events=["routed"])
    number = trees.take("pothole", at=LOADED)
    assignment.reassign(trees.connection, trees.city, number, "PARKS", by=ANN, reason="a root", now=NOW)

    assert sorted(events(trees)) == [("PARKS", "routed"), ("WORKS", "routed")]


def test_who_gets_it_by_the_rules_or_because_it_was_handed_back_is_told(trees: Working, receiver: Receiver):
    hook(trees, receiver.url, "parks", department="PARKS", events=["routed"])
    changed, handed = (trees.take("pothole", at=LOADED) for _ in range(2))
    to_trees = Changes(service_code="tree")
    rerouting.change(trees.connection, trees.city, changed, to_trees, by=ANN, reason="a tree in it", now=NOW)
    hook(trees, receiver.url, "hall", department="HALL", events=["routed"])
    assignment.hand_back(trees.connection, trees.city, handed, by=ANN, reason="not ours", now=NOW)

    assert [(each.code, each.number) for each in told(trees)] == [("parks", changed), ("hall", handed)]
    assert [each.facts["service_code"] for each in told(trees)] == ["tree", "pothole"]


def test_a_request_that_stays_where_it_is_was_not_routed(trees: Working, receiver: Receiver):
    hook(trees, receiver.url, events=["routed"])
    number = trees.take("pothole", at=LOADED)
    assignment.reassign(trees.connection, trees.city, number, "WORKS", by=ANN, reason="for good", now=NOW)

    assert told(trees) == []


def test_a_service_and_a_district_are_told_of_what_is_theirs(trees: Working, receiver: Receiver):
    hook(trees, receiver.url, "trees", service="tree", events=["received"])
    hook(trees, receiver.url, "east", district=("ward", "E"), events=["received"])
    hook(trees, receiver.url, "trees-east", service="tree", district=("ward", "E"), events=["received"])
    for service, point in (("tree", IN_WEST), ("pothole", IN_EAST), ("pothole", IN_WEST), ("tree", IN_EAST)):
        trees.take(service, at=LOADED, point=point)

    codes: dict[str, set[str]] = {}
    for each in told(trees):
        codes.setdefault(each.number, set()).add(each.code)
    assert sorted(map(sorted, codes.values())) == [["east"], ["east", "trees", "trees-east"], ["trees"]]


def test_what_the_public_does_not_see_is_told_to_those_who_name_it(trees: Working, receiver: Receiver):
    hook(trees, receiver.url, "all")
    hook(trees, receiver.url, "ward", district=("ward", "W"))
    hook(trees, receiver.url, "parks", department="PARKS")
    hook(trees, receiver.url, "secret", service="secret")
    hook(trees, receiver.url, "hall", department="HALL")
    trees.take("secret", at=LOADED)

    assert sorted(events(trees)) == [("parks", "received"), ("secret", "received")]


def test_another_city_is_told_nothing(trees: Working, receiver: Receiver):
    (boston,) = trees.rows("select id from jurisdiction where slug = 'boston.gov'")
    webhooks.add(trees.connection, "all", receiver.url, Wanted(), jurisdiction_id=boston.id, networks=LOCAL, now=LOADED)
    trees.take("pothole", at=LOADED)

    assert told(trees) == []


def test_where_nobody_wants_it_intake_asks_once(trees: Working, monkeypatch: pytest.MonkeyPatch):
    texts: list[str] = []
    run = Statement.run

    def counted(self: Statement, connection: Any, **values: Any) -> Any:
        texts.append(self.text)
        return run(self, connection, **values)

    monkeypatch.setattr(Statement, "run", counted)
    trees.take("pothole", at=LOADED)

    assert len([each for each in texts if "webhook" in each or "follower" in each or "INTO message" in each]) == 1


def test_what_is_undone_is_told_to_nobody(trees: Working, receiver: Receiver):
    hook(trees, receiver.url)
    number = trees.take("pothole", at=LOADED)
    with trees.connection.transaction(force_rollback=True):
        close(trees, number)
        assert events(trees) == [("all", "received"), ("all", "closed")]

    assert events(trees) == [("all", "received")]
    jobs = trees.rows("select args, queue_name from procrastinate_jobs where task_name = 'send_webhook'")
    assert [(each.args["message_id"], each.queue_name) for each in jobs] == [(told(trees)[0].id, "webhooks")]


def test_a_message_says_what_was_so_when_it_happened(trees: Working, receiver: Receiver):
    secret = hook(trees, receiver.url)
    number = trees.take("pothole", at=LOADED)
    close(trees, number)
    send(trees)

    assert [each["data"]["status"] for each in receiver.verified(secret)] == ["open", "closed"]
    assert [json.loads(each.body)["data"] for each in told(trees)] == [each.facts for each in told(trees)]


# When it is taken, and when not


def test_a_message_is_sent_once(trees: Working, receiver: Receiver):
    hook(trees, receiver.url)
    trees.take("pothole", at=LOADED)

    assert send(trees) + send(trees) == [None, None]
    assert len(receiver.got) == 1


def test_while_one_sends_it_another_does_not(own_trees: Working, own_url: str, receiver: Receiver):
    hook(own_trees, receiver.url)
    own_trees.take("pothole", at=LOADED)
    own_trees.session.commit()
    (message,) = told(own_trees)
    others: list[Any] = []

    def deliver_too() -> None:
        with psycopg.connect(own_url) as other:
            others.append(deliver(other, LOCAL, jurisdiction_id=own_trees.city.id, message_id=message.id, now=NOW))

    receiver.meanwhile = deliver_too
    send(own_trees)
    own_trees.session.commit()
    deliver_too()

    assert [str(each) for each in others] == ["the message is held by another transaction", "None"]
    assert len(receiver.got) == 1


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_what_was_not_taken_is_tried_again_as_the_same_message(trees: Working, receiver: Receiver, status: int):
    secret = hook(trees, receiver.url)
    trees.take("pothole", at=LOADED)
    receiver.answer = status, {}
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)

    (delayed,) = send(trees)
    (kept,) = told(trees)
    assert (kept.state, kept.attempts, kept.error) == ("waiting", 1, str(delayed))
    assert str(delayed).startswith(f"{status} ")
    receiver.answer = 200, {}
    assert send(trees, now=later) == [None]
    assert len(set(receiver.ids)) == 1
    assert "." not in receiver.ids[0]
    first, second = receiver.verified(secret)
    assert first == second
    assert [headers["webhook-timestamp"] for headers, _ in receiver.got][1] == str(int(later.timestamp()))


def test_after_the_last_attempt_it_is_dead_until_it_is_replayed(trees: Working, receiver: Receiver):
    hook(trees, receiver.url)
    trees.take("pothole", at=LOADED)
    receiver.answer = 503, {}
    attempts = [send(trees)[0] for _ in range(PATIENTLY.max_attempts or 0)]

    assert [each is None for each in attempts] == [False] * (len(attempts) - 1) + [True]
    assert (told(trees)[0].state, told(trees)[0].error) == ("dead", "503 Service Unavailable")
    receiver.answer = 200, {}
    send(trees)
    assert len(receiver.got) == len(attempts)
    assert outbox.replay(trees.connection, jurisdiction_id=trees.city.id) == 1
    jobs = trees.rows("select queue_name from procrastinate_jobs where task_name like 'send_%%' order by id")
    assert [each.queue_name for each in jobs] == ["webhooks", "webhooks"]
    send(trees)
    assert told(trees)[0].state == "sent"
    assert len(set(receiver.ids)) == 1


def test_a_receiver_that_is_gone_is_sent_nothing_more(trees: Working, receiver: Receiver):
    hook(trees, receiver.url)
    number = trees.take("pothole", at=LOADED)
    close(trees, number)
    receiver.answer = 410, {}
    send(trees)
    statuses.reopen(trees.connection, trees.city, number, by=ANN, reason="it is there again", now=NOW)

    assert len(receiver.got) == 1
    assert [(each.event, each.state, each.error) for each in told(trees)] == [
        ("received", "dropped", "410 Gone"),
        ("closed", "dropped", None),
    ]
    assert webhooks.list_webhooks(trees.connection, jurisdiction_id=trees.city.id)[0].stopped_at is not None


def test_a_webhook_that_is_stopped_is_told_no_more(trees: Working, receiver: Receiver):
    hook(trees, receiver.url)
    number = trees.take("pothole", at=LOADED)
    webhooks.stop(trees.connection, "all", jurisdiction_id=trees.city.id, now=NOW)
    close(trees, number)
    send(trees)

    assert receiver.got == []
    assert [(each.event, each.state) for each in told(trees)] == [("received", "dropped")]


def test_a_receiver_that_is_away_is_waited_for(trees: Working):
    with receiving() as away:
        hook(trees, away.url)
    trees.take("pothole", at=LOADED)

    (delayed,) = send(trees)
    assert "ConnectionRefusedError" in str(delayed)


def test_a_redirect_is_not_followed_and_says_where_it_pointed(trees: Working, receiver: Receiver):
    with receiving() as inside:
        hook(trees, receiver.url)
        trees.take("pothole", at=LOADED)
        for status in (301, 302, 303, 307, 308):
            receiver.answer = status, {"Location": inside.url}
            (delayed,) = send(trees)
            assert str(delayed).startswith(f"{status} ")
            assert f"points to {inside.url}" in str(delayed)

    assert inside.got == []
    assert told(trees)[0].state == "waiting"


@pytest.mark.parametrize(
    "said", [pytest.param(b"", id="nothing"), pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000, id="a-byte-at-a-time")]
)
def test_a_receiver_has_so_long_for_all_of_its_answer(trees: Working, monkeypatch: pytest.MonkeyPatch, said: bytes):
    monkeypatch.setattr(receivers, "TIMEOUT_SECONDS", 1)
    is_over = Event()

    def drip(listener: socket.socket) -> None:
        with listener, listener.accept()[0] as taken, suppress(OSError):
            for each in said:
                taken.sendall(bytes([each]))
                is_over.wait(0.1)
            is_over.wait(10)

    listener = socket.create_server(("127.0.0.1", 0))
    thread = Thread(target=drip, args=[listener])
    hook(trees, f"http://127.0.0.1:{listener.getsockname()[1]}/")
    thread.start()
    trees.take("pothole", at=LOADED)
    began = datetime.now(UTC)

    (delayed,) = send(trees)
    took = datetime.now(UTC) - began
    is_over.set()
    thread.join()
    assert timedelta(seconds=0.9) < took < timedelta(seconds=10)
    assert str(delayed) == "no answer within 1 seconds"


@pytest.mark.parametrize(
    "said", [b"not HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"\x00" * 100000]
)
def test_what_is_no_answer_is_not_taken(trees: Working, said: bytes):
    def answer(listener: socket.socket) -> None:
        with listener, listener.accept()[0] as taken, suppress(OSError):
            taken.sendall(said)
            taken.recv(65536)

    listener = socket.create_server(("127.0.0.1", 0))
    thread = Thread(target=answer, args=[listener])
    hook(trees, f"http://127.0.0.1:{listener.getsockname()[1]}/")
    thread.start()
    trees.take("pothole", at=LOADED)

    (delayed,) = send(trees)
    thread.join()
    assert delayed is not None
    assert len(str(delayed)) <= 300


def test_the_worker_sends_it_and_a_slow_receiver_holds_up_no_mail(
    own_trees: Working, own: "Connection[Any]", start_worker: Worker, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPEN311_WEBHOOK_NETWORKS", "127.0.0.0/8")
    answers = Event()
    receiver.meanwhile = lambda: answers.wait(60)
    secret = hook(own_trees, receiver.url)
    for _ in range(3):
        number = own_trees.take("pothole", at=LOADED)
        (row,) = own_trees.rows("select id from service_request where number = %s", number)
        key = {"jurisdiction_id": own_trees.city.id, "request_id": row.id}
        outbox.follow(own_trees.connection, **key, email="rita@example.org", now=LOADED)
        close(own_trees, number)
    own_trees.session.commit()
    start_worker()

    until(own, "select 1 where 3 = (select count(*) from message where sent_by = 'log')", seconds=60)
    assert own.execute("select count(*) from message where webhook_id is not null and state <> 'waiting'").fetchone() == (0,)
    answers.set()
    until(own, "select 1 where 6 = (select count(*) from message where sent_by = 'webhook')", seconds=60)
    receiver.verified(secret)
    # On a machine so busy that an attempt ran out of time, the same message comes again.
    assert len(set(receiver.ids)) == 6
