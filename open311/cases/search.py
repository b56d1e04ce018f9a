"""Which requests there are: the lists, one request, a token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row
from sqlalchemy import (
    BigInteger,
    Double,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP, distinct_on
from sqlalchemy.orm import aliased

from db.driver import Statement
from geo.listing import UnknownDistrict, UnknownLayer, boundaries_of
from geo.point import box_around
from geo.queries import in_box, make_point, metres_between
from open311.cases.numbers import SIGNS, spellings
from open311.models import Jurisdiction, RequestDistrict, Service, ServiceRequest
from open311.models.request import WORDS_LANGUAGE
from open311.reports.open_rows import open_columns
from routing.models import Department
from schemas.problems import Problems
from schemas.query import NEWEST_FIRST, Cursor, RequestsQuery
from schemas.representation import fields_of
from schemas.request import RequestSchema

Row = tuple[Any, ...]


class UnknownRequest(LookupError):
    """No request that may be shown has this number."""


class UnknownToken(LookupError):
    """No request has this token."""


# A request's id, the version of its row, and that of the names it shows: as long as these are equal, so is what is shown.
Key = tuple[int, str, int]


@dataclass(frozen=True, kw_only=True)
class Page:
    """Which requests a query asks for, in its order.

    has_more: there is a next page; next: the cursor behind the last of these; total: how many there are in all, if asked.
    """

    keys: Sequence[Key]
    has_more: bool
    next: Cursor | None = None
    total: int | None = None


def find_requests(connection: "Connection[Any]", query: RequestsQuery, *, jurisdiction_id: int, now: datetime) -> Page:
    """The page of public requests that a query asks for.  Raises Problems for a district that is not there."""
    asked = _asked(connection, query, jurisdiction_id=jurisdiction_id, now=now)
    if asked is None:
        return Page(keys=[], has_more=False, total=0 if query.is_counted else None)
    used, values = asked
    key = {"jurisdiction_id": jurisdiction_id, **values}
    total = None
    if query.is_counted:
        row = _count(used).run(connection, **key).fetchone()
        assert row is not None
        total = row[0]
    skip = 0 if query.is_walked else (query.page - 1) * query.page_rows
    if query.cursor is not None:
        used, key = (*used, "cursor"), {**key, "cursor_at": query.cursor.at, "cursor_id": query.cursor.id}
    take = query.page_rows + 1
    rows: Sequence[Row] = []
    if skip == 0 and _is_glanced(used, query.order):
        rows = _glance(used, query.order, take=take).run(connection, **key).fetchall()
    if len(rows) < take:
        listed = _list(used, query.order, take=take, skips=skip > 0)
        rows = listed.run(connection, **key, skip=skip, reach=skip + take).fetchall()
    has_more, rows = len(rows) > query.page_rows, rows[: query.page_rows]
    behind = Cursor(order=query.order, at=rows[-1][-1], id=rows[-1][0]) if has_more and rows else None
    return Page(keys=[row[: len(_KEY)] for row in rows], has_more=has_more, next=behind, total=total)


def _asked(
    connection: "Connection[Any]", query: RequestsQuery, *, jurisdiction_id: int, now: datetime
) -> tuple[tuple[str, ...], dict[str, Any]] | None:
    """Which conditions of _CONDITIONS a query has, with their values; None: there can be no such request."""
    values: dict[str, Any] = {
        "numbers": query.numbers and [each for number in query.numbers for each in spellings(number)],
        "status": query.status,
        "requested_from": query.requested_from,
        "requested_to": query.requested_to,
        "updated_from": query.updated_from,
        "updated_to": query.updated_to,
        "words": query.words,
    }
    named = (("service", _SERVICES, query.service_codes), ("department", _DEPARTMENTS, query.agencies))
    for name, statement, words in named:
        if words is not None:
            found = statement.run(connection, jurisdiction_id=jurisdiction_id, words=list(words)).fetchall()
            ids = [row[0] for row in found]
            if not ids:
                return None
            values.update({f"{name}_id": ids[0]} if len(ids) == 1 else {f"{name}_ids": ids})
    districts = query.districts and _boundary_ids(connection, query.districts, jurisdiction_id=jurisdiction_id, now=now)
    for position, stamped in enumerate((districts or {}).values()):
        # The first is what the list is led by; there are as many conditions more as there are other layers.
        name = "boundary" if position == 0 else f"boundary{position}"
        values.update({f"{name}_id": stamped[0]} if position == 0 and len(stamped) == 1 else {f"{name}_ids": stamped})
    used = [name for name, value in values.items() if value is not None]
    boxes = {"box": query.box.parts if query.box else ()}
    if query.near is not None:
        point, metres = query.near
        boxes["around"] = box_around(point, metres).parts
        values.update(near_long=point.long, near_lat=point.lat, near_metres=metres)
        used.append("near")
    for name, parts in boxes.items():
        for position, part in enumerate(parts):
            values.update({f"{name}{position}_{field}": getattr(part, field) for field in _SIDES})
        if parts:
            used.append(f"{name}{len(parts)}")
    return tuple(used), {name: value for name, value in values.items() if value is not None}


def _boundary_ids(
    connection: "Connection[Any]", districts: Mapping[str, Sequence[str]], *, jurisdiction_id: int, now: datetime
) -> Mapping[str, Sequence[int]]:
    """The districts of each layer as they are drawn now.  Raises Problems."""
    named = [(layer, code) for layer, codes in districts.items() for code in codes]
    try:
        return boundaries_of(connection, named, jurisdiction_id=jurisdiction_id, now=now)
    except UnknownLayer as error:
        first = next(f"{layer}:{code}" for layer, code in named if layer == str(error))
        raise Problems([f"district {first} was not found: there is no layer {error}"]) from error
    except UnknownDistrict as error:
        layer, _, _ = str(error).partition(":")
        raise Problems([f"district {error} was not found: {layer} has no such district now"]) from error


def read_requests(
    connection: "Connection[Any]", ids: Sequence[int], *, jurisdiction_id: int, public_url: str
) -> dict[Key, Row]:
    """Public requests by id, each a row in the order of schemas.request.RequestSchema, under its key of this moment.

    public_url stands before the paths of our own photos.
    """
    rows = _READ.run(connection, jurisdiction_id=jurisdiction_id, public_url=public_url, ids=list(ids))
    return {row[: len(_KEY)]: row[len(_KEY) :] for row in rows}


def find_request(connection: "Connection[Any]", number: str, *, jurisdiction_id: int, public_url: str) -> Row:
    """Id and row of one public request by its number, as a client has it or as a person wrote it; raises UnknownRequest."""
    rows = _SHOW.run(connection, jurisdiction_id=jurisdiction_id, public_url=public_url, numbers=spellings(number)).fetchall()
    if not rows:
        raise UnknownRequest(number)
    return next((row for row in rows if row[1] == number), rows[0])


def find_token(connection: "Connection[Any]", token: str, *, jurisdiction_id: int) -> Row:
    """(number or None, token): a token without a number is pending; raises UnknownToken."""
    row = None
    if SIGNS.fullmatch(token):
        row = _TOKEN.run(connection, jurisdiction_id=jurisdiction_id, token=token).fetchone()
    if row is None:
        raise UnknownToken(token)
    return (row.number, row.token)


_JURISDICTION: Any = bindparam("jurisdiction_id", type_=BigInteger)
_MOMENT = TIMESTAMP(timezone=True)


# PostgreSQL writes a new row at each change: the transaction that wrote it and the place it lies at name the version.
_KEY = (
    ServiceRequest.id,
    func.concat(literal_column("service_request.xmin"), literal_column("service_request.ctid")).label("version"),
    select(Jurisdiction.names_version).where(Jurisdiction.id == _JURISDICTION).scalar_subquery().label("names_version"),
)
_PUBLIC = (ServiceRequest.jurisdiction_id == _JURISDICTION, ServiceRequest.is_public)


def _columns(*before: Any) -> Select[*tuple[Any, ...]]:
    shown = open_columns()
    return (
        select(*before, *(shown[name] for name in fields_of(RequestSchema)))
        .select_from(ServiceRequest)
        .join(Service, and_(Service.jurisdiction_id == _JURISDICTION, Service.id == ServiceRequest.service_id))
        .join(Department, and_(Department.jurisdiction_id == _JURISDICTION, Department.id == ServiceRequest.department_id))
        .where(*_PUBLIC)
    )


_SIDES = ("west", "south", "east", "north")
_AT: Any = bindparam("cursor_at", type_=_MOMENT)
_CURSOR_ID: Any = bindparam("cursor_id", type_=BigInteger)
_IDS = ARRAY(BigInteger)


def _in_boxes(name: str, count: int) -> Any:
    """Within one of so many boxes."""
    sides = [[bindparam(f"{name}{position}_{side}", type_=Double) for side in _SIDES] for position in range(count)]
    return or_(*[in_box(ServiceRequest.public_location, *each) for each in sides])


def _is_stamped(name: str, used: Sequence[str]) -> Any:
    """Whether a request lies in one of these districts; the stamps are those of the time that is asked for, too."""
    stamp = aliased(RequestDistrict)
    stamps: Select[Any] = (
        select(literal_column("1"))
        .select_from(stamp)
        .where(
            stamp.jurisdiction_id == _JURISDICTION,
            stamp.request_id == ServiceRequest.id,
            stamp.boundary_id == func.any(bindparam(name, type_=_IDS)),
        )
    )
    if "requested_from" in used:
        stamps = stamps.where(stamp.requested_at >= bindparam("requested_from", type_=_MOMENT))
    if "requested_to" in used:
        stamps = stamps.where(stamp.requested_at <= bindparam("requested_to", type_=_MOMENT))
    return stamps.exists()


def _has_words(search_words: Any) -> Any:
    asked = func.websearch_to_tsquery(literal_column(f"'{WORDS_LANGUAGE}'::regconfig"), bindparam("words", type_=Text))
    return search_words.op("@@", is_comparison=True)(asked)


# Name of a filter: its condition.  A list is one statement a combination of filters, compiled when first asked for.
_CONDITIONS: dict[str, Any] = {
    "numbers": ServiceRequest.number == func.any(bindparam("numbers", type_=ARRAY(Text))),
    "service_id": ServiceRequest.service_id == bindparam("service_id", type_=BigInteger),
    "service_ids": ServiceRequest.service_id == func.any(bindparam("service_ids", type_=_IDS)),
    "department_id": ServiceRequest.department_id == bindparam("department_id", type_=BigInteger),
    "department_ids": ServiceRequest.department_id == func.any(bindparam("department_ids", type_=_IDS)),
    "status": ServiceRequest.status == bindparam("status", type_=Text),
    "updated_from": ServiceRequest.updated_at >= bindparam("updated_from", type_=_MOMENT),
    "updated_to": ServiceRequest.updated_at <= bindparam("updated_to", type_=_MOMENT),
    "words": _has_words(ServiceRequest.search_words),
    # The box around the circle finds them.  A search within a distance would be taken for one of its own that leaves next
    # to nothing, and all of the box would be read for a page of it.
    "near": metres_between(ServiceRequest.public_location, make_point(long=bindparam("near_long"), lat=bindparam("near_lat")))
    <= bindparam("near_metres", type_=Double),
    **{f"{name}{count}": _in_boxes(name, count) for name in ("box", "around") for count in (1, 2)},
}
# Those that PostgreSQL serves alike whatever the value is; with any other, the best way depends on it.
_PLANNED_ONCE = {"numbers", "status", "requested_from", "requested_to", "cursor"}
# Of each of several services (departments, districts) the first ones are looked up, and the first of them all taken.
_LEADS = {"service_ids": ServiceRequest.service_id, "department_ids": ServiceRequest.department_id, "boundary_ids": None}
_ONE = {"service_id", "department_id", "boundary_id"}


# The limit is written into the text: with a parameter there, PostgreSQL would plan every call anew.
@lru_cache(maxsize=1000)
def _list(used: tuple[str, ...], order: str, *, take: int, skips: bool) -> Statement:
    """The keys, each with the time that it is ordered by behind it."""
    lead = None if _ONE & set(used) else next((name for name in _LEADS if name in used), None)
    limit = bindparam("reach", type_=BigInteger) if skips else literal_column(str(take))
    at, request_id = _place(used, order, lead)
    if lead is None:
        composed = _ordered(_matching(used, order, *_KEY, at.label("at")), at, request_id, order)
        composed = composed.limit(literal_column(str(take)))
    else:
        each = func.unnest(bindparam(lead, type_=_IDS)).table_valued("id", name="each").render_derived()
        first = _matching(used, order, *_KEY, at.label("at"), lead=lead, each=each.c.id)
        firsts = _ordered(first, at, request_id, order).limit(limit).lateral("first")
        # One on the border of two districts is found in both.
        composed = select(firsts).select_from(each).join(firsts, true()).ext(distinct_on(firsts.c.at, firsts.c.id))
        composed = _ordered(composed, firsts.c.at, firsts.c.id, order).limit(literal_column(str(take)))
    if skips:
        composed = composed.offset(bindparam("skip", type_=BigInteger))
    return Statement(composed, row_factory=tuple_row, is_planned_anew=not _PLANNED_ONCE.issuperset(used))


# Of the newest (or oldest) so many, those with the words are sought first: where the words are common they fill a page, and
# the index of words, which knows no time, would give all that ever had them.
_GLANCED_ROWS = 12_000
_GLANCED_WITH = {"words", "requested_from", "requested_to", "cursor", "status", "service_id", "department_id", "boundary_id"}


def _is_glanced(used: Sequence[str], order: str) -> bool:
    return "words" in used and _GLANCED_WITH.issuperset(used) and order.removeprefix("-") == "requested_datetime"


@lru_cache(maxsize=200)
def _glance(used: tuple[str, ...], order: str, *, take: int) -> Statement:
    """Like _list, of what stands first alone: fewer than asked for say nothing of what there is."""
    at, request_id = _place(used, order, None)
    rest = tuple(name for name in used if name != "words")
    first = _matching(rest, order, *_KEY, at.label("at"), ServiceRequest.search_words.label("search_words"))
    first = _ordered(first, at, request_id, order).limit(literal_column(str(_GLANCED_ROWS)))
    newest = first.subquery("newest")
    found = select(*[each for each in newest.c if each.key != "search_words"]).where(_has_words(newest.c.search_words))
    return Statement(
        _ordered(found, newest.c.at, newest.c.id, order).limit(literal_column(str(take))),
        row_factory=tuple_row,
        is_planned_anew=True,
    )


@lru_cache(maxsize=200)
def _count(used: tuple[str, ...]) -> Statement:
    """How many there are."""
    return Statement(_matching(used, NEWEST_FIRST, func.count()), row_factory=tuple_row, is_planned_anew=True)


def _matching(used: Sequence[str], order: str, *columns: Any, lead: str | None = None, each: Any = None) -> Select[Any]:
    """What fits the filters; each: the one of several services, departments or districts, named by lead, that is meant."""
    found = select(*columns).select_from(ServiceRequest).where(*_PUBLIC)
    # A stamp has the time of its request: whichever of the two is looked up first, it is by the time, too.
    times = [ServiceRequest.requested_at]
    if "boundary_id" in used or lead == "boundary_ids":
        times.append(RequestDistrict.requested_at)
    for name in used:
        if name == "cursor":
            found = found.where(_behind(order, *_place(used, order, lead)))
        elif name == "requested_from":
            found = found.where(*[at >= bindparam(name, type_=_MOMENT) for at in times])
            if order.removeprefix("-") == "updated_datetime":
                # Nothing changed before it came in; so the index by change is entered where the answer can begin.
                found = found.where(ServiceRequest.updated_at >= bindparam(name, type_=_MOMENT))
        elif name == "requested_to":
            found = found.where(*[at <= bindparam(name, type_=_MOMENT) for at in times])
        elif name == "boundary_id":
            found = _stamped(found, bindparam(name, type_=BigInteger))
        elif name == lead:
            found = _stamped(found, each) if name == "boundary_ids" else found.where(_LEADS[name] == each)
        elif name.startswith("boundary"):
            found = found.where(_is_stamped(name, used))
        else:
            found = found.where(_CONDITIONS[name])
    return found


def _place(used: Sequence[str], order: str, lead: str | None) -> tuple[Any, Any]:
    """Time and id by which a list is ordered: those of the stamp, which has the same, where a district leads it."""
    if order.removeprefix("-") == "updated_datetime":
        return ServiceRequest.updated_at, ServiceRequest.id
    if "boundary_id" in used or lead == "boundary_ids":
        return RequestDistrict.requested_at, RequestDistrict.request_id
    return ServiceRequest.requested_at, ServiceRequest.id


def _stamped(found: Select[Any], boundary_id: Any) -> Select[Any]:
    """Those stamped with a district, by the index that has them in the order of their coming in."""
    return found.join(
        RequestDistrict,
        and_(
            RequestDistrict.jurisdiction_id == _JURISDICTION,
            RequestDistrict.boundary_id == boundary_id,
            RequestDistrict.request_id == ServiceRequest.id,
        ),
    )


def _behind(order: str, at: Any, request_id: Any) -> Any:
    place = tuple_(at, request_id)
    return place < tuple_(_AT, _CURSOR_ID) if order.startswith("-") else place > tuple_(_AT, _CURSOR_ID)


def _ordered(rows: Select[Any], at: Any, request_id: Any, order: str) -> Select[Any]:
    return rows.order_by(at.desc(), request_id.desc()) if order.startswith("-") else rows.order_by(at, request_id)


_SERVICES = Statement(
    select(Service.id).where(
        Service.jurisdiction_id == _JURISDICTION, Service.code == func.any(bindparam("words", type_=ARRAY(Text)))
    ),
    row_factory=tuple_row,
)
_WORDS: Any = bindparam("words", type_=ARRAY(Text))
_DEPARTMENTS = Statement(
    select(Department.id).where(
        Department.jurisdiction_id == _JURISDICTION,
        or_(any_(_WORDS) == func.lower(Department.name), any_(_WORDS) == func.lower(Department.code)),
    ),
    row_factory=tuple_row,
)
_READ = Statement(
    _columns(*_KEY).where(ServiceRequest.id == func.any(bindparam("ids", type_=ARRAY(BigInteger)))), row_factory=tuple_row
)

_SHOW = Statement(_columns(ServiceRequest.id).where(_CONDITIONS["numbers"]), row_factory=tuple_row)

_TOKEN = Statement(
    select(ServiceRequest.number, ServiceRequest.token).where(
        ServiceRequest.jurisdiction_id == _JURISDICTION,
        ServiceRequest.token == bindparam("token", type_=Text),
    )
)
