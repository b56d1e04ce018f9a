"""Pages of requests, and requests by the date of their last change."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.wire import SEATTLE, Api, in_both_formats
from tests.factories import DAY, HOUR, NOW, Factory

SECOND = timedelta(seconds=1)


def _wire(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def seven(make: Factory) -> list[str]:
    """Seven requests, newest first, some of the same second."""
    ages = [HOUR, 2 * HOUR, 2 * HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR, 4 * HOUR]
    rows = [make.request(f"A-{n}", jurisdiction_id=SEATTLE, service_code="graffiti", age=age) for n, age in enumerate(ages)]
    rows.sort(key=lambda row: (row.requested_at, row.id), reverse=True)
    return [str(row.number) for row in rows]


@pytest.mark.statement(67)
@in_both_formats
@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 7, 8, 1000])
def test_pages_are_disjoint_and_together_the_list(api: Api, seven: list[str], size: int, format: str) -> None:
    pages = [api.get("requests", format, page=str(page), page_size=str(size)).ids for page in range(1, 9)]

    assert [number for page in pages for number in page] == seven
    full = len(seven) // size
    assert [len(page) for page in pages[:full]] == [size] * min(full, 8)
    assert len(pages[full]) == len(seven) % size if full < 8 else True


@pytest.mark.statement(67)
@in_both_formats
@pytest.mark.parametrize("page", ["0", "-1", "1", "", "01"])
def test_a_page_below_the_first_is_the_first(api: Api, seven: list[str], page: str, format: str) -> None:
    assert api.get("requests", format, page=page, page_size="3").ids == seven[:3]


@pytest.mark.statement(67)
@in_both_formats
@pytest.mark.parametrize("page", ["4", "999999999"])
def test_a_page_beyond_the_end_is_empty(api: Api, seven: list[str], page: str, format: str) -> None:
    assert api.get("requests", format, page=page, page_size="3").rows == []


@pytest.mark.statement(67)
@in_both_formats
@pytest.mark.parametrize("argument", ["page", "page_size"])
@pytest.mark.parametrize("text", ["abc", "1.5", "1e3", "99999999999999999999", "٣", "0x1", "null", "NaN", "1,2"])
def test_a_page_that_is_no_whole_number_is_400_and_named(api: Api, argument: str, text: str, format: str) -> None:
    answer = api.get("requests", format, **{argument: text})

    assert answer.status == 400
    assert answer.problem.startswith(f"{argument} must be a whole number")


@pytest.mark.statement(67)
@in_both_formats
def test_a_page_is_never_larger_than_the_service_allows(api: Api, seven: list[str], settings: object, format: str) -> None:
    assert callable(settings)
    settings(max_page_rows=4)

    answer = api.get("requests", format, page_size="5000")

    assert answer.ids == seven[:4]
    assert answer.headers["X-Page-Size"] == "4"
    assert api.get("requests", format).ids == seven[:4]


@pytest.mark.statement(67)
@in_both_formats
def test_following_the_links_gives_the_whole_list(api: Api, seven: list[str], format: str) -> None:
    found: list[str] = []
    path: str | None = f"requests.{format}?jurisdiction_id=seattle.gov&page_size=3&status=open&service_code=graffiti,x"

    while path is not None:
        answer = api.ask(path, format)
        found += answer.ids
        links = dict(re.findall(r'<http://localhost/open311/v2/([^>]+)>; rel="(\w+)"', answer.headers.get("Link", "")))
        path = next((url for url, name in links.items() if name == "next"), None)

    assert found == seven


@pytest.mark.statement(67)
def test_the_first_and_the_last_page_say_so(api: Api, seven: list[str]) -> None:
    def relations(page: int) -> list[str]:
        link = api.get("requests", page=str(page), page_size="3").headers.get("Link", "")
        return re.findall(r'rel="(\w+)"', link)

    assert [relations(page) for page in (1, 2, 3)] == [["next"], ["first", "prev", "next"], ["first", "prev"]]
    assert "Link" not in api.get("requests").headers
    assert api.get("requests").headers["X-Page-Size"] == "1000"


@pytest.mark.statement(67)
def test_numbers_are_paged_too(api: Api, seven: list[str]) -> None:
    asked = ",".join(seven)

    assert api.get("requests", service_request_id=asked, page="2", page_size="4").ids == seven[4:]


@pytest.fixture
def changed(make: Factory) -> None:
    """Requests of long ago, some of which have changed of late."""
    for number, age, after in [("OLD-1", 400, 300), ("OLD-2", 400, 399), ("NEW-1", 10, 5), ("NEW-2", 3, 1)]:
        make.request(number, jurisdiction_id=SEATTLE, service_code="graffiti", age=age * DAY, closed_after=after * DAY)


@pytest.mark.statement(68)
@in_both_formats
@pytest.mark.usefixtures("changed")
def test_changes_alone_lift_the_90_days(api: Api, format: str) -> None:
    # Changed: OLD-1 100 days ago, OLD-2 one, NEW-1 five, NEW-2 two; newest requests first.
    assert api.get("requests", format, updated_after=_wire(NOW - 6 * DAY)).ids == ["NEW-2", "NEW-1", "OLD-2"]
    assert api.get("requests", format, updated_before=_wire(NOW - 4 * DAY)).ids == ["NEW-1", "OLD-1"]
    both = {"updated_after": _wire(NOW - 101 * DAY), "updated_before": _wire(NOW - 4 * DAY)}
    assert api.get("requests", format, **both).ids == ["NEW-1", "OLD-1"]


@pytest.mark.statement(68)
@in_both_formats
@pytest.mark.usefixtures("changed")
def test_changes_are_inclusive_to_the_second(api: Api, format: str) -> None:
    at = NOW - 5 * DAY

    assert api.get("requests", format, updated_after=_wire(at), updated_before=_wire(at)).ids == ["NEW-1"]
    assert api.get("requests", format, updated_after=_wire(at + SECOND), updated_before=_wire(at + SECOND)).ids == []
    assert "NEW-1" not in api.get("requests", format, updated_before=_wire(at - SECOND)).ids


@pytest.mark.statement(68)
@in_both_formats
@pytest.mark.usefixtures("changed")
def test_changes_and_dates_are_met_together(api: Api, format: str) -> None:
    asked = {"start_date": _wire(NOW - 20 * DAY), "end_date": _wire(NOW)}

    assert api.get("requests", format, **asked, updated_after=_wire(NOW - 3 * DAY)).ids == ["NEW-2"]
    assert api.get("requests", format, **asked, updated_before=_wire(NOW - 3 * DAY)).ids == ["NEW-1"]
    start = {"start_date": _wire(NOW - 401 * DAY)}
    assert api.get("requests", format, **start, updated_after=_wire(NOW - 2 * DAY)).ids == ["OLD-2"]


@pytest.mark.statement(68)
@in_both_formats
@pytest.mark.usefixtures("changed")
def test_changes_and_other_filters_are_met_together(api: Api, format: str) -> None:
    assert api.get("requests", format, updated_after=_wire(NOW - 6 * DAY), status="open").ids == []
    assert api.get("requests", format, updated_after=_wire(NOW - 6 * DAY), service_code="noise").ids == []
    assert len(api.get("requests", format, updated_after=_wire(NOW - 6 * DAY), status="closed").ids) == 3


@pytest.mark.statement(68)
def test_a_client_writes_a_change_with_a_space_and_fractions(api: Api, make: Factory) -> None:
    make.request("A-1", jurisdiction_id=SEATTLE, service_code="graffiti")

    assert api.get("requests", updated_after="2015-12-09 23:12:23.229081-06:00").ids == ["A-1"]
