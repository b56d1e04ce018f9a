"""What is wrong with a set of rules, before a request comes that shows it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import combinations, product
from typing import Any

from psycopg import Connection
from sqlalchemy import BigInteger, and_, bindparam, column, func, select
from sqlalchemy.orm import aliased

from db.driver import Statement
from geo.models import Boundary
from geo.queries import covers, meets
from routing.calendars import Hours, read_hours, share_a_moment
from routing.gaps import Gap, find_gaps
from routing.ruleset import ATTRIBUTE, CALENDAR, IDS, Rule, ServiceFacts, Stretch, Version, is_of_city, read_rules

EXPIRED, NOT_IN_FORCE, OUTSIDE, NO_SERVICE, SHADOWED = "expired", "not_in_force", "outside", "no_service", "shadowed"


@dataclass(frozen=True, kw_only=True)
class DeadRule:
    """A rule that can never win.

    why: EXPIRED, NOT_IN_FORCE (its boundary), OUTSIDE (its boundary, of the city), NO_SERVICE (no active one that it
    speaks of) or SHADOWED: the rule `by` always comes before it, and answers whenever it would.
    """

    rule: str
    why: str
    because: str
    by: str | None = None

    @property
    def message(self) -> str:
        """The finding as a sentence."""
        return f"Rule {self.rule} can never win: {self.because}."


@dataclass(frozen=True, kw_only=True)
class Unanswered:
    """An active service that no rule answers for."""

    service: str

    @property
    def message(self) -> str:
        """The finding as a sentence."""
        return f"No rule answers for {self.service}: all its requests go to the default department."


@dataclass(frozen=True, kw_only=True)
class Tie:
    """Two rules that answer for the same requests, name different departments, and differ in nothing that ranks but code.

    The first of the two is the one that wins; departments: their names, in the same order.
    """

    rules: tuple[str, str]
    departments: tuple[str, str]

    @property
    def message(self) -> str:
        """The finding as a sentence."""
        (first, second), (winner, loser) = self.rules, self.departments
        return (
            f"Rules {first} and {second} answer for the same requests, "
            f"and nothing but their codes decides for {winner} and against {loser}."
        )


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a check found, each kind in a fixed order; false when it found nothing."""

    dead_rules: Sequence[DeadRule]
    unanswered: Sequence[Unanswered]
    gaps: Sequence[Gap]
    ties: Sequence[Tie]

    @property
    def messages(self) -> list[str]:
        """A sentence for each finding."""
        found: list[DeadRule | Unanswered | Gap | Tie] = [*self.dead_rules, *self.unanswered, *self.gaps, *self.ties]
        return [each.message for each in found]

    def __bool__(self) -> bool:
        return bool(self.messages)


def check_rules(
    connection: "Connection[Any]",
    *,
    jurisdiction_id: int,
    outline_layer_id: int,
    at: datetime,
    services: Sequence[ServiceFacts],
) -> Findings:
    """What is wrong with the rules of a city, on the maps that it has; `services`: all of the city's.

    Rules can win, and tie, from `at` on; services and gaps are looked at as the rules and maps are at that moment.  Dates
    in messages are told in the timezone of `at`.
    """
    city: dict[str, Any] = {"jurisdiction_id": jurisdiction_id, "outline_layer_id": outline_layer_id, "at": at}
    active = [each for each in services if each.is_active]
    rules = read_rules(connection, active, **city)
    dead = {rule.code: reason for rule in rules if (reason := _why_dead(rule, services, zone_of=at)) is not None}
    living = [rule for rule in rules if rule.code not in dead]
    dead |= _shadowed(connection, living, jurisdiction_id=jurisdiction_id)
    # A rule that is shadowed leaves no gap: another answers in its place.
    now = [rule for rule in living if rule.code not in dead and any(each.span.begins <= at for each in rule.stretches)]
    answered = {service_id for rule in now for service_id in rule.scope}
    return Findings(
        dead_rules=[dead[code] for code in sorted(dead)],
        unanswered=[Unanswered(service=code) for code in sorted(each.code for each in active if each.id not in answered)],
        gaps=find_gaps(connection, now, [each for each in active if each.id in answered], **city),
        ties=_ties(connection, living, active, dead, jurisdiction_id=jurisdiction_id, at=at),
    )


