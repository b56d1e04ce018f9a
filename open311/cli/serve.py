"""Everything that has to run, started together, watched, and stopped together: what script/server is."""

import errno
import fcntl
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

import click
from psycopg import OperationalError, ProgrammingError, connect

from db.cluster import DATABASE, demo_cluster, var_directory
from open311.cli.demo import Prepared, prepare
from open311.cli.edge import CONNECT_TIMEOUT_SECONDS, readable_errors
from open311.config import CHECKOUT, Settings

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8311
DEFAULT_JURISDICTION = "boston.gov"

WEB_PROCESSES = 2
# Far more than work at once: a client that sends its body slowly holds a thread all the while.
WEB_THREADS = 16

# In the environment of every process we start: what a killed run left behind is known by it.
MARKER = "OPEN311_SERVER"

READY_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 5
# A process that lives shorter than this died of something that will probably happen again.
QUICK_DEATH_SECONDS = 10
MAX_QUICK_DEATHS = 5
MAX_RESTART_DELAY_SECONDS = 8
KEPT_LOG_LINES = 20

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Asks a process to end when we are gone, however we went; a preexec_fn may deadlock with our threads.
WITH_US = ("setpriv", "--pdeathsig=TERM", "--")


class StopRequested(KeyboardInterrupt):
    """A signal asked us to stop.

    A KeyboardInterrupt whichever signal it was: on that, psycopg cancels the query it is waiting for.
    """


class GivenUp(click.ClickException):
    """The server can't run; the message says why.  Exit status 1."""


@dataclass(frozen=True)
class Address:
    """Where the web server listens: what was asked for, and the number it stands for."""

    host: str
    port: int
    family: socket.AddressFamily
    number: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Address":
        """The address in HOST and PORT.  Raises GivenUp naming the variable and what would do."""
        host = environment.get("HOST") or DEFAULT_HOST
        text = environment.get("PORT") or str(DEFAULT_PORT)
        if not text.isdecimal() or not 0 < int(text) < 65536:
            raise GivenUp(f"PORT must be a number from 1 to 65535, got {text!r}")
        try:
            found = socket.getaddrinfo(host, int(text), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except OSError as error:
            raise GivenUp(f"HOST must be an address or a name of this machine, got {host!r}: {error}") from None
        return cls(host=host, port=int(text), family=found[0][0], number=str(found[0][4][0]))

    @property
    def url(self) -> str:
        """URL of the server for somebody at this machine."""
        # "Everywhere" is an address to listen at, but none to visit.
        number = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.number, self.number)
        return f"http://[{number}]:{self.port}" if ":" in number else f"http://{number}:{self.port}"

    def require_free(self) -> None:
        """Raises GivenUp when we can't listen here."""
        with socket.socket(self.family, socket.SOCK_STREAM) as probe:
            # Connections of an earlier run that linger in TIME_WAIT are no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.number, self.port))
                probe.listen(1)
            except OSError as error:
                place = f"{self.host} port {self.port}"
                reasons = {
                    errno.EADDRINUSE: f"{place} is taken by another program; choose one with PORT=...",
                    errno.EACCES: f"{place} needs root; choose a port above 1023 with PORT=...",
                    errno.EADDRNOTAVAIL: f"{self.host} isn't this machine's; choose an address with HOST=...",
                }
                raise GivenUp(reasons.get(error.errno or 0, f"cannot listen at {place}: {error}")) from None


