"""open311 rule import, export, list, check, explain, replay, score."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.table import Table

from db import db, driver_connection
from db.driver import driver
from open311.cases.explaining import Choice, choices_of, explain_draft, explain_request
from open311.cases.recorded import ExportMapping
from open311.cases.replaying import AFTER, BEFORE, Difference, Replay
from open311.cases.rerouting import Rerouting, reroute_open
from open311.cases.scoring import Agreement, score
from open311.cases.stamping import wait_for_older
from open311.city.proposal import put_boundaries_folder, put_rules_file
from open311.city.rules import as_csv, read_back, service_facts
from open311.cli.edge import (
    Answer,
    Day,
    Refused,
    jurisdiction_option,
    mapping_option,
    progress,
    proposal,
    require_writable,
    show_table,
    start_of,
    transaction,
    with_app,
    write_file,
)
from open311.cli.rule_learn import learn_
from open311.config import settings
from open311.jurisdictions import cities
from open311.services import find_service
from routing.check import check_rules
from routing.explain import Explanation
from schemas.moment import whole_second, write

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

_CAUSE = "the rules changed"

since_option = click.option("--since", type=Day(), help="only cases that came in on this date or later")
until_option = click.option("--until", type=Day(), help="only cases that came in before this date")


@click.group()
def rule() -> None:
    """Routing rules."""


rule.add_command(learn_)


@rule.command("import")
@click.argument("file", type=_FILE)
@jurisdiction_option
@click.option("--reroute", "reroutes", is_flag=True, help="route the open requests anew, each with its reason")
@with_app
def import_(file: Path, jurisdiction_id: str, reroutes: bool) -> None:
    """Put the rules of FILE (rules.csv) in place of the city's: all of them or, when anything is wrong, none."""
    city, now = cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    routed = Rerouting()
    with transaction() as session:
        count = put_rules_file(session, city, file)
        if reroutes:
            routed = reroute_open(driver_connection(session), routed, jurisdiction_id=city.id, cause=_CAUSE, now=now)
    click.echo(f"{count} rules are in place")
    if reroutes:
        with driver.connection() as connection:
            wait_for_older(connection)
            with connection.transaction():
                cause = f"{_CAUSE} as it came in"
                routed = reroute_open(connection, routed, jurisdiction_id=city.id, cause=cause, now=now)
        click.echo(f"{len(routed.ids)} open requests were routed anew, {routed.moved} go elsewhere now")


@rule.command("export")
@jurisdiction_option
@click.option("--out", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="a file; else standard output")
@with_app
def export(jurisdiction_id: str, out: Path | None) -> None:
    """Write the city's rules as a file that `rule import` and `city load` read."""
    city = cities().named(jurisdiction_id)
    text = as_csv(read_back(db.session(), city.id))
    if out is None:
        click.echo(text, nl=False)
    else:
        require_writable(out)
        write_file(out, text)


@rule.command("list")
@jurisdiction_option
@click.option("--service-code", help="only the rules that name this service")
@with_app
def list_(jurisdiction_id: str, service_code: str | None) -> None:
    """The city's rules, a line each."""
    city = cities().named(jurisdiction_id)
    table = Table("rule", "service", "where", "when", "department", "priority", "note", box=None)
    for each in read_back(db.session(), city.id):
        if service_code is not None and each["service_code"] != service_code:
            continue
        conditions = [f"{each['attribute']} is {each['value']}"] if each["attribute"] else []
        conditions += [f"{each['calendar']} is {each['during']}"] if each["calendar"] else []
        conditions += [f"from {each['valid_from']}"] if each["valid_from"] else []
        conditions += [f"until {each['valid_to']}"] if each["valid_to"] else []
        table.add_row(
            each["code"],
            each["service_code"] or (f"group {each['group']}" if each["group"] else "any"),
            f"{each['layer']} {each['boundary']}" if each["layer"] else "everywhere",
            ", ".join(conditions),
            each["department"],
            str(each["priority"]),
            each["note"],
        )
    show_table(table)


