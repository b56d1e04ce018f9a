"""Each group of commands once as a process: what it imports by itself, without the tests having imported it before."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import Copies

CITY = ("--jurisdiction", "small.gov")
# The words of a command, and what it prints of Smallville; city, migrate, serve and worker are processes in other tests.
COMMANDS = {
    "boundary": (["list", *CITY], "ward"),
    "casework": (["log", *CITY], ""),
    "export": (["requests", *CITY], "A-1"),
    "follower": (["list", *CITY], ""),
    "key": (["list"], ""),
    "message": (["list", *CITY], ""),
    "person": (["log", *CITY], ""),
    "query": (["list", *CITY], ""),
    "request": (["show", "A-1", *CITY], "A-1"),
    "rule": (["list", *CITY], "pothole"),
    "scorecard": (["refresh", *CITY], ""),
    "user": (["list"], ""),
    "webhook": (["list", *CITY], ""),
}


@pytest.mark.parametrize("group", COMMANDS)
def test_a_command_runs_by_itself(copies: Copies, smallville: str, group: str):
    words, shown = COMMANDS[group]

    with copies.of(smallville) as url:
        done = subprocess.run(
            [Path(sys.executable).with_name("open311"), group, *words],
            env={**os.environ, "DATABASE_URL": url, "OPEN311_PUBLIC_URL": "https://311.small.example"},
            capture_output=True,
            text=True,
            check=False,
        )

    assert (done.returncode, done.stderr) == (0, "")
    assert shown in done.stdout
