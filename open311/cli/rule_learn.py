"""open311 rule learn."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from db.driver import driver
from open311.cases.learning import History, read_history
from open311.cases.recorded import ExportMapping
from open311.city.rules import COLUMNS, as_csv
from open311.cli.edge import (
    Day,
    Refused,
    jurisdiction_option,
    mapping_option,
    progress,
    require_writable,
    start_of,
    with_app,
    write_file,
)
from open311.jurisdictions import cities
from routing.learn import PastCase, Rule, commonest, learn, measure

_HOLDOUT_DAYS = 30


@click.command("learn")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@mapping_option
@jurisdiction_option
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="the rules.csv to write")
@click.option("--since", type=Day(), help="only cases that came in on this date or later")
@click.option("--until", type=Day(), help="only cases that came in before this date")
@click.option(
    "--holdout",
    "holdout_days",
    type=click.IntRange(min=0),
    default=_HOLDOUT_DAYS,
    show_default=True,
    help="how many of the last days are kept aside to measure on; 0: measure nothing",
)
@with_app
def learn_(
    file: Path,
    mapping: Path,
    jurisdiction_id: str,
    out: Path,
    since: Day | None,
    until: Day | None,
    holdout_days: int,
) -> None:
    """Propose routing rules from the past cases in FILE (.csv or .csv.gz), and say how good they are.

    First it learns without the last days and tells how many cases of those days the rules send where the city sent them,
    beside the commonest queue of each service.  Then it learns from all cases and writes the rules to --out.
    """
    require_writable(out)
    city = cities().named(jurisdiction_id)
    read = ExportMapping(mapping)
    with driver.transaction() as connection, progress() as bar:
        task = bar.add_task(str(file), total=None)
        history = read_history(
            connection,
            city,
            file,
            read,
            since=start_of(since, city),
            until=start_of(until, city),
            now=datetime.now(UTC),
            advance=lambda rows: bar.advance(task, rows),
        )
    _tell_what_was_left_out(history)
    if holdout_days:
        _measure(history, holdout_days, city.zone)
    rules = learn(history.cases)
    if not rules:
        raise Refused(f"{file}: too few cases to learn a rule from ({len(history.cases)})")
    write_file(out, as_csv([_as_row(rule) for rule in rules]))
    click.echo(f"learnt on {_period(history.cases)}: {len(rules)} rules in {out}")


def _tell_what_was_left_out(history: History) -> None:
    for count, what in (
        (history.retired, "cases of services that are offered no longer were left out"),
        (history.unknown_answers, "cases name a department or unit that the city does not have"),
        (history.placeholders, "cases lie at a point of very many addresses (a place-holder?): no place was learnt from them"),
    ):
        if count:
            click.echo(f"{count} {what}")


def _measure(history: History, holdout_days: int, zone: ZoneInfo) -> None:
    """Print how far rules agree with days that they were not learnt from."""
    first, last = (pick(each.at for each in history.cases) for pick in (min, max))
    from_day = _days_before(last.date(), holdout_days - 1)
    start = datetime.combine(from_day, time(), zone)
    if start <= first:
        days = (last.date() - first.date()).days + 1
        raise Refused(f"the cases cover {days} days, too few to keep {holdout_days} aside: give --holdout fewer, or 0")
    seen = [each for each in history.cases if each.at < start]
    kept_aside = [each for each in history.cases if each.at >= start]
    click.echo(f"learnt on {_period(seen)}; tested on {_period(kept_aside)}")
    click.echo(f"  {'':33}{'queue':>8}{'department':>12}{'rules':>7}")
    for name, rules in (("learnt rules", learn(seen)), ("commonest queue of each service", commonest(seen))):
        found = measure(rules, kept_aside, department_of=history.department_of, default_department=history.default_department)
        queue, department = (f"{100 * each / found.cases:.1f} %" for each in (found.unit, found.department))
        click.echo(f"  {name:33}{queue:>8}{department:>12}{len(rules):>7}")


def _days_before(day: date, days: int) -> date:
    return date.fromordinal(max(day.toordinal() - days, 1))


def _period(cases: Sequence[PastCase]) -> str:
    first, last = (pick(each.at for each in cases) for pick in (min, max))
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d} ({len(cases)} cases)"


def _as_row(rule: Rule) -> dict[str, Any]:
    """The rule as a line of rules.csv."""
    said: dict[str, Any] = {
        "code": rule.code,
        "service_code": rule.service or "",
        "group": rule.group or "",
        "layer": rule.layer or "",
        "boundary": rule.boundary or "",
        "department": rule.department,
        "priority": rule.priority,
        "note": rule.note,
    }
    return {name: said.get(name, "") for name in COLUMNS}
