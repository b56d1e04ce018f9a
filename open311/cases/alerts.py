"""Who is told at once: a role of a department, or one person.  Kept beside the request, seen by those it is for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Boolean, Text, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from db.driver import Statement
from open311.actors import CITY, ROLES, Actor
from open311.models import Alert, RequestEvent, ServiceRequest


def alert(
    connection: "Connection[Any]",
    *,
    jurisdiction_id: int,
    request_id: int,
    department_id: int,
    kind: str,
    words: str,
    at: datetime,
    role: str = "department",
    phase: str | None = None,
    account_id: int | None = None,
) -> None:
    """Tell a role of a department, or (account_id) one person of it; kinds: see Alert."""
    _INSERT.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        request_id=request_id,
        department_id=department_id,
        kind=kind,
        words=words,
        at=at,
        role=role,
        phase=phase,
        account_id=account_id,
    )


def unseen(connection: "Connection[Any]", *, jurisdiction_id: int, department_id: int, by: Actor) -> Sequence[Any]:
    """A department's alerts for this actor that nobody has seen yet, oldest first.

    Those for the actor's roles there, and the actor's own; an administrator's or operator's are all of them.
    Rows id, at, number, role, phase, kind, words.
    """
    return _UNSEEN.run(
        connection, jurisdiction_id=jurisdiction_id, department_id=department_id, **_for(by, department_id)
    ).fetchall()


def see(
    connection: "Connection[Any]", *, jurisdiction_id: int, department_id: int, by: Actor, through_id: int, now: datetime
) -> int:
    """Mark those up to an id as seen; how many."""
    return _SEE.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        department_id=department_id,
        through_id=through_id,
        now=now,
        **_for(by, department_id),
    ).rowcount


def _for(by: Actor, department_id: int) -> dict[str, Any]:
    """The roles of a department whose alerts are this actor's, and whose own are."""
    held = {grant.role for grant in by.grants if ROLES[grant.role].reach == CITY or department_id in grant.department_ids}
    is_over_all = by.kind in ("operator", "system") or "administrator" in held
    # A supervisor works with the department and sees what it is told.
    roles = held | ({"department"} if "supervisor" in held else set())
    return {"roles": sorted(roles), "account_id": by.account_id, "is_over_all": is_over_all}


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)

_LAST_EVENT = (
    select(func.max(RequestEvent.id))
    .where(RequestEvent.jurisdiction_id == _CITY, RequestEvent.request_id == bindparam("request_id", type_=BigInteger))
    .scalar_subquery()
)
_INSERT = Statement(
    insert(Alert).values(
        {
            "event_id": _LAST_EVENT,
            **{
                name: bindparam(name, type_=Alert.__table__.c[name].type)
                for name in (
                    "jurisdiction_id",
                    "request_id",
                    "phase",
                    "department_id",
                    "role",
                    "account_id",
                    "kind",
                    "words",
                    "at",
                )
            },
        }
    )
)
_OF_DEPARTMENT = (
    Alert.jurisdiction_id == _CITY,
    Alert.department_id == bindparam("department_id", type_=BigInteger),
    Alert.seen_at.is_(None),
    or_(
        bindparam("is_over_all", type_=Boolean),
        Alert.account_id == bindparam("account_id", type_=BigInteger),
        and_(Alert.account_id.is_(None), Alert.role == func.any(bindparam("roles", type_=ARRAY(Text)))),
    ),
)
_UNSEEN = Statement(
    select(
        Alert.id,
        Alert.at,
        ServiceRequest.number,
        Alert.role,
        Alert.phase,
        Alert.kind,
        Alert.words,
    )
    .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == Alert.request_id))
    .where(*_OF_DEPARTMENT)
    .order_by(Alert.id)
)
_SEE = Statement(
    update(Alert)
    .where(*_OF_DEPARTMENT, Alert.id <= bindparam("through_id", type_=BigInteger))
    .values(seen_at=func.greatest(Alert.at, bindparam("now", type_=TIMESTAMP(timezone=True))))
)
