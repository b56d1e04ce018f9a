"""The private PostgreSQL cluster: where it lives, how it is made, started and stopped."""

import fcntl
import hashlib
import os
import pwd
import re
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

ROLE = "dispatch311"
DATABASE = "dispatch311"

# PostgreSQL refuses to run as root; this is the account Debian's package makes for it.
SERVICE_ACCOUNT = "postgres"
SERVICE_HOME = Path("/var/lib/dispatch311")
INSTALLATIONS = Path("/usr/lib/postgresql")
EXTENSIONS = Path("/usr/share/postgresql")

SOCKET_NAME = ".s.PGSQL.5432"
# sun_path of unix(7) holds 108 bytes, the last of which is zero.
MAX_SOCKET_PATH_BYTES = 107

START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 6
MAX_LOG_BYTES = 16 * 1024 * 1024
# How long a folder of private_cluster must have been unlocked before it counts as left behind.
LEFTOVER_AFTER_SECONDS = 60

# Written to postgresql.conf when a cluster is made, so that an operator can change them there.
SETTINGS: Mapping[str, str] = {
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_connections": "100",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    # Our queries take milliseconds; compiling one takes longer than running it.
    "jit": "off",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "cluster_name": "'dispatch311'",
}
# A cluster that is thrown away needn't survive a power cut.
FLEETING: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "256MB",
    # At a moment of its own it would count the rows of a table, and plan its queries otherwise from then on.
    "autovacuum": "off",
}
# It lies in memory where the machine has this much to spare, so that it need not wait for a disk that others use.
MEMORY, DISK = Path("/dev/shm"), Path("/tmp")
ENOUGH_BYTES = 6 * 1024**3


