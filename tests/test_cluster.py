"""The private PostgreSQL cluster: made, started, stopped, and what it survives."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from db import cluster as cluster_module
from db.cluster import (
    MAX_SOCKET_PATH_BYTES,
    SERVICE_ACCOUNT,
    SOCKET_NAME,
    Cluster,
    ClusterError,
    demo_cluster,
    private_cluster,
)

IS_ROOT = os.geteuid() == 0
OWNER = SERVICE_ACCOUNT if IS_ROOT else pwd.getpwuid(os.geteuid()).pw_name

needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can act as another account")


@pytest.fixture
def place() -> Iterator[Path]:
    """A temporary folder that PostgreSQL's account can reach, with a name short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="cluster-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _cluster_in(folder: Path) -> Cluster:
    """A cluster in a folder, neither made nor started."""
    return Cluster(
        directory=folder / "var" / "postgres",
        socket_directory=folder / "socket",
        owner=OWNER,
        durable=False,
    )


@pytest.fixture(scope="module")
def made() -> Iterator[Cluster]:
    """A cluster that has been made; each test starts and stops it as it needs, and leaves it stopped."""
    folder = Path(tempfile.mkdtemp(prefix="cluster-test-", dir="/tmp"))
    folder.chmod(0o755)
    cluster = _cluster_in(folder)
    cluster.make()
    yield cluster
    with suppress(ClusterError):
        cluster.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def running(made: Cluster) -> Iterator[Cluster]:
    """A cluster that runs."""
    made.start()
    yield made
    made.stop()


def _server_pid(cluster: Cluster) -> int:
    return int((cluster.directory / "postmaster.pid").read_text().splitlines()[0])


def _answer(cluster: Cluster) -> object:
    with psycopg.connect(cluster.url("postgres")) as connection:
        row = connection.execute("select 311").fetchone()
    assert row is not None
    return row[0]


def test_a_cluster_is_made_once(made: Cluster) -> None:
    again = made.make()

    assert again is False


def test_a_running_cluster_is_not_started_again(running: Cluster) -> None:
    pid = _server_pid(running)

    again = running.start()

    assert again is False
    assert _server_pid(running) == pid
    assert _answer(running) == 311


def test_a_stopped_cluster_no_longer_runs(made: Cluster) -> None:
    made.start()

    assert made.stop() is True
    assert made.is_running() is False
    assert made.stop() is False


def test_stopping_does_not_wait_for_clients(running: Cluster) -> None:
    with psycopg.connect(running.url("postgres")) as connection:
        connection.execute("select 1")
        before = time.monotonic()

        running.stop()

        assert time.monotonic() - before < 5
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")


def test_a_cluster_that_is_not_made_says_so_when_started(place: Path) -> None:
    with pytest.raises(ClusterError, match="make it first"):
        _cluster_in(place).start()


def test_a_killed_server_starts_again_with_all_its_data(running: Cluster) -> None:
    running.create_database("kept")
    os.kill(_server_pid(running), signal.SIGKILL)
    while running.is_running():
        time.sleep(0.01)

    started = running.start()

    assert started is True
    assert running.has_database("kept")
    running.drop_database("kept")


def test_a_pid_file_that_names_another_process_does_not_hinder(made: Cluster) -> None:
    # As after a power cut, when the number has come to belong to somebody else: here to this very test.
    pid_file = made.directory / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{made.directory}\n{int(time.time())}\n5432\n")

    assert made.is_running() is False
    assert made.start() is True

    made.stop()


def test_a_half_made_cluster_is_made_anew(place: Path) -> None:
    cluster = _cluster_in(place)
    half_made = cluster.directory.with_name("postgres.making")
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("15\n")

    assert cluster.make() is True

    assert (cluster.directory / "global").is_dir()
    assert not half_made.exists()


def test_a_folder_of_something_else_is_left_alone(place: Path) -> None:
    cluster = _cluster_in(place)
    cluster.directory.mkdir(parents=True)
    if IS_ROOT:
        shutil.chown(cluster.directory, OWNER)
    (cluster.directory / "letter.txt").write_text("Dear all")

    with pytest.raises(ClusterError, match="not a PostgreSQL data folder"):
        cluster.make()

    assert (cluster.directory / "letter.txt").exists()


