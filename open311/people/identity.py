"""Whose a row is: a person by e-mail address, by account of the client that they report with, or by telephone number."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Text, and_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from db.driver import Statement
from open311.models import Follower, Reporter, RequestUpdate, UpdateReporter
from open311.people.traces import REMOVED, Say, without
from schemas.submission import PERSONAL_FIELDS
from schemas.text import one_line
from schemas.update import PERSON_FIELDS

_FEWEST_DIGITS = 7
# A number with the code of its country and the same without it: so many digits are the same at the end.
_NATIONAL_DIGITS = 9
_TITLES = "Mr|Mrs|Ms|Miss|Dr|Sr|Sra"
# Account and device ids that are shorter could be any number of a text.
_SHORTEST_ID = 6


class BadPerson(ValueError):
    """What was said of a person does not tell who it is; the message says what would."""


class SeveralPeople(ValueError):
    """A telephone number that stands with several people: what they are kept of is not one person's to have."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Who is meant.  name: first and last name, to tell apart who shares a telephone."""

    email: str | None = None
    phone: str | None = None
    account_id: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if not (self.email or self.phone or self.account_id):
            raise BadPerson("say who it is: an e-mail address, a telephone number or an account_id")
        if self.phone and len(digits(self.phone)) < _FEWEST_DIGITS:
            raise BadPerson(f"a telephone number must have {_FEWEST_DIGITS} digits at least, got {self.phone!r}")

    def is_theirs(self, row: Any) -> bool:
        """Whether a row is of this person: what tells most surely, of what both say, decides.

        Somebody else's e-mail address is somebody else, whatever telephone they share.
        """
        for asked, has in ((_plain(self.email), _plain(row.email)), (self.account_id, row.account_id)):
            if asked and has:
                return asked == has
        named = _name(row)
        if self.name and named and _plain(self.name) != _plain(named):
            return False
        return bool(self.phone and row.phone and same_phone(self.phone, row.phone))


@dataclass(frozen=True, kw_only=True)
class Found:
    """The rows that are a person's: of reporter (request_id), update_reporter (update_id) and follower (follower_id)."""

    reporters: Sequence[Any]
    updates: Sequence[Any]
    followers: Sequence[Any]

    @property
    def request_ids(self) -> list[int]:
        """The requests that they reported."""
        return sorted({row.request_id for row in self.reporters})

    @property
    def touched_ids(self) -> list[int]:
        """Those, and the requests to which they posted updates or that they follow."""
        return sorted({row.request_id for row in self.rows if row.request_id is not None})

    @property
    def rows(self) -> list[Any]:
        """All of them."""
        return [*self.reporters, *self.updates, *self.followers]

    def of(self, request_id: int | None) -> "Found":
        """Those of one request; None: what is of none, who follows a place or a district."""
        return Found(
            reporters=[row for row in self.reporters if row.request_id == request_id],
            updates=[row for row in self.updates if row.request_id == request_id],
            followers=[row for row in self.followers if row.request_id == request_id],
        )


def find(connection: "Connection[Any]", asked: Asked, *, jurisdiction_id: int) -> Found:
    """What the tables of persons hold of somebody.  Raises SeveralPeople when a telephone number, or what a client
    calls an account, does not tell who."""
    given = {
        "jurisdiction_id": jurisdiction_id,
        "email": asked.email,
        "account_id": asked.account_id,
        "digits": digits(asked.phone or "")[-_FEWEST_DIGITS:] or None,
    }
    reporters = [row for row in _REPORTERS.run(connection, **given) if asked.is_theirs(row)]
    updates = [row for row in _UPDATES.run(connection, **given) if asked.is_theirs(row)]
    rows = [*reporters, *updates]
    if not asked.email:
        several = [
            len(each) > 1
            for each in ({_plain(row.email) for row in rows} - {None}, {_plain(_name(row)) for row in rows} - {None})
        ]
        if any(several):
            raise SeveralPeople("this stands with several people: say which, by e-mail address or name")
    # Who follows is known by an address alone: the one that was given, or the ones that stand with the rest.
    # Compared in the database, which has its own way with small letters.
    emails = {asked.email, *(row.email for row in rows)} - {None}
    followers = _FOLLOWERS.run(connection, jurisdiction_id=jurisdiction_id, emails=sorted(map(str, emails))).fetchall()
    return Found(reporters=reporters, updates=updates, followers=followers)


def people_of(connection: "Connection[Any]", *, jurisdiction_id: int, request_id: int) -> Found:
    """Everybody whom the tables of persons name for a request."""
    key = {"jurisdiction_id": jurisdiction_id, "request_id": request_id}
    return Found(
        reporters=_REPORTERS_OF.run(connection, **key).fetchall(),
        updates=_UPDATES_OF.run(connection, **key).fetchall(),
        followers=_FOLLOWERS_OF.run(connection, **key).fetchall(),
    )


