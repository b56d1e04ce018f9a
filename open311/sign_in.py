"""Who is signed in, and how they came to be."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, LargeBinary, Text, bindparam, case, delete, func, insert, null, or_, select, true, update
from sqlalchemy.dialects.postgresql import TIMESTAMP

from db.driver import Statement
from open311.accounts import Staff, account
from open311.models import Account, AccountSession
from schemas.text import one_line

SESSION_LENGTH = timedelta(hours=12)
MAX_FAILURES = 10
LOCKED_FOR = timedelta(minutes=15)


class NobodyHere(LookupError):
    """The identity provider says who it is, and no account here is theirs; the message says why."""


@dataclass(frozen=True)
class Attempt:
    """What a password is compared with; both are None where no account may sign in with one now."""

    account_id: int | None
    password_hash: str | None


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who the identity provider says it is."""

    issuer: str
    subject: str
    email: str
    is_verified: bool


def count_attempt(connection: "Connection[Any]", email: str, *, now: datetime) -> Attempt:
    """The account that somebody wants to sign in to.  Counted as a failure until it succeeds.

    Counted before the password is looked at, so that a hundred attempts at once are no more than ten.  The tenth in a row
    locks the account for a while, after which the count begins anew.
    """
    address = one_line(email).lower()
    row = _COUNT.run(connection, email=address, now=now, locked_until=now + LOCKED_FOR).fetchone()
    return Attempt(None, None) if row is None else Attempt(row.id, row.password_hash)


def account_of(connection: "Connection[Any]", identity: Identity) -> int:
    """The id of the account that an identity is bound to; the first time, of the one with its verified address, bound now.

    An account that is bound to an identity of another provider is bound anew: the operator chose this one.
    Raises NobodyHere.
    """
    bound = _BOUND.run(connection, issuer=identity.issuer, subject=identity.subject).fetchone()
    if bound is not None:
        if not bound.is_active:
            raise NobodyHere(f"the account of {bound.email} is disabled")
        return int(bound.id)
    address = one_line(identity.email).lower()
    if not address or not identity.is_verified:
        raise NobodyHere(f"the identity provider does not vouch for the e-mail address {address}".rstrip())
    row = _BIND.run(connection, email=address, issuer=identity.issuer, subject=identity.subject).fetchone()
    if row is None:
        raise NobodyHere(f"no account here is open to {address}")
    return int(row.id)


def begin_session(connection: "Connection[Any]", account_id: int, *, now: datetime) -> str:
    """The token of a new session, known to the browser only; sessions that ended are swept away."""
    token = secrets.token_urlsafe(32)
    _SWEEP.run(connection, now=now)
    _SUCCEEDED.run(connection, account_id=account_id)
    _BEGIN.run(connection, digest=_digest(token), account_id=account_id, now=now, ends_at=now + SESSION_LENGTH)
    return token


def session_staff(connection: "Connection[Any]", token: str, *, now: datetime) -> Staff | None:
    """Whose session it is, when it goes on and the account too."""
    row = _SESSION.run(connection, digest=_digest(token), now=now).fetchone()
    return None if row is None else account(connection, row.account_id)


def end_session(connection: "Connection[Any]", token: str) -> None:
    """End a session: its token is good for nothing from now on."""
    _END.run(connection, digest=_digest(token))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


_NOW = bindparam("now", type_=TIMESTAMP(timezone=True))
_DIGEST = bindparam("digest", type_=LargeBinary)
_EMAIL = Account.email == bindparam("email", type_=Text)
_ISSUER = bindparam("issuer", type_=Text)
_SUBJECT = bindparam("subject", type_=Text)

_FAILED = case((Account.locked_until <= _NOW, 1), else_=Account.failed_logins + 1)
_COUNT = Statement(
    update(Account)
    .where(
        _EMAIL,
        Account.is_active,
        Account.password_hash.is_not(None),
        func.coalesce(Account.locked_until <= _NOW, true()),
    )
    .values(
        failed_logins=_FAILED,
        locked_until=case((_FAILED >= MAX_FAILURES, bindparam("locked_until", type_=TIMESTAMP(timezone=True))), else_=null()),
    )
    .returning(Account.id, Account.password_hash)
)
_SUCCEEDED = Statement(
    update(Account).where(Account.id == bindparam("account_id", type_=BigInteger)).values(failed_logins=0, locked_until=null())
)
_BOUND = Statement(
    select(Account.id, Account.email, Account.is_active).where(Account.oidc_issuer == _ISSUER, Account.oidc_subject == _SUBJECT)
)
_BIND = Statement(
    update(Account)
    .where(_EMAIL, Account.is_active, or_(Account.oidc_subject.is_(None), Account.oidc_issuer != _ISSUER))
    .values(oidc_issuer=_ISSUER, oidc_subject=_SUBJECT)
    .returning(Account.id)
)
_BEGIN = Statement(
    insert(AccountSession).values(
        digest=_DIGEST,
        account_id=bindparam("account_id", type_=BigInteger),
        began_at=_NOW,
        ends_at=bindparam("ends_at", type_=TIMESTAMP(timezone=True)),
    )
)
_SESSION = Statement(
    select(AccountSession.account_id)
    .join(Account, Account.id == AccountSession.account_id)
    .where(AccountSession.digest == _DIGEST, AccountSession.ends_at > _NOW, Account.is_active)
)
_SWEEP = Statement(delete(AccountSession).where(AccountSession.ends_at <= _NOW))
_END = Statement(delete(AccountSession).where(AccountSession.digest == _DIGEST))
