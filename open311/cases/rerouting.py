"""Who answers for a request, decided anew: because it changed, the map or the rules did, or a person says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb
from sqlalchemy import BigInteger, Boolean, SmallInteger, Text, and_, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from db.driver import Statement, planned_for_many
from geo.placing import Placed, place
from geo.point import Point
from geo.queries import make_point
from open311.actors import CHANGE, REASSIGN, SYSTEM, Actor
from open311.cases import deadlines, intake, phases
from open311.cases.assignment import NothingChanges, RequestClosed
from open311.cases.casework import Casework, casework
from open311.cases.holding import TOUCHED, Held, give, held_of, held_rows, hold, hold_new, lock
from open311.cases.locating import Located
from open311.cases.phases import PhaseNotAllowed
from open311.cases.posting import out_of_reach
from open311.cases.stamps import stamp_anew
from open311.cases.stored import JURISDICTION, stored_cases
from open311.jurisdictions import City
from open311.models import RequestEvent, ServiceRequest
from open311.reports.changes import touch_children
from open311.services import AskedService, find_service
from routing.decision import Decision, candidates, decide
from schemas.definition import Answers, check
from schemas.problems import Problems

_BATCH_REQUESTS = 5000


class NotOverridden(ValueError):
    """The request is routed by the rules already."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What of a request is to be another than it is: None leaves it.

    answers: by code, as sent; an empty list takes an answer away.
    """

    service_code: str | None = None
    point: Point | None = None
    address: str | None = None
    answers: Mapping[str, Sequence[str]] | None = None


@dataclass(frozen=True, kw_only=True)
class Rerouted:
    """What a verb did to one request: the decision, when there was one, and who answers before and after."""

    number: str
    before: str
    after: str
    decision: Decision | None


def reroute(connection: "Connection[Any]", ids: Sequence[int], *, jurisdiction_id: int, cause: str, now: datetime) -> int:
    """Decide open requests by the rules and maps in force now; how many go elsewhere, each with its decision and cause.

    Those that a person routed stay where they are, and so do closed ones.
    """
    if not ids:
        return 0
    # Held before they are decided, so that nobody changes or assigns one in between.
    held_ids = lock(connection, ids, jurisdiction_id=jurisdiction_id)
    stored = {row.id: row for row in _STORED.run(connection, jurisdiction_id=jurisdiction_id, ids=held_ids)}
    with planned_for_many(connection):
        rows = _DECIDE.run(connection, jurisdiction_id=jurisdiction_id, ids=list(stored), now=now).fetchall()
    moved = 0
    for request_id, group in groupby(rows, key=lambda row: row.key):
        row = stored[request_id]
        decision = decide(list(group), unplaced_because=row.unplaced_because)
        chosen = decision.chosen
        held = held_of(connection, jurisdiction_id, row)
        if held.is_phased:
            moved += _route_phases(connection, held, cause=cause, now=now)
        elif (chosen.department_id, chosen.unit_id) != (row.department_id, row.unit_id):
            _apply(connection, held, decision, cause=cause, now=now)
            moved += 1
    return moved


@dataclass(frozen=True, kw_only=True)
class Rerouting:
    """Open requests that were routed anew, by id, and how many of them go elsewhere."""

    ids: frozenset[int] = frozenset()
    moved: int = 0


def reroute_open(
    connection: "Connection[Any]", before: Rerouting, *, jurisdiction_id: int, cause: str, now: datetime
) -> Rerouting:
    """Route every open request anew that was not before: all of them, and then those that were just coming in.

    Who routes them anew for a change that was just committed calls it twice, the second time when every transaction that
    is older than the commit has ended.
    """
    ids = [each for each in open_ids(connection, jurisdiction_id=jurisdiction_id) if each not in before.ids]
    moved = 0
    for start in range(0, len(ids), _BATCH_REQUESTS):
        batch = ids[start : start + _BATCH_REQUESTS]
        moved += reroute(connection, batch, jurisdiction_id=jurisdiction_id, cause=cause, now=now)
    return Rerouting(ids=before.ids.union(ids), moved=before.moved + moved)


def change(
    connection: "Connection[Any]", city: City, number: str, changes: Changes, *, by: Actor, reason: str = "", now: datetime
) -> Rerouted:
    """A request with these changes, and one decision for all of them together.

    Another address moves a request that has no point, or has that of its address: to where it is, or among the unplaced.
    A request that a person routed keeps its department; a closed one as well.  Districts follow the location at once.
    Another service brings its own target, counted from when the request came in, and its own plan: what was not over of
    the one before is skipped.
    Raises UnknownService, NothingChanges, Problems when what is new is not good, and as `hold`.
    """
    row = hold(connection, city, number, by, CHANGE)
    before = {
        "service_code": row.service_code,
        "long": row.long,
        "lat": row.lat,
        "address": row.address,
        "address_id": row.address_id,
        "answers": row.attributes,
    }
    # One that is offered no more goes on for the requests that it has.
    is_same = changes.service_code in (None, row.service_code)
    service = find_service(connection, changes.service_code or row.service_code, jurisdiction_id=city.id, also_inactive=is_same)
    located = _located(connection, city, row, changes)
    point, unplaced_because = located.point, located.unplaced_because
    answers = _answers(row.attributes, changes, service, city)
    after = {
        "service_code": changes.service_code or row.service_code,
        "long": point and point.long,
        "lat": point and point.lat,
        "address": row.address if changes.address is None else changes.address,
        # That of another address says nothing of this one.
        "address_id": row.address_id if changes.address in (None, row.address) else None,
        "answers": answers,
    }
    changed = [name for name in before if before[name] != after[name]]
    if not changed:
        raise NothingChanges(number)
    decision = intake.route(
        connection,
        jurisdiction_id=city.id,
        service=service.new,
        point=point,
        answers=answers,
        default_department_id=city.default_department_id,
        at=now,
        reported_at=row.requested_at,
        unplaced_because=unplaced_because,
    )
    if point is not None:
        problems = out_of_reach(connection, service, point, decision, city, at=now)
        if problems:
            raise Problems(problems)
    _CHANGE.run(
        connection,
        **row.key,
        service_id=service.new.id,
        is_public=not service.new.is_private and service.new.type != "blackbox",
        coarse_metres=service.new.coarse_metres,
        long=after["long"],
        lat=after["lat"],
        address=after["address"],
        address_id=after["address_id"],
        attributes=Jsonb(answers),
        unplaced_because=unplaced_because,
        now=now,
    )
    if before["service_code"] != after["service_code"]:
        touch_children(connection, row.id, jurisdiction_id=city.id)
    facts = {
        "reason": reason or None,
        "before": {name: before[name] for name in changed},
        "after": {name: after[name] for name in changed},
        # A point that was sent is no address's, were it the same.
        **({"placed": None} if changes.point else located.as_facts),
    }
    row.append(connection, "changed", {**facts, **by.as_facts}, at=now)
    if {"long", "lat"} & set(changed):
        stamp_anew(connection, **row.key, point=point, requested_at=row.requested_at, now=now)
    if row.is_closed:
        return Rerouted(number=row.number, before=row.answers_for, after=row.answers_for, decision=None)
    held = hold_new(connection, **row.key)
    cause = f"{', '.join(dict.fromkeys(_IN_WORDS[name] for name in changed))} changed"
    work = casework(connection, city.id)
    if "service_code" in changed:
        target = work.target_of(held.service_id, held.service_group, at=held.requested_at)
        deadlines.retarget(connection, work, **held.key, target=target, started_at=held.requested_at)
    if held.is_phased or ("service_code" in changed and work.plan_of(held.service_id)):
        return _replan(connection, work, row, held, decision, cause=cause, is_another="service_code" in changed, now=now)
    if row.is_overridden:
        return Rerouted(number=row.number, before=row.answers_for, after=row.answers_for, decision=None)
    _apply(connection, held, decision, cause=cause, now=now)
    return Rerouted(number=row.number, before=row.answers_for, after=decision.chosen.answers, decision=decision)


def release(
    connection: "Connection[Any]", city: City, number: str, *, phase: str | None = None, by: Actor, now: datetime
) -> Rerouted:
    """An overridden request returned to the rules, which decide at once; or a phase of it, to its plan.

    Raises NotOverridden, RequestClosed, PhaseNotAllowed, and as `hold`.
    """
    held = hold(connection, city, number, by, REASSIGN)
    if held.is_closed:
        raise RequestClosed(number)
    if phase is not None:
        return _release_phase(connection, held, phase, by=by, now=now)
    if not held.is_overridden:
        raise NotOverridden(number)
    held.append(connection, "released", by.as_facts, at=now)
    give(
        connection,
        held,
        department_id=held.department_id,
        unit_id=held.unit_id,
        answers_for=held.answers_for,
        is_overridden=False,
        now=now,
    )
    rows = _DECIDE.run(connection, jurisdiction_id=city.id, ids=[held.id], now=now).fetchall()
    decision = decide(rows, unplaced_because=held.unplaced_because)
    _apply(connection, held, decision, cause="it was returned to the rules", now=now)
    return Rerouted(number=held.number, before=held.answers_for, after=decision.chosen.answers, decision=decision)


def _release_phase(connection: "Connection[Any]", held: Held, code: str, *, by: Actor, now: datetime) -> Rerouted:
    """A phase that a person gave to somebody, with whom the plan or the rules name."""
    phase = phases.open_phase(held, code, by, REASSIGN)
    work = casework(connection, held.jurisdiction_id)
    planned = next((each for each in work.plan_of(held.service_id) if each["code"] == code), None)
    if planned is None:
        raise PhaseNotAllowed(f"phase {code} of {held.number} is in no plan: nothing says whose it is but who added it")
    is_fixed = planned["department"] is not None
    desk = (
        work.desk(planned["department"])
        if is_fixed
        else intake.desk_by_rules(connection, work, held, phase.routed_service_id, at=now)
    )
    is_there = (desk.department_id, desk.unit_id) == (phase.department_id, phase.unit_id)
    if is_there and is_fixed == phase.is_fixed:
        raise NotOverridden(held.number)
    why = "it was returned to the rules"
    phases.move(connection, held, phase, desk, by=by, reason=why, kind="reassigned", is_fixed=is_fixed, now=now)
    return Rerouted(number=held.number, before=phase.answers_for, after=desk.name, decision=None)


def work_anew(connection: "Connection[Any]", held: Held, *, cause: str, now: datetime) -> Held:
    """A held open request worked by itself again: its target from when it came in, routed, its plan begun."""
    work = casework(connection, held.jurisdiction_id)
    target = work.target_of(held.service_id, held.service_group, at=held.requested_at)
    deadlines.retarget(connection, work, **held.key, target=target, started_at=held.requested_at)
    rows = _DECIDE.run(connection, jurisdiction_id=held.jurisdiction_id, ids=[held.id], now=now).fetchall()
    if rows:
        decision = decide(rows, unplaced_because=held.unplaced_because)
        _replan(connection, work, held, held, decision, cause=cause, is_another=True, now=now)
    return hold_new(connection, **held.key)


def open_ids(connection: "Connection[Any]", *, jurisdiction_id: int) -> list[int]:
    """The ids of every open request that the rules route."""
    return [row.id for row in _OPEN.run(connection, jurisdiction_id=jurisdiction_id)]


def unplaced(connection: "Connection[Any]", *, jurisdiction_id: int) -> list[Any]:
    """The open requests whose address nobody could place yet, oldest first: rows number, requested_at, address, because."""
    return _UNPLACED.run(connection, jurisdiction_id=jurisdiction_id).fetchall()


def _located(connection: "Connection[Any]", city: City, row: Held, changes: Changes) -> Located:
    """Where the request lies with these changes.  A point goes before an address."""
    if changes.point is not None:
        return Located(point=changes.point)
    as_it_was = Located(point=row.point, unplaced_because=None if row.long is not None else row.unplaced_because)
    is_another = changes.address is not None and changes.address != (row.address or "")
    if not is_another or (row.long is not None and not _lies_at_its_address(connection, city, row)):
        return as_it_was
    found = place(connection, changes.address, jurisdiction_id=city.id, city_name=city.name)
    if isinstance(found, Placed):
        return Located(point=found.point, placed=found)
    return Located(unplaced_because=found.reason)


def _lies_at_its_address(connection: "Connection[Any]", city: City, row: Held) -> bool:
    """Whether the request's point was found by its address, and nobody sent one since."""
    told = _POINTS.run(connection, jurisdiction_id=city.id, request_id=row.id).fetchone()
    return told is not None and told.is_by_address


