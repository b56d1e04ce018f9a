"""Which services there are, and what each asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row
from sqlalchemy import BigInteger, Text, and_, bindparam, func, select

from db.driver import Statement
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
    """An active service with the questions of its form."""

    new: NewService
    notice: str | None
    needs_location: bool
    questions: Sequence[Question]


def list_services(connection: "Connection[Any]", *, jurisdiction_id: int) -> list[tuple[Any, ...]]:
    """Active services by group and name, each in the order of schemas.service.ServiceSchema."""
    return _SERVICES.run(connection, jurisdiction_id=jurisdiction_id).fetchall()


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


def find_service(connection: "Connection[Any]", code: str, *, jurisdiction_id: int) -> AskedService:
    """The active service of this code, with what intake needs; raises ServiceMissing, UnknownService."""
    if not code:
        raise ServiceMissing
    rows = _definition(connection, code, jurisdiction_id=jurisdiction_id)
    service = rows[0]
    return AskedService(
        new=NewService(id=service.id, group=service.service_group, type=service.type, is_private=service.is_private),
        notice=service.notice,
        needs_location=service.needs_location,
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


def _definition(connection: "Connection[Any]", code: str, *, jurisdiction_id: int) -> list[Any]:
    rows: list[Any] = []
    if URL_SAFE.fullmatch(code):
        rows = _DEFINITION.run(connection, jurisdiction_id=jurisdiction_id, code=code).fetchall()
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
        Service.needs_location,
        Service.notice,
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
    .where(Service.jurisdiction_id == _JURISDICTION, Service.is_active, Service.code == bindparam("code", type_=Text))
    .order_by(ServiceAttribute.position)
)
