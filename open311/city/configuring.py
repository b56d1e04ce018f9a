"""How a city's departments work, changed a file at a time by those whose it is; each change is kept."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session, aliased

from open311.actors import CONFIGURE, SYSTEM, Actor, NotAllowed, may
from open311.city.calendars import calendars_of, drop_calendars, put_calendars
from open311.city.folder import read_calendars
from open311.city.lines import BadFile, load_list
from open311.city.names import names_shown, tell_of_names
from open311.city.rules import Known, known_here
from open311.city.targets import read_targets
from open311.city.working import (
    FILES,
    IDENTITY,
    Item,
    Working,
    as_json,
    ids_by_code,
    one_load_at_a_time,
    problems_of,
    put_working,
    renew,
    working_of,
)
from open311.models import CaseworkChange, Jurisdiction, Service
from routing.calendars import Calendar
from routing.models import Department, RoutingRule


class UnknownKind(LookupError):
    """No file of a city's folder that says how departments work has this name; the message names those that there are."""


class NotYours(PermissionError):
    """Items that somebody else's supervisor, or an administrator, changes; a message each."""

    def __init__(self, messages: Sequence[str]) -> None:
        self.messages = list(messages)
        super().__init__("\n".join(messages))


@dataclass(frozen=True, kw_only=True)
class Changed:
    """What a file changes of what is in place: the items, as people name them, that are new, other than before, or gone."""

    kind: str
    added: Sequence[str]
    changed: Sequence[str]
    removed: Sequence[str]

    @property
    def is_nothing(self) -> bool:
        """Whether all is as it was."""
        return not (self.added or self.changed or self.removed)


def put_file(session: Session, city_id: int, path: Path, *, by: Actor, reason: str = "", now: datetime) -> Changed:
    """Put the items of a file, such as plans.yml, in place of the city's: all of them or none.

    A department's supervisor changes the items of that department, which speak of its services, and nobody else's; statuses
    and what is the whole city's are the administrator's.

    Raises UnknownKind, BadFile with every problem, NotYours with every item.
    """
    kind = kind_of(path)
    # What is put there is what was read, changed: nobody else changes it in between.
    one_load_at_a_time(session)
    known = known_here(session, city_id)
    before = working_of(session, city_id)
    if kind == "calendars":
        return _put_calendars(session, city_id, path, before, known, by=by, reason=reason, now=now)
    items: Sequence[Item]
    if kind == "targets":
        items = read_targets(path, known)
        problems: list[str] = []
    else:
        items, lines = load_list(path, FILES[kind](), may_be_empty=True)
        problems = [lines.at(where, said) for where, said in problems_of(kind, replace(before, **{kind: items}), known)]
    after = replace(before, **{kind: items})
    # What names a status or a closing reason that is gone stands in another file.
    for other in ("closing_reasons", "texts"):
        if kind in ("statuses", "closing_reasons") and other != kind:
            problems += [f"{path}:1: {other}.yml would not fit: {said}" for _, said in problems_of(other, after, known)]
    if problems:
        raise BadFile(problems)
    found = difference(kind, getattr(before, kind), items)
    if found.is_nothing:
        return found
    _require_own(session, city_id, kind, getattr(before, kind), items, by)
    shown_before = names_shown(session, city_id)
    put_working(session, city_id, after)
    tell_of_names(session, city_id, before=shown_before, after=names_shown(session, city_id))
    keep_change(session, city_id, found, getattr(before, kind), by=by, reason=reason, now=now)
    return found


def keep_change(
    session: Session, city_id: int, found: Changed, before: Sequence[Item], *, by: Actor, reason: str, now: datetime
) -> None:
    """Keep who changed what, and how the file was before."""
    facts = {
        **by.as_facts,
        **({"reason": reason} if reason else {}),
        "added": list(found.added),
        "changed": list(found.changed),
        "removed": list(found.removed),
        "before": [as_json(item) for item in before],
    }
    session.execute(insert(CaseworkChange).values(jurisdiction_id=city_id, at=now, kind=found.kind, facts=facts))
    session.flush()


def keep_what_a_load_changed(session: Session, city_id: int, before: Working, *, now: datetime) -> None:
    """Keep what a load of the city's folder changed of what was in place; nothing for a city that is new."""
    if not before.statuses:
        return
    after = working_of(session, city_id)
    for kind in FILES:
        found = difference(kind, getattr(before, kind), getattr(after, kind))
        if not found.is_nothing:
            keep_change(
                session, city_id, found, getattr(before, kind), by=SYSTEM, reason="the city's folder was loaded", now=now
            )


