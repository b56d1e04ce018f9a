"""Imports point downwards: db, geo, routing and schemas never know the service above them."""

import ast
from collections.abc import Iterator

import pytest

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


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, top-level package) of every import, wherever in the module it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are written in full"
            yield node.lineno, (node.module or "").split(".")[0]
