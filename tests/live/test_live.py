"""What only shows when everything runs: processes, threads, sockets and signals."""

import http.client
import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import pytest
from PIL import Image

from open311.cli.serve import STOP_TIMEOUT_SECONDS
from tests.live.server import Answer, Live, call, eventually, read_answer

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
POTHOLE = {"jurisdiction_id": "seattle.gov", "service_code": "street-maintenance", "lat": "47.64", "long": "-122.4"}
POSTS = "/open311/v2/requests.json"
NUMBER_SECONDS = 10


def form(live: Live, **fields: str) -> bytes:
    """A report of a hole in a street of Seattle, its fields changed, as a form."""
    return urlencode({"api_key": live.key, **POTHOLE, **fields}).encode()


def post(live: Live, path: str = POSTS, **fields: str) -> Answer:
    """The answer to such a report."""
    return live.call("POST", path, headers=FORM, body=form(live, **fields))


def listed(live: Live, numbers: Sequence[str]) -> set[str]:
    """Which of these numbers are listed in Seattle."""
    path = f"/open311/v2/requests.json?jurisdiction_id=seattle.gov&service_request_id={','.join(numbers)}"
    return {row["service_request_id"] for row in live.get(path).json}


# --- the worker --------------------------------------------------------------------------------------------------


@pytest.mark.statement(45)
def test_a_batch_report_gets_its_number_from_the_worker(live: Live) -> None:
    (receipt,) = post(live, service_code="noise", **{"attribute[NOISE_TYPE]": "music"}).json
    token = f"/open311/v2/tokens/{receipt['token']}.json?jurisdiction_id=seattle.gov"
    asked_at = time.monotonic()
    first = live.get(token).json[0]

    number = eventually(lambda: live.get(token).json[0].get("service_request_id"), seconds=NUMBER_SECONDS, what="a number")

    assert time.monotonic() - asked_at < NUMBER_SECONDS
    assert first["token"] == receipt["token"]
    assert live.get(token).json == [{"service_request_id": number, "token": receipt["token"]}]
    (read,) = live.get(f"/open311/v2/requests/{number}.json?jurisdiction_id=seattle.gov").json
    assert (read["service_code"], read["status"]) == ("noise", "open")
    assert listed(live, [number]) == {number}


def test_a_worker_that_was_away_numbers_what_was_reported_meanwhile(live: Live) -> None:
    assert live.worker.process is not None
    os.kill(live.worker.process.pid, signal.SIGSTOP)
    try:
        tokens = [post(live, service_code="noise", **{"attribute[NOISE_TYPE]": "alarm"}).json[0]["token"] for _ in range(5)]
        paths = [f"/open311/v2/tokens/{token}.json?jurisdiction_id=seattle.gov" for token in tokens]
        time.sleep(0.5)
        pending = [live.get(path).json[0] for path in paths]
    finally:
        os.kill(live.worker.process.pid, signal.SIGCONT)

    numbers = {
        eventually(lambda path=path: live.get(path).json[0].get("service_request_id"), seconds=10, what="a number")
        for path in paths
    }

    assert pending == [{"token": token} for token in tokens]
    assert len(numbers) == 5


@pytest.mark.statement(36)
def test_a_blackbox_report_is_kept_and_never_shown(live: Live) -> None:
    mark = "told in confidence, once"

    answer = post(live, service_code="parking-patrol-tip", description=mark)

    (receipt,) = answer.json
    assert answer.status == 200
    assert receipt.keys() == {"service_notice", "account_id"}
    with live.connect() as connection:
        kept = connection.execute("select number from service_request where description = %s", [mark]).fetchall()
    assert len(kept) == 1
    assert live.get(f"/open311/v2/requests/{kept[0][0]}.json?jurisdiction_id=seattle.gov").status == 404
    assert mark not in live.get("/open311/v2/requests.json?jurisdiction_id=seattle.gov").text


# --- photos ------------------------------------------------------------------------------------------------------


