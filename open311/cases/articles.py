"""What is known by heart: the articles pinned to a service, to its group, or to everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Boolean, bindparam, or_, select

from db.driver import Statement
from open311 import models
from open311.models import Service


class UnknownArticle(LookupError):
    """No article with this code is pinned to the service; the message names those that are."""


@dataclass(frozen=True, kw_only=True)
class Article:
    """An article; is_public: everybody may read it."""

    code: str
    title: str
    text: str
    language: str
    is_public: bool


def articles_for(
    connection: "Connection[Any]",
    *,
    jurisdiction_id: int,
    service_id: int,
    language: str | None = None,
    words: str = "",
    only_public: bool = False,
) -> Sequence[Article]:
    """The articles of a service, then of its group, then of everything, each as they are pinned.

    language: each once, in this language, else in English, else in any; None: in every language.  words: those of which a
    keyword is said come first.
    """
    rows = _PINNED.run(connection, jurisdiction_id=jurisdiction_id, service_id=service_id, only_public=only_public).fetchall()
    said = words.casefold()
    rows.sort(key=lambda row: not any(keyword.casefold() in said for keyword in row.keywords))
    if language is not None:
        best: dict[str, Any] = {}
        for row in rows:
            kept = best.setdefault(row.code, row)
            if _fits(row, language) > _fits(kept, language):
                best[row.code] = row
        rows = list(best.values())
    return [
        Article(code=row.code, title=row.title, text=row.text, language=row.language, is_public=row.is_public) for row in rows
    ]


def find_article(
    connection: "Connection[Any]", code: str, *, jurisdiction_id: int, service_id: int, language: str = "en"
) -> Article:
    """The article of this code that is pinned to the service, its group or everything, in the language if there is one.

    Raises UnknownArticle.
    """
    pinned = articles_for(connection, jurisdiction_id=jurisdiction_id, service_id=service_id, language=language)
    found = next((each for each in pinned if each.code == code), None)
    if found is None:
        known = ", ".join(each.code for each in pinned) or "none"
        raise UnknownArticle(f"the article must be one of those of the service ({known}), got {code!r}")
    return found


def _fits(row: Any, language: str) -> tuple[bool, bool]:
    return row.language == language, row.language == "en"


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_TABLE = models.Article
_PINNED = Statement(
    select(_TABLE.code, _TABLE.title, _TABLE.text, _TABLE.language, _TABLE.is_public, _TABLE.keywords)
    .join(Service, (Service.jurisdiction_id == _CITY) & (Service.id == bindparam("service_id", type_=BigInteger)))
    .where(
        _TABLE.jurisdiction_id == _CITY,
        or_(_TABLE.service_id.is_(None), _TABLE.service_id == Service.id),
        or_(_TABLE.service_group.is_(None), _TABLE.service_group == Service.service_group),
        or_(_TABLE.is_public, ~bindparam("only_public", type_=Boolean)),
    )
    .order_by(_TABLE.service_id.is_(None), _TABLE.service_group.is_(None), _TABLE.position, _TABLE.id)
)