@dataclass
class Child:
    """A process of ours, which is started again when it dies."""

    name: str
    command: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    quick_deaths: int = 0
    restart_at: float | None = None
    last_lines: deque[bytes] = field(default_factory=lambda: deque(maxlen=KEPT_LOG_LINES))

    def start(self) -> None:
        """Starts the process, in a group of its own: the terminal's Ctrl-C is for us to pass on, once."""
        self.restart_at = None
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            [*WITH_US, *self.command],
            cwd=CHECKOUT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        assert self.process.stdout is not None
        threading.Thread(target=self._relay, args=(self.process.stdout,), daemon=True).start()

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def watch(self) -> None:
        """Starts the process again when it has died, later each time.

        Raises GivenUp, with the last of what it wrote, when it keeps dying as soon as it is started.
        """
        if self.restart_at is not None:
            if time.monotonic() >= self.restart_at:
                self.start()
            return
        if self.process is None or self.process.poll() is None:
            return
        # Processes of its own may have outlived it, and hold the port.
        self._signal(signal.SIGKILL)
        status = self.process.returncode
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        lived_long = time.monotonic() - self.started_at >= QUICK_DEATH_SECONDS
        self.quick_deaths = 1 if lived_long else self.quick_deaths + 1
        if self.quick_deaths >= MAX_QUICK_DEATHS:
            time.sleep(0.1)  # for the last of its lines to arrive
            lines = b"".join(self.last_lines).decode(errors="replace").rstrip()
            raise GivenUp(f"{self.name} {how}, {self.quick_deaths} times in a row. It wrote last:\n{lines}")
        delay = min(0.5 * 2 ** (self.quick_deaths - 1), MAX_RESTART_DELAY_SECONDS)
        say(f"{self.name} {how}; it is started again in {delay:g} s")
        self.restart_at = time.monotonic() + delay

    def ask_to_stop(self) -> None:
        """Asks the process to finish what it is at, and to end.  It starts no processes of its own again."""
        self.restart_at = None
        if self.is_alive():
            assert self.process is not None
            # To it alone: it tells its own processes in its own order.
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGTERM)

    def wait_or_kill(self, deadline: float) -> None:
        """Waits for the process to end until the deadline, then ends it and all it started."""
        if self.process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=max(0.0, deadline - time.monotonic()))
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        """Sends a signal to the process's whole group, as far as it is there."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def _relay(self, stream: IO[bytes]) -> None:
        """Shows what the process writes, and keeps the end of it."""
        with stream:
            for line in stream:
                self.last_lines.append(line)
                # A terminal that is gone must not stop the process from writing.
                with suppress(OSError, ValueError):
                    sys.stderr.buffer.write(line)
                    sys.stderr.buffer.flush()


@click.command()
def serve() -> None:
    """Run the whole service until Ctrl-C: database, web server and worker.

    HOST and PORT say where to listen (127.0.0.1 8311), DATABASE_URL which database to use instead of the
    private one, OPEN311_VAR where data is kept (var in the checkout).  OPEN311_DEMO_REQUESTS=0 leaves the past
    requests of the demo cities out.
    """
    address = Address.from_environment(os.environ)
    var = var_directory(CHECKOUT)
    try:
        with readable_errors(), _stop_signals_raise():
            _serve(address, var)
    except StopRequested:
        say("stopped")


def _serve(address: Address, var: Path) -> None:
    """Runs everything until a signal asks to stop, or something can't be had."""
    with _only_one(var, address) as note:
        _end_leftovers(str(var))
        address.require_free()
        with _database(note) as database_url:
            prepared = prepare(database_url, say)
            default = DEFAULT_JURISDICTION if DEFAULT_JURISDICTION in prepared.jurisdiction_ids else ""
            children = children_of(address, var=var, database_url=database_url, default_jurisdiction=default)
            try:
                _run(children, address, prepared)
            finally:
                _ignore_stop_signals()
                _stop(children)


def _run(children: list[Child], address: Address, prepared: Prepared) -> None:
    """Starts the children and watches over them; never returns."""
    for child in children:
        child.start()
    started_at = time.monotonic()
    is_ready = False
    while True:
        for child in children:
            child.watch()
        if not is_ready:
            obstacle = _obstacle(f"{address.url}/readyz")
            # Our own web server must live: somebody else's could answer at a port that was free before.
            is_ready = obstacle is None and children[0].is_alive()
            if is_ready:
                _welcome(address, prepared)
            elif time.monotonic() - started_at > READY_TIMEOUT_SECONDS:
                raise GivenUp(f"not ready within {READY_TIMEOUT_SECONDS} s; /readyz says: {obstacle}")
        time.sleep(0.5 if is_ready else 0.05)


