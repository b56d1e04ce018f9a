"""Spatial SQL: what an area covers, and how large it is."""

from typing import Any

import pytest
from flask import Flask
from geoalchemy2.shape import from_shape
from shapely import MultiPolygon, Polygon, box
from sqlalchemy import ColumnElement, Double, literal, select

from db import db
from geo.columns import WGS84, ShapelyGeometry
from geo.queries import covers, latitude, longitude, make_point, square_metres

RING = MultiPolygon([Polygon(box(0, 0, 3, 3).exterior, [box(1, 1, 2, 2).exterior])])


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    ("long", "lat", "is_covered"),
    [
        pytest.param(0.5, 0.5, True, id="inside"),
        pytest.param(3, 1.5, True, id="on-an-edge"),
        pytest.param(0, 0, True, id="on-a-corner"),
        pytest.param(1, 1.5, True, id="on-the-edge-of-the-hole"),
        pytest.param(1, 1, True, id="on-a-corner-of-the-hole"),
        pytest.param(1.5, 1.5, False, id="in-the-hole"),
        pytest.param(3.0000001, 1.5, False, id="a-centimetre-outside"),
        pytest.param(1.5, -40, False, id="far-away"),
    ],
)
def test_an_area_covers_its_inside_and_its_edges(long: float, lat: float, is_covered: bool):
    area = literal(RING, ShapelyGeometry("MULTIPOLYGON"))

    found = db.session.scalar(select(covers(area, _point(long, lat))))

    assert found is is_covered


def test_two_squares_that_touch_both_cover_their_shared_edge(app: Flask):
    west, east = (literal(MultiPolygon([box(start, 0, start + 1, 1)]), ShapelyGeometry("MULTIPOLYGON")) for start in (0, 1))

    found = db.session.execute(select(covers(west, _point(1, 0.3)), covers(east, _point(1, 0.3)))).one()

    assert tuple(found) == (True, True)


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    ("long", "lat"),
    [pytest.param(None, 1.0, id="no-long"), pytest.param(1.0, None, id="no-lat"), pytest.param(None, None, id="none")],
)
def test_a_point_of_which_a_number_is_missing_is_null(long: float | None, lat: float | None):
    assert db.session.scalar(select(longitude(_point(long, lat)))) is None


def test_a_point_gives_back_its_degrees(app: Flask):
    found = db.session.execute(select(longitude(_point(-71.0944, 42.3474)), latitude(_point(-71.0944, 42.3474)))).one()

    assert tuple(found) == (-71.0944, 42.3474)


def test_an_area_is_measured_on_the_spheroid(app: Flask):
    degree_at_the_equator: Any = from_shape(MultiPolygon([box(0, 0, 1, 1)]), srid=WGS84)

    found = db.session.scalar(select(square_metres(degree_at_the_equator)))

    assert found == pytest.approx(12_308_778_361, rel=1e-6)


def _point(long: float | None, lat: float | None) -> ColumnElement[Any]:
    return make_point(long=literal(long, Double), lat=literal(lat, Double))