@pytest.mark.statement(39)
def test_a_photo_is_served_at_its_address_without_what_the_camera_wrote(live: Live) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "SecretCam", 6  # the maker; and that the picture lies on its side
    picture = BytesIO()
    Image.new("RGB", (64, 48), "teal").save(picture, "JPEG", exif=exif)
    texts = {"api_key": live.key, **POTHOLE}
    parts = [f'--X\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in texts.items()]
    head = '--X\r\nContent-Disposition: form-data; name="media[]"; filename="IMG.JPG"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = "".join(parts).encode() + head.encode() + picture.getvalue() + b"\r\n--X--\r\n"

    posted = live.call("POST", POSTS, headers={"Content-Type": "multipart/form-data; boundary=X"}, body=body)

    number = posted.json[0]["service_request_id"]
    (read,) = live.get(f"/open311/v2/requests/{number}.json?jurisdiction_id=seattle.gov").json
    assert read["media_url"].startswith(f"{live.url}/media/seattle.gov/")
    served = live.get(read["media_url"].removeprefix(live.url))
    assert (served.status, served.headers["Content-Type"]) == (200, "image/jpeg")
    assert served.headers["X-Content-Type-Options"] == "nosniff"
    assert "max-age=31536000" in served.headers["Cache-Control"]
    assert b"SecretCam" not in served.body
    with Image.open(BytesIO(served.body)) as photo:
        assert photo.size == (48, 64)


# --- at the same time --------------------------------------------------------------------------------------------


def test_reports_posted_at_once_all_get_numbers_and_are_all_listed(live: Live) -> None:
    starting_line = threading.Barrier(16)

    def report(reporter: int) -> list[str]:
        starting_line.wait()
        answers = [post(live, description=f"Hole {reporter}/{turn}") for turn in range(5)]
        assert [answer.status for answer in answers] == [200] * 5
        return [answer.json[0]["service_request_id"] for answer in answers]

    with ThreadPoolExecutor(16) as pool:
        numbers = [number for each in pool.map(report, range(16)) for number in each]

    assert len(set(numbers)) == 80
    assert listed(live, numbers) == set(numbers)


@pytest.mark.parametrize("service_code", ["street-maintenance", "noise"])
def test_the_same_report_posted_at_once_from_several_places_is_one(live: Live, service_code: str) -> None:
    starting_line = threading.Barrier(8)
    headers = {**FORM, "Idempotency-Key": f"of one phone with a bad connection, {service_code}"}
    words = f"The same from eight places: {service_code}"
    body = form(live, service_code=service_code, description=words, **{"attribute[NOISE_TYPE]": "music"})

    def report(_: int) -> Answer:
        starting_line.wait()
        return live.call("POST", POSTS, headers=headers, body=body)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(report, range(8)))

    assert [answer.status for answer in answers] == [200] * 8
    assert len({answer.text for answer in answers}) == 1
    with live.connect() as connection:
        kept = connection.execute("select count(*) from service_request where description = %s", [words]).fetchone()
    assert kept == (1,)


# --- sizes -------------------------------------------------------------------------------------------------------


def test_a_body_that_is_too_large_is_a_400_and_harms_nobody(live: Live) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
    try:
        # It is answered, and the connection closed, before all of it was sent.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", POSTS, headers=FORM, body=form(live) + b"&description=" + b"x" * 20_000_000)
        answer = read_answer(connection)
    finally:
        connection.close()

    assert answer.status == 400
    assert "at most 16777216 bytes" in answer.json[0]["description"]
    assert post(live).status == 200


def test_a_large_body_that_is_allowed_is_read(live: Live) -> None:
    answer = live.call("POST", POSTS, headers=FORM, body=form(live) + b"&ignored=" + b"x" * 15_000_000)

    assert answer.status == 200


@pytest.mark.statement(49)
def test_a_request_line_of_64_kilobytes_is_read(live: Live) -> None:
    number = post(live).json[0]["service_request_id"]
    numbers = ",".join(["K7M-4XQ-000"] * 5400 + [number])
    path = f"/open311/v2/requests.json?jurisdiction_id=seattle.gov&service_request_id={numbers}"
    assert len(path) > 64_000

    answer = live.get(path)

    assert answer.status == 200
    assert [row["service_request_id"] for row in answer.json] == [number]


def test_a_body_sent_in_chunks_is_read(live: Live) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
    body = form(live)
    try:
        connection.request("POST", POSTS, body=iter([body[:20], body[20:]]), headers=FORM, encode_chunked=True)
        answer = read_answer(connection)
    finally:
        connection.close()

    assert (answer.status, answer.text[:12]) == (200, '[{"service_r')


def test_a_body_that_waits_for_leave_is_read(live: Live) -> None:
    # curl does so with larger bodies, photos for example.
    body = form(live)
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
    try:
        connection.putrequest("POST", POSTS)
        for name, value in {**FORM, "Content-Length": str(len(body)), "Expect": "100-continue"}.items():
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.sock is not None
        connection.sock.settimeout(5)
        leave = connection.sock.recv(1000)
        connection.send(body)
        answer = read_answer(connection)
    finally:
        connection.close()

    assert leave.startswith(b"HTTP/1.1 100")
    assert answer.status == 200


# --- HTTP itself -------------------------------------------------------------------------------------------------


@pytest.mark.statement(42)
@pytest.mark.parametrize("path", ["//open311/v2/requests.json", "/open311/v2//requests.json", "/open311//v2//requests.json"])
def test_a_post_with_slashes_too_many_is_not_redirected(live: Live, path: str) -> None:
    answer = post(live, path)

    assert answer.status == 200
    assert answer.json[0]["service_request_id"]


def test_a_connection_is_kept_for_the_next_calls(live: Live) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
    try:
        connection.connect()
        own_end = connection.sock.getsockname()
        for method, path, body, status in [
            ("GET", "/open311/v2/services.json?jurisdiction_id=seattle.gov", None, 200),
            ("POST", POSTS, form(live), 200),
            ("POST", POSTS, form(live, api_key="wrong"), 403),
            ("HEAD", "/open311/v2/services.xml?jurisdiction_id=seattle.gov", None, 200),
            ("GET", "/open311/v2/nothing", None, 404),
            ("OPTIONS", POSTS, None, 204),
            ("GET", "/healthz", None, 200),
        ]:
            connection.request(method, path, body=body, headers=FORM if body else {})
            assert read_answer(connection).status == status
            assert connection.sock is not None
            assert connection.sock.getsockname() == own_end
    finally:
        connection.close()


