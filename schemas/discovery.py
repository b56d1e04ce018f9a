"""Service discovery.  Source: Open311 Service Discovery."""

from marshmallow import Schema

from schemas.representation import Items, Moment, Representation, Text

SPECIFICATION = "http://wiki.open311.org/GeoReport_v2"


class EndpointSchema(Schema):
    """An endpoint and what it speaks; changeset moves when services or definitions change."""

    specification = Text(required=True)
    url = Text(required=True)
    changeset = Moment(required=True)
    type = Text(required=True)
    formats = Items("format")


class DiscoverySchema(Schema):
    """Where the service is."""

    changeset = Moment(required=True)
    contact = Text(required=True)
    key_service = Text(required=True)
    endpoints = Items("endpoint", EndpointSchema)


DISCOVERY = Representation(schema=DiscoverySchema, singular="discovery")
