"""Who follows what is not theirs: a request, a place, a district.  Asked by anybody, begun by a link in a message."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from psycopg import Connection
from sqlalchemy import (
    BigInteger,
    Date,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as upsert

from db.driver import Statement
from db.periods import in_force
from geo.listing import UnknownDistrict
from geo.models import Boundary, Layer
from geo.point import Point
from geo.queries import latitude, longitude, make_point
from open311.cases.numbers import spellings
from open311.cases.search import UnknownRequest
from open311.jurisdictions import City
from open311.models import Follower, Jurisdiction, Message, ServiceRequest
from open311.notify import outbox
from open311.notify.texts import ENGLISH, LANGUAGES, phrases

# So many letters of a kind may go to one address in a day.
MOST_LETTERS_A_DAY = 5
DIGESTS = DAY, WEEK = "day", "week"
MAX_RADIUS_METRES = 5000


class NotAnAddress(ValueError):
    """What cannot be written to."""


class TooManyLetters(RuntimeError):
    """An address was asked often enough today whether it wants news."""


class NotFollowing(LookupError):
    """Nobody of this id follows anything."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody wants to follow: a request by its number, a circle, or a district as (layer, code)."""

    email: str
    language: str = ENGLISH
    number: str | None = None
    point: Point | None = None
    radius_metres: int | None = None
    district: tuple[str, str] | None = None
    rhythm: str = WEEK


@dataclass(frozen=True, kw_only=True)
class Followed:
    """What a follower follows, in their language.  is_told: they are told of it now; shown: the request that everybody sees."""

    language: str
    what: str
    is_told: bool
    shown: str | None


def ask(connection: "Connection[Any]", city: City, wish: Wish, *, now: datetime) -> None:
    """Keep a wish, and write to the address whether it wants that: nothing else is sent before it says so by the link.

    Who follows that request already is not written to, and the caller is told nothing of it.
    Raises NotAnAddress, UnknownRequest for one that the public does not see, UnknownDistrict, TooManyLetters.
    """
    hold_address(connection, wish.email)
    # Counted first, and for those who follow it already too: else the answer would tell who does.
    if letters_of_a_day(connection, jurisdiction_id=city.id, email=wish.email, event="asked", now=now) >= MOST_LETTERS_A_DAY:
        raise TooManyLetters(f"this address was asked {MOST_LETTERS_A_DAY} times in a day whether it wants news")
    follower_id, is_told = _keep(connection, city, wish, now=now)
    what = find_followed(connection, jurisdiction_id=city.id, follower_id=follower_id).what
    facts = {"what": what, "city": city.name}
    outbox.post_to(
        connection,
        jurisdiction_id=city.id,
        follower_id=follower_id,
        event="asked",
        facts=facts,
        now=now,
        # Counted like one that goes: else the count would tell who follows what.
        is_to_go=not is_told,
    )


def enter(connection: "Connection[Any]", city: City, wish: Wish, *, now: datetime) -> int | None:
    """Let an address follow at once, as its operator says, also one that had stopped; its id, None when it is told already.

    Raises NotAnAddress, UnknownRequest, UnknownDistrict.
    """
    follower_id, is_told = _keep(connection, city, wish, now=now)
    if is_told:
        return None
    confirm(connection, jurisdiction_id=city.id, follower_id=follower_id, now=now)
    return follower_id


def hold_address(connection: "Connection[Any]", email: str) -> None:
    """Let what is asked for one address be done one after the other.  Raises NotAnAddress."""
    if not outbox.is_address(email):
        raise NotAnAddress(email)
    _LOCK.run(connection, email=email.lower())


def letters_of_a_day(connection: "Connection[Any]", *, jurisdiction_id: int, email: str, event: str, now: datetime) -> int:
    """How many letters of an event were written to an address in the last 24 hours."""
    since = now - timedelta(days=1)
    row = _LETTERS.run(connection, jurisdiction_id=jurisdiction_id, email=email, event=event, since=since).fetchone()
    assert row is not None
    return int(row.letters)


def _keep(connection: "Connection[Any]", city: City, wish: Wish, *, now: datetime) -> tuple[int, bool]:
    """The id of the follower, and whether it is told already."""
    hold_address(connection, wish.email)
    who = {"jurisdiction_id": city.id, "email": wish.email, "language": wish.language, "now": now}
    if wish.number is not None:
        row = _REQUEST.run(connection, jurisdiction_id=city.id, numbers=list(spellings(wish.number))).fetchone()
        if row is None:
            raise UnknownRequest(wish.number)
        kept = _FOLLOW_REQUEST.run(connection, **who, request_id=row.id).fetchone()
        assert kept is not None
        return int(kept.id), bool(kept.is_told)
    layer_id = boundary_code = None
    if wish.district is not None:
        layer, boundary_code = wish.district
        found = _DISTRICT.run(connection, jurisdiction_id=city.id, layer=layer, code=boundary_code, at=now).fetchone()
        if found is None:
            raise UnknownDistrict(f"{layer}:{boundary_code}")
        layer_id = found.layer_id
    area = {
        "layer_id": layer_id,
        "boundary_code": boundary_code,
        "long": wish.point.long if wish.point else None,
        "lat": wish.point.lat if wish.point else None,
        "radius_metres": wish.radius_metres,
        "rhythm": wish.rhythm,
    }
    same = _SAME_AREA.run(connection, jurisdiction_id=city.id, email=wish.email, language=wish.language, **area).fetchone()
    if same is not None:
        return int(same.id), bool(same.is_told)
    row = _FOLLOW_AREA.run(
        connection,
        **who,
        **area,
        told_until=first_day(wish.rhythm, now.astimezone(city.zone).date()),
    ).fetchone()
    assert row is not None
    return int(row.id), False


