"""Our packages have names that others have too: what is imported is ours."""

import subprocess
import sys
from pathlib import Path

import pytest

from open311.config import CHECKOUT
from tests.architecture.source import PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_resolves_to_this_checkout_from_any_folder(package: str, tmp_path: Path):
    told = subprocess.run(
        [sys.executable, "-c", f"import {package}; print({package}.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert Path(told.stdout.strip()) == CHECKOUT / package / "__init__.py"
