"""Which rules would have sent past cases where the city sent them?  Cases in, rules out: no database here."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import sqrt

EVERYWHERE = "everywhere"

# The layer and code of a district, as a rule names it.
Place = tuple[str, str]


@dataclass(frozen=True, slots=True, order=True)
class District:
    """A boundary that covers a place, in the version of the case's day."""

    square_metres: float
    layer: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCase:
    """A case as the city handled it, by code; department and unit are None where it named none that it still has.

    at: on the city's clock.  districts: those that cover its place, none when no place is known.
    is_placeholder: its point stands for places that are not known, so nothing is learnt from the point.
    """

    service: str
    group: str
    at: datetime
    districts: tuple[District, ...]
    department: str | None
    unit: str | None
    is_placeholder: bool = False

    @property
    def answer(self) -> str | None:
        """What a rule should have named."""
        return self.unit or self.department


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule as rules.csv writes it; None means any service, any group, everywhere.  department may be a unit's code."""

    code: str
    service: str | None = None
    group: str | None = None
    layer: str | None = None
    boundary: str | None = None
    department: str
    priority: int = 100
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How rules are learnt.  docs/learning.md says what each of these is for, and what others gave.

    A case weighs one half for every half_life_days of its age, and old_weight besides; min_lead and
    cases_a_rule_must_win are in weighed cases, min_support and takeover_min_cases in plain ones.
    """

    half_life_days: float = 42
    old_weight: float = 0.1
    min_support: int = 5
    min_lead: float = 2
    cases_a_rule_must_win: float = 1
    min_share_of_a_unit: float = 0.2
    takeover_min_cases: int = 10
    takeover_min_days: int = 4
    takeover_min_deviations: float = 3.5
    takeover_max_old_share: float = 0.1
    recent_days: int = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How many of some cases rules send to the department, and to the unit, that the city recorded."""

    cases: int
    department: int
    unit: int


# Learning


def learn(cases: Iterable[PastCase], method: Method = Method()) -> list[Rule]:
    """The rules that explain these cases best, in the order of the file; the order of the cases changes nothing.

    For each service a rule for everywhere, and rules for the boundaries of the one layer that explains it best; for each
    group most of whose services go one way a rule for those that have none.
    """
    history = sorted((each for each in cases if each.answer), key=_order)
    if not history:
        return []
    newest = history[-1].at
    by_service: dict[str, list[PastCase]] = defaultdict(list)
    for each in history:
        by_service[each.service].append(each)
    studies = [_Study(service, by_service[service], newest, method) for service in sorted(by_service)]
    rules = [rule for study in studies for rule in study.rules()]
    rules += _group_rules(studies, method)
    return list(_with_distinct_codes(rules))