def _stop(children: list[Child]) -> None:
    """Stops the children, all at the same time."""
    for child in children:
        child.ask_to_stop()
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    for child in children:
        child.wait_or_kill(deadline)


def web_command(host: str, port: int, *, target: str = "wsgi:app") -> list[str]:
    """The command line of the web server, serving a WSGI application (module:name) on a host and port."""
    # Granian warns of more threads than cores, but ours wait for the database, not for a core.
    # Its buffer for a request's head is 400 kB by default: enough for the longest of query strings.
    return [
        sys.executable, "-m", "granian", "--interface=wsgi", "--http=1", "--no-ws",
        f"--host={host}", f"--port={port}",
        f"--workers={WEB_PROCESSES}", f"--blocking-threads={WEB_THREADS}", "--backlog=1024",
        "--respawn-failed-workers", "--respawn-interval=0.5",
        f"--workers-kill-timeout={STOP_TIMEOUT_SECONDS - 2}",
        "--no-access-log", "--log-level=error", target,
    ]  # fmt: skip


def children_of(
    address: Address, *, var: Path, database_url: str, default_jurisdiction: str = DEFAULT_JURISDICTION
) -> list[Child]:
    """The processes of a service, not yet started: the web server, then the worker."""
    environment = {
        # What a person may set, and what is so unless they do.
        "SECRET_KEY": _secret_key(var),
        "OPEN311_DEFAULT_JURISDICTION": default_jurisdiction,
        "OPEN311_MEDIA_DIR": str(var / "media"),
        "OPEN311_OPEN_DATA_DIR": str(var / "open-data"),
        **os.environ,
        "DATABASE_URL": database_url,
        MARKER: str(var),
    }
    web = web_command(address.number, address.port)
    # Calls tell the web server where it is seen; a worker has to know, for what it writes to people.
    worker = [str(Path(sys.executable).with_name("open311")), "worker"]
    return [
        Child(name="the web server", command=web, environment=environment),
        Child(name="the worker", command=worker, environment={"OPEN311_PUBLIC_URL": address.url, **environment}),
    ]


def _secret_key(var: Path) -> str:
    """The key that signs staff's cookies: made once for a var folder, readable by its owner only."""
    file = var / "secret-key"
    if not file.exists():
        # Whole or not there: a key that was cut short would stop every start from now on.
        made = file.with_name("secret-key.new")
        made.unlink(missing_ok=True)
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as kept:
            kept.write(secrets.token_hex(32) + "\n")
        made.rename(file)
    return file.read_text().strip()


@dataclass(frozen=True)
class Note:
    """What a server leaves in its lock file, for a second one and for the next one to read."""

    path: Path
    url: str = ""
    pid: int = 0
    owns_cluster: bool = False

    @classmethod
    def read(cls, path: Path) -> "Note":
        """The note in a lock file; an empty one when nothing is written there yet."""
        try:
            return cls(path=path, **json.loads(path.read_text()))
        except (ValueError, TypeError):
            return cls(path=path)

    def write(self, *, owns_cluster: bool) -> None:
        """Notes whether the private cluster is to be stopped when this server ends."""
        self.path.write_text(json.dumps({"url": self.url, "pid": os.getpid(), "owns_cluster": owns_cluster}) + "\n")


