"""How a city's folder gets into the database: all of it or nothing, as often as you like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session, aliased

from db import driver_connection
from geo.importing import NewBoundary, drawing_digest, names_digest
from geo.models import Boundary, Layer
from geo.versions import VersionInTheWay, newest_version, publish, rename
from open311.cases.stamping import stamp_later
from open311.city.addresses import put_addresses
from open311.city.calendars import drop_calendars, put_calendars
from open311.city.configuring import keep_what_a_load_changed
from open311.city.crest import put_crest
from open311.city.folder import CALENDARS, CityFolder
from open311.city.lines import BadFile, Lines
from open311.city.names import names_shown, tell_of_names
from open311.city.rules import put_rules
from open311.city.working import one_load_at_a_time, put_working, working_of
from open311.models import Jurisdiction, Service, ServiceAttribute, ServiceRequest
from open311.models.request import THIS_TRANSACTION
from routing.models import Department
from schemas import moment

# A version that begins so soon was put there by a load just before, and is no map that somebody published ahead of its day.
_SOON = timedelta(minutes=1)

_PARENT = aliased(ServiceRequest, name="parent")


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a load did: the city's row, how many of each, and which boundaries had to be repaired.

    hides_more: the public is shown less of some service than before, not at all or more coarsely.
    """

    jurisdiction_id: int
    services: int
    departments: int
    boundaries: int
    rules: int
    addresses: int
    hides_more: bool
    repaired: Sequence[str]


def load_folder(session: Session, folder: CityFolder, *, now: datetime) -> Loaded:
    """The folder's catalogue, maps and rules put in place of what the city had; its requests are not touched.

    What is gone from the folder: services become inactive, boundaries end now, rules, attributes, addresses and the
    crest go; departments stay.
    The changeset of discovery moves when a service or a definition is another than before.  Adds and flushes.
    """
    city = _jurisdiction(session, folder, now=now)
    before, shown_before = _definitions(session, city.id), names_shown(session, city.id)
    departments = _departments(session, city.id, folder.departments)
    layers = _layers(session, city, folder, now=now)
    hides_more = _services(session, city.id, folder.services, layers=layers)
    put_calendars(session, city.id, folder.calendars, timezone=city.timezone, departments=departments)
    put_rules(session, city.id, folder.rules, zone=ZoneInfo(city.timezone))
    worked_so_far = working_of(session, city.id)
    put_working(session, city.id, folder.working)
    keep_what_a_load_changed(session, city.id, worked_so_far, now=now)
    drop_calendars(
        session, city.id, but=[calendar["code"] for calendar in folder.calendars], file=folder.path / CALENDARS, now=now
    )
    put_crest(session, city.id, folder.crest)
    put_addresses(driver_connection(session), folder.addresses, jurisdiction_id=city.id)
    city.outline_layer_id = layers[folder.jurisdiction["outline"]]
    city.default_department_id = departments[folder.jurisdiction["default_department"]]
    city.names_version = Jurisdiction.names_version + 1
    session.flush()
    tell_of_names(session, city.id, before=shown_before, after=names_shown(session, city.id))
    if before != _definitions(session, city.id):
        # A second load within a second is a change all the same.
        city.changed_at = max(now, city.changed_at + timedelta(seconds=1)) if any(before) else now
    session.flush()
    # What was just written has no statistics, and the candidate query is next to be planned.
    session.execute(text("analyze layer, boundary, department, service, service_attribute, calendar, routing_rule"))
    return Loaded(
        jurisdiction_id=city.id,
        services=len(folder.services),
        departments=sum(1 + len(department["units"]) for department in folder.departments),
        boundaries=sum(len(drawn) for drawn in folder.boundaries.values()),
        rules=len(folder.rules),
        addresses=len(folder.addresses),
        hides_more=hides_more,
        repaired=[
            f"{layer} {boundary.code}: {boundary.repaired}"
            for layer, drawn in folder.boundaries.items()
            for boundary in drawn
            if boundary.repaired
        ],
    )


def _jurisdiction(session: Session, folder: CityFolder, *, now: datetime) -> Jurisdiction:
    about = folder.jurisdiction
    hosts = [host.lower() for host in about["hosts"]]
    one_load_at_a_time(session)
    taken = session.scalars(
        select(Jurisdiction.slug).where(Jurisdiction.slug != about["jurisdiction_id"], Jurisdiction.hosts.overlap(hosts))
    ).first()
    if taken is not None:
        lines = Lines(folder.path / "jurisdiction.yml")
        raise BadFile([lines.at(("hosts",), f"hosts: {taken} has one of these already")])
    city = session.scalars(select(Jurisdiction).where(Jurisdiction.slug == about["jurisdiction_id"])).one_or_none()
    if city is None:
        city = Jurisdiction(slug=about["jurisdiction_id"], changed_at=now)
        session.add(city)
    city.name, city.timezone = about["name"], about["timezone"]
    city.hosts = hosts
    city.contact, city.key_service = about["contact"], about["key_service"]
    for name in ("reopen_days", "reopens_when_not_fixed", "public_knowledge", "retention", "least_count"):
        setattr(city, name, about[name])
    city.phone, city.emergency_phone, city.colors = about.get("phone"), about.get("emergency_phone"), about["colors"]
    session.flush()
    return city


