"""A city written out as a folder that reads as what it has now; past requests are left out."""

import csv
import gzip
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from io import StringIO
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import yaml
from marshmallow import Schema, fields, missing
from shapely.geometry import mapping
from sqlalchemy import bindparam, literal, select
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Session

from geo.geojson import feature_collection
from geo.importing import DEFAULT_CODE, DEFAULT_NAME
from geo.models import Address, Boundary, Layer
from geo.queries import latitude, longitude
from open311.city.calendars import calendars_of
from open311.city.crest import NewCrest
from open311.city.folder import CALENDARS, read_folder
from open311.city.lines import BadFile
from open311.city.rules import as_csv, read_back
from open311.city.working import FILES, working_of
from open311.models import Crest, Jurisdiction, Service, ServiceAttribute
from routing.models import Department
from schemas.calendar import CalendarSchema
from schemas.city import DepartmentSchema, JurisdictionSchema, ServiceSchema

ADDRESS_COLUMNS = ("address", "address_id", "zip", "lat", "lon")


class NotEmpty(FileExistsError):
    """There is something where the folder is to be written; the message says what."""


class NotAFolder(ValueError):
    """What the city has now cannot be a folder: the message says why, file by file."""


def write_folder(session: Session, city_id: int, directory: Path, *, now: datetime) -> None:
    """Write what the city has now into a folder that is new or empty: all of it or nothing, the same bytes each time.

    What was written is read again before it is put there.  Raises NotEmpty, NotAFolder, OSError.
    """
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        raise NotEmpty(f"{directory} must be a folder that is empty, or not be there")
    directory.parent.mkdir(parents=True, exist_ok=True)
    # Beside it, so that it is put in place by a change of name.
    draft = Path(mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        for name, content in _files(session, city_id, now=now):
            file = draft / name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
        try:
            read_folder(draft)
        except BadFile as error:
            raise NotAFolder("\n".join(message.replace(f"{draft}/", "") for message in error.messages)) from error
        draft.chmod(0o755)
        draft.rename(directory)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def as_yaml(schema: Schema, items: Sequence[Mapping[str, Any]]) -> str:
    """Items as the text of a file that the schema reads: what it would say by itself is left out."""
    return _yaml([_plain(schema, item) for item in items])


def calendars_as_yaml(session: Session, city_id: int) -> str:
    """The city's calendars as the text of calendars.yml, each as it was written."""
    names = list(CalendarSchema().fields)
    return _yaml([{name: item[name] for name in names if name in item} for item in calendars_of(session, city_id)])


def _files(session: Session, city_id: int, *, now: datetime) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file."""
    city = session.scalars(select(Jurisdiction).where(Jurisdiction.id == city_id)).one()
    departments = {row.id: row for row in _rows(session, city_id, Department)}
    maps = dict(_maps(session, city_id, now=now))
    yield "jurisdiction.yml", _yaml(_plain(JurisdictionSchema(), _jurisdiction(city, maps, departments))).encode()
    yield "departments.yml", as_yaml(DepartmentSchema(), _departments(departments)).encode()
    yield "services.yml", as_yaml(ServiceSchema(), _services(session, city_id, maps)).encode()
    if calendars_of(session, city_id):
        yield CALENDARS, calendars_as_yaml(session, city_id).encode()
    working = working_of(session, city_id)
    for name, schema in FILES.items():
        items = getattr(working, name)
        if items:
            yield f"{name}.yml", as_yaml(schema(), items).encode()
    yield "rules.csv", as_csv(read_back(session, city_id)).encode()
    for layer, drawn in maps.values():
        yield f"boundaries/{layer['code']}.geojson", _geojson(layer, drawn).encode()
    crest = session.get(Crest, city_id)
    if crest is not None:
        yield NewCrest(content_type=crest.content_type, content=crest.content).name, crest.content
    addresses = _addresses(session, city_id)
    if addresses:
        yield "addresses.csv.gz", gzip.compress(addresses.encode(), mtime=0)


def _rows(session: Session, city_id: int, table: Any) -> Sequence[Any]:
    return session.scalars(select(table).where(table.jurisdiction_id == city_id).order_by(table.id)).all()


def _jurisdiction(city: Jurisdiction, maps: Mapping[int, tuple[Any, Any]], departments: Mapping[int, Any]) -> dict[str, Any]:
    return {
        "jurisdiction_id": city.slug,
        "name": city.name,
        "timezone": city.timezone,
        "hosts": city.hosts,
        "contact": city.contact,
        "key_service": city.key_service,
        "default_department": departments[city.default_department_id or 0].code,
        "reopen_days": city.reopen_days,
        "reopens_when_not_fixed": city.reopens_when_not_fixed,
        "public_knowledge": city.public_knowledge,
        "retention": city.retention,
        "least_count": city.least_count,
        "phone": city.phone,
        "emergency_phone": city.emergency_phone,
        "colors": city.colors,
        "outline": maps[city.outline_layer_id or 0][0]["code"],
        "layers": {
            layer["code"]: {name: layer[name] for name in ("name", "code_property", "name_property", "population_property")}
            for layer, _ in maps.values()
        },
    }


def _departments(departments: Mapping[int, Any]) -> list[dict[str, Any]]:
    def said(row: Any) -> dict[str, Any]:
        return {"code": row.code, "name": row.name, "phone": row.phone, "email": row.email, "hours": row.hours}

    return [
        {**said(row), "units": [said(unit) for unit in departments.values() if unit.parent_id == row.id]}
        for row in departments.values()
        if row.parent_id is None
    ]


def _services(session: Session, city_id: int, maps: Mapping[int, tuple[Any, Any]]) -> list[dict[str, Any]]:
    """Those that are active; the others are known from their requests alone."""
    questions: dict[int, list[ServiceAttribute]] = {}
    for row in sorted(_rows(session, city_id, ServiceAttribute), key=lambda each: each.position):
        questions.setdefault(row.service_id, []).append(row)
    return [
        {
            "service_code": row.code,
            "service_name": row.name,
            "description": row.description,
            "group": row.service_group,
            "keywords": row.keywords,
            "type": row.type,
            "private": row.is_private,
            "location_required": row.needs_location,
            "notice": row.notice,
            "emergency": row.emergency,
            "similar": row.similar,
            "retention": row.retention,
            "coarse_metres": row.coarse_metres,
            "offered_in": row.offered_layer_id
            and {"layer": maps[row.offered_layer_id][0]["code"], "boundaries": row.offered_boundary_codes},
            "attributes": [
                {
                    "code": each.code,
                    "datatype": each.datatype,
                    "required": each.required,
                    "variable": each.variable,
                    "description": each.description,
                    "datatype_description": each.datatype_description,
                    "values": [{"key": value["key"], "name": value["name"]} for value in each.values],
                }
                for each in questions.get(row.id, ())
            ],
        }
        for row in _rows(session, city_id, Service)
        if row.is_active
    ]


def _maps(session: Session, city_id: int, *, now: datetime) -> Iterator[tuple[int, tuple[dict[str, Any], Sequence[Boundary]]]]:
    """Of each layer that has a map in force: its id, what it is called, and its districts."""
    for layer in _rows(session, city_id, Layer):
        drawn = session.scalars(
            select(Boundary)
            .where(
                Boundary.jurisdiction_id == city_id,
                Boundary.layer_id == layer.id,
                Boundary.in_force(literal(now, TIMESTAMP(timezone=True))),
            )
            .order_by(Boundary.code.collate("C"))
        ).all()
        if drawn:
            named = {"code_property": layer.code_property, "name_property": layer.name_property}
            if layer.code_property == layer.name_property and any(each.code != each.name for each in drawn):
                # One property cannot hold both.
                named = {"code_property": DEFAULT_CODE, "name_property": DEFAULT_NAME}
            counted = {"population_property": layer.population_property}
            yield layer.id, ({"code": layer.code, "name": layer.name, **named, **counted}, drawn)


def _geojson(layer: Mapping[str, Any], drawn: Sequence[Boundary]) -> str:
    """A district on each line, with every decimal: rounded, it would be another map."""
    lines = [
        json.dumps(
            {
                "type": "Feature",
                "properties": {
                    layer["code_property"]: each.code,
                    layer["name_property"]: each.name,
                    **({layer["population_property"]: each.population} if layer["population_property"] else {}),
                },
                "geometry": mapping(each.area),
            },
            ensure_ascii=False,
        )
        for each in drawn
    ]
    whole = json.dumps(feature_collection([]))
    return whole.replace("[]", "[\n" + ",\n".join(lines) + "\n]") + "\n"


def _addresses(session: Session, city_id: int) -> str:
    """addresses.csv, or "" when the city has none."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    rows = session.execute(_ADDRESSES, {"city_id": city_id}).all()
    writer.writerow(ADDRESS_COLUMNS)
    for row in rows:
        point = ("", "") if row.lat is None else (repr(row.lat), repr(row.long))
        writer.writerow((row.line, row.code or "", row.zipcode or "", *point))
    return text.getvalue() if rows else ""


_LONG, _LAT = longitude(Address.location), latitude(Address.location)
_ADDRESSES = (
    select(Address.line, Address.code, Address.zipcode, _LAT.label("lat"), _LONG.label("long"))
    .where(Address.jurisdiction_id == bindparam("city_id"))
    .order_by(
        Address.street.collate("C"),
        Address.number_from,
        Address.line.collate("C"),
        Address.code.collate("C"),
        Address.zipcode,
        _LAT,
        _LONG,
    )
)


def _plain(schema: Schema, item: Mapping[str, Any]) -> dict[str, Any]:
    """An item as a person would write it: in the order of its schema, without what is so by itself."""
    found: dict[str, Any] = {}
    for name, field in schema.fields.items():
        value = item.get(name)
        default = field.load_default() if callable(field.load_default) else field.load_default
        if value is None or (default is not missing and value == default):
            continue
        found[name] = _plain_value(field, value)
    if found.get("wire") == found.get("code"):
        found.pop("wire", None)
    return found


def _plain_value(field: Any, value: Any) -> Any:
    if isinstance(field, fields.List):
        return [_plain_value(field.inner, each) for each in value]
    if isinstance(field, fields.Dict):
        return {key: _plain_value(field.value_field, inner) for key, inner in value.items()}
    if isinstance(field, fields.Nested):
        return _plain(field.schema, value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


class _Written(yaml.SafeDumper):
    """What stands twice is written twice: our files take no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """Always."""
        return True


def _yaml(data: Any) -> str:
    return yaml.dump(data, Dumper=_Written, sort_keys=False, allow_unicode=True, width=120)
