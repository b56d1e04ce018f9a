"""How a city's departments work: read from the files of its folder, put in place, read back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

from marshmallow import Schema
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from db import Base, driver_connection
from open311.city.lines import BadFile, Lines, Path_, load_list
from open311.city.rules import Known
from open311.city.targets import read_targets
from open311.models import (
    Article,
    CaseStatus,
    ClosingReason,
    Jurisdiction,
    Ladder,
    MessageText,
    PhasePlan,
    RequestUpdate,
    Service,
    ServiceRequest,
    ServiceTarget,
)
from open311.reports.changes import let_earlier_writers_end
from routing.models import Department
from schemas.casework import TargetSchema
from schemas.working import (
    STANDARD_STATUSES,
    ArticleSchema,
    ClosingReasonSchema,
    LadderSchema,
    PlanSchema,
    StatusSchema,
    TextSchema,
)

Item = Mapping[str, Any]
# Where something is wrong, and a sentence.
Problem = tuple[Path_, str]

# Name of a file, without .yml: the form of its items.
FILES: Mapping[str, type[Schema]] = {
    "statuses": StatusSchema,
    "closing_reasons": ClosingReasonSchema,
    "texts": TextSchema,
    "targets": TargetSchema,
    "plans": PlanSchema,
    "ladders": LadderSchema,
    "articles": ArticleSchema,
}
# By kind of item, what tells one from the others; calendars.yml is read by open311.city.calendars.
IDENTITY: Mapping[str, tuple[str, ...]] = {
    "statuses": ("code",),
    "closing_reasons": ("code",),
    "texts": ("status", "reason", "service_code", "language"),
    "targets": ("service_code", "group", "valid_from"),
    "plans": ("service_code",),
    "ladders": ("code",),
    "articles": ("code", "language"),
    "calendars": ("code",),
}
# Those whose items belong to the whole city or to a department.
OWNED = ("closing_reasons", "texts", "targets", "plans", "ladders", "articles")
NEEDED_STATUSES = {"open": "open", "closed": "closed"}


@dataclass(frozen=True, kw_only=True)
class Working:
    """The items of each file, as its schema loads them."""

    statuses: Sequence[Item]
    closing_reasons: Sequence[Item]
    texts: Sequence[Item]
    targets: Sequence[Item]
    plans: Sequence[Item]
    ladders: Sequence[Item]
    articles: Sequence[Item]


def read_working(folder: Path, known: Known) -> Working:
    """The files of a folder that are there, checked against one another; raises BadFile with every problem.

    Without statuses.yml the city has the standard statuses.
    """
    items: dict[str, Sequence[Item]] = dict.fromkeys(FILES, ())
    items["statuses"] = STANDARD_STATUSES
    lines: dict[str, Lines] = {}
    problems: list[str] = []
    for name, schema in FILES.items():
        path = folder / f"{name}.yml"
        if not path.exists():
            continue
        try:
            if name == "targets":
                items[name] = read_targets(path, known)
            else:
                items[name], lines[name] = load_list(path, schema(), may_be_empty=True)
        except BadFile as error:
            problems += error.messages
    if problems:
        raise BadFile(problems)
    found = Working(**items)
    for name, read in lines.items():
        problems += [read.at(path, message) for path, message in problems_of(name, found, known)]
    if problems:
        raise BadFile(problems)
    return found


def problems_of(kind: str, found: Working, known: Known) -> list[Problem]:
    """What is wrong between the items of a file and what they name: where, and a sentence."""
    problems = list(_once(kind, getattr(found, kind)))
    for position, item in enumerate(getattr(found, kind)):
        problems += [
            ((position, *path), f"{'.'.join(str(each) for each in path if isinstance(each, str))}: {message}")
            for path, message in _CHECKS[kind](item, found, known)
        ]
        for name in ("department", "for_department"):
            if item.get(name) is not None and item[name] not in known.whole_departments:
                problems.append(((position, name), f"{name}: no department has the code {item[name]!r} (a unit is none)"))
    if kind == "ladders":
        problems += _two_of_one(found.ladders)
    if kind == "statuses":
        for code, status in NEEDED_STATUSES.items():
            if not any(each["code"] == code and each["status"] == status for each in found.statuses):
                problems.append(((), f"must have the status {code!r}, whose status is {status}"))
    return problems


def put_working(session: Session, city_id: int, given: Working) -> None:
    """Put these in place of what the city had.  Adds and flushes.

    Raises BadFile when a status that requests have is gone, or changes between open and closed.
    """
    departments = ids_by_code(session, city_id, Department)
    services = ids_by_code(session, city_id, Service)
    _put_statuses(session, city_id, given.statuses)

    def department(item: Item, name: str = "department") -> int | None:
        return departments[item[name]] if item[name] else None

    def service(item: Item) -> int | None:
        return services[item["service_code"]] if item["service_code"] else None

    rows: dict[type[Base], list[dict[str, Any]]] = {
        ClosingReason: [
            {"code": item["code"], "name": item["name"], "case_status": item["status"]} for item in given.closing_reasons
        ],
        MessageText: [
            {
                "case_status": item["status"],
                "reason": item["reason"],
                "service_id": service(item),
                "language": item["language"],
                "words": item["text"],
            }
            for item in given.texts
        ],
        ServiceTarget: [
            {"service_id": service(item), "service_group": item["group"], "details": as_json(item)} for item in given.targets
        ],
        PhasePlan: [{"service_id": service(item), "details": dict(item)} for item in given.plans],
        Ladder: [
            {
                "code": item["code"],
                "service_id": service(item),
                "for_department_id": department(item, "for_department"),
                "details": dict(item),
            }
            for item in given.ladders
        ],
        Article: [
            {
                "code": item["code"],
                "title": item["title"],
                "text": item["text"],
                "service_id": service(item),
                "service_group": item["group"],
                "language": item["language"],
                "keywords": list(item["keywords"]),
                "is_public": not item["private"],
            }
            for item in given.articles
        ],
    }
    for (table, values), kind in zip(rows.items(), OWNED, strict=True):
        session.execute(delete(table).where(table.jurisdiction_id == city_id))  # type: ignore[attr-defined]
        session.add_all(
            table(jurisdiction_id=city_id, position=position, department_id=department(item), **row)
            for position, (row, item) in enumerate(zip(values, getattr(given, kind), strict=True), start=1)
        )
    renew(session, city_id)
    session.flush()


def ids_by_code(session: Session, city_id: int, table: Any) -> dict[str, int]:
    """The ids of a city's departments, or services, by their codes."""
    rows = session.execute(select(table.code, table.id).where(table.jurisdiction_id == city_id))
    return {row.code: row.id for row in rows}


