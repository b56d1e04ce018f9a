"""How a request comes in: routed, stamped, kept with its history, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb
from sqlalchemy import BigInteger, Boolean, Text, and_, bindparam, func, insert, literal, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as upsert

from db.driver import Statement
from geo.point import Point
from geo.queries import make_point
from open311.actors import Actor
from open311.cases import deadlines, phases
from open311.cases.casework import Casework, Desk, casework
from open311.cases.escalation import heed_words, steps_for_words
from open311.cases.holding import Held, hold_new
from open311.cases.jobs import queue
from open311.cases.numbers import new_number, new_token
from open311.cases.stamps import STAMP
from open311.models import Media, Reporter, RequestEvent, Service, ServiceRequest
from open311.notify import outbox, webhooks
from routing.decision import Decision, candidates, decide
from routing.models import Department
from schemas.definition import Answers
from schemas.submission import PERSONAL_FIELDS


@dataclass(frozen=True, kw_only=True)
class NewService:
    """What intake must know of the service asked for."""

    id: int
    group: str
    type: str
    is_private: bool
    coarse_metres: int | None = None


@dataclass(frozen=True, kw_only=True)
class NewMedia:
    """A file of ours (a path beginning with "/") or an address that the client gave; taken_at: by the camera's word."""

    path: str
    content_type: str | None = None
    width_pixels: int | None = None
    height_pixels: int | None = None
    size_bytes: int | None = None
    thumbnail_path: str | None = None
    taken_at: Point | None = None


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A request that was found good and is to be received.

    found_how: how its point was found, for the history.  language: of the letters to its reporter.  by: the member of staff
    who took it in, None for a client.
    """

    service: NewService
    decision: Decision
    point: Point | None
    found_how: Mapping[str, Any] = field(default_factory=dict)
    address: str | None = None
    address_id: str | None = None
    description: str | None = None
    answers: Answers = field(default_factory=dict)
    person: Mapping[str, str] = field(default_factory=dict)
    media: Sequence[NewMedia] = ()
    channel: str = "app"
    language: str = "en"
    api_key_id: int | None = None
    client_reference: str | None = None
    by: Actor | None = None


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What the reporter may be told: a number, a token, or (blackbox) neither.  is_new: not a repeated POST.

    request_id: for who goes on with it in the same transaction, not to be told.
    """

    request_id: int
    number: str | None
    token: str | None
    is_new: bool = True


@dataclass(frozen=True, kw_only=True)
class Promise:
    """Who answers for a request, and by when it should be done; None: nothing is promised."""

    department: str
    expected_at: datetime | None


def route(
    connection: "Connection[Any]",
    *,
    jurisdiction_id: int,
    service: NewService,
    point: Point | None,
    answers: Answers,
    default_department_id: int,
    at: datetime,
    reported_at: datetime | None = None,
    unplaced_because: str | None = None,
) -> Decision:
    """Who would answer for a request of this service at this point (None: no place is known), and why.

    at: by the rules and maps in force then.  reported_at: when it came in, for calendars; `at` unless given.
    unplaced_because: an address was given that could not be placed; then the default department answers.
    """
    rows = _ROUTE.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        service_id=service.id,
        service_group=service.group,
        long=point.long if point else None,
        lat=point.lat if point else None,
        at=at,
        reported_at=reported_at or at,
        attributes=Jsonb(answers),
        default_department_id=default_department_id,
        is_unplaced=unplaced_because is not None,
    ).fetchall()
    return decide(rows, unplaced_because=unplaced_because)


def expected_at(
    connection: "Connection[Any]", service: NewService, decision: Decision, *, jurisdiction_id: int, now: datetime
) -> datetime | None:
    """By when a request that is received now would be done; None: nothing is promised."""
    _, _, promised = _promised(casework(connection, jurisdiction_id), service, decision, now=now)
    return promised.due_at if promised else None


def promised(connection: "Connection[Any]", *, jurisdiction_id: int, request_id: int) -> Promise:
    """What is promised of a request that is kept."""
    row = _PROMISED.run(connection, jurisdiction_id=jurisdiction_id, request_id=request_id).fetchall()[0]
    return Promise(department=row.name, expected_at=row.expected_at)


