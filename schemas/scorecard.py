"""Scorecards: the figures of a group in a period, and how they are asked for.  Our extension; docs/scorecards.md."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from marshmallow import Schema

from schemas.district_names import read_districts_among
from schemas.problems import Problems
from schemas.representation import Items, Moment, Number, Order, Part, Representation, Text
from schemas.text import clean

GROUPS = CITY, DISTRICT, DEPARTMENT, SERVICE, CHANNEL = "city", "district", "department", "service", "channel"
_PERIOD = re.compile(r"(?P<year>\d{4})(?:-(?:Q(?P<quarter>[1-4])|(?P<month>0[1-9]|1[0-2])))?", re.ASCII)
_SECOND = timedelta(seconds=1)


class FiguresSchema(Schema):
    """The figures; docs/scorecards.md says of each what it counts, and when it is null."""

    received = Order(allow_none=True)
    closed = Order(allow_none=True)
    open = Order(allow_none=True)
    oldest_open_datetime = Moment(allow_none=True)
    open_overdue = Order(allow_none=True)
    first_response_median_hours = Number(allow_none=True)
    first_response_p90_hours = Number(allow_none=True)
    closing_median_hours = Number(allow_none=True)
    closing_p90_hours = Number(allow_none=True)
    promised = Order(allow_none=True)
    on_time_share = Number(allow_none=True)
    reopened = Order(allow_none=True)
    duplicates = Order(allow_none=True)
    answered_at_first_contact = Order(allow_none=True)
    verdicts = Order(allow_none=True)
    fixed_share = Number(allow_none=True)
    mean_score = Number(allow_none=True)
    per_1000_residents = Number(allow_none=True)


FIGURES = list(FiguresSchema._declared_fields)


class HourSchema(Schema):
    """How many came in from this hour of the day on, by the city's clock."""

    hour = Order(required=True)
    received = Order(allow_none=True)


class WeekdaySchema(Schema):
    """How many came in on this day of the week; 1 is Monday."""

    weekday = Order(required=True)
    received = Order(allow_none=True)


class NamedSchema(Schema):
    """Which district."""

    code = Text(required=True)
    name = Text(required=True)


class NeighbourSchema(FiguresSchema, NamedSchema):
    """A district that touches it, with its figures."""


class GroupSchema(Schema):
    """Which group in which period; period_ends is not part of it.  as_of: when the figures were counted."""

    by = Text(required=True)
    layer = Text(allow_none=True)
    code = Text(allow_none=True)
    name = Text(required=True)
    service_code = Text(allow_none=True)
    period = Text(required=True)
    period_starts = Moment(required=True)
    period_ends = Moment(required=True)
    as_of = Moment(required=True)
    population = Order(allow_none=True)


class ScorecardSchema(FiguresSchema, GroupSchema):
    """A group in a period.  layer_median and neighbours: of a district that was asked for by itself; else null and none."""

    by_hour = Items("count", HourSchema)
    by_weekday = Items("count", WeekdaySchema)
    layer_median = Part(FiguresSchema)
    neighbours = Items("neighbour", NeighbourSchema)


class ComparedSchema(Schema):
    """A figure of the two, and b less a; null where one of them is, and between moments."""

    figure = Text(required=True)
    a = Number(allow_none=True)
    b = Number(allow_none=True)
    difference = Number(allow_none=True)


class ComparisonSchema(Schema):
    """Two groups, or one in two periods, beside one another."""

    a = Part(ScorecardSchema)
    b = Part(ScorecardSchema)
    figures = Items("figure", ComparedSchema)


SCORECARDS = Representation(schema=ScorecardSchema, plural="scorecards", singular="scorecard")
COMPARISON = Representation(schema=ComparisonSchema, singular="comparison")


@dataclass(frozen=True, kw_only=True)
class Period:
    """A month, quarter or year by the city's calendar: its name (2015, 2015-Q3, 2015-09), and the moments that bound it.

    ends is not part of it.  first_month and last_month: their first days.
    """

    name: str
    span: str
    first_month: date
    last_month: date
    begins: datetime
    ends: datetime