def digits(phone: str) -> str:
    """What of a telephone number counts."""
    return re.sub(r"\D", "", phone)


def same_phone(one: str, other: str) -> bool:
    """Whether two spellings are of one telephone number; one may leave out the code of the country."""
    short, long = sorted((digits(one), digits(other)), key=len)
    return short == long or (len(short) >= _NATIONAL_DIGITS and long.endswith(short.lstrip("0")))


def nameless(rows: Sequence[Any]) -> Say:
    """What gives a text without what these rows say of people: addresses, numbers, ids, and names in full or with a title."""
    # Devices and accounts are compared as they are, addresses in any case.
    ids = [getattr(row, name, None) for row in rows for name in ("device_id", "account_id")]
    exact = [each for each in ids if each and len(each) >= _SHORTEST_ID]
    sought = [re.compile(each, re.IGNORECASE) for each in dict.fromkeys(each for row in rows for each in _patterns(row))]
    plain = without((each, REMOVED) for each in dict.fromkeys(exact))

    def say(text: str) -> str:
        for pattern in sought:
            text = pattern.sub(REMOVED, text)
        return plain(text)

    return say


def _patterns(row: Any) -> Iterator[str]:
    if row.email:
        yield rf"(?<![\w.+-]){re.escape(row.email.strip())}(?!\w)"
    phone = digits(getattr(row, "phone", None) or "")
    if len(phone) >= _FEWEST_DIGITS:
        yield r"(?<!\d)(?:\+?\d{1,3}[^\w\n]{0,2})?" + r"[^\w\n]{0,2}".join(phone) + r"(?!\d)"
    if getattr(row, "last_name", None):
        last = r"\s+".join(map(re.escape, row.last_name.split()))
        yield rf"(?<!\w)(?:{_TITLES})\.?\s+{last}(?!\w)"
        if row.first_name:
            first = r"\s+".join(map(re.escape, row.first_name.split()))
            yield rf"(?<!\w)(?:{first}\s+{last}|{last},\s*{first})(?!\w)"


def _plain(text: str | None) -> str | None:
    return one_line(text).lower() or None if text else None


def _name(row: Any) -> str | None:
    return one_line(f"{row.first_name or ''} {row.last_name or ''}") or None


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)


def _may_be(table: Any) -> Any:
    """Rows to be looked at: more than are the person's."""
    numbered = func.right(func.regexp_replace(table.phone, r"\D", "", "g"), _FEWEST_DIGITS)
    return or_(
        func.lower(func.btrim(table.email)) == func.lower(func.btrim(bindparam("email", type_=Text))),
        table.account_id == bindparam("account_id", type_=Text),
        numbered == bindparam("digits", type_=Text),
    )


_REPORTED = select(Reporter.request_id, *(getattr(Reporter, name) for name in PERSONAL_FIELDS)).where(
    Reporter.jurisdiction_id == _CITY
)
_POSTED = (
    select(RequestUpdate.request_id, UpdateReporter.update_id, *(getattr(UpdateReporter, name) for name in PERSON_FIELDS))
    .join(RequestUpdate, and_(RequestUpdate.jurisdiction_id == _CITY, RequestUpdate.id == UpdateReporter.update_id))
    .where(UpdateReporter.jurisdiction_id == _CITY)
    .order_by(UpdateReporter.update_id)
)
_REQUEST_ID: Any = bindparam("request_id", type_=BigInteger)
_REPORTERS = Statement(_REPORTED.where(_may_be(Reporter)).order_by(Reporter.request_id))
_UPDATES = Statement(_POSTED.where(_may_be(UpdateReporter)))
_REPORTERS_OF = Statement(_REPORTED.where(Reporter.request_id == _REQUEST_ID))
_UPDATES_OF = Statement(_POSTED.where(RequestUpdate.request_id == _REQUEST_ID))
_FOLLOWING = (
    select(Follower.request_id, Follower.id.label("follower_id"), Follower.email, Follower.created_at, Follower.stopped_at)
    .where(Follower.jurisdiction_id == _CITY)
    .order_by(Follower.id)
)
_FOLLOWERS = Statement(
    _FOLLOWING.where(
        func.lower(Follower.email).in_(select(func.lower(func.btrim(func.unnest(bindparam("emails", type_=ARRAY(Text)))))))
    )
)
_FOLLOWERS_OF = Statement(_FOLLOWING.where(Follower.request_id == _REQUEST_ID))
