"""Treeville at work: requests that come in with words, the people who work them, and what clocks and alerts then say."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from open311 import accounts
from open311.accounts import AskedRole
from open311.actors import Actor
from open311.cases import intake
from open311.cases.intake import Draft
from open311.services import find_service
from tests.cases.smallville import IN_WEST, Smallville

# who: the role that they have.
PEOPLE = {
    "Carla": AskedRole(role="call_taker"),
    "Wim": AskedRole(role="department", department_code="WORKS"),
    "Eve": AskedRole(role="department", department_code="works-east"),
    "Wanda": AskedRole(role="supervisor", department_code="WORKS"),
    "Pat": AskedRole(role="department", department_code="PARKS"),
    "Hal": AskedRole(role="department", department_code="HALL"),
    "Olga": AskedRole(role="council_office", district=("ward", "W")),
    "Edna": AskedRole(role="council_office", district=("ward", "E")),
    "Ada": AskedRole(role="administrator"),
}


class Working(Smallville):
    """A city whose folder says how it works, with a person for each role."""

    def staff(self, *, now: datetime) -> dict[str, Actor]:
        """Everybody of PEOPLE, by name."""
        people = {}
        for name, asked in PEOPLE.items():
            email = f"{name.lower()}@small.gov"
            account_id = accounts.create_account(self.connection, email, name, password=None, now=now)
            accounts.grant(self.connection, email, asked, self.city, now=now)
            people[name] = accounts.actor_of(accounts.account(self.connection, account_id), self.city)
        return people

    def take(
        self,
        service: str = "tree",
        *,
        at: datetime,
        words: str | None = None,
        answers: dict[str, Any] | None = None,
        by: Actor | None = None,
        point: Any = IN_WEST,
        channel: str = "phone",
    ) -> str:
        """The number of a request that comes in at a moment."""
        draft = Draft(
            service=find_service(self.connection, service, jurisdiction_id=self.city.id).new,
            decision=self.route(point, at=at, service=service),
            point=point,
            description=words,
            answers=answers or {},
            by=by,
            channel=channel,
        )
        number = intake.receive(self.connection, draft, jurisdiction_id=self.city.id, now=at).number
        assert number is not None
        return number

    def phases(self, number: str) -> dict[str, tuple[str, str]]:
        """By code of a phase: how it stands, and the code of whose it is."""
        return {
            row.code: (row.state, row.desk)
            for row in self.rows(
                "select p.code, p.state, d.code as desk from request_phase p join service_request r on r.id = p.request_id"
                " join department d on d.id = coalesce(p.unit_id, p.department_id) where r.number = %s"
                " order by p.position, p.id",
                number,
            )
        }

    def alerts(self, number: str) -> list[tuple[str, str, str]]:
        """(kind, department, role) of each alert, in the order in which they were given."""
        return [
            (row.kind, row.code, row.role)
            for row in self.rows(
                "select a.kind, d.code, a.role from alert a join department d on d.id = a.department_id"
                " join service_request r on r.id = a.request_id where r.number = %s order by a.id",
                number,
            )
        ]

    def clocks(self, number: str) -> dict[str | None, Any]:
        """By code of a phase, or None for the request: its row, with due_at, next_step_at, stopped_at."""
        return {
            row.phase: row
            for row in self.rows(
                "select c.*, p.code as phase from request_clock c join service_request r on r.id = c.request_id"
                " left join request_phase p on p.id = c.phase_id where r.number = %s",
                number,
            )
        }

    def told(self, number: str) -> list[tuple[str, str | None]]:
        """(status, words) of what the public was told, the oldest first."""
        return [
            (row.case_status, row.description)
            for row in self.rows(
                "select u.case_status, u.description from request_update u join service_request r on r.id = u.request_id"
                " where r.number = %s order by u.id",
                number,
            )
        ]

    def kinds(self, number: str) -> Sequence[str]:
        """The kinds of what happened, in order."""
        return [row.kind for row in self.events(number)]
