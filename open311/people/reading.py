"""Who reported a request, for those who may know: each reading is an act of its own, and recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, and_, bindparam, or_, select

from db.driver import Statement
from open311.actors import READ_PERSON, Actor
from open311.cases.holding import hold
from open311.cases.phases import ReasonMissing
from open311.jurisdictions import City
from open311.models import ServiceRequest, Verdict
from open311.people import record
from open311.people.identity import people_of
from schemas.submission import PERSONAL_FIELDS
from schemas.update import PERSON_FIELDS


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who stands with a request.  role: "reported it", "posted update 7", "follows it"; fields: what is known."""

    role: str
    fields: Mapping[str, str]


def read_people(
    connection: "Connection[Any]", city: City, number: str, *, by: Actor, reason: str, now: datetime
) -> Sequence[Person]:
    """Who reported a request, who posted its updates, and who follows it; that they were read is kept, and why.

    Raises ReasonMissing, UnknownRequest, NotAllowed.
    """
    held = hold(connection, city, number, by, READ_PERSON)
    if not reason.strip():
        raise ReasonMissing("reading who reported it needs a reason")
    people = people_of(connection, **held.key)
    found = [
        *(Person(role="reported it", fields=known(row, PERSONAL_FIELDS)) for row in people.reporters),
        *(Person(role=f"posted update {row.update_id}", fields=known(row, PERSON_FIELDS)) for row in people.updates),
        *(Person(role="follows it", fields=known(row, ("email",))) for row in people.followers),
        *(_answered(row, city) for row in _VERDICTS.run(connection, **held.key)),
    ]
    fields = sorted({name for each in found for name in each.fields})
    record.keep(
        connection, "read", {"reason": reason, "fields": fields}, jurisdiction_id=city.id, request_id=held.id, by=by, now=now
    )
    return found


def _answered(row: Any, city: City) -> Person:
    """What a reporter of it, or of one that follows it, said after a closing."""
    closed = f"{row.closed_at.astimezone(city.zone):%Y-%m-%d %H:%M}"
    score = {"score": f"{row.score} of 5"} if row.score else {}
    return Person(
        role=f"says of {row.number}, closed {closed}: {'fixed' if row.is_fixed else 'not fixed'}",
        fields={**score, **known(row, ("comment",))},
    )


def known(row: Any, names: Sequence[str]) -> dict[str, str]:
    """The personal fields of a row that say something."""
    return {name: getattr(row, name) for name in names if getattr(row, name)}


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_REQUEST_ID: Any = bindparam("request_id", type_=BigInteger)
_VERDICTS = Statement(
    select(ServiceRequest.number, Verdict.closed_at, Verdict.is_fixed, Verdict.score, Verdict.comment)
    .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == Verdict.request_id))
    .where(
        Verdict.jurisdiction_id == _CITY,
        or_(ServiceRequest.id == _REQUEST_ID, ServiceRequest.parent_id == _REQUEST_ID),
    )
    .order_by(Verdict.id)
)
