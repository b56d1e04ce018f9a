"""The letter to who asks for what they reported, as the worker writes and sends it."""

from typing import Any

import pytest
from flask import Flask
from psycopg import Connection

from open311.people import own as own_reports
from open311.people.own import ask_later
from tests.cases.conftest import Worker, until
from tests.cases.working import Working
from tests.people.conftest import report

MARIA, NOBODY = "maria@example.org", "nobody@example.org"
LETTERS = "select state, error from message where event = 'own'"


def test_the_worker_writes_to_who_reported_and_to_nobody_else(
    app: Flask, own_trees: Working, own: "Connection[Any]", start_worker: Worker
):
    report(own_trees, "a hole", {"email": MARIA})
    for email in (MARIA, NOBODY):
        ask_later(own_trees.connection, email, jurisdiction_id=own_trees.city.id, language="es")
    own_trees.session.commit()

    start_worker()

    # It has no address of the service to put into a link, and says so; what was done leaves no address in the queue.
    until(own, f"{LETTERS} and state = 'dead'")
    until(own, "select 1 where not exists (select 1 from procrastinate_jobs where task_name = 'write_to_reporter')")
    (letter,) = own.execute(LETTERS).fetchall()
    assert "OPEN311_PUBLIC_URL" in letter.error


def test_a_job_that_fails_leaves_no_address_behind(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def broken(*_arguments: Any, **_names: Any) -> None:
        raise RuntimeError("ann@example.org is in this text")

    monkeypatch.setattr(own_reports, "write", broken)

    own_reports.write_to_reporter(jurisdiction_id=1, email="ann@example.org", language="en")

    said = "".join(capsys.readouterr())
    assert "could not be written" in said
    assert "ann@example.org" not in said
