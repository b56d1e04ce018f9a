"""Accounts of staff: made, listed, given roles, stopped; and what each may do in a city."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Boolean, Text, and_, bindparam, delete, func, null, select, true, update
from sqlalchemy.dialects.postgresql import TIMESTAMP, insert

from db.driver import Statement
from geo.models import Boundary, Layer
from open311.actors import Actor, Grant
from open311.departments import department_id, with_units
from open311.jurisdictions import City
from open311.models import Account, AccountGrant, AccountSession, Jurisdiction
from open311.models.account import DEPARTMENT_ROLES, STAFF_ROLES
from open311.passwords import hashed
from routing.models import Department
from schemas.text import one_line

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_MAX_EMAIL_CHARACTERS = 254


class UnknownAccount(LookupError):
    """No account has this e-mail address."""


class BadAccount(ValueError):
    """An account or a role that cannot be as it was asked for; the message says why."""


@dataclass(frozen=True, kw_only=True)
class AskedRole:
    """A role as it is typed: the department's code for those of a department, (layer, boundary code) for a council office."""

    role: str
    department_code: str | None = None
    district: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Staff:
    """An account as a list or a page shows it: never its password.  grants: by jurisdiction_id."""

    id: int
    email: str
    name: str
    has_password: bool
    is_bound: bool
    is_active: bool
    created_at: datetime
    locked_until: datetime | None
    grants: Sequence[tuple[str, Grant]]


def read_email(text: str) -> str:
    """An address as accounts have it: in lower case.  Raises BadAccount."""
    email = one_line(text).lower()
    if _EMAIL.fullmatch(email) is None or len(email) > _MAX_EMAIL_CHARACTERS:
        raise BadAccount(f"the e-mail address must be like ann@city.gov, got {one_line(text)[:100]!r}")
    return email


def create_account(connection: "Connection[Any]", email: str, name: str, *, password: str | None, now: datetime) -> int:
    """The id of a new account; without a password it signs in by OpenID Connect only.  Raises BadAccount, BadPassword."""
    address, shown = read_email(email), one_line(name)
    if not shown:
        raise BadAccount("the name must say something")
    password_hash = None if password is None else hashed(password)
    row = _CREATE.run(connection, email=address, name=shown, password_hash=password_hash, created_at=now).fetchone()
    if row is None:
        raise BadAccount(f"{address} has an account already")
    return int(row.id)


def list_accounts(connection: "Connection[Any]") -> list[Staff]:
    """Every account by its address, with all its roles."""
    rows = _ACCOUNTS.run(connection).fetchall()
    return [_staff(row, _grants_of(connection, row.id)) for row in rows]


def find_account(connection: "Connection[Any]", email: str) -> int:
    """The id of the account with this address; raises UnknownAccount, BadAccount."""
    address = read_email(email)
    row = _FIND.run(connection, email=address).fetchone()
    if row is None:
        raise UnknownAccount(address)
    return int(row.id)


def account(connection: "Connection[Any]", account_id: int) -> Staff:
    """One account with all its roles; raises UnknownAccount."""
    row = _ACCOUNT.run(connection, account_id=account_id).fetchone()
    if row is None:
        raise UnknownAccount(account_id)
    return _staff(row, _grants_of(connection, row.id))


def actor_of(staff: Staff, city: City) -> Actor:
    """The account as who does something in a city, with its roles there."""
    grants = [each for jurisdiction_id, each in staff.grants if jurisdiction_id == city.jurisdiction_id]
    return Actor(kind="staff", name=staff.name, account_id=staff.id, grants=grants)


def grant(connection: "Connection[Any]", email: str, asked: AskedRole, city: City, *, now: datetime) -> None:
    """Give an account a role in a city.  Raises UnknownAccount, UnknownDepartment, BadAccount."""
    account_id, values = find_account(connection, email), _values(connection, asked, city)
    if asked.district is not None:
        _require_district(connection, asked.district, city, now=now)
    if _GRANT.run(connection, account_id=account_id, jurisdiction_id=city.id, **values).fetchone() is None:
        raise BadAccount(f"{read_email(email)} has that role already")


