"""Routing rules as a file: read and checked, put in place of those a city had, and written out again."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import ValidationError
from sqlalchemy import delete, select
from sqlalchemy.orm import Session, aliased

from geo.models import Boundary, Layer
from open311.city.lines import BadFile, read_text
from open311.models import Jurisdiction, Service, ServiceAttribute
from routing.calendars import Calendar
from routing.models import Department, RoutingRule
from routing.ruleset import ServiceFacts
from schemas import moment
from schemas.city import RuleSchema
from schemas.problems import flatten

# A rule with the line it stands on.
RuleLine = tuple[int, Mapping[str, Any]]

COLUMNS = tuple(RuleSchema().fields)


@dataclass(frozen=True, kw_only=True)
class Known:
    """The codes that a rule may name.

    services: what each asks, and which answers it takes (none: any).  groups: the services of each.  boundaries: the
    codes of each layer.  departments: with their units; whole_departments: without.  zone: that of dates.
    """

    zone: ZoneInfo
    services: Mapping[str, Mapping[str, Set[str]]]
    groups: Mapping[str, Set[str]]
    departments: Set[str]
    whole_departments: Set[str]
    calendars: Set[str]
    boundaries: Mapping[str, Set[str]]


def read_rules(path: Path) -> list[RuleLine]:
    """The rules of a file with their lines, each as RuleSchema loads it; raises BadFile with every problem."""
    schema, problems = RuleSchema(), []
    found: list[RuleLine] = []
    codes: set[str] = set()
    reader = csv.DictReader(StringIO(read_text(path), newline=""), strict=True)
    try:
        header = list(reader.fieldnames or ())
        missing, unknown = {"code", "department"} - set(header), set(header) - set(schema.fields)
        if missing:
            problems.append(f"{path}:1: must have the columns {', '.join(sorted(missing))}")
        if unknown:
            problems.append(f"{path}:1: has a column that no rule has: {', '.join(sorted(unknown))}")
        for row in [] if problems else reader:
            line = reader.line_num
            if None in row:
                problems.append(f"{path}:{line}: has more fields than the header (quote what holds a comma)")
                continue
            given: dict[str, str] = {name: (text or "").strip() for name, text in row.items()}
            if not given.get("priority"):
                given.pop("priority", None)  # blank: the default
            try:
                rule = dict(schema.load(given))
                if rule["code"] in codes:
                    raise ValidationError({"code": [f"{rule['code']!r} stands twice"]})
                codes.add(rule["code"])
                found.append((line, rule))
            except ValidationError as error:
                named = error.messages_dict
                problems += [f"{path}:{line}: {name}: {text}" for name in named for text in flatten(named[name])]
    except csv.Error as error:
        problems.append(f"{path}:{reader.reader.line_num}: not CSV: {error}")
    if problems:
        raise BadFile(problems)
    return found


def unknown_names(path: Path, rules: Iterable[RuleLine], known: Known) -> Iterator[str]:
    """What rules name that nothing has, and times that end before they begin, `file:line: column: what`."""
    for line, rule in rules:
        named = {
            "service_code": known.services,
            "group": known.groups,
            "layer": known.boundaries,
            "department": known.departments,
            "calendar": known.calendars,
        }
        for name, codes in named.items():
            if rule[name] and rule[name] not in codes:
                yield f"{path}:{line}: {name}: nothing has the code {rule[name]!r}"
        if rule["layer"] and rule["layer"] in known.boundaries and rule["boundary"] not in known.boundaries[rule["layer"]]:
            yield f"{path}:{line}: boundary: {rule['layer']} has no boundary {rule['boundary']!r}"
        if rule["attribute"]:
            yield from (f"{path}:{line}: {problem}" for problem in _unasked(rule, known))
        begins, ends = (_moment(rule[name], known.zone) for name in ("valid_from", "valid_to"))
        if begins is not None and ends is not None and begins >= ends:
            yield f"{path}:{line}: valid_to: must be later than valid_from"


def _unasked(rule: Mapping[str, Any], known: Known) -> Iterator[str]:
    """Why no request can give the answer that a rule asks for."""
    code, group = rule["service_code"], rule["group"]
    if (code and code not in known.services) or (group and group not in known.groups):
        return  # that is told already
    spoken_of = {code} if code else known.groups[group] if group else known.services
    asking = [known.services[each] for each in spoken_of]
    answers = [questions[rule["attribute"]] for questions in asking if rule["attribute"] in questions]
    if not answers:
        yield f"attribute: no service that the rule speaks of asks {rule['attribute']!r}"
    elif all(keys and rule["value"] not in keys for keys in answers):
        taken = sorted({key for keys in answers for key in keys})
        yield f"value: {rule['attribute']} takes {', '.join(taken)}, got {rule['value']!r}"


def known_here(session: Session, city_id: int) -> Known:
    """What rules of this city may name, as its tables have it.

    Also services that are retired and districts that have ended, so that what was exported can be put back; a check tells
    of rules that can never win because of that.  Districts of a map that was taken back never were.
    """
    services: dict[str, dict[str, Set[str]]] = {}
    groups: dict[str, set[str]] = {}
    asked = (
        select(Service.code, Service.service_group, ServiceAttribute.code, ServiceAttribute.values)
        .outerjoin(
            ServiceAttribute,
            (ServiceAttribute.jurisdiction_id == city_id)
            & (ServiceAttribute.service_id == Service.id)
            & ServiceAttribute.variable,
        )
        .where(Service.jurisdiction_id == city_id)
    )
    for code, group, attribute, values in session.execute(asked):
        groups.setdefault(group, set()).add(code)
        questions = services.setdefault(code, {})
        if attribute is not None:
            questions[attribute] = {value["key"] for value in values}
    drawn = (
        select(Layer.code, Boundary.code)
        .join(Boundary, (Boundary.jurisdiction_id == city_id) & (Boundary.layer_id == Layer.id))
        .where(
            Layer.jurisdiction_id == city_id,
            # Of a map that was taken back.
            Boundary.valid_to.is_distinct_from(Boundary.valid_from) | Boundary.valid_to.is_(None),
        )
    )
    boundaries: dict[str, set[str]] = {}
    for layer, code in session.execute(drawn):
        boundaries.setdefault(layer, set()).add(code)

    def codes(column: Any) -> Set[str]:
        return set(session.scalars(select(column).where(column.class_.jurisdiction_id == city_id)))

    return Known(
        zone=_zone(session, city_id),
        services=services,
        groups=groups,
        departments=codes(Department.code),
        whole_departments=set(
            session.scalars(
                select(Department.code).where(Department.jurisdiction_id == city_id, Department.parent_id.is_(None))
            )
        ),
        calendars=codes(Calendar.code),
        boundaries=boundaries,
    )


def service_facts(session: Session, city_id: int) -> list[ServiceFacts]:
    """What a check of the rules must know of every service of the city."""
    questions: dict[int, dict[str, bool]] = {}
    for service_id, code, datatype in session.execute(
        select(ServiceAttribute.service_id, ServiceAttribute.code, ServiceAttribute.datatype).where(
            ServiceAttribute.jurisdiction_id == city_id
        )
    ):
        questions.setdefault(service_id, {})[code] = datatype == "multivaluelist"
    return [
        ServiceFacts(
            id=row.id,
            code=row.code,
            group=row.service_group,
            is_active=row.is_active,
            questions=questions.get(row.id, {}),
        )
        for row in session.scalars(select(Service).where(Service.jurisdiction_id == city_id).order_by(Service.code))
    ]


def put_rules(session: Session, city_id: int, rules: Iterable[Mapping[str, Any]], *, zone: ZoneInfo) -> None:
    """Put these rules, whose names are known, in place of those the city has.  Dates are the city's.  Adds and flushes.

    Of two who do so at once the second waits, and puts its rules in place of the first one's.
    """

    def ids(table: Any) -> dict[str, int]:
        rows = session.execute(select(table.code, table.id).where(table.jurisdiction_id == city_id))
        return {row.code: row.id for row in rows}

    services, layers, departments, calendars = ids(Service), ids(Layer), ids(Department), ids(Calendar)
    session.execute(select(Jurisdiction.id).where(Jurisdiction.id == city_id).with_for_update(key_share=True))
    session.execute(delete(RoutingRule).where(RoutingRule.jurisdiction_id == city_id))
    session.add_all(
        RoutingRule(
            jurisdiction_id=city_id,
            code=rule["code"],
            service_id=services[rule["service_code"]] if rule["service_code"] else None,
            service_group=rule["group"] or None,
            layer_id=layers[rule["layer"]] if rule["layer"] else None,
            boundary_code=rule["boundary"] or None,
            department_id=departments[rule["department"]],
            priority=rule["priority"],
            attribute_code=rule["attribute"] or None,
            attribute_value=rule["value"] or None,
            calendar_id=calendars[rule["calendar"]] if rule["calendar"] else None,
            during=rule["during"] or None,
            valid_from=_moment(rule["valid_from"], zone),
            valid_to=_moment(rule["valid_to"], zone),
            note=rule["note"] or None,
        )
        for rule in rules
    )
    session.flush()


def read_back(session: Session, city_id: int) -> list[dict[str, Any]]:
    """The city's rules as RuleSchema loads them, in the order of their codes; a first second of a day is written as a date."""
    zone = _zone(session, city_id)
    rule, department, calendar = RoutingRule, aliased(Department), aliased(Calendar)
    found = session.execute(
        select(rule, Service.code, Layer.code, department.code, calendar.code)
        .outerjoin(Service, (Service.jurisdiction_id == city_id) & (Service.id == rule.service_id))
        .outerjoin(Layer, (Layer.jurisdiction_id == city_id) & (Layer.id == rule.layer_id))
        .join(department, (department.jurisdiction_id == city_id) & (department.id == rule.department_id))
        .outerjoin(calendar, (calendar.jurisdiction_id == city_id) & (calendar.id == rule.calendar_id))
        .where(rule.jurisdiction_id == city_id)
        .order_by(rule.code.collate("C"))
    )
    return [
        {
            "code": row.code,
            "service_code": service or "",
            "group": row.service_group or "",
            "layer": layer or "",
            "boundary": row.boundary_code or "",
            "department": answering,
            "priority": row.priority,
            "attribute": row.attribute_code or "",
            "value": row.attribute_value or "",
            "calendar": hours or "",
            "during": row.during or "",
            "valid_from": _written(row.valid_from, zone),
            "valid_to": _written(row.valid_to, zone),
            "note": row.note or "",
        }
        for row, service, layer, answering, hours in found
    ]


def _zone(session: Session, city_id: int) -> ZoneInfo:
    return ZoneInfo(session.scalars(select(Jurisdiction.timezone).where(Jurisdiction.id == city_id)).one())


def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    return moment.read(text, zone) if text else None


def _written(when: datetime | None, zone: ZoneInfo) -> str:
    if when is None:
        return ""
    day = when.astimezone(zone).date().isoformat()
    return day if moment.read(day, zone) == when else moment.write(when)


def as_csv(rules: Sequence[Mapping[str, Any]]) -> str:
    """Rules as the text of a file that read_rules reads; columns that no rule uses are left out."""
    used = [name for name in COLUMNS if name in _ALWAYS_WRITTEN or any(rule[name] for rule in rules)]
    text = StringIO()
    writer = csv.DictWriter(text, used, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rules)
    return text.getvalue()


_ALWAYS_WRITTEN = ("code", "service_code", "group", "layer", "boundary", "department", "priority", "note")
