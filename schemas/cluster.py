"""Requests that lie near each other, counted.  Our extension of GeoReport v2; docs/districts.md."""

from marshmallow import Schema

from schemas.representation import Box, Number, Order, Representation, Text


class ClusterSchema(Schema):
    """Public requests of one cell of a map: their middle, how many, how many are open, the box around them.

    service_request_id: of the one, where there is only one.
    """

    lat = Number(required=True)
    long = Number(required=True)
    count = Order(required=True)
    open = Order(required=True)
    bbox = Box()
    service_request_id = Text(allow_none=True)


CLUSTERS = Representation(schema=ClusterSchema, plural="clusters", singular="cluster")