def test_a_server_that_does_not_come_up_shows_its_log(made: Cluster) -> None:
    settings = made.directory / "postgresql.conf"
    before = settings.read_text()
    settings.write_text(before + "max_connections = none\n")

    try:
        with pytest.raises(ClusterError, match="max_connections"):
            made.start()
    finally:
        settings.write_text(before)


def test_only_its_owner_can_enter_the_sockets_folder(running: Cluster) -> None:
    found = running.socket_directory.stat()

    assert found.st_mode & 0o777 == 0o700
    assert pwd.getpwuid(found.st_uid).pw_name == OWNER


def test_nothing_listens_on_the_network(running: Cluster) -> None:
    with psycopg.connect(running.url("postgres")) as connection:
        row = connection.execute("show listen_addresses").fetchone()

    assert row == ("",)


@pytest.mark.parametrize(
    "prepare",
    [
        pytest.param(lambda path: path.mkdir(mode=0o755), id="open-to-others"),
        pytest.param(lambda path: path.symlink_to("/tmp"), id="symbolic-link"),
        pytest.param(lambda path: path.touch(mode=0o600), id="file"),
    ],
)
def test_a_sockets_folder_that_somebody_else_made_is_refused(
    made: Cluster, place: Path, prepare: Callable[[Path], None]
) -> None:
    squatted = replace(made, socket_directory=place / "squatted")
    prepare(squatted.socket_directory)

    with pytest.raises(ClusterError, match="somebody else made it"):
        squatted.start()
    with pytest.raises(ClusterError, match="somebody else made it"):
        squatted.url("postgres")


def test_a_sockets_path_that_is_too_long_is_refused(made: Cluster, place: Path) -> None:
    name = "x" * (MAX_SOCKET_PATH_BYTES - len(f"{place}//{SOCKET_NAME}") + 1)

    with pytest.raises(ClusterError, match="too long"):
        replace(made, socket_directory=place / name).start()


def test_a_server_whose_socket_is_elsewhere_is_not_taken_for_ours(running: Cluster, place: Path) -> None:
    with pytest.raises(ClusterError, match="not with its socket in"):
        replace(running, socket_directory=place / "other").start()


@needs_root
def test_the_cluster_of_another_account_is_refused(made: Cluster) -> None:
    with pytest.raises(ClusterError, match=f"belongs to {SERVICE_ACCOUNT}"):
        replace(made, owner="nobody").start()


@needs_root
def test_an_ordinary_user_is_told_who_a_cluster_belongs_to(made: Cluster) -> None:
    pid = os.fork()
    if pid == 0:
        # In a process of its own, because this can't be undone.
        os.setgroups([])
        os.setuid(pwd.getpwnam("nobody").pw_uid)
        try:
            made.start()
        except ClusterError as error:
            os._exit(0 if f"belongs to {SERVICE_ACCOUNT}" in str(error) else 1)
        os._exit(2)

    assert os.waitpid(pid, 0)[1] == 0


def test_a_database_is_created_once(running: Cluster) -> None:
    assert running.create_database("once") is True
    assert running.create_database("once") is False

    running.drop_database("once")

    assert running.has_database("once") is False


def test_a_database_can_be_the_copy_of_another(running: Cluster) -> None:
    running.create_database("original")
    with psycopg.connect(running.url("original")) as connection:
        connection.execute("create table note (text text)")

    running.create_database("copy", template="original")

    with psycopg.connect(running.url("copy")) as connection:
        assert connection.execute("select count(*) from note").fetchone() == (0,)
    running.drop_database("copy")
    running.drop_database("original")


def test_the_environment_of_another_server_is_not_heeded(running: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "/nowhere")
    monkeypatch.setenv("PGDATA", "/nowhere")

    assert running.has_database("postgres")


def test_a_private_cluster_is_gone_at_the_end() -> None:
    with private_cluster() as cluster:
        assert _answer(cluster) == 311
        with psycopg.connect(cluster.url("postgres")) as connection:
            connection.execute("create extension postgis")

    assert not cluster.socket_directory.exists()
    assert cluster.is_running() is False