def one_load_at_a_time(session: Session) -> None:
    """Wait for who else puts a city's files in place, and let others wait until the transaction ends.  Raises StillWriting."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtext("open311 city load"))))
    # A city's files bring names, which the feed of changes tells of.
    let_earlier_writers_end(driver_connection(session))


def renew(session: Session, city_id: int) -> None:
    """Let every process read anew how the city works."""
    session.execute(
        update(Jurisdiction)
        .where(Jurisdiction.id == city_id)
        .values(casework_version=uuid4().hex)
        .execution_options(synchronize_session=False)
    )


def working_of(session: Session, city_id: int) -> Working:
    """What is in place, as the schemas loaded it."""

    def rows(table: Any) -> Sequence[Any]:
        return session.scalars(select(table).where(table.jurisdiction_id == city_id).order_by(table.position)).all()

    departments = {row_id: code for code, row_id in ids_by_code(session, city_id, Department).items()}
    services = {row_id: code for code, row_id in ids_by_code(session, city_id, Service).items()}
    return Working(
        statuses=[
            {
                "code": row.code,
                "name": row.name,
                "status": row.status,
                "wire": row.wire,
                "stops_clock": row.stops_clock,
                "next": list(row.next_codes),
            }
            for row in rows(CaseStatus)
        ],
        closing_reasons=[
            {
                "code": row.code,
                "name": row.name,
                "status": row.case_status,
                "department": departments.get(row.department_id),
            }
            for row in rows(ClosingReason)
        ],
        texts=[
            {
                "status": row.case_status,
                "reason": row.reason,
                "service_code": services.get(row.service_id),
                "language": row.language,
                "text": row.words,
                "department": departments.get(row.department_id),
            }
            for row in rows(MessageText)
        ],
        targets=[_as_loaded(row.details) for row in rows(ServiceTarget)],
        plans=[row.details for row in rows(PhasePlan)],
        ladders=[row.details for row in rows(Ladder)],
        articles=[
            {
                "code": row.code,
                "title": row.title,
                "service_code": services.get(row.service_id),
                "group": row.service_group,
                "language": row.language,
                "keywords": list(row.keywords),
                "private": not row.is_public,
                "text": row.text,
                "department": departments.get(row.department_id),
            }
            for row in rows(Article)
        ],
    )


def as_json(item: Item) -> dict[str, Any]:
    """An item as JSON has it, dates as text."""
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in item.items()}


def _as_loaded(details: Item) -> dict[str, Any]:
    dates = {name: date.fromisoformat(details[name]) for name in ("valid_from", "valid_to") if details[name]}
    return {**details, **dates}


def _put_statuses(session: Session, city_id: int, given: Sequence[Item]) -> None:
    found = {row.code: row for row in session.scalars(select(CaseStatus).where(CaseStatus.jurisdiction_id == city_id))}
    wanted = {item["code"] for item in given}
    problems = []
    for code in sorted(found.keys() - wanted):
        used = _count(session, ServiceRequest, city_id, code)
        told = _count(session, RequestUpdate, city_id, code)
        if used or told:
            problems.append(f"statuses.yml:1: the status {code!r} is gone, and {used} requests and {told} updates have it")
    for item in given:
        row = found.get(item["code"])
        used = _count(session, ServiceRequest, city_id, item["code"]) if row and row.status != item["status"] else 0
        if row is not None and used:
            turned = f"the status {row.code!r} is {row.status} and cannot become {item['status']}"
            problems.append(f"statuses.yml:1: {turned}: {used} requests have it")
    if problems:
        raise BadFile(problems)
    for code in found.keys() - wanted:
        session.delete(found[code])
    for position, item in enumerate(given, start=1):
        row = found.get(item["code"])
        if row is None:
            row = CaseStatus(jurisdiction_id=city_id, code=item["code"])
            session.add(row)
        row.name, row.status, row.wire = item["name"], item["status"], item["wire"]
        row.stops_clock, row.next_codes, row.position = item["stops_clock"], list(item["next"]), position
    session.flush()


def _count(session: Session, table: Any, city_id: int, status: str) -> int:
    rows = select(func.count()).select_from(table).where(table.jurisdiction_id == city_id, table.case_status == status)
    return session.scalars(rows).one()


def _once(kind: str, items: Sequence[Item]) -> list[Problem]:
    """The items that say again what one before them says."""
    names, seen = IDENTITY[kind], set()
    problems: list[Problem] = []
    for position, item in enumerate(items):
        identity = tuple(item[name] for name in names)
        if identity in seen:
            said = ", ".join(f"{name} {value!r}" for name, value in zip(names, identity, strict=True) if value)
            problems.append(((position, names[0]), f"{names[0]}: {said or 'every service'} stands twice"))
        seen.add(identity)
    return problems


def _two_of_one(ladders: Sequence[Item]) -> list[Problem]:
    """The ladders of what another is of already: only the first would ever be climbed."""
    seen: dict[tuple[Any, ...], str] = {}
    problems: list[Problem] = []
    for position, item in enumerate(ladders):
        whose = (item["service_code"], item["for_department"])
        if whose in seen:
            named = item["service_code"] or item["for_department"] or "everything else"
            problems.append(
                ((position, "code"), f"code: {item['code']!r} is a second ladder of {named}, beside {seen[whose]!r}")
            )
        seen.setdefault(whose, item["code"])
    return problems


Check = Callable[[Item, Working, Known], list[Problem]]


def _status(item: Item, found: Working, known: Known) -> list[Problem]:
    codes = {each["code"] for each in found.statuses}
    problems: list[Problem]
    problems = [(("next", at), f"there is no status {code!r}") for at, code in enumerate(item["next"]) if code not in codes]
    return problems


def _closing_reason(item: Item, found: Working, known: Known) -> list[Problem]:
    closing = [each["code"] for each in found.statuses if each["status"] == "closed"]
    if item["status"] in closing:
        return []
    return [(("status",), f"must be a status that is closed ({', '.join(closing)}), got {item['status']!r}")]


def _text(item: Item, found: Working, known: Known) -> list[Problem]:
    problems: list[Problem] = _known_service(item, known)
    if item["status"] not in {each["code"] for each in found.statuses}:
        problems.append((("status",), f"there is no status {item['status']!r}"))
    if item["reason"] is not None and item["reason"] not in {each["code"] for each in found.closing_reasons}:
        problems.append((("reason",), f"there is no closing reason {item['reason']!r}"))
    return problems


def _plan(item: Item, found: Working, known: Known) -> list[Problem]:
    problems: list[Problem] = _known_service(item, known)
    for at, phase in enumerate(item["phases"]):
        inner: list[Problem] = _known_service(phase, known)
        if phase["department"] is not None and phase["department"] not in known.departments:
            inner.append((("department",), f"no department has the code {phase['department']!r}"))
        if phase["target"] is not None:
            inner += [(("target", *path), message) for path, message in _known_calendar(phase["target"], known)]
        problems += [(("phases", at, *path), message) for path, message in inner]
    return problems


def _ladder(item: Item, found: Working, known: Known) -> list[Problem]:
    problems = _known_service(item, known)
    for at, step in enumerate(item["steps"]):
        of = known.services if item["service_code"] is None else {item["service_code"]}
        asked = {attribute for code in of for attribute in known.services.get(code, ())}
        if step["attribute"] is not None and step["attribute"] not in asked:
            problems.append((("steps", at, "attribute"), f"{item['service_code'] or 'the city'} asks no {step['attribute']!r}"))
    return problems


def _article(item: Item, found: Working, known: Known) -> list[Problem]:
    problems: list[Problem] = _known_service(item, known)
    if item["group"] is not None and item["group"] not in known.groups:
        problems.append((("group",), f"no service is of the group {item['group']!r}"))
    return problems


def _known_service(item: Item, known: Known) -> list[Problem]:
    code = item["service_code"]
    return [] if code is None or code in known.services else [(("service_code",), f"there is no service {code!r}")]


def _known_calendar(item: Item, known: Known) -> list[Problem]:
    code = item.get("calendar")
    return [] if code is None or code in known.calendars else [(("calendar",), f"there is no calendar {code!r}")]


_CHECKS: Mapping[str, Check] = {
    "statuses": _status,
    "closing_reasons": _closing_reason,
    "texts": _text,
    "plans": _plan,
    "ladders": _ladder,
    "articles": _article,
}
