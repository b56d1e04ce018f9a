"""The two demo cities, put into an empty database."""

import os
from collections.abc import Callable
from datetime import UTC, datetime

from db.cluster import var_directory
from db.driver import driver
from db.migrations import upgrade
from open311.app import create_app
from open311.cli.city import load_cities
from open311.config import CHECKOUT, BadSetting, Settings
from open311.jurisdictions import cities
from open311.keys import KeyRefused, check_key, create_key
from schemas.moment import whole_second

DEMO_CITIES = ("boston", "seattle")

# 1: the demo cities are loaded with their past requests; 0: without, which takes seconds instead of a minute.
DEMO_REQUESTS = "OPEN311_DEMO_REQUESTS"


def prepare(database_url: str, say: Callable[[str], None]) -> str:
    """Migrate the database, load the demo cities when it has no city, and see to the demo key; the key.

    The key is kept in var/demo-key, readable by its owner only; one that is not good any more is replaced.
    Raises BadSetting.
    """
    with_requests = _wants_requests()
    upgrade(database_url)
    with create_app(Settings.from_environment({**os.environ, "DATABASE_URL": database_url})).app_context():
        if not cities().all():
            say(f"loading the demo cities {' and '.join(DEMO_CITIES)}")
            # Together: a start that is cut off must not leave one of them for good, because only no city is loaded into.
            folders = [CHECKOUT / "fixtures" / name for name in DEMO_CITIES]
            load_cities(folders, dates_to_now=True, without_requests=not with_requests)
        key = _demo_key()
        driver.close()
    return key


def _wants_requests() -> bool:
    text = os.environ.get(DEMO_REQUESTS, "").strip() or "1"
    if text not in ("0", "1"):
        raise BadSetting(f"{DEMO_REQUESTS} must be 0 or 1, got {text!r}")
    return text == "1"


def _demo_key() -> str:
    file = var_directory(CHECKOUT) / "demo-key"
    now = whole_second(datetime.now(UTC))
    secret = file.read_text().strip() if file.exists() else None
    with driver.transaction() as connection:
        if secret and _is_good(secret, now):
            return secret
        secret = create_key(connection, "demo", now=now)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as kept:
            kept.write(secret + "\n")
    return secret


def _is_good(secret: str, now: datetime) -> bool:
    with driver.connection() as connection:
        try:
            for city in cities().all():
                check_key(connection, secret, jurisdiction_id=city.id, origin=None, now=now)
        except KeyRefused:
            return False
    return True
