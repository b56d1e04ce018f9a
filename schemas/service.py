"""Services and their definitions.  Source: GeoReport v2, GET Service List, GET Service Definition."""

from marshmallow import Schema

from schemas.representation import Flag, Items, Order, Representation, Text


class ServiceSchema(Schema):
    """A service, as listed."""

    service_code = Text(required=True)
    service_name = Text(required=True)
    description = Text(required=True)
    metadata = Flag(required=True)
    type = Text(required=True)
    keywords = Text(required=True)
    group = Text(required=True)


class ExtendedServiceSchema(ServiceSchema):
    """The same with what extensions=true adds: what of it is an emergency, and the telephone of who comes at once.  Ours."""

    emergency = Text(allow_none=True)
    emergency_phone = Text(allow_none=True)


class ValueSchema(Schema):
    """A choice of a list attribute: `key` is submitted, `name` is shown."""

    key = Text(required=True)
    name = Text(required=True)


class AttributeSchema(Schema):
    """A question of the service's form."""

    variable = Flag(required=True)
    code = Text(required=True)
    datatype = Text(required=True)
    required = Flag(required=True)
    datatype_description = Text(allow_none=True)
    order = Order(required=True)
    description = Text(required=True)
    values = Items("value", ValueSchema)


class DefinitionSchema(Schema):
    """A service with its questions."""

    service_code = Text(required=True)
    attributes = Items("attribute", AttributeSchema)


SERVICES = Representation(schema=ServiceSchema, plural="services", singular="service")
EXTENDED_SERVICES = Representation(schema=ExtendedServiceSchema, plural="services", singular="service")
DEFINITION = Representation(schema=DefinitionSchema, singular="service_definition")