def _answers(stored: Answers, changes: Changes, service: AskedService, city: City) -> Answers:
    """The answers with the changed ones; only those are checked.  Raises Problems."""
    if not changes.answers:
        return stored
    asked = [replace(question, required=False) for question in service.questions if question.code in changes.answers]
    new, problems = check(asked, changes.answers, city.zone)
    if problems:
        raise Problems(problems)
    return {code: answer for code, answer in {**stored, **new}.items() if code in new or code not in changes.answers}


def _apply(connection: "Connection[Any]", held: Held, decision: Decision, *, cause: str, now: datetime) -> None:
    chosen = decision.chosen
    give(
        connection,
        held,
        department_id=chosen.department_id,
        unit_id=chosen.unit_id,
        answers_for=chosen.answers,
        is_overridden=False,
        now=now,
    )
    held.append(connection, "routed", {**decision.as_record(held.point), "cause": cause}, at=now)
    # Another department may have another ladder.
    deadlines.settle(connection, casework(connection, held.jurisdiction_id), **held.key)


def _replan(
    connection: "Connection[Any]",
    work: Casework,
    before: Held,
    held: Held,
    decision: Decision,
    *,
    cause: str,
    is_another: bool,
    now: datetime,
) -> Rerouted:
    """The phases of a request that changed: those of another service's plan, or the same for whom the rules name now."""
    if not held.is_overridden:
        _apply(connection, held, decision, cause=cause, now=now)
        held = hold_new(connection, **held.key)
    if is_another:
        held = phases.end_all(connection, held, by=SYSTEM, reason=cause, now=now)
        if work.plan_of(held.service_id):
            intake.begin_plan(connection, work, held, decision, at=now)
    else:
        _route_phases(connection, held, cause=cause, now=now)
    held = hold_new(connection, **held.key)
    return Rerouted(number=held.number, before=before.answers_for, after=held.answers_for, decision=decision)