def _why_dead(rule: Rule, services: Sequence[ServiceFacts], *, zone_of: datetime) -> DeadRule | None:
    """Why a rule cannot win whatever the other rules are; None when it can."""

    def dead(why: str, because: str) -> DeadRule:
        return DeadRule(rule=rule.code, why=why, because=because)

    if rule.span is None:
        assert rule.valid_to is not None
        return dead(EXPIRED, f"it was in force until {rule.valid_to.astimezone(zone_of.tzinfo):%Y-%m-%d %H:%M}")
    if rule.place is not None and not rule.versions:
        return dead(NOT_IN_FORCE, f"its boundary {rule.place} is not in force now, nor will be later")
    if rule.place is not None and not any(version.span & rule.span for version in rule.versions):
        return dead(NOT_IN_FORCE, f"its boundary {rule.place} is never in force while the rule is")
    if not rule.stretches:
        return dead(OUTSIDE, f"its boundary {rule.place} lies wholly outside the city's outline")
    if not rule.scope and rule.service_id is not None:
        code = next(each.code for each in services if each.id == rule.service_id)
        return dead(NO_SERVICE, f"its service {code} is not active")
    if not rule.scope:
        return dead(NO_SERVICE, f"no service of its group {rule.group} is active" if rule.group else "no service is active")
    return None


def _shadowed(connection: "Connection[Any]", living: Sequence[Rule], *, jurisdiction_id: int) -> dict[str, DeadRule]:
    """Code of each rule that another always comes before and answers instead of."""
    may = [(rule, [other for other in living if _may_shadow(other, rule)]) for rule in living]
    pairs = {
        (mine.version.id, its.version.id)
        for rule, others in may
        for other in others
        for mine, its in product(rule.stretches, other.stretches)
        if mine.version is not None
        and its.version is not None
        and mine.version.id != its.version.id
        and mine.span & its.span is not None
        and _comes_first(other, its, rule, mine)
    }
    covering = _of_pairs(connection, _COVERED, pairs, jurisdiction_id=jurisdiction_id)
    found = {}
    for rule, others in may:
        by = next((other for other in others if _answers_instead(other, rule, covering)), None)
        if by is not None:
            found[rule.code] = DeadRule(
                rule=rule.code,
                why=SHADOWED,
                by=by.code,
                because=f"rule {by.code} answers whenever it would, and always comes first ({_because(by, rule)})",
            )
    return found


def _may_shadow(other: Rule, rule: Rule) -> bool:
    """Whether nothing but time and place can keep `other` from coming before `rule` wherever that answers."""
    return (
        other.rank <= rule.rank
        and other is not rule
        and other.conditions <= rule.conditions
        and other.scope >= rule.scope
        and (other.place is None or rule.place is not None)
    )


def _comes_first(other: Rule, its: Stretch, rule: Rule, mine: Stretch) -> bool:
    """Whether `other` in its stretch ranks before `rule` in that of this one."""
    return (other.rank, _size(its), other.code) < (rule.rank, _size(mine), rule.code)


def _size(stretch: Stretch) -> float:
    """What ranks after all that Rule.rank holds; the same for all that have no boundary."""
    return stretch.version.square_metres if stretch.version is not None else 0


def _answers_instead(other: Rule, rule: Rule, covering: Set[tuple[int, int]]) -> bool:
    """Whether `other` answers, and comes first, at every time and place where `rule` does."""

    def covers_place(its: Stretch, mine: Stretch) -> bool:
        if its.version is None or mine.version is None:
            return its.version is None
        return its.version.id == mine.version.id or (mine.version.id, its.version.id) in covering

    return all(
        mine.span.is_filled_by(
            its.span for its in other.stretches if covers_place(its, mine) and _comes_first(other, its, rule, mine)
        )
        for mine in rule.stretches
    )


def _because(by: Rule, rule: Rule) -> str:
    """Why `by` comes before a rule that it shadows; such a rule has all conditions of `by`, and a boundary if that has one."""
    if by.priority != rule.priority:
        return f"priority {by.priority} before {rule.priority}"
    if by.breadth != rule.breadth:
        return "a rule of a service before one of a group before one of any"
    return "by its code"