def receive(connection: "Connection[Any]", draft: Draft, *, jurisdiction_id: int, now: datetime) -> Receipt:
    """Keep a request: the row, its history, its stamp, who reported it, its media, its clock, the phases of its plan, and what
    its words call for; for a batch service the job that numbers it.

    A client_reference that the same key has used before gives the earlier request's receipt, and nothing is kept.
    `now` is a whole second.  The caller's transaction makes it all one.
    """
    service, decision = draft.service, draft.decision
    is_batch = service.type == "batch"
    work = casework(connection, jurisdiction_id)
    target, ladder, promised = _promised(work, service, decision, now=now)
    values: dict[str, Any] = {
        "jurisdiction_id": jurisdiction_id,
        "service_id": service.id,
        "status": "open",
        "case_status": "open",
        "expected_at": promised.due_at if promised else None,
        "taken_by_id": draft.by.account_id if draft.by else None,
        "description": draft.description,
        "department_id": decision.chosen.department_id,
        "unit_id": decision.chosen.unit_id,
        "requested_at": now,
        "updated_at": now,
        "address": draft.address,
        "address_id": draft.address_id,
        "long": draft.point.long if draft.point else None,
        "lat": draft.point.lat if draft.point else None,
        "media_url": draft.media[0].path if draft.media else None,
        "attributes": Jsonb(draft.answers),
        "channel": draft.channel,
        "unplaced_because": decision.unplaced_because,
        "is_public": not (is_batch or service.is_private or service.type == "blackbox"),
        "coarse_metres": service.coarse_metres,
        "api_key_id": draft.api_key_id,
        "client_reference": draft.client_reference,
    }
    request_id = number = token = None
    while request_id is None:
        number, token = (None, new_token()) if is_batch else (new_number(), None)
        row = _INSERT.run(connection, number=number, token=token, **values).fetchone()
        request_id = row.id if row else None
        if request_id is None and draft.client_reference is not None:
            earlier = _EARLIER.run(
                connection,
                jurisdiction_id=jurisdiction_id,
                api_key_id=draft.api_key_id,
                client_reference=draft.client_reference,
            ).fetchone()
            if earlier is not None:
                return _receipt(earlier.id, earlier.type, earlier.number, earlier.token, is_new=False)
    key = {"jurisdiction_id": jurisdiction_id, "request_id": request_id}
    _keep_around(connection, draft, **key, now=now)
    if target is not None and promised is not None:
        deadlines.begin(connection, promised, target, **key, phase_id=None, at=now)
    has_plan = bool(work.plan_of(service.id))
    if has_plan or steps_for_words(ladder, draft.description, draft.answers):
        held = hold_new(connection, **key)
        if has_plan:
            held = begin_plan(connection, work, held, decision, at=now)
        heed_words(connection, work, held, now=now)
    email = draft.person.get("email")
    # Who reports to a blackbox service is told nothing, not even its number.
    if email and service.type != "blackbox" and outbox.follow(connection, **key, email=email, now=now, language=draft.language):
        outbox.post(connection, **key, event="received", facts={}, now=now)
    elif not is_batch:
        webhooks.post(connection, **key, event="received", now=now)
    if is_batch:
        queue.configure_task("number_request", connection=connection).defer(**key)
    return _receipt(request_id, service.type, number, token)


def _promised(work: Casework, service: NewService, decision: Decision, *, now: datetime) -> tuple[Any, Any, Any]:
    """(target, ladder, deadline) of a request that is received now; target and deadline are None without a promise."""
    target = work.target_of(service.id, service.group, at=now)
    ladder = work.ladder_of(service.id, decision.chosen.department_id)
    return target, ladder, deadlines.deadline(work, target, now, ladder=ladder) if target is not None else None


def begin_plan(connection: "Connection[Any]", work: Casework, held: Held, decision: Decision, *, at: datetime) -> Held:
    """Begin the plan of the request's service; decision: who answers for the request by the rules."""
    plan: list[tuple[Mapping[str, Any], Desk, int | None]] = []
    for phase in work.plan_of(held.service_id):
        if phase["department"] is not None:
            plan.append((phase, work.desk(phase["department"]), None))
        elif phase["service_code"] is not None:
            service_id, _ = work.services[phase["service_code"]]
            plan.append((phase, desk_by_rules(connection, work, held, service_id, at=at), service_id))
        else:
            chosen = decision.chosen
            plan.append((phase, work.desks[chosen.unit_id or chosen.department_id], None))
    return phases.begin_plan(connection, work, held, plan, now=at)


def desk_by_rules(connection: "Connection[Any]", work: Casework, held: Held, service_id: int | None, *, at: datetime) -> Desk:
    """Who answers for a service (None: the request's own) where the request lies."""
    code = next((code for code, (each, _) in work.services.items() if each == service_id), held.service_code)
    service, group = work.services[code]
    chosen = route(
        connection,
        jurisdiction_id=held.jurisdiction_id,
        service=NewService(id=service, group=group, type="realtime", is_private=False),
        point=held.point,
        answers=held.attributes if service_id is None else {},
        default_department_id=work.default_department_id,
        at=at,
        reported_at=held.requested_at,
        unplaced_because=held.unplaced_because,
    ).chosen
    return work.desks[chosen.unit_id or chosen.department_id]


def _receipt(request_id: int, service_type: str, number: str | None, token: str | None, *, is_new: bool = True) -> Receipt:
    if service_type == "blackbox":
        return Receipt(request_id=request_id, number=None, token=None, is_new=is_new)
    if service_type == "batch":
        return Receipt(request_id=request_id, number=None, token=token, is_new=is_new)
    return Receipt(request_id=request_id, number=number, token=None, is_new=is_new)


