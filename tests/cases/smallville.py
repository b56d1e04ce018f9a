"""Smallville at work: requests that come in, maps that change, and what its tables say afterwards."""

from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import namedtuple_row
from shapely import MultiPolygon, Polygon
from sqlalchemy import select
from sqlalchemy.orm import Session

from db import driver_connection
from geo.importing import NewBoundary
from geo.models import Layer, LayerVersion
from geo.point import Point
from geo.versions import publish, withdraw
from open311.cases import intake, stamping
from open311.cases.intake import Draft
from open311.city.folder import read_folder
from open311.city.load import load_folder
from open311.jurisdictions import City, read_cities
from open311.services import find_service
from routing.decision import Decision
from schemas.definition import Answers
from tests.small_city import EAST, WEST, SmallCity

# By the map of Smallville; East Yard has the potholes of ward E, Public Works all others.
IN_WEST, IN_EAST = Point(long=-71.15, lat=42.35), Point(long=-71.05, lat=42.35)
# A map on which the two wards have changed places, and the one that they are drawn on first.
SWAPPED, AS_BEFORE = {"W": EAST, "E": WEST}, {"W": WEST, "E": EAST}


class Smallville:
    """Smallville in the transaction of a session, loaded at a moment; who calls ends the transaction."""

    def __init__(self, session: Session, folder: SmallCity, *, now: datetime) -> None:
        self.session, self.folder = session, folder
        self.load(now=now)
        self.city: City = next(city for city in read_cities(self.connection) if city.jurisdiction_id == "small.gov")

    def through(self, session: Session) -> "Smallville":
        """The same city through another session."""
        other = copy(self)
        other.session = session
        return other

    @property
    def connection(self) -> "Connection[Any]":
        """The connection of the session's transaction."""
        return driver_connection(self.session)

    def load(self, *, now: datetime) -> None:
        """The folder as it is now, put in place."""
        load_folder(self.session, read_folder(self.folder.path), now=now)

    def layer(self, code: str) -> Layer:
        """A layer by its code."""
        return self.session.scalars(
            select(Layer).join_from(Layer, LayerVersion).where(Layer.code == code, Layer.jurisdiction_id == self.city.id)
        ).first()  # type: ignore[return-value]

    def publish(
        self,
        areas: Mapping[str, Polygon],
        *,
        valid_from: datetime | None,
        published_at: datetime | None = None,
        layer: str = "ward",
        reroutes: bool = False,
    ) -> LayerVersion:
        """A map of the layer, published when it begins unless said otherwise."""
        version = publish(
            self.session,
            [NewBoundary(code=code, name=code, area=MultiPolygon([area]), repaired=None) for code, area in areas.items()],
            jurisdiction_id=self.city.id,
            layer_id=self.layer(layer).id,
            valid_from=valid_from,
            published_at=published_at or valid_from,  # type: ignore[arg-type]
            source="test",
            reroutes=reroutes,
        )
        assert version is not None
        return version

    def take_back(self, *, now: datetime, layer: str = "ward", reroutes: bool = False) -> LayerVersion:
        """The newest map of the layer, taken back."""
        return withdraw(self.session, jurisdiction_id=self.city.id, layer_id=self.layer(layer).id, now=now, reroutes=reroutes)

    def route(self, point: Point | None, *, at: datetime, service: str = "pothole") -> Decision:
        """Who would answer at a moment."""
        return intake.route(
            self.connection,
            jurisdiction_id=self.city.id,
            service=find_service(self.connection, service, jurisdiction_id=self.city.id).new,
            point=point,
            answers={},
            default_department_id=self.city.default_department_id,
            at=at,
        )

    def report(
        self,
        point: Point | None,
        *,
        at: datetime,
        service: str = "pothole",
        decision: Decision | None = None,
        description: str | None = None,
        answers: Answers | None = None,
        needs_number: bool = True,
    ) -> str:
        """The number of a request that comes in at a moment; decision: as it was made before.

        Not needs_number: of a batch service, the token.
        """
        draft = Draft(
            service=find_service(self.connection, service, jurisdiction_id=self.city.id).new,
            decision=decision or self.route(point, at=at, service=service),
            point=point,
            description=description,
            answers=answers or {},
        )
        receipt = intake.receive(self.connection, draft, jurisdiction_id=self.city.id, now=at)
        number = receipt.number if needs_number else receipt.token
        assert number is not None
        return number

    def stamp(self, version: LayerVersion, *, now: datetime) -> int:
        """What the job of a version does, but for the waiting; how many batches there were."""
        key = {
            "jurisdiction_id": self.city.id,
            "layer_version_id": version.id,
            "is_withdrawal": version.withdrawn_at is not None,
        }
        batches = 1
        while stamping.stamp_batch(self.connection, **key, now=now):
            batches += 1
        stamping.settle(self.connection, **key, now=now)
        self.session.expire_all()
        return batches

    def rows(self, query: str, *parameters: object) -> Sequence[Any]:
        """The rows of a query on the city's database."""
        with self.connection.cursor(row_factory=namedtuple_row) as cursor:
            return cursor.execute(query, parameters).fetchall()  # type: ignore[arg-type]

    def request(self, number: str) -> Any:
        """The row of a request, with `answers_for`: the code of the unit or department."""
        (row,) = self.rows(
            "select r.*, d.code as answers_for from service_request r"
            " join department d on d.id = coalesce(r.unit_id, r.department_id) where number = %s",
            number,
        )
        return row

    def stamps(self, number: str, layer: str = "ward") -> list[tuple[str, datetime | None]]:
        """(code, valid_from) of the layer's districts that a request is stamped with, the oldest first."""
        found = self.rows(
            "select b.code, b.valid_from from request_district d join service_request r on r.id = d.request_id"
            " join boundary b on b.id = d.boundary_id join layer l on l.id = b.layer_id"
            " where r.number = %s and l.code = %s order by b.valid_from nulls first, b.code",
            number,
            layer,
        )
        return [(row.code, row.valid_from) for row in found]

    def events(self, number: str, *kinds: str) -> list[Any]:
        """The history of a request (kind, at, facts), the oldest first; only of these kinds, when some are named."""
        found = self.rows(
            "select e.kind, e.at, e.facts from request_event e join service_request r on r.id = e.request_id"
            " where r.number = %s order by e.id",
            number,
        )
        return [row for row in found if not kinds or row.kind in kinds]

    def causes(self, number: str) -> list[str | None]:
        """Why a request was routed, each time."""
        return [row.facts.get("cause") for row in self.events(number, "routed")]
