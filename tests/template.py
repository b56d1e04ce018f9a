"""python -m tests.template URL: both demo cities without their past requests, into a migrated database."""

import sys

from open311.cli.city import load_cities
from open311.config import CHECKOUT, Settings
from open311.core import create_core


def main(url: str) -> None:
    """Load the cities."""
    with create_core(Settings(database_url=url)).app_context():
        load_cities([CHECKOUT / "fixtures" / name for name in ("boston", "seattle")], without_requests=True)


if __name__ == "__main__":
    main(sys.argv[1])
