"""The whole life of a request, in order, as sentences for those who work it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection
from sqlalchemy import BigInteger, Text, and_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from db.driver import Statement
from geo.point import Point
from geo.queries import latitude, longitude
from open311.actors import Actor
from open311.cases.casework import casework
from open311.cases.holding import Held, look_at, version_of
from open311.cases.numbers import spellings
from open311.cases.search import UnknownRequest
from open311.jurisdictions import City
from open311.models import Account, Alert, Jurisdiction, Media, RequestClock, RequestEvent, ServiceRequest
from routing.models import Department
from schemas.working import PRIORITIES

Facts = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Happening:
    """A line of the history: when, what kind of thing, a sentence, who did it (empty: the service itself)."""

    at: datetime
    kind: str
    words: str
    by: str


@dataclass(frozen=True, kw_only=True)
class Clock:
    """A target: of a phase, or (None) of the request; until when, and when it was met or left."""

    phase: str | None
    due_at: datetime
    stopped_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Where the camera of a photo (by its position among the files, from 1) says that it was taken."""

    position: int
    point: Point


@dataclass(frozen=True, kw_only=True)
class Life:
    """A request as it stands, what was promised, and all that happened, oldest first.  version: see require_unchanged."""

    held: Held
    version: int
    status_name: str
    priority: str
    assignee: str | None
    channel: str
    clocks: Sequence[Clock]
    taken: Sequence[Taken]
    happenings: Sequence[Happening]


def cities_with(connection: "Connection[Any]", number: str) -> list[str]:
    """The jurisdiction_ids of the cities that have a request of this number."""
    return [row.slug for row in _CITIES.run(connection, numbers=spellings(number))]


def life_of(connection: "Connection[Any]", city: City, number: str, *, by: Actor) -> Life:
    """Everything that is known of a request but who reported it.  Raises UnknownRequest, NotAllowed."""
    held = look_at(connection, city, number, by)
    work = casework(connection, city.id)
    row = _MORE.run(connection, **held.key).fetchone()
    if row is None:
        raise UnknownRequest(number)
    codes = {phase.id: phase.code for phase in held.phases}
    # An alert stands behind the fact that it tells of.
    found = [
        (each.id, Happening(at=each.at, kind=each.kind, words=_words(each, work.zone), by=str(each.facts.get("by") or "")))
        for each in _EVENTS.run(connection, **held.key)
    ]
    found += [
        (
            each.event_id or 0,
            Happening(
                at=each.at,
                kind="alert",
                words=f"{each.account or f'the {each.role} of {each.department}'} is told: "
                + each.words.removeprefix(f"{held.number}: "),
                by="",
            ),
        )
        for each in _ALERTS.run(connection, **held.key)
    ]
    return Life(
        held=held,
        version=version_of(connection, held),
        status_name=work.status(held.case_status).name,
        priority=PRIORITIES[held.priority],
        assignee=row.assignee,
        channel=row.channel,
        clocks=[
            Clock(phase=codes.get(each.phase_id), due_at=each.due_at, stopped_at=each.stopped_at)
            for each in _CLOCKS.run(connection, **held.key)
        ],
        taken=[
            Taken(position=each.position, point=Point(long=each.long, lat=each.lat))
            for each in _TAKEN.run(connection, **held.key)
        ],
        happenings=[happening for _, happening in sorted(found, key=lambda each: each[0])],
    )


def _words(row: Any, zone: ZoneInfo) -> str:
    kind, facts = row.kind, row.facts
    for name in ("due", "expected"):
        if facts.get(name):
            due_at = datetime.fromisoformat(facts[name]).astimezone(zone)
            facts = {**facts, name: due_at.strftime("%Y-%m-%d %H:%M")}
    say = _SENTENCES.get(kind)
    return say(facts) if say is not None else ", ".join(f"{name}: {value}" for name, value in facts.items())


def _because(facts: Facts, name: str = "reason") -> str:
    return f": {facts[name]}" if facts.get(name) else ""


def _received(facts: Facts) -> str:
    placed = facts.get("placed")
    how = f"; placed by its address, {placed['address']}" if placed else ""
    return f"by {facts.get('channel', 'an import')}{' (imported)' if facts.get('imported') else ''}{how}"


def _changed(facts: Facts) -> str:
    before, after = facts.get("before", {}), facts.get("after", {})
    said = "; ".join(f"{name} from {before.get(name)!r} to {value!r}" for name, value in after.items())
    return f"{said}{_because(facts)}"


def _status(facts: Facts) -> str:
    reason = f" ({facts['reason']})" if facts.get("reason") else ""
    return f"from {facts['before']} to {facts['status']}{reason}{_because(facts, 'words')}"


def _planned(facts: Facts) -> str:
    return "; ".join(
        f"{each['phase']} by {each['department']}{' after ' + ', '.join(each['after']) if each['after'] else ''}"
        for each in facts["phases"]
    )


def _closed(facts: Facts) -> str:
    return _status(facts) if "before" in facts else "as it was recorded"


def _verdict(facts: Facts) -> str:
    score = f", {facts['score']} of 5" if facts.get("score") else ""
    child = f" (of {facts['child']}, which follows it)" if facts.get("child") else ""
    return f"who reported it says: {'fixed' if facts['is_fixed'] else 'not fixed'}{score}{child}"


