"""The two demo cities, put into an empty database."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from psycopg import Connection

from db.cluster import var_directory
from db.driver import driver
from db.migrations import upgrade
from open311.config import CHECKOUT, BadSetting, Settings
from open311.core import create_core
from open311.jurisdictions import cities
from open311.keys import REPORT, SCOPES, KeyRefused, check_key, create_key, revoke_key
from open311.reports.changes import begin_anew_if_restored
from schemas.moment import whole_second

# jurisdiction_id: its folder in fixtures.
DEMO_CITIES = {"boston.gov": "boston", "seattle.gov": "seattle"}

# No city's id: a key that is good there is good everywhere.
_NO_CITY = 0

# 1: the demo cities are loaded with their past requests; 0: without, which takes seconds instead of a minute.
DEMO_REQUESTS = "OPEN311_DEMO_REQUESTS"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A database that can be served: the jurisdiction_id of every city in it, and the demo key, when there is one."""

    jurisdiction_ids: Sequence[str]
    api_key: str


def prepare(database_url: str, say: Callable[[str], None]) -> Prepared:
    """Migrate the database, load the demo cities when it has no city, and see to the demo key.

    The key is good in the demo cities only; where they are not both there, there is none.  It is kept in var/demo-key,
    readable by its owner only; one that is not good any more is replaced.  Raises BadSetting.
    """
    with_requests = _wants_requests()
    upgrade(database_url)
    with create_core(Settings.from_environment({**os.environ, "DATABASE_URL": database_url})).app_context():
        if not cities().all():
            say(f"loading the demo cities {' and '.join(DEMO_CITIES)}")
            # Together: a start that is cut off must not leave one of them for good, because only no city is loaded into.
            folders = [CHECKOUT / "fixtures" / name for name in DEMO_CITIES.values()]
            _load_cities(folders, without_requests=not with_requests)
        with driver.transaction() as connection:
            if begin_anew_if_restored(connection):
                say("the database was restored: the change feed begins anew")
        found = {city.jurisdiction_id: city.id for city in cities().all()}
        demo = [found[name] for name in DEMO_CITIES if name in found]
        prepared = Prepared(jurisdiction_ids=list(found), api_key=_demo_key(demo) if len(demo) == len(DEMO_CITIES) else "")
        driver.close()
    return prepared


def _load_cities(folders: Sequence[Path], *, without_requests: bool) -> None:
    # Reading folders of cities is half of the service, and only the first of all starts has any to read.
    import_module("open311.cli.city").load_cities(folders, dates_to_now=True, without_requests=without_requests)


def _wants_requests() -> bool:
    text = os.environ.get(DEMO_REQUESTS, "").strip() or "1"
    if text not in ("0", "1"):
        raise BadSetting(f"{DEMO_REQUESTS} must be 0 or 1, got {text!r}")
    return text == "1"


def _demo_key(city_ids: Sequence[int]) -> str:
    """The key of var/demo-key, of every scope; a new one when that is not good in these cities, or good in others as well."""
    file = var_directory(CHECKOUT) / "demo-key"
    now = whole_second(datetime.now(UTC))
    secret = file.read_text().strip() if file.exists() else None
    with driver.transaction() as connection:
        if secret and all(_is_good(connection, secret, city_id, REPORT, now) for city_id in city_ids):
            has_every_scope = all(_is_good(connection, secret, city_ids[0], scope, now) for scope in SCOPES)
            if has_every_scope and not _is_good(connection, secret, _NO_CITY, REPORT, now):
                return secret
            revoke_key(connection, secret, now=now)
        secret = create_key(connection, "demo", jurisdiction_ids=city_ids, scopes=SCOPES, now=now)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as kept:
            kept.write(secret + "\n")
    return secret


def _is_good(connection: "Connection[Any]", secret: str, city_id: int, needs: str, now: datetime) -> bool:
    try:
        check_key(connection, secret, jurisdiction_id=city_id, needs=needs, origin=None, now=now)
    except KeyRefused:
        return False
    return True
