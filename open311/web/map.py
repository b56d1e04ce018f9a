"""What was reported, on a map and as a list, by the filters of the API in the address of the page."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from math import ceil
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint
from flask import request as asked

from db.driver import driver
from geo.listing import drawn_districts, layers_of
from open311.api.access import arguments, asked_city, public, public_url
from open311.cases.search import find_requests, read_requests
from open311.config import settings
from open311.directory import directory
from open311.jurisdictions import City
from open311.web.basemap import ground_of
from open311.web.language import gettext as _
from open311.web.language import marked
from open311.web.pages import page
from schemas import query
from schemas.problems import Problems
from schemas.representation import fields_of
from schemas.request import RequestSchema
from schemas.text import one_line

PATH = "/map"
PAGE_ROWS = 50
# What the form asks for; whatever else of the API the address names counts too.
FIELDS = ("q", "service_code", "status", "district", "start_date", "end_date")
# What the clusters of a map can be filtered by (GET clusters); by anything else the map shows the page of the list alone.
CLUSTERED = frozenset({"service_code", "status", "district", "start_date", "end_date", "bbox"})
_PAGES = ("page", "page_size", "cursor", "count", "extensions")
# With none of these the newest 90 days are meant.
_LIFTING = ("start_date", "end_date", "updated_after", "updated_before", "service_request_id")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A page of the list: requests by the names of the API's fields, how many there are in all, and whether more follow."""

    requests: Sequence[Mapping[str, Any]]
    total: int
    page: int
    has_more: bool


def add_routes(pages: Blueprint) -> None:
    """The routes of this file."""
    pages.get(PATH)(show_map)


@public
def show_map() -> str | tuple[str, int]:
    """GET /map: the requests that the filters of GET requests name.  200; 400 with what is wrong with them; 404."""
    city, now, given = asked_city(), datetime.now(UTC), _given()
    problems: Sequence[tuple[str, str]] = ()
    found = Listed(requests=[], total=0, page=1, has_more=False)
    try:
        found = _listed({**given, **_page_of(arguments())}, city, now=now)
        if found.total and not found.requests:  # a page behind the last one
            found = _listed({**given, "page": [str(ceil(found.total / PAGE_ROWS))]}, city, now=now)
    except Problems as error:
        problems = list(dict.fromkeys(_advice(message) for message in error.messages))
    with driver.connection() as connection:
        services = directory(connection, jurisdiction_id=city.id, at=now)
        layers = layers_of(connection, jurisdiction_id=city.id, at=now)
        drawn = drawn_districts(connection, jurisdiction_id=city.id, at=now)
    values = {name: ",".join(one_line(text) for text in given[name]) for name in FIELDS if name in given}
    names = {
        "service_code": {each.code: each.name for each in services},
        "district": {f"{row[0]}:{row[1]}": row[2] for row in drawn},
    }
    shown = page(
        "map",
        city=city,
        here=PATH,
        problems=problems,
        wrong=dict(problems),
        values=values,
        several={
            name: _named(values[name], known) for name, known in names.items() if values.get(name, "") not in ("", *known)
        },
        others=[(name, text) for name, texts in given.items() if name not in FIELDS for text in texts],
        is_day=_DAY.fullmatch,
        is_part="bbox" in given,
        is_sorted="sort" in given,
        most_rows=settings().max_page_rows,
        is_of_late=not any(name in given for name in _LIFTING),
        found=found,
        is_filtered=any(given.values()),
        groups=[(group, list(each)) for group, each in groupby(services, key=lambda each: each.group)],
        layers=[
            (layer, [row for row in drawn if row[0] == layer.code]) for layer in layers if layer.id != city.outline_layer_id
        ],
        ground=ground_of(city, layers=layers, drawn=drawn),
        is_clustered=not problems and all(name in CLUSTERED for name, texts in given.items() if texts),
        link=lambda path, **more: _link(path, given, city, **more),
        data=lambda kind: _link(
            f"{public_url()}/open311/v2/requests.{kind}", given, city, jurisdiction_id=city.jurisdiction_id
        ),
    )
    return (shown, 400) if problems else shown


def _listed(given: Mapping[str, Sequence[str]], city: City, *, now: datetime) -> Listed:
    limits = settings()
    asked_for = query.read(
        {"page_size": [str(PAGE_ROWS)], **given, "count": ["true"]},
        zone=city.zone,
        now=now,
        max_span_days=limits.max_span_days,
        max_page_rows=PAGE_ROWS,
    )
    with driver.connection() as connection:
        found = find_requests(connection, asked_for, jurisdiction_id=city.id, now=now)
        rows = read_requests(connection, [key[0] for key in found.keys], jurisdiction_id=city.id, public_url="")
    by_id = {key[0]: row for key, row in rows.items()}
    names = fields_of(RequestSchema)
    return Listed(
        requests=[dict(zip(names, by_id[key[0]], strict=True)) for key in found.keys if key[0] in by_id],
        total=found.total or 0,
        page=asked_for.page,
        has_more=found.has_more,
    )


def _given() -> dict[str, list[str]]:
    """The filters of the address that are not empty."""
    known = query.REQUEST_ARGUMENTS - {*_PAGES}
    given = {name: [text for text in texts if text.strip(" ,")] for name, texts in arguments().items() if name in known}
    return {name: texts for name, texts in given.items() if texts}


def _page_of(given: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    return {"page": given["page"]} if "page" in given else {}


def _link(path: str, given: Mapping[str, Sequence[str]], city: City, **more: str) -> str:
    """A path with the filters of this page; more: other arguments, which go before these, and empty ones away."""
    said = {**{name: texts for name, texts in given.items() if name not in more}, **{k: [v] for k, v in more.items() if v}}
    if "jurisdiction_id" in asked.args:
        said["jurisdiction_id"] = [city.jurisdiction_id]
    return f"{path}?{urlencode(said, doseq=True)}" if said else path


def _named(codes: str, known: Mapping[str, str]) -> str:
    """What several codes are called, for a field that has one of its own for each."""
    return ", ".join(known.get(code.strip(), code.strip()) for code in codes.split(","))


def _advice(message: str) -> tuple[str, str]:
    """The field of the form that a message of the API is about, and what to do; such a message begins with its name."""
    for name, advice in _ADVICE.items():
        if message.startswith(name):
            return (name, _(advice))
    name = message.partition(" ")[0]
    return ("filters", _("A filter in the address of this page cannot be read: %(name)s.", name=name))


_ADVICE = {
    "q": marked("Enter fewer words."),
    "status": marked("Choose a status."),
    "district": marked("Choose a district."),
    "start_date": marked("Enter a day like 2026-01-31 that is not after the last one, and not too long before it."),
    "end_date": marked("Enter a day like 2026-01-31."),
}
