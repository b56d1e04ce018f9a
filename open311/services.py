"""Which services there are, and what each asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row
from sqlalchemy import BigInteger, Boolean, Text, and_, bindparam, func, or_, select

from db.driver import Statement
from geo.districts import District
from open311.cases.intake import NewService
from open311.models import Service, ServiceAttribute
from schemas.city import URL_SAFE
from schemas.definition import Question


class ServiceMissing(ValueError):
    """No service_code was given."""


class UnknownService(LookupError):
    """No active service has this code."""


@dataclass(frozen=True, kw_only=True)
class AskedService:
    """An active service with the questions of its form.  offered_in: (layer id, codes) of the districts it is limited to."""

    new: NewService
    name: str
    notice: str | None
    emergency: str | None
    needs_location: bool
    offered_in: tuple[int, Sequence[str]] | None
    questions: Sequence[Question]

    def is_offered(self, districts: Sequence[District]) -> bool:
        """Whether the service is offered at a point that lies in these districts."""
        layer_id, codes = self.offered_in or (None, None)
        return _is_offered(layer_id, codes, districts)


def list_services(
    connection: "Connection[Any]", *, jurisdiction_id: int, districts: Sequence[District] | None = None
) -> list[tuple[Any, ...]]:
    """Active services by group and name, each in the order of schemas.service.ExtendedServiceSchema, without its last field.

    districts: only those offered at a point that lies in these.
    """
    rows = _SERVICES.run(connection, jurisdiction_id=jurisdiction_id).fetchall()
    return [row[:-2] for row in rows if districts is None or _is_offered(row[-2], row[-1], districts)]


def _is_offered(layer_id: int | None, codes: Sequence[str] | None, districts: Sequence[District]) -> bool:
    return layer_id is None or any(each.layer_id == layer_id and each.code in (codes or ()) for each in districts)


def show_definition(connection: "Connection[Any]", code: str, *, jurisdiction_id: int) -> tuple[Any, ...]:
    """A row of schemas.service.DefinitionSchema; raises UnknownService."""
    rows = _definition(connection, code, jurisdiction_id=jurisdiction_id)
    attributes = [
        (
            row.variable,
            row.attribute,
            row.datatype,
            row.required,
            row.datatype_description,
            row.position,
            row.description,
            [(value["key"], value["name"]) for value in row.values],
        )
        for row in rows
        if row.attribute is not None
    ]
    return (code, attributes)


def find_service(
    connection: "Connection[Any]", code: str, *, jurisdiction_id: int, also_inactive: bool = False
) -> AskedService:
    """The active service of this code, with what intake needs; raises ServiceMissing, UnknownService."""
    if not code:
        raise ServiceMissing
    rows = _definition(connection, code, jurisdiction_id=jurisdiction_id, also_inactive=also_inactive)
    service = rows[0]
    return AskedService(
        new=NewService(
            id=service.id,
            group=service.service_group,
            type=service.type,
            is_private=service.is_private,
            coarse_metres=service.coarse_metres,
        ),
        name=service.name,
        notice=service.notice,
        emergency=service.emergency,
        needs_location=service.needs_location,
        offered_in=service.offered_layer_id and (service.offered_layer_id, service.offered_boundary_codes),
        questions=[
            Question(
                code=row.attribute,
                datatype=row.datatype,
                required=row.required,
                variable=row.variable,
                description=row.description,
                keys=[value["key"] for value in row.values],
            )
            for row in rows
            if row.attribute is not None
        ],
    )


def _definition(connection: "Connection[Any]", code: str, *, jurisdiction_id: int, also_inactive: bool = False) -> list[Any]:
    rows: list[Any] = []
    if URL_SAFE.fullmatch(code):
        rows = _DEFINITION.run(connection, jurisdiction_id=jurisdiction_id, code=code, also_inactive=also_inactive).fetchall()
    if not rows:
        raise UnknownService(code)
    return rows


_JURISDICTION: Any = bindparam("jurisdiction_id", type_=BigInteger)

_SERVICES = Statement(
    select(
        Service.code,
        Service.name,
        Service.description,
        select(ServiceAttribute.id)
        .where(ServiceAttribute.jurisdiction_id == _JURISDICTION, ServiceAttribute.service_id == Service.id)
        .exists(),
        Service.type,
        func.array_to_string(Service.keywords, ","),
        Service.service_group,
        Service.emergency,
        Service.offered_layer_id,
        Service.offered_boundary_codes,
    )
    .where(Service.jurisdiction_id == _JURISDICTION, Service.is_active)
    .order_by(Service.service_group, Service.name, Service.id),
    row_factory=tuple_row,
)

_DEFINITION = Statement(
    select(
        Service.id,
        Service.service_group,
        Service.type,
        Service.is_private,
        Service.coarse_metres,
        Service.name,
        Service.needs_location,
        Service.offered_layer_id,
        Service.offered_boundary_codes,
        Service.notice,
        Service.emergency,
        ServiceAttribute.code.label("attribute"),
        ServiceAttribute.position,
        ServiceAttribute.variable,
        ServiceAttribute.datatype,
        ServiceAttribute.required,
        ServiceAttribute.datatype_description,
        ServiceAttribute.description,
        ServiceAttribute.values,
    )
    .outerjoin(
        ServiceAttribute,
        and_(ServiceAttribute.jurisdiction_id == _JURISDICTION, ServiceAttribute.service_id == Service.id),
    )
    .where(
        Service.jurisdiction_id == _JURISDICTION,
        or_(Service.is_active, bindparam("also_inactive", type_=Boolean)),
        Service.code == bindparam("code", type_=Text),
    )
    .order_by(ServiceAttribute.position)
)
