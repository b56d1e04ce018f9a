"""How far our routing agrees with what a city recorded."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, bindparam, select

from db.driver import Statement
from open311.cases.importing import BATCH_ROWS, Batch, placed_by_address, read_cases, services_named
from open311.cases.recorded import ExportMapping, rows_of
from open311.city.lines import BadFile
from open311.jurisdictions import City
from routing.models import Department


@dataclass
class Agreement:
    """How far our routing agrees with what a city recorded, counted in cases."""

    cases: int = 0
    located: int = 0
    department: int = 0
    unit: int = 0

    def as_shares(self) -> dict[str, Any]:
        """{"cases", "located", "department", "queue"}: two counts, and two shares of all cases."""
        total = max(self.cases, 1)
        return {
            "cases": self.cases,
            "located": self.located,
            "department": round(self.department / total, 4),
            "queue": round(self.unit / total, 4),
        }


def score(
    connection: "Connection[Any]",
    city: City,
    path: Path,
    mapping: ExportMapping,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    at: datetime | None = None,
    now: datetime,
) -> Iterator[Agreement]:
    """The agreement so far after each batch; nothing is kept.  A service or department we do not know agrees with nothing.

    since, until: only cases opened between them (`until` is not part of it).  at: by the rules and maps in force then, not
    by those of each case's own day.
    Raises BadFile with the lines of a batch that cannot be read.
    """
    services = services_named(connection, city, mapping)
    found, batch = Agreement(), Batch(connection, city, at=at)
    names = {kind: _names(connection, city, mapping.match[kind]) for kind in ("department", "unit")}
    rows = rows_of(path, mapping)
    while chunk := list(islice(rows, BATCH_ROWS)):
        cases, problems = read_cases(chunk, path, mapping, moved=timedelta(), now=now)
        if problems:
            raise BadFile(problems)
        cases = [
            each
            for each in cases
            if (since is None or each.requested_at >= since) and (until is None or each.requested_at < until)
        ]
        cases = placed_by_address(connection, city, cases)
        known = [each for each in cases if each.service in services]
        answering = batch.answering((each, services[each.service].id, services[each.service].service_group) for each in known)
        found.cases += len(cases)
        found.located += sum(1 for each in cases if each.point is not None)
        for each in known:
            department_id, unit_id = answering[each.line]
            recorded_unit = names["unit"].get(each.unit or "")
            found.department += department_id == names["department"].get(each.department or "")
            found.unit += recorded_unit is not None and recorded_unit == (unit_id or department_id)
        yield found


def _names(connection: "Connection[Any]", city: City, match: str) -> dict[str, int]:
    column = Department.code if match == "code" else Department.name
    named = Statement(
        select(column.label("named"), Department.id).where(
            Department.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger)
        )
    )
    return {row.named: row.id for row in named.run(connection, jurisdiction_id=city.id)}