def _ties(
    connection: "Connection[Any]",
    living: Sequence[Rule],
    active: Sequence[ServiceFacts],
    dead: Mapping[str, DeadRule],
    *,
    jurisdiction_id: int,
    at: datetime,
) -> list[Tie]:
    """Pairs between which only the code decides; a rule that never wins anyway ties with none but the one that shadows it."""
    since = (at - timedelta(days=1)).date()  # wherever the calendars are
    hours = read_hours(connection, jurisdiction_id=jurisdiction_id)

    def wins_but_for(rule: Rule, other: Rule) -> bool:
        return rule.code not in dead or dead[rule.code].by == other.code

    alike: dict[Any, list[Rule]] = defaultdict(list)
    for rule in living:
        alike[rule.rank, rule.service_id, rule.group].append(rule)
    may = [
        (first, second)
        for rules in alike.values()
        for first, second in combinations(rules, 2)
        if first.department_id != second.department_id
        and wins_but_for(first, second)
        and wins_but_for(second, first)
        and _conditions_meet(first, second, active, hours, since=since)
    ]

    def of_one_size(first: Rule, second: Rule) -> Iterator[tuple[Version | None, Version | None]]:
        """The boundaries that the two have at one time, where their size leaves it to the code."""
        for one, other in product(first.stretches, second.stretches):
            if one.span & other.span is not None and _size(one) == _size(other):
                yield one.version, other.version

    pairs = {
        (one.id, other.id)
        for first, second in may
        for one, other in of_one_size(first, second)
        if one is not None and other is not None and one.id != other.id
    }
    meeting = _of_pairs(connection, _MEETING, pairs, jurisdiction_id=jurisdiction_id)
    return [
        Tie(rules=(first.code, second.code), departments=(first.department, second.department))
        for first, second in sorted(may, key=lambda pair: (pair[0].code, pair[1].code))
        if any(
            one is None or other is None or one.id == other.id or (one.id, other.id) in meeting
            for one, other in of_one_size(first, second)
        )
    ]


def _conditions_meet(
    first: Rule, second: Rule, active: Sequence[ServiceFacts], hours: Mapping[int, Hours], *, since: date
) -> bool:
    """Whether a request that both rules speak of can meet the conditions of both."""
    both = first.conditions | second.conditions
    wanted: dict[str, set[str]] = defaultdict(set)
    for kind, name, value in both:
        if kind == ATTRIBUTE:
            wanted[name].add(value)
    can_be_given = not wanted or any(
        all(name in service.questions and (len(them) == 1 or service.questions[name]) for name, them in wanted.items())
        for service in active
        if service.id in first.scope & second.scope
    )
    calendars = [(hours[id], during) for kind, id, during in both if kind == CALENDAR]
    return can_be_given and (len(calendars) < 2 or share_a_moment(calendars[0], calendars[1], since=since))


def _of_pairs(
    connection: "Connection[Any]", statement: Statement, pairs: Set[tuple[int, int]], *, jurisdiction_id: int
) -> set[tuple[int, int]]:
    """Those of the pairs of boundaries (their ids) of which the statement is true."""
    if not pairs:
        return set()
    given = sorted(pairs)
    rows = statement.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        one_ids=[one for one, _ in given],
        other_ids=[other for _, other in given],
    )
    return {(row.one_id, row.other_id) for row in rows}


_one, _other = aliased(Boundary), aliased(Boundary)
_pair = (
    func.unnest(bindparam("one_ids", type_=IDS), bindparam("other_ids", type_=IDS))
    .table_valued(column("one_id", BigInteger), column("other_id", BigInteger), name="pair")
    .render_derived()
)
_BOTH = (
    select(_pair.c.one_id, _pair.c.other_id)
    .join(_one, and_(is_of_city(_one), _one.id == _pair.c.one_id))
    .join(_other, and_(is_of_city(_other), _other.id == _pair.c.other_id))
)
_COVERED = Statement(_BOTH.where(covers(_other.area, _one.area)))
_MEETING = Statement(_BOTH.where(meets(_one.area, _other.area)))