def commonest(cases: Iterable[PastCase]) -> list[Rule]:
    """What the learnt rules are compared with: each service to its commonest answer, everywhere, of however few cases."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for each in cases:
        if each.answer:
            found[each.service][each.answer] += 1
    best = {service: _best(answers) for service, answers in sorted(found.items())}
    return [
        Rule(code=f"{service}.{EVERYWHERE}", service=service, department=answer, note=_of(count, found[service].total()))
        for service, (answer, count) in best.items()
    ]


def _order(case: PastCase) -> tuple[datetime, str, str, str, tuple[District, ...], bool]:
    return case.at, case.service, case.unit or "", case.department or "", case.districts, case.is_placeholder


def _best(weights: Mapping[str, float]) -> tuple[str, float]:
    """The answer of most weight; of two alike always the same one."""
    answer = max(weights, key=lambda name: (weights[name], name))
    return answer, weights[answer]


@dataclass(frozen=True, slots=True)
class _Takeover:
    """From this moment on the cases that one answer had go to another."""

    old: str
    new: str
    since: datetime


class _Study:
    """One service's cases, each with a weight; a case of an answer that another has taken over from weighs nothing."""

    def __init__(self, service: str, cases: Sequence[PastCase], newest: datetime, method: Method) -> None:
        self.service, self.cases, self._newest, self._method = service, cases, newest, method
        self.group = cases[-1].group
        self._answers = [each.answer or "" for each in cases]
        self.places = [_places(each) for each in cases]
        self.weights = [
            0.5 ** ((newest - each.at) / timedelta(days=method.half_life_days)) + method.old_weight for each in cases
        ]
        self._rows: dict[Place, list[int]] = defaultdict(list)
        for row, places in enumerate(self.places):
            for place in places:
                self._rows[place].append(row)
        self._takeovers = {place: self._takeover(self._rows[place]) for place in sorted(self._rows)}
        for place, takeover in self._takeovers.items():
            self._forget(self._rows[place], takeover)

    def rules(self) -> list[Rule]:
        """The service's rules: everywhere first, then by boundary."""
        here = self._best_by_boundary()
        local = self._local(next(iter(here))[0]) if here else set()
        # Where boundaries have rules of their own, one may seem to follow another only because the cases do.
        takeover = None if here else self._takeover(range(len(self.cases)))
        elsewhere = [row for row, places in enumerate(self.places) if not any(place in here for place in places)]
        everywhere = self._everywhere(elsewhere, takeover, but_for=local, is_rest=bool(here))
        return everywhere + [self._of_boundary(place, here[place]) for place in sorted(here)]

    @property
    def commonest(self) -> str:
        """The answer that weighs most."""
        return _best(self._weighed(range(len(self.cases))))[0]

    @property
    def commonest_department(self) -> str:
        """The department whose cases weigh most; blank when none is recorded."""
        found: Counter[str] = Counter()
        for each, weight in zip(self.cases, self.weights, strict=True):
            if each.department:
                found[each.department] += weight
        return _best(found)[0] if found else ""

    def _best_by_boundary(self) -> dict[Place, str]:
        """The answer of each boundary that wants a rule: of that layer, or of none, which sends most cases right."""
        patterns: dict[tuple[Place, ...], Counter[str]] = defaultdict(Counter)
        for row, places in enumerate(self.places):
            patterns[places][self._answers[row]] += self.weights[row]
        total: Counter[str] = Counter()
        for answers in patterns.values():
            total.update(answers)
        answers_at = {place: self._weighed(self._rows[place]) for place in sorted(self._rows)}
        layers = sorted({layer for layer, _ in self._rows})
        support = Counter(name for name, weight in zip(self._answers, self.weights, strict=True) if weight)
        enough = [name for name in total if support[name] >= self._method.min_support]

        def worth(default: str, here: Mapping[Place, str]) -> float:
            # A place in two districts of a layer goes to the smaller, which stands first.
            right = sum(
                answers[next((here[place] for place in places if place in here), default)]
                for places, answers in patterns.items()
            )
            return right - self._method.cases_a_rule_must_win * len(here)

        commonest_first = sorted(enough, key=lambda name: (-total[name], name))
        best, best_worth = dict[Place, str](), worth(commonest_first[0], {}) if enough else 0.0
        for layer in layers:
            there = {place: each for place, each in answers_at.items() if place[0] == layer}
            local = self._local(layer)
            # With another default other boundaries want a rule: so not the commonest answer alone is tried, and none.
            for default in [*[name for name in commonest_first if name not in local][:3], ""]:
                here = self._wanting(default, there)
                if here and worth(default, here) > best_worth:
                    best, best_worth = here, worth(default, here)
        return best

    def _local(self, layer: str) -> set[str]:
        """The units that belong to one district of the layer, and so are no answer for the rest of the city.

        Most of the cases of such a unit lie in its district, and far more than of the service's cases as a whole.
        """
        whole = self._weighed(range(len(self.cases)))
        found: set[str] = set()
        for place in self._rows:
            if place[0] == layer:
                here = self._weighed(self._rows[place])
                share = here.total() / (whole.total() or 1)
                found |= {answer for answer, weight in here.items() if weight >= max(0.5, 2 * share) * whole[answer] > 0}
        return found - {each.department for each in self.cases}

    def _wanting(self, default: str, answers_at: Mapping[Place, Mapping[str, float]]) -> dict[Place, str]:
        """The boundaries whose best answer leads the default by enough, and is no handful."""
        found = {}
        for place, weights in answers_at.items():
            answer, weight = _best(weights)
            leads = answer != default and weight - weights.get(default, 0) >= self._method.min_lead
            if leads and self._support(self._rows[place], answer) >= self._method.min_support:
                found[place] = answer
        return found

    def _everywhere(self, cases: Sequence[int], takeover: _Takeover | None, *, but_for: Set[str], is_rest: bool) -> list[Rule]:
        """The rule without a boundary, for these cases; no rule when they are a handful.

        A unit that has few of them, or belongs elsewhere, is no answer: then the department of most of the service is.
        """
        answers, whole = self._weighed(cases), self._weighed(range(len(self.cases)))
        answer, weight = _best({name: answers[name] for name in answers if name not in but_for} or {"": 0.0})
        if takeover is not None:
            answer, note = takeover.new, self._note(cases, takeover.new, takeover, where="")
        elif (
            self._support(cases, answer) >= self._method.min_support
            and weight >= self._method.min_share_of_a_unit * answers.total()
        ):
            note = self._note(cases, answer, None, where="elsewhere" if is_rest else "")
        else:
            answer = self.commonest_department
            support = sum(each.department == answer for each in self.cases)
            if support < self._method.min_support:
                return []
            note = f"{_of(support, len(self.cases))} to the department; no one of {len(whole)} units has enough of the rest"
        return [Rule(code=f"{self.service}.{EVERYWHERE}", service=self.service, department=answer, note=note)]

    def _of_boundary(self, place: Place, answer: str) -> Rule:
        layer, boundary = place
        return Rule(
            code=f"{self.service}.{_slug(layer)}-{_slug(boundary)}",
            service=self.service,
            layer=layer,
            boundary=boundary,
            department=answer,
            note=self._note(self._rows[place], answer, self._takeovers[place], where="there"),
        )

    def _note(self, cases: Sequence[int], answer: str, takeover: _Takeover | None, *, where: str) -> str:
        """Support and confidence in words; of a takeover since when."""
        if takeover is not None and takeover.new == answer:
            cases = [row for row in cases if self.cases[row].at >= takeover.since]
        oldest = self._newest - timedelta(days=self._method.recent_days)
        recent = [row for row in cases if self.cases[row].at > oldest]
        said = [f"{_of(self._count(cases, answer), len(cases))} {where}".strip()]
        if takeover is not None and takeover.new == answer:
            said.append(f"since {takeover.since:%Y-%m-%d} in place of {takeover.old}")
        elif len(recent) < len(cases):
            share = f"{self._count(recent, answer)} of {len(recent)}" if recent else "none"
            said.append(f"{share} in the last {self._method.recent_days} days")
        return "; ".join(said)

    def _forget(self, cases: Iterable[int], takeover: _Takeover | None) -> None:
        """Let what was so before the takeover weigh nothing."""
        if takeover is not None:
            for row in cases:
                if self._answers[row] == takeover.old and self.cases[row].at < takeover.since:
                    self.weights[row] = 0

    def _takeover(self, cases: Sequence[int]) -> _Takeover | None:
        """Whether the commonest answer has all but ended, and another came in its place.

        Looked for backwards from the newest case: the start at which the new answer leads the old one most clearly, in
        standard deviations of a fair coin.
        """
        method = self._method
        answers = [self._answers[row] for row in cases]
        totals = Counter(answers)
        if len(cases) < 2 * method.takeover_min_cases or len(totals) < 2:
            return None
        old, _ = _best(totals)
        counts: Counter[str] = Counter()
        days: dict[str, set[object]] = defaultdict(set)
        clearest: tuple[float, int] | None = None
        for position in range(len(cases) - 1, 0, -1):
            answer = answers[position]
            counts[answer] += 1
            days[answer].add(self.cases[cases[position]].at.date())
            many, few = counts[answer], counts[old]
            if (
                answer != old
                and many >= method.takeover_min_cases
                and few <= method.takeover_max_old_share * many
                and len(days[answer]) >= method.takeover_min_days
                and totals[old] - few > totals[answer] - many
            ):
                deviations = (many - few) / sqrt(many + few)
                if deviations >= method.takeover_min_deviations and (clearest is None or deviations > clearest[0]):
                    clearest = deviations, position
        if clearest is None:
            return None
        return _Takeover(old=old, new=answers[clearest[1]], since=self.cases[cases[clearest[1]]].at)

    def _count(self, cases: Sequence[int], answer: str) -> int:
        return sum(self._answers[row] == answer for row in cases)

    def _support(self, cases: Sequence[int], answer: str) -> int:
        return sum(self._answers[row] == answer and self.weights[row] > 0 for row in cases)

    def _weighed(self, cases: Sequence[int]) -> Counter[str]:
        found: Counter[str] = Counter()
        for row in cases:
            found[self._answers[row]] += self.weights[row]
        return found