def first_day(rhythm: str, today: date) -> date:
    """The first day of the digest that is next: today, or the Monday of this week."""
    return today if rhythm == DAY else today - timedelta(days=today.weekday())


def confirm(connection: "Connection[Any]", *, jurisdiction_id: int, follower_id: int, now: datetime) -> None:
    """Let somebody be told from now on, also who had stopped.  Raises NotFollowing."""
    if _CONFIRM.run(connection, jurisdiction_id=jurisdiction_id, follower_id=follower_id, now=now).fetchone() is None:
        raise NotFollowing


def stop(connection: "Connection[Any]", *, jurisdiction_id: int, follower_id: int, now: datetime) -> None:
    """Let somebody be told no more.  A second time changes nothing.  Raises NotFollowing."""
    if _STOP.run(connection, jurisdiction_id=jurisdiction_id, follower_id=follower_id, now=now).fetchone() is None:
        raise NotFollowing


def find_followed(connection: "Connection[Any]", *, jurisdiction_id: int, follower_id: int) -> Followed:
    """What somebody follows.  Raises NotFollowing."""
    row = _FOLLOWED.run(connection, jurisdiction_id=jurisdiction_id, follower_id=follower_id).fetchone()
    if row is None:
        raise NotFollowing
    return Followed(
        language=row.language,
        what=_named(row, row.language),
        is_told=row.confirmed_at is not None and row.stopped_at is None,
        shown=row.number if row.is_public else None,
    )


def find_followers(connection: "Connection[Any]", *, jurisdiction_id: int) -> list[tuple[Any, str]]:
    """Who follows what is not theirs, and what, the newest first: rows of follower."""
    rows = _ALL.run(connection, jurisdiction_id=jurisdiction_id).fetchall()
    return [(row, _named(row, ENGLISH)) for row in rows]


def _named(row: Any, language: str) -> str:
    if row.number is not None:
        return str(row.number)
    if row.boundary_code is None and row.radius_metres is None:
        return phrases()["unnumbered"][language if language in LANGUAGES else ENGLISH]
    return area_name(row, language)