@pytest.mark.parametrize(
    "path",
    [
        "/open311/v2/services.json",
        "/open311/v2/services/street-light-outages.xml",
        "/open311/v2/requests.json",
        "/open311/v2/discovery.xml",
        "/open311/v2/requests/none.xml",
        "/healthz",
        "/",
    ],
)
def test_head_is_get_without_a_body(live: Live, path: str) -> None:
    get, head = live.get(path), live.call("HEAD", path)

    assert head.status == get.status
    assert head.body == b""
    for name in ("Content-Type", "Content-Length", "ETag", "Link", "X-Page-Size", "Access-Control-Allow-Origin"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize("path", ["/open311/v2/services.json", POSTS, "/open311/v2/requests/none.xml"])
def test_options_answers_a_browser_s_preflight(live: Live, path: str) -> None:
    asked = {"Origin": "https://city.example", "Access-Control-Request-Method": "POST"}

    answer = live.call("OPTIONS", path, headers=asked)

    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]


def test_an_answer_is_found_unchanged_by_its_etag(live: Live) -> None:
    path = "/open311/v2/services.json?jurisdiction_id=boston.gov"
    first = live.get(path)

    again = live.call("GET", path, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /open311/v2/requests.json?q=\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", id="raw bytes"),
        pytest.param(b"GET /open311/v2/%00.json HTTP/1.1\r\nHost: x\r\n\r\n", id="NUL"),
        pytest.param(b"BREW /open311/v2/requests.json HTTP/1.1\r\nHost: x\r\n\r\n", id="unknown method"),
        pytest.param(b"GET /open311/v2/requests.json HTTP/1.0\r\n\r\n", id="HTTP 1.0 without a host"),
        pytest.param(b"not HTTP at all\r\n\r\n", id="not HTTP"),
    ],
)
def test_odd_calls_are_answered_and_break_nothing(live: Live, head: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=10)
    connection.connect()
    try:
        connection.sock.sendall(head)
        first_line = connection.sock.makefile("rb").readline()
    finally:
        connection.close()

    assert int(first_line.split()[1]) < 500
    assert live.get("/healthz").status == 200


# --- the end -----------------------------------------------------------------------------------------------------


def test_a_web_server_that_is_told_to_stop_answers_what_it_was_asked_before(live: Live) -> None:
    web, port = live.start_web()
    assert web.process is not None
    with ThreadPoolExecutor(4) as pool, live.connect() as connection:
        # Reports wait as long as this lock is held: they are certainly under way when the signal comes.
        connection.execute("begin")
        connection.execute("lock table service_request in share mode")
        answers = [pool.submit(call, port, "POST", POSTS, headers=FORM, body=form(live)) for _ in range(4)]
        eventually(lambda: _waiting_to_write(live) == 4, seconds=30, what="four reports under way")
        web.ask_to_stop()
        time.sleep(0.3)
        assert web.is_alive()
        released_at = time.monotonic()
        connection.execute("commit")
        found = [answer.result() for answer in answers]

    assert [answer.status for answer in found] == [200] * 4
    numbers = [answer.json[0]["service_request_id"] for answer in found]
    assert listed(live, numbers) == set(numbers)
    assert web.process.wait(timeout=STOP_TIMEOUT_SECONDS) == 0
    assert time.monotonic() - released_at < STOP_TIMEOUT_SECONDS


def test_what_was_answered_before_a_stop_is_kept_and_the_rest_is_refused(live: Live) -> None:
    web, port = live.start_web()
    assert web.process is not None
    numbers: list[str] = []
    is_over = threading.Event()

    def report() -> None:
        while not is_over.is_set():
            try:
                answer = call(port, "POST", POSTS, headers=FORM, body=form(live))
            except (OSError, http.client.HTTPException):
                return  # it is gone: nothing was promised
            assert answer.status == 200
            numbers.append(answer.json[0]["service_request_id"])

    with ThreadPoolExecutor(4) as pool:
        reporters = [pool.submit(report) for _ in range(4)]
        eventually(lambda: len(numbers) > 20, seconds=10, what="twenty reports")
        web.ask_to_stop()
        status = web.process.wait(timeout=STOP_TIMEOUT_SECONDS)
        is_over.set()
        for reporter in reporters:
            reporter.result(timeout=30)

    assert status == 0
    assert listed(live, numbers) == set(numbers)
    with pytest.raises(OSError):
        call(port, "GET", "/healthz")


def _waiting_to_write(live: Live) -> Any:
    with live.connect() as connection:
        row = connection.execute(
            # The worker of the service beside it may wait for the lock as well.
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            " and query ilike 'insert into service_request %'"
        ).fetchone()
    assert row is not None
    return row[0]