class ClusterError(RuntimeError):
    """The private cluster can't be had; the message says why and what to do."""


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL data folder of ours, with the account that runs its server.

    Its server listens on a socket in socket_directory and on no network address.  Whoever can enter that
    folder, which is the owner and root, is let in as the superuser `dispatch311` without a password.
    """

    directory: Path
    socket_directory: Path
    owner: str
    durable: bool = True

    def make(self) -> bool:
        """Whether the data folder had to be made; False when there is one.

        Raises ClusterError when somebody else's account is needed, or initdb fails.
        """
        self._require_rights()
        with self._one_at_a_time():
            if self._is_made():
                return False
            # What bears the final name is whole: an initdb that was killed never got to rename its folder.
            making = self.directory.with_name(f"{self.directory.name}.making")
            shutil.rmtree(making, ignore_errors=True)
            _make_private_directory(making, owner=self.owner)
            options = ["--encoding=UTF8", "--locale=C.UTF-8", f"--username={ROLE}"]
            options += ["--auth-local=trust", "--auth-host=reject"]
            if not self.durable:
                options.append("--no-sync")
            result = self._run("initdb", *options, "--pgdata", str(making))
            if result.returncode != 0:
                shutil.rmtree(making, ignore_errors=True)
                raise ClusterError(f"initdb could not make {self.directory}:\n{_last_lines(result.stdout)}")
            with (making / "postgresql.conf").open("a") as file:
                file.write("\n# Dispatch311\n")
                file.writelines(f"{name} = {value}\n" for name, value in SETTINGS.items())
            making.rename(self.directory)
            return True

    def start(self) -> bool:
        """Whether the server had to be started; False when it runs already.

        What a killed server left behind (its pid file, its socket, its processes) doesn't hinder.
        Raises ClusterError, with the end of the server's log, when it doesn't come up.
        """
        self._require_rights()
        if not self._is_made():
            raise ClusterError(f"there is no cluster at {self.directory}: make it first")
        with self._one_at_a_time():
            if self.is_running():
                self._require_socket()
                return False
            self._prepare_socket_directory()
            self._clear_leftovers()
            settings = {
                "listen_addresses": "",
                "unix_socket_directories": str(self.socket_directory),
                **({} if self.durable else FLEETING),
            }
            # pg_ctl hands these options to a shell.
            options = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in settings.items())
            result = self._run(
                "pg_ctl", "start", "--wait", f"--timeout={START_TIMEOUT_SECONDS}", "--silent",
                f"--log={self.log_file}", "--pgdata", str(self.directory), "--options", options,
            )  # fmt: skip
            if result.returncode != 0:
                raise ClusterError(
                    f"PostgreSQL did not start on {self.directory}; its log ({self.log_file}) ends:\n"
                    f"{self._log_end() or _last_lines(result.stdout)}"
                )
            return True

    def stop(self) -> bool:
        """Whether there was a server to stop.

        Clients are disconnected and their transactions rolled back.  A server that takes too long over that
        is ended without a last checkpoint, and replays its log at the next start.
        """
        self._require_rights()
        if not self.is_running():
            return False
        for mode in ("fast", "immediate"):
            result = self._run(
                "pg_ctl", "stop", "--wait", f"--timeout={STOP_TIMEOUT_SECONDS}", "--silent",
                f"--mode={mode}", "--pgdata", str(self.directory),
            )  # fmt: skip
            if result.returncode == 0 or not self.is_running():
                return True
        raise ClusterError(f"PostgreSQL on {self.directory} does not stop; its log ends:\n{self._log_end()}")

    def is_running(self) -> bool:
        """Whether the server of this very folder runs.

        The pid file alone doesn't tell: it outlives a killed server, and its number may be another process.
        """
        try:
            pid = int((self.directory / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return False
        except PermissionError:
            raise self._foreign() from None
        return pid in self._processes()

    def url(self, database: str = DATABASE) -> str:
        """URL of a database of this cluster, as libpq and SQLAlchemy read it.

        Raises ClusterError when the socket's folder is not the owner's alone: what listens there isn't ours.
        """
        if os.path.lexists(self.socket_directory):
            self._check_socket_directory()
        host = urlencode({"host": str(self.socket_directory)}, safe="/")
        return f"postgresql://{ROLE}@/{quote(database, safe='')}?{host}"

    def has_database(self, name: str) -> bool:
        """Whether the running server has a database of this name."""
        names = self._client("psql", "-XAtc", "select datname from pg_database", "--dbname=postgres")
        return name in names.splitlines()

    def create_database(self, name: str, template: str | None = None) -> bool:
        """Whether the database had to be made; False when there is one.  The server must run.

        With a template it becomes a copy of that database, which nobody may be connected to meanwhile.
        """
        if self.has_database(name):
            return False
        self._client("createdb", *([f"--template={template}"] if template else []), name)
        return True

    def drop_database(self, name: str) -> None:
        """Drops the database, if there is one, also from under its clients."""
        self._client("dropdb", "--if-exists", "--force", name)

    @property
    def log_file(self) -> Path:
        """Where the server writes its log."""
        return self.directory / "server.log"

    def _is_made(self) -> bool:
        """Whether the data folder exists and is one."""
        if not self.directory.exists():
            return False
        if not (self.directory / "PG_VERSION").exists():
            raise ClusterError(f"{self.directory} is not a PostgreSQL data folder: remove it, then try again")
        return True

    def _require_rights(self) -> None:
        """Raises ClusterError unless this process can act as the owner, and the folder is the owner's."""
        account = _account(self.owner)
        if os.geteuid() not in (0, account.pw_uid):
            raise self._foreign()
        if self.directory.exists() and self.directory.stat().st_uid != account.pw_uid:
            raise self._foreign()

    def _foreign(self) -> ClusterError:
        """The error of a folder that isn't ours to use."""
        owner = _owner_of(self.directory) if self.directory.exists() else self.owner
        return ClusterError(
            f"the database cluster at {self.directory} belongs to {owner}: run this as {owner} or as root, "
            "or set DATABASE_URL to a database of your own"
        )

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Keeps other processes from making or starting a cluster in the same place meanwhile."""
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        # The folder itself is locked: no lock file to leave behind, and none to own.
        descriptor = os.open(self.directory.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _prepare_socket_directory(self) -> None:
        """Makes the socket's folder, or checks the one that is there."""
        path = os.fsencode(self.socket_directory / SOCKET_NAME)
        if len(path) > MAX_SOCKET_PATH_BYTES:
            raise ClusterError(
                f"{self.socket_directory} is too long a name for the folder of a socket: "
                f"the socket's path has {len(path)} bytes, and the system allows {MAX_SOCKET_PATH_BYTES}"
            )
        with suppress(FileExistsError):
            _make_private_directory(self.socket_directory, owner=self.owner)
        self._check_socket_directory()

    def _check_socket_directory(self) -> None:
        """Raises ClusterError unless the socket's folder is a real one, the owner's, and closed to others.

        It may lie in /tmp, where anybody can make one of this name first.
        """
        found = self.socket_directory.lstat()
        is_private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) & 0o077 == 0
        if not is_private or found.st_uid != _account(self.owner).pw_uid:
            raise ClusterError(
                f"{self.socket_directory} should be a folder that {self.owner} alone can enter, but is not: "
                "somebody else made it; remove it, then try again"
            )

    def _require_socket(self) -> None:
        """Raises ClusterError when the running server listens elsewhere, where we can't reach it."""
        if not (self.socket_directory / SOCKET_NAME).exists():
            raise ClusterError(
                f"PostgreSQL runs on {self.directory}, but not with its socket in {self.socket_directory}: "
                f"stop it, then try again (kill -INT $(head -n 1 {self.directory}/postmaster.pid))"
            )

    def _clear_leftovers(self) -> None:
        """Removes what a killed server left behind, and ends its orphans; else no new server would start."""
        orphans = self._processes()
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while orphans and time.monotonic() < deadline:
            for pid in orphans:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGQUIT)
            time.sleep(0.05)
            orphans = self._processes()
        # They hold a process number; if that is somebody else's by now, PostgreSQL takes it for a server's.
        for leftover in (
            self.directory / "postmaster.pid",
            self.socket_directory / SOCKET_NAME,
            self.socket_directory / f"{SOCKET_NAME}.lock",
        ):
            leftover.unlink(missing_ok=True)
        if self.log_file.exists() and self.log_file.stat().st_size > MAX_LOG_BYTES:
            self.log_file.rename(self.log_file.with_suffix(".log.1"))

    def _processes(self) -> set[int]:
        """Numbers of PostgreSQL's processes in this data folder, where each of a server's stays."""
        found = set()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            # Gone meanwhile, a zombie, or another user's: none of these is our server.
            with suppress(OSError):
                directory = os.readlink(entry / "cwd")
                program = os.readlink(entry / "exe").removesuffix(" (deleted)")
                if directory == str(self.directory) and os.path.basename(program) == "postgres":
                    found.add(int(entry.name))
        return found

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a program of this cluster's PostgreSQL as the owner; standard error comes with its output."""
        return _run_as(self.owner, [str(self._binaries() / program), *arguments])

    def _client(self, program: str, *arguments: str) -> str:
        """Output of a client program of PostgreSQL, run against this cluster's server."""
        self._require_rights()
        result = self._run(program, f"--host={self.socket_directory}", f"--username={ROLE}", *arguments)
        if result.returncode != 0:
            raise ClusterError(f"{program} failed on {self.directory}:\n{_last_lines(result.stdout)}")
        return result.stdout

    def _binaries(self) -> Path:
        """Folder of the programs that fit the data folder, or of the newest ones when there is none yet."""
        installed = _installations()
        version_file = self.directory / "PG_VERSION"
        if version_file.exists():
            version = version_file.read_text().strip()
            if version not in installed:
                raise ClusterError(
                    f"{self.directory} was made by PostgreSQL {version}, which is not here with PostGIS "
                    f"any more: install postgresql-{version} and its PostGIS, or move the folder away"
                )
            return installed[version]
        if not installed:
            raise ClusterError(f"no PostgreSQL with PostGIS in {INSTALLATIONS}: run script/setup")
        return installed[max(installed, key=float)]

    def _log_end(self) -> str:
        """The last lines of the server's log."""
        try:
            return _last_lines(self.log_file.read_text(errors="replace"))
        except FileNotFoundError:
            return ""