def _departments(session: Session, city_id: int, given: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Code to id, units included."""
    found = {row.code: row for row in session.scalars(select(Department).where(Department.jurisdiction_id == city_id))}

    def keep(about: Mapping[str, Any], parent_id: int | None) -> int:
        row = found.get(about["code"])
        if row is None:
            row = found[about["code"]] = Department(jurisdiction_id=city_id, code=about["code"])
            session.add(row)
        row.name, row.parent_id = about["name"], parent_id
        row.phone, row.email, row.hours = about.get("phone"), about.get("email"), about.get("hours")
        session.flush()
        return row.id

    for department in given:
        parent_id = keep(department, None)
        for unit in department["units"]:
            keep(unit, parent_id)
    return {code: row.id for code, row in found.items()}


def _services(session: Session, city_id: int, given: Sequence[Mapping[str, Any]], *, layers: Mapping[str, int]) -> bool:
    """Whether some of them show the public less than before: not at all, or more coarsely."""
    found = {row.code: row for row in session.scalars(select(Service).where(Service.jurisdiction_id == city_id))}
    were_shown = {row.id: (row.is_private, row.coarse_metres) for row in found.values()}
    names = {code: row.name for code, row in found.items()}
    named = {about["service_code"]: about["service_name"] for about in given}
    for row in found.values():
        row.is_active = False
        if row.name != named.get(row.code):
            # Names may have changed hands between codes; none may stand twice on the way, and no name ends with a line.
            # One that stays is left alone: it is a key, and whoever writes a request of its service would wait for us.
            row.name = f"{row.code}\n"
    session.flush()
    session.execute(delete(ServiceAttribute).where(ServiceAttribute.jurisdiction_id == city_id))
    for about in given:
        service = found.get(about["service_code"])
        if service is None:
            service = found[about["service_code"]] = Service(jurisdiction_id=city_id, code=about["service_code"])
            session.add(service)
        service.name, service.description, service.service_group = about["service_name"], about["description"], about["group"]
        service.keywords, service.type, service.notice = about["keywords"], about["type"], about.get("notice")
        service.is_private, service.needs_location, service.is_active = about["private"], about["location_required"], True
        service.similar, service.retention = about["similar"], about["retention"]
        service.coarse_metres, service.emergency = about["coarse_metres"], about.get("emergency")
        offered = about["offered_in"]
        service.offered_layer_id = offered and layers[offered["layer"]]
        service.offered_boundary_codes = offered and offered["boundaries"]
    taken = {about["service_name"] for about in given}
    for code, name in names.items():
        if not found[code].is_active:
            while name in taken:
                name = f"{name} ({code})"
            taken.add(name)
            found[code].name = name
    session.flush()
    shown = {row.id: (row.is_private, row.coarse_metres) for row in found.values()}
    _show_or_hide(session, city_id, [each for each in were_shown if were_shown[each] != shown[each]])
    session.add_all(
        ServiceAttribute(
            jurisdiction_id=city_id,
            service_id=found[about["service_code"]].id,
            position=position,
            code=attribute["code"],
            datatype=attribute["datatype"],
            variable=attribute["variable"],
            required=attribute["required"],
            description=attribute["description"],
            datatype_description=attribute.get("datatype_description"),
            values=attribute["values"],
        )
        for about in given
        for position, attribute in enumerate(about["attributes"], start=1)
    )
    session.flush()
    return any(_hides_more(were_shown[each], shown[each]) for each in were_shown)


def _hides_more(before: tuple[bool, int | None], after: tuple[bool, int | None]) -> bool:
    """(is_private, coarse_metres) before and after."""
    return (after[0] and not before[0]) or (after[1] or 0) > (before[1] or 0)


def _show_or_hide(session: Session, city_id: int, service_ids: Sequence[int]) -> None:
    """Show the requests of services as those say now: not at all, or coarsely, or as they are."""
    service = (Service.jurisdiction_id == city_id, Service.id == ServiceRequest.service_id)
    is_shown = select(~Service.is_private & (Service.type != "blackbox")).where(*service).scalar_subquery()
    coarse_metres = select(Service.coarse_metres).where(*service).scalar_subquery()
    session.execute(
        update(ServiceRequest)
        .where(ServiceRequest.jurisdiction_id == city_id, ServiceRequest.service_id.in_(service_ids))
        .values(is_public=ServiceRequest.number.is_not(None) & is_shown, coarse_metres=coarse_metres)
        .execution_options(synchronize_session=False)
    )
    # Those of other services that follow one of them name it, or do so no more.
    parents = select(_PARENT.id).where(_PARENT.jurisdiction_id == city_id, _PARENT.service_id.in_(service_ids))
    session.execute(
        update(ServiceRequest)
        .where(ServiceRequest.jurisdiction_id == city_id, ServiceRequest.parent_id.in_(parents))
        .values(changed_in=THIS_TRANSACTION)
        .execution_options(synchronize_session=False)
    )


def _layers(session: Session, city: Jurisdiction, folder: CityFolder, *, now: datetime) -> dict[str, int]:
    """Code to id; a boundary that the folder draws anew ends now and begins anew, one that it does not stays as it is.

    So does what somebody published since, and a layer that no folder brought.
    """
    found = {row.code: row for row in session.scalars(select(Layer).where(Layer.jurisdiction_id == city.id))}
    for code, layer in found.items():
        if code not in folder.boundaries and layer.folder_drawing is not None:
            _publish(session, city, layer, [], folder, now=now)
    for code, about in folder.jurisdiction["layers"].items():
        row = found.get(code)
        if row is None:
            row = found[code] = Layer(jurisdiction_id=city.id, code=code)
            session.add(row)
        row.name = about["name"]
        row.code_property, row.name_property = about["code_property"], about["name_property"]
        row.population_property = about["population_property"]
        session.flush()
        _publish(session, city, row, folder.boundaries[code], folder, now=now)
    return {code: row.id for code, row in found.items()}


def _publish(
    session: Session, city: Jurisdiction, layer: Layer, drawn: Sequence[NewBoundary], folder: CityFolder, *, now: datetime
) -> None:
    has_map = session.scalar(
        select(Boundary.id).where(Boundary.jurisdiction_id == city.id, Boundary.layer_id == layer.id).limit(1)
    )
    newest = newest_version(session, jurisdiction_id=city.id, layer_id=layer.id)
    drawing, names = drawing_digest(drawn), names_digest(drawn)
    if drawing == layer.folder_drawing:
        if names != layer.folder_names:
            rename(session, drawn, jurisdiction_id=city.id, layer_id=layer.id, now=now)
            layer.folder_names = names
        return
    layer.folder_drawing, layer.folder_names = drawing, names
    begins = now
    if newest is not None and newest.valid_from is not None and newest.valid_from <= now + _SOON:
        # A second load within a second is a new map all the same.
        begins = max(now, newest.valid_from + moment.SECOND)
    try:
        version = publish(
            session,
            drawn,
            jurisdiction_id=city.id,
            layer_id=layer.id,
            valid_from=None if has_map is None else begins,
            published_at=now,
            source=f"{folder.path.name}/boundaries/{layer.code}.geojson",
        )
    except VersionInTheWay as error:
        raise BadFile(
            [
                f"{folder.path}/boundaries/{layer.code}.geojson:1: a map of {layer.code} is published for "
                f"{moment.write(error.args[0])}; take that back first (open311 boundary undo)"
            ]
        ) from error
    if version is None:
        return
    if city.outline_layer_id is None:
        # The city is new: there is no request to stamp, and none that could just be coming in.
        version.stamping = "done"
    else:
        stamp_later(driver_connection(session), version)


def _definitions(session: Session, city_id: int) -> tuple[Sequence[Any], Sequence[Any]]:
    """Everything that services and their definitions show, to see whether it changed."""
    services = session.execute(
        select(
            Service.code, Service.name, Service.description, Service.service_group, Service.keywords, Service.type,
            Service.notice, Service.needs_location, Service.offered_layer_id, Service.offered_boundary_codes,
        )
        .where(Service.jurisdiction_id == city_id, Service.is_active)
        .order_by(Service.code)
    ).all()  # fmt: skip
    attributes = session.execute(
        select(
            Service.code, ServiceAttribute.position, ServiceAttribute.code, ServiceAttribute.datatype,
            ServiceAttribute.variable, ServiceAttribute.required, ServiceAttribute.description,
            ServiceAttribute.datatype_description, ServiceAttribute.values,
        )
        .join(Service, (Service.jurisdiction_id == city_id) & (Service.id == ServiceAttribute.service_id))
        .where(ServiceAttribute.jurisdiction_id == city_id, Service.is_active)
        .order_by(Service.code, ServiceAttribute.position)
    ).all()  # fmt: skip
    return services, attributes


def note_moved_dates(session: Session, city_id: int, weeks: int) -> None:
    """Remember that the dates of this city's imported requests were moved, so that pages can say so."""
    session.execute(update(Jurisdiction).where(Jurisdiction.id == city_id).values(dates_moved_weeks=weeks))
