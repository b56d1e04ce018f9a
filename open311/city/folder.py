"""A city's folder, read and checked whole: every problem with its file and line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from marshmallow import Schema, ValidationError

from geo.importing import BadBoundaries, NewBoundary, read_geojson
from open311.cases.recorded import ExportMapping
from open311.city.addresses import ADDRESSES, NewAddress, read_addresses
from open311.city.crest import NewCrest, read_crest
from open311.city.lines import BadFile, Lines, load_list
from open311.city.rules import Known, RuleLine, read_rules, unknown_names
from open311.city.working import Working, read_working
from schemas.calendar import CalendarSchema
from schemas.city import DepartmentSchema, JurisdictionSchema, ServiceSchema

T = TypeVar("T")

REQUESTS, MAPPING, CALENDARS = ("requests.csv.gz", "requests.csv"), "mapping.yml", "calendars.yml"


@dataclass(frozen=True, kw_only=True)
class CityFolder:
    """The contents of a folder, each part as its schema of schemas.city loads it; boundaries by layer.

    requests and mapping are the paths of past requests and of how to read them, when the folder has some.
    """

    path: Path
    jurisdiction: Mapping[str, Any]
    departments: Sequence[Mapping[str, Any]]
    services: Sequence[Mapping[str, Any]]
    calendars: Sequence[Mapping[str, Any]]
    boundaries: Mapping[str, Sequence[NewBoundary]]
    rules: Sequence[Mapping[str, Any]]
    addresses: Sequence[NewAddress]
    working: Working
    crest: NewCrest | None
    requests: Path | None
    mapping: Path | None


def read_folder(path: Path) -> CityFolder:
    """The city in a folder; raises BadFile with every problem found."""
    if not path.is_dir():
        raise BadFile([f"{path}:1: must be a folder with jurisdiction.yml and the files beside it"])
    problems: list[str] = []

    def attempt(read: Callable[[], T]) -> T | None:
        try:
            return read()
        except (BadFile, BadBoundaries) as error:
            problems.extend(error.messages)
            return None

    jurisdiction = attempt(lambda: _one(path / "jurisdiction.yml", JurisdictionSchema()))
    departments = attempt(lambda: load_list(path / "departments.yml", DepartmentSchema()))
    services = attempt(lambda: load_list(path / "services.yml", ServiceSchema()))
    calendars = attempt(lambda: read_calendars(path / CALENDARS))
    rules = attempt(lambda: read_rules(path / "rules.csv"))
    boundaries: dict[str, list[NewBoundary]] = {}
    for layer, about in (jurisdiction[0] if jurisdiction else {}).get("layers", {}).items():
        drawn = attempt(lambda layer=layer, about=about: _layer(path, layer, about))  # type: ignore[misc]
        if drawn is not None:
            boundaries[layer] = drawn
    crest = attempt(lambda: read_crest(path))
    requests = next((path / name for name in REQUESTS if (path / name).exists()), None)
    mapping = path / MAPPING if (path / MAPPING).exists() else None
    read_mapping = attempt(lambda: ExportMapping(mapping)) if mapping is not None else None
    is_placeholder = read_mapping.is_placeholder if read_mapping is not None else lambda point: False
    address_file = next((path / name for name in ADDRESSES if (path / name).exists()), None)
    addresses = attempt(lambda: read_addresses(address_file, is_placeholder=is_placeholder)) if address_file else ()
    if requests is not None and mapping is None:
        problems.append(f"{requests}:1: cannot be read without {MAPPING} beside it")
    known = None
    if jurisdiction and departments and services and calendars is not None:
        known = _known(jurisdiction[0], departments[0], services[0], calendars, boundaries)
    working = attempt(lambda: read_working(path, known)) if known is not None else None
    if not problems:
        assert jurisdiction and departments and services and calendars is not None and rules is not None and known
        problems += _references(jurisdiction, departments, services, calendars, rules, boundaries, known)
    if problems:
        raise BadFile(problems)
    assert jurisdiction and departments and services and calendars is not None and rules is not None and working
    return CityFolder(
        path=path,
        jurisdiction=jurisdiction[0],
        departments=departments[0],
        services=services[0],
        calendars=calendars,
        boundaries=boundaries,
        rules=[rule for _, rule in rules],
        addresses=addresses or (),
        working=working,
        crest=crest,
        requests=requests,
        mapping=mapping,
    )


def _one(path: Path, schema: Schema) -> tuple[dict[str, Any], Lines]:
    lines = Lines(path)
    if not isinstance(lines.data, dict):
        raise BadFile([lines.at((), "must be a mapping of names to values")])
    try:
        return dict(schema.load(lines.data)), lines
    except ValidationError as error:
        raise BadFile(lines.problems(error.messages)) from error


def read_calendars(path: Path) -> list[dict[str, Any]]:
    """The calendars of a file, none when there is no such file; raises BadFile."""
    if not path.exists():
        return []
    calendars, lines = load_list(path, CalendarSchema(), may_be_empty=True)
    codes = [each["code"] for each in calendars]
    twice = [position for position, code in enumerate(codes) if code in codes[:position]]
    if twice:
        raise BadFile([lines.at((position, "code"), f"code: {codes[position]!r} stands twice") for position in twice])
    return calendars


def _layer(path: Path, layer: str, about: Mapping[str, str]) -> list[NewBoundary]:
    file = path / "boundaries" / f"{layer}.geojson"
    if not file.exists():
        raise BadFile([f"{file}:1: is missing, the layer {layer!r} of jurisdiction.yml needs it"])
    return read_geojson(
        file,
        code_property=about["code_property"],
        name_property=about["name_property"],
        population_property=about["population_property"],
    )


def _references(
    jurisdiction: tuple[Mapping[str, Any], Lines],
    departments: tuple[Sequence[Mapping[str, Any]], Lines],
    services: tuple[Sequence[Mapping[str, Any]], Lines],
    calendars: Sequence[Mapping[str, Any]],
    rules: Sequence[RuleLine],
    boundaries: Mapping[str, Sequence[NewBoundary]],
    known: Known,
) -> list[str]:
    """Problems between the files: codes that stand twice, names that nothing has."""
    problems: list[str] = []
    codes: set[str] = set()
    for position, department in enumerate(departments[0]):
        for path, each in [((position, "code"), department)] + [
            ((position, "units", at, "code"), unit) for at, unit in enumerate(department["units"])
        ]:
            if each["code"] in codes:
                problems.append(departments[1].at(path, f"code: {each['code']!r} stands twice"))
            codes.add(each["code"])
    for name in ("service_code", "service_name"):
        seen: set[str] = set()
        for position, service in enumerate(services[0]):
            if service[name] in seen:
                problems.append(services[1].at((position, name), f"{name}: {service[name]!r} stands twice"))
            seen.add(service[name])
    for position, service in enumerate(services[0]):
        offered = service["offered_in"]
        if offered is None:
            continue
        drawn = {boundary.code for boundary in boundaries.get(offered["layer"], ())}
        if offered["layer"] not in boundaries:
            problems.append(
                services[1].at((position, "offered_in", "layer"), f"offered_in.layer: there is no layer {offered['layer']!r}")
            )
        for at, code in enumerate(offered["boundaries"]):
            if offered["layer"] in boundaries and code not in drawn:
                message = f"offered_in.boundaries: {offered['layer']} has no boundary {code!r}"
                problems.append(services[1].at((position, "offered_in", "boundaries", at), message))
    default = jurisdiction[0]["default_department"]
    if default not in {department["code"] for department in departments[0]}:
        problems.append(
            jurisdiction[1].at(("default_department",), f"default_department: no department has the code {default!r}")
        )
    lines = Lines(departments[1].path.parent / CALENDARS) if calendars else None
    for position, calendar in enumerate(calendars):
        if lines is not None and calendar["department"] is not None and calendar["department"] not in codes:
            message = f"department: no department has the code {calendar['department']!r}"
            problems.append(lines.at((position, "department"), message))
    problems += unknown_names(departments[1].path.parent / "rules.csv", rules, known)
    return problems


def _known(
    jurisdiction: Mapping[str, Any],
    departments: Sequence[Mapping[str, Any]],
    services: Sequence[Mapping[str, Any]],
    calendars: Sequence[Mapping[str, Any]],
    boundaries: Mapping[str, Sequence[NewBoundary]],
) -> Known:
    """What the other files may name."""
    return Known(
        zone=ZoneInfo(jurisdiction["timezone"]),
        services={
            service["service_code"]: {
                question["code"]: {value["key"] for value in question["values"]}
                for question in service["attributes"]
                if question["variable"]
            }
            for service in services
        },
        groups={
            each["group"]: {service["service_code"] for service in services if service["group"] == each["group"]}
            for each in services
        },
        departments={unit["code"] for each in departments for unit in (each, *each["units"])},
        whole_departments={each["code"] for each in departments},
        calendars={calendar["code"] for calendar in calendars},
        boundaries={layer: {boundary.code for boundary in drawn} for layer, drawn in boundaries.items()},
    )
