"""The project's own source, as a syntax tree."""

import ast
from collections.abc import Iterator
from pathlib import Path

from open311.config import CHECKOUT

PACKAGES = ("db", "geo", "routing", "schemas", "open311")


def modules(*packages: str) -> Iterator[tuple[Path, ast.Module]]:
    """(path within the checkout, tree) of every module of the packages; of all five when none is named."""
    for package in packages or PACKAGES:
        for file in sorted((CHECKOUT / package).rglob("*.py")):
            yield file.relative_to(CHECKOUT), ast.parse(file.read_text(encoding="utf-8"))