def _places(case: PastCase) -> tuple[Place, ...]:
    return () if case.is_placeholder else tuple((each.layer, each.code) for each in sorted(case.districts))


def _group_rules(studies: Sequence[_Study], method: Method) -> Iterator[Rule]:
    """Where at least half of a group's services mostly go one way: to a unit, or else to a department.

    Services count and not cases, because the rule is for services that are not seen yet.
    """
    members: dict[str, list[_Study]] = defaultdict(list)
    for study in studies:
        if len(study.cases) >= method.min_support:
            members[study.group].append(study)
    for group, some in sorted(members.items()):
        for votes in (Counter(study.commonest for study in some), Counter(study.commonest_department for study in some)):
            answer, count = _best(votes)
            if answer and count >= 2 and 2 * count >= len(some):
                note = f"the commonest of {count:.0f} of {len(some)} services of the group; for those with no rule of their own"
                yield Rule(code=f"group-{_slug(group)}.{EVERYWHERE}", group=group, department=answer, note=note)
                break


def _with_distinct_codes(rules: Iterable[Rule]) -> Iterator[Rule]:
    taken: Counter[str] = Counter()
    for rule in rules:
        taken[rule.code] += 1
        yield rule if taken[rule.code] == 1 else replace(rule, code=f"{rule.code}.{taken[rule.code]}")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _of(count: float, total: int) -> str:
    return f"{count:.0f} of {total} cases ({100 * count / total:.0f} %)"


