"""The directory: every service by any words, and who answers for it."""

from datetime import UTC, datetime
from itertools import groupby

from flask import Blueprint
from flask import request as asked

from db.driver import driver
from open311.api.access import asked_city, public
from open311.directory import directory, found_by
from open311.web.pages import page
from schemas.moment import whole_second
from schemas.text import one_line

PATH = "/services"
MAX_WORDS_CHARACTERS = 200


def add_routes(pages: Blueprint) -> None:
    """The routes of this file."""
    pages.get(PATH)(show_services)


@public
def show_services() -> str:
    """GET /services: those that fit the words of `q`, else all by group.  200."""
    city, words = asked_city(), one_line(asked.args.get("q", ""))[:MAX_WORDS_CHARACTERS]
    with driver.connection() as connection:
        every = directory(connection, jurisdiction_id=city.id, at=whole_second(datetime.now(UTC)))
    found = found_by(every, words)
    groups = [(group, list(each)) for group, each in groupby(every, key=lambda each: each.group)]
    return page("services", city=city, here=PATH, words=words, found=found, groups=groups)
