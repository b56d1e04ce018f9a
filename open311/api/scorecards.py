"""GET scorecards, GET scorecards/compare: figures of the city, its districts, departments, services and channels."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response
from werkzeug.exceptions import ServiceUnavailable

from db.driver import driver
from open311.api.access import arguments, asked_city, public
from open311.api.respond import FORMATS, respond, respond_bytes
from open311.jurisdictions import City
from open311.reports.scorecards import NotCountedYet, Scorecard, compared, scorecards
from schemas.as_csv import CONTENT_TYPE, table
from schemas.moment import whole_second
from schemas.problems import Problems
from schemas.scorecard import COMPARISON, DEPARTMENT, DISTRICT, FIGURES, SCORECARDS, ScorecardQuery, read

_HOURS, _WEEKDAYS = range(24), range(1, 8)
_GROUP = ("by", "layer", "code", "name", "service_code", "period", "period_starts", "period_ends", "as_of", "population")


class NothingToCompare(LookupError):
    """What was asked for has figures in one of two periods only; the message names it and the period."""


def add_routes(api: Blueprint) -> None:
    """The routes of this file."""
    api.get(f"/scorecards.<{FORMATS}:format>")(list_scorecards)
    api.get("/scorecards.csv", endpoint="list_scorecards_csv")(list_scorecards_csv)
    api.get(f"/scorecards/compare.<{FORMATS}:format>")(compare_scorecards)
    api.get("/scorecards/compare.csv", endpoint="compare_scorecards_csv")(compare_scorecards_csv)


@public
def list_scorecards(format: str) -> Response:
    """GET /scorecards.{json,xml}.  Our extension.  200; 400 malformed; 404 what is named; 503 nothing was counted yet."""
    return respond(SCORECARDS, [_row(each) for each in _asked()], format)


@public
def list_scorecards_csv() -> Response:
    """GET /scorecards.csv.  The same as a table."""
    clocks = [*(f"received_hour_{hour}" for hour in _HOURS), *(f"received_weekday_{day}" for day in _WEEKDAYS)]
    rows = (
        [*_group(each), *(each.figures[name] for name in FIGURES), *_filled(each.hours, 24), *_filled(each.weekdays, 7)]
        for each in _asked()
    )
    return _as_csv([*_GROUP, *FIGURES, *clocks], rows)


@public
def compare_scorecards(format: str) -> Response:
    """GET /scorecards/compare.{json,xml}.  Our extension.  Statuses as those of the list."""
    one, other = _compared()
    return respond(COMPARISON, [(_row(one), _row(other), compared(one, other))], format)


@public
def compare_scorecards_csv() -> Response:
    """GET /scorecards/compare.csv.  A line a figure."""
    return _as_csv(["figure", "a", "b", "difference"], compared(*_compared()))


def _asked() -> list[Scorecard]:
    city = asked_city()
    now = whole_second(datetime.now(UTC))
    return _read(city, read(arguments(), zone=city.zone, now=now), now=now)


def _compared() -> tuple[Scorecard, Scorecard]:
    city = asked_city()
    now = whole_second(datetime.now(UTC))
    asked = read(arguments(), zone=city.zone, now=now, is_comparison=True)
    named = {DISTRICT: asked.districts, DEPARTMENT: asked.departments}
    if not named.get(asked.by, True):
        raise Problems([f"{asked.by} must be named: one is compared in two periods"])
    found = _read(city, asked, now=now)
    if len(found) != 2:
        raise NothingToCompare(_missing(asked, found))
    return found[0], found[1]


def _missing(asked: ScorecardQuery, found: Sequence[Scorecard]) -> str:
    """What cannot be compared, and why: a sentence."""
    has = {each.period.name for each in found}
    when = " and ".join(each.name for each in asked.periods if each.name not in has)
    if asked.districts:
        return f"district {':'.join(asked.districts[0])} was not drawn in {when}"
    return f"service_code {asked.service_code} is retired, and had no requests in {when}"


def _read(city: City, asked: ScorecardQuery, *, now: datetime) -> list[Scorecard]:
    try:
        with driver.connection() as connection:
            return scorecards(connection, city, asked, now=now)
    except NotCountedYet:
        raise ServiceUnavailable(
            f"the figures of {city.name} were not counted yet: open311 worker does so within five minutes"
        ) from None


def _group(each: Scorecard) -> tuple[Any, ...]:
    about = (each.by, each.layer, each.code, each.name, each.service_code)
    return (*about, each.period.name, each.period.begins, each.period.ends, each.as_of, each.population)


def _row(each: Scorecard) -> tuple[Any, ...]:
    around = each.layer_median
    return (
        *_group(each),
        *(each.figures[name] for name in FIGURES),
        list(enumerate(each.hours)),
        list(enumerate(each.weekdays, start=1)),
        None if around is None else tuple(around[name] for name in FIGURES),
        [(code, name, *(figures[figure] for figure in FIGURES)) for code, name, figures in each.neighbours],
    )


def _filled(numbers: Sequence[Any], length: int) -> Sequence[Any]:
    return numbers or [None] * length


def _as_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    return respond_bytes(table(header, rows), CONTENT_TYPE)
