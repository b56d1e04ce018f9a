"""An enquiry that is answered from an article as it comes in: recorded and closed in one step."""

from datetime import datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Text, bindparam, update

from db.driver import Statement
from open311.actors import Actor
from open311.cases import statuses
from open311.cases.articles import Article, find_article
from open311.cases.casework import CLOSED, casework
from open311.cases.holding import hold_new
from open311.cases.intake import Receipt
from open311.cases.locating import Located
from open311.cases.photos import PhotoShelf
from open311.cases.posting import Posted, take_in
from open311.jurisdictions import City
from open311.models import ServiceRequest


def answer(
    connection: "Connection[Any]",
    posted: Posted,
    located: Located,
    city: City,
    shelf: PhotoShelf,
    article: str,
    *,
    channel: str,
    by: Actor,
    language: str = "en",
    now: datetime,
) -> tuple[Receipt, Article]:
    """What was asked taken in as `take_in` does, and closed with the words of the article of this code, at first contact.

    Who may take it in may answer it so: the article stands for the department's closing reason.  The caller's transaction
    makes it all one.  Raises UnknownArticle, StatusNotAllowed, and as `take_in`.
    """
    found = find_article(connection, article, jurisdiction_id=city.id, service_id=posted.service.new.id, language=language)
    receipt = take_in(connection, posted, located, city, shelf, channel=channel, now=now, by=by)
    held = hold_new(connection, jurisdiction_id=city.id, request_id=receipt.request_id)
    _ANSWER.run(connection, **held.key, article=found.code)
    held.append(
        connection,
        "answered",
        {"article": found.code, "title": found.title, "language": found.language, "first_contact": True, **by.as_facts},
        at=now,
    )
    work = casework(connection, city.id)
    statuses.enter(
        connection,
        work,
        held,
        work.status(CLOSED),
        by=by,
        reason=None,
        words=found.text,
        language=found.language,
        why=f"answered from article {found.code}",
        now=now,
    )
    return receipt, found


_ANSWER = Statement(
    update(ServiceRequest)
    .where(
        ServiceRequest.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger),
        ServiceRequest.id == bindparam("request_id", type_=BigInteger),
    )
    .values(answered_from=bindparam("article", type_=Text))
)
