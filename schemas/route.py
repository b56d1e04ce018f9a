"""A routing decision explained, and what lies at a point.  Our extensions of GeoReport v2; docs/api.md."""

from marshmallow import Schema

from schemas.representation import Flag, Items, Moment, Number, Order, Part, Representation, Text


class BoundarySchema(Schema):
    """A district as it was drawn for a time; the times are null where it has no beginning, or no end yet."""

    layer = Text(required=True)
    code = Text(required=True)
    name = Text(required=True)
    valid_from = Moment(allow_none=True)
    valid_to = Moment(allow_none=True)


class CandidateSchema(Schema):
    """A department that could answer, in rank order; lost_because is null for the one that does."""

    department = Text(required=True)
    unit = Text(allow_none=True)
    rule = Text(allow_none=True)
    priority = Order(allow_none=True)
    boundary = Part(BoundarySchema)
    lost_because = Text(allow_none=True)


class RouteSchema(Schema):
    """Who answers for a service at a place, and why; department reads as agency_responsible does."""

    department = Text(required=True)
    unit = Text(allow_none=True)
    rule = Text(allow_none=True)
    boundary = Part(BoundarySchema)
    distance_metres = Number(allow_none=True)
    candidates = Items("candidate", CandidateSchema)
    reason = Text(required=True)


class DistrictSchema(Schema):
    """A district with the layer that it belongs to."""

    layer = Text(required=True)
    code = Text(required=True)
    name = Text(required=True)


class CoverageSchema(Schema):
    """Whether a point is served, by whom, and in which districts it lies."""

    covered = Flag(required=True)
    jurisdiction_id = Text(allow_none=True)
    districts = Items("district", DistrictSchema)


ROUTE = Representation(schema=RouteSchema, singular="route")
COVERAGE = Representation(schema=CoverageSchema, singular="coverage")
