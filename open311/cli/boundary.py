"""open311 boundary import, preview, undo, list."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
from marshmallow import ValidationError
from rich.table import Table
from shapely import Point
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db import db, driver_connection
from geo.checking import LayerCheck, check_layer, codes_apart
from geo.comparing import Comparison, as_geojson, compare
from geo.geojson import feature
from geo.importing import NewBoundary, read_boundaries
from geo.models import Boundary, Layer, LayerVersion
from geo.versions import NothingToWithdraw, VersionInTheWay, publish, withdraw
from open311.cases.replaying import AFTER, BEFORE, MovedRequest, Replay
from open311.cases.stamping import stamp_later
from open311.cli.edge import (
    Day,
    Refused,
    jurisdiction_option,
    proposal,
    require_writable,
    show_table,
    transaction,
    with_app,
    write_file,
)
from open311.cli.rule import show_difference
from open311.jurisdictions import City, cities
from open311.models import ServiceRequest
from routing.models import RoutingRule
from schemas.city import Code, Words
from schemas.moment import whole_second, write
from schemas.problems import flatten

P = ParamSpec("P")
R = TypeVar("R")

_FILE = click.Path(exists=True, path_type=Path)
_MAX_SHOWN = 10


@click.group()
def boundary() -> None:
    """Maps of districts, each layer in versions."""


def _map_options(command: Callable[P, R]) -> Callable[P, R]:
    """What import and preview take alike."""
    for option in reversed(
        (
            click.argument("file", type=_FILE),
            click.option("--layer", "layer_code", required=True, help="code of the layer, such as council"),
            click.option("--valid-from", type=Day(), required=True, help="the first day of the new map"),
            click.option("--crs", help="coordinate system, such as EPSG:2249, when the file names none or a wrong one"),
            click.option("--sublayer", help="which layer of a file that holds several"),
            click.option("--code-property", help="property of a feature that is its code; else that of the last load"),
            click.option("--name-property", help="property of a feature that is its name; else that of the last load"),
            click.option("--new-layer", "new_name", metavar="NAME", help="make the layer, and call it so"),
        )
    ):
        command = option(command)
    return command


@boundary.command("import")
@_map_options
@jurisdiction_option
@click.option("--reroute", "reroutes", is_flag=True, help="on that day, route open requests anew, each with its reason")
@with_app
def import_(jurisdiction_id: str, reroutes: bool, valid_from: Day, **options: Any) -> None:
    """Publish the map in FILE (GeoJSON, Shapefile or GeoPackage) as a layer's version from a day on.

    Requests that come in from that day on are routed by it; those that are there are stamped with it in the background.
    """
    city, now = cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    begins = valid_from.start(city.zone)
    with transaction() as session:
        asked = _read(session, city, now=now, **options)
        version = _publish(session, city, asked, valid_from=begins, now=now, reroutes=reroutes)
        if version is not None:
            stamp_later(driver_connection(session), version)
        _say_findings(asked)
        for text in _orphans(session, city, asked):
            click.echo(text)
    if version is None:
        click.echo(f"{asked.layer.code} is drawn so already: nothing was published")
        return
    when = "takes effect now" if begins <= now else f"takes effect on {write(begins)}"
    click.echo(f"{len(asked.drawn)} districts of {asked.layer.code} are published: the map {when}")
    click.echo("requests are stamped with it in the background then: open311 boundary list shows how far that is")


@boundary.command("preview")
@_map_options
@jurisdiction_option
@click.option("--last", type=click.IntRange(min=0), default=10_000, show_default=True, help="so many of the newest requests")
@click.option("--geojson", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="write the changes there too")
@with_app
def preview(jurisdiction_id: str, valid_from: Day, last: int, geojson: Path | None, **options: Any) -> None:
    """Show what the map in FILE would change: areas gained and lost, and which requests would go elsewhere.

    Nothing is kept.
    """
    city, now = cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    begins = max(valid_from.start(city.zone), now)
    if geojson is not None:
        require_writable(geojson)
    with proposal() as session:
        asked = _read(session, city, now=now, **options)
        connection = driver_connection(session)
        past = Replay(connection, jurisdiction_id=city.id)
        past.take(last=last)
        past.route(BEFORE, at=begins)
        changes = compare(connection, _in_force(session, asked.layer, at=begins), asked.drawn)
        orphans = _orphans(session, city, asked)
        _publish(session, city, asked, valid_from=valid_from.start(city.zone), now=now)
        connection.execute("analyze boundary")
        past.route(AFTER, at=begins)
        difference, moved = past.difference(), past.moved_requests()
    _say_findings(asked)
    for text in orphans:
        click.echo(text)
    _say_changes(changes)
    click.echo()
    show_difference(difference)
    if geojson is not None:
        document = as_geojson(changes, extra=map(_request_feature, moved))
        write_file(geojson, json.dumps(document, ensure_ascii=False) + "\n")
        click.echo(f"\nwritten to {geojson}")


@boundary.command("undo")
@click.option("--layer", "layer_code", required=True, help="code of the layer")
@jurisdiction_option
@click.option("--reroute", "reroutes", is_flag=True, help="route open requests anew by the map before, each with its reason")
@with_app
def undo(layer_code: str, jurisdiction_id: str, reroutes: bool) -> None:
    """Take the newest map of a layer back, whether its day has come or not: the one before holds again, or none."""
    city, now = cities().named(jurisdiction_id), whole_second(datetime.now(UTC))
    with transaction() as session:
        layer = _layer(session, city, layer_code)
        try:
            version = withdraw(session, jurisdiction_id=city.id, layer_id=layer.id, now=now, reroutes=reroutes)
        except NothingToWithdraw as error:
            raise Refused(f"{layer_code} has no map that can be taken back: one without a first day stays") from error
        stamp_later(driver_connection(session), version)
        began = write(version.valid_from) if version.valid_from else ""
    click.echo(f"the map of {layer_code} from {began} is taken back")


@boundary.command("list")
@jurisdiction_option
@click.option("--layer", "layer_code", help="only this layer")
@with_app
def list_(jurisdiction_id: str, layer_code: str | None) -> None:
    """Every map that was published, newest first: from when, from which file, how many requests are stamped with it."""
    city, session = cities().named(jurisdiction_id), db.session()
    total = session.scalar(select(func.count()).where(ServiceRequest.jurisdiction_id == city.id))
    rows = session.execute(
        select(Layer.code, LayerVersion)
        .join(LayerVersion, (LayerVersion.jurisdiction_id == city.id) & (LayerVersion.layer_id == Layer.id))
        .where(Layer.jurisdiction_id == city.id, Layer.code == layer_code if layer_code else Layer.code.is_not(None))
        .order_by(LayerVersion.id.desc())
    )
    table = Table("layer", "from", "districts", "file", "published", "requests stamped", "routed anew", "", box=None)
    for code, version in rows:
        table.add_row(
            code,
            write(version.valid_from) if version.valid_from else "ever",
            str(version.boundaries),
            version.source,
            write(version.published_at),
            f"{version.stamped_requests} of {total}, {version.stamping}" if version.valid_from else "as they came in",
            str(version.rerouted_requests) if version.reroutes else "not asked",
            f"taken back {write(version.withdrawn_at)}" if version.withdrawn_at else "",
        )
    show_table(table)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A map that was read, with what was found of it.  apart: the codes that do not touch the city's outline."""

    layer: Layer
    drawn: Sequence[NewBoundary]
    apart: Sequence[str]
    check: LayerCheck
    source: str

    @property
    def findings(self) -> Mapping[str, Any]:
        """What was found, as the version keeps it."""
        return {
            "repaired": [{"code": each.code, "was": each.repaired} for each in self.drawn if each.repaired],
            "overlaps": [
                {"codes": list(each.codes), "square_metres": round(each.square_metres, 1)} for each in self.check.overlaps
            ],
            "gaps": [
                {"long": each.somewhere.long, "lat": each.somewhere.lat, "square_metres": round(each.square_metres, 1)}
                for each in self.check.gaps
            ],
        }


