"""Imports point downwards: db, geo, routing and schemas never know the service above them."""

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest

from open311.config import CHECKOUT
from tests.architecture.source import PACKAGES, modules

# A package and what of ours it may import.
MAY_IMPORT = {
    "db": {"db"},
    "geo": {"geo", "db"},
    "routing": {"routing", "geo", "db"},
    "schemas": {"schemas", "geo"},
    "open311": {"open311", "schemas", "routing", "geo", "db"},
}
OURS = {*PACKAGES, "tests", "bench", "wsgi"}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_lies_below_it(package: str):
    upward = [
        f"{path}:{line}: {name}"
        for path, tree in modules(package)
        for line, name in imported(tree)
        if name in OURS - MAY_IMPORT[package]
    ]

    assert upward == []


# What a process needs to know that is started for one command: what each of these costs, it would cost at every start.
DEAR = ("open311.app", "open311.api", "open311.web", "open311.cases.holding", "authlib", "pyogrio", "PIL", "lxml")


def test_a_command_of_keys_imports_no_routes_no_cases_and_no_library_of_maps_and_photos():
    asked = f"import sys, open311.cli.key; print(*[name for name in {DEAR} if name in sys.modules])"

    told = subprocess.run([sys.executable, "-c", asked], cwd=CHECKOUT, capture_output=True, text=True, check=True)

    assert told.stdout.split() == []


def test_the_list_of_commands_imports_none_of_them():
    asked = "import sys, open311.cli; open311.cli.main(['--help'], standalone_mode=False); print(*sys.modules, file=sys.stderr)"

    told = subprocess.run([sys.executable, "-c", asked], cwd=CHECKOUT, capture_output=True, text=True, check=True)

    assert "boundary" in told.stdout
    assert {name.split(".")[0] for name in told.stderr.split()} & {*PACKAGES, "flask", "sqlalchemy"} == {"open311"}
    assert [name for name in told.stderr.split() if name.startswith("open311")] == ["open311", "open311.cli"]


def test_a_command_knows_every_table():
    tables = "print(*db.Base.metadata.tables)"
    asked = f"import db, open311.core; {tables}; import open311.app; {tables}"

    told = subprocess.run([sys.executable, "-c", asked], cwd=CHECKOUT, capture_output=True, text=True, check=True)

    of_a_command, of_the_service = told.stdout.splitlines()
    assert "service_request" in of_a_command
    assert of_a_command.split() == of_the_service.split()


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, top-level package) of every import, wherever in the module it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are written in full"
            yield node.lineno, (node.module or "").split(".")[0]