def _route_phases(connection: "Connection[Any]", held: Held, *, cause: str, now: datetime) -> bool:
    """Give each phase that is not over, and that neither the plan nor a person gave to somebody, to whom the rules name now."""
    work = casework(connection, held.jurisdiction_id)
    has_moved = False
    for phase in held.phases:
        if phase.is_over or phase.is_fixed:
            continue
        desk = intake.desk_by_rules(connection, work, held, phase.routed_service_id, at=now)
        if (desk.department_id, desk.unit_id) != (phase.department_id, phase.unit_id):
            held = phases.move(
                connection, held, phase, desk, by=SYSTEM, reason=cause, kind="reassigned", is_fixed=False, now=now
            )
            has_moved = True
    return has_moved


_IN_WORDS = {
    "service_code": "its service",
    "long": "its location",
    "lat": "its location",
    "address": "its address",
    "address_id": "its address",
    "answers": "its answers",
}

_IDS: Any = bindparam("ids", type_=ARRAY(BigInteger))
_NOW: Any = bindparam("now", type_=TIMESTAMP(timezone=True))
_REQUEST = (
    ServiceRequest.jurisdiction_id == JURISDICTION,
    ServiceRequest.id == bindparam("request_id", type_=BigInteger),
)
_ROUTED_BY_RULES = (
    ServiceRequest.status == "open",
    ~ServiceRequest.is_overridden,
    ServiceRequest.parent_id.is_(None),
)

