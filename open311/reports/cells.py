"""The figures of every group in every period, from what is counted of each request.  docs/scorecards.md has each."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    Double,
    FromClause,
    Integer,
    Select,
    SmallInteger,
    Text,
    and_,
    case,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy import extract as part_of
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP, aggregate_order_by, array

from open311.models import ScorecardCell, Verdict
from open311.reports.facts import CITY, local_month

# Of which ids a group is: department and service as a request has them now, district by its stamps.
ALL, DISTRICT, DEPARTMENT, SERVICE, CHANNEL, DISTRICT_SERVICE, DEPARTMENT_SERVICE = range(1, 8)
NAMES = {
    ALL: "city",
    DISTRICT: "district",
    DEPARTMENT: "department",
    SERVICE: "service",
    CHANNEL: "channel",
    DISTRICT_SERVICE: "service in a district",
    DEPARTMENT_SERVICE: "service of a department",
}
SPANS = ("month", "quarter", "year")
KEYS = ("grouping", "group_id", "service_id", "channel", "span", "starts")
COLUMNS = [column.name for column in ScorecardCell.__table__.columns]

# The number of a cell: that of its group, then of its span (0 a month, 1 a quarter, 2 a year), then of its first month since
# the year 0.
_SPAN_STEP, _GROUP_STEP = literal_column("1000000", BigInteger), literal_column("10000000", BigInteger)
_MONTH, _TWELVE = literal_column("0", BigInteger), literal_column("12", BigInteger)
_RECEIVED, _CLOSED, _LAPSED, _JUDGED = (literal_column(str(number), SmallInteger) for number in range(4))
_NOTHING: dict[str, Any] = {
    "seconds": cast(null(), Integer),
    "one": cast(null(), Boolean),
    "two": cast(null(), Boolean),
    "three": cast(null(), Boolean),
    "score": cast(null(), Integer),
}


def groups_of(each: Any) -> list[Any]:
    """Set-returning together: KEYS but for the period, of each group that a request belongs to.

    `each` has service_id, department_id, channel and boundary_ids.
    """
    own = each.c
    districts = func.cardinality(own.boundary_ids)

    def keys(name: str, kind: Any, fixed: list[Any], district: Any, district_service: Any) -> Any:
        return func.unnest(array(fixed, type_=kind).op("||")(district).op("||")(district_service)).label(name)

    def filled(value: Any) -> Any:
        return func.array_fill(value, array([districts]))

    def number(value: int) -> Any:
        return literal_column(f"{value}::bigint", BigInteger)

    nothing, no_channel = number(0), literal_column("''::text", Text)
    groupings = [number(each) for each in (ALL, DEPARTMENT, SERVICE, CHANNEL, DEPARTMENT_SERVICE)]
    ids = [nothing, own.department_id, own.service_id, nothing, own.department_id]
    services, channels = [nothing] * 4 + [own.service_id], [no_channel] * 3 + [own.channel, no_channel]
    return [
        keys("grouping", BigInteger, groupings, filled(number(DISTRICT)), filled(number(DISTRICT_SERVICE))),
        keys("group_id", BigInteger, ids, own.boundary_ids, own.boundary_ids),
        keys("service_id", BigInteger, services, filled(nothing), filled(own.service_id)),
        keys("channel", Text, channels, filled(no_channel), filled(no_channel)),
    ]


def spans_of(month: Any) -> list[Any]:
    """Set-returning together: the month, and the quarter and year in which it lies, as span and starts."""
    starts = [month, *(cast(func.date_trunc(literal_column(f"'{span}'"), month), Date) for span in SPANS[1:])]
    spans = [literal_column(f"'{span}'::text", Text) for span in SPANS]
    return [func.unnest(array(spans)).label("span"), func.unnest(array(starts)).label("starts")]


def touched_by(facts: Any) -> Select[Any]:
    """KEYS of every cell in which a request of these counts, each once."""
    months = union_all(
        select(facts.c.request_id, facts.c.received_month.label("month")),
        select(facts.c.request_id, facts.c.closed_month).where(facts.c.closed_month.is_not(None)),
        select(facts.c.request_id, facts.c.lapsed_month).where(facts.c.lapsed_month.is_not(None)),
        select(facts.c.request_id, local_month(Verdict.closed_at))
        .select_from(facts)
        .join(Verdict, and_(Verdict.jurisdiction_id == CITY, Verdict.request_id == facts.c.request_id)),
    ).subquery("month")
    spans = select(months.c.request_id, *spans_of(months.c.month)).subquery("spans")
    groups = select(facts.c.request_id, *groups_of(facts)).subquery("groups")
    keys = [*(groups.c[name] for name in KEYS[:4]), *(spans.c[name] for name in KEYS[4:])]
    return select(*keys).select_from(groups).join(spans, spans.c.request_id == groups.c.request_id).distinct()


def cells(facts: FromClause, among: FromClause | None = None) -> Select[Any]:
    """COLUMNS of every cell that is not empty, or of those whose KEYS are in `among`.  Bind jurisdiction_id and zone.

    Within, a group has a number, and so has a cell: eight million rows are sorted by it in a fourth of the time that
    their keys would take.
    """
    group, fact = _numbered(facts, among)
    wanted = None if among is None else _wanted(group, among)
    entries = _entries(fact)
    spanned = select(entries, func.unnest(_spans(entries.c.month)).label("span")).subquery("spanned")
    kept = [spanned.c[name] for name in ("span", "role", *_NOTHING)]
    of_groups = select(*kept, func.unnest(spanned.c.groups).label("group_number"))
    if wanted is not None:
        of_groups = of_groups.where(spanned.c.span.in_(select(wanted.c.cell % _GROUP_STEP)))
    entry = of_groups.subquery("entry")
    cell = _cell(entry.c.group_number, entry.c.span)

    def count(role: Any, *conditions: Any) -> Any:
        return cast(func.count().filter(entry.c.role == role, *conditions), Integer)

    figures: dict[str, Any] = {
        "received": count(_RECEIVED),
        "duplicates": count(_RECEIVED, entry.c.one),
        "answered": count(_RECEIVED, entry.c.two),
        "reopened": count(_RECEIVED, entry.c.three),
        "responded": count(_RECEIVED, entry.c.seconds.is_not(None)),
        "response": _percentiles(entry, _RECEIVED),
        "closed": count(_CLOSED),
        "closing": _percentiles(entry, _CLOSED),
        "promised": count(_CLOSED, entry.c.one),
        "kept": count(_CLOSED, entry.c.two),
        "lapsed": count(_LAPSED),
        "verdicts": count(_JUDGED),
        "fixed": count(_JUDGED, entry.c.one),
        "scored": count(_JUDGED, entry.c.score.is_not(None)),
        "scores": cast(func.coalesce(func.sum(entry.c.score).filter(entry.c.role == _JUDGED), literal_column("0")), Integer),
    }
    counted = (
        select(cell.label("cell"), *(value.label(name) for name, value in figures.items()))
        .where(*_among(cell, wanted))
        .group_by(cell)
        .cte("counted")
    )
    clock, oldest = _by_clock(fact, wanted), _oldest(fact, wanted)
    span, month = _span_and_month(counted.c.cell)
    is_clocked = and_(span == _MONTH, group.c.grouping < literal_column(str(DISTRICT_SERVICE)))
    values: dict[str, Any] = {
        "jurisdiction_id": CITY,
        **{name: group.c[name] for name in KEYS[:4]},
        "span": literal_column("(array['month', 'quarter', 'year'])", ARRAY(Text))[span + literal_column("1")],
        "starts": func.make_date(
            cast(month.op("/")(_TWELVE), Integer), cast(month % _TWELVE + literal_column("1"), Integer), literal_column("1")
        ),
        **{name: counted.c[name] for name in figures if name not in ("response", "closing")},
        **{
            f"{name}_{part}": counted.c[name][literal_column(str(number))]
            for name in ("response", "closing")
            for number, part in enumerate(("median", "p90"), start=1)
        },
        "hours": case((is_clocked, _filled(clock.c.hours, 24))),
        "weekdays": case((is_clocked, _filled(clock.c.weekdays, 7))),
        "oldest_requested_at": oldest.c.requested_at,
        "oldest_closed_at": oldest.c.closed_at,
    }
    return (
        select(*(values[name].label(name) for name in COLUMNS))
        .select_from(counted)
        .join(group, group.c.number == counted.c.cell.op("/")(_GROUP_STEP))
        .outerjoin(clock, clock.c.cell == counted.c.cell)
        .outerjoin(oldest, oldest.c.cell == counted.c.cell)
    )


def _month_number(day: Any) -> Any:
    return cast(part_of("year", day) * _TWELVE + part_of("month", day) - literal_column("1"), BigInteger)


def _spans(month: Any) -> Any:
    """An array of the month, quarter and year in which a month lies, each numbered as in a cell."""
    quarter = month - month % literal_column("3", BigInteger) + _SPAN_STEP
    year = month - month % _TWELVE + _SPAN_STEP * literal_column("2", BigInteger)
    return array([month, quarter, year])


def _cell(group_number: Any, span: Any) -> Any:
    return group_number * _GROUP_STEP + span


def _span_and_month(cell: Any) -> tuple[Any, Any]:
    spanned = cell % _GROUP_STEP
    return spanned.op("/")(_SPAN_STEP), spanned % _SPAN_STEP


def _numbered(facts: FromClause, among: FromClause | None) -> tuple[Any, Any]:
    """The groups, each with its number; and the facts, each with the numbers of its groups.

    Of cells in `among` only their groups, and the facts of their years.
    """
    mine = [facts.c.jurisdiction_id == CITY]
    if among is not None:
        year = select(_year(among.c.starts)).distinct()
        counted = (facts.c.received_month, facts.c.closed_month, facts.c.lapsed_month)
        # A verdict is on a closing, of which a request can have had more than the last.
        is_judged = facts.c.verdicts > literal_column("0")
        mine.append(or_(is_judged, *(_year(month).in_(year) for month in counted)))
    months = {name: _month_number(facts.c[f"{name}_month"]).label(name) for name in ("received", "closed", "lapsed")}
    fact = select(facts, *months.values()).where(*mine).cte("fact_of_city")
    lying = select(fact.c.request_id, fact.c.service_id, func.unnest(fact.c.boundary_ids).label("boundary_id")).cte("lying")
    nothing, no_channel = literal_column("0::bigint", BigInteger), literal_column("''::text", Text)
    # By grouping: where from, and what the ids of its groups are there.
    kinds: dict[int, tuple[Any, Any, Any, Any]] = {
        ALL: (fact, nothing, nothing, no_channel),
        DISTRICT: (lying, lying.c.boundary_id, nothing, no_channel),
        DEPARTMENT: (fact, fact.c.department_id, nothing, no_channel),
        SERVICE: (fact, fact.c.service_id, nothing, no_channel),
        CHANNEL: (fact, nothing, nothing, fact.c.channel),
        DISTRICT_SERVICE: (lying, lying.c.boundary_id, lying.c.service_id, no_channel),
        DEPARTMENT_SERVICE: (fact, fact.c.department_id, fact.c.service_id, no_channel),
    }
    there = union_all(
        *(
            select(
                literal_column(str(grouping), SmallInteger).label("grouping"),
                group_id.label("group_id"),
                service_id.label("service_id"),
                channel.label("channel"),
            )
            .select_from(source)
            .distinct()
            for grouping, (source, group_id, service_id, channel) in kinds.items()
        )
    ).subquery("there")
    named = there if among is None else select(*(among.c[name] for name in KEYS[:4])).distinct().subquery("there")
    group = select(*named.c, func.row_number().over().label("number")).cte("numbered")
    belonging = union_all(
        *(
            select(source.c.request_id, group.c.number)
            .select_from(source)
            .join(
                group,
                and_(
                    group.c.grouping == literal_column(str(grouping)),
                    *(
                        group.c[name] == own
                        for name, own in (("group_id", group_id), ("service_id", service_id), ("channel", channel))
                    ),
                ),
            )
            for grouping, (source, group_id, service_id, channel) in kinds.items()
        )
    ).subquery("belonging")
    numbers = (
        select(belonging.c.request_id, func.array_agg(belonging.c.number).label("groups"))
        .group_by(belonging.c.request_id)
        .subquery("numbers")
    )
    return group, select(fact, numbers.c.groups).join(numbers, numbers.c.request_id == fact.c.request_id).cte("grouped")


def _year(day: Any) -> Any:
    return part_of("year", day)


def _wanted(group: Any, among: FromClause) -> Any:
    """The numbers of the cells in `among`."""
    step = case(
        *((among.c.span == literal_column(f"'{span}'"), literal_column(str(at))) for at, span in enumerate(SPANS[:2])),
        else_=literal_column("2"),
    )
    return (
        select(_cell(group.c.number, step * _SPAN_STEP + _month_number(among.c.starts)).label("cell"))
        .join(among, and_(*(group.c[name] == among.c[name] for name in KEYS[:4])))
        .cte("wanted")
    )


def _among(cell: Any, wanted: Any) -> list[Any]:
    return [] if wanted is None else [cell.in_(select(wanted.c.cell))]


def _entries(fact: Any) -> Any:
    """A row for each time a request counts: in the month in which it came in, was closed, was late, and was judged."""

    def entry(role: Any, month: Any, **values: Any) -> Select[Any]:
        said = {**_NOTHING, **values}
        return select(
            fact.c.groups, role.label("role"), month.label("month"), *(value.label(name) for name, value in said.items())
        )

    return union_all(
        entry(
            _RECEIVED,
            fact.c.received,
            seconds=fact.c.response_seconds,
            one=fact.c.is_duplicate,
            two=fact.c.is_answered,
            three=fact.c.is_reopened,
        ),
        entry(
            _CLOSED,
            fact.c.closed,
            seconds=fact.c.closing_seconds,
            one=fact.c.kept_promise.is_not(None),
            two=fact.c.kept_promise,
        ).where(fact.c.closed_month.is_not(None)),
        entry(_LAPSED, fact.c.lapsed).where(fact.c.lapsed_month.is_not(None)),
        entry(_JUDGED, _month_number(local_month(Verdict.closed_at)), one=Verdict.is_fixed, score=Verdict.score)
        .select_from(fact)
        .join(Verdict, and_(Verdict.jurisdiction_id == CITY, Verdict.request_id == fact.c.request_id)),
    ).subquery("entries")


def _percentiles(entry: Any, role: Any) -> Any:
    """An array of the median and the 90th percentile of the seconds."""
    both = func.percentile_cont(literal_column("array[0.5, 0.9]")).within_group(cast(entry.c.seconds, Double))
    return type_coerce(both.filter(entry.c.role == role), ARRAY(Double))


def _by_clock(fact: Any, wanted: Any) -> Any:
    """By cell of a month, how many came in by hour and weekday."""
    each = select(fact.c.received, fact.c.hour, fact.c.weekday, func.unnest(fact.c.groups).label("group_number")).subquery(
        "each"
    )
    cell = _cell(each.c.group_number, each.c.received)
    columns = [cell.label("cell"), each.c.hour, each.c.weekday]
    counted = (
        select(*columns, func.count().label("times"))
        .where(*_among(cell, wanted))
        .group_by(cell, each.c.hour, each.c.weekday)
        .subquery("by_clock")
    )

    def sums(column: Any, numbers: range) -> Any:
        times = [func.sum(counted.c.times).filter(column == literal_column(str(number))) for number in numbers]
        return cast(array([func.coalesce(each, literal_column("0")) for each in times]), ARRAY(Integer))

    hours, weekdays = sums(counted.c.hour, range(24)), sums(counted.c.weekday, range(1, 8))
    return select(counted.c.cell, hours.label("hours"), weekdays.label("weekdays")).group_by(counted.c.cell).cte("clock")


def _oldest(fact: Any, wanted: Any) -> Any:
    """By cell of a month, of what is public, came in then and was not closed within it, each that nothing older outlasted.

    Of one request this tells the second, and what is not public is told in numbers alone.
    """
    each = (
        select(
            fact.c.received,
            fact.c.request_id,
            fact.c.requested_at,
            fact.c.closed_at,
            func.unnest(fact.c.groups).label("group_number"),
        )
        .where(fact.c.is_public, or_(fact.c.closed_month.is_(None), fact.c.closed_month > fact.c.received_month))
        .subquery("each")
    )
    ever = literal_column("'infinity'::timestamptz", TIMESTAMP(timezone=True))
    until = func.coalesce(each.c.closed_at, ever)
    cell = _cell(each.c.group_number, each.c.received)
    before = func.max(until).over(partition_by=cell, order_by=[each.c.requested_at, each.c.request_id], rows=(None, -1))
    columns = [each.c.requested_at, each.c.closed_at, until.label("until"), before.label("outlasted")]
    ranked = select(cell.label("cell"), *columns).where(*_among(cell, wanted)).subquery("ranked")
    return (
        select(
            ranked.c.cell,
            _in_order(ranked.c.requested_at, ranked).label("requested_at"),
            _in_order(ranked.c.closed_at, ranked).label("closed_at"),
        )
        .where(or_(ranked.c.outlasted.is_(None), ranked.c.until > ranked.c.outlasted))
        .group_by(ranked.c.cell)
        .cte("oldest")
    )


def _in_order(column: Any, ranked: Any) -> Any:
    # Of two that came in within a second the one that stays the longer is the later.
    return func.array_agg(aggregate_order_by(column, ranked.c.requested_at, ranked.c.until))


def _filled(numbers: Any, length: int) -> Any:
    """The array, or as many zeros."""
    zeros = ", ".join(["0"] * length)
    return func.coalesce(numbers, literal_column(f"'{{{zeros}}}'::integer[]", ARRAY(Integer)))