def var_directory(checkout: Path) -> Path:
    """The folder for what is made while running: OPEN311_VAR when that is set, else `var` in the checkout."""
    return Path(os.environ.get("OPEN311_VAR") or checkout / "var").resolve()


def demo_cluster(checkout: Path) -> Cluster:
    """The cluster that belongs to a checkout, whether it has been made or not; always the same one.

    Its data is in the checkout's var folder; or in /var/lib/dispatch311 when root runs this and PostgreSQL's
    account can't get to the checkout, as in root's closed home.  A cluster that exists stays where it is.
    Raises ClusterError when run as root on a machine without PostgreSQL's account.
    """
    var = var_directory(checkout)
    # Two checkouts, or two var folders, must never share a server.
    mark = hashlib.sha256(os.fsencode(var)).hexdigest()[:12]
    directory = _choose_directory(near=var / "postgres", far=SERVICE_HOME / mark / "postgres")
    if os.geteuid() != 0:
        owner = _name_of(os.geteuid())
    elif directory.exists():
        owner = _owner_of(directory)
    else:
        owner = SERVICE_ACCOUNT
    if owner == SERVICE_ACCOUNT and os.geteuid() == 0:
        socket_directory = Path(f"/run/dispatch311-{mark}")
    else:
        socket_directory = Path(f"/tmp/dispatch311-{_account(owner).pw_uid}-{mark}")
    return Cluster(directory=directory, socket_directory=socket_directory, owner=owner)