@rule.command("check")
@click.argument("file", type=_FILE, required=False)
@jurisdiction_option
@with_app
def check(file: Path | None, jurisdiction_id: str) -> None:
    """Find what is wrong with the city's rules, or with those of FILE: status 1 when anything is.

    Rules that can never win, services that no rule answers for, parts of the city where only the default department
    answers, and rules between which nothing but their codes decides.  Nothing is kept.
    """
    city, now = cities().named(jurisdiction_id), datetime.now(UTC).astimezone(cities().named(jurisdiction_id).zone)
    with proposal() as session:
        if file is not None:
            put_rules_file(session, city, file)
        found = check_rules(
            driver_connection(session),
            jurisdiction_id=city.id,
            outline_layer_id=city.outline_layer_id,
            at=now,
            services=service_facts(session, city.id),
        )
    for message in found.messages:
        click.echo(message)
    if found:
        raise Refused(f"{len(found.messages)} findings")
    click.echo("nothing to find fault with")


@rule.command("explain")
@jurisdiction_option
@click.option("--request", "number", help="a request by its number: what was decided when, and why")
@click.option("--service-code", help="a draft: its service")
@click.option("--lat", help="latitude of a draft, WGS84 degrees")
@click.option("--long", help="longitude of a draft, WGS84 degrees")
@click.option("--address", help="address of a draft")
@click.option("--attribute", "answers", multiple=True, type=Answer(), metavar="CODE=VALUE", help="an answer of a draft's form")
@click.option("--at", type=Day(), help="as if the draft came in then; else now")
@with_app
def explain(
    jurisdiction_id: str,
    number: str | None,
    service_code: str | None,
    lat: str | None,
    long: str | None,
    address: str | None,
    answers: tuple[tuple[str, str], ...],
    at: Day | None,
) -> None:
    """Say who answers for a request that is drafted here, or for one that came in, and why nobody else does."""
    city = cities().named(jurisdiction_id)
    if (number is None) == (service_code is None):
        raise click.UsageError("say either --request NUMBER or --service-code CODE with a place")
    with driver.connection() as connection:
        if number is not None:
            decisions, choices = explain_request(connection, number, city), choices_of(connection, number, city)
            for choice in choices:
                _say_choice(choice)
            if choices and choices[0].given_to is not None:
                click.echo(f"It stays with {choices[0].given_to} until it is returned to the rules, whatever they decide.")
            for position, past in enumerate(decisions):
                if position or choices:
                    click.echo()
                cause = f", because {past.cause}" if past.cause else ""
                click.echo(f"Decided {write(past.at)}{cause}:")
                _say(past.explanation)
            return
    assert service_code is not None
    fields = {"lat": [lat or ""], "long": [long or ""], "address_string": [address or ""]}
    for code, value in answers:
        fields.setdefault(f"attribute[{code}]", []).append(value)
    moment = start_of(at, city) or whole_second(datetime.now(UTC))
    with driver.connection() as connection:
        service = find_service(connection, service_code, jurisdiction_id=city.id)
    _say(explain_draft(fields, service, city, at=moment, settings=settings()))


@rule.command("replay")
@jurisdiction_option
@click.option("--rules", type=_FILE, help="proposed rules (rules.csv); else those in force")
@click.option("--boundaries", type=_FOLDER, help="a folder of proposed maps, LAYER.geojson each; else those in force")
@since_option
@until_option
@click.option("--at", type=Day(), help="by the rules and maps in force then, present and proposed; else now")
@click.option("--recorded", is_flag=True, help="compare with who answers for each request today, not with what is in force")
@click.option("--json", "as_json", is_flag=True, help="as one JSON document")
@with_app
def replay(
    jurisdiction_id: str,
    rules: Path | None,
    boundaries: Path | None,
    since: Day | None,
    until: Day | None,
    at: Day | None,
    recorded: bool,
    as_json: bool,
) -> None:
    """Route past requests again by proposed rules and maps, and show what would go elsewhere.  Nothing is kept."""
    city = cities().named(jurisdiction_id)
    moment = start_of(at, city) or whole_second(datetime.now(UTC))
    with proposal() as session:
        connection = driver_connection(session)
        past = Replay(connection, jurisdiction_id=city.id)
        past.take(since=start_of(since, city), until=start_of(until, city))
        if recorded:
            past.recorded()
        else:
            past.route(BEFORE, at=moment)
        if boundaries is not None:
            put_boundaries_folder(session, city, boundaries, now=moment)
        if rules is not None:
            put_rules_file(session, city, rules)
        connection.execute("analyze boundary, routing_rule")
        past.route(AFTER, at=moment)
        found = past.difference()
    click.echo(json.dumps(asdict(found))) if as_json else show_difference(found)


