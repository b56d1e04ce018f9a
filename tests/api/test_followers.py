"""POST followers: be told of what is not yours, once the address says yes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg import Connection

from open311.notify.links import CONFIRM, Link, Links
from tests.api.wire import BASE, SEATTLE, STREET, TIP, Answer, Api, in_both_formats

KEY = "a key for the tests alone, and long enough"
RITA = {"email": "rita@example.org"}


@pytest.fixture(autouse=True)
def _key(app: Flask) -> Iterator[None]:
    before = app.config["OPEN311"]
    app.config["OPEN311"] = replace(before, secret_key=KEY, public_url="https://311.example.org")
    yield
    app.config["OPEN311"] = before


def ask(api: Api, form: dict[str, str], format: str = "json") -> Answer:
    """POST followers."""
    form = {"api_key": api.api_key, "jurisdiction_id": SEATTLE, **form}
    return Answer(api.client.post(f"{BASE}/followers.{format}", data=form), format)


def rows(connection: "Connection[Any]", query: str) -> list[Any]:
    """All rows."""
    return connection.execute(query).fetchall()  # type: ignore[arg-type]


@in_both_formats
def test_who_asks_is_written_to_and_told_nothing_before_they_say_yes(
    api: Api, client: FlaskClient, app: Flask, connection: "Connection[Any]", format: str
) -> None:
    number = api.posted(STREET)

    answer = ask(api, {**RITA, "service_request_id": number.lower(), "language": "es"}, format)

    assert answer.row == {"state": "asked"}
    ((city_id, follower_id, language, confirmed, is_reporter),) = rows(
        connection, "select jurisdiction_id, id, language, confirmed_at, is_reporter from follower"
    )
    assert (language, confirmed, is_reporter) == ("es", None, False)
    assert rows(connection, "select event, facts ->> 'what', state from message") == [("asked", number, "waiting")]
    link = Links(app.config["OPEN311"]).url(CONFIRM, Link(jurisdiction_id=city_id, follower_id=follower_id))
    client.post(link.removeprefix("https://311.example.org"))
    assert rows(connection, "select confirmed_at is not null from follower") == [(True,)]


def test_asking_again_is_answered_alike_and_writes_once_it_is_confirmed_no_more(
    api: Api, connection: "Connection[Any]"
) -> None:
    form = {**RITA, "service_request_id": api.posted(STREET)}
    first, second = ask(api, form), ask(api, {**form, "email": "RITA@example.org"})
    connection.execute("update follower set confirmed_at = now()")
    third = ask(api, form)

    assert first.rows == second.rows == third.rows == [{"state": "asked"}]
    assert rows(connection, "select count(*) from follower") == [(1,)]
    # The third goes nowhere, but counts: else four more letters would tell that the address follows it.
    assert rows(connection, "select state from message order by id") == [("waiting",), ("waiting",), ("dropped",)]


def test_who_asks_again_in_another_language_is_written_to_in_that(api: Api, connection: "Connection[Any]") -> None:
    form = {**RITA, "service_request_id": api.posted(STREET)}
    for language in ("en", "zh"):
        ask(api, {**form, "language": language})
        ask(api, {**RITA, "lat": "47.6", "long": "-122.3", "radius": "250", "language": language})

    assert rows(connection, "select language from follower") == [("zh",), ("zh",)]


def test_an_address_has_five_letters_a_day(api: Api, connection: "Connection[Any]") -> None:
    for _ in range(5):
        assert ask(api, {**RITA, "service_request_id": api.posted(STREET)}).status == 200

    refused = ask(api, {**RITA, "service_request_id": api.posted(STREET)})

    assert refused.status == 429
    # Also for what they follow already: else the answer would tell that.
    connection.execute("update follower set confirmed_at = now()")
    followed = rows(connection, "select r.number from follower f join service_request r on r.id = f.request_id limit 1")
    assert ask(api, {**RITA, "service_request_id": followed[0][0]}).status == 429
    assert rows(connection, "select count(*) from follower") == [(5,)]
    assert ask(api, {"email": "ron@example.org", "service_request_id": api.posted(STREET)}).status == 200


def test_a_district_is_followed_by_its_layer_and_code(api: Api, connection: "Connection[Any]") -> None:
    ((layer, code),) = rows(
        connection,
        "select l.code, b.code from boundary b join layer l on l.id = b.layer_id join jurisdiction j"
        " on j.id = b.jurisdiction_id where j.slug = 'seattle.gov' and l.code = 'council' order by b.code limit 1",
    )

    assert ask(api, {**RITA, "district": f"{layer}:{code}", "rhythm": "day"}).status == 200
    assert rows(connection, "select boundary_code, rhythm, told_until is not null from follower") == [(code, "day", True)]


def test_a_circle_is_followed_by_its_middle_and_radius(api: Api, connection: "Connection[Any]") -> None:
    assert ask(api, {**RITA, "lat": "47.6", "long": "-122.3", "radius": "250"}).status == 200
    assert rows(connection, "select radius_metres, rhythm from follower") == [(250, "week")]


@pytest.mark.parametrize(
    ("form", "status", "named"),
    [
        ({}, 400, "email"),
        ({**RITA}, 400, "service_request_id"),
        ({"email": "rita@example.org, ron@example.org", "district": "council:1"}, 400, "email"),
        ({"email": "rita", "district": "council:1"}, 400, "email"),
        ({"email": f"{'r' * 250}@example.org", "district": "council:1"}, 400, "email"),
        ({**RITA, "district": "council:1", "service_request_id": "x"}, 400, "one only"),
        ({**RITA, "district": "council"}, 400, "district"),
        ({**RITA, "district": "council:nowhere"}, 404, "council:nowhere"),
        ({**RITA, "service_request_id": "no-such-one"}, 404, "no-such-one"),
        ({**RITA, "lat": "47.6", "long": "-122.3"}, 400, "radius"),
        ({**RITA, "radius": "50"}, 400, "radius"),
        ({**RITA, "lat": "47.6", "long": "-122.3", "radius": "0"}, 400, "radius"),
        ({**RITA, "lat": "47.6", "long": "-122.3", "radius": "5001"}, 400, "radius"),
        ({**RITA, "lat": "47.6", "long": "-122.3", "radius": "1e3"}, 400, "radius"),
        ({**RITA, "lat": "x", "long": "-122.3", "radius": "50"}, 400, "lat"),
        ({**RITA, "district": "council:1", "rhythm": "hour"}, 400, "rhythm"),
        ({**RITA, "district": "council:1", "language": "fr"}, 400, "language"),
        ({**RITA, "district": "council:1", "api_key": "wrong"}, 403, "api_key"),
    ],
)
def test_what_cannot_be_followed_is_named(
    api: Api, connection: "Connection[Any]", form: dict[str, str], status: int, named: str
) -> None:
    answer = ask(api, form)

    assert answer.status == status
    assert named in answer.text
    assert rows(connection, "select count(*) from message") == [(0,)]


def test_what_the_public_does_not_see_cannot_be_followed(api: Api, connection: "Connection[Any]") -> None:
    api.post(TIP)
    ((number,),) = rows(connection, "select number from service_request where not is_public")

    assert ask(api, {**RITA, "service_request_id": number}).status == 404


def test_without_a_key_to_sign_links_nobody_is_asked(api: Api, app: Flask) -> None:
    number = api.posted(STREET)
    app.config["OPEN311"] = replace(app.config["OPEN311"], secret_key="")

    answer = ask(api, {**RITA, "service_request_id": number})

    assert answer.status == 503
    assert "SECRET_KEY" in answer.text
