"""API keys: made with their scopes, checked, listed, revoked.  Source: GeoReport v2, api_key."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, LargeBinary, Text, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from db.driver import Statement
from open311.actors import Actor, Grant
from open311.departments import with_units
from open311.models import ApiKey, ApiKeyGrant, Jurisdiction
from routing.models import Department

# What a key may be good for: reporting and reading; service request updates.
REPORT, UPDATES = "report", "updates"
SCOPES = (REPORT, UPDATES)

PREFIX_CHARACTERS = 12
_USE_IS_RECORDED_EVERY = timedelta(minutes=1)


class KeyRefused(PermissionError):
    """The key is missing, unknown, revoked, or not good here or for this; the message says no more than it must."""


class UnknownKey(LookupError):
    """No key that is still good has this prefix."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key as a list shows it: never the secret.

    jurisdictions is empty when the key is good in every city, departments when its updates are for all of them.
    """

    prefix: str
    name: str
    scopes: Sequence[str]
    jurisdictions: Sequence[str]
    departments: Sequence[str]
    origins: Sequence[str]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def create_key(
    connection: "Connection[Any]",
    name: str,
    *,
    jurisdiction_ids: Sequence[int] = (),
    scopes: Sequence[str] = (REPORT,),
    department_id: int | None = None,
    origins: Sequence[str] = (),
    now: datetime,
) -> str:
    """A new key's secret, which is shown this once and kept only as its SHA-256.  No city named: good in every city.

    department_id: a department of the one city that is named, for whose requests alone its updates are.
    """
    secret = "d311-" + secrets.token_hex(32)
    row = _CREATE.run(
        connection,
        name=name,
        prefix=secret[:PREFIX_CHARACTERS],
        digest=_digest(secret),
        scopes=[scope for scope in SCOPES if scope in scopes],
        origins=[origin.strip().rstrip("/").lower() for origin in origins],
        created_at=now,
    ).fetchone()
    assert row is not None
    for jurisdiction_id in jurisdiction_ids or (None,):
        _GRANT.run(connection, api_key_id=row.id, jurisdiction_id=jurisdiction_id, department_id=department_id)
    return secret


def check_key(
    connection: "Connection[Any]", secret: str, *, jurisdiction_id: int, needs: str, origin: str | None, now: datetime
) -> Actor:
    """The key as an actor, when it is good here and now for what it needs to be; its use is recorded, to the minute.

    needs: one of SCOPES.  Raises KeyRefused.
    """
    if not secret:
        raise KeyRefused("api_key is missing")
    digest = _digest(secret)
    rows = _FIND.run(connection, digest=digest, jurisdiction_id=jurisdiction_id).fetchall()
    row = rows[0] if rows else None
    if row is None or not compare_digest(bytes(row.digest), digest) or row.revoked_at is not None:
        raise KeyRefused("api_key is not known")
    if row.grant_id is None:
        raise KeyRefused("api_key is not good for this jurisdiction")
    if origin is not None and row.origins and origin.lower() not in row.origins:
        raise KeyRefused(f"api_key is not good for pages of {origin}")
    if needs not in row.scopes:
        raise KeyRefused(f"api_key is not good for {needs}, only for {' and '.join(row.scopes)}")
    if row.last_used_at is None or now - row.last_used_at >= _USE_IS_RECORDED_EVERY:
        _USED.run(connection, api_key_id=row.id, now=now)
    return Actor(kind="key", name=row.name, api_key_id=row.id, grants=_grants(rows))


def _grants(rows: Sequence[Any]) -> list[Grant]:
    """What a key may do in a city: by its scopes, and for updates by each row that says where."""
    grants = [Grant(role="report_key")] if REPORT in rows[0].scopes else []
    if UPDATES not in rows[0].scopes:
        return grants
    return grants + [
        Grant(role="updates_key")
        if row.department_ids is None
        else Grant(role="department_key", department_ids=frozenset(row.department_ids), where=row.department)
        for row in rows
    ]


def list_keys(connection: "Connection[Any]") -> list[Key]:
    """Every key, newest first, revoked ones too."""
    return [
        Key(
            prefix=row.prefix,
            name=row.name,
            scopes=row.scopes,
            jurisdictions=row.jurisdictions or (),
            departments=row.departments or (),
            origins=row.origins,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
        )
        for row in _KEYS.run(connection).fetchall()
    ]


def revoke_key(connection: "Connection[Any]", prefix_or_secret: str, *, now: datetime) -> str:
    """Revoke the one good key that begins so; its name.  Raises UnknownKey, also when several do (roll back then)."""
    given = prefix_or_secret.strip()
    digest = _digest(given) if len(given) > PREFIX_CHARACTERS else None
    rows = _REVOKE.run(connection, prefix=given[:PREFIX_CHARACTERS], digest=digest, now=now).fetchall()
    if len(rows) != 1:
        raise UnknownKey(given[:PREFIX_CHARACTERS])
    return str(rows[0].name)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


_CREATE = Statement(
    insert(ApiKey)
    .values(
        name=bindparam("name"),
        prefix=bindparam("prefix"),
        digest=bindparam("digest"),
        scopes=bindparam("scopes"),
        origins=bindparam("origins"),
        created_at=bindparam("created_at"),
    )
    .returning(ApiKey.id)
)
_GRANT = Statement(
    insert(ApiKeyGrant).values(
        api_key_id=bindparam("api_key_id"),
        jurisdiction_id=bindparam("jurisdiction_id"),
        department_id=bindparam("department_id", type_=BigInteger),
    )
)
# A row for each grant that is good in the city; one without when none is.
_FIND = Statement(
    select(
        ApiKey.id,
        ApiKey.name,
        ApiKey.digest,
        ApiKey.scopes,
        ApiKey.origins,
        ApiKey.revoked_at,
        ApiKey.last_used_at,
        ApiKeyGrant.id.label("grant_id"),
        Department.code.label("department"),
        with_units(ApiKeyGrant.jurisdiction_id, ApiKeyGrant.department_id).label("department_ids"),
    )
    .outerjoin(
        ApiKeyGrant,
        and_(
            ApiKeyGrant.api_key_id == ApiKey.id,
            or_(
                ApiKeyGrant.jurisdiction_id.is_(None),
                ApiKeyGrant.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger),
            ),
        ),
    )
    .outerjoin(
        Department,
        and_(Department.jurisdiction_id == ApiKeyGrant.jurisdiction_id, Department.id == ApiKeyGrant.department_id),
    )
    .where(ApiKey.digest == bindparam("digest"))
    .order_by(ApiKeyGrant.id)
)
_USED = Statement(
    update(ApiKey)
    .where(ApiKey.id == bindparam("api_key_id", type_=BigInteger))
    .values(last_used_at=bindparam("now", type_=TIMESTAMP(timezone=True)))
)
_KEYS = Statement(
    select(
        ApiKey.prefix,
        ApiKey.name,
        ApiKey.scopes,
        ApiKey.origins,
        ApiKey.created_at,
        ApiKey.last_used_at,
        ApiKey.revoked_at,
        select(func.array_agg(Jurisdiction.slug, type_=ARRAY(Text)))
        .join(ApiKeyGrant, ApiKeyGrant.jurisdiction_id == Jurisdiction.id)
        .where(ApiKeyGrant.api_key_id == ApiKey.id)
        .scalar_subquery()
        .label("jurisdictions"),
        select(func.array_agg(Department.code, type_=ARRAY(Text)))
        .join(
            ApiKeyGrant,
            and_(ApiKeyGrant.jurisdiction_id == Department.jurisdiction_id, ApiKeyGrant.department_id == Department.id),
        )
        .where(ApiKeyGrant.api_key_id == ApiKey.id)
        .scalar_subquery()
        .label("departments"),
    ).order_by(ApiKey.created_at.desc(), ApiKey.id.desc())
)
_REVOKE = Statement(
    update(ApiKey)
    .where(
        ApiKey.prefix == bindparam("prefix", type_=Text),
        func.coalesce(bindparam("digest", type_=LargeBinary), ApiKey.digest) == ApiKey.digest,
        ApiKey.revoked_at.is_(None),
    )
    .values(revoked_at=bindparam("now", type_=TIMESTAMP(timezone=True)))
    .returning(ApiKey.name)
)
