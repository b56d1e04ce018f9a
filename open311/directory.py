"""Which services there are in anybody's words, who answers for each, and what of it is an emergency."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unicodedata import normalize

from psycopg import Connection
from sqlalchemy import BigInteger, and_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.orm import aliased

from db.driver import Statement
from db.periods import in_force
from open311.models import Jurisdiction, Service
from routing.models import Department, RoutingRule
from schemas.city import PRIVATE

# More words than these are not sought.
MOST_WORDS = 10
# What a word that is found counts for, by where it is found.
_IN_NAME, _IN_KEYWORDS, _IN_REST = 4, 3, 1


@dataclass(frozen=True, kw_only=True)
class Answering:
    """A department that answers for a service, somewhere or always."""

    name: str
    phone: str | None
    hours: str | None


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A service as the directory shows it.  departments: those that rules name for it, else the default one."""

    code: str
    name: str
    description: str
    group: str
    keywords: Sequence[str]
    emergency: str | None
    departments: Sequence[Answering]


def directory(connection: "Connection[Any]", *, jurisdiction_id: int, at: datetime) -> list[Listed]:
    """Every active service, by group and name."""
    departments = {
        row.id: Answering(name=row.name, phone=row.phone, hours=row.hours)
        for row in _DEPARTMENTS.run(connection, jurisdiction_id=jurisdiction_id)
    }
    return [
        Listed(
            code=row.code,
            name=row.name,
            description=row.description,
            group=row.service_group,
            keywords=[each for each in row.keywords if each != PRIVATE],
            emergency=row.emergency,
            departments=[departments[each] for each in row.department_ids or [row.default_department_id]],
        )
        for row in _SERVICES.run(connection, jurisdiction_id=jurisdiction_id, at=at)
    ]


def found_by(services: Sequence[Listed], text: str) -> list[Listed]:
    """Those in which every word of the text begins a word of theirs, the likeliest first; all of them for no words.

    A word in the name counts most, then one in the keywords; then group, description and who answers.
    """
    asked = list(dict.fromkeys(_words(text)))[:MOST_WORDS]
    scored = [(sum(scores), each) for each in services if all(scores := [_score(each, word) for word in asked])]
    return [each for _, each in sorted(scored, key=lambda pair: -pair[0])]


def _score(service: Listed, word: str) -> int:
    rest = " ".join([service.group, service.description, *(each.name for each in service.departments)])
    places = ((_IN_NAME, service.name), (_IN_KEYWORDS, " ".join(service.keywords)), (_IN_REST, rest))
    return sum(score for score, place in places if any(each.startswith(word) for each in _words(place)))


def _words(text: str) -> list[str]:
    """In small letters without accents; a plural as its singular, so that potholes find the pothole."""
    plain = "".join(sign for sign in normalize("NFKD", text.lower()) if sign.isalnum() or sign.isspace() or sign in "-/&,.")
    words = "".join(sign if sign.isalnum() else " " for sign in plain).split()
    return [word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in words]


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_NAMED = aliased(Department, name="named")
_HEAD = func.coalesce(_NAMED.parent_id, _NAMED.id)
_ANSWERING = (
    select(func.array_agg(_HEAD.distinct(), type_=ARRAY(BigInteger)))
    .select_from(RoutingRule)
    .join(_NAMED, and_(_NAMED.jurisdiction_id == _CITY, _NAMED.id == RoutingRule.department_id))
    .where(
        RoutingRule.jurisdiction_id == _CITY,
        in_force(RoutingRule.valid_from, RoutingRule.valid_to, bindparam("at", type_=TIMESTAMP(timezone=True))),
        or_(RoutingRule.service_id == Service.id, RoutingRule.service_group == Service.service_group),
    )
    .correlate(Service)
    .scalar_subquery()
)
_SERVICES = Statement(
    select(
        Service.code,
        Service.name,
        Service.description,
        Service.service_group,
        Service.keywords,
        Service.emergency,
        _ANSWERING.label("department_ids"),
        select(Jurisdiction.default_department_id)
        .where(Jurisdiction.id == _CITY)
        .scalar_subquery()
        .label("default_department_id"),
    )
    .where(Service.jurisdiction_id == _CITY, Service.is_active)
    .order_by(Service.service_group, Service.name, Service.id)
)
_DEPARTMENTS = Statement(
    select(Department.id, Department.name, Department.phone, Department.hours).where(Department.jurisdiction_id == _CITY)
)
