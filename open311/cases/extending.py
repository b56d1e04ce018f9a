"""What extensions=true adds to requests: their attributes beyond the specification, and their notes.  Source: spec 5.1."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, Text, and_, bindparam, case, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.orm import aliased

from db.driver import Statement
from open311.cases.casework import Casework, casework
from open311.models import Media, RequestClock, RequestEvent, RequestPhase, RequestUpdate, ServiceAttribute, ServiceRequest
from open311.reports.open_rows import DISTRICTS
from routing.models import Department
from schemas.working import PRIORITIES

Row = tuple[Any, ...]

# kind of a fact that everybody may know: the note's type.  What is said in words comes from the public updates.
_NOTES = {
    "received": "submitted",
    "routed": "opened",
    "phase_opened": "follow_on_created",
    "phase_done": "follow_on_closed",
    "phase_skipped": "follow_on_closed",
    "reopened": "opened",
}


def extended(
    connection: "Connection[Any]", ids: Sequence[int], *, jurisdiction_id: int, public_url: str, now: datetime
) -> dict[int, tuple[Row, list[Row]]]:
    """By id of the request: a row of schemas.request.ExtendedSchema, and its notes, oldest first (NoteSchema).

    Only what everybody may know: no person, no note within the city, no answer in words of their own.
    """
    key: dict[str, Any] = {"jurisdiction_id": jurisdiction_id, "ids": list(ids)}
    work = casework(connection, jurisdiction_id)
    phases: dict[int, list[Row]] = defaultdict(list)
    for row in _PHASES.run(connection, **key):
        phases[row.request_id].append(
            (
                row.code,
                row.name,
                row.state,
                row.agency,
                row.opened_at,
                row.due_at if row.state == "open" else None,
                row.ended_at,
            )
        )
    files: dict[int, list[Row]] = defaultdict(list)
    for row in _MEDIA.run(connection, **key, public_url=public_url):
        files[row.request_id].append((row.url, row.thumbnail_url, row.content_type))
    notes: dict[int, list[tuple[Any, int, Row]]] = defaultdict(list)
    numbers: dict[int, str] = {}
    found: dict[int, tuple[Row, list[Row]]] = {}
    answers: dict[int, list[Row]] = defaultdict(list)
    for row in _ANSWERS.run(connection, **key):
        answers[row.request_id].append((row.code, row.description, *_answered(row)))
    for row in _ABOUT.run(connection, **key, now=now):
        numbers[row.id] = row.number
        about = (
            row.channel,
            row.case_status,
            work.statuses[row.case_status].name,
            row.unit,
            PRIORITIES[row.priority],
            row.times_reopened,
            phases[row.id],
            [url for url, _, _ in files[row.id]],
            # Of what is shown as media_url, which is the first.
            files[row.id][0][1] if files[row.id] else None,
            files[row.id],
            row.parent_number,
            row.reported_by,
            row.duplicates,
            row.districts,
            answers[row.id],
        )
        found[row.id] = (about, [])
    for row in _EVENTS.run(connection, **key, kinds=list(_NOTES)):
        note = _note(row.kind, row.facts, numbers.get(row.request_id, ""))
        if note is not None:
            notes[row.request_id].append((row.at, 0, (row.at, *note)))
    for row in _UPDATES.run(connection, **key):
        notes[row.request_id].append((row.updated_at, 1, (row.updated_at, *_told(work, row))))
    for request_id, (_, listed) in found.items():
        listed += [note for _, _, note in sorted(notes[request_id], key=lambda each: each[:2])]
    return found


def _answered(row: Any) -> tuple[str, str]:
    """The keys of an answer, and their names, where the question has a list of them."""
    keys = row.answer if isinstance(row.answer, list) else [row.answer]
    names = {value["key"]: value["name"] for value in row.values}
    return ", ".join(map(str, keys)), ", ".join(str(names.get(key, key)) for key in keys)


def _note(kind: str, facts: Mapping[str, Any], number: str) -> tuple[str, str, str | None, Row | None] | None:
    """(type, summary, description, extended attributes) of a fact; None for what is no news."""
    type_ = _NOTES[kind]
    if kind == "received":
        return type_, "Request submitted", None, None
    if kind == "routed":
        # Why it went there first; later decisions show as what they changed.
        return None if facts.get("cause") else (type_, "Request opened", facts.get("reason"), None)
    if kind == "reopened":
        return type_, "Request opened again", None, None
    about = (number, facts.get("name") or facts.get("phase"), facts.get("department"))
    summary = {"phase_opened": "begins", "phase_done": "is done", "phase_skipped": "was left out"}[kind]
    return type_, f"{about[1]} {summary}", None, about


def _told(work: Casework, row: Any) -> tuple[str, str, str | None, Row | None]:
    status = work.statuses.get(row.case_status)
    is_closed = status is not None and status.is_closed
    return "closed" if is_closed else "activity", status.name if status else row.case_status, row.description, None


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_IDS: Any = bindparam("ids", type_=ARRAY(BigInteger))
_PUBLIC_URL: Any = bindparam("public_url", type_=Text)
_UNIT, _DEPARTMENT = aliased(Department, name="unit"), aliased(Department, name="parent")
_PARENT, _CHILD = aliased(ServiceRequest, name="followed"), aliased(ServiceRequest, name="following")

_ABOUT = Statement(
    select(
        ServiceRequest.id,
        ServiceRequest.number,
        ServiceRequest.channel,
        ServiceRequest.case_status,
        _UNIT.name.label("unit"),
        ServiceRequest.priority,
        ServiceRequest.times_reopened,
        _PARENT.number.label("parent_number"),
        (
            select(func.count() + literal_column("1"))
            .select_from(_CHILD)
            .where(_CHILD.jurisdiction_id == _CITY, _CHILD.parent_id == func.coalesce(_PARENT.id, ServiceRequest.id))
            .scalar_subquery()
        ).label("reported_by"),
        func.coalesce(
            select(func.array_agg(aggregate_order_by(_CHILD.number, _CHILD.id), type_=ARRAY(Text)))
            .where(_CHILD.jurisdiction_id == _CITY, _CHILD.parent_id == ServiceRequest.id, _CHILD.is_public)
            .scalar_subquery(),
            literal_column("'{}'::text[]"),
        ).label("duplicates"),
        DISTRICTS.label("districts"),
    )
    .outerjoin(
        _PARENT,
        and_(_PARENT.jurisdiction_id == _CITY, _PARENT.id == ServiceRequest.parent_id, _PARENT.is_public),
    )
    .outerjoin(_UNIT, and_(_UNIT.jurisdiction_id == _CITY, _UNIT.id == ServiceRequest.unit_id))
    .where(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == func.any(_IDS), ServiceRequest.is_public)
)
_ANSWERS = Statement(
    select(
        ServiceRequest.id.label("request_id"),
        ServiceAttribute.code,
        ServiceAttribute.description,
        ServiceAttribute.values,
        ServiceRequest.attributes.op("->")(ServiceAttribute.code).label("answer"),
    )
    .join(
        ServiceAttribute,
        and_(ServiceAttribute.jurisdiction_id == _CITY, ServiceAttribute.service_id == ServiceRequest.service_id),
    )
    .where(
        ServiceRequest.jurisdiction_id == _CITY,
        ServiceRequest.id == func.any(_IDS),
        ServiceRequest.attributes.has_key(ServiceAttribute.code),
        # In words of their own people say who and where they are.
        ServiceAttribute.datatype.not_in([literal_column("'string'"), literal_column("'text'")]),
        ServiceAttribute.variable,
    )
    .order_by(ServiceRequest.id, ServiceAttribute.position)
)
_PHASES = Statement(
    select(
        RequestPhase.request_id,
        RequestPhase.code,
        RequestPhase.name,
        RequestPhase.state,
        _DEPARTMENT.name.label("agency"),
        RequestPhase.opened_at,
        RequestClock.due_at,
        RequestPhase.ended_at,
    )
    .join(_DEPARTMENT, and_(_DEPARTMENT.jurisdiction_id == _CITY, _DEPARTMENT.id == RequestPhase.department_id))
    .outerjoin(
        RequestClock,
        and_(
            RequestClock.jurisdiction_id == _CITY,
            RequestClock.request_id == RequestPhase.request_id,
            RequestClock.phase_id == RequestPhase.id,
        ),
    )
    .where(RequestPhase.jurisdiction_id == _CITY, RequestPhase.request_id == func.any(_IDS))
    .order_by(RequestPhase.request_id, RequestPhase.position, RequestPhase.id)
)
_MEDIA = Statement(
    select(
        Media.request_id,
        case((Media.path.startswith("/"), _PUBLIC_URL + Media.path), else_=Media.path).label("url"),
        (_PUBLIC_URL + Media.thumbnail_path).label("thumbnail_url"),
        Media.content_type,
    )
    .where(Media.jurisdiction_id == _CITY, Media.request_id == func.any(_IDS))
    .order_by(Media.request_id, Media.position)
)
_EVENTS = Statement(
    select(RequestEvent.request_id, RequestEvent.id, RequestEvent.at, RequestEvent.kind, RequestEvent.facts)
    .where(
        RequestEvent.jurisdiction_id == _CITY,
        RequestEvent.request_id == func.any(_IDS),
        RequestEvent.kind == func.any(bindparam("kinds", type_=ARRAY(Text))),
    )
    .order_by(RequestEvent.request_id, RequestEvent.id)
)
_UPDATES = Statement(
    select(RequestUpdate.request_id, RequestUpdate.updated_at, RequestUpdate.case_status, RequestUpdate.description)
    .where(RequestUpdate.jurisdiction_id == _CITY, RequestUpdate.request_id == func.any(_IDS))
    .order_by(RequestUpdate.request_id, RequestUpdate.updated_at, RequestUpdate.id)
)
