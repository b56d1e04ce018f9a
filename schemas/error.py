"""Errors.  Source: GeoReport v2, Possible Errors."""

from marshmallow import Schema

from schemas.representation import Order, Representation, Text


class ErrorSchema(Schema):
    """One thing that is wrong; clients show the description to people."""

    code = Order(required=True)
    description = Text(required=True)


ERRORS = Representation(schema=ErrorSchema, plural="errors", singular="error")
