"""Why a request goes where it goes, in words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, bindparam, select

from db.driver import Statement
from geo.models import Boundary
from geo.point import Point
from geo.queries import make_point, metres_to_edge
from routing.decision import BY_ANY, BY_GROUP, BY_SERVICE, Candidate, Decision

_SPEAKS_OF = {BY_SERVICE: "this service", BY_GROUP: "its whole group", BY_ANY: "every service"}
_BREADTH = (BY_SERVICE, BY_GROUP, BY_ANY)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A decision with what its record does not say: how far the place lies from the edge of the boundary that decided."""

    decision: Decision
    distance_metres: float | None

    @property
    def losers(self) -> list[tuple[Candidate, str]]:
        """Every candidate but the chosen, in rank order, and why it lost."""
        chosen = self.decision.chosen
        return [(each, why_lost(chosen, each)) for each in self.decision.candidates[1:]]


def explain(connection: "Connection[Any]", decision: Decision, *, jurisdiction_id: int, point: Point | None) -> Explanation:
    """The decision explained; the distance is None without a place or a boundary, or when the boundary is gone."""
    boundary_id = decision.chosen.boundary_id
    distance = None
    if boundary_id is not None and point is not None:
        row = _DISTANCE.run(
            connection, jurisdiction_id=jurisdiction_id, boundary_id=boundary_id, long=point.long, lat=point.lat
        ).fetchone()
        distance = None if row is None else round(row.metres, 1)
    return Explanation(decision=decision, distance_metres=distance)


def why_lost(winner: Candidate, loser: Candidate) -> str:
    """The first thing in which the two differ that ranks the loser lower."""
    if loser.rule is None:
        return "it is the city's default, and answers only where no rule does"
    if winner.priority is None:
        return "the record of that time does not say"
    for differs, words in _CRITERIA:
        if differs(winner, loser):
            return words(winner, loser)
    return f"it is alike in all that counts, and its code comes after {winner.rule}"


def _priority(winner: Candidate, loser: Candidate) -> str:
    return f"its priority {loser.priority} comes after {winner.priority}"


def _breadth(winner: Candidate, loser: Candidate) -> str:
    return f"it speaks of {_SPEAKS_OF[loser.matched]}, and {winner.rule} of {_SPEAKS_OF[winner.matched]}"


def _conditions(winner: Candidate, loser: Candidate) -> str:
    return f"it asks for less: {winner.rule} has {winner.conditions} of answer and hours to meet, it has {loser.conditions}"


def _everywhere(winner: Candidate, loser: Candidate) -> str:
    return f"it speaks of the whole city, and {winner.rule} of {winner.boundary}"


def _area(winner: Candidate, loser: Candidate) -> str:
    sizes = " and ".join(f"{each.boundary} {_square_kilometres(each)}" for each in (loser, winner))
    return f"its boundary is the larger one: {sizes}"


# In the order of routing.decision.
_CRITERIA: tuple[tuple[Callable[[Candidate, Candidate], bool], Callable[[Candidate, Candidate], str]], ...] = (
    (lambda winner, loser: winner.priority != loser.priority, _priority),
    (lambda winner, loser: _BREADTH.index(winner.matched) != _BREADTH.index(loser.matched), _breadth),
    (lambda winner, loser: winner.conditions != loser.conditions, _conditions),
    (lambda winner, loser: winner.layer is not None and loser.layer is None, _everywhere),
    (lambda winner, loser: winner.area_square_metres != loser.area_square_metres, _area),
)


def _square_kilometres(candidate: Candidate) -> str:
    return "of unknown size" if candidate.area_square_metres is None else f"{candidate.area_square_metres / 1e6:.4g} km²"


_DISTANCE = Statement(
    select(metres_to_edge(Boundary.area, make_point(long=bindparam("long"), lat=bindparam("lat"))).label("metres")).where(
        Boundary.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger),
        Boundary.id == bindparam("boundary_id", type_=BigInteger),
    )
)