def _read(
    session: Session,
    city: City,
    *,
    file: Path,
    layer_code: str,
    crs: str | None,
    sublayer: str | None,
    code_property: str | None,
    name_property: str | None,
    new_name: str | None,
    now: datetime,
) -> _Asked:
    connection = driver_connection(session)
    layer = _layer(session, city, layer_code) if new_name is None else _new_layer(session, city, layer_code, new_name)
    layer.code_property, layer.name_property = code_property or layer.code_property, name_property or layer.name_property
    drawn = read_boundaries(
        connection,
        file,
        code_property=layer.code_property,
        name_property=layer.name_property,
        population_property=layer.population_property,
        crs=crs,
        sublayer=sublayer,
    )
    outlines = _outlines(session, city, now=now)
    apart = codes_apart(connection, drawn, outlines) if outlines else []
    if len(apart) == len(drawn):
        raise Refused(
            f"{file.name}: no district touches {city.name} as it is drawn today: latitude and longitude may be exchanged, "
            "or the coordinate system another one (--crs)"
        )
    outline = outlines[0] if len(outlines) == 1 and layer.id != city.outline_layer_id else None
    return _Asked(
        layer=layer, drawn=drawn, apart=apart, check=check_layer(connection, drawn, outline=outline), source=file.name
    )


def _publish(
    session: Session, city: City, asked: _Asked, *, valid_from: datetime, now: datetime, reroutes: bool = False
) -> LayerVersion | None:
    try:
        return publish(
            session,
            asked.drawn,
            jurisdiction_id=city.id,
            layer_id=asked.layer.id,
            valid_from=valid_from,
            published_at=now,
            source=asked.source,
            findings=asked.findings,
            reroutes=reroutes,
        )
    except VersionInTheWay as error:
        raise Refused(
            f"a map of {asked.layer.code} from {write(error.args[0])} is published already: "
            "take that back first (open311 boundary undo), or choose a later day"
        ) from error