_DECIDE = Statement(
    candidates(
        stored_cases(ServiceRequest.id == func.any(_IDS), *_ROUTED_BY_RULES, at=_NOW).subquery("case"),
        JURISDICTION,
    )
)

_STORED = Statement(held_rows(ServiceRequest.id == func.any(_IDS), *_ROUTED_BY_RULES).order_by(ServiceRequest.id))

_OPEN = Statement(
    select(ServiceRequest.id)
    .where(ServiceRequest.jurisdiction_id == JURISDICTION, *_ROUTED_BY_RULES)
    .order_by(ServiceRequest.id)
)

_UNPLACED = Statement(
    select(
        ServiceRequest.number,
        ServiceRequest.requested_at,
        ServiceRequest.address,
        ServiceRequest.unplaced_because.label("because"),
    )
    .where(
        ServiceRequest.jurisdiction_id == JURISDICTION,
        ServiceRequest.unplaced_because.is_not(None),
        ServiceRequest.status == "open",
    )
    .order_by(ServiceRequest.requested_at, ServiceRequest.id)
)

_CHANGE = Statement(
    update(ServiceRequest)
    .where(*_REQUEST)
    .values(
        service_id=bindparam("service_id", type_=BigInteger),
        is_public=bindparam("is_public", type_=Boolean),
        coarse_metres=bindparam("coarse_metres", type_=SmallInteger),
        location=make_point(long=bindparam("long"), lat=bindparam("lat")),
        address=bindparam("address", type_=Text),
        address_id=bindparam("address_id", type_=Text),
        attributes=bindparam("attributes", type_=JSONB),
        unplaced_because=bindparam("unplaced_because", type_=Text),
        updated_at=TOUCHED,
    )
)
# The last that was said of the request's point.
_POINTS = Statement(
    select(RequestEvent.facts["placed"].astext.is_not(None).label("is_by_address"))
    .where(
        RequestEvent.jurisdiction_id == JURISDICTION,
        RequestEvent.request_id == bindparam("request_id", type_=BigInteger),
        or_(
            RequestEvent.kind == "received",
            and_(
                RequestEvent.kind == "changed",
                or_(
                    RequestEvent.facts.has_key("placed"),
                    RequestEvent.facts["after"].has_key("long"),
                    RequestEvent.facts["after"].has_key("lat"),
                ),
            ),
        ),
    )
    .order_by(RequestEvent.id.desc())
    .limit(1)
)
