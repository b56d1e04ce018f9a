"""open311 request knowledge, knowledge-score: how requests like one were resolved, and which articles are pinned."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.table import Table

from db.driver import driver
from open311.cases.articles import articles_for
from open311.cases.knowledge import Asked, Known, like_draft, like_request
from open311.cases.knowledge_score import chosen, read_closing_texts, score
from open311.cli.acting import acting, refusals, who
from open311.cli.edge import Answer, Refused, jurisdiction_option, progress, show_table, with_app
from open311.jurisdictions import cities
from open311.services import find_service
from schemas.moment import whole_second
from schemas.query import read_point
from schemas.text import clean


@click.command()
@click.argument("number", required=False)
@click.option("--service-code", help="of a draft: what it is about")
@click.option("--description", default="", help="of a draft: what is said")
@click.option("--lat", help="of a draft: latitude, WGS84 degrees; with --long")
@click.option("--long", help="of a draft: longitude, WGS84 degrees; with --lat")
@click.option(
    "--attribute", "given", multiple=True, type=Answer(), metavar="CODE=VALUE", help="of a draft: an answer of the form"
)
@jurisdiction_option
@acting
@with_app
def knowledge(
    number: str | None,
    service_code: str | None,
    description: str,
    lat: str | None,
    long: str | None,
    given: tuple[tuple[str, str], ...],
    jurisdiction_id: str,
    as_email: str | None,
    by: str,
) -> None:
    """The articles, and the resolved requests most like request NUMBER or a draft: how they were resolved, in what time."""
    if (number is None) == (service_code is None):
        raise click.UsageError("give one of NUMBER and --service-code")
    city, now = cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    with driver.connection() as connection, refusals(number or "it"):
        actor = who(connection, city, as_email=as_email, by=by)
        if number is not None:
            asked, found = like_request(connection, city, number, by=actor, now=now)
        else:
            service = find_service(connection, service_code or "", jurisdiction_id=city.id).new
            asked = Asked(
                service_id=service.id,
                service_group=service.group,
                words=clean(description),
                point=read_point({"lat": [lat or ""], "long": [long or ""]}),
                answers=dict(given),
            )
            found = like_draft(connection, city, asked, by=actor, now=now)
        articles = articles_for(connection, jurisdiction_id=city.id, service_id=asked.service_id, words=asked.words)
    for article in articles:
        click.echo(f"article {article.code} ({article.language}{'' if article.is_public else ', for staff'}): {article.title}")
    _show(found)


@click.command("knowledge-score")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@jurisdiction_option
@click.option(
    "--month", type=click.IntRange(1, 12), help="cases that were closed in it, by FILE; else the last in which one came in"
)
@click.option("--seed", type=int, default=311, show_default=True, help="which 500 of them: the same seed, the same cases")
@with_app
def knowledge_score(file: Path, jurisdiction_id: str, month: int | None, seed: int) -> None:
    """How often one of the first five resolved requests has the closing text that the case got, by the texts of FILE.csv."""
    city = cities().named(jurisdiction_id)
    with driver.connection() as connection, progress() as bar:
        texts = read_closing_texts(connection, city, file)
        picked = chosen(texts, month=month, seed=seed)
        if not picked:
            raise Refused(f"{file}: no case was closed in that month")
        task = bar.add_task(str(file), total=len(picked))
        figures = score(connection, city, texts, picked, advance=lambda: bar.advance(task))
    click.echo(json.dumps({**figures.as_figures(), "seed": seed}))


def _show(found: Known) -> None:
    summary = found.summary
    if summary is None:
        click.echo("nothing like it was resolved yet")
        return
    table = Table("number", "service", "what", "metres", "took", "how", "times", "phases", "words", box=None)
    for each in found.shown:
        table.add_row(
            each.number,
            each.service_code,
            each.description or "",
            "" if each.metres is None else f"{each.metres:.0f}",
            duration(each.took),
            f"{each.resolution} (article {each.answered_from})" if each.answered_from else each.resolution,
            str(each.times),
            ", ".join(each.phases),
            each.words or "",
        )
    show_table(table)
    click.echo(f"commonest: {summary.resolution}, {summary.times} of {summary.compared}; median time {duration(summary.took)}")


def duration(time: timedelta) -> str:
    """A time as people say it: days and hours, or minutes."""
    minutes = int(time.total_seconds() // 60)
    days, hours = minutes // 1440, minutes % 1440 // 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