def revoke_grant(connection: "Connection[Any]", email: str, asked: AskedRole, city: City) -> None:
    """Take a role away.  Raises UnknownAccount, UnknownDepartment, BadAccount."""
    account_id, values = find_account(connection, email), _values(connection, asked, city)
    if _REVOKE.run(connection, account_id=account_id, jurisdiction_id=city.id, **values).fetchone() is None:
        raise BadAccount(f"{read_email(email)} does not have that role (open311 user list shows those it has)")


def set_active(connection: "Connection[Any]", email: str, *, is_active: bool) -> None:
    """Stop an account, which signs it out everywhere, or let it go on.  Raises UnknownAccount."""
    account_id = find_account(connection, email)
    _SET_ACTIVE.run(connection, account_id=account_id, is_active=is_active)
    _SIGN_OUT.run(connection, account_id=account_id)


def set_password(connection: "Connection[Any]", email: str, password: str) -> None:
    """Give an account a new password, which signs it out everywhere, and end a lock-out.

    Raises UnknownAccount, BadPassword.
    """
    account_id = find_account(connection, email)
    _SET_PASSWORD.run(connection, account_id=account_id, password_hash=hashed(password))
    _SIGN_OUT.run(connection, account_id=account_id)


def _values(connection: "Connection[Any]", asked: AskedRole, city: City) -> dict[str, Any]:
    """The columns of a role.  Raises BadAccount, UnknownDepartment."""
    if asked.role not in STAFF_ROLES:
        raise BadAccount(f"role must be one of {', '.join(STAFF_ROLES)}, got {asked.role!r}")
    needs_department, needs_district = asked.role in DEPARTMENT_ROLES, asked.role == "council_office"
    if needs_department != (asked.department_code is not None):
        raise BadAccount(f"the role {asked.role} {'takes a' if needs_department else 'has no'} department")
    if needs_district != (asked.district is not None):
        raise BadAccount(f"the role {asked.role} {'takes a' if needs_district else 'has no'} district")
    values: dict[str, Any] = {"role": asked.role, "department_id": None, "layer_id": None, "boundary_code": None}
    if asked.department_code is not None:
        values["department_id"] = department_id(connection, asked.department_code, jurisdiction_id=city.id)
    if asked.district is not None:
        layer_code, values["boundary_code"] = asked.district
        layer = _LAYER.run(connection, jurisdiction_id=city.id, code=layer_code).fetchone()
        if layer is None:
            raise BadAccount(f"{city.name} has no layer {layer_code!r}")
        values["layer_id"] = layer.id
    return values


def _require_district(connection: "Connection[Any]", district: tuple[str, str], city: City, *, now: datetime) -> None:
    """Raises BadAccount when no map of now or later has the district."""
    layer_code, boundary_code = district
    codes = [row.code for row in _DISTRICTS.run(connection, jurisdiction_id=city.id, layer_code=layer_code, now=now)]
    if boundary_code not in codes:
        known = f"it has {', '.join(codes[:30])}" + (" and more" if len(codes) > 30 else "") if codes else "it has none"
        raise BadAccount(f"layer {layer_code} of {city.name} has no district {boundary_code!r}: {known}")


def _staff(row: Any, grants: Sequence[tuple[str, Grant]]) -> Staff:
    return Staff(
        id=row.id,
        email=row.email,
        name=row.name,
        has_password=row.password_hash is not None,
        is_bound=row.oidc_subject is not None,
        is_active=row.is_active,
        created_at=row.created_at,
        locked_until=row.locked_until,
        grants=grants,
    )


def _grants_of(connection: "Connection[Any]", account_id: int) -> list[tuple[str, Grant]]:
    return [
        (
            row.slug,
            Grant(
                role=row.role,
                department_ids=frozenset(row.department_ids or ()),
                layer_id=row.layer_id,
                boundary_code=row.boundary_code,
                where=row.department or (f"{row.layer}:{row.boundary_code}" if row.layer else ""),
            ),
        )
        for row in _GRANTS.run(connection, account_id=account_id)
    ]