def area_name(row: Any, language: str) -> str:
    """A district or a circle in words; the row has layer_name, boundary_name and _code, long, lat and radius_metres."""
    if row.boundary_code is not None:
        return f"{row.layer_name}: {row.boundary_name or row.boundary_code}"
    place: Mapping[str, Any] = {"radius": row.radius_metres, "lat": f"{row.lat:.5f}", "long": f"{row.long:.5f}"}
    return phrases()["around"][language if language in LANGUAGES else ENGLISH].format_map(place)


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_FOLLOWER_ID: Any = bindparam("follower_id", type_=BigInteger)
_NOW: Any = bindparam("now", type_=TIMESTAMP(timezone=True))
_EMAIL: Any = bindparam("email", type_=Text)
_LOCK = Statement(select(func.pg_advisory_xact_lock(func.hashtextextended(_EMAIL, literal(311, BigInteger)))))
_REQUEST = Statement(
    select(ServiceRequest.id).where(
        ServiceRequest.jurisdiction_id == _CITY,
        ServiceRequest.number == func.any(bindparam("numbers", type_=ARRAY(Text))),
        ServiceRequest.is_public,
    )
)
_DISTRICT = Statement(
    select(Boundary.layer_id)
    .join(Layer, and_(Layer.jurisdiction_id == _CITY, Layer.id == Boundary.layer_id))
    .where(
        Boundary.jurisdiction_id == _CITY,
        Layer.code == bindparam("layer", type_=Text),
        Boundary.code == bindparam("code", type_=Text),
        in_force(Boundary.valid_from, Boundary.valid_to, bindparam("at", type_=TIMESTAMP(timezone=True))),
    )
)
_WHO: Any = {
    "jurisdiction_id": _CITY,
    "email": _EMAIL,
    "language": bindparam("language", type_=Text),
    "created_at": _NOW,
}
_IS_TOLD = and_(Follower.confirmed_at.is_not(None), Follower.stopped_at.is_(None))
# Who is told already is left as they are, whoever asks.
_NEW_LANGUAGE = case((_IS_TOLD, Follower.language), else_=bindparam("language", type_=Text))
_FOLLOW_REQUEST = Statement(
    upsert(Follower)
    .values(**_WHO, request_id=bindparam("request_id", type_=BigInteger))
    # Who asks once more has perhaps lost the letter, or had enough and wants news again.
    .on_conflict_do_update(
        index_elements=[Follower.jurisdiction_id, Follower.request_id, func.lower(Follower.email)],
        index_where=Follower.request_id.is_not(None),
        set_={"language": _NEW_LANGUAGE},
    )
    .returning(Follower.id, _IS_TOLD.label("is_told"))
)
_THERE = make_point(long=bindparam("long"), lat=bindparam("lat"))
_FOLLOW_AREA = Statement(
    insert(Follower)
    .values(
        **_WHO,
        location=_THERE,
        radius_metres=bindparam("radius_metres", type_=BigInteger),
        layer_id=bindparam("layer_id", type_=BigInteger),
        boundary_code=bindparam("boundary_code", type_=Text),
        rhythm=bindparam("rhythm", type_=Text),
        told_until=bindparam("told_until", type_=Date),
    )
    .returning(Follower.id)
)
_SAME_AREA = Statement(
    update(Follower)
    .where(
        Follower.jurisdiction_id == _CITY,
        func.lower(Follower.email) == func.lower(_EMAIL),
        Follower.request_id.is_(None),
        Follower.rhythm == bindparam("rhythm", type_=Text),
        Follower.layer_id.is_not_distinct_from(bindparam("layer_id", type_=BigInteger)),
        Follower.boundary_code.is_not_distinct_from(bindparam("boundary_code", type_=Text)),
        Follower.radius_metres.is_not_distinct_from(bindparam("radius_metres", type_=BigInteger)),
        longitude(Follower.location).is_not_distinct_from(longitude(_THERE)),
        latitude(Follower.location).is_not_distinct_from(latitude(_THERE)),
    )
    .values(language=_NEW_LANGUAGE)
    .returning(Follower.id, _IS_TOLD.label("is_told"))
)
_LETTERS = Statement(
    select(func.count().label("letters"))
    .select_from(Message)
    .join(Follower, and_(Follower.jurisdiction_id == _CITY, Follower.id == Message.follower_id))
    .where(
        Follower.jurisdiction_id == _CITY,
        func.lower(Follower.email) == func.lower(_EMAIL),
        Message.jurisdiction_id == _CITY,
        Message.event == bindparam("event", type_=Text),
        Message.at > bindparam("since", type_=TIMESTAMP(timezone=True)),
    )
)
_TODAY = cast(select(func.timezone(Jurisdiction.timezone, _NOW)).where(Jurisdiction.id == _CITY).scalar_subquery(), Date)
_FIRST_DAY = case(
    (Follower.rhythm == literal(DAY, Text), _TODAY),
    else_=cast(func.date_trunc(literal("week", Text), _TODAY), Date),
)
_CONFIRM = Statement(
    update(Follower)
    .where(Follower.jurisdiction_id == _CITY, Follower.id == _FOLLOWER_ID)
    .values(
        confirmed_at=func.coalesce(Follower.confirmed_at, _NOW),
        stopped_at=cast(null(), TIMESTAMP(timezone=True)),
        # Of days before they said so, or while they had enough, there is no digest.
        told_until=case(
            (or_(_IS_TOLD, Follower.told_until.is_(None)), Follower.told_until),
            else_=func.greatest(Follower.told_until, _FIRST_DAY),
        ),
    )
    .returning(Follower.id)
)
_STOP = Statement(
    update(Follower)
    .where(Follower.jurisdiction_id == _CITY, Follower.id == _FOLLOWER_ID)
    .values(stopped_at=func.coalesce(Follower.stopped_at, _NOW))
    .returning(Follower.id)
)


# What the district of a follower is called in its newest drawing.
NEWEST_NAME = (
    select(Boundary.name)
    .where(
        Boundary.jurisdiction_id == _CITY,
        Boundary.layer_id == Follower.layer_id,
        Boundary.code == Follower.boundary_code,
    )
    .order_by(Boundary.valid_from.desc().nulls_last())
    .limit(literal(1, BigInteger))
    .scalar_subquery()
)


def _read(*conditions: Any) -> Any:
    return (
        select(
            Follower.id,
            Follower.email,
            Follower.language,
            Follower.rhythm,
            Follower.created_at,
            Follower.confirmed_at,
            Follower.stopped_at,
            Follower.radius_metres,
            Follower.boundary_code,
            longitude(Follower.location).label("long"),
            latitude(Follower.location).label("lat"),
            ServiceRequest.number,
            ServiceRequest.is_public,
            Layer.name.label("layer_name"),
            NEWEST_NAME.label("boundary_name"),
        )
        .select_from(Follower)
        .outerjoin(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == Follower.request_id))
        .outerjoin(Layer, and_(Layer.jurisdiction_id == _CITY, Layer.id == Follower.layer_id))
        .where(Follower.jurisdiction_id == _CITY, *conditions)
    )


_FOLLOWED = Statement(_read(Follower.id == _FOLLOWER_ID))
_ALL = Statement(_read(~Follower.is_reporter).order_by(Follower.id.desc()))
