"""Layers and their districts.  Our extensions of GeoReport v2; docs/districts.md."""

from marshmallow import Schema

from schemas.representation import Box, Flag, Items, Moment, Number, Order, Part, Representation, Shape, Text


class LayerSchema(Schema):
    """One way of dividing a city, and how many districts it has; is_outline: it is the city's own outline."""

    code = Text(required=True)
    name = Text(required=True)
    district_count = Order(required=True)
    is_outline = Flag(required=True)


class DrawnDistrictSchema(Schema):
    """A district as it is drawn for a time; the times are null where it has no beginning, or no end yet.

    bbox: its western edge is greater than its eastern one where it lies across 180 degrees.
    """

    layer = Text(required=True)
    code = Text(required=True)
    name = Text(required=True)
    area_square_metres = Number(required=True)
    valid_from = Moment(allow_none=True)
    valid_to = Moment(allow_none=True)
    bbox = Box()


class BoundedDistrictSchema(DrawnDistrictSchema):
    """The same with its boundary."""

    boundary = Shape()


class VersionSchema(Schema):
    """A time for which a district was, is or will be drawn in one way."""

    name = Text(required=True)
    area_square_metres = Number(required=True)
    valid_from = Moment(allow_none=True)
    valid_to = Moment(allow_none=True)


class FiguresSchema(Schema):
    """Requests of a district (open311.reports.districts.Figures); null where there are too few to be told."""

    open = Order(allow_none=True)
    received_last_30_days = Order(allow_none=True)


class LinksSchema(Schema):
    """Where there is more of a district."""

    requests = Text(required=True)
    scorecard = Text(required=True)
    bulk = Text(required=True)


class DistrictPageSchema(BoundedDistrictSchema):
    """One district: a version of it with its boundary, all its versions, its figures.

    is_in_force: the version is the one of the moment that was asked about; else it is the nearest one.
    """

    is_in_force = Flag(required=True)
    versions = Items("version", VersionSchema)
    requests = Part(FiguresSchema)
    links = Part(LinksSchema)


LAYERS = Representation(schema=LayerSchema, plural="layers", singular="layer")
DISTRICTS = Representation(schema=DrawnDistrictSchema, plural="districts", singular="district")
BOUNDED_DISTRICTS = Representation(schema=BoundedDistrictSchema, plural="districts", singular="district")
DISTRICT = Representation(schema=DistrictPageSchema, singular="district")