def _put_calendars(
    session: Session, city_id: int, path: Path, working: Working, known: Known, *, by: Actor, reason: str, now: datetime
) -> Changed:
    """The same for calendars.yml; a calendar that a rule, a target, a plan or a request goes by cannot go."""
    loaded = read_calendars(path)
    items, before = [item["source"] for item in loaded], calendars_of(session, city_id)
    codes = {item["code"] for item in loaded}
    problems = [
        f"{path}:1: department: no department has the code {item['department']!r}"
        for item in loaded
        if item["department"] is not None and item["department"] not in known.departments
    ]
    amounts = [*working.targets, *(phase["target"] for plan in working.plans for phase in plan["phases"] if phase["target"])]
    rules = session.scalars(
        select(Calendar.code)
        .join(RoutingRule, (RoutingRule.jurisdiction_id == city_id) & (RoutingRule.calendar_id == Calendar.id))
        .where(Calendar.jurisdiction_id == city_id)
        .distinct()
    )
    needed = {amount["calendar"]: "a target" for amount in amounts if amount.get("calendar")} | dict.fromkeys(rules, "a rule")
    problems += [f"{path}:1: {code} is gone, and {what} goes by it" for code, what in needed.items() if code not in codes]
    if problems:
        raise BadFile(problems)
    found = difference("calendars", before, items)
    if not found.is_nothing:
        _require_own(session, city_id, "calendars", before, items, by)
        city = session.scalars(select(Jurisdiction).where(Jurisdiction.id == city_id)).one()
        put_calendars(session, city_id, loaded, timezone=city.timezone, departments=ids_by_code(session, city_id, Department))
        drop_calendars(session, city_id, but=sorted(codes), file=path, now=now)
        renew(session, city_id)
        keep_change(session, city_id, found, before, by=by, reason=reason, now=now)
    return found


def kind_of(path: Path) -> str:
    """Which file it is, by its name; raises UnknownKind."""
    if path.stem not in IDENTITY or path.suffix != ".yml":
        raise UnknownKind(f"the file must be one of {', '.join(f'{kind}.yml' for kind in IDENTITY)}, got {path.name}")
    return path.stem


def difference(kind: str, before: Sequence[Item], after: Sequence[Item]) -> Changed:
    """What tells the items after from those before."""
    old = {_key(kind, item): item for item in before}
    new = {_key(kind, item): item for item in after}
    return Changed(
        kind=kind,
        added=[_name(kind, item) for key, item in new.items() if key not in old],
        changed=[_name(kind, item) for key, item in new.items() if key in old and old[key] != item],
        removed=[_name(kind, item) for key, item in old.items() if key not in new],
    )


def changes(session: Session, city_id: int) -> Sequence[CaseworkChange]:
    """What was changed, the newest first."""
    rows = select(CaseworkChange).where(CaseworkChange.jurisdiction_id == city_id).order_by(CaseworkChange.id.desc())
    return session.scalars(rows).all()


def _require_own(session: Session, city_id: int, kind: str, before: Sequence[Item], after: Sequence[Item], by: Actor) -> None:
    ids, answering = ids_by_code(session, city_id, Department), _who_answers(session, city_id)
    reasons = {item["code"]: item["department"] for item in working_of(session, city_id).closing_reasons}
    old = {_key(kind, item): item for item in before}
    new = {_key(kind, item): item for item in after}
    refused = []
    for key in [*old, *(each for each in new if each not in old)]:
        if old.get(key) == new.get(key):
            continue
        # Who takes an item over from another department needs both.
        items = [item for item in (old.get(key), new.get(key)) if item is not None]
        whose = [owner for item in items for owner in _owners(kind, item, answering, reasons)]
        try:
            if None in whose:
                may(by, CONFIGURE)
            may(by, CONFIGURE, department_ids={ids[code] for code in whose if code is not None})
        except NotAllowed:
            owner = " and of ".join(dict.fromkeys(code or "the whole city" for code in whose))
            refused.append(f"{by.name} may not change {_name(kind, new.get(key) or old[key])}, which is of {owner}")
    if refused:
        raise NotYours(refused)


def _owners(
    kind: str, item: Item, answering: Mapping[str, Sequence[str]], reasons: Mapping[str, str | None]
) -> list[str | None]:
    """Whose supervisors may change an item: all of these; None: the administrator.

    It is of the department that it names.  What it says must be that department's too: a service that rules give it, its
    ladder, its closing reason; else it speaks of the whole city, or of who answers for the service.
    """
    department = item.get("department")
    if kind in ("calendars", "closing_reasons"):
        return [department]
    if kind == "ladders" and item["for_department"] is not None:
        return [item["for_department"], *([department] if department is not None else [])]
    if department is None:
        return [None]
    if item.get("service_code") is not None:
        whose: list[str | None] = [*answering[item["service_code"]]]
        return [department] if department in whose else [department, *(whose[:1] or [None])]
    return [department, reasons.get(item["reason"]) if item.get("reason") is not None else None]


def _who_answers(session: Session, city_id: int) -> Mapping[str, Sequence[str]]:
    """By service, the codes of the departments that rules give it or its group, in any place; none: there is no such rule."""
    unit, parent = aliased(Department), aliased(Department)
    rows = session.execute(
        select(Service.code, func.coalesce(parent.code, unit.code).label("department"))
        .join(
            RoutingRule,
            (RoutingRule.jurisdiction_id == city_id)
            & ((RoutingRule.service_id == Service.id) | (RoutingRule.service_group == Service.service_group)),
        )
        .join(unit, (unit.jurisdiction_id == city_id) & (unit.id == RoutingRule.department_id))
        .outerjoin(parent, (parent.jurisdiction_id == city_id) & (parent.id == unit.parent_id))
        .where(Service.jurisdiction_id == city_id)
        .distinct()
        .order_by("department")
    )
    answering: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        answering[row.code].append(row.department)
    return answering


def _key(kind: str, item: Item) -> tuple[Any, ...]:
    return tuple(item[name] for name in IDENTITY[kind])


def _name(kind: str, item: Item) -> str:
    said = [str(value) for value in _key(kind, item) if value is not None]
    return f"{kind.removesuffix('es' if kind == 'statuses' else 's')} {' '.join(said) or 'of every service'}"
