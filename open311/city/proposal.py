"""Rules and maps that are proposed: put in place inside a transaction that its owner rolls back."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from geo.importing import BadBoundaries, read_geojson
from geo.models import Layer
from geo.versions import VersionInTheWay, publish
from open311.city.lines import BadFile
from open311.city.rules import known_here, put_rules, read_rules, unknown_names
from open311.jurisdictions import City
from schemas import moment


def put_rules_file(session: Session, city: City, path: Path) -> int:
    """Put the rules of a file in place of the city's; how many.  Raises BadFile with every problem.  Adds and flushes."""
    rules = read_rules(path)
    problems = list(unknown_names(path, rules, known_here(session, city.id)))
    if problems:
        raise BadFile(problems)
    put_rules(session, city.id, [rule for _, rule in rules], zone=city.zone)
    return len(rules)


def put_boundaries_folder(session: Session, city: City, path: Path, *, now: datetime) -> list[str]:
    """Put the maps LAYER.geojson of a folder in place, from now on; the layers that change.

    Raises BadFile with every problem: a file of no layer of the city, one that cannot be read, a layer with a map that
    is published already for later.  Adds and flushes.
    """
    layers = {row.code: row for row in session.scalars(select(Layer).where(Layer.jurisdiction_id == city.id))}
    files = sorted(path.glob("*.geojson"))
    problems = [] if files else [f"{path}:1: has no LAYER.geojson"]
    changed: list[str] = []
    for file in files:
        layer = layers.get(file.stem)
        if layer is None:
            problems.append(f"{file}:1: {city.name} has no layer {file.stem!r}, but {_listed(list(layers))}")
            continue
        try:
            drawn = read_geojson(file, code_property=layer.code_property, name_property=layer.name_property)
            version = publish(
                session,
                drawn,
                jurisdiction_id=city.id,
                layer_id=layer.id,
                valid_from=now,
                published_at=now,
                source=file.name,
            )
        except BadBoundaries as error:
            problems += error.messages
            continue
        except VersionInTheWay as error:
            problems.append(f"{file}:1: a map of {layer.code} is published for {moment.write(error.args[0])} already")
            continue
        if version is not None:
            changed.append(layer.code)
    if problems:
        raise BadFile(problems)
    return changed


def _listed(codes: Sequence[str]) -> str:
    return ", ".join(sorted(codes)) or "none at all"
