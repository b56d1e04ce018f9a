"""Tokens: a batch request has one until, and after, it has a number."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from psycopg import Connection

from db import db
from open311.cases import intake
from open311.cases.numbering import give_number
from tests.api.wire import NOISE, STREET, Api, in_both_formats
from tests.factories import DAY, HOUR, NOW, Factory


def _number_it(connection: "Connection[Any]", token: str) -> str | None:
    row = connection.execute("select jurisdiction_id, id from service_request where token = %s", [token]).fetchone()
    assert row is not None
    return give_number(connection, jurisdiction_id=row[0], request_id=row[1], now=NOW)


@pytest.mark.statement(44)
def test_a_pending_token_has_no_number_in_json(api: Api) -> None:
    token = api.post(NOISE).row["token"]

    answer = api.get(f"tokens/{token}")

    assert answer.status == 200
    assert answer.content == [{"token": token}]


@pytest.mark.statement(44)
def test_a_pending_token_has_an_empty_number_in_xml(api: Api) -> None:
    token = api.post(NOISE).row["token"]

    answer = api.get(f"tokens/{token}", "xml")

    assert answer.status == 200
    assert answer.body.endswith(
        f"<service_requests><request><service_request_id/><token>{token}</token></request></service_requests>".encode()
    )


@pytest.mark.statement(44)
def test_a_job_waits_to_number_it(api: Api, connection: "Connection[Any]") -> None:
    token = api.post(NOISE).row["token"]

    jobs = connection.execute("select task_name, status, args from procrastinate_jobs").fetchall()

    row = connection.execute("select jurisdiction_id, id from service_request where token = %s", [token]).fetchone()
    assert row is not None
    assert jobs == [("number_request", "todo", {"jurisdiction_id": row[0], "request_id": row[1]})]


@pytest.mark.statement(44)
def test_the_job_and_the_request_are_kept_together_or_not_at_all(
    api: Api, connection: "Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_after(*args: Any, **kwargs: Any) -> None:
        receive(*args, **kwargs)
        assert connection.execute("select count(*) from procrastinate_jobs").fetchone() == (1,)
        raise RuntimeError("the line went dead")

    receive = intake.receive
    monkeypatch.setattr(intake, "receive", fail_after)

    assert api.post(NOISE).status == 500
    assert connection.execute("select count(*) from procrastinate_jobs").fetchone() == (0,)
    assert connection.execute("select count(*) from service_request").fetchone() == (0,)


@pytest.mark.statement(44)
def test_a_realtime_report_leaves_no_job(api: Api, connection: "Connection[Any]") -> None:
    api.posted(STREET)

    assert connection.execute("select count(*) from procrastinate_jobs").fetchone() == (0,)


@pytest.mark.statement(44)
@in_both_formats
def test_a_request_without_a_number_is_not_listed(api: Api, format: str) -> None:
    token = api.post(NOISE).row["token"]

    assert api.get("requests", format).rows == []
    assert api.get(f"requests/{token}", format).status == 404
    assert api.get("requests", format, service_request_id=token).rows == []


@pytest.mark.statement(45)
@in_both_formats
def test_a_numbered_token_has_both_as_often_as_it_is_asked(api: Api, connection: "Connection[Any]", format: str) -> None:
    token = api.post(NOISE).row["token"]
    number = _number_it(connection, token)

    first, second = api.get(f"tokens/{token}", format), api.get(f"tokens/{token}", format)

    assert first.row == {"service_request_id": number, "token": token}
    assert second.body == first.body


@pytest.mark.statement(45)
@in_both_formats
def test_a_numbered_request_is_read_by_its_number(api: Api, connection: "Connection[Any]", format: str) -> None:
    token = api.post({**NOISE, "description": "A stuck alarm"}).row["token"]
    number = _number_it(connection, token)

    row = api.get(f"requests/{number}", format).row

    assert (row["service_request_id"], row["description"], row["status"]) == (number, "A stuck alarm", "open")
    assert api.get("requests", format).ids == [number]


@pytest.mark.statement(45)
def test_a_request_is_numbered_once(api: Api, connection: "Connection[Any]") -> None:
    token = api.post(NOISE).row["token"]
    number = _number_it(connection, token)

    assert _number_it(connection, token) is None
    assert api.get(f"tokens/{token}").row["service_request_id"] == number


@pytest.mark.statement(45)
def test_a_private_batch_request_is_numbered_and_not_shown(api: Api, connection: "Connection[Any]", make: Factory) -> None:
    make.service("noise", "seattle.gov").is_private = True
    db.session.flush()
    token = api.post(NOISE).row["token"]
    number = _number_it(connection, token)

    assert api.get(f"tokens/{token}").row["service_request_id"] == number
    assert api.get(f"requests/{number}").status == 404


@pytest.mark.statement(45)
def test_a_token_does_not_expire(api: Api, make: Factory) -> None:
    make.request("A-1", jurisdiction_id="seattle.gov", service_code="noise", token="T-1", age=1000 * DAY)

    assert api.get("tokens/T-1").row == {"service_request_id": "A-1", "token": "T-1"}


@pytest.mark.statement(46)
@in_both_formats
@pytest.mark.parametrize("token", ["nothing", "T-", "%20", "A-1", "T-1%00", "t-1"])
def test_an_unknown_token_is_404(api: Api, make: Factory, token: str, format: str) -> None:
    make.request("A-1", jurisdiction_id="seattle.gov", service_code="noise", token="T-1")

    answer = api.ask(f"tokens/{token}.{format}?jurisdiction_id=seattle.gov", format)

    assert answer.status == 404
    assert answer.problem.startswith("token ")


def test_a_request_counts_as_changed_when_it_gets_its_number(client: FlaskClient, make: Factory, connection: Any) -> None:
    waiting = make.request(jurisdiction_id="seattle.gov", service_code="noise", is_public=False, token="T-1", age=3 * HOUR)
    connection.execute("update service_request set number = null where id = %s", [waiting.id])

    give_number(connection, jurisdiction_id=waiting.jurisdiction_id, request_id=waiting.id, now=NOW)

    since = {"jurisdiction_id": "seattle.gov", "updated_after": (NOW - HOUR).isoformat()}
    listed = client.get("/open311/v2/requests.json", query_string=since).json
    assert [row["updated_datetime"] for row in listed] == [f"{NOW:%Y-%m-%dT%H:%M:%SZ}"]
