"""What every benchmark stands on: a database of its own, servers that are proven to be ours, and two load makers."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from db import db
from db.cluster import Cluster, private_cluster
from db.driver import driver
from db.migrations import upgrade
from open311.app import create_app
from open311.cli.city import load_city
from open311.cli.serve import web_command
from open311.config import CHECKOUT, Settings

CLIENTS = 16
_READY_SECONDS = 30


class BenchFailed(RuntimeError):
    """A run whose figures would mean nothing; the message says why."""


@dataclass(frozen=True)
class Rig:
    """A durable cluster (synchronous commit on) with both demo cities and Boston's cases in `url`."""

    cluster: Cluster
    url: str
    folder: Path


@contextmanager
def rig() -> Iterator[Rig]:
    """The rig, in a temporary place; gone at the end."""
    for program in ("wrk", "setpriv"):
        if shutil.which(program) is None:
            raise BenchFailed(f"{program} is not here: apt-get install -y --no-install-recommends wrk util-linux")
    with private_cluster(durable=True) as cluster, ExitStack() as stack:
        cluster.create_database("bench")
        url = cluster.url("bench")
        upgrade(url)
        with create_app(Settings(database_url=url)).app_context():
            for name in ("boston", "seattle"):
                print(f"loading {name}", file=sys.stderr, flush=True)
                load_city(CHECKOUT / "fixtures" / name, dates_to_now=True)
            db.engine.dispose()
        driver.close()
        folder = Path(stack.enter_context(_temporary_folder()))
        yield Rig(cluster=cluster, url=url, folder=folder)


@contextmanager
def served(target: str, environment: Mapping[str, str]) -> Iterator[str]:
    """The URL of a WSGI application served as script/server serves it, on a free port that is proven to be its own."""
    port = _free_port()
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig=TERM", "--", *web_command("127.0.0.1", port, target=target)],
        env={**os.environ, **environment},
        cwd=CHECKOUT,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchFailed(f"{target} does not come up on port {port}")
            time.sleep(0.05)
        _assert_ours(port, process.pid)
        yield f"http://127.0.0.1:{port}"
        _assert_ours(port, process.pid)
    finally:
        process.terminate()
        process.wait(10)


def wrk(url: str, *, seconds: float, script: str = "", folder: Path) -> float:
    """Answers a second of 16 connections; raises BenchFailed when any answer is not a 2xx."""
    command = ["wrk", f"-c{CLIENTS}", "-t1", f"-d{seconds:g}s", "--timeout", "10s"]
    if script:
        file = folder / "wrk.lua"
        file.write_text(script)
        command += ["-s", str(file)]
    output = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise BenchFailed(f"{url} did not answer well:\n{output}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert found is not None
    return float(found[1])


def pgbench(rig: Rig, script: str, *, seconds: int) -> float:
    """Transactions a second of 16 clients, statements prepared."""
    file = rig.folder / "pgbench.sql"
    file.write_text(script)
    file.chmod(0o644)
    rig.folder.chmod(0o755)
    command = ["pgbench", "-n", "-M", "prepared", f"-c{CLIENTS}", "-j2", f"-T{seconds}", "-f", str(file), rig.url]
    program = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))[-1]
    result = subprocess.run([str(program), *command[1:]], capture_output=True, text=True, check=False)
    found = re.search(r"tps = ([\d.]+) \(without", result.stdout)
    if found is None or "ERROR" in result.stderr:
        raise BenchFailed(f"pgbench failed:\n{result.stdout}{result.stderr}")
    return float(found[1])


def fetch(url: str) -> tuple[bytes, str]:
    """Body and content type."""
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read(), response.headers["Content-Type"]


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return sorted(values)[len(values) // 2]


@contextmanager
def _temporary_folder() -> Iterator[str]:
    with TemporaryDirectory(prefix="dispatch311-bench-") as folder:
        yield folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _assert_ours(port: int, leader: int) -> None:
    """Raise BenchFailed unless every socket that listens on the port is held by the process group of `leader` alone."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and int(fields[1].split(":")[1], 16) == port:
            inodes.add(f"socket:[{fields[9]}]")
    holders = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) in inodes:
                holders.add(os.getpgid(int(link.parts[2])))
        except OSError:
            continue
    if not inodes or holders != {leader}:
        raise BenchFailed(f"port {port} is held by {holders or 'nobody'}, not by the server under test ({leader})")
