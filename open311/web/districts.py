"""A district's page, for its council office and who lives there: what waits, how long, compared with whom."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response
from flask import request as asked

from db.driver import driver
from geo.districts import districts_at
from geo.listing import UnknownDistrict, boundaries_of, drawn_districts, layers_of
from geo.placing import Unplaced, place
from open311.api.access import asked_city, public, public_url
from open311.api.form import Form
from open311.config import settings
from open311.jurisdictions import City
from open311.notify import following
from open311.notify.following import DAY, WEEK, Wish
from open311.reports.districts import ages_of, figures_of
from open311.reports.scorecards import NotCountedYet, Scorecard, scorecards
from open311.web import language, letters
from open311.web.access import see_other
from open311.web.forms import with_page_form_or
from open311.web.language import gettext as _
from open311.web.language import marked
from open311.web.outlines import picture
from open311.web.pages import page, url
from schemas.moment import whole_second
from schemas.problems import Problems
from schemas.scorecard import read
from schemas.text import one_line

PATH = "/districts"
# So far a line of the picture may lie from the true one.
_TOLERANCE_METRES = 40
_YEARS = 6

Found = Sequence[tuple[str, str]]


def add_routes(pages: Blueprint) -> None:
    """The routes of this file; a district's code may have a slash in it."""
    pages.get(PATH)(show_districts)
    pages.get(f"{PATH}/<layer>/<path:code>")(show_district)
    pages.post(f"{PATH}/<layer>/<path:code>")(follow_district)


@public
def show_districts() -> str:
    """GET /districts: every district by its layer; with ?address, those that it lies in.  200."""
    city, now = asked_city(), _now()
    address = one_line(asked.args.get("address", ""))[:1000]
    with driver.connection() as connection:
        layers = [each for each in layers_of(connection, jurisdiction_id=city.id, at=now) if each.id != city.outline_layer_id]
        drawn = drawn_districts(connection, jurisdiction_id=city.id, at=now)
        found = place(connection, address, jurisdiction_id=city.id, city_name=city.name) if address else None
        here: list[Any] = []
        if found is not None and not isinstance(found, Unplaced):
            here = [
                each
                for each in districts_at(connection, found.point, jurisdiction_ids=[city.id], at=now)
                if each.layer_id != city.outline_layer_id
            ]
    districts = {layer.code: sorted((row[1:3] for row in drawn if row[0] == layer.code), key=_by_number) for layer in layers}
    names = {layer.code: layer.name for layer in layers}
    candidates = [each.line for each in found.candidates] if isinstance(found, Unplaced) else []
    return page(
        "districts",
        city=city,
        here=PATH,
        layers=layers,
        districts=districts,
        names=names,
        address=address,
        found=here,
        candidates=candidates,
    )


@public
def show_district(layer: str, code: str) -> str:
    """GET /districts/{layer}/{code}: its figures of ?period, a year.  200; 404 layer or district unknown."""
    return _district(layer, code)


def show_again(form: Form, layer: str, code: str) -> Response | tuple[str, int]:
    """The same with the address that was typed."""
    return _district(layer, code, email=letters.typed(form), problems=letters.stale()), 400


@with_page_form_or(show_again)
def follow_district(form: Form, layer: str, code: str) -> Response | tuple[str, int]:
    """POST /districts/{layer}/{code}: email, rhythm (day, week).  303 a letter goes out; 400; 404; 503."""
    city, email = asked_city(), letters.typed(form)
    rhythm = DAY if form.first("rhythm") == DAY else WEEK
    if "\0" in layer + code:
        raise UnknownDistrict(f"{layer}:{code}")
    wish = Wish(email=email, language=language.language(), district=(layer, code), rhythm=rhythm)

    def write() -> None:
        with driver.transaction() as connection:
            following.ask(connection, city, wish, now=_now())

    problems = letters.problems_of(email, write)
    if problems:
        return _district(layer, code, email=email, problems=problems), 400
    return see_other(url(asked.path, asked="yes") + "#follow")


