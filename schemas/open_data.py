"""A request as open data.  Source: GeoReport bulk (spec 5.6), and ours beyond it."""

from marshmallow import Schema

from schemas.representation import Items, Moment, Order, Part, Representation, Text
from schemas.request import RequestSchema


class OpenRequestSchema(RequestSchema):
    """A request as bulk files and the change feed show it: what GET requests shows, and the columns behind it.

    closed_date, status_description, source and service_subtype have their names from GeoReport bulk.  districts:
    those that it lies in as they are drawn now, each as LAYER:CODE.
    """

    closed_date = Moment(allow_none=True)
    status_description = Text(required=True)
    source = Text(required=True)
    service_subtype = Text(allow_none=True)
    service_group = Text(required=True)
    agency_code = Text(required=True)
    unit = Text(allow_none=True)
    priority = Text(required=True)
    times_reopened = Order(required=True)
    parent_service_request_id = Text(allow_none=True)
    districts = Items("district")


class ChangeSchema(Schema):
    """What became of a request.  state: kept (it is there, and `request` says how) or removed (it is not shown any more)."""

    cursor = Text(required=True)
    state = Text(required=True)
    service_request_id = Text(required=True)
    request = Part(OpenRequestSchema)


CHANGES = Representation(schema=ChangeSchema, plural="changes", singular="change")
OPEN_REQUESTS = Representation(schema=OpenRequestSchema, plural="service_requests", singular="request")
