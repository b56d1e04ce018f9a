"""What was done with personal data: kept, and listed for whoever answers for it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb
from sqlalchemy import BigInteger, Text, and_, bindparam, func, insert, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from db.driver import Statement
from open311.actors import PERSONAL_DATA, Actor, may
from open311.cases.numbers import spellings
from open311.models import PersonUse, ServiceRequest


def keep(
    connection: "Connection[Any]",
    kind: str,
    facts: Mapping[str, Any],
    *,
    jurisdiction_id: int,
    request_id: int | None = None,
    by: Actor,
    now: datetime,
) -> None:
    """Keep that personal data was used; kind: of models.person_use.PERSON_USES; facts: why, and which fields or how many."""
    _KEEP.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        request_id=request_id,
        at=now,
        kind=kind,
        facts=Jsonb({**facts, **by.as_facts}),
    )


def uses(
    connection: "Connection[Any]", *, jurisdiction_id: int, by: Actor, number: str | None = None, limit: int
) -> Sequence[Any]:
    """The newest of them first, of one request when a number is given: rows at, kind, number, facts.  Raises NotAllowed."""
    may(by, PERSONAL_DATA)
    return _USES.run(
        connection, jurisdiction_id=jurisdiction_id, numbers=None if number is None else list(spellings(number)), limit=limit
    ).fetchall()


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_NUMBERS: Any = bindparam("numbers", type_=ARRAY(Text))
_KEEP = Statement(
    insert(PersonUse).values(
        jurisdiction_id=_CITY,
        request_id=bindparam("request_id", type_=BigInteger),
        at=bindparam("at", type_=TIMESTAMP(timezone=True)),
        kind=bindparam("kind", type_=Text),
        facts=bindparam("facts", type_=JSONB),
    )
)
_USES = Statement(
    select(PersonUse.at, PersonUse.kind, ServiceRequest.number, PersonUse.facts)
    .outerjoin(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == PersonUse.request_id))
    .where(PersonUse.jurisdiction_id == _CITY, or_(_NUMBERS.is_(None), ServiceRequest.number == func.any(_NUMBERS)))
    .order_by(PersonUse.id.desc())
    .limit(bindparam("limit", type_=BigInteger))
)
