"""Maps over time: a layer's new version published ahead of its day, and taken back."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from geoalchemy2.shape import from_shape
from shapely import equals_exact
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from geo.columns import WGS84
from geo.importing import NewBoundary
from geo.models import Boundary, Layer, LayerVersion
from geo.queries import square_metres

# Degrees: a tenth of a millimetre.  Files round, and a district drawn so alike is the same.
SAME_WITHIN_DEGREES = 1e-9


class VersionInTheWay(ValueError):
    """A version of the layer begins at that moment or later: it must be taken back first."""


class NothingToWithdraw(LookupError):
    """The layer has no map but the one without a beginning, or none at all."""


def newest_version(session: Session, *, jurisdiction_id: int, layer_id: int) -> LayerVersion | None:
    """The layer's last version that was not taken back, locked against another that would publish or withdraw."""
    session.execute(select(Layer.id).where(Layer.jurisdiction_id == jurisdiction_id, Layer.id == layer_id).with_for_update())
    return session.scalars(
        select(LayerVersion)
        .where(
            LayerVersion.jurisdiction_id == jurisdiction_id,
            LayerVersion.layer_id == layer_id,
            LayerVersion.withdrawn_at.is_(None),
        )
        .order_by(LayerVersion.id.desc())
        .limit(1)
        # A job counts in this row too: what the session knew of it before it was locked is of no use.
        .execution_options(populate_existing=True)
    ).one_or_none()


def publish(
    session: Session,
    drawn: Sequence[NewBoundary],
    *,
    jurisdiction_id: int,
    layer_id: int,
    valid_from: datetime | None,
    published_at: datetime,
    source: str,
    findings: Mapping[str, Any] | None = None,
    reroutes: bool = False,
) -> LayerVersion | None:
    """The layer as it will be from valid_from on (None: as it has ever been); None when it is so already.

    Districts that are not in it end then, those drawn anew begin then, those drawn alike stay as they are.  Requests are
    stamped by who calls this.  Raises VersionInTheWay, and ValueError for a second map that would have no beginning.
    Adds and flushes.
    """
    mine = (Boundary.jurisdiction_id == jurisdiction_id, Boundary.layer_id == layer_id)
    newest = newest_version(session, jurisdiction_id=jurisdiction_id, layer_id=layer_id)
    before = session.scalars(select(Boundary).where(*mine, Boundary.valid_to.is_(None))).all()
    # Maps that were loaded before versions were kept have boundaries alone.
    begun = [row.valid_from for row in (newest, *before) if row is not None and row.valid_from is not None]
    if begun and (valid_from is None or max(begun) >= valid_from):
        raise VersionInTheWay(max(begun))
    if before and valid_from is None:
        raise ValueError("only the first map of a layer has no beginning")
    wanted = {boundary.code: boundary for boundary in drawn}
    has_ended = False
    for row in before:
        new = wanted.get(row.code)
        if new is not None and equals_exact(row.area, new.area, tolerance=SAME_WITHIN_DEGREES):
            # A name is not a matter of maps: it holds at once, for the time before as well.
            row.name = new.name
            if new.population is not None:
                row.population = new.population
            del wanted[row.code]
        else:
            row.valid_to = valid_from
            has_ended = True
    session.flush()
    session.add_all(
        Boundary(
            jurisdiction_id=jurisdiction_id,
            layer_id=layer_id,
            code=boundary.code,
            name=boundary.name,
            area=boundary.area,
            area_square_metres=square_metres(from_shape(boundary.area, srid=WGS84)),  # type: ignore[arg-type]
            population=boundary.population,
            valid_from=valid_from,
        )
        for boundary in wanted.values()
    )
    session.flush()
    if not has_ended and not wanted:
        return None
    version = LayerVersion(
        jurisdiction_id=jurisdiction_id,
        layer_id=layer_id,
        valid_from=valid_from,
        published_at=published_at,
        source=source,
        boundaries=len(drawn),
        findings=dict(findings or {}),
        reroutes=reroutes,
        stamping="waiting",
    )
    session.add(version)
    session.flush()
    return version


def rename(session: Session, drawn: Sequence[NewBoundary], *, jurisdiction_id: int, layer_id: int, now: datetime) -> None:
    """Give the layer's districts these names and populations, at once; those that have ended keep theirs.  Flushes."""
    named = {each.code: each for each in drawn}
    rows = session.scalars(
        select(Boundary).where(
            Boundary.jurisdiction_id == jurisdiction_id,
            Boundary.layer_id == layer_id,
            or_(Boundary.valid_to.is_(None), Boundary.valid_to > now),
        )
    )
    for row in rows:
        if row.code in named:
            row.name, row.population = named[row.code].name, named[row.code].population
    session.flush()


def withdraw(session: Session, *, jurisdiction_id: int, layer_id: int, now: datetime, reroutes: bool = False) -> LayerVersion:
    """The layer's newest version, taken back: the map before it holds again, or none, as if there had been no other.

    Boundaries that requests were stamped with stay as rows that are never in force, until the stamps are gone.  Raises
    NothingToWithdraw.  Flushes.
    """
    version = newest_version(session, jurisdiction_id=jurisdiction_id, layer_id=layer_id)
    mine = (Boundary.jurisdiction_id == jurisdiction_id, Boundary.layer_id == layer_id)
    if version is None or version.valid_from is None:
        raise NothingToWithdraw
    # Another version that was to begin then, and was taken back as well, is not what holds again.
    was_in_force = or_(Boundary.valid_from.is_(None), Boundary.valid_from < version.valid_from)
    ended = session.scalars(select(Boundary).where(*mine, Boundary.valid_to == version.valid_from, was_in_force)).all()
    begun = session.scalars(select(Boundary).where(*mine, Boundary.valid_from == version.valid_from)).all()
    for row in begun:
        row.valid_to = version.valid_from
    session.flush()
    for row in ended:
        row.valid_to = None
    version.withdrawn_at, version.reroutes = now, reroutes
    version.stamping, version.stamped_through_id, version.stamped_requests, version.rerouted_requests = "waiting", 0, 0, 0
    session.flush()
    return version
