"""A geometry comes out of the database as it went in."""

from shapely import MultiPolygon, Polygon, box
from shapely.geometry import Point

from db import db
from tests.factories import Factory
from tests.town import Town


def test_a_boundary_with_a_hole_and_an_island_is_read_as_it_was_written(town: Town):
    ring = Polygon(box(0, 0, 3, 3).exterior, [box(1, 1, 2, 2).exterior])
    area = MultiPolygon([ring, box(5, 5, 6, 6)])
    boundary = town.boundary("A", area)

    db.session.expire(boundary)

    assert boundary.area.equals_exact(area, tolerance=0)


def test_a_location_keeps_every_digit(make: Factory):
    request = make.request(long=-71.09441234567891, lat=42.34741234567891)

    db.session.expire(request)

    assert request.location == Point(-71.09441234567891, 42.34741234567891)


def test_a_request_without_a_place_has_none(make: Factory):
    request = make.request(long=None, lat=None)

    db.session.expire(request)

    assert request.location is None
