"""What was done to accounts and keys, and by whom: appended, never changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb
from sqlalchemy import Text, bindparam, insert, select
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from db.driver import Statement
from open311.actors import Actor
from open311.models import StaffChange


def keep(connection: "Connection[Any]", kind: str, facts: Mapping[str, Any], *, by: Actor, now: datetime) -> None:
    """Keep what was done; kind: a verb, such as "granted"; facts: to whose account or key, and what."""
    said = {name: value for name, value in facts.items() if value}
    _KEEP.run(connection, at=now, kind=kind, facts=Jsonb({**said, **by.as_facts}))


def changes(connection: "Connection[Any]") -> Sequence[Any]:
    """All of it, the newest first: rows at, kind, facts."""
    return _CHANGES.run(connection).fetchall()


_KEEP = Statement(
    insert(StaffChange).values(
        at=bindparam("at", type_=TIMESTAMP(timezone=True)),
        kind=bindparam("kind", type_=Text),
        facts=bindparam("facts", type_=JSONB),
    )
)
_CHANGES = Statement(select(StaffChange.at, StaffChange.kind, StaffChange.facts).order_by(StaffChange.id.desc()))