def _district(layer: str, code: str, *, email: str = "", problems: Found = ()) -> str:
    city, now = asked_city(), _now()
    this_year = now.astimezone(city.zone).year
    year = _year(asked.args.get("period", ""), this_year)
    with driver.connection() as connection:
        rows = drawn_districts(
            connection,
            jurisdiction_id=city.id,
            at=now,
            layers=[layer],
            has_boundary=True,
            tolerance_metres=_TOLERANCE_METRES,
        )
        chosen = next((row for row in rows if row[1] == code), None)
        if chosen is None:
            raise UnknownDistrict(f"{layer}:{code}")
        boundary_id = _boundary_id(connection, city, layer, code, now)
        waiting = figures_of(connection, jurisdiction_id=city.id, boundary_id=boundary_id, now=now)
        ages = ages_of(connection, jurisdiction_id=city.id, boundary_id=boundary_id, now=now)
        this = {"district": [f"{layer}:{code}"]}
        own, before, whole, whole_before = (
            next(iter(_cards(connection, city, {**of, "period": [str(each)]}, now=now)), None)
            for of, each in ((this, year), (this, year - 1), ({}, year), ({}, year - 1))
        )
        months = _cards(connection, city, {**this, "period": [str(year)], "trend": ["true"]}, now=now)
        # Of a year in which nothing was recorded nothing is known, which is not that nothing happened.
        is_before_all = whole_before is None or whole_before.figures["received"] == 0
        layer_name = next(each.name for each in layers_of(connection, jurisdiction_id=city.id, at=now) if each.code == layer)
    return page(
        "district",
        city=city,
        layer=layer,
        layer_name=layer_name,
        code=code,
        name=chosen[2],
        area_square_km=chosen[3] / 1e6,
        map=picture((row[1], row[2], row[-1]) for row in rows),
        waiting=waiting,
        ages=None if ages is None else list(zip(_AGES, ages, strict=True)),
        year=year,
        years=range(this_year, this_year - _YEARS, -1),
        is_running=year == this_year,
        is_before_all=is_before_all,
        months=[(each.period.first_month, each.figures["received"], each.figures["closed"]) for each in months],
        figures=_compared(own, None if is_before_all else before, whole),
        own=own,
        neighbours=[(each_code, each_name, figures) for each_code, each_name, figures in own.neighbours] if own else [],
        links=_links(city, f"{layer}:{code}", year),
        now=now,
        email=email,
        problems=problems,
        is_asked=asked.args.get("asked") == "yes",
        can_follow=bool(settings().secret_key),
    )


def _boundary_id(connection: Any, city: City, layer: str, code: str, now: datetime) -> int:
    return boundaries_of(connection, [(layer, code)], jurisdiction_id=city.id, now=now)[layer][0]


def _cards(connection: Any, city: City, arguments: Mapping[str, Sequence[str]], *, now: datetime) -> list[Scorecard]:
    """The scorecards asked for; none when there are none: not counted yet, or not drawn then."""
    try:
        return scorecards(connection, city, read(arguments, zone=city.zone, now=now), now=now)
    except (NotCountedYet, UnknownDistrict, Problems):
        return []


def _compared(*cards: Scorecard | None) -> list[tuple[str, list[str | None]]]:
    """Name of each figure that is known, and how each scorecard says it; the last one is that of the middle district."""
    own = cards[0]
    columns = [None if card is None else card.figures for card in cards]
    columns.append(own.layer_median if own else None)
    found = []
    for name, (title, said) in _FIGURES.items():
        values = [None if figures is None else figures[name] for figures in columns]
        if any(value is not None for value in values):
            found.append((_(title), [None if value is None else said(value) for value in values]))
    return found


def _hours(value: float) -> str:
    return language.how_long(value * 3600)


# What is shown of a scorecard, what it is called, and how its value is said.
_FIGURES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "received": (marked("Reported"), language.number),
    "closed": (marked("Reports closed"), language.number),
    "open": (marked("Open at the end"), language.number),
    "open_overdue": (marked("Open and later than promised"), language.number),
    "on_time_share": (marked("Promises kept"), language.share),
    "first_response_median_hours": (marked("Half were answered within"), _hours),
    "closing_median_hours": (marked("Half were closed within"), _hours),
    "closing_p90_hours": (marked("Nine of ten were closed within"), _hours),
    "reopened": (marked("Opened again"), language.number),
    "fixed_share": (marked("“It was fixed”, said who reported"), language.share),
    "per_1000_residents": (marked("Reported for 1,000 residents"), language.number),
}
# As open311.reports.districts.AGE_DAYS.
_AGES = (
    marked("Up to a week"),
    marked("Up to a month"),
    marked("Up to three months"),
    marked("Up to a year"),
    marked("Older than a year"),
)


def _links(city: City, district: str, year: int) -> dict[str, str]:
    query = urlencode({"jurisdiction_id": city.jurisdiction_id, "district": district})
    of_layer = {"jurisdiction_id": city.jurisdiction_id, "layer": district.partition(":")[0], "period": year}
    base = f"{public_url()}/open311/v2"
    return {
        "csv": f"{base}/bulk/requests.csv?{query}",
        "geojson": f"{base}/bulk/requests.geojson?{query}",
        "open": f"{base}/bulk/requests.csv?{query}&status=open",
        "layer": f"{base}/scorecards.csv?{urlencode(of_layer)}",
        "rss": f"{base}/requests.rss?{query}",
        "scorecard": f"{base}/scorecards.csv?{query}&period={year}",
        "months": f"{base}/scorecards.csv?{query}&period={year}&trend=true",
        "map": url("/map", district=district, status="open"),
    }


def _year(text: str, this_year: int) -> int:
    year = int(text) if len(text) == 4 and text.isascii() and text.isdecimal() else 0
    return year if 1900 < year <= this_year else this_year


def _by_number(row: Any) -> tuple[int, str]:
    """By the number of the code, where it is one, so that 10 comes behind 9."""
    return (int(row[0]) if row[0].isascii() and row[0].isdecimal() else 0, row[1])


def _now() -> datetime:
    return whole_second(datetime.now(UTC))