# Judging


class Rulebook:
    """Rules as `routing.decision.candidates` ranks them, without a database: for judging many cases fast."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._by_service: dict[str, list[Rule]] = defaultdict(list)
        self._by_group: dict[str, list[Rule]] = defaultdict(list)
        self._any: list[Rule] = []
        for rule in rules:
            if rule.service is not None:
                self._by_service[rule.service].append(rule)
            elif rule.group is not None:
                self._by_group[rule.group].append(rule)
            else:
                self._any.append(rule)

    def winner(self, service: str, group: str, districts: Sequence[District]) -> Rule | None:
        """The rule that answers for a request; None: the city's default department does."""
        areas = {(each.layer, each.code): each.square_metres for each in districts}
        speaking = (self._by_service.get(service, ()), self._by_group.get(group, ()), self._any)
        ranked = [
            (rule.priority, breadth, rule.layer is None, areas.get((rule.layer or "", rule.boundary or ""), 0.0), rule.code, at)
            for breadth, rules in enumerate(speaking)
            for at, rule in enumerate(rules)
            if rule.layer is None or (rule.layer, rule.boundary) in areas
        ]
        if not ranked:
            return None
        first = min(ranked)
        return speaking[first[1]][first[-1]]


def measure(
    rules: Iterable[Rule], cases: Iterable[PastCase], *, department_of: Mapping[str, str], default_department: str
) -> Agreement:
    """How far rules agree with what a city recorded.

    department_of: the department of every department and unit.  A case without a department or unit agrees with nothing.
    """
    book = Rulebook(rules)
    answers: dict[tuple[str, str, tuple[District, ...]], str] = {}
    total = department = unit = 0
    for each in cases:
        key = (each.service, each.group, each.districts)
        if key not in answers:
            winner = book.winner(*key)
            answers[key] = winner.department if winner else default_department
        total += 1
        department += department_of[answers[key]] == each.department
        unit += answers[key] == each.unit
    return Agreement(cases=total, department=department, unit=unit)
