"""What a new version of a map changes: who gains what, and from whom."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from shapely import MultiPolygon
from sqlalchemy import CTE, Select, Text, cast, literal, null, select, union_all

from geo.geojson import feature, feature_collection
from geo.pieces import NOTHING, SLIVER_SQUARE_METRES, District, Piece, cut_out, laid_out, parts_of, put_together
from geo.queries import meets, shared, united, without


@dataclass(frozen=True, kw_only=True)
class Change:
    """A district in both versions: what it gains and loses; name_before is None for a new one, name for one that is gone.

    `area` is the new one, or that of the district that is gone.
    """

    code: str
    name_before: str | None
    name: str | None
    area: MultiPolygon
    gained: Piece
    lost: Piece

    @property
    def is_new(self) -> bool:
        """Whether the district was not there before."""
        return self.name_before is None

    @property
    def is_gone(self) -> bool:
        """Whether the district is there no more."""
        return self.name is None

    @property
    def is_renamed(self) -> bool:
        """Whether the district is there under another name."""
        return None not in (self.name_before, self.name) and self.name_before != self.name

    @property
    def is_redrawn(self) -> bool:
        """Whether the district was there, stays, and has another shape."""
        return not (self.is_new or self.is_gone) and bool(self.gained.square_metres or self.lost.square_metres)

    @property
    def is_unchanged(self) -> bool:
        """Whether the new version says nothing new of the district."""
        return not (self.is_new or self.is_gone or self.is_renamed or self.is_redrawn)


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Ground that one district loses and another gains; None where it was, or will be, in no other."""

    from_code: str | None
    to_code: str | None
    piece: Piece


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two versions of a layer: each district by code, and the ground that changes hands, the largest first."""

    changes: Sequence[Change]
    moved: Sequence[Moved]

    @property
    def is_empty(self) -> bool:
        """Whether the two versions say the same."""
        return all(change.is_unchanged for change in self.changes)


def compare(
    connection: "Connection[Any]",
    before: Sequence[District],
    after: Sequence[District],
    *,
    sliver_square_metres: float = SLIVER_SQUARE_METRES,
) -> Comparison:
    """What changes from one version of a layer to the next.  Pieces smaller than a sliver are no change.

    Where the districts of a version do not overlap, what a district gains is the sum of what moves to it, and what it
    loses of what moves from it.
    """
    found = put_together(cut_out(connection, _CHANGES, sliver_square_metres, before=before, after=after))
    old, new = {each.code: each for each in before}, {each.code: each for each in after}
    return Comparison(
        changes=[
            Change(
                code=code,
                name_before=old[code].name if code in old else None,
                name=new[code].name if code in new else None,
                area=(new.get(code) or old[code]).area,
                gained=found.get((_GAINED, None, code), NOTHING),
                lost=found.get((_LOST, code, None), NOTHING),
            )
            for code in sorted({*old, *new})
        ],
        moved=[
            Moved(from_code=one, to_code=other, piece=piece) for (kind, one, other), piece in found.items() if kind == _MOVED
        ],
    )


def as_geojson(comparison: Comparison, *, extra: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
    """The changes as a FeatureCollection, for any map program, with further features after them.

    `kind` is `district` (one that is new, gone, renamed or redrawn), `gained` and `lost` (what it gains and loses), or
    `moved` (from a district to another).
    """
    return feature_collection([*_features(comparison), *extra])


def _features(comparison: Comparison) -> Iterable[dict[str, Any]]:
    changed = [each for each in comparison.changes if not each.is_unchanged]
    for each in changed:
        words = {"new": each.is_new, "gone": each.is_gone, "renamed": each.is_renamed, "redrawn": each.is_redrawn}
        yield feature(
            each.area,
            kind="district",
            code=each.code,
            name=each.name,
            name_before=each.name_before,
            change=[word for word, applies in words.items() if applies],
            gained_square_metres=round(each.gained.square_metres, 1),
            lost_square_metres=round(each.lost.square_metres, 1),
        )
    for kind in (_GAINED, _LOST):
        for each in changed:
            piece: Piece = getattr(each, kind)
            if piece.square_metres:
                yield feature(piece.area, kind=kind, code=each.code, square_metres=round(piece.square_metres, 1))
    for move in comparison.moved:
        size = round(move.piece.square_metres, 1)
        yield feature(move.piece.area, kind=_MOVED, **{"from": move.from_code, "to": move.to_code}, square_metres=size)


_GAINED, _LOST, _MOVED = "gained", "lost", "moved"


def _changed(mine: CTE, other: CTE, name: str) -> CTE:
    """What each district of a version has and the same district of the other version has not."""
    area = without(mine.c.area, other.c.area).label("area")
    joined = mine.outerjoin(other, other.c.code == mine.c.code)
    return select(mine.c.code, area).select_from(joined).cte(name).prefix_with("materialized", dialect="postgresql")


def _cut() -> Select[Any]:
    before, after = laid_out("before"), laid_out("after")
    lost, gained = _changed(before, after, _LOST), _changed(after, before, _GAINED)
    nobody = cast(null(), Text)
    from_none = without(gained.c.area, _given_up(lost, gained))
    to_none = without(lost.c.area, _given_up(gained, lost))
    hands = (lost.c.code != gained.c.code) & meets(lost.c.area, gained.c.area)
    everything = union_all(
        _named(_LOST, lost.c.code, nobody, lost.c.area),
        _named(_GAINED, nobody, gained.c.code, gained.c.area),
        _named(_MOVED, lost.c.code, gained.c.code, shared(lost.c.area, gained.c.area)).where(hands),
        _named(_MOVED, nobody, gained.c.code, from_none),
        _named(_MOVED, lost.c.code, nobody, to_none),
    ).subquery("everything")
    return select(everything)


def _named(kind: str, one: Any, other: Any, area: Any) -> Select[Any]:
    return select(literal(kind, Text).label("kind"), one.label("one"), other.label("other"), area.label("area"))


def _given_up(many: CTE, one: CTE) -> Any:
    """All of the many areas that the one has to do with, as one area."""
    return select(united(many.c.area)).where(meets(many.c.area, one.c.area)).correlate(one).scalar_subquery()


_CHANGES = parts_of(_cut())