@contextmanager
def private_cluster(durable: bool = False) -> Iterator[Cluster]:
    """A running cluster in a temporary folder, which is gone at the end; what tests and benchmarks use.

    Works as root, too.  One whose process was killed is removed by the next call.
    """
    owner = SERVICE_ACCOUNT if os.geteuid() == 0 else _name_of(os.geteuid())
    uid = _account(owner).pw_uid
    # Not in TMPDIR, which may be too long for a socket, or closed to PostgreSQL's account.
    prefix = f"dispatch311-private-{uid}-"
    for place in (MEMORY, DISK):
        for leftover in place.glob(f"{prefix}*"):
            _remove_leftover(leftover, owner=owner)
    base = Path(tempfile.mkdtemp(prefix=prefix, dir=DISK if durable or not _has_memory() else MEMORY))
    if os.geteuid() == 0:
        os.chown(base, uid, _account(owner).pw_gid)
    # Held as long as this process lives, and by it alone; that tells the folder from one left behind.
    lock = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    cluster = _private_cluster_in(base, owner=owner, durable=durable)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cluster.make()
        cluster.start()
        yield cluster
    finally:
        try:
            cluster.stop()
        finally:
            os.close(lock)
            shutil.rmtree(base, ignore_errors=True)


def _has_memory() -> bool:
    """Whether there is a place for files in memory, and enough of it."""
    try:
        place = os.statvfs(MEMORY)
        available = re.search(r"^MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        return False
    if available is None or not os.access(MEMORY, os.W_OK):
        return False
    return min(place.f_bavail * place.f_frsize, int(available[1]) * 1024) >= ENOUGH_BYTES


def _private_cluster_in(base: Path, *, owner: str, durable: bool) -> Cluster:
    """The cluster of a temporary folder.

    Its data lies one folder deeper: making and starting lock the folder above it, and base is locked.
    """
    return Cluster(directory=base / "var" / "postgres", socket_directory=base, owner=owner, durable=durable)


def _remove_leftover(base: Path, *, owner: str) -> None:
    """Stops and removes a private cluster whose process has died; leaves every other alone."""
    try:
        lock = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        found = os.fstat(lock)
        if found.st_uid != _account(owner).pw_uid or found.st_mtime > time.time() - LEFTOVER_AFTER_SECONDS:
            return
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(ClusterError):
            _private_cluster_in(base, owner=owner, durable=False).stop()
        shutil.rmtree(base, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(lock)


def _choose_directory(*, near: Path, far: Path) -> Path:
    """Which of the two places a cluster is in, or is to be made in."""
    for place in (near, far):
        if place.exists():
            return place
    if os.geteuid() == 0 and not _can_reach(near, account=SERVICE_ACCOUNT):
        return far
    return near


def _can_reach(path: Path, *, account: str) -> bool:
    """Whether an account may enter the folder a path is in, or the nearest one above that exists."""
    parent = next(folder for folder in path.parents if folder.exists())
    # Asked of the system as that account, because access lists and groups count as well as modes.
    return _run_as(account, ["/usr/bin/test", "-x", str(parent)]).returncode == 0


def _run_as(account: str, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Runs a command as an account, which is this process's own unless it is root's."""
    # PGDATA, PGHOST and their like speak of another server; and our current folder may be closed to it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environment |= {"LC_ALL": "C.UTF-8"}
    entry = _account(account)
    is_other = os.geteuid() != entry.pw_uid
    return subprocess.run(
        command,
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        user=entry.pw_uid if is_other else None,
        group=entry.pw_gid if is_other else None,
        extra_groups=[] if is_other else None,
        umask=0o077,
    )


def _make_private_directory(path: Path, *, owner: str) -> None:
    """Makes a folder that its owner alone can enter, and those above it.  Raises FileExistsError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700)
    if os.geteuid() == 0:
        entry = _account(owner)
        os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


def _installations() -> dict[str, Path]:
    """Folder of programs of each PostgreSQL here that has PostGIS, by its major version."""
    return {
        path.parent.parent.name: path.parent
        for path in INSTALLATIONS.glob("*/bin/initdb")
        if (EXTENSIONS / path.parent.parent.name / "extension" / "postgis.control").exists()
    }


def _account(name: str) -> pwd.struct_passwd:
    """The account of this name.  Raises ClusterError when there is none."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise ClusterError(f"this machine has no account {name}: run script/setup") from None


def _name_of(uid: int) -> str:
    """Name of the account with this number.  Raises ClusterError, because PostgreSQL needs one."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise ClusterError(f"user {uid} has no name on this machine, which PostgreSQL requires") from None


def _owner_of(path: Path) -> str:
    """Name of the account a folder belongs to."""
    return _name_of(path.stat().st_uid)


def _last_lines(text: str, count: int = 15) -> str:
    """The end of a program's output, as much as fits a message."""
    return "\n".join(text.rstrip().splitlines()[-count:])
