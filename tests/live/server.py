"""The service as it runs in earnest: granian's processes and the worker, on a database and a port of their own."""

import csv
import gzip
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any

import psycopg
import pytest
from lxml import etree

from open311.cli.serve import STOP_TIMEOUT_SECONDS, Address, Child, children_of
from open311.config import CHECKOUT
from open311.keys import SCOPES, create_key

READY_SECONDS = 60

# Of the export's last two weeks every third case, so that the two weeks before now have some whatever today's weekday is;
# and some of its first day, which lie further back than a list without dates goes.
_LAST_ROWS, _EVERY, _FIRST_ROWS = 4800, 3, 20


@dataclass(frozen=True)
class Answer:
    """An answer as it came over the wire."""

    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        """The body, which is UTF-8 in every answer of ours."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)

    @property
    def xml(self) -> Any:
        """The root element of the body read as XML."""
        return etree.fromstring(self.body)


@dataclass(frozen=True)
class Live:
    """A service that runs."""

    port: int
    key: str
    database_url: str
    media: Path
    web: Child
    worker: Child
    start_web: Callable[[], "tuple[Child, int]"]

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        """The GeoReport endpoint, as discovery gives it: no slash at its end."""
        return f"{self.url}/open311/v2"

    def connect(self) -> "psycopg.Connection[Any]":
        """A connection to its database, in autocommit; closed at the end of the `with` that it is used in."""
        return psycopg.connect(self.database_url, autocommit=True)

    def take_out(self, numbers: str) -> None:
        """Delete the requests whose numbers are like this, with what the worker has counted of them meanwhile."""
        with self.connect() as connection, connection.transaction():
            connection.execute("lock table scorecard_fact in share row exclusive mode")
            connection.execute(
                "delete from scorecard_fact f using service_request r where r.jurisdiction_id = f.jurisdiction_id "
                "and r.id = f.request_id and r.number like %s",
                [numbers],
            )
            connection.execute("delete from service_request where number like %s", [numbers])

    def call(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
        """The answer to one call on a connection of its own; redirects are not followed."""
        return call(self.port, method, path, headers=headers, body=body)

    def get(self, path: str) -> Answer:
        """The answer to a GET."""
        return self.call("GET", path)


def call(port: int, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
    """The answer of whatever listens at the port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        return read_answer(connection)
    finally:
        connection.close()


def read_answer(connection: http.client.HTTPConnection) -> Answer:
    """The answer that a connection is to get next."""
    response = connection.getresponse()
    return Answer(status=response.status, headers=response.headers, body=response.read())


@contextmanager
def live_service(database_url: str, folder: Path) -> Iterator[Live]:
    """The service on this database, which has the demo cities but no requests; stopped at the end."""
    var = folder / "var"
    var.mkdir()
    _load_requests(database_url, _boston_with_few_requests(folder))
    with psycopg.connect(database_url, autocommit=True) as connection:
        key = create_key(connection, "live", scopes=SCOPES, now=datetime.now(UTC).replace(microsecond=0))

    started: list[Child] = []

    def start_web() -> tuple[Child, int]:
        port = free_port()
        web, _ = _children(port, var, database_url)
        started.append(web)
        web.start()
        wait_until_listening(web, port)
        return web, port

    port = free_port()
    web, worker = _children(port, var, database_url)
    started += [web, worker]
    try:
        web.start()
        worker.start()
        wait_until_listening(web, port)
        live = Live(
            port=port,
            key=key,
            database_url=database_url,
            media=var / "media",
            web=web,
            worker=worker,
            start_web=start_web,
        )
        _wait_until_ready(live)
        yield live
    finally:
        for child in started:
            child.ask_to_stop()
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        for child in started:
            child.wait_or_kill(deadline)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def eventually(check: Callable[[], Any], *, seconds: float, what: str) -> Any:
    """What the check gives as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)
    return found


def _children(port: int, var: Path, database_url: str) -> list[Child]:
    """The children of `open311 serve`, without the settings of whoever runs the tests."""
    with default_settings():
        return children_of(Address.from_environment({"PORT": str(port)}), var=var, database_url=database_url)


@contextmanager
def default_settings() -> Iterator[None]:
    """Without the settings of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("OPEN311_") or name == "DATABASE_URL"]:
            patch.delenv(name)
        yield


def _boston_with_few_requests(folder: Path) -> Path:
    """Boston's folder, with about 1,600 of its past requests."""
    city = folder / "boston"
    shutil.copytree(CHECKOUT / "fixtures" / "boston", city, ignore=shutil.ignore_patterns("requests.csv*"))
    with gzip.open(CHECKOUT / "fixtures" / "boston" / "requests.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        first = [next(rows) for _ in range(_FIRST_ROWS)]
        last = list(deque(rows, maxlen=_LAST_ROWS))[::-_EVERY]
    with (city / "requests.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *first, *reversed(last)])
    return city


def _load_requests(database_url: str, city: Path) -> None:
    # In a process of its own: the application of this one speaks to another database.
    with default_settings():
        environment = {**os.environ, "DATABASE_URL": database_url}
    command = [str(Path(sys.executable).with_name("open311")), "city", "load", str(city), "--dates-to-now"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def wait_until_listening(web: Child, port: int) -> None:
    """Returns when the processes of this very child listen at the port: another program's answers prove nothing."""
    deadline = time.monotonic() + READY_SECONDS
    while not _listens(web, port):
        if not web.is_alive() or time.monotonic() > deadline:
            written = b"".join(web.last_lines).decode(errors="replace")
            pytest.fail(f"the web server does not listen at port {port}; it wrote:\n{written}")
        time.sleep(0.05)


def _listens(child: Child, port: int) -> bool:
    assert child.process is not None
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    owners = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            # Gone meanwhile, or another user's.
            with suppress(OSError):
                if sockets & {os.readlink(each) for each in (entry / "fd").iterdir()}:
                    owners.add(os.getpgid(int(entry.name)))
    return owners == {child.process.pid}


def _listening_inodes(port: int) -> Iterator[str]:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[1].endswith(f":{port:04X}") and columns[3] == "0A":
            yield columns[9]


def _wait_until_ready(live: Live) -> None:
    answer = None
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError, http.client.HTTPException):
            answer = live.get("/readyz")
            if answer.status == 200:
                return
        time.sleep(0.05)
    pytest.fail(f"not ready within {READY_SECONDS} s; /readyz said: {answer and answer.text}")