def _keep_around(connection: "Connection[Any]", draft: Draft, *, jurisdiction_id: int, request_id: int, now: datetime) -> None:
    key = {"jurisdiction_id": jurisdiction_id, "request_id": request_id}
    _EVENTS.run(
        connection,
        **key,
        at=now,
        received=Jsonb(
            {
                "channel": draft.channel,
                "api_key_id": draft.api_key_id,
                **(draft.by.as_facts if draft.by else {}),
                **draft.found_how,
            }
        ),
        routed=Jsonb(draft.decision.as_record(draft.point)),
    )
    if draft.decision.boundary_ids:
        STAMP.run(connection, **key, boundary_ids=list(draft.decision.boundary_ids), requested_at=now)
    if draft.person:
        _REPORTER.run(connection, **key, **{name: draft.person.get(name) for name in PERSONAL_FIELDS})
    for position, each in enumerate(draft.media, start=1):
        _MEDIA.run(
            connection,
            **key,
            position=position,
            path=each.path,
            content_type=each.content_type,
            width_pixels=each.width_pixels,
            height_pixels=each.height_pixels,
            size_bytes=each.size_bytes,
            thumbnail_path=each.thumbnail_path,
            long=each.taken_at.long if each.taken_at else None,
            lat=each.taken_at.lat if each.taken_at else None,
        )


def _parameters(*names: str) -> dict[str, Any]:
    return {name: bindparam(name) for name in names}


_CASE = select(
    literal(0, BigInteger).label("key"),
    bindparam("service_id", type_=BigInteger).label("service_id"),
    bindparam("service_group", type_=Text).label("service_group"),
    make_point(long=bindparam("long"), lat=bindparam("lat")).label("location"),
    bindparam("attributes", type_=JSONB).label("attributes"),
    bindparam("at", type_=TIMESTAMP(timezone=True)).label("at"),
    bindparam("reported_at", type_=TIMESTAMP(timezone=True)).label("reported_at"),
    bindparam("default_department_id", type_=BigInteger).label("default_department_id"),
    bindparam("is_unplaced", type_=Boolean).label("is_unplaced"),
).subquery("case")

_ROUTE = Statement(candidates(_CASE, bindparam("jurisdiction_id", type_=BigInteger)))

_INSERT = Statement(
    # Two things can be there already: the number (another is drawn) and the client's reference (its request is the answer).
    upsert(ServiceRequest)
    .values(
        location=make_point(long=bindparam("long"), lat=bindparam("lat")),
        **_parameters(
            "jurisdiction_id",
            "number",
            "token",
            "service_id",
            "status",
            "case_status",
            "expected_at",
            "taken_by_id",
            "description",
            "department_id",
            "unit_id",
            "requested_at",
            "updated_at",
            "address",
            "address_id",
            "media_url",
            "attributes",
            "channel",
            "unplaced_because",
            "is_public",
            "coarse_metres",
            "api_key_id",
            "client_reference",
        ),
    )
    .on_conflict_do_nothing()
    .returning(ServiceRequest.id)
)

_EARLIER = Statement(
    select(ServiceRequest.id, Service.type, ServiceRequest.number, ServiceRequest.token)
    .join(
        Service,
        and_(Service.jurisdiction_id == bindparam("jurisdiction_id"), Service.id == ServiceRequest.service_id),
    )
    .where(
        ServiceRequest.jurisdiction_id == bindparam("jurisdiction_id"),
        # What staff take in has no key: a message that is delivered twice is one request all the same.
        func.coalesce(ServiceRequest.api_key_id, literal_column("0"))
        == func.coalesce(bindparam("api_key_id", type_=BigInteger), literal_column("0")),
        ServiceRequest.client_reference == bindparam("client_reference"),
    )
)

_PROMISED = Statement(
    select(Department.name, ServiceRequest.expected_at)
    .join(
        Department,
        and_(
            Department.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger),
            Department.id == ServiceRequest.department_id,
        ),
    )
    .where(
        ServiceRequest.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger),
        ServiceRequest.id == bindparam("request_id", type_=BigInteger),
    )
)
_EVENTS = Statement(
    insert(RequestEvent).values(
        [
            {**_parameters("jurisdiction_id", "request_id", "at"), "kind": literal(kind), "facts": bindparam(kind)}
            for kind in ("received", "routed")
        ]
    )
)

_REPORTER = Statement(insert(Reporter).values(_parameters("jurisdiction_id", "request_id", *PERSONAL_FIELDS)))

_MEDIA = Statement(
    insert(Media).values(
        suggested_location=make_point(long=bindparam("long"), lat=bindparam("lat")),
        **_parameters(
            "jurisdiction_id",
            "request_id",
            "position",
            "path",
            "content_type",
            "width_pixels",
            "height_pixels",
            "size_bytes",
            "thumbnail_path",
        ),
    )
)