@rule.command("score")
@click.argument("file", type=_FILE)
@mapping_option
@jurisdiction_option
@click.option("--rules", type=_FILE, help="score these rules (rules.csv) instead of those in force")
@since_option
@until_option
@click.option("--at", type=Day(), help="by the rules and maps in force then; else those of each case's own day")
@with_app
def score_(
    file: Path,
    mapping: Path,
    jurisdiction_id: str,
    rules: Path | None,
    since: Day | None,
    until: Day | None,
    at: Day | None,
) -> None:
    """Route every case of FILE, stored or not, and print how far that agrees with what the city recorded.

    One line of JSON: {"cases", "located", "department", "queue"}; the last two are shares of all cases.
    """
    city = cities().named(jurisdiction_id)
    read = ExportMapping(mapping)
    found = Agreement()
    with proposal() as session:
        if rules is not None:
            put_rules_file(session, city, rules)
        connection = driver_connection(session)
        connection.execute("analyze routing_rule")
        with progress() as bar:
            task = bar.add_task(str(file), total=None)
            for found in score(
                connection,
                city,
                file,
                read,
                since=start_of(since, city),
                until=start_of(until, city),
                at=start_of(at, city),
                now=datetime.now(UTC),
            ):
                bar.update(task, completed=found.cases)
    click.echo(json.dumps(found.as_shares()))


def show_difference(found: Difference) -> None:
    """What a proposal would change, as tables."""
    share = f" ({found.moved / found.requests:.2%})" if found.requests else ""
    click.echo(
        f"{found.requests} requests, {found.moved} would go elsewhere{share}; {found.decisions_per_second} decisions a second"
    )
    for title, counts in (("service", found.services), ("district", found.districts)):
        if counts:
            table = Table(title, "requests", "elsewhere", box=None)
            for each in counts:
                table.add_row(each.name, str(each.requests), str(each.moved))
            click.echo()
            show_table(table)
    if found.departments:
        table = Table("department", "before", "after", "", box=None)
        for desk in found.departments:
            table.add_row(desk.name, str(desk.before), str(desk.after), f"{desk.after - desk.before:+}")
        click.echo()
        show_table(table)
    if found.moves:
        table = Table("service", "from", "to", "requests", box=None)
        for move in found.moves:
            table.add_row(move.service, move.before, move.after, str(move.requests))
        click.echo()
        show_table(table)


def _say_choice(choice: Choice) -> None:
    if choice.given_to is None:
        click.echo(f"Returned to the rules {write(choice.at)} by {choice.by}.")
    else:
        before = f", before with {choice.before}" if choice.before else ""
        click.echo(f"Given to {choice.given_to} {write(choice.at)} by {choice.by}{before}: {choice.reason}")


def _say(explanation: Explanation) -> None:
    decision = explanation.decision
    chosen = decision.chosen
    click.echo(decision.reason)
    click.echo(f"  department  {chosen.department}")
    if chosen.unit:
        click.echo(f"  unit        {chosen.unit}")
    click.echo(f"  rule        {chosen.rule or 'none'}")
    if chosen.boundary_code:
        since = f", as drawn since {write(chosen.valid_from)}" if chosen.valid_from else ""
        until = f" until {write(chosen.valid_to)}" if chosen.valid_to else ""
        click.echo(f"  boundary    {chosen.layer} {chosen.boundary_code} ({chosen.boundary}){since}{until}")
    if explanation.distance_metres is not None:
        click.echo(f"  its edge    {explanation.distance_metres:g} metres away")
    for candidate, why in explanation.losers:
        click.echo(f"  not {candidate.answers}{f' by {candidate.rule}' if candidate.rule else ''}: {why}")