_SENTENCES: Mapping[str, Callable[[Facts], str]] = {
    "received": _received,
    "recorded": lambda facts: f"the source says: {facts.get('unit') or facts.get('department') or 'nobody'}",
    "routed": lambda facts: f"{facts.get('reason', '')}{' (' + facts['cause'] + ')' if facts.get('cause') else ''}",
    "numbered": lambda facts: str(facts["number"]),
    "changed": _changed,
    "overridden": lambda facts: f"from {facts['before']} to {facts.get('unit') or facts['department']}{_because(facts)}",
    "released": lambda facts: "to the rules",
    "accepted": lambda facts: f"{facts['department']}{_of_phase(facts)}",
    "handed_back": lambda facts: f"by {facts['department']}{_of_phase(facts)}{_because(facts)}",
    "assigned": lambda facts: f"to {facts['to']}{_of_phase(facts)}",
    "noted": lambda facts: f"{'for everybody' if facts['public'] else 'within the city'}: {facts['words']}",
    "updated": lambda facts: f"update {facts['update_id']}{_because(facts, 'words')}",
    "answered": lambda facts: f"at first contact, from the article {facts['article']}: {facts['title']}",
    "status": _status,
    "closed": _closed,
    "reopened": _status,
    "clock": lambda facts: "stands" if facts["stands"] else f"runs again; due {facts['expected'] or 'at no time'}",
    "flagged": lambda facts: f"{facts['why']}{_priority(facts)}",
    "escalated": lambda facts: f"{facts['why']}{_priority(facts)}",
    "phases_planned": _planned,
    "phase_opened": lambda facts: (
        f"{facts['phase']}: {facts['name']}, {facts['department']}"
        f"{'; due ' + facts['due'] if facts.get('due') else ''}{_because(facts)}"
    ),
    "phase_done": lambda facts: f"{facts['phase']}, by {facts['department']}{_because(facts, 'note')}",
    "phase_skipped": lambda facts: f"{facts['phase']}{_because(facts)}",
    "phase_added": lambda facts: (
        f"{facts['phase']} by {facts['department']}"
        f"{' after ' + ', '.join(facts['after']) if facts['after'] else ''}{_because(facts)}"
    ),
    "phase_sent_back": lambda facts: f"{facts['phase']} to {facts['to']}{_because(facts)}",
    "linked": lambda facts: f"it is of the same thing as {facts['parent']}, and follows it{_because(facts)}",
    "also_reported": lambda facts: f"by {facts['child']}",
    "verdict": _verdict,
    "unlinked": lambda facts: f"{facts.get('child') or 'it'} does not follow {facts['parent']} any more{_because(facts)}",
    "redacted": lambda facts: f"{', '.join(facts['what'])}{_because(facts)}",
    "erased": lambda facts: f"personal data: {facts['why']}",
    "phase_moved": lambda facts: f"{facts['phase']} from {facts['before']} to {facts['department']}{_because(facts)}",
}


def _of_phase(facts: Facts) -> str:
    return f" (phase {facts['phase']})" if facts.get("phase") else ""


def _priority(facts: Facts) -> str:
    return f"; {facts['priority']} now" if facts.get("priority") else ""


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_REQUEST: Any = bindparam("request_id", type_=BigInteger)

_CITIES = Statement(
    select(Jurisdiction.slug)
    .join(ServiceRequest, ServiceRequest.jurisdiction_id == Jurisdiction.id)
    .where(ServiceRequest.number == func.any(bindparam("numbers", type_=ARRAY(Text))))
    .distinct()
    .order_by(Jurisdiction.slug)
)
_MORE = Statement(
    select(ServiceRequest.channel, Account.name.label("assignee"))
    .outerjoin(Account, Account.id == ServiceRequest.assignee_id)
    .where(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == _REQUEST)
)
_TAKEN = Statement(
    select(Media.position, longitude(Media.suggested_location).label("long"), latitude(Media.suggested_location).label("lat"))
    .where(Media.jurisdiction_id == _CITY, Media.request_id == _REQUEST, Media.suggested_location.is_not(None))
    .order_by(Media.position)
)
_EVENTS = Statement(
    select(RequestEvent.id, RequestEvent.at, RequestEvent.kind, RequestEvent.facts)
    .where(RequestEvent.jurisdiction_id == _CITY, RequestEvent.request_id == _REQUEST)
    .order_by(RequestEvent.id)
)
_PERSON = aliased(Account, name="person")
_ALERTS = Statement(
    select(
        Alert.event_id, Alert.at, Alert.role, Alert.words, Department.name.label("department"), _PERSON.name.label("account")
    )
    .join(Department, and_(Department.jurisdiction_id == _CITY, Department.id == Alert.department_id))
    .outerjoin(_PERSON, _PERSON.id == Alert.account_id)
    .where(Alert.jurisdiction_id == _CITY, Alert.request_id == _REQUEST)
    .order_by(Alert.id)
)
_CLOCKS = Statement(
    select(RequestClock.phase_id, RequestClock.due_at, RequestClock.stopped_at)
    .where(RequestClock.jurisdiction_id == _CITY, RequestClock.request_id == _REQUEST)
    .order_by(RequestClock.id)
)