def period(year: int, *, quarter: int | None = None, month: int | None = None, zone: ZoneInfo) -> Period:
    """The year, or a quarter or month (both from 1) of it."""
    first = month or (3 * quarter - 2 if quarter else 1)
    last = month or (3 * quarter if quarter else 12)
    begins = date(year, first, 1)
    ends = date(year + last // 12, last % 12 + 1, 1)
    return Period(
        name=f"{year:04}-{month:02}" if month else f"{year:04}-Q{quarter}" if quarter else f"{year:04}",
        span="month" if month else "quarter" if quarter else "year",
        first_month=begins,
        last_month=date(year, last, 1),
        begins=_midnight(begins, zone),
        ends=_midnight(ends, zone),
    )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


@dataclass(frozen=True, kw_only=True)
class ScorecardQuery:
    """What GET scorecards asks for: a group of each kind `by`, or those named, in each of the periods, the oldest first."""

    by: str
    layer: str | None
    districts: Sequence[tuple[str, str]]
    departments: Sequence[str]
    service_code: str | None
    periods: Sequence[Period]


def read(
    arguments: Mapping[str, Sequence[str]], *, zone: ZoneInfo, now: datetime, is_comparison: bool = False
) -> ScorecardQuery:
    """The query of GET arguments (name: values as sent); unknown ones are ignored, empty ones are as if absent.

    Without a period this year is meant.  Raises Problems.
    """
    given = {name: _words(texts) for name, texts in arguments.items()}
    problems: list[str] = []
    districts = read_districts_among(arguments, problems)
    departments, services = given.get("department", []), given.get("service_code", [])
    layer = _one(given, "layer", problems)
    periods = [_period(text, zone, now, problems) for text in given.get("period", ())]
    by = _one(given, "by", problems) or (
        DISTRICT if districts or layer else DEPARTMENT if departments else SERVICE if services else CITY
    )
    if by not in GROUPS:
        problems.append(f"by must be one of {', '.join(GROUPS)}, got {by[:50]!r}")
    if len(services) > 1:
        problems.append(f"service_code must be one, got {len(services)}")
    trend = (_one(given, "trend", problems) or "false").lower()
    if trend not in ("true", "false"):
        problems.append(f"trend must be true or false, got {trend[:50]!r}")
    layers = {each[0] for each in districts}
    if layer is not None and layers - {layer}:
        problems.append(f"district must lie in the layer {layer[:50]!r}, got {min(layers - {layer})[:50]!r}")
    if not problems:
        problems += _misfits(by, layer, districts, departments, services)
    if is_comparison and not problems:
        pairs = {"period": len(periods), "district": len(districts), "department": len(departments)}
        twice = [name for name, times in pairs.items() if times == 2]
        if len(twice) != 1 or any(times > 2 for times in pairs.values()):
            problems.append(
                "two of period, or of district, or of department are compared: one of the three must be given twice"
            )
        elif len({each.span for each in periods if each is not None}) > 1:
            problems.append("period must be two months, two quarters or two years")
        elif by not in (DISTRICT, DEPARTMENT, SERVICE, CITY) or (by == SERVICE and not services):
            problems.append(f"by must be city, district or department here, or service with service_code, got {by!r}")
    elif not is_comparison and len(periods) > 1:
        problems.append(f"period must be one, got {len(periods)}")
    if trend == "true" and (is_comparison or any(each is not None and each.span != "year" for each in periods)):
        problems.append("trend=true gives the months of a year: period must be a year, such as 2015")
    if problems:
        raise Problems(problems)
    found = [each for each in periods if each is not None] or [period(now.astimezone(zone).year, zone=zone)]
    if trend == "true":
        year = found[0].first_month.year
        found = [period(year, month=month, zone=zone) for month in range(1, 13)]
        found = [each for each in found if each.begins <= now]
    return ScorecardQuery(
        by=by,
        layer=layer or next((each[0] for each in districts), None),
        districts=districts,
        departments=departments,
        service_code=services[0] if services else None,
        periods=found,
    )


def _misfits(
    by: str, layer: str | None, districts: Sequence[tuple[str, str]], departments: Sequence[str], services: Sequence[str]
) -> list[str]:
    """What cannot be asked together: figures are kept by service of a district or a department, and not otherwise."""
    if len({each[0] for each in districts}) > 1:
        return ["district must be of one layer at a time"]
    if districts and departments:
        return ["district and department cannot be asked together"]
    if by == DISTRICT:
        if departments:
            return ["department cannot be asked by district"]
        if layer is None and not districts:
            return ["layer is required: figures by district are those of one layer"]
    if by == DEPARTMENT and districts:
        return ["district cannot be asked by department"]
    if by == SERVICE and max(len(districts), len(departments)) > 1:
        return ["district and department must be one where figures are asked by service"]
    if by == SERVICE and layer is not None and not districts:
        return ["layer is for figures by district; name a district to ask by service in it"]
    if by in (CITY, CHANNEL) and (districts or departments or services or layer is not None):
        return [f"district, department, layer and service_code are not for figures by {by}"]
    return []


def _words(texts: Sequence[str]) -> list[str]:
    words = [clean(word) for text in texts for word in text.split(",")]
    return list(dict.fromkeys(word for word in words if word))


def _one(given: Mapping[str, Sequence[str]], name: str, problems: list[str]) -> str | None:
    found = given.get(name, ())
    if len(found) > 1:
        problems.append(f"{name} must be one, got {len(found)}")
    return found[0] if found else None


def _period(text: str, zone: ZoneInfo, now: datetime, problems: list[str]) -> Period | None:
    found = _PERIOD.fullmatch(text)
    year = int(found["year"]) if found else 0
    if found is None or not 1900 <= year <= 9998:
        problems.append(f"period must be a year, quarter or month, such as 2015, 2015-Q3 or 2015-09, got {text[:50]!r}")
        return None
    parts = {name: int(found[name]) for name in ("quarter", "month") if found[name]}
    asked = period(year, zone=zone, **parts)
    if asked.begins > now:
        problems.append(f"period must have begun, got {text!r}")
        return None
    return asked