@pytest.mark.parametrize(
    ("is_durable", "enough_bytes", "place"),
    [
        pytest.param(False, 0, "/dev/shm", id="that-may-be-lost-in-memory"),
        pytest.param(False, 2**62, "/tmp", id="that-may-be-lost-where-memory-is-short"),
        pytest.param(True, 0, "/tmp", id="that-is-durable"),
    ],
)
def test_a_private_cluster_lies_where_it_may(
    monkeypatch: pytest.MonkeyPatch, is_durable: bool, enough_bytes: int, place: str
) -> None:
    monkeypatch.setattr(cluster_module, "ENOUGH_BYTES", enough_bytes)
    monkeypatch.setattr(Cluster, "make", lambda _cluster: True)
    monkeypatch.setattr(Cluster, "start", lambda _cluster: True)

    with private_cluster(durable=is_durable) as cluster:
        assert cluster.socket_directory.parent == Path(place)


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
def test_a_private_cluster_left_behind_is_removed_by_the_next(place: str) -> None:
    left = Path(tempfile.mkdtemp(prefix=f"dispatch311-private-{pwd.getpwnam(OWNER).pw_uid}-", dir=place))
    if IS_ROOT:
        shutil.chown(left, OWNER)
    cluster = Cluster(directory=left / "var" / "postgres", socket_directory=left, owner=OWNER, durable=False)
    cluster.make()
    cluster.start()
    os.utime(left, (0, 0))

    with private_cluster() as another:
        assert another.socket_directory != left

    # Another process of the test run may have come first, and be at it.
    deadline = time.monotonic() + 10
    while left.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left.exists()
    assert cluster.is_running() is False


def test_a_checkout_always_has_the_same_cluster(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPEN311_VAR", raising=False)

    first = demo_cluster(place)
    monkeypatch.chdir("/")

    assert demo_cluster(place) == first
    assert first.directory == place / "var" / "postgres"
    assert first.owner == OWNER


def test_two_checkouts_never_share_a_cluster(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPEN311_VAR", raising=False)

    one, other = demo_cluster(place / "one"), demo_cluster(place / "other")

    assert one.directory != other.directory
    assert one.socket_directory != other.socket_directory


def test_the_var_folder_can_be_chosen(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPEN311_VAR", str(place / "elsewhere"))

    assert demo_cluster(place).directory == place / "elsewhere" / "postgres"


@needs_root
def test_a_checkout_in_a_closed_home_has_its_cluster_elsewhere(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPEN311_VAR", raising=False)
    home = place / "home"
    home.mkdir(mode=0o700)

    cluster = demo_cluster(home / "checkout")

    assert cluster.directory.parts[:4] == ("/", "var", "lib", "dispatch311")
    assert demo_cluster(home / "checkout") == cluster


@needs_root
def test_a_cluster_stays_where_it_was_made_when_the_home_is_closed_later(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPEN311_VAR", raising=False)
    directory = place / "home" / "checkout" / "var" / "postgres"
    directory.mkdir(parents=True)
    shutil.chown(directory, SERVICE_ACCOUNT)
    (place / "home").chmod(0o700)

    assert demo_cluster(place / "home" / "checkout").directory == directory


@needs_root
def test_root_runs_a_users_cluster_as_that_user(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPEN311_VAR", raising=False)
    directory = place / "var" / "postgres"
    directory.mkdir(parents=True)
    shutil.chown(directory, "nobody")

    assert demo_cluster(place).owner == "nobody"


def test_no_socket_of_a_checkout_is_too_long(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPEN311_VAR", raising=False)

    cluster = demo_cluster(place / ("deep/" * 40))

    assert len(os.fsencode(cluster.socket_directory / SOCKET_NAME)) <= MAX_SOCKET_PATH_BYTES


@needs_root
def test_the_server_never_runs_as_root(running: Cluster) -> None:
    shown = subprocess.run(["stat", "-c", "%U", f"/proc/{_server_pid(running)}"], capture_output=True, text=True, check=True)

    assert shown.stdout.strip() == SERVICE_ACCOUNT
