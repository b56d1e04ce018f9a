"""Two people who put rules in place at once: the second one's stand in the end, and none of the first's."""

import threading
from datetime import timedelta
from typing import Any

from psycopg import Connection
from sqlalchemy import select
from sqlalchemy.orm import Session

from open311.city.proposal import put_rules_file
from routing.models import RoutingRule
from tests.cases.conftest import waiting_for_a_lock, whole_second_ago
from tests.cases.smallville import IN_WEST, Smallville

SECOND = timedelta(seconds=1)


def test_rules_that_two_put_in_place_at_once_are_never_mixed(own_town: Smallville, own: "Connection[Any]"):
    first, second = (
        own_town.folder.write(f"{name}.csv", f"code,department\n{name},PARKS\nalike,HALL\n") for name in ("first", "second")
    )
    put_rules_file(own_town.session, own_town.city, first)

    def put_second() -> None:
        with Session(own_town.session.get_bind()) as session, session.begin():
            put_rules_file(session, own_town.city, second)

    other = threading.Thread(target=put_second)
    other.start()
    waiting_for_a_lock(own)
    own_town.session.commit()
    other.join()

    codes = own_town.session.scalars(select(RoutingRule.code).where(RoutingRule.jurisdiction_id == own_town.city.id))
    assert sorted(codes) == ["alike", "second"]


def test_nobody_who_reports_waits_for_rules_that_are_being_put_in_place(own_town: Smallville):
    file = own_town.folder.write("other.csv", "code,department\nall,PARKS\n")
    put_rules_file(own_town.session, own_town.city, file)

    with Session(own_town.session.get_bind()) as session, session.begin():
        reporting = own_town.through(session)
        reporting.connection.execute("set local lock_timeout = '2s'")
        number = reporting.report(IN_WEST, at=whole_second_ago())

    own_town.session.rollback()
    assert own_town.request(number).answers_for == "WORKS"
