"""Which city is meant, and that cities never see one another's rows."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from db import db
from open311.models import Jurisdiction
from tests.api.wire import BOSTON, SEATTLE, STREET, Api, in_both_formats
from tests.factories import Factory

Change = Callable[..., Any]

# Every method, as a call without a jurisdiction_id.
_METHODS = pytest.mark.parametrize("resource", ["services", "services/noise", "requests", "requests/A-1", "tokens/T-1", "POST"])


def _call(api: Api, resource: str, format: str, city: str | None) -> Any:
    if resource == "POST":
        return api.post(STREET, format, city=city)
    return api.get(resource, format, city=city)


def _leave_only_seattle() -> None:
    db.session.execute(update(Jurisdiction).where(Jurisdiction.slug != SEATTLE).values(outline_layer_id=None))


@pytest.mark.statement(10)
@in_both_formats
@_METHODS
def test_a_call_that_names_no_city_is_400_where_several_are_served(api: Api, resource: str, format: str) -> None:
    answer = _call(api, resource, format, None)

    assert answer.status == 400
    assert answer.problem.startswith("jurisdiction_id is required")


@pytest.mark.statement(10)
@in_both_formats
@_METHODS
def test_a_city_that_is_not_served_is_404(api: Api, resource: str, format: str) -> None:
    answer = _call(api, resource, format, "atlantis.gov")

    assert answer.status == 404
    assert answer.problem == "jurisdiction_id atlantis.gov was not found"


@pytest.mark.statement(10)
@in_both_formats
def test_discovery_of_a_city_that_is_not_served_is_404(api: Api, format: str) -> None:
    assert api.get("discovery", format, city="atlantis.gov").status == 404


@pytest.mark.statement(11)
@in_both_formats
@pytest.mark.parametrize("resource", ["services", "services/noise", "requests", "requests/A-1", "tokens/T-1"])
def test_with_a_default_absent_and_blank_are_the_same(
    api: Api, make: Factory, settings: Change, resource: str, format: str
) -> None:
    make.request("A-1", jurisdiction_id=SEATTLE, service_code="noise", token="T-1")
    settings(default_jurisdiction=SEATTLE)

    absent, blank = api.get(resource, format, city=None), api.get(resource, format, city="")

    assert absent.status == blank.status == 200
    assert absent.body == blank.body == api.get(resource, format, city=SEATTLE).body


@pytest.mark.statement(11)
@in_both_formats
@pytest.mark.parametrize("resource", ["services", "services/noise", "requests"])
def test_with_a_single_city_absent_and_blank_are_the_same(api: Api, resource: str, format: str) -> None:
    _leave_only_seattle()

    absent, blank = api.get(resource, format, city=None), api.get(resource, format, city=" ")

    assert absent.status == blank.status == 200
    assert absent.body == blank.body


@pytest.mark.statement(11)
@in_both_formats
@pytest.mark.parametrize("city", [None, ""])
def test_a_post_needs_no_city_where_there_is_a_default(api: Api, settings: Change, city: str | None, format: str) -> None:
    settings(default_jurisdiction=SEATTLE)

    assert api.post(STREET, format, city=city).row["service_request_id"]


@pytest.mark.statement(10)
def test_a_city_that_is_named_wins_over_the_default(api: Api, settings: Change) -> None:
    settings(default_jurisdiction=BOSTON)

    assert api.get("services/water-quality", city=SEATTLE).status == 200
    assert api.get("services/water-quality", city=None).status == 404


@pytest.mark.statement(11)
def test_a_host_of_a_city_means_that_city(api: Api) -> None:
    answer = api.ask("services.json", headers={"Host": "seattle.localhost:8080"})

    assert answer.body == api.get("services").body


@pytest.mark.statement(12)
@in_both_formats
def test_the_city_of_a_post_may_stand_in_the_form(api: Api, format: str) -> None:
    assert api.post({**STREET, "jurisdiction_id": SEATTLE}, format, city=None).status == 200


@pytest.mark.statement(12)
@in_both_formats
def test_the_city_of_a_post_may_stand_in_the_query(api: Api, format: str) -> None:
    assert api.post(STREET, format, city=None, query={"jurisdiction_id": SEATTLE}).status == 200


@pytest.mark.statement(12)
def test_the_city_of_a_post_may_stand_in_both_when_it_is_the_same(api: Api) -> None:
    assert api.post(STREET, city=SEATTLE, query={"jurisdiction_id": SEATTLE}).status == 200


@pytest.mark.statement(12)
@in_both_formats
def test_two_different_cities_in_form_and_query_are_400_and_nothing_is_kept(
    api: Api, kept: Callable[[], Any], format: str
) -> None:
    before = kept()

    answer = api.post(STREET, format, city=SEATTLE, query={"jurisdiction_id": BOSTON})

    assert answer.status == 400
    assert answer.problem.startswith("jurisdiction_id must be the same wherever it is given")
    assert kept() == before


@pytest.mark.statement(13)
@in_both_formats
def test_services_of_one_city_are_not_those_of_another(api: Api, format: str) -> None:
    ours, theirs = ({row["service_code"] for row in api.get("services", format, city=city).rows} for city in (SEATTLE, BOSTON))

    assert "water-quality" in ours
    assert "water-quality" not in theirs
    assert api.get("services/water-quality", format, city=BOSTON).status == 404


@pytest.mark.statement(13)
@in_both_formats
def test_requests_of_one_city_are_not_shown_in_another(api: Api, make: Factory, format: str) -> None:
    make.request("S-1", jurisdiction_id=SEATTLE, service_code="noise", token="T-1")
    make.request("B-1", jurisdiction_id=BOSTON)

    assert api.get("requests", format, city=SEATTLE).ids == ["S-1"]
    assert api.get("requests", format, city=BOSTON).ids == ["B-1"]
    assert api.get("requests", format, city=BOSTON, service_request_id="S-1,B-1").ids == ["B-1"]
    assert api.get("requests/S-1", format, city=BOSTON).status == 404
    assert api.get("tokens/T-1", format, city=BOSTON).status == 404


@pytest.mark.statement(13)
def test_two_cities_may_have_the_same_number(api: Api, make: Factory) -> None:
    make.request("A-1", jurisdiction_id=SEATTLE, service_code="noise", description="Seattle's")
    make.request("A-1", jurisdiction_id=BOSTON, description="Boston's")

    assert api.get("requests/A-1", city=SEATTLE).row["description"] == "Seattle's"
    assert api.get("requests/A-1", city=BOSTON).row["description"] == "Boston's"


@pytest.mark.statement(13)
def test_a_service_of_another_city_is_404_in_a_post(api: Api) -> None:
    answer = api.post({**STREET, "lat": "42.3474", "long": "-71.0944"}, city=BOSTON)

    assert answer.status == 404
    assert answer.problem == "service_code street-maintenance was not found"


def test_without_any_city_a_call_is_400(api: Api, app: Flask) -> None:
    db.session.execute(update(Jurisdiction).values(outline_layer_id=None))

    assert api.get("services", city=None).status == 400
    assert api.get("discovery", city=None).status == 200
