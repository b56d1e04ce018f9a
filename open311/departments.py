"""The departments and units of a city."""

from typing import Any

from psycopg import Connection
from sqlalchemy import ScalarSelect, SQLColumnExpression, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from db.driver import Statement
from routing.models import Department


class UnknownDepartment(LookupError):
    """No department or unit of the city has this code."""


def department_id(connection: "Connection[Any]", code: str, *, jurisdiction_id: int) -> int:
    """The id of a department or unit; raises UnknownDepartment."""
    row = _FIND.run(connection, jurisdiction_id=jurisdiction_id, code=code).fetchone()
    if row is None:
        raise UnknownDepartment(code)
    return int(row.id)


def with_units(jurisdiction_id: SQLColumnExpression[Any], department_id: SQLColumnExpression[Any]) -> ScalarSelect[Any]:
    """The ids of a department and all its units, as an array; of a unit: those of its department.  Null for none."""
    own, kin = aliased(Department), aliased(Department)
    head = func.coalesce(own.parent_id, own.id)
    return (
        select(func.array_agg(kin.id, type_=ARRAY(kin.id.type)))
        .select_from(own)
        .join(kin, (kin.jurisdiction_id == own.jurisdiction_id) & ((kin.id == head) | (kin.parent_id == head)))
        .where(own.jurisdiction_id == jurisdiction_id, own.id == department_id)
        .scalar_subquery()
    )


_FIND = Statement(
    select(Department.id).where(
        Department.jurisdiction_id == bindparam("jurisdiction_id"), Department.code == bindparam("code", type_=Text)
    )
)
