"""What is wrong with a map as a whole: ground that two districts claim, ground that none does, districts elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from shapely import MultiPolygon
from sqlalchemy import Select, Text, cast, exists, func, literal, null, select, union_all

from db.driver import Statement
from geo.pieces import SLIVER_SQUARE_METRES, District, Outline, Piece, cut_out, laid_out, parameters, parts_of, put_together
from geo.point import Point
from geo.queries import each_part, filled, meets, shared, united, without


@dataclass(frozen=True, kw_only=True)
class Overlap(Piece):
    """Ground that two districts of one layer both claim; their codes in the order of the map."""

    codes: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Gap(Piece):
    """One connected stretch of ground that no district of the layer covers."""

    @property
    def somewhere(self) -> Point:
        """A point within it, where to look."""
        found = self.area.representative_point()
        return Point(long=found.x, lat=found.y)


@dataclass(frozen=True, kw_only=True)
class LayerCheck:
    """The overlaps and gaps of a layer, the largest first."""

    overlaps: Sequence[Overlap]
    gaps: Sequence[Gap]


def check_layer(
    connection: "Connection[Any]",
    districts: Sequence[District],
    *,
    outline: MultiPolygon | None = None,
    sliver_square_metres: float = SLIVER_SQUARE_METRES,
) -> LayerCheck:
    """Where the districts of a layer overlap, and which parts of the outline they leave open.

    Without an outline a gap is what the districts enclose and do not cover.  Parts smaller than a sliver are left out.
    """
    frame = [] if outline is None else [Outline(area=outline)]
    parts = cut_out(connection, _FAULTS, sliver_square_metres, layer=districts, frame=frame)
    return LayerCheck(
        overlaps=[
            Overlap(codes=(str(one), str(other)), area=piece.area, square_metres=piece.square_metres)
            for (kind, one, other), piece in put_together(parts).items()
            if kind == _OVERLAP
        ],
        gaps=[Gap(area=part.area, square_metres=part.square_metres) for part in parts if part.kind == _GAP],
    )


def codes_apart(connection: "Connection[Any]", districts: Sequence[District], outlines: Sequence[MultiPolygon]) -> list[str]:
    """Codes of the districts that share no point with any of the outlines, in the order of the map."""
    frame = [Outline(area=each) for each in outlines]
    found = _APART.run(connection, **parameters("layer", districts), **parameters("frame", frame))
    return [row.code for row in found]


_OVERLAP, _GAP = "overlap", "gap"


def _cut() -> Select[Any]:
    layer, frame = laid_out("layer"), laid_out("frame")
    one, other = layer.alias("one"), layer.alias("other")
    overlaps = select(
        literal(_OVERLAP, Text).label("kind"), one.c.code.label("one"), other.c.code.label("other"),
        shared(one.c.area, other.c.area).label("area"),
    ).where(one.c.position < other.c.position, meets(one.c.area, other.c.area))  # fmt: skip
    whole = select(united(layer.c.area).label("area")).cte("whole").prefix_with("materialized", dialect="postgresql")
    grounds = select(each_part(whole.c.area).label("area")).subquery("grounds")
    enclosed = select(united(filled(grounds.c.area))).scalar_subquery()
    ground = func.coalesce(select(frame.c.area).scalar_subquery(), enclosed)
    nobody = cast(null(), Text)
    gaps = select(literal(_GAP, Text), nobody, nobody, without(ground, whole.c.area)).select_from(whole)
    return select(union_all(overlaps, gaps).subquery("everything"))


_FAULTS = parts_of(_cut())


def _apart() -> Select[Any]:
    layer, frame = laid_out("layer"), laid_out("frame")
    met = exists().where(meets(layer.c.area, frame.c.area))
    return select(layer.c.code).where(~met).order_by(layer.c.position)


_APART = Statement(_apart())
