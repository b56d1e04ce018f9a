"""script/server as a person meets it: started, stopped, killed, started again."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from db.cluster import Cluster, ClusterError, demo_cluster
from open311.cli import main
from tests.small_city import SmallCity

CHECKOUT = Path(__file__).resolve().parent.parent
# The first start loads the demo cities.
FIRST_START_SECONDS = 240
# A second start, as a share of the first one's processor time.
SECOND_START = 0.75

# All of them use one var folder, so that the demo cities are loaded once: one process of pytest-xdist.
pytestmark = [pytest.mark.live, pytest.mark.xdist_group("script-server")]


class Server:
    """A run of script/server with a var folder of its own."""

    def __init__(self, var: Path, port: int, **changes: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._lines: list[str] = []
        environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "HOME")}
        self.process = subprocess.Popen(
            [CHECKOUT / "script" / "server"],
            cwd="/",
            # Without their past requests the demo cities are loaded in seconds; this file is not about those.
            env={**environment, "PORT": str(port), "OPEN311_VAR": str(var), "OPEN311_DEMO_REQUESTS": "0", **changes},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            self._lines.extend(iter(stream.readline, ""))

    @property
    def cpu_seconds(self) -> float:
        """What it and the programs it has run so far took of the processors; its web server and worker are not among them."""
        # After the name, which may hold spaces: utime, stime, and cutime and cstime of those that have ended.
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    @property
    def output(self) -> str:
        """What it has written so far."""
        return "".join(self._lines)

    def wait_until_ready(self, timeout_seconds: float = FIRST_START_SECONDS) -> float:
        """Seconds from now until it says that it is ready."""
        start = time.monotonic()
        while "is ready at" not in self.output:
            if self.process.poll() is not None or time.monotonic() - start > timeout_seconds:
                pytest.fail(f"not ready after {time.monotonic() - start:.1f} s; it wrote:\n{self.output}")
            time.sleep(0.02)
        return time.monotonic() - start

    def wait_until_ended(self, timeout_seconds: float = 60) -> int:
        """Its exit status."""
        status = self.process.wait(timeout=timeout_seconds)
        self._reader.join(timeout=5)
        return status

    def stop(self) -> int:
        """Ends it as a service manager does, and gives its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait_until_ended()

    def end(self) -> None:
        """Sees to it that it has ended, whatever became of the test."""
        if self.process.poll() is None:
            self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.wait_until_ended()
        self.process.kill()
        self.wait_until_ended()

    def get(self, path: str) -> int:
        """Status of a GET."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}{path}", timeout=10) as response:
            return int(response.status)


class Shared:
    """The server that tests of a running one use one after the other; who stops or kills it has the next one start another."""

    def __init__(self, var: Path, port: int) -> None:
        self._var, self._port = var, port
        self._server: Server | None = None
        self.first_cpu_seconds = 0.0

    def running(self) -> Server:
        """One that is ready: the one that runs, or a new one."""
        if self._server is None or self._server.process.poll() is not None:
            self.end()
            self._server = Server(self._var, self._port)
            self._server.wait_until_ready()
            # Only this one made the cluster and loaded the cities.
            self.first_cpu_seconds = self.first_cpu_seconds or self._server.cpu_seconds
        return self._server

    def end(self) -> None:
        """Sees to it that none runs."""
        if self._server is not None:
            self._server.end()


Start = Callable[..., Server]


@pytest.fixture(scope="module")
def var() -> Iterator[Path]:
    """A var folder that PostgreSQL's account can reach; what a failed test left running is ended with it."""
    folder = Path(tempfile.mkdtemp(prefix="server-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    for pid in _processes_of(folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    cluster = _cluster_of(folder)
    with suppress(ClusterError):
        cluster.stop()
    shutil.rmtree(cluster.socket_directory, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts script/server; whatever becomes of the test, it has ended after it."""
    runs: list[Server] = []

    def start_one(var: Path, port: int, **changes: str) -> Server:
        runs.append(Server(var, port, **changes))
        return runs[-1]

    yield start_one
    for run in runs:
        run.end()


@pytest.fixture(scope="module")
def shared(var: Path, port: int) -> Iterator[Shared]:
    """The server of this file's var folder, started when the first test asks for it."""
    shared = Shared(var, port)
    yield shared
    shared.end()


@pytest.fixture
def server(shared: Shared) -> Server:
    """A server that is ready."""
    return shared.running()


@pytest.fixture
def at_rest(shared: Shared, var: Path) -> None:
    """No server runs, and no cluster."""
    shared.end()
    with suppress(ClusterError):
        _cluster_of(var).stop()


def _cluster_of(var: Path) -> Cluster:
    """The private cluster of a var folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPEN311_VAR", str(var))
        return demo_cluster(CHECKOUT)


def _processes_of(var: Path) -> set[int]:
    """The web server's and the worker's processes, as their environment tells."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if f"OPEN311_SERVER={var}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
    return found


def _wait_until_gone(var: Path, timeout_seconds: float = 10) -> None:
    deadline = time.monotonic() + timeout_seconds
    while _processes_of(var) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _processes_of(var) == set()


def test_a_ready_server_answers_and_says_where_to_look(server: Server) -> None:
    assert server.get("/healthz") == 200
    assert server.get("/readyz") == 200
    assert f"{server.url}/open311/discovery.json" in server.output
    assert "api_key=" in server.output


def test_a_second_server_says_where_the_first_one_is(start: Start, server: Server, var: Path, port: int) -> None:
    second = start(var, port)

    assert second.wait_until_ended() == 1
    assert f"runs already: {server.url}" in second.output
    assert server.get("/healthz") == 200


def test_a_database_of_ones_own_may_be_named_as_in_every_command(
    start: Start, server: Server, var: Path, tmp_path: Path
) -> None:
    # The first server's database; the second one has a var folder of its own.
    url = _cluster_of(var).url("dispatch311").replace("postgresql", "postgresql+psycopg", 1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        other: int = probe.getsockname()[1]

    second = start(tmp_path, other, DATABASE_URL=url)

    second.wait_until_ready()
    assert second.get("/readyz") == 200


def test_where_the_demo_cities_are_not_another_city_is_the_one_that_is_shown(
    start: Start, server: Server, var: Path, tmp_path: Path
) -> None:
    cluster = _cluster_of(var)
    cluster.create_database("small")
    url, folder = cluster.url("small"), SmallCity(tmp_path / "small").path
    for words in (["migrate"], ["city", "load", folder]):
        command = [CHECKOUT / ".venv" / "bin" / "open311", *words]
        subprocess.run(command, env={**os.environ, "DATABASE_URL": url}, check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        other: int = probe.getsockname()[1]

    second = start(tmp_path, other, DATABASE_URL=url)

    second.wait_until_ready()
    assert "requests.json?jurisdiction_id=small.gov" in second.output
    assert "open311 key create NAME" in second.output
    assert "api_key=" not in second.output
    # The only city is meant where none is named.
    assert second.get("/open311/v2/services.json") == 200


def test_a_killed_web_server_is_started_again(server: Server, var: Path) -> None:
    for pid in _processes_of(var):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    status = 0

    while status != 200 and time.monotonic() < deadline:
        with suppress(OSError, urllib.error.URLError):
            status = server.get("/readyz")
        time.sleep(0.1)

    assert status == 200
    assert "is started again" in server.output


def test_a_service_manager_stops_everything(server: Server, var: Path) -> None:
    server.process.send_signal(signal.SIGTERM)

    assert server.wait_until_ended(timeout_seconds=12) == 0
    assert _processes_of(var) == set()
    assert _cluster_of(var).is_running() is False


def test_a_taken_port_is_refused_before_anything_is_started(at_rest: None, start: Start, var: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken: int = other.getsockname()[1]

        server = start(var, taken)

        assert server.wait_until_ended() == 1
    assert f"port {taken} is taken by another program" in server.output
    assert _cluster_of(var).is_running() is False


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "many", "PORT must be a number from 1 to 65535, got 'many'"),
        ("HOST", "no.such.host.invalid", "HOST must be an address or a name of this machine"),
        ("OPEN311_DEMO_REQUESTS", "few", "OPEN311_DEMO_REQUESTS must be 0 or 1, got 'few'"),
        ("OPEN311_ENDPOINT_TYPE", "demo", "OPEN311_ENDPOINT_TYPE must be production or test, got 'demo'"),
        ("DATABASE_URL", "mysql://root@127.0.0.1/city", "DATABASE_URL must begin with postgresql://, got mysql://"),
        ("DATABASE_URL", "our database", "DATABASE_URL must begin with postgresql://"),
        ("DATABASE_URL", "postgresql://u@h:port/d", "DATABASE_URL must be like postgresql://user:password@host:5432/name"),
        ("DATABASE_URL", "postgresql://u@127.0.0.1:1/d", "the database that DATABASE_URL names can't be had: connection"),
        ("DATABASE_URL", "postgres://u@127.0.0.1:1/d", "the database that DATABASE_URL names can't be had: connection"),
        ("DATABASE_URL", "postgresql://127.0.0.1/d?colour=red", "the database that DATABASE_URL names can't be had: "),
    ],
)
def test_a_bad_setting_is_named(at_rest: None, var: Path, port: int, name: str, value: str, expected: str) -> None:
    # What script/server ends with, in this process: starting ten of it takes as long as all other tests of a setting.
    settings = {"PORT": str(port), "OPEN311_VAR": str(var), "OPEN311_DEMO_REQUESTS": "0", name: value}
    ended = CliRunner().invoke(main, ["serve"], env=settings)

    assert ended.exit_code == 1
    assert expected in ended.output
    assert ended.output.count("Error: ") == 1
    assert _cluster_of(var).is_running() is False


def test_a_bad_setting_ends_the_server_with_its_message_alone(at_rest: None, start: Start, var: Path, port: int) -> None:
    server = start(var, port, PORT="many")

    assert server.wait_until_ended() == 1
    assert "Error: PORT must be a number from 1 to 65535, got 'many'" in server.output
    assert "Traceback" not in server.output


def test_ctrl_c_at_a_terminal_stops_everything(server: Server, var: Path) -> None:
    # There the whole group of the foreground gets the signal, and impatient people press twice.
    server.process.send_signal(signal.SIGINT)
    server.process.send_signal(signal.SIGINT)

    assert server.wait_until_ended(timeout_seconds=12) == 0
    assert _processes_of(var) == set()
    assert _cluster_of(var).is_running() is False


def test_a_second_start_is_quick(server: Server, shared: Shared) -> None:
    server.stop()

    again = shared.running()

    # It finds everything made, so it is at it for a part of the time; of the processors' time, which other programs on
    # the machine hardly change.
    assert again.cpu_seconds < shared.first_cpu_seconds * SECOND_START
    for made_before in ("making", "installing", "loading"):
        assert made_before not in again.output


def test_after_its_supervisor_is_killed_it_starts_again(start: Start, server: Server, var: Path, port: int) -> None:
    server.process.kill()
    server.wait_until_ended()
    again = start(var, port)

    again.wait_until_ready()

    assert again.get("/readyz") == 200
    assert again.stop() == 0
    # The killed run had started the cluster; the one after it stops it.
    assert _cluster_of(var).is_running() is False


def test_after_everything_is_killed_it_starts_again(start: Start, server: Server, var: Path, port: int) -> None:
    cluster = _cluster_of(var)
    postgres = int((cluster.directory / "postmaster.pid").read_text().splitlines()[0])
    for pid in {server.process.pid, postgres} | _processes_of(var):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.wait_until_ended()
    again = start(var, port)

    again.wait_until_ready()

    assert again.get("/readyz") == 200
    assert again.stop() == 0


def test_children_do_not_outlive_a_killed_supervisor(server: Server, var: Path) -> None:
    server.process.kill()

    _wait_until_gone(var)