@contextmanager
def _only_one(var: Path, address: Address) -> Iterator[Note]:
    """Holds the lock on a var folder; gives the note to write, with what the run before noted in it.

    Raises GivenUp, saying where the other one is, when a server runs with this folder already.
    """
    path = var / "server.lock"
    try:
        var.mkdir(parents=True, exist_ok=True)
        # Python opens files so that children don't inherit them: the lock ends with this process.
        file = path.open("a")
    except OSError as error:
        raise GivenUp(f"cannot write to {path}: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = Note.read(path)
            raise GivenUp(
                f"the server of this checkout runs already: {other.url or 'it is just starting'}"
                f" (process {other.pid or 'unknown'}); stop that one first, with Ctrl-C or kill"
            ) from None
        note = Note(path=path, url=address.url, owns_cluster=Note.read(path).owns_cluster)
        note.write(owns_cluster=note.owns_cluster)
        yield note


@contextmanager
def _database(note: Note) -> Iterator[str]:
    """URL of the database: the one in DATABASE_URL, else the private one, which is started.

    The private cluster is stopped in the end when it was started here, or by a run that was killed.
    """
    settings = Settings.from_environment()
    if settings.database_url:
        yield _answering(settings.libpq_url)
        return
    cluster = demo_cluster(CHECKOUT)
    if not cluster.directory.exists():
        say(f"making a PostgreSQL cluster in {cluster.directory}")
    cluster.make()
    is_ours = note.owns_cluster or not cluster.is_running()
    # Before it is started: a run that is killed from now on has left it running.
    note.write(owns_cluster=is_ours)
    try:
        cluster.start()
        cluster.create_database(DATABASE)
        yield cluster.url(DATABASE)
    finally:
        _ignore_stop_signals()
        if is_ours:
            cluster.stop()
            note.write(owns_cluster=False)


def _answering(url: str) -> str:
    """The URL of a database that answers.  Raises GivenUp when it does not."""
    try:
        connect(url, connect_timeout=CONNECT_TIMEOUT_SECONDS).close()
    except (OperationalError, ProgrammingError) as error:
        reason = str(error).splitlines()[0]
        raise GivenUp(f"the database that DATABASE_URL names can't be had: {reason}") from error
    return url


def _end_leftovers(mark: str) -> None:
    """Ends what a killed run with the same var folder left running, which its marker tells; nothing else."""
    found = _marked(mark)
    if not found:
        return
    say(f"ending {len(found)} processes that a killed server left behind")
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while found and time.monotonic() < deadline:
            time.sleep(0.05)
            found = _marked(mark)
        if not found:
            return
    raise GivenUp(f"processes of an earlier run can't be ended: {', '.join(map(str, sorted(found)))}")


def _marked(mark: str) -> set[int]:
    """Numbers of the other processes that carry this mark."""
    wanted = os.fsencode(f"{MARKER}={mark}")
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            # Gone meanwhile, or another user's, which can't be ours.
            with suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
    return found


def _obstacle(url: str) -> str | None:
    """Why a GET of the URL isn't answered with 200; None when it is."""
    # Not through a proxy, whatever the environment says: it is our own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code} {error.read(1000).decode(errors='replace').strip()}"
    except (OSError, http.client.HTTPException) as error:
        return str(error)


def _welcome(address: Address, prepared: Prepared) -> None:
    """Says where to look, to somebody who has never seen this before."""
    there = prepared.jurisdiction_ids
    named = DEFAULT_JURISDICTION if DEFAULT_JURISDICTION in there else there[0]
    key = f"Demo key    api_key={prepared.api_key}" if prepared.api_key else "API key     make one: open311 key create NAME"
    text = f"""
Dispatch311 is ready at {address.url}

  Discovery   {address.url}/open311/discovery.json
  Services    curl '{address.url}/open311/v2/services.json?jurisdiction_id={named}'
  Requests    curl '{address.url}/open311/v2/requests.json?jurisdiction_id={named}'
  {key}

Ctrl-C stops everything.
"""
    with suppress(OSError):
        click.echo(text)


def say(text: str) -> None:
    """Tells the person at the terminal what is going on."""
    with suppress(OSError):
        click.echo(f"server: {text}", err=True)


@contextmanager
def _stop_signals_raise() -> Iterator[None]:
    """Lets signals that ask to stop raise StopRequested, also from the middle of a long step."""

    def request(_number: int, _frame: FrameType | None) -> None:
        # Once is enough: a second Ctrl-C must not cut short the stopping.
        _ignore_stop_signals()
        raise StopRequested

    before = {number: signal.signal(number, request) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_stop_signals() -> None:
    """Keeps signals from cutting short what is left to do: children and database would be left behind."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