def _layer(session: Session, city: City, code: str) -> Layer:
    layer = _find_layer(session, city, code)
    if layer is None:
        there = session.scalars(select(Layer.code).where(Layer.jurisdiction_id == city.id).order_by(Layer.code))
        raise Refused(f"{city.name} has no layer {code!r}, but {', '.join(there)}; boundary import --new-layer NAME makes one")
    return layer


def _new_layer(session: Session, city: City, code: str, name: str) -> Layer:
    """The layer of this code, made when the city has none."""
    code, name = _good("--layer", Code(), code), _good("--new-layer", Words(), name)
    layer = _find_layer(session, city, code)
    if layer is None:
        layer = Layer(jurisdiction_id=city.id, code=code, name=name, code_property="code", name_property="name")
        session.add(layer)
        session.flush()
    return layer


def _find_layer(session: Session, city: City, code: str) -> Layer | None:
    return session.scalars(select(Layer).where(Layer.jurisdiction_id == city.id, Layer.code == code)).one_or_none()


def _good(option: str, field: Words, text: str) -> str:
    try:
        return str(field.deserialize(text))
    except ValidationError as error:
        raise Refused(f"{option} {flatten(error.messages)[0]}") from error


def _in_force(session: Session, layer: Layer, *, at: datetime) -> Sequence[Boundary]:
    return session.scalars(
        select(Boundary).where(
            Boundary.jurisdiction_id == layer.jurisdiction_id,
            Boundary.layer_id == layer.id,
            Boundary.in_force(func.timestamptz(at)),
        )
    ).all()


def _outlines(session: Session, city: City, *, now: datetime) -> Sequence[Any]:
    """The areas of the city's outline, in the order of their codes."""
    return session.scalars(
        select(Boundary.area)
        .where(
            Boundary.jurisdiction_id == city.id,
            Boundary.layer_id == city.outline_layer_id,
            Boundary.in_force(func.timestamptz(now)),
        )
        .order_by(Boundary.code.collate("C"))
    ).all()


def _orphans(session: Session, city: City, asked: _Asked) -> list[str]:
    """The rules that name a district of the layer which the new map does not have."""
    codes = {each.code for each in asked.drawn}
    rules = session.execute(
        select(RoutingRule.code, RoutingRule.boundary_code)
        .where(RoutingRule.jurisdiction_id == city.id, RoutingRule.layer_id == asked.layer.id)
        .order_by(RoutingRule.code)
    )
    return [
        f"rule {rule} names {asked.layer.code} {code}, which this map does not have: it will never answer"
        for rule, code in rules
        if code not in codes
    ]


def _say_findings(asked: _Asked) -> None:
    for each in asked.drawn:
        if each.repaired:
            click.echo(f"repaired {asked.layer.code} {each.code}: {each.repaired}")
    if asked.apart:
        rest = f" and {len(asked.apart) - _MAX_SHOWN} more" if len(asked.apart) > _MAX_SHOWN else ""
        click.echo(f"outside the city's outline altogether: {', '.join(asked.apart[:_MAX_SHOWN])}{rest}")
    overlaps, gaps = asked.check.overlaps, asked.check.gaps
    if overlaps:
        total = sum(each.square_metres for each in overlaps)
        click.echo(f"{len(overlaps)} overlaps, {_area(total)} together:")
        for overlap in overlaps[:_MAX_SHOWN]:
            click.echo(f"  {' and '.join(overlap.codes)}: {_area(overlap.square_metres)}")
    if gaps:
        click.echo(f"{len(gaps)} gaps, {_area(sum(each.square_metres for each in gaps))} together:")
        for gap in gaps[:_MAX_SHOWN]:
            click.echo(f"  at lat {gap.somewhere.lat:.6f}, long {gap.somewhere.long:.6f}: {_area(gap.square_metres)}")
    if max(len(overlaps), len(gaps)) > _MAX_SHOWN:
        click.echo(f"  (the {_MAX_SHOWN} largest of each)")


def _say_changes(changes: Comparison) -> None:
    changed = [each for each in changes.changes if not each.is_unchanged]
    click.echo(f"{len(changed)} of {len(changes.changes)} districts change")
    if not changed:
        return
    table = Table("district", "gains", "loses", "", box=None)
    for each in changed:
        words = {"new": each.is_new, "gone": each.is_gone, f"was {each.name_before}": each.is_renamed}
        table.add_row(
            f"{each.code} {each.name or each.name_before}",
            _area(each.gained.square_metres),
            _area(each.lost.square_metres),
            ", ".join(word for word, applies in words.items() if applies),
        )
    show_table(table)
    table = Table("from", "to", "area", box=None)
    for moved in changes.moved:
        table.add_row(moved.from_code or "none", moved.to_code or "none", _area(moved.piece.square_metres))
    click.echo()
    show_table(table)


def _area(square_metres: float) -> str:
    return f"{square_metres / 1e6:.3f} km²" if square_metres >= 1e5 else f"{square_metres:.0f} m²"


def _request_feature(moved: MovedRequest) -> dict[str, Any]:
    return feature(
        None if moved.long is None or moved.lat is None else Point(moved.long, moved.lat),
        kind="request",
        number=moved.number,
        service=moved.service,
        status=moved.status,
        before=moved.before,
        after=moved.after,
    )
