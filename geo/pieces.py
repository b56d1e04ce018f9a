"""Maps laid over each other: what PostGIS cuts out of them, and how large it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from psycopg import Connection
from shapely import MultiPolygon, from_wkb, to_wkb
from sqlalchemy import CTE, Double, Select, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA

from db.driver import Statement
from geo.queries import as_wkb, each_part, read_wgs84, square_metres

# Less is what two hands make of one line: a square of a step's length.
SLIVER_SQUARE_METRES = 1.0


class District(Protocol):
    """What is laid over one another: a NewBoundary, or the row of a Boundary."""

    @property
    def code(self) -> str:
        """Unique on its map."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def area(self) -> MultiPolygon:
        """Valid, in WGS84."""


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A district that is nothing but its area."""

    area: MultiPolygon
    code: str = "outline"
    name: str = "outline"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of a map, and its size on the spheroid."""

    area: MultiPolygon
    square_metres: float


@dataclass(frozen=True, kw_only=True)
class Part(Piece):
    """One polygon that was cut out; `kind` and the codes `one` and `other` say as what."""

    kind: str
    one: str | None
    other: str | None


NOTHING = Piece(area=MultiPolygon(), square_metres=0.0)


def laid_out(name: str) -> CTE:
    """A map as a table of position, code, area, from the parameters that `parameters` gives for this name."""
    drawn = (
        func.unnest(bindparam(f"{name}_codes", type_=ARRAY(Text)), bindparam(f"{name}_areas", type_=ARRAY(BYTEA)))
        .table_valued("code", "wkb", with_ordinality="position", name=f"{name}_drawn")
        .render_derived()
    )
    # Materialized: an area is read once and not for each other one that it is held against.
    return (
        select(drawn.c.position, drawn.c.code, read_wgs84(drawn.c.wkb).label("area"))
        .cte(name)
        .prefix_with("materialized", dialect="postgresql")
    )


def parameters(name: str, districts: Sequence[District]) -> dict[str, Any]:
    """The values for `laid_out`."""
    return {f"{name}_codes": [each.code for each in districts], f"{name}_areas": [to_wkb(each.area) for each in districts]}


def parts_of(cut: Select[Any]) -> Statement:
    """Every polygon of what was cut (columns kind, one, other, area) but for slivers, the largest first.

    The parameter sliver_square_metres says what is too small to be told.
    """
    areas = cut.subquery("cut")
    parts = select(areas.c.kind, areas.c.one, areas.c.other, each_part(areas.c.area).label("area")).subquery("part")
    sized = select(
        parts.c.kind, parts.c.one, parts.c.other, as_wkb(parts.c.area).label("wkb"), square_metres(parts.c.area).label("size")
    ).subquery("sized")
    return Statement(
        select(sized)
        .where(sized.c.size >= bindparam("sliver_square_metres", type_=Double))
        .order_by(sized.c.size.desc(), sized.c.kind, sized.c.one.collate("C"), sized.c.other.collate("C"), sized.c.wkb)
    )


def cut_out(
    connection: "Connection[Any]", statement: Statement, sliver_square_metres: float, **maps: Sequence[District]
) -> list[Part]:
    """The parts that a statement of `parts_of` finds on these maps, the largest first."""
    values: dict[str, Any] = {"sliver_square_metres": sliver_square_metres}
    for name, districts in maps.items():
        values |= parameters(name, districts)
    return [
        Part(kind=row.kind, one=row.one, other=row.other, area=MultiPolygon([from_wkb(row.wkb)]), square_metres=row.size)
        for row in statement.run(connection, **values)
    ]


def put_together(parts: Sequence[Part]) -> dict[tuple[str, str | None, str | None], Piece]:
    """(kind, one, other): all that was cut out for these as one, the largest first."""
    found: dict[tuple[str, str | None, str | None], list[Part]] = {}
    for part in parts:
        found.setdefault((part.kind, part.one, part.other), []).append(part)
    whole = {
        key: Piece(
            area=MultiPolygon([polygon for part in mine for polygon in part.area.geoms]),
            square_metres=sum(part.square_metres for part in mine),
        )
        for key, mine in found.items()
    }
    # Stable: pieces of one size stay in the order that the database gave to their parts.
    return dict(sorted(whole.items(), key=lambda item: -item[1].square_metres))
