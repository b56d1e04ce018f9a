"""What happened to a request: facts, appended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb
from sqlalchemy import BigInteger, bindparam, insert

from db.driver import Statement
from open311.models import RequestEvent


def append(
    connection: "Connection[Any]", *, jurisdiction_id: int, request_id: int, kind: str, facts: Mapping[str, Any], at: datetime
) -> int:
    """A fact of a kind (see RequestEvent) at the end of a request's history; its id, by which a later form tells its age."""
    row = _APPEND.run(
        connection, jurisdiction_id=jurisdiction_id, request_id=request_id, at=at, kind=kind, facts=Jsonb(facts)
    ).fetchone()
    assert row is not None
    return int(row.id)


_APPEND = Statement(
    insert(RequestEvent)
    .values(
        jurisdiction_id=bindparam("jurisdiction_id", type_=BigInteger),
        request_id=bindparam("request_id", type_=BigInteger),
        at=bindparam("at"),
        kind=bindparam("kind"),
        facts=bindparam("facts"),
    )
    .returning(RequestEvent.id)
)