_ACCOUNT_ID = bindparam("account_id", type_=BigInteger)
_JURISDICTION = bindparam("jurisdiction_id", type_=BigInteger)
_COLUMNS = (
    Account.id,
    Account.email,
    Account.name,
    Account.password_hash,
    Account.oidc_subject,
    Account.is_active,
    Account.created_at,
    Account.locked_until,
)
_ROLE = {
    "account_id": _ACCOUNT_ID,
    "jurisdiction_id": _JURISDICTION,
    "role": bindparam("role", type_=Text),
    "department_id": bindparam("department_id", type_=BigInteger),
    "layer_id": bindparam("layer_id", type_=BigInteger),
    "boundary_code": bindparam("boundary_code", type_=Text),
}

_FIND = Statement(select(Account.id).where(Account.email == bindparam("email", type_=Text)))
_ACCOUNT = Statement(select(*_COLUMNS).where(Account.id == _ACCOUNT_ID))
_ACCOUNTS = Statement(select(*_COLUMNS).order_by(Account.email))
_GRANTS = Statement(
    select(
        Jurisdiction.slug,
        AccountGrant.role,
        AccountGrant.layer_id,
        AccountGrant.boundary_code,
        Department.code.label("department"),
        Layer.code.label("layer"),
        with_units(AccountGrant.jurisdiction_id, AccountGrant.department_id).label("department_ids"),
    )
    .join(Jurisdiction, Jurisdiction.id == AccountGrant.jurisdiction_id)
    .outerjoin(
        Department,
        and_(Department.jurisdiction_id == AccountGrant.jurisdiction_id, Department.id == AccountGrant.department_id),
    )
    .outerjoin(Layer, and_(Layer.jurisdiction_id == AccountGrant.jurisdiction_id, Layer.id == AccountGrant.layer_id))
    .where(AccountGrant.account_id == _ACCOUNT_ID)
    .order_by(Jurisdiction.slug, AccountGrant.id)
)
_CREATE = Statement(
    insert(Account)
    .values(
        email=bindparam("email"),
        name=bindparam("name"),
        password_hash=bindparam("password_hash", type_=Text),
        created_at=bindparam("created_at"),
    )
    .on_conflict_do_nothing()
    .returning(Account.id)
)
_GRANT = Statement(insert(AccountGrant).values(**_ROLE).on_conflict_do_nothing().returning(AccountGrant.id))
_REVOKE = Statement(
    delete(AccountGrant)
    .where(*(getattr(AccountGrant, name).is_not_distinct_from(value) for name, value in _ROLE.items()))
    .returning(AccountGrant.id)
)
_SET_ACTIVE = Statement(
    update(Account).where(Account.id == _ACCOUNT_ID).values(is_active=bindparam("is_active", type_=Boolean))
)
_SET_PASSWORD = Statement(
    update(Account)
    .where(Account.id == _ACCOUNT_ID)
    .values(password_hash=bindparam("password_hash", type_=Text), failed_logins=0, locked_until=null())
)
_SIGN_OUT = Statement(delete(AccountSession).where(AccountSession.account_id == _ACCOUNT_ID))
_LAYER = Statement(select(Layer.id).where(Layer.jurisdiction_id == _JURISDICTION, Layer.code == bindparam("code", type_=Text)))
# Of a map that begins later, too: a new district's office is made ready before its day.
_DISTRICTS = Statement(
    select(Boundary.code)
    .join(Layer, and_(Layer.jurisdiction_id == Boundary.jurisdiction_id, Layer.id == Boundary.layer_id))
    .where(
        Boundary.jurisdiction_id == _JURISDICTION,
        Layer.code == bindparam("layer_code", type_=Text),
        func.coalesce(Boundary.valid_to > bindparam("now", type_=TIMESTAMP(timezone=True)), true()),
    )
    .group_by(Boundary.code)
    .order_by(func.length(Boundary.code), Boundary.code)
)
